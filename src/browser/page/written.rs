//! How a node is written as Markdown: as which element, beside which others, with which number.

use super::tree::Tree;

/// Pixels that a row of boxes may be high to be one line.
const MOST_ROW: f64 = 60.0;

/// Elements that are written as what they are.
const KNOWN: &[&str] = &[
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "pre",
    "code",
    "blockquote",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "del",
    "hr",
    "br",
    "img",
    "kbd",
    "samp",
    "svg",
    "canvas",
];

/// What parts a box from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// What its tag does.
    Tag,
    /// Room on one line.
    Room,
    /// It is the first of the next line of a row that is broken into lines.
    Line,
}

/// The element as which one is written, and what parts it from what stands before it: what the style sheet puts on lines
/// of its own begins a line.
pub(super) fn written_as(tree: &Tree, at: usize) -> (&'static str, Apart) {
    let node = &tree.nodes[at];
    if let Some(known) = KNOWN.iter().find(|known| **known == node.tag) {
        // A page that lays out with list items or tables beside each other still has lists and tables.
        return (known, Apart::Tag);
    }
    if tree.window.is_none() {
        return match node.tag.as_str() {
            "span" | "a" | "label" | "small" | "sub" | "sup" | "time" | "font" | "u" | "q" | "abbr" | "mark"
            | "button" => ("span", Apart::Tag),
            _ => ("div", Apart::Tag),
        };
    }
    let inline = matches!(node.display.as_str(), "" | "inline" | "contents");
    let (before, after) = if inline { (false, false) } else { beside(tree, at) };
    let flows = inline || matches!(node.display.as_str(), "inline-block" | "inline-flex");
    let apart = match (before, after) {
        (true, _) => Apart::Room,
        (false, true) if follows_row(tree, at) => Apart::Line,
        (false, _) => Apart::Tag,
    };
    (if flows || before || after { "span" } else { "div" }, apart)
}

/// Siblings among which the next box is looked for.
const NEAR: usize = 20;

/// Whether a box stands on one line with the one before it, and with the one after it, as those of a row do.
fn beside(tree: &Tree, at: usize) -> (bool, bool) {
    let node = &tree.nodes[at];
    let (Some(parent), Some(rect)) = (node.parent, node.rect) else { return (false, false) };
    let siblings = &tree.nodes[parent].children;
    // They stand in the order in which they came, but for those that a parser has moved.
    let place = siblings.binary_search(&at).ok().or_else(|| siblings.iter().position(|sibling| *sibling == at));
    let Some(place) = place else { return (false, false) };
    let with = |other: Option<&usize>| {
        let Some(other) = other.and_then(|other| tree.nodes[*other].rect).filter(|other| !other.is_empty()) else {
            return false;
        };
        let common = rect.bottom().min(other.bottom()) - rect.y.max(other.y);
        common > 0.5 * rect.height.min(other.height) && rect.height.max(other.height) < MOST_ROW
    };
    let has_place = |other: &&usize| tree.nodes[**other].rect.is_some();
    (
        with(siblings[..place].iter().rev().take(NEAR).find(has_place)),
        with(siblings[place + 1..].iter().take(NEAR).find(has_place)),
    )
}

/// Whether the box before it is the last one of a row. Both are written in the running text, so nothing else parts them.
fn follows_row(tree: &Tree, at: usize) -> bool {
    let siblings = tree.nodes[at].parent.map(|up| tree.nodes[up].children.as_slice()).unwrap_or_default();
    let before = siblings.iter().take_while(|sibling| **sibling != at);
    before.filter(|other| tree.nodes[**other].rect.is_some()).last().is_some_and(|other| beside(tree, *other).0)
}

