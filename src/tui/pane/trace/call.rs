//! One tool call as the trace keeps it: bounded, clean.

use std::collections::VecDeque;
use std::path::PathBuf;

use ratatui::text::Span;
use serde_json::Value;

use super::summary::{argument_summary, short_tool_name, summary_beside_counts};
use crate::protocol::{CallId, ToolStatus};
use crate::support::sanitize;
use crate::tui::text::diff;
use crate::tui::text::stream::CleanStream;
use crate::tui::theme::Theme;

/// Live output kept for one call; what is older is dropped, it is whole in the spill file.
const TAIL_BYTES: usize = 64 * 1024;

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// The time is not known for calls of an earlier process.
    Ended(ToolStatus, Option<u64>),
}

/// A tool call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// Number of the turn, counted from the first event.
    pub(super) turn: usize,
    full_tool: String,
    /// Short name, clean.
    pub(super) tool: String,
    pub(super) summary: String,
    pub(super) arguments: Value,
    pub(super) started_ms: u64,
    pub(super) state: State,
    pub(super) tail: Tail,
    /// What the model was given, clean.
    pub(super) output: String,
    pub(super) exit_code: Option<i64>,
    pub(super) spill: Option<PathBuf>,
    /// Unified difference, clean, and its counts.
    pub(super) diff: Option<(String, u64, u64)>,
    /// What the user chose; running calls show their output unless folded, ended ones do not unless unfolded.
    pub(super) unfolded: Option<bool>,
}

impl Call {
    pub(super) fn new(id: CallId, turn: usize, tool: &str, arguments: Value, started_ms: u64) -> Self {
        Self {
            id,
            turn,
            full_tool: tool.to_owned(),
            tool: sanitize::line(short_tool_name(tool)),
            summary: argument_summary(tool, &arguments),
            arguments,
            started_ms,
            state: State::Running,
            tail: Tail::default(),
            output: String::new(),
            exit_code: None,
            spill: None,
            diff: None,
            unfolded: None,
        }
    }

    pub(super) fn end(&mut self, status: ToolStatus, duration_ms: Option<u64>, output: &str) {
        self.state = State::Ended(status, duration_ms);
        self.output = sanitize::text(output);
        self.exit_code = exit_code(&self.output).filter(|code| *code != 0);
        // From here on the output says it all.
        self.tail = Tail::default();
    }

    pub(super) fn detail(&mut self, spill: Option<&PathBuf>, patch: Option<&String>) {
        if let Some(spill) = spill {
            self.spill = Some(spill.clone());
        }
        if let Some(patch) = patch {
            let patch = sanitize::text(patch);
            self.summary = summary_beside_counts(&self.full_tool, &self.arguments);
            let (added, removed) = diff::counts(&patch);
            self.diff = Some((patch, added, removed));
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn failed(&self) -> bool {
        matches!(self.state, State::Ended(ToolStatus::Error | ToolStatus::Timeout, _))
    }

    pub(super) fn elapsed_ms(&self, now_ms: u64) -> Option<u64> {
        match self.state {
            State::Running => Some(now_ms.saturating_sub(self.started_ms)),
            State::Ended(_, duration) => duration,
        }
    }

    pub(super) fn is_unfolded(&self) -> bool {
        self.unfolded.unwrap_or(self.is_running())
    }

    /// The glyph in front of its row.
    pub(super) fn glyph(&self, theme: Theme, now_ms: u64) -> Span<'static> {
        let glyphs = theme.glyphs();
        match self.state {
            State::Running => Span::styled(super::super::spinner(theme, now_ms), theme.agent()),
            State::Ended(ToolStatus::Ok, _) => Span::styled(glyphs.done, theme.ok()),
            State::Ended(ToolStatus::Error | ToolStatus::Timeout, _) => Span::styled(glyphs.failed, theme.error()),
            State::Ended(ToolStatus::Cancelled, _) => Span::styled(glyphs.cancelled, theme.dim()),
        }
    }

    /// What stands at the right of its row: how it failed, else how long it took.
    pub(super) fn outcome(&self, theme: Theme, now_ms: u64) -> Vec<Span<'static>> {
        let (text, style) = match (self.state, self.exit_code) {
            (State::Ended(ToolStatus::Timeout, _), _) => ("timed out".to_owned(), theme.error()),
            (State::Ended(ToolStatus::Cancelled, _), _) => ("cancelled".to_owned(), theme.dim()),
            (State::Ended(_, _), Some(code)) => (format!("exit {code}"), theme.error()),
            (State::Ended(ToolStatus::Error, None), _) => ("failed".to_owned(), theme.error()),
            _ => match self.elapsed_ms(now_ms) {
                Some(elapsed) => (duration(elapsed), theme.dim()),
                None => return Vec::new(),
            },
        };
        vec![Span::styled(text, style)]
    }

    /// `+3 −1` of an edit.
    pub(super) fn counts(&self, theme: Theme) -> Vec<Span<'static>> {
        let Some((_, added, removed)) = &self.diff else { return Vec::new() };
        let glyphs = theme.glyphs();
        let mut spans = Vec::new();
        if *added > 0 {
            spans.push(Span::styled(format!("  {}{added}", glyphs.added), theme.added()));
        }
        if *removed > 0 {
            let gap = if spans.is_empty() { "  " } else { " " };
            spans.push(Span::styled(format!("{gap}{}{removed}", glyphs.removed), theme.removed()));
        }
        spans
    }
}

