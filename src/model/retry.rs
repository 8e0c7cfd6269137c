//! How long to wait before a request is sent again.

use std::time::Duration;

use jiff::Timestamp;
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

/// The wait that the headers of an answer ask for: `retry-after-ms`, or `Retry-After` in seconds or as a date.
///
/// A date is read against the server's own `Date` where there is one, so that a wrong clock here does no harm.
pub(super) fn asked_wait(header: impl Fn(&str) -> Option<String>, now: Timestamp) -> Option<Duration> {
    if let Some(ms) = header("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let text = header("retry-after")?;
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = http_date(&text)?;
    let now = header("date").and_then(|text| http_date(&text)).unwrap_or(now);
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

/// A date of RFC 9110, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|moment| moment.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        let now = "2026-11-22T12:00:00Z".parse().expect("time");
        asked_wait(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()), now)
    }

    #[test]
    fn waits_double_up_to_the_limit_and_are_spread_over_all_of_it() {
        assert_eq!(BACKOFF.wait(1, u32::MAX), Duration::from_secs(1));
        assert_eq!(BACKOFF.wait(3, u32::MAX), Duration::from_secs(4));
        assert_eq!(BACKOFF.wait(20, u32::MAX), Duration::from_secs(30));
        assert_eq!(BACKOFF.wait(u32::MAX, u32::MAX), Duration::from_secs(30));
        assert_eq!(BACKOFF.wait(3, 0), Duration::ZERO);
        assert!(BACKOFF.wait_at_least(1, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
    }

    #[test]
    fn the_asked_wait_is_read_in_all_its_forms() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(asked(&[("retry-after-ms", "250"), ("retry-after", "2")]), Some(Duration::from_millis(250)));
        assert_eq!(asked(&[("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")]), Some(Duration::from_secs(30)));
        let skewed = [("retry-after", "Sun, 22 Nov 2026 13:00:30 GMT"), ("date", "Sun, 22 Nov 2026 13:00:00 GMT")];
        assert_eq!(asked(&skewed), Some(Duration::from_secs(30)));
        assert_eq!(asked(&[("retry-after", "Sun, 22 Nov 2020 12:00:30 GMT")]), Some(Duration::ZERO));
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        assert_eq!(asked(&[("retry-after", "-5")]), None);
        assert_eq!(asked(&[("retry-after", "inf")]), None);
    }
}
