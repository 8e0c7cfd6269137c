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

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthChar as _;

use super::code;
use super::table::{Cell, Table};
use super::wrap::{Break, Indent, spans_width, wrap_spans};
use crate::support::sanitize;
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

    /// The inline content up to the end of its block, which is left for the caller, or up to a block inside of a list
    /// item.
    fn inlines(&mut self, base: Style) -> Vec<Span<'static>> {
        let mut text = Inlines { spans: Vec::new(), styles: vec![base], soft_break: false };
        let mut links: Vec<OpenLink> = Vec::new();
        let mut images: Vec<OpenLink> = Vec::new();
        while let Some(event) = self.peek() {
            if !is_inline(event) && !matches!(event, Event::End(end) if is_inline_end(end)) {
                break;
            }
            let Some(event) = self.next() else { break };
            let style = text.style();
            let theme = self.theme();
            match event {
                Event::Text(part) => text.push(&clean_line(&part), style),
                Event::Code(part) => {
                    let style = style.patch(theme.code());
                    let part = clean_line(&part);
                    // Without colours the marks stay, or code could not be told from prose.
                    if theme.has_colours() { text.push(&part, style) } else { text.push(&format!("`{part}`"), style) }
                }
                Event::InlineHtml(tag) | Event::Html(tag) => {
                    if is_line_break(&tag) {
                        text.push("\n", style)
                    } else {
                        text.push(&clean_line(&tag), theme.dim())
                    }
                }
                Event::FootnoteReference(label) => text.push(&format!("[{}]", clean_line(&label)), theme.dim()),
                Event::SoftBreak => text.soft_break = true,
                Event::HardBreak => text.push("\n", style),
                Event::Start(Tag::Emphasis) => text.styles.push(style.patch(theme.emphasis())),
                Event::Start(Tag::Strong) => text.styles.push(style.patch(theme.strong())),
                Event::Start(Tag::Strikethrough) => {
                    text.styles.push(style.patch(theme.dim()).add_modifier(Modifier::CROSSED_OUT));
                }
                Event::Start(Tag::Link { dest_url, link_type, .. }) => {
                    links.push(OpenLink { from: text.len(), address: clean_line(&dest_url).into_owned(), link_type });
                    text.styles.push(style.patch(theme.link()));
                }
                Event::Start(Tag::Image { dest_url, link_type, .. }) => {
                    images.push(OpenLink { from: text.len(), address: clean_line(&dest_url).into_owned(), link_type });
                    text.push("[image: ", theme.dim());
                    text.styles.push(theme.dim());
                }
                Event::End(TagEnd::Link) => {
                    text.pop_style();
                    if let Some(link) = links.pop() {
                        let shown = text.since(link.from);
                        if shown.is_empty() {
                            text.push(&link.address, theme.link());
                        } else if link.adds_something(&shown) {
                            text.push(&format!(" ({})", link.address), theme.dim());
                        }
                    }
                }
                Event::End(TagEnd::Image) => {
                    text.pop_style();
                    if let Some(image) = images.pop() {
                        if text.since(image.from) == "[image: " {
                            text.push(&image.address, theme.dim());
                        }
                        text.push("]", theme.dim());
                    }
                }
                Event::End(_) => text.pop_style(),
                _ => {}
            }
        }
        text.spans
    }
}

/// A link or picture whose text is being read.
struct OpenLink {
    from: usize,
    address: String,
    link_type: LinkType,
}

impl OpenLink {
    /// Whether the address tells more than the text does.
    fn adds_something(&self, shown: &str) -> bool {
        if matches!(self.link_type, LinkType::Autolink | LinkType::Email) || self.address.starts_with('#') {
            return false;
        }
        let bare = |text: &str| {
            let text = text.trim().trim_end_matches('/');
            let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
            text.strip_prefix("mailto:").unwrap_or(text).to_owned()
        };
        !self.address.is_empty() && bare(shown) != bare(&self.address)
    }
}

/// Spans that are being put together.
struct Inlines {
    spans: Vec<Span<'static>>,
    styles: Vec<Style>,
    /// A line ended in the source: a space, unless both neighbours are wide (Japanese and Chinese have no spaces).
    soft_break: bool,
}

impl Inlines {
    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn pop_style(&mut self) {
        if self.styles.len() > 1 {
            self.styles.pop();
        }
    }

