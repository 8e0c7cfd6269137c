//! What the whole screen looks like in its states, at the sizes that it must fit.

use jiff::Zoned;
use okcvm::protocol::{
    CallId, Event, Message, NetworkChange, NetworkState, Op, Phase, RestoreReport, RestoreScope, SessionId, ToolCall,
    ToolReply, ToolStatus, TurnId, TurnOutcome,
};
use okcvm::protocol::{PathChange, PathConflict, ProjectPatch};
use okcvm::tui::app::{App, AppOptions, Msg};
use okcvm::tui::attach::Pending;
use okcvm::tui::complete::{Answer, Place, Row};
use okcvm::tui::effect::UiEffect;
use okcvm::tui::picture::Pictures;
use okcvm::tui::preview::PreviewFiles;
use okcvm::tui::theme::Theme;
use okcvm::tui::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Color;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

/// An application with a clock of its own.
struct Stage {
    app: App,
    now: u64,
}

impl Stage {
    fn new() -> Self {
        Self::with_theme(Theme::new(true, false))
    }

    fn with_theme(theme: Theme) -> Self {
        let options = AppOptions {
            theme,
            keys: std::collections::BTreeMap::default(),
            demo: false,
            context_window: Some(100_000),
            ssh: None,
            pictures: Pictures::default(),
            previews: PreviewFiles::none(),
        };
        let mut stage = Self { app: App::new(&options, wall()).expect("application"), now: 0 };
        stage.tell(started("bubblewrap", "off"));
        stage.tell(Event::ConversationReplaced { messages: vec![], todos: vec![] });
        stage.tell(Event::PhaseChanged(Phase::Idle));
        stage
    }

    fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self.app.set_time(now, wall());
        self
    }

    fn tell(&mut self, event: Event) -> Vec<UiEffect> {
        self.app.update(Msg::Engine(event))
    }

    fn press(&mut self, code: KeyCode) -> Vec<UiEffect> {
        self.app.update(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn ctrl(&mut self, c: char) -> Vec<UiEffect> {
        self.app.update(Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    fn frame(&mut self, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("terminal");
        self.app.prepare(Rect { x: 0, y: 0, width, height });
        terminal.draw(|frame| view::draw(&self.app, frame)).expect("frame");
        terminal
    }

    fn text(&mut self, width: u16, height: u16) -> String {
        let terminal = self.frame(width, height);
        let buffer = terminal.backend().buffer();
        let mut rows = Vec::new();
        for y in 0..height {
            let mut row = String::new();
            let mut x = 0;
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                row.push_str(symbol);
                x += symbol.width().max(1) as u16;
            }
            rows.push(row.trim_end().to_owned());
        }
        rows.join("\n")
    }

    /// The screen at the three sizes that it must fit.
    fn texts(&mut self) -> String {
        let sizes = [(40, 12), (80, 24), (120, 40)];
        sizes.map(|(width, height)| format!("---- {width}x{height}\n{}\n", self.text(width, height))).concat()
    }
}

fn wall() -> Zoned {
    "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time")
}

fn started(sandbox: &str, network: &str) -> Event {
    Event::SessionStarted {
        session: SessionId::from_random(0x12ab_0000_0000_cd34),
        mount: "/mnt/okcvm-12ab00000000cd34/".to_owned(),
        host_path: "/home/ada/.local/share/okcvm/sessions/okcvm-12ab00000000cd34/work".into(),
        sandbox: sandbox.to_owned(),
        network: network.to_owned(),
        model: "kimi-k2".to_owned(),
        title: String::new(),
    }
}

fn call(stage: &mut Stage, id: &str, tool: &str, arguments: serde_json::Value, status: Option<ToolStatus>) {
    let call = CallId(id.to_owned());
    stage.tell(Event::PhaseChanged(Phase::Tools));
    stage.tell(Event::ToolStarted { call: call.clone(), tool: tool.to_owned(), arguments });
    if let Some(status) = status {
        let output = "done".to_owned();
        stage.tell(Event::ToolFinished { call, tool: tool.to_owned(), status, duration_ms: 310, output });
    }
}

fn begin(stage: &mut Stage, text: &str) -> TurnId {
    stage.write(text);
    stage.press(KeyCode::Enter);
    let turn = TurnId::now();
    stage.tell(Event::TurnStarted { turn });
    stage.tell(Event::PhaseChanged(Phase::Waiting));
    turn
}

fn end(stage: &mut Stage, turn: TurnId, outcome: TurnOutcome) {
    stage.tell(Event::Usage { input: 41_000, output: 340, cached: 0 });
    stage.tell(Event::PhaseChanged(Phase::Closing));
    stage.tell(Event::TurnEnded { turn, outcome, reply: String::new() });
    stage.tell(Event::PhaseChanged(Phase::Idle));
}

const REPLY: &str = "I read the CV and laid it out in three sections:\n\n- experience, newest first\n\
- skills as a compact grid\n- 連絡先 with a print style\n\nOpen `site/index.html` to see it.\n";

/// A session with one whole turn.
fn typical() -> Stage {
    let mut stage = Stage::new();
    let turn = begin(&mut stage, "Make a one-page résumé site from cv.pdf");
    stage.at(1_000).tell(Event::PhaseChanged(Phase::Reasoning));
    stage.tell(Event::ReasoningDelta { text: "First the CV,".to_owned() });
    stage.at(4_800).tell(Event::ReasoningDelta { text: " then the page.".to_owned() });
    call(&mut stage, "a", "mshtools-read_file", json!({"file_path": "cv.pdf"}), Some(ToolStatus::Ok));
    call(&mut stage, "b", "mshtools-shell", json!({"command": "tidy site/index.html"}), Some(ToolStatus::Error));
    stage.tell(Event::PhaseChanged(Phase::Streaming));
    stage.tell(Event::TextDelta { text: REPLY.to_owned() });
    stage.at(12_400);
    end(&mut stage, turn, TurnOutcome::Completed);
    stage
}

#[test]
fn a_new_session_says_where_it_is_and_what_to_try() {
    insta::assert_snapshot!(Stage::new().texts());
}

#[test]
fn a_turn_that_is_done() {
    insta::assert_snapshot!(typical().texts());
}

#[test]
fn a_turn_at_work_tells_phase_tool_and_seconds() {
    let mut stage = typical();
    begin(&mut stage, "and make the header sticky");
    call(&mut stage, "c", "mshtools-shell", json!({"command": "npx prettier --check site"}), None);
    stage.at(20_100);
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn a_retry_counts_down() {
    let mut stage = typical();
    stage.at(20_000);
    begin(&mut stage, "go on");
    let reason = "429 Too Many Requests".to_owned();
    stage.tell(Event::PhaseChanged(Phase::Retrying { seconds: 8, attempt: 2, reason: reason.clone() }));
    stage.tell(Event::Warning { message: format!("request 1 failed: {reason}; again in 8 s") });
    assert!(stage.at(23_200).text(80, 24).contains("attempt 2 in 5 s: 429 Too Many Requests"));
    // A second wait replaces the line of the first.
    stage.tell(Event::PhaseChanged(Phase::Retrying { seconds: 16, attempt: 3, reason }));
    stage.tell(Event::Warning { message: "request 2 failed; again in 16 s".to_owned() });
    let text = stage.text(80, 24);
    assert!(text.contains("request 2 failed") && !text.contains("request 1 failed"), "{text}");
}

#[test]
fn silence_is_told() {
    let mut stage = Stage::new();
    begin(&mut stage, "hello");
    assert!(stage.at(2_500).text(80, 24).contains("waiting for kimi-k2"));
    assert!(!stage.text(80, 24).contains("silent"));
    assert!(stage.at(65_000).text(80, 24).contains("silent for 1 m 05 s · 1 m 05 s"));
}

#[test]
fn an_error_says_what_and_what_to_do() {
    let mut stage = Stage::new();
    let turn = begin(&mut stage, "hello");
    stage.tell(Event::Error {
        message: "the endpoint refused the key: 401 Unauthorized: \x1b[31mInvalid API key\x1b[0m".to_owned(),
        hint: Some("Put another key into the setup screen: /setup.".to_owned()),
    });
    end(&mut stage, turn, TurnOutcome::Failed);
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn a_long_conversation_shows_its_end_and_scrolls() {
    let mut stage = Stage::new();
    for number in 0..30 {
        let turn = begin(&mut stage, &format!("message {number}"));
        stage.tell(Event::TextDelta { text: format!("reply {number}\n\n```\ncode {number}\n```\n") });
        end(&mut stage, turn, TurnOutcome::Completed);
    }
    let text = stage.text(80, 24);
    assert!(text.contains("code 29") && !text.contains("message 20"), "{text}");
    stage.press(KeyCode::PageUp);
    stage.press(KeyCode::PageUp);
    insta::assert_snapshot!(stage.texts());
    for _ in 0..100 {
        stage.press(KeyCode::PageUp);
    }
    assert!(stage.text(80, 24).contains("Say what you want made"));
    for _ in 0..100 {
        stage.press(KeyCode::PageDown);
    }
    assert_eq!(stage.text(80, 24), text);
}

#[test]
fn a_message_sent_during_a_turn_waits_where_it_is_seen() {
    let mut stage = typical();
    let turn = begin(&mut stage, "go on");
    stage.write("then make it blue");
    stage.press(KeyCode::Enter);
    insta::assert_snapshot!(stage.text(80, 24));
    stage.tell(Event::PhaseChanged(Phase::Closing));
    stage.tell(Event::TurnEnded { turn, outcome: TurnOutcome::Completed, reply: String::new() });
    let effects = stage.tell(Event::PhaseChanged(Phase::Idle));
    assert!(
        matches!(&effects[..], [UiEffect::Send(okcvm::protocol::Op::Submit { text, .. })] if text == "then make it blue")
    );
}

#[test]
fn a_rollback_is_told_and_the_conversation_is_the_old_one() {
    let mut stage = typical();
    let id = "8f3a21c0".repeat(5).parse().expect("id");
    let target = "51be09aa".repeat(5).parse().expect("id");
    let scope = RestoreScope::All;
    stage.tell(Event::PhaseChanged(Phase::Restoring));
    stage.tell(Event::Restored(RestoreReport { head: id, target, scope, written: 3, removed: 1, verified: true }));
    let arguments = "{\"file_path\": \"notes.md\"}".to_owned();
    let tool_calls = vec![ToolCall { id: CallId("x".to_owned()), name: "mshtools-read_file".to_owned(), arguments }];
    let reply = ToolReply {
        call: CallId("x".to_owned()),
        tool: "mshtools-read_file".to_owned(),
        status: ToolStatus::Ok,
        output: "notes".to_owned(),
        unfinished: false,
        images: vec![],
    };
    let messages = vec![
        Message::User { text: "An older message".to_owned(), attachments: vec![] },
        Message::Assistant { text: String::new(), reasoning: Some("Hm.".to_owned()), tool_calls },
        Message::Tool(reply),
        Message::Assistant { text: "An older reply.".to_owned(), reasoning: None, tool_calls: vec![] },
    ];
    stage.tell(Event::ConversationReplaced { messages, todos: vec![] });
    stage.tell(Event::PhaseChanged(Phase::Idle));
    insta::assert_snapshot!(stage.text(80, 24));
}

#[test]
fn a_message_sent_before_the_session_is_open_stays() {
    let mut stage = Stage::with_theme(Theme::default());
    // Only sent: what the engine tells of the session comes after it.
    drop(stage.app.message("make a page about owls"));
    stage.tell(Event::ConversationReplaced { messages: vec![], todos: vec![] });
    stage.tell(Event::PhaseChanged(Phase::Idle));
    stage.tell(Event::PhaseChanged(Phase::Waiting));
    stage.tell(Event::TurnStarted { turn: TurnId(uuid::Uuid::nil()) });
    assert_eq!(stage.text(80, 24).matches("make a page about owls").count(), 1, "{}", stage.text(80, 24));
    // Later conversations hold it themselves.
    let messages = vec![Message::User { text: "make a page about owls".to_owned(), attachments: vec![] }];
    stage.tell(Event::ConversationReplaced { messages, todos: vec![] });
    assert_eq!(stage.text(80, 24).matches("make a page about owls").count(), 1, "{}", stage.text(80, 24));
}

#[test]
fn the_palette_over_a_conversation() {
    let mut stage = typical();
    stage.ctrl('p');
    stage.write("snap");
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn the_help_is_drawn_from_the_tables() {
    let mut stage = Stage::new();
    stage.text(80, 24);
    stage.press(KeyCode::Char('?'));
    insta::assert_snapshot!(stage.text(80, 100));
    let mut small = Stage::new();
    small.text(40, 12);
    small.press(KeyCode::F(1));
    insta::assert_snapshot!("the_help_at_40x12", small.text(40, 12));
}

#[test]
fn commands_are_suggested_while_they_are_typed() {
    let mut stage = typical();
    stage.write("/re");
    stage.press(KeyCode::Down);
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn the_history_is_searched_above_the_composer() {
    let mut stage = typical();
    stage.app.update(Msg::History(vec!["draw a plot".to_owned(), "make a game\nin Rust".to_owned()]));
    stage.ctrl('r');
    stage.write("make");
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn a_long_message_wraps_and_a_paste_is_a_token() {
    let mut stage = typical();
    stage.write("A message that is long enough to need a second row at eighty columns, and so it wraps: ");
    stage.app.update(Msg::Paste("line\n".repeat(214)));
    insta::assert_snapshot!(stage.texts());
}

#[test]
fn the_chat_is_searched_and_its_parts_are_unfolded() {
    let mut stage = typical();
    stage.text(80, 24);
    stage.press(KeyCode::F(2));
    stage.text(80, 24);
    stage.press(KeyCode::Char('k'));
    stage.text(80, 24);
    stage.press(KeyCode::Char('f'));
    stage.text(80, 24);
    stage.press(KeyCode::Char('/'));
    stage.write("cv");
    stage.press(KeyCode::Enter);
    insta::assert_snapshot!(stage.text(80, 24));
}

#[test]
fn a_missing_sandbox_is_red_and_never_hidden() {
    for (width, height) in [(40, 12), (40, 24), (80, 24), (120, 40)] {
        let mut stage = Stage::new();
        stage.tell(started("off", "host"));
        let text = stage.text(width, height);
        assert!(text.contains("NO SANDBOX"), "{width}x{height}:\n{text}");
        let terminal = stage.frame(width, height);
        let buffer = terminal.backend().buffer();
        let red = buffer.content().iter().filter(|cell| cell.fg == Color::Red).count();
        assert!(red >= "NO SANDBOX".len(), "{width}x{height}");
    }
}

#[test]
fn without_colours_there_are_none_and_with_ascii_only_ascii() {
    let mut stage = Stage::with_theme(Theme::new(false, true));
    let turn = begin(&mut stage, "hello");
    call(&mut stage, "b", "mshtools-shell", json!({"command": "false"}), Some(ToolStatus::Error));
    stage.tell(Event::TextDelta { text: "- a list\n\n| a | b |\n| - | - |\n| 1 | 2 |\n".to_owned() });
    end(&mut stage, turn, TurnOutcome::Interrupted);
    for (width, height) in [(40, 12), (80, 24), (120, 40), (200, 50)] {
        let terminal = stage.frame(width, height);
        for cell in terminal.backend().buffer().content() {
            assert!(cell.fg == Color::Reset && cell.bg == Color::Reset, "{cell:?}");
        }
        let text = stage.text(width, height);
        assert!(text.is_ascii(), "{text}");
    }
}

#[test]
fn four_panes_at_200_columns() {
    insta::assert_snapshot!(typical().text(200, 50));
}

/// A message with files that is being written, while names are completed.
fn with_files() -> Stage {
    let mut stage = typical();
    let pending = |name: &str, files, bytes| {
        Ok(Pending { path: format!("/home/ada/{name}").into(), name: name.to_owned(), files, bytes })
    };
    let found = vec![pending("cv.pdf", 1, 123_456), pending("photos/", 12, 3_400_000), pending("notes.md", 1, 99)];
    stage.app.update(Msg::Attached(0, found));
    stage.press(KeyCode::Esc);
    stage.write("Compare with @s");
    let row = |shown: &str| Row {
        shown: shown.to_owned(),
        folder: shown.ends_with('/'),
        place: Place::Workspace(shown.to_owned()),
    };
    let rows = vec![row("site/"), row("site/index.html"), row("site/style.css")];
    stage.app.update(Msg::Completed(Answer { number: 2, rows, walked: None }));
    stage.press(KeyCode::Down);
    stage
}

/// What the session changed in its project.
fn with_patch() -> Stage {
    let mut stage = typical();
    let change = |path: &str, what: &str| PathChange { path: path.into(), what: what.into() };
    stage.tell(Event::ProjectPatched(ProjectPatch {
        dir: "/home/ada/résumé".into(),
        write: vec![change("index.html", "+1 -1"), change("new.css", "+12 -0, new")],
        remove: vec![change("old.css", "+0 -3")],
        conflicts: vec![PathConflict {
            path: "README.md".into(),
            why: "changed on both sides".into(),
            outcome: "the file has both versions".into(),
        }],
        notes: vec![],
        since: None,
        since_copy: false,
        left_out: vec!["output/preview.png: it is no part of the project; `okcvm files get` copies it".into()],
        patch: "diff --git a/index.html b/index.html\n--- a/index.html\n+++ b/index.html\n@@ -1,2 +1,2 @@\n <body>\n\
                -<h1>CV</h1>\n+<h1>Ada</h1>\n"
            .into(),
        markers: false,
        digest: "d".into(),
    }));
    stage
}

#[test]
fn attached_files_and_completed_names_stand_around_the_line() {
    insta::assert_snapshot!(with_files().texts());
}

#[test]
fn a_message_waits_for_files_that_are_still_looked_at() {
    let mut stage = Stage::new();
    let ask = |stage: &mut Stage| {
        stage.write("/attach '/home/ada/my cv.pdf'");
        let looked = stage.press(KeyCode::Enter);
        let [UiEffect::Attach(look, paths)] = looked.as_slice() else { panic!("{looked:?}") };
        assert_eq!(*paths, ["/home/ada/my cv.pdf"].map(std::path::PathBuf::from));
        stage.write("read it");
        let sent = stage.press(KeyCode::Enter);
        assert!(!sent.iter().any(|effect| matches!(effect, UiEffect::Send(_))), "{sent:?}");
        *look
    };
    let look = ask(&mut stage);
    let pending = Pending { path: "/home/ada/my cv.pdf".into(), name: "my cv.pdf".into(), files: 1, bytes: 5 };
    let submit = Op::Submit { text: "read it".into(), attachments: vec![pending.path.clone()] };
    // What is asked for now belongs to the message after it, and what becomes of it, too.
    stage.write("/attach later.pdf");
    let later = stage.press(KeyCode::Enter);
    let [UiEffect::Attach(later, _)] = later.as_slice() else { panic!("{later:?}") };
    let missing = vec![Err("cannot attach later.pdf: there is no such file".to_owned())];
    assert_eq!(stage.app.update(Msg::Attached(*later, missing)), []);
    assert!(stage.app.queued.is_some(), "the message goes on waiting for its own file");
    assert_eq!(stage.app.update(Msg::Attached(look, vec![Ok(pending)])), [UiEffect::Send(submit)]);
    // What is missing brings the message back.
    let turn = TurnId::now();
    stage.tell(Event::TurnStarted { turn });
    stage.tell(Event::TurnEnded { turn, outcome: TurnOutcome::Completed, reply: String::new() });
    stage.tell(Event::PhaseChanged(Phase::Idle));
    let look = ask(&mut stage);
    let missing = vec![Err("cannot attach my cv.pdf: there is no such file".to_owned())];
    assert_eq!(stage.app.update(Msg::Attached(look, missing)), []);
    let text = stage.text(80, 24);
    assert!(text.contains("> read it") && text.contains("there is no such file"), "{text}");
}

#[test]
fn a_patch_for_the_project_is_shown_before_it_is_written() {
    insta::assert_snapshot!(with_patch().texts());
}

#[test]
fn no_size_makes_it_panic() {
    for make in [with_files, with_patch] {
        let mut stage = make();
        for width in (1..=20).chain([39, 80, 120, 200]) {
            for height in (1..=16).chain([24, 50]) {
                stage.frame(width, height);
            }
        }
    }
    let states: [fn(&mut Stage); 7] = [
        |_| {},
        |stage| stage.write("/"),
        |stage| drop(stage.ctrl('p')),
        |stage| drop(stage.press(KeyCode::F(1))),
        |stage| drop(stage.ctrl('r')),
        |stage| drop(stage.press(KeyCode::F(3))),
        |stage| drop(stage.press(KeyCode::F(4))),
    ];
    for prepare in states {
        let mut stage = typical();
        begin(&mut stage, "日本語 and more");
        stage.write("a queued one");
        stage.press(KeyCode::Enter);
        prepare(&mut stage);
        for width in (1..=20).chain([39, 40, 79, 80, 119, 120, 121, 200, 201]) {
            for height in (1..=16).chain([24, 50]) {
                stage.frame(width, height);
            }
        }
        for (width, height) in [(200, 50), (1, 1), (120, 40), (2, 30), (300, 2)] {
            stage.frame(width, height);
        }
    }
}

#[test]
fn a_stop_that_overtakes_the_beginning_of_its_turn_is_sent_again() {
    let mut stage = Stage::new();
    stage.write("work");
    stage.press(KeyCode::Enter);
    let interrupt = [UiEffect::Send(okcvm::protocol::Op::Interrupt)];
    assert_eq!(stage.press(KeyCode::Esc), interrupt);
    assert_eq!(stage.tell(Event::TurnStarted { turn: TurnId::now() }), interrupt);
    assert!(stage.text(80, 24).contains("closing"));
}

fn waiting() -> Stage {
    let mut stage = typical();
    begin(&mut stage, "log in");
    call(&mut stage, "c", "mshtools-shell", json!({"command": "npm login"}), None);
    let call = CallId("c".to_owned());
    stage.tell(Event::ToolOutput { call: call.clone(), chunk: "\x1b[33mPassword\x1b[0m: ".to_owned() });
    stage.at(20_000).tell(Event::ToolWaiting { call, waiting: true, hidden: false });
    stage
}

#[test]
fn a_call_that_waits_for_input_is_told_and_typed_into() {
    let mut stage = waiting();
    insta::assert_snapshot!(stage.texts());
    stage.app.update(Msg::Key(KeyEvent::new(KeyCode::Char('i'), KeyModifiers::ALT)));
    stage.write("ada 日本");
    insta::assert_snapshot!("typing_into_a_call", stage.texts());
    let input = |text: &str| {
        let op = okcvm::protocol::Op::Input { call: CallId("c".to_owned()), text: text.to_owned() };
        [UiEffect::Send(op)]
    };
    assert_eq!(stage.press(KeyCode::Enter), input("ada 日本\r"));
    // The line is empty again, and Ctrl+D ends the input.
    assert_eq!(stage.ctrl('d'), input("\u{4}"));
    stage.write("y");
    stage.press(KeyCode::Esc);
    assert!(!stage.text(80, 24).contains("end of input"));
    // What was typed went nowhere else, and Esc outside stops the turn.
    assert!(stage.app.composer.is_empty());
    stage.press(KeyCode::Up);
    assert!(!stage.text(80, 24).contains("> ada"), "{}", stage.text(80, 24));
    stage.ctrl('c');
    assert_eq!(stage.press(KeyCode::Esc), [UiEffect::Send(okcvm::protocol::Op::Interrupt)]);
}

#[test]
fn the_network_is_shown_and_changed_and_the_status_row_follows() {
    let mut stage = typical();
    stage.write("/net");
    let sent = stage.press(KeyCode::Enter);
    assert!(matches!(&sent[..], [UiEffect::Send(Op::Network(NetworkChange::Show))]), "{sent:?}");
    stage.write("/net host");
    assert!(stage.press(KeyCode::Enter).is_empty());
    let text = stage.text(120, 30);
    assert!(text.contains("own network, type: /net") && text.contains("isolation"), "{text}");
    let state =
        NetworkState { mode: "proxy".into(), allow: vec!["*".into()], ports: vec![80], ..NetworkState::default() };
    stage.tell(Event::Network(state));
    let text = stage.text(160, 40);
    assert!(
        text.contains("network proxy: allow *; ports 80. The sandbox starts anew") && text.contains("net proxy"),
        "{text}"
    );
}

#[test]
fn requests_of_a_running_call_stand_within_it() {
    let mut stage = typical();
    begin(&mut stage, "Fetch it");
    call(&mut stage, "9", "shell", json!({"command": "make fetch"}), None);
    let asked = |host: &str, port, reason: Option<&str>| Event::NetworkRequest {
        host: host.into(),
        port,
        allowed: reason.is_none(),
        reason: reason.map(Into::into),
    };
    stage.tell(asked("example.com", 443, None));
    stage.tell(asked("10.0.0.1", 80, Some("private address")));
    let text = stage.text(200, 50);
    assert!(text.contains("-> example.com:443"), "{text}");
    assert!(text.contains("-> 10.0.0.1:80 refused: private address"), "{text}");
}

#[test]
fn the_line_for_input_closes_with_its_call() {
    let mut stage = waiting();
    stage.text(80, 24);
    stage.press(KeyCode::F(3));
    stage.text(80, 24);
    stage.press(KeyCode::Char('i'));
    assert!(stage.text(80, 24).contains("shell >"), "{}", stage.text(80, 24));
    let call = CallId("c".to_owned());
    let (tool, output) = ("mshtools-shell".to_owned(), "Exit code: 0".to_owned());
    stage.tell(Event::ToolFinished { call, tool, status: ToolStatus::Ok, duration_ms: 1, output });
    assert!(!stage.text(80, 24).contains("shell >"), "{}", stage.text(80, 24));
}

#[test]
fn background_jobs_are_counted_and_listed() {
    let mut stage = typical();
    let job = |id, command: &str, ports: &[u16]| okcvm::protocol::Job {
        id,
        call: CallId("b".to_owned()),
        command: command.to_owned(),
        processes: 2,
        ports: ports.to_vec(),
        seconds: 200,
        tail: "ready\n".to_owned(),
    };
    assert!(stage.tell(Event::JobsChanged { jobs: vec![] }).is_empty());
    stage.write("/jobs");
    stage.press(KeyCode::Enter);
    assert!(stage.text(80, 24).contains("nothing runs in the background"));
    stage.tell(Event::JobsChanged {
        jobs: vec![job(1, "npm run dev", &[5173]), job(2, "python3 -m http.server", &[8000])],
    });
    assert!(stage.text(40, 12).contains("2 jobs"));
    stage.write("/jobs");
    stage.press(KeyCode::Enter);
    insta::assert_snapshot!(stage.texts());
    insta::assert_snapshot!("jobs_at_200x50", stage.text(200, 50));
    assert_eq!(stage.press(KeyCode::Char('x')), [UiEffect::Send(okcvm::protocol::Op::EndJob { job: 1 })]);
}

#[test]
fn the_output_of_a_call_is_shown_in_the_chat_with_its_colours() {
    let mut stage = waiting();
    stage.text(80, 24);
    stage.press(KeyCode::F(2));
    stage.text(80, 24);
    stage.press(KeyCode::Char('f'));
    let terminal = stage.frame(80, 24);
    let buffer = terminal.backend().buffer();
    let yellow: String =
        buffer.content().iter().filter(|cell| cell.fg == Color::Yellow).map(ratatui::buffer::Cell::symbol).collect();
    assert!(yellow.contains("Password"), "{yellow}");
}
