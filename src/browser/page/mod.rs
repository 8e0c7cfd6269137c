//! A page as a model sees it: the visible part as Markdown, and a numbered list of what it can act on. Pure functions
//! over a [`Tree`], which is made from a snapshot of a browser or from HTML alone.

use std::borrow::Cow;

mod describe;
mod find;
mod snapshot;
mod tree;
mod view;
mod write;
mod written;

pub(super) use describe::{option_text, options};
pub(super) use find::{find, pick};
pub(super) use snapshot::{Capture, Part, STYLES, of_parts};
pub(super) use tree::{Document, Kind, Node, NodeKey, Rect, Tree};
pub(super) use view::{Element, View, view};

/// The name of a field, as a list says it.
pub(super) fn field_name(tree: &Tree, at: usize) -> String {
    describe::role(tree, at).map(|role| describe::name(tree, at, role)).unwrap_or_default()
}

/// A text without the characters that mean nothing outside of a font of pictures.
pub(super) fn signs(text: &str) -> Cow<'_, str> {
    let is_picture = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    if text.contains(is_picture) { text.replace(is_picture, "").into() } else { text.into() }
}

/// Cuts a text to one line of so many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (count, c) in signs(text).split_whitespace().flat_map(|word| word.chars().chain(Some(' '))).enumerate() {
        if count >= most {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        line.push(c);
    }
    line.truncate(line.trim_end().len());
    line
}
