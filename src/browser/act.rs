//! Acting on a page: clicks, keys, scrolling, looking for words. As a person would: what is clicked has to be in sight and
//! not covered.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::BrowserError;
use super::keys::Key;
use super::page::{self, Element};
use super::running::{Evaluated, Running};
use super::session::{Action, Surroundings};
use crate::workspace::ConfinedPath;

/// The functions that run in a page.
const FUNCTIONS: &str = include_str!("act.js");
/// How long typing may take, all in all.
const TYPING: Duration = Duration::from_secs(20);
/// How long a page may take to hear of a click or a key: its scripts run meanwhile.
pub(super) const HEARD: Duration = Duration::from_secs(8);
/// Pages that propose something for what is typed wait for a pause before they do.
const PAUSE: Duration = Duration::from_millis(350);
/// Up to so many characters are typed key by key, as pages that look at keys expect it.
const KEYS: usize = 200;
/// What is said of an element that the page has replaced.
pub(super) const GONE: &str =
    "the page has changed and has no such element any more; the list below is the present one";

/// A node of a page, and how it is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) session: &'a str,
    pub(super) frame: &'a str,
    /// `backendNodeId`.
    pub(super) backend: i64,
}

/// What lies over an element, if something does.
#[derive(Deserialize)]
struct Covered {
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct At {
    pub(super) backend_node_id: i64,
    pub(super) frame_id: String,
}

#[derive(Deserialize)]
struct Resolved {
    object: Object,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    object_id: Option<String>,
}

/// What came of putting something into a field.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Filled {
    refused: Option<String>,
    done: Option<String>,
    click: bool,
    file: bool,
    multiple: bool,
    typed: bool,
    lines: bool,
    number: bool,
}

#[derive(Deserialize)]
struct Scrolled {
    moved: f64,
    frame: bool,
}

impl Running {
    /// Does what a call asks for; what was done or found, where that is to be said.
    pub(super) async fn perform(
        &self,
        surroundings: &Surroundings,
        target: &str,
        action: &Action,
    ) -> Result<Option<String>, BrowserError> {
        match action {
            Action::Visit | Action::Look => Ok(None),
            Action::Click(index) => {
                let (element, session) = self.listed(target, *index)?;
                if element.tag == "select" {
                    let hint = "a choice is made with browser_input and the words of the option";
                    return Err(BrowserError::Refused(hint.to_owned()));
                }
                if element.states.contains(&"disabled") {
                    return Err(BrowserError::Refused(format!("element {index} is disabled")));
                }
                let node = Node { session: &session, frame: &element.frame, backend: element.pressed.backend };
                self.click(target, &node, *index).await?;
                Ok(Some(format!("clicked element {index}, {}", named(&element))))
            }
            Action::Input(index, text) => {
                let (element, session) = self.listed(target, *index)?;
                let node = Node { session: &session, frame: &element.frame, backend: element.key.backend };
                self.input(surroundings, target, (&element, &node), *index, text).await.map(Some)
            }
            Action::Find(keyword, skip) => self.find(target, keyword, *skip).await.map(Some),
            Action::Scroll(pixels) => self.scroll(target, *pixels).await.map(Some),
        }
    }

    /// Calls one of the functions on a node, in okcvm's own world.
    async fn on_node<T: DeserializeOwned>(
        &self,
        node: &Node<'_>,
        function: &str,
        arguments: Vec<Value>,
    ) -> Result<T, BrowserError> {
        let object = self.object(node).await?;
        let declaration = format!("function(...given) {{ return ({FUNCTIONS}).{function}.apply(this, given); }}");
        let wanted = json!({
            "functionDeclaration": declaration, "objectId": object, "arguments": arguments,
            "returnByValue": true, "awaitPromise": true,
        });
        let answer: Evaluated<T> =
            self.connection.call_within(HEARD, Some(node.session), "Runtime.callFunctionOn", wanted).await?;
        answer.value()
    }

    /// A handle for a node in okcvm's own world of its frame.
    async fn object(&self, node: &Node<'_>) -> Result<String, BrowserError> {
        let context = self.world(node.session, node.frame).await?;
        let wanted = json!({"backendNodeId": node.backend, "executionContextId": context});
        let resolved: Result<Resolved, _> = self.connection.call(Some(node.session), "DOM.resolveNode", wanted).await;
        let gone = || BrowserError::Refused(GONE.to_owned());
        match resolved {
            Ok(resolved) => resolved.object.object_id.ok_or_else(gone),
            Err(BrowserError::Refused(_)) => Err(gone()),
            Err(error) => Err(error),
        }
    }

