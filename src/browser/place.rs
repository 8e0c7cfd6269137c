//! Where an element lies: in its document, in its window, and in that of the page.

use serde::Deserialize;
use serde_json::{Value, json};

use super::BrowserError;
use super::act::{At, GONE, HEARD, Node};
use super::page::NodeKey;
use super::running::Running;

#[derive(Deserialize)]
struct Quads {
    quads: Vec<[f64; 8]>,
}

impl Running {
    /// How far the document is scrolled that a session shows: the page, or a frame of another process.
    pub(super) async fn scrolled(&self, target: &str, session: &str) -> Result<(f64, f64), BrowserError> {
        let frames = self.watch.tab(target, |tab| tab.frames.clone()).unwrap_or_default();
        let frame = frames.iter().find(|(known, _)| known == session).map_or(target, |(_, frame)| frame);
        self.evaluate_in(session, frame, "[scrollX, scrollY]", HEARD).await
    }

    /// Brings an element into sight and gives a point of it, in the window of its session.
    pub(super) async fn point(&self, target: &str, node: &Node<'_>) -> Result<(f64, f64), BrowserError> {
        let wanted = json!({"backendNodeId": node.backend});
        let session = Some(node.session);
        let gone = |error: BrowserError| match error {
            BrowserError::Refused(_) => BrowserError::Refused(GONE.to_owned()),
            error => error,
        };
        self.connection.call::<Value>(session, "DOM.scrollIntoViewIfNeeded", &wanted).await.map_err(gone)?;
        let Quads { quads } = self.connection.call(session, "DOM.getContentQuads", &wanted).await.map_err(gone)?;
        let size = |quad: &[f64; 8]| (quad[2] - quad[0]).abs().max(1.0) * (quad[7] - quad[1]).abs().max(1.0);
        // A link over two lines has two boxes, and nothing of it lies between them.
        let largest = quads.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
        let quad = largest.ok_or_else(|| BrowserError::Refused("the element has no place on the page".to_owned()))?;
        let middle = |first: usize, size: u32, cut: bool| {
            let corners = [quad[first], quad[first + 2], quad[first + 4], quad[first + 6]];
            let least = corners.iter().copied().fold(f64::INFINITY, f64::min);
            let most = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let size = f64::from(size);
            // Of what is larger than the window, the part that is in it.
            if cut && least < size && most > 0.0 {
                f64::midpoint(least.max(0.0), most.min(size))
            } else {
                f64::midpoint(least, most)
            }
        };
        let is_page = self.session_of(target).is_ok_and(|page| page == node.session);
        Ok((middle(0, self.size.0, is_page), middle(1, self.size.1, is_page)))
    }

    /// Whether a click at a place of the page comes to the frame of another process that an element stands in.
    pub(super) async fn reaches_frame(
        &self,
        target: &str,
        node: &Node<'_>,
        (x, y): (f64, f64),
        index: i64,
    ) -> Result<(), BrowserError> {
        let page = self.session_of(target)?;
        if node.session == page {
            return Ok(());
        }
        let (right, down) = self.scrolled(target, &page).await?;
        let place = json!({"x": (x + right) as i64, "y": (y + down) as i64});
        let hit: Result<At, _> = self.connection.call(Some(&page), "DOM.getNodeForLocation", place).await;
        let Ok(At { backend_node_id, frame_id }) = hit else { return Ok(()) };
        let shown = self.watch.tab(target, |tab| tab.frames.clone()).unwrap_or_default();
        // A frame in a frame of the same process, or the frame itself.
        if frame_id != target || shown.is_empty() {
            return Ok(());
        }
        for (_, frame) in shown {
            if let Some(owner) = self.owner(std::slice::from_ref(&page), &frame).await
                && owner.backend == backend_node_id
            {
                return Ok(());
            }
        }
        let why =
            format!("element {index} is covered by something outside of its frame; use or close that first, or scroll");
        Err(BrowserError::Refused(why))
    }

    /// Where the window of a frame of another process lies in that of the page.
    pub(super) async fn offset(&self, target: &str, node: &Node<'_>) -> Result<(f64, f64), BrowserError> {
        #[derive(Deserialize)]
        struct Boxed {
            model: Model,
        }
        #[derive(Deserialize)]
        struct Model {
            content: [f64; 8],
        }
        let (mut left, mut top) = (0.0, 0.0);
        let page = self.session_of(target)?;
        let frames = self.watch.tab(target, |tab| tab.frames.clone()).unwrap_or_default();
        let mut session = node.session.to_owned();
        for _ in 0..8 {
            if session == page {
                break;
            }
            let Some((_, frame)) = frames.iter().find(|(known, _)| *known == session) else { break };
            let others = frames.iter().map(|(other, _)| other).filter(|other| **other != session);
            let sessions: Vec<String> = std::iter::once(&page).chain(others).cloned().collect();
            let Some(NodeKey { part, backend }) = self.owner(&sessions, frame).await else { break };
            let outer = sessions[part].clone();
            let Boxed { model } =
                self.connection.call(Some(&outer), "DOM.getBoxModel", json!({"backendNodeId": backend})).await?;
            left += model.content[0];
            top += model.content[1];
            session = outer;
        }
        Ok((left, top))
    }
}
