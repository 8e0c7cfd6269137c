//! The real binary with hostile text from everywhere: on a terminal, in a pipe, and in what it lists afterwards.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portable_pty::CommandBuilder;
use serde_json::json;

use super::corpus::{Row, rows};
use super::strict::{Writer, commands, faults};
use crate::support::endpoint::{Answer, FakeEndpoint, frame};
use crate::support::{Terminal, TestHome};

/// All rows as one text: those that may swallow what follows come last.
fn corpus() -> Vec<u8> {
    let (open, closed): (Vec<Row>, Vec<Row>) = rows().into_iter().partition(Row::is_open);
    let mut bytes = Vec::new();
    for row in closed.into_iter().chain(open) {
        bytes.extend_from_slice(&row.bytes);
        bytes.push(b'\n');
    }
    bytes
}

fn text() -> String {
    String::from_utf8_lossy(&corpus()).into_owned()
}

/// Pieces that cut the text anywhere.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(37).map(|chunk| chunk.iter().collect()).collect()
}

/// Names that a file can have.
fn names() -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows() {
        let name: Vec<u8> = row.bytes.iter().copied().filter(|byte| !matches!(byte, 0 | b'/')).take(120).collect();
        if !name.is_empty() {
            bytes.extend_from_slice(&name);
            bytes.push(0);
        }
    }
    bytes
}

/// A command that prints the corpus, ends what that has left open, waits for a file `go`, and makes files of hostile names.
fn command() -> String {
    format!(
        "echo {} | base64 -d; printf '\\a\\nNOW-LIVE\\n'; for n in $(seq 600); do [ -e go ] && break; sleep 0.05; done; \
         echo {} | base64 -d | xargs -0 touch --; echo {} | base64 -d > content.txt; echo NOW-DONE",
        STANDARD.encode(corpus()),
        STANDARD.encode(names()),
        STANDARD.encode(corpus())
    )
}

/// The first request gets calls, what follows them a reply; then errors, then a plain reply.
fn endpoint() -> FakeEndpoint {
    let text = text();
    let todos: Vec<_> = rows()
        .iter()
        .take(40)
        .enumerate()
        .map(|(n, row)| json!({"content": row.text(), "id": n.to_string(), "priority": "high", "status": "pending"}))
        .collect();
    let mut calls: Vec<String> = pieces(&text).iter().map(|piece| frame::reasoning(piece)).collect();
    calls.extend([
        frame::call(0, "c0", "mshtools-todo_write", &json!({ "todos": todos }).to_string()),
        frame::call(1, "c1", &format!("mshtools-{}", text.chars().take(300).collect::<String>()), "{\"a\": 1}"),
        frame::call(2, "c2", "mshtools-read_file", &json!({"file_path": text, "x": text}).to_string()),
        frame::call(3, "c3", "mshtools-shell", &json!({ "command": command() }).to_string()),
        frame::finish("tool_calls"),
        frame::done(),
    ]);
    let mut reply: Vec<String> = pieces(&text).iter().map(|piece| frame::text(piece)).collect();
    reply.extend([frame::text("\n\nTHE-END"), frame::finish("stop"), frame::done()]);
    let error = |status, word: &str| Answer::status(status, &json!({"error": {"message": format!("{word} {text}")}}));
    FakeEndpoint::start([
        Answer::frames(calls),
        Answer::frames(reply),
        error(400, "REFUSED"),
        error(503, "LATER").header("Retry-After", "0"),
        Answer::text("WELL-AGAIN"),
    ])
}

fn home(endpoint: &FakeEndpoint) -> TestHome {
    let home = TestHome::new();
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\nui:\n  links: always\n",
        endpoint.base_url()
    ));
    home
}

fn go(home: &TestHome) {
    let session: PathBuf = std::fs::read_dir(home.sessions()).expect("sessions").flatten().next().expect("one").path();
    std::fs::write(session.join("work/go"), "").expect("go");
}

#[track_caller]
fn assert_clean(what: &str, writer: Writer, bytes: &[u8]) {
    let wrong = faults(writer, bytes);
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_from_outside_commands_the_terminal_that_the_program_runs_in() {
    let endpoint = endpoint();
    let home = home(&endpoint);
    let mut terminal = Terminal::start(&home, &["--sandbox", "external"], 120, 30);
    terminal.wait_for("Say what you want made");
    terminal.keys("go\r");
    terminal.wait_for("NOW-LIVE");
    // The live output in the trace, opened; then the panes of a small and of a large terminal.
    terminal.keys("\x1bORv");
    terminal.wait_for("> Trace  shell");
    terminal.resize(40, 12);
    terminal.keys("g");
    terminal.wait_for("shell");
    terminal.resize(200, 50);
    terminal.wait_for("Todo");
    go(&home);
    terminal.keys("\x1b\x1b");
    terminal.wait_for("THE-END");
    terminal.wait_until("the snapshot", |screen| screen.contains("head"));
    // What has ended: the call, its whole output, the names of files and what is in them, the todo list, the chat.
    terminal.keys("\x1bOR\r");
    terminal.wait_for("Arguments");
    terminal.keys("v");
    terminal.keys("\x1b\x1b\x1bOS\r");
    terminal.wait_for(" against ");
    terminal.keys("\x1b[17~");
    terminal.wait_for("> Todo");
    terminal.keys("\x1bOQ\x1bOQ");
    terminal.wait_for("> Chat");
    terminal.keys("kfkfg");
    terminal.keys("\x1b");
    terminal.wait_for("Enter send");
    terminal.resize(80, 24);
    terminal.keys("again\r");
    terminal.wait_for("REFUSED");
    // What is sent before the failed turn is closed would come back into the composer.
    terminal.wait_for("F4 snapshots 3");
    terminal.keys("once more\r");
    terminal.wait_for("WELL-AGAIN");
    terminal.keys("/copy\r");
    terminal.wait_for("copied");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);

    // The copy key has written one sequence for the clipboard; it is the only one.
    let copied = format!("\x1b]52;c;{}\x07", STANDARD.encode("WELL-AGAIN"));
    let written = terminal.written.clone();
    let at = written.windows(copied.len()).position(|window| window == copied.as_bytes()).expect("the copy");
    let rest = [&written[..at], &written[at + copied.len()..]].concat();
    assert_clean("the screen", Writer::Screen, &rest);
    listings(&home);
}

