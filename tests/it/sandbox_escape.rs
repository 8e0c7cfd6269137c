//! Attempts to break out, one row each, from `tests/fixtures/escapes.tsv`.
//!
//! Every row runs through the tools in the real sandbox, in a session of its own, and must first be seen to run at all
//! (a start marker): a sandbox that does not start passes no row. Some rows also run without a sandbox and must then
//! succeed, or they would prove nothing. The rows run in a child process, because the environment and the open files
//! that okcvm was started with are part of what is attacked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use okcvm::config::schema::{SandboxBackend, SandboxSection};
use okcvm::protocol::ToolStatus;
use okcvm::sandbox::Sandbox;
use regex::Regex;
use serde_json::json;

use crate::support::machine::{self, Machine};
use crate::support::skip_or_fail;

const TABLE: &str = include_str!("../fixtures/escapes.tsv");

/// Rows that are not run here, each with its reason. A row that is neither run nor listed fails the test.
const NOT_HERE: &[(&str, &str)] = &[
    ("R12", "accepted: /proc/self/mountinfo names the folder of the host that is mounted"),
    ("D03", "needs a command with a terminal, which is not built yet"),
    ("D04", "needs a command with a terminal, which is not built yet"),
    ("S09", "needs network mode proxy, which is not built yet"),
    ("S10", "needs network mode proxy, which is not built yet"),
    ("S11", "needs network mode proxy, which is not built yet"),
    ("G*", "git never runs on the host: the snapshot tests plant hostile repositories"),
    ("E*", "what reaches the terminal is tested with the sanitizer and on the screen"),
    ("F27", "the race runs in workspace::tests::no_race_with_a_link_flipper_leads_outside"),
];

/// Rows that must succeed without a sandbox.
const CONTROL: &[&str] = &["W01", "W12", "R01", "R02", "R06", "R08", "S02", "S03", "S05"];

struct Row {
    id: &'static str,
    how: &'static str,
    payload: &'static str,
    expected: &'static str,
}

fn rows() -> Vec<Row> {
    let parse = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            [id, _, how, payload, expected] => Row { id, how, payload, expected },
            _ => unreachable!("a row has five fields: {line}"),
        }
    };
    TABLE.lines().skip(1).map(parse).collect()
}

fn reason(id: &str) -> Option<&'static str> {
    let named = NOT_HERE.iter().find(|(pattern, _)| *pattern == id);
    let family =
        || NOT_HERE.iter().find(|(pattern, _)| pattern.strip_suffix('*').is_some_and(|start| id.starts_with(start)));
    named.or_else(family).map(|(_, why)| *why)
}

// ---- the place that is attacked ----

/// The host as an attacker would like to reach it.
struct Host {
    home: PathBuf,
    sessions: PathBuf,
    port: u16,
    pid: u32,
    marker: Child,
    _listeners: (TcpListener, UnixListener, Option<UnixListener>),
}

impl Host {
    /// `HOME` is that of the process; the outer test has made it.
    fn set_up(root: &Path) -> Self {
        let home = root.join("home");
        let sessions = root.join("sessions");
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let agent = home.join("agent.sock");
        let _ = fs::remove_file(&agent);
        let agent = UnixListener::bind(&agent).expect("socket");
        let name = SocketAddr::from_abstract_name("okcvm-abstract-test").expect("name");
        // Another run of this test on the same machine serves as well.
        let abstract_socket = UnixListener::bind_addr(&name).ok();
        let marker = Command::new("bash")
            .args(["-c", "exec -a host-marker-proc sleep 600"])
            .stdin(Stdio::null())
            .spawn()
            .expect("marker process");
        Self { home, sessions, port, pid: std::process::id(), marker, _listeners: (listener, agent, abstract_socket) }
    }

    fn fill(&self, text: &str, machine: &Machine) -> String {
        let path = |path: &Path| path.to_str().expect("path").to_owned();
        text.replace("{HOME}", &path(&self.home))
            .replace("{MNT}", &machine.mount)
            .replace("{WORK}", &path(&machine.work()))
            .replace("{SESSIONS}", &path(&self.sessions))
            .replace("{HOSTPID}", &self.pid.to_string())
            .replace("{HOSTPORT}", &self.port.to_string())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.marker.kill();
        let _ = self.marker.wait();
    }
}

fn furnish(root: &Path) {
    let files = [
        ("home/.ssh/id_ed25519", "PRIVATE-KEY-SECRET\n"),
        ("home/.config/okcvm/config.yaml", "api_key: CONFIGSECRET\n"),
        ("home/.bashrc", "# BASHRC-ORIG\n"),
        ("home/canary.txt", "CANARY-ORIG\n"),
        ("home/leaked.txt", "LEAKED-FD-SECRET\n"),
        ("sessions/okcvm-otherone/secret.txt", "OTHER-SESSION-SECRET\n"),
        ("sessions/okcvm-otherone/work/secret.txt", "OTHER-SESSION-SECRET\n"),
    ];
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }
}

// ---- judging ----

