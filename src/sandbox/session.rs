//! The sandbox of one session: started with the first command, shared by all that follow, ended with the session.
//!
//! With `sandbox.scope: command` each command gets one of its own, which ends with it.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::backend::Sandbox;
use super::child::{Child, NotStarted};
use super::jobs::{Frozen, Jobs, NewJob};
use super::netns::{self, SharedNetwork};
use super::network::{Family, Network, ProxyGuard};
use super::notices::Notices;
use super::runner::Runner;
use super::usage::{Accounts, Counted, Disk};
use super::{Mounted, SandboxError, SandboxFolders};
use crate::config::schema::{NetworkMode, SandboxScope};
use crate::protocol::{CallId, Event};
use crate::support::secret::Redactor;

/// How long a sandbox may take to end by itself.
const CLOSE: Duration = Duration::from_secs(1);

/// A session's sandbox. Cheap to clone; all clones are the same sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSession(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sandbox: Sandbox,
    /// Whose it is: that of commands, or that of the browser.
    family: Family,
    place: Arc<Place>,
    folders: Mutex<Arc<SandboxFolders>>,
    network: Network,
    notices: Notices,
    redactor: Redactor,
    jobs: Jobs,
    accounts: Accounts,
    counted: Counted,
    /// Held while a sandbox starts, so that two calls do not start two.
    starting: tokio::sync::Mutex<()>,
    running: Mutex<Running>,
}

/// What all sandboxes of a session share: a network, and what okcvm serves on it.
#[derive(Debug, Default)]
struct Place(tokio::sync::Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    network: Option<(Arc<SharedNetwork>, Option<ProxyGuard>)>,
    /// A service of okcvm's own that is to be reached under its port, and whether it is.
    service: Option<Service>,
}

struct Service {
    port: u16,
    serve: Serve,
    /// Whether it is; `None` until it was tried.
    is_reached: Option<bool>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("port", &self.port)
            .field("is_reached", &self.is_reached)
            .finish_non_exhaustive()
    }
}

/// Takes the listener of a service on the session's network.
pub type Serve = Arc<dyn Fn(TcpListener) -> std::io::Result<()> + Send + Sync>;

#[derive(Debug, Default)]
struct Running {
    runner: Option<(Arc<Runner>, NetworkMode)>,
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The program and its arguments, taken as they are; no shell is involved unless they name one.
    pub argv: Vec<String>,
    /// Whether standard input is a terminal of its own, into which somebody may type; otherwise it is empty.
    pub terminal: bool,
    /// Whether output and error come through one pipe, and so in the order in which they were written.
    pub merged: bool,
}

impl SandboxSession {
    /// For these folders, which must have been prepared ([`Sandbox::prepare`]). Nothing is started yet.
    pub fn new(
        sandbox: Sandbox,
        folders: Arc<SandboxFolders>,
        network: Network,
        notices: Notices,
        redactor: Redactor,
    ) -> Self {
        let place = Arc::default();
        Self::of_family(Family::Shell, (sandbox, folders), place, network, (notices, redactor))
    }

    /// The sandbox of the session's browser, on the same network as its commands, so that the browser sees what they
    /// serve. The folders are its own but for the workspace, which it only reads; see [`SandboxFolders::of_browser`].
    #[must_use]
    pub fn for_browser(&self, folders: Arc<SandboxFolders>) -> Self {
        let Inner { sandbox, place, network, notices, redactor, .. } = &*self.0;
        let told = (notices.clone(), redactor.clone());
        Self::of_family(Family::Browser, (sandbox.clone(), folders), Arc::clone(place), network.clone(), told)
    }

    fn of_family(
        family: Family,
        (sandbox, folders): (Sandbox, Arc<SandboxFolders>),
        place: Arc<Place>,
        network: Network,
        (notices, redactor): (Notices, Redactor),
    ) -> Self {
        Self(Arc::new(Inner {
            sandbox,
            family,
            place,
            folders: Mutex::new(folders),
            network,
            notices,
            redactor,
            jobs: Jobs::default(),
            accounts: Accounts::default(),
            counted: Counted::default(),
            starting: tokio::sync::Mutex::default(),
            running: Mutex::default(),
        }))
    }

    /// The backend and its configuration.
    pub fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    /// Starts a program with the workspace as its folder: this and [`SandboxSession::spawn_connected`] are all through
    /// which anything is started for the model.
    pub async fn spawn(&self, request: Request) -> Result<Child, SandboxError> {
        self.spawn_with(request, None).await
    }

    /// The same for a program whose standard input is one end of a socket, of which the other end comes back.
    pub async fn spawn_connected(&self, argv: Vec<String>) -> Result<(Child, UnixStream), SandboxError> {
        let (ours, theirs) = UnixStream::pair()?;
        let request = Request { argv, terminal: false, merged: true };
        let child = self.spawn_with(request, Some(theirs.as_fd())).await?;
        Ok((child, ours))
    }