    fn push(&mut self, part: &str, style: Style) {
        if part.is_empty() {
            return;
        }
        if std::mem::take(&mut self.soft_break) {
            let before = self.spans.last().and_then(|span| span.content.chars().next_back());
            let wide = |c: Option<char>| c.and_then(char::width).unwrap_or(0) > 1;
            if before.is_some() && !(wide(before) && wide(part.chars().next())) {
                let base = self.styles.first().copied().unwrap_or_default();
                self.append(" ", base);
            }
        }
        self.append(part, style);
    }

    fn append(&mut self, part: &str, style: Style) {
        match self.spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(part),
            _ => self.spans.push(Span::styled(part.to_owned(), style)),
        }
    }

    /// Number of bytes so far.
    fn len(&self) -> usize {
        self.spans.iter().map(|span| span.content.len()).sum()
    }

    /// The text from byte `from` on, without a separating space.
    fn since(&self, from: usize) -> String {
        let all: String = self.spans.iter().map(|span| span.content.as_ref()).collect();
        let range: Range<usize> = from.min(all.len())..all.len();
        all.get(range).unwrap_or_default().trim_start().to_owned()
    }
}

fn is_inline(event: &Event<'_>) -> bool {
    match event {
        Event::Text(_)
        | Event::Code(_)
        | Event::InlineHtml(_)
        | Event::Html(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::TaskListMarker(_) => true,
        Event::Start(tag) => {
            matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
        }
        Event::End(_) | Event::Rule => false,
    }
}

fn is_inline_end(end: &TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn is_line_break(tag: &str) -> bool {
    let name = tag.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/').trim();
    name.eq_ignore_ascii_case("br")
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

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\n')
}

fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(sanitize::text(text)) }
}

