//! Rows of a page to paragraphs, lists, tables and headings.

use std::collections::BTreeMap;

use super::columns::Region;
use super::lines::{Fragment, Run};
use crate::document::markdown::{Inline, Look, Marker, Table, Writer};

/// Signs that begin an item of a list.
const BULLETS: [char; 14] = ['•', '◦', '▪', '▫', '●', '○', '■', '□', '‣', '⁃', '∙', '\u{f0b7}', '\u{f0a7}', '–'];

/// The pages of a document, kept until the usual size of its text is known.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: Vec<Vec<Region>>,
}

/// A line or a row of cells.
#[derive(Debug)]
enum Block {
    Text(Vec<Fragment>),
    Table(Vec<Vec<Fragment>>),
}

impl Pages {
    pub(super) fn add(&mut self, page: Vec<Region>) {
        self.pages.push(page);
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Sizes in which the headings are, largest first, and the size of the text.
    fn sizes(&self) -> (f64, Vec<i64>) {
        let mut sizes: BTreeMap<i64, usize> = BTreeMap::new();
        let pieces = self.pages.iter().flatten().flat_map(|region| &region.rows).flatten();
        for piece in pieces {
            *sizes.entry(rounded(piece.size)).or_default() += piece.chars();
        }
        let body = sizes.iter().max_by_key(|(_, chars)| **chars).map_or(0, |(size, _)| *size);
        // What much of the text is set in is no heading, however large.
        let all: usize = sizes.values().sum();
        let is_larger =
            |(size, chars): (i64, usize)| (size as f64 >= body as f64 * 1.15 && chars * 4 < all).then_some(size);
        let mut larger: Vec<i64> = sizes.into_iter().filter_map(is_larger).collect();
        larger.reverse();
        (body as f64 / 2.0, larger)
    }

    pub(super) fn write(self, writer: &mut Writer) {
        let (body, larger) = self.sizes();
        for (number, page) in self.pages.into_iter().enumerate() {
            if writer.is_full() {
                return;
            }
            writer.mark(&format!("page {}", number + 1));
            for region in page {
                for block in blocks(region.rows) {
                    match block {
                        Block::Text(lines) => write_text(&lines, body, &larger, writer),
                        Block::Table(rows) => write_table(rows, writer),
                    }
                }
            }
        }
    }
}

/// Half points, so that sizes which differ by rounding are one.
fn rounded(size: f64) -> i64 {
    (size * 2.0).round() as i64
}

/// Rows to paragraphs and tables.
fn blocks(rows: Vec<Vec<Fragment>>) -> Vec<Block> {
    let usual = usual_step(&rows);
    let mut out: Vec<Block> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    let mut paragraph: Vec<Fragment> = Vec::new();
    while let Some(row) = rows.next() {
        if row.len() >= 2 {
            let mut table = vec![row];
            while let Some(next) = rows.peek() {
                let last = &table[table.len() - 1];
                let near = last[0].y - next[0].y < 2.6 * last[0].size.max(next[0].size);
                // A single piece goes on with a cell when it stands below it alone.
                let goes_on = next.len() == 1
                    && last[0].y - next[0].y < 1.6 * last[0].size
                    && table
                        .iter()
                        .flatten()
                        .filter(|cell| cell.left < next[0].right && next[0].left < cell.right)
                        .count()
                        > 0
                    && next[0].right - next[0].left < 0.6 * width(&table);
                if !near || (next.len() < 2 && !goes_on) {
                    break;
                }
                table.extend(rows.next());
            }
            let full = table.iter().filter(|row| row.len() >= 2).count();
            let columns = columns_of(&table).len();
            // Two rows alone with one gap may be chance.
            if full >= 2 && columns >= 2 && (full > 2 || columns > 2 || !is_prose(&table)) {
                flush(&mut paragraph, &mut out);
                out.push(Block::Table(table));
                continue;
            }
            for row in table {
                let mut pieces = row.into_iter();
                let Some(mut line) = pieces.next() else { continue };
                pieces.for_each(|piece| line.join(piece, true));
                push_line(line, usual, &mut paragraph, &mut out);
            }
        } else if let Some(line) = row.into_iter().next() {
            push_line(line, usual, &mut paragraph, &mut out);
        }
    }
    flush(&mut paragraph, &mut out);
    out
}

/// The step from line to line that is met most.
fn usual_step(rows: &[Vec<Fragment>]) -> f64 {
    let mut steps: BTreeMap<i64, usize> = BTreeMap::new();
    for pair in rows.windows(2) {
        let (Some(above), Some(below)) = (pair[0].first(), pair[1].first()) else { continue };
        let step = above.y - below.y;
        if step > 0.0 && step < 2.2 * above.size.max(below.size) {
            *steps.entry(rounded(step)).or_default() += 1;
        }
    }
    let size = rows.iter().flatten().map(|piece| piece.size).fold(0.0, f64::max);
    // Of two that are met equally often the smaller one is that of lines, the other that of paragraphs.
    let most = steps.into_iter().max_by_key(|(step, times)| (*times, std::cmp::Reverse(*step)));
    most.map_or(1.3 * size, |(step, _)| step as f64 / 2.0)
}

/// Whether rows look like lines of text with wide spaces rather than like cells.
fn is_prose(rows: &[Vec<Fragment>]) -> bool {
    let cells = rows.iter().map(Vec::len).sum::<usize>();
    rows.iter().flatten().map(Fragment::chars).sum::<usize>() > 30 * cells
}

fn width(rows: &[Vec<Fragment>]) -> f64 {
    let pieces = rows.iter().flatten();
    let (left, right) = pieces.fold((f64::MAX, f64::MIN), |(l, r), piece| (l.min(piece.left), r.max(piece.right)));
    right - left
}

fn flush(paragraph: &mut Vec<Fragment>, out: &mut Vec<Block>) {
    if !paragraph.is_empty() {
        out.push(Block::Text(std::mem::take(paragraph)));
    }
}

/// Adds a line to the paragraph that it goes on with, or begins another one.
fn push_line(line: Fragment, usual: f64, paragraph: &mut Vec<Fragment>, out: &mut Vec<Block>) {
    if let Some(last) = paragraph.last() {
        let size = last.size.max(line.size);
        let step = last.y - line.y;
        let alike = (last.size - line.size).abs() < 0.12 * size && is_fixed(last) == is_fixed(&line);
        let apart = step > 1.2 * usual + 0.05 * size || step > 2.2 * size || step <= 0.0;
        let left = paragraph.iter().skip(1).map(|l| l.left).fold(line.left, f64::min);
        let indented = line.left - left > 0.8 * size && paragraph.len() > 1 && !is_fixed(&line);
        let heads = all_bold(last) != all_bold(&line) && begins_anew(&line) && paragraph.iter().all(all_bold);
        if !alike || apart || indented || heads || bullet(&line).is_some() {
            flush(paragraph, out);
        }
    }
    paragraph.push(line);
}

fn begins_anew(line: &Fragment) -> bool {
    line.text().trim_start().chars().next().is_some_and(|c| !c.is_lowercase())
}

/// Whether a line is in letters of one width, as listings are.
fn is_fixed(line: &Fragment) -> bool {
    line.runs.iter().all(|run| run.fixed || run.text.trim().is_empty())
}

/// Whether a line ended before the margin although the next word had room: that was meant.
fn ended_early(line: &Fragment, next: &Fragment, right: f64) -> bool {
    let text = next.text();
    let word = text.split_whitespace().next().map_or(0, |word| word.chars().count()) as f64;
    let all = next.chars().max(1) as f64;
    let room = right - line.right;
    room > (next.right - next.left) * word / all + 0.5 * line.size
}

/// Whether dots lead from a title to its page.
fn has_leader(line: &Fragment) -> bool {
    let text = line.text();
    text.contains(". . . .") || text.contains(".....")
}

fn all_bold(line: &Fragment) -> bool {
    line.runs.iter().all(|run| run.bold || run.text.trim().is_empty())
}

/// Where the text of an item begins, when the line begins with a bullet.
fn bullet(line: &Fragment) -> Option<usize> {
    let text = line.text();
    let trimmed = text.trim_start();
    let c = trimmed.chars().next().filter(|c| BULLETS.contains(c))?;
    let rest = &trimmed[c.len_utf8()..];
    (rest.starts_with(' ') || c != '–').then_some(text.len() - rest.trim_start().len())
}

fn write_text(lines: &[Fragment], body: f64, larger: &[i64], writer: &mut Writer) {
    let Some(first) = lines.first() else { return };
    let size = rounded(first.size);
    let chars: usize = lines.iter().map(Fragment::chars).sum();
    let level = larger.iter().position(|other| *other == size).map(|at| (at + 1).min(4));
    if let Some(level) = level.filter(|_| chars <= 200 && first.size > body) {
        let text = paragraph(lines);
        if text.words().chars().filter(|c| c.is_alphabetic()).count() >= 2 {
            writer.heading(level, &text);
            return;
        }
    }
    if lines.iter().all(is_fixed) {
        writer.code("", &listing(lines));
        return;
    }
    // Lines that end before the margin are lines of their own; after the end of a sentence another paragraph begins.
    let right = lines.iter().map(|line| line.right).fold(f64::MIN, f64::max);
    let mut whole = Inline::default();
    let mut item = bullet(first).is_some();
    let mut from = 0;
    for at in 1..=lines.len() {
        let early = at < lines.len() && (has_leader(&lines[at - 1]) || ended_early(&lines[at - 1], &lines[at], right));
        if at < lines.len() && !early {
            continue;
        }
        let last = lines[at - 1].text();
        whole.append(paragraph(&lines[from..at]));
        from = at;
        let sentence = last.trim_end().ends_with(['.', '!', '?', ':', '”', '"']) && !has_leader(&lines[at - 1]);
        if at == lines.len() || (sentence && begins_anew(&lines[at])) {
            let text = std::mem::take(&mut whole);
            if item {
                writer.item(0, Marker::Bullet, &text);
            } else {
                writer.paragraph(&text);
            }
            item = false;
        } else {
            whole.line_break();
        }
    }
}

/// A listing, its lines set in as they stand on the page.
fn listing(lines: &[Fragment]) -> String {
    let left = lines.iter().map(|line| line.left).fold(f64::MAX, f64::min);
    let mut out = String::new();
    for line in lines {
        let width = (line.right - line.left) / line.chars().max(1) as f64;
        let indent = if width > 0.0 { ((line.left - left) / width).round() as usize } else { 0 };
        out.push_str(&" ".repeat(indent.min(80)));
        out.push_str(line.text().trim_end());
        out.push('\n');
    }
    out
}

/// Lines as one text: words that are divided at the end of a line are whole again.
fn paragraph(lines: &[Fragment]) -> Inline {
    let mut runs: Vec<Run> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut skip = if number == 0 { bullet(line).unwrap_or(0) } else { 0 };
        let begins = line.text();
        let begins = begins.trim_start();
        if let Some(last) = runs.last_mut() {
            let text = last.text.trim_end().len();
            last.text.truncate(text);
            let before = last.text.chars().rev().nth(1).is_some_and(char::is_alphabetic);
            let divided = last.text.ends_with(['-', '\u{2010}']) && before && begins.starts_with(char::is_lowercase);
            if divided {
                last.text.pop();
            } else if !wide(&last.text, begins) {
                last.text.push(' ');
            }
        }
        for run in &line.runs {
            let cut = skip.min(run.text.len());
            skip -= cut;
            let text = &run.text[cut..];
            let text = if runs.is_empty() { text.trim_start() } else { text };
            match runs.last_mut() {
                Some(last) if (last.bold, last.italic, last.fixed) == (run.bold, run.italic, run.fixed) => {
                    last.text.push_str(text);
                }
                _ if text.is_empty() => {}
                _ => runs.push(Run { text: text.to_owned(), ..run.clone() }),
            }
        }
    }
    let mut out = Inline::default();
    for run in &runs {
        out.run(&without_leaders(&run.text), Look { bold: run.bold, italic: run.italic, ..Look::default() }, None);
    }
    out
}

