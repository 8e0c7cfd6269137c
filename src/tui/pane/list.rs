//! A list with one selected row: the movement and the scrolling that all panes share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::support::truncate;
use crate::tui::action::Action;
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

/// Which row is selected and which is the first on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ListCursor {
    pub(crate) selected: usize,
    pub(crate) offset: usize,
    /// Rows of the area when it was last drawn.
    page: usize,
}

impl ListCursor {
    /// Moves the selection; `false` when the action is no movement.
    pub(crate) fn act(&mut self, action: Action, count: usize) -> bool {
        let last = count.saturating_sub(1);
        let page = self.page.max(2) - 1;
        self.selected = match action {
            Action::Up | Action::DialogUp => self.selected.saturating_sub(1),
            Action::Down | Action::DialogDown => self.selected.saturating_add(1),
            Action::PageUp | Action::DialogPageUp => self.selected.saturating_sub(page),
            Action::PageDown | Action::DialogPageDown => self.selected.saturating_add(page),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        }
        .min(last);
        true
    }

    /// Brings the selection onto the screen, for rows of these heights.
    pub(crate) fn show(&mut self, heights: impl Fn(usize) -> usize, count: usize, height: usize) {
        self.page = height;
        self.selected = self.selected.min(count.saturating_sub(1));
        self.offset = self.offset.min(self.selected);
        let total: usize = (self.offset..=self.selected).filter(|index| *index < count).map(&heights).sum();
        let mut below = total.saturating_sub(height);
        while below > 0 && self.offset < self.selected {
            below = below.saturating_sub(heights(self.offset));
            self.offset += 1;
        }
        // No empty rows at the end while there are rows above.
        let mut used: usize = (self.offset..count).map(&heights).take(height + 1).sum();
        while self.offset > 0 && used + heights(self.offset - 1) <= height {
            self.offset -= 1;
            used += heights(self.offset);
        }
    }
}

/// A text that is scrolled by lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scroll {
    pub(crate) top: usize,
    page: usize,
}

impl Scroll {
    /// Moves; `false` when the action is no movement. `Bottom` goes far beyond the end: [`Self::clamp`] mends it.
    pub(crate) fn act(&mut self, action: Action) -> bool {
        let page = self.page.max(2) - 1;
        self.top = match action {
            Action::Up | Action::DialogUp => self.top.saturating_sub(1),
            Action::Down | Action::DialogDown => self.top.saturating_add(1),
            Action::PageUp | Action::DialogPageUp => self.top.saturating_sub(page),
            Action::PageDown | Action::DialogPageDown => self.top.saturating_add(page),
            Action::Top => 0,
            Action::Bottom => usize::MAX / 2,
            _ => return false,
        };
        true
    }

    /// Keeps the last line at or below the bottom of the area.
    pub(crate) fn clamp(&mut self, count: usize, height: usize) {
        self.page = height;
        self.top = self.top.min(count.saturating_sub(height));
    }
}

/// One row: what is at the left is cut so that what is at the right fits.
pub(crate) fn row(left: Vec<Span<'static>>, right: Vec<Span<'static>>, width: usize, theme: Theme) -> Line<'static> {
    let right_width = spans_width(&right);
    // A right side that would take more than two thirds is left out.
    let (right, right_width) = if right_width * 3 > width * 2 { (Vec::new(), 0) } else { (right, right_width) };
    let room = width.saturating_sub(right_width + usize::from(right_width > 0));
    let mut spans = cut(left, room, theme);
    let gap = width.saturating_sub(spans_width(&spans) + right_width);
    if right_width > 0 {
        spans.push(Span::raw(" ".repeat(gap)));
        spans.extend(right);
    }
    Line::from(spans)
}

