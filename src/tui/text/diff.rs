//! Differences of files as lines of a terminal.
//!
//! Takes the unified form. From [`SIDE_BY_SIDE`] cells on, old and new stand beside each other. A removed line always
//! has its minus and an added one its plus, so nothing is said by colour alone; the words that changed within a line
//! are underlined.
//!
//! ```text
//! 12   <body>                          12 <body>              │ 12 <body>
//! 13 − <h1>CV</h1>                     13 − <h1>CV</h1>        │ 13 + <h1>Ada</h1>
//! 13 + <h1>Ada</h1>
//! ```

use std::time::{Duration, Instant};

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use similar::{ChangeTag, TextDiff};

use super::code::TAB;
use super::wrap::{Break, Indent, expand_tabs, spans_width, wrap_spans};
use crate::tui::theme::Theme;

/// Width from which old and new stand side by side.
pub const SIDE_BY_SIDE: u16 = 130;
/// Rows of a difference that are drawn; the rest is counted.
const MOST_ROWS: usize = 5_000;
/// Line numbers are left out on narrower screens.
const NUMBERS_FROM: usize = 50;
/// Runs of changed lines beyond this many are not searched for changed words.
const WORDS_UP_TO: usize = 60;
/// Neither are longer texts.
const WORDS_BYTES: usize = 16 * 1024;

/// A text in which some words are marked.
type Words = Vec<(bool, String)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    /// A file's name.
    File(String),
    /// Where a hunk begins.
    Hunk(String),
    Both {
        old: usize,
        new: usize,
        text: String,
    },
    Removed {
        old: usize,
        text: Words,
    },
    Added {
        new: usize,
        text: Words,
    },
    /// Anything else, such as "no newline at end of file".
    Note(String),
}

/// Numbers of added and removed lines.
pub fn counts(patch: &str) -> (u64, u64) {
    let (mut added, mut removed) = (0, 0);
    for row in parse(patch) {
        match row {
            Row::Added { .. } => added += 1,
            Row::Removed { .. } => removed += 1,
            _ => {}
        }
    }
    (added, removed)
}

/// Lines for a unified difference, whose text is clean.
pub fn lines(patch: &str, width: u16, theme: Theme) -> Vec<Line<'static>> {
    let mut rows = parse(patch);
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    mark_words(&mut rows);
    let most = rows
        .iter()
        .map(|row| match row {
            Row::Both { old, new, .. } => (*old).max(*new),
            Row::Removed { old: line, .. } | Row::Added { new: line, .. } => *line,
            _ => 0,
        })
        .max()
        .unwrap_or(0);
    let digits = if usize::from(width) >= NUMBERS_FROM { most.max(1).to_string().len() } else { 0 };
    let painter = Painter { width: usize::from(width), digits, theme };
    let mut out = if width >= SIDE_BY_SIDE { painter.side_by_side(&rows) } else { painter.unified(&rows) };
    if left_out > 0 {
        out.push(Line::from(Span::styled(format!("{left_out} more lines"), theme.dim())));
    }
    out
}