/// Rows of dots that lead the eye become one ellipsis.
fn without_leaders(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('.') {
        out.push_str(&rest[..at]);
        let row = rest[at..].len() - rest[at..].trim_start_matches(['.', ' ']).len();
        let row_text = &rest[at..at + row];
        if row_text.matches('.').count() > 4 {
            out.push_str(if out.is_empty() || out.ends_with(' ') { "... " } else { " ... " });
        } else {
            out.push_str(row_text);
        }
        rest = &rest[at + row..];
    }
    out.push_str(rest);
    out
}

/// Whether no space belongs between two lines, as in Chinese and Japanese.
fn wide(before: &str, after: &str) -> bool {
    let is_wide =
        |c: char| matches!(c as u32, 0x2e80..=0x9fff | 0xf900..=0xfaff | 0xff00..=0xffef | 0x2_0000..=0x3_ffff);
    before.chars().next_back().is_some_and(is_wide) && after.chars().next().is_some_and(is_wide)
}

/// Left and right ends of the columns of a table: places over which most rows have something, between places over
/// which few have. A head that spans several columns does not join them.
fn columns_of(rows: &[Vec<Fragment>]) -> Vec<(f64, f64)> {
    let full: Vec<&Vec<Fragment>> = rows.iter().filter(|row| row.len() >= 2).collect();
    let mut ends: Vec<(f64, i32)> =
        full.iter().flat_map(|row| row.iter()).flat_map(|cell| [(cell.left, 1), (cell.right, -1)]).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let few = (full.len() / 6) as i32;
    let mut columns: Vec<(f64, f64)> = Vec::new();
    let (mut over, mut open) = (0, None);
    for (place, change) in ends {
        over += change;
        if over > few && open.is_none() {
            open = Some(place);
        } else if over <= few
            && let Some(left) = open.take()
        {
            columns.push((left, place));
        }
    }
    columns
}

fn write_table(rows: Vec<Vec<Fragment>>, writer: &mut Writer) {
    let columns = columns_of(&rows);
    let mut cells: Vec<Vec<Inline>> = Vec::new();
    for row in rows {
        let alone = row.len() == 1;
        let mut line: Vec<Inline> = vec![Inline::default(); columns.len()];
        for cell in row {
            let middle = f64::midpoint(cell.left, cell.right);
            let distance = |(left, right): &(f64, f64)| (left - middle).max(middle - right).max(0.0);
            let at = (0..columns.len()).min_by(|a, b| distance(&columns[*a]).total_cmp(&distance(&columns[*b])));
            let text = paragraph(&[cell]);
            // A piece that stands alone goes on with the cell above it.
            let above = if alone { cells.last_mut() } else { None };
            let Some(place) = above.unwrap_or(&mut line).get_mut(at.unwrap_or(0)) else { continue };
            if !place.is_blank() {
                place.text(" ");
            }
            place.append(text);
        }
        if !alone {
            cells.push(line);
        }
    }
    let mut table = Table::default();
    for row in cells {
        table.row(row.iter().map(Inline::to_cell).collect());
    }
    writer.table(&table);
}
