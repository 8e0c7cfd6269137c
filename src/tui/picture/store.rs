//! The pictures that are wanted, being made and there.
//!
//! What is kept is bounded: never a whole unpacked picture, only what the screen shows of it, and of that the most
//! recently seen. A picture that was dropped is made again from its file when it is next looked at.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::RgbaImage;
use ratatui::layout::Size;
use ratatui::text::Line;

use super::graphics::{Graphics, Protocol};
use super::{Depth, PictureFile, PictureFiles, Stamp, Wanted, cells, encode, mark, scale};

/// Memory of all pictures together.
const MOST_BYTES: usize = 48 << 20;
/// Pictures that are kept; there must be fewer than slots.
const MOST_KEPT: usize = 100;
/// Columns and rows of a picture: a mark has room for no more.
const MOST_CELLS: u16 = 250;
/// What a span of a line takes, about.
const SPAN_BYTES: usize = 80;
/// The size of a cell where the terminal does not tell it.
const USUAL_CELL: (u16, u16) = (10, 20);
/// The widest cell that is believed, in pixels; twice as high it may be.
const WIDEST_CELL: u16 = 64;
/// Pixels of one picture that are made for a terminal's own way; what would have more is shown in cells.
const MOST_PIXELS: u32 = 12 << 20;
/// Encoded pieces that are kept of one picture: the whole, and the one that is seen now.
const MOST_PIECES: usize = 2;

/// What a pane shows of a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// It is being made.
    Loading,
    /// It cannot be shown: why, as a part of a sentence.
    Failed(String),
    /// It is there.
    Ready {
        /// Its own size in pixels.
        pixels: (u32, u32),
        /// Bytes of its file.
        bytes: u64,
        /// How it looks; empty where pictures are told in words.
        lines: Arc<[Line<'static>]>,
    },
}

/// A part of a picture in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub column: u16,
    /// First row.
    pub row: u16,
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// A picture, encoded for the terminal.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The sequences.
    pub bytes: Arc<[u8]>,
    /// Its size in pixels.
    pub pixels: (u32, u32),
    /// Its size in cells.
    pub cells: Size,
}

/// Work that must not happen on the screen's thread.
pub type Job = Box<dyn FnOnce() + Send>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    path: Arc<str>,
    room: (u16, u16),
}

#[derive(Debug)]
struct Entry {
    /// The frame in which it was looked at last.
    seen: u64,
    /// The file may have changed since.
    stale: bool,
    stamp: Option<Stamp>,
    /// Tells what has this slot from what had it before.
    serial: u32,
    slot: Option<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Asked,
    Failed(String),
    Ready(Ready),
}

#[derive(Debug)]
struct Ready {
    pixels: (u32, u32),
    bytes: u64,
    cells: Size,
    lines: Arc<[Line<'static>]>,
    /// What is encoded for the terminal, where it has graphics.
    scaled: Option<Arc<RgbaImage>>,
    pieces: Vec<(Crop, Arc<[u8]>)>,
}

impl Ready {
    fn weight(&self) -> usize {
        let spans: usize = self.lines.iter().map(|line| line.spans.len()).sum();
        let scaled = self.scaled.as_ref().map_or(0, |pixels| pixels.as_raw().len());
        spans * SPAN_BYTES + scaled + self.pieces.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }
}

/// How pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    /// In cells, or only told in words.
    drawn: bool,
    depth: Depth,
    graphics: Option<Graphics>,
    cell: (u16, u16),
}

struct Store {
    files: PictureFiles,
    way: Way,
    entries: HashMap<Key, Entry>,
    /// What the latest frame asked for, in its order.
    asked: Vec<Key>,
    /// The piece that the terminal lacks.
    piece: Option<(u32, Crop)>,
    frame: u64,
    version: u64,
    serial: u32,
    running: bool,
}

/// All pictures of the screen. Clones share them.
#[derive(Clone)]
pub struct Pictures(Arc<Mutex<Store>>);

impl fmt::Debug for Pictures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.lock();
        formatter.debug_struct("Pictures").field("way", &store.way).field("kept", &store.entries.len()).finish()
    }
}

impl Default for Pictures {
    /// Without files; what is asked for is told to be missing.
    fn default() -> Self {
        Self::new(PictureFiles::none(), false, Depth::default())
    }
}

