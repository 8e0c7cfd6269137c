//! Work on the disk that may take long, done off the actor's thread: captures, rollbacks, differences.
//!
//! The ledger serves one job at a time. A job is two closures: the work, which gets the ledger, and what the engine
//! does with the result. While a job runs the engine goes on listening; what needs the ledger waits.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{JoinError, JoinHandle};

use crate::protocol::{Event, NodeSummary};
use crate::tools::Toolbox;
use crate::workspace::uploads::UploadError;

use super::checkpoint::{Ledger, LedgerError};
use super::engine::Engine;

/// What the engine does with the result of a job.
type Then = Box<dyn FnOnce(&mut Engine) + Send>;

/// Why something failed, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }

    /// The same with words in front that say what failed.
    pub(super) fn while_doing(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), hint: self.hint }
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self { message: error.to_string(), hint: error.hint() }
    }
}

impl From<UploadError> for Trouble {
    fn from(error: UploadError) -> Self {
        Self { message: error.to_string(), hint: None }
    }
}

impl From<Trouble> for Event {
    fn from(trouble: Trouble) -> Self {
        Self::Error { message: trouble.message, hint: trouble.hint }
    }
}

/// The ledger and the one job that may have it.
pub(super) struct Desk {
    ledger: Arc<Mutex<Ledger>>,
    job: Option<JoinHandle<Then>>,
    /// Set when the user wants the job no more, for those that can stop.
    stopped: Arc<AtomicBool>,
}

impl Desk {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger: Arc::new(Mutex::new(ledger)), job: None, stopped: Arc::default() }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.job.is_some()
    }

    /// What the job that is about to start looks at.
    pub(super) fn stop_flag(&mut self) -> Arc<AtomicBool> {
        self.stopped = Arc::default();
        Arc::clone(&self.stopped)
    }

    /// Stops the job, if it is one that can be stopped.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The ledger, for work that takes no time. Only when no job has it: the actor must never wait.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        debug_assert!(!self.is_busy(), "the ledger is away");
        lock(&self.ledger)
    }

    /// Starts a job. A panic in the work is a result like any other; the ledger stays usable.
    pub(super) fn start<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> Result<T, Trouble> + Send + 'static,
        then: impl FnOnce(&mut Engine, Result<T, Trouble>) + Send + 'static,
    ) {
        debug_assert!(!self.is_busy(), "one job at a time");
        let ledger = Arc::clone(&self.ledger);
        self.job = Some(tokio::task::spawn_blocking(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&mut lock(&ledger))))
                .unwrap_or_else(|payload| Err(crashed(payload.as_ref())));
            Box::new(move |engine: &mut Engine| then(engine, result)) as Then
        }));
    }

    /// The same for work that reads or writes all files: the background jobs of the session stand still meanwhile.
    pub(super) fn start_still<T: Send + 'static>(
        &mut self,
        toolbox: &Arc<Toolbox>,
        work: impl FnOnce(&mut Ledger) -> Result<T, Trouble> + Send + 'static,
        then: impl FnOnce(&mut Engine, Result<T, Trouble>) + Send + 'static,
    ) {
        let toolbox = Arc::clone(toolbox);
        let still = move |ledger: &mut Ledger| {
            let _frozen = toolbox.freeze();
            work(ledger)
        };
        self.start(still, then);
    }

    /// Waits for the job; for ever when there is none. Safe to drop while waiting.
    pub(super) async fn finished(&mut self) -> Result<Then, JoinError> {
        let result = match &mut self.job {
            Some(job) => job.await,
            None => std::future::pending().await,
        };
        self.job = None;
        result
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn crashed(payload: &(dyn Any + Send)) -> Trouble {
    let words = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no more is known".to_owned());
    Trouble::new(format!("an error inside okcvm: {words}"), "Please report this; the log has more.")
}

/// The list of nodes, for screens.
#[derive(Debug)]
pub(super) struct Listing {
    nodes: Vec<NodeSummary>,
    changed: Option<u64>,
    bytes: u64,
}

impl Listing {
    /// Reads the list. `changed` is known already, or is found by a walk.
    pub(super) fn read(ledger: &mut Ledger, changed: Changed) -> Result<Self, Trouble> {
        let nodes = ledger.nodes()?;
        let changed = match changed {
            Changed::Walk => ledger.changed_since_head().ok(),
            Changed::Unknown => None,
            Changed::Nothing => Some(0),
        };
        Ok(Self { nodes, changed, bytes: ledger.store_bytes() })
    }
}

impl From<Listing> for Event {
    fn from(listing: Listing) -> Self {
        Self::Snapshots { nodes: listing.nodes, changed_since_head: listing.changed, store_bytes: listing.bytes }
    }
}

/// What is known of files that changed since the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// Look.
    Walk,
    /// A turn is running: the number would be wrong when it is read.
    Unknown,
    /// The capture was just now.
    Nothing,
}
