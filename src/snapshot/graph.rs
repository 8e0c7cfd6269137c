//! The graph: nodes as commits, their refs, and the head.
//!
//! Every node is reachable by a ref: a branch (`refs/heads/…`) or a tip (`refs/okcvm/tips/<id>`); a node that gets a
//! child loses its tip, since the child reaches it. `HEAD` names the node that the next message continues, directly or
//! through the branch that it is on. Order: objects, commit, ref, `HEAD`; the closing record of the log comes after
//! (`vm::checkpoint`), so a crash in between leaves a ref to adopt and never a record of something that is not there.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::Oid;
use jiff::Zoned;

use super::capture::{self, Caps};
use super::commit::{self, Counts, NodeInfo};
use super::compare::{self, State, Trees};
use super::error::SnapshotError;
use super::object::{HashSink, ObjectKind, STREAM_FROM, Sink, Streamed, WriteSink};
use super::repo::Repo;
use super::statcache::{self, CachedDir};
use super::tree::{Builder, Kind};
use crate::protocol::{NodeId, NodeKind, NodeSummary, TurnId};

const TIPS: &str = "refs/okcvm/tips/";
const BRANCHES: &str = "refs/heads/";
/// The files of a folder that is not there: where a node holds no files of its own.
const FILES_STATE: &str = "files.json";

/// How a store works.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreOptions {
    /// What is too large to be kept.
    pub caps: Caps,
    /// Who owns restored files; the process itself where this is none.
    pub owner: Option<(u32, u32)>,
}

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

/// A hook of tests: told each step by name, it says whether the process "dies" there.
pub type Trip = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The snapshots of a session.
pub struct Store {
    pub(super) repo: Repo,
    pub(super) options: StoreOptions,
    pub(super) cache: Option<CachedDir>,
    nodes: HashMap<NodeId, Arc<NodeInfo>>,
    head: Option<NodeId>,
    trip: Option<Trip>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("repo", &self.repo).field("head", &self.head).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `git_dir`, or makes it.
    pub fn open(git_dir: &Path, options: StoreOptions) -> Result<Self, SnapshotError> {
        let repo = Repo::open(git_dir)?;
        let (_, head) = repo.read_head()?;
        let cache = statcache::load(&stat_file(&repo));
        let mut store = Self { repo, options, cache, nodes: HashMap::new(), head: None, trip: None };
        store.load_nodes()?;
        store.head = head.and_then(|id| id.to_string().parse().ok());
        Ok(store)
    }

    /// Where the store lies.
    pub fn git_dir(&self) -> &Path {
        self.repo.dir()
    }

    #[doc(hidden)]
    pub fn set_trip(&mut self, trip: Option<Trip>) {
        self.trip = trip;
    }

