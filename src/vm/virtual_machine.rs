//! A session's machine without a model: files, sandbox and tools, called by hand.
//!
//! This is what a library user and `okcvm tool call` use. A call makes no node: its records wait in the log, and the
//! next node (of a turn, of a named snapshot) takes them in, so that undo covers them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::schema::{ProjectSection, SnapshotSection};
use crate::preview::DeploymentsPlace;
use crate::protocol::{Artifact, CallId, SessionId, ToolCall, ToolStatus};
use crate::session::{Record, SessionFolder, SessionLock, SpillRef, find};
use crate::spec::Bundle;
use crate::support::clock::{Clock, SystemClock};
use crate::support::secret::{RedactedStream, Redactor};
use crate::tools::{
    CallContext, IPYTHON, LazyProgram, LazyPython, LazySandbox, Online, SandboxFolders, Toolbox, ToolboxParts,
};
use crate::workspace::Workspace;

use super::VmError;
use super::checkpoint::{Ledger, State};
use super::kernel::has_cells;
use super::resume::{LedgerOptions, Resumed};
use super::site::folder_of_copies;
use super::tool_task;

/// What every session of a process has in common.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The boundary around commands; it is tried when a tool needs it.
    pub sandbox: LazySandbox,
    /// What snapshots keep.
    pub snapshots: SnapshotSection,
    /// Limits of a project.
    pub project: ProjectSection,
    /// Prompt and tool manifest.
    pub bundle: Arc<Bundle>,
    /// Removes keys from everything that is written down.
    pub redactor: Redactor,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who a second process is told holds the session, such as `okcvm exec`.
    pub holder: String,
    /// Whether somebody is there to answer what a command asks on its terminal.
    pub interactive: bool,
    /// The Python of the notebook; without one the notebook is not offered.
    pub python: LazyPython,
    /// The browser of the machine.
    pub browser: LazyProgram,
    /// The search and the data sources.
    pub online: Online,
    /// Where copies of deployed websites lie; none puts them into a folder `deployments` among the sessions.
    pub deployments: Option<PathBuf>,
    /// What addresses of websites begin with, where a proxy of the user's stands before the server.
    pub preview_base_url: Option<String>,
}

impl SessionOptions {
    /// The bundle in the program, default limits, no keys to remove.
    pub fn new(sandbox: LazySandbox) -> Self {
        Self {
            sandbox,
            snapshots: SnapshotSection::default(),
            project: ProjectSection::default(),
            bundle: Arc::new(Bundle::embedded().clone()),
            redactor: Redactor::default(),
            clock: Arc::new(SystemClock),
            holder: "okcvm".to_owned(),
            interactive: false,
            python: LazyPython::none(),
            browser: LazyProgram::none(),
            online: Online::default(),
            deployments: None,
            preview_base_url: None,
        }
    }
}

/// A session that is open and locked: what an engine, or a [`VirtualMachine`], is made of.
pub struct OpenSession {
    /// The session on disk.
    pub ledger: Ledger,
    /// What opening it brought.
    pub resumed: Resumed,
    /// Its files.
    pub workspace: Workspace,
    /// Its tools, with what they remember.
    pub toolbox: Arc<Toolbox>,
}

impl OpenSession {
    /// Locks a session and opens everything in it. Blocks: a rollback that was cut off is finished, and the first
    /// node of a new session is made.
    pub fn open(folder: SessionFolder, options: &SessionOptions) -> Result<Self, VmError> {
        let lock = SessionLock::acquire(&folder, &options.holder)?;
        let owner = options.sandbox.tool_owner();
        let deployments = folder_of_copies(&folder, options.deployments.clone());
        let folders = SandboxFolders {
            id: folder.id().to_string(),
            work: folder.work(),
            home: folder.home(),
            tmp: folder.tmp(),
            mount: folder.mount(),
            mounted: Vec::new(),
        };
        let workspace = Workspace::open(&folders.work, &folders.mount, owner)?
            .also_known_as(options.sandbox.workspace(&folders).as_deref());
        let toolbox = Toolbox::new(ToolboxParts {
            bundle: Arc::clone(&options.bundle),
            workspace: workspace.clone(),
            sandbox: options.sandbox.clone(),
            folders,
            spill: folder.spill(),
            redactor: options.redactor.clone(),
            interactive: options.interactive,
            python: options.python.clone(),
            browser: options.browser.clone(),
            online: options.online.clone(),
            deployments: DeploymentsPlace {
                dir: deployments.clone(),
                session: folder.id().to_string(),
                port: folder.meta().port,
                base_url: options.preview_base_url.clone(),
                most_file: options.snapshots.max_file_mb.saturating_mul(1 << 20),
                most_bytes: options.snapshots.max_total_mb.saturating_mul(1 << 20),
            },
        })?;
        let ledger_options = LedgerOptions {
            snapshots: options.snapshots.clone(),
            owner,
            deployments: Some(deployments),
            clock: Arc::clone(&options.clock),
        };
        let (mut ledger, resumed) = Ledger::open(folder, lock, ledger_options)?;
        ledger.limits = options.project.clone();
        toolbox.restore_state(&resumed.state);
        let by_hand = |record: &Record| matches!(record, Record::ToolFinished { reply, .. } if reply.tool == IPYTHON);
        toolbox
            .conversation_opened(has_cells(&resumed.messages) || ledger.open_records().any(|record| by_hand(&record)));
        Ok(Self { ledger, resumed, workspace, toolbox: Arc::new(toolbox) })
    }

