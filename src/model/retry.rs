//! How long to wait before a request is sent again.

use std::time::Duration;

use uuid::Uuid;

/// The longest wait that a server may ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// Exponential backoff with full jitter: a random time between nothing and a limit that doubles with each attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The limit of the first wait.
    pub first: Duration,
    /// The limit of every wait.
    pub longest: Duration,
}

impl Backoff {
    /// The wait before attempt `failed + 1`, given how many failed (from 1) and a random number.
    pub(super) fn wait(self, failed: u32, random: u32) -> Duration {
        let doubled = 2u32.checked_pow(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let limit = self.first.saturating_mul(doubled).min(self.longest);
        limit.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The same, never shorter than what the server asked for.
    pub(super) fn wait_at_least(self, failed: u32, asked: Option<Duration>) -> Duration {
        self.wait(failed, random()).max(asked.unwrap_or_default())
    }
}

/// Thirty-two random bits; a UUID of version 4 begins with them.
fn random() -> u32 {
    let bytes = Uuid::new_v4().into_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

    #[test]
    fn waits_double_up_to_the_limit_and_are_spread_over_all_of_it() {
        assert_eq!(BACKOFF.wait(1, u32::MAX), Duration::from_secs(1));
        assert_eq!(BACKOFF.wait(3, u32::MAX), Duration::from_secs(4));
        assert_eq!(BACKOFF.wait(20, u32::MAX), Duration::from_secs(30));
        assert_eq!(BACKOFF.wait(u32::MAX, u32::MAX), Duration::from_secs(30));
        assert_eq!(BACKOFF.wait(3, 0), Duration::ZERO);
        assert!(BACKOFF.wait_at_least(1, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
    }
}
