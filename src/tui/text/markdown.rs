//! Markdown as lines of a terminal.
//!
//! A renderer of our own over pulldown-cmark's events: headings without `#`, lists with hanging indents, tables that
//! fit, code with a label, links with their address, HTML as the text that it is. The widget crates keep the marks
//! (`##`, fences) on the screen and highlight at every call.
//!
//! Each top-level block is rendered by itself, with one empty line between two blocks. [`super::stream`] relies on
//! that: it renders blocks one by one as they close and must come to the same lines.
//!
//! Text events are sanitized once more: an entity such as `&#27;` becomes a control character only after parsing.

mod inline;

use std::borrow::Cow;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use self::inline::{clean, clean_line, is_inline};
use super::code;
use super::table::{Cell, Table};
use super::wrap::{Break, Indent, spans_width, wrap_spans};
use crate::tui::theme::Theme;

/// Containers deeper than this are drawn as plain text: the renderer recurses, and hostile text nests without end.
const DEEPEST: usize = 16;

/// How a text is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Cells.
    pub(super) width: usize,
    /// Styles and glyphs.
    pub(super) theme: Theme,
    /// Whether code is highlighted; not while it is still being written.
    pub(super) colours: bool,
}

/// Lines, and whether colours are still to come for some of them.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) lines: Vec<Line<'static>>,
    pub(super) pending: bool,
}

/// Renders a whole, clean text. Code whose colours are not known yet comes out plain; render again when
/// [`super::highlight::generation`] has moved.
pub fn render(source: &str, width: u16, theme: Theme) -> Vec<Line<'static>> {
    render_all(source, Look { width: usize::from(width).max(1), theme, colours: true }).lines
}

