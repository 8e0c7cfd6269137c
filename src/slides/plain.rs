//! Slides without a browser: no style is known, so titles, text, lists, tables and pictures get places of their own.

use std::collections::HashMap;

use super::deck::{
    Align, Anchor, Area, Bullet, Cell, Colour, Dash, Deck, Fill, HEIGHT, Kind, Line, Mark, MediaKind, Outline,
    Paragraph, Picture, Run, Shape, Slide, Style, Table, Text, WIDTH,
};
use super::files::Files;
use super::look::MOST_SLIDES;
use crate::document::html::{Attributes, Piece, pieces};

/// Room at the sides of a slide, and above.
const SIDE: f64 = 64.0;
const ABOVE: f64 = 44.0;
const INK: Colour = Colour::opaque(31, 41, 55);
const ACCENT: Colour = Colour::opaque(37, 99, 235);
/// Pieces of one slide, and letters of one block.
const MOST_BLOCKS: usize = 400;
const MOST_LETTERS: usize = 20_000;
/// Bytes of the page's title.
const MOST_TITLE: usize = 300;
/// Pictures of one slide.
const MOST_PICTURES: usize = 6;
/// Tables of one slide, and rows and columns of one table.
const MOST_TABLES: usize = 10;
const MOST_ROWS: usize = 300;
const MOST_COLUMNS: usize = 60;

/// What a slide says, in its order.
#[derive(Debug, Default)]
struct Told {
    title: String,
    notes: String,
    blocks: Vec<Block>,
    tables: Vec<Vec<Vec<String>>>,
    pictures: Vec<(String, String)>,
}

#[derive(Debug)]
struct Block {
    text: String,
    /// Depth in lists, and the number where it has one.
    list: Option<(usize, Option<u32>)>,
    bold: bool,
}

/// Reads the slides of a page.
#[derive(Default)]
struct Reader {
    title: String,
    slides: Vec<Told>,
    /// Open elements since the slide began; none outside of slides.
    open: Option<Vec<String>>,
    text: String,
    skipped: u32,
    in_title: bool,
    lists: Vec<Option<u32>>,
    heading: bool,
    table: Option<Vec<Vec<String>>>,
    in_cell: bool,
}

const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
const BLOCKS: [&str; 21] = [
    "p",
    "div",
    "section",
    "article",
    "header",
    "footer",
    "main",
    "aside",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "figure",
    "dl",
];

