//! Rollback, undo and redo over files, conversation and participants: all of them move, or none.
//!
//! ```text
//!            head                       head                            head
//! before  A ── H            restore N:  A ── H ── B         undo:  A ── H ── B    (B again)
//!         └─ N                          └─ N ── R                  └─ N ── R
//! ```
//!
//! B holds the files just before, R those that came back. A restore always makes both; undo and redo only move the
//! head, and make a B first where files changed since. A journal spans from the first touched file to the record of
//! the moved head; one that is found at start is finished, or undone where its objects are gone.

use std::os::fd::AsFd as _;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Ledger, LedgerError, State, moves_files};
use super::making::Making;
use super::participant;
use crate::protocol::{Message, NodeId, NodeKind, RestorePlan, RestoreReport, RestoreScope};
use crate::session::{OpEntry, Operation, Record};
use crate::snapshot::{Applied, Journal, NodeInput, SnapshotError};

/// What a rollback gave.
#[derive(Debug, Clone)]
pub struct Rolled {
    /// For people.
    pub report: RestoreReport,
    /// The conversation from now on.
    pub messages: Vec<Message>,
    /// The participants' state from now on.
    pub state: State,
    /// What could not be brought back, one sentence each.
    pub warnings: Vec<String>,
}

/// What the journal remembers for us.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    operation: Operation,
    scope: RestoreScope,
    /// The node whose state comes back.
    target: NodeId,
    /// The head with the files just before.
    before: NodeId,
    /// The participants' state afterwards.
    state: Vec<(String, String)>,
}

impl Ledger {
    /// What a rollback would do, as of now.
    pub fn plan_restore(&mut self, target: &str, scope: RestoreScope) -> Result<RestorePlan, LedgerError> {
        let target = self.store.resolve(target)?;
        let plan = self.store.plan_restore(&target, self.work.as_fd())?;
        let files = moves_files(scope);
        let turns_left = match (scope, self.head()) {
            (RestoreScope::FilesOnly, _) | (_, None) => 0,
            (_, Some(head)) => {
                let mut turns = 0;
                for node in self.tree.left_behind(&head, &target) {
                    let kind = self.store.kind(&node);
                    turns += u64::from(matches!(kind, Ok(NodeKind::Turn | NodeKind::Interrupted | NodeKind::Crash)));
                }
                turns
            }
        };
        Ok(RestorePlan {
            target,
            scope,
            write: if files { plan.write() } else { Vec::new() },
            remove: if files { plan.remove() } else { Vec::new() },
            keep: if files { plan.keep() } else { Vec::new() },
            turns_left,
        })
    }

    /// Brings the state of a node back. The present one stays in a node of its own. `state` is the participants' as of
    /// now.
    #[expect(clippy::needless_pass_by_value, reason = "the state is handed over, as to every other operation")]
    pub fn restore(&mut self, target: &str, scope: RestoreScope, state: State) -> Result<Rolled, LedgerError> {
        self.refuse_in_turn()?;
        let target = self.store.resolve(target)?;
        let then = self.ask_all(&target)?;
        let label = format!("Before rollback to {}", target.short());
        let before = self.capture_before(&label, state.clone())?;
        let note = Note {
            operation: Operation::Restore,
            scope,
            target,
            before,
            state: to_text(&participant::after(scope, &state, &then)),
        };
        if moves_files(scope) { self.move_all(&note) } else { self.finish_restore(&note, &Applied::default()) }
    }

    /// Takes the latest movement of the head back, files and conversation.
    pub fn undo(&mut self, state: State) -> Result<Rolled, LedgerError> {
        self.refuse_in_turn()?;
        let target = self.ops.undo_target().cloned().ok_or(LedgerError::NothingToUndo)?;
        self.move_to(Operation::Undo, target, state)
    }

    /// Takes the latest undo back.
    pub fn redo(&mut self, state: State) -> Result<Rolled, LedgerError> {
        self.refuse_in_turn()?;
        let target = self.ops.redo_target().cloned().ok_or(LedgerError::NothingToRedo)?;
        self.move_to(Operation::Redo, target, state)
    }

    fn move_to(&mut self, operation: Operation, target: NodeId, state: State) -> Result<Rolled, LedgerError> {
        let then = self.ask_all(&target)?;
        let head = self.head().ok_or(LedgerError::NothingToUndo)?;
        let changed = !self.open.is_empty() || self.store.differs(&head, self.work.as_fd())?;
        let word = if operation == Operation::Undo { "undo" } else { "redo" };
        let before = if changed { self.capture_before(&format!("Before {word}"), state)? } else { head };
        let note = Note { operation, scope: RestoreScope::All, target, before, state: to_text(&then) };
        self.move_all(&note)
    }

