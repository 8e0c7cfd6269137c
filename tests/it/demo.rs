//! The demo endpoint over HTTP: its script reads what the tools gave back, and only its owner is served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use okcvm::config::schema::{SandboxBackend, SandboxSection};
use okcvm::demo::{DemoOptions, DemoServer, serve_with};
use okcvm::model::{ChatModel, ChatRequest, ModelEvent, OpenAiChat, Reply, ask_once, list_models};
use okcvm::protocol::{Message, ToolCall, ToolReply, ToolSpec, ToolStatus};
use okcvm::sandbox::{Chooser, LazySandbox, SandboxFolders};
use okcvm::spec::Bundle;
use okcvm::support::secret::{Redactor, Secret};
use okcvm::tools::{CallContext, Toolbox, ToolboxParts};
use okcvm::workspace::Workspace;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::support::skip_or_fail;

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
                unfinished: false,
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

/// The tools of a session in a temporary folder; `None` where no sandbox works here.
async fn real_tools(folder: &std::path::Path) -> Option<Toolbox> {
    let folders = SandboxFolders {
        id: "okcvm-0123456789abcdef".to_owned(),
        work: folder.join("work"),
        home: folder.join("home"),
        tmp: folder.join("tmp"),
        mount: MOUNT.to_owned(),
        mounted: Vec::new(),
    };
    for path in [&folders.work, &folders.home, &folders.tmp, &folder.join("spill")] {
        std::fs::create_dir_all(path).expect("folder");
    }
    let section = SandboxSection { backend: SandboxBackend::Bubblewrap, ..SandboxSection::default() };
    let chooser = Chooser::new(&section, &folder.join("cache")).program(env!("CARGO_BIN_EXE_okcvm"));
    let sandbox = LazySandbox::from_chooser(chooser);
    sandbox.warm().await;
    if let Err(why) = sandbox.get() {
        skip_or_fail(&why.reason);
        return None;
    }
    let workspace = Workspace::open(&folders.work, MOUNT, sandbox.tool_owner()).expect("workspace");
    let parts = ToolboxParts {
        python: super::support::machine::python(),
        browser: okcvm::tools::LazyProgram::none(),
        online: okcvm::tools::Online::default(),
        deployments: okcvm::preview::DeploymentsPlace::new(folder.join("deployments"), &folders.id),
        bundle: Arc::new(Bundle::embedded().clone()),
        workspace,
        sandbox,
        folders,
        spill: folder.join("spill"),
        interactive: false,
        redactor: Redactor::default(),
    };
    Some(Toolbox::new(parts).expect("tools"))
}

/// Plays one more prompt of a conversation with real tools. Returns what was called and the last words.
async fn play_for_real(
    model: &OpenAiChat,
    toolbox: &Toolbox,
    messages: &mut Vec<Message>,
    prompt: &str,
) -> (Vec<(String, ToolStatus)>, String) {
    messages.push(Message::User { text: prompt.to_owned(), attachments: Vec::new() });
    let mut called = Vec::new();
    loop {
        let mut stream = model.stream(ChatRequest { messages: messages.clone(), tools: toolbox.specs() });
        let mut reply = None;
        while let Some(event) = stream.next().await {
            if let ModelEvent::Finished(whole) = event.expect("no error") {
                reply = Some(whole);
            }
        }
        let Reply { text, reasoning, tool_calls, .. } = reply.expect("a reply");
        messages.push(Message::Assistant { text: text.clone(), reasoning, tool_calls: tool_calls.clone() });
        if tool_calls.is_empty() {
            return (called, text);
        }
        for call in tool_calls {
            let (output, _live) = tokio::sync::mpsc::unbounded_channel();
            let done = toolbox.call(&call, CallContext { cancel: CancellationToken::new(), output }).await;
            called.push((call.name.clone(), done.status));
            messages.push(Message::Tool(ToolReply {
                call: call.id,
                tool: call.name,
                status: done.status,
                output: done.output,
                unfinished: done.unfinished,
                images: done.images,
            }));
        }
    }
}

#[tokio::test]
async fn with_real_tools_the_job_is_done_and_the_next_prompt_continues_it() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(toolbox) = real_tools(folder.path()).await else { return };
    let server = at_once().await;
    let model = OpenAiChat::new(server.endpoint()).expect("client");
    let mut messages = vec![Message::System { text: format!("Everything lies under {MOUNT}/.") }];

    let (called, said) = play_for_real(&model, &toolbox, &mut messages, "make a page about honey bees").await;
    let failed: Vec<&str> =
        called.iter().filter(|(_, status)| *status != ToolStatus::Ok).map(|(tool, _)| tool.as_str()).collect();
    assert_eq!(failed, ["mshtools-shell"], "exactly the command that is to fail: {called:?}\n{said}");
    assert!(called.iter().any(|(tool, _)| tool == "mshtools-edit_file"), "{called:?}");
    let made = folder.path().join("work/output/honey-bees");
    let summary = std::fs::read_to_string(made.join("summary.txt")).expect("the result");
    let words = summary.lines().find_map(|line| line.strip_prefix("words: ")).expect("a count").to_owned();
    assert!(said.contains(&format!("| words | {words} |")), "{said}");
    assert!(toolbox.todos().iter().all(|item| item.status == okcvm::protocol::TodoStatus::Completed));

    let (_, said) = play_for_real(&model, &toolbox, &mut messages, "now add a part about wax").await;
    assert!(said.contains(&format!("from {words} to ")), "{said}");
    assert!(std::fs::read_to_string(made.join("notes.md")).expect("notes").contains("## wax"));

    let (called, said) = play_for_real(&model, &toolbox, &mut messages, "read output/honey-bees/summary.txt").await;
    assert_eq!(called, [("mshtools-read_file".to_owned(), ToolStatus::Ok)]);
    assert!(said.contains("3 lines") && said.contains("lines: "), "{said}");

    // The same job again finds its folder taken.
    play_for_real(&model, &toolbox, &mut messages, "make a new page about honey bees").await;
    assert!(folder.path().join("work/output/honey-bees-2/notes.md").exists());

    let (called, said) = play_for_real(&model, &toolbox, &mut messages, "read nowhere.txt").await;
    assert_eq!(called[0], ("mshtools-read_file".to_owned(), ToolStatus::Error));
    assert!(said.contains("could not read"), "{said}");
    let (_, said) = play_for_real(&model, &toolbox, &mut messages, "read /etc/passwd").await;
    assert!(said.contains("path outside workspace"), "{said}");
    let (_, said) = play_for_real(&model, &toolbox, &mut messages, "sleep 1").await;
    assert!(said.contains("ran to its end"), "{said}");
}
