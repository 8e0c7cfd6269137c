//! Sending a form: what stands in its fields as the request that a browser would make of it.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use url::Url;
use url::form_urlencoded::Serializer;

use super::document::Page;
use super::fetch::Asked;
use crate::browser::page;

/// A field and what it holds.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    value: Value,
}

#[derive(Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// A file of the workspace; empty where none was given.
    File(String),
}

/// Reads a file of the workspace: its name and its bytes.
pub(super) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<(String, Vec<u8>), String>;

impl Page {
    /// The button that Enter in a field presses: the first of its form that sends it.
    pub(super) fn default_button(&self, form: usize) -> Option<usize> {
        (0..self.tree.nodes.len()).find(|at| self.sends(*at) && self.form_of(*at) == Some(form))
    }

    /// Whether it is a button that sends a form.
    pub(super) fn sends(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        match node.tag.as_str() {
            "input" => matches!(node.word("type").as_str(), "submit" | "image"),
            "button" => !matches!(node.word("type").as_str(), "button" | "reset"),
            _ => false,
        }
    }

    /// The request that a form makes when this button is pressed.
    pub(super) fn request(&self, form: usize, button: Option<usize>, read: ReadFile<'_>) -> Result<Asked, String> {
        let over = |attribute: &str, of_button: &str| {
            let by_button = button.and_then(|button| self.tree.nodes[button].attribute(of_button));
            by_button.or_else(|| self.tree.nodes[form].attribute(attribute)).unwrap_or_default().trim().to_owned()
        };
        let unchecked = self.tree.nodes[form].attribute("novalidate").is_some()
            || button.is_some_and(|button| self.tree.nodes[button].attribute("formnovalidate").is_some());
        let fields: Vec<usize> = (0..self.tree.nodes.len())
            .filter(|at| matches!(self.tree.nodes[*at].tag.as_str(), "input" | "select" | "textarea" | "button"))
            .filter(|at| self.form_of(*at) == Some(form) && !self.is_disabled(*at))
            .collect();
        if let Some(empty) = fields.iter().find(|at| !unchecked && self.lacks(**at)) {
            let name = page::field_name(&self.tree, *empty);
            return Err(format!("the form was not sent: its field {name:?} is required and has nothing in it"));
        }
        let action = over("action", "formaction");
        let url = if action.is_empty() { Ok(self.url.clone()) } else { self.base.join(&action) };
        let mut url = url.map_err(|error| format!("the form leads to {action:?}, which is no address: {error}"))?;
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "the form leads to {}: which needs the page's scripts or another program",
                url.scheme()
            ));
        }
        let encoding =
            over("accept-charset", "").split_whitespace().find_map(|label| Encoding::for_label(label.as_bytes()));
        let encoding = encoding.map_or(self.encoding, Encoding::output_encoding);
        let entries = self.entries(&fields, button, encoding);
        match over("method", "formmethod").to_ascii_lowercase().as_str() {
            "dialog" => Err("the form only closes a dialog, which needs the page's scripts".to_owned()),
            "post" => {
                let (kind, body) = match over("enctype", "formenctype").to_ascii_lowercase().as_str() {
                    "multipart/form-data" => multipart(&entries, encoding, read)?,
                    "text/plain" => ("text/plain".to_owned(), plain(&entries, encoding)),
                    _ => ("application/x-www-form-urlencoded".to_owned(), urlencoded(&entries, encoding).into_bytes()),
                };
                Ok(Asked { method: "POST", url, headers: vec![("content-type", kind)], body })
            }
            _ => {
                url.set_query(Some(&urlencoded(&entries, encoding)));
                Ok(Asked { method: "GET", url, headers: Vec::new(), body: Vec::new() })
            }
        }
    }

    /// Whether it must hold something and does not.
    fn lacks(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        if node.attribute("required").is_none() || node.attribute("readonly").is_some() {
            return false;
        }
        let alike = |other: usize| {
            let other = &self.tree.nodes[other];
            other.word("type") == "radio" && other.attribute("name") == node.attribute("name") && other.checked
        };
        match (node.tag.as_str(), node.word("type").as_str()) {
            ("input", "checkbox") => !node.checked,
            ("input", "radio") => !(0..self.tree.nodes.len()).any(alike),
            ("input", "file") => !self.files.contains_key(&at),
            ("input", "hidden" | "submit" | "button" | "reset" | "image" | "range" | "color") | ("button", _) => false,
            ("select", _) => !page::options(&self.tree, at)
                .any(|option| self.tree.nodes[option].selected && !self.value_of_option(option).is_empty()),
            _ => node.value.as_deref().unwrap_or_default().is_empty(),
        }
    }

    fn value_of_option(&self, option: usize) -> String {
        let words = || self.words_of(option).split_whitespace().collect::<Vec<_>>().join(" ");
        self.tree.nodes[option].attribute("value").map_or_else(words, ToOwned::to_owned)
    }

    fn entries(&self, fields: &[usize], button: Option<usize>, encoding: &'static Encoding) -> Vec<Entry> {
        let mut entries = Vec::new();
        for at in fields {
            let node = &self.tree.nodes[*at];
            let name = node.attribute("name").unwrap_or_default();
            let kind = node.word("type");
            let mut add = |name: &str, value: Value| entries.push(Entry { name: name.to_owned(), value });
            let text = |text: &str| Value::Text(text.to_owned());
            let is_button = node.tag == "button" || matches!(kind.as_str(), "submit" | "image" | "reset" | "button");
            match node.tag.as_str() {
                "input" | "button" if is_button => {
                    if Some(*at) != button {
                        continue;
                    }
                    if node.tag == "input" && kind == "image" {
                        let before = if name.is_empty() { String::new() } else { format!("{name}.") };
                        add(&format!("{before}x"), text("0"));
                        add(&format!("{before}y"), text("0"));
                    } else if !name.is_empty() {
                        add(name, text(node.attribute("value").unwrap_or_default()));
                    }
                }
                _ if name.is_empty() => {}
                "select" => {
                    for option in page::options(&self.tree, *at) {
                        let node = &self.tree.nodes[option];
                        if node.selected && node.attribute("disabled").is_none() {
                            add(name, Value::Text(self.value_of_option(option)));
                        }
                    }
                }
                "textarea" => add(name, Value::Text(with_returns(node.value.as_deref().unwrap_or_default()))),
                _ => match kind.as_str() {
                    "checkbox" | "radio" if node.checked => add(name, text(node.attribute("value").unwrap_or("on"))),
                    "checkbox" | "radio" => {}
                    "file" => match self.files.get(at) {
                        Some(files) => files.iter().for_each(|file| add(name, Value::File(file.clone()))),
                        None => add(name, Value::File(String::new())),
                    },
                    "hidden" if name == "_charset_" => add(name, text(encoding.name())),
                    // A slider stands in the middle until it is moved.
                    "range" if node.value.is_none() => {
                        let limit = |name: &str, default: f64| {
                            node.attribute(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
                        };
                        add(name, Value::Text(f64::midpoint(limit("min", 0.0), limit("max", 100.0)).to_string()));
                    }
                    "color" if node.value.is_none() => add(name, text("#000000")),
                    _ => add(name, text(node.value.as_deref().unwrap_or_default())),
                },
            }
        }
        entries
    }
}