impl Pictures {
    /// Pictures of these files; `drawn` in cells of that many colours, else told in words.
    pub fn new(files: PictureFiles, drawn: bool, depth: Depth) -> Self {
        let way = Way { drawn, depth, graphics: None, cell: USUAL_CELL };
        Self(Arc::new(Mutex::new(Store {
            files,
            way,
            entries: HashMap::new(),
            asked: Vec::new(),
            piece: None,
            frame: 1,
            version: 1,
            serial: first_serial(),
            running: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the terminal can do: everything is made anew where that is something else than before.
    pub fn set_graphics(&self, graphics: Option<Graphics>, cell: Option<(u16, u16)>) {
        let mut store = self.lock();
        let graphics = graphics.filter(|_| store.way.drawn);
        let bounded = |cell: (u16, u16)| (cell.0.min(WIDEST_CELL), cell.1.min(2 * WIDEST_CELL));
        let graphics = graphics.map(|graphics| Graphics { cell: bounded(graphics.cell), ..graphics });
        let way = Way { graphics, cell: bounded(cell.unwrap_or(store.way.cell)), ..store.way };
        if way != store.way {
            store.way = way;
            store.entries.clear();
            store.asked.clear();
            store.piece = None;
            store.version += 1;
        }
    }

    /// What the terminal's own pictures are made with.
    pub fn graphics(&self) -> Option<Graphics> {
        self.lock().way.graphics
    }

    /// Whether pictures are drawn, and not only told in words.
    pub fn are_drawn(&self) -> bool {
        self.lock().way.drawn
    }

    /// Changes whenever anything that a pane shows may have changed.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// A frame begins: what it does not ask for is not made any more.
    pub fn begin_frame(&self) {
        let mut store = self.lock();
        store.frame += 1;
        store.asked.clear();
    }

    /// Files may have changed: pictures that are seen are compared with theirs.
    pub fn check_files(&self) {
        for entry in self.lock().entries.values_mut() {
            entry.stale = true;
        }
    }

    /// A picture, in so much room at most. What is not there is asked for.
    pub fn view(&self, path: &str, room: Size) -> View {
        let mut store = self.lock();
        let room = (room.width.clamp(1, MOST_CELLS), room.height.clamp(1, MOST_CELLS));
        let key = Key { path: path.into(), room };
        let frame = store.frame;
        let (view, wanted) = match store.entries.get_mut(&key) {
            None => (View::Loading, true),
            Some(entry) => {
                entry.seen = frame;
                match &entry.state {
                    State::Asked => (View::Loading, true),
                    State::Failed(why) => (View::Failed(why.clone()), entry.stale),
                    State::Ready(ready) => {
                        let lines = Arc::clone(&ready.lines);
                        (View::Ready { pixels: ready.pixels, bytes: ready.bytes, lines }, entry.stale)
                    }
                }
            }
        };
        if wanted && !store.asked.contains(&key) {
            store.asked.push(key);
        }
        view
    }

    /// The next piece of work, if there is any and none is going on. What it made is there when it has run.
    pub fn next_job(&self) -> Option<Job> {
        let mut store = self.lock();
        if store.running {
            return None;
        }
        let job = store.loading(self).or_else(|| store.encoding(self))?;
        store.running = true;
        Some(job)
    }

    /// The picture with this slot, encoded: the part `crop` of it, or the whole where the terminal crops by itself. Asked
    /// for where it is not there yet.
    pub fn payload(&self, serial: u32, crop: Crop) -> Option<Payload> {
        let mut store = self.lock();
        let whole_only = store.way.graphics.is_some_and(|graphics| graphics.protocol == Protocol::Kitty);
        let ready = store.entries.values().find_map(|entry| match &entry.state {
            State::Ready(ready) if entry.serial == serial => Some(ready),
            _ => None,
        })?;
        let crop = if whole_only { whole(ready.cells) } else { crop };
        let pixels = ready.scaled.as_ref().map(|scaled| scaled.dimensions())?;
        let found = ready.pieces.iter().find(|(kept, _)| *kept == crop);
        let payload = found.map(|(_, bytes)| Payload { bytes: Arc::clone(bytes), pixels, cells: ready.cells });
        if payload.is_none() {
            store.piece = Some((serial, crop));
        }
        payload
    }

    /// What is in a slot now.
    pub fn serial(&self, slot: u8) -> Option<u32> {
        self.lock().entries.values().find(|entry| entry.slot == Some(slot)).map(|entry| entry.serial)
    }

    /// Whether a picture is still kept.
    pub fn keeps(&self, serial: u32) -> bool {
        self.lock().entries.values().any(|entry| entry.serial == serial)
    }

    fn finish(&self, change: impl FnOnce(&mut Store)) {
        let mut store = self.lock();
        change(&mut store);
        store.running = false;
        store.version += 1;
        store.forget_oldest();
    }
}

/// Terminals keep pictures by number, for all programs in them: each process begins elsewhere.
fn first_serial() -> u32 {
    (std::process::id() & 0x7_ffff) << 12
}

fn whole(cells: Size) -> Crop {
    Crop { column: 0, row: 0, columns: cells.width, rows: cells.height }
}

impl Store {
    fn loading(&mut self, shared: &Pictures) -> Option<Job> {
        if self.asked.is_empty() {
            return None;
        }
        let key = self.asked.remove(0);
        let slot = self.way.graphics.and_then(|_| self.slot_for(&key));
        self.serial += 1;
        let (serial, frame) = (self.serial, self.frame);
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
            seen: frame,
            stale: false,
            stamp: None,
            serial,
            slot,
            state: State::Asked,
        });
        entry.stale = false;
        let (known, way, files, shared) = (entry.stamp, self.way, self.files.clone(), shared.clone());
        Some(Box::new(move || {
            let made = scale::guarded(|| load(&files, &key, known, way, slot));
            shared.finish(|store| {
                // The terminal may have turned out to be another one meanwhile.
                if store.way != way {
                    return;
                }
                let Some(entry) = store.entries.get_mut(&key) else { return };
                match made {
                    Ok(None) => {}
                    Ok(Some((stamp, ready))) => {
                        (entry.stamp, entry.serial, entry.slot) = (Some(stamp), serial, slot);
                        entry.state = State::Ready(ready);
                    }
                    Err(why) => {
                        entry.stamp = None;
                        entry.state = State::Failed(why);
                    }
                }
            });
        }))
    }

    fn encoding(&mut self, shared: &Pictures) -> Option<Job> {
        let (serial, crop) = self.piece.take()?;
        let graphics = self.way.graphics?;
        let scaled = self.entries.values().find_map(|entry| match &entry.state {
            State::Ready(ready) if entry.serial == serial => ready.scaled.clone(),
            _ => None,
        })?;
        let (way, shared) = (self.way, shared.clone());
        Some(Box::new(move || {
            let made = scale::guarded(|| Ok(encode::encode(graphics, &scaled, crop, serial)));
            let bytes: Arc<[u8]> = made.unwrap_or_default().into();
            shared.finish(|store| {
                let entry = store.entries.values_mut().find(|entry| entry.serial == serial);
                if let (true, Some(Entry { state: State::Ready(ready), .. })) = (store.way == way, entry) {
                    if ready.pieces.len() >= MOST_PIECES {
                        ready.pieces.remove(0);
                    }
                    ready.pieces.push((crop, bytes));
                }
            });
        }))
    }

    /// A slot that nothing on the screen has.
    fn slot_for(&self, key: &Key) -> Option<u8> {
        if let Some(slot) = self.entries.get(key).and_then(|entry| entry.slot) {
            return Some(slot);
        }
        (0..mark::SLOTS as u8).find(|slot| self.entries.values().all(|entry| entry.slot != Some(*slot)))
    }

    /// Keeps within the bounds; what the latest frame shows stays.
    fn forget_oldest(&mut self) {
        let weight = |entry: &Entry| match &entry.state {
            State::Ready(ready) => ready.weight(),
            _ => 0,
        };
        let mut total: usize = self.entries.values().map(weight).sum();
        while total > MOST_BYTES || self.entries.len() > MOST_KEPT {
            let frame = self.frame;
            let old = self.entries.iter().filter(|(_, entry)| entry.seen < frame).min_by_key(|(_, entry)| entry.seen);
            let Some(key) = old.map(|(key, _)| key.clone()) else { break };
            if let Some(entry) = self.entries.remove(&key) {
                total -= weight(&entry);
            }
        }
    }
}

/// Opens and scales a picture. `None` when it is as it was.
fn load(
    files: &PictureFiles,
    key: &Key,
    known: Option<Stamp>,
    way: Way,
    slot: Option<u8>,
) -> Result<Option<(Stamp, Ready)>, String> {
    let room = Size { width: key.room.0, height: key.room.1 };
    let (width, height) = (u32::from(way.cell.0), u32::from(way.cell.1));
    let wanted = if way.drawn {
        // A large screen of large cells needs no more pixels than others.
        let area = width * u32::from(room.width) * height * u32::from(room.height);
        let less = (area / MOST_PIXELS).isqrt() + 1;
        let (width, height) = ((width / less).max(1), (height / less).max(1));
        Wanted { width: width * u32::from(room.width), height: height * u32::from(room.height), grow: width }
    } else {
        Wanted { width: 1, height: 1, grow: 1 }
    };
    let (stamp, size, picture) = match files.open(&key.path, known, wanted)? {
        PictureFile::Unchanged => return Ok(None),
        PictureFile::Read { stamp, size, pixels } => (stamp, size, pixels),
    };
    let mut ready = Ready {
        pixels: size,
        bytes: stamp.bytes,
        cells: Size::ZERO,
        lines: Arc::from([]),
        scaled: None,
        pieces: Vec::new(),
    };
    if !way.drawn {
        return Ok(Some((stamp, ready)));
    }
    ready.cells = cells::fit(size.0, size.1, room, way.cell);
    let (columns, rows) = (u32::from(ready.cells.width), u32::from(ready.cells.height));
    let slot = slot.filter(|_| columns * width * rows * height <= MOST_PIXELS);
    let mut half = scale::scaled(&picture, columns, 2 * rows);
    scale::flatten(&mut half);
    ready.lines = cells::rows(&half, way.depth, slot).into();
    if slot.is_some() {
        let mut scaled = scale::scaled(&picture, columns * width, rows * height);
        scale::flatten(&mut scaled);
        ready.scaled = Some(Arc::new(scaled));
    }
    Ok(Some((stamp, ready)))
}

#[cfg(test)]
mod tests;
