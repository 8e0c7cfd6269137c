//! Key sequences through the real loop: keys and engine events in, the screen of a terminal out.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use okcvm::config::schema::UiSection;
use okcvm::protocol::{Event, Op, Phase, SessionId, TurnId, TurnOutcome};
use okcvm::support::clock::FixedClock;
use okcvm::tui::input::{FakeSource, Input};
use okcvm::tui::output::{MemorySink, Sink};
use okcvm::tui::picture::{PictureFiles, PicturePlan};
use okcvm::tui::preview::PreviewFiles;
use okcvm::tui::run::{Signals, run_with};
use okcvm::tui::terminal::Screen;
use okcvm::tui::voice::VoiceServices;
use okcvm::tui::{Exit, TuiError, TuiOptions};
use okcvm::vm::{EnginePort, VmHandle};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

fn options(history_file: Option<PathBuf>) -> TuiOptions {
    let wall = "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time");
    TuiOptions {
        ui: UiSection::default(),
        no_color: true,
        links: false,
        first_prompt: None,
        demo: false,
        context_window: None,
        ssh: None,
        picture_plan: PicturePlan::default(),
        picture_files: PictureFiles::none(),
        preview_files: PreviewFiles::none(),
        voice: VoiceServices::none("none here"),
        clock: Arc::new(FixedClock(wall)),
        history_file,
        draft: okcvm::tui::Draft::default(),
    }
}

/// The application at work, with hands on its keys and the engine's side of its channels.
pub struct Bench {
    pub keys: UnboundedSender<Input>,
    pub port: EnginePort,
    pub sink: MemorySink,
    pub task: JoinHandle<Result<Exit, TuiError>>,
    pub size: (u16, u16),
    _home: tempfile::TempDir,
}

impl Bench {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut TuiOptions)) -> Self {
        let home = tempfile::tempdir().expect("folder");
        let (handle, port) = VmHandle::pair();
        let (source, keys) = FakeSource::new();
        let sink = MemorySink::new(80, 24);
        let screen = Screen::with_sink(sink.clone()).expect("screen");
        let mut options = options(Some(home.path().join("history.jsonl")));
        change(&mut options);
        let task = tokio::spawn(run_with(handle, options, screen, source, Signals::none()));
        let mut bench = Self { keys, port, sink, task, size: (80, 24), _home: home };
        bench.tell(Event::SessionStarted {
            session: SessionId::from_random(7),
            mount: "/mnt/okcvm-0000000000000007/".to_owned(),
            host_path: "/work".into(),
            sandbox: "bubblewrap".to_owned(),
            network: "off".to_owned(),
            model: "kimi-k2".to_owned(),
            title: "A test".to_owned(),
        });
        bench.tell(Event::ConversationReplaced { messages: vec![], todos: vec![] });
        bench.tell(Event::PhaseChanged(Phase::Idle));
        bench.wait_for("bubblewrap").await;
        bench
    }

    pub fn tell(&mut self, event: Event) {
        self.port.events.send(event).expect("the screen listens");
    }

    pub fn press(&mut self, code: KeyCode) {
        self.chord(code, KeyModifiers::NONE);
    }

    pub fn chord(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.keys.send(Input::Key(KeyEvent::new(code, modifiers))).expect("the screen listens");
    }

    pub fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    pub fn screen(&self) -> vt100::Parser {
        let size = |n: u16| NonZeroU16::new(n).expect("a size");
        let mut parser = vt100::Parser::new(size(self.size.1), size(self.size.0), 0);
        parser.process(&self.sink.bytes());
        parser
    }

    pub fn text(&self) -> String {
        self.screen().screen().contents()
    }

    pub async fn wait_until(&mut self, what: &str, mut done: impl FnMut(&str) -> bool) -> String {
        let waited = timeout(DEADLINE, async {
            loop {
                let text = self.text();
                if done(&text) {
                    return text;
                }
                self.sink.written().await;
            }
        })
        .await;
        assert!(waited.is_ok(), "waited in vain for {what}:\n{}", self.text());
        waited.unwrap_or_default()
    }

    pub async fn wait_for(&mut self, text: &str) -> String {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text)).await
    }

    pub async fn op(&mut self) -> Op {
        timeout(DEADLINE, self.port.ops.recv()).await.expect("an op in time").expect("an op")
    }

    pub async fn exit(self) -> Exit {
        timeout(DEADLINE, self.task).await.expect("an end in time").expect("no panic").expect("no error")
    }

    pub fn begin_turn(&mut self) -> TurnId {
        let turn = TurnId::now();
        self.tell(Event::TurnStarted { turn });
        self.tell(Event::PhaseChanged(Phase::Waiting));
        turn
    }

    pub fn end_turn(&mut self, turn: TurnId, outcome: TurnOutcome) {
        self.tell(Event::TurnEnded { turn, outcome, reply: String::new() });
        self.tell(Event::PhaseChanged(Phase::Idle));
    }
}

