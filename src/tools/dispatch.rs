//! One session's tools: checks a call, runs it, clips what comes back. Nothing here fails: every outcome of a call is
//! a value that the model can be told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use super::capture::{Capture, Clipped, with_footer};
use super::kept::{self, KeptPicture};
use super::keyboards::Keyboards;
use super::network;
use super::online::Online;
use super::python::Making;
use super::registry::{Entry, Needs, ToolRegistry, ToolRow};
use super::state::ToolState;
use super::tool::{ToolContext, ToolEffect, ToolError, ToolOutput};
use super::{ToolsError, walls};
use crate::browser::{Browser, LazyProgram};
use crate::config::schema::NetworkMode;
use crate::kernel::python::LazyPython;
use crate::kernel::{Kernel, StillKernel};
use crate::preview::{Deployments, DeploymentsPlace};
use crate::protocol::{
    Artifact, CallId, Event, ImageData, NetworkChange, NetworkState, TodoItem, ToolCall, ToolSpec, ToolStatus,
};
use crate::sandbox::network::Network;
use crate::sandbox::{Decoder, Frozen, LazySandbox, Notices, SandboxFolders, SandboxSession};
use crate::spec::Bundle;
use crate::support::secret::Redactor;
use crate::workspace::Workspace;

/// What a session's tools are made of.
#[derive(Debug)]
pub struct ToolboxParts {
    /// Prompt and manifest.
    pub bundle: Arc<Bundle>,
    /// The session's files.
    pub workspace: Workspace,
    /// The boundary around commands.
    pub sandbox: LazySandbox,
    /// What commands see.
    pub folders: SandboxFolders,
    /// Where long outputs are kept whole.
    pub spill: PathBuf,
    /// Removes keys from everything that comes out.
    pub redactor: Redactor,
    /// Whether somebody is there to answer what a command asks on its terminal.
    pub interactive: bool,
    /// The Python of the notebook, and of commands.
    pub python: LazyPython,
    /// The browser of the machine.
    pub browser: LazyProgram,
    /// The search and the data sources.
    pub online: Online,
    /// Where websites are shown.
    pub deployments: DeploymentsPlace,
}

/// The tools of one session. Meant to be shared behind an `Arc`.
#[derive(Debug)]
pub struct Toolbox {
    pub(super) registry: ToolRegistry,
    pub(super) machine: Machine,
    spill: PathBuf,
    pub(super) redactor: Redactor,
    pub(super) making: Making,
}

/// Files, sandbox and state of a session, as tools use them.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) workspace: Workspace,
    pub(crate) folders: Arc<SandboxFolders>,
    pub(crate) state: Arc<ToolState>,
    /// Where what happens besides calls is told.
    pub(crate) notices: Notices,
    /// What commands may reach.
    pub(crate) network: Network,
    pub(crate) interactive: bool,
    /// The Python of the notebook, and of commands.
    pub(crate) python: LazyPython,
    /// The kernel of the session.
    pub(crate) kernel: Kernel,
    /// The browser of the machine, and that of the session.
    pub(crate) browser_program: LazyProgram,
    pub(crate) browser: Browser,
    /// The search and the data sources.
    pub(crate) online: Online,
    /// The websites of the session.
    pub(crate) deployments: Deployments,
    /// Terminals of running calls.
    pub(crate) keyboards: Keyboards,
    sandbox: LazySandbox,
    session: Arc<OnceCell<SandboxSession>>,
    redactor: Redactor,
}

/// What a caller gives to one call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Ends the call.
    pub cancel: CancellationToken,
    /// Takes output while the tool runs.
    pub output: mpsc::UnboundedSender<String>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ToolStatus,
    /// Whether it was cut off: nobody knows how far it came.
    pub unfinished: bool,
    /// Text for the model: at most [`super::OUTPUT_LIMIT`] characters, but for a file that is shown.
    pub output: String,
    /// Pictures for a vision model.
    pub images: Vec<ImageData>,
    /// Things made for the user.
    pub artifacts: Vec<Artifact>,
    /// The todo list, when it was replaced.
    pub todos: Option<Vec<TodoItem>>,
    /// The whole output, where it was clipped.
    pub spill: Option<Spill>,
    /// Unified diff of the file that was changed.
    pub diff: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// Ends the turn, and why.
    pub fatal: Option<String>,
}

