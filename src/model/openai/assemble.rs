//! Puts a reply together from the chunks of a stream, or from one whole body.
//!
//! Pure. Which call a fragment belongs to is the business of `calls`.

use serde::Deserialize;
use serde_json::Value;

use super::calls::{Calls, Fragment};
use super::fault::{Fault, error_object, excerpt};
use super::sse::Frame;
use crate::model::{ModelEvent, Reply};

/// Token counts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tokens {
    pub input: u64,
    pub output: u64,
    pub cached: u64,
}

/// Puts one reply together.
#[derive(Debug, Default)]
pub struct Assembler {
    seed: String,
    text: String,
    reasoning: String,
    calls: Calls,
    finish_reason: Option<String>,
    tokens: Option<Tokens>,
    done: bool,
    names_reasoning_content: bool,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
    object: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u64>,
    delta: Option<Delta>,
    message: Option<Delta>,
    finish_reason: Option<Value>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Value>,
    refusal: Option<Value>,
    reasoning_content: Option<Value>,
    reasoning: Option<Value>,
    tool_calls: Option<Vec<Fragment>>,
}

impl Assembler {
    /// An empty reply. `seed` goes into the ids of calls to which the endpoint gives none.
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into(), ..Self::default() }
    }

    /// Takes the next frame of a stream and appends what it brings to `events`.
    pub fn frame(&mut self, frame: &Frame, events: &mut Vec<ModelEvent>) -> Result<(), Fault> {
        let data = frame.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        if frame.event == "error" {
            let value = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
            return Err(error_object(value.get("error").unwrap_or(&value)));
        }
        if data.is_empty() || frame.event == "ping" {
            return Ok(());
        }
        self.value(data.as_bytes(), events).map(drop)
    }

    /// Takes a whole reply, as an endpoint that does not stream sends it.
    pub fn body(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), Fault> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if self.value(body, events)? {
            self.done = true;
            return Ok(());
        }
        Err(Fault::NotUnderstood(excerpt(&String::from_utf8_lossy(body))))
    }

    /// Reads one JSON object; tells whether it had choices.
    fn value(&mut self, json: &[u8], events: &mut Vec<ModelEvent>) -> Result<bool, Fault> {
        let chunk: Chunk = match serde_json::from_slice(json) {
            Ok(chunk) => chunk,
            Err(_) => return Err(Fault::NotUnderstood(excerpt(&String::from_utf8_lossy(json)))),
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(error_object(&error));
        }
        if chunk.choices.is_none() && chunk.object.is_some_and(|object| object == "error") {
            let whole: Value = serde_json::from_slice(json).unwrap_or_default();
            return Err(error_object(&whole));
        }
        self.take_usage(chunk.usage.as_ref());
        let known = chunk.choices.is_some();
        for choice in chunk.choices.unwrap_or_default() {
            if choice.index.unwrap_or(0) == 0 {
                self.take_choice(choice, events)?;
            }
        }
        Ok(known)
    }

    fn take_choice(&mut self, choice: Choice, events: &mut Vec<ModelEvent>) -> Result<(), Fault> {
        if let Some(error) = choice.error.filter(|error| !error.is_null()) {
            return Err(error_object(&error));
        }
        self.take_usage(choice.usage.as_ref());
        for delta in [choice.delta, choice.message].into_iter().flatten() {
            self.take_delta(delta, events);
        }
        if let Some(Value::String(reason)) = choice.finish_reason
            && !reason.is_empty()
        {
            self.finish_reason = Some(reason);
        }
        Ok(())
    }

    fn take_delta(&mut self, delta: Delta, events: &mut Vec<ModelEvent>) {
        // Some endpoints send the same words under both names.
        let mut reasoning = plain(delta.reasoning_content);
        if reasoning.is_empty() {
            reasoning = plain(delta.reasoning);
        } else {
            self.names_reasoning_content = true;
        }
        let mut text = String::new();
        match delta.content {
            Some(Value::Array(parts)) => {
                for part in &parts {
                    if part["type"] == "thinking" {
                        part_text(&part["thinking"], &mut reasoning);
                    } else {
                        part_text(part, &mut text);
                    }
                }
            }
            content => text = plain(content),
        }
        if text.is_empty() {
            text = plain(delta.refusal);
        }
        if !reasoning.is_empty() {
            self.reasoning.push_str(&reasoning);
            events.push(ModelEvent::Reasoning(reasoning));
        }
        if !text.is_empty() {
            self.text.push_str(&text);
            events.push(ModelEvent::Text(text));
        }
        for fragment in delta.tool_calls.unwrap_or_default() {
            self.calls.take(fragment);
        }
    }

    fn take_usage(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
        let count = |names: &[&str]| {
            let known = names.iter().find_map(|name| usage.pointer(name).and_then(Value::as_f64));
            known.map_or(0, |count| count.max(0.0) as u64)
        };
        let tokens = Tokens {
            input: count(&["/prompt_tokens", "/input_tokens"]),
            output: count(&["/completion_tokens", "/output_tokens"]),
            cached: count(&["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"]),
        };
        if tokens != Tokens::default() {
            self.tokens = Some(tokens);
        }
    }

    /// Whether the endpoint marked the end of the stream.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether nothing can be missing: a reason for the end came, and every call's arguments are whole.
    pub fn looks_whole(&self) -> bool {
        self.finish_reason.is_some() && self.calls_are_whole()
    }

    /// Whether a reason for the end came.
    pub(super) fn has_finish_reason(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Whether no call waits for more of its arguments.
    pub(super) fn calls_are_whole(&self) -> bool {
        self.calls.are_whole()
    }

    /// Whether the endpoint names its reasoning `reasoning_content`.
    pub(super) fn names_reasoning_content(&self) -> bool {
        self.names_reasoning_content
    }

    /// The token counts that came.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// The reply.
    pub fn finish(self) -> Reply {
        Reply {
            text: self.text,
            reasoning: Some(self.reasoning).filter(|reasoning| !reasoning.is_empty()),
            tool_calls: self.calls.finish(&self.seed),
            finish_reason: self.finish_reason,
        }
    }
}

