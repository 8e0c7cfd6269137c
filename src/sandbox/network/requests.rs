//! What was asked for, told once per call: a program that asks ten thousand times is one line.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Notices;
use super::rules::Refusal;
use crate::protocol::Event;

/// Different requests that are told in one call; further ones only count.
const MOST: usize = 200;

/// A request that the policy refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequest {
    /// The host as it was named.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Why, in a few words.
    pub reason: String,
}

#[derive(Debug, Default)]
struct Told {
    seen: HashSet<(String, u16, Option<String>)>,
    refused: Vec<RefusedRequest>,
}

#[derive(Debug)]
pub(super) struct Requests {
    notices: Notices,
    told: Mutex<Told>,
}

impl Requests {
    pub(super) fn new(notices: Notices) -> Self {
        Self { notices, told: Mutex::default() }
    }

    pub(super) fn begin_call(&self) {
        *self.told() = Told::default();
    }

    pub(super) fn refused(&self) -> Vec<RefusedRequest> {
        self.told().refused.clone()
    }

    /// Notes a request and what was answered.
    pub(super) fn note(&self, host: &str, port: u16, refusal: Option<&Refusal>) {
        let reason = refusal.map(Refusal::reason);
        {
            let mut told = self.told();
            if told.seen.len() >= MOST || !told.seen.insert((host.to_owned(), port, reason.clone())) {
                return;
            }
            if let Some(reason) = reason.clone() {
                told.refused.push(RefusedRequest { host: host.to_owned(), port, reason });
            }
        }
        match &reason {
            None => tracing::info!(host, port, "a tool's request was let through"),
            Some(reason) => tracing::info!(host, port, %reason, "a tool's request was refused"),
        }
        self.notices.tell(Event::NetworkRequest { host: host.to_owned(), port, allowed: reason.is_none(), reason });
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::NetworkMode;

    #[test]
    fn a_request_is_told_once_for_each_answer_of_a_call_and_a_flood_is_bounded() {
        let notices = Notices::default();
        let mut heard = notices.listen();
        let requests = Requests::new(notices);
        let off = Refusal::Mode(NetworkMode::Off);
        let mut count = || std::iter::from_fn(|| heard.try_recv().ok()).count();
        for _ in 0..3 {
            requests.note("a.test", 443, None);
            requests.note("a.test", 443, Some(&off));
            requests.note("a.test", 80, None);
        }
        assert_eq!(count(), 3);
        let refused = RefusedRequest { host: "a.test".to_owned(), port: 443, reason: "network off".to_owned() };
        assert_eq!(requests.refused(), [refused]);
        for port in 1..5000 {
            requests.note("b.test", port, Some(&off));
        }
        assert_eq!(count(), MOST - 3);
        assert!(requests.refused().len() < MOST);
        requests.begin_call();
        assert_eq!(requests.refused(), []);
        requests.note("a.test", 443, None);
        assert_eq!(count(), 1);
    }
}
