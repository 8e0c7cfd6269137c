//! The window of a page as text: Markdown with the numbers of what can be acted on, and the list of those.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::tree::{Kind, Node, NodeKey, Tree};
use super::write::{Marks, write};
use super::{describe, line};
use crate::document::{Limits, html};

/// Elements that are listed.
const MOST_ELEMENTS: usize = 400;
/// Options of a choice that are listed.
const MOST_OPTIONS: usize = 40;
/// Bytes of Markdown.
const MOST_TEXT: usize = 40_000;

/// Something on the page that can be acted on.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::browser) struct Element {
    pub(in crate::browser) key: NodeKey,
    /// What a click has to hit: itself, or the label of a box that the page does not show.
    pub(in crate::browser) pressed: NodeKey,
    /// The browser's name for the frame that it stands in.
    pub(in crate::browser) frame: String,
    pub(in crate::browser) tag: String,
    pub(in crate::browser) role: &'static str,
    pub(in crate::browser) name: String,
    /// Where it has no name, what its author calls it in the page's source.
    pub(in crate::browser) source: String,
    /// What stands in an empty field.
    pub(in crate::browser) placeholder: String,
    pub(in crate::browser) value: Option<String>,
    pub(in crate::browser) states: Vec<&'static str>,
    /// Where a link leads.
    pub(in crate::browser) target: Option<String>,
    pub(in crate::browser) options: Vec<String>,
}

impl Element {
    /// The element in a line, without its number.
    pub(in crate::browser) fn line(&self) -> String {
        let mut text = self.role.to_owned();
        if !self.name.is_empty() {
            let _ = write!(text, " {:?}", self.name);
        } else if !self.source.is_empty() {
            let _ = write!(text, " ({})", self.source);
        }
        if !self.placeholder.is_empty() && self.placeholder != self.name {
            let _ = write!(text, ", placeholder {:?}", self.placeholder);
        }
        if let Some(value) = self.value.as_deref().filter(|value| !value.is_empty()) {
            let _ = write!(text, ", value {value:?}");
        }
        for state in &self.states {
            text += ", ";
            text += state;
        }
        if !self.options.is_empty() {
            let _ = write!(text, ", options: {}", self.options.join(" | "));
        }
        if let Some(target) = &self.target {
            let _ = write!(text, " -> {}", line(target, 200));
        }
        text
    }
}

/// What is seen of a page.
#[derive(Debug, Clone, Default)]
pub(in crate::browser) struct View {
    pub(in crate::browser) markdown: String,
    pub(in crate::browser) elements: Vec<Element>,
    /// How many more there are above, below, and beside the window.
    pub(in crate::browser) elsewhere: (usize, usize, usize),
    /// What was left out.
    pub(in crate::browser) notes: Vec<String>,
}

/// Looks at a page.
pub(in crate::browser) fn view(tree: &Tree) -> View {
    let mut view = View::default();
    let mut marks = Marks::default();
    let labels = Labels::of(tree);
    let mut more = 0_usize;
    for at in tree.in_order() {
        let Some(role) = acts_as(tree, at) else { continue };
        let reachable = is_reachable(tree, at, role);
        let label = if reachable { None } else { labels.pressed_for(tree, at) };
        if !reachable && label.is_none() {
            let node = &tree.nodes[at];
            if let (Some(rect), Some((_, height))) = (node.rect, tree.window)
                && !node.hidden
                && !rect.is_empty()
            {
                let (above, below, beside) = &mut view.elsewhere;
                *(if rect.bottom() <= 0.0 {
                    above
                } else if rect.y >= height {
                    below
                } else {
                    beside
                }) += 1;
            }
            continue;
        }
        if view.elements.len() >= MOST_ELEMENTS {
            more += 1;
            continue;
        }
        let number = view.elements.len();
        match label {
            Some(label) => drop(marks.labels.insert(label, number)),
            None => drop(marks.numbers.insert(at, number)),
        }
        let mut element = element(tree, at, role);
        if let Some(label) = label {
            element.pressed = tree.nodes[label].key;
        }
        view.elements.push(element);
    }
    if more > 0 {
        view.notes.push(format!("{more} further elements are not listed"));
    }
    let limits = Limits { output_bytes: MOST_TEXT, ..Limits::default() };
    let converted = html::page(&limits, |sink| write(tree, &view.elements, &marks, sink));
    view.markdown = converted.markdown;
    view.notes.extend(converted.notes);
    view
}

/// The labels that name their field by its id.
struct Labels<'t>(HashMap<&'t str, Vec<usize>>);