#[tokio::test]
async fn a_message_goes_to_the_engine_and_its_answer_to_the_screen() {
    let mut bench = Bench::start().await;
    bench.write("hello 日本");
    let text = bench.wait_for("hello 日本").await;
    assert!(text.contains("> hello 日本"));
    // The terminal's own cursor stands at the caret: three cells of prompt, six of hello, four of two wide letters.
    assert_eq!(bench.screen().screen().cursor_position().1, 13);
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::Submit { text: "hello 日本".to_owned(), attachments: vec![] });
    let turn = bench.begin_turn();
    bench.tell(Event::TextDelta { text: "Good ".to_owned() });
    bench.tell(Event::TextDelta { text: "morning.".to_owned() });
    bench.wait_for("Good morning.").await;
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.wait_until("idle", |screen| !screen.contains("Esc stop")).await;
}

#[tokio::test]
async fn escape_stops_the_turn_and_the_composer_is_free_at_once() {
    let mut bench = Bench::start().await;
    bench.write("work");
    bench.press(KeyCode::Enter);
    bench.op().await;
    let turn = bench.begin_turn();
    bench.wait_for("waiting for kimi-k2").await;
    bench.press(KeyCode::Esc);
    assert_eq!(timeout(DEADLINE, bench.port.urgent.recv()).await.expect("in time"), Some(Op::Interrupt));
    // The engine has not answered; the screen says what it does and takes a message, which waits.
    bench.wait_for("closing").await;
    bench.write("next");
    bench.press(KeyCode::Enter);
    bench.wait_for("waits for the end of the turn: next").await;
    assert!(bench.port.ops.try_recv().is_err());
    bench.tell(Event::PhaseChanged(Phase::Closing));
    bench.end_turn(turn, TurnOutcome::Interrupted);
    assert_eq!(bench.op().await, Op::Submit { text: "next".to_owned(), attachments: vec![] });
    bench.wait_for("stopped; what was done so far is kept").await;
}

#[tokio::test]
async fn a_message_that_waits_comes_back_when_the_turn_is_stopped() {
    let mut bench = Bench::start().await;
    bench.write("work");
    bench.press(KeyCode::Enter);
    bench.op().await;
    bench.begin_turn();
    bench.write("later");
    bench.press(KeyCode::Enter);
    bench.wait_for("waits for the end of the turn: later").await;
    bench.press(KeyCode::Esc);
    bench.wait_for("> later").await;
}

#[tokio::test]
async fn control_c_clears_then_stops_then_asks_and_twice_quits() {
    let mut bench = Bench::start().await;
    bench.write("draft");
    bench.wait_for("> draft").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.wait_until("an empty composer", |screen| !screen.contains("draft")).await;
    // Within two seconds: it quits, whatever the first one did.
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(bench.op().await, Op::Shutdown);
    bench.wait_for("saving the session").await;
    bench.tell(Event::Closed);
    assert_eq!(bench.exit().await, Exit::Quit);
}

