//! The elements of a page with all its frames and shadow trees, flat, with where each lies.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A rectangle in CSS pixels; of what, the field that holds it says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::browser) struct Rect {
    pub(in crate::browser) x: f64,
    pub(in crate::browser) y: f64,
    pub(in crate::browser) width: f64,
    pub(in crate::browser) height: f64,
}

impl Rect {
    pub(in crate::browser) fn moved(self, x: f64, y: f64) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }
    }

    /// What both have in common; without area where they do not meet.
    pub(in crate::browser) fn within(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = (self.x + self.width).min(other.x + other.width) - x;
        let height = (self.y + self.height).min(other.y + other.height) - y;
        Self { x, y, width: width.max(0.0), height: height.max(0.0) }
    }

    pub(in crate::browser) fn is_empty(self) -> bool {
        self.width <= 0.0 || self.height <= 0.0
    }

    pub(in crate::browser) fn bottom(self) -> f64 {
        self.y + self.height
    }
}

/// What names a node to the browser: which of its connections to a page's frames, and the number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::browser) struct NodeKey {
    /// Which part of the page ([`super::Part`]), in their order.
    pub(in crate::browser) part: usize,
    /// `backendNodeId`.
    pub(in crate::browser) backend: i64,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::browser) enum Kind {
    /// The root of a page or frame.
    Document,
    Element,
    Text,
}

/// One node.
#[derive(Debug, Clone)]
pub(in crate::browser) struct Node {
    pub(in crate::browser) kind: Kind,
    pub(in crate::browser) key: NodeKey,
    pub(in crate::browser) parent: Option<usize>,
    pub(in crate::browser) children: Vec<usize>,
    /// The tag in small letters; empty for others than elements.
    pub(in crate::browser) tag: String,
    pub(in crate::browser) attributes: Vec<(String, String)>,
    /// The characters of a text.
    pub(in crate::browser) text: String,
    /// Where it lies in the window, as far as it was laid out.
    pub(in crate::browser) rect: Option<Rect>,
    /// What of it can be seen in the window once frames and scrolling boxes around it have cut it off.
    pub(in crate::browser) seen: Rect,
    /// Its `display`; empty where it is not known.
    pub(in crate::browser) display: String,
    /// `visibility: hidden`.
    pub(in crate::browser) hidden: bool,
    /// It, or something around it, lets everything through (`opacity: 0`).
    pub(in crate::browser) transparent: bool,
    /// The pointer says that it can be clicked.
    pub(in crate::browser) pointer: bool,
    /// It hears clicks.
    pub(in crate::browser) clickable: bool,
    /// What stands in a field.
    pub(in crate::browser) value: Option<String>,
    pub(in crate::browser) checked: bool,
    pub(in crate::browser) selected: bool,
}

impl Node {
    pub(in crate::browser) fn new(kind: Kind, key: NodeKey, parent: Option<usize>) -> Self {
        Self {
            kind,
            key,
            parent,
            children: Vec::new(),
            tag: String::new(),
            attributes: Vec::new(),
            text: String::new(),
            rect: None,
            seen: Rect::default(),
            display: String::new(),
            hidden: false,
            transparent: false,
            pointer: false,
            clickable: false,
            value: None,
            checked: false,
            selected: false,
        }
    }

    pub(in crate::browser) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether all that is left of it is a pixel's breadth, as of what lies in a folded menu or is meant for the ear.
    pub(in crate::browser) fn is_folded(&self) -> bool {
        let whole = self.rect.unwrap_or_default();
        let is_rest = |seen: f64, whole: f64| seen < 2.0 && whole > 4.0;
        is_rest(self.seen.width, whole.width) || is_rest(self.seen.height, whole.height)
    }

