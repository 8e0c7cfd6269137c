//! Log and graph are brought into agreement: where the head is, and which nodes the log has yet to be told of.
//!
//! ```text
//! in the graph, not in the log    a kill, or a damaged record   its closing record is written
//!                                                               the head only where it is newer than the log's
//! in the log, not in the graph    a lost commit                 the head falls back along the log; what the lost
//!                                                               nodes had recorded is open again, so no word is lost
//! ```

use std::collections::{HashMap, HashSet};

use super::checkpoint::{Ledger, LedgerError};
use super::making::operation_of;
use crate::protocol::NodeId;
use crate::session::{OpEntry, OpLog, Operation, RawLine, Record};

/// A closing record of the log.
pub(super) struct ToldNode {
    id: NodeId,
    before: Option<NodeId>,
    is_restore: bool,
    /// The records that it holds: the first one, and the last.
    first: u64,
    last: u64,
}

/// What the log says, line by line.
#[derive(Default)]
pub(super) struct Told {
    pub(super) open: Vec<RawLine>,
    nodes: Vec<ToldNode>,
    moves: Vec<OpEntry>,
    head: Option<NodeId>,
    closed: u64,
}

impl Told {
    pub(super) fn take(&mut self, line: RawLine) {
        // Closing records are short and never refer to blobs.
        let record = match line.kind.as_str() {
            "node" | "head" => line.parse(&|_| None),
            _ => {
                self.open.push(line);
                return;
            }
        };
        match record {
            Ok(Record::Node { id, before, operation, through, .. }) => {
                self.open.retain(|line| line.seq > through);
                let is_restore = operation == Some(Operation::Restore);
                let told = ToldNode {
                    id: id.clone(),
                    before: before.clone(),
                    is_restore,
                    first: self.closed + 1,
                    last: through,
                };
                self.closed = self.closed.max(through);
                self.nodes.push(told);
                self.head = Some(id.clone());
                self.moves.extend(operation.map(|operation| OpEntry { operation, before, after: id }));
            }
            Ok(Record::Head { operation, before, after }) => {
                self.head = Some(after.clone());
                self.moves.push(OpEntry { operation, before: Some(before), after });
            }
            _ => {}
        }
    }

    /// The nodes that the log knows of, oldest first.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.id.clone()).collect()
    }
}

impl Ledger {
    /// Lets the log's head be the head, writes the closing records that are missing, and takes over the open records
    /// and the operation log. `damaged`: the log lacks records, so its word is not the last one.
    pub(super) fn adopt(&mut self, told: &Told, damaged: bool, warnings: &mut Vec<String>) -> Result<(), LedgerError> {
        let stored = self.head().filter(|id| self.store.is_readable(id));
        // A lost commit does not part the conversation after it from the one before.
        for node in told.nodes.iter().filter(|node| !node.is_restore) {
            if !self.tree.contains(&node.id) {
                self.tree.insert(node.id.clone(), node.before.clone());
            }
        }
        let known: HashSet<&NodeId> = told.nodes.iter().map(|node| &node.id).collect();
        let mut strangers = self.strangers(&known, told.head.as_ref())?;
        let rebuilt = known.is_empty() && strangers.len() > 1;
        let (mut head, lost) = self.fall_back(told, warnings);
        self.reopen(told, &lost)?;
        let is_lost = |id: &NodeId| lost.iter().any(|node| node.id == *id);
        self.ops = OpLog::replay(told.moves.iter().filter(|entry| !is_lost(&entry.after)));
        // Numbers go on above all that a node knows of, without a gap between two records.
        for id in &strangers {
            self.log.continue_after(self.store.details(id)?.seq);
        }
        // An old node whose record is damaged is in the graph, and that is all there is to it.
        strangers.retain(|id| {
            let is_new = self.store.is_readable(id) && self.is_newer(id, head.as_ref());
            if is_new {
                head = Some(id.clone());
            }
            is_new
        });
        for id in &strangers {
            self.enter(id)?;
        }
        if rebuilt {
            warnings.push(format!("The log was rebuilt from {} snapshots.", strangers.len()));
        } else if !strangers.is_empty() {
            warnings.push(format!(
                "Snapshot {} was complete although the process ended before it was entered in the log.",
                strangers.iter().map(NodeId::short).collect::<Vec<_>>().join(", ")
            ));
        }
        // HEAD is written before the log's record of it, so it is never the older one of the two.
        if let (Some(before), Some(after)) = (&head, &stored)
            && (rebuilt || damaged)
            && before != after
        {
            let entry = OpEntry { operation: Operation::Other, before: Some(before.clone()), after: after.clone() };
            self.log.append(&Record::Head {
                operation: Operation::Other,
                before: before.clone(),
                after: after.clone(),
            })?;
            self.log.sync()?;
            self.ops.push(&entry);
            head = Some(after.clone());
        }
        if let Some(head) = &head
            && self.head().as_ref() != Some(head)
        {
            self.store.set_head(head)?;
        }
        if !strangers.is_empty() {
            self.log.sync()?;
        }
        Ok(())
    }