    /// Whether everything that would come back can: files, records, participants. Nothing is made before this.
    fn ask_all(&mut self, target: &NodeId) -> Result<State, LedgerError> {
        self.store.plan_restore(target, self.work.as_fd())?;
        // What is lost of the conversation before it is lost now as well, and no reason to stay.
        self.store.records(target)?;
        let then = self.store.state(target)?;
        participant::check(&then)?;
        Ok(then)
    }

    /// The node that holds the files just before. A red one will not do.
    fn capture_before(&mut self, label: &str, state: State) -> Result<NodeId, LedgerError> {
        let captured = self.make(Making::new(NodeKind::BeforeRestore, label, state), self.log.last_seq())?;
        match captured.failed {
            None => Ok(captured.id),
            Some(reason) => Err(LedgerError::NotCaptured(reason)),
        }
    }

    /// Moves the files under a journal, then the head. Where that fails, the files go back to what they were.
    fn move_all(&mut self, note: &Note) -> Result<Rolled, LedgerError> {
        let value = serde_json::to_value(note).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
        let journal = Journal::new(note.target.clone(), value);
        let moved = self
            .store
            .restore(self.work.as_fd(), &journal, &note.before)
            .map_err(LedgerError::from)
            .and_then(|applied| self.finish(note, &applied));
        match moved {
            Err(LedgerError::Snapshot(SnapshotError::Killed(_))) | Ok(_) => moved,
            Err(error) => {
                // A head that has moved stays: only its record could not be written, and the next start adopts it.
                if !self.has_moved(note)? {
                    self.take_back(&journal, note)?;
                }
                Err(error)
            }
        }
    }

    /// The files are there: the head moves.
    fn finish(&mut self, note: &Note, applied: &Applied) -> Result<Rolled, LedgerError> {
        match note.operation {
            Operation::Restore => self.finish_restore(note, applied),
            _ => self.finish_move(note, applied),
        }
    }

    /// The files go back to what they were before a rollback that cannot be finished.
    fn take_back(&mut self, journal: &Journal, note: &Note) -> Result<(), LedgerError> {
        if self.store.pending_restore()?.is_none() {
            return Ok(());
        }
        self.store.clean_after(self.work.as_fd(), journal)?;
        let back = Journal { files: note.before.clone(), ..journal.clone() };
        self.store.resume_restore(self.work.as_fd(), &back)?;
        Ok(self.store.end_restore()?)
    }

    /// The files are there: makes R and moves the head to it.
    fn finish_restore(&mut self, note: &Note, applied: &Applied) -> Result<Rolled, LedgerError> {
        let target = &note.target;
        let (parent, files_from) = match note.scope {
            RestoreScope::All => (target.clone(), None),
            RestoreScope::FilesOnly => (note.before.clone(), Some(target.clone())),
            RestoreScope::ConversationOnly => (target.clone(), Some(note.before.clone())),
        };
        let what = match note.scope {
            RestoreScope::All => "Rollback to",
            RestoreScope::FilesOnly => "Files of",
            RestoreScope::ConversationOnly => "Conversation of",
        };
        let label = format!("{what} {} {}", target.short(), self.store.details(target)?.label);
        let files = files_from.clone().unwrap_or_else(|| target.clone());
        let state = from_text(&note.state);
        let sites = self.sites(&state, &[target, &note.before]);
        let input = NodeInput {
            kind: NodeKind::Restore,
            label,
            parent: Some(parent),
            turn: None,
            records: Vec::new(),
            state,
            sites,
            spill: Vec::new(),
            files_from,
            before: Some(note.before.clone()),
            seq: self.log.last_seq(),
            time: self.clock.now(),
        };
        let captured = self.store.make_like(&input, &files)?;
        self.close(&captured, &input, Some(note.before.clone()))?;
        self.store.end_restore()?;
        self.store.step("end")?;
        self.rolled(note, &captured.id, applied)
    }

