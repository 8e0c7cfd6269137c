//! The screen without an engine: a few lines that play one, for looking at it in a terminal and for measuring what it
//! writes.
//!
//! `cargo run --example screen` answers each message with a made-up turn. `cargo run --release --example screen --
//! stream 5000 200` streams 5,000 words at 200 a second, quits, and prints the CPU time and the bytes that were written.
#![expect(clippy::print_stderr, reason = "figures for whoever runs it")]

use std::sync::Arc;
use std::time::Duration;

use okcvm::config::schema::UiSection;
use okcvm::protocol::{
    CallId, Event, NodeId, NodeKind, NodeSummary, Op, Phase, SessionId, TodoItem, TodoPriority, TodoStatus, ToolStatus,
    TurnId, TurnOutcome,
};
use okcvm::support::clock::SystemClock;
use okcvm::tui::{self, TuiOptions};
use okcvm::vm::{EnginePort, VmHandle};
use serde_json::json;
use tokio::time::sleep;

const REPLY: &str = "I read the CV and laid it out in **three sections**:\n\n\
- experience, newest first\n- skills as a compact grid\n- contact with a print style\n\n\
| file | lines | note |\n| --- | ---: | --- |\n| `index.html` | 212 | the page |\n| `style.css` | 88 | 日本語 and 👩‍👩‍👧 |\n\n\
```python\ndef greet(name: str) -> str:\n    # a comment\n    return f\"hello {name}\"\n```\n\nSee <https://example.com>.\n";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let (handle, port) = VmHandle::pair();
    let options = TuiOptions {
        ui: UiSection { ascii: std::env::var_os("OKCVM_ASCII").is_some(), ..UiSection::default() },
        no_color: std::env::var_os("NO_COLOR").is_some(),
        links: std::env::var_os("OKCVM_LINKS").is_some(),
        first_prompt: None,
        demo: false,
        context_window: Some(128_000),
        picture_plan: okcvm::tui::picture::PicturePlan::default(),
        picture_files: okcvm::tui::picture::PictureFiles::none(),
        ssh: None,
        preview_files: okcvm::tui::preview::PreviewFiles::none(),
        voice: okcvm::tui::voice::VoiceServices::none("this example has no speech"),
        clock: Arc::new(SystemClock),
        draft: okcvm::tui::Draft::default(),
        history_file: std::env::var_os("OKCVM_HISTORY").map(Into::into),
    };
    if words.first().is_some_and(|word| word == "stream") {
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        runtime.spawn(stream(port, number(1).unwrap_or(5000), number(2).unwrap_or(200)));
    } else {
        runtime.spawn(play(port));
    }
    let exit = runtime.block_on(tui::run(handle, options));
    eprintln!("{exit:?}");
    // The screen runs on the main thread and its writer; the made-up engine on the runtime's workers.
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let time: u64 = read("schedstat").split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        eprintln!("{}: {} ms of CPU", read("comm").trim(), time / 1_000_000);
    }
    if let Ok(io) = std::fs::read_to_string("/proc/self/io") {
        eprintln!("{}", io.lines().filter(|line| line.starts_with("wchar")).collect::<String>());
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        eprintln!("{}", status.lines().filter(|line| line.starts_with("VmHWM")).collect::<String>());
    }
}

fn node(seed: u8, label: &str, kind: NodeKind, head: bool, parent: Option<u8>) -> NodeSummary {
    let id = |seed: u8| -> NodeId { format!("{seed:02x}").repeat(20).parse().expect("id") };
    let mut summary = json!({
        "id": id(seed), "parent": parent.map(id), "kind": kind, "label": label,
        "time": "2026-11-22T19:00:00+00:00", "files_changed": 3, "bytes": 2048, "head": head,
        "added": 2, "modified": 1, "removed": 0,
    });
    summary["red"] = json!(null);
    serde_json::from_value(summary).expect("summary")
}

fn open(port: &EnginePort) {
    let send = |event| port.events.send(event).is_ok();
    send(Event::SessionStarted {
        session: SessionId::from_random(0x12ab_0000_0000_cd34),
        mount: "/mnt/okcvm-12ab00000000cd34/".to_owned(),
        host_path: "/tmp/work".into(),
        sandbox: std::env::var("OKCVM_SANDBOX").unwrap_or_else(|_| "bubblewrap".to_owned()),
        network: "off".to_owned(),
        model: "kimi-k2".to_owned(),
        title: "Résumé site".to_owned(),
    });
    send(Event::ConversationReplaced { messages: Vec::new(), todos: Vec::new() });
    snapshots(port);
    send(Event::PhaseChanged(Phase::Idle));
}

fn snapshots(port: &EnginePort) {
    let nodes = vec![
        node(0x8f, "After: Make a one-page résumé site", NodeKind::Turn, true, Some(0x51)),
        node(0x51, "named: before the redesign", NodeKind::Named, false, Some(0x1c)),
        node(0x1c, "start", NodeKind::Start, false, None),
    ];
    let _ = port.events.send(Event::Snapshots { nodes, changed_since_head: Some(2), store_bytes: 1_300_000 });
}

