//! Finding words in the conversation, and marking them.

use ratatui::text::{Line, Span};

use crate::tui::effect::UiEffect;
use crate::tui::pane::scroll::{self, Anchor};
use crate::tui::theme::Theme;

use super::{ChatState, Position};

impl ChatState {
    /// Goes to the next cell (or the one before) that contains what is searched.
    pub(super) fn find(&mut self, forward: bool, from_here: bool) -> Vec<UiEffect> {
        let Some(query) = self.search.as_ref().map(|search| search.query.to_lowercase()) else { return Vec::new() };
        if query.is_empty() || self.cells.is_empty() {
            return Vec::new();
        }
        let count = self.cells.len();
        let start = self.selected.unwrap_or(count - 1).min(count - 1);
        let steps = if from_here { 0..count } else { 1..count + 1 };
        for step in steps {
            let item = if forward { (start + step) % count } else { (start + count - step % count) % count };
            if self.cells[item].plain().to_lowercase().contains(&query) {
                self.selected = Some(item);
                self.reveal_match(item, &query);
                return Vec::new();
            }
        }
        vec![UiEffect::Notice(format!("{query:?} is not in the conversation"))]
    }

    pub(super) fn reveal_match(&mut self, item: usize, query: &str) {
        let (width, theme, gap) = (self.text_width(), self.theme, usize::from(self.gap(item)));
        if self.cells[item].folds() {
            self.cells[item].open = true;
            self.cells[item].touch();
        }
        let lines = self.cells[item].lines(width, theme);
        let row = lines.iter().position(|line| line_text(line).to_lowercase().contains(query)).unwrap_or(0);
        let third = self.text_height() / 3;
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
