//! What is seen of a page as Markdown, with the number of each element that can be acted on behind its words.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::tree::{Kind, Tree};
use super::view::Element;
use super::written::{Apart, ordinal, written_as};
use super::{describe, line, signs};
use crate::document::html;

/// Characters of a value in the text; what is longer stands in the list, or follows as the text that it is.
const MOST_VALUE: usize = 60;

/// Where the numbers of elements are written.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The node of each element.
    pub(super) numbers: HashMap<usize, usize>,
    /// The labels that stand for boxes which are hidden themselves.
    pub(super) labels: HashMap<usize, usize>,
}

/// What is done on the way through the tree.
enum Step {
    Enter(usize),
    Leave(usize),
}

/// What is to be known of all nodes before the first is written.
struct Plan {
    /// The nodes in which something is seen.
    alive: Vec<bool>,
    /// Heads of tables whose rows are seen: without them nobody knows what the columns are.
    heads: HashSet<usize>,
    /// The numbers that follow a text.
    after: HashMap<usize, Vec<usize>>,
}

impl Plan {
    fn new(tree: &Tree, elements: &[Element], marks: &Marks) -> Self {
        let mut alive = vec![false; tree.nodes.len()];
        let has_mark = |at: usize| marks.numbers.contains_key(&at) || marks.labels.contains_key(&at);
        // Whatever is in a node comes after it.
        for (at, node) in tree.nodes.iter().enumerate().rev() {
            let speaks = match node.kind {
                Kind::Text => tree.is_seen(at) && !node.text.trim().is_empty(),
                Kind::Element => has_mark(at) || (node.tag == "img" && tree.is_seen(at)),
                Kind::Document => false,
            };
            alive[at] |= speaks;
            if let Some(up) = node.parent.filter(|_| alive[at]) {
                alive[up] = true;
            }
        }
        let mut heads = HashSet::new();
        for (at, node) in tree.nodes.iter().enumerate() {
            if node.tag != "tr" || alive[at] || tree.window.is_none() {
                continue;
            }
            let is_head = |below: &usize| tree.nodes[*below].kind == Kind::Text || tree.nodes[*below].tag == "th";
            let table = tree.around(at).take(2).find(|up| tree.nodes[*up].tag == "table");
            if table.is_some_and(|table| alive[table]) && node.children.iter().all(is_head) {
                heads.insert(at);
                // The way to it.
                if let Some(up) = node.parent {
                    alive[up] = true;
                }
            }
        }
        let mut after: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, number) in &marks.numbers {
            if !elements.get(*number).is_some_and(is_filled)
                && let Some(last) = last_text(tree, *at)
            {
                after.entry(last).or_default().push(*number);
            }
        }
        for numbers in after.values_mut() {
            // From the inside out.
            numbers.sort_unstable_by(|a, b| b.cmp(a));
        }
        Self { alive, heads, after }
    }
}

/// Whether an element holds a value, which is said with its mark.
fn is_filled(element: &Element) -> bool {
    describe::is_field(element.role) || matches!(element.tag.as_str(), "input" | "select" | "textarea")
}

/// The last text that is seen in a node.
fn last_text(tree: &Tree, at: usize) -> Option<usize> {
    let mut below = tree.nodes[at].children.clone();
    while let Some(next) = below.pop() {
        let node = &tree.nodes[next];
        if node.kind == Kind::Text && tree.is_seen(next) && !signs(&node.text).trim().is_empty() {
            return Some(next);
        }
        if !is_unwritten(&node.tag) && !matches!(node.tag.as_str(), "select" | "textarea" | "option" | "datalist") {
            below.extend(&node.children);
        }
    }
    None
}

fn is_unwritten(tag: &str) -> bool {
    matches!(tag, "script" | "style" | "noscript" | "template" | "head" | "title")
}

