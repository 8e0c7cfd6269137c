//! The terminal's own pictures, over the cells that hold their places.
//!
//! Which part of which picture is to be seen is read from the wanted cells (see [`crate::tui::picture::mark_of`]), so
//! whatever is drawn over a picture covers it. A picture that has moved is taken away at once, and its half blocks stand
//! in its place; it is put there anew when it has been still for a moment, since sixels cost a hundred thousand bytes.
//! kitty's pictures are placed by number, which costs nothing, so they follow at once.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ratatui::buffer::Cell;

use super::{FrugalBackend, Glyph, Pen, UNKNOWN};
use crate::tui::output::Sink;
use crate::tui::picture::{Crop, Payload, Pictures, Protocol, mark_of};

/// How long a picture must be still.
const STILL: Duration = Duration::from_millis(150);

/// A part of a picture at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    serial: u32,
    x: u16,
    y: u16,
    crop: Crop,
}

impl Place {
    /// Its cells, as indices into a grid of this width.
    fn cells(self, width: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (usize::from(self.x), usize::from(self.y));
        let rows = y..y + usize::from(self.crop.rows);
        rows.flat_map(move |row| (x..x + usize::from(self.crop.columns)).map(move |column| row * width + column))
    }
}

/// What is placed, and what waits to be.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    pictures: Option<Pictures>,
    placed: Vec<(Place, u32)>,
    /// Places that are wanted, since when.
    waiting: Vec<(Place, Instant)>,
    /// Pictures that a kitty keeps.
    sent: Vec<u32>,
    /// Number of the latest placement.
    number: u32,
    /// Cells that this frame has written, while anything is placed.
    touched: Vec<bool>,
}

impl Overlays {
    pub(super) fn any_placed(&self) -> bool {
        !self.placed.is_empty()
    }

    /// Notes that a cell is written.
    pub(super) fn touch(&mut self, at: usize) {
        if let Some(touched) = self.touched.get_mut(at) {
            *touched = true;
        }
    }

    /// What the cells want. Rows that continue each other are one place.
    fn wanted(pictures: &Pictures, cells: &[Cell], width: usize) -> Vec<Place> {
        let mut places: Vec<(u8, Place)> = Vec::new();
        for (y, row) in cells.chunks(width).enumerate() {
            let mut x = 0;
            while x < row.len() {
                let Some(first) = mark_of(&row[x]) else {
                    x += 1;
                    continue;
                };
                let continues = |(at, cell): &(usize, &Cell)| {
                    mark_of(cell).is_some_and(|mark| {
                        (mark.slot, mark.row) == (first.slot, first.row)
                            && usize::from(mark.column) == usize::from(first.column) + at
                    })
                };
                let columns = row[x..].iter().enumerate().take_while(continues).count() as u16;
                let (column, number) = (u16::from(first.column), u16::from(first.row));
                let above = places.iter_mut().find(|(slot, place)| {
                    let next = (usize::from(place.y + place.crop.rows), place.crop.row + place.crop.rows);
                    (*slot, usize::from(place.x), place.crop.column, place.crop.columns)
                        == (first.slot, x, column, columns)
                        && next == (y, number)
                });
                if let Some((_, place)) = above {
                    place.crop.rows += 1;
                } else {
                    let crop = Crop { column, row: number, columns, rows: 1 };
                    places.push((first.slot, Place { serial: 0, x: x as u16, y: y as u16, crop }));
                }
                x += usize::from(columns);
            }
        }
        let known = |(slot, place): (u8, Place)| pictures.serial(slot).map(|serial| Place { serial, ..place });
        places.into_iter().filter_map(known).collect()
    }
}

impl<S: Sink> FrugalBackend<S> {
    /// Says where the terminal's own pictures come from.
    pub fn set_pictures(&mut self, pictures: Pictures) {
        self.overlays.pictures = Some(pictures);
    }

    /// When a picture that has just moved is to be looked at again.
    pub fn settles_at(&self) -> Option<Instant> {
        let now = Instant::now();
        self.overlays.waiting.iter().map(|(_, since)| *since + STILL).filter(|at| *at > now).min()
    }

    /// Frees what a kitty keeps, before the terminal is given back.
    pub fn take_pictures_away(&mut self) {
        self.overlays.placed.clear();
        if !std::mem::take(&mut self.overlays.sent).is_empty() {
            // The terminal is left in any case.
            let _ = self.sink.submit(b"\x1b_Ga=d,d=A,q=2\x1b\\".to_vec());
        }
    }

