//! What changed between two nodes, as contents: for whoever brings the changes elsewhere.

use git2::Oid;

use super::compare::{self, Difference, Side, Trees};
use super::error::SnapshotError;
use super::graph::Store;
use super::object::ObjectKind;
use super::tree::Kind;
use crate::protocol::NodeId;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A file.
    File,
    /// A file that its owner may execute.
    Exec,
    /// A symbolic link.
    Link,
}

/// A file or link of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    id: Oid,
}

/// A path whose file differs. Folders are no files: one that is new or gone is told by what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path's bytes, relative to the workspace.
    pub path: Vec<u8>,
    /// What was there.
    pub old: Option<Item>,
    /// What is there now.
    pub new: Option<Item>,
}

/// All changes between two nodes.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// By path.
    pub files: Vec<Change>,
    /// Paths of the later node that it could not keep, such as files above the limit, and why: one line each.
    pub not_kept: Vec<String>,
}

impl Store {
    /// What changed from one node to another.
    pub fn changes(&self, from: &NodeId, to: &NodeId) -> Result<Changes, SnapshotError> {
        let (old, new) = (self.files(from)?, self.files(to)?);
        let trees = Trees { repo: &self.repo, found: None, lenient: false };
        let mut files = Vec::new();
        for Difference { path, old, new: now } in compare::compare(&trees, &old, &new)? {
            let (old, now) = (old.and_then(item), now.and_then(item));
            // Bits that Git does not know are no change either.
            let hidden = now.is_none() && new.not_kept.iter().any(|item| item.path == path);
            if old != now && !hidden {
                files.push(Change { path, old, new: now });
            }
        }
        Ok(Changes { files, not_kept: new.not_kept.iter().map(super::kept::NotKept::line).collect() })
    }

    /// Whether a node has anything in this folder at the top of the workspace.
    pub fn holds(&self, node: &NodeId, folder: &[u8]) -> Result<bool, SnapshotError> {
        let Some(tree) = self.files(node)?.tree else { return Ok(false) };
        let entry = self.repo.tree(tree)?.into_iter().find(|entry| entry.name == folder);
        Ok(match entry {
            Some(entry) if entry.kind == Kind::Dir => !self.repo.tree(entry.id)?.is_empty(),
            other => other.is_some(),
        })
    }

    /// Bytes of an item.
    pub fn content_size(&self, item: &Item) -> Result<u64, SnapshotError> {
        self.repo.size(item.id)
    }

    /// The content of a file, or what a link points to.
    pub fn content(&self, item: &Item) -> Result<Vec<u8>, SnapshotError> {
        self.repo.read(item.id, ObjectKind::Blob)
    }
}

fn item(side: Side) -> Option<Item> {
    let kind = match side.kind {
        Kind::File => ItemKind::File,
        Kind::Exec => ItemKind::Exec,
        Kind::Link => ItemKind::Link,
        Kind::Dir => return None,
    };
    Some(Item { kind, id: side.id })
}
