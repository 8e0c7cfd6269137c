//! `okcvm exec` as a script sees it: the schema of its events, exit codes, signals, pipes that break, kill -9.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::TestHome;
use crate::support::endpoint::{Answer, FakeEndpoint, frame};

/// Fields of each event type, as the interface has them: name and JSON type; `?` may be null or missing.
const SCHEMA: &[(&str, &[(&str, &str)])] = &[
    (
        "session_started",
        &[
            ("session", "string"),
            ("mount", "string"),
            ("host_path", "string"),
            ("sandbox", "string"),
            ("model", "string"),
            ("network", "string"),
            ("title", "string"),
        ],
    ),
    ("turn_started", &[("turn", "string")]),
    ("text_delta", &[("text", "string")]),
    ("reasoning_delta", &[("text", "string")]),
    ("tool_started", &[("call", "string"), ("tool", "string"), ("arguments", "any")]),
    ("tool_output", &[("call", "string"), ("chunk", "string")]),
    (
        "tool_finished",
        &[
            ("call", "string"),
            ("tool", "string"),
            ("status", "string"),
            ("duration_ms", "number"),
            ("output", "string"),
        ],
    ),
    ("todo_changed", &[("todos", "array")]),
    ("network_request", &[("host", "string"), ("port", "number"), ("allowed", "bool"), ("reason", "string?")]),
    (
        "artifact",
        &[
            ("kind", "string"),
            ("title", "string?"),
            ("path", "string?"),
            ("url", "string?"),
            ("host_path", "string?"),
            ("pages", "array?"),
        ],
    ),
    (
        "snapshot_taken",
        &[("snapshot", "string"), ("label", "string"), ("files_changed", "number"), ("bytes", "number")],
    ),
    ("usage", &[("input", "number"), ("output", "number"), ("cached", "number")]),
    ("warning", &[("message", "string")]),
    ("error", &[("message", "string"), ("hint", "string?")]),
    ("turn_ended", &[("turn", "string"), ("outcome", "string"), ("reply", "string")]),
];

const DEADLINE: Duration = Duration::from_secs(60);

fn home_for(endpoint: &FakeEndpoint) -> TestHome {
    let home = TestHome::new();
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\n",
        endpoint.base_url()
    ));
    home
}

/// `exec` with these further arguments, without a sandbox so that it runs everywhere.
fn exec<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", "--sandbox", "off"], arguments].concat()
}

fn sleeps() -> Answer {
    Answer::calls(&[("s", "mshtools-shell", json!({"command": "echo begun > begun.txt; cat begun.txt; sleep 100"}))])
}

fn json_type(value: Option<&Value>) -> &'static str {
    match value {
        None | Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// Holds every line to the schema; the types in the order they came.
#[track_caller]
fn check(events: &[Value]) -> Vec<String> {
    let schema: BTreeMap<&str, &[(&str, &str)]> = SCHEMA.iter().copied().collect();
    let mut types = Vec::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], json!(number + 1), "numbers have no gaps: {event}");
        let name = event["type"].as_str().expect("a type");
        let fields = schema.get(name).unwrap_or_else(|| panic!("the interface has no type {name}"));
        for (field, wanted) in *fields {
            let found = json_type(event.get(field));
            let optional = wanted.strip_suffix('?');
            let fits =
                *wanted == "any" || found == optional.unwrap_or(wanted) || (optional.is_some() && found == "null");
            assert!(fits, "{name}.{field} is {found}, not {wanted}: {event}");
        }
        for field in event.as_object().expect("object").keys() {
            let known = field == "seq" || field == "type" || fields.iter().any(|(name, _)| name == field);
            assert!(known, "{name} has a field that the interface does not name: {field}");
        }
        types.push(name.to_owned());
    }
    types
}

/// A run of the program that a test talks to while it goes on.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    events: Vec<Value>,
}

impl Running {
    fn start(home: &TestHome, arguments: &[&str]) -> Self {
        let mut child =
            home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines, events: Vec::new() }
    }

    /// Reads events until one is of this type.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> Value {
        for line in self.lines.by_ref() {
            let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            self.events.push(event.clone());
            if event["type"] == wanted {
                return event;
            }
        }
        panic!("no {wanted} came: {:#?}", self.events)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal");
    }

    /// Reads to the end and gives the exit code.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        for line in self.lines {
            self.events.push(serde_json::from_str(&line.expect("a line")).expect("JSON"));
        }
        (wait(&mut self.child), self.events)
    }
}

