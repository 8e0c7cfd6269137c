//! A session as the engine serves it: own home, scripted endpoint, real tools, real store.
//!
//! ```ignore
//! let mut session = TestSession::start([Answer::text("Hello.")]);
//! let events = session.turn("Hi").await;
//! session.close().await;
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxSection};
use okcvm::model::{ChatModel, OpenAiChat, Timing};
use okcvm::protocol::{Event, Message, Op, Phase, ToolStatus, TurnOutcome};
use okcvm::sandbox::{Chooser, LazySandbox};
use okcvm::session::SessionFolder;
use okcvm::support::clock::{Clock, FixedClock};
use okcvm::support::secret::{Redactor, Secret};
use okcvm::vm::{self, Announce, EngineParts, OpenSession, SessionOptions, VmHandle};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::TestHome;
use super::endpoint::{Answer, FAKE_KEY, FakeEndpoint};

/// How long an event may take to come.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The moment at which the clock of these sessions stands.
pub const NOW: &str = "2026-11-22T12:00:00+01:00[Europe/Berlin]";

/// What can be set before a session starts.
pub struct Settings {
    /// Requests in one turn at most.
    pub max_rounds: u32,
    /// Waiting times of the client.
    pub timing: Timing,
    /// Text of the system prompt, not rendered.
    pub prompt: String,
    /// A model other than the one behind the endpoint.
    pub model: Option<Arc<dyn ChatModel>>,
    /// Whether the notebook has a Python.
    pub notebook: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_rounds: 50,
            timing: Timing::quick(),
            prompt: "You work in /mnt/okcomputer/.".to_owned(),
            model: None,
            notebook: false,
        }
    }
}

/// A session with a running engine.
pub struct TestSession {
    /// HOME and what is below it.
    pub home: TestHome,
    /// The model's side.
    pub endpoint: FakeEndpoint,
    /// The front end's handle.
    pub handle: VmHandle,
    /// The session's folder.
    pub root: PathBuf,
    /// Its mount, without a trailing slash.
    pub mount: String,
    engine: JoinHandle<()>,
}

/// How the sessions of tests are opened: no sandbox, so that they run everywhere.
pub fn options(home: &TestHome) -> SessionOptions {
    let section = SandboxSection {
        backend: SandboxBackend::Off,
        network: NetworkSection::of_mode(NetworkMode::Host),
        ..SandboxSection::default()
    };
    let cache = home.path().join("cache/okcvm");
    let chooser = Chooser::new(&section, &cache).program(env!("CARGO_BIN_EXE_okcvm"));
    let sandbox = LazySandbox::from_chooser(chooser);
    let moment = NOW.parse().expect("time");
    SessionOptions {
        redactor: Redactor::new([Secret::new(FAKE_KEY)]),
        clock: Arc::new(FixedClock(moment)),
        holder: "a test".to_owned(),
        ..SessionOptions::new(sandbox)
    }
}

fn options_for(home: &TestHome, settings: &Settings) -> SessionOptions {
    let options = options(home);
    if settings.notebook { SessionOptions { python: super::machine::python(), ..options } } else { options }
}