async fn play(mut port: EnginePort) {
    open(&port);
    while let Some(op) = port.ops.recv().await {
        match op {
            Op::Submit { text, .. } => turn(&mut port, &text).await,
            Op::Shutdown => {
                sleep(Duration::from_millis(200)).await;
                let _ = port.events.send(Event::Closed);
                return;
            }
            other => {
                let message = format!("this engine only plays: {other:?}");
                let _ = port.events.send(Event::Error { message, hint: None });
            }
        }
    }
}

async fn turn(port: &mut EnginePort, text: &str) {
    let turn = TurnId::now();
    let events = port.events.clone();
    let send = |event| {
        let _ = events.send(event);
    };
    send(Event::TurnStarted { turn });
    send(Event::PhaseChanged(Phase::Waiting));
    let work = async {
        sleep(Duration::from_millis(800)).await;
        send(Event::PhaseChanged(Phase::Reasoning));
        for word in "The user wants something. First a look at the files, then the page.".split_inclusive(' ') {
            send(Event::ReasoningDelta { text: word.to_owned() });
            sleep(Duration::from_millis(60)).await;
        }
        let calls = [
            ("mshtools-todo_write", json!({"todos": [{"content": "read"}]}), "ok", ToolStatus::Ok),
            ("mshtools-read_file", json!({"file_path": "cv.pdf"}), "2 pages", ToolStatus::Ok),
            ("mshtools-shell", json!({"command": "tidy site/index.html"}), "line 3: bad\nexit 1", ToolStatus::Error),
            ("mshtools-shell", json!({"command": format!("npx prettier --check {text}")}), "fine", ToolStatus::Ok),
        ];
        send(Event::PhaseChanged(Phase::Tools));
        for (at, (tool, arguments, output, status)) in calls.into_iter().enumerate() {
            let call = CallId(format!("call-{at}"));
            send(Event::ToolStarted { call: call.clone(), tool: tool.to_owned(), arguments });
            for line in 0..6 {
                sleep(Duration::from_millis(150)).await;
                send(Event::ToolOutput { call: call.clone(), chunk: format!("line {line} of the output\n") });
            }
            let todos = vec![TodoItem {
                content: "Read the CV".to_owned(),
                id: None,
                priority: TodoPriority::High,
                status: TodoStatus::Completed,
            }];
            send(Event::TodoChanged { todos });
            let output = output.to_owned();
            send(Event::ToolFinished { call, tool: tool.to_owned(), status, duration_ms: 900, output });
        }
        send(Event::PhaseChanged(Phase::Streaming));
        for word in REPLY.split_inclusive(' ') {
            send(Event::TextDelta { text: word.to_owned() });
            sleep(Duration::from_millis(40)).await;
        }
        send(Event::Usage { input: 41_200, output: 340, cached: 0 });
    };
    let stopped = tokio::select! {
        () = work => false,
        _ = port.urgent.recv() => true,
    };
    send(Event::PhaseChanged(Phase::Closing));
    sleep(Duration::from_millis(if stopped { 1500 } else { 100 })).await;
    let outcome = if stopped { TurnOutcome::Interrupted } else { TurnOutcome::Completed };
    send(Event::TurnEnded { turn, outcome, reply: String::new() });
    snapshots(port);
    send(Event::PhaseChanged(Phase::Idle));
}

/// Words of four letters and a blank in the mean, in paragraphs, as a reply has them.
async fn stream(port: EnginePort, count: u64, rate: u64) {
    open(&port);
    sleep(Duration::from_millis(300)).await;
    let turn = TurnId::now();
    let _ = port.events.send(Event::TurnStarted { turn });
    let _ = port.events.send(Event::PhaseChanged(Phase::Streaming));
    let mut text = 0;
    let begin = tokio::time::Instant::now();
    for at in 0..count {
        let mut word = ["the ", "page ", "has ", "sections ", "for ", "work", "ing ", "on ", "it ", "and "]
            [(at * 7 % 10) as usize]
            .to_owned();
        if at % 60 == 59 {
            word.push_str(".\n\n");
        }
        text += word.len();
        let _ = port.events.send(Event::TextDelta { text: word });
        tokio::time::sleep_until(begin + Duration::from_micros(1_000_000 * (at + 1) / rate)).await;
    }
    let reply = format!("{text} bytes of text");
    let _ = port.events.send(Event::TurnEnded { turn, outcome: TurnOutcome::Completed, reply });
    let _ = port.events.send(Event::PhaseChanged(Phase::Idle));
    sleep(Duration::from_millis(300)).await;
    std::fs::write("/tmp/okcvm-screen-text", text.to_string()).expect("written");
    let _ = port.events.send(Event::Closed);
    // Without an engine, a signal ends the screen.
    let me = rustix::process::getpid();
    let _ = rustix::process::kill_process(me, rustix::process::Signal::TERM);
}