#[tokio::test]
async fn control_c_in_a_turn_stops_it_and_again_quits_as_interrupted() {
    let mut bench = Bench::start().await;
    bench.write("work");
    bench.press(KeyCode::Enter);
    bench.op().await;
    bench.begin_turn();
    bench.wait_for("waiting for kimi-k2").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(timeout(DEADLINE, bench.port.urgent.recv()).await.expect("in time"), Some(Op::Interrupt));
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(bench.op().await, Op::Shutdown);
    bench.tell(Event::Closed);
    assert_eq!(bench.exit().await, Exit::Interrupted);
}

#[tokio::test]
async fn leaving_does_not_wait_for_an_engine_that_hangs_when_asked_again() {
    let mut bench = Bench::start().await;
    bench.write("/quit");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::Shutdown);
    bench.wait_for("saving the session").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(bench.exit().await, Exit::Quit);
}

/// A terminal behind a link that carries nothing until it is told to.
#[derive(Debug, Clone)]
struct StuckSink {
    inner: MemorySink,
    busy: Arc<AtomicBool>,
    free: Arc<Notify>,
}

impl Sink for StuckSink {
    fn size(&self) -> std::io::Result<Size> {
        self.inner.size()
    }

    fn submit(&mut self, bytes: Vec<u8>) -> std::io::Result<()> {
        self.busy.store(true, Ordering::SeqCst);
        self.inner.submit(bytes)
    }

    fn busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    async fn drained(&self) {
        self.free.notified().await;
        self.busy.store(false, Ordering::SeqCst);
    }

    fn taken(&self) -> u64 {
        self.inner.taken()
    }
}

#[tokio::test]
async fn a_terminal_that_takes_nothing_stops_no_key_and_frames_fold() {
    let (handle, mut port) = VmHandle::pair();
    let (source, keys) = FakeSource::new();
    let inner = MemorySink::new(80, 24);
    let stuck = StuckSink { inner: inner.clone(), busy: Arc::default(), free: Arc::default() };
    let screen = Screen::with_sink(stuck.clone()).expect("screen");
    let task = tokio::spawn(run_with(handle, options(None), screen, source, Signals::none()));
    for c in "hello".chars() {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        keys.send(Input::Key(key)).expect("the screen listens");
    }
    keys.send(Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))).expect("the screen listens");
    let op = timeout(DEADLINE, port.ops.recv()).await.expect("in time");
    assert_eq!(op, Some(Op::Submit { text: "hello".to_owned(), attachments: vec![] }));
    for number in 0..500 {
        port.events.send(Event::TextDelta { text: format!("{number} ") }).expect("the screen listens");
    }
    let before = inner.taken();
    stuck.free.notify_one();
    timeout(DEADLINE, async {
        while !String::from_utf8_lossy(&inner.bytes()).contains("499") {
            inner.written().await;
            stuck.free.notify_one();
        }
    })
    .await
    .expect("the latest state in the end");
    // All of it came in a few frames: far less than every state that was passed through.
    assert!(inner.taken() - before < 8_000, "{}", inner.taken() - before);
    task.abort();
}

#[tokio::test]
async fn a_lost_terminal_closes_the_engine_and_ends() {
    let mut bench = Bench::start().await;
    bench.keys.send(Input::Ended).expect("the screen listens");
    assert_eq!(bench.op().await, Op::Shutdown);
    bench.tell(Event::Closed);
    assert_eq!(bench.exit().await, Exit::Signal(1));
}

#[tokio::test]
async fn the_terminal_is_left_as_it_was() {
    let mut bench = Bench::start().await;
    bench.write("/quit");
    bench.press(KeyCode::Enter);
    bench.op().await;
    bench.tell(Event::Closed);
    let sink = bench.sink.clone();
    bench.exit().await;
    let bytes = String::from_utf8_lossy(&sink.bytes()).into_owned();
    assert!(bytes.starts_with("\x1b[?1049h\x1b[?2004h"));
    let last = &bytes[bytes.len() - 60..];
    for sequence in ["\x1b[r", "\x1b[m", "\x1b[?2004l", "\x1b[?25h", "\x1b[?1049l"] {
        assert!(last.contains(sequence), "{sequence:?} in {last:?}");
    }
    for never in ["\x1b[?1000h", "\x1b[?1003h", "\x1b[>1u", "\x1b[3J"] {
        assert!(!bytes.contains(never), "{never:?}");
    }
}