/// A file that holds a whole output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spill {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl Toolbox {
    /// The tools of a session. Does not try the sandbox yet.
    pub fn new(parts: ToolboxParts) -> Result<Self, ToolsError> {
        let ToolboxParts {
            bundle,
            workspace,
            sandbox,
            folders,
            spill,
            redactor,
            interactive,
            python,
            browser,
            online,
            deployments,
        } = parts;
        let notices = Notices::default();
        let kernel = Kernel::new(notices.clone());
        let network = Network::new(sandbox.network_section(), notices.clone(), |name| std::env::var(name).ok());
        let told = notices.clone();
        let deployments = Deployments::new(deployments, Arc::new(move |event| told.tell(event)));
        let machine = Machine {
            workspace,
            folders: Arc::new(folders),
            state: Arc::default(),
            notices,
            network,
            interactive,
            python,
            kernel,
            browser_program: browser,
            browser: Browser::new(),
            online,
            deployments,
            keyboards: Keyboards::default(),
            sandbox,
            session: Arc::default(),
            redactor: redactor.clone(),
        };
        let registry = ToolRegistry::from_bundle(&bundle)?;
        Ok(Self { registry, machine, spill, redactor, making: Making::default() })
    }

    /// Chooses the sandbox and looks for Python on threads that may block, so that the calls below do not have to.
    pub async fn warm(&self) {
        futures::join!(self.machine.sandbox.warm(), self.machine.python.warm());
    }

    /// Every tool of the manifest and whether it can run here. Blocks while the sandbox is chosen.
    pub fn rows(&self) -> Vec<ToolRow> {
        self.registry.rows_with(&self.machine.needs())
    }

    /// The tools that can run here, as the model is told of them. Blocks while the sandbox is chosen.
    pub fn specs(&self) -> Vec<ToolSpec> {
        let usable = |entry: &&Entry| entry.why_not(&self.machine.needs()).is_none();
        self.registry.entries.iter().filter(usable).map(|entry| self.spec(entry)).collect()
    }

    /// Whether a tool may change the workspace. A name that is no tool changes nothing.
    pub fn effect(&self, name: &str) -> ToolEffect {
        self.registry.find(name).map_or(ToolEffect::Reads, |entry| entry.tool.effect())
    }

    /// Runs one call to its end.
    pub async fn call(&self, call: &ToolCall, cx: CallContext) -> Finished {
        let started = Instant::now();
        let mut capture = Capture::new(self.redactor.clone(), &self.spill, Some(cx.output));
        let outcome = self.run(call, cx.cancel, &mut capture).await;
        let mut fatal = None;
        let output = outcome.unwrap_or_else(|error| {
            let (status, text) = match error {
                ToolError::ForModel(message) => (ToolStatus::Error, message),
                ToolError::Cancelled => (ToolStatus::Cancelled, "[cancelled by the user]".to_owned()),
                ToolError::Fatal(message) => {
                    fatal = Some(self.redactor.redact(&message).into_owned());
                    (ToolStatus::Error, message)
                }
            };
            ToolOutput { status, ..ToolOutput::text(text) }
        });
        self.keep(output.kept).await;
        let footer = self.redactor.redact(&output.footer);
        let Clipped { text, spill } = if output.bounded {
            Clipped { text: with_footer(self.redactor.redact(&output.text).into_owned(), &footer), spill: None }
        } else {
            capture.finish(&output.text, &footer)
        };
        Finished {
            status: output.status,
            unfinished: output.unfinished,
            output: text,
            images: output.images,
            artifacts: output.artifacts,
            todos: output.todos,
            spill,
            diff: output.diff.map(|diff| self.redactor.redact(&diff).into_owned()),
            duration: started.elapsed(),
            fatal,
        }
    }

    /// Puts pictures beside the long outputs. One that cannot be kept is missing on the screen only.
    async fn keep(&self, pictures: Vec<KeptPicture>) {
        if pictures.is_empty() {
            return;
        }
        let folder = self.spill.clone();
        let stored = tokio::task::spawn_blocking(move || kept::store(&folder, &pictures)).await;
        if let Ok(Err(error)) = stored {
            tracing::warn!(%error, folder = %self.spill.display(), "pictures for the user could not be kept");
        }
    }

    /// What happens in the machine besides calls: jobs, prompts that wait, requests to the network. The latest listener
    /// hears it.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Event> {
        self.machine.notices.listen()
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        self.machine.notices.tell(event);
    }

    /// Types into the terminal of a running call. A call that has ended or has no terminal takes nothing.
    pub fn input(&self, call: &CallId, text: &str) {
        self.machine.keyboards.input(call, text);
    }

    /// Ends a background job. One that has ended already is as good.
    pub fn end_job(&self, job: u32) {
        if !self.machine.session().is_some_and(|session| session.end_job(job)) {
            tracing::debug!(job, "no such job");
        }
    }

    /// Makes background jobs and kernel stand still until the guard goes, so that files can be read and put back as one
    /// state. Blocks until they do, or for some seconds; for threads of a runtime that may block.
    pub fn freeze(&self) -> Still {
        let runtime = tokio::runtime::Handle::current();
        let kernel = self.machine.kernel.freeze(&runtime);
        let session = self.machine.session().filter(|session| session.jobs() > 0);
        Still { _jobs: session.map(|session| session.freeze(&runtime)), _kernel: kernel }
    }

    /// Ends everything that runs for this session.
    pub async fn close(&self) {
        self.making.stop();
        self.machine.deployments.close();
        futures::join!(self.machine.kernel.close(), self.machine.browser.close());
        if let Some(session) = self.machine.session() {
            session.close().await;
        }
    }

    /// Tells or changes the network of the tools. `Err` says why a change cannot be made.
    pub fn network(&self, change: &NetworkChange) -> Result<NetworkState, String> {
        if self.machine.sandbox.is_confined() {
            let state = self.machine.network.change(change)?;
            if let Some(session) = self.machine.session() {
                session.network_changed();
                self.machine.kernel.network_changed(session);
                self.machine.browser.network_changed();
            }
            return Ok(state);
        }
        match change {
            NetworkChange::Show => {
                Ok(NetworkState { mode: NetworkMode::Host.as_str().to_owned(), ..NetworkState::default() })
            }
            _ => Err("commands run without a sandbox here, so they have the host's own network".to_owned()),
        }
    }

    /// What tools remember, by file name.
    pub fn state(&self) -> Vec<(String, Vec<u8>)> {
        self.machine.state.save().into_iter().chain(self.machine.deployments.save()).collect()
    }

    /// Replaces what tools remember. Texts that are missing or unreadable are empty, unknown names are left alone.
    pub fn restore_state(&self, state: &[(String, Vec<u8>)]) {
        self.machine.state.load(state);
        self.machine.deployments.load(state);
    }

    /// Shows the websites that the session has by now, where they can be shown. Within a Tokio runtime.
    pub async fn show_sites(&self) {
        let deployments = &self.machine.deployments;
        let told = match deployments.refresh().await {
            Ok(told) => told,
            Err(error) => vec![format!("the deployed websites of this session are not served: {error}")],
        };
        for message in told {
            self.machine.notices.tell(Event::Warning { message });
        }
        let sites = deployments.served();
        if !sites.is_empty() {
            self.machine.notices.tell(Event::SitesServed { sites, other_port: deployments.other_port() });
        }
        self.machine.offer_sites(true).await;
    }

    /// The port that the session keeps for its websites, once it has one.
    pub fn site_port(&self) -> Option<u16> {
        self.machine.deployments.kept_port()
    }

    /// The websites of the session.
    pub fn deployments(&self) -> &Deployments {
        &self.machine.deployments
    }

    /// The todo list.
    pub fn todos(&self) -> Vec<TodoItem> {
        self.machine.state.todos()
    }

    async fn run(
        &self,
        call: &ToolCall,
        cancel: CancellationToken,
        capture: &mut Capture,
    ) -> Result<ToolOutput, ToolError> {
        let entry = self.registry.find(&call.name).ok_or_else(|| self.unknown(&call.name))?;
        let tool = &entry.tool;
        let args = entry.checker.check(&call.arguments).map_err(ToolError::ForModel)?;
        if cancel.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        let network = (tool.needs_sandbox() && self.machine.sandbox.is_confined()).then_some(&self.machine.network);
        if let Some(network) = network {
            network.begin_call();
        }
        let call = call.id.clone();
        let cx = ToolContext { machine: &self.machine, call, cancel, capture: &mut *capture };
        let mut output = tool.run(cx, args).await?;
        let more = network.and_then(|network| network::after(network, output.status, |words| capture.mentions(words)));
        if let Some(more) = more {
            let between = if output.footer.is_empty() { "" } else { "\n" };
            output.footer.push_str(between);
            output.footer.push_str(&more);
        }
        Ok(output)
    }

    fn unknown(&self, name: &str) -> ToolError {
        let names: Vec<&str> = self.registry.entries.iter().map(|entry| entry.spec.name.as_str()).collect();
        let shown = crate::support::truncate::prefix(name, 100);
        let near = names.iter().copied().find(|known| strsim::jaro_winkler(known, shown) > 0.9);
        let hint = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        ToolError::ForModel(format!("there is no tool named {shown:?}.{hint} The tools are: {}", names.join(", ")))
    }

    fn spec(&self, entry: &Entry) -> ToolSpec {
        let mut spec = entry.spec.clone();
        if let Some(told) = entry.tool.told(&self.machine.browser_program) {
            spec.description.push_str("\n\n");
            spec.description.push_str(&told);
        }
        let needed = entry.tool.needs_sandbox();
        if needed && let Ok(sandbox) = self.machine.sandbox.get() {
            // Said here and not in the manifest, because it is true of this session only.
            let place = sandbox.workspace(&self.machine.folders);
            let walls = walls::told(sandbox, place.as_deref(), self.machine.workspace.mount());
            let network = sandbox.confines().then(|| network::description(&self.machine.network));
            for told in walls.into_iter().chain(network) {
                spec.description.push_str("\n\n");
                spec.description.push_str(&told);
            }
        }
        spec
    }
}

