//! Bringing the files of a node back, in two phases.
//!
//! ```text
//! phase one   compare present and target ── plan: make, write, bits, remove, keep
//!             read every object that will be written; look that every path is as it was captured
//! journal     okcvm/journal names the target; from here on a kill is mended at the next start
//! phase two   write aside and rename ── removals last ── bits of folders ── sync
//! verify      walk again, compare with the target
//! ```
//!
//! What is in no snapshot (too large, a socket, …), now or then, is never written over and never removed, nor is a
//! folder that holds such a thing. The workspace's own folder is never replaced: the sandbox holds its inode.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use git2::Oid;
use serde::{Deserialize, Serialize};

use super::apply;
use super::compare::{self, Difference, Side, State, Trees};
use super::error::SnapshotError;
use super::graph::Store;
use super::name;
use super::read::Scan;
use super::statcache;
use super::tree::Kind;
use crate::protocol::NodeId;
use crate::support::atomic_file;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Make a folder, in place of a file or link where there is one.
    Make { path: Vec<u8>, bits: u32, over: Option<Kind> },
    /// Write a file or link, in place of what is there.
    Write { path: Vec<u8>, id: Oid, kind: Kind, bits: u32, over: Option<Kind> },
    /// Set the bits of a folder or file.
    Bits { path: Vec<u8>, kind: Kind, bits: u32 },
    /// Remove a file, link or empty folder.
    Remove { path: Vec<u8>, kind: Kind },
}

impl Action {
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Make { path, .. }
            | Self::Write { path, .. }
            | Self::Bits { path, .. }
            | Self::Remove { path, .. } => path,
        }
    }
}

/// What a rollback of the files would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub(crate) actions: Vec<Action>,
    /// Removed along with a folder that makes way for a file, a folder before what is in it.
    pub(crate) along: Vec<(Vec<u8>, Kind)>,
    kept: Kept,
}

impl Plan {
    /// Files, links and folders that would be written.
    pub fn write(&self) -> Vec<String> {
        let written = |action: &&Action| !matches!(action, Action::Remove { .. });
        self.actions.iter().filter(written).map(|action| name::display(action.path())).collect()
    }

    /// Files, links and folders that would be removed.
    pub fn remove(&self) -> Vec<String> {
        let removed = |action: &&Action| matches!(action, Action::Remove { .. });
        self.actions.iter().filter(removed).map(|action| name::display(action.path())).collect()
    }

    /// Paths that stay as they are because they are in no snapshot, each with the reason.
    pub fn keep(&self) -> Vec<String> {
        self.kept.lines.clone()
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

/// Paths that a rollback leaves alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kept {
    paths: BTreeSet<Vec<u8>>,
    lines: Vec<String>,
}

impl Kept {
    fn of(now: &State, target: &State) -> Self {
        let mut kept = Self::default();
        for item in &now.not_kept {
            kept.add(&item.path, item.reason.word());
        }
        for item in &target.not_kept {
            kept.add(&item.path, &format!("{} in that snapshot", item.reason.word()));
        }
        kept
    }

    fn add(&mut self, path: &[u8], why: &str) {
        if self.paths.insert(path.to_vec()) {
            self.lines.push(format!("{}: {why}", name::display(path)));
        }
    }

    /// Whether a path is left alone, itself or along with a folder above it.
    fn covers(&self, path: &[u8]) -> bool {
        self.paths.contains(path)
            || path.iter().enumerate().any(|(at, byte)| *byte == b'/' && self.paths.contains(&path[..at]))
    }

    /// Whether something below a path is left alone.
    fn has_below(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        self.paths.range(below.clone()..).next().is_some_and(|kept| kept.starts_with(&below))
    }
}

/// What a rollback of the files did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files, links and folders that were written.
    pub written: u64,
    /// Files, links and folders that were removed.
    pub removed: u64,
    /// Paths that differ from the snapshot afterwards. Empty: restored and verified.
    pub differing: Vec<String>,
    /// Paths that were left alone, each with the reason.
    pub kept: Vec<String>,
}

/// A rollback under way, as the file that a kill leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this file.
    pub v: u32,
    /// Part of the names of files aside.
    pub token: String,
    /// The node whose files come back.
    pub files: NodeId,
    /// What the caller needs to finish its part.
    pub note: serde_json::Value,
}

impl Journal {
    /// A new rollback to the files of a node.
    pub fn new(files: NodeId, note: serde_json::Value) -> Self {
        Self { v: 1, token: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(), files, note }
    }
}