    async fn spawn_with(&self, request: Request, input: Option<BorrowedFd<'_>>) -> Result<Child, SandboxError> {
        let inner = &*self.0;
        Sandbox::check(&request.argv)?;
        Sandbox::reopen(&self.folders());
        self.start(request, input).await.map_err(|error| inner.sandbox.told(error))
    }

    async fn start(&self, request: Request, input: Option<BorrowedFd<'_>>) -> Result<Child, NotStarted> {
        let inner = &*self.0;
        let mode = self.network_mode();
        let merged = request.merged;
        if !inner.sandbox.has_runner() {
            let command = inner.sandbox.command(&self.folders(), inner.family, request, mode, netns::PROXY)?;
            return inner.sandbox.run_directly(command, input, inner.accounts.open()).await;
        }
        let mut again = true;
        loop {
            let runner = match inner.sandbox.section().scope {
                SandboxScope::Session => self.runner(mode).await?,
                SandboxScope::Command => Arc::new(self.new_runner(mode).await?),
            };
            let folders = self.folders();
            let proxy = runner.proxy_address;
            let mut command = inner.sandbox.command(&folders, inner.family, request.clone(), mode, proxy)?;
            if mode == NetworkMode::Proxy {
                command.env.extend(inner.network.environment(inner.family, proxy));
            }
            match runner.run(&command, merged, input, inner.accounts.open()).await {
                // It ended between two commands, or under this one: a new one takes its place.
                Err(NotStarted::Lost(_)) if std::mem::take(&mut again) => {}
                outcome => return outcome,
            }
        }
    }

    /// The running sandbox; a new one where there is none, where it has ended, or where the network is another now.
    async fn runner(&self, mode: NetworkMode) -> Result<Arc<Runner>, NotStarted> {
        let _one_at_a_time = self.0.starting.lock().await;
        if let Some(runner) = self.take_unfit(mode) {
            self.end(&runner).await;
        }
        if let Some(runner) = self.with(|running| running.runner.as_ref().map(|(runner, _)| Arc::clone(runner))) {
            return Ok(runner);
        }
        let runner = Arc::new(self.new_runner(mode).await?);
        self.with(|running| running.runner = Some((Arc::clone(&runner), mode)));
        Ok(runner)
    }

    /// Takes out a sandbox that has ended or is not for this mode of the network.
    fn take_unfit(&self, mode: NetworkMode) -> Option<Arc<Runner>> {
        let unfit = |(runner, was): &mut (Arc<Runner>, NetworkMode)| {
            runner.has_ended() || !self.0.sandbox.same_walls(*was, mode)
        };
        self.with(|running| running.runner.take_if(unfit)).map(|(runner, _)| runner)
    }

    /// Ends a sandbox before its session, and tells what ends with it.
    async fn end(&self, runner: &Runner) {
        let jobs = self.jobs();
        runner.close(CLOSE).await;
        if jobs > 0 {
            let (jobs, verb) = if jobs == 1 {
                ("1 background job".to_owned(), "has")
            } else {
                (format!("{jobs} background jobs"), "have")
            };
            let message = format!("the sandbox was started anew, and {jobs} {verb} ended with it");
            self.0.notices.tell(Event::Warning { message });
        }
    }

    /// Shows these folders to commands from now on, in place of those of before. What runs ends, where it sees others.
    pub fn show(&self, mounted: Vec<Mounted>) {
        let mut folders = self.0.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if folders.mounted == mounted {
            return;
        }
        *folders = Arc::new(SandboxFolders { mounted, ..SandboxFolders::clone(&folders) });
        drop(folders);
        let runner = self.with(|running| running.runner.take());
        if let Some((runner, _)) = runner {
            let session = self.clone();
            tokio::runtime::Handle::current().spawn(async move { session.end(&runner).await });
        }
    }

