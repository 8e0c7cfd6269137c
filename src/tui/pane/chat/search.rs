//! Finding words in the conversation, and marking them.

use ratatui::text::{Line, Span};

use crate::tui::effect::UiEffect;
use crate::tui::pane::scroll::{self, Anchor};
use crate::tui::theme::Theme;

use super::{ChatState, Position};

impl ChatState {
    /// Goes to the next row (or the one before) that contains what is searched.
    pub(super) fn find(&mut self, forward: bool, from_here: bool) -> Vec<UiEffect> {
        let Some(search) = &self.search else { return Vec::new() };
        let (query, found) = (search.query.to_lowercase(), search.at);
        if query.is_empty() || self.cells.is_empty() {
            return Vec::new();
        }
        let count = self.cells.len();
        let start = self.selected.unwrap_or(count - 1).min(count - 1);
        // Where the search stands, unless the selection has moved on since.
        let here = found.filter(|(cell, _)| *cell == start && !from_here).map(|(_, row)| row);
        let first = usize::from(!from_here && here.is_none());
        for step in first..=count {
            let item = if forward { (start + step) % count } else { (start + count - step % count) % count };
            let rows = self.rows_with(item, &query);
            let past = here.filter(|_| step == 0);
            let row = if forward {
                rows.into_iter().find(|row| past.is_none_or(|past| *row > past))
            } else {
                rows.into_iter().rev().find(|row| past.is_none_or(|past| *row < past))
            };
            if let Some(row) = row {
                self.selected = Some(item);
                if let Some(search) = &mut self.search {
                    search.at = Some((item, row));
                }
                self.reveal_match(item, row);
                return Vec::new();
            }
        }
        vec![UiEffect::Notice(format!("{query:?} is not in the conversation"))]
    }

    /// Rows of a cell that contain `query`. A folded one is unfolded for that.
    fn rows_with(&mut self, item: usize, query: &str) -> Vec<usize> {
        if !self.cells[item].plain().to_lowercase().contains(query) {
            return Vec::new();
        }
        if self.cells[item].folds() && !self.cells[item].open {
            self.cells[item].open = true;
            self.cells[item].touch();
        }
        let (room, theme) = (self.text_room(), self.theme);
        let lines = self.cells[item].lines(room, theme).iter().enumerate();
        let rows: Vec<usize> =
            lines.filter(|(_, line)| line_text(line).to_lowercase().contains(query)).map(|(row, _)| row).collect();
        // What a wrap has torn apart is somewhere in the cell.
        if rows.is_empty() { vec![0] } else { rows }
    }

    fn reveal_match(&mut self, item: usize, row: usize) {
        let third = self.text_height() / 3;
        let gap = usize::from(self.gap(item));
        let at = scroll::up(Anchor { item, row: row + gap }, third, |item| self.rows(item));
        let limit = self.limit();
        self.position = if at >= limit { Position::Follow } else { Position::At(at) };
    }
}

fn line_text(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}

/// The line with every place that contains `query` (in lower case) marked.
pub fn highlight(line: &Line<'static>, query: &str, theme: Theme) -> Line<'static> {
    let text = line_text(line);
    let lower = text.to_lowercase();
    // Lower case may have another length; then places cannot be told.
    if lower.len() != text.len() || !lower.contains(query) {
        return line.clone();
    }
    let mut found = vec![false; text.len()];
    for (at, _) in lower.match_indices(query) {
        found[at..at + query.len()].fill(true);
    }
    let mut spans = Vec::new();
    let mut at = 0;
    for span in &line.spans {
        let mut piece = String::new();
        let mut marked = false;
        for c in span.content.chars() {
            if found[at] != marked && !piece.is_empty() {
                let style = if marked { span.style.patch(theme.found()) } else { span.style };
                spans.push(Span::styled(std::mem::take(&mut piece), style));
            }
            marked = found[at];
            piece.push(c);
            at += c.len_utf8();
        }
        let style = if marked { span.style.patch(theme.found()) } else { span.style };
        spans.push(Span::styled(piece, style));
    }
    Line { spans, ..line.clone() }
}
