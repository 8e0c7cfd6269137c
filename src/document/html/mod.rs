//! Web pages, and the chapters of books: tokens of HTML as they come, without a tree that could grow deep.

mod page;
mod pieces;
mod tables;

use std::borrow::Cow;
use std::cell::RefCell;

use encoding_rs::Encoding;
use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

use super::markdown::Writer;
use super::{Converted, Limits, encoding};
use page::Page;

pub use pieces::{Attributes, Piece, pieces, text_of};

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Converted {
    let text = encoding::decode(bytes, declared_encoding(bytes).as_deref());
    let mut writer = Writer::new(limits);
    let xml = text.trim_start_matches('\u{feff}').trim_start().starts_with("<?xml");
    let title = write(&text, xml, true, "", &mut writer);
    // Its own quotes do not end ours.
    let title = title.replace(['“', '”'], "\"");
    writer.finish(if title.is_empty() { title } else { format!("titled “{title}”") })
}

/// The text of a page, by what the server says of it, by what it says itself, or by a guess; and the encoding that one of
/// both names.
pub fn decoded<'b>(bytes: &'b [u8], server: Option<&str>) -> (Cow<'b, str>, Option<String>) {
    let label = server.map(ToOwned::to_owned).or_else(|| declared_encoding(bytes));
    let named = label.as_deref().and_then(|label| Encoding::for_label(label.trim().as_bytes()));
    let text = match named {
        // Its bytes are those of ASCII whatever they mean.
        Some(named) if named == encoding_rs::ISO_2022_JP => named.decode(bytes).0,
        _ => encoding::decode(bytes, label.as_deref()),
    };
    (text, named.map(|named| named.name().to_owned()))
}

/// Writes a page and tells its title. In the `xml` form of HTML an element may end itself. `folder` is where
/// pictures of a book lie.
pub(super) fn write(text: &str, xml: bool, with_title: bool, folder: &str, writer: &mut Writer) -> String {
    let sink = Sink { page: RefCell::new(Page::new(writer, with_title, folder)), xml };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    // In pieces, so that a page that is larger than what may come out is not read to its end.
    let mut rest = text;
    while !rest.is_empty() && !tokenizer.sink.page.borrow().is_full() {
        let mut end = rest.len().min(64 * 1024);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        input.push_back(StrTendril::from_slice(&rest[..end]));
        rest = &rest[end..];
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    }
    tokenizer.end();
    tokenizer.sink.page.into_inner().finish()
}

/// A page that somebody else walks over, such as that of a browser: elements and text go in in their order.
pub struct PageSink<'p, 'w>(&'p mut Page<'w>);

impl PageSink<'_, '_> {
    /// An element begins; `attribute` looks one of its attributes up.
    pub fn start(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        self.0.start(name, attribute);
    }

    /// Characters of the page.
    pub fn text(&mut self, text: &str) {
        self.0.text(text);
    }

    /// Markdown that goes into the running text as it is.
    pub fn mark(&mut self, markdown: &str) {
        self.0.mark(markdown);
    }

    /// The innermost element of that name ends.
    pub fn end(&mut self, name: &str) {
        self.0.end(name);
    }
}

/// What a walk over a page gives as Markdown; no more than the limits hold.
pub fn page(limits: &Limits, walk: impl FnOnce(&mut PageSink<'_, '_>)) -> Converted {
    let mut writer = Writer::new(limits);
    let mut page = Page::new(&mut writer, false, "");
    walk(&mut PageSink(&mut page));
    page.finish();
    writer.finish("")
}

struct Sink<'w> {
    page: RefCell<Page<'w>>,
    xml: bool,
}

impl TokenSink for Sink<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.page.borrow_mut();
        match token {
            Token::CharacterTokens(text) => page.text(&text),
            Token::TagToken(tag) => {
                let name = &*tag.name;
                // Prefixes of XHTML say nothing here.
                let name = name.rsplit(':').next().unwrap_or(name);
                let attribute = |wanted: &str| {
                    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == wanted);
                    found.map(|attribute| attribute.value.to_string())
                };
                if tag.kind == TagKind::StartTag {
                    page.start(name, &attribute);
                    if self.xml && tag.self_closing {
                        page.end(name);
                    } else if !self.xml || matches!(name, "script" | "style") {
                        return match name {
                            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                            "style" | "iframe" | "noembed" | "noframes" | "xmp" => {
                                TokenSinkResult::RawData(RawKind::Rawtext)
                            }
                            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                            _ => TokenSinkResult::Continue,
                        };
                    }
                } else {
                    page.end(name);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.xml
    }
}

/// The encoding that a page names for itself.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_ascii_lowercase();
    let at = head.find("charset=").map(|at| at + 8).or_else(|| head.find("encoding=").map(|at| at + 9))?;
    let rest = head[at..].trim_start_matches(['"', '\'']);
    let label: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (!label.is_empty()).then_some(label)
}
