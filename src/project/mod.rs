//! A project of the user's: copied into a session, and the session's changes brought back.
//!
//! ```text
//! git.rs    what a Git checkout tracks and ignores
//! plan.rs   which files would be copied ──> copy.rs  into the workspace
//! merge.rs  one file, three ways        ──> making.rs what would be written to the project ──> apply.rs writing it
//! patch.rs  the same as text that `git apply` reads
//! ```
//!
//! The project is read through plain paths, since it is the user's own; it is written through one descriptor
//! ([`HostFolder`](crate::workspace::HostFolder)), since links in it may lead anywhere. `.git` is neither copied nor
//! written, however it is spelled.

pub mod apply;
mod copy;
mod git;
mod making;
pub mod merge;
mod patch;
mod plan;

pub use apply::{Applied, ApplyError, Patch};
pub use copy::Progress;
pub use making::{Making, make};
pub use patch::Limits;
pub use plan::{Plan, plan};

use std::io;
use std::path::{Path, PathBuf};

use crate::workspace::WorkspaceError;

/// Why a project was not copied.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// It is no folder that can be copied.
    #[error("cannot copy {}: {why}", dir.display())]
    NotAProject {
        /// What was named.
        dir: PathBuf,
        /// Why not.
        why: String,
    },
    /// Git cannot say what belongs to it.
    #[error("cannot tell what Git tracks in {}: {why}", dir.display())]
    Git {
        /// The project.
        dir: PathBuf,
        /// What Git says.
        why: String,
    },
    /// It is larger than the limits.
    #[error("{} is too large to be copied: {what}; the largest: {largest}", dir.display())]
    TooLarge {
        /// The project.
        dir: PathBuf,
        /// How large, and the limit.
        what: String,
        /// What takes most of it.
        largest: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written into the workspace.
    #[error("cannot copy the project into the session: {0}")]
    Workspace(#[from] WorkspaceError),
    /// The user stopped it.
    #[error("copying the project was stopped; no session was made")]
    Stopped,
}

impl ProjectError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } => Some(
                "Name a smaller folder, let .gitignore leave things out, or raise project.max_files and \
                 project.max_total_mb."
                    .to_owned(),
            ),
            Self::Git { .. } => Some("`--all` copies everything and asks Git for nothing.".to_owned()),
            _ => None,
        }
    }

    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, source }
    }
}
