//! The words of Jupyter that okcvm says and hears. What is forged or unknown is nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::lean::{Data, Few};
use super::wire::{self, Channel, Frame};
use crate::support::truncate;

/// Stands for what the kernel told and nobody can read.
const NOT_UNDERSTOOD: &str = "[something that the kernel told was not understood]\n";
/// Characters of an exception's class that are kept.
const MOST_NAME: usize = 200;
/// Characters of an exception's message that are kept.
const MOST_WORDS: usize = 16 << 10;
/// Characters of a version that are kept.
const MOST_VERSION: usize = 32;

/// A request, and the id by which its answers name it.
pub(super) fn request(channel: Channel, kind: &str, content: &Value) -> (String, Vec<u8>) {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let header = json!({"msg_id": id, "msg_type": kind, "session": "okcvm", "username": "okcvm", "version": "5.3"});
    let bytes = wire::pack(channel, header.to_string().as_bytes(), content.to_string().as_bytes());
    (id, bytes)
}

/// The request to run a cell.
pub(super) fn execute(code: &str) -> (String, Vec<u8>) {
    let content = json!({
        "code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
        "stop_on_error": false,
    });
    request(Channel::Shell, "execute_request", &content)
}

/// What the kernel told, as far as it is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Code wrote text.
    Text(String),
    /// Something is shown.
    Shown(Shown),
    /// What was shown so far is to go; at once, or when something comes in its place.
    Clear { wait: bool },
    /// Code failed.
    Failed(Failure),
    /// The kernel is done with a request.
    Idle,
    /// The reply to a request: whether it succeeded, and what it wants shown.
    Replied { ok: bool, pages: Vec<String> },
    /// Something was too long to be taken.
    TooLong(u64),
}

/// Something that is shown, in several kinds at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// By media type.
    pub data: BTreeMap<String, String>,
    /// The name under which it can be replaced.
    pub id: Option<String>,
    /// Whether it replaces what was shown under that name.
    pub replaces: bool,
}

/// Why code failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The exception's class.
    pub ename: String,
    /// Its message.
    pub evalue: String,
    /// Where it came from, coloured.
    pub traceback: Vec<String>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    msg_id: String,
    #[serde(default)]
    msg_type: String,
}

#[derive(Deserialize)]
struct Raised {
    #[serde(default)]
    ename: String,
    #[serde(default)]
    evalue: String,
    #[serde(default)]
    traceback: Few<String>,
}

