//! Where a word stands on a page.

use super::tree::{Kind, NodeKey, Tree};
use super::{describe, line};

/// A place where the word stands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::browser) struct Hit {
    /// The node in which it begins, and how many UTF-16 units of that come before it.
    pub(in crate::browser) from: (NodeKey, usize),
    /// The node in which it ends, and where.
    pub(in crate::browser) to: (NodeKey, usize),
    /// The browser's name for the frame that it stands in.
    pub(in crate::browser) frame: String,
    /// The words around it.
    pub(in crate::browser) excerpt: String,
}

/// What was found of a word.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::browser) struct Found {
    /// In how many places it stands.
    pub(in crate::browser) count: usize,
    /// The one that was wanted, if there is one.
    pub(in crate::browser) hit: Option<Hit>,
    /// There are more letters than are searched.
    pub(in crate::browser) cut: bool,
}

/// The place where a word stands once `skip` others are passed over: places that a reader can come to, in the order of the
/// page. Big and small letters are the same, and so are all kinds of space.
pub(in crate::browser) fn find(tree: &Tree, keyword: &str, skip: usize) -> Found {
    let mut found = Found { count: 0, hit: None, cut: false };
    let wanted: Vec<char> = folded(keyword).into_iter().map(|(c, _)| c).collect();
    let trimmed: &[char] = {
        let start = wanted.iter().position(|c| *c != ' ').unwrap_or(wanted.len());
        let end = wanted.iter().rposition(|c| *c != ' ').map_or(start, |last| last + 1);
        &wanted[start..end]
    };
    if trimmed.is_empty() {
        return found;
    }
    let flat = flat(tree);
    found.cut = flat.len() >= MOST_LETTERS;
    let mut at = 0;
    while at + trimmed.len() <= flat.len() {
        if flat[at..at + trimmed.len()].iter().zip(trimmed).any(|(letter, wanted)| letter.c != *wanted) {
            at += 1;
            continue;
        }
        if found.count == skip {
            let (first, last) = (&flat[at], &flat[at + trimmed.len() - 1]);
            let around = flat[at.saturating_sub(60)..(at + trimmed.len() + 60).min(flat.len())].iter();
            let excerpt: String = around.map(|letter| letter.shown).collect();
            found.hit = Some(Hit {
                from: (tree.nodes[first.node].key, first.units),
                to: (tree.nodes[last.node].key, last.units + usize::from(last.width)),
                frame: tree.document_of(first.node).map(|document| document.frame.clone()).unwrap_or_default(),
                excerpt: line(&excerpt, 160),
            });
        }
        found.count += 1;
        at += trimmed.len();
    }
    found
}

/// The place that is wanted, and what is said of it. `Err` says why there is none.
pub(in crate::browser) fn pick(found: Found, keyword: &str, skip: usize) -> Result<(Hit, String), String> {
    let shown = line(keyword, 80);
    let Found { count, hit, cut } = found;
    let Some(hit) = hit else {
        return Err(match count {
            0 if cut => format!("{shown:?} does not stand in the first {MOST_LETTERS} letters of this page"),
            0 => format!("{shown:?} does not stand on this page as far as it is loaded"),
            1 => format!("{shown:?} stands on this page once, so there is none after skipping {skip}"),
            count => format!("{shown:?} stands on this page {count} times, so there is none after skipping {skip}"),
        });
    };
    let said = format!("{shown:?}: place {} of {count}: {}", skip + 1, hit.excerpt);
    Ok((hit, said))
}

/// Letters of a page that are searched, but for the rest of the text that goes beyond.
const MOST_LETTERS: usize = 10_000_000;

/// Between blocks; no word reaches over it.
const BREAK: char = '\u{0}';

/// One character of the page.
struct Letter {
    /// As it is compared.
    c: char,
    /// As it stands on the page.
    shown: char,
    node: usize,
    /// UTF-16 units of the node before it.
    units: usize,
    /// Its own.
    width: u8,
}

/// Small letters, and each run of space as one; with the letter itself, and the UTF-16 units before it and its own.
fn folded(text: &str) -> Vec<(char, (char, usize, u8))> {
    let mut out: Vec<(char, (char, usize, u8))> = Vec::new();
    let mut units = 0;
    for c in text.chars() {
        let width = c.len_utf16() as u8;
        if c.is_whitespace() {
            if out.last().is_none_or(|(last, _)| *last != ' ') {
                out.push((' ', (' ', units, width)));
            }
        } else {
            // A letter that becomes several when it is made small counts as its first.
            out.push((c.to_lowercase().next().unwrap_or(c), (c, units, width)));
        }
        units += usize::from(width);
    }
    out
}

fn flat(tree: &Tree) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    for at in tree.in_order() {
        if letters.len() >= MOST_LETTERS {
            break;
        }
        let node = &tree.nodes[at];
        let text = match node.kind {
            Kind::Text if tree.is_shown(at) => {
                let parent = node.parent.map(|up| tree.nodes[up].tag.as_str()).unwrap_or_default();
                if matches!(parent, "script" | "style" | "noscript" | "template" | "title" | "option") {
                    continue;
                }
                node.text.as_str()
            }
            Kind::Element if tree.is_shown(at) && matches!(node.tag.as_str(), "input" | "textarea") => {
                let role = describe::role(tree, at).unwrap_or_default();
                match node.value.as_deref() {
                    Some(value) if role != "password" => value,
                    _ => continue,
                }
            }
            Kind::Element if !matches!(node.display.as_str(), "" | "inline" | "contents") || tree.window.is_none() => {
                if tree.window.is_none() && is_inline(&node.tag) {
                    continue;
                }
                letters.push(Letter { c: BREAK, shown: ' ', node: at, units: 0, width: 0 });
                continue;
            }
            _ => continue,
        };
        for (c, (shown, units, width)) in folded(text) {
            if c != ' ' || letters.last().is_none_or(|last| last.c != ' ') {
                letters.push(Letter { c, shown, node: at, units, width });
            }
        }
        if node.kind == Kind::Element {
            letters.push(Letter { c: BREAK, shown: ' ', node: at, units: 0, width: 0 });
        }
    }
    letters
}

fn is_inline(tag: &str) -> bool {
    matches!(
        tag,
        "a" | "b"
            | "i"
            | "em"
            | "strong"
            | "span"
            | "code"
            | "small"
            | "sub"
            | "sup"
            | "u"
            | "s"
            | "mark"
            | "abbr"
            | "font"
    )
}
