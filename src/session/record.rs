//! What a session's log holds: one kind of record per fact, and the envelope around each.
//!
//! A line is `{"v":1,"seq":17,"time":"…","sum":"8d9f0a1b","kind":"…", …}`. `sum` is the CRC-32 of the line with eight
//! zeros in its place. The envelope's fields come first and in this order, so that a reader knows a line's kind
//! without parsing it whole. Old versions stay readable for ever; a kind from the future reads as [`Record::Unknown`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blob;
use super::oplog::Operation;
use crate::protocol::{Artifact, Attachment, CallId, NodeId, NodeKind, ToolCall, ToolReply, TurnId, TurnOutcome};

/// The version that this program writes.
pub const VERSION: u32 = 1;
const NO_SUM: &str = "00000000";

/// Where a clipped output lies whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpillRef {
    /// Its hash, which is also its name in `spill/` and `node/spill/`.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// One fact of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The user said something.
    TurnOpened {
        /// The turn.
        turn: TurnId,
        /// The head at that moment.
        parent: Option<NodeId>,
        /// What was said.
        text: String,
        /// Files given along.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// The model replied.
    Assistant {
        /// The turn.
        turn: Option<TurnId>,
        /// The text.
        text: String,
        /// Its reasoning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// The calls that it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// The model's name.
        #[serde(default)]
        model: String,
    },
    /// A tool is about to run.
    ToolStarted {
        /// The turn; none for a call from the command line.
        turn: Option<TurnId>,
        /// The call.
        call: CallId,
        /// The tool.
        tool: String,
        /// Its arguments as text.
        arguments: String,
    },
    /// A tool has ended.
    ToolFinished {
        /// The turn; none for a call from the command line.
        turn: Option<TurnId>,
        /// What the model is given.
        reply: ToolReply,
        /// How long it took.
        duration_ms: u64,
        /// Its whole output, where the reply's was clipped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spill: Option<SpillRef>,
        /// The difference that an edit made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
        /// Pictures that it made or looked at, as paths under the mount.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pictures: Vec<String>,
        /// Things made for the user.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<Artifact>,
    },
    /// A participant's state changed between two nodes.
    State {
        /// Its file name, such as `todo.json`.
        name: String,
        /// The state.
        value: Value,
    },
    /// The endpoint refused the pictures of the results so far: none of them is shown to a model any more.
    PicturesRefused {
        /// The turn.
        turn: Option<TurnId>,
    },
    /// The turn is over; its node comes next.
    TurnClosed {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: TurnOutcome,
        /// The text of the final reply.
        reply: String,
    },
    /// A node was made: the closing record of all records up to `through`. The head is this node now.
    Node {
        /// The commit.
        id: NodeId,
        /// Its tree.
        tree: String,
        /// Why it exists.
        node: NodeKind,
        /// Its label.
        label: String,
        /// Its turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        /// The head before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<NodeId>,
        /// What moved the head, where undo can take it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<Operation>,
        /// The latest record that the node holds; zero for none.
        through: u64,
    },
    /// The head moved to a node that was there already.
    Head {
        /// What moved it.
        operation: Operation,
        /// The head before.
        before: NodeId,
        /// The head now.
        after: NodeId,
    },
    /// The user asked for a fresh kernel: what cells before this made is gone.
    KernelRestarted,
    /// Something worth keeping that changes nothing.
    Note {
        /// The text.
        text: String,
    },
    /// A kind that this program does not know.
    #[serde(other)]
    Unknown,
}

impl Record {
    /// Whether the record belongs to the log alone and never to a node.
    pub fn is_of_the_log(&self) -> bool {
        matches!(self, Self::Node { .. } | Self::Head { .. })
    }
}

/// A whole line: envelope and record, with the line end.
pub fn line(seq: u64, time: &str, record: &Value) -> Vec<u8> {
    let body = record.to_string();
    // The body is an object: its opening brace is replaced by the envelope.
    let rest = body.strip_prefix('{').unwrap_or(&body);
    let comma = if rest == "}" { "" } else { "," };
    let time = Value::from(time);
    let mut line = format!("{{\"v\":{VERSION},\"seq\":{seq},\"time\":{time},\"sum\":\"{NO_SUM}\"{comma}{rest}\n");
    let sum = format!("{:08x}", crc32fast::hash(line.trim_end_matches('\n').as_bytes()));
    if let Some(at) = sum_at(line.as_bytes()) {
        line.replace_range(at..at + NO_SUM.len(), &sum);
    }
    line.into_bytes()
}

fn sum_at(line: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"\"sum\":\"";
    let head = &line[..line.len().min(200)];
    head.windows(MARK.len()).position(|window| window == MARK).map(|at| at + MARK.len())
}

/// What a line's envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The record's number.
    pub seq: u64,
    /// When it was written.
    pub time: String,
    /// The record's kind.
    pub kind: String,
}

/// Checks a line (without its line end) and reads its envelope; the error says what is wrong.
pub fn check(line: &[u8]) -> Result<Envelope, &'static str> {
    #[derive(Deserialize)]
    struct Head {
        v: u32,
        seq: u64,
        time: String,
        #[serde(default)]
        kind: String,
    }
    let at = sum_at(line).ok_or("it has no checksum")?;
    let (before, rest) = line.split_at(at);
    let (sum, after) = rest.split_at_checked(NO_SUM.len()).ok_or("it is cut short")?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(NO_SUM.as_bytes());
    hasher.update(after);
    if format!("{:08x}", hasher.finalize()).as_bytes() != sum {
        return Err("its checksum does not match");
    }
    let head: Head = serde_json::from_slice(line).map_err(|_| "it is not a record")?;
    if head.v == 0 {
        return Err("its version is unknown");
    }
    Ok(Envelope { seq: head.seq, time: head.time, kind: head.kind })
}