impl From<Raised> for Failure {
    fn from(Raised { ename, evalue, traceback }: Raised) -> Self {
        let prefix = |text: &str, most| truncate::prefix(text, most).to_owned();
        Self { ename: prefix(&ename, MOST_NAME), evalue: prefix(&evalue, MOST_WORDS), traceback: traceback.0 }
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Display {
    #[serde(default)]
    data: Data,
    #[serde(default)]
    transient: Transient,
}

#[derive(Default, Deserialize)]
struct Transient {
    #[serde(default)]
    display_id: Option<String>,
}

#[derive(Deserialize)]
struct Clear {
    #[serde(default)]
    wait: bool,
}

#[derive(Deserialize)]
struct Status {
    execution_state: String,
}

#[derive(Default, Deserialize)]
struct Reply {
    status: String,
    #[serde(default)]
    payload: Few<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    data: Data,
}

/// What a frame says, and to which request it belongs; `None` when it is not understood.
pub(super) fn read(frame: Frame) -> Option<(String, Said)> {
    let header: Header = serde_json::from_slice(&frame.header).ok()?;
    let parent = serde_json::from_slice(&frame.parent).map_or(String::new(), |parent: Header| parent.msg_id);
    let content = match frame.content {
        Ok(content) => content,
        // A reply has to be heard, whatever it carries.
        Err(_) if frame.channel == Channel::Shell => {
            return Some((parent, Said::Replied { ok: false, pages: Vec::new() }));
        }
        Err(length) => return Some((parent, Said::TooLong(length))),
    };
    let content = String::from_utf8_lossy(&content);
    let said = match (frame.channel, header.msg_type.as_str()) {
        (Channel::Iopub, "stream") => parse(&content).map(|Text { text }| Said::Text(text)),
        (Channel::Iopub, kind @ ("display_data" | "execute_result" | "update_display_data")) => {
            let replaces = kind == "update_display_data";
            parse(&content).map(|Display { data, transient }| {
                Said::Shown(Shown { data: data.0, id: transient.display_id, replaces })
            })
        }
        (Channel::Iopub, "clear_output") => parse(&content).map(|Clear { wait }| Said::Clear { wait }),
        (Channel::Iopub, "error") => parse::<Raised>(&content).map(|raised| Said::Failed(raised.into())),
        (Channel::Iopub, "status") if parse::<Status>(&content)?.execution_state == "idle" => Some(Said::Idle),
        (Channel::Shell, _) => {
            let Reply { status, payload } = parse(&content).unwrap_or_default();
            let text = |mut payload: Payload| payload.data.0.remove("text/plain");
            Some(Said::Replied { ok: status == "ok", pages: payload.0.into_iter().filter_map(text).collect() })
        }
        _ => return None,
    };
    Some((parent, said.unwrap_or_else(|| Said::Text(NOT_UNDERSTOOD.to_owned()))))
}

fn parse<'a, T: Deserialize<'a>>(content: &'a str) -> Option<T> {
    let parsed = serde_json::from_str(content);
    parsed.map_err(|error| tracing::debug!(%error, "a message of the kernel is not understood")).ok()
}

/// The first words of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Hello {
    /// Python's version.
    pub(super) python: String,
}

/// Reads the first words. A version is short, and screens show it.
pub(super) fn hello(frame: &Frame) -> Option<Hello> {
    let content = frame.content.as_ref().ok().filter(|_| frame.channel == Channel::Hello)?;
    let Hello { python } = parse(std::str::from_utf8(content).ok()?)?;
    let belongs = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
    Some(Hello { python: python.chars().filter(belongs).take(MOST_VERSION).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(channel: Channel, kind: &str, content: &Value) -> Frame {
        let header = json!({"msg_type": kind}).to_string().into_bytes();
        let parent = json!({"msg_id": "p"}).to_string().into_bytes();
        Frame { channel, header, parent, content: Ok(content.to_string().into_bytes()) }
    }

    fn said(kind: &str, content: &Value) -> Option<Said> {
        read(frame(Channel::Iopub, kind, content)).map(|(parent, said)| {
            assert_eq!(parent, "p");
            said
        })
    }

    #[test]
    fn messages_are_understood() {
        assert_eq!(said("stream", &json!({"name": "stdout", "text": "a"})), Some(Said::Text("a".to_owned())));
        assert_eq!(said("status", &json!({"execution_state": "idle"})), Some(Said::Idle));
        assert_eq!(said("status", &json!({"execution_state": "busy"})), None);
        assert_eq!(said("clear_output", &json!({"wait": true})), Some(Said::Clear { wait: true }));
        let data = json!({"text/plain": ["a", "b"], "application/x-secret": "c", "image/png": "aGk="});
        let shown = said("update_display_data", &json!({"data": data, "transient": {"display_id": "d"}}));
        let Some(Said::Shown(shown)) = shown else { panic!("{shown:?}") };
        assert_eq!((shown.id.as_deref(), shown.replaces), (Some("d"), true));
        assert_eq!(
            shown.data.into_iter().collect::<Vec<_>>(),
            [("image/png".to_owned(), "aGk=".to_owned()), ("text/plain".to_owned(), "ab".to_owned())]
        );
        let reply = json!({"status": "ok", "payload": [{"source": "page", "data": {"text/plain": "help"}}]});
        let (_, reply) = read(frame(Channel::Shell, "execute_reply", &reply)).expect("reply");
        assert_eq!(reply, Said::Replied { ok: true, pages: vec!["help".to_owned()] });
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_the_rest_is_kept() {
        let content = Ok(b"{\"text\": \"a \xff b\"}".to_vec());
        let frame = Frame { content, ..frame(Channel::Iopub, "stream", &json!({})) };
        assert_eq!(read(frame).map(|(_, said)| said), Some(Said::Text("a \u{fffd} b".to_owned())));
    }

    #[test]
    fn of_a_failure_only_so_much_is_kept() {
        let long = "x".repeat(1 << 20);
        let failed = said("error", &json!({"ename": long, "evalue": long, "traceback": vec!["l"; 5000]}));
        let Some(Said::Failed(failure)) = failed else { panic!("{failed:?}") };
        assert_eq!((failure.ename.len(), failure.evalue.len()), (MOST_NAME, MOST_WORDS));
        assert_eq!(failure.traceback.len(), 1000);
    }

    #[test]
    fn a_version_is_short_and_plain() {
        let told =
            |python: &str| hello(&frame(Channel::Hello, "", &json!({ "python": python }))).map(|told| told.python);
        assert_eq!(told("3.14.0rc1+").as_deref(), Some("3.14.0rc1+"));
        assert_eq!(told(&format!("3.\u{1b}[31m世\n{}", "9".repeat(1 << 20))), Some(format!("3.31m{}", "9".repeat(27))));
    }

    #[test]
    fn what_is_forged_is_nothing() {
        let nothing = Some(Said::Text(NOT_UNDERSTOOD.to_owned()));
        assert_eq!(said("stream", &json!({"text": 7})), nothing);
        assert_eq!(said("stream", &json!([])), nothing);
        assert_eq!(said("execute_reply", &json!({"status": "ok"})), None, "on the wrong channel");
        assert_eq!(said("error", &json!({"traceback": "no list"})), nothing);
        assert_eq!(said("display_data", &json!({"data": []})), nothing);
        let (_, reply) = read(frame(Channel::Shell, "execute_reply", &json!([[[]]]))).expect("a reply is always heard");
        assert_eq!(reply, Said::Replied { ok: false, pages: Vec::new() });
        let broken = Frame { header: b"{".to_vec(), ..frame(Channel::Iopub, "", &json!({})) };
        assert_eq!(read(broken), None);
        let long = Frame { content: Err(9), ..frame(Channel::Iopub, "stream", &json!({})) };
        assert_eq!(read(long), Some(("p".to_owned(), Said::TooLong(9))));
        assert_eq!(hello(&frame(Channel::Iopub, "", &json!({"python": "3"}))), None);
    }
}
