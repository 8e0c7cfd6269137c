//! Who asked for what: the access log of a session's sites.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::protocol::SiteRequest;

/// Requests that are remembered.
const MOST: usize = 200;
/// Characters of a path that are remembered.
const MOST_PATH: usize = 300;

/// The latest requests. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    log: Mutex<Log>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Log {
    latest: VecDeque<SiteRequest>,
    count: u64,
}

impl AccessLog {
    pub(super) fn add(&self, mut request: SiteRequest) {
        if request.path.chars().count() > MOST_PATH {
            request.path = request.path.chars().take(MOST_PATH).collect();
        }
        let mut log = self.lock();
        log.count += 1;
        if log.latest.len() == MOST {
            log.latest.pop_front();
        }
        log.latest.push_back(request);
        drop(log);
        self.0.changed.notify_one();
    }

    /// How many requests there were, and the latest of them, oldest first.
    pub fn read(&self) -> (u64, Vec<SiteRequest>) {
        let log = self.lock();
        (log.count, log.latest.iter().cloned().collect())
    }

    /// Waits until there was a request since the last wait. For one listener.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_stay_and_all_are_counted() {
        let log = AccessLog::default();
        for number in 0..500_u16 {
            let path = format!("{number}{}", "x".repeat(2_000));
            log.add(SiteRequest { site: None, method: "GET".to_owned(), path, status: 404 });
        }
        let (count, latest) = log.read();
        assert_eq!((count, latest.len()), (500, MOST));
        assert!(latest[0].path.starts_with("300x") && latest[0].path.len() == MOST_PATH);
    }
}