    /// Nodes that the log has no closing record of, oldest first. A node that the log's head continues was closed by
    /// its child at the latest: only its record could not be written.
    fn strangers(&self, known: &HashSet<&NodeId>, head: Option<&NodeId>) -> Result<Vec<NodeId>, LedgerError> {
        let continued: HashSet<NodeId> =
            head.map(|head| self.tree.path(head)).unwrap_or_default().into_iter().collect();
        let is_stranger = |id: &NodeId| !known.contains(id) && !continued.contains(id);
        let mut strangers: Vec<NodeId> =
            self.store.nodes()?.into_iter().map(|node| node.id).filter(is_stranger).collect();
        strangers.reverse();
        Ok(strangers)
    }

    fn is_newer(&self, id: &NodeId, head: Option<&NodeId>) -> bool {
        let Some(head) = head else {
            return true;
        };
        let seq = |id| self.store.details(id).map_or(0, |details| details.seq);
        seq(id) > seq(head) || self.tree.path(id).contains(head)
    }

    /// The log's head, or the latest one before it that can be read, and the nodes in between.
    fn fall_back<'t>(&self, told: &'t Told, warnings: &mut Vec<String>) -> (Option<NodeId>, Vec<&'t ToldNode>) {
        let nodes: HashMap<&NodeId, &ToldNode> = told.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut lost: Vec<&ToldNode> = Vec::new();
        let mut next = told.head.as_ref();
        while let Some(id) = next {
            if self.store.contains(id) && self.store.is_readable(id) {
                break;
            }
            let node = nodes.get(id).copied();
            // Never in a circle.
            if node.is_none_or(|node| lost.iter().any(|other| other.id == node.id)) {
                next = None;
                break;
            }
            lost.extend(node);
            next = node.and_then(|node| node.before.as_ref());
        }
        if let Some(id) = told.head.as_ref().filter(|id| next != Some(*id)) {
            let instead = next.map_or_else(|| "its beginning".to_owned(), |node| node.short().to_owned());
            warnings.push(format!(
                "Snapshot {}, the latest one, cannot be read: the session goes on from {instead}, with the files as \
                 they are and with the words that the log still has.",
                id.short()
            ));
        }
        (next.cloned(), lost)
    }

    /// What the lost nodes had recorded is open again, before what is open anyway.
    fn reopen(&mut self, told: &Told, lost: &[&ToldNode]) -> Result<(), LedgerError> {
        self.open.clone_from(&told.open);
        if lost.is_empty() {
            return Ok(());
        }
        let held = |seq: u64| lost.iter().any(|node| (node.first..=node.last).contains(&seq));
        let mut lines = self.log.lines()?;
        lines.retain(|line| held(line.seq) && !matches!(line.kind.as_str(), "node" | "head"));
        lines.append(&mut self.open);
        self.open = lines;
        Ok(())
    }

    /// Writes the closing record of a node that the log does not know.
    fn enter(&mut self, id: &NodeId) -> Result<(), LedgerError> {
        let node = self.store.details(id)?;
        let operation = operation_of(node.kind);
        let before = node.before.or(node.parent);
        self.log.append(&Record::Node {
            id: id.clone(),
            tree: node.tree,
            node: node.kind,
            label: node.label,
            turn: node.turn,
            before: before.clone(),
            operation,
            through: node.seq,
        })?;
        self.open.retain(|line| line.seq > node.seq);
        if let Some(operation) = operation {
            self.ops.push(&OpEntry { operation, before, after: id.clone() });
        }
        Ok(())
    }
}