/// The number of an item in a numbered list.
pub(super) fn ordinal(tree: &Tree, at: usize) -> Option<String> {
    let list = tree.nodes[at].parent.filter(|up| tree.nodes[*up].tag == "ol")?;
    let number =
        |at: usize, name: &str| tree.nodes[at].attribute(name).and_then(|text| text.trim().parse::<i64>().ok());
    let mut next = number(list, "start").unwrap_or(1);
    for item in tree.nodes[list].children.iter().filter(|item| tree.nodes[**item].tag == "li") {
        let own = number(*item, "value").unwrap_or(next);
        if *item == at {
            return Some(own.to_string());
        }
        next = own.saturating_add(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::page::tree::Kind;
    use crate::browser::page::{Document, Node, NodeKey, Rect, view};

    /// A tree of (parent, tag or text, seen), with a document around it.
    fn tree(nodes: &[(usize, &str, bool)]) -> Tree {
        let mut tree = Tree { window: Some((100.0, 100.0)), ..Tree::default() };
        tree.documents.push(Document::default());
        tree.add(Node::new(Kind::Document, NodeKey { part: 0, backend: 0 }, None));
        for (at, (up, what, seen)) in nodes.iter().enumerate() {
            let (tag, text) = match what.strip_prefix('=') {
                Some(text) => ("", text),
                None => (*what, ""),
            };
            let kind = if tag.is_empty() { Kind::Text } else { Kind::Element };
            let mut node = Node::new(kind, NodeKey { part: 0, backend: at as i64 + 1 }, Some(*up));
            (node.tag, node.text) = (tag.to_owned(), text.to_owned());
            let block = matches!(tag, "div" | "table" | "tr" | "ol" | "li" | "p");
            if block { "block" } else { "inline" }.clone_into(&mut node.display);
            if tag == "a" {
                node.attributes.push(("href".to_owned(), "/x".to_owned()));
            }
            let y = if *seen { 10.0 } else { 500.0 };
            let place = Rect { x: 0.0, y, width: 50.0, height: 20.0 };
            node.rect = Some(place);
            node.seen = if *seen { place } else { Rect::default() };
            tree.add(node);
        }
        tree
    }

    #[test]
    fn what_is_out_of_sight_leaves_no_empty_tables_and_items_keep_their_numbers() {
        let page = tree(&[
            (0, "ol", true),
            (1, "li", false),
            (2, "=first", false),
            (1, "li", true),
            (4, "=second", true),
            (0, "table", false),
            (6, "tr", false),
            (7, "td", false),
            (8, "li", false),
        ]);
        assert_eq!(view(&page).markdown.trim(), "2. second");
    }

    #[test]
    fn boxes_of_a_row_that_is_broken_into_lines_do_not_run_into_each_other() {
        let mut page = tree(&[
            (0, "div", true),
            (1, "div", true),
            (2, "=3", true),
            (1, "div", true),
            (4, "=4", true),
            (1, "div", true),
            (6, "=5", true),
            (1, "div", true),
            (8, "=6", true),
        ]);
        for (at, x, y) in [(2, 0.0, 10.0), (4, 50.0, 10.0), (6, 0.0, 30.0), (8, 50.0, 30.0)] {
            let place = Rect { x, y, width: 50.0, height: 20.0 };
            (page.nodes[at].rect, page.nodes[at].seen) = (Some(place), place);
        }
        let text = view(&page).markdown;
        let rows: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\\').trim()).collect();
        assert_eq!(rows, ["3 4", "5 6"], "{text:?}");
    }

    #[test]
    fn a_cell_out_of_sight_still_is_a_column() {
        let page = tree(&[(0, "table", true), (1, "tr", true), (2, "td", false), (2, "td", true), (4, "=right", true)]);
        assert!(view(&page).markdown.contains("|  | right |"), "{}", view(&page).markdown);
    }

    #[test]
    fn the_mark_of_a_link_stands_with_the_words_of_the_block_in_it() {
        let page = tree(&[(0, "a", true), (1, "div", true), (2, "=words", true)]);
        assert_eq!(view(&page).markdown.trim(), "words[0]");
    }
}
