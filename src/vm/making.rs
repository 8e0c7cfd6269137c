//! Making a node: which records and files go into it, and its closing record.

use std::os::fd::AsFd as _;

use super::checkpoint::{Ledger, LedgerError, State};
use crate::protocol::{NodeId, NodeKind, TurnId, TurnOutcome};
use crate::session::{OpEntry, Operation, RawLine, Record};
use crate::snapshot::{Captured, NodeInput, label_after};

/// A node to be made.
pub(super) struct Making {
    pub(super) kind: NodeKind,
    pub(super) label: String,
    pub(super) turn: Option<TurnId>,
    pub(super) state: State,
}

impl Making {
    pub(super) fn new(kind: NodeKind, label: impl Into<String>, state: State) -> Self {
        Self { kind, label: label.into(), turn: None, state }
    }
}

impl Ledger {
    /// The turn among the open records, what the user said, and how it ended.
    pub(super) fn unsaved_turn(&self) -> Option<(TurnId, String, Option<TurnOutcome>)> {
        let mut found = None;
        for record in self.open_records() {
            match (record, &mut found) {
                (Record::TurnOpened { turn, text, .. }, _) => found = Some((turn, text, None)),
                (Record::TurnClosed { outcome, .. }, Some((_, _, ended))) => *ended = Some(outcome),
                _ => {}
            }
        }
        found
    }

    /// A node of what lies in the session and in no node: records that are open, files that changed.
    pub(super) fn by_hand(&mut self, state: State, through: u64) -> Result<Option<Captured>, LedgerError> {
        let Some(head) = self.head() else {
            return Ok(None);
        };
        // Only a word about the kernel is in no need of a node.
        let calls = self.open.iter().any(|line| line.kind != "kernel_restarted");
        if !calls && !self.store.differs(&head, self.work.as_fd())? {
            return Ok(None);
        }
        // A turn whose node could not be written is that turn still.
        if let Some((turn, text, outcome)) = self.unsaved_turn() {
            let kind = match outcome {
                Some(TurnOutcome::Completed | TurnOutcome::Failed) => NodeKind::Turn,
                Some(TurnOutcome::Interrupted) | None => NodeKind::Interrupted,
            };
            let making = Making { turn: Some(turn), ..Making::new(kind, label_after(&text), state) };
            return self.make(making, through).map(Some);
        }
        let label = if calls { "Tool calls outside of a turn" } else { "Files changed by hand" };
        self.make(Making::new(NodeKind::Manual, label, state), through).map(Some)
    }

    /// Captures the files and makes a node of them and of all open records: objects, commit, ref, closing record.
    pub(super) fn make(&mut self, making: Making, through: u64) -> Result<Captured, LedgerError> {
        let input = self.input(making, through);
        let before = self.head();
        let captured = self.store.capture(self.work.as_fd(), &input)?;
        self.close(&captured, &input, before)?;
        Ok(captured)
    }

    fn input(&self, making: Making, through: u64) -> NodeInput {
        let mut records = Vec::new();
        let path = |hash: String| (hash.clone(), self.log.blobs().path(&hash));
        let mut spill: Vec<_> = self.open.iter().flat_map(RawLine::kept).map(path).collect();
        // Outputs and pictures of pages are under the cap of one file like any other; the texts of records are not.
        let cap = self.store.caps().file;
        spill.retain(|(_, path)| path.metadata().is_ok_and(|data| data.len() <= cap));
        for line in &self.open {
            records.extend_from_slice(&line.bytes);
            records.push(b'\n');
            spill.extend(line.blobs().into_iter().map(path));
        }
        let head = self.head();
        let sites = self.sites(&making.state, head.as_ref().as_slice());
        NodeInput {
            kind: making.kind,
            label: making.label,
            parent: head,
            turn: making.turn,
            records,
            state: making.state,
            sites,
            spill,
            files_from: None,
            before: None,
            seq: through,
            time: self.clock.now(),
        }
    }

    /// Writes the closing record of a node that was just made.
    pub(super) fn close(
        &mut self,
        captured: &Captured,
        input: &NodeInput,
        before: Option<NodeId>,
    ) -> Result<(), LedgerError> {
        self.store.step("before the closing record")?;
        let operation = operation_of(input.kind);
        // The node is there: even where the closing record cannot be written, no later node may hold its records again.
        self.open.clear();
        self.tree.insert(captured.id.clone(), input.parent.clone());
        if let Some(operation) = operation {
            self.ops.push(&OpEntry { operation, before: before.clone(), after: captured.id.clone() });
        }
        self.log.append(&Record::Node {
            id: captured.id.clone(),
            tree: captured.tree.clone(),
            node: input.kind,
            label: captured.label.clone(),
            turn: input.turn,
            before,
            operation,
            through: input.seq,
        })?;
        self.log.sync()?;
        self.store.step("closing record")?;
        self.sweep_spill(false);
        Ok(())
    }
}

/// What undo knows a node's making as; none for nodes that undo passes over.
pub(super) fn operation_of(kind: NodeKind) -> Option<Operation> {
    match kind {
        NodeKind::Start => Some(Operation::Start),
        NodeKind::Turn | NodeKind::Interrupted | NodeKind::Crash => Some(Operation::Turn),
        NodeKind::Manual => Some(Operation::Manual),
        NodeKind::Named => Some(Operation::Named),
        NodeKind::Restore => Some(Operation::Restore),
        NodeKind::BeforeRestore => None,
    }
}
