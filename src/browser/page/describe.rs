//! What an element is to somebody who acts on it: its role, its name, its state. After the rules for accessible names
//! (W3C Accessible Name and Description Computation), as far as a list for a model needs them.

use super::line;
use super::tree::{Kind, Node, Tree};

/// Characters of a name.
const MOST_NAME: usize = 100;
/// Nodes of a row that are looked at for the name of a box.
const MOST_ROW: usize = 100;
/// Characters of what the source of a page calls an element.
const MOST_SOURCE: usize = 100;
/// Elements that a name may be made of.
const MOST_IDS: usize = 10;
/// Elements of one name that are looked at; there should be one.
const MOST_NAMESAKES: usize = 50;
/// Characters of what stands in a field of many lines.
const MOST_LINES: usize = 1_000;

/// Roles whose elements can be acted on.
const ROLES: &[&str] = &[
    "button",
    "link",
    "checkbox",
    "radio",
    "switch",
    "tab",
    "menuitem",
    "menuitemcheckbox",
    "menuitemradio",
    "option",
    "treeitem",
    "textbox",
    "searchbox",
    "combobox",
    "listbox",
    "slider",
    "spinbutton",
];

/// The role of an element that can be acted on; `None` for all others.
pub(super) fn role(tree: &Tree, at: usize) -> Option<&'static str> {
    let node = &tree.nodes[at];
    if node.kind != Kind::Element {
        return None;
    }
    let named = node.word("role");
    let named = named.split_whitespace().next().unwrap_or_default();
    if let Some(role) = ROLES.iter().find(|role| **role == named) {
        return Some(role);
    }
    // The link in a tab, say, that no key reaches: what it lies in is what is meant.
    let is_part = matches!(named, "presentation" | "none") || (node.tag == "a" && node.word("tabindex") == "-1");
    let has_role = |up: usize| ROLES.contains(&tree.nodes[up].word("role").as_str());
    if is_part && tree.around(at).take(3).any(has_role) {
        return None;
    }
    match node.tag.as_str() {
        "a" | "area" if node.attribute("href").is_some() => Some("link"),
        "button" | "summary" => Some("button"),
        "textarea" => Some("textbox"),
        "select" if node.attribute("multiple").is_some() => Some("listbox"),
        "select" => Some("combobox"),
        "audio" | "video" if node.attribute("controls").is_some() => Some("player"),
        "input" => match node.word("type").as_str() {
            "hidden" => None,
            "checkbox" => Some("checkbox"),
            "radio" => Some("radio"),
            "button" | "submit" | "reset" | "image" => Some("button"),
            "range" => Some("slider"),
            "number" => Some("spinbutton"),
            "search" => Some("searchbox"),
            "file" => Some("file"),
            "color" => Some("color"),
            "date" => Some("date"),
            "time" => Some("time"),
            "datetime-local" => Some("date and time"),
            "month" => Some("month"),
            "week" => Some("week"),
            "password" => Some("password"),
            _ => Some("textbox"),
        },
        _ if is_editable(tree, at) => Some("textbox"),
        _ => None,
    }
}

/// Whether text can be typed into an element that is no field.
pub(super) fn is_editable(tree: &Tree, at: usize) -> bool {
    let node = &tree.nodes[at];
    node.attribute("contenteditable").is_some_and(|value| !value.trim().eq_ignore_ascii_case("false"))
}

/// Whether a role stands for something that holds a value, and so shows no text of its own.
pub(super) fn is_field(role: &str) -> bool {
    !matches!(
        role,
        "button"
            | "link"
            | "tab"
            | "menuitem"
            | "menuitemcheckbox"
            | "menuitemradio"
            | "option"
            | "treeitem"
            | "clickable"
    )
}

