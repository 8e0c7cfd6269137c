//! Some lines of a text, and facts about all of it. Memory does not grow with the text or its lines.

use std::borrow::Cow;
use std::io::{self, BufRead};

use crate::support::truncate;
use crate::tools::tool::{ToolError, ToolOutput};
use crate::workspace::ConfinedPath;

/// Characters of one line.
const MAX_LINE: usize = 1_000;
/// Characters of one line that are counted.
const MAX_COUNTED: usize = 10_000_000;
/// Characters that are shown at once: a hundred lines of a thousand characters and their numbers, always. Nothing is
/// cut out of the middle; what does not fit begins the next call.
const MAX_WINDOW: usize = 120_000;

/// A text whose lines can all be shown whole: what is longer goes on in the next line, broken at a blank where there is
/// one. For texts that lie in no file, of which nothing else could show the rest.
pub(super) fn wrapped(text: &str) -> Cow<'_, str> {
    let long = |line: &str| line.len() > MAX_LINE && truncate::prefix(line, MAX_LINE).len() < line.len();
    if !text.lines().any(long) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / MAX_LINE);
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while long(rest.trim_end_matches('\n')) {
            let most = truncate::prefix(rest, MAX_LINE);
            // The blank stays at the end of its line. A line that begins with one long word is broken in the word.
            let end = most.rfind(' ').map(|at| at + 1).filter(|end| *end > most.len() / 2).unwrap_or(most.len());
            out.push_str(&rest[..end]);
            out.push('\n');
            rest = &rest[end..];
        }
        out.push_str(rest);
    }
    Cow::Owned(out)
}

/// The lines that are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The number of the first, from 1.
    pub(super) offset: u64,
    /// How many.
    pub(super) limit: u64,
}

/// Some lines of a text.
#[derive(Debug, Default)]
pub(super) struct Window {
    text: String,
    /// Characters of it.
    chars: usize,
    /// Whether a line did not fit any more.
    full: bool,
    /// The last line that is in the window; 0 when none is.
    last: u64,
    /// Lines that were read.
    lines: u64,
    /// Whether there are no more.
    whole: bool,
    crlf: bool,
    lf: bool,
    /// Whether something was no UTF-8.
    replaced: bool,
}

impl Window {
    /// Reads the lines, and all that follows when they are to be counted.
    pub(super) fn read(from: &mut impl BufRead, asked: Asked, count: bool) -> io::Result<Self> {
        let mut window = Self::default();
        while window.lines + 1 < asked.offset && from.skip_until(b'\n')? > 0 {
            window.lines += 1;
        }
        let end = asked.offset.saturating_add(asked.limit);
        while window.lines + 1 >= asked.offset && window.lines + 1 < end && !window.full {
            let Some(line) = Line::read(from)? else { break };
            window.take(line);
        }
        while count && from.skip_until(b'\n')? > 0 {
            window.lines += 1;
        }
        window.whole = from.fill_buf()?.is_empty();
        Ok(window)
    }

    /// Whether there is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    fn take(&mut self, line: Line) {
        self.lines += 1;
        let crlf = line.ends_with_cr;
        let (ends, replaced, text) = (line.ends, line.replaced(), line.shown());
        let text = format!("{:>6}\t{text}\n", self.lines);
        self.chars += text.chars().count();
        if self.chars > MAX_WINDOW {
            self.full = true;
            return;
        }
        self.crlf |= crlf;
        self.lf |= ends && !crlf;
        self.replaced |= replaced;
        self.last = self.lines;
        self.text.push_str(&text);
    }

    /// As the model sees it. `bytes` is the size of the whole.
    pub(super) fn shown(mut self, path: &ConfinedPath, asked: Asked, bytes: u64) -> Result<ToolOutput, ToolError> {
        let Asked { offset, .. } = asked;
        if self.last == 0 {
            return Err(ToolError::ForModel(format!(
                "offset {offset} is beyond the end of {}, which has {} lines",
                path.shown(),
                self.lines
            )));
        }
        let mut notes = Vec::new();
        if self.last < self.lines || !self.whole {
            let of = if self.whole {
                self.lines.to_string()
            } else {
                format!("a file of {}, which was not read to its end", truncate::bytes(bytes))
            };
            notes.push(format!("lines {offset} to {} of {of}; continue with offset {}", self.last, self.last + 1));
        }
        match (self.crlf, self.lf) {
            (true, true) => notes.push("line ends are mixed (CRLF and LF), and each is kept by edits".to_owned()),
            (true, false) => notes.push("line ends are CRLF and are kept by edits".to_owned()),
            _ => {}
        }
        if self.replaced {
            notes.push("bytes that are not valid UTF-8 are shown as U+FFFD".to_owned());
        }
        // The last line end is not part of the form.
        self.text.pop();
        let mut output = ToolOutput { bounded: true, ..ToolOutput::text(self.text) };
        if !notes.is_empty() {
            output.footer = format!("[{}]", notes.join("; "));
        }
        Ok(output)
    }
}

