//! The demo endpoint over HTTP: its script reads what the tools gave back, and only its owner is served.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use okcvm::demo::{DemoOptions, DemoServer, serve_with};
use okcvm::model::{ChatModel, ChatRequest, ModelEvent, OpenAiChat, Reply, ask_once, list_models};
use okcvm::protocol::{Message, ToolCall, ToolReply, ToolSpec, ToolStatus};
use okcvm::support::secret::Secret;
use serde_json::{Value, json};

const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

async fn at_once() -> DemoServer {
    serve_with(DemoOptions { tokens_per_second: 0 }).await.expect("the demo endpoint")
}

fn tools() -> Vec<ToolSpec> {
    let names = ["todo_read", "todo_write", "read_file", "write_file", "edit_file", "shell"];
    let spec = |name| ToolSpec {
        name: format!("mshtools-{name}"),
        description: String::new(),
        parameters: json!({"type": "object"}),
    };
    names.map(spec).to_vec()
}

async fn ask(model: &OpenAiChat, messages: &[Message]) -> (Reply, Vec<ModelEvent>) {
    let mut stream = model.stream(ChatRequest { messages: messages.to_vec(), tools: tools() });
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event.expect("no error") {
            ModelEvent::Finished(reply) => return (reply, events),
            event => events.push(event),
        }
    }
    unreachable!("a stream ends with a reply or an error")
}

/// Plays a turn against the endpoint; `tool` makes up what each call gives back. Returns the names of the called tools
/// and the last words.
async fn play(model: &OpenAiChat, prompt: &str, tool: impl Fn(&str, &Value) -> String) -> (Vec<String>, String) {
    let mut messages = vec![
        Message::System { text: format!("Everything lies under {MOUNT}/.") },
        Message::User { text: prompt.to_owned(), attachments: Vec::new() },
    ];
    let mut called = Vec::new();
    loop {
        let (Reply { text, reasoning, tool_calls, .. }, _) = ask(model, &messages).await;
        if tool_calls.is_empty() {
            return (called, text);
        }
        messages.push(Message::Assistant { text, reasoning, tool_calls: tool_calls.clone() });
        for ToolCall { id, name, arguments } in tool_calls {
            let output = tool(&name, &serde_json::from_str(&arguments).expect("arguments are JSON"));
            called.push(name.clone());
            messages.push(Message::Tool(ToolReply {
                call: id,
                tool: name,
                status: ToolStatus::Ok,
                output,
                images: Vec::new(),
            }));
        }
    }
}

#[tokio::test]
async fn other_tool_results_lead_to_another_run() {
    let server = at_once().await;
    let model = OpenAiChat::new(server.endpoint()).expect("client");
    let (works, works_said) = play(&model, "make a page about bees", |tool, arguments| match tool {
        "mshtools-shell" => "lines: 9\nwords: 41\nsummary written".to_owned(),
        "mshtools-read_file" if arguments["file_path"].as_str().is_some_and(|path| path.contains("summary.txt")) => {
            "     1\tlines: 9\n     2\twords: 41\n".to_owned()
        }
        _ => "ok".to_owned(),
    })
    .await;
    let (fails, fails_said) = play(&model, "make a page about bees", |tool, _| match tool {
        "mshtools-shell" => "cat: note.md: No such file or directory".to_owned(),
        "mshtools-read_file" => "     1\t#!/bin/sh\n     2\tnotes=note.md\n".to_owned(),
        _ => "ok".to_owned(),
    })
    .await;
    assert!(!works.contains(&"mshtools-edit_file".to_owned()), "{works:?}");
    assert!(fails.contains(&"mshtools-edit_file".to_owned()), "{fails:?}");
    assert!(works_said.contains("| words | 41 |"), "{works_said}");
    assert!(fails_said.contains("note.md: No such file"), "{fails_said}");
}

#[tokio::test]
async fn the_demo_speaks_the_whole_wire_format() {
    let server = at_once().await;
    let model = OpenAiChat::new(server.endpoint()).expect("client");
    let prompt = Message::User { text: "make a page about bees".to_owned(), attachments: Vec::new() };
    let (reply, events) = ask(&model, &[prompt]).await;
    assert!(reply.text.contains("scripted"), "{}", reply.text);
    assert!(events.iter().any(|event| matches!(event, ModelEvent::Reasoning(_))));
    assert!(events.iter().filter(|event| matches!(event, ModelEvent::Text(_))).count() > 10);
    assert!(matches!(events.last(), Some(ModelEvent::Usage { input: 1.., output: 1.., .. })), "{:?}", events.last());
    assert_eq!(reply.tool_calls.len(), 2, "{:?}", reply.tool_calls);
    // And the same without a stream.
    let mut endpoint = server.endpoint();
    endpoint.supports_streaming = false;
    let prompt = Message::User { text: "make a page about bees".to_owned(), attachments: Vec::new() };
    let (whole, _) = ask(&OpenAiChat::new(endpoint).expect("client"), &[prompt]).await;
    assert_eq!(whole, reply);
}

#[tokio::test]
async fn setup_can_list_its_models_and_test_it() {
    let server = at_once().await;
    let models = list_models(&server.endpoint()).await.expect("models");
    assert_eq!(models, [server.endpoint().model]);
    assert!(ask_once(&server.endpoint(), "Say ok.").await.expect("an answer").contains("works"));
}

#[tokio::test]
async fn nobody_without_the_key_is_served() {
    let server = at_once().await;
    assert!(server.base_url.starts_with("http://127.0.0.1:"), "{}", server.base_url);
    for key in [None, Some("wrong")] {
        let mut endpoint = server.endpoint();
        endpoint.api_key = key.map(Secret::new);
        assert_eq!(list_models(&endpoint).await.expect_err("an error").status(), Some(401));
        assert_eq!(ask_once(&endpoint, "hello").await.expect_err("an error").status(), Some(401));
    }
    assert_ne!(
        at_once().await.endpoint().api_key.expect("key").expose(),
        server.endpoint().api_key.expect("key").expose()
    );
}

#[tokio::test]
async fn the_pace_is_that_of_a_model() {
    let server = serve_with(DemoOptions { tokens_per_second: 200 }).await.expect("the demo endpoint");
    let model = OpenAiChat::new(server.endpoint()).expect("client");
    let begin = Instant::now();
    let prompt = Message::User { text: "stream 60 tokens".to_owned(), attachments: Vec::new() };
    let (_, events) = ask(&model, &[prompt]).await;
    let tokens = events.iter().filter(|event| matches!(event, ModelEvent::Text(_))).count() as u32;
    assert!(tokens > 50, "{tokens}");
    assert!(begin.elapsed() >= Duration::from_secs(1) * tokens / 200, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_endpoint_ends_with_its_owner_even_in_mid_reply() {
    let server = serve_with(DemoOptions { tokens_per_second: 60 }).await.expect("the demo endpoint");
    let mut endpoint = server.endpoint();
    endpoint.max_retries = 0;
    let model = OpenAiChat::new(endpoint.clone()).expect("client");
    let prompt = Message::User { text: "stream 5000 tokens".to_owned(), attachments: Vec::new() };
    let mut stream = model.stream(ChatRequest { messages: vec![prompt], tools: tools() });
    assert!(stream.next().await.expect("an event").is_ok());
    drop(server);
    let rest = tokio::time::timeout(Duration::from_secs(20), stream.collect::<Vec<_>>()).await.expect("an end");
    assert!(rest.len() < 2000, "it went on for {} events", rest.len());
    let gone = tokio::time::timeout(Duration::from_secs(20), async {
        while list_models(&endpoint).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("nobody listens any more");
}
