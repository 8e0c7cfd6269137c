//! What a snapshot does not keep, and why.

use serde::{Deserialize, Serialize};

use super::name;

/// Limits of one snapshot, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Larger files are listed, not kept.
    pub file: u64,
    /// All files together.
    pub total: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { file: 100 * 1024 * 1024, total: 4096 * 1024 * 1024 }
    }
}

/// Why a path is not in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The file is above the limit of one file.
    Size,
    /// The file would pass the limit of all files together.
    Total,
    /// It cannot be read.
    Unreadable,
    /// It changed each time it was read.
    Changing,
    /// It is a named pipe.
    Fifo,
    /// It is a socket.
    Socket,
    /// It is a device.
    Device,
    /// Another file system is mounted there.
    Mount,
    /// The folder lies too deep.
    Depth,
    /// A word from a newer program.
    #[serde(other)]
    Other,
}

impl Reason {
    /// The word in lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Total => "total size",
            Self::Unreadable => "unreadable",
            Self::Changing => "changed while it was read",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Mount => "other file system",
            Self::Depth => "too deep",
            Self::Other => "other",
        }
    }
}

/// A path that is in the workspace but not in its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotKept {
    /// The path's bytes.
    pub path: Vec<u8>,
    /// Why.
    pub reason: Reason,
    /// Its size.
    pub bytes: u64,
}

impl NotKept {
    /// Path and reason on one line.
    pub fn line(&self) -> String {
        format!("{}: {}", name::display(&self.path), self.reason.word())
    }
}
