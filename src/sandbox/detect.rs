//! Chooses the sandbox by trying it, once per boot.
//!
//! What is tried is the real command line with a probe inside that looks at its own walls. Only its answer counts:
//! neither versions nor the wording of errors. A success is remembered until the machine boots or one of the programs
//! changes; a failure is tried again each time, because people mend it meanwhile.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backend::{self, Backend, Sandbox};
use super::bubblewrap::{self, Bubblewrap};
use super::hints;
use super::landlock::{self, Walls};
use super::machine::MachineFacts;
use super::netns::{self, SharedNetwork};
use super::network::Family;
use super::private::Private;
use super::wire::{Network, PROXY_PORT, Task};
use super::{SandboxFolders, ask, probe};
use crate::config::schema::{NetworkMode, SandboxBackend, SandboxSection};
use crate::support::atomic_file;

/// How long the probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Name of the file that remembers a success.
const CACHE: &str = "sandbox-probe.json";
/// Changes when what is probed changes.
const CACHE_FORMAT: u32 = 2;

/// Why tools cannot be confined here, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing or refused.
    pub reason: String,
    /// What to do, in sentences.
    pub hint: String,
}

impl Unavailable {
    /// A reason and a hint.
    pub fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }
}

/// Chooses the sandbox that the configuration asks for, and makes sure that it works. May take up to three seconds on
/// the first use after a boot. Never falls back to less than was asked for.
pub fn choose(section: &SandboxSection, cache_dir: &Path) -> Result<Sandbox, Unavailable> {
    Chooser::new(section, cache_dir).choose()
}

/// [`choose`] with its surroundings spelled out, for programs that embed okcvm, and for tests.
#[derive(Debug, Clone)]
pub struct Chooser {
    pub(super) section: SandboxSection,
    cache_dir: PathBuf,
    program: Option<PathBuf>,
    path: Option<String>,
    private: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    key: String,
    /// Whether the sandboxes of a session can share a network.
    shares_network: bool,
}

impl Chooser {
    /// For this configuration; successes are remembered in `cache_dir`.
    pub fn new(section: &SandboxSection, cache_dir: &Path) -> Self {
        Self {
            section: section.clone(),
            cache_dir: cache_dir.to_owned(),
            program: None,
            path: None,
            private: Vec::new(),
        }
    }

    /// The okcvm program whose helper modes are used. Default: the running program, which must then call
    /// [`super::internal_main`] first of all.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Where bubblewrap is looked for. Default: PATH.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Files and folders that tools must not see, besides those that the environment names: where the configuration and
    /// the sessions really are.
    #[must_use]
    pub fn private(mut self, places: impl IntoIterator<Item = PathBuf>) -> Self {
        self.private.extend(places);
        self
    }

    /// Chooses.
    pub fn choose(self) -> Result<Sandbox, Unavailable> {
        let unconfined = |label| {
            let backend = Backend::Unconfined { label, program: self.helper_program() };
            Ok(Sandbox::new(self.section.clone(), backend, Private::default(), None))
        };
        match self.section.backend {
            SandboxBackend::Off => unconfined("off"),
            SandboxBackend::External => unconfined("external"),
            SandboxBackend::Landlock => self.choose_landlock(),
            SandboxBackend::Auto | SandboxBackend::Bubblewrap => self.choose_bubblewrap(),
        }
    }

    /// The program whose helper modes can be used for sure: that which was named, or the running one when it serves them.
    pub(super) fn helper_program(&self) -> Option<PathBuf> {
        self.program.clone().or_else(|| super::serves_helpers().then(std::env::current_exe)?.ok())
    }

    fn choose_bubblewrap(&self) -> Result<Sandbox, Unavailable> {
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let path = self.path.clone().or_else(|| std::env::var("PATH").ok()).unwrap_or_default();
        let bwrap = Bubblewrap::find(&path, &cwd).map_err(|why| hints::not_found(&why))?;
        let program = self.own_program()?;
        let private = self.checked_places()?;
        let sandbox = |shares_network| {
            let backend = Backend::Bubblewrap { bwrap: bwrap.clone(), program: program.clone(), shares_network };
            Sandbox::new(self.section.clone(), backend, private.clone(), Some(self.cache_dir.join(CACHE)))
        };
        let key = self.key(&bwrap.program, &program);
        if let Some(key) = &key
            && let Some(remembered) = self.remembered().filter(|remembered| remembered.key == *key)
        {
            return Ok(sandbox(remembered.shares_network));
        }
        // Where the rights to enter a network are missing, as with a bubblewrap that is setuid, each sandbox has its own.
        let ways: &[bool] =
            if self.section.network.shell_mode() == NetworkMode::Host { &[false] } else { &[true, false] };
        let mut outcome = Ok(sandbox(false));
        for shares_network in ways.iter().copied() {
            let tried = sandbox(shares_network);
            outcome = self.probe(&tried, &private, &bwrap, &program, shares_network).map(|()| tried);
            if outcome.is_ok() {
                if let Some(key) = key {
                    self.remember(&Remembered { key, shares_network });
                }
                break;
            }
        }
        outcome
    }

