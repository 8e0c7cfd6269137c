//! XML as a tree in one block of memory: bounded in size and depth, without entities, lenient with what is broken.
//!
//! Names are local names: which prefix a writer chose does not matter, and the formats read here have no two elements
//! that differ by nothing else.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::encoding;

/// Elements deeper than this are left out, so that no reader of the tree can run out of stack.
pub(super) const DEEPEST: usize = 128;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Content {
    /// Which name, and where its attributes lie.
    Element(u32, std::ops::Range<u32>),
    /// Where its characters lie.
    Text(std::ops::Range<usize>),
}

#[derive(Debug)]
struct Node {
    content: Content,
    first: u32,
    next: u32,
}

/// A parsed part.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    names: Vec<String>,
    /// Names as written, and values.
    attributes: Vec<(u32, std::ops::Range<usize>)>,
    text: String,
    cut: bool,
}

/// An element of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'t> {
    tree: &'t Tree,
    index: u32,
}

/// What stands in an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'t> {
    /// A further element.
    Element(Element<'t>),
    /// Characters.
    Text(&'t str),
}

/// What is built up while reading.
struct Builder {
    tree: Tree,
    ids: HashMap<String, u32>,
    /// Open elements, each with its last child.
    open: Vec<(u32, u32)>,
    /// Open elements below the deepest one that is kept.
    too_deep: usize,
}

impl Builder {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.tree.names.len() as u32;
        self.tree.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    fn add(&mut self, content: Content) -> u32 {
        let index = self.tree.nodes.len() as u32;
        self.tree.nodes.push(Node { content, first: NONE, next: NONE });
        if let Some((parent, last)) = self.open.last_mut() {
            if *last == NONE {
                self.tree.nodes[*parent as usize].first = index;
            } else {
                self.tree.nodes[*last as usize].next = index;
            }
            *last = index;
        }
        index
    }

    fn element(&mut self, start: &BytesStart<'_>) -> u32 {
        let name = self.id(start.local_name().into_inner());
        let from = self.tree.attributes.len() as u32;
        for attribute in start.attributes().with_checks(false).flatten() {
            let key = self.id(attribute.key.into_inner());
            let begin = self.tree.text.len();
            match attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0) {
                Ok(value) => self.tree.text.push_str(&value),
                Err(_) => self.tree.text.push_str(&attribute.value),
            }
            self.tree.attributes.push((key, begin..self.tree.text.len()));
        }
        self.add(Content::Element(name, from..self.tree.attributes.len() as u32))
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() || self.open.len() < 2 || self.too_deep > 0 {
            return;
        }
        let begin = self.tree.text.len();
        self.tree.text.push_str(text);
        let end = self.tree.text.len();
        // Entities come one by one: they go on where the text before them stopped.
        if let Some((_, last)) = self.open.last()
            && *last != NONE
            && let Content::Text(range) = &mut self.tree.nodes[*last as usize].content
            && range.end == begin
        {
            range.end = end;
            return;
        }
        self.add(Content::Text(begin..end));
    }
}

impl Tree {
    /// Reads as much as can be read. The root of the tree is one above the root of the document.
    pub(super) fn parse(bytes: &[u8], most: usize) -> Self {
        let text = encoding::decode(bytes, declared_encoding(bytes).as_deref());
        let mut reader = Reader::from_str(&text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        let tree =
            Self { nodes: Vec::new(), names: Vec::new(), attributes: Vec::new(), text: String::new(), cut: false };
        let mut builder = Builder { tree, ids: HashMap::new(), open: Vec::new(), too_deep: 0 };
        let top = builder.id("");
        let top = builder.add(Content::Element(top, 0..0));
        builder.open.push((top, NONE));
        loop {
            if builder.tree.nodes.len() + builder.tree.attributes.len() > most {
                builder.tree.cut = true;
                break;
            }
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    if builder.open.len() > DEEPEST || builder.too_deep > 0 {
                        builder.too_deep += 1;
                        builder.tree.cut = true;
                    } else {
                        let index = builder.element(&start);
                        builder.open.push((index, NONE));
                    }
                }
                Ok(Event::Empty(start)) => {
                    if builder.too_deep == 0 {
                        builder.element(&start);
                    }
                }
                Ok(Event::End(_)) => {
                    if builder.too_deep > 0 {
                        builder.too_deep -= 1;
                    } else if builder.open.len() > 1 {
                        builder.open.pop();
                    }
                }
                Ok(Event::Text(piece)) => builder.text(&piece.xml10_content()),
                Ok(Event::CData(piece)) => builder.text(&piece.xml10_content()),
                Ok(Event::GeneralRef(name)) => match name.resolve_char_ref() {
                    Ok(Some(c)) => builder.text(c.encode_utf8(&mut [0; 4])),
                    // Entities that the document defines for itself are never followed.
                    _ => builder.text(quick_xml::escape::resolve_predefined_entity(&name).unwrap_or_default()),
                },
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(_) => {
                    builder.tree.cut = true;
                    break;
                }
            }
        }
        builder.tree
    }

    /// Whether it was broken or larger than the bound, so that something is missing.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The outermost element of the document.
    pub(super) fn root(&self) -> Element<'_> {
        let top = Element { tree: self, index: 0 };
        top.children().next().unwrap_or(top)
    }
}

