//! The folder `spill/`: whole outputs and long texts, by hash.
//!
//! While a record is open, `spill/` is where its texts lie; a node holds its own from then on. What stays in the folder
//! after that is only there for screens that open a whole output, the latest ones first, and never grows beyond a limit.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::checkpoint::{Ledger, LedgerError};
use crate::protocol::NodeId;
use crate::session::blob;
use crate::session::store::read_lines;

/// Bytes that stay in the folder although snapshots hold them.
const KEPT: u64 = 64 * 1024 * 1024;
/// Bytes of pictures that are put back into it at once.
const BROUGHT_BACK: usize = 32 * 1024 * 1024;

impl Ledger {
    /// A full output or long text of a node, by its hash.
    pub fn spilled(&self, node: &NodeId, hash: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.store.spill(node, hash)?)
    }

    /// Puts pictures of pages back into the folder that only snapshots hold by now, those of the latest nodes first, as
    /// many as the folder takes: a screen shows what was made and not only what is new.
    pub(super) fn bring_pages_back(&self) {
        let mut left = BROUGHT_BACK;
        for node in self.head().map(|head| self.tree.path(&head)).unwrap_or_default().iter().rev() {
            let Ok(bytes) = self.store.records(node) else { continue };
            for line in read_lines(&bytes).0.iter().rev() {
                for hash in line.pages().into_iter().filter(|hash| !self.log.blobs().path(hash).is_file()) {
                    // One that is damaged is missing on the screen and nowhere else.
                    let Ok(Some(picture)) = self.store.spill(node, &hash) else { continue };
                    left = left.saturating_sub(picture.len());
                    if left == 0 || self.log.blobs().put(&picture).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Removes what snapshots hold, the oldest first, down to a limit. `at_start`: and what a killed process left
    /// half written. What cannot be removed does no harm.
    pub(super) fn sweep_spill(&self, at_start: bool) {
        self.sweep_spill_to(at_start, KEPT);
    }

    #[doc(hidden)]
    pub fn sweep_spill_to(&self, at_start: bool, kept: u64) {
        let Ok(entries) = fs::read_dir(self.folder.spill()) else {
            return;
        };
        let open: HashSet<String> =
            self.open.iter().flat_map(|line| line.blobs().into_iter().chain(line.kept())).collect();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(data) = entry.metadata() else { continue };
            if !data.is_file() || open.contains(&name) {
                continue;
            }
            if blob::is_hash(&name) {
                files.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), entry.path()));
            } else if at_start {
                let _ = fs::remove_file(entry.path());
            }
        }
        files.sort_unstable_by(|a, b| b.cmp(a));
        let mut total = 0u64;
        for (_, bytes, path) in files {
            total = total.saturating_add(bytes);
            if total > kept {
                let _ = fs::remove_file(path);
            }
        }
    }
}