/// What a row left behind.
struct Seen {
    /// All of it, or what the model was given where all of it is long.
    output: String,
    /// Characters that the model was given.
    given: usize,
    status: ToolStatus,
}

/// What is wrong with the outcome of a row; empty when every expectation holds.
fn judge(row: &Row, host: &Host, machine: &Machine, seen: &Seen) -> Vec<String> {
    // A space and a parenthesis open a comment.
    let expected = row.expected.split(" (").next().unwrap_or_default();
    let mut wrong = Vec::new();
    for token in expected.split('&') {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let value = host.fill(value, machine);
        let matches = || Regex::new(&format!("(?m){value}")).expect("expression").is_match(&seen.output);
        let holds = match name {
            "yes" => matches(),
            "no" => !matches(),
            "absent" => fs::symlink_metadata(&value).is_err(),
            "intact" => fs::read_to_string(&value).is_ok_and(|text| text == "# BASHRC-ORIG\n"),
            "canary-intact" => {
                fs::read_to_string(host.home.join("canary.txt")).is_ok_and(|text| text == "CANARY-ORIG\n")
            }
            "gone" => machine::soon(|| machine::processes_with(&value).is_empty()),
            // Whoever runs this line is alive.
            "alive" => true,
            "refuse" => seen.status == ToolStatus::Error,
            "allow" => seen.status == ToolStatus::Ok && seen.output.contains(&value),
            "trunc" => {
                let spilled: u64 = fs::read_dir(machine.root.join("spill"))
                    .expect("spill")
                    .flatten()
                    .map(|entry| entry.metadata().expect("metadata").len())
                    .sum();
                seen.given <= 10_000 && spilled <= 64 << 20 && seen.status == ToolStatus::Error
            }
            other => unreachable!("{}: unknown expectation {other}", row.id),
        };
        if !holds {
            wrong.push(format!("{} does not hold: {token}\n{}", row.id, indented(&seen.output)));
        }
    }
    wrong
}

fn indented(text: &str) -> String {
    text.lines().take(30).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "    | {line}");
        out
    })
}

// ---- running ----

async fn attack(row: &Row, host: &Host, machine: &Machine) -> Vec<String> {
    if row.how == "file tool" {
        return attack_by_file_tool(row, host, machine).await;
    }
    let payload = host.fill(row.payload, machine);
    let marker = format!("OKCVM-START-{}", row.id);
    let command = if row.how == "python" {
        format!("echo {marker}\npython3 - <<'END-OF-PYTHON'\n{}\nEND-OF-PYTHON\n", payload.replace("\\n", "\n"))
    } else {
        format!("echo {marker}\n{payload}")
    };
    let timeout = if matches!(row.id, "P06" | "L06") { 2_000 } else { 30_000 };
    let finished = machine.call("shell", json!({"command": command, "timeout": timeout})).await;
    let given = finished.output.chars().count();
    let whole = finished.spill.filter(|spill| spill.bytes < 4 << 20).map(|spill| fs::read_to_string(spill.path));
    let mut output = whole.map_or(finished.output, |whole| whole.expect("spill"));
    if finished.status == ToolStatus::Timeout {
        output.push_str("\nTIMEOUT\n");
    }
    let seen = Seen { output, given, status: finished.status };
    if !seen.output.contains(&marker) {
        return vec![format!("{}: the command was not seen to start\n{}", row.id, indented(&seen.output))];
    }
    if row.id == "X04" {
        return own_uid(machine, &seen);
    }
    let mut wrong = judge(row, host, machine, &seen);
    if row.id == "X02" {
        let null = fs::metadata("/dev/null").expect("/dev/null");
        if null.permissions().mode() & 0o777 != 0o666 || null.uid() != 0 {
            wrong.push("X02: the host's /dev/null was changed".to_owned());
        }
    }
    wrong
}

/// X04 as its table has it cannot hold: bubblewrap nests two user namespaces, and the map of the inner one names the
/// outer one's ids, in which the account is 0. What is meant is whose processes these are, and the host knows that.
fn own_uid(machine: &Machine, seen: &Seen) -> Vec<String> {
    let inside: Option<u32> = seen.output.lines().nth(1).and_then(|line| line.trim().parse().ok());
    let made = fs::metadata(machine.work().join("made-inside")).map(|facts| facts.uid());
    if inside.is_some_and(|uid| uid != 0 && made.is_ok_and(|made| made == uid)) {
        Vec::new()
    } else {
        vec![format!("X04: processes inside are not those of an ordinary account\n{}", indented(&seen.output))]
    }
}

