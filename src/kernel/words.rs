//! Words that belong to no cell: the last of a process, and what is written between two cells.

use super::Output;
use crate::support::truncate;

/// Bytes of the last words of a process that are kept.
const WORDS: usize = 16 << 10;
/// Bytes that are kept of what is written while no cell runs.
const BETWEEN: usize = 8 << 10;

/// The last that a process itself wrote.
#[derive(Debug, Default)]
pub(super) struct LastWords(String);

impl LastWords {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.push_str(&String::from_utf8_lossy(bytes));
        truncate::keep_end(&mut self.0, WORDS);
    }

    /// The place of its crash, in the thread that crashed: the others are the kernel's own. All of it where there is
    /// none.
    pub(super) fn crash(&self) -> String {
        let Some(from) = self.0.find("Fatal Python error") else { return self.0.trim().to_owned() };
        let words = &self.0[from..];
        let words = words.find("\nExtension modules:").map_or(words, |end| &words[..end]);
        let Some(at) = words.find("\nCurrent thread") else { return words.trim().to_owned() };
        let (first, place) = (words.lines().next().unwrap_or_default(), &words[at..]);
        let place = place.find("\nThread 0x").map_or(place, |end| &place[..end]);
        format!("{first}\n{}", place.trim())
    }
}

/// What was written while no cell ran.
#[derive(Debug, Default)]
pub(super) struct Between {
    text: String,
    left_out: usize,
}

impl Between {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.left_out += truncate::keep_end(&mut self.text, BETWEEN);
    }

    /// As the first that the next cell gives.
    pub(super) fn take(&mut self) -> Option<Output> {
        let Self { text, left_out } = std::mem::take(self);
        (!text.is_empty()).then_some(Output::Between { text, left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_crash_is_that_of_the_thread_that_crashed() {
        let mut words = LastWords::default();
        words.push(b"noise\nFatal Python error: Segmentation fault\n\nThread 0x01 (most recent call first):\n  File bridge\n\n");
        words.push(b"Current thread 0x02 (most recent call first):\n  File \"a\", line 3 in crash\n\n");
        words.push(b"Thread 0x03 (most recent call first):\n  File control\n\nExtension modules: zmq (total: 9)\n");
        assert_eq!(
            words.crash(),
            "Fatal Python error: Segmentation fault\nCurrent thread 0x02 (most recent call first):\n  \
             File \"a\", line 3 in crash"
        );
        let mut plain = LastWords::default();
        plain.push(b" no module named zmq\n");
        assert_eq!(plain.crash(), "no module named zmq");
    }

    #[test]
    fn of_what_is_written_between_cells_the_end_is_kept() {
        let mut between = Between::default();
        assert!(between.take().is_none());
        for _ in 0..10 {
            between.push(&"x".repeat(BETWEEN / 4));
        }
        between.push("last\n");
        let Some(Output::Between { text, left_out }) = between.take() else { panic!("nothing is kept") };
        assert!(text.len() <= BETWEEN && text.ends_with("last\n"), "{}", text.len());
        assert_eq!(text.len() + left_out, 10 * (BETWEEN / 4) + 5);
        assert!(between.take().is_none());
    }
}
