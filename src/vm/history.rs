//! The conversation in memory: a fold over [`Fact`]s, live and after a resume alike.
//!
//! What holds at any moment, whatever facts came in and in whatever order tools ended:
//! - every tool call has exactly one result, and the results of a reply stand in the order of its calls;
//! - call ids are unique within the conversation;
//! - the messages of turns that are closed never change, so that an endpoint's cache of the prefix stays good; only
//!   pictures that the endpoint refuses are taken out of them, as it would refuse every later request as well.
//!
//! A call without a result (the process died while it ran) is given one when messages are made, not when facts are
//! applied: a result that comes later still takes its place.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::protocol::{Attachment, CallId, Event, Message, ToolCall, ToolReply, TurnId, TurnOutcome};
use crate::session::{Record, SpillRef};
use crate::support::truncate;

use super::effect::{Fact, SpilledOutput};
use super::machine::cancelled;

/// What stands in for the result of a call that never got one.
const NO_RESULT: &str = "No result: okcvm ended while this call was running. What it did until then is unknown.";

/// One reply of the model with the results of its calls, in the order of the calls.
#[derive(Debug, Clone)]
struct Step {
    text: String,
    reasoning: Option<String>,
    calls: Vec<(ToolCall, Option<ToolReply>)>,
}

/// One turn.
#[derive(Debug, Clone)]
struct Entry {
    turn: Option<TurnId>,
    text: String,
    attachments: Vec<Attachment>,
    steps: Vec<Step>,
    outcome: Option<TurnOutcome>,
}

/// The conversation from the first message to the latest.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    ids: HashSet<CallId>,
    /// What calls left beside their replies, as screens are told of it.
    details: Vec<Event>,
}

impl History {
    /// The conversation that these facts tell, oldest first.
    pub fn of(facts: &[Fact]) -> Self {
        let mut history = Self::default();
        for fact in facts {
            history.apply(fact);
        }
        history
    }

    /// Takes in one fact. Facts that fit nowhere (a result of an unknown call) change nothing.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::TurnOpened { turn, text, attachments } => self.entries.push(Entry {
                turn: Some(*turn),
                text: text.clone(),
                attachments: attachments.clone(),
                steps: Vec::new(),
                outcome: None,
            }),
            Fact::Assistant { text, reasoning, tool_calls } => {
                self.ids.extend(tool_calls.iter().map(|call| call.id.clone()));
                let calls = tool_calls.iter().map(|call| (call.clone(), None)).collect();
                let step = Step { text: text.clone(), reasoning: reasoning.clone(), calls };
                self.latest().steps.push(step);
            }
            Fact::ToolStarted { .. } => {}
            Fact::ToolFinished { reply, spill, diff, pictures, .. } => {
                if spill.is_some() || diff.is_some() || !pictures.is_empty() {
                    let spill = spill.as_ref().map(|spill| spill.path.clone());
                    let (diff, pictures) = (diff.clone(), pictures.clone());
                    self.details.push(Event::ToolDetail { call: reply.call.clone(), spill, diff, pictures });
                }
                let steps = self.entries.iter_mut().rev().flat_map(|entry| entry.steps.iter_mut().rev());
                let slot = steps.flat_map(|step| step.calls.iter_mut()).find(|(call, _)| call.id == reply.call);
                if let Some((_, slot @ None)) = slot {
                    *slot = Some(reply.clone());
                }
            }
            Fact::PicturesRefused => {
                let steps = self.entries.iter_mut().flat_map(|entry| &mut entry.steps);
                let replies = steps.flat_map(|step| &mut step.calls).filter_map(|(_, reply)| reply.as_mut());
                replies.for_each(ToolReply::leave_pictures_out);
            }
            Fact::TurnClosed { outcome } => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.outcome = Some(*outcome);
                }
            }
        }
    }

    /// The entry that replies belong to.
    fn latest(&mut self) -> &mut Entry {
        if self.entries.is_empty() {
            self.entries.push(Entry {
                turn: None,
                text: String::new(),
                attachments: Vec::new(),
                steps: Vec::new(),
                outcome: None,
            });
        }
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    /// Renames call ids that were used before: some endpoints number the calls of each reply from zero, and a result
    /// must name one call only.
    pub fn make_unique(&self, calls: &mut [ToolCall]) {
        let mut taken = HashSet::new();
        for call in calls {
            let wanted = if call.id.0.is_empty() { "call".to_owned() } else { call.id.0.clone() };
            let mut id = CallId(wanted.clone());
            let mut number = 2u32;
            while id.0.is_empty() || self.ids.contains(&id) || taken.contains(&id) {
                id = CallId(format!("{wanted}-{number}"));
                number += 1;
            }
            taken.insert(id.clone());
            call.id = id;
        }
    }

    /// Whether anything was said yet.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.steps.is_empty() && !entry.has_user_message())
    }

    /// The latest turn.
    pub fn latest_turn(&self) -> Option<TurnId> {
        self.entries.last().and_then(|entry| entry.turn)
    }

    /// Every file that the user gave along so far; of two with the same path the later one.
    pub fn attachments(&self) -> Vec<Attachment> {
        let mut all: Vec<Attachment> = Vec::new();
        for attachment in self.entries.iter().flat_map(|entry| &entry.attachments) {
            all.retain(|earlier| earlier.path != attachment.path);
            all.push(attachment.clone());
        }
        all
    }

    /// The conversation for screens.
    pub fn messages(&self) -> Vec<Message> {
        let mut out = Vec::new();
        for entry in &self.entries {
            if entry.has_user_message() {
                out.push(Message::User { text: entry.text.clone(), attachments: entry.attachments.clone() });
            }
            entry.push_steps(&mut out);
        }
        out
    }

    /// The calls with their results, oldest first.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&ToolCall, Option<&ToolReply>)> {
        let steps = self.entries.iter().flat_map(|entry| &entry.steps);
        steps.flat_map(|step| step.calls.iter().map(|(call, reply)| (call, reply.as_ref())))
    }

    /// Where the whole outputs lie and what edits changed, for screens that show the conversation anew.
    pub fn details(&self) -> Vec<Event> {
        self.details.clone()
    }

    /// The conversation for the model: attachments are named in the text, and a turn that did not end by itself says
    /// so, because a model that sees half a sentence and then a new question tends to go on with the old one.
    pub fn request_messages(&self) -> Vec<Message> {
        let mut out = Vec::new();
        for (number, entry) in self.entries.iter().enumerate() {
            if entry.has_user_message() {
                out.push(Message::User { text: entry.text_with_attachments(), attachments: Vec::new() });
            }
            let start = out.len();
            entry.push_steps(&mut out);
            let is_open = number + 1 == self.entries.len() && entry.outcome.is_none();
            if !is_open
                && let Some(note) = entry.note()
                && (out.len() > start || entry.has_user_message())
            {
                match out[start..].last_mut() {
                    Some(Message::Assistant { text, tool_calls, .. }) if tool_calls.is_empty() => {
                        *text = format!("{text}\n\n{note}");
                    }
                    _ => {
                        let text = note.to_owned();
                        out.push(Message::Assistant { text, reasoning: None, tool_calls: Vec::new() });
                    }
                }
            }
        }
        out
    }
}

