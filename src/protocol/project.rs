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
    /// What becomes of it where conflicts are written down.
    pub outcome: String,
}

/// A path that is written or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChange {
    /// Relative to the project.
    pub path: String,
    /// What changes, in a few words: `+12 -3, executable`.
    pub what: String,
}

/// What would be written to the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectPatch {
    /// The project.
    pub dir: PathBuf,
    /// Files that are written, relative to the project.
    pub write: Vec<PathChange>,
    /// Files that are removed.
    pub remove: Vec<PathChange>,
    /// Paths on which both sides do not agree.
    pub conflicts: Vec<PathConflict>,
    /// What is not brought over, and why: one line each.
    pub left_out: Vec<String>,
    /// Unified diffs; binary files are named only, and for a screen long ones are cut short.
    pub patch: String,
    /// What else is to be known of it.
    pub notes: Vec<String>,
    /// When the session's changes were last brought to this project, RFC 3339; those are not in the patch.
    pub since: Option<String>,
    /// Whether files in conflict are written with markers.
    pub markers: bool,
    /// Whether it holds what was brought before, too.
    pub since_copy: bool,
    /// Tells this patch from another; it is given back to have the patch written.
    pub digest: String,
}

impl ProjectPatch {
    /// Whether project and session agree already.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty() && self.conflicts.is_empty()
    }

    /// What is said of a project to which nothing is to be brought, after its name.
    pub fn nothing(&self) -> String {
        match &self.since {
            Some(time) => format!("lacks nothing that changed since something was last brought there, {time}"),
            None => "has everything already".to_owned(),
        }
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
    /// What is left for somebody to decide.
    pub conflicts: Vec<PathConflict>,
}
