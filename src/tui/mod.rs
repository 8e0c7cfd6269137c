//! The terminal application.

pub mod action;
pub mod effect;
pub mod input;
pub mod pane;
pub mod theme;

/// How the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The user quit.
    Quit,
    /// The user quit by Ctrl+C while a turn was running: exit code 130.
    Interrupted,
    /// The user wants the setup screen.
    Setup,
    /// A signal asked for it.
    Signal(i32),
}
