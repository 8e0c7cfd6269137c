//! Deployed websites in a node: `node/deployments/<id>/` holds the files as they were copied.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use git2::Oid;

use super::capture;
use super::error::SnapshotError;
use super::graph::Store;
use super::node::Site;
use super::object::WriteSink;
use super::statcache::MAX_DEPTH;
use super::tree::Kind;
use crate::protocol::NodeId;

/// Files and folders of one website.
const MOST_ENTRIES: u64 = 50_000;
/// The folder below `node/`.
pub(super) const SITES: &str = "deployments";

/// What may still be written.
struct Budget {
    entries: u64,
    bytes: u64,
}

impl Store {
    /// The trees of these websites, each written where it is not there yet. One whose files are gone is left out: no
    /// turn is lost for a website.
    pub(super) fn site_trees(
        &self,
        sink: &mut WriteSink<'_>,
        sites: &[(String, Site)],
    ) -> Result<Vec<(String, Oid)>, SnapshotError> {
        let mut trees = Vec::new();
        for (id, site) in sites {
            let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !plain || trees.iter().any(|(other, _)| other == id) {
                continue;
            }
            let tree = match site {
                Site::Node(node) => self.site_tree(node, id)?,
                Site::Folder(folder) => match File::open(folder) {
                    // It is a copy of ours, in which every file is under the cap.
                    Ok(folder) => {
                        let found = capture::walk(folder.as_fd(), self.options.caps, None, sink)?;
                        let whole = found.not_kept.is_empty();
                        if !whole {
                            tracing::warn!(%id, "a deployed website is too large for snapshots");
                        }
                        whole.then_some(found.cache.tree)
                    }
                    Err(error) => {
                        tracing::warn!(%id, %error, "the files of a deployed website are gone");
                        None
                    }
                },
            };
            trees.extend(tree.map(|tree| (id.clone(), tree)));
        }
        Ok(trees)
    }

    /// Whether a node holds the files of a website.
    pub fn has_site(&self, node: &NodeId, id: &str) -> bool {
        self.site_tree(node, id).is_ok_and(|tree| tree.is_some())
    }

    fn site_tree(&self, node: &NodeId, id: &str) -> Result<Option<Oid>, SnapshotError> {
        let entry = self.node_entry(node, &[SITES, id])?;
        Ok(entry.and_then(|(kind, tree)| (kind == Kind::Dir).then_some(tree)))
    }

    /// Writes the files of a website into an empty folder of the host.
    pub fn write_site(&self, node: &NodeId, id: &str, folder: &Path) -> Result<(), SnapshotError> {
        let tree = self.site_tree(node, id)?;
        let tree = tree.ok_or_else(|| SnapshotError::Damaged(format!("snapshot {node} has no website {id}")))?;
        let mut left = Budget { entries: MOST_ENTRIES, bytes: self.options.caps.total };
        self.write_folder(tree, folder, 0, &mut left)
    }

    fn write_folder(&self, tree: Oid, folder: &Path, depth: usize, left: &mut Budget) -> Result<(), SnapshotError> {
        // A few small trees can stand for any number of files: those of other machines are not believed.
        let too_much = || SnapshotError::Damaged(format!("website {tree} holds more than a website may"));
        if depth > MAX_DEPTH {
            return Err(too_much());
        }
        for entry in self.repo.tree(tree)? {
            // No name of a tree leads out of the folder, wherever the tree came from, and no link is made.
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let place = folder.join(name);
            left.entries = left.entries.checked_sub(1).ok_or_else(too_much)?;
            if entry.kind == Kind::Dir {
                fs::create_dir(&place).map_err(SnapshotError::io("make", &place))?;
                self.write_folder(entry.id, &place, depth + 1, left)?;
            } else if entry.kind.is_file() {
                left.bytes = left.bytes.checked_sub(self.repo.size(entry.id)?).ok_or_else(too_much)?;
                let mut file = File::create_new(&place).map_err(SnapshotError::io("write", &place))?;
                self.repo
                    .stream(entry.id, &mut |bytes| file.write_all(bytes).map_err(SnapshotError::io("write", &place)))?;
            }
        }
        Ok(())
    }
}
