//! Excel workbooks before 2007.

use std::io::Cursor;

use calamine::{Data, Reader as _, SheetVisible, Xls, XlsError};

use super::grid::{self, Format, Grid};
use super::markdown::{Inline, Writer, count};
use super::{Converted, DocumentError, Kind, Limits};

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(|e| match e {
        XlsError::Password => DocumentError::Encrypted(Kind::Xls),
        e => DocumentError::damaged(Kind::Xls, e),
    })?;
    let mut writer = Writer::new(limits);
    let sheets = book.sheets_metadata().to_vec();
    for sheet in &sheets {
        if writer.is_full() {
            break;
        }
        writer.title(2, &sheet.name);
        if sheet.visible != SheetVisible::Visible {
            writer.mark("hidden sheet");
        }
        let Ok(range) = book.worksheet_range(&sheet.name) else {
            writer.note(format!("the sheet {} could not be read", sheet.name));
            continue;
        };
        let (top, left) = range.start().unwrap_or_default();
        let mut grid = Grid::default();
        for (row, column, value) in range.used_cells() {
            grid.set(top + row as u32, left + column as u32, &Inline::plain(&shown(value)));
            if grid.size() > writer.room() {
                break;
            }
        }
        grid.write(&mut writer);
    }
    Ok(writer.finish(count(sheets.len(), "sheet")))
}

fn shown(value: &Data) -> String {
    match value {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) => grid::number(*number, Format::Number, false),
        Data::Int(number) => number.to_string(),
        Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Error(error) => error.to_string(),
        Data::DateTime(moment) if moment.is_duration() => grid::number(moment.as_f64(), Format::Duration, false),
        Data::DateTime(moment) if moment.as_f64() < 1.0 => grid::number(moment.as_f64(), Format::Date, false),
        Data::DateTime(moment) => {
            // Which of the two beginnings of time the workbook has, only the crate knows.
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            let day = format!("{year:04}-{month:02}-{day:02}");
            if moment.as_f64().fract() == 0.0 { day } else { format!("{day} {hour:02}:{minute:02}:{second:02}") }
        }
    }
}