async fn attack_by_file_tool(row: &Row, host: &Host, machine: &Machine) -> Vec<String> {
    let mut steps: Vec<String> = host.fill(row.payload, machine).split(" ; ").map(ToOwned::to_owned).collect();
    let last = steps.pop().expect("a step");
    let mut sockets = Vec::new();
    for step in steps {
        if let Some(path) = step.strip_prefix("python-socket ") {
            sockets.push(UnixListener::bind(path).expect("socket"));
        } else {
            let done = Command::new("bash").args(["-c", &step]).status().expect("bash");
            assert!(done.success(), "{}: {step}", row.id);
        }
    }
    let (verb, path) = last.split_once(' ').expect("a verb and a path");
    let path = path.replace("%00", "\0");
    let finished = if verb == "read" {
        machine.call("read_file", json!({ "file_path": path })).await
    } else {
        // Whatever can be read counts as read, so that the refusal, if any, is that of the path.
        machine.call("read_file", json!({ "file_path": path })).await;
        machine.call("write_file", json!({"file_path": path, "content": "PWNED\n"})).await
    };
    let seen = Seen { given: finished.output.chars().count(), output: finished.output, status: finished.status };
    judge(row, host, machine, &seen)
}

fn section_for(row: &Row) -> SandboxSection {
    let mut section = SandboxSection::default();
    match row.id {
        "L01" => section.limits.pids = 64,
        "L02" => section.limits.memory_mb = 1024,
        "L03" => section.limits.file_mb = 64,
        _ => {}
    }
    section
}

const INNER: &str = "OKCVM_ESCAPE_ROOT";

#[test]
fn no_row_of_the_table_escapes() {
    let folder = machine::folder();
    let cache = folder.path().join("state");
    if let Err(why) = machine::choose(&SandboxSection::default(), &cache) {
        skip_or_fail(&format!("{}: no escape was attempted", why.reason));
        return;
    }
    furnish(folder.path());
    run_inner("rows_of_the_table", folder.path());
}

#[test]
fn without_a_sandbox_the_same_rows_succeed() {
    let folder = machine::folder();
    furnish(folder.path());
    run_inner("control_rows", folder.path());
}

/// Runs a test of this file in a process whose environment and descriptors hold what must not leak.
fn run_inner(name: &str, root: &Path) {
    let home = root.join("home");
    let opened = |path: PathBuf| OwnedFd::from(File::open(path).expect("open"));
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", &format!("sandbox_escape::{name}"), "--ignored", "--nocapture"])
        .env("HOME", &home)
        .env(INNER, root)
        .env("OKCVM_API_KEY", "sk-ENVSECRET")
        .env("SSH_AUTH_SOCK", home.join("agent.sock"))
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/0/bus")
        .env("DISPLAY", ":0")
        .stdin(Stdio::null())
        .fd_mappings(vec![
            FdMapping { parent_fd: opened(home.join("leaked.txt")), child_fd: 77 },
            FdMapping { parent_fd: opened(home.join(".ssh")), child_fd: 78 },
        ])
        .expect("descriptors");
    let output = command.output().expect("inner test");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "run by no_row_of_the_table_escapes, in an environment of its own"]
async fn rows_of_the_table() {
    let Some(root) = std::env::var_os(INNER).map(PathBuf::from) else { return };
    let host = Host::set_up(&root);
    let mut sandboxes: BTreeMap<String, Sandbox> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for (number, row) in rows().iter().enumerate() {
        if let Some(why) = reason(row.id) {
            println!("not run: {} ({why})", row.id);
            continue;
        }
        let section = section_for(row);
        let key = format!("{:?}", section.limits);
        if !sandboxes.contains_key(&key) {
            // Each set of limits is probed anew: what is remembered belongs to the first.
            let chosen = machine::choose(&section, &root.join("state").join(sandboxes.len().to_string()));
            sandboxes.insert(key.clone(), chosen.expect("sandbox"));
        }
        let machine = Machine::create(&host.sessions, number as u64, &sandboxes[&key]);
        for name in ["session.json", "log.jsonl", "state.git/HEAD"] {
            let path = machine.root.join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, "META-SECRET\n").expect("file");
        }
        let row = match row.id {
            "X04" => &Row { payload: "id -u; touch made-inside; cat /proc/self/uid_map", ..*row },
            _ => row,
        };
        let found = attack(row, &host, &machine).await;
        println!("{}: {}", row.id, if found.is_empty() { "held" } else { "ESCAPED" });
        wrong.extend(found);
        ran += 1;
        // Some rows leave large files.
        let _ = fs::remove_dir_all(&machine.root);
    }
    println!("{ran} rows attempted");
    assert!(ran >= 75, "only {ran} rows were attempted");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "run by without_a_sandbox_the_same_rows_succeed, in an environment of its own"]
async fn control_rows() {
    let Some(root) = std::env::var_os(INNER).map(PathBuf::from) else { return };
    let host = Host::set_up(&root);
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let sandbox = machine::choose(&section, &root.join("state")).expect("none");
    for (number, row) in rows().iter().enumerate().filter(|(_, row)| CONTROL.contains(&row.id)) {
        let machine = Machine::create(&host.sessions, number as u64, &sandbox);
        let mut found = attack(row, &host, &machine).await;
        // Reading every process's files fails when one of the machine's processes ends meanwhile.
        for _ in 0..20 {
            if !found.is_empty() {
                break;
            }
            found = attack(row, &host, &machine).await;
        }
        assert!(!found.is_empty(), "{} proves nothing: it does not even succeed without a sandbox", row.id);
    }
}