impl Store {
    /// What bringing back the files of a node would do, as of now.
    pub fn plan_restore(&mut self, files: &NodeId, dir: BorrowedFd<'_>) -> Result<Plan, SnapshotError> {
        let target = self.files(files)?;
        let scan = self.scan(dir)?;
        let trees = Trees::new(&self.repo, &scan.trees);
        plan(&trees, &scan.state, &target)
    }

    /// Brings the files of the journal's node back. The present files must be those of the node `base`, captured just
    /// before; a file that changed since is an error before anything is touched. The journal stays until
    /// [`Store::end_restore`].
    pub fn restore(&mut self, dir: BorrowedFd<'_>, journal: &Journal, base: &NodeId) -> Result<Applied, SnapshotError> {
        let target = self.files(&journal.files)?;
        let scan = self.scan(dir)?;
        self.check_captured(&scan, base)?;
        let trees = Trees::new(&self.repo, &scan.trees);
        let plan = plan(&trees, &scan.state, &target)?;
        self.verify_objects(&plan)?;
        self.step("planned")?;
        self.write_journal(journal)?;
        self.step("journal")?;
        self.carry_out(dir, journal, &target, &plan)
    }

    /// Finishes a rollback that a kill left unfinished, or goes to another node's files instead. Whatever lies in the
    /// workspace and in no node must have been captured before.
    pub fn resume_restore(&mut self, dir: BorrowedFd<'_>, journal: &Journal) -> Result<Applied, SnapshotError> {
        let target = self.files(&journal.files)?;
        let scan = self.scan(dir)?;
        let trees = Trees::new(&self.repo, &scan.trees);
        let plan = plan(&trees, &scan.state, &target)?;
        self.verify_objects(&plan)?;
        self.carry_out(dir, journal, &target, &plan)
    }

    /// Whether every path of the workspace is as it is in one or the other of two nodes: what a rollback leaves that
    /// was killed, and nothing else.
    pub fn is_mixture(&mut self, dir: BorrowedFd<'_>, a: &NodeId, b: &NodeId) -> Result<bool, SnapshotError> {
        let scan = self.scan(dir)?;
        let trees = Trees::new(&self.repo, &scan.trees);
        let from_a = compare::compare(&trees, &self.files(a)?, &scan.state)?;
        let from_b: BTreeSet<Vec<u8>> =
            compare::compare(&trees, &self.files(b)?, &scan.state)?.into_iter().map(|item| item.path).collect();
        // Bits of folders are set last, so a folder may have neither's for a while.
        let is_folder = |side: Option<Side>| side.is_some_and(|side| side.kind == Kind::Dir);
        Ok(from_a.iter().all(|item| !from_b.contains(&item.path) || is_folder(item.new)))
    }

    fn carry_out(
        &mut self,
        dir: BorrowedFd<'_>,
        journal: &Journal,
        target: &State,
        plan: &Plan,
    ) -> Result<Applied, SnapshotError> {
        let counts = apply::apply(self, dir, plan, &journal.token)?;
        self.step("applied")?;
        let differing = self.verify(dir, target, &plan.kept)?;
        self.step("verified")?;
        let left = counts.left.iter().map(|path| format!("{}: made while the rollback ran", name::display(path)));
        let kept = plan.keep().into_iter().chain(left).collect();
        Ok(Applied { written: counts.written, removed: counts.removed, differing, kept })
    }