/// The spans, cut to so many cells with an ellipsis.
pub(crate) fn cut(spans: Vec<Span<'static>>, width: usize, theme: Theme) -> Vec<Span<'static>> {
    if spans_width(&spans) <= width {
        return spans;
    }
    let mut left = width;
    let mut out = Vec::new();
    let mut rest = spans.into_iter().peekable();
    while let Some(span) = rest.next() {
        let cells = width_of(&span.content);
        let more: usize = rest.peek().map_or(0, |next| width_of(&next.content));
        let ellipsis = theme.glyphs().ellipsis;
        if cells + more.min(1) * width_of(ellipsis) <= left {
            left -= cells;
            out.push(span);
            continue;
        }
        let text = format!("{}{}", span.content, if cells <= left { " ".repeat(left) } else { String::new() });
        out.push(Span::styled(truncate::cells(&text, left, ellipsis), span.style));
        break;
    }
    out
}

/// Draws lines from the top of the area; those beyond it are left out.
pub(crate) fn draw_lines<'a>(lines: impl Iterator<Item = &'a Line<'a>>, area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.zip(area.top()..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// Lays a style over a whole row, for the selection.
pub(crate) fn mark_row(area: Rect, y: u16, style: Style, buffer: &mut Buffer) {
    if y < area.bottom() {
        // Reversed over dim text is a patchwork.
        let reversed = style.add_modifier.contains(Modifier::REVERSED);
        let style = if reversed { style.remove_modifier(Modifier::DIM) } else { style };
        buffer.set_style(Rect { y, height: 1, ..area }, style);
    }
}

/// Draws a paragraph of secondary text, for panes that have nothing to show yet.
pub(crate) fn draw_note(text: &str, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let inner = Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area };
    if inner.width > 0 {
        let lines = crate::tui::text::wrap::wrap_text(text, inner.width, theme.dim());
        draw_lines(lines.iter(), inner, buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_on_the_screen() {
        let mut cursor = ListCursor { selected: 9, ..ListCursor::default() };
        cursor.show(|_| 1, 10, 4);
        assert_eq!((cursor.selected, cursor.offset), (9, 6));
        assert!(cursor.act(Action::PageUp, 10));
        cursor.show(|_| 1, 10, 4);
        assert_eq!((cursor.selected, cursor.offset), (6, 6));
        assert!(cursor.act(Action::Top, 10));
        cursor.show(|_| 1, 10, 4);
        assert_eq!((cursor.selected, cursor.offset), (0, 0));
        // The list became shorter.
        cursor = ListCursor { selected: 9, offset: 6, page: 4 };
        cursor.show(|_| 1, 3, 4);
        assert_eq!((cursor.selected, cursor.offset), (2, 0));
        cursor.show(|_| 1, 0, 4);
        assert_eq!((cursor.selected, cursor.offset), (0, 0));
    }

    #[test]
    fn rows_of_several_lines_are_counted_in_lines() {
        let mut cursor = ListCursor { selected: 2, ..ListCursor::default() };
        cursor.show(|index| [1, 3, 2][index], 3, 5);
        assert_eq!(cursor.offset, 1);
    }

    #[test]
    fn a_selected_row_is_of_one_colour() {
        let theme = Theme::new(true, false);
        let area = Rect::new(0, 0, 4, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_line(0, 0, &Line::from(vec!["ab".into(), Span::styled("cd", theme.dim())]), 4);
        mark_row(area, 0, theme.selected(), &mut buffer);
        assert_eq!(buffer[(0, 0)].style().add_modifier, buffer[(3, 0)].style().add_modifier);
    }

    #[test]
    fn a_row_cuts_its_left_side_first() {
        let theme = Theme::new(false, false);
        let text = |left: &'static str, right: &'static str, width| {
            row(vec![Span::raw(left)], vec![Span::raw(right)], width, theme).to_string()
        };
        assert_eq!(text("shell", "3 s", 12), "shell    3 s");
        assert_eq!(text("shell npx prettier", "3 s", 12), "shell n… 3 s");
        assert_eq!(text("ab", "a long right side", 10), "ab");
        assert_eq!(row(vec!["ab".into(), "cd".into()], vec![], 3, theme).to_string(), "ab…");
    }
}
