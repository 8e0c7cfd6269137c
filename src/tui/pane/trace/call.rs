//! One tool call as the trace keeps it: bounded, clean.

use std::path::PathBuf;

use ratatui::text::Span;
use serde_json::Value;

use super::summary::{argument_summary, short_tool_name, summary_beside_counts};
use crate::protocol::{CallId, SiteRequest, ToolStatus};
use crate::support::sanitize;
use crate::tui::text::diff;
use crate::tui::text::output::{Output, OutputLine};
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

/// Requests to websites that are listed.
const MOST_REQUESTS: usize = 200;
/// Hosts of one call that are listed.
const MOST_HOSTS: usize = 200;

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
    /// The end of the live output.
    pub(super) tail: Output,
    /// Whether it waits for somebody to type.
    pub(super) waiting: bool,
    /// Whether its terminal hides what is typed.
    pub(super) hidden: bool,
    /// Hosts that its programs asked for, and what came of it; clean.
    pub(super) hosts: Vec<String>,
    /// Requests to the websites of the session, where the call deployed one: how many, and the latest; clean.
    pub(super) requests: (u64, Vec<String>),
    /// What the model was given.
    pub(super) output: Output,
    pub(super) exit_code: Option<i64>,
    pub(super) spill: Option<PathBuf>,
    /// Unified difference, clean, and its counts.
    pub(super) diff: Option<(String, u64, u64)>,
    /// Pictures that it made or looked at, as paths under the mount.
    pub(super) pictures: Vec<String>,
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
            tail: Output::new(TAIL_BYTES),
            waiting: false,
            hidden: false,
            hosts: Vec::new(),
            requests: (0, Vec::new()),
            output: Output::new(usize::MAX),
            exit_code: None,
            spill: None,
            diff: None,
            pictures: Vec::new(),
            unfolded: None,
        }
    }

    pub(super) fn end(&mut self, status: ToolStatus, duration_ms: Option<u64>, output: &str) {
        self.state = State::Ended(status, duration_ms);
        self.waiting = false;
        self.output = Output::whole(output);
        self.output.coloured_as(&self.tail);
        self.exit_code = exit_code(self.output.lines().map(OutputLine::text)).filter(|code| *code != 0);
        // From here on the output says it all.
        self.tail = Output::new(TAIL_BYTES);
    }

    /// Words in which a path of the session may stand, the likeliest first.
    pub(super) fn paths(&self) -> String {
        let named = ["file_path", "path"].iter().find_map(|name| self.arguments.get(*name)?.as_str());
        let named = match named {
            // Relative to the mount, which every spelling of it stands for.
            Some(path) if !path.starts_with('/') => format!("/mnt/okcomputer/{path}"),
            Some(path) => path.to_owned(),
            None => String::new(),
        };
        let output: Vec<&str> = self.shown().lines().map(OutputLine::text).collect();
        format!("{named}\n{}\n{}", self.arguments, output.join("\n"))
    }

    /// Whether it has put a website on show.
    pub(super) fn is_deployment(&self) -> bool {
        self.full_tool == "mshtools-deploy_website"
    }

    /// Whether this website is one that it has put on show, as far as its output tells.
    pub(super) fn has_shown(&self, site: &str) -> bool {
        self.is_deployment() && self.output.lines().any(|line| line.text().contains(&format!("/{site}-")))
    }

    /// A website of the session was asked for.
    pub(super) fn was_asked(&mut self, request: &SiteRequest) {
        let SiteRequest { site, method, path, status } = request;
        let site = site.as_deref().unwrap_or("no site");
        self.requests.0 += 1;
        self.list_request(&format!("{status} {method} {path} ({site})"));
    }

    /// So many requests more came, too many to be told.
    pub(super) fn was_asked_more(&mut self, more: u64) {
        self.requests.0 += more;
        self.list_request(&format!("... {more} more"));
    }

    fn list_request(&mut self, line: &str) {
        let lines = &mut self.requests.1;
        lines.push(sanitize::line(line));
        let over = lines.len().saturating_sub(MOST_REQUESTS);
        lines.drain(..over);
    }

    /// A program of the call asked for a host: a line of its own between those of the output.
    pub(super) fn asked_for(&mut self, host: &str, port: u16, allowed: bool, reason: Option<&str>) {
        let host = sanitize::line(host);
        let line = match (allowed, reason) {
            (true, _) => format!("{host}:{port}"),
            (false, None) => format!("{host}:{port} refused"),
            (false, Some(reason)) => format!("{host}:{port} refused: {}", sanitize::line(reason)),
        };
        self.tail.insert(&format!("-> {line}"));
        match self.hosts.len() {
            0..MOST_HOSTS => self.hosts.push(line),
            MOST_HOSTS => self.hosts.push("and more".to_owned()),
            _ => {}
        }
    }

    pub(super) fn detail(&mut self, spill: Option<&PathBuf>, patch: Option<&String>) {
        if let Some(spill) = spill {
            self.spill = Some(spill.clone());
        }
        if let Some(patch) = patch {
            let patch = sanitize::visible(patch);
            self.summary = summary_beside_counts(&self.full_tool, &self.arguments);
            let (added, removed) = diff::counts(&patch);
            self.diff = Some((patch, added, removed));
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether it runs and waits for somebody to type.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_running() && self.waiting
    }

    /// What there is of its output.
    pub(super) fn shown(&self) -> &Output {
        if self.is_running() { &self.tail } else { &self.output }
    }

    /// The last words of its output: the question, where it waits for an answer.
    pub(super) fn last_words(&self) -> Option<String> {
        let last = self.tail.lines().rev().map(|line| line.text().trim()).find(|text| !text.is_empty())?;
        Some(last.to_owned())
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
            State::Running if self.waiting => Span::styled(glyphs.waiting, theme.waiting()),
            State::Running => Span::styled(super::super::spinner(theme, now_ms), theme.agent()),
            State::Ended(ToolStatus::Ok, _) => Span::styled(glyphs.done, theme.ok()),
            State::Ended(ToolStatus::Error | ToolStatus::Timeout, _) => Span::styled(glyphs.failed, theme.error()),
            State::Ended(ToolStatus::Cancelled, _) => Span::styled(glyphs.cancelled, theme.dim()),
        }
    }

    /// What stands at the right of its row: how it failed, else how long it took.
    pub(super) fn outcome(&self, theme: Theme, now_ms: u64) -> Vec<Span<'static>> {
        let (text, style) = match (self.state, self.exit_code) {
            (State::Running, _) if self.waiting => ("waiting for input".to_owned(), theme.waiting()),
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
        if self.requests.0 > 0 {
            let words =
                if self.requests.0 == 1 { "1 request".to_owned() } else { format!("{} requests", self.requests.0) };
            return vec![Span::styled(format!("  {words}"), theme.hint())];
        }
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
fn exit_code<'a>(lines: impl DoubleEndedIterator<Item = &'a str> + Clone) -> Option<i64> {
    let first = lines.clone().map(str::trim).filter(|line| !line.is_empty()).take(2);
    let last = lines.map(str::trim).filter(|line| !line.is_empty()).rev().take(3);
    last.chain(first).find_map(|line| {
        let line = line.trim_start_matches(['[', '(']).to_ascii_lowercase();
        let rest = ["exit code", "exited with code", "exit status"].iter().find_map(|words| {
            line.starts_with(words).then(|| line[words.len()..].trim_start_matches([':', ' ', '=']).to_owned())
        })?;
        let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_read_where_a_shell_tells_them() {
        let exit_code = |output: &'static str| exit_code(output.lines());
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
