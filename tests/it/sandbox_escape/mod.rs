//! Attempts to break out, one row each, from `tests/fixtures/escapes.tsv` and `more_escapes.tsv`.
//!
//! Every row runs through the tools behind every wall, in a session of its own, and must first be seen to run at all
//! (a start marker): a sandbox that does not start passes no row. Many rows also run without a sandbox and must then
//! succeed, or they would prove nothing. The rows run in a child process, because the environment and the open files
//! that okcvm was started with are part of what is attacked.

mod attack;
mod hostile_git;
mod place;
mod screen;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxScope, SandboxSection};
use okcvm::sandbox::Sandbox;

use crate::support::machine::{self, Machine};
use crate::support::skip_or_fail;
use attack::attack;
use place::{Host, furnish};
use table::{Row, rows};

/// Rows that are not run behind any wall, each with its reason. A row that is neither run nor listed fails the test.
const NOT_HERE: &[(&str, &str)] =
    &[("R12", "accepted: /proc/self/mountinfo names the folder of the host that is mounted")];

/// Rows that cannot hold behind Landlock, as [`Sandbox::missing_walls`] tells.
const NOT_BEHIND_LANDLOCK: &[(&str, &str)] = &[
    ("R08", "all processes of the machine and their command lines are visible"),
    ("M42", "the list of the machine's sockets is visible; none of them can be reached"),
    ("D05", "what exists in /dev can be asked; none of it can be opened (D01)"),
    ("M12", "which files exist can be asked for any path; none of them can be read or listed"),
    ("M11", "modes and times of the user's own files can be changed wherever they lie"),
];

/// Rows whose machine has the proxy; all others have no network.
const THROUGH_THE_PROXY: &[&str] = &["S09", "S10", "S11", "M66"];

/// S11 as its table has it names a socket that this design does not have; what is meant is a port that was not listed.
const FORBIDDEN_PORT: &str = "p=${http_proxy#http://}; p=${p%/}; exec 3<>/dev/tcp/${p%:*}/${p#*:}; \
    printf 'CONNECT allowed.test:22 HTTP/1.1\\r\\nHost: allowed.test:22\\r\\n\\r\\n' >&3; head -1 <&3";

/// Rows that hold behind Landlock in other words, and what is expected there.
const IN_OTHER_WORDS: &[(&str, &str)] = &[
    ("W05", "absent=/etc/okcvm-pwn&yes=(.*Permission denied.*\\n){5}"),
    ("W09", "absent=/usr/okcvm&yes=Permission denied"),
    ("X03", "yes=OPENED 0"),
    ("L04", "yes=Permission denied&no=^[0-9]"),
    ("M43", "yes=PermissionError&no=NAMES"),
    // The process beside the command cannot be sent signals at all.
    ("M31", "yes=Operation not permitted&yes=SURVIVED&next=STILL"),
];

/// Rows that must succeed without a sandbox; so must D04 and all G rows but two. The others are not tried without one: they
/// need a right that the account lacks anyway, would damage the machine or end the test itself, or expect a wording.
const CONTROL: &[&str] = &[
    "W01", "W02", "W12", "R01", "R02", "R05", "R06", "R08", "R11", "S02", "S03", "S05", "M03", "M04", "M05", "M06",
    "M11", "M12", "M40", "M41", "M42", "M44", "M45", "M46",
];

/// A wall that the table is run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wall {
    Bubblewrap,
    /// A sandbox for each command.
    BubblewrapOfCommand,
    Landlock,
}

impl Wall {
    const ALL: [Self; 3] = [Self::Bubblewrap, Self::BubblewrapOfCommand, Self::Landlock];

    fn name(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::BubblewrapOfCommand => "bubblewrap-of-command",
            Self::Landlock => "landlock",
        }
    }

    fn section(self) -> SandboxSection {
        let (backend, scope) = match self {
            Self::Bubblewrap => (SandboxBackend::Bubblewrap, SandboxScope::Session),
            Self::BubblewrapOfCommand => (SandboxBackend::Bubblewrap, SandboxScope::Command),
            Self::Landlock => (SandboxBackend::Landlock, SandboxScope::Session),
        };
        let network = NetworkSection::of_mode(NetworkMode::Off);
        SandboxSection { backend, scope, network, ..SandboxSection::default() }
    }

    /// Why a row is not run behind this wall.
    fn reason(self, id: &str) -> Option<&'static str> {
        let landlock = if self == Self::Landlock { NOT_BEHIND_LANDLOCK } else { &[] };
        NOT_HERE.iter().chain(landlock).find(|(row, _)| *row == id).map(|(_, why)| *why)
    }
}

/// A backend as the command line has it.
fn word(backend: SandboxBackend) -> &'static str {
    match backend {
        SandboxBackend::Auto => "auto",
        SandboxBackend::Bubblewrap => "bubblewrap",
        SandboxBackend::Landlock => "landlock",
        SandboxBackend::External => "external",
        SandboxBackend::Off => "off",
    }
}

fn section_for(row: &Row, wall: Wall) -> SandboxSection {
    let mut section = wall.section();
    match row.id {
        "L01" => section.limits.pids = 64,
        "L02" => section.limits.memory_mb = 1024,
        "L03" => section.limits.file_mb = 64,
        id if THROUGH_THE_PROXY.contains(&id) => section.network = NetworkSection::of_mode(NetworkMode::Proxy),
        _ => {}
    }
    section
}

const INNER: &str = "OKCVM_ESCAPE_ROOT";
const WALL: &str = "OKCVM_ESCAPE_WALL";

#[test]
fn no_row_escapes_from_bubblewrap() {
    run_behind(Wall::Bubblewrap);
}

