//! A conversation in the words of `/chat/completions`.
//!
//! Pure. Three things are sent otherwise than one might think, because endpoints refuse them otherwise:
//!
//! - Pictures of tool results follow in a user message: most endpoints take only text in tool messages.
//! - Arguments that are no JSON object go back as an object that holds the raw text: servers parse them again for
//!   their prompt template and answer 400 or 500 if they cannot.
//! - Reasoning goes back only as `reasoning_content`, only to endpoints that name it so, and only within the open
//!   tool loop (after the latest user message): thinking models of Moonshot and DeepSeek want it there, and refuse or
//!   ignore it elsewhere. Other endpoints get none.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::ChatRequest;
use crate::protocol::{ImageData, Message, ToolReply};

/// What the request depends on besides the conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireOptions<'a> {
    pub model: &'a str,
    pub stream: bool,
    /// Ask for token counts at the end of the stream.
    pub include_usage: bool,
    pub vision: bool,
    /// Send reasoning back as `reasoning_content`.
    pub reasoning_content: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
}

/// The body of a request.
pub(super) fn body(request: &ChatRequest, options: WireOptions<'_>) -> Vec<u8> {
    let tool = |spec: &crate::protocol::ToolSpec| {
        json!({"type": "function", "function": {
            "name": spec.name, "description": spec.description, "parameters": spec.parameters
        }})
    };
    let body = Body {
        model: options.model,
        messages: messages(&request.messages, options),
        tools: request.tools.iter().map(tool).collect(),
        stream: options.stream,
        stream_options: (options.stream && options.include_usage).then(|| json!({"include_usage": true})),
    };
    // Strings, numbers and maps with string keys: this cannot fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn messages(conversation: &[Message], options: WireOptions<'_>) -> Vec<Value> {
    let loop_start = conversation.iter().rposition(|message| matches!(message, Message::User { .. })).unwrap_or(0);
    let mut wire = Vec::with_capacity(conversation.len());
    let mut pictures: Vec<&ToolReply> = Vec::new();
    for (n, message) in conversation.iter().enumerate() {
        if !matches!(message, Message::Tool(_)) {
            show_pictures(&mut pictures, &mut wire);
        }
        match message {
            Message::System { text } => wire.push(json!({"role": "system", "content": text})),
            Message::User { text, .. } => wire.push(json!({"role": "user", "content": text})),
            Message::Assistant { text, reasoning, tool_calls } => {
                if text.is_empty() && tool_calls.is_empty() {
                    continue;
                }
                let content = if text.is_empty() { Value::Null } else { json!(text) };
                let mut entry = json!({"role": "assistant", "content": content});
                if !tool_calls.is_empty() {
                    let call = |call: &crate::protocol::ToolCall| {
                        json!({"id": call.id, "type": "function", "function": {
                            "name": call.name, "arguments": sendable_arguments(&call.arguments)
                        }})
                    };
                    entry["tool_calls"] = tool_calls.iter().map(call).collect();
                    if let Some(reasoning) = reasoning
                        && options.reasoning_content
                        && n > loop_start
                    {
                        entry["reasoning_content"] = json!(reasoning);
                    }
                }
                wire.push(entry);
            }
            Message::Tool(reply) => {
                let content = result_text(reply, options.vision);
                if options.vision && !reply.images.is_empty() {
                    pictures.push(reply);
                }
                wire.push(json!({"role": "tool", "tool_call_id": reply.call, "content": content}));
            }
        }
    }
    show_pictures(&mut pictures, &mut wire);
    wire
}

/// The text of a tool result. Some endpoints refuse a tool message without any.
fn result_text(reply: &ToolReply, vision: bool) -> String {
    let mut text = reply.output.clone();
    if !vision {
        let notes = reply
            .images
            .iter()
            // What is no file shows what the text tells.
            .filter(|image| image.path.is_some())
            .map(|image| format!("\n[{} is not shown: this model takes no pictures]", called(image)));
        text.extend(notes);
    }
    if !text.trim().is_empty() {
        return text;
    }
    if reply.images.is_empty() { "(no output)".to_owned() } else { "(a picture follows)".to_owned() }
}

/// Pictures of the tool results before, as a message of the user.
fn show_pictures(replies: &mut Vec<&ToolReply>, wire: &mut Vec<Value>) {
    if replies.is_empty() {
        return;
    }
    let mut parts = Vec::new();
    for reply in replies.drain(..) {
        for image in &reply.images {
            parts.push(
                json!({"type": "text", "text": format!("{} from {} ({}):", called(image), reply.tool, reply.call)}),
            );
            let url = format!("data:{};base64,{}", image.media_type, image.base64);
            parts.push(json!({"type": "image_url", "image_url": {"url": url}}));
        }
    }
    wire.push(json!({"role": "user", "content": parts}));
}

fn called(image: &ImageData) -> String {
    let path = image.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
    format!("The picture{path} ({})", image.media_type)
}

