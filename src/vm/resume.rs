//! Opening a session: log and graph are brought into agreement, whatever a kill or a power cut left behind.
//!
//! ```text
//! log: verified, torn end moved aside ──> open records, operation log, head
//! graph: a node without its closing record is adopted
//! journal of a rollback: finished, or undone
//! head: the log's word; HEAD follows
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::adopt::Told;
use super::checkpoint::{Ledger, LedgerError, State};
use super::making::Making;
use super::site::folder_of_copies;
use crate::config::SnapshotSection;
use crate::config::schema::ProjectSection;
use crate::preview::Shelf;
use crate::protocol::{Message, NodeId, NodeKind, TurnId, TurnOutcome};
use crate::session::{Log, OpLog, Project, Record, SessionFolder, SessionLock, Tree, conversation};
use crate::snapshot::{Caps, Captured, Store, StoreOptions, label_after};
use crate::support::atomic_file;
use crate::support::clock::Clock;

const MIB: u64 = 1024 * 1024;

/// How a session is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// What is too large to be kept.
    pub snapshots: SnapshotSection,
    /// Who owns restored files, where it is not this process.
    pub owner: Option<(u32, u32)>,
    /// Where copies of deployed websites lie; none puts them into a folder `deployments` among the sessions.
    pub deployments: Option<PathBuf>,
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
    /// What was done for the user before, if anything: a sentence.
    pub done: Option<String>,
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

impl Unfinished {
    /// What became of it, as a sentence for people; `node` is the snapshot that it was closed with, if any.
    pub fn sentence(&self, node: Option<&NodeId>) -> String {
        let how = self.how();
        match node {
            Some(node) => format!(
                "the last turn {how} before it was saved; its files and words are kept as snapshot {}",
                node.short()
            ),
            None => format!("the last turn {how} before it was saved; the next start keeps its files and words"),
        }
    }

    /// How it ended, in words that follow "the last turn".
    pub(super) fn how(&self) -> &'static str {
        if self.kind == NodeKind::Interrupted { "was stopped" } else { "ended with the program" }
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
        atomic_file::sweep(folder.root());
        let path = folder.work();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let work = openat(rustix::fs::CWD, &path, flags, Mode::empty())
            .map_err(|error| LedgerError::Workspace { path, source: error.into() })?;
        let mut told = Told::default();
        let clock = options.clock;
        let shelf = Shelf::new(folder_of_copies(&folder, options.deployments));
        let (log, damage) =
            Log::open(&folder.log_file(), &folder.spill(), Arc::clone(&clock), &mut |line| told.take(line))?;
        let caps = Caps {
            file: options.snapshots.max_file_mb.saturating_mul(MIB),
            total: options.snapshots.max_total_mb.saturating_mul(MIB),
        };
        let options = StoreOptions { caps, owner: options.owner };
        let store = Store::open_knowing(&folder.state_git(), options, &told.nodes())?;
        let mut tree = Tree::default();
        for (id, parent) in store.parents() {
            tree.insert(id.clone(), parent.cloned());
        }
        let mut warnings = damage.sentences();
        warnings.extend(store.damage().iter().cloned());
        let (open, ops) = (Vec::new(), OpLog::default());
        let mut ledger = Self {
            folder,
            _lock: lock,
            log,
            store,
            tree,
            ops,
            work,
            clock,
            open,
            shelf,
            limits: ProjectSection::default(),
            turn: None,
        };
        ledger.adopt(&told, !damage.is_none(), &mut warnings)?;
        ledger.finish_rollback(&mut warnings)?;
        if ledger.store.head().is_none() {
            // What is open belongs to the turn that is yet to be closed.
            let open = std::mem::take(&mut ledger.open);
            ledger.make(Making::new(NodeKind::Start, "Start", Vec::new()), 0)?;
            ledger.open = open;
        }
        // The copy of a project is whole before its session is there, and nothing has worked in it yet.
        if let (Some(head), Some(Project { base: None, .. })) = (ledger.head(), &ledger.folder.meta().project) {
            ledger.folder.set_base(head)?;
        }
        ledger.sweep_spill(true);
        // `exec` and single commands never rest, so this is where their loose objects are packed.
        if let Err(error) = ledger.store.pack_if_needed() {
            tracing::warn!(%error, "packing failed");
        }
        let unfinished = ledger.unfinished();
        if let Some(unfinished) = &unfinished {
            ledger.turn = Some((unfinished.turn, unfinished.text.clone()));
        }
        let (records, gaps) = ledger.read_path();
        if !gaps.is_empty() {
            let gaps = gaps.iter().map(NodeId::short).collect::<Vec<_>>().join(", ");
            warnings.push(format!("The conversation has a gap: the words of snapshot {gaps} cannot be read."));
        }
        let messages = conversation(&records);
        let state = ledger.state()?;
        warnings.extend(ledger.follow_sites(&state));
        let resumed = Resumed { messages, state, unfinished, warnings, done: None };
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
        let (turn, text, outcome) = self.unsaved_turn()?;
        let stopped = outcome == Some(TurnOutcome::Interrupted);
        Some(Unfinished { turn, text, kind: if stopped { NodeKind::Interrupted } else { NodeKind::Crash } })
    }
}
