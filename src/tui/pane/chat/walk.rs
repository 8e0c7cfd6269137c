//! Moving through the conversation: by rows, by pages, by cells.

use ratatui::layout::Size;

use crate::tui::pane::cell::Body;
use crate::tui::pane::picture::rows_within;
use crate::tui::pane::scroll::{self, Anchor};

use super::{ChatState, Position};

impl ChatState {
    /// Scrolls by rows of the screen; negative is up.
    pub fn scroll(&mut self, by: isize) {
        let limit = self.limit();
        let from = match self.position {
            Position::Follow => limit,
            Position::At(at) => at.min(limit),
        };
        let distance = by.unsigned_abs();
        let to = if by < 0 {
            scroll::up(from, distance, |item| self.rows(item))
        } else {
            scroll::down(from, distance, limit, |item| self.rows(item))
        };
        self.position = if to >= limit { Position::Follow } else { Position::At(to) };
    }

    /// Scrolls by pages; one row of the old page stays.
    pub fn scroll_page(&mut self, up: bool) {
        let page = isize::try_from(self.text_height().saturating_sub(1).max(1)).unwrap_or(1);
        self.scroll(if up { -page } else { page });
    }

    pub(super) fn text_height(&self) -> usize {
        usize::from(self.size.height) - usize::from(self.search.is_some() && self.size.height > 0)
    }

    pub(super) fn limit(&mut self) -> Anchor {
        let height = self.text_height();
        let items = self.cells.len();
        scroll::end(height, items, |item| self.rows(item))
    }

    pub(super) fn text_width(&self) -> u16 {
        self.size.width.saturating_sub(2).max(1)
    }

    /// The columns of the text, and the rows that a picture in it may have.
    pub(super) fn text_room(&self) -> Size {
        Size { width: self.text_width(), height: rows_within(self.size.height) }
    }

    pub(super) fn gap(&self, item: usize) -> bool {
        let before = item.checked_sub(1).and_then(|before| self.cells.get(before));
        self.cells.get(item).is_some_and(|cell| cell.has_gap(before))
    }

    /// Rows of a cell, its gap included.
    pub(super) fn rows(&mut self, item: usize) -> usize {
        let (room, theme) = (self.text_room(), self.theme);
        let gap = usize::from(self.gap(item));
        self.cells.get_mut(item).map_or(0, |cell| cell.lines(room, theme).len()) + gap
    }

    /// Moves the selection by a cell, or the text by a row while the cell goes on beyond the screen.
    pub(super) fn walk(&mut self, down: bool) {
        let last = self.cells.len().saturating_sub(1);
        let Some(selected) = self.selected else {
            self.selected = Some(last);
            return;
        };
        let height = self.text_height();
        let (first_row, last_row) = (self.visible.first().map(|r| r.cell), self.visible.last().map(|r| r.cell));
        let cut = if down {
            last_row == Some(selected) && self.below && self.visible.len() >= height
        } else {
            first_row == Some(selected) && !self.at_top_of(selected)
        };
        if cut {
            self.scroll(if down { 1 } else { -1 });
            return;
        }
        let mut next = selected;
        loop {
            next = if down { (next + 1).min(last) } else { next.saturating_sub(1) };
            // Headings hold nothing to open or copy.
            if !matches!(self.cells[next].body, Body::Head { .. }) || next == 0 || next == last {
                break;
            }
        }
        self.selected = Some(next);
        self.reveal(next, down);
    }

    pub(super) fn at_top_of(&self, item: usize) -> bool {
        match self.position {
            Position::At(at) => at < (Anchor { item, row: 1 }),
            Position::Follow => self.visible.first().is_none_or(|row| row.cell != item || row.gap),
        }
    }

    pub(super) fn reveal(&mut self, item: usize, down: bool) {
        let height = self.text_height();
        let seen = self.visible.iter().any(|row| row.cell == item);
        let whole = seen && self.visible.last().is_none_or(|row| row.cell != item || !self.below);
        if whole && (down || self.visible.first().is_none_or(|row| row.cell != item)) {
            return;
        }
        let rows = self.rows(item);
        let at = if down && rows < height {
            scroll::up(Anchor { item: item + 1, row: 0 }, height, |item| self.rows(item))
        } else {
            Anchor { item, row: 0 }
        };
        let limit = self.limit();
        self.position = if at >= limit { Position::Follow } else { Position::At(at) };
    }

    pub(super) fn toggle(&mut self) {
        if let Some(cell) = self.selected.and_then(|at| self.cells.get_mut(at))
            && cell.folds()
        {
            cell.open = !cell.open;
            cell.touch();
            if let (Position::Follow, Some(item)) = (self.position, self.selected) {
                self.reveal(item, false);
            }
        }
    }
}
