//! Characters to pieces of lines: words that stand beside one another without a wide gap.

use super::glyphs::Glyph;
use unicode_normalization::UnicodeNormalization as _;

/// A gap of this part of the size is a space.
const SPACE: f64 = 0.17;
/// A gap of this many sizes ends the piece.
const WIDE: f64 = 1.0;

/// A run of one look.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) fixed: bool,
}

/// A piece of a line, with its place; `y` is the base line, pointing up.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub(super) runs: Vec<Run>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    /// Characters of it by their size, to tell which one is the usual one.
    weight: f64,
}

impl Fragment {
    pub(super) fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }

    /// How many characters it has.
    pub(super) fn chars(&self) -> usize {
        self.runs.iter().map(|run| run.text.chars().count()).sum()
    }

    fn ends_in_space(&self) -> bool {
        self.runs.last().is_none_or(|run| run.text.ends_with(' '))
    }

    fn push(&mut self, text: &str, glyph: &Glyph) {
        match self.runs.last_mut() {
            Some(run) if (run.bold, run.italic, run.fixed) == (glyph.bold, glyph.italic, glyph.fixed) => {
                run.text.push_str(text);
            }
            _ => self.runs.push(Run {
                text: text.to_owned(),
                bold: glyph.bold,
                italic: glyph.italic,
                fixed: glyph.fixed,
            }),
        }
    }

    /// Adds another piece of the same line to the right.
    pub(super) fn join(&mut self, other: Self, space: bool) {
        if space
            && !self.ends_in_space()
            && !other.text().starts_with(' ')
            && let Some(run) = self.runs.last_mut()
        {
            run.text.push(' ');
        }
        for run in other.runs {
            match self.runs.last_mut() {
                Some(last) if (last.bold, last.italic, last.fixed) == (run.bold, run.italic, run.fixed) => {
                    last.text.push_str(&run.text);
                }
                _ => self.runs.push(run),
            }
        }
        self.size = if other.weight > self.weight { other.size } else { self.size };
        self.weight += other.weight;
        self.left = self.left.min(other.left);
        self.right = self.right.max(other.right);
    }
}

/// In which of the four directions a character runs, as quarter turns.
fn direction(glyph: &Glyph) -> usize {
    let (x, y) = (glyph.to.0 - glyph.from.0, glyph.to.1 - glyph.from.1);
    if x.abs() >= y.abs() {
        if x >= 0.0 { 0 } else { 2 }
    } else if y > 0.0 {
        1
    } else {
        3
    }
}

/// The same place on a page that is turned so that the direction becomes that of reading.
fn upright((x, y): (f64, f64), direction: usize) -> (f64, f64) {
    match direction {
        1 => (y, -x),
        2 => (-x, -y),
        3 => (-y, x),
        _ => (x, y),
    }
}

/// Pieces of lines, one list for each direction of writing, the most used one first.
pub(super) fn fragments(glyphs: &[Glyph]) -> Vec<Vec<Fragment>> {
    let mut directions: [Vec<&Glyph>; 4] = Default::default();
    for glyph in glyphs {
        directions[direction(glyph)].push(glyph);
    }
    let mut order = [0, 1, 2, 3];
    order.sort_by_key(|direction| std::cmp::Reverse(directions[*direction].len()));
    order
        .into_iter()
        .map(|direction| of_direction(&directions[direction], direction))
        .filter(|f| !f.is_empty())
        .collect()
}

fn of_direction(glyphs: &[&Glyph], direction: usize) -> Vec<Fragment> {
    let mut done: Vec<Fragment> = Vec::new();
    let mut open: Option<Fragment> = None;
    let mut before: Option<(&str, f64, f64)> = None;
    for glyph in glyphs {
        let (left, y) = upright(glyph.from, direction);
        let (right, _) = upright(glyph.to, direction);
        let right = right.max(left);
        // Bold that is made by showing a character twice.
        if before.is_some_and(|(text, x, b)| {
            text == glyph.text && (x - left).abs() < 0.12 * glyph.size && (b - y).abs() < 0.12 * glyph.size
        }) {
            continue;
        }
        before = Some((&glyph.text, left, y));
        let text: String = glyph.text.nfkc().filter(|c| !c.is_control() && *c != '\u{ad}').collect();
        // Accents of TeX and marks of measures stand for themselves; spaces are told by gaps too.
        let blank = text.trim().is_empty();
        let fits = open.as_ref().is_some_and(|open: &Fragment| {
            let size = open.size.max(glyph.size);
            let gap = left - open.right;
            (open.y - y).abs() < 0.35 * size && gap < WIDE * size && gap > -0.6 * size.max(right - left)
        });
        if !fits {
            done.extend(open.take());
        }
        let Some(fragment) = &mut open else {
            if !blank {
                let weight = text.chars().count() as f64;
                let mut fragment = Fragment { runs: Vec::new(), left, right, y, size: glyph.size, weight };
                fragment.push(&text, glyph);
                open = Some(fragment);
            }
            continue;
        };
        if blank {
            if !fragment.ends_in_space() {
                fragment.push(" ", glyph);
            }
            // A space may be as wide as a column.
            if right - fragment.right < WIDE * fragment.size {
                fragment.right = fragment.right.max(right);
            }
            continue;
        }
        let gap = left - fragment.right;
        if gap > SPACE * fragment.size.min(glyph.size) && !fragment.ends_in_space() {
            fragment.push(" ", glyph);
        }
        fragment.push(&text, glyph);
        // Raised and lowered signs do not change the line.
        if glyph.size > fragment.size {
            fragment.y = y;
            fragment.size = glyph.size;
        }
        fragment.weight += text.chars().count() as f64;
        fragment.right = fragment.right.max(right);
    }
    done.extend(open);
    done.retain(|fragment| !fragment.text().trim().is_empty());
    joined(done)
}

/// Pieces that touch, though the file shows them far from one another, become one.
fn joined(mut pieces: Vec<Fragment>) -> Vec<Fragment> {
    pieces.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.left.total_cmp(&b.left)));
    let mut out: Vec<Fragment> = Vec::new();
    for row in rows(pieces) {
        let from = out.len();
        for piece in row {
            let last = out[from..].last_mut();
            match last {
                Some(last) if piece.left - last.right < WIDE * last.size.max(piece.size) && piece.left > last.left => {
                    let gap = piece.left - last.right;
                    let space = gap > SPACE * last.size.min(piece.size);
                    last.join(piece, space);
                }
                _ => out.push(piece),
            }
        }
    }
    out
}

/// Pieces on the same height, each row from left to right. They come sorted from top to bottom.
pub(super) fn rows(pieces: Vec<Fragment>) -> Vec<Vec<Fragment>> {
    let mut rows: Vec<Vec<Fragment>> = Vec::new();
    for piece in pieces {
        match rows.last_mut() {
            Some(row)
                if (row[0].y - piece.y).abs()
                    < 0.4 * row[0].size.min(piece.size).max(0.5 * row[0].size.max(piece.size)) =>
            {
                row.push(piece);
            }
            _ => rows.push(vec![piece]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}
