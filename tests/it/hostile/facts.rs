//! Every fact of the engine and every message of the loop, through every pane, at the sizes that the screen must fit.

use okcvm::protocol::{
    Artifact, ArtifactKind, CallId, Event, FileChange, FileChangeKind, FileDiff, Job, KernelInfo, KernelState, Message,
    NetworkState, NodeId, NodeKind, NodeSummary, Op, Phase, RestorePlan, RestoreScope, SessionId, TodoItem,
    TodoPriority, TodoStatus, ToolCall, ToolReply, ToolStatus, TurnId, TurnOutcome,
};
use okcvm::tui::app::{App, AppOptions, Msg};
use okcvm::tui::effect::{UiEffect, ViewSource};
use okcvm::tui::output::MemorySink;
use okcvm::tui::pane::sandbox::SandboxQuestion;
use okcvm::tui::picture::Pictures;
use okcvm::tui::preview::PreviewFiles;
use okcvm::tui::terminal::Screen;
use okcvm::tui::theme::Theme;
use okcvm::tui::view;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::{Row, Writer, faults, rows};

fn node(byte: &str) -> NodeId {
    byte.repeat(20).parse().expect("id")
}

fn id(name: &str) -> CallId {
    CallId(name.to_owned())
}

/// The text in pieces of one to five characters, so that sequences are cut anywhere.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let to = (at + 1 + at % 5).min(chars.len());
        out.push(chars[at..to].iter().collect());
        at = to;
    }
    out
}

/// Everything that the engine can tell, all of its words being this text.
fn facts(text: &str) -> Vec<Event> {
    let t = || text.to_owned();
    let call = |name: &str| id(name);
    let todo = |status| TodoItem { content: t(), id: Some(t()), priority: TodoPriority::High, status };
    // Where JSON is shown, ESC stands there as six harmless letters, and in a difference, which shows all that stands in a
    // file, as a sign; what follows it stays.
    let inside = text.replace("LEAK", "LOUD").replace("7777", "1111");
    let todos = vec![todo(TodoStatus::InProgress), todo(TodoStatus::Completed)];
    let summary = |byte: &str, head| NodeSummary {
        id: node(byte),
        parent: None,
        kind: NodeKind::Turn,
        label: t(),
        time: t(),
        files_changed: 1,
        bytes: 1,
        head,
        added: 1,
        modified: 0,
        removed: 0,
        branches: vec![t()],
        not_kept: vec![t()],
        failed: (!head).then(t),
    };
    let file = FileDiff {
        change: FileChange {
            path: t(),
            path_bytes: None,
            kind: FileChangeKind::Modified,
            lines_added: 1,
            lines_removed: 1,
            binary: false,
        },
        patch: format!("--- a/{inside}\n+++ b/{inside}\n@@ -1 +1 @@\n-{inside}\n+{inside}\n"),
    };
    let arguments = json!({ "command": text, text: text, "nested": [inside, {inside.clone(): inside}] });
    let artifact = Artifact {
        kind: ArtifactKind::Slides,
        title: Some(t()),
        path: Some(t()),
        url: Some(t()),
        host_path: Some(t().into()),
        pages: vec![t()],
    };
    let mut events = vec![
        Event::SessionStarted {
            session: SessionId::from_random(7),
            mount: t(),
            host_path: t().into(),
            sandbox: t(),
            network: t(),
            model: t(),
            title: t(),
        },
        Event::ConversationReplaced { messages: conversation(text), todos: todos.clone() },
        Event::PhaseChanged(Phase::Idle),
        Event::TurnStarted { turn: TurnId::now() },
        Event::PhaseChanged(Phase::Retrying { seconds: 9, attempt: 2, reason: t() }),
        Event::Warning { message: t() },
        Event::PhaseChanged(Phase::Streaming),
    ];
    events.extend(pieces(text).into_iter().map(|text| Event::ReasoningDelta { text }));
    events.extend(pieces(text).into_iter().map(|text| Event::TextDelta { text }));
    events.extend([
        Event::PhaseChanged(Phase::Tools),
        Event::ToolStarted { call: call("a"), tool: t(), arguments: json!(text) },
        Event::ToolFinished { call: call("a"), tool: t(), status: ToolStatus::Error, duration_ms: 1, output: t() },
        Event::ToolDetail { call: call("a"), spill: None, diff: Some(file.patch.clone()), pictures: vec![t()] },
        Event::ToolStarted { call: call("b"), tool: "mshtools-shell".to_owned(), arguments },
    ]);
    events.extend(pieces(text).into_iter().map(|chunk| Event::ToolOutput { call: call("b"), chunk }));
    events.extend([
        Event::ToolWaiting { call: call("b"), waiting: true, hidden: false },
        Event::NetworkRequest { host: t(), port: 443, allowed: false, reason: Some(t()) },
        Event::JobsChanged {
            jobs: vec![Job {
                id: 1,
                call: call("a"),
                command: t(),
                processes: 1,
                ports: vec![80],
                seconds: 1,
                tail: t(),
            }],
        },
        Event::Network(NetworkState {
            mode: t(),
            allow: vec![t()],
            deny: vec![t()],
            ports: vec![443],
            private: vec![t()],
        }),
        Event::KernelChanged(KernelInfo {
            state: KernelState::Ended,
            python: t(),
            cells: 1,
            ended: t(),
            ..KernelInfo::default()
        }),
        Event::Done { message: t() },
        Event::TodoChanged { todos },
        Event::Artifact(artifact.clone()),
        Event::Artifacts { artifacts: vec![artifact] },
        Event::Error { message: t(), hint: Some(t()) },
        Event::ReplyRestarted { reason: t() },
        Event::SnapshotTaken { snapshot: node("ab"), label: t(), files_changed: 1, bytes: 1 },
        Event::Snapshots {
            nodes: vec![summary("ab", true), summary("cd", false)],
            changed_since_head: Some(1),
            store_bytes: 1,
        },
        Event::DiffReady { from: t(), to: Some(t()), files: vec![file] },
    ]);
    events
}