    /// The program whose helper modes are used.
    fn own_program(&self) -> Result<PathBuf, Unavailable> {
        let found = self.program.clone().map_or_else(std::env::current_exe, Ok);
        found.map_err(|error| {
            let what = format!("cannot find okcvm's own program: {error}");
            Unavailable::new(what, "Start okcvm again; see `okcvm doctor`.")
        })
    }

    /// The private places, when nothing that every tool sees and nothing that the configuration adds would show them.
    fn checked_places(&self) -> Result<Private, Unavailable> {
        let private = Private::of_user(|name| std::env::var(name).ok(), &self.private);
        if let Some((place, system)) = private.shown_by_the_system() {
            return Err(Unavailable::new(
                format!("{} lies in {}, which every tool can read", place.display(), system.display()),
                "Keep home, configuration and sessions elsewhere: see HOME, --config and --data-dir.",
            ));
        }
        backend::checked_extra(&self.section, &self.cache_dir.join("work"), &private)
            .map_err(|error| Unavailable::new(error.to_string(), "Take that path out of sandbox.extra_ro."))?;
        Ok(private)
    }

    /// Landlock is tried each time: that takes some milliseconds and no programs of others.
    fn choose_landlock(&self) -> Result<Sandbox, Unavailable> {
        let walls = Walls::of_kernel();
        if !walls.files {
            return Err(hints::landlock_does_not_work(
                "this kernel has it not, or not switched on",
                &MachineFacts::of_host(),
            ));
        }
        if self.section.network.shell_mode() == NetworkMode::Proxy && !walls.tcp {
            return Err(Unavailable::new(
                "Landlock does not work here: this kernel's cannot hold connections to the proxy alone",
                "Use it without a network (`--network off`), or bubblewrap (`--sandbox auto`).",
            ));
        }
        let (program, private) = (self.own_program()?, self.checked_places()?);
        let backend = Backend::Landlock { program: program.clone() };
        let sandbox = Sandbox::new(self.section.clone(), backend, private, None);
        let (place, folders) = self.probe_folders();
        let outcome = self.probe_landlock(&sandbox, &folders, &program);
        let _ = fs::remove_dir_all(&place);
        outcome.map(|()| sandbox)
    }

    fn probe_landlock(&self, sandbox: &Sandbox, folders: &SandboxFolders, program: &Path) -> Result<(), Unavailable> {
        let failed = |error: io::Error| self.could_not_be_tried(&error.to_string());
        sandbox.prepare(folders).map_err(failed)?;
        let network = landlock::Network::of(self.section.network.shell_mode(), PROXY_PORT);
        let plan = landlock::plan(&self.section, folders, program);
        let task = Task::ProbeAlone {
            limits: landlock::limits(&self.section),
            confinement: landlock::confinement(&self.section, folders, &[], network),
            hidden: self.cache_dir.clone(),
        };
        let (command, control) = backend::helper(program, "__launch").map_err(failed)?;
        let mut missing = ask::ask(command, &control, (&plan, &task), PROBE_LIMIT)
            .map_err(|said| hints::landlock_does_not_work(&backend::one_line(&said), &MachineFacts::of_host()))?;
        missing.extend(wrong_account(folders, plan.ids.0));
        if missing.is_empty() {
            return Ok(());
        }
        Err(hints::landlock_does_not_work(
            &format!("a wall is missing: {}", missing.join("; ")),
            &MachineFacts::of_host(),
        ))
    }

    fn could_not_be_tried(&self, what: &str) -> Unavailable {
        Unavailable::new(
            format!("the sandbox could not be tried: {what}"),
            format!("okcvm needs to write to {}; see `okcvm doctor`.", self.cache_dir.display()),
        )
    }

