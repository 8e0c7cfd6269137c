//! The engine: one actor per session, driven by ops, telling events.
//!
//! ```text
//!   handle.rs   ops in, events out
//!   engine.rs   the actor: channels, tasks, the log; does what the machine says
//!   machine.rs  the loop of a turn, pure          turn.rs    calls that wait or run
//!   effect.rs   what goes into it and comes out   history.rs the conversation
//! ```

pub mod checkpoint;
pub mod effect;
pub mod handle;
pub mod history;
pub mod machine;
pub mod resume;
pub mod rollback;
mod turn;

pub use checkpoint::{CloseTurn, Ledger, LedgerError};
pub use handle::{EnginePort, OpSender, SendError, VmHandle};
pub use resume::{LedgerOptions, Resumed, Unfinished};
pub use rollback::Rolled;
