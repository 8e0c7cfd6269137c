//! What the screen wants done outside of itself. `App::update` and panes return these; `run` performs them.

use std::path::PathBuf;

use crate::protocol::{CallId, Op};

use super::Exit;
use super::complete::Query;
use super::pane::PaneId;
use super::voice::VoiceWish;

/// Something for the viewer to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewSource {
    /// A file of the host, read off the screen's thread and sanitized.
    File(PathBuf),
    /// A text that is already there, sanitized.
    Text(String),
    /// The same, drawn as replies are.
    Markdown(String),
}

/// Something that a program of the user's opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// An address of the web.
    Address(String),
    /// A file or folder: a path under the mount, or on the host.
    File(PathBuf),
}

/// Something that `update` wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UiEffect {
    /// Send an op to the engine.
    Send(Op),
    /// Put a text on the clipboard.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the line that reports it: "the reply", "the output of shell".
        what: String,
    },
    /// Put a text on the clipboard through the terminal itself: the multiplexer has refused it.
    CopyThrough {
        /// The text.
        text: String,
        /// What it is.
        what: String,
    },
    /// Show a file in the user's pager.
    OpenPager(PathBuf),
    /// Show something in the viewer, over all panes, with scroll and search.
    View {
        /// Its title.
        title: String,
        /// Its text.
        source: ViewSource,
    },
    /// Show a picture over all panes, and those before and after it.
    ShowPictures {
        /// The pictures, as paths under the mount.
        paths: Vec<String>,
        /// What they are called, clean; none where their names say it.
        labels: Vec<String>,
        /// The one to begin with.
        at: usize,
    },
    /// Open something with the user's program for it, or say where it is where there is none.
    OpenOutside(Outside),
    /// Put a command into the composer, to be completed and sent.
    Command {
        /// Its name, without the slash.
        name: String,
        /// Its first word, as it is.
        argument: String,
    },
    /// One line of news above the composer, until the next key.
    Notice(String),
    /// Open the line in which one types into a running call.
    TypeInto {
        /// The call.
        call: CallId,
        /// Its tool's short name, clean.
        tool: String,
    },
    /// Show a pane and put the focus on it.
    Focus(PaneId),
    /// Put the focus back on the composer. A pane returns this for `Action::Back` when it has nothing to close.
    Leave,
    /// Edit this text in the user's editor and put the result into the composer.
    Edit(String),
    /// Look at files that are to go along with a message; the number comes back with what is found.
    Attach(u64, Vec<PathBuf>),
    /// Look for files that a message names; those that are there go along with it.
    AttachNamed(u64, Vec<String>),
    /// Find the first of these paths that is there.
    FindPath(Vec<PathBuf>),
    /// Look whether pasted text is files that were dropped on the terminal.
    Dropped {
        /// The text as it stands in the composer.
        text: String,
        /// The ways in which it can be read.
        readings: Vec<Vec<PathBuf>>,
    },
    /// Find names for what is typed after an `@`.
    Complete(Query),
    /// Copy the path on this machine of the first file of the session that a text names.
    CopyHostPath(String),
    /// Add a message to the history file.
    Remember(String),
    /// Record speech, or have it understood; the number comes back with what becomes of it.
    Voice(u32, VoiceWish),
    /// Forget what the terminal shows and draw everything again.
    Redraw,
    /// Give the terminal back to the shell and stop, until the shell goes on with it.
    Suspend,
    /// End the application.
    Quit(Exit),
}