/// Line ends as forms have them.
fn with_returns(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

impl Entry {
    fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            Value::File(path) => path.rsplit('/').next().unwrap_or_default(),
        }
    }
}

fn urlencoded(entries: &[Entry], encoding: &'static Encoding) -> String {
    let encode = in_encoding(encoding);
    let mut form = Serializer::new(String::new());
    if encoding != UTF_8 {
        form.encoding_override(Some(&encode));
    }
    for entry in entries {
        form.append_pair(&entry.name, entry.text());
    }
    form.finish()
}

/// What it has no character for becomes its number, as browsers do it.
fn in_encoding(encoding: &'static Encoding) -> impl Fn(&str) -> Cow<'_, [u8]> {
    move |text| encoding.encode(text).0
}

fn plain(entries: &[Entry], encoding: &'static Encoding) -> Vec<u8> {
    let text = entries.iter().fold(String::new(), |text, entry| text + &entry.name + "=" + entry.text() + "\r\n");
    encoding.encode(&text).0.into_owned()
}

fn multipart(entries: &[Entry], encoding: &'static Encoding, read: ReadFile<'_>) -> Result<(String, Vec<u8>), String> {
    let border = format!("----okcvm{}", uuid::Uuid::new_v4().simple());
    let quoted = |text: &str| text.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22");
    let mut body = Vec::new();
    for entry in entries {
        let mut head = format!("--{border}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&entry.name));
        let content = match &entry.value {
            Value::Text(text) => {
                head += "\r\n\r\n";
                encoding.encode(text).0.into_owned()
            }
            Value::File(path) => {
                let (name, bytes) = if path.is_empty() { Default::default() } else { read(path)? };
                let (name, kind) = (quoted(&name), type_of(&bytes));
                head = format!("{head}; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n");
                bytes
            }
        };
        body.extend_from_slice(&encoding.encode(&head).0);
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{border}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={border}"), body))
}

fn type_of(bytes: &[u8]) -> &'static str {
    match infer::get(bytes) {
        Some(known) => known.mime_type(),
        None if std::str::from_utf8(bytes).is_ok() && !bytes.is_empty() => "text/plain",
        None => "application/octet-stream",
    }
}

/// Where a form leads, for those who are told.
pub(super) fn shown(url: &Url) -> String {
    page::line(url.as_str(), 200)
}