    /// Before the cells are written: takes away what is not wanted any more where it is.
    pub(super) fn lift_pictures(&mut self) {
        let Some(pictures) = self.overlays.pictures.clone() else { return };
        let graphics = pictures.graphics();
        if graphics.is_none() && self.overlays.placed.is_empty() && self.overlays.sent.is_empty() {
            return;
        }
        let width = self.width();
        let wanted = match graphics {
            Some(_) if width > 0 => Overlays::wanted(&pictures, &self.wanted, width),
            _ => Vec::new(),
        };
        if self.stale {
            // The screen is about to be cleared.
            self.overlays.placed.clear();
            self.overlays.waiting.clear();
            if !std::mem::take(&mut self.overlays.sent).is_empty() {
                self.out.extend_from_slice(b"\x1b_Ga=d,d=A,q=2\x1b\\");
            }
        }
        let (kept, gone) = std::mem::take(&mut self.overlays.placed)
            .into_iter()
            .partition::<Vec<_>, _>(|(place, _)| wanted.contains(place));
        self.overlays.placed = kept;
        for (place, number) in gone {
            self.lift(place, number);
        }
        let (dead, alive) =
            std::mem::take(&mut self.overlays.sent).into_iter().partition(|sent| !pictures.keeps(*sent));
        self.overlays.sent = alive;
        let dead: Vec<u32> = dead;
        for serial in dead {
            let _ = write!(self.out, "\x1b_Ga=d,d=I,q=2,i={serial}\x1b\\");
        }
        let now = Instant::now();
        let before = std::mem::take(&mut self.overlays.waiting);
        let since = |place: &Place| before.iter().find(|(known, _)| known == place).map_or(now, |(_, since)| *since);
        let placed = &self.overlays.placed;
        let waits = wanted.into_iter().filter(|place| placed.iter().all(|(known, _)| known != place));
        self.overlays.waiting = waits.map(|place| (place, since(&place))).collect();
        let cells = if self.overlays.placed.is_empty() { 0 } else { self.shown.len() };
        self.overlays.touched.clear();
        self.overlays.touched.resize(cells, false);
    }

    fn lift(&mut self, place: Place, number: u32) {
        if self.overlays.sent.contains(&place.serial) {
            let _ = write!(self.out, "\x1b_Ga=d,d=i,q=2,i={},p={number}\x1b\\", place.serial);
            return;
        }
        // What is written over it takes it away.
        let width = self.width();
        for at in place.cells(width) {
            if let Some(glyph) = self.shown.get_mut(at) {
                *glyph = Glyph { symbol: UNKNOWN, pen: Pen::PLAIN };
                self.dirty[at / width] = true;
            }
        }
    }

    /// After the cells were written: places what is still and encoded.
    pub(super) fn place_pictures(&mut self) {
        let Some(pictures) = self.overlays.pictures.clone() else { return };
        let Some(graphics) = pictures.graphics() else { return };
        let kitty = graphics.protocol == Protocol::Kitty;
        let (width, now) = (self.width(), Instant::now());
        let still = now.checked_sub(STILL).unwrap_or(now);
        // What was written into a picture has left a hole in it.
        let touched = std::mem::take(&mut self.overlays.touched);
        let broken = |place: &Place| !kitty && place.cells(width).any(|at| touched.get(at) == Some(&true));
        let (torn, whole): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.overlays.placed).into_iter().partition(|(place, _)| broken(place));
        self.overlays.placed = whole;
        self.overlays.waiting.extend(torn.into_iter().map(|(place, _)| (place, still)));
        let mut waiting = std::mem::take(&mut self.overlays.waiting);
        waiting.retain(|(place, since)| {
            if !kitty && now.duration_since(*since) < STILL {
                return true;
            }
            let Some(payload) = pictures.payload(place.serial, place.crop) else { return true };
            if !payload.bytes.is_empty() {
                self.place(*place, &payload, kitty);
            }
            false
        });
        self.overlays.waiting = waiting;
    }

    fn place(&mut self, place: Place, payload: &Payload, kitty: bool) {
        self.overlays.number += 1;
        let number = self.overlays.number;
        self.set_pen(Pen::PLAIN);
        if kitty && !self.overlays.sent.contains(&place.serial) {
            self.out.extend_from_slice(&payload.bytes);
            self.overlays.sent.push(place.serial);
        }
        let _ = write!(self.out, "\x1b[{};{}H", place.y + 1, place.x + 1);
        if kitty {
            let Crop { column, row, columns, rows } = place.crop;
            let (across, down) = (u32::from(payload.cells.width.max(1)), u32::from(payload.cells.height.max(1)));
            let across = |cells: u16| u32::from(cells) * payload.pixels.0 / across;
            let down = |cells: u16| u32::from(cells) * payload.pixels.1 / down;
            let (x, y, w, h) = (across(column), down(row), across(columns), down(rows));
            let serial = place.serial;
            let _ = write!(
                self.out,
                "\x1b_Ga=p,q=2,i={serial},p={number},x={x},y={y},w={w},h={h},c={columns},r={rows},C=1\x1b\\"
            );
        } else {
            self.out.extend_from_slice(&payload.bytes);
        }
        // Terminals disagree about where the cursor is after a picture.
        self.at = None;
        self.overlays.placed.push((place, number));
    }
}
