//! One line of text that is being typed: searches, names, filters.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::support::sanitize;

use super::DrawContext;

/// What a key did to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineOutcome {
    /// The text or the caret changed.
    Changed,
    /// Enter.
    Submit,
    /// Esc or Ctrl+C.
    Cancel,
    /// Nothing.
    Ignored,
}

/// The text and its caret.
#[derive(Debug, Clone, Default)]
pub struct LineInput {
    text: String,
    /// Byte index, always on a grapheme boundary.
    caret: usize,
}

impl LineInput {
    /// A line that begins with `initial`, caret at its end.
    pub fn new(initial: &str) -> Self {
        let text = sanitize::line(initial);
        Self { caret: text.len(), text }
    }

    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts text at the caret; line breaks become spaces.
    pub fn insert(&mut self, text: &str) {
        let clean = sanitize::line(text);
        self.text.insert_str(self.caret, &clean);
        self.caret += clean.len();
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> LineOutcome {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Enter => return LineOutcome::Submit,
            KeyCode::Esc => return LineOutcome::Cancel,
            KeyCode::Char('c') if ctrl => return LineOutcome::Cancel,
            KeyCode::Char('a') if ctrl => self.caret = 0,
            KeyCode::Char('e') if ctrl => self.caret = self.text.len(),
            KeyCode::Char('u') if ctrl => {
                self.text.drain(..self.caret);
                self.caret = 0;
            }
            KeyCode::Char('k') if ctrl => self.text.truncate(self.caret),
            KeyCode::Char('w') if ctrl => {
                let head = self.text[..self.caret].trim_end();
                let start = head
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8));
                self.text.drain(start..self.caret);
                self.caret = start;
            }
            KeyCode::Char(c) if !ctrl && !alt => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => {
                let start = self.before();
                self.text.drain(start..self.caret);
                self.caret = start;
            }
            KeyCode::Delete => {
                let end = self.after();
                self.text.drain(self.caret..end);
            }
            KeyCode::Left => self.caret = self.before(),
            KeyCode::Right => self.caret = self.after(),
            KeyCode::Home => self.caret = 0,
            KeyCode::End => self.caret = self.text.len(),
            _ => return LineOutcome::Ignored,
        }
        LineOutcome::Changed
    }

    fn before(&self) -> usize {
        self.text[..self.caret].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.caret..].graphemes(true).next().map_or(self.caret, |g| self.caret + g.len())
    }

    /// Draws the label and the line into the first row of `area` and puts the terminal's cursor at the caret. A text
    /// that is too long shows the part around the caret.
    pub fn draw(&self, label: &str, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if area.width == 0 || area.height == 0 {
            return;
        }
        let row = Rect { height: 1, ..area };
        // At least a third of the row belongs to the text.
        let label = crate::support::truncate::cells(label, usize::from(row.width) * 2 / 3, "");
        let room = usize::from(row.width).saturating_sub(label.width() + 1);
        // Drop graphemes from the left until the caret fits.
        let mut start = 0;
        let mut before = self.text[..self.caret].width();
        for grapheme in self.text[..self.caret].graphemes(true) {
            if before <= room {
                break;
            }
            before -= grapheme.width();
            start += grapheme.len();
        }
        let x = row.x + (label.width() + before).min(usize::from(row.width - 1)) as u16;
        let line = Line::from(vec![Span::styled(label, cx.theme.hint()), Span::raw(self.text[start..].to_owned())]);
        frame.render_widget(line, row);
        frame.set_cursor_position(Position { x, y: row.y });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut LineInput, code: KeyCode) -> LineOutcome {
        line.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn editing_moves_by_whole_graphemes() {
        let mut line = LineInput::new("a日👩‍👩‍👧");
        assert_eq!(press(&mut line, KeyCode::Backspace), LineOutcome::Changed);
        assert_eq!(line.text(), "a日");
        press(&mut line, KeyCode::Left);
        press(&mut line, KeyCode::Char('x'));
        assert_eq!(line.text(), "ax日");
        press(&mut line, KeyCode::Delete);
        assert_eq!(line.text(), "ax");
        line.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(line.text(), "");
        assert_eq!(press(&mut line, KeyCode::Enter), LineOutcome::Submit);
        assert_eq!(press(&mut line, KeyCode::Esc), LineOutcome::Cancel);
    }

    #[test]
    fn pasted_line_breaks_become_spaces() {
        let mut line = LineInput::new("");
        line.insert("one\ntwo\x1b[31m");
        assert_eq!(line.text(), "one two");
    }
}