fn conversation(text: &str) -> Vec<Message> {
    let t = || text.to_owned();
    let call = ToolCall { id: id("x"), name: t(), arguments: t() };
    vec![
        Message::User { text: t(), attachments: vec![] },
        Message::Assistant { text: t(), reasoning: Some(t()), tool_calls: vec![call] },
        Message::Tool(ToolReply {
            call: id("x"),
            tool: t(),
            status: ToolStatus::Ok,
            output: t(),
            unfinished: false,
            images: vec![],
        }),
        Message::Assistant { text: t(), reasoning: None, tool_calls: vec![] },
    ]
}

/// The application and the bytes that it writes.
struct Stage {
    app: App,
    screen: Screen<MemorySink>,
    sink: MemorySink,
}

impl Stage {
    fn new(width: u16, height: u16) -> Self {
        let options = AppOptions {
            theme: Theme::new(true, false),
            keys: std::collections::BTreeMap::default(),
            demo: false,
            context_window: None,
            ssh: None,
            pictures: Pictures::default(),
            previews: PreviewFiles::none(),
        };
        let wall = "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time");
        let sink = MemorySink::new(width, height);
        let screen = Screen::with_sink(sink.clone()).expect("screen").links(true);
        Self { app: App::new(&options, wall).expect("application"), screen, sink }
    }

    fn tell(&mut self, msg: Msg) {
        for effect in self.app.update(msg) {
            // What the loop would do: a text comes back for the viewer.
            if let UiEffect::View { title, source: ViewSource::Text(text) } = effect {
                drop(self.app.update(Msg::View(title, text)));
            }
        }
    }

    fn draw(&mut self) {
        self.screen.draw(&mut self.app, App::prepare, view::draw).expect("a frame");
    }

    fn press(&mut self, code: KeyCode) {
        self.tell(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        self.draw();
    }

    /// Looks at everything that can be opened.
    fn look(&mut self) {
        let f = |number| KeyCode::F(number);
        let letter = KeyCode::Char;
        let walks: [&[KeyCode]; 6] = [
            &[f(2), f(2), letter('k'), letter('f'), letter('k'), letter('k'), letter('f'), letter('g'), KeyCode::Esc],
            &[f(3), KeyCode::Enter, letter('v'), letter('o'), KeyCode::Esc, KeyCode::Esc, letter('k'), letter('f')],
            &[f(3), letter('k'), KeyCode::Enter, letter('g'), KeyCode::Esc, letter('i'), KeyCode::Esc, KeyCode::Esc],
            &[f(3), letter('g'), KeyCode::Enter, KeyCode::Esc, letter('/'), letter('a'), KeyCode::Enter, KeyCode::Esc],
            &[f(4), KeyCode::Enter, KeyCode::Esc, letter('t'), letter('j'), letter('r'), KeyCode::Esc, KeyCode::Esc],
            &[f(6), letter('j'), KeyCode::Esc],
        ];
        self.draw();
        for keys in walks {
            for key in keys {
                self.press(*key);
            }
        }
    }

    fn faults(&self) -> Vec<String> {
        let bytes = self.sink.bytes();
        // What takes the terminal over is the program's to show.
        let begin = b"\x1b[?1049h\x1b[?2004h\x1b[?1007s\x1b[?1007l".len();
        faults(Writer::Frames, &bytes[begin..])
    }
}

