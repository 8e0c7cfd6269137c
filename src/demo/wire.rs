//! A step in the words of the wire format: frames of a stream, or one body.

use serde_json::{Value, json};

use super::scene::Scene;
use super::script::Step;

/// The model's name.
pub(super) const MODEL: &str = "okcvm-demo (scripted)";

/// One frame of a stream and how many tokens it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paced {
    pub frame: String,
    pub tokens: u32,
}

/// About how many characters a token is.
pub(super) const TOKEN: u64 = 4;

/// About how many tokens a text is.
pub(super) fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(TOKEN)
}

/// The pieces in which a model would say a text: about a word each, at most a handful of characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut length = 0;
    for (at, c) in text.char_indices() {
        if length >= 6 || (length > 0 && c.is_whitespace()) {
            pieces.push(&text[start..at]);
            (start, length) = (at, 0);
        }
        length += 1;
    }
    pieces.push(&text[start..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn calls(scene: &Scene, step: &Step) -> Vec<(String, String, String)> {
    let call = |(n, call): (usize, &super::script::Call)| {
        (format!("call_{}_{n}", scene.messages), format!("mshtools-{}", call.tool), call.arguments.to_string())
    };
    step.calls.iter().enumerate().map(call).collect()
}

fn finish_reason(step: &Step) -> &'static str {
    if step.calls.is_empty() { "stop" } else { "tool_calls" }
}

fn usage(scene: &Scene, step: &Step, request_bytes: usize) -> Value {
    let input = (request_bytes as u64).div_ceil(4);
    let written: u64 = step.calls.iter().map(|call| tokens(&call.arguments.to_string())).sum();
    let output = tokens(&step.reasoning) + tokens(&step.text) + written;
    let cached = if scene.is_first_reply { 0 } else { input * 3 / 4 };
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached}
    })
}

/// The frames of a step, `[DONE]` included.
pub(super) fn frames(scene: &Scene, step: &Step, request_bytes: usize, with_usage: bool) -> Vec<Paced> {
    let id = format!("demo-{}", scene.messages);
    let chunk = |choices: Value, usage: Option<&Value>| {
        let mut chunk = json!({"id": id, "object": "chat.completion.chunk", "model": MODEL, "choices": choices});
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let mut frames = Vec::new();
    let mut delta = |delta: Value, finish: Option<&str>, tokens: u32| {
        let frame = chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), None);
        frames.push(Paced { frame, tokens });
    };
    delta(json!({"role": "assistant", "content": ""}), None, 0);
    for piece in pieces(&step.reasoning) {
        delta(json!({"reasoning_content": piece}), None, 1);
    }
    for piece in pieces(&step.text) {
        delta(json!({"content": piece}), None, 1);
    }
    for (n, (id, name, arguments)) in calls(scene, step).iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        delta(json!({"tool_calls": [{"index": n, "id": id, "type": "function", "function": function}]}), None, 2);
        let mut rest = arguments.as_str();
        while !rest.is_empty() {
            let end = rest.char_indices().nth(24).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(end);
            // Models write arguments in larger lumps than prose; six characters a token.
            delta(json!({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}), None, 4);
            rest = after;
        }
    }
    delta(json!({}), Some(finish_reason(step)), 0);
    if with_usage {
        frames.push(Paced { frame: chunk(json!([]), Some(&usage(scene, step, request_bytes))), tokens: 0 });
    }
    frames.push(Paced { frame: "data: [DONE]\n\n".to_owned(), tokens: 0 });
    frames
}

/// The same step as one body.
pub(super) fn body(scene: &Scene, step: &Step, request_bytes: usize) -> Value {
    let call = |(id, name, arguments): (String, String, String)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls: Vec<Value> = calls(scene, step).into_iter().map(call).collect();
    let mut message = json!({"role": "assistant", "content": step.text, "reasoning_content": step.reasoning});
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    json!({
        "id": format!("demo-{}", scene.messages), "object": "chat.completion", "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(step)}],
        "usage": usage(scene, step, request_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_short_and_lose_nothing() {
        for text in ["", "one", "Hello, world: a  longer\n\nsentence. 世界世界世界世界 🌍", "    "] {
            let pieces = pieces(text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= 6), "{pieces:?}");
        }
    }
}