#[tokio::test]
async fn pasted_line_breaks_send_nothing() {
    let mut bench = Bench::start().await;
    bench.keys.send(Input::Paste("one\rtwo\r".to_owned())).expect("the screen listens");
    bench.wait_for("two").await;
    assert!(bench.port.ops.try_recv().is_err());
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::Submit { text: "one\ntwo".to_owned(), attachments: vec![] });
}

#[tokio::test]
async fn messages_are_remembered_for_the_next_time() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("history.jsonl");
    std::fs::write(&file, "\"an older message\"\n").expect("written");
    let path = file.clone();
    let mut bench = Bench::start_with(move |options| options.history_file = Some(path)).await;
    // The file is read after the first frame; until then there is nothing to bring back.
    let recalled = timeout(DEADLINE, async {
        loop {
            bench.press(KeyCode::Up);
            bench.sink.written().await;
            if bench.text().contains("> an older message") {
                return;
            }
        }
    });
    recalled.await.expect("the older message");
    bench.press(KeyCode::Enter);
    bench.op().await;
    bench.begin_turn();
    bench.wait_for("waiting for kimi-k2").await;
}

#[tokio::test]
async fn commands_do_what_they_say() {
    let mut bench = Bench::start().await;
    for (typed, op) in [
        ("/undo", Op::Undo),
        ("/redo", Op::Redo),
        ("/snapshot before the redesign", Op::Snapshot { label: "before the redesign".to_owned() }),
        ("/rename Another title", Op::Rename { title: "Another title".to_owned() }),
        ("/diff", Op::Diff { from: "head".to_owned(), to: None }),
    ] {
        bench.write(typed);
        bench.press(KeyCode::Enter);
        assert_eq!(bench.op().await, op, "{typed}");
    }
    // The difference is shown in the snapshots; it closes first, then the pane.
    bench.wait_for("now against head").await;
    bench.press(KeyCode::Esc);
    bench.press(KeyCode::Esc);
    bench.write("/snapshto x");
    bench.press(KeyCode::Enter);
    bench.wait_for("there is no command /snapshto, did you mean /snapshot?").await;
}

#[tokio::test]
async fn panes_are_a_key_apart_and_escape_comes_back() {
    let mut bench = Bench::start().await;
    bench.press(KeyCode::F(3));
    bench.wait_for("> Trace").await;
    bench.chord(KeyCode::Char('4'), KeyModifiers::ALT);
    bench.wait_for("> Snapshots").await;
    bench.press(KeyCode::Esc);
    bench.wait_for("Say what you want made").await;
    bench.press(KeyCode::F(1));
    bench.wait_for("Anywhere").await;
    bench.press(KeyCode::Esc);
    bench.wait_for("Say what you want made").await;
}

#[tokio::test]
async fn the_latest_reply_is_copied_through_the_terminal() {
    if std::env::var_os("TMUX").is_some() || std::env::var_os("STY").is_some() {
        return super::support::skip_or_fail("the test runs inside a multiplexer, whose clipboard it must not touch");
    }
    let mut bench = Bench::start().await;
    bench.write("x");
    bench.press(KeyCode::Enter);
    bench.op().await;
    let turn = bench.begin_turn();
    bench.tell(Event::TextDelta { text: "hi".to_owned() });
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.wait_until("idle", |screen| screen.contains("hi") && !screen.contains("Esc stop")).await;
    bench.write("/copy");
    bench.press(KeyCode::Enter);
    bench.wait_for("copied the latest reply, 2 characters, through the terminal (OSC 52)").await;
    let bytes = bench.sink.bytes();
    assert!(bytes.windows(12).any(|window| window == b"\x1b]52;c;aGk=\x07"));
}

