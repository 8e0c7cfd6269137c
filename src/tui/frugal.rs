//! A ratatui backend that spends few bytes.
//!
//! ratatui hands over the cells that differ from its previous frame, at the positions where they are wanted. That is
//! dear in one case that a chat has all the time: when the text moves up by a line, nearly every cell differs. So this
//! backend keeps two grids, what the terminal shows and what is wanted, and at each flush looks for a band of rows
//! that would fit if it were scrolled; it scrolls that band in the terminal (margins and line feeds, which every
//! terminal since the VT100 has) and writes only what is left. Rows are written as runs, blank tails are erased, styles
//! and movements take the shortest form, and nothing is ever cleared but after a resize.
//!
//! Why not ratatui's own crossterm backend: it writes an SGR reset and a full cursor address for each run, and a
//! 5,000-token reply at 80x24 costs it about ten times as much.

use std::io::{self, Write as _};

use compact_str::CompactString;
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr as _};

use super::output::Sink;

mod backend;
mod overlay;
mod pen;
mod scroll;

use overlay::Overlays;
use pen::Pen;

/// A frame of more bytes than this is wrapped into a synchronized update, so that terminals show it at once.
const SYNCHRONIZE_FROM: usize = 512;

/// Fewer changed rows than this are never scrolled.
const SCROLL_FROM: usize = 4;

const BLANK: CompactString = CompactString::const_new(" ");
/// Stands for whatever the terminal may show.
const UNKNOWN: CompactString = CompactString::const_new("\0");

/// One physical cell: the symbol is empty where the left neighbour is two cells wide.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glyph {
    symbol: CompactString,
    pen: Pen,
}

impl Glyph {
    fn blank() -> Self {
        Self { symbol: BLANK, pen: Pen::PLAIN }
    }

    fn is_blank(&self) -> bool {
        self.symbol == " " && self.pen == Pen::PLAIN
    }
}

/// The backend. See the module's words.
#[derive(Debug)]
pub struct FrugalBackend<S> {
    sink: S,
    size: Size,
    wanted: Vec<Cell>,
    shown: Vec<Glyph>,
    /// Rows in which a cell was given since the last flush; the others are shown as they are wanted.
    dirty: Vec<bool>,
    /// Where the cursor should be, `None` for hidden.
    cursor: Option<Position>,
    cursor_visible: Option<bool>,
    /// Where the terminal's cursor is, as far as known.
    at: Option<Position>,
    /// The terminal's pen, as far as known.
    pen: Option<Pen>,
    /// What the terminal shows is not known.
    stale: bool,
    /// Whether the terminal takes links.
    links: bool,
    /// The terminal's own pictures, over the cells that hold their places.
    overlays: Overlays,
    out: Vec<u8>,
    frames: u64,
}

impl<S: Sink> FrugalBackend<S> {
    /// A backend that writes to `sink`.
    pub fn new(sink: S) -> io::Result<Self> {
        let size = sink.size()?;
        let mut backend = Self {
            sink,
            size,
            wanted: Vec::new(),
            shown: Vec::new(),
            dirty: Vec::new(),
            cursor: None,
            cursor_visible: None,
            at: None,
            pen: None,
            stale: true,
            links: false,
            overlays: Overlays::default(),
            out: Vec::new(),
            frames: 0,
        };
        backend.resize(size);
        Ok(backend)
    }

    /// Where the bytes go.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// Where the bytes go.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Says whether the terminal takes links (OSC 8); without it they are text.
    pub fn set_links(&mut self, links: bool) {
        self.links = links;
    }

    /// Number of frames that had something to write.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Forgets what the terminal shows: the next frame writes everything.
    pub fn forget(&mut self) {
        self.stale = true;
        self.cursor_visible = None;
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
        let cells = usize::from(size.width) * usize::from(size.height);
        self.wanted = vec![Cell::EMPTY; cells];
        self.shown = vec![Glyph::blank(); cells];
        self.dirty = vec![true; usize::from(size.height)];
        self.stale = true;
    }

    fn width(&self) -> usize {
        usize::from(self.size.width)
    }

    /// What the rows should look like, with the second halves of wide glyphs marked.
    fn target(&self) -> Vec<Glyph> {
        let width = self.width();
        let mut target = Vec::with_capacity(self.wanted.len());
        for (y, row) in self.wanted.chunks(width.max(1)).enumerate() {
            if !self.dirty[y] {
                target.extend_from_slice(&self.shown[y * width..(y + 1) * width]);
                continue;
            }
            target.extend(target_row(row, self.links));
        }
        target
    }