/// What the commands tell about a session that is hostile through and through.
fn listings(home: &TestHome) {
    let title = rows().iter().filter(|row| !row.name.starts_with("nul")).take(6).map(Row::text).collect::<String>();
    let title = title.replace('\0', "");
    home.run(&["session", "rename", "last", &title]).assert_code(0);
    home.run(&["snapshot", "create", &title.chars().take(150).collect::<String>()]).assert_code(0);
    let hostile: String = rows()[..20].iter().map(Row::text).collect::<String>().replace('\0', "");
    let runs: &[(&[&str], bool)] = &[
        (&["session", "list"], false),
        // Arguments of calls are JSON.
        (&["session", "show", "last"], true),
        (&["session", "fsck"], false),
        (&["session", "list", "--json"], true),
        (&["session", "show", "last", "--json"], true),
        (&["snapshot", "list"], false),
        (&["snapshot", "show", "head"], false),
        (&["snapshot", "show", "head~1"], false),
        (&["snapshot", "diff", "head~2", "head"], false),
        (&["snapshot", "list", "--json"], true),
        (&["snapshot", "diff", "head~2", "head", "--json"], true),
        (&["snapshot", "restore", "head~2", "--dry-run"], false),
        (&["snapshot", "show", &hostile], false),
        (&["session", "show", &hostile], false),
        (&["tool", "list"], false),
        (&["tool", "call", &hostile, "{}", "--sandbox", "external"], false),
        (&["tool", "call", "shell", &hostile], false),
        (&["config", "check"], false),
        (&["doctor"], false),
        (&[&hostile], false),
        (&["exec", "--model", &hostile, "--session", &hostile, "x"], false),
        (&["spec", "check", &hostile], false),
    ];
    for (arguments, json) in runs {
        let output = home.command(arguments).output().expect("the program starts");
        let bytes = [output.stdout, output.stderr].concat();
        assert!(!bytes.is_empty(), "{arguments:?} says nothing");
        // Strings of JSON hold what they hold: as escapes where a terminal would obey, and marks however many they are.
        // So are words of the command line, which errors quote.
        let quoted = *json || arguments.contains(&hostile.as_str());
        let mut wrong = if quoted { commands(Writer::Lines, &bytes) } else { faults(Writer::Lines, &bytes) };
        wrong.retain(|fault| !quoted || !fault.starts_with("marks"));
        assert!(wrong.is_empty(), "{arguments:?}:\n{}", wrong.join("\n"));
    }
    // The same on a terminal, and the list of sessions to continue.
    for arguments in [&["session", "list"] as &[&str], &["snapshot", "list"], &["snapshot", "show", "head~1"]] {
        let mut terminal = Terminal::start(home, arguments, 80, 24);
        assert_eq!(terminal.wait_exit(), 0);
        assert_clean(&format!("{arguments:?}"), Writer::Lines, &terminal.written);
    }
    let mut terminal = Terminal::start(home, &["--sandbox", "external", "--resume"], 80, 24);
    terminal.wait_for("Continue a session");
    terminal.keys("\r");
    terminal.wait_for("WELL-AGAIN");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    assert_clean("a session that is continued", Writer::Screen, &terminal.written);
}

#[test]
fn exec_prints_clean_lines_into_a_pipe_and_onto_a_terminal() {
    for on_terminal in [false, true] {
        let endpoint = endpoint();
        let home = home(&endpoint);
        // Nobody has to say go.
        let arguments = ["exec", "--sandbox", "external", "go"];
        let go_early = std::thread::spawn({
            let sessions = home.sessions();
            move || {
                for _ in 0..600 {
                    let found = std::fs::read_dir(&sessions).ok().and_then(|mut entries| entries.next()?.ok());
                    let work = found.map(|entry| entry.path().join("work")).filter(|work| work.is_dir());
                    if work.is_some_and(|work| std::fs::write(work.join("go"), "").is_ok()) {
                        return;
                    }
                    std::thread::park_timeout(std::time::Duration::from_millis(20));
                }
            }
        });
        let bytes = if on_terminal {
            let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_okcvm"));
            command.args(arguments);
            let mut terminal = Terminal::start_command(&home, command, 100, 30);
            assert_eq!(terminal.wait_exit(), 0, "{}", terminal.screen());
            terminal.written.clone()
        } else {
            let output = home.command(&arguments).output().expect("the program starts");
            [output.stdout, output.stderr].concat()
        };
        go_early.join().expect("go");
        assert!(String::from_utf8_lossy(&bytes).contains("THE-END"), "{}", String::from_utf8_lossy(&bytes));
        assert_clean(if on_terminal { "a terminal" } else { "a pipe" }, Writer::Lines, &bytes);
    }
}