/// The exit code, within the deadline.
fn wait(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status.code();
        }
        assert!(start.elapsed() < DEADLINE, "the program does not end");
        std::thread::yield_now();
    }
}

/// Kinds of the latest session's nodes, newest first.
fn kinds(home: &TestHome) -> Vec<String> {
    let rows = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();
    let kind = |row: &Value| row["kind"].as_str().unwrap_or("?").to_owned();
    rows.as_array().expect("rows").iter().map(kind).collect()
}

fn latest_session(home: &TestHome) -> PathBuf {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(home.sessions()).expect("sessions").map(|entry| entry.expect("entry").path()).collect();
    folders.sort();
    folders.pop().expect("a session")
}

#[track_caller]
fn git_fsck(session: &Path) {
    let output = std::process::Command::new("git")
        .args(["fsck", "--strict", "--no-dangling"])
        .env("GIT_DIR", session.join("state.git"))
        .output()
        .expect("git");
    assert!(output.status.success(), "git fsck: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_line_of_json_fits_the_interface() {
    let todo = json!({"todos": [{"content": "Paint", "priority": "high", "status": "pending"}]});
    let endpoint = FakeEndpoint::start([
        Answer::status(429, &json!({"error": {"message": "slow down"}})).header("retry-after", "0"),
        Answer::frames([frame::text("Half"), frame::reasoning("hm")]).drop_connection(),
        Answer::frames([
            frame::reasoning("I plan."),
            frame::text("Let me see."),
            frame::call(0, "t", "mshtools-todo_write", &todo.to_string()),
            frame::call(1, "w", "mshtools-write_file", "{\"file_path\": \"output/a.txt\", \"content\": \"A\"}"),
            frame::call(2, "s", "mshtools-shell", "{\"command\": \"echo live; exit 3\"}"),
            frame::call(3, "u", "mshtools-unknown", "{\"bro"),
            frame::finish("tool_calls"),
            frame::usage(10, 5, 2),
            frame::done(),
        ]),
        Answer::text("Done."),
    ]);
    let home = home_for(&endpoint);
    let ran = home.run(&exec(&["--json", "Paint the shed"])).assert_code(0);
    let events = ran.json_lines();
    let types = check(&events);
    // Nothing fails here, and without a sandbox nobody asks the proxy for a host.
    let left_out = ["error", "network_request"];
    for wanted in SCHEMA.iter().map(|(name, _)| *name).filter(|name| !left_out.contains(name)) {
        assert!(types.iter().any(|name| name == wanted), "no {wanted} came: {types:?}");
    }
    assert_eq!(types[..2], ["session_started", "turn_started"]);
    assert_eq!(types.iter().filter(|name| *name == "session_started").count(), 1);
    let last = events.last().expect("events");
    assert_eq!(
        (&last["type"], &last["outcome"], &last["reply"]),
        (&json!("turn_ended"), &json!("completed"), &json!("Done."))
    );
    let session = &events[0];
    assert_eq!(session["mount"], json!(format!("/mnt/{}/", session["session"].as_str().expect("id"))));
    assert!(Path::new(session["host_path"].as_str().expect("path")).join("output/a.txt").exists());
}

#[test]
fn people_get_the_reply_alone_on_stdout() {
    let endpoint = FakeEndpoint::start([
        Answer::calls(&[("w", "mshtools-write_file", json!({"file_path": "a.txt", "content": "A"}))]),
        Answer::text("All \u{1b}[31mdone.\n"),
    ]);
    let home = home_for(&endpoint);
    let file = home.path().join("reply.txt");
    let ran = home.run(&exec(&["--last-message", file.to_str().expect("UTF-8"), "Go"])).assert_code(0);
    assert_eq!(ran.out, "All done.\n");
    assert!(ran.err.contains("> write_file a.txt") && ran.err.contains("snapshot "), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&file).expect("file"), "All \u{1b}[31mdone.\n", "as the model wrote it");
}

#[test]
fn a_failed_turn_is_exit_code_1_with_its_reason() {
    let endpoint = FakeEndpoint::start([Answer::status(401, &json!({"error": {"message": "Incorrect API key"}}))]);
    let home = home_for(&endpoint);
    let ran = home.run(&exec(&["Go"])).assert_code(1);
    assert_eq!(ran.out, "");
    assert!(
        ran.err.contains("error: ") && ran.err.contains("Incorrect API key") && ran.err.contains("hint: "),
        "{}",
        ran.err
    );
    endpoint.push(Answer::status(401, &json!({"error": {"message": "Incorrect API key"}})));
    let events = home.run(&exec(&["--json", "Go"])).assert_code(1).json_lines();
    assert!(check(&events).contains(&"error".to_owned()));
}

