//! From what `DOMSnapshot.captureSnapshot` of the DevTools protocol gives to a [`Tree`]. One capture holds a page with
//! the frames of its own process; frames of other processes come as parts of their own.

use serde::Deserialize;

use super::tree::{Document, Kind, Node, NodeKey, Rect, Tree};
use crate::support::truncate;

/// The styles that are asked for, in this order.
pub(in crate::browser) const STYLES: [&str; 9] = [
    "display",
    "visibility",
    "opacity",
    "cursor",
    "overflow-x",
    "overflow-y",
    "position",
    "border-left-width",
    "border-top-width",
];

/// Nodes of a page that are looked at.
const MOST_NODES: usize = 200_000;
/// Bytes of a tag or of an attribute's name.
const MOST_NAME: usize = 200;
/// Bytes of an attribute; of what is longer nobody reads more.
const MOST_ATTRIBUTE: usize = 8 << 10;
/// Bytes of all texts and attributes. A capture names each text once, however often it stands on the page.
const MOST_BYTES: usize = 48 << 20;
/// Frames in frames.
const MOST_DEPTH: usize = 8;

/// A capture as it comes.
#[derive(Debug, Deserialize)]
pub(in crate::browser) struct Capture {
    documents: Vec<DocumentCapture>,
    strings: Vec<String>,
}

