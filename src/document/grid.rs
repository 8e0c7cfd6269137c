//! Sheets of spreadsheets: cells at their places to one table, and numbers that are dates.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, date};

use super::markdown::{Inline, Table, Writer};

/// Cells of one sheet that hold something.
#[derive(Debug, Default)]
pub(super) struct Grid {
    rows: BTreeMap<u32, BTreeMap<u32, Rc<str>>>,
    size: usize,
    pub(super) comments: Vec<(String, String)>,
}

impl Grid {
    /// Sets a cell, counted from 0; empty ones are not kept.
    pub(super) fn set(&mut self, row: u32, column: u32, value: &Inline) {
        if !value.is_blank() {
            self.set_text(row, column, &value.to_cell().into());
        }
    }

    /// Sets a cell to what [`Inline::to_cell`] made. Cells that are repeated share it.
    pub(super) fn set_text(&mut self, row: u32, column: u32, text: &Rc<str>) {
        self.size += text.len() + 3;
        self.rows.entry(row).or_default().insert(column, Rc::clone(text));
    }

    /// Bytes of what is kept, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Writes the sheet. Columns without any cell are left out, and of rows without any one stays as a gap.
    pub(super) fn write(&self, writer: &mut Writer) {
        let columns: BTreeSet<u32> = self.rows.values().flat_map(|row| row.keys().copied()).collect();
        let (Some((first, _)), Some((last, _))) = (self.rows.first_key_value(), self.rows.last_key_value()) else {
            return;
        };
        let (left, right) = (columns.first().copied().unwrap_or(0), columns.last().copied().unwrap_or(0));
        if *first > 0 || left > 0 || columns.len() as u64 != u64::from(right - left) + 1 {
            // Whoever asks for a cell by its name has to know where the table lies.
            let names: Vec<String> =
                if columns.len() <= 60 { columns.iter().map(|c| column_name(*c)).collect() } else { Vec::new() };
            let names = if names.is_empty() { String::new() } else { format!(", columns {}", names.join(" ")) };
            writer.mark(&format!("cells {}{}:{}{}{names}", column_name(left), first + 1, column_name(right), last + 1));
        }
        let mut table = Table::default();
        let mut before = None;
        let mut written = 0;
        for (number, row) in &self.rows {
            if written > writer.room() {
                break;
            }
            if before.is_some_and(|before| before + 1 < *number) {
                table.row(Vec::new());
            }
            before = Some(*number);
            let cells: Vec<String> =
                columns.iter().map(|column| row.get(column).map(ToString::to_string).unwrap_or_default()).collect();
            written += cells.iter().map(|cell| cell.len() + 3).sum::<usize>();
            table.row(cells);
        }
        writer.table(&table);
        for (cell, comment) in &self.comments {
            let text = Inline::plain(&format!("Comment on {cell}: {comment}"));
            writer.item(0, super::markdown::Marker::Bullet, &text);
        }
    }
}

/// `0` is `A`, `26` is `AA`.
pub(super) fn column_name(column: u32) -> String {
    let mut left = u64::from(column) + 1;
    let mut name = Vec::new();
    while left > 0 {
        left -= 1;
        name.push(b'A' + (left % 26) as u8);
        left /= 26;
    }
    name.reverse();
    String::from_utf8(name).unwrap_or_default()
}

/// Row and column of a name such as `B7`, counted from 0.
pub(super) fn place(name: &str) -> Option<(u32, u32)> {
    let name = name.replace('$', "");
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let mut column = 0u32;
    for c in name[..digits].chars() {
        let value = u32::from(c.to_ascii_uppercase()).checked_sub(u32::from('A'))?;
        column = column.checked_mul(26)?.checked_add(value + 1)?;
    }
    let row: u32 = name[digits..].parse().ok()?;
    Some((row.checked_sub(1)?, column.checked_sub(1)?))
}

/// What a format makes of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// It stays a number.
    #[default]
    Number,
    /// A day, a time, or both.
    Date,
    /// Hours beyond 24.
    Duration,
}

impl Format {
    /// Of the formats that every Excel has.
    pub(super) fn builtin(id: u32) -> Self {
        match id {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Duration,
            _ => Self::Number,
        }
    }

    /// Of a format code such as `dd.mm.yyyy`. One letter that no date has makes it a word, as in `Standard`, which is
    /// how some languages say that there is no format.
    pub(super) fn of_code(code: &str) -> Self {
        let mut chars = code.chars();
        let mut found = Self::Number;
        while let Some(c) = chars.next() {
            match c {
                '\\' | '_' | '*' => {
                    chars.next();
                }
                '"' => {
                    chars.by_ref().find(|c| *c == '"');
                }
                '[' => {
                    let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    let inner = inner.to_ascii_lowercase();
                    if !inner.is_empty()
                        && ["h", "m", "s"].iter().any(|l| inner.trim_matches(|c| l.contains(c)).is_empty())
                    {
                        return Self::Duration;
                    }
                }
                ';' => break,
                'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' | 's' | 'S' => found = Self::Date,
                'a' | 'A' if ["m/pm", "/p"].iter().any(|rest| begins(chars.as_str(), rest)) => {
                    chars.by_ref().find(|c| matches!(c, 'p' | 'P'));
                    if begins(chars.as_str(), "m") {
                        chars.next();
                    }
                }
                // Days of the week, eras and their years.
                'a' | 'A' | 'b' | 'B' | 'e' | 'E' | 'g' | 'G' => {}
                c if c.is_ascii_alphabetic() => return Self::Number,
                _ => {}
            }
        }
        found
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// A number as its format means it.
pub(super) fn number(value: f64, format: Format, from_1904: bool) -> String {
    let shown = match format {
        Format::Number => None,
        Format::Date => moment(value, from_1904),
        Format::Duration => duration(value),
    };
    shown.unwrap_or_else(|| plain(value))
}

fn plain(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-7..1e21).contains(&size) { format!("{value:e}") } else { format!("{value}") }
}

/// Days since the beginning of 1900 or 1904 as a date; a fraction is the time of that day.
fn moment(value: f64, from_1904: bool) -> Option<String> {
    if !(0.0..2_958_466.0).contains(&value) {
        return None;
    }
    // Times are exact to a fraction of a second at best.
    let milliseconds = (value * 86_400_000.0).round() as i64;
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    let clock = |rest: i64| {
        let seconds = rest / 1000;
        let fraction = if rest % 1000 == 0 { String::new() } else { format!(".{:03}", rest % 1000) };
        format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    if days == 0 && !from_1904 {
        return Some(clock(rest));
    }
    // Excel has a 29 February 1900 that never was.
    let start: Date = if from_1904 {
        date(1904, 1, 1)
    } else if days < 60 {
        date(1899, 12, 31)
    } else {
        date(1899, 12, 30)
    };
    let day: DateTime = start.checked_add(days.days()).ok()?.into();
    let day = day.date();
    Some(if rest == 0 { day.to_string() } else { format!("{day} {}", clock(rest)) })
}

fn duration(value: f64) -> Option<String> {
    let seconds = (value.abs() * 86_400.0).round();
    (seconds < 1e15).then(|| {
        let seconds = seconds as u64;
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    })
}