impl TestSession {
    /// A new session whose model gives these answers.
    pub fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(FakeEndpoint::start(script), Settings::default())
    }

    /// A new session.
    pub fn start_with(endpoint: FakeEndpoint, settings: Settings) -> Self {
        let home = TestHome::new();
        let options = options_for(&home, &settings);
        let session = OpenSession::create(&home.sessions(), &options).expect("new session");
        Self::serve(home, endpoint, settings, &options, session)
    }

    fn serve(
        home: TestHome,
        endpoint: FakeEndpoint,
        settings: Settings,
        options: &SessionOptions,
        session: OpenSession,
    ) -> Self {
        let model = settings.model.unwrap_or_else(|| {
            Arc::new(OpenAiChat::new(endpoint.endpoint()).expect("model").with_timing(settings.timing))
        });
        let OpenSession { ledger, resumed, workspace, toolbox } = session;
        let (root, mount) = (ledger.folder().root().to_owned(), ledger.folder().mount());
        let (handle, engine) = vm::open(EngineParts {
            ledger,
            resumed,
            workspace,
            toolbox,
            model,
            prompt: settings.prompt,
            max_rounds: settings.max_rounds,
            clock: Arc::clone(&options.clock) as Arc<dyn Clock>,
            redactor: options.redactor.clone(),
            announce: Announce {
                sandbox: "off".to_owned(),
                network: "host".to_owned(),
                model: "fake-model".to_owned(),
            },
        })
        .expect("engine");
        let engine = tokio::spawn(engine.run());
        Self { home, endpoint, handle, root, mount, engine }
    }

    /// Sends an op.
    #[track_caller]
    pub fn send(&self, op: Op) {
        self.handle.send(op).expect("the engine takes ops");
    }

    /// Sends a message without attachments.
    #[track_caller]
    pub fn submit(&self, text: &str) {
        self.send(Op::Submit { text: text.to_owned(), attachments: Vec::new() });
    }

    /// The next event, within the deadline.
    pub async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(DEADLINE, self.handle.next_event()).await;
        event.expect("an event in time").expect("the engine runs")
    }

    /// Every event up to and with the first that fits.
    pub async fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = tokio::time::timeout(DEADLINE, self.handle.next_event()).await;
            let Ok(Some(event)) = event else { panic!("waited in vain; so far: {events:#?}") };
            let found = fits(&event);
            events.push(event);
            if found {
                return events;
            }
        }
    }

    /// Every event until nothing runs any more.
    pub async fn until_idle(&mut self) -> Vec<Event> {
        self.until(|event| *event == Event::PhaseChanged(Phase::Idle)).await
    }

    /// One turn: every event up to its end, and the rest until nothing runs any more.
    pub async fn turn(&mut self, text: &str) -> Vec<Event> {
        self.submit(text);
        let mut events = self.until(|event| matches!(event, Event::TurnEnded { .. })).await;
        events.extend(self.until_idle().await);
        events
    }

    /// Ends the engine; what is left can be opened again.
    pub async fn close(mut self) -> Closed {
        self.send(Op::Shutdown);
        let events = self.until(|event| *event == Event::Closed).await;
        self.engine.await.expect("the engine ended well");
        Closed { home: self.home, endpoint: self.endpoint, root: self.root, events }
    }

    /// Drops the front end's handle and waits until the engine has noticed.
    pub async fn vanish(self) -> Closed {
        drop(self.handle);
        tokio::time::timeout(DEADLINE, self.engine).await.expect("in time").expect("the engine ended well");
        Closed { home: self.home, endpoint: self.endpoint, root: self.root, events: Vec::new() }
    }

    /// Ends the engine as kill -9 would: in the middle of whatever it does.
    pub async fn kill(self) -> Closed {
        self.engine.abort();
        // The task was aborted; that is what it says.
        let _ = self.engine.await;
        Closed { home: self.home, endpoint: self.endpoint, root: self.root, events: Vec::new() }
    }

    /// A file of the workspace.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join("work").join(path)
    }
}

/// A session that nobody serves.
pub struct Closed {
    /// HOME and what is below it.
    pub home: TestHome,
    /// The model's side.
    pub endpoint: FakeEndpoint,
    /// The session's folder.
    pub root: PathBuf,
    /// What was told until the end.
    pub events: Vec<Event>,
}

impl Closed {
    /// Serves it again.
    pub fn reopen(self) -> TestSession {
        self.reopen_with(Settings::default())
    }

    /// Serves it again with other settings.
    pub fn reopen_with(self, settings: Settings) -> TestSession {
        let options = options_for(&self.home, &settings);
        let folder = SessionFolder::open(&self.root).expect("session");
        let session = OpenSession::open(folder, &options).expect("session opens again");
        TestSession::serve(self.home, self.endpoint, settings, &options, session)
    }
}

