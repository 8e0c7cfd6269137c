//! Making a node: objects, commit, ref, head, in this order.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::Oid;
use jiff::Zoned;

use super::capture;
use super::commit::{self, Counts, NodeInfo};
use super::compare::{self, State, Trees};
use super::error::SnapshotError;
use super::graph::{Store, stat_file, tip_name};
use super::object::{ObjectKind, STREAM_FROM, Sink, Streamed, WriteSink};
use super::read::FILES_STATE;
use super::site::SITES;
use super::statcache::{self, CachedDir};
use super::tree::{Builder, Kind};
use crate::protocol::{NodeId, NodeKind, TurnId};

/// What a node is made of.
#[derive(Debug, Clone)]
pub struct NodeInput {
    /// Why it exists.
    pub kind: NodeKind,
    /// What people are shown.
    pub label: String,
    /// Where the conversation continues from; none for the first node.
    pub parent: Option<NodeId>,
    /// Its turn.
    pub turn: Option<TurnId>,
    /// The records of this node only, as lines.
    pub records: Vec<u8>,
    /// One file a participant.
    pub state: Vec<(String, Vec<u8>)>,
    /// Deployed websites: id, and where the files are.
    pub sites: Vec<(String, Site)>,
    /// Long texts of the records and full outputs: hash, and where they lie.
    pub spill: Vec<(String, PathBuf)>,
    /// The node whose files these are, where they are not the parent's.
    pub files_from: Option<NodeId>,
    /// The head just before, where it is not the parent.
    pub before: Option<NodeId>,
    /// The latest record of the log.
    pub seq: u64,
    /// When.
    pub time: Zoned,
}

/// Where the files of a deployed website are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// In a node that is there.
    Node(NodeId),
    /// In a folder of the host.
    Folder(PathBuf),
}

/// A node that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The node.
    pub id: NodeId,
    /// Its tree.
    pub tree: String,
    /// Its label.
    pub label: String,
    /// Why it exists.
    pub kind: NodeKind,
    /// Files changed since the first parent.
    pub files_changed: u64,
    /// Of these, new ones.
    pub added: u64,
    /// Of these, ones with other contents, mode or target.
    pub modified: u64,
    /// Of these, ones that are gone.
    pub removed: u64,
    /// Bytes of the added and modified files.
    pub bytes: u64,
    /// Paths that are not in it, each with the reason.
    pub not_kept: Vec<String>,
    /// Why the files could not be captured: the node is red.
    pub failed: Option<String>,
}

impl Store {
    /// Captures the files in `dir` and makes a node of them: the head from now on. A capture that fails makes a red
    /// node without files; only where not even that can be written is it an error.
    pub fn capture(&mut self, dir: BorrowedFd<'_>, input: &NodeInput) -> Result<Captured, SnapshotError> {
        self.step("capture")?;
        self.check_cache();
        let mut cache = self.cache.take();
        // Anything may fail from here on; the cache on the disk is the latest one that can be trusted.
        let result = self.capture_files(dir, input, &mut cache);
        match result {
            Ok(captured) => {
                self.cache = cache;
                self.mending = false;
                self.repo.forgive();
                Ok(captured)
            }
            Err(error @ SnapshotError::Killed(_)) => Err(error),
            Err(error) => {
                self.cache = statcache::load(&stat_file(&self.repo));
                self.repo.suspect();
                let red = self.make_red(input, &error);
                // Where nothing can be written at all, the first error is the one that explains it.
                red.map_err(|_| error)
            }
        }
    }

    /// Marks what the cache relies on and the store does not have, so that a capture writes it again. Looked for once
    /// after opening, and after an object was found missing: a pack's index answers for ten thousand in milliseconds.
    pub(super) fn check_cache(&mut self) {
        if !self.repo.take_suspicion() {
            return;
        }
        let missing = self.cache.as_mut().map_or(0, |cache| cache.doubt_missing(&|id| self.repo.exists(id)));
        if missing > 0 {
            self.mending = true;
            tracing::warn!(missing, "objects of unchanged files are missing; the next capture stores them again");
        }
    }