/// A time for people: `12 ms`, `3.1 s`, `42 s`, `2 m 5 s`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{} s", ms / 1_000),
        _ => format!("{} m {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// The exit code that a shell's output tells in its first or last lines, such as `Exit code: 1`.
fn exit_code(output: &str) -> Option<i64> {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    lines().rev().take(3).chain(lines().take(2)).find_map(|line| {
        let line = line.trim_start_matches(['[', '(']).to_ascii_lowercase();
        let rest = ["exit code", "exited with code", "exit status"].iter().find_map(|words| {
            line.starts_with(words).then(|| line[words.len()..].trim_start_matches([':', ' ', '=']).to_owned())
        })?;
        let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        digits.parse().ok()
    })
}

/// The end of a call's live output, by lines.
#[derive(Debug, Default)]
pub(super) struct Tail {
    clean: CleanStream,
    lines: VecDeque<String>,
    bytes: usize,
    /// Whether the last line has no end yet.
    open: bool,
    /// Whether the start has been dropped.
    pub(super) cut: bool,
}

impl Tail {
    /// More output. A lone carriage return begins the line anew, as on a terminal, so that progress bars take one line.
    pub(super) fn push(&mut self, chunk: &str) {
        // One huge chunk: only its end can be kept.
        let mut from = chunk.len().saturating_sub(TAIL_BYTES);
        while !chunk.is_char_boundary(from) {
            from += 1;
        }
        self.cut |= from > 0;
        let text = self.clean.push(&chunk[from..]);
        for part in text.split_inclusive('\n') {
            let (body, ends) = part.strip_suffix('\n').map_or((part, false), |body| (body, true));
            if !self.open {
                self.add(String::new());
            }
            if !body.is_empty() {
                self.extend(body);
            }
            self.open = !ends;
        }
        while self.bytes > TAIL_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(line.len() + 1);
            self.cut = true;
        }
    }

    fn extend(&mut self, part: &str) {
        // The sanitizer writes a carriage return as its picture.
        let rewritten = part.rfind('\u{240d}');
        let Some(line) = self.lines.back_mut() else { return };
        self.bytes = self.bytes.saturating_sub(line.len());
        match rewritten {
            Some(at) if part.len() > at + '\u{240d}'.len_utf8() => {
                part[at + '\u{240d}'.len_utf8()..].clone_into(line);
            }
            // The return came last: what follows will replace the line.
            Some(at) => {
                let kept = part[..at].rsplit('\u{240d}').next().unwrap_or_default();
                if !kept.is_empty() {
                    kept.clone_into(line);
                }
                line.push('\u{240d}');
            }
            None if line.ends_with('\u{240d}') => part.clone_into(line),
            None => line.push_str(part),
        }
        // A line without end counts as the tail does.
        if line.len() > TAIL_BYTES {
            let mut from = line.len() - TAIL_BYTES / 2;
            while !line.is_char_boundary(from) {
                from += 1;
            }
            line.drain(..from);
            self.cut = true;
        }
        self.bytes += line.len();
    }

    fn add(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        let from = self.lines.len().saturating_sub(count);
        self.lines.iter().skip(from).map(|line| line.trim_end_matches('\u{240d}'))
    }

    /// All that is kept.
    pub(super) fn text(&self) -> String {
        self.last(usize::MAX).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(chunks: &[&str]) -> Vec<String> {
        let mut tail = Tail::default();
        for chunk in chunks {
            tail.push(chunk);
        }
        tail.last(usize::MAX).map(str::to_owned).collect()
    }

    #[test]
    fn output_comes_in_lines_however_it_is_cut() {
        assert_eq!(tail(&["one\ntw", "o\n\nthr", "ee"]), ["one", "two", "", "three"]);
        assert_eq!(tail(&["one\n"]), ["one"]);
        assert_eq!(tail(&["one", "\n", "two"]), ["one", "two"]);
        assert_eq!(tail(&["a\r\nb\r", "\nc"]), ["a", "b", "c"]);
    }

    #[test]
    fn a_progress_line_takes_one_line() {
        assert_eq!(tail(&["10%\r", "50%\r100%", "\ndone"]), ["100%", "done"]);
        assert_eq!(tail(&["10%\r20%\r", "\x1b[K30%"]), ["30%"]);
    }

    #[test]
    fn live_output_is_bounded() {
        let mut tail = Tail::default();
        for n in 0..20_000 {
            tail.push(&format!("line {n} of very many\n"));
        }
        assert!(tail.bytes <= TAIL_BYTES && tail.text().len() <= TAIL_BYTES, "{}", tail.bytes);
        assert_eq!(tail.last(1).collect::<Vec<_>>(), ["line 19999 of very many"]);
        assert!(tail.cut);
        let mut endless = Tail::default();
        for _ in 0..100 {
            endless.push(&"x".repeat(10_000));
        }
        endless.push(&"日".repeat(100_000));
        assert!(endless.text().len() <= TAIL_BYTES + 3, "{}", endless.text().len());
    }

    #[test]
    fn exit_codes_are_read_where_a_shell_tells_them() {
        assert_eq!(exit_code("a\nb\nExit code: 2"), Some(2));
        assert_eq!(exit_code("exit code 127\nno such command"), Some(127));
        assert_eq!(exit_code("[exited with code -9]"), Some(-9));
        assert_eq!(exit_code("the exit code is 3 in prose"), None);
        assert_eq!(exit_code(""), None);
    }

    #[test]
    fn times_have_units() {
        let shown: Vec<String> = [0, 999, 1_000, 3_149, 59_999, 125_000].map(duration).to_vec();
        assert_eq!(shown, ["0 ms", "999 ms", "1.0 s", "3.1 s", "59 s", "2 m 5 s"]);
    }
}
