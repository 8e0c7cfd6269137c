//! Records, snapshots and the head of a session behind one door, so that they are always written in the right order.
//!
//! ```text
//! submit      TurnOpened ── sync ── (files changed by hand? a manual node)
//! append      one write per record, before anything acts on it
//! close_turn  TurnClosed ── sync ── objects ── commit ── ref ── HEAD ── Node record ── sync
//! ```
//!
//! A kill between any two of these is mended by [`Ledger::open`]: a ref without its closing record is adopted, records
//! without a commit are closed as an interrupted or crash node. Blocking: call it off the engine's own task.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use super::making::Making;
use crate::config::schema::ProjectSection;
use crate::preview::Shelf;
use crate::protocol::{
    Attachment, FileDiff, Message, NodeId, NodeKind, NodeSummary, RestoreScope, TurnId, TurnOutcome,
};
use crate::session::{
    Log, LogError, OpLog, RawLine, Record, SessionError, SessionFolder, SessionLock, Tree, conversation,
};
use crate::snapshot::{Captured, Checked, SnapshotError, Store, label_after};
use crate::support::clock::Clock;

/// One file a participant: what `Toolbox::state` gives and `Toolbox::restore_state` takes.
pub type State = Vec<(String, Vec<u8>)>;

/// Why a session could not be written or moved.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The workspace cannot be opened.
    #[error("cannot open the workspace {}: {source}", path.display())]
    Workspace {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `session.json`.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The lock is another session's.
    #[error("the lock is not that of session {0}")]
    WrongLock(String),
    /// A turn runs.
    #[error("a turn is running")]
    TurnRuns,
    /// No turn runs, or another one.
    #[error("turn {0} is not running")]
    NotRunning(TurnId),
    /// A part of the state of a snapshot cannot be taken, so nothing moves.
    #[error("{file} of that snapshot cannot be read: {why}")]
    Participant {
        /// The part's file in `node/state/`.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to undo.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// There is nothing to redo.
    #[error("there is nothing to redo")]
    NothingToRedo,
    /// The files could not be captured, so a rollback could lose some.
    #[error("the present files could not be captured: {0}")]
    NotCaptured(String),
}

impl LedgerError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Snapshot(error) => error.hint(),
            Self::TurnRuns => Some("Stop it first (Esc), or wait until it is done.".to_owned()),
            Self::NotCaptured(_) => Some("Nothing was changed. Mend the cause and try again.".to_owned()),
            _ => None,
        }
    }
}

/// The end of a turn.
#[derive(Debug, Clone)]
pub struct CloseTurn {
    /// The turn.
    pub turn: TurnId,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// The text of the final reply.
    pub reply: String,
    /// The participants' state.
    pub state: State,
}

/// A session's log, graph and operation log.
#[derive(Debug)]
pub struct Ledger {
    pub(super) folder: SessionFolder,
    pub(super) _lock: SessionLock,
    pub(super) log: Log,
    pub(super) store: Store,
    pub(super) tree: Tree,
    pub(super) ops: OpLog,
    pub(super) work: OwnedFd,
    pub(super) clock: Arc<dyn Clock>,
    /// Records that no node holds yet.
    pub(super) open: Vec<RawLine>,
    /// Copies of deployed websites.
    pub(super) shelf: Shelf,
    /// Limits of a project.
    pub(super) limits: ProjectSection,
    /// The running turn, and what the user said.
    pub(super) turn: Option<(TurnId, String)>,
}

impl Ledger {
    /// The session's folder.
    pub fn folder(&self) -> &SessionFolder {
        &self.folder
    }

    /// The session's folder, to give it a title.
    pub fn folder_mut(&mut self) -> &mut SessionFolder {
        &mut self.folder
    }

    /// The node that the next message continues.
    pub fn head(&self) -> Option<NodeId> {
        self.store.head().cloned()
    }

    #[doc(hidden)]
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Begins a turn: what the user said is on the disk when this returns. Files that were changed by hand since the
    /// head, and records of tool calls outside of a turn, get a `manual` node of their own first. Where that fails the
    /// turn runs all the same: it is written down and has to be closed.
    pub fn submit(
        &mut self,
        turn: TurnId,
        text: &str,
        attachments: &[Attachment],
        state: State,
    ) -> Result<Option<Captured>, LedgerError> {
        if self.turn.is_some() {
            return Err(LedgerError::TurnRuns);
        }
        let record =
            Record::TurnOpened { turn, parent: self.head(), text: text.to_owned(), attachments: attachments.to_vec() };
        let line = self.log.append(&record)?;
        self.log.sync()?;
        self.store.step("submitted")?;
        let by_hand = self.by_hand(state, line.seq - 1);
        self.open.push(line);
        self.turn = Some((turn, text.to_owned()));
        by_hand
    }

    /// Writes a record. It is in the log before anything acts on it.
    pub fn append(&mut self, record: &Record) -> Result<u64, LedgerError> {
        let line = self.log.append(record)?;
        let seq = line.seq;
        if !record.is_of_the_log() {
            self.open.push(line);
        }
        Ok(seq)
    }

