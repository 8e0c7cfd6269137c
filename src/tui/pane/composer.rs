//! The composer: several lines, a history, pastes kept whole.
//!
//! A large paste stands in the text as one token, `[pasted 214 lines]`, and is put in its place when the message is
//! sent. A pasted line break never sends anything. The terminal's real cursor stands at the caret, so that input
//! methods open their window there.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::Widget as _;
use tui_textarea::{CursorMove, TextArea, WrapMode};
use unicode_width::UnicodeWidthStr as _;

use crate::support::sanitize;

use super::DrawContext;

mod search;

use search::HistorySearch;

/// Pastes of more lines or bytes than this become a token.
const PASTE_LINES: usize = 10;
const PASTE_BYTES: usize = 1_500;
/// Messages that the history keeps in memory.
const REMEMBERED: usize = 1_000;
/// Two presses within this time are one gesture.
pub const DOUBLE_PRESS: Duration = Duration::from_secs(2);

/// The composer's state.
#[derive(Debug)]
pub struct Composer {
    area: TextArea<'static>,
    pastes: Vec<(String, String)>,
    history: Vec<String>,
    /// Which entry is shown, with what was being written before.
    recalled: Option<(usize, String)>,
    search: Option<HistorySearch>,
    /// What was being written when a command took its place, with its pastes.
    aside: Option<(String, Vec<(String, String)>)>,
    /// Rows for a width, for the text as it was.
    measured: Option<(u16, usize)>,
}

impl Composer {
    /// An empty composer.
    pub fn new() -> Self {
        let mut composer = Self {
            area: TextArea::default(),
            pastes: Vec::new(),
            history: Vec::new(),
            recalled: None,
            search: None,
            aside: None,
            measured: None,
        };
        composer.set_text("");
        composer
    }

    /// Messages of earlier sessions, oldest first.
    pub fn load_history(&mut self, mut entries: Vec<String>) {
        entries.append(&mut self.history);
        self.history = entries;
        let surplus = self.history.len().saturating_sub(REMEMBERED);
        self.history.drain(..surplus);
    }

    /// What is written, tokens as they stand.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// What is written, tokens replaced by what they stand for.
    pub fn expanded(&self) -> String {
        let mut text = self.text();
        for (token, paste) in &self.pastes {
            text = text.replacen(token, paste, 1);
        }
        text
    }

    /// Replaces everything, caret at the end.
    pub fn set_text(&mut self, text: &str) {
        let clean = clean(text);
        let mut area = TextArea::new(clean.split('\n').map(str::to_owned).collect());
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_cursor_line_style(Style::new());
        // The terminal's own cursor is used.
        area.set_cursor_style(Style::new());
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        self.area = area;
        self.measured = None;
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.set_text("");
        self.pastes.clear();
        self.recalled = None;
    }

    /// Empties it; Up brings the text back.
    pub fn put_away(&mut self) {
        let text = self.expanded();
        self.remember(&text);
        self.clear();
    }

    /// Keeps a draft while a command is written in its place.
    pub fn lay_aside(&mut self) {
        let text = self.text();
        if !text.trim().is_empty() && !text.starts_with('/') {
            self.aside = Some((text, std::mem::take(&mut self.pastes)));
        }
        self.clear();
    }

    /// Puts the draft back, if nothing else is written.
    pub fn take_up(&mut self) {
        if self.is_empty()
            && let Some((text, pastes)) = self.aside.take()
        {
            self.set_text(&text);
            self.pastes = pastes;
        }
    }

    /// Takes what is written as a message: remembers it and empties the composer.
    pub fn take(&mut self) -> String {
        let text = self.expanded();
        self.clear();
        self.remember(&text);
        text
    }

    fn remember(&mut self, text: &str) {
        if !text.trim().is_empty() && self.history.last().is_none_or(|last| last != text) {
            self.history.push(text.to_owned());
            if self.history.len() > REMEMBERED {
                self.history.remove(0);
            }
        }
    }

    /// Puts pasted text in, as one piece; what stands in the composer for it.
    pub fn paste(&mut self, text: &str) -> String {
        if let Some(search) = &mut self.search {
            search.input.insert(text);
            search.chosen = 0;
            return String::new();
        }
        let text = clean(text);
        let lines = text.lines().count();
        if lines > PASTE_LINES || text.len() > PASTE_BYTES {
            let what =
                if lines > 1 { format!("{lines} lines") } else { format!("{} characters", text.chars().count()) };
            let mut token = format!("[pasted {what}]");
            let mut number = 1;
            while self.pastes.iter().any(|(other, _)| *other == token) || self.text().contains(&token) {
                number += 1;
                token = format!("[pasted {what}, {number}]");
            }
            self.area.insert_str(&token);
            self.pastes.push((token.clone(), text));
            self.measured = None;
            return token;
        }
        self.area.insert_str(&text);
        self.measured = None;
        text
    }

