//! The records of a conversation: those of each node from the root to the head, then those that no node holds yet.

use crate::session::Record;
use crate::session::store::read_lines;

use super::checkpoint::{Ledger, LedgerError};

impl Ledger {
    /// What led to the present state of the conversation, oldest first; pictures and long texts are brought back.
    pub fn records(&mut self) -> Result<Vec<Record>, LedgerError> {
        let mut records = Vec::new();
        if let Some(head) = self.head() {
            for node in self.tree.path(&head) {
                let (lines, bad) = read_lines(&self.store.records(&node)?);
                if bad > 0 {
                    tracing::warn!(node = node.short(), bad, "records of a snapshot are damaged");
                }
                let get =
                    |hash: &str| self.log.blobs().get(hash).or_else(|| self.store.spill(&node, hash).ok().flatten());
                records.extend(lines.iter().filter_map(|line| line.parse(&get).ok()));
            }
        }
        records.extend(self.open_records());
        Ok(records)
    }
}
