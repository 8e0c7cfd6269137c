//! The nodes that the parser makes, flat: no recursion, however deep a page is.

use std::borrow::Cow;
use std::cell::RefCell;

use html5ever::interface::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, LocalName, Namespace, QualName};

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Element {
        tag: String,
        attributes: Vec<(String, String)>,
    },
    Text(String),
    /// The document, a comment, what a template holds.
    Other,
}

/// A node of the parser.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) kind: Kind,
    parent: Option<usize>,
    pub(super) children: Vec<usize>,
    /// The form that the parser found it to belong to.
    pub(super) form: Option<usize>,
    /// Empty for others than elements.
    name: QualName,
    /// What a template holds.
    contents: Option<usize>,
}

impl Raw {
    fn new(kind: Kind) -> Self {
        let name = QualName::new(None, Namespace::default(), LocalName::default());
        Self { kind, parent: None, children: Vec::new(), form: None, name, contents: None }
    }
}

/// Takes what the parser makes. The first node is the document.
#[derive(Debug)]
pub(super) struct Sink(RefCell<Vec<Raw>>);

impl Default for Sink {
    fn default() -> Self {
        Self(RefCell::new(vec![Raw::new(Kind::Other)]))
    }
}

impl Sink {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn add(&self, raw: Raw) -> usize {
        let mut raws = self.0.borrow_mut();
        raws.push(raw);
        raws.len() - 1
    }

    fn detach(&self, at: usize) {
        let mut raws = self.0.borrow_mut();
        let Some(parent) = raws[at].parent.take() else { return };
        // What is taken out was mostly put in a moment ago.
        if let Some(place) = raws[parent].children.iter().rposition(|child| *child == at) {
            raws[parent].children.remove(place);
        }
    }

    /// Puts a node or a text in at a place among the children.
    fn insert(&self, parent: usize, place: usize, child: NodeOrText<usize>) {
        match child {
            NodeOrText::AppendNode(at) => {
                let mut raws = self.0.borrow_mut();
                raws[at].parent = Some(parent);
                raws[parent].children.insert(place, at);
            }
            NodeOrText::AppendText(text) => {
                let mut raws = self.0.borrow_mut();
                let before = place.checked_sub(1).map(|before| raws[parent].children[before]);
                if let Some(Raw { kind: Kind::Text(known), .. }) = before.map(|before| &mut raws[before]) {
                    known.push_str(&text);
                    return;
                }
                drop(raws);
                let at = self.add(Raw { parent: Some(parent), ..Raw::new(Kind::Text(text.to_string())) });
                self.0.borrow_mut()[parent].children.insert(place, at);
            }
        }
    }
}

/// The name of an element: a copy, since the parser may add nodes while it looks at one.
#[derive(Debug)]
pub(super) struct Name(QualName);

impl ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

fn pairs(attributes: Vec<Attribute>) -> Vec<(String, String)> {
    attributes.into_iter().map(|one| (one.name.local.to_string(), one.value.to_string())).collect()
}

impl TreeSink for Sink {
    type Handle = usize;
    type Output = Vec<Raw>;
    type ElemName<'a> = Name;

    fn finish(self) -> Vec<Raw> {
        self.0.into_inner()
    }

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Name {
        Name(self.0.borrow()[*target].name.clone())
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> usize {
        let contents = flags.template.then(|| self.add(Raw::new(Kind::Other)));
        let kind = Kind::Element { tag: name.local.to_string(), attributes: pairs(attributes) };
        self.add(Raw { name, contents, ..Raw::new(kind) })
    }

    fn create_comment(&self, _text: StrTendril) -> usize {
        self.add(Raw::new(Kind::Other))
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> usize {
        self.add(Raw::new(Kind::Other))
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        let place = self.0.borrow()[*parent].children.len();
        self.insert(*parent, place, child);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        if self.0.borrow()[*element].parent.is_some() {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public: StrTendril, _system: StrTendril) {}

    fn get_template_contents(&self, target: &usize) -> usize {
        self.0.borrow()[*target].contents.unwrap_or(*target)
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, node: NodeOrText<usize>) {
        if let NodeOrText::AppendNode(at) = &node {
            self.detach(*at);
        }
        let place = {
            let raws = self.0.borrow();
            let Some(parent) = raws[*sibling].parent else { return };
            raws[parent].children.iter().rposition(|child| child == sibling).map(|place| (parent, place))
        };
        if let Some((parent, place)) = place {
            self.insert(parent, place, node);
        }
    }

    fn add_attrs_if_missing(&self, target: &usize, more: Vec<Attribute>) {
        if let Kind::Element { attributes, .. } = &mut self.0.borrow_mut()[*target].kind {
            for (name, value) in pairs(more) {
                if attributes.iter().all(|(known, _)| *known != name) {
                    attributes.push((name, value));
                }
            }
        }
    }

    fn associate_with_form(&self, target: &usize, form: &usize, _nodes: (&usize, Option<&usize>)) {
        self.0.borrow_mut()[*target].form = Some(*form);
    }

    fn remove_from_parent(&self, target: &usize) {
        self.detach(*target);
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let mut raws = self.0.borrow_mut();
        let children = std::mem::take(&mut raws[*node].children);
        for child in &children {
            raws[*child].parent = Some(*new_parent);
        }
        raws[*new_parent].children.extend(children);
    }
}
