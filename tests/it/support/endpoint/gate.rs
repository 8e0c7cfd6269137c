//! Doors between a test and the endpoint's threads.

#![allow(clippy::unwrap_used, reason = "a broken test endpoint must fail the test")]

use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::watch;

use super::DEADLINE;

/// A door between a test and the endpoint: closed at first, opened once.
#[derive(Debug, Clone)]
pub struct Gate(Arc<(Mutex<bool>, Condvar, watch::Sender<bool>)>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new(), watch::Sender::new(false))))
    }

    /// Opens it for good.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
        self.0.2.send_replace(true);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Blocks until it is open; fails the test after a deadline.
    pub fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        let (open, _) = self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap();
        assert!(*open, "the gate stayed closed for {DEADLINE:?}");
    }

    /// Waits until it is open; fails the test after a deadline.
    pub async fn opened(&self) {
        let mut seen = self.0.2.subscribe();
        let open = tokio::time::timeout(DEADLINE, seen.wait_for(|open| *open)).await;
        assert!(open.is_ok(), "the gate stayed closed for {DEADLINE:?}");
    }
}
