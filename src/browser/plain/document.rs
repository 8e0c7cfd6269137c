//! A page that was fetched: its nodes, what stands in its fields, and how far it is scrolled.

use std::collections::HashMap;
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};
use url::Url;

use super::layout::{LINE, Layout, WINDOW};
use super::parse::Parsed;
use crate::browser::page::{self, Document, Element, Kind, Node, NodeKey, Tree};

/// A page that is open.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: Url,
    /// What references on it are relative to.
    pub(super) base: Url,
    pub(super) status: u16,
    /// Shared with whoever looks at it while the call may be stopped.
    pub(super) tree: Arc<Tree>,
    layout: Layout,
    scroll: f64,
    /// In which encoding forms are sent.
    pub(super) encoding: &'static Encoding,
    /// The form of a field that does not lie in it.
    owners: HashMap<usize, usize>,
    /// Files that were given to fields: paths of the workspace.
    pub(super) files: HashMap<usize, Vec<String>>,
    /// What is said of it each time it is shown.
    pub(super) told: Vec<String>,
}

impl Page {
    /// Makes a page of what was parsed.
    pub(super) fn new(url: Url, status: u16, parsed: Parsed) -> Self {
        let mut told = Vec::new();
        if parsed.cut {
            told.push("the page is very large; what comes later is left out".to_owned());
        }
        let base = parsed.base.as_deref().and_then(|base| url.join(base.trim()).ok());
        let base = base.filter(|base| matches!(base.scheme(), "http" | "https")).unwrap_or_else(|| url.clone());
        let document = Document {
            root: 0,
            url: url.to_string(),
            base_url: base.to_string(),
            title: parsed.title,
            ..Document::default()
        };
        let mut tree = Tree { documents: vec![document], window: Some(WINDOW), ..Tree::default() };
        let mut owners = HashMap::new();
        for (at, piece) in parsed.nodes.into_iter().enumerate() {
            let kind = match at {
                0 => Kind::Document,
                _ if piece.tag.is_empty() => Kind::Text,
                _ => Kind::Element,
            };
            let key = NodeKey { part: 0, backend: at as i64 };
            // They come from a process that was in the hands of the page.
            let up = (at > 0).then_some(piece.up.min(at.saturating_sub(1)));
            let mut node = Node::new(kind, key, up);
            (node.tag, node.attributes, node.text) = (piece.tag, piece.attributes, piece.text);
            tree.add(node);
            owners.extend(piece.form.filter(|form| *form < at).map(|form| (at, form)));
        }
        let encoding = parsed.charset.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
        let layout = Layout::of(&mut tree);
        let (files, encoding) = (HashMap::new(), encoding.output_encoding());
        let mut page =
            Self { url, base, status, tree: Arc::new(tree), layout, scroll: 0.0, encoding, owners, files, told };
        page.reset(None);
        if parsed.scripts && page.layout.height < 4.0 * LINE {
            page.told.push("there is little on this page without its scripts, which nothing here runs".to_owned());
        }
        page.scroll_to(0.0);
        if let Some(fragment) = page.url.fragment().map(ToOwned::to_owned) {
            page.jump(&fragment);
        }
        page
    }

    /// Puts back what stood in the fields at first: of one form, or of all.
    pub(super) fn reset(&mut self, form: Option<usize>) {
        for at in 0..self.tree.nodes.len() {
            if form.is_some() && self.form_of(at) != form {
                continue;
            }
            self.files.remove(&at);
            let text = (self.tree.nodes[at].tag == "textarea").then(|| self.words_of(at));
            let node = &mut self.tree_mut().nodes[at];
            match node.tag.as_str() {
                "input" => {
                    node.value = node.attribute("value").map(ToOwned::to_owned);
                    node.checked = node.attribute("checked").is_some();
                }
                // The first line break stands there for the eye only; the parser has taken it away.
                "textarea" => node.value = text,
                "option" => node.selected = node.attribute("selected").is_some(),
                "select" => self.choose_first(at),
                _ => {}
            }
        }
        // Options stand after their choice.
        let selects: Vec<usize> =
            (0..self.tree.nodes.len()).filter(|at| self.tree.nodes[*at].tag == "select").collect();
        for at in selects {
            if form.is_none() || self.form_of(at) == form {
                self.choose_first(at);
            }
        }
    }

