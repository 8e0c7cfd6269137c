//! Rows and cells as a table of Markdown.

use super::Inline;

/// Rows of finished cells; the first row is the head.
#[derive(Debug, Clone, Default)]
pub(in crate::document) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row of cells that [`Inline::to_cell`] made.
    pub(in crate::document) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row of plain values.
    pub(in crate::document) fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v str>) {
        self.row(values.into_iter().map(|value| Inline::plain(value).to_cell()).collect());
    }

    /// The rows, for those who look at them before they are written.
    pub(in crate::document) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The table, empty columns at the right and empty rows at the end left out. It stops one row after `room` bytes;
    /// the writer cuts there and says so.
    pub(super) fn to_markdown(&self, room: usize) -> Option<String> {
        let filled = |row: &Vec<String>| row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        let last = self.rows.iter().rposition(|row| filled(row) > 0)?;
        let rows = &self.rows[..=last];
        let width = rows.iter().map(filled).max()?;
        let mut out = String::new();
        for (number, row) in rows.iter().enumerate() {
            if out.len() > room {
                break;
            }
            if number > 0 {
                out.push('\n');
            }
            out.push('|');
            for column in 0..width {
                out.push(' ');
                out.push_str(row.get(column).map_or("", String::as_str));
                out.push_str(" |");
            }
            if number == 0 {
                out.push_str("\n|");
                out.push_str(&" --- |".repeat(width));
            }
        }
        Some(out)
    }
}
