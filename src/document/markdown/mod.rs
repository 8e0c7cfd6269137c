//! The one writer of Markdown: blocks one below the other, each bounded, with a note when the bound was reached.

mod inline;
mod table;

pub(super) use inline::{Inline, Look};
pub(super) use table::Table;

use super::{Converted, Limits};
use crate::support::{sanitize, truncate};

/// How deep lists are drawn; what lies deeper is drawn at this depth.
const DEEPEST_ITEM: usize = 12;
/// Characters of a note or a summary: both may quote the document.
const MAX_NOTE: usize = 200;

/// What stands before an item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// A bullet.
    Bullet,
    /// A number.
    Number(u64),
    /// Nothing: a further paragraph of the item before.
    More,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Block,
    Item,
}

/// Blocks of Markdown as they come.
#[derive(Debug)]
pub(super) struct Writer {
    out: String,
    /// Bytes that may still come.
    left: usize,
    cut: bool,
    last: Last,
    /// Widths of the markers of the open items, outermost first.
    widths: Vec<usize>,
    notes: Vec<String>,
}

impl Writer {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            out: String::new(),
            left: limits.output_bytes,
            cut: false,
            last: Last::Nothing,
            widths: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether nothing more is taken: readers may stop.
    pub(super) fn is_full(&self) -> bool {
        self.cut
    }

    /// Bytes that may still come.
    pub(super) fn room(&self) -> usize {
        if self.cut { 0 } else { self.left }
    }

    /// Something that the reader of the text has to know; each is told once.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = line(&note.into());
        if !self.notes.contains(&note) && self.notes.len() < 20 {
            self.notes.push(note);
        }
    }

    /// A heading of level 1 to 6.
    pub(super) fn heading(&mut self, level: usize, text: &Inline) {
        let line = text.to_line();
        if !line.is_empty() {
            self.block(&format!("{} {line}", "#".repeat(level.clamp(1, 6))));
        }
    }

    /// A heading of plain words.
    pub(super) fn title(&mut self, level: usize, text: &str) {
        self.heading(level, &Inline::plain(text));
    }

    /// A paragraph; none for one without text.
    pub(super) fn paragraph(&mut self, text: &Inline) {
        let text = text.to_block();
        if !text.is_empty() {
            self.block(&text);
        }
    }

    /// A paragraph that is set off as a quotation.
    pub(super) fn quote(&mut self, text: &Inline) {
        let text = text.to_block();
        if !text.is_empty() {
            self.block(&format!("> {}", text.replace('\n', "\n> ")));
        }
    }

    /// An item of a list, `depth` 0 being the outermost.
    pub(super) fn item(&mut self, depth: usize, marker: Marker, text: &Inline) {
        let text = text.to_block();
        if text.is_empty() {
            return;
        }
        if self.last != Last::Item {
            self.widths.clear();
        }
        let depth = depth.min(DEEPEST_ITEM);
        while self.widths.len() < depth {
            self.widths.push(2);
        }
        let more = marker == Marker::More && self.last == Last::Item;
        let head = match marker {
            Marker::Number(number) => format!("{number}. "),
            Marker::More if more => " ".repeat(self.widths.get(depth).copied().unwrap_or(2)),
            Marker::Bullet | Marker::More => "- ".to_owned(),
        };
        self.widths.truncate(depth);
        let indent = " ".repeat(self.widths.iter().sum());
        self.widths.push(head.len());
        let hanging = format!("\n{indent}{}", " ".repeat(head.len()));
        let item = format!("{indent}{head}{}", text.replace('\n', &hanging));
        let gap = match self.last {
            Last::Nothing => "",
            Last::Item if !more => "\n",
            Last::Item | Last::Block => "\n\n",
        };
        self.push(gap, &item);
        self.last = Last::Item;
    }

    /// A table; none for one without cells.
    pub(super) fn table(&mut self, table: &Table) {
        if let Some(text) = table.to_markdown(self.room()) {
            self.block(&text);
        }
    }

    /// Text as it is, between fences.
    pub(super) fn code(&mut self, language: &str, text: &str) {
        let text = text.trim_end().trim_start_matches(['\n', '\r']);
        if text.is_empty() {
            return;
        }
        // A fence longer than any in the text.
        let mut longest = 0;
        let mut run = 0;
        for c in text.chars() {
            run = if c == '`' { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        let fence = "`".repeat(longest.max(2) + 1);
        self.block(&format!("{fence}{language}\n{text}\n{fence}"));
    }

    /// A mark for places that are no text, such as the pages of a PDF.
    pub(super) fn mark(&mut self, text: &str) {
        self.block(&format!("<!-- {} -->", sanitize::line(text).replace("--", "- -")));
    }

    /// Markdown as it is.
    pub(super) fn block(&mut self, text: &str) {
        self.push(if self.last == Last::Nothing { "" } else { "\n\n" }, text);
        self.last = Last::Block;
        self.widths.clear();
    }

    fn push(&mut self, gap: &str, text: &str) {
        if self.cut {
            return;
        }
        let room = self.left.saturating_sub(gap.len());
        let mut fits = text.len().min(room);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.cut = fits < text.len();
        if fits > 0 {
            self.out.push_str(gap);
            self.out.push_str(&text[..fits]);
        }
        self.left = room - fits;
    }

    /// All of it, with a note when something was left out.
    pub(super) fn finish(mut self, summary: impl Into<String>) -> Converted {
        if self.cut {
            self.notes.push(format!(
                "the text is cut after {} characters; the rest of the document was left out",
                self.out.chars().count()
            ));
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        Converted { markdown: self.out, summary: line(&summary.into()), notes: self.notes }
    }
}

/// One short line without anything that moves a cursor.
fn line(text: &str) -> String {
    let text = sanitize::line(truncate::prefix(text, MAX_NOTE));
    truncate::prefix(&text, MAX_NOTE).to_owned()
}

/// `1 page`, `2 pages`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
