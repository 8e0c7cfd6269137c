//! Charts of Office files as tables of their values.

use super::markdown::{Inline, Table, Writer};
use super::xml::{Element, Tree};

/// Points of a series that are told.
const MOST_POINTS: usize = 1_000;

/// The title and the values of one chart.
#[derive(Debug, Default)]
pub(super) struct Chart {
    title: String,
    table: Table,
}

impl Chart {
    pub(super) fn read(tree: &Tree) -> Self {
        let Some(chart) = tree.root().child("chart") else { return Self::default() };
        let title = chart.child("title").map(words).unwrap_or_default();
        let series: Vec<Element<'_>> = chart.descendants().filter(|e| e.is("ser")).take(100).collect();
        let categories = series.iter().find_map(|s| s.child("cat").or_else(|| s.child("xVal"))).map(points);
        let values: Vec<Vec<String>> =
            series.iter().map(|s| s.child("val").or_else(|| s.child("yVal")).map(points).unwrap_or_default()).collect();
        let mut table = Table::default();
        let names = series.iter().map(|s| s.child("tx").map(words).unwrap_or_default());
        let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
        table.values(head.iter().map(String::as_str));
        let categories = categories.unwrap_or_default();
        let rows = values.iter().map(Vec::len).max().unwrap_or(0).max(categories.len());
        for row in 0..rows {
            let at = |column: &Vec<String>| column.get(row).cloned().unwrap_or_default();
            let cells: Vec<String> = std::iter::once(at(&categories)).chain(values.iter().map(at)).collect();
            table.values(cells.iter().map(String::as_str));
        }
        Self { title, table }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let name = if self.title.is_empty() { "Chart".to_owned() } else { format!("Chart: {}", self.title) };
        writer.paragraph(&Inline::plain(&name));
        writer.table(&self.table);
    }
}

/// Text of a title or of a name, as written or as it was last read from a sheet.
fn words(element: Element<'_>) -> String {
    let pieces = element.descendants().filter(|e| e.is("t") || e.is("v"));
    pieces.map(Element::text).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Values of a series, each at its place.
fn points(element: Element<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for point in element.descendants().filter(|e| e.is("pt")) {
        let at = point.attr("idx").and_then(|v| v.parse::<usize>().ok()).unwrap_or(out.len());
        if at < MOST_POINTS {
            if out.len() <= at {
                out.resize(at + 1, String::new());
            }
            out[at] = point.child("v").map(Element::text).unwrap_or_default();
        }
    }
    out
}
