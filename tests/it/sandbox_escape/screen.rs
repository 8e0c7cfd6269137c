//! E, D03 and D04: what commands and models write must not command the terminal that okcvm was started in.

use std::path::Path;
use std::process::{Command, Output};

use portable_pty::CommandBuilder;
use serde_json::json;

use okcvm::config::schema::SandboxBackend;

use super::table::{Row, indented};
use super::word;
use crate::support::endpoint::{Answer, FakeEndpoint};
use crate::support::{Terminal, TestHome};

/// Runs the payload of an E row as a tool of `okcvm tool call` and of a turn of `okcvm exec` whose model writes it too.
pub fn attack(row: &Row, backend: SandboxBackend) -> Vec<String> {
    let payload = row.payload.split(" :: ").next().unwrap_or_default();
    let command = format!("echo OKCVM-START-{}; {payload}; printf 'OKCVM-END'", row.id);
    let home = TestHome::new();
    let call = json!({ "command": command }).to_string();
    let tool = home.run_bytes(&["tool", "call", "shell", &call, "--sandbox", word(backend), "--network", "off"]);

    let printed = Command::new("bash").args(["-c", payload]).output().expect("bash").stdout;
    // Bytes that are no UTF-8 would not survive the model's JSON; the characters of the same number are meant as well.
    let reply =
        String::from_utf8(printed).unwrap_or_else(|error| error.as_bytes().iter().map(|b| char::from(*b)).collect());
    let endpoint = FakeEndpoint::start([
        Answer::calls(&[("c", "mshtools-shell", json!({ "command": command }))]),
        Answer::text(&format!("OKCVM-START-{}{reply}OKCVM-END", row.id)),
    ]);
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\n",
        endpoint.base_url()
    ));
    let exec = home.run_bytes(&["exec", "go", "--sandbox", word(backend), "--network", "off"]);

    let mut wrong = Vec::new();
    for (way, output) in [("tool call", tool), ("exec", exec)] {
        let bytes = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&bytes);
        if !text.contains(&format!("OKCVM-START-{}", row.id)) || !text.contains("OKCVM-END") {
            wrong.push(format!("{}: {way}: the payload was not seen to start and end\n{}", row.id, indented(&text)));
        }
        if let Some(found) = text.chars().find(|c| commands_a_terminal(*c)) {
            wrong.push(format!("{}: {way}: {found:?} came through", row.id));
        }
    }
    wrong
}

/// Characters that a terminal obeys, and those that hide or reorder others.
fn commands_a_terminal(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// D03 and D04: okcvm has a terminal; a command of its must neither type into it nor write to it.
pub fn attack_the_terminal(row: &Row, backend: SandboxBackend) -> Vec<String> {
    let home = TestHome::new();
    let command = format!(
        "echo OKCVM-START-{}; python3 - 2>&1 <<'END-OF-PYTHON' | sed 's/-/ /g'\n{}\nEND-OF-PYTHON\n\
         python3 -c \"{}\" 2>&1 < /dev/null | sed 's/-/ /g'\n",
        row.id,
        row.payload,
        row.payload.replace('"', "'")
    );
    let call = json!({ "command": command }).to_string();
    let arguments = ["tool", "call", "shell", &call, "--sandbox", word(backend), "--network", "off"];
    let mut terminal = Terminal::start(&home, &arguments, 200, 50);
    terminal.wait_exit();
    let written = String::from_utf8_lossy(&terminal.written).into_owned();
    let mut wrong = Vec::new();
    if !written.contains(&format!("OKCVM-START-{}", row.id)) {
        wrong.push(format!("{}: the command was not seen to start\n{}", row.id, indented(&written)));
    }
    // What comes back as the output of the command has lost its hyphens.
    if written.contains("DIRECT-TTY-WRITE") || written.contains("TIOCSTI-PWN") {
        wrong.push(format!("{}: it reached okcvm's own terminal\n{}", row.id, indented(&written)));
    }
    let expected = regex::Regex::new(row.expected.trim_start_matches("yes=")).expect("expression");
    if !expected.is_match(&written) {
        wrong.push(format!("{} does not hold: {}\n{}", row.id, row.expected, indented(&written)));
    }
    wrong
}

/// Whether a program without okcvm around it writes to its terminal as D04 does.
pub fn control_of_the_terminal(row: &Row) -> bool {
    let home = TestHome::new();
    let mut command = CommandBuilder::new("python3");
    command.args(["-c", row.payload]);
    let mut terminal = Terminal::start_command(&home, command, 80, 24);
    terminal.wait_exit();
    String::from_utf8_lossy(&terminal.written).contains("DIRECT-TTY-WRITE")
}

impl TestHome {
    fn run_bytes(&self, arguments: &[&str]) -> Output {
        self.command(arguments).current_dir(Path::new("/")).output().expect("the program starts")
    }
}