#[test]
fn no_row_escapes_from_a_bubblewrap_for_each_command() {
    run_behind(Wall::BubblewrapOfCommand);
}

#[test]
fn no_row_escapes_from_landlock_but_those_that_are_named() {
    run_behind(Wall::Landlock);
}

fn run_behind(wall: Wall) {
    let folder = machine::folder();
    if let Err(why) = machine::choose(&wall.section(), &folder.path().join("state")) {
        skip_or_fail(&format!("{}: no escape was attempted", why.reason));
        return;
    }
    furnish(folder.path());
    run_inner("rows_of_the_tables", folder.path(), wall.name());
}

#[test]
fn without_a_sandbox_the_same_rows_succeed() {
    let folder = machine::folder();
    furnish(folder.path());
    run_inner("control_rows", folder.path(), "off");
}

/// Runs a test of this file in a process whose environment and descriptors hold what must not leak.
fn run_inner(name: &str, root: &Path, wall: &str) {
    let home = root.join("home");
    let opened = |path: PathBuf| OwnedFd::from(File::open(path).expect("open"));
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", &format!("sandbox_escape::{name}"), "--ignored", "--nocapture"])
        .env("HOME", &home)
        .env(INNER, root)
        .env(WALL, wall)
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
#[ignore = "run behind each wall, in an environment of its own"]
async fn rows_of_the_tables() {
    let Some(root) = std::env::var_os(INNER).map(PathBuf::from) else { return };
    let named = std::env::var(WALL).expect("a wall");
    let wall = Wall::ALL.into_iter().find(|wall| wall.name() == named).expect("a known wall");
    let only = std::env::var("OKCVM_ESCAPE_ONLY").ok();
    let host = Host::set_up(&root);
    let mut sandboxes: BTreeMap<String, Sandbox> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for (number, row) in rows().iter().enumerate() {
        if only.as_ref().is_some_and(|only| !only.split(',').any(|id| id == row.id)) {
            continue;
        }
        if let Some(why) = wall.reason(row.id) {
            println!("not run: {} ({why})", row.id);
            continue;
        }
        let started = std::time::Instant::now();
        let found = if row.how == "git" {
            hostile_git::attack(row, &root.join(row.id), wall.section().backend)
        } else if row.expected.starts_with("sanitized") {
            screen::attack(row, wall.section().backend)
        } else if row.how == "pty" {
            screen::attack_the_terminal(row, wall.section().backend)
        } else {
            let section = section_for(row, wall);
            let key = format!("{:?} {:?}", section.limits, section.network);
            if !sandboxes.contains_key(&key) {
                // Each configuration is probed anew: what is remembered belongs to the first.
                let chosen = machine::choose(&section, &root.join("state").join(sandboxes.len().to_string()));
                sandboxes.insert(key.clone(), chosen.expect("sandbox"));
            }
            in_a_machine(row, wall, number as u64, &host, &sandboxes[&key]).await
        };
        let outcome = if found.is_empty() { "held" } else { "ESCAPED" };
        println!("{}: {outcome} ({:.1} s)", row.id, started.elapsed().as_secs_f32());
        wrong.extend(found);
        ran += 1;
    }
    println!("{ran} rows attempted");
    assert!(ran >= 150 || only.is_some(), "only {ran} rows were attempted");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const OPEN_SYSCTLS: &str = "import os; opened=0\\nfor d,_,fs in os.walk('/proc/sys'):\\n for f in fs:\\n  try: os.close(os.open(os.path.join(d,f),os.O_WRONLY)); opened+=1\\n  except OSError: pass\\nprint('OPENED',opened)";

async fn in_a_machine(row: &Row, wall: Wall, number: u64, host: &Host, sandbox: &Sandbox) -> Vec<String> {
    let machine = Machine::create(&host.sessions, number, sandbox);
    for name in ["session.json", "log.jsonl", "state.git/HEAD"] {
        let path = machine.root.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, "META-SECRET\n").expect("file");
    }
    let row = match row.id {
        "X04" => Row { payload: "id -u; touch made-inside; cat /proc/self/uid_map", ..*row },
        "S11" => Row { payload: FORBIDDEN_PORT, expected: "yes=^HTTP/1.1 403&no=^HTTP/1.. 200", ..*row },
        // Landlock is not asked by access(2), only by open(2).
        "X03" if wall == Wall::Landlock => Row { payload: OPEN_SYSCTLS, ..*row },
        _ => *row,
    };
    let other = IN_OTHER_WORDS.iter().find(|(id, _)| wall == Wall::Landlock && *id == row.id);
    let row = &Row { expected: other.map_or(row.expected, |(_, expected)| expected), ..row };
    let found = attack(row, host, &machine).await;
    // Some rows leave large files, or folders too deep for the library to remove.
    let _ = Command::new("rm").arg("-rf").arg(&machine.root).status();
    found
}

#[tokio::test]
#[ignore = "run by without_a_sandbox_the_same_rows_succeed, in an environment of its own"]
async fn control_rows() {
    let Some(root) = std::env::var_os(INNER).map(PathBuf::from) else { return };
    let host = Host::set_up(&root);
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let sandbox = machine::choose(&section, &root.join("state")).expect("none");
    for (number, row) in rows().iter().enumerate() {
        if row.how == "git" {
            let folder = root.join(row.id);
            assert_ne!(hostile_git::control(row, &folder), Some(false), "{}: Git does not run it either", row.id);
        } else if row.id == "D04" {
            assert!(screen::control_of_the_terminal(row), "D04 proves nothing");
        } else if CONTROL.contains(&row.id) {
            // The row before has succeeded.
            furnish(&root);
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
}