impl<'t> Element<'t> {
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.index as usize]
    }

    /// Its place in the tree, one for each element.
    pub(super) fn index(self) -> u32 {
        self.index
    }

    /// Its local name.
    pub(super) fn name(self) -> &'t str {
        match &self.node().content {
            Content::Element(name, _) => &self.tree.names[*name as usize],
            Content::Text(_) => "",
        }
    }

    /// Whether that is its local name.
    pub(super) fn is(self, name: &str) -> bool {
        self.name() == name
    }

    /// An attribute by its local name. One without a prefix is meant first, and `:name` means only one with a prefix.
    pub(super) fn attr(self, name: &str) -> Option<&'t str> {
        let Content::Element(_, range) = &self.node().content else { return None };
        let attributes = &self.tree.attributes[range.start as usize..range.end as usize];
        let named = |test: &dyn Fn(&str) -> bool| {
            attributes
                .iter()
                .find(|(key, _)| test(&self.tree.names[*key as usize]))
                .map(|(_, value)| &self.tree.text[value.clone()])
        };
        let local = name.trim_start_matches(':');
        let prefixed = |key: &str| key.split_once(':').is_some_and(|(_, key)| key == local);
        if local.len() < name.len() { named(&prefixed) } else { named(&|key| key == name).or_else(|| named(&prefixed)) }
    }

    /// Elements and texts in it.
    pub(super) fn items(self) -> impl Iterator<Item = Item<'t>> {
        let tree = self.tree;
        let mut next = self.node().first;
        std::iter::from_fn(move || {
            let node = tree.nodes.get(next as usize)?;
            let item = match &node.content {
                Content::Element(..) => Item::Element(Element { tree, index: next }),
                Content::Text(range) => Item::Text(&tree.text[range.clone()]),
            };
            next = node.next;
            Some(item)
        })
    }

    /// Elements in it.
    pub(super) fn children(self) -> impl Iterator<Item = Element<'t>> {
        self.items().filter_map(|item| match item {
            Item::Element(element) => Some(element),
            Item::Text(_) => None,
        })
    }

    /// The first element of that name in it.
    pub(super) fn child(self, name: &str) -> Option<Element<'t>> {
        self.children().find(|child| child.is(name))
    }

    /// The element that a row of names leads to.
    pub(super) fn path(self, names: &[&str]) -> Option<Element<'t>> {
        names.iter().try_fold(self, |at, name| at.child(name))
    }

    /// The `val` of a child, as Office writes most of its properties.
    pub(super) fn value(self, name: &str) -> Option<&'t str> {
        self.child(name)?.attr("val")
    }

    /// All elements below it, in the order of the document.
    pub(super) fn descendants(self) -> impl Iterator<Item = Element<'t>> {
        let mut waiting: Vec<Element<'t>> = self.children().collect();
        waiting.reverse();
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            let from = waiting.len();
            waiting.extend(next.children());
            waiting[from..].reverse();
            Some(next)
        })
    }

    /// The first element of that name below it.
    pub(super) fn find(self, name: &str) -> Option<Element<'t>> {
        self.descendants().find(|element| element.is(name))
    }

    /// All characters in it and below it.
    pub(super) fn text(self) -> String {
        let mut out = String::new();
        let mut waiting: Vec<Item<'t>> = vec![Item::Element(self)];
        while let Some(item) = waiting.pop() {
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Element(element) => {
                    let from = waiting.len();
                    waiting.extend(element.items());
                    waiting[from..].reverse();
                }
            }
        }
        out
    }
}

/// The encoding that the first line of a part names.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(200)];
    let head = String::from_utf8_lossy(head);
    let head = head.strip_prefix("<?xml")?.split("?>").next()?;
    let rest = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    Some(rest[1..].split(quote).next()?.to_owned())
}
