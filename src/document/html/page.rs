//! A page while it is read: which elements are open, and the text of the block that is being built.

use super::tables::Open as OpenTable;
use crate::document::markdown::{Inline, Look, Marker, Writer};

/// Elements that are kept open at once; what is opened beyond is read as if it were not.
const MOST_OPEN: usize = 512;

/// What an element changes until it ends.
#[derive(Debug)]
enum Effect {
    Nothing,
    Look(Look),
    Link(Option<String>),
    List(Option<u64>),
    Item,
    Table,
    Row,
    Cell,
    Heading(usize),
    Quote,
    Code(String),
    Skip,
    Title,
    Caption,
}

#[derive(Debug)]
struct Open {
    name: String,
    effect: Effect,
}

/// The state of a page.
pub(super) struct Page<'w> {
    writer: &'w mut Writer,
    with_title: bool,
    folder: String,
    open: Vec<Open>,
    tables: Vec<OpenTable>,
    text: Inline,
    /// The marker of an item whose text has not come yet.
    marker: Option<Marker>,
    title: String,
    /// Text between fences.
    listing: String,
}

/// Looks an attribute up.
pub(super) type Attributes<'a> = &'a dyn Fn(&str) -> Option<String>;

impl<'w> Page<'w> {
    pub(super) fn new(writer: &'w mut Writer, with_title: bool, folder: &str) -> Self {
        Self {
            writer,
            with_title,
            folder: folder.to_owned(),
            open: Vec::new(),
            tables: Vec::new(),
            text: Inline::default(),
            marker: None,
            title: String::new(),
            listing: String::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    fn has(&self, test: impl Fn(&Effect) -> bool) -> bool {
        self.open.iter().any(|open| test(&open.effect))
    }

    fn look(&self) -> Look {
        let mut look = Look::default();
        for open in &self.open {
            if let Effect::Look(more) = &open.effect {
                look.bold |= more.bold;
                look.italic |= more.italic;
                look.strike |= more.strike;
                look.code |= more.code;
            }
        }
        look
    }

    /// Characters of the page.
    pub(super) fn text(&mut self, text: &str) {
        if self.has(|effect| matches!(effect, Effect::Title)) {
            if self.title.len() < 1000 {
                self.title.push_str(text);
            }
            return;
        }
        if self.has(|effect| matches!(effect, Effect::Skip)) {
            return;
        }
        if self.tables.is_empty() && self.has(|effect| matches!(effect, Effect::Code(_))) {
            self.listing.push_str(text);
            return;
        }
        let look = self.look();
        let link = self.open.iter().rev().find_map(|open| match &open.effect {
            Effect::Link(link) => Some(link.clone()),
            _ => None,
        });
        let link = link.flatten();
        let target = self.target();
        let mut collapsed = String::with_capacity(text.len());
        let mut spaced = target.ends_in_space();
        for c in text.chars() {
            if matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                if !spaced {
                    collapsed.push(' ');
                }
                spaced = true;
            } else {
                collapsed.push(c);
                spaced = false;
            }
        }
        target.run(&collapsed, look, link.as_deref());
    }

    /// Markdown that goes into the running text as it is.
    pub(super) fn mark(&mut self, markdown: &str) {
        if !self.has(|effect| matches!(effect, Effect::Title | Effect::Skip | Effect::Code(_))) {
            self.target().raw(markdown);
        }
    }

    /// Where text goes: a caption, a cell, or the block.
    fn target(&mut self) -> &mut Inline {
        let in_caption = self.has(|effect| matches!(effect, Effect::Caption));
        let Some(last) = self.tables.len().checked_sub(1) else { return &mut self.text };
        if in_caption {
            return &mut self.tables[last].caption;
        }
        // Text in a table outside of cells belongs to the cell around the table, or stands before it.
        match (0..=last).rev().find(|at| self.tables[*at].cell().is_some()) {
            Some(at) => self.tables[at].cell().unwrap_or(&mut self.text),
            None => &mut self.text,
        }
    }

    /// Ends the block that is being built.
    fn flush(&mut self) {
        if !self.tables.is_empty() {
            let target = self.target();
            if !target.is_blank() && !target.ends_in_break() {
                target.line_break();
            }
            return;
        }
        let text = std::mem::take(&mut self.text);
        if text.is_blank() {
            return;
        }
        let heading = self.open.iter().rev().find_map(|open| match open.effect {
            Effect::Heading(level) => Some(level),
            _ => None,
        });
        let lists = self.open.iter().filter(|open| matches!(open.effect, Effect::List(_))).count();
        match heading {
            Some(level) => self.writer.heading(level, &text),
            None if self.has(|effect| matches!(effect, Effect::Item)) => {
                let marker = self.marker.take().unwrap_or(Marker::More);
                self.writer.item(lists.saturating_sub(1), marker, &text);
            }
            None if self.has(|effect| matches!(effect, Effect::Quote)) => self.writer.quote(&text),
            None => self.writer.paragraph(&text),
        }
    }

    pub(super) fn start(&mut self, name: &str, attribute: Attributes<'_>) {
        let number = |name: &str| attribute(name).and_then(|v| v.trim().parse::<usize>().ok());
        if is_block(name) {
            self.flush();
        }
        let look = |look| Some(Effect::Look(look));
        let effect = match name {
            "b" | "strong" => look(Look { bold: true, ..Look::default() }),
            "i" | "em" | "cite" | "var" | "dfn" => look(Look { italic: true, ..Look::default() }),
            "s" | "del" | "strike" => look(Look { strike: true, ..Look::default() }),
            "code" | "kbd" | "samp" | "tt" => {
                if let (Some(class), Some(Open { effect: Effect::Code(language), .. })) =
                    (attribute("class"), self.open.last_mut())
                {
                    *language = language_of(&class).unwrap_or_default();
                }
                look(Look { code: true, ..Look::default() })
            }
            "a" => Some(Effect::Link(attribute("href").filter(|href| is_link(href)))),
            "ul" | "menu" | "dir" => Some(Effect::List(None)),
            "ol" => Some(Effect::List(Some(number("start").unwrap_or(1) as u64))),
            "li" => {
                self.close_within("li", |effect| matches!(effect, Effect::List(_)));
                self.marker = Some(self.next_marker(number("value")));
                if !self.tables.is_empty() {
                    let marker = match self.marker.take() {
                        Some(Marker::Number(number)) => format!("{number}. "),
                        _ => "- ".to_owned(),
                    };
                    self.target().text(&marker);
                }
                Some(Effect::Item)
            }
            "dt" => {
                self.close_within("dd", |effect| matches!(effect, Effect::List(_)));
                look(Look { bold: true, ..Look::default() })
            }
            "dd" => {
                self.close_within("dt", |effect| matches!(effect, Effect::List(_)));
                Some(Effect::Nothing)
            }
            "table" => {
                self.tables.push(OpenTable::default());
                Some(Effect::Table)
            }
            "caption" => Some(Effect::Caption),
            "tr" => {
                self.close_within("tr", |effect| matches!(effect, Effect::Table));
                if let Some(table) = self.tables.last_mut() {
                    table.start_row();
                }
                Some(Effect::Row)
            }
            "td" | "th" => {
                self.close_within("td", |effect| matches!(effect, Effect::Table));
                self.close_within("th", |effect| matches!(effect, Effect::Table));
                if let Some(table) = self.tables.last_mut() {
                    table.start_cell(number("colspan").unwrap_or(1), number("rowspan").unwrap_or(1));
                }
                Some(Effect::Cell)
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Some(Effect::Heading(usize::from(name.as_bytes()[1] - b'0'))),
            "blockquote" => Some(Effect::Quote),
            "pre" | "listing" => {
                Some(Effect::Code(attribute("class").and_then(|c| language_of(&c)).unwrap_or_default()))
            }
            "script" | "style" | "template" | "noscript" | "svg" | "iframe" | "object" | "canvas" | "annotation" => {
                Some(Effect::Skip)
            }
            "title" if self.has(|effect| matches!(effect, Effect::Skip)) => Some(Effect::Nothing),
            "title" => Some(Effect::Title),
            "br" => {
                if self.tables.is_empty() && self.has(|effect| matches!(effect, Effect::Code(_))) {
                    self.listing.push('\n');
                } else {
                    self.target().line_break();
                }
                None
            }
            "hr" => {
                if self.tables.is_empty() {
                    self.writer.block("---");
                }
                None
            }
            "img" | "image" => {
                if !self.has(|effect| matches!(effect, Effect::Skip)) {
                    self.image(attribute);
                }
                None
            }
            "input" | "meta" | "link" | "col" | "wbr" | "base" | "area" | "embed" | "source" | "track" | "param" => {
                None
            }
            _ => Some(Effect::Nothing),
        };
        if let Some(effect) = effect
            && self.open.len() < MOST_OPEN
        {
            self.open.push(Open { name: name.to_owned(), effect });
        }
    }

    fn image(&mut self, attribute: Attributes<'_>) {
        let alt = attribute("alt").unwrap_or_default();
        let source =
            attribute("src").or_else(|| attribute("href")).or_else(|| attribute("data-src")).unwrap_or_default();
        // A picture that lies in the page itself would be pages of letters.
        let source = match source.split_once(',') {
            Some((kind, _)) if kind.starts_with("data:") => format!("{kind},..."),
            _ if source.contains(':') || self.folder.is_empty() => source,
            _ => crate::document::package::resolve(&self.folder, &source),
        };
        if !source.is_empty() || !alt.is_empty() {
            self.target().image(&alt, &source);
        }
    }

    fn next_marker(&mut self, value: Option<usize>) -> Marker {
        let list = self.open.iter_mut().rev().find_map(|open| match &mut open.effect {
            Effect::List(number) => Some(number),
            _ => None,
        });
        match list {
            Some(Some(next)) => {
                let number = value.map_or(*next, |value| value as u64);
                *next = number.saturating_add(1);
                Marker::Number(number)
            }
            _ => Marker::Bullet,
        }
    }

    /// Ends an element that is still open within the nearest one of a kind.
    fn close_within(&mut self, name: &str, border: impl Fn(&Effect) -> bool) {
        for at in (0..self.open.len()).rev() {
            if self.open[at].name == name {
                self.close_to(at);
                return;
            }
            if border(&self.open[at].effect) {
                return;
            }
        }
    }

    pub(super) fn end(&mut self, name: &str) {
        let border = |effect: &Effect| match name {
            "table" | "body" | "html" => false,
            // A stray end in a cell does not reach out of its table.
            _ => matches!(effect, Effect::Table),
        };
        let mut found = None;
        for at in (0..self.open.len()).rev() {
            if self.open[at].name == name {
                found = Some(at);
                break;
            }
            if border(&self.open[at].effect) {
                break;
            }
        }
        if is_block(name) && found.is_none() {
            self.flush();
        }
        if let Some(at) = found {
            self.close_to(at);
        }
    }

    /// Ends all elements from the innermost to that one.
    fn close_to(&mut self, at: usize) {
        while self.open.len() > at {
            let Some(last) = self.open.last() else { return };
            if is_block(&last.name) && !matches!(last.effect, Effect::Table) {
                self.flush();
            }
            let Some(last) = self.open.pop() else { return };
            match last.effect {
                Effect::Cell => {
                    if let Some(table) = self.tables.last_mut() {
                        table.end_cell();
                    }
                }
                Effect::Row => {
                    if let Some(table) = self.tables.last_mut() {
                        table.end_row();
                    }
                }
                Effect::Table => self.end_table(),
                Effect::Code(language) => {
                    let listing = std::mem::take(&mut self.listing);
                    self.writer.code(&language, &listing);
                }
                Effect::Title if self.with_title && !self.title.trim().is_empty() => {
                    let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
                    self.writer.mark(&format!("title: {title}"));
                }
                _ => {}
            }
        }
    }

    fn end_table(&mut self) {
        let Some(table) = self.tables.pop() else { return };
        let (caption, table) = table.finish(self.writer.room());
        if self.tables.is_empty() {
            // Text that stood between the cells comes first.
            self.flush();
            self.writer.paragraph(&caption);
            self.writer.table(&table);
        } else {
            let lines: Vec<String> = table
                .rows()
                .iter()
                .map(|row| {
                    row.iter()
                        .filter(|cell| !cell.is_empty())
                        .map(|c| c.replace("<br>", " ").replace("\\|", "|"))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .filter(|line| !line.is_empty())
                .collect();
            let target = self.target();
            target.append(caption);
            target.raw(&lines.join("\n"));
            target.line_break();
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.close_to(0);
        self.flush();
        self.title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

/// Whether an element stands on lines of its own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "button"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "pre"
            | "search"
            | "section"
            | "select"
            | "summary"
            | "table"
            | "tbody"
            | "textarea"
            | "tfoot"
            | "thead"
            | "title"
            | "tr"
            | "td"
            | "th"
            | "ul"
    )
}

/// Whether a link leads anywhere from outside of its page.
fn is_link(href: &str) -> bool {
    let href = href.trim();
    let scheme = href.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    !href.is_empty() && !href.starts_with('#') && !scheme.starts_with("javascript:") && !scheme.starts_with("data:")
}

/// The language that the class of a listing names.
fn language_of(class: &str) -> Option<String> {
    let named = class.split_whitespace().find_map(|c| {
        ["language-", "lang-", "highlight-source-", "sourceCode "].iter().find_map(|prefix| c.strip_prefix(prefix))
    })?;
    Some(named.chars().filter(|c| c.is_ascii_alphanumeric() || "+-#_".contains(*c)).take(30).collect())
}
