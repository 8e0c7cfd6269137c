//! Rows of values: as Markdown for a model, as CSV for a program.

use crate::support::sanitize;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values, as many as there are columns.
    pub rows: Vec<Vec<String>>,
    /// The row that matters most, where it is not the first and the last that do.
    pub around: Option<usize>,
}

impl Table {
    /// Without rows yet.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new(), around: None }
    }

    /// As CSV (RFC 4180), with the names first. Spreadsheets take no cell for a formula.
    pub fn to_csv(&self) -> Vec<u8> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            // Writing into memory does not fail, and all rows are of one length.
            let _ = out.write_record(row.iter().map(|cell| harmless(cell)));
        }
        out.into_inner().unwrap_or_default()
    }

    /// As Markdown: all rows, or where there are more than `most` those around the one that matters, else the first and
    /// the last of them.
    pub fn to_markdown(&self, most: usize) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| sanitize::line(cell).replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.columns);
        text.push_str(&line(&vec!["---".to_owned(); self.columns.len()]));
        if self.rows.len() <= most {
            text.extend(self.rows.iter().map(|row| line(row)));
            return text;
        }
        let gap = |left: usize| {
            let mut gap = vec![String::new(); self.columns.len()];
            if let Some(first) = gap.first_mut() {
                *first = format!("... {left} more rows ...");
            }
            if left > 0 { line(&gap) } else { String::new() }
        };
        let rows = |text: &mut String, range: std::ops::Range<usize>| {
            text.extend(self.rows[range].iter().map(|row| line(row)));
        };
        let (half, count) = (most / 2, self.rows.len());
        if let Some(around) = self.around {
            let first = around.saturating_sub(half).min(count - most);
            text.push_str(&gap(first));
            rows(&mut text, first..first + most);
            text.push_str(&gap(count - first - most));
        } else {
            rows(&mut text, 0..half);
            text.push_str(&gap(count - most));
            rows(&mut text, count - (most - half)..count);
        }
        text
    }
}

/// A cell as plain text: what came over the network may hold anything.
fn harmless(cell: &str) -> String {
    let line = sanitize::line(cell);
    let formula = line.starts_with(['=', '+', '@', '-']) && line.parse::<f64>().is_err();
    if formula { format!("'{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_are_cut_in_the_middle_and_whole_as_csv() {
        let mut table = Table::new(&["n", "word"]);
        table.rows = (0..10).map(|n| vec![n.to_string(), format!("a|b, \"{n}\"")]).collect();
        let text = table.to_markdown(4);
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.contains("| 1 | a\\|b, \"1\" |\n| ... 6 more rows ... |  |\n| 8 |"), "{text}");
        let csv = String::from_utf8(table.to_csv()).expect("text");
        assert!(csv.starts_with("n,word\n0,\"a|b, \"\"0\"\"\"\n"), "{csv}");
        assert_eq!(csv.lines().count(), 11);
        assert_eq!(table.to_markdown(10).lines().count(), 12);
        table.around = Some(5);
        let text = table.to_markdown(4);
        assert!(
            text.contains("... 3 more rows ... |  |\n| 3 |") && text.contains("| 6 | a\\|b, \"6\" |\n| ... 3"),
            "{text}"
        );
        table.around = Some(10);
        assert!(table.to_markdown(4).ends_with("| 9 | a\\|b, \"9\" |\n"));
    }

    #[test]
    fn cells_are_text_and_nothing_else() {
        let mut table = Table::new(&["word", "figure"]);
        table.rows = vec![
            vec!["=HYPERLINK(\"http://x\")".to_owned(), "-1.5e3".to_owned()],
            vec!["a\u{1b}]0;b\u{7}c\nd".to_owned(), "-x".to_owned()],
        ];
        let csv = String::from_utf8(table.to_csv()).expect("text");
        assert!(csv.contains("\"'=HYPERLINK(\"\"http://x\"\")\",-1.5e3\n") && csv.ends_with(",'-x\n"), "{csv}");
        assert!(!csv.contains('\u{1b}') && csv.lines().count() == 3, "{csv}");
        assert_eq!(table.to_markdown(10).lines().count(), 4);
    }
}