    /// Takes text back that stands just before the caret; false where something else does.
    pub fn take_back(&mut self, text: &str) -> bool {
        let cursor = self.area.cursor();
        let lines = self.area.lines();
        let mut before = lines.iter().take(cursor.0).cloned().collect::<Vec<_>>();
        before.push(lines.get(cursor.0).map(|line| line.chars().take(cursor.1).collect()).unwrap_or_default());
        if text.is_empty() || !before.join("\n").ends_with(text) {
            return false;
        }
        self.pastes.retain(|(token, _)| token != text);
        for _ in text.chars() {
            self.area.delete_char();
        }
        self.measured = None;
        true
    }

    /// What stands between an `@` and the caret, if that begins a word.
    pub fn token(&self) -> Option<String> {
        let cursor = self.area.cursor();
        let line = self.area.lines().get(cursor.0)?;
        let before: Vec<char> = line.chars().take(cursor.1).collect();
        let at = before.iter().rposition(|c| *c == '@')?;
        let begins = at.checked_sub(1).is_none_or(|at| before[at].is_whitespace() || "([{\"'`".contains(before[at]));
        let token = &before[at + 1..];
        // A blank after a backslash belongs to the name.
        let ends = |at: usize| token[at].is_whitespace() && at.checked_sub(1).is_none_or(|at| token[at] != '\\');
        (begins && !(0..token.len()).any(ends)).then(|| token.iter().collect())
    }

    /// Puts something in the place of the `@` and what follows it up to the caret.
    pub fn replace_token(&mut self, text: &str) {
        let Some(token) = self.token() else { return };
        for _ in 0..=token.chars().count() {
            self.area.delete_char();
        }
        self.area.insert_str(sanitize::line(text).as_str());
        self.measured = None;
    }