    /// A choice of one has one chosen: the last that says so, or else the first that can be.
    fn choose_first(&mut self, at: usize) {
        if self.tree.nodes[at].attribute("multiple").is_some() {
            return;
        }
        let options: Vec<usize> = page::options(&self.tree, at).collect();
        let chosen = options.iter().copied().rfind(|option| self.tree.nodes[*option].attribute("selected").is_some());
        let can = |option: &usize| self.tree.nodes[*option].attribute("disabled").is_none();
        let chosen = chosen.or_else(|| options.iter().copied().find(can));
        for option in options {
            self.tree_mut().nodes[option].selected = Some(option) == chosen;
        }
    }

    /// To change something. Copied where somebody still looks at it as it was.
    pub(super) fn tree_mut(&mut self) -> &mut Tree {
        Arc::make_mut(&mut self.tree)
    }

    /// The characters of an element that holds nothing but text.
    pub(super) fn words_of(&self, at: usize) -> String {
        self.tree.nodes[at].children.iter().map(|child| self.tree.nodes[*child].text.as_str()).collect()
    }

    /// The form that an element belongs to.
    pub(super) fn form_of(&self, at: usize) -> Option<usize> {
        let is_form = |at: &usize| self.tree.nodes[*at].tag == "form";
        if let Some(id) = self.tree.nodes[at].attribute("form") {
            return self.by_name(id, false).filter(is_form);
        }
        self.tree.around(at).find(is_form).or_else(|| self.owners.get(&at).copied().filter(is_form))
    }

    /// The element with that id, or where wanted the anchor of that name.
    fn by_name(&self, id: &str, anchor: bool) -> Option<usize> {
        let named = |node: &Node| {
            node.attribute("id") == Some(id) || (anchor && node.tag == "a" && node.attribute("name") == Some(id))
        };
        self.tree.nodes.iter().position(named)
    }

    /// The title, in a line.
    pub(super) fn title(&self) -> String {
        page::line(self.tree.documents.first().map_or("", |document| document.title.as_str()), 200)
    }

    /// Scrolls by so many pixels and tells by how many it moved.
    pub(super) fn scroll_by(&mut self, pixels: f64) -> f64 {
        let before = self.scroll;
        self.scroll_to(before + pixels);
        self.scroll - before
    }

    /// Shows a node, with what stands above and below it.
    pub(super) fn show_node(&mut self, at: usize) {
        if let Some(top) = self.layout.top(at) {
            self.scroll_to(top - WINDOW.1 / 2.0);
        }
    }

    /// Goes to the place of that name on the page; false where there is none.
    pub(super) fn jump(&mut self, fragment: &str) -> bool {
        if fragment.is_empty() || fragment.eq_ignore_ascii_case("top") {
            self.scroll_to(0.0);
            return true;
        }
        let decoded = super::load::percent_decoded(fragment);
        let Some(at) = self.by_name(&decoded, true).or_else(|| self.by_name(fragment, true)) else { return false };
        // An anchor may be empty: what follows it is what it stands for.
        let top = (at..self.tree.nodes.len()).find_map(|at| self.layout.top(at));
        self.scroll_to(top.unwrap_or_default());
        true
    }

    fn scroll_to(&mut self, top: f64) {
        // To a whole line, so that no line is seen in part.
        self.scroll = ((top / LINE).floor() * LINE).clamp(0.0, self.layout.lowest());
        self.layout.scroll(Arc::make_mut(&mut self.tree), self.scroll);
    }

    /// The first pixel row that is seen, how many are, and how many there are.
    pub(super) fn scrolled(&self) -> (f64, f64, f64) {
        (self.scroll, WINDOW.1, self.layout.height.max(WINDOW.1))
    }

    /// The node of an element that was listed.
    pub(super) fn node_of(&self, element: &Element) -> usize {
        usize::try_from(element.key.backend).ok().filter(|at| *at < self.tree.nodes.len()).unwrap_or_default()
    }
}
