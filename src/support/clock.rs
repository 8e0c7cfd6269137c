//! Time behind a trait, so that tests can hold it still.

use std::fmt;

use jiff::Zoned;

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment in the user's time zone.
    fn now(&self) -> Zoned;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Zoned {
        Zoned::now()
    }
}

/// A clock that stands still.
#[derive(Debug, Clone)]
pub struct FixedClock(pub Zoned);

impl Clock for FixedClock {
    fn now(&self) -> Zoned {
        self.0.clone()
    }
}

/// A moment as records and listings write it: RFC 3339, whole seconds, numeric offset.
pub fn rfc3339(moment: &Zoned) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Reads what [`rfc3339`] writes.
pub fn parse_rfc3339(text: &str) -> Option<Zoned> {
    let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(moment.to_zoned(jiff::tz::TimeZone::fixed(offset)))
}

/// A short relative time for people: `now`, `5 s`, `3 m`, `2 h`, then the date.
pub fn ago(then: &Zoned, now: &Zoned) -> String {
    let seconds = now.timestamp().as_second() - then.timestamp().as_second();
    match seconds {
        ..=0 => "now".to_owned(),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} m", seconds / 60),
        3600..=86_399 => format!("{} h", seconds / 3600),
        _ => then.strftime("%Y-%m-%d").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_relative_until_a_day() {
        let now: Zoned = "2026-11-22T12:00:00+01:00[+01:00]".parse().expect("time");
        let at = |text: &str| ago(&text.parse().expect("time"), &now);
        assert_eq!(at("2026-11-22T12:00:05+01:00[+01:00]"), "now");
        assert_eq!(at("2026-11-22T11:59:18+01:00[+01:00]"), "42 s");
        assert_eq!(at("2026-11-22T11:58:00+01:00[+01:00]"), "2 m");
        assert_eq!(at("2026-11-22T09:58:00+01:00[+01:00]"), "2 h");
        assert_eq!(at("2026-11-20T09:58:00+01:00[+01:00]"), "2026-11-20");
        assert_eq!(rfc3339(&now), "2026-11-22T12:00:00+01:00");
        assert_eq!(parse_rfc3339(&rfc3339(&now)).map(|back| back.timestamp()), Some(now.timestamp()));
        assert!(parse_rfc3339("yesterday").is_none());
    }
}