/// A string, or the texts of parts; nothing for all else.
fn plain(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(parts @ Value::Array(_)) => {
            let mut text = String::new();
            part_text(&parts, &mut text);
            text
        }
        _ => String::new(),
    }
}

fn part_text(part: &Value, text: &mut String) {
    match part {
        Value::String(words) => text.push_str(words),
        Value::Array(parts) => parts.iter().for_each(|part| part_text(part, text)),
        Value::Object(fields) => text.push_str(fields.get("text").and_then(Value::as_str).unwrap_or_default()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assemble(deltas: &[Value]) -> Reply {
        let mut assembler = Assembler::new("seed");
        let mut events = Vec::new();
        for delta in deltas {
            let data = json!({"choices": [{"index": 0, "delta": delta}]}).to_string();
            assembler.frame(&Frame { event: String::new(), data }, &mut events).expect("frame");
        }
        assembler.finish()
    }

    #[test]
    fn content_may_be_parts_and_reasoning_has_two_names() {
        let reply = assemble(&[
            json!({"reasoning_content": "a", "reasoning": "a"}),
            json!({"reasoning": "b"}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}]}]}),
            json!({"content": [{"type": "text", "text": "x"}, "y"]}),
            json!({"content": "z", "tool_calls": null}),
        ]);
        assert_eq!((reply.reasoning.as_deref(), reply.text.as_str()), (Some("abc"), "xyz"));
    }

    #[test]
    fn usage_is_found_wherever_it_stands() {
        for chunk in [
            json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}}),
            json!({"choices": [{"delta": {}, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 4}}]}),
            json!({"usage": {"prompt_tokens": 5.0, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}}),
        ] {
            let mut assembler = Assembler::new("");
            let frame = Frame { event: String::new(), data: chunk.to_string() };
            assembler.frame(&frame, &mut Vec::new()).expect("frame");
            assert_eq!(assembler.tokens(), Some(Tokens { input: 5, output: 2, cached: 4 }), "{chunk}");
        }
    }

    #[test]
    fn errors_are_found_in_all_their_shapes() {
        for (event, data) in [
            ("", json!({"error": {"message": "broken", "code": 502}}).to_string()),
            ("", json!({"error": "broken"}).to_string()),
            ("", json!({"object": "error", "message": "broken", "code": 400}).to_string()),
            (
                "",
                json!({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "broken"}}]})
                    .to_string(),
            ),
            ("error", json!({"message": "broken"}).to_string()),
            ("error", "broken".to_owned()),
        ] {
            let frame = Frame { event: event.to_owned(), data };
            let fault = Assembler::new("").frame(&frame, &mut Vec::new()).expect_err("an error");
            assert!(matches!(&fault, Fault::Reported { message, .. } if message == "broken"), "{frame:?}: {fault:?}");
        }
    }
}