    /// A rollback that a kill left unfinished.
    pub fn pending_restore(&self) -> Result<Option<Journal>, SnapshotError> {
        let path = self.journal_file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| SnapshotError::Damaged(format!("the journal of a rollback cannot be read: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SnapshotError::io("read", &path)(error)),
        }
    }

    /// Gives up a rollback that can neither be finished nor undone: its journal is moved aside, and the files stay.
    pub fn give_up_restore(&mut self) -> Result<PathBuf, SnapshotError> {
        let path = self.journal_file();
        let mut aside = path.with_extension("bad");
        let mut number = 1;
        while fs::symlink_metadata(&aside).is_ok() {
            number += 1;
            aside = path.with_extension(format!("bad-{number}"));
        }
        fs::rename(&path, &aside).map_err(SnapshotError::io("move", &path))?;
        atomic_file::sync_parent(&path).map_err(SnapshotError::io("sync", &path))?;
        Ok(aside)
    }

    /// Ends a rollback: the journal goes.
    pub fn end_restore(&mut self) -> Result<(), SnapshotError> {
        let path = self.journal_file();
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SnapshotError::io("remove", &path)(error)),
        }
        atomic_file::sync_parent(&path).map_err(SnapshotError::io("sync", &path))
    }

    /// Removes what a killed rollback left aside in the workspace.
    pub fn clean_after(&self, dir: BorrowedFd<'_>, journal: &Journal) -> Result<(), SnapshotError> {
        apply::clean(dir, &journal.token)
    }

    fn journal_file(&self) -> PathBuf {
        self.repo.own_folder().join("journal")
    }

    fn write_journal(&self, journal: &Journal) -> Result<(), SnapshotError> {
        let path = self.journal_file();
        let bytes = serde_json::to_vec(journal).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
        atomic_file::write(&path, &bytes, 0o600).map_err(SnapshotError::io("write", &path))
    }

    /// Reads every object that the plan writes, and checks their hashes.
    fn verify_objects(&self, plan: &Plan) -> Result<(), SnapshotError> {
        for action in &plan.actions {
            if let Action::Write { id, path, .. } = action {
                self.repo.stream(*id, &mut |_| Ok(()))?;
                if path.rsplit(|byte| *byte == b'/').next().is_none_or(|part| part.len() > 255) {
                    return Err(SnapshotError::Damaged(format!("the name {} is too long", name::display(path))));
                }
            }
        }
        Ok(())
    }

    /// Nothing is written over that is in no node.
    fn check_captured(&self, now: &Scan, base: &NodeId) -> Result<(), SnapshotError> {
        let base = self.files(base)?;
        let trees = Trees::new(&self.repo, &now.trees);
        match compare::compare(&trees, &base, &now.state)?.first() {
            None => Ok(()),
            Some(difference) => Err(SnapshotError::Moved { path: name::display(&difference.path) }),
        }
    }

    /// Walks the workspace and tells where it differs from what it should be.
    fn verify(&mut self, dir: BorrowedFd<'_>, target: &State, kept: &Kept) -> Result<Vec<String>, SnapshotError> {
        let Scan { state, trees } = self.scan_with(dir, &|tree| target.tree == Some(tree))?;
        let trees = Trees::new(&self.repo, &trees);
        let differing = compare::compare(&trees, &state, target)?
            .into_iter()
            .filter(|difference| !kept.covers(&difference.path) && !kept.has_below(&difference.path))
            .map(|difference| name::display(&difference.path))
            .collect();
        if let (true, Some(cache)) = (state.tree == target.tree && !self.mending, &self.cache) {
            // All of it is stored, so the next capture need not read it again.
            if let Err(error) = statcache::save(&super::graph::stat_file(&self.repo), cache) {
                tracing::warn!(%error, "the stat cache was not saved");
            }
        }
        Ok(differing)
    }
}

fn plan(trees: &Trees<'_>, now: &State, target: &State) -> Result<Plan, SnapshotError> {
    let mut kept = Kept::of(now, target);
    let mut plan = Plan::default();
    // The folder that goes whole to make way for a file or link.
    let mut going: Option<Vec<u8>> = None;
    for Difference { path, old, new } in compare::compare(trees, now, target)? {
        let inside = |folder: &Vec<u8>| path.strip_prefix(folder.as_slice()).is_some_and(|rest| rest.starts_with(b"/"));
        if going.as_ref().is_some_and(inside) {
            plan.along.extend(old.map(|side| (path, side.kind)));
            continue;
        }
        going = None;
        if kept.covers(&path) {
            continue;
        }
        let over = old.map(|side| side.kind);
        match (old, new) {
            (Some(Side { kind: Kind::Dir, .. }), Some(Side { kind: Kind::Dir, bits, .. })) => {
                plan.actions.push(Action::Bits { path, kind: Kind::Dir, bits });
            }
            (_, Some(Side { kind: Kind::Dir, bits, .. })) => plan.actions.push(Action::Make { path, bits, over }),
            (old, Some(Side { kind, id, bits })) => {
                if over == Some(Kind::Dir) {
                    if kept.has_below(&path) {
                        kept.add(&path, "it holds a path that is in no snapshot");
                        continue;
                    }
                    going = Some(path.clone());
                }
                let same = old.is_some_and(|old| old.id == id && old.kind.is_file() && kind.is_file());
                plan.actions.push(if same {
                    Action::Bits { path, kind, bits }
                } else {
                    Action::Write { path, id, kind, bits, over }
                });
            }
            (Some(Side { kind: Kind::Dir, .. }), None) if kept.has_below(&path) => {}
            (Some(Side { kind, .. }), None) => plan.actions.push(Action::Remove { path, kind }),
            (None, None) => {}
        }
    }
    plan.kept = kept;
    Ok(plan)
}
