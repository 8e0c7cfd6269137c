//! A sandbox that was chosen: one of the backends, ready to start commands.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::bubblewrap::{self, Bubblewrap};
use super::child::{Child, NotStarted};
use super::give::give;
use super::hints;
use super::landlock::{self, Walls};
use super::machine::MachineFacts;
use super::network::Family;
use super::private::Private;
use super::runner::Start;
use super::usage::Account;
use super::wire::{self, Network, Plan, Role};
use super::{Mounted, Request, SandboxError, SandboxFolders, policy, process, unconfined};
use crate::config::paths::real;
use crate::config::schema::{LimitSection, NetworkMode, SandboxSection};
use crate::support::folder;

/// The longest word of a command line that the kernel takes, with room to spare (`MAX_ARG_STRLEN` is 128 KiB).
const MAX_WORD: usize = 120 << 10;

/// The boundary around the tools, chosen and known to work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: SandboxSection,
    backend: Backend,
    /// What no extra mount may show.
    private: Private,
    /// Where it is remembered that it works.
    remembered: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// bubblewrap, and okcvm's own program for the helpers. Whether all sandboxes of a session share a network.
    Bubblewrap { bwrap: Bubblewrap, program: PathBuf, shares_network: bool },
    /// Landlock: each command confines itself. okcvm's own program for the helpers.
    Landlock { program: PathBuf },
    /// The user's own container, or nothing. Without a program for the runner, which is where a library's user has not
    /// called [`super::internal_main`], commands are started directly: without terminals and background jobs.
    Unconfined { label: &'static str, program: Option<PathBuf> },
}

impl Sandbox {
    pub(super) fn new(
        section: SandboxSection,
        backend: Backend,
        private: Private,
        remembered: Option<PathBuf>,
    ) -> Self {
        Self(Arc::new(Inner { section, backend, private, remembered }))
    }

    /// The configuration that it was chosen for.
    pub(super) fn section(&self) -> &SandboxSection {
        &self.0.section
    }

