//! The graph: nodes as commits, their refs, and the head.
//!
//! Every node is reachable by a ref: a branch (`refs/heads/…`) or a tip (`refs/okcvm/tips/<id>`); a node that gets a
//! child loses its tip, since the child reaches it. `HEAD` names the node that the next message continues, directly or
//! through the branch that it is on. Order: objects, commit, ref, `HEAD`; the closing record of the log comes after
//! (`vm::checkpoint`), so a crash in between leaves a ref to adopt and never a record of something that is not there.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::Oid;

use super::commit::NodeInfo;
use super::error::SnapshotError;
use super::kept::Caps;
use super::object::ObjectKind;
use super::repo::Repo;
use super::statcache::{self, CachedDir};
use crate::protocol::{NodeId, NodeKind, NodeSummary, TurnId};

const TIPS: &str = "refs/okcvm/tips/";
const BRANCHES: &str = "refs/heads/";
/// How a store works.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreOptions {
    /// What is too large to be kept.
    pub caps: Caps,
    /// Who owns restored files; the process itself where this is none.
    pub owner: Option<(u32, u32)>,
}

/// A hook of tests: told each step by name, it says whether the process "dies" there.
pub type Trip = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The snapshots of a session.
pub struct Store {
    pub(super) repo: Repo,
    pub(super) options: StoreOptions,
    pub(super) cache: Option<CachedDir>,
    /// The cache names objects that are missing, and is marked so that the next capture writes them again.
    pub(super) mending: bool,
    pub(super) nodes: HashMap<NodeId, Arc<NodeInfo>>,
    pub(super) head: Option<NodeId>,
    trip: Option<Trip>,
    damage: Vec<String>,
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

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("repo", &self.repo).field("head", &self.head).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `git_dir`, or makes it.
    pub fn open(git_dir: &Path, options: StoreOptions) -> Result<Self, SnapshotError> {
        Self::open_knowing(git_dir, options, &[])
    }

    /// Opens the store. `known` are nodes that must have been made, oldest first: what lies before a commit that
    /// cannot be read is found by them.
    pub fn open_knowing(git_dir: &Path, options: StoreOptions, known: &[NodeId]) -> Result<Self, SnapshotError> {
        let repo = Repo::open(git_dir)?;
        let cache = statcache::load(&stat_file(&repo));
        let mut store = Self {
            repo,
            options,
            cache,
            mending: false,
            nodes: HashMap::new(),
            head: None,
            trip: None,
            damage: Vec::new(),
        };
        store.load_nodes(known)?;
        Ok(store)
    }

    /// What is too large to be kept.
    pub fn caps(&self) -> Caps {
        self.options.caps
    }

    /// What could not be read when the store was opened, one sentence each.
    pub fn damage(&self) -> &[String] {
        &self.damage
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
        if !git2::Reference::is_valid_name(&full) || name.starts_with('-') || name.eq_ignore_ascii_case("head") {
            return Err(refused("names are made of letters, digits, `-`, `_`, `.` and `/`, without spaces"));
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

    /// The node that people mean: a branch, `head`, `head~N`, or a unique prefix of four or more digits.
    pub fn resolve(&self, text: &str) -> Result<NodeId, SnapshotError> {
        let unknown = || SnapshotError::Unknown(text.to_owned());
        let full = format!("{BRANCHES}{text}");
        if let Some((_, oid)) = self.repo.list_refs(BRANCHES)?.into_iter().find(|(name, _)| *name == full) {
            return oid.to_string().parse().map_err(|_| unknown());
        }
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

    /// The head moves to a new node, and the branch that it is on moves along where the node continues it.
    pub(super) fn advance_head(&mut self, id: &NodeId, parent: Option<&NodeId>) -> Result<(), SnapshotError> {
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

    pub(super) fn info(&self, id: &NodeId) -> Result<&Arc<NodeInfo>, SnapshotError> {
        self.nodes.get(id).ok_or_else(|| SnapshotError::Unknown(id.short().to_owned()))
    }

    fn load_nodes(&mut self, known: &[NodeId]) -> Result<(), SnapshotError> {
        let (_, head) = self.repo.read_head()?;
        let refs = self.repo.list_refs("refs/")?;
        let mut seen: HashSet<Oid> = HashSet::new();
        for error in self.follow(refs.into_iter().map(|(_, id)| id).chain(head).collect(), &mut seen) {
            self.damage.push(format!("A snapshot cannot be read: {error}."));
        }
        // What no ref reaches lay before a commit that is lost. The newest first: their ancestors need no ref.
        for id in known.iter().rev() {
            let commit = oid(id)?;
            if seen.contains(&commit) || !self.repo.exists(commit) {
                continue;
            }
            self.follow(vec![commit], &mut seen);
            if self.nodes.contains_key(id)
                && let Err(error) = self.repo.write_ref(&tip_name(id), commit)
            {
                tracing::warn!(%error, "a snapshot that no ref reached got none");
            }
        }
        self.head = head.and_then(|id| id.to_string().parse().ok()).filter(|id| self.nodes.contains_key(id));
        Ok(())
    }

    /// Reads commits and what they continue; tells of each that cannot be read.
    fn follow(&mut self, mut open: Vec<Oid>, seen: &mut HashSet<Oid>) -> Vec<SnapshotError> {
        let mut lost = Vec::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.repo.read(id, ObjectKind::Commit).and_then(|bytes| NodeInfo::parse(id, &bytes)) {
                Ok(info) => {
                    open.extend(info.parent.as_ref().and_then(|parent| oid(parent).ok()));
                    if let Ok(node) = id.to_string().parse() {
                        self.nodes.insert(node, Arc::new(info));
                    }
                }
                Err(error) => lost.push(error),
            }
        }
        lost
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

pub(super) fn stat_file(repo: &Repo) -> PathBuf {
    repo.own_folder().join("stat")
}

pub(super) fn tip_name(id: &NodeId) -> String {
    format!("{TIPS}{id}")
}

pub(super) fn oid(id: &NodeId) -> Result<Oid, SnapshotError> {
    Oid::from_str(id.as_str()).map_err(SnapshotError::git("read an object id"))
}
