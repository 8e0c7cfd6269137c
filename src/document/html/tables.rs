//! Tables of a page while they are read. A table in a cell becomes lines of that cell.

use crate::document::markdown::{Inline, Table};

/// Columns that one table may have; spans count.
const MOST_COLUMNS: usize = 1_000;
/// Rows that a span may reach down.
const MOST_ROWS: usize = 10_000;

/// One table.
#[derive(Debug, Default)]
pub(super) struct Open {
    table: Table,
    row: Vec<String>,
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

    pub(super) fn start_cell(&mut self, columns: usize, rows: usize) {
        self.end_cell();
        self.skip_reached();
        self.cell = Some(Inline::default());
        self.span = (columns.clamp(1, MOST_COLUMNS), rows.clamp(1, MOST_ROWS));
    }

    /// Columns that a cell from above fills stay empty.
    fn skip_reached(&mut self) {
        while self.row.len() < MOST_COLUMNS && self.reaching.get(self.row.len()).is_some_and(|rows| *rows > 0) {
            self.row.push(String::new());
        }
    }

    pub(super) fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let (columns, rows) = self.span;
        for number in 0..columns.min(MOST_COLUMNS.saturating_sub(self.row.len())) {
            let at = self.row.len();
            if self.reaching.len() <= at {
                self.reaching.resize(at + 1, 0);
            }
            // This row counts too: it is taken off at its end.
            self.reaching[at] = rows;
            self.row.push(if number == 0 { cell.to_cell() } else { String::new() });
        }
    }

    pub(super) fn end_row(&mut self) {
        self.end_cell();
        self.skip_reached();
        for rows in &mut self.reaching {
            *rows = rows.saturating_sub(1);
        }
        if !self.row.is_empty() {
            self.table.row(std::mem::take(&mut self.row));
        }
    }

    /// The whole table.
    pub(super) fn finish(mut self) -> (Inline, Table) {
        self.end_row();
        (self.caption, self.table)
    }
}
