//! The popup of files while something is typed after `@`.

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;

use crate::support::truncate;
use crate::tui::complete::{Answer, Row, Walked};

use super::DrawContext;

/// Rows that are shown at once.
const SHOWN: usize = 8;

/// The popup's state.
#[derive(Debug, Default)]
pub struct Completion {
    /// What was asked last, and its number.
    asked: Option<(String, u64)>,
    number: u64,
    rows: Vec<Row>,
    /// The number of the question that the rows answer.
    answers: u64,
    chosen: usize,
    walked: Option<Arc<Walked>>,
    /// It was closed; another `@` opens it again.
    closed: bool,
}

impl Completion {
    /// What is typed after the `@` now. A number, if that is to be asked.
    pub fn typed(&mut self, text: Option<String>) -> Option<(u64, String)> {
        let Some(text) = text else {
            *self = Self { number: self.number, ..Self::default() };
            return None;
        };
        if self.closed || self.asked.as_ref().is_some_and(|(asked, _)| *asked == text) {
            return None;
        }
        self.number += 1;
        self.asked = Some((text.clone(), self.number));
        Some((self.number, text))
    }

    /// An earlier walk, for the next question.
    pub fn walked(&self) -> Option<Arc<Walked>> {
        self.walked.clone()
    }

    /// Takes an answer, if it is the one that is waited for.
    pub fn answered(&mut self, answer: Answer) {
        if self.asked.as_ref().is_some_and(|(_, number)| *number == answer.number) {
            self.answers = answer.number;
            self.rows = answer.rows;
            self.walked = answer.walked;
            self.chosen = 0;
        }
    }

    /// Whether there is something to choose.
    pub fn is_open(&self) -> bool {
        !self.closed && !self.rows.is_empty()
    }

    /// Whether the names for what is typed are still being looked for.
    pub fn is_waiting(&self) -> bool {
        self.asked.as_ref().is_some_and(|(_, number)| *number != self.answers)
    }

    /// Closes it until something else is typed after an `@`.
    pub fn close(&mut self) {
        self.closed = true;
        self.rows.clear();
    }

    /// Moves the choice.
    pub fn step(&mut self, down: bool) {
        let last = self.rows.len().saturating_sub(1);
        self.chosen = if down { (self.chosen + 1).min(last) } else { self.chosen.saturating_sub(1) };
    }

    /// What is chosen; nothing while the rows answer what was typed before.
    pub fn chosen(&self) -> Option<&Row> {
        let fresh = self.asked.as_ref().is_some_and(|(_, number)| *number == self.answers);
        self.rows.get(self.chosen).filter(|_| fresh)
    }

    /// Draws it at the bottom of the area above the composer.
    pub fn draw(&self, above: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let height = (self.rows.len().min(SHOWN) as u16).min(above.height);
        if height == 0 || self.closed {
            return;
        }
        let area = Rect { y: above.bottom() - height, height, ..above };
        frame.render_widget(Clear, area);
        let from = (self.chosen + 1).saturating_sub(usize::from(height));
        let visible = self.rows.iter().enumerate().skip(from).take(usize::from(height));
        for (y, (at, row)) in (area.y..area.bottom()).zip(visible) {
            let width = usize::from(area.width).saturating_sub(1);
            let words = truncate::tail_cells(&row.shown, width, cx.theme.glyphs().ellipsis);
            let style = if at == self.chosen { cx.theme.selected() } else { cx.theme.dim() };
            let padded = format!(" {words}");
            frame.render_widget(Line::styled(padded, style), Rect { y, height: 1, ..area });
        }
    }
}