impl Reader {
    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        match name {
            "script" | "style" | "noscript" | "template" | "svg" => self.skipped += 1,
            "title" if self.open.is_none() => self.in_title = true,
            _ => {}
        }
        if self.open.is_none() {
            if attributes.has_class("ppt-slide") && self.slides.len() < MOST_SLIDES && !VOID.contains(&name) {
                let notes = attributes.get("data-notes").unwrap_or_default().chars().take(20_000).collect();
                let title = attributes.get("data-title").unwrap_or_default().chars().take(300).collect();
                self.slides.push(Told { title, notes, ..Told::default() });
                self.open = Some(vec![name.to_owned()]);
            }
            return;
        }
        if self.skipped > 0 {
            return;
        }
        if BLOCKS.contains(&name) {
            self.flush();
        }
        match name {
            "br" => self.text.push(' '),
            "ul" => self.lists.push(None),
            "ol" => self.lists.push(Some(attributes.get("start").and_then(|start| start.parse().ok()).unwrap_or(1))),
            "h1" | "h2" | "h3" => self.heading = true,
            "table" => {
                self.flush();
                self.table = Some(Vec::new());
            }
            "tr" => {
                self.end_cell();
                if let Some(table) = self.table.as_mut().filter(|table| table.len() < MOST_ROWS) {
                    table.push(Vec::new());
                }
            }
            "td" | "th" => {
                // Few pages close their cells.
                self.end_cell();
                self.text.clear();
                self.in_cell = true;
            }
            "img" => {
                if let (Some(source), Some(slide)) = (attributes.get("src"), self.slides.last_mut())
                    && slide.pictures.len() < 20
                {
                    let alt = attributes.get("alt").unwrap_or_default().chars().take(300).collect();
                    slide.pictures.push((source.to_owned(), alt));
                }
            }
            _ => {}
        }
        if let Some(open) = &mut self.open
            && !VOID.contains(&name)
            && open.len() < 1_000
        {
            open.push(name.to_owned());
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "script" | "style" | "noscript" | "template" | "svg" => {
                self.skipped = self.skipped.saturating_sub(1);
                if self.skipped == 0
                    && let Some(open) = &mut self.open
                    && open.last().is_some_and(|last| last == name)
                {
                    open.pop();
                }
                return;
            }
            "title" => self.in_title = false,
            _ => {}
        }
        if self.skipped > 0 || self.open.is_none() {
            return;
        }
        match name {
            "td" | "th" | "tr" => self.end_cell(),
            "table" => {
                self.end_cell();
                self.text.clear();
                let table: Vec<Vec<String>> =
                    self.table.take().unwrap_or_default().into_iter().filter(|row| !row.is_empty()).collect();
                let room = |slide: &&mut Told| slide.tables.len() < MOST_TABLES;
                if let Some(slide) = self.slides.last_mut().filter(|_| !table.is_empty()).filter(room) {
                    slide.tables.push(table);
                }
            }
            name if BLOCKS.contains(&name) => self.flush(),
            _ => {}
        }
        match name {
            "ul" | "ol" => drop(self.lists.pop()),
            "h1" | "h2" | "h3" => self.heading = false,
            _ => {}
        }
        if let Some(open) = &mut self.open
            && let Some(at) = open.iter().rposition(|one| one == name)
        {
            open.truncate(at);
            if at == 0 {
                self.flush();
                self.open = None;
                self.lists.clear();
                self.table = None;
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            if self.title.len() < MOST_TITLE {
                self.title.push_str(text);
            }
        } else if self.skipped == 0 && self.open.is_some() && self.text.len() < MOST_LETTERS {
            self.text.push_str(text);
        }
    }

    /// What was gathered is a cell, if one is open.
    fn end_cell(&mut self) {
        if !std::mem::take(&mut self.in_cell) {
            return;
        }
        let words = words(&std::mem::take(&mut self.text));
        let row = self.table.as_mut().and_then(|table| table.last_mut());
        if let Some(row) = row.filter(|row| row.len() < MOST_COLUMNS) {
            row.push(words);
        }
    }

