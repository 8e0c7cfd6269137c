//! A session's changes on their way to the project that it holds a copy of, as front ends are told of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A path on which project and session do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathConflict {
    /// Relative to the project.
    pub path: String,
    /// How, in a few words.
    pub why: String,
}

/// What would be written to the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectPatch {
    /// The project.
    pub dir: PathBuf,
    /// Files that are written, relative to the project.
    pub write: Vec<String>,
    /// Files that are removed.
    pub remove: Vec<String>,
    /// Paths on which both sides do not agree.
    pub conflicts: Vec<PathConflict>,
    /// What is not brought over, and why: one line each.
    pub left_out: Vec<String>,
    /// Unified diffs of it all; binary files are named only.
    pub patch: String,
    /// Whether files in conflict are written with markers.
    pub markers: bool,
    /// Tells this patch from another; it is given back to have the patch written.
    pub digest: String,
}

impl ProjectPatch {
    /// Whether project and session agree already.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty() && self.conflicts.is_empty()
    }

    /// Whether it can be written as it is.
    pub fn is_ready(&self) -> bool {
        self.conflicts.is_empty() || self.markers
    }
}

/// What was written to the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectApplied {
    /// The project.
    pub dir: PathBuf,
    /// Files that were written.
    pub written: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Files that hold, or are, an open conflict.
    pub conflicts: u64,
}
