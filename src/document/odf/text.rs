//! Text of OpenDocument files: paragraphs, lists, tables, frames, notes.

use super::style::Styles;
use crate::document::markdown::{Inline, Look, Marker, Table, Writer};
use crate::document::xml::{Element, Item};

/// Columns that one table may have; repeated ones count.
const MOST_COLUMNS: usize = 1_000;
/// Spaces that one element may stand for.
const MOST_SPACES: usize = 100;

/// What is known while text is read.
pub(super) struct Text<'s> {
    styles: &'s Styles,
    notes: Vec<(String, Inline)>,
    numbers: (usize, usize, usize),
}

/// How a run looks and where it leads.
#[derive(Debug, Clone, Copy, Default)]
struct Run<'l> {
    look: Look,
    link: Option<&'l str>,
}

impl<'s> Text<'s> {
    pub(super) fn new(styles: &'s Styles) -> Self {
        Self { styles, notes: Vec::new(), numbers: (0, 0, 0) }
    }

    /// All paragraphs, lists and tables in an element.
    pub(super) fn blocks(&mut self, element: Element<'_>, writer: &mut Writer) {
        let mut listing = String::new();
        for block in element.children() {
            if writer.is_full() {
                return;
            }
            let style = block.attr(":style-name");
            if block.is("p") && self.styles.is_code(style) {
                let (text, frames) = self.paragraph(block);
                listing.push_str(&text.words());
                listing.push('\n');
                self.write_frames(&frames, writer);
                continue;
            }
            writer.code("", &std::mem::take(&mut listing));
            match block.name() {
                "p" | "h" => {
                    let (text, frames) = self.paragraph(block);
                    let level = block.attr(":outline-level").filter(|_| block.is("h")).and_then(|v| v.parse().ok());
                    match level.or_else(|| self.styles.heading(style)) {
                        Some(level) => writer.heading(level, &text),
                        None if self.styles.is_quote(style) => writer.quote(&text),
                        None => writer.paragraph(&text),
                    }
                    self.write_frames(&frames, writer);
                }
                "list" => self.list(block, None, 1, writer),
                "table" => {
                    let table = self.table(block);
                    writer.table(&table);
                }
                // Indexes hold their text in a body; sections, tracked changes that stayed and the like only wrap.
                "section" | "index-body" | "table-of-content" | "illustration-index" | "table-index"
                | "object-index" | "user-index" | "alphabetical-index" | "bibliography" | "index-title"
                | "numbered-paragraph" | "text-box" | "page-sequence" | "list-header" => self.blocks(block, writer),
                "frame" | "custom-shape" | "rect" | "ellipse" | "g" | "caption" => self.frame(block, writer),
                _ => {}
            }
        }
        writer.code("", &listing);
    }

    fn list(&mut self, list: Element<'_>, inherited: Option<&str>, level: usize, writer: &mut Writer) {
        let own = list.attr(":style-name").or(inherited);
        let mut number: Option<u64> = None;
        for item in list.children().filter(|e| matches!(e.name(), "list-item" | "list-header")) {
            let mut first = true;
            for block in item.children() {
                match block.name() {
                    "p" | "h" => {
                        let (text, frames) = self.paragraph(block);
                        let style = own.or_else(|| self.styles.list_of(block.attr(":style-name")));
                        let start = style.and_then(|style| self.styles.numbered(style, level));
                        if block.is("h") {
                            let level = block.attr(":outline-level").and_then(|v| v.parse().ok()).unwrap_or(level);
                            writer.heading(level, &text);
                        } else if !text.is_blank() {
                            let marker = match start {
                                _ if !first || item.is("list-header") => Marker::More,
                                Some(start) => {
                                    let set = item.attr(":start-value").and_then(|v| v.parse().ok());
                                    let next = set.unwrap_or_else(|| number.map_or(start, |n| n.saturating_add(1)));
                                    number = Some(next);
                                    Marker::Number(next)
                                }
                                None => Marker::Bullet,
                            };
                            first = false;
                            writer.item(level - 1, marker, &text);
                        }
                        self.write_frames(&frames, writer);
                    }
                    "list" => self.list(block, own, level + 1, writer),
                    _ => {}
                }
            }
        }
    }

