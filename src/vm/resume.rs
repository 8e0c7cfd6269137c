//! Opening a session: log and graph are brought into agreement, whatever a kill or a power cut left behind.
//!
//! ```text
//! log: verified, torn end moved aside ──> open records, operation log, head
//! graph: a node without its closing record is adopted
//! journal of a rollback: finished, or undone
//! head: the log's word; HEAD follows
//! ```

use std::collections::HashSet;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::checkpoint::{Ledger, LedgerError, Making, State, operation_of};
use crate::config::SnapshotSection;
use crate::protocol::{Message, NodeId, NodeKind, TurnId, TurnOutcome};
use crate::session::{Log, OpEntry, OpLog, Operation, RawLine, Record, SessionFolder, SessionLock, Tree};
use crate::snapshot::{Caps, Captured, Store, StoreOptions, label_after};
use crate::support::clock::Clock;

const MIB: u64 = 1024 * 1024;

/// How a session is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// What is too large to be kept.
    pub snapshots: SnapshotSection,
    /// Who owns restored files, where it is not this process.
    pub owner: Option<(u32, u32)>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a session that was opened has to say.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// The conversation, the open turn included, without the system prompt.
    pub messages: Vec<Message>,
    /// The participants' state.
    pub state: State,
    /// A turn that the process did not live to close.
    pub unfinished: Option<Unfinished>,
    /// What was damaged or mended, one sentence each.
    pub warnings: Vec<String>,
}

/// A turn that the process did not live to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The turn.
    pub turn: TurnId,
    /// What the user had asked.
    pub text: String,
    /// The kind of its node: interrupted where the user had stopped it, else crash.
    pub kind: NodeKind,
}

/// What the log says, line by line.
#[derive(Default)]
struct Told {
    open: Vec<RawLine>,
    known: HashSet<NodeId>,
    ops: OpLog,
    head: Option<NodeId>,
}

impl Told {
    fn take(&mut self, line: RawLine) {
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
                self.known.insert(id.clone());
                self.head = Some(id.clone());
                if let Some(operation) = operation {
                    self.ops.push(&OpEntry { operation, before, after: id });
                }
            }
            Ok(Record::Head { operation, before, after }) => {
                self.head = Some(after.clone());
                self.ops.push(&OpEntry { operation, before: Some(before), after });
            }
            _ => {}
        }
    }
}

impl Ledger {
    /// Opens a session, new or old.
    pub fn open(
        folder: SessionFolder,
        lock: SessionLock,
        options: LedgerOptions,
    ) -> Result<(Self, Resumed), LedgerError> {
        if !lock.is_of(&folder) {
            return Err(LedgerError::WrongLock(folder.id().to_string()));
        }
        let path = folder.work();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let work = openat(rustix::fs::CWD, &path, flags, Mode::empty())
            .map_err(|error| LedgerError::Workspace { path, source: error.into() })?;
        let mut told = Told::default();
        let clock = options.clock;
        let (log, damage) =
            Log::open(&folder.log_file(), &folder.spill(), Arc::clone(&clock), &mut |line| told.take(line))?;
        let caps = Caps {
            file: options.snapshots.max_file_mb.saturating_mul(MIB),
            total: options.snapshots.max_total_mb.saturating_mul(MIB),
        };
        let store = Store::open(&folder.state_git(), StoreOptions { caps, owner: options.owner })?;
        let mut tree = Tree::default();
        for (id, parent) in store.parents() {
            tree.insert(id.clone(), parent.cloned());
        }
        let mut warnings = damage.sentences();
        warnings.extend(store.damage().iter().cloned());
        let mut ledger =
            Self { folder, _lock: lock, log, store, tree, ops: told.ops, work, clock, open: told.open, turn: None };
        ledger.adopt(&told.known, told.head, &mut warnings)?;
        ledger.finish_rollback(&mut warnings)?;
        if ledger.store.head().is_none() {
            ledger.make(Making::new(NodeKind::Start, "Start", Vec::new()), 0)?;
        }
        let unfinished = ledger.unfinished();
        if let Some(unfinished) = &unfinished {
            ledger.turn = Some((unfinished.turn, unfinished.text.clone()));
        }
        let resumed = Resumed { messages: ledger.conversation()?, state: ledger.state()?, unfinished, warnings };
        Ok((ledger, resumed))
    }