    /// An attribute in small letters without space around it; empty where there is none.
    pub(in crate::browser) fn word(&self, name: &str) -> String {
        self.attribute(name).unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// One document of the page: itself or a frame.
#[derive(Debug, Clone, Default)]
pub(in crate::browser) struct Document {
    /// Its node.
    pub(in crate::browser) root: usize,
    /// The browser's name for the frame.
    pub(in crate::browser) frame: String,
    pub(in crate::browser) url: String,
    pub(in crate::browser) base_url: String,
    pub(in crate::browser) title: String,
    /// Pixels that it is scrolled by.
    pub(in crate::browser) scroll: (f64, f64),
    /// Width and height of what can be scrolled over.
    pub(in crate::browser) content: (f64, f64),
}

/// A page. The first document is the page itself.
#[derive(Debug, Clone, Default)]
pub(in crate::browser) struct Tree {
    pub(in crate::browser) nodes: Vec<Node>,
    pub(in crate::browser) documents: Vec<Document>,
    /// Width and height of the window; `None` where nothing is laid out, and so everything counts as seen.
    pub(in crate::browser) window: Option<(f64, f64)>,
    /// There was more than is looked at.
    pub(in crate::browser) cut: bool,
    /// Made when somebody asks for the first.
    pub(in crate::browser) named: OnceLock<Named>,
}

/// Nodes by what others call them, in the order of the tree.
#[derive(Debug, Clone, Default)]
pub(in crate::browser) struct Named {
    ids: HashMap<String, Vec<usize>>,
    labels: HashMap<String, Vec<usize>>,
}

impl Tree {
    pub(in crate::browser) fn add(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        if let Some(parent) = node.parent {
            self.nodes[parent].children.push(at);
        }
        self.nodes.push(node);
        at
    }

    fn named(&self) -> &Named {
        self.named.get_or_init(|| {
            let mut named = Named::default();
            for (at, node) in self.nodes.iter().enumerate() {
                if let Some(id) = node.attribute("id") {
                    named.ids.entry(id.to_owned()).or_default().push(at);
                }
                if node.tag == "label"
                    && let Some(id) = node.attribute("for")
                {
                    named.labels.entry(id.to_owned()).or_default().push(at);
                }
            }
            named
        })
    }

    /// The nodes of an id, in all documents. The tree is whole by then.
    pub(in crate::browser) fn with_id(&self, id: &str) -> &[usize] {
        self.named().ids.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The labels for an id, in all documents. The tree is whole by then.
    pub(in crate::browser) fn labels_for(&self, id: &str) -> &[usize] {
        self.named().labels.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The root of the page.
    pub(in crate::browser) fn root(&self) -> Option<usize> {
        self.documents.first().map(|document| document.root)
    }

    /// All nodes from the root on, in the order of the page. No recursion: pages may be deep.
    pub(in crate::browser) fn in_order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut next: Vec<usize> = self.root().into_iter().collect();
        while let Some(at) = next.pop() {
            order.push(at);
            next.extend(self.nodes[at].children.iter().rev());
        }
        order
    }

    /// The nodes around one, from the inside out.
    pub(in crate::browser) fn around(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.nodes[at].parent, |up| self.nodes[*up].parent)
    }

    /// The document that a node belongs to.
    pub(in crate::browser) fn document_of(&self, at: usize) -> Option<&Document> {
        let root = std::iter::once(at).chain(self.around(at)).find(|up| self.nodes[*up].kind == Kind::Document)?;
        self.documents.iter().find(|document| document.root == root)
    }

    /// Whether a reader sees something of it.
    pub(in crate::browser) fn is_seen(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        self.window.is_none() || (!node.hidden && !node.transparent && !node.seen.is_empty() && !node.is_folded())
    }

    /// Whether it is there for a reader, be it outside of the window.
    pub(in crate::browser) fn is_shown(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        let has_place = || node.rect.is_some_and(|rect| !rect.is_empty());
        self.window.is_none() || (!node.hidden && !node.transparent && has_place())
    }

    /// The text of a node and of all below it, up to so many characters.
    pub(in crate::browser) fn text_of(&self, at: usize, most: usize) -> String {
        let mut text = String::new();
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            let node = &self.nodes[at];
            match node.kind {
                Kind::Text if self.is_shown(at) => text.push_str(&node.text),
                Kind::Element if matches!(node.tag.as_str(), "script" | "style" | "noscript" | "template") => continue,
                Kind::Element if node.tag == "img" => text.push_str(node.attribute("alt").unwrap_or_default()),
                _ => {}
            }
            if text.len() > most * 4 {
                break;
            }
            if !text.ends_with(char::is_whitespace) && node.kind == Kind::Element {
                text.push(' ');
            }
            next.extend(node.children.iter().rev());
        }
        super::line(&text, most)
    }
}
