//! The project that a session holds a copy of: what the session changed since, worked out and brought back.
//!
//! The base is a node: the copy as it was taken, later the state that was brought back last. So a second time brings
//! only what is new.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::checkpoint::{Ledger, LedgerError, State};
use crate::project::apply::{self, Making};
use crate::project::{ApplyError, Patch};
use crate::protocol::{NodeId, PathConflict, ProjectApplied, ProjectPatch};
use crate::session::{Record, SessionError};
use crate::snapshot::Changes;
use crate::support::truncate;
use crate::workspace::HostFolder;

/// Folders at the top of the mount that belong to the session, unless the project had them.
const OWN: [&str; 2] = ["output", "uploads"];

/// Why changes were not worked out or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// The session was not started from a project.
    #[error("this session holds no copy of a project")]
    NoProject,
    /// The project's folder cannot be opened.
    #[error("cannot open the project {}: {source}", dir.display())]
    Gone {
        /// Where it should be.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not the patch that was shown.
    #[error("files have changed since the patch was shown; nothing was written")]
    NotThatPatch,
    /// Both sides do not agree.
    #[error("{0} changed on both sides; nothing was written")]
    Conflicts(String),
    /// Working it out or writing it failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The session's own records.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It was brought back, but that cannot be remembered.
    #[error("the changes are in the project, but the session could not remember it: {0}")]
    Forgotten(#[source] SessionError),
}

impl BringError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoProject => Some("`okcvm --from DIR` starts a session that holds one.".to_owned()),
            Self::Gone { .. } => Some("`okcvm files apply DIR` names another folder.".to_owned()),
            Self::NotThatPatch => Some("Look at it again.".to_owned()),
            Self::Conflicts(_) => Some(
                "`okcvm files apply --conflicts=markers` (/apply markers) writes both versions with markers between them."
                    .to_owned(),
            ),
            Self::Ledger(error) => error.hint(),
            Self::Apply(_) | Self::Forgotten(_) => None,
        }
    }
}

/// A patch that was worked out.
#[derive(Debug)]
pub struct Brought {
    dir: HostFolder,
    /// What would be written.
    pub patch: Patch,
    markers: bool,
    /// The session's node whose files it brings.
    node: NodeId,
    /// Whether the session remembers the outcome: it does for its own project only.
    own: bool,
}

impl Brought {
    /// As front ends are told of it.
    pub fn told(&self) -> Result<ProjectPatch, BringError> {
        let name = |path: &Path| path.display().to_string();
        let (write, remove) = self.patch.steps.iter().partition::<Vec<_>, _>(|step| step.writes());
        Ok(ProjectPatch {
            dir: self.patch.dir.clone(),
            write: write.iter().map(|step| name(&step.path)).collect(),
            remove: remove.iter().map(|step| name(&step.path)).collect(),
            conflicts: self
                .patch
                .conflicts
                .iter()
                .map(|conflict| PathConflict { path: name(&conflict.path), why: conflict.why.clone() })
                .collect(),
            left_out: self.patch.left_out.clone(),
            patch: self.patch.shown()?,
            markers: self.markers,
            digest: self.patch.digest(),
        })
    }
}

impl Ledger {
    /// Works out what the session changed since the copy, as a patch against the project (or another folder that is
    /// like it) as it is now. Files that were changed by hand get their node first.
    pub fn bring(&mut self, dir: Option<&Path>, markers: bool, state: State) -> Result<Brought, BringError> {
        let project = self.folder.meta().project.clone().ok_or(BringError::NoProject)?;
        let base = project.base.clone().ok_or(BringError::NoProject)?;
        let place = dir.unwrap_or(&project.dir);
        let dir = HostFolder::open(place).map_err(|source| BringError::Gone { dir: place.to_owned(), source })?;
        let own = dir.path() == project.dir;
        if let Some(reason) = self.capture_manual(state)?.and_then(|captured| captured.failed) {
            return Err(LedgerError::NotCaptured(reason).into());
        }
        let node = self.head().ok_or(BringError::NoProject)?;
        let changes = self.store.changes(&base, &node).map_err(ApplyError::from)?;
        self.check_size(&changes)?;
        let attached = self.attached()?;
        let held = OWN.map(|name| (name, self.store.holds(&base, name.as_bytes()).unwrap_or(true)));
        let stays = |path: &Path| {
            let own = held.iter().any(|(name, held)| !held && path.starts_with(name));
            if attached.contains(path) {
                Some("you have attached it")
            } else if own {
                Some("it is no part of the project; `okcvm files get` copies it")
            } else {
                None
            }
        };
        let content = |item: &_| self.store.content(item);
        let patch = apply::make(&dir, &changes, &Making { content: &content, stays: &stays, markers })?;
        Ok(Brought { dir, patch, markers, node, own })
    }

    /// Writes a patch, and remembers the session's node as what both sides have.
    pub fn write_back(&mut self, brought: &Brought) -> Result<ProjectApplied, BringError> {
        let conflicts = brought.patch.conflicts.len();
        if conflicts > 0 && !brought.markers {
            return Err(BringError::Conflicts(files(conflicts)));
        }
        let applied = brought.patch.write(&brought.dir)?;
        if brought.own {
            self.folder.set_base(brought.node.clone()).map_err(BringError::Forgotten)?;
        }
        Ok(ProjectApplied {
            dir: brought.patch.dir.clone(),
            written: applied.written,
            removed: applied.removed,
            conflicts: conflicts as u64,
        })
    }

    /// What is worked out is held in memory: no more than a project may have.
    fn check_size(&self, changes: &Changes) -> Result<(), ApplyError> {
        let too_large = |what: String| Err(ApplyError::TooLarge { what });
        let limit = self.limits.max_files;
        if changes.files.len() as u64 > limit {
            return too_large(format!("{}, the limit is {limit} (project.max_files)", files(changes.files.len())));
        }
        let mut bytes = 0;
        for item in changes.files.iter().flat_map(|change| [&change.old, &change.new]).flatten() {
            bytes += self.store.content_size(item)?;
        }
        let limit = self.limits.max_total_mb << 20;
        if bytes > limit {
            let (bytes, limit) = (truncate::bytes(bytes), truncate::bytes(limit));
            return too_large(format!("{bytes}, the limit is {limit} (project.max_total_mb)"));
        }
        Ok(())
    }

    /// Files that the user gave along with messages, relative to the workspace.
    fn attached(&mut self) -> Result<HashSet<PathBuf>, LedgerError> {
        let mount = format!("{}/", self.folder.mount());
        let mut paths = HashSet::new();
        for record in self.records()? {
            if let Record::TurnOpened { attachments, .. } = record {
                let relative = |path: &str| path.strip_prefix(&mount).map(PathBuf::from);
                paths.extend(attachments.iter().filter_map(|file| relative(&file.path)));
            }
        }
        Ok(paths)
    }
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