/// What the records of a path tell of the conversation; the others are left out. Whole outputs are looked for in the
/// folder `spill`.
pub(super) fn facts(records: Vec<Record>, spill: &Path) -> Vec<Fact> {
    let whole = |SpillRef { sha256, bytes }: SpillRef| {
        let path = spill.join(&sha256);
        path.is_file().then_some(SpilledOutput { path, sha256, bytes })
    };
    let fact = |record| match record {
        Record::TurnOpened { turn, text, attachments, .. } => Some(Fact::TurnOpened { turn, text, attachments }),
        Record::Assistant { text, reasoning, tool_calls, .. } => Some(Fact::Assistant { text, reasoning, tool_calls }),
        // Calls by hand answer no reply.
        Record::ToolFinished { turn: Some(_), reply, duration_ms, spill, diff, pictures } => {
            Some(Fact::ToolFinished { reply, duration_ms, spill: spill.and_then(whole), diff, pictures })
        }
        Record::PicturesRefused { .. } => Some(Fact::PicturesRefused),
        Record::TurnClosed { outcome, .. } => Some(Fact::TurnClosed { outcome }),
        _ => None,
    };
    records.into_iter().filter_map(fact).collect()
}

impl Entry {
    /// A turn of `okcvm tool call` has none.
    fn has_user_message(&self) -> bool {
        !self.text.is_empty() || !self.attachments.is_empty()
    }

    fn text_with_attachments(&self) -> String {
        let mut text = self.text.clone();
        if !self.attachments.is_empty() {
            text.push_str("\n\nAttached files:");
            for Attachment { path, bytes, .. } in &self.attachments {
                // Writing to a string cannot fail.
                let _ = write!(text, "\n- {path} ({})", truncate::bytes(*bytes));
            }
        }
        text
    }

    fn push_steps(&self, out: &mut Vec<Message>) {
        for step in &self.steps {
            out.push(Message::Assistant {
                text: step.text.clone(),
                reasoning: step.reasoning.clone(),
                tool_calls: step.calls.iter().map(|(call, _)| call.clone()).collect(),
            });
            out.extend(step.calls.iter().map(|(call, reply)| {
                Message::Tool(reply.clone().unwrap_or_else(|| cancelled(call.id.clone(), call.name.clone(), NO_RESULT)))
            }));
        }
    }