    /// The backend in a word: `bubblewrap`, `landlock`, `external` or `off`.
    pub fn label(&self) -> &'static str {
        match &self.0.backend {
            Backend::Landlock { .. } => landlock::LABEL,
            Backend::Bubblewrap { .. } => "bubblewrap",
            Backend::Unconfined { label, .. } => label,
        }
    }

    /// Whether commands run behind a wall of ours.
    pub fn confines(&self) -> bool {
        matches!(self.0.backend, Backend::Bubblewrap { .. } | Backend::Landlock { .. })
    }

    /// What is open that bubblewrap would hold, each as a phrase; empty with any other backend, where none or all is held.
    pub fn missing_walls(&self) -> Vec<&'static str> {
        match self.0.backend {
            Backend::Landlock { .. } => {
                Walls::of_kernel().missing(landlock::Network::of(self.network(), wire::PROXY_PORT))
            }
            Backend::Bubblewrap { .. } | Backend::Unconfined { .. } => Vec::new(),
        }
    }

    /// The network that commands really have.
    pub fn network(&self) -> NetworkMode {
        if self.confines() { self.0.section.network.shell_mode() } else { NetworkMode::Host }
    }

    /// The limits of the configuration. Those of the disk apply everywhere.
    pub fn configured_limits(&self) -> &LimitSection {
        &self.0.section.limits
    }

    /// The limits, where those of processes apply as well.
    pub fn limits(&self) -> Option<&LimitSection> {
        self.confines().then_some(&self.0.section.limits)
    }

    /// Where commands find the workspace, when the mount is not there for them.
    pub fn workspace(&self, folders: &SandboxFolders) -> Option<PathBuf> {
        super::workspace(&self.0.section, folders)
    }

    /// Uid and gid of the account that tools run as, when that is not okcvm's own.
    pub fn tool_owner(&self) -> Option<(u32, u32)> {
        if self.confines() { super::tool_owner(&self.0.section) } else { None }
    }

    /// Makes a session's folders ready: they must be real folders, and when okcvm is root they are given to the
    /// account of the tools.
    pub fn prepare(&self, folders: &SandboxFolders) -> io::Result<()> {
        for folder in [&folders.work, &folders.home, &folders.tmp] {
            fs::create_dir_all(folder)?;
            let facts = fs::symlink_metadata(folder)?;
            if !facts.is_dir() {
                return Err(io::Error::other(format!("{} is not a folder", folder.display())));
            }
            let owners = self.tool_owner().map_or(vec![rustix::process::geteuid().as_raw()], |(uid, _)| vec![0, uid]);
            if self.confines() && !owners.contains(&facts.uid()) {
                return Err(io::Error::other(format!("{} belongs to uid {}", folder.display(), facts.uid())));
            }
            if let Some(owner) = self.tool_owner() {
                give(folder, owner)?;
            }
        }
        Ok(())
    }

    /// Gives the session's own three folders back to their owner, where a command has shut them. Done before each command
    /// and to be done after it: the next one, the file tools and the snapshot have to get in.
    pub fn reopen(folders: &SandboxFolders) {
        for path in [&folders.work, &folders.home, &folders.tmp] {
            if let Err(error) = folder::open_to_owner(path) {
                tracing::warn!(%error, folder = %path.display(), "a folder of the session cannot be opened again");
            }
        }
    }

    /// Whether a command line can be given to a program at all.
    pub(super) fn check(argv: &[String]) -> Result<(), SandboxError> {
        if let Some(word) = argv.iter().find(|word| word.len() > MAX_WORD) {
            return Err(SandboxError::TooLong { bytes: word.len(), limit: MAX_WORD });
        }
        if argv.is_empty() || argv.iter().any(|word| word.contains('\0')) {
            return Err(SandboxError::Command("a command needs a program, and no word may hold a NUL byte".to_owned()));
        }
        Ok(())
    }

    /// Why a command did not start, for those above.
    pub(super) fn told(&self, error: NotStarted) -> SandboxError {
        match error {
            NotStarted::Sandbox(said) => {
                // It worked once; the next start tries it anew.
                if let Some(remembered) = &self.0.remembered {
                    let _ = fs::remove_file(remembered);
                }
                let (said, machine) = (one_line(&said), MachineFacts::of_host());
                SandboxError::Start(match self.0.backend {
                    Backend::Landlock { .. } => hints::landlock_does_not_work(&said, &machine),
                    Backend::Bubblewrap { .. } | Backend::Unconfined { .. } => hints::does_not_work(&said, &machine),
                })
            }
            NotStarted::Command(reason) | NotStarted::Lost(reason) => SandboxError::Command(reason),
            NotStarted::Io(source) => SandboxError::Io(source),
        }
    }

    /// Whether commands are started by a runner.
    pub(super) fn has_runner(&self) -> bool {
        !matches!(self.0.backend, Backend::Unconfined { program: None, .. })
    }

    /// Whether a sandbox that was started for one mode of the network serves for another as well.
    pub(super) fn same_walls(&self, one: NetworkMode, other: NetworkMode) -> bool {
        let host = |mode| mode == NetworkMode::Host;
        match self.0.backend {
            // Without and with the proxy the network is the same; the proxy itself knows whether it may serve.
            Backend::Bubblewrap { .. } => host(one) == host(other),
            _ => one == other,
        }
    }

    /// Whether commands see a [`Mounted`] folder where it says, and not where it lies.
    pub fn remounts(&self) -> bool {
        matches!(self.0.backend, Backend::Bubblewrap { .. })
    }

    /// The program whose helper modes are used.
    pub(super) fn helper_program(&self) -> Option<PathBuf> {
        match &self.0.backend {
            Backend::Bubblewrap { program, .. } | Backend::Landlock { program } => Some(program.clone()),
            Backend::Unconfined { program, .. } => program.clone(),
        }
    }

    /// Where the browser's sandbox finds okcvm itself, to be started as one of its helpers; `None` where this program
    /// serves none.
    pub fn helper_inside(&self, folders: &SandboxFolders) -> Option<PathBuf> {
        match &self.0.backend {
            Backend::Bubblewrap { .. } => Some(PathBuf::from(policy::INIT)),
            Backend::Landlock { program } => Some(landlock::program(&self.0.section, folders, program)),
            Backend::Unconfined { program, .. } => program.clone(),
        }
    }

    /// Whether all sandboxes of a session share a network.
    pub(super) fn shares_network(&self) -> bool {
        matches!(self.0.backend, Backend::Bubblewrap { shares_network: true, .. })
    }

    /// A command with its environment, folder, limits and walls. The proxy is where it listens for this command.
    pub(super) fn command(
        &self,
        folders: &SandboxFolders,
        family: Family,
        request: Request,
        mode: NetworkMode,
        proxy: SocketAddr,
    ) -> io::Result<wire::Command> {
        let section = &self.0.section;
        let Request { argv, terminal, .. } = request;
        Ok(match &self.0.backend {
            Backend::Landlock { program } => {
                let network = landlock::Network::of(mode, proxy.port());
                let extra = shown_besides(section, &self.0.private, folders)?;
                let mut extra: Vec<PathBuf> = extra.into_iter().map(|(source, _)| source).collect();
                if family == Family::Browser {
                    // With bubblewrap it is there for all.
                    extra.push(landlock::program(section, folders, program));
                }
                landlock::command(section, folders, &extra, network, (argv, terminal))
            }
            Backend::Bubblewrap { .. } => wire::Command {
                argv,
                env: policy::environment(folders, &section.env_pass, |name| std::env::var(name).ok()),
                folder: PathBuf::from(&folders.mount),
                terminal,
                limits: Some(bubblewrap::limits(section, family)),
                confinement: None,
            },
            Backend::Unconfined { .. } => wire::Command {
                argv,
                env: unconfined::environment(section, folders),
                folder: folders.work.clone(),
                terminal,
                limits: None,
                confinement: None,
            },
        })
    }

    /// What starts a runner, and the network that it is to have.
    pub(super) fn runner(
        &self,
        folders: &SandboxFolders,
        family: Family,
        mode: NetworkMode,
        shared: bool,
    ) -> Result<Start, NotStarted> {
        match &self.0.backend {
            Backend::Bubblewrap { bwrap, program, .. } => {
                let network = Network::of(mode, shared);
                let plan = confined_plan(&self.0.section, &self.0.private, folders, bwrap, program, network)?;
                let plan = Plan { browser: family == Family::Browser, ..plan };
                let (command, control) = helper(program, "__launch")?;
                Ok(Start { command, control, plan: Some(plan), proxy_port: network.proxy_port() })
            }
            Backend::Landlock { program } => {
                let (command, control) = helper(program, "__launch")?;
                let plan = landlock::plan(&self.0.section, folders, program);
                // Any port that is free: the machine's loopback is everybody's.
                let proxy_port = (mode == NetworkMode::Proxy).then_some(0);
                Ok(Start { command, control, plan: Some(plan), proxy_port })
            }
            Backend::Unconfined { program: Some(program), .. } => {
                let (command, control) = helper(program, "__init")?;
                Ok(Start { command, control, plan: None, proxy_port: None })
            }
            Backend::Unconfined { program: None, .. } => {
                Err(NotStarted::Command("there is no program for the runner".to_owned()))
            }
        }
    }

    /// What makes the network that the sandboxes of a session share.
    pub(super) fn network_maker(&self, folders: &SandboxFolders) -> io::Result<Option<(Command, UnixStream, Plan)>> {
        let Backend::Bubblewrap { bwrap, program, shares_network: true } = &self.0.backend else { return Ok(None) };
        network_maker(&self.0.section, &self.0.private, folders, bwrap, program).map(Some)
    }

    /// What makes a listener on the network that all sandboxes of a session share; `None` where they share none.
    pub(super) fn listener_maker(
        &self,
        folders: &SandboxFolders,
        port: u16,
    ) -> io::Result<Option<(Command, UnixStream, Plan)>> {
        let Backend::Bubblewrap { bwrap, program, shares_network: true } = &self.0.backend else { return Ok(None) };
        let (section, private) = (&self.0.section, &self.0.private);
        let plan = confined_plan(section, private, folders, bwrap, program, Network::Given)?;
        let (command, control) = helper(program, "__launch")?;
        Ok(Some((command, control, Plan { role: Role::Listen { port }, extra_ro: Vec::new(), ..plan })))
    }

    /// Starts a command as a child of this process.
    pub(super) async fn run_directly(
        &self,
        command: wire::Command,
        input: Option<BorrowedFd<'_>>,
        account: Account,
    ) -> Result<Child, NotStarted> {
        let command = unconfined::process(&command);
        let mut command = command.ok_or_else(|| NotStarted::Command("a command needs a program".to_owned()))?;
        if let Some(input) = input {
            command.stdin(Stdio::from(input.try_clone_to_owned()?));
        }
        Child::of_group(process::start(command).await.map_err(process::no_starter)??, account)
    }
}

