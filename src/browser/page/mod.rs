//! A page as a model sees it: the visible part as Markdown, and a numbered list of what it can act on. Pure functions
//! over a [`Tree`], which is made from a snapshot of a browser or from HTML alone.

mod describe;
mod find;
mod snapshot;
mod tree;
mod view;
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

/// Cuts a text to one line of so many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (count, c) in text.split_whitespace().flat_map(|word| word.chars().chain(Some(' '))).enumerate() {
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
