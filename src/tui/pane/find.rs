//! Searching in a pane: the line in which the words are typed, and the marks on what was found.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};
use crate::tui::text::wrap::width_of;
use crate::tui::theme::Theme;

/// What is searched for. The case of ASCII letters is ignored.
#[derive(Debug, Default)]
pub(crate) struct Find {
    input: Option<LineInput>,
    /// Lower-case; empty when nothing was searched for yet.
    pattern: String,
    /// What to say when nothing was found.
    pub(crate) note: Option<String>,
}

/// What a key meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FindOutcome {
    /// Look for the pattern.
    Look,
    /// Nothing to do.
    Nothing,
}

impl Find {
    /// Opens the line.
    pub(crate) fn open(&mut self) {
        self.note = None;
        self.input = Some(LineInput::new(""));
    }

    /// Whether keys are text.
    pub(crate) fn is_typing(&self) -> bool {
        self.input.is_some()
    }

    /// What is searched for, in lower case.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Takes a key of the line. Enter on an empty line looks for the last words again.
    pub(crate) fn key(&mut self, key: KeyEvent) -> FindOutcome {
        let Some(input) = &mut self.input else { return FindOutcome::Nothing };
        match input.key(key) {
            LineOutcome::Submit => {
                if !input.text().is_empty() {
                    self.pattern = input.text().to_ascii_lowercase();
                }
                self.input = None;
                if self.pattern.is_empty() { FindOutcome::Nothing } else { FindOutcome::Look }
            }
            LineOutcome::Cancel => {
                self.input = None;
                self.pattern.clear();
                FindOutcome::Nothing
            }
            _ => FindOutcome::Nothing,
        }
    }

    /// Takes pasted text.
    pub(crate) fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.input {
            input.insert(text);
        }
    }

    /// Says that nothing was found.
    pub(crate) fn not_found(&mut self) {
        self.note = Some(format!("{} does not occur", self.pattern));
    }

    /// The next of `count` things that match, after (or before) `from`, around the end; itself last.
    pub(crate) fn next(
        &mut self,
        from: usize,
        count: usize,
        back: bool,
        matches: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if self.pattern.is_empty() || count == 0 {
            return None;
        }
        self.note = None;
        let step =
            |distance: usize| if back { (from + count - distance % count) % count } else { (from + distance) % count };
        let found = (1..=count).map(step).find(|index| matches(*index));
        if found.is_none() {
            self.not_found();
        }
        found
    }

    /// Whether a row at the bottom is needed.
    pub(crate) fn wants_row(&self) -> bool {
        self.input.is_some() || self.note.is_some()
    }

    /// Draws the line, or what there is to say.
    pub(crate) fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if let Some(input) = &self.input {
            input.draw("/", area, cx, frame);
        } else if let Some(note) = &self.note {
            let line = Line::styled(note.as_str(), cx.theme.waiting());
            frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
        }
    }

    /// Marks the matches in a line that was drawn at `y`.
    pub(crate) fn mark(&self, text: &str, area: Rect, y: u16, theme: Theme, buffer: &mut Buffer) {
        if self.pattern.is_empty() || y >= area.bottom() {
            return;
        }
        let lower = text.to_ascii_lowercase();
        for (at, found) in lower.match_indices(&self.pattern) {
            let x = width_of(&text[..at]).min(usize::from(area.width)) as u16;
            let width = (width_of(found).min(usize::from(area.width))) as u16;
            let cells = Rect { x: area.x + x, y, width: width.min(area.width - x), height: 1 };
            buffer.set_style(cells, theme.found());
        }
    }
}