    /// What was gathered is a block.
    fn flush(&mut self) {
        if self.table.is_some() {
            self.text.push(' ');
            return;
        }
        let text = words(&std::mem::take(&mut self.text));
        let Some(slide) = self.slides.last_mut().filter(|_| !text.is_empty()) else { return };
        if self.heading && slide.title.is_empty() {
            slide.title = text;
            return;
        }
        let depth = self.lists.len();
        let list = self.lists.last_mut().map(|number| {
            let now = *number;
            *number = now.map(|now| now.saturating_add(1));
            (depth, now)
        });
        if slide.blocks.len() < MOST_BLOCKS {
            slide.blocks.push(Block { text, list, bold: self.heading });
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The deck of a page.
pub(super) fn deck(html: &str, files: &Files) -> Deck {
    let mut reader = Reader::default();
    pieces(html, |piece| match piece {
        Piece::Start(name, attributes) => reader.start(name, attributes),
        Piece::End(name) => reader.end(name),
        Piece::Text(text) => reader.text(text),
    });
    reader.flush();
    let mut deck = Deck { title: words(&reader.title), ..Deck::default() };
    let mut kept = HashMap::new();
    for told in reader.slides {
        let slide = slide(&mut deck, told, files, &mut kept);
        deck.slides.push(slide);
    }
    deck
}

fn style(size: f64, bold: bool) -> Style {
    Style { font: "Arial".to_owned(), far: "Microsoft YaHei".to_owned(), size, bold, colour: INK, ..Style::default() }
}

/// Lines that a text takes, roughly: letters of East Asia are twice as wide.
fn lines(text: &str, size: f64, width: f64) -> f64 {
    let cells: f64 = text.chars().map(|c| if (c as u32) < 0x2e80 { 0.53 } else { 1.0 }).sum();
    (cells * size / width).ceil().max(1.0)
}

fn slide(deck: &mut Deck, told: Told, files: &Files, kept: &mut HashMap<String, Option<usize>>) -> Slide {
    let mut told = told;
    if told.title.is_empty() && !told.blocks.is_empty() && told.blocks[0].text.chars().count() <= 90 {
        told.title = told.blocks.remove(0).text;
    }
    let mut slide = Slide { title: told.title.clone(), notes: told.notes, ..Slide::default() };
    slide.ground = Some(Fill::Plain(Colour::WHITE));
    let pictures: Vec<(usize, String)> = told
        .pictures
        .into_iter()
        .take(MOST_PICTURES)
        .filter_map(|(source, alt)| {
            let media = *kept.entry(source.clone()).or_insert_with(|| {
                let bytes = files.picture(&source)?;
                let kind = MediaKind::of(&bytes).filter(|kind| *kind != MediaKind::Svg)?;
                Some(deck.keep(bytes, kind))
            });
            media.map(|media| (media, alt))
        })
        .collect();
    let only_title = told.blocks.is_empty() && told.tables.is_empty() && pictures.is_empty();
    let mut top = ABOVE;
    if !told.title.is_empty() {
        let size = if only_title { 54.0 } else { 36.0 };
        let high = lines(&told.title, size, WIDTH - 2.0 * SIDE) * size * 1.2;
        let y = if only_title { (HEIGHT - high) / 2.0 } else { top };
        let run = Run { text: told.title, style: style(size, true) };
        let align = if only_title { Align::Centre } else { Align::Left };
        let paragraph = Paragraph { runs: vec![run], align, ..Paragraph::default() };
        let area = Area { x: SIDE, y, w: WIDTH - 2.0 * SIDE, h: high };
        slide.shapes.push(text(area, vec![paragraph], true));
        top += high + 20.0;
    }
    let beside = !pictures.is_empty() && (!told.blocks.is_empty() || !told.tables.is_empty());
    let wide = if beside { (WIDTH - 2.0 * SIDE) * 0.58 } else { WIDTH - 2.0 * SIDE };
    let room = HEIGHT - top - 40.0;
    let text_room = if told.tables.is_empty() { room } else { room * 0.45 };
    if !told.blocks.is_empty() {
        let needs = |size: f64| -> f64 {
            let of = |block: &Block| lines(&block.text, size, wide - indent(block, size)) * size * 1.25 + size * 0.4;
            told.blocks.iter().map(of).sum()
        };
        let size =
            [24.0, 20.0, 18.0, 16.0, 14.0, 12.0].into_iter().find(|size| needs(*size) <= text_room).unwrap_or(10.0);
        let high = needs(size).min(room);
        let paragraphs = told.blocks.iter().map(|block| paragraph(block, size)).collect();
        slide.shapes.push(text(Area { x: SIDE, y: top, w: wide, h: high }, paragraphs, false));
        top += high + 16.0;
    }
    let count = told.tables.len();
    for rows in told.tables {
        let high = ((HEIGHT - top - 40.0) / count as f64).max(60.0);
        slide.shapes.push(table(rows, Area { x: SIDE, y: top, w: wide, h: high }));
        top += high + 12.0;
    }
    let (x, w) = if beside { (SIDE + wide + 24.0, WIDTH - 2.0 * SIDE - wide - 24.0) } else { (SIDE, wide) };
    let each = (room / pictures.len().max(1) as f64).max(40.0);
    for (at, (media, alt)) in pictures.into_iter().enumerate() {
        let frame = Area { x, y: HEIGHT - 40.0 - room + at as f64 * each, w, h: each - 12.0 };
        let area = deck.media.get(media).and_then(|media| size(&media.bytes)).map_or(frame, |size| inside(frame, size));
        let picture = Picture { media, drawing: None, crop: [0.0; 4], outline: Outline::Rectangle, alpha: 1.0 };
        slide.shapes.push(Shape { area, turn: 0.0, alt, kind: Kind::Picture(picture) });
    }
    slide
}

fn text(area: Area, paragraphs: Vec<Paragraph>, is_title: bool) -> Shape {
    let text = Text { paragraphs, wraps: true, anchor: Anchor::Top, vertical: false, is_title };
    Shape { area, turn: 0.0, alt: String::new(), kind: Kind::Text(text) }
}

fn indent(block: &Block, size: f64) -> f64 {
    block.list.map_or(0.0, |(depth, _)| depth as f64 * size * 1.2)
}

fn paragraph(block: &Block, size: f64) -> Paragraph {
    let bullet = block.list.map(|(_, number)| Bullet {
        colour: Some(ACCENT),
        mark: number.map_or_else(
            || Mark::Character("•".to_owned()),
            |number| Mark::Number("arabicPeriod", number.clamp(1, 32_767)),
        ),
    });
    Paragraph {
        runs: vec![Run { text: block.text.clone(), style: style(size, block.bold) }],
        before: size * 0.4,
        margin: indent(block, size),
        hanging: if bullet.is_some() { size * 1.2 } else { 0.0 },
        level: block.list.map_or(0, |(depth, _)| depth.saturating_sub(1).min(8)),
        bullet,
        ..Paragraph::default()
    }
}

fn table(rows: Vec<Vec<String>>, area: Area) -> Shape {
    let rows: Vec<Vec<String>> = rows.into_iter().take(60).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(1).clamp(1, 30);
    let high = (area.h / rows.len().max(1) as f64).min(44.0);
    let size = (high * 0.45).clamp(8.0, 18.0);
    let line = Line { width: 1.0, colour: Colour::opaque(209, 213, 219), dash: Dash::Solid };
    let mut cells = Vec::new();
    for (row, texts) in rows.iter().enumerate() {
        for (column, text) in texts.iter().take(columns).enumerate() {
            let run = Run { text: text.clone(), style: style(size, row == 0) };
            let fill = (row == 0).then_some(Fill::Plain(Colour::opaque(243, 244, 246)));
            let runs = if text.is_empty() { Vec::new() } else { vec![run] };
            let paragraphs = vec![Paragraph { runs, ..Paragraph::default() }];
            let (lines, margins) = (std::array::from_fn(|_| Some(line.clone())), [4.0, 8.0, 4.0, 8.0]);
            let anchor = Anchor::Middle;
            cells.push(Cell { row, column, across: 1, down: 1, fill, lines, margins, anchor, paragraphs });
        }
    }
    let (columns, count) = (vec![area.w / columns as f64; columns], rows.len());
    let table = Table { columns, rows: vec![high; count], header: true, cells };
    let area = Area { h: high * count as f64, ..area };
    Shape { area, turn: 0.0, alt: String::new(), kind: Kind::Table(table) }
}

/// The largest area of this form within a frame, in its middle.
fn inside(frame: Area, (w, h): (f64, f64)) -> Area {
    let share = (frame.w / w).min(frame.h / h);
    let (w, h) = (w * share, h * share);
    Area { x: frame.x + (frame.w - w) / 2.0, y: frame.y + (frame.h - h) / 2.0, w, h }
}

/// The size of a picture by the head of its file; nothing of it is decoded.
fn size(bytes: &[u8]) -> Option<(f64, f64)> {
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().ok()?;
    let (w, h) = reader.into_dimensions().ok()?;
    (w > 0 && h > 0).then_some((f64::from(w), f64::from(h)))
}