    pub(super) fn table(&mut self, table: Element<'_>) -> Table {
        let mut out = Table::default();
        for row in rows_of(table) {
            let mut cells = Vec::new();
            for cell in row.children().filter(|e| matches!(e.name(), "table-cell" | "covered-table-cell")) {
                let repeated = cell.attr(":number-columns-repeated").and_then(|v| v.parse().ok()).unwrap_or(1usize);
                let text = if cell.is("table-cell") { self.joined(cell).to_cell() } else { String::new() };
                let room = MOST_COLUMNS.saturating_sub(cells.len());
                cells.extend(std::iter::repeat_n(text, repeated.min(room)));
            }
            out.row(cells);
        }
        out
    }

    /// A frame: a box with text, a table, a picture.
    pub(super) fn frame(&mut self, frame: Element<'_>, writer: &mut Writer) {
        for child in frame.children() {
            match child.name() {
                "text-box" => self.blocks(child, writer),
                "table" => {
                    let table = self.table(child);
                    writer.table(&table);
                }
                "image" => {
                    let mut picture = Inline::default();
                    if image(frame, child, &mut picture) {
                        writer.paragraph(&picture);
                    }
                }
                "frame" | "custom-shape" | "rect" | "g" => self.frame(child, writer),
                _ => {}
            }
        }
        // Shapes hold their paragraphs directly.
        if !frame.is("frame") {
            let mut lists = frame.children().filter(|e| matches!(e.name(), "p" | "list" | "h")).peekable();
            if lists.peek().is_some() {
                self.blocks_of_shape(frame, writer);
            }
        }
    }

    fn blocks_of_shape(&mut self, shape: Element<'_>, writer: &mut Writer) {
        for block in shape.children() {
            match block.name() {
                "p" | "h" => {
                    let (text, frames) = self.paragraph(block);
                    writer.paragraph(&text);
                    self.write_frames(&frames, writer);
                }
                "list" => self.list(block, None, 1, writer),
                _ => {}
            }
        }
    }

    fn write_frames(&mut self, frames: &[Element<'_>], writer: &mut Writer) {
        for frame in frames {
            self.frame(*frame, writer);
        }
    }

    /// All text in an element as one paragraph with line breaks, as a cell or a note takes it.
    pub(super) fn joined(&mut self, element: Element<'_>) -> Inline {
        let mut out = Inline::default();
        self.join(element, "", &mut out);
        out
    }

    fn join(&mut self, element: Element<'_>, before: &str, out: &mut Inline) {
        for block in element.children() {
            match block.name() {
                "p" | "h" => {
                    let (text, frames) = self.paragraph(block);
                    if !text.is_blank() {
                        if !out.is_blank() {
                            out.line_break();
                        }
                        out.text(before);
                        out.append(text);
                    }
                    for frame in frames {
                        self.join(frame, before, out);
                    }
                }
                "list" => {
                    for item in block.children() {
                        self.join(item, if before.is_empty() { "- " } else { before }, out);
                    }
                }
                "image" => {
                    let mut picture = Inline::default();
                    if image(element, block, &mut picture) {
                        out.append(picture);
                    }
                }
                "text-box" | "frame" | "section" | "table" | "table-row" | "table-cell" | "table-rows"
                | "table-header-rows" => self.join(block, before, out),
                _ => {}
            }
        }
    }

    /// The runs of a paragraph, and frames that it holds.
    fn paragraph<'t>(&mut self, paragraph: Element<'t>) -> (Inline, Vec<Element<'t>>) {
        let (mut out, mut frames) = (Inline::default(), Vec::new());
        self.runs(paragraph, Run::default(), &mut out, &mut frames);
        (out, frames)
    }

