//! The boundary around everything that runs for the model.
//!
//! ```text
//! okcvm ── thread "okcvm-start" ── okcvm __launch ─(exec)─ bubblewrap ── okcvm __init (PID 1, the runner)
//!   │        lives for ever        closes what was          namespaces,     ├─ reaper ── bash -c COMMAND
//!   │                              inherited; as root,      mounts,         ├─ reaper ── what another one left running
//!   │                              drops to `run_as`        seccomp         └─ ...
//!   └─ holds the network that all sandboxes of the session share, and accepts what comes to the proxy in it
//! ```
//!
//! One sandbox per session ([`SandboxSession`]), and one call through which anything is started in it. The runner makes
//! a copy of itself for each command, its reaper: whatever the command starts stays below that, so that it can be
//! ended as a whole. When the runner ends, the kernel ends everything inside. The helpers are this same program
//! ([`internal_main`]). One more of them needs no sandbox: the `decoder` of documents and pictures. Which backend is used is decided once, by trying ([`choose`]), and never changed silently.

mod ask;
mod backend;
mod bubblewrap;
mod child;
mod decoder;
mod detect;
mod give;
mod hints;
mod init;
mod jobs;
mod landlock;
mod launch;
mod lazy;
mod machine;
mod netns;
pub mod network;
mod notices;
mod policy;
mod private;
mod probe;
mod process;
mod pump;
mod reaper;
mod runner;
// What macOS will confine with; its text is tested everywhere.
#[cfg(any(target_os = "macos", test))]
mod seatbelt;
mod seccomp;
mod session;
mod sys;
mod tree;
mod unconfined;
mod usage;
mod wire;

pub use backend::Sandbox;
pub use child::{Child, Keyboard, Step, Stream};
pub use decoder::{Decoder, DecoderError, Encoded, Work};
pub use detect::{Chooser, Unavailable, choose};
pub use jobs::Frozen;
pub use lazy::LazySandbox;
pub use machine::MachineFacts;
pub use notices::Notices;
pub use process::Exit;
pub use session::{Request, SandboxSession, Serve};
pub use usage::{Account, Disk, DiskTrouble};

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::config::schema::{SandboxBackend, SandboxSection};

/// The folders of a session that a command sees.
#[derive(Debug, Clone)]
pub struct SandboxFolders {
    /// The session's id.
    pub id: String,
    /// The workspace, seen as the mount.
    pub work: PathBuf,
    /// Seen as HOME.
    pub home: PathBuf,
    /// Seen as `/tmp`.
    pub tmp: PathBuf,
    /// The mount, without a trailing slash.
    pub mount: String,
    /// What it sees besides, read-only.
    pub mounted: Vec<Mounted>,
}

/// A folder of the host that commands see read-only, such as that of an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where it lies.
    pub source: PathBuf,
    /// Where commands see it, with a backend that mounts; with others where it lies.
    pub inside: PathBuf,
    /// Whether okcvm made it: then it may lie among okcvm's own files, which nothing else may.
    pub trusted: bool,
    /// Whether its `bin` belongs to the search path.
    pub programs: bool,
}

impl SandboxFolders {
    /// Those of the session's browser: HOME and temporary folder are its own, beside those of the commands, which could
    /// read its cookies otherwise. `mounted` is what it sees besides.
    #[must_use]
    pub fn of_browser(&self, mounted: Vec<Mounted>) -> Self {
        let own = self.home.with_file_name("browser");
        Self { home: own.join("home"), tmp: own.join("tmp"), mounted, ..self.clone() }
    }
}

impl Mounted {
    /// Seen where it lies.
    pub fn in_place(source: PathBuf) -> Self {
        Self { inside: source.clone(), source, trusted: false, programs: false }
    }
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The sandbox did not come up.
    #[error("the sandbox did not start: {0}")]
    Start(Unavailable),
    /// The sandbox stands, the command does not run.
    #[error("{0}")]
    Command(String),
    /// The kernel takes no word of this length.
    #[error("the command has {bytes} bytes; at most {limit} can be given at once")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// The system refused.
    #[error("cannot start a process: {0}")]
    Io(#[from] io::Error),
}

/// Whether [`internal_main`] was called, so that this program can be started as its own helper.
static SERVES_HELPERS: AtomicBool = AtomicBool::new(false);

fn serves_helpers() -> bool {
    SERVES_HELPERS.load(Ordering::Relaxed)
}

/// Runs one of the helper modes when this process was started as one; `None` for an ordinary start. The first line of
/// `main`, before anything opens a file or starts a thread. `work` is what the process that decodes can do.
pub fn internal_main(work: Work) -> Option<ExitCode> {
    SERVES_HELPERS.store(true, Ordering::Relaxed);
    let mode = std::env::args_os().nth(1)?;
    match mode.to_str()? {
        "__launch" => Some(launch::main()),
        "__init" => Some(init::main()),
        "__network" => Some(netns::main()),
        decoder::MODE => Some(decoder::child::main(work)),
        _ => None,
    }
}

/// Where commands find the workspace, when the mount is not there for them. Known without any probe.
fn workspace(section: &SandboxSection, folders: &SandboxFolders) -> Option<PathBuf> {
    match section.backend {
        SandboxBackend::Auto | SandboxBackend::Bubblewrap => None,
        SandboxBackend::Landlock => {
            let [work, _, _] = landlock::places(section, folders);
            Some(work)
        }
        SandboxBackend::External | SandboxBackend::Off => Some(folders.work.clone()),
    }
}

/// The account that tools run as, when okcvm is root and the backend is one that confines. Known without any probe, so
/// that files can be made with the right owner before the first command runs.
pub fn tool_owner(section: &SandboxSection) -> Option<(u32, u32)> {
    let confines = !matches!(section.backend, SandboxBackend::Off | SandboxBackend::External);
    (confines && rustix::process::geteuid().is_root()).then_some((section.run_as, section.run_as))
}

/// The uid and gid that tools have, whoever's they are.
fn tool_ids(section: &SandboxSection) -> (u32, u32) {
    let own = || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    tool_owner(section).unwrap_or_else(own)
}