/// Appends a block's lines, with an empty line before it unless it is the first.
pub(super) fn append_block(lines: &mut Vec<Line<'static>>, block: Vec<Line<'static>>) {
    if block.is_empty() {
        return;
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(block);
}

pub(super) fn render_all(source: &str, look: Look) -> Rendered {
    let mut writer = Writer::new(Parser::new_ext(source, options()).collect(), look);
    let mut lines = Vec::new();
    while writer.at < writer.events.len() {
        writer.block(&mut Prefix::default(), 0);
        append_block(&mut lines, std::mem::take(&mut writer.out));
    }
    Rendered { lines, pending: writer.pending }
}

/// Where each top-level block begins: at the start of its first line.
pub(super) fn block_starts(source: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut depth = 0usize;
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        if depth == 0 && !matches!(event, Event::End(_)) {
            let start = source[..range.start].rfind('\n').map_or(0, |at| at + 1);
            if starts.last() != Some(&start) {
                starts.push(start);
            }
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    starts
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_FOOTNOTES
}

/// What stands before the rows of a container's content. `first` is used up by the first row.
#[derive(Debug, Clone, Default)]
struct Prefix {
    first: Option<Vec<Span<'static>>>,
    rest: Vec<Span<'static>>,
}

impl Prefix {
    fn take(&mut self) -> Indent {
        let rest = self.rest.clone();
        Indent { first: self.first.take().unwrap_or_else(|| rest.clone()), rest }
    }

    /// The prefix of a container inside of this one.
    fn inner(&mut self, marker: Vec<Span<'static>>, rest: Vec<Span<'static>>) -> Self {
        let mut indent = self.take();
        indent.first.extend(marker);
        indent.rest.extend(rest);
        Self { first: Some(indent.first), rest: indent.rest }
    }
}

struct Writer<'a> {
    events: Vec<Event<'a>>,
    at: usize,
    look: Look,
    out: Vec<Line<'static>>,
    pending: bool,
    /// Lists around the present block.
    lists: usize,
}

impl<'a> Writer<'a> {
    fn new(events: Vec<Event<'a>>, look: Look) -> Self {
        Self { events, at: 0, look, out: Vec::new(), pending: false, lists: 0 }
    }

    fn theme(&self) -> Theme {
        self.look.theme
    }

    /// Takes the next event out of the list.
    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.events.get_mut(self.at).map(|event| std::mem::replace(event, Event::Rule));
        self.at += 1;
        event
    }

    fn peek(&self) -> Option<&Event<'a>> {
        self.events.get(self.at)
    }

    /// Renders the block that begins at the next event.
    fn block(&mut self, prefix: &mut Prefix, depth: usize) {
        if self.peek().is_some_and(is_inline) {
            let spans = self.inlines(self.theme().text());
            self.paragraph(&spans, prefix);
            return;
        }
        let Some(event) = self.next() else { return };
        match event {
            Event::Start(
                tag @ (Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_) | Tag::HtmlBlock),
            ) if depth >= DEEPEST => {
                drop(tag);
                self.flattened(prefix);
            }
            Event::Start(Tag::Paragraph) => {
                let spans = self.inlines(self.theme().text());
                self.skip_end();
                self.paragraph(&spans, prefix);
            }
            Event::Start(Tag::Heading { level, .. }) => {
                let style = self.heading_style(level);
                let spans = self.inlines(style);
                self.skip_end();
                self.paragraph(&spans, prefix);
            }
            Event::Start(Tag::BlockQuote(_)) => {
                let bar = vec![Span::styled(format!("{} ", self.theme().glyphs().vertical), self.theme().dim())];
                let mut inner = prefix.inner(bar.clone(), bar);
                self.blocks(&mut inner, depth + 1, true);
                self.skip_end();
                self.unused(&mut inner);
            }
            Event::Start(Tag::List(first)) => self.list(first, prefix, depth),
            Event::Start(Tag::FootnoteDefinition(label)) => {
                let marker = format!("[{}] ", clean_line(&label));
                let hang = " ".repeat(super::wrap::width_of(&marker).min(4));
                let mut inner = prefix.inner(vec![Span::styled(marker, self.theme().dim())], vec![Span::raw(hang)]);
                self.blocks(&mut inner, depth + 1, true);
                self.skip_end();
                self.unused(&mut inner);
            }
            Event::Start(Tag::CodeBlock(kind)) => self.code_block(&kind, prefix),
            Event::Start(Tag::Table(alignments)) => self.table(alignments, prefix),
            Event::Start(Tag::HtmlBlock) => self.html_block(prefix),
            Event::Rule => {
                let indent = prefix.take();
                let room = self.look.width.saturating_sub(spans_width(&indent.first)).max(1);
                let rule = self.theme().glyphs().horizontal.repeat(room);
                let style = self.theme().dim();
                wrap_spans(&[Span::styled(rule, style)], self.look.width, &indent, Break::Cells, &mut self.out);
            }
            // Metadata, definition lists and the like are not enabled; what they hold would be drawn as blocks.
            _ => {}
        }
    }

    /// Renders blocks up to the end of their container, which is left for the caller.
    fn blocks(&mut self, prefix: &mut Prefix, depth: usize, loose: bool) {
        let start = self.out.len();
        while let Some(event) = self.peek() {
            if matches!(event, Event::End(_)) {
                break;
            }
            if loose && self.out.len() > start {
                self.out.push(Line::from(trimmed(prefix.rest.clone())));
            }
            self.block(prefix, depth);
        }
    }

    /// Draws a marker to which no content came.
    fn unused(&mut self, prefix: &mut Prefix) {
        if let Some(first) = prefix.first.take() {
            let indent = Indent { first, rest: Vec::new() };
            wrap_spans(&[], self.look.width, &indent, Break::Words, &mut self.out);
        }
    }

    fn skip_end(&mut self) {
        if matches!(self.peek(), Some(Event::End(_))) {
            self.at += 1;
        }
    }

    fn paragraph(&mut self, spans: &[Span<'static>], prefix: &mut Prefix) {
        if !spans.is_empty() {
            wrap_spans(spans, self.look.width, &prefix.take(), Break::Words, &mut self.out);
        }
    }

    fn heading_style(&self, level: HeadingLevel) -> Style {
        match level {
            HeadingLevel::H1 => self.theme().heading().add_modifier(Modifier::UNDERLINED),
            HeadingLevel::H2 => self.theme().heading(),
            _ => Style::new().add_modifier(Modifier::UNDERLINED),
        }
    }

    fn list(&mut self, first: Option<u64>, prefix: &mut Prefix, depth: usize) {
        let (items, loose) = self.survey();
        let bullet = match self.lists % 3 {
            nth if self.theme().is_ascii() => ["*", "-", "+"][nth],
            0 => self.theme().glyphs().bullet,
            1 => "◦",
            _ => "▪",
        };
        let digits = first.map_or(0, |first| first.saturating_add(items.saturating_sub(1)).to_string().len());
        let mut number = first.unwrap_or(0);
        let mut is_first = true;
        while let Some(Event::Start(Tag::Item)) = self.peek() {
            self.at += 1;
            if loose && !is_first {
                self.out.push(Line::from(trimmed(prefix.rest.clone())));
            }
            is_first = false;
            let mut marker = if first.is_some() { format!("{number:>digits$}. ") } else { format!("{bullet} ") };
            number = number.saturating_add(1);
            let hang = " ".repeat(super::wrap::width_of(&marker));
            if let Some(Event::TaskListMarker(done)) = self.task_marker() {
                marker = if *done { "[x] ".to_owned() } else { "[ ] ".to_owned() };
            }
            let hang = if marker.starts_with('[') { "    ".to_owned() } else { hang };
            let mut inner = prefix.inner(vec![Span::styled(marker, self.theme().dim())], vec![Span::raw(hang)]);
            self.lists += 1;
            self.blocks(&mut inner, depth + 1, loose);
            self.lists -= 1;
            self.skip_end();
            self.unused(&mut inner);
        }
        self.skip_end();
    }

    /// The marker of the task at which the reader stands, if it is one: directly, or in the item's first paragraph.
    fn task_marker(&self) -> Option<&Event<'a>> {
        let at = if matches!(self.peek(), Some(Event::Start(Tag::Paragraph))) { self.at + 1 } else { self.at };
        self.events.get(at).filter(|event| matches!(event, Event::TaskListMarker(_)))
    }

    /// Number of items of the list whose start was just taken, and whether empty lines stand between them.
    fn survey(&self) -> (u64, bool) {
        let mut depth = 0usize;
        let mut items = 0;
        let mut loose = false;
        for event in &self.events[self.at..] {
            match event {
                Event::Start(tag) => {
                    items += u64::from(depth == 0 && matches!(tag, Tag::Item));
                    loose |= depth == 1 && matches!(tag, Tag::Paragraph);
                    depth += 1;
                }
                Event::End(_) if depth == 0 => break,
                Event::End(_) => depth -= 1,
                _ => {}
            }
        }
        (items, loose)
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'a>, prefix: &mut Prefix) {
        let mut text = String::new();
        while let Some(event) = self.next() {
            match event {
                Event::Text(part) => text.push_str(&clean(&part)),
                Event::End(TagEnd::CodeBlock) => break,
                _ => {}
            }
        }
        let info = match kind {
            CodeBlockKind::Fenced(info) => clean_line(info),
            CodeBlockKind::Indented => Cow::Borrowed(""),
        };
        let Look { width, theme, colours } = self.look;
        self.pending |= code::block(&info, &text, width, prefix.take(), theme, colours, &mut self.out);
    }

    fn table(&mut self, alignments: Vec<pulldown_cmark::Alignment>, prefix: &mut Prefix) {
        let mut table = Table { alignments, ..Table::default() };
        let mut row: Vec<Cell> = Vec::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(Tag::TableCell) => row.push(self.inlines(self.theme().text())),
                Event::End(TagEnd::TableHead) => table.head = std::mem::take(&mut row),
                Event::End(TagEnd::TableRow) => table.rows.push(std::mem::take(&mut row)),
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        let indent = prefix.take();
        let room = self.look.width.saturating_sub(spans_width(&indent.rest)).max(self.look.width / 3).max(1);
        for (index, line) in table.lines(room, self.theme()).into_iter().enumerate() {
            let before = if index == 0 { &indent.first } else { &indent.rest };
            let indent = Indent { first: before.clone(), rest: indent.rest.clone() };
            wrap_spans(&line.spans, self.look.width, &indent, Break::Cells, &mut self.out);
        }
    }

    fn html_block(&mut self, prefix: &mut Prefix) {
        let mut text = String::new();
        while let Some(event) = self.next() {
            match event {
                Event::Html(part) | Event::Text(part) => text.push_str(&clean(&part)),
                Event::End(TagEnd::HtmlBlock) => break,
                _ => {}
            }
        }
        let text = super::wrap::expand_tabs(text.trim_end(), code::TAB, 0).into_owned();
        let style = self.theme().dim();
        wrap_spans(&[Span::styled(text, style)], self.look.width, &prefix.take(), Break::Cells, &mut self.out);
    }

    /// Everything up to the end of the container that was just entered, as one paragraph.
    fn flattened(&mut self, prefix: &mut Prefix) {
        let mut depth = 0usize;
        let mut text = String::new();
        while let Some(event) = self.next() {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => break,
                Event::End(_) => depth -= 1,
                Event::Text(part) | Event::Code(part) | Event::Html(part) | Event::InlineHtml(part) => {
                    text.push_str(&clean_line(&part));
                    text.push(' ');
                }
                _ => {}
            }
        }
        self.paragraph(&[Span::styled(text.trim_end().to_owned(), self.theme().text())], prefix);
    }
}

/// The row without spaces at its end.
fn trimmed(mut row: Vec<Span<'static>>) -> Vec<Span<'static>> {
    while row.last().is_some_and(|span| span.content.trim_end().is_empty()) {
        row.pop();
    }
    if let Some(last) = row.last_mut() {
        *last = Span::styled(last.content.trim_end().to_owned(), last.style);
    }
    row
}

#[cfg(test)]
mod tests;
