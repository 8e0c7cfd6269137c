//! The words of the application: its messages and the parts of its state.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ratatui::crossterm::event::KeyEvent;

use crate::protocol::{Event, Op};
use crate::tui::attach::Pending;
use crate::tui::complete::Answer;
use crate::tui::pane::PaneId;
use crate::tui::pane::apply::ApplyView;
use crate::tui::pane::palette::Palette;
use crate::tui::pane::picture::PictureViewer;
use crate::tui::pane::type_in::TypeIn;
use crate::tui::pane::viewer::Viewer;
use crate::tui::picture::Pictures;
use crate::tui::preview::{Answer as Previewed, PreviewFiles};
use crate::tui::remote::SshPlace;
use crate::tui::theme::Theme;
use crate::tui::voice::VoiceEvent;

/// A message to the screen.
#[derive(Debug)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Pasted text.
    Paste(String),
    /// A fact from the engine.
    Engine(Event),
    /// The engine's channel is closed.
    EngineEnded,
    /// A signal.
    Signal(i32),
    /// The terminal is gone.
    TerminalGone,
    /// Time went by.
    Tick,
    /// The history file was read.
    History(Vec<String>),
    /// The editor gave this back.
    Edited(String),
    /// A text for the viewer was read: title and clean text.
    View(String, String),
    /// An op was not taken.
    NotSent(Op, String),
    /// What became of a recording or a file of this number.
    Voice(u32, VoiceEvent),
    /// What the preview asked for was found.
    Previewed(Previewed),
    /// A picture is there, or something of it.
    PictureMade,
    /// One line of news.
    Notice(String),
    /// Files that are to go along were looked at; the number is that of the effect.
    Attached(u64, Vec<Result<Pending, String>>),
    /// Files that a message names were looked for: as they are typed, those that are there, and those that are not.
    AttachedNamed(u64, Vec<(String, Result<Pending, String>)>, Vec<String>),
    /// Which of the paths that a text may name is there; else the likeliest of them.
    PathFound(Result<PathBuf, PathBuf>),
    /// Pasted text was looked at; files, where it is some.
    Dropped(String, Option<Result<Vec<Pending>, String>>),
    /// Names for what is typed after an `@`.
    Completed(Answer),
    /// The multiplexer took no text (what, and what it is); the terminal may.
    NotCopied(String, String),
}

/// Facts about the session, clean.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The mount.
    pub mount: String,
    /// The workspace on the host.
    pub host_path: PathBuf,
    /// The sandbox in words.
    pub sandbox: String,
    /// The network in words.
    pub network: String,
    /// The model.
    pub model: String,
}

impl Session {
    /// Whether nothing confines the tools.
    pub fn is_unconfined(&self) -> bool {
        self.sandbox == "off"
    }
}

/// Tokens so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokens {
    /// Read in all.
    pub input: u64,
    /// Written in all.
    pub output: u64,
    /// In the context of the latest request.
    pub context: u64,
}

/// What has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The composer.
    Composer,
    /// A pane.
    Pane(PaneId),
}

/// Something drawn over everything.
#[derive(Debug)]
pub enum Modal {
    /// The palette.
    Palette(Palette),
    /// A text.
    Viewer(Viewer),
    /// A picture.
    Picture(PictureViewer),
    /// What the session changed in its project, before it is written there.
    Apply(ApplyView),
    /// The line in which one types into a running call; it takes the composer's place.
    TypeIn(TypeIn),
}

/// A message that waits for the end of the turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queued {
    /// Its text.
    pub text: String,
    /// What goes along.
    pub files: Vec<Pending>,
    /// Looks at files whose outcome belongs to it.
    pub waits_for: Vec<u64>,
}

/// What the application is told at its start.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// Colours and glyphs.
    pub theme: Theme,
    /// Rebound keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Whether the model is the scripted one.
    pub demo: bool,
    /// Size of the model's context in tokens.
    pub context_window: Option<u64>,
    /// How this machine was reached, over SSH.
    pub ssh: Option<SshPlace>,
    /// The pictures of the session.
    pub pictures: Pictures,
    /// Looks at what was made.
    pub previews: PreviewFiles,
}