    /// Writes the word before the caret in another way.
    pub fn name_word(&mut self, how: impl Fn(&str) -> String) {
        let (row, column) = {
            let cursor = self.area.cursor();
            (cursor.0, cursor.1)
        };
        let before: Vec<char> =
            self.area.lines().get(row).into_iter().flat_map(|line| line.chars().take(column)).collect();
        let start = before.iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1);
        let word: String = before[start..].iter().collect();
        for _ in start..before.len() {
            self.area.delete_char();
        }
        self.area.insert_str(how(&word));
        self.measured = None;
    }

    /// Puts a text in at the caret, with a blank before it where a word stands.
    pub fn insert(&mut self, text: &str) {
        let cursor = self.area.cursor();
        let before = self.area.lines().get(cursor.0).and_then(|line| line.chars().take(cursor.1).last());
        if before.is_some_and(|c| !c.is_whitespace()) {
            self.area.insert_str(" ");
        }
        self.area.insert_str(clean(text));
        self.measured = None;
    }

    /// Starts a new line.
    pub fn newline(&mut self) {
        self.area.insert_newline();
        self.measured = None;
    }

    /// Takes a key that writes or moves.
    pub fn key(&mut self, key: KeyEvent) {
        self.measured = None;
        if key.code == KeyCode::Backspace && key.modifiers.is_empty() && self.delete_token() {
            return;
        }
        // Keys that tui-textarea gives a meaning which ours are not told of in the help.
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let foreign = match key.code {
            KeyCode::Enter | KeyCode::Tab | KeyCode::BackTab => true,
            KeyCode::Char('c' | 'm' | 'x' | 'v' | 'r' | 'j') if ctrl => true,
            // As in a shell; the widget has other meanings for them. Terminals send Ctrl+_ under several names.
            KeyCode::Char('u') if ctrl => {
                self.area.delete_line_by_head();
                true
            }
            KeyCode::Char('_' | '/' | '7') if ctrl => {
                self.area.undo();
                true
            }
            _ => false,
        };
        if !foreign {
            self.area.input(key);
        }
    }

    /// Removes the token before the caret, whole.
    fn delete_token(&mut self) -> bool {
        let cursor = self.area.cursor();
        let (row, col) = (cursor.0, cursor.1);
        let Some(line) = self.area.lines().get(row) else { return false };
        let before: String = line.chars().take(col).collect();
        let Some(at) = self.pastes.iter().position(|(token, _)| before.ends_with(token.as_str())) else { return false };
        let (token, _) = self.pastes.remove(at);
        for _ in 0..token.chars().count() {
            self.area.delete_char();
        }
        true
    }

    /// Moves up; on the first row shows the message before. The latter is said by `true`.
    pub fn up(&mut self) -> bool {
        self.measured = None;
        if self.area.screen_cursor().row > 0 {
            self.area.move_cursor(CursorMove::Up);
            return false;
        }
        let next = match &self.recalled {
            Some((0, _)) => return false,
            Some((at, _)) => at - 1,
            None if self.history.is_empty() => return false,
            None => self.history.len() - 1,
        };
        let draft = self.recalled.take().map_or_else(|| self.text(), |(_, draft)| draft);
        self.recall(next, draft);
        true
    }

    /// Moves down; on the last row shows the message after.
    pub fn down(&mut self) {
        self.measured = None;
        let before = self.area.screen_cursor().row;
        self.area.move_cursor(CursorMove::Down);
        if self.area.screen_cursor().row != before {
            return;
        }
        if let Some((at, draft)) = self.recalled.take() {
            if at + 1 < self.history.len() {
                self.recall(at + 1, draft);
            } else {
                self.set_text(&draft);
            }
        }
    }

    fn recall(&mut self, at: usize, draft: String) {
        if let Some(text) = self.history.get(at).cloned() {
            self.set_text(&text);
            self.recalled = Some((at, draft));
        }
    }

    /// Rows that it would like to have at this width.
    pub fn rows(&mut self, width: u16) -> u16 {
        let inner = width.saturating_sub(3).max(1);
        let rows = match self.measured {
            Some((measured, rows)) if measured == inner => rows,
            _ => {
                // The widget learns how it wraps when it is drawn, and tells it by the caret's place.
                let mut probe = self.area.clone();
                let area = Rect { x: 0, y: 0, width: inner, height: 1 };
                (&probe).render(area, &mut Buffer::empty(area));
                probe.move_cursor(CursorMove::Bottom);
                probe.move_cursor(CursorMove::End);
                let rows = probe.screen_cursor().row + 1;
                self.measured = Some((inner, rows));
                rows
            }
        };
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    /// Brings the whole text into view where it fits into this many rows: the widget itself never scrolls back.
    pub fn fit(&mut self, height: u16) {
        let rows = self.measured.map_or(0, |(_, rows)| rows);
        if self.area.scroll_offset().0 == 0 || rows > usize::from(height) {
            return;
        }
        let cursor = self.area.cursor();
        self.area.move_cursor(CursorMove::Top);
        let place = Rect { x: 0, y: 0, width: self.measured.map_or(1, |(width, _)| width), height: 1 };
        (&self.area).render(place, &mut Buffer::empty(place));
        let index = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(index(cursor.0), index(cursor.1)));
    }

    /// Draws prompt and text; with the focus, puts the terminal's cursor at the caret.
    pub fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if area.is_empty() {
            return;
        }
        let prompt = Span::styled(cx.theme.glyphs().prompt, if cx.focused { cx.theme.agent() } else { cx.theme.dim() });
        frame.render_widget(prompt, Rect { x: area.x + u16::from(area.width > 2), width: 1, height: 1, ..area });
        let indent = if area.width > 6 { 3 } else { 0 };
        let inner = Rect { x: area.x + indent, width: area.width - indent, ..area };
        frame.render_widget(&self.area, inner);
        if cx.focused && self.search.is_none() {
            frame.set_cursor_position(self.caret(inner));
        }
    }

    fn caret(&self, inner: Rect) -> Position {
        let screen = self.area.screen_cursor();
        let (top, _) = self.area.scroll_offset();
        let row = (screen.row as u16).saturating_sub(top).min(inner.height.saturating_sub(1));
        // Counted by graphemes, as they are drawn; the widget itself counts characters.
        let cursor = self.area.cursor();
        let start = self.area.screen_to_data(screen.row, 0);
        let before: String = match self.area.lines().get(cursor.0) {
            Some(line) if start.0 == cursor.0 && start.1 <= cursor.1 => {
                line.chars().skip(start.1).take(cursor.1 - start.1).collect()
            }
            _ => String::new(),
        };
        let col = if before.contains('\t') { screen.col } else { before.width() } as u16;
        Position { x: inner.x + col.min(inner.width.saturating_sub(1)), y: inner.y + row }
    }
}

impl Default for Composer {
    fn default() -> Self {
        Self::new()
    }
}

/// Terminals paste line breaks as carriage returns.
fn clean(text: &str) -> String {
    sanitize::text(&text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests;
