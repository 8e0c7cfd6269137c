//! Runs one row through the tools of a machine.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use okcvm::protocol::ToolStatus;
use okcvm::workspace::Workspace;
use serde_json::json;

use super::place::Host;
use super::table::{Row, Seen, indented, judge, next};
use crate::support::machine::Machine;

/// Rows that never end by themselves.
const ENDLESS: &[&str] = &["P06", "L06", "OKTAG-M-HOPS", "OKTAG-M-STORM"];

/// Attempts a row; what came of it that should not have.
pub async fn attack(row: &Row, host: &Host, machine: &Machine) -> Vec<String> {
    let mut wrong = match row.id {
        "F27" => race(machine, &host.home),
        _ if row.how == "file tool" => by_file_tool(row, host, machine).await,
        _ => by_command(row, host, machine).await,
    };
    if let Some(text) = next(row) {
        wrong.extend(afterwards(row, host, machine, text).await);
    }
    wrong
}

async fn by_command(row: &Row, host: &Host, machine: &Machine) -> Vec<String> {
    // Where the proxy listens depends on the backend; its variable tells.
    let payload = host.fill(row.payload, machine).replace("http://127.0.0.1:3128", "$http_proxy");
    let marker = format!("OKCVM-START-{}", row.id);
    let command = if row.how == "python" {
        format!("echo {marker}\npython3 - <<'END-OF-PYTHON'\n{}\nEND-OF-PYTHON\n", payload.replace("\\n", "\n"))
    } else {
        format!("echo {marker}\n{payload}")
    };
    let endless = ENDLESS.iter().any(|tag| row.id == *tag || row.payload.contains(tag));
    let timeout = if endless { 2_000 } else { 30_000 };
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
    if row.expected.contains("gone=") && next(row).is_none() {
        // What a command leaves running is gone at the latest with its session.
        machine.toolbox.close().await;
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

/// Whether the machine still works after a row, and its files still lead nowhere else.
async fn afterwards(row: &Row, host: &Host, machine: &Machine, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let ran = machine.shell(&format!("echo {text}")).await;
    if !ran.output.contains(text) {
        wrong.push(format!("{}: nothing runs after it\n{}", row.id, indented(&ran.output)));
    }
    let written = machine.call("write_file", json!({"file_path": "after.txt", "content": "x"})).await;
    if written.status != ToolStatus::Ok || host.home.join("after.txt").exists() {
        wrong.push(format!("{}: what is written after it does not lie in the workspace\n{}", row.id, written.output));
    }
    wrong
}

async fn by_file_tool(row: &Row, host: &Host, machine: &Machine) -> Vec<String> {
    let mut steps: Vec<String> =
        host.fill_with(row.payload, machine, &machine.mount).split(" ; ").map(ToOwned::to_owned).collect();
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

/// F27: opens and writes through a folder that is swapped for a link to the outside all the while.
fn race(machine: &Machine, outside: &Path) -> Vec<String> {
    const ROUNDS: u32 = 100_000;
    let work = machine.work();
    fs::create_dir(work.join("real")).expect("folder");
    fs::write(work.join("real/canary.txt"), "inside").expect("file");
    let link = |target: &Path| {
        std::os::unix::fs::symlink(target, work.join("next")).expect("link");
        fs::rename(work.join("next"), work.join("flip")).expect("rename");
    };
    link(outside);
    let stop = Arc::new(AtomicBool::new(false));
    let workspace = Workspace::open(&work, &machine.mount, None).expect("workspace");
    let (read, write) =
        (workspace.resolve("flip/canary.txt").expect("path"), workspace.resolve("flip/raced").expect("path"));
    let (mut inside, mut escaped) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                link(Path::new("real"));
                link(outside);
            }
        });
        for round in 0..ROUNDS {
            match workspace.read(&read, 100) {
                Ok(bytes) if bytes == b"inside" => inside += 1,
                Ok(_) => escaped += 1,
                Err(_) => {}
            }
            if round % 1_000 == 0 {
                // Refused or inside: what counts is what lies outside afterwards.
                let _ = workspace.write_atomic(&write, b"x");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut wrong = Vec::new();
    if escaped > 0 || outside.join("raced").exists() {
        wrong.push(format!("F27: {escaped} of {ROUNDS} opens led outside"));
    }
    if inside == 0 {
        wrong.push("F27: the inner state was never met, so nothing was tried".to_owned());
    }
    wrong
}