/// The name of an element in one line; empty where it has none.
pub(super) fn name(tree: &Tree, at: usize, role: &str) -> String {
    let node = &tree.nodes[at];
    let said = |text: &str| {
        let text = line(text, MOST_NAME);
        (!text.is_empty()).then_some(text)
    };
    let attribute = |name: &str| node.attribute(name).and_then(said);
    let by_others = || {
        let ids = node.attribute("aria-labelledby")?;
        let texts: Vec<String> = ids
            .split_whitespace()
            .take(MOST_IDS)
            .filter_map(|id| Some(tree.text_of(by_id(tree, at, id)?, MOST_NAME)))
            .collect();
        said(&texts.join(" "))
    };
    let of_label = || {
        let own = node.attribute("id").and_then(|id| label_for(tree, at, id));
        let around = || tree.around(at).find(|up| tree.nodes[*up].tag == "label");
        said(&tree.text_of(own.or_else(around)?, MOST_NAME))
    };
    let of_button = || {
        let is_button = node.tag == "input" && role == "button";
        is_button.then(|| node.value.as_deref().or(node.attribute("value")).and_then(said)).flatten()
    };
    let content = || if is_field(role) && node.tag != "option" { None } else { said(&tree.text_of(at, MOST_NAME)) };
    // A picture may be all that it holds.
    let icon = || {
        let mut below = node.children.clone();
        while let Some(next) = below.pop() {
            let node = &tree.nodes[next];
            let named = ["aria-label", "alt", "title"].iter().find_map(|name| node.attribute(name).and_then(said));
            if named.is_some() {
                return named;
            }
            if node.tag == "title" {
                return node.children.first().and_then(|text| said(&tree.nodes[*text].text));
            }
            below.extend(node.children.iter().rev());
        }
        None
    };
    by_others()
        .or_else(|| attribute("aria-label"))
        .or_else(|| if is_field(role) { of_label() } else { None })
        .or_else(of_button)
        .or_else(|| attribute("alt"))
        .or_else(content)
        .or_else(|| attribute("placeholder"))
        .or_else(|| attribute("title"))
        .or_else(|| if is_field(role) { None } else { icon() })
        .or_else(|| said(&row(tree, at, role)?))
        .or_else(|| if is_field(role) { attribute("name") } else { None })
        .unwrap_or_default()
}

/// What stands beside a box that nothing names: the words of its row, as long as it is the only box there.
fn row(tree: &Tree, at: usize, role: &str) -> Option<String> {
    let is_box = |role: &str| matches!(role, "checkbox" | "radio" | "switch");
    if !is_box(role) {
        return None;
    }
    let is_alone = |up: &usize| {
        let (mut below, mut looked) = (tree.nodes[*up].children.clone(), 0);
        while let Some(next) = below.pop() {
            looked += 1;
            if looked > MOST_ROW || (next != at && self::role(tree, next).is_some_and(is_box)) {
                return false;
            }
            below.extend(&tree.nodes[next].children);
        }
        true
    };
    tree.around(at).take(3).take_while(is_alone).map(|up| tree.text_of(up, MOST_NAME)).find(|text| !text.is_empty())
}

/// What stands in a field as long as it is empty.
pub(super) fn placeholder(node: &Node) -> String {
    let said = node.attribute("placeholder").or(node.attribute("aria-placeholder"));
    line(said.unwrap_or_default(), MOST_NAME)
}

/// What the source of a page calls an element that has no name: its id, or a class of it or of the picture in it.
pub(super) fn source(tree: &Tree, at: usize) -> String {
    let node = &tree.nodes[at];
    if let Some(id) = node.attribute("id").filter(|id| !id.trim().is_empty()) {
        return format!("#{}", line(id, MOST_SOURCE));
    }
    let inner = node.children.iter().map(|below| &tree.nodes[*below]);
    let classes = std::iter::once(node).chain(inner).filter_map(|node| node.attribute("class"));
    let classes = classes.flat_map(str::split_whitespace).map(|class| format!(".{class}"));
    line(&classes.collect::<String>(), MOST_SOURCE)
}

/// The document that a node belongs to, as the node of its root.
pub(super) fn document_of(tree: &Tree, at: usize) -> Option<usize> {
    tree.around(at).find(|up| tree.nodes[*up].kind == Kind::Document)
}

fn by_id(tree: &Tree, at: usize, id: &str) -> Option<usize> {
    of_document(tree, at, tree.with_id(id))
}

fn label_for(tree: &Tree, at: usize, id: &str) -> Option<usize> {
    of_document(tree, at, tree.labels_for(id))
}