/// Walks over what is seen and writes it.
pub(super) fn write(tree: &Tree, elements: &[Element], marks: &Marks, sink: &mut html::PageSink<'_, '_>) {
    let plan = Plan::new(tree, elements, marks);
    let mut steps: Vec<Step> = tree.root().map(Step::Enter).into_iter().collect();
    let mut in_head = false;
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(at) => {
                let node = &tree.nodes[at];
                if node.kind == Kind::Text {
                    if in_head || tree.is_seen(at) {
                        sink.text(&signs(&node.text));
                        for number in plan.after.get(&at).into_iter().flatten() {
                            sink.mark(&format!("[{number}]"));
                        }
                    }
                    continue;
                }
                let tag = node.tag.as_str();
                in_head |= plan.heads.contains(&at);
                if is_unwritten(tag) || !(plan.alive[at] || in_head || stands_for_itself(tag)) {
                    continue;
                }
                let number = marks.numbers.get(&at).copied();
                let filled = number.and_then(|number| elements.get(number)).filter(|element| is_filled(element));
                if let (Some(number), Some(element)) = (number, filled) {
                    // What stands in a field is said with its mark, except for what is written like a page.
                    sink.mark(&field(number, element));
                    if !is_page(element) {
                        continue;
                    }
                }
                if matches!(tag, "input" | "select" | "textarea" | "option" | "datalist") {
                    continue;
                }
                if node.kind == Kind::Element {
                    let (name, apart) = written_as(tree, at);
                    match apart {
                        Apart::Room => sink.text(" "),
                        Apart::Line => sink.start("br", &|_| None),
                        Apart::Tag => {}
                    }
                    let seen = tree.is_seen(at);
                    if !matches!(tag, "img" | "hr") || seen {
                        sink.start(name, &|wanted| match wanted {
                            // Where links lead is said in the list.
                            "href" => None,
                            // Items before it may be out of sight.
                            "value" if tag == "li" => ordinal(tree, at),
                            // Addresses of pictures are long and say little.
                            "src" if tag == "img" => node.attribute("alt").map(|_| "image".to_owned()),
                            _ => node.attribute(wanted).map(ToOwned::to_owned),
                        });
                    }
                }
                let boxed = marks.labels.get(&at).and_then(|number| Some((*number, elements.get(*number)?)));
                if let Some((number, element)) = boxed {
                    sink.mark(&(field(number, element) + " "));
                }
                steps.push(Step::Leave(at));
                steps.extend(node.children.iter().rev().map(|child| Step::Enter(*child)));
            }
            Step::Leave(at) => {
                let number = marks.numbers.get(&at).and_then(|number| Some((number, elements.get(*number)?)));
                if let Some((number, element)) = number.filter(|(_, element)| !is_filled(element))
                    && last_text(tree, at).is_none()
                {
                    // Without words of its own a name says what it is.
                    let pictured = tree.nodes[at].children.iter().any(|below| tree.nodes[*below].tag == "img");
                    let name = if pictured { String::new() } else { element.name.replace(['[', ']'], "") };
                    sink.mark(&format!("{name}[{number}]"));
                }
                if tree.nodes[at].kind == Kind::Element {
                    sink.end(written_as(tree, at).0);
                }
                in_head &= !plan.heads.contains(&at);
            }
        }
    }
}

/// Whether a box says something without a word in it: a line, or that a cell of a table is empty.
fn stands_for_itself(tag: &str) -> bool {
    matches!(tag, "td" | "th" | "br" | "hr" | "svg" | "canvas" | "img" | "caption")
}

/// Whether what stands in a field is longer than its mark can say, and is text of the page.
fn is_page(element: &Element) -> bool {
    !matches!(element.tag.as_str(), "input" | "select" | "textarea")
        && element.value.as_ref().is_some_and(|value| value.chars().count() > MOST_VALUE)
}

/// A field as it stands in the text.
fn field(number: usize, element: &Element) -> String {
    let mut text = format!("[{number}: {}", element.role);
    let checked = element.states.contains(&"checked");
    match (element.role, &element.value) {
        ("checkbox" | "radio" | "switch", _) => text += if checked { " ☑" } else { " ☐" },
        _ if is_page(element) => {}
        (_, Some(value)) if !value.is_empty() => drop(write!(text, " {:?}", line(value, MOST_VALUE))),
        _ if !element.placeholder.is_empty() => {
            let _ = write!(text, ", empty: {:?}", line(&element.placeholder, MOST_VALUE));
        }
        _ => {}
    }
    text.replace('\n', " ") + "]"
}