impl<'t> Labels<'t> {
    fn of(tree: &'t Tree) -> Self {
        let mut labels: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, node) in tree.nodes.iter().enumerate() {
            if node.tag == "label"
                && let Some(id) = node.attribute("for")
            {
                labels.entry(id).or_default().push(at);
            }
        }
        Self(labels)
    }

    /// The label that is pressed for a box or a radio button which the page has hidden behind a drawing of its own.
    fn pressed_for(&self, tree: &Tree, at: usize) -> Option<usize> {
        let node = &tree.nodes[at];
        if node.tag != "input" || !matches!(node.word("type").as_str(), "checkbox" | "radio") {
            return None;
        }
        let is_seen = |label: &usize| {
            let Node { seen, .. } = tree.nodes[*label];
            tree.is_seen(*label) && seen.width.min(seen.height) > 1.0
        };
        let document = describe::document_of(tree, at);
        let of_id = node.attribute("id").and_then(|id| self.0.get(id)).into_iter().flatten();
        let mut named = of_id.copied().filter(|label| describe::document_of(tree, *label) == document);
        let around = || tree.around(at).find(|up| tree.nodes[*up].tag == "label");
        named.find(is_seen).or_else(|| around().filter(is_seen))
    }
}

/// The role of what can be acted on, or `clickable` for what hears clicks without having one.
fn acts_as(tree: &Tree, at: usize) -> Option<&'static str> {
    if let Some(role) = describe::role(tree, at) {
        return Some(role);
    }
    let node = &tree.nodes[at];
    if !node.clickable && !points(tree, node) || !may_hear(node) {
        return None;
    }
    // What lies in a button is the button.
    if tree.around(at).take(8).any(|up| describe::role(tree, up).is_some() || tree.nodes[up].tag == "label") {
        return None;
    }
    // What holds other things that can be acted on listens for them.
    let mut below = node.children.clone();
    let mut looked = 0;
    while let Some(next) = below.pop() {
        looked += 1;
        let inner = &tree.nodes[next];
        let hears = may_hear(inner) && (inner.clickable || points(tree, inner));
        if looked > 300 || describe::role(tree, next).is_some() || hears {
            return None;
        }
        below.extend(&inner.children);
    }
    Some("clickable")
}

/// Whether an element without a role can be one that hears clicks.
fn may_hear(node: &Node) -> bool {
    node.kind == Kind::Element && !matches!(node.tag.as_str(), "html" | "body" | "label" | "option" | "iframe")
}

/// Whether it is where the pointer begins to say that something can be clicked.
fn points(tree: &Tree, node: &Node) -> bool {
    let parent = node.parent.map(|up| &tree.nodes[up]);
    node.pointer && parent.is_none_or(|up| !up.pointer || up.tag == "body")
}

/// Whether somebody who looks at the window can act on it.
fn is_reachable(tree: &Tree, at: usize, role: &str) -> bool {
    let node = &tree.nodes[at];
    let Some(_) = tree.window else { return true };
    if role == "file" {
        // Pages hide the field and show a button of their own; a file is given to the field all the same.
        return true;
    }
    // A field under a drawing of its own is often made transparent.
    let through = node.transparent && matches!(role, "checkbox" | "radio" | "switch");
    !node.hidden
        && (through || !node.transparent)
        && !node.seen.is_empty()
        && node.seen.width.max(node.seen.height) > 1.0
        && !node.is_folded()
}

fn element(tree: &Tree, at: usize, role: &'static str) -> Element {
    let node = &tree.nodes[at];
    let target = (role == "link").then(|| node.attribute("href").map(|href| absolute(tree, at, href))).flatten();
    let options = if node.tag == "select" {
        let mut options: Vec<String> = describe::options(tree, at)
            .take(MOST_OPTIONS + 1)
            .map(|option| describe::option_text(tree, option))
            .collect();
        if options.len() > MOST_OPTIONS {
            options.truncate(MOST_OPTIONS);
            options.push("…".to_owned());
        }
        options
    } else {
        Vec::new()
    };
    let name = describe::name(tree, at, role);
    Element {
        key: node.key,
        frame: tree.document_of(at).map(|document| document.frame.clone()).unwrap_or_default(),
        tag: node.tag.clone(),
        role,
        pressed: node.key,
        source: if name.is_empty() { describe::source(tree, at) } else { String::new() },
        placeholder: if describe::is_field(role) { describe::placeholder(node) } else { String::new() },
        name,
        value: describe::value(tree, at, role),
        states: describe::states(tree, at, role),
        target,
        options,
    }
}

/// The address that a reference of a document means.
fn absolute(tree: &Tree, at: usize, href: &str) -> String {
    let base = tree.document_of(at).and_then(|document| reqwest::Url::parse(&document.base_url).ok());
    base.and_then(|base| base.join(href.trim()).ok()).map_or_else(|| href.trim().to_owned(), String::from)
}