/// The first of some nodes that stands in the same document as another one.
fn of_document(tree: &Tree, at: usize, found: &[usize]) -> Option<usize> {
    let document = document_of(tree, at)?;
    found.iter().copied().take(MOST_NAMESAKES).find(|found| document_of(tree, *found) == Some(document))
}

/// What stands in an element; a password only as that there is one.
pub(super) fn value(tree: &Tree, at: usize, role: &str) -> Option<String> {
    let node = &tree.nodes[at];
    let text = match role {
        "checkbox" | "radio" | "switch" | "button" | "link" | "player" => return None,
        "password" => {
            let given = node.value.as_deref().or(node.attribute("value")).is_some_and(|value| !value.is_empty());
            return Some(if given { "•••" } else { "" }.to_owned());
        }
        _ if node.tag == "select" => {
            let mut chosen: Vec<String> = Vec::new();
            for option in options(tree, at).filter(|option| tree.nodes[*option].selected) {
                chosen.push(option_text(tree, option));
            }
            return Some(chosen.join(", "));
        }
        _ if is_editable(tree, at) => return Some(tree.text_of(at, MOST_LINES)),
        "combobox" if node.tag != "input" => tree.text_of(at, 2 * MOST_NAME),
        _ if node.tag == "textarea" => {
            return Some(line(node.value.as_deref().unwrap_or_default(), MOST_LINES));
        }
        "slider" | "spinbutton" if node.tag != "input" => {
            let said = node.attribute("aria-valuetext").or(node.attribute("aria-valuenow"));
            said.unwrap_or_default().to_owned()
        }
        "file" => node.value.clone().unwrap_or_default(),
        _ => match node.value.as_deref().or(node.attribute("value")) {
            Some(value) => value.to_owned(),
            None if is_field(role) => String::new(),
            None => return None,
        },
    };
    Some(line(&text, 2 * MOST_NAME))
}

/// The options of a choice.
pub(in crate::browser) fn options(tree: &Tree, at: usize) -> impl Iterator<Item = usize> + '_ {
    let mut next: Vec<usize> = tree.nodes[at].children.iter().rev().copied().collect();
    std::iter::from_fn(move || {
        while let Some(at) = next.pop() {
            if tree.nodes[at].tag == "option" {
                return Some(at);
            }
            next.extend(tree.nodes[at].children.iter().rev());
        }
        None
    })
}

/// The words of an option.
pub(in crate::browser) fn option_text(tree: &Tree, at: usize) -> String {
    let node = &tree.nodes[at];
    if let Some(label) = node.attribute("label") {
        return line(label, MOST_NAME);
    }
    // Options of a closed choice have no place on the page.
    let text: String = node.children.iter().map(|child| tree.nodes[*child].text.as_str()).collect();
    line(&text, MOST_NAME)
}

/// The states that matter to somebody who acts, in words.
pub(super) fn states(tree: &Tree, at: usize, role: &str) -> Vec<&'static str> {
    let node = &tree.nodes[at];
    let mut states = Vec::new();
    let is = |name: &str| node.word(name) == "true";
    if matches!(role, "checkbox" | "radio" | "switch" | "menuitemcheckbox" | "menuitemradio") {
        states.push(if node.checked || is("aria-checked") { "checked" } else { "not checked" });
    }
    if is("aria-selected") || (node.tag == "option" && node.selected) {
        states.push("selected");
    }
    if is("aria-pressed") {
        states.push("pressed");
    }
    match node.word("aria-expanded").as_str() {
        "true" => states.push("expanded"),
        "false" => states.push("collapsed"),
        _ => {}
    }
    let shut =
        tree.around(at).any(|up| tree.nodes[up].tag == "fieldset" && tree.nodes[up].attribute("disabled").is_some());
    if node.attribute("disabled").is_some() || is("aria-disabled") || shut {
        states.push("disabled");
    }
    if node.attribute("readonly").is_some() || is("aria-readonly") {
        states.push("read-only");
    }
    if node.attribute("required").is_some() || is("aria-required") {
        states.push("required");
    }
    if is("aria-invalid") {
        states.push("invalid");
    }
    if is("aria-current") || node.word("aria-current") == "page" {
        states.push("current");
    }
    states
}
