//! The wait that an HTTP server asks for.

use std::time::Duration;

use jiff::Timestamp;

/// The wait that the headers of an answer ask for: `retry-after-ms`, or `Retry-After` in seconds or as a date.
///
/// A date is read against the server's own `Date` where there is one, so that a wrong clock here does no harm.
pub fn asked_wait(header: impl Fn(&str) -> Option<String>, now: Timestamp) -> Option<Duration> {
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

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        let now = "2026-11-22T12:00:00Z".parse().expect("time");
        asked_wait(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()), now)
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