/// One word or two for each public event, and for phases: what a test compares.
pub fn story(events: &[Event]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for event in events {
        let word = match event {
            Event::SessionStarted { .. } => "session".to_owned(),
            Event::TurnStarted { .. } => "turn".to_owned(),
            // How a text is cut into pieces is chance.
            Event::TextDelta { .. } if words.last().is_some_and(|word| word == "text") => continue,
            Event::TextDelta { .. } => "text".to_owned(),
            Event::ReasoningDelta { .. } if words.last().is_some_and(|word| word == "reasoning") => continue,
            Event::ReasoningDelta { .. } => "reasoning".to_owned(),
            Event::ReplyRestarted { .. } => "restarted".to_owned(),
            Event::ToolStarted { call, .. } => format!("start {call}"),
            Event::ToolFinished { call, status, .. } => format!("{} {call}", status_word(*status)),
            Event::TodoChanged { .. } => "todos".to_owned(),
            Event::Artifact(_) => "artifact".to_owned(),
            Event::SnapshotTaken { .. } => "snapshot".to_owned(),
            Event::Usage { .. } => "usage".to_owned(),
            Event::Warning { .. } => "warning".to_owned(),
            Event::Error { .. } => "error".to_owned(),
            Event::TurnEnded { outcome, .. } => format!("ended {}", outcome_word(*outcome)),
            _ => continue,
        };
        words.push(word);
    }
    words
}

fn status_word(status: ToolStatus) -> &'static str {
    match status {
        ToolStatus::Ok => "ok",
        ToolStatus::Error => "error",
        ToolStatus::Cancelled => "cancelled",
        ToolStatus::Timeout => "timeout",
    }
}

fn outcome_word(outcome: TurnOutcome) -> &'static str {
    match outcome {
        TurnOutcome::Completed => "completed",
        TurnOutcome::Interrupted => "interrupted",
        TurnOutcome::Failed => "failed",
    }
}

/// The messages of all errors.
pub fn errors<'a>(events: &'a [Event]) -> Vec<&'a str> {
    let message =
        |event: &'a Event| if let Event::Error { message, .. } = event { Some(message.as_str()) } else { None };
    events.iter().filter_map(message).collect()
}

/// The messages of all warnings.
pub fn warnings<'a>(events: &'a [Event]) -> Vec<&'a str> {
    let message =
        |event: &'a Event| if let Event::Warning { message, .. } = event { Some(message.as_str()) } else { None };
    events.iter().filter_map(message).collect()
}

/// The text that was streamed.
pub fn streamed<'a>(events: &'a [Event]) -> String {
    let text = |event: &'a Event| if let Event::TextDelta { text, .. } = event { Some(text.as_str()) } else { None };
    events.iter().filter_map(text).collect()
}

/// The output of the result of a call.
#[track_caller]
pub fn output<'a>(events: &'a [Event], id: &str) -> &'a str {
    let found = events.iter().find_map(|event| match event {
        Event::ToolFinished { call, output, .. } if call.0 == id => Some(output.as_str()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no result of {id}: {:?}", story(events)))
}

/// The conversation that was told last.
#[track_caller]
pub fn conversation(events: &[Event]) -> &[Message] {
    let found = events.iter().rev().find_map(|event| match event {
        Event::ConversationReplaced { messages, .. } => Some(messages.as_slice()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no conversation: {:?}", story(events)))
}

/// Role and text (or call ids) of each message of a request, the system prompt left out.
pub fn wire(messages: &[Value]) -> Vec<String> {
    let one = |message: &Value| {
        let role = message["role"].as_str().unwrap_or("?");
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        match role {
            "tool" => format!("tool {}: {text}", message["tool_call_id"].as_str().unwrap_or("?")),
            "assistant" => {
                let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
                let ids: Vec<&str> = calls.iter().filter_map(|call| call["id"].as_str()).collect();
                format!("assistant [{}]: {text}", ids.join(","))
            }
            role => format!("{role}: {text}"),
        }
    };
    messages.iter().filter(|message| message["role"] != "system").map(one).collect()
}