#[test]
fn a_picture_that_the_endpoint_refuses_is_left_out_and_the_session_goes_on() {
    // 1 x 1, black.
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let made = json!({"command": format!("echo {PNG} | base64 -d > dot.png")});
    let calls = [("m", "mshtools-shell", made), ("r", "mshtools-read_file", json!({"file_path": "dot.png"}))];
    let endpoint = FakeEndpoint::answering(move |request, n| {
        let body = request.body.to_string();
        match n {
            0 => Answer::calls(&calls),
            _ if body.contains("image_url") => {
                Answer::status(400, &json!({"error": {"message": "Could not process it"}}))
            }
            _ if body.contains("dot.png (image/png) is not shown") => Answer::text("I cannot see it."),
            _ => Answer::text("There is no picture."),
        }
    });
    let home = home_for(&endpoint);
    let ran = home.run(&exec(&["--session", "new", "Look."])).assert_code(0);
    assert!(ran.out.contains("I cannot see it."), "{ran:?}");
    let told = "answered 400: Could not process it; asking again without the pictures of this conversation";
    assert!(ran.err.contains(told), "{ran:?}");
    assert!(!ran.err.contains("made "), "what was only read is nothing that was made: {ran:?}");
    // Another process reads the conversation from the disk.
    let ran = home.run(&exec(&["--session", "last", "Forget it."])).assert_code(0);
    assert!(ran.out.contains("I cannot see it.") && !ran.err.contains("400"), "{ran:?}");
    assert_eq!(endpoint.requests().len(), 4);
}

#[test]
fn ctrl_c_closes_the_turn_and_exits_130() {
    let endpoint = FakeEndpoint::start([sleeps()]);
    let home = home_for(&endpoint);
    let mut running = Running::start(&home, &exec(&["--json", "Sleep"]));
    running.until("tool_output");
    running.signal(Signal::INT);
    let (code, events) = running.end();
    assert_eq!(code, Some(130));
    check(&events);
    assert_eq!(events.last().expect("events")["outcome"], "interrupted");
    let finished = events.iter().find(|event| event["type"] == "tool_finished").expect("a result");
    assert_eq!(finished["status"], "cancelled");
    assert_eq!(kinds(&home), ["interrupted", "start"]);
}

#[test]
fn ctrl_c_twice_leaves_at_once() {
    let endpoint = FakeEndpoint::start([sleeps(), Answer::text("Hello again.")]);
    let home = home_for(&endpoint);
    let mut running = Running::start(&home, &exec(&["--json", "Sleep"]));
    running.until("tool_output");
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    // Two signals of one kind may become one before the program looks.
    let start = Instant::now();
    while running.child.try_wait().expect("wait").is_none() && start.elapsed() < DEADLINE {
        running.signal(Signal::INT);
        std::thread::yield_now();
    }
    let (code, _) = running.end();
    assert_eq!(code, Some(130));
    let ran = home.run(&exec(&["--continue", "Hello?"])).assert_code(0);
    assert_eq!(ran.out, "Hello again.\n", "the session is usable: {}", ran.err);
}

#[test]
fn sigterm_and_sighup_close_the_turn_first() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let endpoint = FakeEndpoint::start([sleeps()]);
        let home = home_for(&endpoint);
        let mut running = Running::start(&home, &exec(&["--json", "Sleep"]));
        running.until("tool_output");
        running.signal(signal);
        let (exit, events) = running.end();
        assert_eq!(exit, Some(code));
        assert_eq!(events.last().expect("events")["outcome"], "interrupted");
        assert_eq!(kinds(&home), ["interrupted", "start"]);
    }
}

#[test]
fn a_reader_that_leaves_closes_the_turn_with_its_snapshot() {
    let forever = json!({"command": "while true; do echo line; done"});
    let endpoint = FakeEndpoint::start([Answer::calls(&[("s", "mshtools-shell", forever)])]);
    let home = home_for(&endpoint);
    let mut running = Running::start(&home, &exec(&["--json", "Talk"]));
    running.until("tool_output");
    let Running { mut child, lines, .. } = running;
    drop(lines);
    let code = wait(&mut child);
    let mut told = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut told).expect("UTF-8");
    assert_eq!(code, Some(0), "a broken pipe is no error: {told}");
    assert!(!told.contains("error"), "{told}");
    assert_eq!(kinds(&home), ["interrupted", "start"]);
}

