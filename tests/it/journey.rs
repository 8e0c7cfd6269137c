//! The whole main job in a real terminal: prompt, stream, tool calls, Esc, rollback, undo, quit, going on; over SSH too;
//! and what is left after `kill -9`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{Terminal, TestHome, needs_bubblewrap, skip_or_fail};

/// The only session of a home.
fn session(home: &TestHome) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(home.sessions())
        .expect("sessions")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.join("session.json").exists())
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.remove(0)
}

fn fsck(state: &Path) {
    let ran = Command::new("git")
        .args(["-c", "safe.directory=*", "fsck", "--strict", "--no-dangling"])
        .env("GIT_DIR", state)
        .output()
        .expect("git");
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}

fn kill_hard(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("pid")).expect("pid");
    kill_process(pid, Signal::KILL).expect("kill");
}

#[test]
fn the_main_job_at_80_by_24() {
    if !needs_bubblewrap() {
        return;
    }
    let mut home = TestHome::new();
    home.set("OKCVM_DEMO_SPEED", "0");
    let mut terminal = Terminal::start(&home, &["--demo"], 80, 24);
    terminal.wait_for("demo model");
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("make a small page about otters\r");
    terminal.wait_for("F4 snapshots 2");
    let work = session(&home).join("work/output/otters");
    assert!(work.join("summary.txt").exists());

    // Esc in the middle of a sleep gives the prompt back and keeps the turn.
    terminal.keys("please wait for 100 seconds\r");
    terminal.wait_until("the running shell", |screen| screen.contains("sleep 100"));
    terminal.keys("\x1b");
    terminal.wait_for("stopped; what was done so far is kept");
    terminal.wait_for("F4 snapshots 3");

    // Two down from the head is the start; the dry run is shown, Enter goes ahead.
    terminal.keys("\x1bOS");
    terminal.wait_for("Start");
    terminal.keys("G");
    terminal.keys("r");
    // Enter means nothing before the dry run has come: nobody agrees to what they have not seen.
    terminal.wait_for("4 to remove");
    terminal.keys("\r");
    terminal.wait_for("verified");
    assert!(!work.exists());
    terminal.keys("u");
    terminal.wait_for("undone");
    assert!(work.join("summary.txt").exists());

    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);

    let mut again = Terminal::start(&home, &["--demo", "--continue"], 80, 24);
    again.wait_for("1 tool, 1 stopped");
    again.keys("\x03\x03");
    assert_eq!(again.wait_exit(), 0);
    fsck(&session(&home).join("state.git"));
}

#[test]
fn the_terminal_is_given_back_on_sigterm_and_the_turn_is_kept() {
    if !needs_bubblewrap() {
        return;
    }
    let home = TestHome::new();
    let mut terminal = Terminal::start(&home, &["--demo"], 80, 24);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("please wait for 100 seconds\r");
    terminal.wait_until("the running shell", |screen| screen.contains("sleep 100"));
    let pid = Pid::from_raw(i32::try_from(terminal.pid()).expect("pid")).expect("pid");
    kill_process(pid, Signal::TERM).expect("signal");
    assert_eq!(terminal.wait_exit(), 143);
    let written = String::from_utf8_lossy(&terminal.written).into_owned();
    assert!(written.ends_with("\x1b[?1049l"), "the normal screen is not back: {:?}", &written[written.len() - 40..]);
    let nodes = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();
    assert_eq!(nodes[0]["kind"], "interrupted");
}

#[test]
fn kill_9_during_a_tool_call_loses_only_the_unfinished_reply() {
    if !needs_bubblewrap() {
        return;
    }
    let mut home = TestHome::new();
    home.set("OKCVM_DEMO_SPEED", "0");
    home.run(&["exec", "--demo", "make a small page about otters"]).assert_code(0);
    let before = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();

    let mut terminal = Terminal::start(&home, &["--demo", "--continue"], 80, 24);
    terminal.wait_for("F4 snapshots 2");
    terminal.keys("please wait for 100 seconds\r");
    terminal.wait_until("the running shell", |screen| screen.contains("sleep 100"));
    kill_hard(terminal.pid());
    terminal.wait_exit();

    // The next start says so, has everything older, and the question itself.
    let mut again = Terminal::start(&home, &["--demo", "--continue"], 80, 24);
    again.wait_for("F4 snapshots 3");
    again.wait_for("please wait for 100 seconds");
    again.wait_for("before it was saved");
    again.keys("\x03\x03");
    assert_eq!(again.wait_exit(), 0);
    let after = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();
    assert_eq!(after[0]["kind"], "crash");
    let kept: Vec<&Value> = after.as_array().expect("list").iter().skip(1).map(|node| &node["id"]).collect();
    let old: Vec<&Value> = before.as_array().expect("list").iter().map(|node| &node["id"]).collect();
    assert_eq!(kept, old, "nothing older is lost");
    fsck(&session(&home).join("state.git"));
}

