//! The order in which a person reads the pieces of a page: columns from left to right, each from top to bottom.

use super::lines::{Fragment, rows};

/// Rows that two columns have to stand beside one another.
const FEWEST_ROWS: usize = 4;
/// Rows of a page for which columns are looked for.
const MOST_ROWS: usize = 200;

/// Rows that are read one after the other.
#[derive(Debug, Default)]
pub(super) struct Region {
    pub(super) rows: Vec<Vec<Fragment>>,
}

impl Region {
    /// Bytes of it, about.
    pub(super) fn size(&self) -> usize {
        self.rows.iter().flatten().map(Fragment::chars).sum()
    }
}

/// The regions of a page in their order.
pub(super) fn read(directions: Vec<Vec<Fragment>>) -> Vec<Region> {
    let mut out = Vec::new();
    for mut pieces in directions {
        pieces.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.left.total_cmp(&b.left)));
        split(rows(pieces), 0, &mut out);
    }
    out
}

fn split(rows: Vec<Vec<Fragment>>, depth: usize, out: &mut Vec<Region>) {
    if rows.is_empty() {
        return;
    }
    let found = if depth < 8 && rows.len() <= MOST_ROWS { columns(&rows) } else { None };
    let Some((from, to, gutter)) = found else {
        out.push(Region { rows });
        return;
    };
    let mut above = rows;
    let mut middle = above.split_off(from);
    let below = middle.split_off(to - from);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for piece in middle.into_iter().flatten() {
        if piece.left < gutter { left.push(piece) } else { right.push(piece) }
    }
    split(above, depth + 1, out);
    split(self::rows(left), depth + 1, out);
    split(self::rows(right), depth + 1, out);
    split(below, depth + 1, out);
}

/// The longest run of rows that a gap from top to bottom divides into text on both sides: first row, row after the
/// last, and where the gap is.
fn columns(rows: &[Vec<Fragment>]) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    for from in 0..rows.len() {
        if best.is_some_and(|(first, last, _)| rows.len() - from <= last - first) {
            break;
        }
        // Places without text in all rows so far; the margins count, for text may come there.
        let mut free: Vec<(f64, f64)> = vec![(f64::NEG_INFINITY, f64::INFINITY)];
        for to in from..rows.len() {
            for piece in &rows[to] {
                free = free
                    .into_iter()
                    .flat_map(|(left, right)| [(left, right.min(piece.left)), (left.max(piece.right), right)])
                    .filter(|(left, right)| right - left > 0.8 * piece.size)
                    .collect();
            }
            let longer = best.is_none_or(|(first, last, _)| to + 1 - from > last - first);
            if !longer || to + 1 - from < FEWEST_ROWS {
                continue;
            }
            let inner = free.iter().filter(|(left, right)| left.is_finite() && right.is_finite());
            let gutter = inner.filter(|(left, right)| is_gutter(&rows[from..=to], *left, *right));
            if let Some((left, right)) = gutter.max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0))) {
                best = Some((from, to + 1, f64::midpoint(*left, *right)));
            }
        }
    }
    best
}

/// Whether there is running text on both sides of a gap, as in columns, and not the cells of a table.
fn is_gutter(rows: &[Vec<Fragment>], left: f64, right: f64) -> bool {
    let middle = f64::midpoint(left, right);
    let is_text = |on_side: &dyn Fn(&Fragment) -> bool| {
        let pieces: Vec<&Fragment> = rows.iter().flatten().filter(|piece| on_side(piece)).collect();
        let lines = rows.iter().filter(|row| row.iter().any(on_side)).count();
        let chars: usize = pieces.iter().map(|piece| piece.chars()).sum();
        let (from, to) = pieces.iter().fold((f64::MAX, f64::MIN), |(from, to), p| (from.min(p.left), to.max(p.right)));
        // Most lines of running text are about as long as the column is wide.
        let long = pieces.iter().filter(|piece| piece.right - piece.left > 0.6 * (to - from)).count();
        lines >= 3 && chars >= 18 * pieces.len() && 2 * long >= pieces.len() && 2 * lines >= rows.len().min(12)
    };
    is_text(&|piece| piece.left < middle) && is_text(&|piece| piece.left >= middle)
}
