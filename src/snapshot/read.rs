//! Reading a node, and the workspace beside it.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;

use git2::Oid;

use super::capture::{self, Found};
use super::commit;
use super::compare::{self, State, Trees};
use super::error::SnapshotError;
use super::graph::{Store, stat_file};
use super::object::{HashSink, ObjectKind};
use super::statcache;
use super::tree::Kind;
use crate::protocol::NodeId;

/// What a node does not keep, beside the participants' files.
pub(super) const FILES_STATE: &str = "files.json";

/// The workspace as a walk found it, with nothing stored.
pub(super) struct Scan {
    pub(super) state: State,
    pub(super) trees: HashMap<Oid, Vec<u8>>,
}

impl Store {
    /// The lines of the node's own records.
    pub fn records(&self, id: &NodeId) -> Result<Vec<u8>, SnapshotError> {
        Ok(self.node_file(id, &["turn.jsonl"])?.unwrap_or_default())
    }

    /// Whether the conversation can go on from a node: its records and the participants' files can be read.
    pub fn is_readable(&self, id: &NodeId) -> bool {
        self.records(id).is_ok() && self.state(id).is_ok()
    }

    /// A long text or full output of the node, by its hash.
    pub fn spill(&self, id: &NodeId, hash: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        self.node_file(id, &["spill", hash])
    }

    /// The participants' files of a node.
    pub fn state(&self, id: &NodeId) -> Result<Vec<(String, Vec<u8>)>, SnapshotError> {
        let Some(folder) = self.node_entry(id, &["state"])? else {
            return Ok(Vec::new());
        };
        let mut files = Vec::new();
        for entry in self.repo.tree(folder.1)? {
            if entry.kind.is_file() && entry.name != FILES_STATE.as_bytes() {
                let name = String::from_utf8_lossy(&entry.name).into_owned();
                files.push((name, self.repo.read(entry.id, ObjectKind::Blob)?));
            }
        }
        Ok(files)
    }

    /// Walks the workspace without writing anything.
    pub(super) fn scan(&mut self, dir: BorrowedFd<'_>) -> Result<Scan, SnapshotError> {
        let head = self.head.as_ref().and_then(|head| self.files(head).ok()?.tree);
        self.scan_with(dir, &|tree| head == Some(tree))
    }

    /// The same, where `is_stored` knows of trees that are stored whole.
    pub(super) fn scan_with(
        &mut self,
        dir: BorrowedFd<'_>,
        is_stored: &dyn Fn(Oid) -> bool,
    ) -> Result<Scan, SnapshotError> {
        self.check_cache();
        let mut sink = HashSink::default();
        // Never two of them in memory: with 150,000 files each is tens of MiB. What is not taken over is read again.
        let old = self.cache.take();
        let had = old.is_some();
        let found = capture::walk(dir, self.options.caps, old, &mut sink).inspect_err(|_| self.repo.suspect());
        let taken = found.map(|Found { cache, changed, modes, not_kept, .. }| {
            let tree = cache.tree;
            // The cache may name stored objects only: those it named before, or those of a node. One that is marked
            // stays so until a capture has written what is missing.
            if !self.mending && ((!changed && had) || is_stored(tree)) {
                self.cache = Some(cache);
            }
            State { tree: Some(tree), modes: modes.into_iter().collect(), not_kept }
        });
        if self.cache.is_none() {
            self.cache = statcache::load(&stat_file(&self.repo));
            if self.mending {
                self.repo.suspect();
            }
        }
        Ok(Scan { state: taken?, trees: sink.trees })
    }

    /// How many files differ from those of a node, as of now.
    pub fn changed_since(&mut self, node: &NodeId, dir: BorrowedFd<'_>) -> Result<u64, SnapshotError> {
        let old = match self.latest_files(node)? {
            Some(node) => self.files(&node)?,
            None => State::default(),
        };
        let scan = self.scan(dir)?;
        let trees = Trees::new(&self.repo, &scan.trees);
        let differences = compare::compare(&trees, &old, &scan.state)?;
        let is_file = |side: Option<compare::Side>| side.is_some_and(|side| side.kind != Kind::Dir);
        let files = differences.iter().filter(|difference| {
            let is_left_out = || scan.state.not_kept.iter().any(|item| item.path == difference.path);
            is_file(difference.new) || (is_file(difference.old) && !is_left_out())
        });
        Ok(files.count() as u64)
    }

    /// Whether the workspace differs from a node in anything that a snapshot keeps, folders and bits included. It does
    /// from a node whose files nobody can tell.
    pub fn differs(&mut self, node: &NodeId, dir: BorrowedFd<'_>) -> Result<bool, SnapshotError> {
        let old = match self.files(node) {
            Ok(old) => old,
            Err(SnapshotError::Red { .. } | SnapshotError::Damaged(_)) => return Ok(true),
            Err(error) => return Err(error),
        };
        let scan = self.scan(dir)?;
        Ok(scan.state.tree != old.tree || scan.state.modes != old.modes)
    }

    /// The files of a node. A red node has none.
    pub(super) fn files(&self, id: &NodeId) -> Result<State, SnapshotError> {
        let info = self.info(id)?;
        if let Some(reason) = &info.failed {
            return Err(SnapshotError::Red { id: id.short().to_owned(), reason: reason.clone() });
        }
        let work = self
            .repo
            .tree(info.tree)?
            .into_iter()
            .find(|entry| entry.name == b"work" && entry.kind == Kind::Dir)
            .ok_or_else(|| SnapshotError::Damaged(format!("snapshot {id} has no work folder")))?;
        let modes = match self.node_file(id, &["modes"])? {
            Some(bytes) => commit::modes_from_bytes(&bytes)
                .ok_or_else(|| SnapshotError::Damaged(format!("the modes of snapshot {id} cannot be read")))?,
            None => Vec::new(),
        };
        let not_kept = match self.node_file(id, &["state", FILES_STATE])? {
            Some(bytes) => commit::not_kept_from_json(&bytes)
                .ok_or_else(|| SnapshotError::Damaged(format!("files.json of snapshot {id} cannot be read")))?,
            None => Vec::new(),
        };
        Ok(State { tree: Some(work.id), modes: modes.into_iter().collect::<BTreeMap<_, _>>(), not_kept })
    }

    fn node_file(&self, id: &NodeId, path: &[&str]) -> Result<Option<Vec<u8>>, SnapshotError> {
        match self.node_entry(id, path)? {
            Some((kind, blob)) if kind.is_file() => self.repo.read(blob, ObjectKind::Blob).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn node_entry(&self, id: &NodeId, path: &[&str]) -> Result<Option<(Kind, Oid)>, SnapshotError> {
        let mut at = (Kind::Dir, self.info(id)?.tree);
        for part in std::iter::once(&"node").chain(path) {
            if at.0 != Kind::Dir {
                return Ok(None);
            }
            match self.repo.tree(at.1)?.into_iter().find(|entry| entry.name == part.as_bytes()) {
                Some(entry) => at = (entry.kind, entry.id),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}