    /// Where what it starts has its files.
    pub(crate) fn folders(&self) -> Arc<SandboxFolders> {
        Arc::clone(&self.0.folders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The network was changed: what runs with walls that are no longer those of its mode ends at once.
    pub fn network_changed(&self) {
        let mode = self.network_mode();
        if let Some(runner) = self.take_unfit(mode) {
            let session = self.clone();
            tokio::spawn(async move { session.end(&runner).await });
        }
    }

    /// The network that a command which starts now has.
    pub fn network_mode(&self) -> NetworkMode {
        if self.0.sandbox.confines() { self.0.network.mode(self.0.family) } else { NetworkMode::Host }
    }

    /// Whether what was started with this network has the walls that a command has now.
    pub fn has_walls_of(&self, mode: NetworkMode) -> bool {
        self.0.sandbox.same_walls(mode, self.network_mode())
    }

    async fn new_runner(&self, mode: NetworkMode) -> Result<Runner, NotStarted> {
        let inner = &*self.0;
        let shared = self.network(mode).await?;
        let start = inner.sandbox.runner(&self.folders(), inner.family, mode, shared.is_some())?;
        let mut runner = Runner::start(start, shared.as_deref()).await?;
        if let Some(listener) = runner.listener.take() {
            runner.proxy_address = listener.local_addr()?;
            runner.proxy = Some(inner.network.serve(listener)?);
        }
        Ok(runner)
    }

    /// The network that the sandboxes of this session share; `None` where each has its own or the host's.
    async fn network(&self, mode: NetworkMode) -> Result<Option<Arc<SharedNetwork>>, NotStarted> {
        if mode == NetworkMode::Host || !self.0.sandbox.shares_network() {
            return Ok(None);
        }
        let mut place = self.0.place.0.lock().await;
        if let Some((network, _)) = &place.network {
            return Ok(Some(Arc::clone(network)));
        }
        let Some((command, control, plan)) = self.0.sandbox.network_maker(&self.folders())? else { return Ok(None) };
        let make = tokio::task::spawn_blocking(move || SharedNetwork::make(command, &control, &plan));
        let mut network = make.await.map_err(std::io::Error::other)?.map_err(NotStarted::Sandbox)?;
        let proxy = network.listener.take().map(|listener| self.0.network.serve(listener)).transpose()?;
        let network = Arc::new(network);
        place.network = Some((Arc::clone(&network), proxy));
        self.reach(&mut place).await;
        Ok(Some(network))
    }

    /// Lets programs inside reach a service of okcvm's own under this port of their loopback, in place of another one from
    /// before: now where there is a shared network already, else as soon as there is one. What has failed before is tried
    /// again where that is wished for.
    pub async fn also_serve(&self, port: u16, serve: Serve, again: bool) {
        if !self.0.sandbox.shares_network() {
            return;
        }
        let mut place = self.0.place.0.lock().await;
        let known = place.service.as_ref().filter(|service| service.port == port);
        let done =
            known.is_some_and(|service| service.is_reached == Some(true) || (service.is_reached.is_some() && !again));
        if done {
            return;
        }
        place.service = Some(Service { port, serve, is_reached: None });
        self.reach(&mut place).await;
    }

    /// Whether programs inside reach what listens on okcvm's side of [`SandboxSession::also_serve`].
    pub async fn reaches_service(&self) -> bool {
        if self.network_mode() == NetworkMode::Host || !self.0.sandbox.confines() {
            return true;
        }
        let place = self.0.place.0.lock().await;
        let failed = place.service.as_ref().is_some_and(|service| service.is_reached == Some(false));
        self.0.sandbox.shares_network() && !failed
    }

    async fn reach(&self, place: &mut Shared) {
        let (Some((network, _)), Some(service)) = (&place.network, &mut place.service) else { return };
        let outcome = match self.0.sandbox.listener_maker(&self.folders(), service.port) {
            Ok(Some((command, control, plan))) => {
                let network = Arc::clone(network);
                let made = tokio::task::spawn_blocking(move || network.listen(command, &control, &plan)).await;
                made.unwrap_or_else(|error| Err(error.to_string()))
            }
            Ok(None) => return,
            Err(error) => Err(error.to_string()),
        };
        let outcome = outcome.and_then(|listener| (service.serve)(listener).map_err(|error| error.to_string()));
        match outcome {
            Ok(()) => service.is_reached = Some(true),
            Err(error) => {
                // A program inside may hold that port.
                tracing::warn!(port = service.port, %error, "tools do not reach what okcvm serves");
                service.is_reached = Some(false);
            }
        }
    }

    /// Looks at the disk for a command that starts now.
    pub fn disk(&self) -> Disk {
        Disk::of(&self.folders(), &self.0.sandbox.section().limits, &self.0.counted)
    }

    /// Keeps what a command left running as a background job, and tells its number.
    pub fn keep(&self, child: Child, call: CallId, command: String, since: Instant) -> u32 {
        let most_memory = self.0.sandbox.section().limits.total_memory_mb().saturating_mul(1 << 20);
        let new = NewJob { child, call, command, since, disk: self.disk(), most_memory };
        self.0.jobs.add(new, &self.0.notices, self.0.redactor.clone())
    }

    /// Ends a background job; false when there is none of that number.
    pub fn end_job(&self, id: u32) -> bool {
        self.0.jobs.end(id)
    }

    /// How many background jobs there are.
    pub fn jobs(&self) -> usize {
        self.0.jobs.count()
    }

    /// Makes the background jobs stand still until the guard goes. Blocks until they do, or for two seconds; for threads
    /// that may block.
    pub fn freeze(&self, runtime: &tokio::runtime::Handle) -> Frozen {
        self.0.jobs.freeze(runtime)
    }

    /// Whether what a command leaves running may go on in the background.
    pub fn keeps_jobs(&self) -> bool {
        self.0.sandbox.has_runner() && self.0.sandbox.section().scope == SandboxScope::Session
    }

    /// Ends the sandbox and everything in it.
    pub async fn close(&self) {
        self.0.jobs.end_all(CLOSE).await;
        let runner = self.with(|running| running.runner.take());
        if let Some((runner, _)) = runner {
            runner.close(CLOSE).await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Running) -> T) -> T {
        act(&mut self.0.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Those who follow jobs hold on to the sandbox; a session that is gone has none.
        self.jobs.order_end();
        if let Some((runner, _)) = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).runner.take() {
            runner.destroy();
        }
    }
}
