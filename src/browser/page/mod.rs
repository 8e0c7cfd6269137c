//! A page as a model sees it: the visible part as Markdown, and a numbered list of what it can act on. Pure functions
//! over a [`Tree`], which is made from a snapshot of a browser or from HTML alone.

mod describe;
mod find;
mod snapshot;
mod tree;
mod view;

pub(super) use find::find;
pub(super) use snapshot::{Capture, Part, STYLES, of_parts};
pub(super) use tree::{NodeKey, Tree};
pub(super) use view::{Element, View, view};

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