#[tokio::test]
async fn a_resize_fits_the_screen_again() {
    let mut bench = Bench::start().await;
    bench.sink.resize(130, 40);
    bench.size = (130, 40);
    bench.keys.send(Input::Resize).expect("the screen listens");
    bench.wait_until("three panes", |screen| screen.contains("Trace") && screen.contains("Snapshots")).await;
    bench.sink.resize(40, 12);
    bench.keys.send(Input::Resize).expect("the screen listens");
    bench.size = (40, 12);
    let text = bench.wait_until("one pane", |screen| !screen.contains("Trace") && screen.contains("Say what")).await;
    assert!(text.contains('>'));
}

#[tokio::test]
async fn nothing_is_written_while_nothing_happens() {
    let mut bench = Bench::start().await;
    bench.wait_for("Say what you want made").await;
    // Whatever was still to be drawn is drawn before the next key's frame; that frame is the last.
    bench.write("x");
    bench.wait_for("> x").await;
    let before = bench.sink.bytes().len();
    assert!(
        timeout(Duration::from_millis(700), async {
            while bench.sink.bytes().len() == before {
                bench.sink.written().await;
            }
        })
        .await
        .is_err()
    );
}

#[tokio::test]
async fn a_stream_costs_few_bytes() {
    let mut bench = Bench::start().await;
    bench.write("x");
    bench.press(KeyCode::Enter);
    bench.op().await;
    let turn = bench.begin_turn();
    bench.tell(Event::PhaseChanged(Phase::Streaming));
    let before = bench.sink.bytes().len();
    let mut text = 0;
    let mut next = tokio::time::Instant::now();
    for number in 0..1_000 {
        let word = if number % 60 == 59 { "words.\n\n" } else { "words " };
        text += word.len();
        bench.tell(Event::TextDelta { text: word.to_owned() });
        // As fast as a quick model, so that frames are as many as they would be.
        next += Duration::from_millis(2);
        tokio::time::sleep_until(next).await;
    }
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.wait_until("idle", |screen| !screen.contains("Esc stop")).await;
    let written = bench.sink.bytes().len() - before;
    assert!(written < text * 4, "{written} bytes for {text} bytes of text");
}

#[tokio::test]
async fn the_setup_does_not_end_a_turn_and_a_draft_outlives_it() {
    let draft = okcvm::tui::Draft::default();
    let kept = Arc::clone(&draft);
    let mut bench = Bench::start_with(|options| options.draft = kept).await;
    let turn = bench.begin_turn();
    bench.wait_for("waiting for kimi-k2").await;
    bench.write("/setup");
    bench.press(KeyCode::Enter);
    bench.wait_for("a turn is running; stop it").await;
    assert!(bench.port.ops.try_recv().is_err());
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.wait_until("the end of the turn", |screen| !screen.contains("Esc stop")).await;
    bench.write("half a thought");
    bench.chord(KeyCode::Char('p'), KeyModifiers::CONTROL);
    bench.write("endpoints");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::Shutdown);
    bench.tell(Event::Closed);
    assert_eq!(bench.exit().await, Exit::Setup);
    assert_eq!(draft.lock().expect("a draft").text, "half a thought");
    // What was attached goes along, too.
    let file = tempfile::NamedTempFile::new().expect("file");
    draft.lock().expect("a draft").files.push(file.path().to_owned());
    let kept = Arc::clone(&draft);
    let mut again = Bench::start_with(|options| options.draft = kept).await;
    again.wait_for("> half a thought").await;
    let name = file.path().file_name().and_then(|name| name.to_str()).expect("text");
    again.wait_for(&format!("+ {name}")).await;
}

#[tokio::test]
async fn a_command_of_the_palette_gives_the_draft_back() {
    let mut bench = Bench::start().await;
    bench.write("half a thought");
    bench.chord(KeyCode::Char('p'), KeyModifiers::CONTROL);
    bench.write("rename");
    bench.press(KeyCode::Enter);
    bench.wait_for("> /rename").await;
    bench.write("x");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::Rename { title: "x".to_owned() });
    bench.wait_for("> half a thought").await;
}

