//! Rows of values: as Markdown for a model, as CSV for a program.

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values, as many as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows yet.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// As CSV (RFC 4180), with the names first.
    pub fn to_csv(&self) -> Vec<u8> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            // Writing into memory does not fail, and all rows are of one length.
            let _ = out.write_record(row);
        }
        out.into_inner().unwrap_or_default()
    }

    /// As Markdown: all rows, or where there are more than `most` the first and the last of them.
    pub fn to_markdown(&self, most: usize) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.columns);
        text.push_str(&line(&vec!["---".to_owned(); self.columns.len()]));
        if self.rows.len() <= most {
            text.extend(self.rows.iter().map(|row| line(row)));
            return text;
        }
        let head = most / 2;
        let tail = most - head;
        text.extend(self.rows[..head].iter().map(|row| line(row)));
        let left = self.rows.len() - most;
        let mut gap = vec![String::new(); self.columns.len()];
        if let Some(first) = gap.first_mut() {
            *first = format!("... {left} more rows ...");
        }
        text.push_str(&line(&gap));
        text.extend(self.rows[self.rows.len() - tail..].iter().map(|row| line(row)));
        text
    }
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
    }
}