    fn write_frame(&mut self) {
        let width = self.width();
        if width == 0 || self.size.height == 0 {
            return;
        }
        if std::mem::take(&mut self.stale) {
            self.out.extend_from_slice(b"\x1b[r\x1b[m\x1b[2J");
            self.pen = Some(Pen::PLAIN);
            self.at = None;
            self.shown.fill(Glyph::blank());
            self.dirty.fill(true);
        }
        // A scroll pays from a few rows on; without one, rows that are not dirty need not be looked at.
        if self.dirty.iter().filter(|dirty| **dirty).count() < SCROLL_FROM {
            for y in 0..usize::from(self.size.height) {
                if std::mem::take(&mut self.dirty[y]) {
                    let row = target_row(&self.wanted[y * width..(y + 1) * width], self.links);
                    self.write_row(y, &row);
                }
            }
            return;
        }
        let target = self.target();
        // Whether a picture would move with the text is not the same in all terminals.
        if !self.overlays.any_placed()
            && let Some(band) = scroll::find(&self.shown, &target, width)
        {
            self.scroll(&band);
        }
        for y in 0..usize::from(self.size.height) {
            self.write_row(y, &target[y * width..(y + 1) * width]);
        }
        self.dirty.fill(false);
    }

    /// Scrolls a band of rows in the terminal and in the grid.
    fn scroll(&mut self, band: &scroll::Band) {
        let width = self.width();
        // Rows that scroll in take the pen's background.
        self.set_pen(Pen::PLAIN);
        let (top, bottom) = (band.top, band.bottom);
        let _ = write!(self.out, "\x1b[{};{}r", top + 1, bottom);
        if band.up {
            let _ = write!(self.out, "\x1b[{bottom}H");
            self.out.extend(std::iter::repeat_n(b'\n', band.by));
        } else {
            let _ = write!(self.out, "\x1b[{}H", top + 1);
            for _ in 0..band.by {
                self.out.extend_from_slice(b"\x1bM");
            }
        }
        self.out.extend_from_slice(b"\x1b[r");
        self.at = None;
        let rows = &mut self.shown[top * width..bottom * width];
        let gone = band.by * width;
        if band.up {
            rows.rotate_left(gone);
            let kept = rows.len() - gone;
            rows[kept..].fill(Glyph::blank());
        } else {
            rows.rotate_right(gone);
            rows[..gone].fill(Glyph::blank());
        }
    }

    fn write_row(&mut self, y: usize, target: &[Glyph]) {
        let width = self.width();
        let base = y * width;
        // Where the blank tail begins.
        let tail = target.iter().rposition(|glyph| !glyph.is_blank()).map_or(0, |last| last + 1);
        let mut x = 0;
        while x < width {
            if self.shown[base + x] == target[x] {
                x += 1;
                continue;
            }
            if x >= tail {
                let left = (x..width).filter(|&x| !self.shown[base + x].is_blank()).count();
                if left > 2 {
                    self.go(x, y, target);
                    self.set_pen(Pen::PLAIN);
                    self.out.extend_from_slice(b"\x1b[K");
                    (x..width).for_each(|x| self.overlays.touch(base + x));
                    self.shown[base + x..base + width].fill(Glyph::blank());
                    return;
                }
            }
            // The second half of a wide glyph is written with its first half.
            let start = if target[x].symbol.is_empty() && x > 0 { x - 1 } else { x };
            self.go(start, y, target);
            self.put(start, y, &target[start]);
            self.overlays.touch(base + start);
            self.shown[base + start] = target[start].clone();
            x = start + 1;
            if x < width && target[x].symbol.is_empty() {
                self.overlays.touch(base + x);
                self.shown[base + x] = target[x].clone();
                x += 1;
            }
            // A terminal that does not join a sequence draws its parts side by side, over the cells that follow.
            let parts = target[start].symbol.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
            for unknown in x..(start + parts).min(width) {
                self.shown[base + unknown] = Glyph { symbol: UNKNOWN, pen: Pen::PLAIN };
            }
        }
    }

    /// Writes one glyph where the cursor is.
    fn put(&mut self, x: usize, y: usize, glyph: &Glyph) {
        if !self.looks_right(glyph) {
            self.set_pen(glyph.pen);
        }
        self.out.extend_from_slice(glyph.symbol.as_bytes());
        let next = x + if glyph.symbol.is_ascii() { 1 } else { glyph.symbol.width().max(1) };
        // Terminals disagree about the width of sequences, and about where the cursor is after the last column.
        let certain = next < self.width() && glyph.symbol.chars().nth(1).is_none();
        self.at = certain.then_some(Position { x: next as u16, y: y as u16 });
    }

