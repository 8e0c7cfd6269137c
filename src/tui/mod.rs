//! The terminal application: reads events, sends ops, draws.
//!
//! `run` is the loop; [`pane`] holds what is on the screen; [`action`] is the table of everything that a key can mean.
//! Nothing here waits for the engine, the disk or the terminal.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub mod action;
pub mod activity;
pub mod app;
pub mod attach;
pub mod chord;
pub mod clipboard;
pub mod complete;
pub mod effect;
pub mod frame;
pub mod frugal;
pub mod history;
pub mod input;
pub mod keymap;
pub mod layout;
pub mod output;
pub mod pane;
pub mod picture;
pub mod preview;
pub mod qr;
pub mod remote;
pub mod run;
pub mod slash;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod view;
pub mod voice;

pub use run::run;

use picture::{PictureFiles, PicturePlan};
use preview::PreviewFiles;
use remote::SshPlace;
use voice::VoiceServices;

use crate::config::schema::{ColourMode, UiSection};
use crate::support::clock::Clock;

/// What the application is told at its start.
#[derive(Debug, Clone)]
pub struct TuiOptions {
    /// Colours, glyphs, keys.
    pub ui: UiSection,
    /// Whether the environment asks for no colours (`NO_COLOR` is set, or the terminal has none).
    pub no_color: bool,
    /// Whether links of replies can be opened (OSC 8).
    pub links: bool,
    /// How pictures are shown in this terminal.
    pub picture_plan: PicturePlan,
    /// Opens the session's pictures.
    pub picture_files: PictureFiles,
    /// How this machine was reached, over SSH.
    pub ssh: Option<SshPlace>,
    /// Looks at what was made.
    pub preview_files: PreviewFiles,
    /// Records and understands speech.
    pub voice: VoiceServices,
    /// A message to send at once.
    pub first_prompt: Option<String>,
    /// Whether the model is the scripted one; the screen says so.
    pub demo: bool,
    /// Size of the model's context in tokens.
    pub context_window: Option<u64>,
    /// Tells the time of day.
    pub clock: Arc<dyn Clock>,
    /// Where messages are remembered for the next time; `None` forgets them.
    pub history_file: Option<PathBuf>,
    /// What stands in the composer at the start, and what is left there.
    pub draft: Draft,
}

/// A message that is being written, carried from one start of the screen to the next, over the setup screen.
pub type Draft = Arc<Mutex<Unsent>>;

/// What was to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsent {
    /// The text.
    pub text: String,
    /// What goes along.
    pub files: Vec<PathBuf>,
}

impl TuiOptions {
    /// Colours and glyphs that these options ask for.
    pub fn theme(&self) -> theme::Theme {
        let colours = match self.ui.colour {
            ColourMode::Auto => !self.no_color,
            ColourMode::Always => true,
            ColourMode::Never => false,
        };
        theme::Theme::new(colours, self.ui.ascii)
    }
}

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
}