#[test]
fn attached_files_reach_the_model_and_missing_ones_stop_it() {
    let endpoint = FakeEndpoint::start([Answer::text("Read.")]);
    let home = home_for(&endpoint);
    std::fs::write(home.path().join("data.csv"), "a,b\n").expect("file");
    home.run(&exec(&["--attach", "data.csv", "Look"])).assert_code(0);
    let user = endpoint.requests()[0].messages()[1]["content"].to_string();
    assert!(user.contains("uploads/data.csv"), "{user}");
    let ran = home.run(&exec(&["--attach", "missing.csv", "Look"]));
    assert!(ran.code != Some(0) && ran.err.contains("missing.csv"), "{ran:?}");
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn kill_9_during_a_tool_call_loses_nothing_older() {
    let endpoint = FakeEndpoint::start([Answer::text("One."), sleeps(), Answer::text("Three.")]);
    let home = home_for(&endpoint);
    home.run(&exec(&["First"])).assert_code(0);
    let mut running = Running::start(&home, &exec(&["--json", "--continue", "Second"]));
    running.until("tool_output");
    running.signal(Signal::KILL);
    let (code, _) = running.end();
    assert_eq!(code, None, "killed");
    let events = home.run(&exec(&["--json", "--continue", "Third"])).assert_code(0).json_lines();
    check(&events);
    let warning = events.iter().find(|event| event["type"] == "warning").expect("it says so");
    assert!(warning["message"].as_str().expect("text").contains("the last turn ended"), "{warning}");
    assert_eq!(kinds(&home), ["turn", "crash", "turn", "start"]);
    let requests = endpoint.requests();
    let told: Vec<&str> = requests[2].messages().iter().filter_map(|message| message["content"].as_str()).collect();
    assert!(told.contains(&"First") && told.contains(&"One.") && told.contains(&"Second"), "{told:?}");
    let session = latest_session(&home);
    assert_eq!(std::fs::read_to_string(session.join("work/begun.txt")).expect("kept"), "begun\n");
    git_fsck(&session);
}

#[test]
fn kill_9_during_a_snapshot_loses_nothing_older() {
    // Many files, so that the capture takes a while; killed at different moments of it.
    let many = "mkdir -p many; for n in $(seq 800); do echo $RANDOM$n > many/$n; done";
    for moment in 0..4u32 {
        let endpoint = FakeEndpoint::start([
            Answer::text("One."),
            Answer::calls(&[("s", "mshtools-shell", json!({"command": many}))]),
            Answer::text("Two."),
            Answer::text("Three."),
        ]);
        let home = home_for(&endpoint);
        home.run(&exec(&["First"])).assert_code(0);
        let session = latest_session(&home);
        let mut running = Running::start(&home, &exec(&["--json", "--continue", "Second"]));
        running.until("tool_finished");
        running.until("usage");
        // The capture begins now. Its traces tell how far it is.
        let before = bytes_below(&session.join("state.git"));
        let start = Instant::now();
        while bytes_below(&session.join("state.git")) < before + u64::from(moment) * 12_000
            && running.child.try_wait().expect("wait").is_none()
            && start.elapsed() < Duration::from_secs(5)
        {
            std::thread::yield_now();
        }
        running.signal(Signal::KILL);
        running.end();
        git_fsck(&session);
        home.run(&exec(&["--continue", "Third"])).assert_code(0);
        let kinds = kinds(&home);
        assert!(
            kinds.len() == 4 && kinds[2..] == ["turn", "start"] && kinds[0] == "turn",
            "moment {moment}: every turn has its node: {kinds:?}"
        );
        let diff = home.run(&["snapshot", "diff", "head", "--json"]).assert_code(0).json();
        assert_eq!(diff, json!([]), "moment {moment}: the head is what lies there");
        let count = std::fs::read_dir(session.join("work/many")).expect("folder").count();
        assert_eq!(count, 800);
        let requests = endpoint.requests();
        let last = requests.last().expect("request").messages().to_vec();
        assert!(last.iter().any(|message| message["content"] == "Second"), "moment {moment}");
        git_fsck(&session);
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let mut total = 0;
    for entry in entries.flatten() {
        // Files come and go while this looks.
        let Ok(facts) = entry.metadata() else { continue };
        total += if facts.is_dir() { bytes_below(&entry.path()) } else { facts.len() };
    }
    total
}
