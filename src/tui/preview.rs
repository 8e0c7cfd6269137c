//! What was made for the user, as the preview looks at it: facts about files and what they hold.
//!
//! ```text
//! the pane says what it lacks ── after the frame: one job at a time, off the screen's thread ── an answer
//! ```
//!
//! Who looks is handed in by the composition root: everything here is plain data, and all of it is untrusted.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

/// How a thing stands on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// A file.
    File {
        /// Its size.
        bytes: u64,
        /// When it was changed.
        modified: Option<SystemTime>,
    },
    /// A folder.
    Folder {
        /// When it was changed.
        modified: Option<SystemTime>,
    },
    /// It is not there any more.
    Gone,
    /// It cannot be looked at: why, as a part of a sentence.
    Closed(String),
}

impl FileState {
    /// When it was changed, if that is known.
    pub fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::File { modified, .. } | Self::Folder { modified } => *modified,
            Self::Gone | Self::Closed(_) => None,
        }
    }
}

/// How everything stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The state of each path that was asked for, in that order.
    pub states: Vec<FileState>,
    /// What else lies in the folder of results, the latest first: paths under the mount.
    pub others: Vec<(String, FileState)>,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its format, in words.
    pub format: String,
    /// Its length.
    pub millis: u64,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// How loud it is from beginning to end; the loudest moment has 255.
    pub loudness: Vec<u8>,
}

/// A picture of a part of a thing: a page, a slide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// What it shows, such as `desktop`.
    pub label: String,
    /// What the pictures of the session know it by.
    pub picture: String,
}

/// What a thing holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text; `markdown` says how it is drawn.
    Text {
        /// The text.
        text: String,
        /// Whether it is Markdown.
        markdown: bool,
        /// What it is and how much, in words.
        summary: String,
        /// What the reader has to know.
        notes: Vec<String>,
    },
    /// A recording.
    Recording(Recording),
    /// Pictures of it.
    Sheets(Vec<Sheet>),
    /// The thing is a picture itself.
    Picture,
    /// There is nothing to be shown but these words.
    Words(String),
}

/// A thing whose content is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its path under the mount; for a page, the folder that was deployed.
    pub path: Option<String>,
    /// Its address, for pages.
    pub url: Option<String>,
    /// Which deployment of that address it is.
    pub version: usize,
}

/// Looks at things. Both block.
pub trait PreviewSource: Send + Sync {
    /// How these paths stand, and what else was made.
    fn list(&self, paths: &[String]) -> Listing;
    /// What a thing holds. Given up as soon as nobody wants it any more.
    fn read(&self, subject: &Subject, cancel: &CancellationToken) -> Content;
}

/// Who looks at things. Clones share it.
#[derive(Clone)]
pub struct PreviewFiles(Arc<dyn PreviewSource>);

impl PreviewFiles {
    /// Things are looked at so.
    pub fn new(source: impl PreviewSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// There is nothing to look at.
    pub fn none() -> Self {
        Self::new(NoSource)
    }

    /// How these paths stand.
    pub fn list(&self, paths: &[String]) -> Listing {
        self.0.list(paths)
    }

    /// What a thing holds.
    pub fn read(&self, subject: &Subject, cancel: &CancellationToken) -> Content {
        self.0.read(subject, cancel)
    }
}

impl fmt::Debug for PreviewFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PreviewFiles")
    }
}

struct NoSource;

impl PreviewSource for NoSource {
    fn list(&self, paths: &[String]) -> Listing {
        Listing { states: paths.iter().map(|_| FileState::Gone).collect(), others: Vec::new() }
    }

    fn read(&self, _: &Subject, _: &CancellationToken) -> Content {
        Content::Words("there is no workspace".to_owned())
    }
}

/// What a job of the preview found.
#[derive(Debug)]
pub enum Answer {
    /// How everything stands.
    Listed(Vec<String>, Listing),
    /// What the thing of this key holds.
    Read(String, Content),
}

/// Work that must not happen on the screen's thread.
pub type Job = Box<dyn FnOnce() -> Answer + Send>;
