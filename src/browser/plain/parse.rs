//! HTML to the nodes of a page, by the rules that browsers follow. It runs in the process that decodes what nobody trusts:
//! a page that is made to eat memory or time ends with that.

mod sink;

use std::time::{Duration, Instant};

use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};
use serde::{Deserialize, Serialize};

use crate::document::html;
use sink::{Kind, Raw, Sink};

/// Nodes of a page that are kept.
const MOST_NODES: usize = 100_000;
/// How deep they are nested; what lies deeper stands beside.
const MOST_DEPTH: usize = 200;
/// Bytes that are read at once, before it is looked whether that is enough.
const PIECE: usize = 4 << 10;
/// How long it may take: a page that nests without end takes longer for each part of it.
const LIMIT: Duration = Duration::from_secs(5);
/// Characters of a text that stays in one node: what is longer could only be shown as a whole.
const MOST_TEXT: usize = 1_000;
/// Lines of a listing that stay in one node.
const MOST_LINES: usize = 10;

/// A page to be parsed: the task of the process that decodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTask {
    /// The encoding that the server names.
    pub charset: Option<String>,
    /// Whether it is plain text, to be shown as it is.
    pub plain: bool,
}

/// A page as it was parsed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Parsed {
    /// In which encoding it calls itself written; forms are sent in that.
    pub(super) charset: Option<String>,
    pub(super) title: String,
    /// `href` of its `base`.
    pub(super) base: Option<String>,
    /// The seconds after which it wants to be left, and for where.
    pub(super) refresh: Option<(f64, String)>,
    /// Each after the one that holds it; the first holds all.
    pub(super) nodes: Vec<Piece>,
    /// Whether there is more of it than was kept.
    pub(super) cut: bool,
    /// Whether it has scripts.
    pub(super) scripts: bool,
}

/// One node.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// Which one holds it; the first holds itself.
    pub(super) up: usize,
    /// Its name; empty for a text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) tag: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    /// The form that a field belongs to without lying in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) form: Option<usize>,
}

/// Does the task.
pub fn parse_page(task: &PageTask, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (text, charset) = html::decoded(bytes, task.charset.as_deref());
    let mut parsed = if task.plain { listing(&text) } else { parse(&text) };
    parsed.charset = charset;
    serde_json::to_vec(&parsed).map_err(|error| error.to_string())
}

