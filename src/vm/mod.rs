//! The engine: one actor per session, driven by ops, telling events.

pub mod handle;

pub use handle::{EnginePort, OpSender, SendError, VmHandle};
