//! The terminal application: reads events, sends ops, draws.
//!
//! `run` is the loop; [`pane`] holds what is on the screen; [`action`] is the table of everything that a key can mean.
//! Nothing here waits for the engine, the disk or the terminal.

use std::io;

pub mod action;
pub mod effect;
pub mod frugal;
pub mod input;
pub mod output;
pub mod pane;
pub mod terminal;
pub mod text;
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
    /// A signal asked for it: exit code 128 and the signal's number.
    Signal(i32),
}

/// Why the application could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal failed.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// A rebound key is not understood.
    #[error("{path}: {message}")]
    Keys {
        /// Where in the configuration.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// The engine ended by itself.
    #[error("the engine has ended unexpectedly; the session can be continued with okcvm --continue")]
    EngineEnded,
}