    fn capture_files(
        &mut self,
        dir: BorrowedFd<'_>,
        input: &NodeInput,
        cache: &mut Option<CachedDir>,
    ) -> Result<Captured, SnapshotError> {
        let mut sink = WriteSink::new(&self.repo, self.nodes.is_empty())?;
        let found = capture::walk(dir, self.options.caps, cache.take(), &mut sink)?;
        self.step("walked")?;
        let state =
            State { tree: Some(found.cache.tree), modes: found.modes.into_iter().collect(), not_kept: found.not_kept };
        let tree = self.root_tree(sink, input, &state)?;
        let captured = self.finish_node(input, &state, None, tree)?;
        // Everything that the cache names is on the disk now.
        if found.refreshed
            && let Err(error) = statcache::save(&stat_file(&self.repo), &found.cache)
        {
            tracing::warn!(%error, "the stat cache was not saved");
        }
        *cache = Some(found.cache);
        Ok(captured)
    }

    /// Makes a node whose files are those of another node, without looking at the workspace.
    pub fn make_like(&mut self, input: &NodeInput, files: &NodeId) -> Result<Captured, SnapshotError> {
        let state = self.files(files)?;
        let tree = self.root_tree(WriteSink::new(&self.repo, false)?, input, &state)?;
        self.finish_node(input, &state, None, tree)
    }

    fn make_red(&mut self, input: &NodeInput, error: &SnapshotError) -> Result<Captured, SnapshotError> {
        let state = State::default();
        let tree = self.root_tree(WriteSink::new(&self.repo, false)?, input, &state)?;
        self.finish_node(input, &state, Some(error.to_string()), tree)
    }

    fn finish_node(
        &mut self,
        input: &NodeInput,
        state: &State,
        failed: Option<String>,
        tree: Oid,
    ) -> Result<Captured, SnapshotError> {
        self.step("objects")?;
        let counts = if failed.is_some() { Counts::default() } else { self.counts(input.parent.as_ref(), state) };
        let (seconds, offset_minutes) = commit::when(&input.time);
        let mut info = NodeInfo {
            tree,
            parent: input.parent.clone(),
            kind: input.kind,
            label: commit::clean_label(&input.label, input.kind),
            seconds,
            offset_minutes,
            turn: input.turn,
            files_from: input.files_from.clone(),
            before: input.before.clone(),
            seq: input.seq,
            counts,
            not_kept: Vec::new(),
            failed,
        };
        let bytes = info.to_bytes(&state.not_kept);
        let mut sink = WriteSink::new(&self.repo, false)?;
        let commit = sink.put(ObjectKind::Commit, &bytes)?;
        sink.finish()?;
        info = NodeInfo::parse(commit, &bytes)?;
        self.step("commit")?;
        let id: NodeId =
            commit.to_string().parse().map_err(|_| SnapshotError::Damaged(format!("commit id {commit}")))?;
        self.repo.write_ref(&tip_name(&id), commit)?;
        self.step("ref")?;
        let captured = Captured {
            id: id.clone(),
            tree: tree.to_string(),
            label: info.label.clone(),
            kind: info.kind,
            files_changed: counts.files(),
            added: counts.added,
            modified: counts.modified,
            removed: counts.removed,
            bytes: counts.bytes,
            not_kept: info.not_kept.clone(),
            failed: info.failed.clone(),
        };
        self.nodes.insert(id.clone(), Arc::new(info));
        if let Some(parent) = &input.parent {
            self.repo.delete_ref(&tip_name(parent))?;
        }
        self.advance_head(&id, input.parent.as_ref())?;
        self.step("head")?;
        Ok(captured)
    }

    /// What people are told of the changes. A damaged parent makes the numbers wrong, but never fails the capture.
    fn counts(&self, parent: Option<&NodeId>, state: &State) -> Counts {
        // After a red node: against the latest node that holds files.
        let node = parent.and_then(|parent| self.latest_files(parent).ok().flatten());
        let old = node.and_then(|node| self.files(&node).ok()).unwrap_or_default();
        let trees = Trees { repo: &self.repo, found: None, lenient: true };
        let differences = compare::compare(&trees, &old, state).unwrap_or_default();
        compare::count(&self.repo, &differences, state)
    }