    /// The files are there: moves the head to a node that is there.
    fn finish_move(&mut self, note: &Note, applied: &Applied) -> Result<Rolled, LedgerError> {
        self.store.set_head(&note.target)?;
        self.store.step("head moved")?;
        let Note { operation, before, target, .. } = note;
        self.log.append(&Record::Head { operation: *operation, before: before.clone(), after: target.clone() })?;
        self.log.sync()?;
        self.ops.push(&OpEntry { operation: *operation, before: Some(before.clone()), after: target.clone() });
        self.store.step("head record")?;
        self.store.end_restore()?;
        self.store.step("end")?;
        self.rolled(note, target, applied)
    }

    fn rolled(&mut self, note: &Note, head: &NodeId, applied: &Applied) -> Result<Rolled, LedgerError> {
        if !applied.differing.is_empty() {
            tracing::warn!(paths = ?applied.differing, "the files differ from the snapshot after a rollback");
        }
        let state = self.state()?;
        let warnings = self.follow_sites(&state);
        Ok(Rolled {
            report: RestoreReport {
                head: head.clone(),
                target: note.target.clone(),
                scope: note.scope,
                written: applied.written,
                removed: applied.removed,
                verified: applied.differing.is_empty(),
            },
            messages: self.conversation()?,
            state,
            warnings,
        })
    }

    /// Finishes a rollback that a kill left unfinished; undoes it where it cannot be finished. Where the store is too
    /// damaged for either, the files stay as they are: a session must open.
    pub(super) fn finish_rollback(&mut self, warnings: &mut Vec<String>) -> Result<(), LedgerError> {
        match self.finish_pending(warnings) {
            Err(LedgerError::Snapshot(
                error @ (SnapshotError::Damaged(_) | SnapshotError::Unknown(_) | SnapshotError::Red { .. }),
            )) => {
                let aside = self.store.give_up_restore()?;
                warnings.push(format!(
                    "An unfinished rollback could neither be finished nor undone: {error}. Its journal is now {}, and \
                     the files are as they were found.",
                    aside.display()
                ));
                Ok(())
            }
            other => other,
        }
    }

    fn finish_pending(&mut self, warnings: &mut Vec<String>) -> Result<(), LedgerError> {
        let Some(journal) = self.store.pending_restore()? else {
            return Ok(());
        };
        let note: Note = serde_json::from_value(journal.note.clone())
            .map_err(|error| SnapshotError::Damaged(format!("the journal of a rollback cannot be read: {error}")))?;
        self.store.clean_after(self.work.as_fd(), &journal)?;
        if self.has_moved(&note)? || self.has_gone_on(&note)? {
            return Ok(self.store.end_restore()?);
        }
        // People may have worked on the files in the meantime: what is in no node gets one. So does what cannot be
        // told from that because a node is damaged.
        let mixture = match self.store.is_mixture(self.work.as_fd(), &note.before, &note.target) {
            Ok(mixture) => mixture,
            Err(error @ SnapshotError::Killed(_)) => return Err(error.into()),
            Err(_) => false,
        };
        if !mixture {
            self.capture_before("Files found in an unfinished rollback", self.state()?)?;
        }
        match self.store.resume_restore(self.work.as_fd(), &journal) {
            Ok(applied) => {
                self.finish(&note, &applied)?;
                warnings.push(format!("An unfinished rollback to {} was finished.", note.target.short()));
            }
            Err(error @ SnapshotError::Killed(_)) => return Err(error.into()),
            Err(error) => {
                self.take_back(&journal, &note)?;
                warnings.push(format!("An unfinished rollback to {} was undone: {error}.", note.target.short()));
            }
        }
        Ok(())
    }

    /// Whether the session went on from another node since: then the journal is of no use any more. What a recovery
    /// itself captures does not count.
    fn has_gone_on(&self, note: &Note) -> Result<bool, LedgerError> {
        let mut next = self.head();
        while let Some(node) = next {
            if node == note.before {
                return Ok(false);
            }
            if self.store.kind(&node)? != NodeKind::BeforeRestore {
                break;
            }
            next = self.tree.parent(&node).cloned();
        }
        Ok(true)
    }

    /// Whether the head had moved already when the process was killed.
    fn has_moved(&self, note: &Note) -> Result<bool, LedgerError> {
        let Some(head) = self.head() else {
            return Ok(false);
        };
        Ok(match note.operation {
            Operation::Restore => {
                let details = self.store.details(&head)?;
                details.kind == NodeKind::Restore && details.before.as_ref() == Some(&note.before)
            }
            _ => head == note.target,
        })
    }
}

fn to_text(state: &State) -> Vec<(String, String)> {
    state.iter().map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into_owned())).collect()
}

fn from_text(state: &[(String, String)]) -> State {
    state.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())).collect()
}