    /// Folders for a probe, and the one that holds them.
    fn probe_folders(&self) -> (PathBuf, SandboxFolders) {
        let place = self.cache_dir.join(format!("probe-{}", uuid::Uuid::new_v4().simple()));
        let folders = SandboxFolders {
            id: "probe".to_owned(),
            work: place.join("work"),
            home: place.join("home"),
            tmp: place.join("tmp"),
            mount: "/mnt/okcvm-0000000000000000".to_owned(),
            mounted: Vec::new(),
        };
        (place, folders)
    }

    /// Runs the probe in folders of its own.
    fn probe(
        &self,
        sandbox: &Sandbox,
        private: &Private,
        bwrap: &Bubblewrap,
        program: &Path,
        shares_network: bool,
    ) -> Result<(), Unavailable> {
        let failed = |what: String| self.could_not_be_tried(&what);
        let (place, folders) = self.probe_folders();
        let outcome = (|| {
            sandbox.prepare(&folders).map_err(|error| failed(error.to_string()))?;
            let network = Network::of(self.section.network.shell_mode(), shares_network);
            let broken = |error: io::Error| failed(error.to_string());
            let shared =
                match network {
                    Network::Given => {
                        let (command, control, plan) =
                            backend::network_maker(&self.section, private, &folders, bwrap, program).map_err(broken)?;
                        let outcome = SharedNetwork::make(command, &control, &plan);
                        Some(outcome.map_err(|said| {
                            hints::does_not_work(&backend::one_line(&said), &MachineFacts::of_host())
                        })?)
                    }
                    Network::Own | Network::Host => None,
                };
            let plan = backend::confined_plan(&self.section, private, &folders, bwrap, program, network);
            let plan = plan.map_err(broken)?;
            let task = Task::Probe {
                limits: bubblewrap::limits(&self.section, Family::Shell),
                own_network: network != Network::Host,
                proxy_port: network.proxy_port(),
            };
            let (mut command, control) = backend::helper(program, "__launch").map_err(broken)?;
            if let Some(shared) = &shared {
                netns::hand_over(&mut command, shared).map_err(broken)?;
            }
            let answer = ask::ask(command, &control, (&plan, &task), PROBE_LIMIT).map(|mut missing| {
                missing.extend(wrong_account(&folders, plan.ids.0));
                missing
            });
            match answer {
                Ok(missing) if missing.is_empty() => Ok(()),
                Ok(missing) => Err(Unavailable::new(
                    format!("bubblewrap runs, but a wall is missing: {}", missing.join("; ")),
                    "The tools would not be confined as promised. Please report this with the output of `okcvm doctor`.",
                )),
                Err(said) => Err(hints::does_not_work(&backend::one_line(&said), &MachineFacts::of_host())),
            }
        })();
        // What cannot be removed is a few empty folders.
        let _ = fs::remove_dir_all(&place);
        outcome
    }

    /// Everything on which the outcome depends; `None` where the machine tells too little to remember anything.
    fn key(&self, bwrap: &Path, program: &Path) -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let identity = |path: &Path| {
            let facts = fs::metadata(path).ok()?;
            let (changed, nanos) = (facts.ctime(), facts.ctime_nsec());
            Some(format!("{}:{}:{}:{}:{changed}.{nanos}", path.display(), facts.dev(), facts.ino(), facts.size()))
        };
        let section = &self.section;
        Some(format!(
            "{CACHE_FORMAT} boot {} uid {} bwrap {} okcvm {} net {:?} as {} extra {:?} limits {:?}",
            boot.trim(),
            rustix::process::geteuid().as_raw(),
            identity(bwrap)?,
            identity(program)?,
            section.network,
            section.run_as,
            section.extra_ro,
            section.limits,
        ))
    }

    fn remembered(&self) -> Option<Remembered> {
        serde_json::from_slice(&fs::read(self.cache_dir.join(CACHE)).ok()?).ok()
    }

    fn remember(&self, remembered: &Remembered) {
        let written = serde_json::to_vec(remembered)
            .map_err(std::io::Error::other)
            .and_then(|bytes| atomic_file::write(&self.cache_dir.join(CACHE), &bytes, 0o600));
        if let Err(error) = written {
            tracing::warn!(%error, "the outcome of the sandbox probe cannot be remembered");
        }
    }
}

/// What is wrong when the probe did not run as this account.
fn wrong_account(folders: &SandboxFolders, uid: u32) -> Option<String> {
    let owner = fs::symlink_metadata(folders.work.join(probe::LEFT_BEHIND)).map(|facts| facts.uid());
    let right = owner.is_ok_and(|owner| owner == uid && owner != 0);
    (!right).then(|| "processes are not those of an ordinary account".to_owned())
}
