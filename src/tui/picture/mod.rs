//! Pictures on the screen.
//!
//! ```text
//! a pane asks for a picture in so much room ──> store: is it there? else it is asked for
//! after the frame: one job at a time, off the screen's thread ──> opened, scaled; or encoded for the terminal
//! the next frame: half blocks, as any cells; where the terminal has graphics, those are put over them
//! ```
//!
//! Half blocks are drawn in every case. They hold the place while a picture scrolls or is still being encoded, and what
//! is written over them takes the terminal's own picture away.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use image::RgbaImage;

mod cells;
mod encode;
mod graphics;
mod mark;
mod scale;
mod store;

pub use cells::Depth;
pub use graphics::{Graphics, PicturePlan, Protocol, Question, TerminalAnswer};
pub use mark::{Mark, read as mark_of};
pub use store::{Crop, Job, Payload, Pictures, View};

/// When a file was changed, and how large it is: the same picture as long as both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it was changed.
    pub modified: Option<SystemTime>,
    /// Its size.
    pub bytes: u64,
}

/// What opening a picture gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureFile {
    /// It is the one that is known already.
    Unchanged,
    /// Its contents.
    Read {
        /// What they are known by.
        stamp: Stamp,
        /// The picture's own size.
        size: (u32, u32),
        /// Its pixels, within the size that was asked for.
        pixels: RgbaImage,
    },
}

/// How large the pixels of a picture are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Columns of pixels at most.
    pub width: u32,
    /// Rows of pixels at most.
    pub height: u32,
    /// How many times a small picture may grow.
    pub grow: u32,
}

/// Opens pictures of the session: given a path under the mount, the stamp that is known and the size that is wanted, it
/// gives the pixels, or says in a part of a sentence why not. It blocks. Pictures are untrusted: it follows no link out of
/// the workspace, and it unpacks them where they can do no harm.
#[derive(Clone)]
pub struct PictureFiles(Arc<Open>);

type Open = dyn Fn(&str, Option<Stamp>, Wanted) -> Result<PictureFile, String> + Send + Sync;

impl PictureFiles {
    /// Files that are opened so.
    pub fn new(
        open: impl Fn(&str, Option<Stamp>, Wanted) -> Result<PictureFile, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(open))
    }

    /// None at all.
    pub fn none() -> Self {
        Self::new(|_, _, _| Err("there is no workspace".to_owned()))
    }

    fn open(&self, path: &str, known: Option<Stamp>, wanted: Wanted) -> Result<PictureFile, String> {
        (self.0)(path, known, wanted)
    }
}

impl fmt::Debug for PictureFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PictureFiles")
    }
}