    /// Ends the turn with its node. A capture that fails makes a red node; an error means that not even that could be
    /// written: the records stay open and go into the next node.
    pub fn close_turn(&mut self, close: CloseTurn) -> Result<Captured, LedgerError> {
        let Some((turn, text)) = self.turn.take_if(|(turn, _)| *turn == close.turn) else {
            return Err(LedgerError::NotRunning(close.turn));
        };
        self.append(&Record::TurnClosed { turn, outcome: close.outcome, reply: close.reply })?;
        self.log.sync()?;
        self.store.step("closed")?;
        let kind = match close.outcome {
            TurnOutcome::Interrupted => NodeKind::Interrupted,
            TurnOutcome::Completed | TurnOutcome::Failed => NodeKind::Turn,
        };
        let making = Making { turn: Some(turn), ..Making::new(kind, label_after(&text), close.state) };
        self.make(making, self.log.last_seq())
    }

    /// Makes a node of the present state under a name.
    pub fn capture_named(&mut self, label: &str, state: State) -> Result<Captured, LedgerError> {
        self.refuse_in_turn()?;
        self.make(Making::new(NodeKind::Named, label, state), self.log.last_seq())
    }

    /// Makes a node of files that were changed by hand; none where nothing changed.
    pub fn capture_manual(&mut self, state: State) -> Result<Option<Captured>, LedgerError> {
        self.refuse_in_turn()?;
        self.by_hand(state, self.log.last_seq())
    }

    /// The conversation of the head and of the open turn, oldest first, without the system prompt. Every call has a
    /// result.
    pub fn conversation(&mut self) -> Result<Vec<Message>, LedgerError> {
        let records = self.records()?;
        Ok(conversation(&records))
    }

    /// The participants' state as of now: that of the head, and what records changed since.
    pub fn state(&self) -> Result<State, LedgerError> {
        let mut state = match self.store.head() {
            Some(head) => self.store.state(head)?,
            None => Vec::new(),
        };
        for record in self.open_records() {
            if let Record::State { name, value } = record {
                state.retain(|(other, _)| *other != name);
                state.push((name, value.to_string().into_bytes()));
            }
        }
        Ok(state)
    }

    /// The nodes of the session, newest first.
    pub fn nodes(&mut self) -> Result<Vec<NodeSummary>, LedgerError> {
        Ok(self.store.nodes()?)
    }

    /// Files that differ from the head, as of now.
    pub fn changed_since_head(&mut self) -> Result<u64, LedgerError> {
        match self.head() {
            Some(head) => Ok(self.store.changed_since(&head, self.work.as_fd())?),
            None => Ok(0),
        }
    }

    /// Bytes that the snapshots take on the disk.
    pub fn store_bytes(&self) -> u64 {
        self.store.size()
    }

    /// The node that people mean: `head`, `head~N`, or a unique prefix of four or more digits.
    pub fn resolve(&self, text: &str) -> Result<NodeId, LedgerError> {
        Ok(self.store.resolve(text)?)
    }

    /// What changed between two states; `to` is the workspace as it is now where it is none.
    pub fn diff(&mut self, from: &str, to: Option<&str>) -> Result<Vec<FileDiff>, LedgerError> {
        let from = self.store.resolve(from)?;
        let to = to.map(|to| self.store.resolve(to)).transpose()?;
        Ok(self.store.diff(&from, to.as_ref(), self.work.as_fd())?)
    }

    /// Gives a node a branch name.
    pub fn branch(&mut self, target: &NodeId, name: &str) -> Result<(), LedgerError> {
        Ok(self.store.branch(target, name)?)
    }

    /// Whether an undo has somewhere to go.
    pub fn can_undo(&self) -> bool {
        self.ops.undo_target().is_some()
    }

    /// Whether a redo has somewhere to go.
    pub fn can_redo(&self) -> bool {
        self.ops.redo_target().is_some()
    }

    /// Packs the store's loose objects where there are many. For idle times; may be killed at any point.
    pub fn pack_if_needed(&mut self) -> Result<bool, LedgerError> {
        Ok(self.store.pack_if_needed()?)
    }

    /// Reads everything that the store holds and tells what is wrong with it.
    pub fn check(&self) -> Result<Checked, LedgerError> {
        Ok(self.store.check()?)
    }

    pub(super) fn refuse_in_turn(&self) -> Result<(), LedgerError> {
        if self.turn.is_some() { Err(LedgerError::TurnRuns) } else { Ok(()) }
    }

    pub(super) fn open_records(&self) -> impl Iterator<Item = Record> + '_ {
        let get = |hash: &str| self.log.blobs().get(hash);
        self.open.iter().filter_map(move |line| line.parse(&get).ok())
    }
}

/// Whether a rollback of that scope touches the files.
pub(super) fn moves_files(scope: RestoreScope) -> bool {
    scope != RestoreScope::ConversationOnly
}