fn parse(patch: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    // Line numbers, and lines of the hunk that are still to come on each side: within a hunk `--- x` is a removed line.
    let (mut old, mut new) = (0usize, 0usize);
    let (mut old_left, mut new_left) = (0usize, 0usize);
    for line in patch.lines() {
        let plain = |text: &str| expand_tabs(text, TAB, 0).into_owned();
        let inside = old_left > 0 || new_left > 0;
        if let Some(rest) = line.strip_prefix("@@ ").filter(|_| !inside) {
            if let Some(((old_start, old_count), (new_start, new_count))) = hunk(rest) {
                (old, new, old_left, new_left) = (old_start, new_start, old_count, new_count);
            }
            rows.push(Row::Hunk(plain(line)));
        } else if let Some(text) = line.strip_prefix('+').filter(|_| inside) {
            rows.push(Row::Added { new, text: vec![(false, plain(text))] });
            new += 1;
            new_left = new_left.saturating_sub(1);
        } else if let Some(text) = line.strip_prefix('-').filter(|_| inside) {
            rows.push(Row::Removed { old, text: vec![(false, plain(text))] });
            old += 1;
            old_left = old_left.saturating_sub(1);
        } else if let Some(text) = line.strip_prefix(' ').or(line.is_empty().then_some("")).filter(|_| inside) {
            rows.push(Row::Both { old, new, text: plain(text) });
            old += 1;
            new += 1;
            old_left = old_left.saturating_sub(1);
            new_left = new_left.saturating_sub(1);
        } else if let Some(name) = line.strip_prefix("+++ ") {
            let name = name.split('\t').next().unwrap_or(name);
            let name = name.strip_prefix("b/").unwrap_or(name);
            match rows.last_mut() {
                // One row for both names; the new one tells more unless the file is gone.
                Some(Row::File(old_name)) if name == "/dev/null" => old_name.push_str(" (removed)"),
                Some(Row::File(old_name)) if old_name == "/dev/null" => *old_name = format!("{} (new)", plain(name)),
                Some(Row::File(old_name)) => *old_name = plain(name),
                _ => rows.push(Row::File(plain(name))),
            }
        } else if let Some(name) = line.strip_prefix("--- ") {
            let name = name.split('\t').next().unwrap_or(name);
            rows.push(Row::File(plain(name.strip_prefix("a/").unwrap_or(name))));
        } else if line.starts_with("diff --git") {
            // Where a hunk was cut short, its lines do not come any more.
            (old_left, new_left) = (0, 0);
        } else if !is_git_header(line) {
            rows.push(Row::Note(plain(line.trim_start_matches("\\ "))));
        }
    }
    rows
}

/// Lines between two files that repeat what `---` and `+++` say.
fn is_git_header(line: &str) -> bool {
    line.is_empty() || line.starts_with("index ")
}

/// Start and length on both sides: `-12,3 +12,4 @@`.
fn hunk(text: &str) -> Option<((usize, usize), (usize, usize))> {
    let side = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let mut parts = text.split(' ');
    Some((side(parts.next()?.strip_prefix('-')?)?, side(parts.next()?.strip_prefix('+')?)?))
}

/// Finds the words that changed where a run of removed lines is followed by a run of added ones.
fn mark_words(rows: &mut [Row]) {
    let mut at = 0;
    while at < rows.len() {
        let removed = rows[at..].iter().take_while(|row| matches!(row, Row::Removed { .. })).count();
        let added = rows[at + removed..].iter().take_while(|row| matches!(row, Row::Added { .. })).count();
        if removed > 0 && added > 0 {
            let (old, new) = rows[at..at + removed + added].split_at_mut(removed);
            mark_run(old, new);
        }
        at += (removed + added).max(1);
    }
}

fn mark_run(old: &mut [Row], new: &mut [Row]) {
    let text_of = |rows: &[Row]| {
        let mut text = String::new();
        for row in rows {
            if let Row::Removed { text: words, .. } | Row::Added { text: words, .. } = row {
                text.extend(words.iter().map(|(_, word)| word.as_str()));
                text.push('\n');
            }
        }
        text
    };
    let (before, after) = (text_of(old), text_of(new));
    if old.len() + new.len() > WORDS_UP_TO || before.len() + after.len() > WORDS_BYTES {
        return;
    }
    // Words are a help, not the difference itself: a run that takes too long is left unmarked.
    let deadline = Instant::now() + Duration::from_millis(20);
    let diff = TextDiff::configure().deadline(deadline).diff_lines(before.as_str(), after.as_str());
    let (mut old_at, mut new_at) = (old.iter_mut(), new.iter_mut());
    for op in diff.ops() {
        for change in diff.iter_inline_changes_deadline(op, Some(deadline)) {
            let words: Words = change
                .iter_strings_lossy()
                .map(|(changed, text)| (changed, text.trim_end_matches('\n').to_owned()))
                .filter(|(_, text)| !text.is_empty())
                .collect();
            // A line that changed as a whole needs no mark on every word.
            let partly = words.iter().any(|(changed, text)| !changed && !text.trim().is_empty());
            let set = |row: Option<&mut Row>| {
                if let (Some(Row::Removed { text, .. } | Row::Added { text, .. }), true) = (row, partly) {
                    text.clone_from(&words);
                }
            };
            match change.tag() {
                ChangeTag::Delete => set(old_at.next()),
                ChangeTag::Insert => set(new_at.next()),
                ChangeTag::Equal => {
                    old_at.next();
                    new_at.next();
                }
            }
        }
    }
}

struct Painter {
    width: usize,
    digits: usize,
    theme: Theme,
}

