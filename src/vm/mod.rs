//! The engine: one actor per session, driven by ops, telling events.

pub mod effect;
pub mod handle;
pub mod machine;
mod turn;

pub use handle::{EnginePort, OpSender, SendError, VmHandle};