/// Background jobs and kernel stand still as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct Still {
    _jobs: Option<Frozen>,
    _kernel: Option<StillKernel>,
}

impl Machine {
    /// What reads documents and pictures, in a process that can do nothing else.
    pub(crate) fn decoder(&self) -> Decoder {
        self.sandbox.decoder()
    }

    /// What tools may need.
    pub(super) fn needs(&self) -> Needs<'_> {
        Needs { sandbox: &self.sandbox, python: &self.python, online: &self.online }
    }

    /// The session's sandbox, where one was made already.
    pub(super) fn session(&self) -> Option<&SandboxSession> {
        self.session.get()
    }

    /// The session's sandbox, its folders ready for it.
    pub(crate) async fn sandbox(&self) -> Result<SandboxSession, ToolError> {
        self.sandbox.warm().await;
        let sandbox = self.sandbox.get().cloned().map_err(|why| {
            ToolError::ForModel(format!(
                "commands cannot be run here: {}. The user can mend it: {}",
                why.reason, why.hint
            ))
        })?;
        let open = || async {
            let mut folders = SandboxFolders::clone(&self.folders);
            let (prepared, python) = (sandbox.clone(), self.python.clone());
            let folders = super::tool::blocking(move || {
                prepared.prepare(&folders).map_err(|error| {
                    ToolError::ForModel(format!("the session's folders are not ready for the sandbox: {error}"))
                })?;
                // What a sandbox shows is settled when it starts.
                folders.mounted.extend(python.get().iter().flat_map(|python| python.mounted()));
                Ok(folders)
            })
            .await?;
            let (network, notices, redactor) = (self.network.clone(), self.notices.clone(), self.redactor.clone());
            Ok::<_, ToolError>(SandboxSession::new(sandbox, Arc::new(folders), network, notices, redactor))
        };
        let session = self.session.get_or_try_init(open).await.cloned()?;
        self.offer_sites(false).await;
        Ok(session)
    }

    /// Lets the session's own network reach its websites, where it has both. The browser and commands are on it.
    pub(crate) async fn offer_sites(&self, again: bool) {
        if let (Some(session), Some(port)) = (self.session.get(), self.deployments.port()) {
            let deployments = self.deployments.clone();
            session.also_serve(port, Arc::new(move |listener| deployments.serve_inside(listener)), again).await;
        }
    }

    /// Why tools cannot open the address of a site, if so.
    pub(crate) async fn sites_inside(&self) -> Option<String> {
        if !self.sandbox.is_confined() {
            return None;
        }
        match self.sandbox().await {
            Ok(session) if session.reaches_service().await => None,
            Ok(_) => Some("Tools cannot open this address in the sandbox of this session; the user can.".to_owned()),
            Err(_) => None,
        }
    }
}