    /// Closes the turn that the process did not live to close: an interrupted or crash node with the files as they are.
    pub fn close_unfinished(&mut self, state: State) -> Result<Captured, LedgerError> {
        let Some(Unfinished { turn, text, kind }) = self.unfinished() else {
            return Err(LedgerError::NotRunning(self.turn.as_ref().map_or_else(TurnId::now, |(turn, _)| *turn)));
        };
        if !self.open.iter().any(|line| line.kind == "turn_closed") {
            self.append(&Record::TurnClosed { turn, outcome: TurnOutcome::Interrupted, reply: String::new() })?;
            self.log.sync()?;
        }
        self.turn = None;
        let mut making = Making::new(kind, label_after(&text), state);
        making.turn = Some(turn);
        self.make(making, self.log.last_seq())
    }

    fn unfinished(&self) -> Option<Unfinished> {
        let mut found = None;
        let mut stopped = false;
        for record in self.open_records() {
            match record {
                Record::TurnOpened { turn, text, .. } => found = Some((turn, text)),
                Record::TurnClosed { outcome, .. } => stopped = outcome == TurnOutcome::Interrupted,
                _ => {}
            }
        }
        let kind = if stopped { NodeKind::Interrupted } else { NodeKind::Crash };
        found.map(|(turn, text)| Unfinished { turn, text, kind })
    }

    /// Writes the closing records that are missing, and lets the head be the log's.
    fn adopt(
        &mut self,
        known: &HashSet<NodeId>,
        told_head: Option<NodeId>,
        warnings: &mut Vec<String>,
    ) -> Result<(), LedgerError> {
        // A node that the log's head continues was closed by its child at the latest: only its record could not be
        // written.
        let continued: HashSet<NodeId> =
            told_head.as_ref().map(|head| self.tree.path(head)).unwrap_or_default().into_iter().collect();
        let is_stranger = |id: &NodeId| !known.contains(id) && !continued.contains(id);
        let mut strangers: Vec<NodeId> =
            self.store.nodes()?.into_iter().map(|node| node.id).filter(is_stranger).collect();
        strangers.reverse();
        let rebuilt = known.is_empty() && strangers.len() > 1;
        let stored_head = self.head();
        let mut head = told_head;
        // Numbers go on above all that a node knows of, without a gap between two records.
        for id in &strangers {
            self.log.continue_after(self.store.details(id)?.seq);
        }
        for id in &strangers {
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
            head = Some(id.clone());
        }
        if rebuilt {
            warnings.push(format!("The log was rebuilt from {} snapshots.", strangers.len()));
        } else if !strangers.is_empty() {
            warnings.push(format!(
                "Snapshot {} was complete although the process ended before it was entered in the log.",
                strangers.iter().map(NodeId::short).collect::<Vec<_>>().join(", ")
            ));
        }
        match (head, stored_head) {
            (Some(told), Some(stored)) if rebuilt && told != stored => {
                let operation = Operation::Other;
                self.log.append(&Record::Head { operation, before: told, after: stored })?;
            }
            (Some(told), stored) if stored.as_ref() != Some(&told) => {
                if self.store.contains(&told) {
                    self.store.set_head(&told)?;
                } else {
                    warnings.push(format!("Snapshot {} is in the log but not in the store.", told.short()));
                }
            }
            _ => {}
        }
        if !strangers.is_empty() {
            self.log.sync()?;
        }
        Ok(())
    }
}