/// Everything of one row, through everything.
fn through_the_screen(row: &Row, width: u16, height: u16) -> Vec<String> {
    let text = row.text();
    let mut stage = Stage::new(width, height);
    for (number, event) in facts(&text).into_iter().enumerate() {
        let piece = matches!(event, Event::TextDelta { .. } | Event::ReasoningDelta { .. } | Event::ToolOutput { .. });
        stage.tell(Msg::Engine(event));
        if number % if piece { 7 } else { 2 } == 0 {
            stage.draw();
        }
    }
    stage.look();
    let plan = RestorePlan {
        target: node("cd"),
        scope: RestoreScope::All,
        write: vec![text.clone()],
        remove: vec![text.clone()],
        keep: vec![text.clone()],
        turns_left: 1,
    };
    stage.press(KeyCode::F(4));
    stage.press(KeyCode::Char('r'));
    stage.tell(Msg::Engine(Event::RestorePlanned(plan)));
    stage.draw();
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::Esc);
    let messages = [
        Msg::Notice(text.clone()),
        Msg::NotSent(Op::Undo, text.clone()),
        Msg::View(text.clone(), text.clone()),
        Msg::History(vec![text.clone()]),
        Msg::Edited(text.clone()),
        Msg::Paste(text.clone()),
    ];
    for msg in messages {
        stage.tell(msg);
        stage.draw();
    }
    stage.press(KeyCode::Esc);
    stage.tell(Msg::Key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL)));
    stage.draw();
    stage.press(KeyCode::Esc);
    let (call, tool) = (id("b"), text.clone());
    for event in [
        Event::ToolFinished { call, tool, status: ToolStatus::Ok, duration_ms: 1, output: text.clone() },
        Event::TurnEnded { turn: TurnId::now(), outcome: TurnOutcome::Completed, reply: text },
        Event::PhaseChanged(Phase::Idle),
    ] {
        stage.tell(Msg::Engine(event));
        stage.draw();
    }
    // Folded and unfolded once more, now that everything has ended.
    for key in [KeyCode::F(2), KeyCode::F(2), KeyCode::Char('f'), KeyCode::F(3), KeyCode::Enter, KeyCode::Char('v')] {
        stage.press(key);
    }
    stage.faults().into_iter().map(|fault| format!("{} at {width}x{height}: {fault}", row.name)).collect()
}

