//! Records of a path, folded into the messages that a model is given. Pure.
//!
//! Endpoints refuse a call without a result and a result without a call. So results are put behind their call in the
//! order of the calls, whatever order they came in; a call that never ended gets a cancelled result; and what tools
//! did without a model (`okcvm tool call`) is left out.

use crate::protocol::{Message, ToolCall, ToolReply, ToolStatus};

use super::record::Record;

/// What the model is told of a call that never ended.
pub const UNFINISHED: &str = "the process ended before this call finished";

/// The messages of these records, oldest first, without the system prompt.
pub fn conversation<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Message> {
    let mut fold = Fold::default();
    for record in records {
        fold.take(record);
    }
    fold.flush();
    fold.messages
}

#[derive(Default)]
struct Fold {
    messages: Vec<Message>,
    /// Calls of the latest reply, each with its result once it is there.
    open: Vec<(ToolCall, Option<ToolReply>)>,
}

impl Fold {
    fn take(&mut self, record: &Record) {
        match record {
            Record::TurnOpened { text, attachments, .. } => {
                self.flush();
                self.messages.push(Message::User { text: text.clone(), attachments: attachments.clone() });
            }
            Record::Assistant { text, reasoning, tool_calls, .. } => {
                self.flush();
                if text.is_empty() && tool_calls.is_empty() {
                    return;
                }
                self.messages.push(Message::Assistant {
                    text: text.clone(),
                    reasoning: reasoning.clone(),
                    tool_calls: tool_calls.clone(),
                });
                self.open = tool_calls.iter().map(|call| (call.clone(), None)).collect();
            }
            Record::ToolFinished { reply, .. } => {
                let slot = self.open.iter_mut().find(|(call, result)| call.id == reply.call && result.is_none());
                if let Some((_, result)) = slot {
                    *result = Some(reply.clone());
                }
            }
            Record::PicturesRefused { .. } => {
                let told = self.messages.iter_mut().filter_map(|message| match message {
                    Message::Tool(reply) => Some(reply),
                    _ => None,
                });
                let open = self.open.iter_mut().filter_map(|(_, reply)| reply.as_mut());
                told.chain(open).for_each(ToolReply::leave_pictures_out);
            }
            Record::TurnClosed { .. } => self.flush(),
            Record::ToolStarted { .. }
            | Record::State { .. }
            | Record::Node { .. }
            | Record::Head { .. }
            | Record::KernelRestarted
            | Record::Note { .. }
            | Record::Unknown => {}
        }
    }

    fn flush(&mut self) {
        for (call, result) in self.open.drain(..) {
            self.messages.push(Message::Tool(result.unwrap_or_else(|| ToolReply {
                call: call.id,
                tool: call.name,
                status: ToolStatus::Cancelled,
                output: UNFINISHED.to_owned(),
                unfinished: false,
                images: Vec::new(),
            })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{CallId, TurnId, TurnOutcome};

    #[test]
    fn pictures_that_were_refused_are_shown_no_more_and_those_that_come_after_are() {
        let seen = |id: &str| {
            let image = crate::protocol::ImageData {
                media_type: "image/png".to_owned(),
                base64: "QUJD".to_owned(),
                path: Some(format!("/m/{id}.png")),
            };
            let (call, tool) = (CallId(id.to_owned()), "read".to_owned());
            let reply = ToolReply {
                call,
                tool,
                status: ToolStatus::Ok,
                output: id.to_owned(),
                unfinished: false,
                images: vec![image],
            };
            Record::ToolFinished {
                turn: None,
                reply,
                duration_ms: 1,
                spill: None,
                diff: None,
                pictures: Vec::new(),
                artifacts: Vec::new(),
            }
        };
        let records = [
            opened("look"),
            said("", &["a"]),
            seen("a"),
            said("", &["b"]),
            seen("b"),
            Record::PicturesRefused { turn: None },
            said("", &["c"]),
            seen("c"),
        ];
        let shown: Vec<(String, usize)> = conversation(&records)
            .into_iter()
            .filter_map(|message| match message {
                Message::Tool(reply) => Some((reply.output, reply.images.len())),
                _ => None,
            })
            .collect();
        assert_eq!(shown.iter().map(|(_, images)| *images).collect::<Vec<_>>(), [0, 0, 1]);
        assert!(shown[0].0.starts_with("a\n[The picture /m/a.png (image/png) is not shown"), "{}", shown[0].0);
    }

    fn opened(text: &str) -> Record {
        Record::TurnOpened { turn: TurnId::now(), parent: None, text: text.to_owned(), attachments: Vec::new() }
    }

    fn said(text: &str, calls: &[&str]) -> Record {
        Record::Assistant {
            turn: None,
            text: text.to_owned(),
            reasoning: None,
            tool_calls: calls
                .iter()
                .map(|id| ToolCall { id: CallId((*id).to_owned()), name: "shell".into(), arguments: "{}".into() })
                .collect(),
            model: String::new(),
        }
    }

    fn finished(call: &str, output: &str) -> Record {
        Record::ToolFinished {
            turn: None,
            reply: ToolReply {
                call: CallId(call.to_owned()),
                tool: "shell".into(),
                status: ToolStatus::Ok,
                output: output.to_owned(),
                unfinished: false,
                images: Vec::new(),
            },
            duration_ms: 1,
            spill: None,
            diff: None,
            pictures: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    fn shape(records: &[Record]) -> Vec<String> {
        conversation(records)
            .into_iter()
            .map(|message| match message {
                Message::System { .. } => "system".to_owned(),
                Message::User { text, .. } => format!("user {text}"),
                Message::Assistant { text, tool_calls, .. } => format!("assistant {text} +{}", tool_calls.len()),
                Message::Tool(reply) => format!("tool {} {}", reply.call, reply.output),
            })
            .collect()
    }

    #[test]
    fn results_stand_behind_their_calls_in_the_order_of_the_calls() {
        let records = [
            opened("go"),
            said("", &["a", "b"]),
            finished("b", "second"),
            finished("a", "first"),
            finished("a", "twice"),
            said("done", &[]),
        ];
        assert_eq!(shape(&records), ["user go", "assistant  +2", "tool a first", "tool b second", "assistant done +0"]);
    }

    #[test]
    fn an_unfinished_call_gets_a_cancelled_result() {
        let records = [opened("go"), said("", &["a", "b"]), finished("a", "first")];
        assert_eq!(shape(&records), ["user go", "assistant  +2", "tool a first", &format!("tool b {UNFINISHED}")]);
        let closed =
            Record::TurnClosed { turn: TurnId::now(), outcome: TurnOutcome::Interrupted, reply: String::new() };
        let records = [opened("go"), said("", &["a"]), closed, finished("a", "late"), opened("next")];
        assert_eq!(shape(&records), ["user go", "assistant  +1", &format!("tool a {UNFINISHED}"), "user next"]);
    }

    #[test]
    fn what_tools_did_without_a_model_is_left_out() {
        let records = [finished("x", "by hand"), opened("go"), said("", &[]), said("yes", &[])];
        assert_eq!(shape(&records), ["user go", "assistant yes +0"]);
    }
}