/// The beginning of a line, and how much of it is missing.
#[derive(Debug, Default)]
struct Line {
    kept: Vec<u8>,
    /// Characters that were not kept.
    more: usize,
    ends_with_cr: bool,
    /// Whether it ends in a line feed.
    ends: bool,
}

impl Line {
    /// The next line; `None` at the end.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = Self::default();
        let mut any = false;
        loop {
            let piece = from.fill_buf()?;
            if piece.is_empty() {
                line.ends_with_cr = false;
                return Ok(any.then_some(line));
            }
            any = true;
            if line.more > MAX_COUNTED {
                // Counted no further: only its end is looked for.
                from.skip_until(b'\n')?;
                return Ok(Some(line));
            }
            let stop = piece.iter().position(|byte| *byte == b'\n');
            line.push(&piece[..stop.unwrap_or(piece.len())]);
            let used = stop.map_or(piece.len(), |at| at + 1);
            from.consume(used);
            if stop.is_some() {
                line.ends = true;
                return Ok(Some(line));
            }
        }
    }

    fn push(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.ends_with_cr = *last == b'\r';
        }
        // A character has at most four bytes.
        let room = (4 * (MAX_LINE + 1)).saturating_sub(self.kept.len()).min(part.len());
        self.kept.extend_from_slice(&part[..room]);
        // Continuation bytes begin no character.
        self.more += part[room..].iter().filter(|byte| *byte & 0xc0 != 0x80).count();
    }

    /// Whether something in it is no UTF-8; what was cut off is not counted.
    fn replaced(&self) -> bool {
        std::str::from_utf8(&self.kept).is_err_and(|error| error.error_len().is_some() || self.more == 0)
    }

    fn shown(self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let text = if self.ends_with_cr { text.trim_end_matches('\r') } else { &text };
        let chars = text.chars().count();
        if chars + self.more <= MAX_LINE {
            return text.to_owned();
        }
        let over = if self.more > MAX_COUNTED { "more than " } else { "" };
        let missing = if over.is_empty() { chars + self.more - MAX_LINE } else { MAX_COUNTED };
        let kept = truncate::prefix(text, MAX_LINE);
        format!("{kept} [... {over}{missing} more characters in this line]")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};

    use super::*;

    #[test]
    fn a_line_without_end_is_not_counted_to_its_end() {
        let mut text =
            BufReader::new("long ".as_bytes().chain(std::io::repeat(b'x').take(50_000_000)).chain(&b"\nnext\n"[..]));
        let line = Line::read(&mut text).expect("line").expect("one");
        let shown = line.shown();
        assert!(shown.starts_with("long xxx") && shown.contains("[... more than 10000000 more characters"), "{shown}");
        assert_eq!(Line::read(&mut text).expect("line").expect("another").shown(), "next");
        let mut text = BufReader::new(std::io::repeat(b'x').take(1_500));
        assert!(Line::read(&mut text).expect("line").expect("one").shown().contains("[... 500 more characters"));
    }

    #[test]
    fn a_long_line_goes_on_in_the_next_and_nothing_of_it_is_lost() {
        assert!(matches!(wrapped("short\nlines\n"), Cow::Borrowed(_)));
        for long in ["word ".repeat(600) + "LASTWORD", "ä".repeat(2_500), format!("| {} |", "cell | ".repeat(400))] {
            let text = format!("# head\n\n{long}\nnext\n");
            let shown = wrapped(&text);
            assert!(shown.lines().all(|line| line.chars().count() <= MAX_LINE), "{shown}");
            assert!(shown.lines().all(|line| !line.starts_with("ord")) && shown.ends_with("\nnext\n"));
            assert_eq!(shown.replace('\n', ""), text.replace('\n', ""));
        }
    }
}