#[tokio::test]
async fn what_is_pressed_between_two_cancels_parts_them() {
    let mut bench = Bench::start().await;
    bench.write("a");
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.write("b");
    bench.wait_for("> b").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.wait_until("an empty composer", |screen| !screen.contains("> b")).await;
    assert!(!bench.task.is_finished() && bench.port.ops.try_recv().is_err());
    bench.press(KeyCode::Up);
    bench.wait_for("> b").await;
    bench.press(KeyCode::Up);
    bench.wait_for("> a").await;
    // Ctrl+D edits a message, and asks to quit where there is none.
    bench.press(KeyCode::Home);
    bench.chord(KeyCode::Char('d'), KeyModifiers::CONTROL);
    bench.wait_until("an empty composer", |screen| !screen.contains("> a")).await;
    bench.chord(KeyCode::Char('d'), KeyModifiers::CONTROL);
    bench.wait_for("again quits").await;
    bench.chord(KeyCode::Char('d'), KeyModifiers::CONTROL);
    assert_eq!(bench.op().await, Op::Shutdown);
}

#[tokio::test]
async fn escape_closes_the_suggestions_before_it_stops_the_turn() {
    let mut bench = Bench::start().await;
    bench.begin_turn();
    bench.wait_for("waiting for kimi-k2").await;
    bench.write("/");
    bench.wait_for("Redo what was undone").await;
    bench.press(KeyCode::Esc);
    bench.wait_until("no suggestions", |screen| !screen.contains("Redo what was undone")).await;
    assert!(bench.port.ops.try_recv().is_err());
    bench.write("re");
    bench.wait_for("Redo what was undone").await;
    bench.press(KeyCode::Esc);
    bench.wait_until("no suggestions", |screen| !screen.contains("Redo what was undone")).await;
    bench.press(KeyCode::Esc);
    assert_eq!(timeout(DEADLINE, bench.port.urgent.recv()).await.expect("in time"), Some(Op::Interrupt));
}

#[tokio::test]
async fn news_in_between_does_not_split_a_reply() {
    let mut bench = Bench::start().await;
    let turn = bench.begin_turn();
    bench.tell(Event::PhaseChanged(Phase::Retrying { seconds: 0, attempt: 2, reason: "busy".to_owned() }));
    bench.tell(Event::Warning { message: "attempt 2 now".to_owned() });
    bench.wait_for("attempt 2 now").await;
    bench.tell(Event::PhaseChanged(Phase::Streaming));
    bench.tell(Event::TextDelta { text: "one and ".to_owned() });
    bench.wait_until("the notice to go", |screen| screen.contains("one and") && !screen.contains("attempt 2")).await;
    bench.tell(Event::Error { message: "cannot roll back".to_owned(), hint: None });
    bench.tell(Event::TextDelta { text: "two".to_owned() });
    bench.wait_for("one and two").await;
    bench.end_turn(turn, TurnOutcome::Completed);
}

#[tokio::test]
async fn what_a_start_has_to_say_stands_below_the_conversation() {
    let mut bench = Bench::start().await;
    bench.tell(Event::ConversationReplaced { messages: vec![], todos: vec![] });
    bench.tell(Event::Warning { message: "the last turn ended with the program".to_owned() });
    bench.tell(Event::PhaseChanged(Phase::Idle));
    bench.wait_for("the last turn ended with the program").await;
}

#[tokio::test]
async fn titles_are_cut_with_a_mark_and_hints_name_the_help_once() {
    let mut bench = Bench::start().await;
    bench.press(KeyCode::F(4));
    let text = bench.wait_for("Snapshots of the workspace appear here").await;
    assert_eq!(text.matches("? help").count(), 1, "{text}");
    bench.press(KeyCode::Esc);
    let long = "a".repeat(100);
    bench.write(&format!("/diff {long}"));
    bench.press(KeyCode::Enter);
    bench.op().await;
    bench.tell(Event::DiffReady { from: long, to: None, files: vec![] });
    bench
        .wait_until("a cut title", |screen| screen.lines().any(|l| l.contains("now against aaaa") && l.contains('…')))
        .await;
}

