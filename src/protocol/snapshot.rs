//! Snapshots as front ends see them: summaries, diffs, plans and reports.

use serde::{Deserialize, Serialize};

use super::ids::NodeId;
use super::op::RestoreScope;

/// Why a node exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// The state a session starts with.
    Start,
    /// The end of a turn.
    Turn,
    /// Files that were changed by hand between turns.
    Manual,
    /// A state the user named.
    Named,
    /// The state just before a rollback.
    BeforeRestore,
    /// A rollback.
    Restore,
    /// A turn that the user stopped.
    Interrupted,
    /// A turn that ended with the process.
    Crash,
}

impl NodeKind {
    /// The word in the trailer `Okcvm-Kind` and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Turn => "turn",
            Self::Manual => "manual",
            Self::Named => "named",
            Self::BeforeRestore => "before_restore",
            Self::Restore => "restore",
            Self::Interrupted => "interrupted",
            Self::Crash => "crash",
        }
    }

    /// The kind of that name.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Start,
            Self::Turn,
            Self::Manual,
            Self::Named,
            Self::BeforeRestore,
            Self::Restore,
            Self::Interrupted,
            Self::Crash,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// One row of the snapshot list. Field names are a stable interface of `snapshot list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// The commit.
    pub id: NodeId,
    /// Where the conversation continues from.
    pub parent: Option<NodeId>,
    /// Why the node exists.
    pub kind: NodeKind,
    /// What people are shown. Untrusted: made from a user's or a model's words.
    pub label: String,
    /// When it was made, RFC 3339 with an offset.
    pub time: String,
    /// Files written, changed or removed since the first parent.
    pub files_changed: u64,
    /// Bytes of the files that were written or changed since the first parent.
    pub bytes: u64,
    /// Whether the next message continues here.
    pub head: bool,
    /// Of `files_changed`: files that were not there before.
    pub added: u64,
    /// Of `files_changed`: files with other contents, mode or target.
    pub modified: u64,
    /// Of `files_changed`: files that are gone.
    pub removed: u64,
    /// Named tips (branches) that point here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// Paths that are not in this snapshot, each with the reason ("size", "unreadable", "fifo", ...).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_kept: Vec<String>,
    /// Why the files could not be captured. Such a node holds the conversation only, and no rollback goes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What happened to one file between two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// It is new.
    Added,
    /// Contents, mode or link target differ.
    Modified,
    /// It is gone.
    Removed,
}

/// One changed file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Path relative to the workspace, lossy where it is not UTF-8.
    pub path: String,
    /// The path's bytes in base64, only where `path` is lossy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// What happened.
    pub kind: FileChangeKind,
    /// Lines that are new; zero for binary files.
    pub lines_added: u64,
    /// Lines that are gone; zero for binary files.
    pub lines_removed: u64,
    /// Whether the file is not text.
    pub binary: bool,
}

/// A changed file with its text difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// What changed.
    #[serde(flatten)]
    pub change: FileChange,
    /// The difference in unified form (three lines of context); empty for binary or very large files.
    pub patch: String,
}

/// What a rollback would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// The node whose state would come back.
    pub target: NodeId,
    /// Which halves would come back.
    pub scope: RestoreScope,
    /// Files that would be written, with what would change in them as of now.
    pub write: Vec<String>,
    /// Files and folders that would be removed.
    pub remove: Vec<String>,
    /// Paths that stay because they are in no snapshot, with the reason.
    pub keep: Vec<String>,
    /// Turns of the conversation that would be left behind.
    pub turns_left: u64,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The node that holds the new state; the head.
    pub head: NodeId,
    /// The node whose state came back.
    pub target: NodeId,
    /// Which halves came back.
    pub scope: RestoreScope,
    /// Number of files and links that were written.
    pub written: u64,
    /// Number of files, links and folders that were removed.
    pub removed: u64,
    /// Whether the workspace was walked afterwards and equals the snapshot.
    pub verified: bool,
}
