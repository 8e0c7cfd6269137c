//! The project that a session holds a copy of: what the session changed since, worked out and brought back.
//!
//! The base is a node: the copy as it was taken, later the state that was brought back last. So a second time brings
//! only what is new. Another folder has nothing of it yet, and who undid it in the project may ask for all of it again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::checkpoint::{Ledger, LedgerError, State};
use crate::project::apply::Conflict;
use crate::project::{self, ApplyError, Limits, Making, Patch};
use crate::protocol::{NodeId, PathChange, PathConflict, ProjectApplied, ProjectPatch};
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
                "`okcvm files apply --conflicts=markers` (/apply markers) writes both versions: into one file with markers \
                 between them, or the session's beside the project's."
                    .to_owned(),
            ),
            Self::Ledger(error) => error.hint(),
            Self::Apply(_) | Self::Forgotten(_) => None,
        }
    }
}

/// What is to be brought, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bring {
    /// The folder that it is brought to; the project when left out.
    pub dir: Option<PathBuf>,
    /// Whether conflicts are written down.
    pub markers: bool,
    /// Everything since the copy, also what was brought before.
    pub since_copy: bool,
}

/// A patch that was worked out.
#[derive(Debug)]
pub struct Brought {
    dir: HostFolder,
    /// What would be written.
    pub patch: Patch,
    bring: Bring,
    /// When the changes that it leaves out were brought.
    since: Option<String>,
    /// The session's node whose files it brings.
    node: NodeId,
    /// Whether the session remembers the outcome: it does for its own project only.
    own: bool,
}

impl Brought {
    /// As front ends are told of it.
    pub fn told(&self, limits: Option<Limits>) -> Result<ProjectPatch, BringError> {
        let (patch, words) = self.patch.shown(limits)?;
        let (mut write, mut remove) = (Vec::new(), Vec::new());
        for (step, what) in self.patch.steps.iter().zip(words) {
            let list = if step.writes() { &mut write } else { &mut remove };
            list.push(PathChange { path: step.path.display().to_string(), what });
        }
        Ok(ProjectPatch {
            dir: self.patch.dir.clone(),
            write,
            remove,
            conflicts: conflicts(&self.patch),
            left_out: self.patch.left_out.clone(),
            notes: self.patch.notes.clone(),
            patch,
            since: self.since.clone(),
            markers: self.bring.markers,
            since_copy: self.bring.since_copy,
            digest: self.patch.digest(),
        })
    }
}

fn conflicts(patch: &Patch) -> Vec<PathConflict> {
    let told = |conflict: &Conflict| PathConflict {
        path: conflict.path.display().to_string(),
        why: conflict.why.clone(),
        outcome: conflict.outcome(),
    };
    patch.conflicts.iter().map(told).collect()
}

impl Ledger {
    /// Works out what the session changed since the copy, as a patch against the project (or another folder that is
    /// like it) as it is now. Files that were changed by hand get their node first.
    pub fn bring(
        &mut self,
        bring: &Bring,
        state: State,
        goes_on: &dyn Fn(u64, u64) -> bool,
    ) -> Result<Brought, BringError> {
        let project = self.folder.meta().project.clone().ok_or(BringError::NoProject)?;
        let place = bring.dir.as_deref().unwrap_or(&project.dir);
        let dir = HostFolder::open(place).map_err(|source| BringError::Gone { dir: place.to_owned(), source })?;
        let own = dir.path() == project.dir;
        // What was brought to the project is nowhere else.
        let since = project.applied.clone().filter(|_| own && !bring.since_copy);
        let base = if since.is_some() { project.base.as_ref() } else { project.copied() };
        let base = base.cloned().ok_or(BringError::NoProject)?;
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
        let patch = project::make(
            &dir,
            &changes,
            &Making { content: &content, stays: &stays, markers: bring.markers, goes_on },
        )?;
        Ok(Brought { dir, patch, bring: bring.clone(), since, node, own })
    }

    /// Writes a patch, and remembers the session's node as what both sides have.
    /// Where a part of it could not be written down, all of it is offered again.
    pub fn write_back(
        &mut self,
        brought: &Brought,
        goes_on: &dyn Fn(u64, u64) -> bool,
    ) -> Result<ProjectApplied, BringError> {
        let count = brought.patch.conflicts.len();
        if count > 0 && !brought.bring.markers {
            return Err(BringError::Conflicts(files(count)));
        }
        let applied = brought.patch.write(&brought.dir, goes_on)?;
        if brought.own && brought.patch.is_whole() {
            let now = self.clock.now();
            self.folder.set_applied(brought.node.clone(), &now).map_err(BringError::Forgotten)?;
        }
        Ok(ProjectApplied {
            dir: brought.patch.dir.clone(),
            written: applied.written,
            removed: applied.removed,
            conflicts: conflicts(&brought.patch),
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
