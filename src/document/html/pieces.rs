//! HTML as its pieces, for readers that look for a few of them.

use std::cell::RefCell;

use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// One piece.
#[derive(Debug)]
pub enum Piece<'a> {
    /// An element begins.
    Start(&'a str, Attributes<'a>),
    /// An element ends.
    End(&'a str),
    /// Characters, their entities resolved.
    Text(&'a str),
}

/// The attributes of an element.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(&'a Tag);

impl<'a> Attributes<'a> {
    /// The value of an attribute.
    pub fn get(self, name: &str) -> Option<&'a str> {
        let found = self.0.attrs.iter().find(|attribute| &*attribute.name.local == name);
        found.map(|attribute| &*attribute.value)
    }

    /// Whether its class list names this one.
    pub fn has_class(self, name: &str) -> bool {
        self.get("class").is_some_and(|list| list.split_whitespace().any(|class| class == name))
    }
}

/// Goes over a text of HTML from its beginning to its end.
pub fn pieces(text: &str, take: impl FnMut(Piece<'_>)) {
    let tokenizer = Tokenizer::new(Sink(RefCell::new(take)), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    tokenizer.end();
}

/// The words of a text of HTML in one line, without what is not shown.
pub fn text_of(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let (mut text, mut skipped) = (String::new(), 0_u32);
    pieces(html, |piece| match piece {
        Piece::Start("script" | "style", _) => skipped += 1,
        Piece::End("script" | "style") => skipped = skipped.saturating_sub(1),
        Piece::Start("br" | "p" | "div" | "li" | "tr" | "td", _) => text.push(' '),
        Piece::Text(part) if skipped == 0 => text.push_str(part),
        _ => {}
    });
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Sink<F>(RefCell<F>);

impl<F: FnMut(Piece<'_>)> TokenSink for Sink<F> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut take = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => take(Piece::Text(&text)),
            Token::TagToken(tag) if tag.kind == TagKind::EndTag => take(Piece::End(&tag.name)),
            Token::TagToken(tag) => {
                take(Piece::Start(&tag.name, Attributes(&tag)));
                return match &*tag.name {
                    "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" | "iframe" | "noembed" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
                    "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => TokenSinkResult::Continue,
                };
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_without_tags_and_entities() {
        assert_eq!(text_of("plain  text"), "plain text");
        assert_eq!(text_of("a <b>bold</b> &amp; <script>x()</script>new<br>line &#20013;"), "a bold & new line 中");
        assert_eq!(text_of("1 < 2 and &lt;b&gt;"), "1 < 2 and <b>");
    }

    #[test]
    fn pieces_come_in_order_with_their_attributes() {
        let mut told = Vec::new();
        pieces("<a class='x y' href=/z>text</a>", |piece| {
            told.push(match piece {
                Piece::Start(name, attributes) => {
                    format!("{name} {:?} {}", attributes.get("href"), attributes.has_class("y"))
                }
                Piece::End(name) => format!("/{name}"),
                Piece::Text(text) => text.to_owned(),
            });
        });
        assert_eq!(told, ["a Some(\"/z\") true", "text", "/a"]);
    }
}