    /// Tests only: the process may die here.
    #[doc(hidden)]
    pub fn step(&self, name: &str) -> Result<(), SnapshotError> {
        match &self.trip {
            Some(trip) if trip(name) => Err(SnapshotError::Killed(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// The node that the next message continues.
    pub fn head(&self) -> Option<&NodeId> {
        self.head.as_ref()
    }

    /// Whether the node is there.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.nodes.contains_key(id)
    }

    /// Moves the head to a node that is there, durably.
    pub fn set_head(&mut self, id: &NodeId) -> Result<(), SnapshotError> {
        self.info(id)?;
        if self.head.as_ref() == Some(id) {
            return Ok(());
        }
        let oid = oid(id)?;
        // On a branch again where exactly one ends here.
        let branches: Vec<String> =
            self.repo.list_refs(BRANCHES)?.into_iter().filter(|(_, tip)| *tip == oid).map(|(name, _)| name).collect();
        match branches.as_slice() {
            [branch] => self.repo.attach_head(branch)?,
            _ => self.repo.detach_head(oid)?,
        }
        self.head = Some(id.clone());
        Ok(())
    }

    /// Gives a node a branch name. Where the node is the head, the head follows the branch from now on.
    pub fn branch(&mut self, target: &NodeId, name: &str) -> Result<(), SnapshotError> {
        self.info(target)?;
        let full = format!("{BRANCHES}{name}");
        let refused = |reason| SnapshotError::Branch { name: name.to_owned(), reason };
        if !git2::Reference::is_valid_name(&full) || name.starts_with('-') || name == "HEAD" {
            return Err(refused("it is not a valid name"));
        }
        let others = self.repo.list_refs(BRANCHES)?;
        if others.iter().any(|(other, _)| *other == full) {
            return Err(refused("it is taken"));
        }
        let inside = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
        if others.iter().any(|(other, _)| inside(other, &full) || inside(&full, other)) {
            return Err(refused("another branch stands in its way"));
        }
        let id = oid(target)?;
        self.repo.write_ref(&full, id)?;
        self.repo.delete_ref(&tip_name(target))?;
        if self.head.as_ref() == Some(target) {
            self.repo.attach_head(&full)?;
        }
        Ok(())
    }

    /// The refs that keep nodes reachable and that are not the head's: nodes without children.
    pub fn tips(&self) -> Result<Vec<NodeId>, SnapshotError> {
        let refs = self.repo.list_refs(TIPS)?.into_iter().chain(self.repo.list_refs(BRANCHES)?);
        Ok(refs.filter_map(|(_, id)| id.to_string().parse().ok()).collect())
    }

    /// All nodes, newest first; a node never stands below its parent.
    pub fn nodes(&self) -> Result<Vec<NodeSummary>, SnapshotError> {
        let mut branches: HashMap<String, Vec<String>> = HashMap::new();
        for (name, id) in self.repo.list_refs(BRANCHES)? {
            branches.entry(id.to_string()).or_default().push(name[BRANCHES.len()..].to_owned());
        }
        let mut children: HashMap<&NodeId, usize> = HashMap::new();
        for parent in self.nodes.values().filter_map(|info| info.parent.as_ref()) {
            *children.entry(parent).or_default() += 1;
        }
        let key = |id: &'_ NodeId, info: &NodeInfo| (info.seconds, info.seq, id.clone());
        let mut ready: BinaryHeap<(i64, u64, NodeId)> =
            self.nodes.iter().filter(|(id, _)| !children.contains_key(id)).map(|(id, info)| key(id, info)).collect();
        let mut rows = Vec::with_capacity(self.nodes.len());
        while let Some((_, _, id)) = ready.pop() {
            let Some(info) = self.nodes.get(&id) else {
                continue;
            };
            if let Some((parent, left)) =
                info.parent.as_ref().and_then(|parent| Some((parent, children.get_mut(parent)?)))
            {
                *left -= 1;
                if let (0, Some(parent_info)) = (*left, self.nodes.get(parent)) {
                    ready.push(key(parent, parent_info));
                }
            }
            rows.push(NodeSummary {
                parent: info.parent.clone(),
                kind: info.kind,
                label: info.label.clone(),
                time: info.time(),
                files_changed: info.counts.files(),
                bytes: info.counts.bytes,
                head: self.head.as_ref() == Some(&id),
                added: info.counts.added,
                modified: info.counts.modified,
                removed: info.counts.removed,
                branches: branches.remove(id.as_str()).unwrap_or_default(),
                not_kept: info.not_kept.clone(),
                failed: info.failed.clone(),
                id,
            });
        }
        Ok(rows)
    }

    /// First parents of all nodes.
    pub fn parents(&self) -> impl Iterator<Item = (&NodeId, Option<&NodeId>)> {
        self.nodes.iter().map(|(id, info)| (id, info.parent.as_ref()))
    }

    /// Why a node exists.
    pub fn kind(&self, id: &NodeId) -> Result<NodeKind, SnapshotError> {
        Ok(self.info(id)?.kind)
    }

    /// Details of a node that adoption needs: tree, label, turn, head before, latest record.
    pub fn details(&self, id: &NodeId) -> Result<NodeDetails, SnapshotError> {
        let info = self.info(id)?;
        Ok(NodeDetails {
            tree: info.tree.to_string(),
            parent: info.parent.clone(),
            kind: info.kind,
            label: info.label.clone(),
            turn: info.turn,
            before: info.before.clone(),
            seq: info.seq,
        })
    }

    /// The node that people mean: `head`, `head~N`, or a unique prefix of four or more digits.
    pub fn resolve(&self, text: &str) -> Result<NodeId, SnapshotError> {
        let unknown = || SnapshotError::Unknown(text.to_owned());
        if let Some(rest) = text.strip_prefix("head").or_else(|| text.strip_prefix("HEAD")) {
            let steps: u64 = match rest.strip_prefix('~') {
                None if rest.is_empty() => 0,
                Some("") => 1,
                Some(digits) => digits.parse().map_err(|_| SnapshotError::NotAName(text.to_owned()))?,
                None => return Err(SnapshotError::NotAName(text.to_owned())),
            };
            let mut node = self.head.clone().ok_or_else(unknown)?;
            for _ in 0..steps {
                node = self.info(&node)?.parent.clone().ok_or_else(unknown)?;
            }
            return Ok(node);
        }
        let hex = text.to_ascii_lowercase();
        if !(4..=40).contains(&hex.len()) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SnapshotError::NotAName(text.to_owned()));
        }
        let mut found: Vec<&NodeId> = self.nodes.keys().filter(|id| id.as_str().starts_with(&hex)).collect();
        found.sort();
        match found.as_slice() {
            [] => Err(unknown()),
            [id] => Ok((*id).clone()),
            several => Err(SnapshotError::Ambiguous {
                query: text.to_owned(),
                candidates: several.iter().take(8).map(|id| id.as_str()[..12].to_owned()).collect(),
            }),
        }
    }

    /// The lines of the node's own records.
    pub fn records(&self, id: &NodeId) -> Result<Vec<u8>, SnapshotError> {
        Ok(self.node_file(id, &["turn.jsonl"])?.unwrap_or_default())
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

    /// Captures the files in `dir` and makes a node of them: the head from now on. A capture that fails makes a red
    /// node without files; only where not even that can be written is it an error.
    pub fn capture(&mut self, dir: BorrowedFd<'_>, input: &NodeInput) -> Result<Captured, SnapshotError> {
        self.step("capture")?;
        let mut cache = self.cache.take();
        // Anything may fail from here on; the cache on the disk is the latest one that can be trusted.
        let result = self.capture_files(dir, input, &mut cache);
        match result {
            Ok(captured) => {
                self.cache = cache;
                Ok(captured)
            }
            Err(error @ SnapshotError::Killed(_)) => Err(error),
            Err(error) => {
                self.cache = statcache::load(&stat_file(&self.repo));
                let red = self.make_red(input, &error);
                // Where nothing can be written at all, the first error is the one that explains it.
                red.map_err(|_| error)
            }
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
        let tree = root_tree(sink, input, &state)?;
        let captured = self.finish_node(input, &state, None, tree)?;
        // Everything that the cache names is on the disk now.
        if found.refreshed {
            if let Err(error) = statcache::save(&stat_file(&self.repo), &found.cache) {
                tracing::warn!(%error, "the stat cache was not saved");
            }
        }
        *cache = Some(found.cache);
        Ok(captured)
    }

    /// Makes a node whose files are those of another node, without looking at the workspace.
    pub fn make_like(&mut self, input: &NodeInput, files: &NodeId) -> Result<Captured, SnapshotError> {
        let state = self.files(files)?;
        let tree = root_tree(WriteSink::new(&self.repo, false)?, input, &state)?;
        self.finish_node(input, &state, None, tree)
    }

    fn make_red(&mut self, input: &NodeInput, error: &SnapshotError) -> Result<Captured, SnapshotError> {
        let state = State::default();
        let tree = root_tree(WriteSink::new(&self.repo, false)?, input, &state)?;
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
        let counts = if failed.is_some() { Counts::default() } else { self.counts(input.parent.as_ref(), state)? };
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

    /// The head moves to a new node, and the branch that it is on moves along where the node continues it.
    fn advance_head(&mut self, id: &NodeId, parent: Option<&NodeId>) -> Result<(), SnapshotError> {
        let (branch, _) = self.repo.read_head()?;
        let commit = oid(id)?;
        match branch {
            Some(branch) if self.head.is_some() && self.head.as_ref() == parent => {
                self.repo.write_ref(&branch, commit)?;
                self.repo.delete_ref(&tip_name(id))?;
            }
            _ => self.repo.detach_head(commit)?,
        }
        self.head = Some(id.clone());
        Ok(())
    }

    fn counts(&self, parent: Option<&NodeId>, state: &State) -> Result<Counts, SnapshotError> {
        let old = match parent {
            Some(parent) if self.info(parent)?.failed.is_none() => self.files(parent)?,
            // After a red node: against the latest node that holds files.
            Some(parent) => match self.latest_files(parent)? {
                Some(node) => self.files(&node)?,
                None => State::default(),
            },
            None => State::default(),
        };
        let trees = Trees { repo: &self.repo, found: None };
        let differences = compare::compare(&trees, &old, state)?;
        compare::count(&self.repo, &differences, state)
    }

    fn latest_files(&self, from: &NodeId) -> Result<Option<NodeId>, SnapshotError> {
        let mut next = Some(from.clone());
        while let Some(id) = next {
            let info = self.info(&id)?;
            if info.failed.is_none() {
                return Ok(Some(id));
            }
            next = info.parent.clone();
        }
        Ok(None)
    }

    /// Walks the workspace without writing anything.
    pub(super) fn scan(&mut self, dir: BorrowedFd<'_>) -> Result<Scan, SnapshotError> {
        let mut sink = HashSink::default();
        let found = capture::walk(dir, self.options.caps, self.cache.clone(), &mut sink)?;
        let tree = found.cache.tree;
        let state = State { tree: Some(tree), modes: found.modes.into_iter().collect(), not_kept: found.not_kept };
        // The cache may name stored objects only: those it named before, or those of a node.
        let stored = (!found.changed && self.cache.is_some())
            || self.head.as_ref().is_some_and(|head| self.files(head).is_ok_and(|files| files.tree == Some(tree)));
        if stored {
            self.cache = Some(found.cache);
        }
        Ok(Scan { state, trees: sink.trees })
    }

    /// How many files differ from those of a node, as of now.
    pub fn changed_since(&mut self, node: &NodeId, dir: BorrowedFd<'_>) -> Result<u64, SnapshotError> {
        let old = match self.latest_files(node)? {
            Some(node) => self.files(&node)?,
            None => State::default(),
        };
        let scan = self.scan(dir)?;
        let trees = Trees { repo: &self.repo, found: Some(&scan.trees) };
        let differences = compare::compare(&trees, &old, &scan.state)?;
        let files = differences.iter().filter(|difference| {
            let folder = |side: &Option<compare::Side>| side.is_none_or(|side| side.kind == Kind::Dir);
            !(folder(&difference.old) && folder(&difference.new))
                && !(difference.new.is_none() && scan.state.not_kept.iter().any(|item| item.path == difference.path))
        });
        Ok(files.count() as u64)
    }

    /// Whether the workspace differs from a node in anything that a snapshot keeps, folders and bits included.
    pub fn differs(&mut self, node: &NodeId, dir: BorrowedFd<'_>) -> Result<bool, SnapshotError> {
        if self.info(node)?.failed.is_some() {
            return Ok(true);
        }
        let old = self.files(node)?;
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

    fn node_entry(&self, id: &NodeId, path: &[&str]) -> Result<Option<(Kind, Oid)>, SnapshotError> {
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

    pub(super) fn info(&self, id: &NodeId) -> Result<&Arc<NodeInfo>, SnapshotError> {
        self.nodes.get(id).ok_or_else(|| SnapshotError::Unknown(id.short().to_owned()))
    }

    fn load_nodes(&mut self) -> Result<(), SnapshotError> {
        let (_, head) = self.repo.read_head()?;
        let refs = self.repo.list_refs("refs/")?;
        let mut open: Vec<Oid> = refs.into_iter().map(|(_, id)| id).chain(head).collect();
        let mut seen: HashSet<Oid> = HashSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let info = NodeInfo::parse(id, &self.repo.read(id, ObjectKind::Commit)?)?;
            if let Some(parent) = &info.parent {
                open.push(oid(parent)?);
            }
            if let Ok(node) = id.to_string().parse() {
                self.nodes.insert(node, Arc::new(info));
            }
        }
        Ok(())
    }

    /// Bytes that the store takes on the disk.
    pub fn size(&self) -> u64 {
        fn folder(path: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(path) else {
                return 0;
            };
            entries
                .flatten()
                .map(|entry| match entry.metadata() {
                    Ok(data) if data.is_dir() => folder(&entry.path()),
                    Ok(data) => data.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        folder(&self.repo.object_folder())
    }
}

/// What adoption of a node needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDetails {
    /// Its tree.
    pub tree: String,
    /// Its first parent.
    pub parent: Option<NodeId>,
    /// Why it exists.
    pub kind: NodeKind,
    /// Its label.
    pub label: String,
    /// Its turn.
    pub turn: Option<TurnId>,
    /// The head just before, where it is not the parent.
    pub before: Option<NodeId>,
    /// The latest record of the log that it knows of.
    pub seq: u64,
}

/// The workspace as a walk found it, with nothing stored.
pub(super) struct Scan {
    pub(super) state: State,
    pub(super) trees: HashMap<Oid, Vec<u8>>,
}

pub(super) fn stat_file(repo: &Repo) -> PathBuf {
    repo.own_folder().join("stat")
}

fn tip_name(id: &NodeId) -> String {
    format!("{TIPS}{id}")
}

pub(super) fn oid(id: &NodeId) -> Result<Oid, SnapshotError> {
    Oid::from_str(id.as_str()).map_err(SnapshotError::git("read an object id"))
}

/// Writes everything that a commit holds; it is on the disk when this returns.
fn root_tree(mut sink: WriteSink<'_>, input: &NodeInput, state: &State) -> Result<Oid, SnapshotError> {
    let mut root = Builder::default();
    root.add(b"node", Kind::Dir, node_tree(&mut sink, input, state)?);
    if let Some(work) = state.tree {
        root.add(b"work", Kind::Dir, work);
    }
    let tree = sink.put(ObjectKind::Tree, &root.finish())?;
    sink.finish()?;
    Ok(tree)
}

/// Writes the folder `node/` of a commit.
fn node_tree(sink: &mut WriteSink<'_>, input: &NodeInput, state: &State) -> Result<Oid, SnapshotError> {
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