/// Reads the record of a checked line; `get` supplies the blobs.
pub fn parse(line: &[u8], get: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Record, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(line)?;
    blob::bring_back(&mut value, get);
    serde_json::from_value(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_carries_its_checksum_and_reads_back() {
        let record = Record::Note { text: "a \"sum\":\"00000000\" inside".to_owned() };
        let value = serde_json::to_value(&record).expect("value");
        let line = line(17, "2026-11-22T12:00:00+01:00", &value);
        let text = String::from_utf8(line.clone()).expect("text");
        assert!(text.starts_with("{\"v\":1,\"seq\":17,\"time\":\"2026-11-22T12:00:00+01:00\",\"sum\":\""), "{text}");
        assert!(text.ends_with("}\n") && text.matches('\n').count() == 1);
        let bare = &line[..line.len() - 1];
        let envelope = check(bare).expect("good");
        assert_eq!((envelope.seq, envelope.kind.as_str()), (17, "note"));
        assert_eq!(parse(bare, &|_| None).expect("parse"), record);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let line = line(1, "t", &json!({"kind": "note", "text": "hello"}));
        let bare = &line[..line.len() - 1];
        for at in 0..bare.len() {
            let mut bad = bare.to_vec();
            bad[at] ^= 1;
            assert!(check(&bad).is_err(), "byte {at}");
            assert!(check(&bare[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_kind_from_the_future_is_kept_as_unknown() {
        let line = line(1, "t", &json!({"kind": "hologram", "x": 1}));
        let bare = &line[..line.len() - 1];
        assert_eq!(check(bare).expect("good").kind, "hologram");
        assert_eq!(parse(bare, &|_| None).expect("parse"), Record::Unknown);
    }

    /// Records of version 1 as they were written then. The file never changes; a new version gets a new one.
    const FIXTURE: &str = include_str!("../../tests/fixtures/sessions/v1.jsonl");

    fn samples() -> Vec<Record> {
        let turn: TurnId = serde_json::from_str("\"01938f2a-0000-7000-8000-000000000001\"").expect("turn");
        let id: NodeId = "8f3a21c0".repeat(5).parse().expect("id");
        let call = CallId("call_1".to_owned());
        vec![
            Record::TurnOpened {
                turn,
                parent: Some(id.clone()),
                text: "plot the data\nplease".to_owned(),
                attachments: vec![Attachment { name: "d.csv".into(), path: "/mnt/x/uploads/d.csv".into(), bytes: 9 }],
            },
            Record::Assistant {
                turn: Some(turn),
                text: "I look at it.".to_owned(),
                reasoning: Some("hm".to_owned()),
                tool_calls: vec![ToolCall { id: call.clone(), name: "mshtools-shell".into(), arguments: "{}".into() }],
                model: "kimi".to_owned(),
            },
            Record::ToolStarted {
                turn: Some(turn),
                call: call.clone(),
                tool: "mshtools-shell".to_owned(),
                arguments: "{}".to_owned(),
            },
            Record::ToolFinished {
                turn: Some(turn),
                reply: ToolReply {
                    call,
                    tool: "mshtools-shell".to_owned(),
                    status: crate::protocol::ToolStatus::Ok,
                    output: "ok".to_owned(),
                    unfinished: false,
                    images: Vec::new(),
                },
                duration_ms: 12,
                spill: Some(SpillRef { sha256: "a".repeat(64), bytes: 20_000 }),
                diff: Some("+x".to_owned()),
                pictures: Vec::new(),
                artifacts: Vec::new(),
            },
            Record::State { name: "todo.json".to_owned(), value: serde_json::json!([]) },
            Record::TurnClosed { turn, outcome: TurnOutcome::Completed, reply: "Done.".to_owned() },
            Record::Node {
                id: id.clone(),
                tree: "1".repeat(40),
                node: NodeKind::Turn,
                label: "After: plot the data".to_owned(),
                turn: Some(turn),
                before: Some(id.clone()),
                operation: Some(Operation::Turn),
                through: 6,
            },
            Record::Head { operation: Operation::Undo, before: id.clone(), after: id },
            Record::Note { text: "a note".to_owned() },
        ]
    }

    #[test]
    fn records_of_version_1_are_read_for_ever() {
        let read: Vec<Record> =
            FIXTURE.lines().map(|line| parse(line.as_bytes(), &|_| None).expect("record")).collect();
        assert_eq!(read, samples());
        for (seq, text) in (1..).zip(FIXTURE.lines()) {
            assert_eq!(check(text.as_bytes()).map(|envelope| envelope.seq), Ok(seq));
        }
    }

    #[test]
    fn records_are_still_written_as_version_1() {
        let written: String = (1..)
            .zip(samples())
            .map(|(seq, record)| {
                let value = serde_json::to_value(&record).expect("value");
                String::from_utf8(line(seq, "2026-11-22T12:00:00+01:00", &value)).expect("text")
            })
            .collect();
        assert!(written == FIXTURE, "records are no longer written as version 1 has them:\n{written}");
    }
}
