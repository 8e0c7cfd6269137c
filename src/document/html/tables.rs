//! Tables of a page while they are read. A table in a cell becomes lines of that cell.

use std::collections::BTreeSet;

use crate::document::markdown::{Inline, Table};

/// Columns that are written; what stands in further ones goes into the last.
const MOST_COLUMNS: usize = 1_000;
/// Columns that a row may reach over; spans count.
const WIDEST: usize = 16_384;
/// Rows that a span may reach down.
const MOST_ROWS: usize = 10_000;

/// One table.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The cells of each row and the columns in which they begin.
    rows: Vec<Vec<(usize, String)>>,
    row: Vec<(usize, String)>,
    /// Whether a row is open, be it one without cells.
    in_row: bool,
    /// The column in which the next cell begins.
    next: usize,
    /// For each column, how many further rows a cell from above reaches down.
    reaching: Vec<usize>,
    cell: Option<Inline>,
    span: (usize, usize),
    pub(super) caption: Inline,
}

impl Open {
    /// The cell that is being read.
    pub(super) fn cell(&mut self) -> Option<&mut Inline> {
        self.cell.as_mut()
    }

    pub(super) fn start_row(&mut self) {
        self.end_row();
        self.in_row = true;
    }

    pub(super) fn start_cell(&mut self, columns: usize, rows: usize) {
        self.end_cell();
        self.in_row = true;
        while self.reaching.get(self.next).is_some_and(|rows| *rows > 0) {
            self.next += 1;
        }
        self.cell = Some(Inline::default());
        self.span = (columns.max(1), rows.clamp(1, MOST_ROWS));
    }

    pub(super) fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let (columns, rows) = self.span;
        let begin = self.next.min(WIDEST);
        self.next = begin.saturating_add(columns).min(WIDEST);
        if rows > 1 {
            if self.reaching.len() < self.next {
                self.reaching.resize(self.next, 0);
            }
            // This row counts too: it is taken off at its end.
            self.reaching[begin..self.next].fill(rows);
        }
        self.row.push((begin, cell.to_cell()));
    }

    pub(super) fn end_row(&mut self) {
        self.end_cell();
        if !std::mem::take(&mut self.in_row) {
            return;
        }
        self.next = 0;
        let reached = self.reaching.iter().rposition(|rows| *rows > 1).map_or(0, |last| last + 1);
        self.reaching.truncate(reached);
        for rows in &mut self.reaching {
            *rows = rows.saturating_sub(1);
        }
        if !self.row.is_empty() {
            self.rows.push(std::mem::take(&mut self.row));
        }
    }

    /// The whole table, or what of it fills `room` bytes. Columns in which no cell begins are only there because others
    /// reach over them.
    pub(super) fn finish(mut self, room: usize) -> (Inline, Table) {
        self.end_row();
        let columns: BTreeSet<usize> = self.rows.iter().flatten().map(|(column, _)| *column).collect();
        let columns: Vec<usize> = columns.into_iter().take(MOST_COLUMNS).collect();
        let mut table = Table::default();
        let mut size = 0;
        for row in self.rows {
            // The writer cuts what is more, and says so.
            if size > room {
                break;
            }
            let mut cells: Vec<String> = Vec::new();
            for (column, text) in row.into_iter().filter(|(_, text)| !text.is_empty()) {
                size += text.len();
                let at = columns.partition_point(|other| *other < column).min(columns.len() - 1);
                if let Some(last) = cells.get_mut(at) {
                    last.push(' ');
                    last.push_str(&text);
                } else {
                    cells.resize(at, String::new());
                    cells.push(text);
                }
            }
            size += 3 * cells.len();
            table.row(cells);
        }
        (self.caption, table)
    }
}
