//! The conversation in memory: a fold over [`Fact`]s, live and after a resume alike.
//!
//! What holds at any moment, whatever facts came in and in whatever order tools ended:
//! - every tool call has exactly one result, and the results of a reply stand in the order of its calls;
//! - call ids are unique within the conversation;
//! - the messages of turns that are closed never change, so that an endpoint's cache of the prefix stays good; only
//!   pictures that the endpoint refuses are taken out of them, as it would refuse every later request as well, and
//!   pictures of pages that have long changed go in one step of several, as each of them costs in every request.
//!
//! A call without a result (the process died while it ran) is given one when messages are made, not when facts are
//! applied: a result that comes later still takes its place.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::protocol::{
    Artifact, Attachment, CallId, Event, ImageData, Message, ToolCall, ToolReply, TurnId, TurnOutcome,
};
use crate::session::{Record, SpillRef};
use crate::support::truncate;

use super::effect::{Fact, SpilledOutput};
use super::machine::cancelled;

/// What stands in for the result of a call that never got one.
const NO_RESULT: &str = "No result: okcvm ended while this call was running. What it did until then is unknown.";

/// Pictures that are no files and stay in the conversation at least; less than twice as many do.
const PICTURES: usize = 4;

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
    /// What was made for the user.
    artifacts: Vec<Artifact>,
    /// How many calls there were when the user asked for a fresh kernel last.
    before_restart: usize,
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
            Fact::ToolFinished { reply, spill, diff, pictures, artifacts, .. } => {
                self.artifacts.extend(artifacts.iter().cloned());
                if spill.is_some() || diff.is_some() || !pictures.is_empty() {
                    let spill = spill.as_ref().map(|spill| spill.path.clone());
                    let (diff, pictures) = (diff.clone(), pictures.clone());
                    self.details.push(Event::ToolDetail { call: reply.call.clone(), spill, diff, pictures });
                }
                let steps = self.entries.iter_mut().rev().flat_map(|entry| entry.steps.iter_mut().rev());
                let slot = steps.flat_map(|step| step.calls.iter_mut()).find(|(call, _)| call.id == reply.call);
                if let Some((_, slot @ None)) = slot {
                    *slot = Some(reply.clone());
                    self.forget_old_pictures();
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
            Fact::KernelRestarted => self.before_restart = self.calls().count(),
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

    /// The calls since the user asked for a fresh kernel last, or all.
    pub(super) fn calls_of_kernel(&self) -> impl Iterator<Item = (&ToolCall, Option<&ToolReply>)> {
        self.calls().skip(self.before_restart)
    }

    /// Where the whole outputs lie and what edits changed, for screens that show the conversation anew.
    pub fn details(&self) -> Vec<Event> {
        self.details.clone()
    }

    /// Everything that was made for the user, oldest first.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
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
        out.iter_mut().for_each(leave_forgotten_out);
        out
    }

    /// Forgets the oldest pictures that are no files, where there are many: `PICTURES` at a time, so that what was sent
    /// before stays the same for as many further pictures.
    fn forget_old_pictures(&mut self) {
        let steps = self.entries.iter_mut().flat_map(|entry| &mut entry.steps);
        let replies = steps.flat_map(|step| &mut step.calls).filter_map(|(_, reply)| reply.as_mut());
        let kept = |image: &&mut ImageData| image.path.is_none() && !image.base64.is_empty();
        let mut pictures: Vec<&mut ImageData> = replies.flat_map(|reply| &mut reply.images).filter(kept).collect();
        if pictures.len() >= 2 * PICTURES {
            pictures.iter_mut().take(PICTURES).for_each(|image| image.base64 = String::new());
        }
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
        Record::ToolFinished { turn: Some(_), reply, duration_ms, spill, diff, pictures, artifacts } => {
            let spill = spill.and_then(whole);
            Some(Fact::ToolFinished { reply, duration_ms, spill, diff, pictures, artifacts })
        }
        Record::PicturesRefused { .. } => Some(Fact::PicturesRefused),
        Record::TurnClosed { outcome, .. } => Some(Fact::TurnClosed { outcome }),
        Record::KernelRestarted => Some(Fact::KernelRestarted),
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

/// Says of the pictures that are forgotten that there were some.
fn leave_forgotten_out(message: &mut Message) {
    let Message::Tool(reply) = message else { return };
    let before = reply.images.len();
    reply.images.retain(|image| !image.base64.is_empty());
    if reply.images.len() < before {
        reply.output.push_str("\n[The picture of then is left out by now.]");
    }
}

#[cfg(test)]
mod tests;
