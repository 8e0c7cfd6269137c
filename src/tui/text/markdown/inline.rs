//! The inside of a paragraph: emphasis, code, links, pictures.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use unicode_width::UnicodeWidthChar as _;

use super::Writer;
use crate::support::sanitize;
use crate::tui::text::link;

impl Writer<'_> {
    /// The inline content up to the end of its block, which is left for the caller, or up to a block inside of a list
    /// item.
    pub(super) fn inlines(&mut self, base: Style) -> Vec<Span<'static>> {
        let mut text = Inlines { spans: Vec::new(), styles: vec![base], soft_break: false };
        let mut links: Vec<OpenLink> = Vec::new();
        let mut images: Vec<OpenLink> = Vec::new();
        while let Some(event) = self.peek() {
            if !is_inline(event) && !matches!(event, Event::End(end) if is_inline_end(*end)) {
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
                        text.push("\n", style);
                    } else {
                        text.push(&clean_line(&tag), theme.dim());
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
                    text.styles.push(link::styled(style.patch(theme.link()), &dest_url));
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
                        let leading = |style| link::styled(style, &link.address);
                        if shown.is_empty() {
                            text.push(&link.address, leading(theme.link()));
                        } else if let Some(host) = link::other_host(&shown, &link.address) {
                            let words = format!(" (leads to {}: {})", sanitize::line(&host), link.address);
                            text.push(&words, leading(theme.waiting()));
                        } else if link.adds_something(&shown) {
                            text.push(" (", theme.dim());
                            text.push(&link.address, leading(theme.dim()));
                            text.push(")", theme.dim());
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

pub(super) fn is_inline(event: &Event<'_>) -> bool {
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

fn is_inline_end(end: TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn is_line_break(tag: &str) -> bool {
    let name = tag.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/').trim();
    name.eq_ignore_ascii_case("br")
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\n')
}

/// The sanitizer, which most texts need not pass.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(sanitize::text(text)) }
}

/// As [`clean`], for text on one line.
pub(super) fn clean_line(text: &str) -> Cow<'_, str> {
    if is_plain(text) && !text.contains('\n') { Cow::Borrowed(text) } else { Cow::Owned(sanitize::line(text)) }
}
