//! Searching the messages that were sent before.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;

use crate::support::{sanitize, truncate};
use crate::tui::pane::DrawContext;
use crate::tui::pane::line_input::{LineInput, LineOutcome};

use super::Composer;

/// Matches that are shown.
const SHOWN_MATCHES: usize = 6;

/// What is searched and which match is chosen.
#[derive(Debug)]
pub(super) struct HistorySearch {
    pub(super) input: LineInput,
    pub(super) chosen: usize,
}

impl Composer {
    /// Begins a search of the history.
    pub fn search(&mut self) {
        self.search = Some(HistorySearch { input: LineInput::new(""), chosen: 0 });
    }

    /// Whether the history is being searched, so that keys go to [`Composer::search_key`].
    pub fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Takes a key of the search. `again` is the key that began it: it goes to an older match.
    pub fn search_key(&mut self, key: KeyEvent, again: bool) {
        let count = self.matches().len();
        let Some(search) = &mut self.search else { return };
        if again || key.code == KeyCode::Up {
            search.chosen = (search.chosen + 1).min(count.saturating_sub(1));
            return;
        }
        if key.code == KeyCode::Down {
            search.chosen = search.chosen.saturating_sub(1);
            return;
        }
        match search.input.key(key) {
            LineOutcome::Submit => {
                let chosen = search.chosen;
                let text = self.matches().get(chosen).map(|text| (*text).to_owned());
                self.search = None;
                if let Some(text) = text {
                    self.set_text(&text);
                }
            }
            LineOutcome::Cancel => self.search = None,
            LineOutcome::Changed => search.chosen = 0,
            LineOutcome::Ignored => {}
        }
    }

    /// The messages that contain what is searched, newest first.
    pub(super) fn matches(&self) -> Vec<&str> {
        let Some(search) = &self.search else { return Vec::new() };
        let query = search.input.text().to_lowercase();
        let mut found: Vec<&str> = Vec::new();
        for text in self.history.iter().rev() {
            if text.to_lowercase().contains(&query) && !found.contains(&text.as_str()) {
                found.push(text);
            }
        }
        found
    }

    /// Draws the history search over the rows that end just above the composer.
    pub fn draw_search(&self, above: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let Some(search) = &self.search else { return };
        let matches = self.matches();
        let height = (matches.len().min(SHOWN_MATCHES) as u16 + 1).min(above.height);
        if height == 0 {
            return;
        }
        let area = Rect { y: above.bottom() - height, height, ..above };
        frame.render_widget(Clear, area);
        let rows = usize::from(height - 1);
        let from = (search.chosen + 1).saturating_sub(rows);
        for (offset, text) in matches.iter().enumerate().skip(from).take(rows) {
            // The newest stands lowest, nearest to the line where it is searched.
            let y = area.bottom() - 2 - (offset - from) as u16;
            let chosen = offset == search.chosen;
            let style = if chosen { cx.theme.selected() } else { cx.theme.dim() };
            let words = truncate::cells(
                &sanitize::line(text),
                usize::from(area.width).saturating_sub(2),
                cx.theme.glyphs().ellipsis,
            );
            frame.render_widget(Line::styled(format!(" {words}"), style), Rect { y, height: 1, ..area });
        }
        let label = if matches.is_empty() { " no such message: " } else { " search: " };
        search.input.draw(label, Rect { y: area.bottom() - 1, height: 1, ..area }, cx, frame);
    }
}