impl Painter {
    fn unified(&self, rows: &[Row]) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        for row in rows {
            match row {
                Row::Both { new, text, .. } => self.text(*new, " ", &[(false, text.clone())], self.width, &mut out),
                Row::Removed { old, text } => self.text(*old, "-", text, self.width, &mut out),
                Row::Added { new, text } => self.text(*new, "+", text, self.width, &mut out),
                other => self.heading(other, &mut out),
            }
        }
        out
    }

    fn side_by_side(&self, rows: &[Row]) -> Vec<Line<'static>> {
        let left_width = self.width.saturating_sub(3) / 2;
        let right_width = self.width.saturating_sub(3) - left_width;
        let mut out = Vec::new();
        let mut at = 0;
        while at < rows.len() {
            if let Row::Both { old, new, text } = &rows[at] {
                let words = [(false, text.clone())];
                let (mut left, mut right) = (Vec::new(), Vec::new());
                self.text(*old, " ", &words, left_width, &mut left);
                self.text(*new, " ", &words, right_width, &mut right);
                self.join(left, right, left_width, &mut out);
                at += 1;
                continue;
            }
            let removed = rows[at..].iter().take_while(|row| matches!(row, Row::Removed { .. })).count();
            let added = rows[at + removed..].iter().take_while(|row| matches!(row, Row::Added { .. })).count();
            if removed + added == 0 {
                self.heading(&rows[at], &mut out);
                at += 1;
                continue;
            }
            for index in 0..removed.max(added) {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                if let Some(Row::Removed { old, text }) = rows.get(at + index).filter(|_| index < removed) {
                    self.text(*old, "-", text, left_width, &mut left);
                }
                if let Some(Row::Added { new, text }) = rows.get(at + removed + index).filter(|_| index < added) {
                    self.text(*new, "+", text, right_width, &mut right);
                }
                self.join(left, right, left_width, &mut out);
            }
            at += removed + added;
        }
        out
    }

    /// Puts two columns side by side.
    fn join(&self, left: Vec<Line<'static>>, right: Vec<Line<'static>>, width: usize, out: &mut Vec<Line<'static>>) {
        let height = left.len().max(right.len());
        let (mut left, mut right) = (left.into_iter(), right.into_iter());
        for _ in 0..height {
            let mut spans = left.next().map(|line| line.spans).unwrap_or_default();
            let gap = width.saturating_sub(spans_width(&spans));
            spans.push(Span::raw(" ".repeat(gap)));
            spans.push(Span::styled(format!(" {} ", self.theme.glyphs().vertical), self.theme.dim()));
            spans.extend(right.next().map(|line| line.spans).unwrap_or_default());
            out.push(Line::from(spans));
        }
    }

    /// One line of a file.
    fn text(&self, number: usize, sign: &str, words: &[(bool, String)], width: usize, out: &mut Vec<Line<'static>>) {
        let (glyph, style) = match sign {
            "-" => (self.theme.glyphs().removed, self.theme.removed()),
            "+" => (self.theme.glyphs().added, self.theme.added()),
            _ => (" ", self.theme.text()),
        };
        let mut indent = Indent::default();
        if self.digits > 0 {
            let digits = self.digits;
            indent.first.push(Span::styled(format!("{number:>digits$} "), self.theme.dim()));
            indent.rest.push(Span::raw(" ".repeat(digits + 1)));
        }
        indent.first.push(Span::styled(format!("{glyph} "), style));
        indent.rest.push(Span::raw("  "));
        let spans: Vec<Span<'_>> =
            words.iter().map(|(changed, text)| Span::styled(text.as_str(), word_style(style, *changed))).collect();
        wrap_spans(&spans, width, &indent, Break::Cells, out);
    }

    fn heading(&self, row: &Row, out: &mut Vec<Line<'static>>) {
        let (text, style) = match row {
            Row::File(name) => (name, self.theme.heading()),
            Row::Hunk(text) | Row::Note(text) => (text, self.theme.dim()),
            _ => return,
        };
        if matches!(row, Row::File(_)) && !out.is_empty() {
            out.push(Line::default());
        }
        wrap_spans(&[Span::styled(text.as_str(), style)], self.width, &Indent::default(), Break::Cells, out);
    }
}

fn word_style(style: Style, changed: bool) -> Style {
    if changed { style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD) } else { style }
}

#[cfg(test)]
mod tests;