    /// Makes a new session below `sessions` and opens it.
    pub fn create(sessions: &Path, options: &SessionOptions) -> Result<Self, VmError> {
        Self::open(SessionFolder::create(sessions, &SessionId::random(), &options.clock.now())?, options)
    }
}

/// What a call by hand gave back. Serialized, it is the object that `okcvm tool call --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolOutcome {
    /// The tool's name.
    pub tool: String,
    /// How the call ended.
    pub status: ToolStatus,
    /// Its output, clipped as for a model.
    pub output: String,
    /// Things made for the user.
    pub artifacts: Vec<Artifact>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A session's machine without a model.
pub struct VirtualMachine {
    ledger: Ledger,
    toolbox: Arc<Toolbox>,
    redactor: Redactor,
    warnings: Vec<String>,
    /// What the tools remembered when it was written down last.
    state: State,
}

impl VirtualMachine {
    /// A machine in a new session below `sessions`.
    pub fn create(sessions: &Path, options: &SessionOptions) -> Result<Self, VmError> {
        Ok(Self::new(OpenSession::create(sessions, options)?, options.redactor.clone()))
    }

    /// The machine of a session: an id, a unique prefix of one, or `last`.
    pub fn open(sessions: &Path, query: &str, options: &SessionOptions) -> Result<Self, VmError> {
        Ok(Self::new(OpenSession::open(find(sessions, query)?, options)?, options.redactor.clone()))
    }

    /// The machine of a session that is open.
    pub fn new(session: OpenSession, redactor: Redactor) -> Self {
        let OpenSession { ledger, resumed, workspace: _, toolbox } = session;
        let state = toolbox.state();
        Self { ledger, toolbox, redactor, warnings: resumed.warnings, state }
    }

    /// The session's folder.
    pub fn folder(&self) -> &SessionFolder {
        self.ledger.folder()
    }

    /// The tools.
    pub fn toolbox(&self) -> &Arc<Toolbox> {
        &self.toolbox
    }

    /// What opening the session had to say: damage, a rollback that was finished.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The session on disk, for snapshots by hand.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Calls a tool. A tool that fails is an outcome; an error means that the call could not be written down.
    pub async fn call_tool(&mut self, name: &str, arguments: &Value) -> Result<ToolOutcome, VmError> {
        self.call_tool_with(name, &arguments.to_string(), CancellationToken::new(), |_| {}).await
    }

    /// Calls a tool with arguments as text, which need not be JSON; live output goes to `on_output`, and `cancel`
    /// ends the call.
    pub async fn call_tool_with(
        &mut self,
        name: &str,
        arguments: &str,
        cancel: CancellationToken,
        mut on_output: impl FnMut(&str),
    ) -> Result<ToolOutcome, VmError> {
        let call = ToolCall {
            id: CallId(format!("hand-{}", uuid::Uuid::now_v7().simple())),
            name: name.to_owned(),
            arguments: self.redactor.redact(arguments).into_owned(),
        };
        self.ledger.append(&Record::ToolStarted {
            turn: None,
            call: call.id.clone(),
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
        })?;
        let (output, mut chunks) = mpsc::unbounded_channel();
        let mut clean = RedactedStream::new(self.redactor.clone());
        let mut show = |text: String| {
            if !text.is_empty() {
                on_output(&text);
            }
        };
        let finished = {
            let work = self.toolbox.call(&call, CallContext { cancel, output });
            tokio::pin!(work);
            let mut open = true;
            loop {
                tokio::select! {
                    biased;
                    chunk = chunks.recv(), if open => match chunk {
                        Some(chunk) => show(clean.push(&chunk)),
                        None => open = false,
                    },
                    finished = &mut work => break finished,
                }
            }
        };
        while let Ok(chunk) = chunks.try_recv() {
            show(clean.push(&chunk));
        }
        show(clean.finish());
        let result = tool_task::result(call.id, call.name, finished, &self.redactor);
        let pictures = result.pictures();
        let artifacts = result.artifacts.iter().map(Artifact::for_log).collect();
        let outcome = ToolOutcome {
            tool: result.reply.tool.clone(),
            status: result.reply.status,
            output: result.reply.output.clone(),
            artifacts: result.artifacts,
            duration_ms: result.duration_ms,
        };
        self.ledger.append(&Record::ToolFinished {
            turn: None,
            reply: result.reply,
            duration_ms: result.duration_ms,
            spill: result.spill.map(|spill| SpillRef { sha256: spill.sha256, bytes: spill.bytes }),
            diff: result.diff,
            pictures,
            artifacts,
        })?;
        self.remember()?;
        Ok(outcome)
    }

    /// Takes a deployed website off the session's list; its copy is the caller's to remove.
    pub fn remove_site(&mut self, id: &str) -> Result<(), VmError> {
        self.toolbox.deployments().remove(id);
        self.remember()
    }

    /// Writes down what the tools remember, where it changed: the next process goes on with it.
    fn remember(&mut self) -> Result<(), VmError> {
        let state = self.toolbox.state();
        for (name, bytes) in &state {
            let known = self.state.iter().any(|(other, before)| other == name && before == bytes);
            if !known && let Ok(value) = serde_json::from_slice(bytes) {
                self.ledger.append(&Record::State { name: name.clone(), value })?;
            }
        }
        self.state = state;
        self.ledger.keep_port(self.toolbox.site_port());
        Ok(())
    }
}