/// Starts many files' worth of snapshot and kills the program at some moment of it, again and again: whatever the moment
/// was, the next start has every turn that was there before.
#[test]
fn kill_9_during_a_snapshot_leaves_a_sound_store() {
    if !needs_bubblewrap() {
        return;
    }
    let home = TestHome::new();
    home.run(&[
        "tool",
        "call",
        "shell",
        r#"{"command": "mkdir -p d && for i in $(seq 400); do echo $i > d/f$i; done"}"#,
    ])
    .assert_code(0);
    home.run(&["snapshot", "create", "all files"]).assert_code(0);
    let state = session(&home).join("state.git");
    for round in 0..6u32 {
        let command = format!(r#"{{"command": "for i in $(seq 400); do echo {round} $i > d/f$i; done"}}"#);
        home.run(&["tool", "call", "shell", &command]).assert_code(0);
        let mut child = home
            .command(&["snapshot", "create", &format!("round {round}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start");
        // The moment is where the store stands, not a time: killed once the first new objects or locks appear, or never.
        let objects = state.join("objects");
        let count = || walk(&objects);
        let begin = count();
        while child.try_wait().expect("status").is_none() {
            if count() > begin + round as usize * 40 {
                kill_hard(child.id());
                break;
            }
            std::thread::yield_now();
        }
        let _ = child.wait();
        let nodes = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();
        assert!(
            nodes
                .as_array()
                .expect("list")
                .iter()
                .any(|node| node["label"].as_str().is_some_and(|l| l.contains("all files")))
        );
        fsck(&state);
    }
    // And the store still takes a snapshot and gives it back.
    home.run(&["snapshot", "create", "after all"]).assert_code(0);
    home.run(&["tool", "call", "shell", r#"{"command": "rm -rf d"}"#]).assert_code(0);
    let nodes = home.run(&["snapshot", "list", "--json"]).assert_code(0).json();
    let last = nodes
        .as_array()
        .expect("list")
        .iter()
        .find(|node| node["label"].as_str().is_some_and(|label| label.contains("after all")))
        .expect("the last one")["id"]
        .as_str()
        .expect("id")
        .to_owned();
    home.run(&["snapshot", "restore", &last, "--yes", "--files-only"]).assert_code(0);
    assert_eq!(walk(&session(&home).join("work/d")), 400);
}

/// Number of files below a folder.
fn walk(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| if entry.file_type().is_ok_and(|kind| kind.is_dir()) { walk(&entry.path()) } else { 1 })
        .sum()
}

#[test]
fn the_main_job_over_ssh() {
    if !needs_bubblewrap() {
        return;
    }
    let Some(sshd) = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists()) else {
        return skip_or_fail("no SSH server is installed");
    };
    let mut home = TestHome::new();
    home.set("OKCVM_DEMO_SPEED", "0");
    let folder = home.path().join("ssh");
    std::fs::create_dir(&folder).expect("folder");
    for name in ["host", "user"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(name))
            .status()
            .expect("ssh-keygen");
        assert!(made.success());
    }
    std::fs::copy(folder.join("user.pub"), folder.join("authorized")).expect("authorized keys");
    if rustix::process::geteuid().is_root() {
        // A server of root wants this folder; a server that runs as a service has it made by the system.
        std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
    }
    // What the login shell would not set: this home, so that nothing of the real one is touched.
    let exports: String = home
        .env()
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| format!("{name}={} ", value.to_string_lossy()))
        .collect();
    let shown = |name: &str| folder.join(name).display().to_string();
    std::fs::write(
        folder.join("config"),
        format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n\
             LogLevel ERROR\nAllowTcpForwarding no\n",
            shown("host"),
            shown("authorized")
        ),
    )
    .expect("config");

    // The server speaks on the client's standard input and output: no port is opened.
    let mut command = CommandBuilder::new("ssh");
    command.args(["-tt", "-F", "/dev/null", "-i", &shown("user")]);
    command.args(["-o", &format!("ProxyCommand={sshd} -i -f {}", shown("config"))]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
    command.args(["-o", "IdentitiesOnly=yes", "localhost"]);
    command.arg(format!("cd {} && env {exports} {} --demo", home.path().display(), env!("CARGO_BIN_EXE_okcvm")));
    let mut terminal = Terminal::start_command(&home, command, 80, 24);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("make a small page about otters\r");
    terminal.wait_for("F4 snapshots 2");
    terminal.keys("please wait for 100 seconds\r");
    terminal.wait_until("the running shell", |screen| screen.contains("sleep 100"));
    terminal.keys("\x1b");
    terminal.wait_for("stopped; what was done so far is kept");
    terminal.wait_for("F4 snapshots 3");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
    assert!(session(&home).join("work/output/otters/summary.txt").exists());
}
