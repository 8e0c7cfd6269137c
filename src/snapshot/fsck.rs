//! Checks a store from its refs down: every object is there and has its hash, every tree and message is one that this
//! program writes.

use std::collections::HashSet;

use git2::Oid;

use super::commit::{self, NodeInfo};
use super::error::SnapshotError;
use super::graph::Store;
use super::object::ObjectKind;
use super::tree::Kind;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Nodes that were looked at.
    pub nodes: u64,
    /// Objects that were read.
    pub objects: u64,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
}

impl Store {
    /// Reads everything that the refs reach.
    pub fn check(&self) -> Result<Checked, SnapshotError> {
        let mut check = Check { store: self, seen: HashSet::new(), told: Checked::default() };
        let (_, head) = self.repo.read_head()?;
        let mut open: Vec<Oid> = self.repo.list_refs("refs/")?.into_iter().map(|(_, id)| id).chain(head).collect();
        while let Some(id) = open.pop() {
            if check.seen.insert(id) {
                open.extend(check.commit(id));
            }
        }
        Ok(check.told)
    }
}

struct Check<'a> {
    store: &'a Store,
    seen: HashSet<Oid>,
    told: Checked,
}

impl Check<'_> {
    fn read(&mut self, id: Oid, kind: ObjectKind) -> Option<Vec<u8>> {
        self.told.objects += 1;
        self.note(self.store.repo.read(id, kind))
    }

    fn note<T>(&mut self, result: Result<T, SnapshotError>) -> Option<T> {
        result.map_err(|error| self.told.problems.push(error.to_string())).ok()
    }

    fn commit(&mut self, id: Oid) -> Option<Oid> {
        self.told.nodes += 1;
        let bytes = self.read(id, ObjectKind::Commit)?;
        let info = self.note(NodeInfo::parse(id, &bytes))?;
        self.tree(info.tree, 0);
        let names: Vec<Vec<u8>> = self
            .store
            .repo
            .tree(info.tree)
            .map(|list| list.into_iter().map(|entry| entry.name).collect())
            .unwrap_or_default();
        let holds = |name: &[u8]| names.iter().any(|other| other == name);
        if !holds(b"node")
            || holds(b"work") == info.failed.is_some()
            || names.iter().any(|name| name != b"node" && name != b"work")
        {
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
        let blob = |id: Option<Oid>| id.and_then(|id| repo.read(id, ObjectKind::Blob).ok());
        let Some(node) = child(root, "node") else {
            return;
        };
        let modes = blob(child(node, "modes")).is_some_and(|bytes| commit::modes_from_bytes(&bytes).is_none());
        let files = blob(child(node, "state").and_then(|state| child(state, "files.json")))
            .is_some_and(|bytes| commit::not_kept_from_json(&bytes).is_none());
        if modes {
            self.told.problems.push(format!("the modes of commit {commit} cannot be read"));
        }
        if files {
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
        let Some(entries) = self.note(self.store.repo.tree(id)) else {
            return;
        };
        for entry in entries {
            if entry.kind == Kind::Dir {
                self.tree(entry.id, depth + 1);
            } else if self.seen.insert(entry.id) {
                self.read(entry.id, ObjectKind::Blob);
            }
        }
    }
}
