//! Tables of Markdown, laid out for the width that there is.
//!
//! ```text
//! natural width fits      shrunk: cells wrap           too narrow: one record after the other
//! Name │ Note             Name │ Note                  Name: Ada
//! ─────┼───────────       ─────┼───────                Note: wrote the
//! Ada  │ wrote it         Ada  │ wrote                   first program
//!                              │ it
//! ```

use pulldown_cmark::Alignment;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::wrap::{Break, Indent, spans_width, wrap_spans};
use crate::tui::theme::Theme;

/// A cell's text.
pub(super) type Cell = Vec<Span<'static>>;

/// A table as it was written.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    pub(super) head: Vec<Cell>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Columns narrower than this make a table unreadable.
const NARROWEST: usize = 5;
/// Cells between two columns: space, line, space.
const GAP: usize = 3;

impl Table {
    /// Lines of at most `width` cells.
    pub(super) fn lines(&self, width: usize, theme: Theme) -> Vec<Line<'static>> {
        let columns = self.head.len().max(1);
        let natural: Vec<usize> = (0..columns).map(|column| self.natural_width(column)).collect();
        let room = width.saturating_sub(GAP * (columns - 1));
        let least: usize = natural.iter().map(|cells| (*cells).min(NARROWEST)).sum();
        if least > room { self.records(width, theme) } else { self.grid(&fair_widths(&natural, room), theme) }
    }

    fn natural_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(self.head.get(column));
        cells.map(unbroken_width).max().unwrap_or(0).max(1)
    }

    fn grid(&self, widths: &[usize], theme: Theme) -> Vec<Line<'static>> {
        let glyphs = theme.glyphs();
        let mut out = Vec::new();
        let head: Vec<Cell> = self.head.iter().map(|cell| with_heading(cell, theme)).collect();
        self.row(&head, widths, theme, &mut out);
        let rule: Vec<String> = widths.iter().map(|cells| glyphs.horizontal.repeat(*cells)).collect();
        let cross = format!("{}{}{}", glyphs.horizontal, glyphs.table.cross, glyphs.horizontal);
        out.push(Line::from(Span::styled(rule.join(&cross), theme.dim())));
        for row in &self.rows {
            self.row(row, widths, theme, &mut out);
        }
        out
    }

    /// One row: its cells wrapped, padded and put side by side.
    fn row(&self, cells: &[Cell], widths: &[usize], theme: Theme, out: &mut Vec<Line<'static>>) {
        let empty = Cell::new();
        let wrapped: Vec<Vec<Line<'static>>> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                let mut lines = Vec::new();
                let cell = cells.get(column).unwrap_or(&empty);
                wrap_spans(cell, *width, &Indent::default(), Break::Words, &mut lines);
                lines
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
        for index in 0..height {
            let mut row: Vec<Span<'static>> = Vec::new();
            for (column, width) in widths.iter().enumerate() {
                if column > 0 {
                    row.push(Span::styled(format!(" {} ", theme.glyphs().vertical), theme.dim()));
                }
                let spans = wrapped[column].get(index).map(|line| line.spans.clone()).unwrap_or_default();
                let missing = width.saturating_sub(spans_width(&spans));
                let before = match self.alignments.get(column) {
                    Some(Alignment::Right) => missing,
                    Some(Alignment::Center) => missing / 2,
                    _ => 0,
                };
                pad(&mut row, before);
                row.extend(spans);
                if column + 1 < widths.len() {
                    pad(&mut row, missing - before);
                }
            }
            out.push(Line::from(row));
        }
    }

    /// Each row as lines of `heading: value`, for screens on which columns have no room.
    fn records(&self, width: usize, theme: Theme) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        let indent = Indent { first: Vec::new(), rest: vec![Span::raw("  ")] };
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                out.push(Line::default());
            }
            for (column, cell) in row.iter().enumerate() {
                let mut spans = self.head.get(column).map(|head| with_heading(head, theme)).unwrap_or_default();
                if !spans.is_empty() {
                    spans.push(Span::styled(": ", theme.heading()));
                }
                spans.extend(cell.iter().cloned());
                wrap_spans(&spans, width, &indent, Break::Words, &mut out);
            }
        }
        if self.rows.is_empty() {
            for head in &self.head {
                wrap_spans(&with_heading(head, theme), width, &indent, Break::Words, &mut out);
            }
        }
        out
    }
}

fn pad(row: &mut Vec<Span<'static>>, cells: usize) {
    if cells > 0 {
        row.push(Span::raw(" ".repeat(cells)));
    }
}

fn with_heading(cell: &Cell, theme: Theme) -> Cell {
    let heading = theme.heading().remove_modifier(Modifier::UNDERLINED);
    cell.iter().map(|span| Span::styled(span.content.clone(), heading.patch(span.style))).collect()
}

/// Width of a cell's longest line (a cell can hold `<br>`).
fn unbroken_width(cell: &Cell) -> usize {
    let mut widest = 0;
    let mut current = 0;
    for span in cell {
        for (index, part) in span.content.split('\n').enumerate() {
            if index > 0 {
                widest = widest.max(current);
                current = 0;
            }
            current += super::wrap::width_of(part);
        }
    }
    widest.max(current)
}

/// Widths that together fit `room`: columns that need less than their share keep what they need.
fn fair_widths(natural: &[usize], room: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    if natural.iter().sum::<usize>() <= room {
        return widths;
    }
    // The largest cap under which everything fits.
    let fits = |cap: usize| natural.iter().map(|cells| (*cells).min(cap)).sum::<usize>() <= room;
    let mut cap = 1;
    while fits(cap + 1) {
        cap += 1;
    }
    let mut spare = room.saturating_sub(natural.iter().map(|cells| (*cells).min(cap)).sum());
    for width in &mut widths {
        let wanted = *width;
        *width = wanted.min(cap);
        if spare > 0 && wanted > cap {
            *width += 1;
            spare -= 1;
        }
    }
    widths
}