    fn runs<'t>(&mut self, element: Element<'t>, run: Run<'_>, out: &mut Inline, frames: &mut Vec<Element<'t>>) {
        for item in element.items() {
            let child = match item {
                Item::Text(text) => {
                    // White space is one space; more of it is written as elements.
                    let mut words = String::with_capacity(text.len());
                    let mut spaced = out.ends_in_space();
                    for c in text.chars() {
                        let space = matches!(c, ' ' | '\t' | '\n' | '\r');
                        if !space || !spaced {
                            words.push(if space { ' ' } else { c });
                        }
                        spaced = space;
                    }
                    out.run(&words, run.look, run.link);
                    continue;
                }
                Item::Element(child) => child,
            };
            match child.name() {
                "span" => {
                    let more = self.styles.look(child.attr(":style-name"));
                    let look = Look {
                        bold: run.look.bold || more.bold,
                        italic: run.look.italic || more.italic,
                        strike: run.look.strike || more.strike,
                        code: run.look.code || more.code,
                    };
                    self.runs(child, Run { look, ..run }, out, frames);
                }
                "a" => {
                    let target = child.attr(":href").filter(|href| !href.starts_with('#'));
                    self.runs(child, Run { link: target.or(run.link), ..run }, out, frames);
                }
                "s" => {
                    let count = child.attr(":c").and_then(|c| c.parse().ok()).unwrap_or(1usize);
                    out.run(&" ".repeat(count.min(MOST_SPACES)), run.look, run.link);
                }
                "tab" => out.run("\t", run.look, run.link),
                "line-break" => out.line_break(),
                "note" => {
                    let foot = child.attr(":note-class") != Some("endnote");
                    let number = if foot { &mut self.numbers.0 } else { &mut self.numbers.1 };
                    *number += 1;
                    let mark = format!("[^{}{number}]", if foot { "" } else { "e" });
                    out.raw(&mark);
                    let text = child.child("note-body").map(|body| self.joined(body)).unwrap_or_default();
                    self.notes.push((mark, text));
                }
                "annotation" => {
                    self.numbers.2 += 1;
                    let mark = format!("[^c{}]", self.numbers.2);
                    out.raw(&mark);
                    let mut text = Inline::default();
                    if let Some(author) = child.child("creator") {
                        text.text(&format!("{}: ", author.text().trim()));
                    }
                    text.append(self.joined(child));
                    self.notes.push((mark, text));
                }
                "frame" => {
                    // A picture in the line stays there; a box comes after the paragraph.
                    let picture = child.children().find(|e| e.is("image"));
                    if picture.is_none_or(|picture| !image(child, picture, out)) {
                        frames.push(child);
                    }
                }
                "custom-shape" | "rect" | "ellipse" | "g" | "text-box" | "caption" => frames.push(child),
                "ruby" => {
                    if let Some(base) = child.child("ruby-base") {
                        self.runs(base, run, out, frames);
                    }
                }
                "tracked-changes" | "annotation-end" | "bookmark" | "bookmark-start" | "bookmark-end" | "desc"
                | "title" | "event-listeners" => {}
                // Fields hold what they last showed.
                _ => self.runs(child, run, out, frames),
            }
        }
    }

    /// Writes the notes that the text pointed to.
    pub(super) fn write_notes(&mut self, writer: &mut Writer) {
        for (mark, text) in std::mem::take(&mut self.notes) {
            let mut line = Inline::default();
            line.raw(&format!("{mark}: "));
            line.append(text.trimmed_start());
            writer.paragraph(&line);
        }
    }
}

/// Adds the placeholder of a picture; none for one that stands only for an object.
fn image(frame: Element<'_>, image: Element<'_>, out: &mut Inline) -> bool {
    let Some(name) =
        image.attr(":href").filter(|name| !name.starts_with("./ObjectReplacements") && !name.starts_with("data:"))
    else {
        return false;
    };
    let words = |name: &str| frame.child(name).map(Element::text).filter(|text| !text.trim().is_empty());
    let alt = words("desc").or_else(|| words("title")).unwrap_or_default();
    out.image(&alt, name.trim_start_matches("./"));
    true
}

/// Rows of a table, through the groups that they may stand in.
pub(super) fn rows_of<'t>(table: Element<'t>) -> impl Iterator<Item = Element<'t>> {
    let mut waiting: Vec<Element<'t>> = table.children().collect();
    waiting.reverse();
    std::iter::from_fn(move || {
        loop {
            let next = waiting.pop()?;
            match next.name() {
                "table-row" => return Some(next),
                "table-rows" | "table-header-rows" | "table-row-group" => {
                    let from = waiting.len();
                    waiting.extend(next.children());
                    waiting[from..].reverse();
                }
                _ => {}
            }
        }
    })
}