    /// Moves the cursor, by the shortest way.
    fn go(&mut self, x: usize, y: usize, row: &[Glyph]) {
        let to = Position { x: x as u16, y: y as u16 };
        match self.at {
            Some(at) if at == to => return,
            Some(at) if at.y == to.y && at.x < to.x => {
                let (from, gap) = (usize::from(at.x), usize::from(to.x - at.x));
                let between = &row[from..x];
                // Writing a few unchanged cells again is shorter than jumping over them.
                let again = gap <= 4
                    && between.iter().all(|g| g.symbol.len() == 1 && self.looks_right(g))
                    && between.iter().enumerate().all(|(i, g)| self.shown[y * row.len() + from + i] == *g);
                if again {
                    (from..x).for_each(|x| self.overlays.touch(y * row.len() + x));
                    for glyph in between {
                        self.out.extend_from_slice(glyph.symbol.as_bytes());
                    }
                } else if gap == 1 {
                    self.out.extend_from_slice(b"\x1b[C");
                } else {
                    let _ = write!(self.out, "\x1b[{gap}C");
                }
            }
            Some(at) if at.y == to.y && to.x == 0 => self.out.push(b'\r'),
            Some(at) if at.y + 1 == to.y && to.x == 0 => self.out.extend_from_slice(b"\r\n"),
            _ if to == (Position { x: 0, y: 0 }) => self.out.extend_from_slice(b"\x1b[H"),
            _ if to.x == 0 => {
                let _ = write!(self.out, "\x1b[{}H", to.y + 1);
            }
            _ => {
                let _ = write!(self.out, "\x1b[{};{}H", to.y + 1, to.x + 1);
            }
        }
        self.at = Some(to);
    }

    /// Whether the present pen draws this glyph as it should look: most attributes are not seen on a blank.
    fn looks_right(&self, glyph: &Glyph) -> bool {
        self.pen.is_some_and(|pen| pen == glyph.pen || (glyph.symbol == " " && pen.for_blank() == glyph.pen))
    }

    fn set_pen(&mut self, pen: Pen) {
        if self.pen != Some(pen) {
            pen.write_after(self.pen, &mut self.out);
            self.pen = Some(pen);
        }
    }

    fn write_cursor(&mut self) {
        match self.cursor {
            Some(to) => {
                let to = Position {
                    x: to.x.min(self.size.width.saturating_sub(1)),
                    y: to.y.min(self.size.height.saturating_sub(1)),
                };
                if self.at != Some(to) {
                    let row = self.shown.get(usize::from(to.y) * self.width()..).unwrap_or_default();
                    let row: Vec<Glyph> = row.iter().take(self.width()).cloned().collect();
                    if row.len() == self.width() {
                        self.go(usize::from(to.x), usize::from(to.y), &row);
                    }
                }
                if self.cursor_visible != Some(true) {
                    self.out.extend_from_slice(b"\x1b[?25h");
                    self.cursor_visible = Some(true);
                }
            }
            None => {
                if self.cursor_visible != Some(false) {
                    self.out.extend_from_slice(b"\x1b[?25l");
                    self.cursor_visible = Some(false);
                }
            }
        }
    }
}

/// What a row should look like, with the second halves of wide glyphs marked.
fn target_row(row: &[Cell], links: bool) -> Vec<Glyph> {
    let mut target = Vec::with_capacity(row.len());
    let mut x = 0;
    while x < row.len() {
        let cell = &row[x];
        let symbol = cell.symbol();
        let wide = !symbol.is_ascii() && symbol.width() > 1;
        if wide && x + 1 == row.len() {
            // Half a glyph does not fit.
            target.push(Glyph::blank());
        } else if symbol == " " || symbol.is_empty() {
            target.push(Glyph { symbol: BLANK, pen: Pen::of(cell, links).for_blank() });
        } else {
            target.push(Glyph { symbol: CompactString::new(symbol), pen: Pen::of(cell, links) });
            if wide {
                target.push(Glyph { symbol: CompactString::const_new(""), pen: Pen::of(cell, links) });
                x += 1;
            }
        }
        x += 1;
    }
    target
}

#[cfg(test)]
mod tests;
