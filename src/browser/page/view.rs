//! The window of a page as text: Markdown with the numbers of what can be acted on, and the list of those.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::tree::{Kind, NodeKey, Tree};
use super::written::{held, mark_place, ordinal, written_as};
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
    /// The browser's name for the frame that it stands in.
    pub(in crate::browser) frame: String,
    pub(in crate::browser) tag: String,
    pub(in crate::browser) role: &'static str,
    pub(in crate::browser) name: String,
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
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let order = tree.in_order();
    let mut more = 0_usize;
    for at in &order {
        let Some(role) = acts_as(tree, *at) else { continue };
        if !is_reachable(tree, *at, role) {
            let node = &tree.nodes[*at];
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
        numbers.insert(*at, view.elements.len());
        view.elements.push(element(tree, *at, role));
    }
    if more > 0 {
        view.notes.push(format!("{more} further elements are not listed"));
    }
    let limits = Limits { output_bytes: MOST_TEXT, ..Limits::default() };
    let converted = html::page(&limits, |sink| write(tree, &view.elements, &numbers, sink));
    view.markdown = converted.markdown;
    view.notes.extend(converted.notes);
    view
}

/// The role of what can be acted on, or `clickable` for what hears clicks without having one.
fn acts_as(tree: &Tree, at: usize) -> Option<&'static str> {
    if let Some(role) = describe::role(tree, at) {
        return Some(role);
    }
    let node = &tree.nodes[at];
    if node.kind != Kind::Element || matches!(node.tag.as_str(), "html" | "body" | "label" | "option" | "iframe") {
        return None;
    }
    let parent = node.parent.map(|up| &tree.nodes[up]);
    let points = node.pointer && parent.is_none_or(|up| !up.pointer || up.tag == "body");
    if !node.clickable && !points {
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
        if looked > 300 || describe::role(tree, next).is_some() || (inner.clickable && inner.kind == Kind::Element) {
            return None;
        }
        below.extend(&inner.children);
    }
    Some("clickable")
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
    Element {
        key: node.key,
        frame: tree.document_of(at).map(|document| document.frame.clone()).unwrap_or_default(),
        tag: node.tag.clone(),
        role,
        name: describe::name(tree, at, role),
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

/// What is done on the way through the tree.
enum Step {
    Enter(usize),
    Leave(usize),
}

/// Walks over what is seen and writes it.
fn write(tree: &Tree, elements: &[Element], numbers: &HashMap<usize, usize>, sink: &mut html::PageSink<'_, '_>) {
    let held = held(tree, numbers);
    // A mark stands where the words of its element end, be that in a block within it.
    let marks: HashMap<usize, (usize, usize)> =
        numbers.iter().map(|(at, number)| (mark_place(tree, *at, numbers, &held), (*at, *number))).collect();
    let mut steps: Vec<Step> = tree.root().map(Step::Enter).into_iter().collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(at) => {
                let node = &tree.nodes[at];
                // What is not seen still parts the lines and columns of what is.
                if !held[at] && !matches!(node.tag.as_str(), "br" | "td" | "th") {
                    continue;
                }
                if node.kind == Kind::Text {
                    if tree.is_seen(at) {
                        sink.text(&node.text);
                    }
                    continue;
                }
                let number = numbers.get(&at).copied();
                let tag = node.tag.as_str();
                if matches!(tag, "script" | "style" | "noscript" | "template" | "head" | "title") {
                    continue;
                }
                let inner = number.and_then(|number| elements.get(number)).filter(|element| {
                    describe::is_field(element.role) || matches!(element.tag.as_str(), "input" | "select" | "textarea")
                });
                if let (Some(number), Some(element)) = (number, inner) {
                    // What stands in a field is said with its mark.
                    sink.mark(&field(number, element));
                    continue;
                }
                if matches!(tag, "input" | "select" | "textarea" | "option" | "datalist") {
                    continue;
                }
                if node.kind == Kind::Element {
                    let name = written_as(tree, at);
                    let seen = tree.is_seen(at);
                    if !matches!(tag, "img" | "hr") || seen {
                        sink.start(name, &|wanted| match wanted {
                            // Where links lead is said in the list.
                            "href" => None,
                            // Addresses of pictures are long and say little.
                            // Items before it may be out of sight.
                            "value" if tag == "li" => ordinal(tree, at),
                            "src" if tag == "img" => node.attribute("alt").map(|_| "image".to_owned()),
                            _ => node.attribute(wanted).map(ToOwned::to_owned),
                        });
                    }
                }
                steps.push(Step::Leave(at));
                steps.extend(node.children.iter().rev().map(|child| Step::Enter(*child)));
            }
            Step::Leave(at) => {
                if let Some((of, number)) = marks.get(&at) {
                    let element = &elements[*number];
                    // Without words of its own a name says what it is.
                    let silent = tree.text_of(*of, 10).is_empty() && !element.name.is_empty();
                    let name = if silent { element.name.replace(['[', ']'], "") } else { String::new() };
                    sink.mark(&format!("{name}[{number}]"));
                }
                if tree.nodes[at].kind == Kind::Element {
                    sink.end(written_as(tree, at));
                }
            }
        }
    }
}

/// A field as it stands in the text.
fn field(number: usize, element: &Element) -> String {
    let mut text = format!("[{number}: {}", element.role);
    let checked = element.states.contains(&"checked");
    match (element.role, &element.value) {
        ("checkbox" | "radio" | "switch", _) => text += if checked { " ☑" } else { " ☐" },
        (_, Some(value)) if !value.is_empty() => drop(write!(text, " {:?}", line(value, 60))),
        _ => {}
    }
    text.replace('\n', " ") + "]"
}
