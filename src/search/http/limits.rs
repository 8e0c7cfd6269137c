//! How long a provider that limits its users wants to be left alone.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::support::retry_after::asked_wait;

/// The longest wait that is believed. Larger numbers are points in time.
const LONGEST: u64 = 62 * 24 * 3600;

/// What the headers of an answer say about it.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    asked_wait(header, Timestamp::now()).or_else(|| {
        let numbers = |name: &str| header(name).map(|text| numbers(&text)).unwrap_or_default();
        let windows = |name: &str| numbers(&format!("x-ratelimit-{name}"));
        until_reset(&windows("reset"), &windows("remaining"), &windows("limit"))
    })
}

/// Limits hold for windows, such as a second and a month, each with its place in the three lists. The one that is used up
/// counts; a limit of nothing is none.
fn until_reset(reset: &[Option<u64>], remaining: &[Option<u64>], limit: &[Option<u64>]) -> Option<Duration> {
    let at = |list: &[Option<u64>], place: usize| list.get(place).copied().flatten();
    let used_up = |place: &usize| at(remaining, *place) == Some(0) && at(limit, *place) != Some(0);
    let longest = (0..reset.len()).filter(used_up).filter_map(|place| at(reset, place)).max();
    let seconds = longest.or_else(|| at(reset, 0))?;
    (seconds <= LONGEST).then(|| Duration::from_secs(seconds))
}

fn numbers(text: &str) -> Vec<Option<u64>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_that_is_used_up_says_how_long() {
        let until = |reset: &str, remaining: &str, limit: &str| {
            until_reset(&numbers(reset), &numbers(remaining), &numbers(limit)).map(|wait| wait.as_secs())
        };
        assert_eq!(until("1, 1419704", "0, 1000", "1, 15000"), Some(1));
        assert_eq!(until("1, 1419704", "1, 0", "1, 15000"), Some(1_419_704));
        assert_eq!(until("1, 1419704", "0, 0", "50, 0"), Some(1));
        assert_eq!(until("1, 1419704", "", ""), Some(1));
        assert_eq!(until("1700000000", "0", "60"), None, "a point in time");
        assert_eq!(until("", "", ""), None);
        assert_eq!(until("soon", "0", "1"), None);
    }
}