fn clean_line(text: &str) -> Cow<'_, str> {
    if is_plain(text) && !text.contains('\n') { Cow::Borrowed(text) } else { Cow::Owned(sanitize::line(text)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(source: &str, width: u16) -> String {
        let lines = render(source, width, Theme::new(false, false));
        lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// The style of the span that holds exactly this text.
    fn style_of(source: &str, text: &str, theme: Theme) -> Style {
        let lines = render(source, 80, theme);
        let span = lines.iter().flat_map(|line| &line.spans).find(|span| span.content.trim() == text);
        span.unwrap_or_else(|| panic!("no span {text:?} in {lines:?}")).style
    }

    #[test]
    fn headings_have_no_marks_and_their_levels_differ() {
        assert_eq!(shown("# One\n## Two\ntext\n### Three", 40), "One\n\nTwo\n\ntext\n\nThree");
        let theme = Theme::new(true, false);
        let style = |text| style_of("# One\n## Two\n### Three", text, theme).add_modifier;
        assert_eq!(style("One"), Modifier::BOLD | Modifier::UNDERLINED);
        assert_eq!(style("Two"), Modifier::BOLD);
        assert_eq!(style("Three"), Modifier::UNDERLINED);
    }

    #[test]
    fn lists_nest_and_their_text_hangs() {
        let source = "- experience, newest first\n- skills\n  - as a compact grid of words\n    1. one\n    2. two\n- [x] done\n- [ ] open\n\n9. nine\n10. ten\n";
        insta::assert_snapshot!(shown(source, 24), @r"
        • experience, newest
          first
        • skills
          ◦ as a compact grid of
            words
            1. one
            2. two
        [x] done
        [ ] open

         9. nine
        10. ten
        ");
    }

    #[test]
    fn a_loose_list_has_empty_lines_and_keeps_its_paragraphs_together() {
        insta::assert_snapshot!(shown("1. one\n\n   more\n\n2. two\n\n   ```\n   code\n   ```\n", 24), @r"
        1. one

           more

        2. two

             code
        ");
    }

    #[test]
    fn quotes_have_a_bar_on_every_row() {
        insta::assert_snapshot!(shown("> one two three four\n>\n> - five\n> > six\n", 14), @r"
        │ one two
        │ three four
        │
        │ • five
        │
        │ │ six
        ");
    }

    #[test]
    fn code_has_a_label_and_breaks_anywhere() {
        insta::assert_snapshot!(shown("```rust,ignore\nfn main() {\n\tprintln!(\"{}\", 1);\n}\n```\n\n    indented\n", 16), @r#"
          rust
          fn main() {
              println!("
          {}", 1);
          }

          indented
        "#);
    }

    #[test]
    fn a_table_takes_its_natural_width_where_it_can() {
        let source = "| Name | Count | Note |\n|:--|--:|:-:|\n| Ada | 3 | **x** |\n| 日本 | 14 | a \\| b |\n";
        insta::assert_snapshot!(shown(source, 40), @r"
        Name │ Count │ Note
        ─────┼───────┼──────
        Ada  │     3 │   x
        日本 │    14 │ a | b
        ");
    }

    #[test]
    fn a_table_wraps_its_cells_and_then_becomes_records() {
        let source = "| Name | What it does |\n|---|---|\n| Ada | wrote the first program<br>for a machine |\n| Bob | nothing |\n";
        insta::assert_snapshot!(shown(source, 24), @r"
        Name │ What it does
        ─────┼──────────────────
        Ada  │ wrote the first
             │ program
             │ for a machine
        Bob  │ nothing
        ");
        insta::assert_snapshot!(shown(source, 11), @r"
        Name: Ada
        What it
          does:
          wrote the
          first
          program
          for a
          machine

        Name: Bob
        What it
          does:
          nothing
        ");
    }

    #[test]
    fn a_link_shows_its_address_unless_the_text_is_the_address() {
        assert_eq!(shown("[docs](https://e.x/a) end", 60), "docs (https://e.x/a) end");
        assert_eq!(shown("[https://e.x/](https://e.x)", 60), "https://e.x/");
        assert_eq!(
            shown("<https://e.x/a> <me@e.x> [top](#top) [](https://e.x)", 80),
            "https://e.x/a me@e.x top https://e.x"
        );
        assert_eq!(shown("[https://good.x](https://evil.x)", 60), "https://good.x (https://evil.x)");
        assert_eq!(shown("![a cat](cat.png) ![](dog.png)", 60), "[image: a cat] [image: dog.png]");
    }

    #[test]
    fn emphasis_is_styled_and_code_keeps_its_marks_only_without_colours() {
        let source = "**bold** *slanted* ~~gone~~ `code`";
        let theme = Theme::new(true, false);
        assert_eq!(style_of(source, "bold", theme).add_modifier, Modifier::BOLD);
        assert_eq!(style_of(source, "slanted", theme).add_modifier, Modifier::ITALIC);
        assert!(style_of(source, "gone", theme).add_modifier.contains(Modifier::CROSSED_OUT));
        assert_eq!(style_of(source, "code", theme), theme.code());
        assert_eq!(shown(source, 40), "bold slanted gone `code`");
    }

    #[test]
    fn html_footnotes_and_rules_are_shown() {
        let source = "a<br>b <kbd>x</kbd>\n\n<div>\n<p>text</p>\n</div>\n\nnote[^1]\n\n[^1]: the note\n\n---\n";
        insta::assert_snapshot!(shown(source, 20), @r"
        a
        b <kbd>x</kbd>

        <div>
        <p>text</p>
        </div>

        note[1]

        [1] the note

        ────────────────────
        ");
    }

    #[test]
    fn lines_of_the_source_are_joined_with_a_space_only_where_the_script_has_spaces() {
        assert_eq!(shown("one\ntwo\n日本\n語", 40), "one two 日本語");
        assert_eq!(shown("one  \ntwo\\\nthree", 40), "one\ntwo\nthree");
    }

    #[test]
    fn an_entity_cannot_smuggle_in_a_control_character() {
        assert_eq!(
            shown("a&#27;[2Jb &#x202e;c [x](http://e.x/&#27;]0;t&#7;y)", 80),
            "a[2Jb <U+202E>c x (http://e.x/y)"
        );
    }

    #[test]
    fn nesting_without_end_does_not_overflow_the_stack() {
        let quotes = format!("{}deep", "> ".repeat(5_000));
        assert!(shown(&quotes, 40).contains("deep"));
        let lists = format!("{}deep", "- ".repeat(5_000));
        assert!(shown(&lists, 40).contains("deep"));
        let emphasis = format!("{}deep", "*a **b ".repeat(5_000));
        assert!(shown(&emphasis, 40).contains("deep"));
    }

    #[test]
    fn ascii_terminals_get_ascii() {
        let source = "- a\n  - b\n\n> q\n\n| a | b |\n|---|---|\n| c | d |\n\n---\n";
        let lines = render(source, 20, Theme::new(false, true));
        assert!(lines.iter().all(|line| line.to_string().is_ascii()), "{lines:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_screen(source in "(\\PC|[\n#>*`|~ \\-]){0,200}", width in 1u16..60) {
            for line in render(&source, width, Theme::new(true, false)) {
                prop_assert!(spans_width(&line.spans) <= usize::from(width), "{:?}", line);
            }
        }
    }
}