/// Parses a page.
fn parse(text: &str) -> Parsed {
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let mut parser = parse_document(Sink::default(), ParseOpts { tree_builder, ..ParseOpts::default() });
    let (mut rest, began) = (text, Instant::now());
    while !rest.is_empty() && began.elapsed() < LIMIT && parser.tokenizer.sink.sink.len() < 2 * MOST_NODES {
        let mut end = rest.len().min(PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        parser.process(StrTendril::from_slice(&rest[..end]));
        rest = &rest[end..];
    }
    let cut = !rest.is_empty();
    let mut parsed = kept(&parser.finish());
    parsed.cut |= cut;
    parsed
}

/// A text as a page that is one listing.
fn listing(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (up, tag) in [(0, "html"), (0, "body"), (1, "pre")] {
        parsed.nodes.push(Piece { up, tag: tag.to_owned(), ..Piece::default() });
    }
    add_text(&mut parsed, 2, text, true);
    parsed
}

/// What of the parsed nodes a reader may need.
fn kept(raws: &[Raw]) -> Parsed {
    let mut parsed = Parsed::default();
    parsed.nodes.push(Piece { tag: "#document".to_owned(), ..Piece::default() });
    // Where each node of the parser stands among those that are kept.
    let mut places = vec![None; raws.len()];
    let mut next: Vec<(usize, usize, usize, bool)> =
        raws.first().into_iter().flat_map(|root| root.children.iter().rev()).map(|at| (*at, 0, 1, false)).collect();
    while let Some((at, up, depth, listing)) = next.pop() {
        if parsed.nodes.len() >= MOST_NODES {
            parsed.cut = true;
            break;
        }
        let raw = &raws[at];
        match &raw.kind {
            Kind::Text(text) => add_text(&mut parsed, up, text, listing),
            Kind::Element { tag, attributes } => {
                let get =
                    |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
                match tag.as_str() {
                    "script" => parsed.scripts = true,
                    "title" if parsed.title.is_empty() => {
                        parsed.title = text_of(raws, at).chars().take(1_000).collect();
                    }
                    "base" if parsed.base.is_none() => parsed.base = get("href").map(ToOwned::to_owned),
                    "meta" if get("http-equiv").is_some_and(|named| named.trim().eq_ignore_ascii_case("refresh")) => {
                        parsed.refresh = parsed.refresh.take().or_else(|| refresh(get("content")?));
                    }
                    _ => {}
                }
                if matches!(
                    tag.as_str(),
                    "script" | "style" | "template" | "title" | "base" | "meta" | "link" | "svg" | "math"
                ) {
                    continue;
                }
                let mut piece = Piece { up, tag: tag.clone(), attributes: attributes.clone(), ..Piece::default() };
                piece.form = raw.form.and_then(|form| places.get(form).copied().flatten());
                let place = parsed.nodes.len();
                places[at] = Some(place);
                match tag.as_str() {
                    // Nothing runs scripts here, so it is for this reader.
                    "noscript" => "div".clone_into(&mut piece.tag),
                    // A frame is a page of its own, which can be visited.
                    "iframe" | "frame" => {
                        let Some(source) = get("src").filter(|source| !source.trim().is_empty()) else { continue };
                        let words = get("title").or(get("name")).unwrap_or(source);
                        "a".clone_into(&mut piece.tag);
                        piece.attributes = vec![("href".to_owned(), source.to_owned())];
                        let text = format!("frame: {words}");
                        parsed.nodes.push(piece);
                        parsed.nodes.push(Piece { up: place, text, ..Piece::default() });
                        continue;
                    }
                    _ => {}
                }
                parsed.nodes.push(piece);
                // What lies too deep stands beside the one that would hold it.
                let (up, depth) = if depth < MOST_DEPTH { (place, depth + 1) } else { (up, depth) };
                let listing = listing || matches!(tag.as_str(), "pre" | "listing" | "textarea" | "xmp" | "plaintext");
                next.extend(raw.children.iter().rev().map(|child| (*child, up, depth, listing)));
            }
            Kind::Other => {}
        }
    }
    parsed
}

/// Adds a text, in pieces where it is long.
fn add_text(parsed: &mut Parsed, up: usize, text: &str, listing: bool) {
    let whole = parsed.nodes.get(up).is_some_and(|node| matches!(node.tag.as_str(), "textarea" | "option"));
    let mut rest = text;
    while !rest.is_empty() && parsed.nodes.len() < MOST_NODES {
        let mut end = rest.len();
        if !whole {
            if listing && let Some((line, _)) = rest.match_indices('\n').nth(MOST_LINES - 1) {
                end = line + 1;
            }
            if let Some((most, _)) = rest.char_indices().nth(MOST_TEXT).filter(|(most, _)| *most < end) {
                let space = rest[..most].rfind(char::is_whitespace).filter(|at| *at > 0);
                end = space.unwrap_or(most);
            }
        }
        let text = rest[..end].to_owned();
        parsed.nodes.push(Piece { up, text, ..Piece::default() });
        rest = &rest[end..];
    }
    parsed.cut |= !rest.is_empty();
}

/// The words of an element that holds nothing but text.
fn text_of(raws: &[Raw], at: usize) -> String {
    let texts = raws[at].children.iter().filter_map(|child| match &raws[*child].kind {
        Kind::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// `5; url=next.html`
pub(super) fn refresh(content: &str) -> Option<(f64, String)> {
    let (seconds, rest) = content.split_once([';', ',']).unwrap_or((content, ""));
    let seconds: f64 = seconds.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
    let rest = rest.trim();
    let address = match rest.get(..3) {
        Some(word) if word.eq_ignore_ascii_case("url") => rest[3..].trim_start().strip_prefix('=').unwrap_or(rest),
        _ => rest,
    };
    let address = address.trim().trim_matches(['"', '\'']).trim();
    (!address.is_empty()).then(|| (seconds, address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parsed: &Parsed) -> Vec<String> {
        let name = |node: &Piece| if node.tag.is_empty() { format!("{:?}", node.text) } else { node.tag.clone() };
        parsed.nodes.iter().map(name).collect()
    }

    #[test]
    fn a_page_is_read_as_browsers_read_it() {
        let parsed = parse(
            "<title>A &amp; B</title><base href=/x/><p>one<p>two<noscript><b>here</b></noscript><script>no()</script>",
        );
        assert_eq!((parsed.title.as_str(), parsed.base.as_deref(), parsed.scripts), ("A & B", Some("/x/"), true));
        let names = names(&parsed);
        assert_eq!(
            names,
            ["#document", "html", "head", "body", "p", "\"one\"", "p", "\"two\"", "div", "b", "\"here\""]
        );
    }

    #[test]
    fn a_field_in_a_table_belongs_to_the_form_around_its_row() {
        let parsed = parse("<table><form action=/go><tr><td><input name=q></table>");
        let form = parsed.nodes.iter().position(|node| node.tag == "form").expect("form");
        let field = parsed.nodes.iter().find(|node| node.tag == "input").expect("field");
        assert_eq!(field.form, Some(form));
        assert_ne!(field.up, form);
    }

    #[test]
    fn a_refresh_is_told_with_its_address() {
        assert_eq!(refresh("0; URL='/next'"), Some((0.0, "/next".to_owned())));
        assert_eq!(refresh("3,next.html"), Some((3.0, "next.html".to_owned())));
        assert_eq!(refresh("5"), None);
        assert_eq!(refresh("-1; url=x"), None);
    }

    #[test]
    fn deep_and_endless_pages_are_bounded_and_keep_their_order() {
        let deep = parse(&"<div>x".repeat(2_000));
        let mut depths = vec![0; deep.nodes.len()];
        for (at, node) in deep.nodes.iter().enumerate().skip(1) {
            assert!(node.up < at);
            depths[at] = depths[node.up] + 1;
        }
        assert!(depths.iter().all(|depth| *depth <= MOST_DEPTH + 1));
        let long = parse(&"<i>x</i>".repeat(200_000));
        assert!(long.cut && long.nodes.len() <= MOST_NODES + 1, "{}", long.nodes.len());
    }

    #[test]
    fn long_texts_come_in_pieces_that_are_the_text() {
        let text = "a line of words\n".repeat(500);
        let parsed = listing(&text);
        let joined: String = parsed.nodes.iter().map(|node| node.text.as_str()).collect();
        assert!(joined == text && parsed.nodes.len() > 40);
    }
}