/// What makes a shared network: the process, its socket, and what it is told.
pub(super) fn network_maker(
    section: &SandboxSection,
    private: &Private,
    folders: &SandboxFolders,
    bwrap: &Bubblewrap,
    program: &Path,
) -> io::Result<(Command, UnixStream, Plan)> {
    let plan = confined_plan(section, private, folders, bwrap, program, Network::Own)?;
    let (command, control) = helper(program, "__launch")?;
    Ok((command, control, Plan { role: Role::Network, extra_ro: Vec::new(), ..plan }))
}

/// The plan for a session, its extra mounts checked.
pub(super) fn confined_plan(
    section: &SandboxSection,
    private: &Private,
    folders: &SandboxFolders,
    bwrap: &Bubblewrap,
    program: &Path,
    network: Network,
) -> io::Result<Plan> {
    let extra_ro = shown_besides(section, private, folders)?;
    Ok(Plan { extra_ro, ..bwrap.plan(section, folders, program, network) })
}

/// What commands see besides the system and the session: where it lies, without links, and where it is seen. What okcvm
/// itself wants to show and must not is left out, and whoever needs it says so.
fn shown_besides(
    section: &SandboxSection,
    private: &Private,
    folders: &SandboxFolders,
) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut shown: Vec<(PathBuf, PathBuf)> =
        checked_extra(section, &folders.work, private)?.into_iter().map(|path| (path.clone(), path)).collect();
    for Mounted { source, inside, trusted, .. } in &folders.mounted {
        let refused = if *trusted { None } else { private.refuses(source).or_else(|| private.refuses(&real(source))) };
        match (refused, fs::canonicalize(source)) {
            (None, Ok(source)) => shown.push((source, inside.clone())),
            (None, Err(error)) => tracing::warn!(path = %source.display(), %error, "not shown to tools"),
            (Some(why), _) => tracing::warn!(path = %source.display(), %why, "not shown to tools"),
        }
    }
    Ok(shown)
}

