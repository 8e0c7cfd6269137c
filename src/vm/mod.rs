//! The engine: one actor per session, driven by ops, telling events.
//!
//! ```text
//!   handle.rs     ops in, events out
//!   engine.rs     the actor: channels, tasks, the log; does what the machine says
//!   operation.rs  what it does with each op          job.rs       slow work on the disk
//!   closing.rs    the end of a turn                  tell.rs      every event leaves here
//!   machine.rs    the loop of a turn, pure           turn.rs      calls that wait or run
//!   effect.rs     what goes into it and comes out    tool_task.rs one running call
//!   history.rs    the conversation in memory         request.rs   what the model is sent
//!   reply.rs      what comes back from it            path.rs      records from root to head
//!   kernel.rs     the cells of the notebook
//!   take_out.rs   files on their way out of the session, for screens
//!   project.rs    the session's changes, brought back to the project that it holds a copy of
//!   virtual_machine.rs  opening a session; its machine without a model
//! ```

mod adopt;
pub mod checkpoint;
mod closing;
pub mod effect;
pub mod engine;
pub mod greeting;
mod handle;
pub mod history;
mod job;
mod kernel;
pub mod machine;
mod making;
mod operation;
mod participant;
mod path;
pub mod project;
mod reply;
pub mod request;
pub mod resume;
pub mod rollback;
mod site;
mod spill;
mod take_out;
mod tell;
mod title;
mod tool_task;
mod turn;
pub mod virtual_machine;

pub use crate::snapshot::Captured;
pub use checkpoint::{CloseTurn, Ledger, LedgerError};
pub use engine::{Announce, Engine, EngineParts, open, open_on};
pub use handle::{EnginePort, OpSender, SendError, VmHandle};
pub use project::{Bring, BringError, Brought};
pub use resume::{LedgerOptions, Resumed, Unfinished};
pub use rollback::Rolled;
pub use virtual_machine::{OpenSession, SessionOptions, ToolOutcome, VirtualMachine};

use crate::session::{LockError, SessionError};
use crate::tools::ToolsError;
use crate::workspace::WorkspaceError;

/// Why a session cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// Its log or its snapshots say no.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its folder cannot be found, made or read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Another process writes to it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its files cannot be reached.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The manifest and the tools do not fit.
    #[error(transparent)]
    Tools(#[from] ToolsError),
}

impl VmError {
    /// What to do next, as a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ledger(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Lock(LockError::Held { .. }) => Some(
                "Close it there first, or name another session with --session. Where it is open, F4 shows its snapshots, and \
                 /attach, /save and /apply bring files in and out."
                    .to_owned(),
            ),
            Self::Lock(LockError::Io { .. }) | Self::Workspace(_) => None,
            Self::Tools(_) => Some("`okcvm spec check` explains what does not fit.".to_owned()),
        }
    }
}
