//! Frames of a streamed reply, each `data: {..}` and a blank line.

use serde_json::{Value, json};

/// A frame with any JSON value.
pub fn raw(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn delta(delta: &Value, finish: Option<&str>) -> String {
    raw(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_763_800_000, "model": "fake-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    }))
}

/// More text.
pub fn text(text: &str) -> String {
    delta(&json!({"content": text}), None)
}

/// More reasoning, in the field of Moonshot and DeepSeek.
pub fn reasoning(text: &str) -> String {
    delta(&json!({"reasoning_content": text}), None)
}

/// The beginning of a call, or all of it.
pub fn call(index: usize, id: &str, name: &str, arguments: &str) -> String {
    let function = json!({"name": name, "arguments": arguments});
    delta(&json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}), None)
}

/// A fragment of a call's arguments.
pub fn args(index: usize, fragment: &str) -> String {
    delta(&json!({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}), None)
}

/// The end of the reply as the endpoint names it.
pub fn finish(reason: &str) -> String {
    delta(&json!({}), Some(reason))
}

/// Token counts, in a frame without choices.
pub fn usage(input: u64, output: u64, cached: u64) -> String {
    raw(&json!({"object": "chat.completion.chunk", "choices": [], "usage": {
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached}
    }}))
}

/// An error object inside the stream.
pub fn error(message: &str, code: &Value) -> String {
    raw(&json!({"error": {"message": message, "code": code}}))
}

/// The end of the stream.
pub fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}
