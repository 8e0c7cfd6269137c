//! A file that is read for as long as somebody waits for it.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::tools::tool::ToolError;

/// How long one call reads at most.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why reading stopped before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stopped {
    /// The user did not want to wait.
    #[error("cancelled")]
    Cancelled,
    /// It took too long.
    #[error("reading took longer than {} s", TIME_LIMIT.as_secs())]
    TimedOut,
}

/// A source that ends in an error when the call is cancelled or takes too long.
pub(super) struct Watched<'a, R> {
    from: R,
    cancel: &'a CancellationToken,
    end: Instant,
    hash: Option<Sha256>,
}

impl<'a, R: Read> Watched<'a, R> {
    pub(super) fn new(from: R, cancel: &'a CancellationToken) -> Self {
        Self { from, cancel, end: Instant::now() + TIME_LIMIT, hash: None }
    }

    /// Hashes what is read.
    pub(super) fn hashing(self) -> Self {
        Self { hash: Some(Sha256::new()), ..self }
    }

    /// The hash of all that was read.
    pub(super) fn into_hash(self) -> Option<Sha256> {
        self.hash
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other(Stopped::Cancelled));
        }
        if Instant::now() > self.end {
            return Err(io::Error::other(Stopped::TimedOut));
        }
        let count = self.from.read(into)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&into[..count]);
        }
        Ok(count)
    }
}

/// What the model is told of a file that could not be read.
pub(super) fn not_read(shown: &str, error: &io::Error) -> ToolError {
    let stopped = error.get_ref().and_then(|source| source.downcast_ref::<Stopped>());
    match stopped {
        Some(Stopped::Cancelled) => ToolError::Cancelled,
        Some(stopped) => ToolError::ForModel(format!(
            "{stopped}, so {shown} is not shown. Look at parts of it with the shell (head, tail, sed -n, grep)."
        )),
        None => ToolError::ForModel(format!("cannot read {shown}: {error}")),
    }
}
