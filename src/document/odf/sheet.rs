//! OpenDocument spreadsheets.

use std::rc::Rc;

use super::style::Styles;
use super::text::{Text, rows_of};
use crate::document::grid::{Grid, column_name};
use crate::document::markdown::{Inline, Writer, count};
use crate::document::xml::Element;

pub(super) fn write(spreadsheet: Option<Element<'_>>, styles: &Styles, writer: &mut Writer) -> String {
    let sheets: Vec<Element<'_>> =
        spreadsheet.into_iter().flat_map(Element::children).filter(|e| e.is("table")).collect();
    for sheet in &sheets {
        if writer.is_full() {
            break;
        }
        writer.title(2, sheet.attr(":name").unwrap_or("Sheet"));
        read(*sheet, styles, writer).write(writer);
        let mut text = Text::new(styles);
        for shape in sheet.children().filter(|e| e.is("shapes")).flat_map(Element::children) {
            text.frame(shape, writer);
        }
    }
    count(sheets.len(), "sheet")
}

fn read(sheet: Element<'_>, styles: &Styles, writer: &Writer) -> Grid {
    let mut grid = Grid::default();
    let mut text = Text::new(styles);
    let mut number = 0u32;
    for row in rows_of(sheet) {
        let repeated = repeats(row, ":number-rows-repeated");
        let mut cells = Vec::new();
        let mut column = 0u32;
        for cell in row.children().filter(|e| matches!(e.name(), "table-cell" | "covered-table-cell")) {
            let times = repeats(cell, ":number-columns-repeated");
            let value = value(cell, &mut text);
            if !value.is_blank() {
                cells.push((column, times, Rc::<str>::from(value.to_cell())));
            }
            if let Some(comment) = cell.child("annotation") {
                let words = text.joined(comment).words();
                grid.comments.push((format!("{}{}", column_name(column), u64::from(number) + 1), words));
            }
            column = column.saturating_add(times);
        }
        // Empty rows at the end of a sheet are repeated a million times.
        if !cells.is_empty() {
            for row in number..number.saturating_add(repeated) {
                for (column, times, value) in &cells {
                    for column in *column..column.saturating_add(*times).min(MOST_COLUMNS) {
                        if grid.size() > writer.room() {
                            return grid;
                        }
                        grid.set_text(row, column, value);
                    }
                }
            }
        }
        number = number.saturating_add(repeated);
    }
    grid
}

/// Columns of the widest sheets that programs write.
const MOST_COLUMNS: u32 = 16_384;

fn repeats(element: Element<'_>, name: &str) -> u32 {
    element.attr(name).and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// The value behind a cell where it says more than what is shown, or else the text.
fn value(cell: Element<'_>, text: &mut Text<'_>) -> Inline {
    let typed = match cell.attr(":value-type") {
        Some("float" | "percentage" | "currency") => cell.attr(":value").map(str::to_owned),
        Some("date") => cell.attr(":date-value").map(|date| {
            let date = date.strip_suffix("T00:00:00").unwrap_or(date);
            date.replacen('T', " ", 1)
        }),
        Some("boolean") => cell.attr(":boolean-value").map(str::to_uppercase),
        _ => None,
    };
    match typed {
        Some(typed) => Inline::plain(&typed),
        None => text.joined(cell),
    }
}
