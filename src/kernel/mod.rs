//! The Jupyter kernel of a session: one Python process inside the sandbox that keeps its variables between cells.
//!
//! ```text
//! tool ── Kernel (one cell at a time; what is known of the variables) ── Process (a task per kernel) ── kernel.py
//!                                                                          │ orders, outputs              │
//!                                                                          └─ wire: frames on its stdin ──┘ ipykernel
//! ```
//!
//! `kernel.py` runs inside and is the program of the process: it starts ipykernel with sockets that only its own process
//! can reach, and carries their messages over the socket that is its standard input. So nothing listens anywhere, it
//! works behind every wall, and okcvm itself bounds what it takes. The crates for Jupyter's sockets are not used because
//! they take as much memory as a message promises. Which Python it is: [`python`].

mod actor;
mod lean;
mod message;
mod note;
pub mod python;
mod rebuild;
mod running;
mod session;
mod wire;
mod words;

pub use message::{Failure, Shown};
pub use note::Note;
pub use rebuild::{PastCell, PastEnding, Rebuilt};
pub use running::Output;
pub use session::{Cell, Kernel, StillKernel};

use crate::sandbox::{Exit, SandboxError};

/// Why no kernel could be started.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The process could not be started.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The socket to it cannot be used.
    #[error("the socket to the kernel cannot be used: {0}")]
    Socket(std::io::Error),
    /// It ended before it took cells; the last that it wrote.
    #[error("the kernel did not start: {}", shown(.0))]
    NotStarted(String),
    /// It said nothing for so many seconds.
    #[error("the kernel did not start within {0} s")]
    Silent(u64),
}

/// Why a kernel has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// By itself or by a signal.
    Exited {
        /// How.
        exit: Exit,
        /// The last that the process itself wrote, such as the place of a crash.
        words: String,
    },
    /// One of its processes had more memory than one may have.
    TooMuchMemory {
        /// The limit.
        limit_mb: u64,
    },
    /// Everything together had more memory than it may have.
    TooMuchTogether {
        /// The limit.
        limit_mb: u64,
    },
    /// It does not hear any more.
    Deaf,
    /// It did not take an interrupt.
    Stuck,
    /// A fresh one was asked for.
    Restarted,
    /// The user asked for a fresh one.
    RestartedByUser,
    /// It was told to end.
    Stopped,
    /// The network was changed, and the sandbox with it.
    Network,
}

impl Gone {
    /// Why, as words that follow "the kernel has ended: ".
    pub fn words(&self) -> String {
        match self {
            Self::Exited { exit, words } => {
                let how = match (exit.signal, exit.code) {
                    (Some(libc::SIGKILL), _) => "it was killed (SIGKILL)".to_owned(),
                    (Some(libc::SIGSEGV), _) => "it crashed (SIGSEGV)".to_owned(),
                    (Some(libc::SIGABRT), _) => "it crashed (SIGABRT)".to_owned(),
                    (Some(signal), _) => format!("signal {signal} ended it"),
                    (None, Some(code)) => format!("its process left with code {code}"),
                    (None, None) => "its sandbox was ended".to_owned(),
                };
                if words.is_empty() { how } else { format!("{how}\n{words}") }
            }
            Self::TooMuchMemory { limit_mb } => {
                format!("a process may have at most {limit_mb} MiB of memory (sandbox.limits.memory_mb)")
            }
            Self::TooMuchTogether { limit_mb } => format!(
                "everything that runs in the session may have at most {limit_mb} MiB of memory \
                 (sandbox.limits.total_memory_mb)"
            ),
            Self::Deaf => "it could not be heard any more".to_owned(),
            Self::Stuck => "it did not take the interrupt".to_owned(),
            Self::Restarted => "a fresh one was asked for".to_owned(),
            Self::RestartedByUser => "the user restarted it".to_owned(),
            Self::Stopped => "the user stopped it".to_owned(),
            Self::Network => "the network of the tools was changed".to_owned(),
        }
    }
}

fn shown(words: &str) -> &str {
    let words = words.trim();
    if words.is_empty() { "it ended without a word" } else { words }
}
