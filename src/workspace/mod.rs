//! The session's files as tools may touch them: confined paths and nothing else.
//!
//! Paths come from the model. A path is first made a [`ConfinedPath`] (by spelling alone: [`Workspace::resolve`]), and
//! every access then goes through a descriptor of the workspace, so that no link, no race and no special file leads
//! outside. Nothing here runs a shell or resolves an absolute path of the host. What the user copies in and out passes
//! through `uploads` and `transfer`; folders of the user's own are `host_folder`'s.

pub mod confine;
mod files;
pub mod host_folder;
mod mount;
pub mod transfer;
pub mod uploads;
mod walk;

pub use confine::{ALIAS, ConfinedPath};
pub use files::{Entry, EntryKind};
pub use host_folder::HostFolder;
pub use mount::{Access, Workspace};

use std::io;

/// Why a file of the workspace could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The path, or a link on its way, leads out of the workspace.
    #[error("path outside workspace: {path:?} (the workspace is {mount}/)")]
    Outside {
        /// The path as it was given.
        path: String,
        /// The mount, without a trailing slash.
        mount: String,
    },
    /// Nothing is there.
    #[error("{path} does not exist")]
    Missing {
        /// The path under the mount.
        path: String,
    },
    /// Something else than a regular file is there.
    #[error("{path} is {what}, not a regular file")]
    NotAFile {
        /// The path under the mount.
        path: String,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A folder was needed.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The path under the mount.
        path: String,
    },
    /// Links lead in a circle, or through too many others.
    #[error("{path} goes through too many symbolic links")]
    TooManyLinks {
        /// The path under the mount.
        path: String,
    },
    /// The file is larger than the caller takes.
    #[error("{path} has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The path under the mount.
        path: String,
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path under the mount, or on the host when the workspace itself cannot be opened.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
