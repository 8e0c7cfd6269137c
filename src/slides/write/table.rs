//! Tables.

use std::fmt::Write as _;

use super::rels::Rels;
use super::text;
use super::xml::{emu, fill, line};
use crate::slides::deck::{Cell, Table};

pub(super) fn xml(table: &Table, rels: &mut Rels) -> String {
    let header = if table.header { " firstRow=\"1\"" } else { "" };
    let mut out = format!("<a:tbl><a:tblPr{header}/><a:tblGrid>");
    for width in &table.columns {
        let _ = write!(out, "<a:gridCol w=\"{}\"/>", emu(*width).max(1));
    }
    out.push_str("</a:tblGrid>");
    for (row, height) in table.rows.iter().enumerate() {
        let _ = write!(out, "<a:tr h=\"{}\">", emu(*height).max(1));
        for column in 0..table.columns.len() {
            out.push_str(&place(table, row, column, rels));
        }
        out.push_str("</a:tr>");
    }
    out + "</a:tbl>"
}

/// What stands at one place: a cell, a part of one that reaches over it, or nothing.
fn place(table: &Table, row: usize, column: usize, rels: &mut Rels) -> String {
    let over = |cell: &&Cell| {
        (cell.row..cell.row + cell.down).contains(&row) && (cell.column..cell.column + cell.across).contains(&column)
    };
    let Some(cell) = table.cells.iter().find(over) else {
        return "<a:tc><a:txBody><a:bodyPr/><a:lstStyle/><a:p><a:endParaRPr lang=\"en-US\" sz=\"100\"/></a:p></a:txBody>\
                <a:tcPr marL=\"0\" marR=\"0\" marT=\"0\" marB=\"0\"><a:noFill/></a:tcPr></a:tc>"
            .to_owned();
    };
    let first = (cell.row, cell.column) == (row, column);
    let mut out = "<a:tc".to_owned();
    if cell.down > 1 && cell.row == row {
        let _ = write!(out, " rowSpan=\"{}\"", cell.down);
    }
    if cell.across > 1 && cell.column == column {
        let _ = write!(out, " gridSpan=\"{}\"", cell.across);
    }
    if cell.column != column {
        out.push_str(" hMerge=\"1\"");
    }
    if cell.row != row {
        out.push_str(" vMerge=\"1\"");
    }
    let words = text::paragraphs(if first { &cell.paragraphs } else { &[] }, rels);
    let [above, right, below, left] = cell.margins.map(emu);
    let _ = write!(
        out,
        "><a:txBody><a:bodyPr/><a:lstStyle/>{words}</a:txBody><a:tcPr marL=\"{left}\" marR=\"{right}\" marT=\"{above}\" \
         marB=\"{below}\" anchor=\"{}\">",
        text::anchor(cell.anchor)
    );
    let [above, right, below, left] = &cell.lines;
    for (name, of) in [("a:lnL", left), ("a:lnR", right), ("a:lnT", above), ("a:lnB", below)] {
        out.push_str(&line(name, of.as_ref()));
    }
    out + &fill(cell.fill.as_ref()) + "</a:tcPr></a:tc>"
}