/// The arguments of a call as they can be sent back.
fn sendable_arguments(raw: &str) -> String {
    if raw.trim().is_empty() {
        return "{}".to_owned();
    }
    match serde_json::from_str::<Value>(raw) {
        Ok(Value::Object(_)) => raw.to_owned(),
        _ => json!({"malformed_arguments": raw}).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Attachment, CallId, ToolCall, ToolSpec, ToolStatus};

    const OPTIONS: WireOptions<'_> =
        WireOptions { model: "m", stream: true, include_usage: true, vision: true, reasoning_content: true };

    fn sent(messages: Vec<Message>, options: WireOptions<'_>) -> Value {
        let request = ChatRequest { messages, tools: Vec::new() };
        serde_json::from_slice(&body(&request, options)).expect("json")
    }

    fn user(text: &str) -> Message {
        Message::User { text: text.to_owned(), attachments: Vec::new() }
    }

    fn calling(id: &str, arguments: &str) -> Message {
        let call = ToolCall { id: CallId(id.to_owned()), name: "t".to_owned(), arguments: arguments.to_owned() };
        Message::Assistant { text: String::new(), reasoning: Some(format!("why {id}")), tool_calls: vec![call] }
    }

    fn result(id: &str, output: &str, images: Vec<ImageData>) -> Message {
        let (call, tool) = (CallId(id.to_owned()), "t".to_owned());
        Message::Tool(ToolReply {
            call,
            tool,
            status: ToolStatus::Ok,
            output: output.to_owned(),
            unfinished: false,
            images,
        })
    }

    fn picture() -> ImageData {
        ImageData {
            media_type: "image/png".to_owned(),
            base64: "QUJD".to_owned(),
            path: Some("/mnt/x/a.png".to_owned()),
        }
    }

    #[test]
    fn a_whole_conversation_takes_its_wire_form() {
        let spec =
            ToolSpec { name: "t".to_owned(), description: "d".to_owned(), parameters: json!({"type": "object"}) };
        let attachment = Attachment { name: "a".to_owned(), path: "/mnt/x/a".to_owned(), bytes: 1 };
        let messages = vec![
            Message::System { text: "rules".to_owned() },
            Message::User { text: "hi".to_owned(), attachments: vec![attachment] },
            calling("1", "{\"a\":1}"),
            result("1", "out", Vec::new()),
            Message::Assistant { text: "done".to_owned(), reasoning: None, tool_calls: Vec::new() },
        ];
        let request = ChatRequest { messages, tools: vec![spec] };
        let sent: Value = serde_json::from_slice(&body(&request, OPTIONS)).expect("json");
        let wanted = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "rules"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "t", "arguments": "{\"a\":1}"}}
                ], "reasoning_content": "why 1"},
                {"role": "tool", "tool_call_id": "1", "content": "out"},
                {"role": "assistant", "content": "done"}
            ],
            "tools": [{"type": "function", "function": {
                "name": "t", "description": "d", "parameters": {"type": "object"}
            }}],
            "stream": true,
            "stream_options": {"include_usage": true}
        });
        assert_eq!(sent, wanted);
    }

    #[test]
    fn options_that_are_off_leave_nothing_behind() {
        let sent = sent(vec![user("hi")], WireOptions { stream: false, ..OPTIONS });
        assert_eq!(sent, json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false}));
    }

    #[test]
    fn reasoning_goes_back_only_in_the_open_tool_loop() {
        let conversation = || {
            vec![
                user("a"),
                calling("1", "{}"),
                result("1", "x", vec![]),
                user("b"),
                calling("2", "{}"),
                result("2", "x", vec![]),
            ]
        };
        let with = sent(conversation(), OPTIONS);
        assert_eq!(with["messages"][1].get("reasoning_content"), None);
        assert_eq!(with["messages"][4]["reasoning_content"], "why 2");
        let without = sent(conversation(), WireOptions { reasoning_content: false, ..OPTIONS });
        assert_eq!(without["messages"][4].get("reasoning_content"), None);
    }

    #[test]
    fn arguments_that_are_no_object_go_back_inside_one() {
        let sent = sent(vec![calling("1", "{\"a\":"), calling("2", " "), calling("3", "[1]")], OPTIONS);
        let arguments = |n: usize| sent["messages"][n]["tool_calls"][0]["function"]["arguments"].clone();
        assert_eq!(arguments(0), json!({"malformed_arguments": "{\"a\":"}).to_string());
        assert_eq!(arguments(1), "{}");
        assert_eq!(arguments(2), json!({"malformed_arguments": "[1]"}).to_string());
    }

    #[test]
    fn pictures_follow_all_tool_results_of_their_round() {
        let conversation = || {
            vec![
                user("look"),
                calling("1", "{}"),
                result("1", "", vec![picture()]),
                result("2", "text", Vec::new()),
                Message::Assistant { text: "nice".to_owned(), reasoning: None, tool_calls: Vec::new() },
            ]
        };
        let shown = sent(conversation(), OPTIONS);
        assert_eq!(shown["messages"][2]["content"], "(a picture follows)");
        assert_eq!(shown["messages"][3]["role"], "tool");
        assert_eq!(shown["messages"][4]["role"], "user");
        assert_eq!(shown["messages"][4]["content"][1]["image_url"]["url"], "data:image/png;base64,QUJD");
        assert_eq!(shown["messages"][5]["content"], "nice");
        let told = sent(conversation(), WireOptions { vision: false, ..OPTIONS });
        let note = told["messages"][2]["content"].as_str().expect("text");
        assert!(note.contains("/mnt/x/a.png") && note.contains("takes no pictures"), "{note}");
        assert_eq!(told["messages"].as_array().expect("array").len(), 5);
    }

    #[test]
    fn messages_without_anything_are_not_sent_as_such() {
        let nothing =
            Message::Assistant { text: String::new(), reasoning: Some("x".to_owned()), tool_calls: Vec::new() };
        let sent = sent(vec![user("a"), nothing, calling("1", ""), result("1", " \n", Vec::new())], OPTIONS);
        assert_eq!(sent["messages"].as_array().expect("array").len(), 3);
        assert_eq!(sent["messages"][2]["content"], "(no output)");
    }
}
