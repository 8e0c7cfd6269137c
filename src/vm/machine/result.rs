//! What becomes of a call's result, and of a call that has none: records and events, in their order.

use std::fmt::Write as _;

use crate::protocol::{Artifact, CallId, Event, ToolCall, ToolReply, ToolStatus};

use super::super::effect::{Effect, Fact, ToolResult};
use super::super::turn::{Turn, Verdict};

/// The event of a call that begins.
pub(super) fn started(call: &ToolCall) -> Event {
    let arguments = if call.arguments.trim().is_empty() {
        serde_json::json!({})
    } else {
        serde_json::from_str(&call.arguments).unwrap_or_else(|_| call.arguments.clone().into())
    };
    Event::ToolStarted { call: call.id.clone(), tool: call.name.clone(), arguments }
}

/// Records the result of a call; `None` when the call is not open (its result came already).
pub(super) fn finish(turn: &mut Turn, mut result: ToolResult, out: &mut Vec<Effect>) -> Option<Verdict> {
    let call = turn.calls.finish(&result.reply.call)?;
    let verdict = turn.guard.saw(&call, &result.reply);
    if let Verdict::Tell(times) = verdict {
        // Writing to a string cannot fail.
        let _ = write!(
            result.reply.output,
            "\n\n[okcvm: this is the same call with the same result, {times} times in a row. Repeating it will not \
             change anything: try something else, or tell the user what stands in the way.]"
        );
    }
    let pictures = result.pictures();
    let ToolResult { reply, duration_ms, artifacts, todos, spill, diff, fatal: _ } = result;
    out.push(Effect::Persist(Fact::ToolFinished {
        reply: reply.clone(),
        duration_ms,
        spill: spill.clone(),
        diff: diff.clone(),
        pictures: pictures.clone(),
        artifacts: artifacts.iter().map(Artifact::for_log).collect(),
    }));
    let id = reply.call.clone();
    out.push(Effect::Emit(finished(reply, duration_ms)));
    if spill.is_some() || diff.is_some() || !pictures.is_empty() {
        let spill = spill.map(|spill| spill.path);
        out.push(Effect::Emit(Event::ToolDetail { call: id, spill, diff, pictures }));
    }
    if let Some(todos) = todos {
        out.push(Effect::Emit(Event::TodoChanged { todos }));
    }
    out.extend(artifacts.into_iter().map(|artifact| Effect::Emit(Event::Artifact(artifact))));
    Some(verdict)
}

fn finished(reply: ToolReply, duration_ms: u64) -> Event {
    let ToolReply { call, tool, status, output, unfinished: _, images: _ } = reply;
    Event::ToolFinished { call, tool, status, duration_ms, output }
}

/// The result of a call that never ran: valid history needs one for each call, and front ends see the pair of events
/// that they see for any other.
pub(super) fn never_ran(call: &ToolCall, why: &str, out: &mut Vec<Effect>) {
    out.push(Effect::Emit(started(call)));
    gave_up(call, why, out);
}

fn gave_up(call: &ToolCall, why: &str, out: &mut Vec<Effect>) {
    let reply = cancelled(call.id.clone(), call.name.clone(), why);
    out.push(Effect::Persist(Fact::ToolFinished {
        reply: reply.clone(),
        duration_ms: 0,
        spill: None,
        diff: None,
        pictures: Vec::new(),
        artifacts: Vec::new(),
    }));
    out.push(Effect::Emit(finished(reply, 0)));
}

/// Gives every open call a result without waiting for any.
pub(super) fn abandon_all(turn: &mut Turn, out: &mut Vec<Effect>) {
    const WHY: &str = "Stopped: the session's log could not be written.";
    for call in turn.calls.take_waiting() {
        never_ran(&call, WHY, out);
    }
    for call in turn.calls.take_all() {
        out.push(Effect::AbandonTool(call.id.clone()));
        gave_up(&call, WHY, out);
    }
}

/// A cancelled result.
pub(in crate::vm) fn cancelled(call: CallId, tool: String, why: &str) -> ToolReply {
    ToolReply {
        call,
        tool,
        status: ToolStatus::Cancelled,
        output: why.to_owned(),
        unfinished: false,
        images: Vec::new(),
    }
}