    fn note(&self) -> Option<&'static str> {
        match self.outcome {
            Some(TurnOutcome::Completed) => None,
            Some(TurnOutcome::Interrupted) => Some("[The turn was stopped here.]"),
            Some(TurnOutcome::Failed) => Some("[The turn ended here because of an error.]"),
            None => Some("[The turn ended here because okcvm was ended.]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ToolStatus;

    fn opened(text: &str) -> Fact {
        Fact::TurnOpened { turn: TurnId(uuid::Uuid::nil()), text: text.to_owned(), attachments: Vec::new() }
    }

    fn said(text: &str, calls: &[&str]) -> Fact {
        let call =
            |id: &&str| ToolCall { id: CallId((*id).to_owned()), name: "t".to_owned(), arguments: "{}".to_owned() };
        Fact::Assistant { text: text.to_owned(), reasoning: None, tool_calls: calls.iter().map(call).collect() }
    }

    fn finished(id: &str, output: &str) -> Fact {
        let reply = ToolReply {
            call: CallId(id.to_owned()),
            tool: "t".to_owned(),
            status: ToolStatus::Ok,
            output: output.to_owned(),
            images: Vec::new(),
        };
        Fact::ToolFinished { reply, duration_ms: 1, spill: None, diff: None, pictures: Vec::new() }
    }

    fn closed(outcome: TurnOutcome) -> Fact {
        Fact::TurnClosed { outcome }
    }

    /// `u` user, `a` assistant, `t` tool, each with its text.
    fn shape(messages: &[Message]) -> Vec<String> {
        messages
            .iter()
            .map(|message| match message {
                Message::System { text } => format!("s {text}"),
                Message::User { text, .. } => format!("u {text}"),
                Message::Assistant { text, .. } => format!("a {text}"),
                Message::Tool(reply) => format!("t {} {}", reply.call, reply.output),
            })
            .collect()
    }

    #[test]
    fn results_stand_in_the_order_of_the_calls_whatever_ended_first() {
        let history = History::of(&[
            opened("go"),
            said("", &["a", "b", "c"]),
            finished("c", "3"),
            finished("a", "1"),
            finished("b", "2"),
        ]);
        assert_eq!(shape(&history.request_messages()), ["u go", "a ", "t a 1", "t b 2", "t c 3"]);
    }

    #[test]
    fn a_call_without_a_result_is_given_one_and_no_call_has_two() {
        let mut history =
            History::of(&[opened("go"), said("", &["a", "b"]), finished("b", "2"), finished("b", "again")]);
        assert_eq!(shape(&history.messages()), ["u go", "a ", &format!("t a {NO_RESULT}"), "t b 2"]);
        history.apply(&finished("a", "late"));
        history.apply(&finished("unknown", "x"));
        assert_eq!(shape(&history.messages()), ["u go", "a ", "t a late", "t b 2"]);
    }

    #[test]
    fn the_model_is_told_how_a_turn_ended_that_did_not_end_by_itself() {
        let mut history = History::of(&[
            opened("one"),
            said("Half a sen", &[]),
            closed(TurnOutcome::Interrupted),
            opened("two"),
            closed(TurnOutcome::Failed),
            opened("three"),
            said("", &["a"]),
            opened("four"),
            said("Fine.", &[]),
            closed(TurnOutcome::Completed),
            opened("five"),
        ]);
        let request = shape(&history.request_messages());
        assert_eq!(
            request,
            [
                "u one",
                "a Half a sen\n\n[The turn was stopped here.]",
                "u two",
                "a [The turn ended here because of an error.]",
                "u three",
                "a ",
                &format!("t a {NO_RESULT}"),
                "a [The turn ended here because okcvm was ended.]",
                "u four",
                "a Fine.",
                "u five"
            ]
        );
        assert_eq!(shape(&history.messages())[..3], ["u one", "a Half a sen", "u two"], "screens see what was said");
        history.apply(&said("more", &[]));
        assert_eq!(shape(&history.request_messages())[..11], request[..], "the prefix never changes");
    }

    #[test]
    fn ids_are_made_unique_within_the_conversation() {
        let history = History::of(&[opened("go"), said("", &["call_0", "call_0-2"]), finished("call_0", "x")]);
        let Fact::Assistant { mut tool_calls, .. } = said("", &["call_0", "call_0", "", "", "new"]) else {
            unreachable!()
        };
        history.make_unique(&mut tool_calls);
        let ids: Vec<&str> = tool_calls.iter().map(|call| call.id.0.as_str()).collect();
        assert_eq!(ids, ["call_0-3", "call_0-4", "call", "call-2", "new"]);
    }

    #[test]
    fn attachments_are_named_to_the_model_and_listed_once() {
        let file = |bytes| Attachment { name: "a.csv".into(), path: "/mnt/x/uploads/a.csv".into(), bytes };
        let with = |bytes| Fact::TurnOpened {
            turn: TurnId(uuid::Uuid::nil()),
            text: "look".into(),
            attachments: vec![file(bytes)],
        };
        let history = History::of(&[with(10), closed(TurnOutcome::Completed), with(2048)]);
        assert_eq!(history.attachments(), [file(2048)]);
        let request = shape(&history.request_messages());
        assert!(request[0].starts_with("u look\n\nAttached files:\n- /mnt/x/uploads/a.csv ("), "{}", request[0]);
    }

    #[test]
    fn tool_calls_by_hand_are_no_part_of_the_conversation() {
        let mut history = History::of(&[opened(""), finished("x", "by hand"), closed(TurnOutcome::Completed)]);
        assert!(history.is_empty());
        assert!(history.request_messages().is_empty());
        history.apply(&opened("hi"));
        assert_eq!(shape(&history.request_messages()), ["u hi"]);
    }
}