#[tokio::test]
async fn every_place_of_a_reply_is_found() {
    let mut bench = Bench::start().await;
    let turn = bench.begin_turn();
    let place = |n: usize| if n % 30 == 5 { format!("needle-{n}") } else { format!("straw {n}") };
    let lines: Vec<String> = (0..70).map(place).collect();
    bench.tell(Event::TextDelta { text: lines.join("\n\n") });
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.wait_for("straw 69").await;
    bench.wait_until("the end of the turn", |screen| !screen.contains("Esc stop")).await;
    bench.press(KeyCode::F(2));
    bench.write("/needle");
    bench.wait_for("/needle").await;
    bench.press(KeyCode::Enter);
    bench.wait_for("n next").await;
    bench.chord(KeyCode::Char('N'), KeyModifiers::SHIFT);
    bench.wait_for("needle-35").await;
    bench.chord(KeyCode::Char('N'), KeyModifiers::SHIFT);
    bench.wait_for("needle-5").await;
    bench.write("n");
    bench.wait_for("needle-35").await;
}

#[tokio::test]
async fn a_missing_sandbox_is_told_on_a_small_screen_also_while_a_turn_runs() {
    let mut bench = Bench::start().await;
    bench.tell(Event::SessionStarted {
        session: SessionId::from_random(7),
        mount: "/mnt/okcvm-0000000000000007/".to_owned(),
        host_path: "/work".into(),
        sandbox: "off".to_owned(),
        network: "off".to_owned(),
        model: "a-model-with-a-long-name-that-takes-the-row".to_owned(),
        title: "A test".to_owned(),
    });
    bench.sink.resize(40, 12);
    bench.keys.send(Input::Resize).expect("the screen listens");
    bench.size = (40, 12);
    bench.begin_turn();
    bench
        .wait_until("both", |screen| screen.lines().any(|l| l.contains("waiting for") && l.contains("NO SANDBOX")))
        .await;
}

#[test]
fn the_program_starts_types_resizes_and_leaves_the_terminal_as_it_was() {
    let home = super::support::TestHome::new();
    let mut terminal = super::support::Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    terminal.wait_for("Say what you want made");
    let first = terminal.wait_for("demo model");
    assert!(first.contains("external") && first.contains("demo model"), "{first}");
    terminal.keys("hello 日本");
    terminal.wait_for("> hello 日本");
    assert_eq!(terminal.parsed().cursor_position(), (22, 13));
    terminal.resize(130, 40);
    terminal.wait_until("three panes", |screen| screen.contains("Trace") && screen.contains("Snapshots"));
    terminal.resize(40, 12);
    terminal.wait_until("one pane", |screen| !screen.contains("Trace") && screen.contains("> hello 日本"));
    terminal.keys("\x03");
    terminal.wait_gone("hello");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    assert!(!terminal.parsed().alternate_screen() && !terminal.parsed().bracketed_paste());
    assert!(!terminal.parsed().hide_cursor());
}

#[test]
fn keys_that_come_with_a_change_of_the_size_are_not_overlooked() {
    let home = super::support::TestHome::new();
    let mut terminal = super::support::Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    terminal.wait_for("demo model");
    let mut typed = String::from("> ");
    for (number, letter) in ('a'..='z').enumerate() {
        terminal.resize(if number % 2 == 0 { 100 } else { 80 }, 24);
        terminal.keys(&letter.to_string());
        typed.push(letter);
        terminal.wait_for(&typed);
    }
}

#[test]
fn sigterm_saves_restores_the_terminal_and_exits_143() {
    let home = super::support::TestHome::new();
    let mut terminal = super::support::Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    terminal.wait_for("Say what you want made");
    terminal.keys("Make a page about the moon\r");
    terminal.wait_for("Esc stop");
    let pid = i32::try_from(terminal.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signal");
    assert_eq!(terminal.wait_exit(), 143);
    assert!(!terminal.parsed().alternate_screen() && !terminal.parsed().hide_cursor());
    // The turn was closed and can be seen by the next start.
    let mut again = super::support::Terminal::start(&home, &["--demo", "--sandbox", "external", "--continue"], 80, 24);
    again.wait_for("Make a page about the moon");
    again.keys("/quit\r");
    assert_eq!(again.wait_exit(), 0);
}
