//! CSV, TSV and their like to one table.

use super::markdown::{Table, Writer, count};
use super::{Converted, Limits, encoding};

/// How much of a file is looked at to find its separator.
const SAMPLE: usize = 64 * 1024;

pub(super) fn convert(bytes: &[u8], name: &str, limits: &Limits) -> Converted {
    let text = encoding::decode(bytes, None);
    let mut writer = Writer::new(limits);
    let (text, named) = separator_line(&text);
    let separator = named.unwrap_or_else(|| separator(text, name));
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(text.as_bytes());

    let mut table = Table::default();
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut columns, mut size) = (0, 0, 0);
    // Every field of the text is UTF-8, so that nothing can go wrong with bytes in memory.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        rows += 1;
        columns = columns.max(record.len());
        if size > writer.room() {
            // Counted to the end, kept no more.
            continue;
        }
        size += record.as_slice().len() + 3 * record.len();
        let cells: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        table.values(cells.iter().map(AsRef::as_ref));
    }
    writer.table(&table);
    writer.finish(format!("{} by {}", count(rows, "row"), count(columns, "column")))
}

/// The first line of some files names the separator: `sep=;`.
fn separator_line(text: &str) -> (&str, Option<u8>) {
    let Some(rest) = text.strip_prefix("sep=") else { return (text, None) };
    let mut bytes = rest.bytes();
    let separator = bytes.next().filter(|b| b.is_ascii() && !b"\r\n\"".contains(b));
    let after = rest.get(1..).unwrap_or_default();
    match (separator, after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n'))) {
        (Some(separator), Some(rows)) => (rows, Some(separator)),
        _ => (text, None),
    }
}

/// The separator that gives most lines the same number of fields, more than one.
fn separator(text: &str, name: &str) -> u8 {
    let mut end = text.len().min(SAMPLE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let tabs = [".tsv", ".tab"].iter().any(|e| name.to_ascii_lowercase().ends_with(e));
    let candidates = if tabs { *b"\t,;|" } else { *b",;\t|" };
    let mut best = (0, candidates[0]);
    for candidate in candidates {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(candidate)
            .has_headers(false)
            .flexible(true)
            .from_reader(&text.as_bytes()[..end]);
        let widths: Vec<usize> = reader.byte_records().take(100).filter_map(Result::ok).map(|r| r.len()).collect();
        let first = widths.first().copied().unwrap_or(0);
        if first > 1 {
            let same = widths.iter().filter(|width| **width == first).count();
            // In percent of the lines; a wider table wins among equals only by standing first.
            let score = same * 100 / widths.len();
            if score > best.0 {
                best = (score, candidate);
            }
        }
    }
    best.1
}
