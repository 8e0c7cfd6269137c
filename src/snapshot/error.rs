//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};

/// Why a snapshot could not be taken, read or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// libgit2 refused.
    #[error("cannot {action}: {}", source.message())]
    Git {
        /// What was tried.
        action: &'static str,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The store does not hold what it must.
    #[error("the snapshot store is damaged: {0}")]
    Damaged(String),
    /// No node answers to that name.
    #[error("no snapshot {0:?}")]
    Unknown(String),
    /// Several nodes answer to that name.
    #[error("snapshot {query:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        query: String,
        /// The nodes that answer to it.
        candidates: Vec<String>,
    },
    /// What was asked for cannot name a node.
    #[error("{0:?} names no snapshot: give at least 4 digits of an id, a branch, head or head~N")]
    NotAName(String),
    /// The node's files could not be captured, so there is nothing to come back to.
    #[error("snapshot {id} holds no files: {reason}")]
    Red {
        /// The node, eight digits.
        id: String,
        /// Why its capture failed.
        reason: String,
    },
    /// A branch name that Git would refuse, or that is taken.
    #[error("cannot use {name:?} as a branch name: {reason}")]
    Branch {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The workspace changed between the plan of a rollback and its execution.
    #[error("{path} changed while the rollback ran")]
    Moved {
        /// The path in the workspace.
        path: String,
    },
    /// Tests only: the process is taken to be killed here.
    #[error("killed at {0}")]
    Killed(String),
}

impl SnapshotError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(_) | Self::NotAName(_) => {
                Some("`okcvm snapshot list`, or F4 on the screen, shows the ids.".to_owned())
            }
            Self::Ambiguous { .. } => Some("Give more digits of the id.".to_owned()),
            Self::Red { .. } => Some("Choose the snapshot before or after it.".to_owned()),
            Self::Damaged(_) => Some("`okcvm session fsck` tells what is missing.".to_owned()),
            Self::Moved { .. } => Some("Stop what writes to the workspace and try again.".to_owned()),
            Self::Io { .. } | Self::Git { .. } | Self::Branch { .. } | Self::Killed(_) => None,
        }
    }

    /// Makes the error of a system call with a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Makes the error of a call of libgit2.
    pub(crate) fn git(action: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Git { action, source }
    }
}
