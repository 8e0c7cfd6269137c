//! What one request gets: a status, headers, and bytes with pauses and faults between them.

use serde_json::{Value, json};

use super::frame;
use super::gate::Gate;

/// One thing that happens while an answer is written.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// These bytes, in one write (and one HTTP chunk).
    Write(Vec<u8>),
    /// Nothing until the gate opens (or the client leaves).
    Wait(Gate),
    /// The gate opens.
    Signal(Gate),
    /// The connection is cut without an end of the body.
    Drop,
    /// Nothing more; the connection stays open until the client leaves.
    Stall,
}

/// How the end of the body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Chunked,
    Length,
    Close,
}

/// What one request gets.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) steps: Vec<Step>,
}

impl Answer {
    /// A streamed reply with this text.
    pub fn text(text: &str) -> Self {
        Self::frames([frame::text(text), frame::finish("stop"), frame::usage(11, 7, 3), frame::done()])
    }

    /// A streamed reply with these calls: id, name, arguments.
    pub fn calls(calls: &[(&str, &str, Value)]) -> Self {
        let mut frames: Vec<String> =
            calls.iter().enumerate().map(|(n, (id, name, args))| frame::call(n, id, name, &args.to_string())).collect();
        frames.extend([frame::finish("tool_calls"), frame::usage(11, 7, 3), frame::done()]);
        Self::frames(frames)
    }

    /// A streamed reply of these frames, each in a write of its own.
    pub fn frames(frames: impl IntoIterator<Item = String>) -> Self {
        let steps = frames.into_iter().map(|frame| Step::Write(frame.into_bytes())).collect();
        Self { status: 200, headers: vec![content_type("text/event-stream")], framing: Framing::Chunked, steps }
    }

    /// A stream of exactly these bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], ..Self::frames([]) }
    }

    /// A JSON body with status 200.
    pub fn json(body: &Value) -> Self {
        Self::status(200, body)
    }

    /// A JSON body with any status.
    pub fn status(status: u16, body: &Value) -> Self {
        let steps = vec![Step::Write(body.to_string().into_bytes())];
        Self { status, headers: vec![content_type("application/json")], framing: Framing::Length, steps }
    }

    /// A web page.
    pub fn html(status: u16, body: &str) -> Self {
        let steps = vec![Step::Write(body.as_bytes().to_vec())];
        Self { status, headers: vec![content_type("text/html; charset=utf-8")], framing: Framing::Length, steps }
    }

    /// A whole reply as an endpoint without streaming sends it.
    pub fn message(message: &Value, finish_reason: &str) -> Self {
        Self::json(&json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "fake-model",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        }))
    }

    /// One more header; replaces one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends every line so far with CR LF.
    #[must_use]
    pub fn crlf(self) -> Self {
        self.replace_newlines(b"\r\n")
    }

    /// Ends every line so far with a lone CR.
    #[must_use]
    pub fn cr(self) -> Self {
        self.replace_newlines(b"\r")
    }

    fn replace_newlines(mut self, with: &[u8]) -> Self {
        for step in &mut self.steps {
            if let Step::Write(bytes) = step {
                *bytes = bytes.iter().flat_map(|b| if *b == b'\n' { with.to_vec() } else { vec![*b] }).collect();
            }
        }
        self
    }

    /// A byte order mark first.
    #[must_use]
    pub fn bom(mut self) -> Self {
        self.steps.insert(0, Step::Write("\u{feff}".as_bytes().to_vec()));
        self
    }

    /// Every byte so far in a write of its own.
    #[must_use]
    pub fn byte_by_byte(mut self) -> Self {
        self.steps = self
            .steps
            .into_iter()
            .flat_map(|step| match step {
                Step::Write(bytes) => bytes.into_iter().map(|b| Step::Write(vec![b])).collect(),
                other => vec![other],
            })
            .collect();
        self
    }

    /// Joins all bytes so far and cuts them at these positions.
    #[must_use]
    pub fn split_at(mut self, cuts: &[usize]) -> Self {
        let all: Vec<u8> = self.written();
        let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < all.len()).collect();
        cuts.sort_unstable();
        cuts.push(all.len());
        let mut from = 0;
        self.steps.clear();
        for cut in cuts {
            if cut > from {
                self.steps.push(Step::Write(all[from..cut].to_vec()));
                from = cut;
            }
        }
        self
    }

    /// All bytes of the body so far.
    pub fn written(&self) -> Vec<u8> {
        let writes =
            self.steps.iter().filter_map(|step| if let Step::Write(b) = step { Some(b.as_slice()) } else { None });
        writes.collect::<Vec<_>>().concat()
    }

    /// More frames.
    #[must_use]
    pub fn then(mut self, frames: impl IntoIterator<Item = String>) -> Self {
        self.steps.extend(frames.into_iter().map(|frame| Step::Write(frame.into_bytes())));
        self
    }

    /// Pauses here until the gate opens.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Pauses before anything is sent, the status line included, until the gate opens.
    #[must_use]
    pub fn wait_first(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Opens the gate when everything before this point is written.
    #[must_use]
    pub fn signal(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Signal(gate.clone()));
        self
    }

    /// Cuts the connection here.
    #[must_use]
    pub fn drop_connection(mut self) -> Self {
        self.steps.push(Step::Drop);
        self
    }

    /// Says nothing more from here on and keeps the connection open.
    #[must_use]
    pub fn stall(mut self) -> Self {
        self.steps.push(Step::Stall);
        self
    }

    /// Marks the end of the body by closing the connection, as old servers do.
    #[must_use]
    pub fn close_delimited(mut self) -> Self {
        self.framing = Framing::Close;
        self
    }
}

fn content_type(value: &str) -> (String, String) {
    ("Content-Type".to_owned(), value.to_owned())
}
