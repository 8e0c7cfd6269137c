//! The browser of a session: Chromium, Chrome or Edge in a sandbox of its own, driven over the DevTools protocol.
//!
//! ```text
//! tool call ── Browser ──┬─ tabs: go, wait until quiet, look, act        one call at a time
//!                        │    page: snapshot -> Markdown and numbered elements (pure)
//!                        └─ watch: takes events at once, also between calls: dialogs, new tabs, downloads, crashes
//!                             connection: one socket to the browser's debugging pipe; no port that others could drive
//! ```
//!
//! Where none is installed, `plain` fetches pages without one and gives the same form of answer.
//!
//! The browser reads the workspace, so that files can be given to pages, and writes nothing in it: what it downloads is
//! copied there by okcvm ([`Browser::call`]). All that it tells is untrusted, as are the pages.

mod act;
mod citations;
mod connection;
mod events;
mod files;
mod go;
mod keys;
mod look;
mod page;
mod pass;
mod place;
mod plain;
mod process;
mod program;
mod running;
mod session;
mod state;
mod tabs;
mod watch;

pub use citations::{Citation, Citations};
pub use plain::{PageTask, internal_main, parse_page};
pub use program::{LazyProgram, Missing, Program, find};
pub use session::{Action, Browser, Place, Seen, Surroundings};

/// Why a call to the browser gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// It did not come up.
    #[error("the browser did not start: {0}")]
    Start(String),
    /// It, or the page, has ended.
    #[error("{0}")]
    Gone(String),
    /// It did not answer in time.
    #[error("{0}")]
    Slow(String),
    /// The page did not load.
    #[error("{0}")]
    NotLoaded(String),
    /// The call cannot be done on this page.
    #[error("{0}")]
    Refused(String),
}