/// The extra mounts without links, each checked against the places that nobody may show; all that are refused are told.
pub(super) fn checked_extra(section: &SandboxSection, work: &Path, private: &Private) -> io::Result<Vec<PathBuf>> {
    // No session shows another one's.
    let sessions = work.parent().map(real);
    let check = |path: &Path| -> Result<PathBuf, String> {
        let real = fs::canonicalize(path).map_err(|error| error.to_string())?;
        if let Some(why) = private.refuses(path).or_else(|| private.refuses(&real)) {
            return Err(why);
        }
        if let Some(sessions) = sessions.as_ref().filter(|place| place.starts_with(&real) || real.starts_with(place)) {
            return Err(format!("{} and {} overlap", real.display(), sessions.display()));
        }
        let kind = fs::metadata(&real).map_err(|error| error.to_string())?.file_type();
        if kind.is_dir() || kind.is_file() { Ok(real) } else { Err("it is neither a folder nor a file".to_owned()) }
    };
    let (mut checked, mut refused) = (Vec::new(), Vec::new());
    for path in &section.extra_ro {
        match check(path) {
            Ok(real) => checked.push(real),
            Err(why) => refused.push(format!("{} cannot be shown to tools: {why}", path.display())),
        }
    }
    if refused.is_empty() {
        Ok(checked)
    } else {
        Err(io::Error::other(format!("sandbox.extra_ro: {}", refused.join("; "))))
    }
}

/// The process of a helper mode and okcvm's end of its standard input.
pub(super) fn helper(program: &Path, mode: &str) -> io::Result<(Command, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command.arg(mode).env_clear().current_dir("/").stdin(Stdio::from(OwnedFd::from(theirs)));
    Ok((command, ours))
}

/// What a program said, shortened to something that fits into an error.
pub(super) fn one_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    if joined.is_empty() {
        "it ended without a word".to_owned()
    } else {
        crate::support::truncate::prefix(&joined, 400).to_owned()
    }
}