/// One process's part of a page.
#[derive(Debug)]
pub(in crate::browser) struct Part {
    pub(in crate::browser) capture: Capture,
    /// The element of an earlier part that shows it; none for the page itself.
    pub(in crate::browser) owner: Option<NodeKey>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentCapture {
    #[serde(rename = "documentURL")]
    document_url: i64,
    title: i64,
    #[serde(rename = "baseURL")]
    base_url: i64,
    #[serde(default = "none")]
    frame_id: i64,
    nodes: Nodes,
    layout: Layout,
    #[serde(default)]
    scroll_offset_x: f64,
    #[serde(default)]
    scroll_offset_y: f64,
    #[serde(default)]
    content_width: f64,
    #[serde(default)]
    content_height: f64,
}

fn none() -> i64 {
    -1
}

#[derive(Debug, Deserialize, Default)]
struct Rare<T> {
    index: Vec<usize>,
    #[serde(default = "Vec::new")]
    value: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes {
    parent_index: Vec<i64>,
    node_type: Vec<i64>,
    node_name: Vec<i64>,
    node_value: Vec<i64>,
    backend_node_id: Vec<i64>,
    attributes: Vec<Vec<i64>>,
    #[serde(default)]
    text_value: Rare<i64>,
    #[serde(default)]
    input_value: Rare<i64>,
    #[serde(default)]
    input_checked: Rare<i64>,
    #[serde(default)]
    option_selected: Rare<i64>,
    #[serde(default)]
    content_document_index: Rare<usize>,
    #[serde(default)]
    pseudo_type: Rare<i64>,
    #[serde(default)]
    is_clickable: Rare<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    node_index: Vec<usize>,
    styles: Vec<Vec<i64>>,
    bounds: Vec<Vec<f64>>,
}

/// What a box lets through of what lies in it.
#[derive(Debug, Clone, Copy)]
struct Frame {
    clip: Rect,
    /// What is to be added to a place in the document to have it in the window.
    offset: (f64, f64),
}

/// Makes the tree of a page from its parts, in a window of this size.
pub(in crate::browser) fn of_parts(parts: &[Part], window: (f64, f64)) -> Tree {
    let mut tree = Tree { window: Some(window), ..Tree::default() };
    let mut left = MOST_BYTES;
    for (part, Part { capture, owner }) in parts.iter().enumerate() {
        let whole = Rect { x: 0.0, y: 0.0, width: window.0, height: window.1 };
        let (parent, frame) = match owner {
            None => (None, Frame { clip: whole, offset: (0.0, 0.0) }),
            Some(owner) => {
                let Some(at) = tree.nodes.iter().position(|node| node.key == *owner) else { continue };
                let node = &tree.nodes[at];
                let rect = node.rect.unwrap_or_default();
                (Some(at), Frame { clip: node.seen, offset: (rect.x, rect.y) })
            }
        };
        add(&mut tree, &mut left, (capture, part), 0, parent, frame, 0);
    }
    tree
}

fn rect(values: Option<&Vec<f64>>) -> Option<Rect> {
    match values.map(Vec::as_slice) {
        Some([x, y, width, height]) => Some(Rect { x: *x, y: *y, width: *width, height: *height }),
        _ => None,
    }
}

/// Adds one document of a capture, and those of the frames in it.
fn add(
    tree: &mut Tree,
    left: &mut usize,
    (capture, part): (&Capture, usize),
    index: usize,
    parent: Option<usize>,
    frame: Frame,
    depth: usize,
) {
    let Some(document) = capture.documents.get(index) else { return };
    let string = |at: i64| usize::try_from(at).ok().and_then(|at| capture.strings.get(at));
    let text = |at: i64| string(at).cloned().unwrap_or_default();
    let nodes = &document.nodes;
    let scroll = (document.scroll_offset_x, document.scroll_offset_y);
    let offset = (frame.offset.0 - scroll.0, frame.offset.1 - scroll.1);

    let mut boxes: Vec<Option<usize>> = vec![None; nodes.parent_index.len()];
    for (at, node) in document.layout.node_index.iter().enumerate() {
        if let Some(place) = boxes.get_mut(*node) {
            place.get_or_insert(at);
        }
    }
    let root = tree.nodes.len();
    // Where a node of the capture stands in the tree, and what the boxes around it let through.
    let mut places: Vec<Option<(usize, Rect)>> = Vec::with_capacity(nodes.parent_index.len());
    for (at, above) in nodes.parent_index.iter().enumerate() {
        let above = usize::try_from(*above).ok().map(|up| places.get(up).copied().flatten());
        let (up, clip) = match above {
            None => (parent, frame.clip),
            Some(Some((up, clip))) => (Some(up), clip),
            // Below something that was left out.
            Some(None) => {
                places.push(None);
                continue;
            }
        };
        let kind = match nodes.node_type.get(at) {
            Some(9) => Kind::Document,
            // A shadow root is a fragment: what stands in it belongs to its host.
            Some(1 | 11) => Kind::Element,
            Some(3) => Kind::Text,
            _ => {
                places.push(None);
                continue;
            }
        };
        if tree.nodes.len() >= MOST_NODES {
            tree.cut = true;
            places.push(None);
            continue;
        }
        let key = NodeKey { part, backend: nodes.backend_node_id.get(at).copied().unwrap_or_default() };
        let mut node = Node::new(kind, key, up);
        let mut taken = |at: i64, most: usize| {
            let whole = string(at).map(String::as_str).unwrap_or_default();
            let kept = truncate::prefix(whole, most.min(*left));
            *left -= kept.len();
            tree.cut |= kept.len() < whole.len().min(most);
            kept.to_owned()
        };
        match kind {
            Kind::Text => node.text = taken(nodes.node_value.get(at).copied().unwrap_or(-1), usize::MAX),
            _ => node.tag = taken(nodes.node_name.get(at).copied().unwrap_or(-1), MOST_NAME).to_ascii_lowercase(),
        }
        if let Some(attributes) = nodes.attributes.get(at) {
            let pair = |pair: &[i64]| (taken(pair[0], MOST_NAME).to_ascii_lowercase(), taken(pair[1], MOST_ATTRIBUTE));
            node.attributes = attributes.chunks_exact(2).map(pair).collect();
        }
        let mut inner = clip;
        if let Some(layout) = boxes[at] {
            let style = document.layout.styles.get(layout).map(Vec::as_slice).unwrap_or_default();
            let style = |at: usize| style.get(at).and_then(|at| string(*at)).map(String::as_str).unwrap_or_default();
            style(0).clone_into(&mut node.display);
            node.hidden = matches!(style(1), "hidden" | "collapse");
            node.transparent = style(2) == "0";
            node.pointer = style(3) == "pointer";
            let place = rect(document.layout.bounds.get(layout)).map(|rect| rect.moved(offset.0, offset.1));
            // What is fixed to the window is cut off by nothing around it.
            let clip = if style(6) == "fixed" { frame.clip } else { clip };
            inner = clip;
            node.rect = place;
            node.seen = place.map(|place| place.within(clip)).unwrap_or_default();
            let cuts = |value: &str| !matches!(value, "" | "visible");
            if kind == Kind::Element
                && !matches!(node.tag.as_str(), "html" | "body")
                && (cuts(style(4)) || cuts(style(5)))
            {
                inner = node.seen;
            }
        }
        if let Some(up) = up.map(|up| &tree.nodes[up]) {
            node.hidden |= kind == Kind::Text && up.hidden;
            node.transparent |= up.transparent;
        }
        let place = tree.add(node);
        places.push(Some((place, inner)));
    }
    let mut mark = |rare: &Rare<i64>, set: fn(&mut Node, String)| {
        for (order, at) in rare.index.iter().enumerate() {
            if let Some(Some((place, _))) = places.get(*at) {
                let value = rare.value.get(order).and_then(|at| string(*at)).map(String::as_str).unwrap_or_default();
                let kept = truncate::prefix(value, *left);
                *left -= kept.len();
                set(&mut tree.nodes[*place], kept.to_owned());
            }
        }
    };
    mark(&nodes.text_value, |node, value| node.value = Some(value));
    mark(&nodes.input_value, |node, value| node.value = Some(value));
    mark(&nodes.input_checked, |node, _| node.checked = true);
    mark(&nodes.option_selected, |node, _| node.selected = true);
    mark(&nodes.is_clickable, |node, _| node.clickable = true);
    // Text that the style sheet makes has no place in the document, and nobody can act on it.
    for at in &nodes.pseudo_type.index {
        if let Some(Some((place, _))) = places.get(*at) {
            tree.nodes[*place].clickable = false;
        }
    }
    tree.documents.push(Document {
        root,
        frame: text(document.frame_id),
        url: text(document.document_url),
        base_url: text(document.base_url),
        title: text(document.title),
        scroll,
        content: (document.content_width, document.content_height),
    });
    if depth >= MOST_DEPTH {
        return;
    }
    for (at, inner) in nodes.content_document_index.index.iter().zip(&nodes.content_document_index.value) {
        let Some(Some((place, _))) = places.get(*at) else { continue };
        let node = &tree.nodes[*place];
        let outer = node.rect.unwrap_or_default();
        let styles = boxes[*at].and_then(|layout| document.layout.styles.get(layout));
        let pixels = |at: usize| {
            let width = styles.and_then(|styles| string(*styles.get(at)?))?;
            width.strip_suffix("px")?.parse::<f64>().ok().filter(|width| width.is_finite())
        };
        // Frames have the same border all around, if they have one.
        let (left_border, top_border) = (pixels(7).unwrap_or_default(), pixels(8).unwrap_or_default());
        let content = Rect {
            width: (outer.width - 2.0 * left_border).max(0.0),
            height: (outer.height - 2.0 * top_border).max(0.0),
            ..outer.moved(left_border, top_border)
        };
        let frame = Frame { clip: content.within(node.seen), offset: (content.x, content.y) };
        add(tree, left, (capture, part), *inner, Some(*place), frame, depth + 1);
    }
}
