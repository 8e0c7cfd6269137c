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

/// The folder below `node/`.
pub(super) const SITES: &str = "deployments";

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
                    Ok(folder) => Some(capture::walk(folder.as_fd(), self.options.caps, None, sink)?.cache.tree),
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
        self.write_folder(tree, folder, 0)
    }

    fn write_folder(&self, tree: Oid, folder: &Path, depth: usize) -> Result<(), SnapshotError> {
        if depth > MAX_DEPTH {
            return Err(SnapshotError::Damaged(format!("tree {tree} is too deep")));
        }
        for entry in self.repo.tree(tree)? {
            // No name of a tree leads out of the folder, wherever the tree came from, and no link is made.
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let place = folder.join(name);
            if entry.kind == Kind::Dir {
                fs::create_dir(&place).map_err(SnapshotError::io("make", &place))?;
                self.write_folder(entry.id, &place, depth + 1)?;
            } else if entry.kind.is_file() {
                let mut file = File::create_new(&place).map_err(SnapshotError::io("write", &place))?;
                self.repo
                    .stream(entry.id, &mut |bytes| file.write_all(bytes).map_err(SnapshotError::io("write", &place)))?;
            }
        }
        Ok(())
    }
}
