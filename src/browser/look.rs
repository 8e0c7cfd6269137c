//! Looking at a page: captures of all its processes, and a picture of the window.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::BrowserError;
use super::page::{self, Capture, NodeKey, Part, STYLES, Tree};
use super::running::Running;

/// How long a picture of the window may take.
const PICTURE_LIMIT: Duration = Duration::from_secs(4);
/// How long frames of other processes may take, all together.
const FRAMES_LIMIT: Duration = Duration::from_secs(3);
/// Frames of other processes that are looked into.
const MOST_FRAMES: usize = 20;

/// What was seen of a page, and through which sessions.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) tree: Tree,
    /// The session of each part.
    pub(super) sessions: Vec<String>,
    /// Frames that could not be looked into.
    pub(super) blind: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    backend_node_id: i64,
}

#[derive(Deserialize)]
struct Shot {
    data: String,
}

impl Running {
    /// Captures a page with all its frames.
    pub(super) async fn look(&self, target: &str) -> Result<Looked, BrowserError> {
        let session = self.session_of(target)?;
        let frames = self.watch.tab(target, |tab| tab.frames.clone()).unwrap_or_default();
        let mut sessions = vec![session.clone()];
        // A page that crashes answers nothing more.
        let crashed = self.watch.until(|state| {
            let crashed = state.tabs.iter().find(|tab| tab.target == target).is_none_or(|tab| tab.crashed);
            crashed.then_some(())
        });
        let capture = tokio::select! {
            capture = self.capture(&session) => capture?,
            _ = crashed => return Err(super::go::crashed()),
        };
        let mut parts = vec![Part { capture, owner: None }];
        let mut blind = frames.len().saturating_sub(MOST_FRAMES);
        // A frame that goes while it is looked at, or that hangs, is left out; all have the same moment.
        let end = Instant::now() + FRAMES_LIMIT;
        let captures =
            frames.iter().take(MOST_FRAMES).map(|(session, _)| tokio::time::timeout_at(end, self.capture(session)));
        let captures = futures::future::join_all(captures).await;
        for ((frame_session, frame), capture) in frames.into_iter().zip(captures) {
            let Ok(Ok(capture)) = capture else {
                blind += 1;
                continue;
            };
            match tokio::time::timeout(FRAMES_LIMIT, self.owner(&sessions, &frame)).await {
                Ok(Some(owner)) => {
                    parts.push(Part { capture, owner: Some(owner) });
                    sessions.push(frame_session);
                }
                _ => blind += 1,
            }
        }
        let window = (f64::from(self.size.0), f64::from(self.size.1));
        // Large pages take a while.
        let tree = tokio::task::spawn_blocking(move || page::of_parts(&parts, window)).await;
        let tree = tree.map_err(|error| BrowserError::Refused(format!("the page could not be read: {error}")))?;
        Ok(Looked { tree, sessions, blind })
    }

    async fn capture(&self, session: &str) -> Result<Capture, BrowserError> {
        // Rectangles of the DOM's own would take it a time that grows with the square of the page.
        let wanted = json!({"computedStyles": STYLES});
        self.connection.call(Some(session), "DOMSnapshot.captureSnapshot", wanted).await
    }

    /// The element that shows a frame: which of the parts it belongs to is not told, so they are asked in turn.
    pub(super) async fn owner(&self, sessions: &[String], frame: &str) -> Option<NodeKey> {
        for (part, session) in sessions.iter().enumerate() {
            let asked = self.connection.call::<Owner>(Some(session), "DOM.getFrameOwner", json!({"frameId": frame}));
            if let Ok(owner) = asked.await {
                return Some(NodeKey { part, backend: owner.backend_node_id });
            }
        }
        None
    }

    /// A picture of the window as JPEG in base64; none where the page does not let itself be painted in time.
    pub(super) async fn picture(&self, target: &str) -> Option<String> {
        let session = self.session_of(target).ok()?;
        let wanted: Value = json!({"format": "jpeg", "quality": 75, "optimizeForSpeed": true});
        let shot = self.connection.call_within::<Shot>(PICTURE_LIMIT, Some(&session), "Page.captureScreenshot", wanted);
        match shot.await {
            Ok(shot) => Some(shot.data),
            Err(error) => {
                tracing::debug!(%error, "no picture of a page");
                None
            }
        }
    }
}
