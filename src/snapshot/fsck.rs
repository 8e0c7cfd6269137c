//! Checks a store from its refs down: every object is there and has its hash, every tree and message is one that this
//! program writes. Tells which snapshots are affected: objects are shared, so one that is lost may be in many.

use std::collections::{HashMap, HashSet};

use git2::Oid;

use super::commit::{self, NodeInfo};
use super::error::SnapshotError;
use super::graph::{Store, oid};
use super::name;
use super::object::ObjectKind;
use super::tree::Kind;
use crate::protocol::NodeId;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Nodes that were looked at.
    pub nodes: u64,
    /// Objects that were read.
    pub objects: u64,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
    /// The snapshots that do not hold all that they should.
    pub affected: Vec<Affected>,
}

/// A snapshot that does not hold all that it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The snapshot.
    pub id: NodeId,
    /// Its label; empty where not even that can be read.
    pub label: String,
    /// The first path in it that is lost: below `work/` a file, below `node/` a part of the conversation or the state.
    /// Empty where all of it is.
    pub path: String,
}

impl Store {
    /// Reads everything that the refs reach, and every node that is known otherwise.
    pub fn check(&self) -> Result<Checked, SnapshotError> {
        let mut check = Check {
            store: self,
            seen: HashSet::new(),
            told: Checked::default(),
            bad: HashSet::new(),
            commits: Vec::new(),
            at: None,
            path: Vec::new(),
        };
        let (_, head) = self.repo.read_head()?;
        let mut open: Vec<Oid> = self.repo.list_refs("refs/")?.into_iter().map(|(_, id)| id).chain(head).collect();
        open.extend(self.nodes.keys().filter_map(|id| oid(id).ok()));
        while let Some(id) = open.pop() {
            if check.seen.insert(id) {
                open.extend(check.commit(id));
            }
        }
        check.find_affected();
        Ok(check.told)
    }
}

struct Check<'a> {
    store: &'a Store,
    seen: HashSet<Oid>,
    told: Checked,
    /// Objects that are lost.
    bad: HashSet<Oid>,
    /// What was read of each commit.
    commits: Vec<(Oid, Option<NodeInfo>)>,
    /// Where the check is: the commit, and the path in it.
    at: Option<Oid>,
    path: Vec<u8>,
}

impl Check<'_> {
    fn read(&mut self, id: Oid, kind: ObjectKind) -> Option<Vec<u8>> {
        self.told.objects += 1;
        let result = self.store.repo.read(id, kind);
        self.note(id, result)
    }

    fn note<T>(&mut self, id: Oid, result: Result<T, SnapshotError>) -> Option<T> {
        if let Err(error) = &result {
            self.bad.insert(id);
            let place = self.at.map(|commit| format!(" ({} of snapshot {:.8})", name::display(&self.path), commit));
            self.told.problems.push(format!("{error}{}", place.unwrap_or_default()));
        }
        result.ok()
    }

    fn commit(&mut self, id: Oid) -> Option<Oid> {
        self.told.nodes += 1;
        self.at = None;
        let bytes = self.read(id, ObjectKind::Commit);
        let info = bytes.and_then(|bytes| self.note(id, NodeInfo::parse(id, &bytes)));
        self.commits.push((id, info.clone()));
        let info = info?;
        self.at = Some(id);
        self.tree(info.tree, 0);
        let names: Vec<Vec<u8>> = self
            .store
            .repo
            .tree(info.tree)
            .map(|list| list.into_iter().map(|entry| entry.name).collect())
            .unwrap_or_default();
        let holds = |name: &[u8]| names.iter().any(|other| other == name);
        if !self.bad.contains(&info.tree)
            && (!holds(b"node")
                || holds(b"work") == info.failed.is_some()
                || names.iter().any(|name| name != b"node" && name != b"work"))
        {
            self.bad.insert(info.tree);
            self.told.problems.push(format!("commit {id} does not have the layout of a node"));
        }
        self.parts(id, info.tree);
        info.parent.and_then(|parent| Oid::from_str(parent.as_str()).ok())
    }

    /// The files of `node/` whose form is ours.
    fn parts(&mut self, commit: Oid, root: Oid) {
        let repo = &self.store.repo;
        let child = |tree: Oid, name: &str| {
            repo.tree(tree).ok()?.into_iter().find(|entry| entry.name == name.as_bytes()).map(|entry| entry.id)
        };
        let blob = |id: Option<Oid>| id.and_then(|id| Some((id, repo.read(id, ObjectKind::Blob).ok()?)));
        let Some(node) = child(root, "node") else {
            return;
        };
        let modes = blob(child(node, "modes")).filter(|(_, bytes)| commit::modes_from_bytes(bytes).is_none());
        let files = blob(child(node, "state").and_then(|state| child(state, "files.json")))
            .filter(|(_, bytes)| commit::not_kept_from_json(bytes).is_none());
        if let Some((id, _)) = modes {
            self.bad.insert(id);
            self.told.problems.push(format!("the modes of commit {commit} cannot be read"));
        }
        if let Some((id, _)) = files {
            self.bad.insert(id);
            self.told.problems.push(format!("the list of paths not kept of commit {commit} cannot be read"));
        }
    }

    fn tree(&mut self, id: Oid, depth: usize) {
        if depth > super::statcache::MAX_DEPTH + 2 {
            self.told.problems.push(format!("tree {id} lies too deep"));
            return;
        }
        if !self.seen.insert(id) {
            return;
        }
        self.told.objects += 1;
        let entries = self.store.repo.tree(id);
        let Some(entries) = self.note(id, entries) else {
            return;
        };
        let length = self.path.len();
        for entry in entries {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&entry.name);
            if entry.kind == Kind::Dir {
                self.tree(entry.id, depth + 1);
            } else if self.seen.insert(entry.id) {
                self.told.objects += 1;
                let whole = self.store.repo.stream(entry.id, &mut |_| Ok(()));
                self.note(entry.id, whole);
            }
            self.path.truncate(length);
        }
    }

    /// Looks in which snapshots the lost objects are.
    fn find_affected(&mut self) {
        if self.bad.is_empty() {
            return;
        }
        let mut known = HashMap::new();
        for (id, info) in std::mem::take(&mut self.commits) {
            let lost = match &info {
                Some(info) => self.first_bad(info.tree, &mut known, 0),
                None => Some(Vec::new()),
            };
            if let (Some(path), Ok(id)) = (lost, id.to_string().parse()) {
                let label = info.map(|info| info.label).unwrap_or_default();
                self.told.affected.push(Affected { id, label, path: name::display(&path) });
            }
        }
        self.told.affected.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// The first path below a tree that is lost. Each tree is looked at once.
    fn first_bad(&self, tree: Oid, known: &mut HashMap<Oid, Option<Vec<u8>>>, depth: usize) -> Option<Vec<u8>> {
        if self.bad.contains(&tree) {
            return Some(Vec::new());
        }
        if let Some(known) = known.get(&tree) {
            return known.clone();
        }
        let mut found = None;
        let entries = if depth > super::statcache::MAX_DEPTH + 2 { Ok(Vec::new()) } else { self.store.repo.tree(tree) };
        for entry in entries.unwrap_or_default() {
            let below = match entry.kind {
                Kind::Dir => self.first_bad(entry.id, known, depth + 1),
                _ => self.bad.contains(&entry.id).then(Vec::new),
            };
            if let Some(below) = below {
                let rest = if below.is_empty() { below } else { [b"/", &below[..]].concat() };
                found = Some([&entry.name[..], &rest].concat());
                break;
            }
        }
        known.insert(tree, found.clone());
        found
    }
}