#[test]
fn no_fact_of_the_engine_commands_a_terminal_of_three_panes() {
    // Dear frames: what the generator makes is left to the smaller screen.
    let written = rows().into_iter().filter(|row| !row.name.starts_with("generated"));
    let wrong: Vec<String> = written.flat_map(|row| through_the_screen(&row, 120, 16)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_fact_of_the_engine_commands_a_terminal_of_one_pane() {
    let wrong: Vec<String> = rows().iter().flat_map(|row| through_the_screen(row, 40, 12)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_line_of_a_megabyte_is_drawn_and_clean() {
    let row = rows().into_iter().find(|row| row.name == "bidi").expect("a row");
    let mut text = row.text();
    text.push_str("\u{1b}]0;LEAK\u{7}");
    let line = text.repeat((1 << 20) / text.len());
    let mut stage = Stage::new(80, 24);
    let call = id("a");
    stage.tell(Msg::Engine(Event::TurnStarted { turn: TurnId::now() }));
    stage.tell(Msg::Engine(Event::ToolStarted {
        call: call.clone(),
        tool: "mshtools-shell".into(),
        arguments: json!({}),
    }));
    stage.tell(Msg::Engine(Event::ToolOutput { call: call.clone(), chunk: line.clone() }));
    stage.draw();
    let (tool, status) = ("mshtools-shell".to_owned(), ToolStatus::Ok);
    stage.tell(Msg::Engine(Event::ToolFinished { call, tool, status, duration_ms: 1, output: line.clone() }));
    stage.press(KeyCode::F(3));
    stage.press(KeyCode::Enter);
    stage.tell(Msg::Engine(Event::TextDelta { text: line }));
    stage.press(KeyCode::F(2));
    assert_eq!(stage.faults(), Vec::<String>::new());
}

#[test]
fn links_are_written_and_lead_to_the_web_alone() {
    let mut stage = Stage::new(80, 24);
    stage.tell(Msg::Engine(Event::TurnStarted { turn: TurnId::now() }));
    let text = "[docs](https://e.x/a;b) <http://127.0.0.1:8000/> [good.com](https://evil.x) [f](file:///etc/passwd)\n";
    stage.tell(Msg::Engine(Event::TextDelta { text: text.to_owned() }));
    stage.draw();
    let written = String::from_utf8(stage.sink.bytes()).expect("text");
    for address in ["https://e.x/a;b", "http://127.0.0.1:8000/", "https://evil.x/"] {
        assert!(written.contains(&format!(";{address}\u{1b}\\")), "{address}: {written:?}");
    }
    assert!(!written.contains(";file:") && written.contains("leads to evil.x"), "{written:?}");
    assert_eq!(stage.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn the_question_about_the_sandbox_shows_clean_words() {
    use okcvm::tui::input::{FakeSource, Input};
    use okcvm::tui::pane::sandbox::{SandboxAnswer, ask_with};
    use okcvm::tui::run::Signals;
    let mut wrong = Vec::new();
    for row in rows() {
        let text = row.text();
        let (source, keys) = FakeSource::new();
        let sink = MemorySink::new(80, 24);
        let screen = Screen::with_sink(sink.clone()).expect("screen");
        let question =
            SandboxQuestion::Refused { reason: text.clone(), hint: text.clone(), no_landlock: Some(text.clone()) };
        keys.send(Input::Paste(text.clone())).expect("keys");
        keys.send(Input::Key(KeyEvent::new(KeyCode::Char('n'), KeyModifiers::NONE))).expect("keys");
        keys.send(Input::Paste(text)).expect("keys");
        keys.send(Input::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))).expect("keys");
        keys.send(Input::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE))).expect("keys");
        let again = Box::new(|| -> futures::future::BoxFuture<'static, Option<SandboxQuestion>> {
            unreachable!("r is not pressed")
        });
        let answer = ask_with(question, again, Theme::default(), screen, source, Signals::none()).await;
        assert_eq!(answer.expect("an answer"), SandboxAnswer::Quit);
        let bytes = sink.bytes();
        wrong.extend(faults(Writer::Screen, &bytes).into_iter().map(|fault| format!("{}: {fault}", row.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
