//! When to draw: keys at once, streamed text at most thirty times a second, and nothing while nothing changes.
//!
//! Pure: the loop tells the time. Wishes fold into one frame.

/// Shortest time between two frames that no key asked for.
pub const PACE_MS: u64 = 33;

/// How soon a change must be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// With the next frame of the clock.
    Paced,
    /// Now.
    AtOnce,
}

/// Collects wishes and tells when the next frame is due.
#[derive(Debug, Clone, Default)]
pub struct FrameClock {
    wish: Option<Urgency>,
    last: Option<u64>,
}

impl FrameClock {
    /// Something has changed.
    pub fn request(&mut self, urgency: Urgency) {
        self.wish = self.wish.max(Some(urgency));
    }

    /// Whether anything waits to be drawn.
    pub fn wants(&self) -> bool {
        self.wish.is_some()
    }

    /// When the next frame is due, in milliseconds; `None` while nothing has changed.
    pub fn due(&self, now_ms: u64) -> Option<u64> {
        match (self.wish?, self.last) {
            (Urgency::AtOnce, _) | (_, None) => Some(now_ms),
            (Urgency::Paced, Some(last)) => Some(now_ms.max(last + PACE_MS)),
        }
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now_ms: u64) {
        self.wish = None;
        self.last = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wishes_become_one_frame() {
        let mut clock = FrameClock::default();
        assert_eq!(clock.due(0), None);
        clock.request(Urgency::Paced);
        assert_eq!(clock.due(5), Some(5));
        clock.drawn(5);
        assert_eq!(clock.due(6), None);
        for _ in 0..100 {
            clock.request(Urgency::Paced);
        }
        assert_eq!(clock.due(6), Some(38));
        clock.drawn(38);
        assert!(!clock.wants());
    }

    #[test]
    fn a_key_does_not_wait() {
        let mut clock = FrameClock::default();
        clock.drawn(100);
        clock.request(Urgency::AtOnce);
        clock.request(Urgency::Paced);
        assert_eq!(clock.due(101), Some(101));
    }
}
