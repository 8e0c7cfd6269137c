//! Who asked for what: the access log of a session's sites.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Requests that are remembered.
const MOST: usize = 200;
/// Characters of a path that are remembered.
const MOST_PATH: usize = 300;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The six-digit id of the site; none where the request named none that there is.
    pub site: Option<String>,
    /// The method, such as `GET`.
    pub method: String,
    /// The path within the site, as it came.
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
}

/// The latest requests. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    latest: VecDeque<Access>,
    count: u64,
}

impl AccessLog {
    pub(super) fn add(&self, mut access: Access) {
        if access.path.chars().count() > MOST_PATH {
            access.path = access.path.chars().take(MOST_PATH).collect();
        }
        let mut log = self.lock();
        log.count += 1;
        if log.latest.len() == MOST {
            log.latest.pop_front();
        }
        log.latest.push_back(access);
    }

    /// How many requests there were, and the latest of them, oldest first.
    pub fn read(&self) -> (u64, Vec<Access>) {
        let log = self.lock();
        (log.count, log.latest.iter().cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            log.add(Access { site: None, method: "GET".to_owned(), path, status: 404 });
        }
        let (count, latest) = log.read();
        assert_eq!((count, latest.len()), (500, MOST));
        assert!(latest[0].path.starts_with("300x") && latest[0].path.len() == MOST_PATH);
    }
}