    /// Writes everything that a commit holds; it is on the disk when this returns.
    fn root_tree(&self, mut sink: WriteSink<'_>, input: &NodeInput, state: &State) -> Result<Oid, SnapshotError> {
        let sites = self.site_trees(&mut sink, &input.sites)?;
        let mut root = Builder::default();
        root.add(b"node", Kind::Dir, node_tree(&mut sink, input, sites, state)?);
        if let Some(work) = state.tree {
            root.add(b"work", Kind::Dir, work);
        }
        let tree = sink.put(ObjectKind::Tree, &root.finish())?;
        sink.finish()?;
        Ok(tree)
    }

    pub(super) fn latest_files(&self, from: &NodeId) -> Result<Option<NodeId>, SnapshotError> {
        let mut next = Some(from);
        while let Some(id) = next {
            let info = self.info(id)?;
            if info.failed.is_none() {
                return Ok(Some(id.clone()));
            }
            next = info.parent.as_ref();
        }
        Ok(None)
    }
}

/// Writes the folder `node/` of a commit.
fn node_tree(
    sink: &mut WriteSink<'_>,
    input: &NodeInput,
    sites: Vec<(String, Oid)>,
    state: &State,
) -> Result<Oid, SnapshotError> {
    let mut node = Builder::default();
    if !input.records.is_empty() {
        node.add(b"turn.jsonl", Kind::File, put_bytes(sink, &input.records)?);
    }
    let modes: Vec<(Vec<u8>, u32)> = state.modes.iter().map(|(path, bits)| (path.clone(), *bits)).collect();
    if !modes.is_empty() {
        node.add(b"modes", Kind::File, put_bytes(sink, &commit::modes_to_bytes(&modes))?);
    }
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, bytes) in &input.state {
        let plain =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain || name.starts_with('.') || name == FILES_STATE {
            return Err(SnapshotError::Damaged(format!("a participant cannot keep its state as {name:?}")));
        }
        files.insert(name, bytes.clone());
    }
    if !state.not_kept.is_empty() {
        files.insert(FILES_STATE, commit::not_kept_to_json(&state.not_kept));
    }
    if !files.is_empty() {
        let mut folder = Builder::default();
        for (name, bytes) in &files {
            folder.add(name.as_bytes(), Kind::File, put_bytes(sink, bytes)?);
        }
        node.add(b"state", Kind::Dir, sink.put(ObjectKind::Tree, &folder.finish())?);
    }
    if !sites.is_empty() {
        let mut folder = Builder::default();
        for (id, tree) in sites {
            folder.add(id.as_bytes(), Kind::Dir, tree);
        }
        node.add(SITES.as_bytes(), Kind::Dir, sink.put(ObjectKind::Tree, &folder.finish())?);
    }
    let mut folder = Builder::default();
    let mut names = HashSet::new();
    for (hash, path) in &input.spill {
        let plain = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !names.insert(hash) {
            continue;
        }
        // A spilled output that is gone is no reason to lose the turn.
        let Ok(mut file) = File::open(path) else {
            tracing::warn!(path = %path.display(), "a spilled output is missing");
            continue;
        };
        let size = file.metadata().map_err(SnapshotError::io("read", path))?.len();
        if let Streamed::Stored(id) = sink.stream_or_put(size, &mut file)? {
            folder.add(hash.as_bytes(), Kind::File, id);
        }
    }
    if !names.is_empty() {
        node.add(b"spill", Kind::Dir, sink.put(ObjectKind::Tree, &folder.finish())?);
    }
    sink.put(ObjectKind::Tree, &node.finish())
}

fn put_bytes(sink: &mut WriteSink<'_>, bytes: &[u8]) -> Result<Oid, SnapshotError> {
    sink.put(ObjectKind::Blob, bytes)
}

impl WriteSink<'_> {
    /// A file of ours, small or large.
    fn stream_or_put(&mut self, size: u64, file: &mut File) -> Result<Streamed, SnapshotError> {
        use std::io::Read as _;
        if size > STREAM_FROM {
            return self.stream(size, file);
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(STREAM_FROM)
            .read_to_end(&mut bytes)
            .map_err(SnapshotError::io("read", Path::new("a spilled output")))?;
        self.put(ObjectKind::Blob, &bytes).map(Streamed::Stored)
    }
}
