//! The records of a conversation: those of each node from the root to the head, then those that no node holds yet.

use crate::protocol::NodeId;
use crate::session::Record;
use crate::session::store::read_lines;

use super::checkpoint::{Ledger, LedgerError};

impl Ledger {
    /// What led to the present state of the conversation, oldest first; pictures and long texts are brought back, and so
    /// are the pictures of pages, into the folder `spill`.
    pub fn records(&mut self) -> Result<Vec<Record>, LedgerError> {
        let records = self.read_path().0;
        self.bring_pages_back();
        Ok(records)
    }

    /// The records, and the nodes whose records cannot be read: a gap is better than no conversation at all.
    pub(super) fn read_path(&self) -> (Vec<Record>, Vec<NodeId>) {
        let mut records = Vec::new();
        let mut gaps = Vec::new();
        for node in self.head().map(|head| self.tree.path(&head)).unwrap_or_default() {
            let Ok(bytes) = self.store.records(&node) else {
                gaps.push(node);
                continue;
            };
            let (lines, bad) = read_lines(&bytes);
            if bad > 0 {
                tracing::warn!(node = node.short(), bad, "records of a snapshot are damaged");
            }
            let get = |hash: &str| self.log.blobs().get(hash).or_else(|| self.store.spill(&node, hash).ok().flatten());
            records.extend(lines.iter().filter_map(|line| line.parse(&get).ok()));
        }
        records.extend(self.open_records());
        (records, gaps)
    }
}
