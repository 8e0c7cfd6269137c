//! The engine: one actor per session, driven by ops, telling events.
//!
//! ```text
//!   handle.rs   ops in, events out
//!   engine.rs   the actor: channels, tasks, the log; does what the machine says
//!   machine.rs  the loop of a turn, pure          turn.rs    calls that wait or run
//!   effect.rs   what goes into it and comes out   history.rs the conversation
//! ```

pub mod effect;
pub mod handle;
pub mod history;
pub mod machine;
mod turn;

pub use handle::{EnginePort, OpSender, SendError, VmHandle};