    /// Clicks the middle of an element, once it is in sight and nothing covers it.
    async fn click(&self, target: &str, node: &Node<'_>, index: i64) -> Result<(), BrowserError> {
        let (x, y) = self.point(target, node).await?;
        // A place in the document is asked for, and not one in the window.
        let (right, down) = self.scrolled(target, node.session).await?;
        let place = json!({"x": (x + right) as i64, "y": (y + down) as i64});
        let hit: Result<At, _> = self.connection.call(Some(node.session), "DOM.getNodeForLocation", place).await;
        let At { backend_node_id, frame_id } = hit.map_err(|error| match error {
            BrowserError::Refused(_) => BrowserError::Refused(format!(
                "nothing of element {index} lies where it could be clicked; scroll first"
            )),
            error => error,
        })?;
        if backend_node_id != node.backend {
            let covered: Option<String> = if frame_id == node.frame {
                let hit = self.object(&Node { backend: backend_node_id, ..*node }).await?;
                let Covered { by } = self.on_node(node, "covered", vec![json!({"objectId": hit})]).await?;
                by
            } else {
                Some("a frame".to_owned())
            };
            if let Some(by) = covered {
                let text = format!("element {index} is covered by {by}; use or close that first, or scroll");
                return Err(BrowserError::Refused(text));
            }
        }
        let (left, top) = self.offset(target, node).await?;
        let (x, y) = (x + left, y + top);
        let session = self.session_of(target)?;
        self.reaches_frame(target, node, (x, y), index).await?;
        let mut pressed = false;
        for (kind, button, buttons) in
            [("mouseMoved", "none", 0), ("mousePressed", "left", 1), ("mouseReleased", "left", 0)]
        {
            let event = json!({
                "type": kind, "x": x, "y": y, "button": button, "buttons": buttons,
                "clickCount": i32::from(kind != "mouseMoved"),
            });
            let sent =
                self.connection.call_within::<Value>(HEARD, Some(&session), "Input.dispatchMouseEvent", event).await;
            match sent {
                Ok(_) => pressed |= kind == "mousePressed",
                // The page is busy with the click, or gone by it: what came of it is seen below.
                Err(BrowserError::Slow(_) | BrowserError::Refused(_)) if pressed => break,
                Err(BrowserError::Slow(_)) if kind == "mousePressed" => {
                    let seconds = HEARD.as_secs();
                    let why = format!(
                        "the page has been busy for {seconds} s with the press on element {index}; what comes of it is not known"
                    );
                    return Err(BrowserError::Slow(why));
                }
                Err(BrowserError::Slow(_) | BrowserError::Refused(_)) => {
                    let why = format!("the page is busy, so element {index} was not clicked; try again later");
                    return Err(BrowserError::Slow(why));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts something into a field of any kind.
    async fn input(
        &self,
        surroundings: &Surroundings,
        target: &str,
        (element, node): (&Element, &Node<'_>),
        index: i64,
        text: &str,
    ) -> Result<String, BrowserError> {
        let refused = |why: &str| BrowserError::Refused(format!("element {index} ({}): {why}", named(element)));
        let filled: Filled = self.on_node(node, "fill", vec![json!({"value": text})]).await?;
        if let Some(why) = filled.refused {
            return Err(refused(&why));
        }
        if let Some(done) = filled.done {
            return Ok(format!("element {index}, {}: {done}", named(element)));
        }
        if filled.click {
            self.click(target, &Node { backend: element.pressed.backend, ..*node }, index).await?;
            return Ok(format!("clicked element {index}, {}", named(element)));
        }
        if filled.file {
            let files = given_files(surroundings, text, filled.multiple).map_err(|why| refused(&why))?;
            let count = files.len();
            let wanted = json!({"files": files, "backendNodeId": node.backend});
            self.connection.call::<Value>(Some(node.session), "DOM.setFileInputFiles", wanted).await?;
            let noun = if count == 1 { "1 file" } else { &format!("{count} files") };
            return Ok(format!("gave {noun} to element {index}, {}", named(element)));
        }
        if !filled.typed {
            return Err(refused("nothing can be typed into it"));
        }
        let (typed, enter) = match text.strip_suffix('\n') {
            Some(line) if !filled.lines => (line, true),
            _ => (text, false),
        };
        let session = Some(node.session);
        let until = tokio::time::Instant::now() + TYPING;
        let busy = |count: usize| {
            let whole = typed.chars().count();
            BrowserError::Slow(format!(
                "the page is busy: {count} of {whole} characters were typed into element {index}"
            ))
        };
        if typed.is_empty() {
            self.key(session, &Key::DELETE).await?;
        } else if typed.chars().count() <= KEYS && !typed.contains(char::is_control) {
            for (count, c) in typed.chars().enumerate() {
                if tokio::time::Instant::now() > until {
                    return Err(busy(count));
                }
                self.key(session, &Key::of(c)).await.map_err(|error| match error {
                    BrowserError::Slow(_) => busy(count),
                    error => error,
                })?;
            }
        } else {
            let wanted = json!({"text": typed});
            self.connection.call_within::<Value>(HEARD, session, "Input.insertText", wanted).await?;
        }
        if enter {
            match self.key(session, &Key::ENTER).await {
                // Busy with what it does.
                Ok(()) | Err(BrowserError::Slow(_)) => {}
                Err(error) => return Err(error),
            }
            return Ok(format!("typed into element {index}, {}, and pressed Enter", named(element)));
        }
        tokio::time::sleep(PAUSE).await;
        // A field that takes numbers only throws the rest away.
        let now: Result<Value, _> = self.on_node(node, "value", Vec::new()).await;
        let stands = now.ok().and_then(|now| now["value"].as_str().map(ToOwned::to_owned));
        match stands {
            Some(stands) if filled.number && stands != typed.trim() => {
                Err(refused(&format!("it takes numbers only; {stands:?} stands in it now")))
            }
            _ => Ok(format!("typed into element {index}, {}", named(element))),
        }
    }

    /// Presses a key and lets it go.
    async fn key(&self, session: Option<&str>, key: &Key) -> Result<(), BrowserError> {
        for event in key.events() {
            self.connection.call_within::<Value>(HEARD, session, "Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Looks for a word and brings one of its places into sight.
    async fn find(&self, target: &str, keyword: &str, skip: usize) -> Result<String, BrowserError> {
        let looked = self.look(target).await?;
        let (sessions, wanted) = (looked.sessions, keyword.to_owned());
        let hits = tokio::task::spawn_blocking(move || page::find(&looked.tree, &wanted, skip)).await;
        let hits = hits.map_err(|error| BrowserError::Refused(format!("the page could not be read: {error}")))?;
        let (hit, said) = page::pick(hits, keyword, skip).map_err(BrowserError::Refused)?;
        let session = sessions.get(hit.from.0.part).ok_or_else(|| BrowserError::Refused(GONE.to_owned()))?;
        let node = Node { session, frame: &hit.frame, backend: hit.from.0.backend };
        let mut arguments = vec![json!({"value": hit.from.1})];
        if hit.to.0.part == hit.from.0.part {
            let end = self.object(&Node { backend: hit.to.0.backend, ..node }).await?;
            arguments.extend([json!({"objectId": end}), json!({"value": hit.to.1})]);
        }
        self.on_node::<Value>(&node, "reveal", arguments).await?;
        if *session != self.session_of(target)? {
            // Within a frame of another process the page around it has to be scrolled too.
            self.point(target, &node).await.ok();
        }
        Ok(said)
    }

    /// Scrolls what lies in the middle of the window, as a wheel would.
    async fn scroll(&self, target: &str, pixels: i64) -> Result<String, BrowserError> {
        let (width, height) = self.size;
        let script = format!("({FUNCTIONS}).scroll({}, {}, {pixels})", width / 2, height / 2);
        let Scrolled { moved, frame } = self.evaluate(target, &script, HEARD).await?;
        if frame {
            let session = self.session_of(target)?;
            let wheel = json!({
                "type": "mouseWheel", "x": width / 2, "y": height / 2, "deltaX": 0, "deltaY": pixels,
            });
            self.connection.call_within::<Value>(HEARD, Some(&session), "Input.dispatchMouseEvent", wheel).await?;
            return Ok(format!("turned the wheel by {pixels} pixels over a frame"));
        }
        Ok(scrolled(moved as i64, pixels))
    }
}

/// What is said of a page that moved by so many pixels when it was to move by others.
pub(super) fn scrolled(moved: i64, pixels: i64) -> String {
    match (moved, pixels) {
        (0, 1..) => "this is the end of the page already".to_owned(),
        (0, _) => "this is the beginning of the page already".to_owned(),
        (moved, 1..) => format!("scrolled down by {moved} pixels"),
        (moved, _) => format!("scrolled up by {} pixels", -moved),
    }
}

/// Files of the workspace that are given to a field, one in a line.
pub(super) fn given(surroundings: &Surroundings, text: &str, multiple: bool) -> Result<Vec<ConfinedPath>, String> {
    let paths: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if paths.len() > 1 && !multiple {
        return Err("it takes one file only".to_owned());
    }
    let workspace = &surroundings.workspace;
    let real = |path: &str| {
        let confined = workspace.resolve(path).map_err(|error| error.to_string())?;
        // Opened as any tool would: it has to be a file, and no link may lead out.
        drop(workspace.open_read(&confined).map_err(|error| error.to_string())?);
        workspace.real(&confined).map_err(|error| error.to_string())
    };
    paths.into_iter().map(real).collect()
}

/// The same as the browser sees them.
fn given_files(surroundings: &Surroundings, text: &str, multiple: bool) -> Result<Vec<String>, String> {
    let seen = |path: ConfinedPath| {
        if surroundings.sandbox.sandbox().remounts() {
            return path.shown().to_owned();
        }
        surroundings.workspace.host_path().join(path.relative()).to_string_lossy().into_owned()
    };
    Ok(given(surroundings, text, multiple)?.into_iter().map(seen).collect())
}

pub(super) fn named(element: &Element) -> String {
    let name = if element.name.is_empty() { String::new() } else { format!(" {:?}", element.name) };
    format!("{}{name}", element.role)
}
