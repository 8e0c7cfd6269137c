//! Commands that take all they can get, in the application on a real terminal: the screen goes on answering, memory stays
//! bounded, and nothing is left when the session ends.

use serde_json::json;

use crate::support::endpoint::{Answer, FakeEndpoint};
use crate::support::machine;
use crate::support::terminal::Terminal;
use crate::support::{TestHome, needs_bubblewrap};

/// The most memory that okcvm itself may ever have had, in MiB; a build with debug code needs more than a release.
const MOST_MEMORY: u64 = 160;

/// Lets the model run a command, types meanwhile, and waits for a text of its result.
fn endure(command: &str, busy: &str, result: &str) {
    if !needs_bubblewrap() {
        return;
    }
    let server = FakeEndpoint::start([
        Answer::calls(&[("a", "mshtools-shell", json!({ "command": command, "timeout": 100_000 }))]),
        Answer::text("that is over"),
        Answer::calls(&[("b", "mshtools-shell", json!({ "command": "echo it goes on" }))]),
        Answer::text("all is well"),
    ]);
    let home = TestHome::new();
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\nsandbox:\n  network:\n    mode: off\n  \
         limits:\n    pids: 100\n    workspace_mb: 64\n",
        server.base_url()
    ));
    let mut terminal = Terminal::start(&home, &[], 100, 30);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("go\r");
    terminal.wait_for(busy);
    // One key at a time: each must come up on the screen while the command does its worst.
    for typed in 1..="typed meanwhile".len() {
        terminal.keys(&"typed meanwhile"[typed - 1..typed]);
        terminal.wait_for(&format!("> {}", "typed meanwhile"[..typed].trim_end()));
    }
    terminal.wait_for("that is over");
    let told = server.wait_requests(2)[1].messages().last().expect("a result")["content"].to_string();
    assert!(told.contains(result), "{result:?} is missing in {told}");
    terminal.keys("\x15again\r");
    terminal.wait_for("all is well");
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("number");
    println!("at most {} MiB", peak >> 10);
    assert!(peak >> 10 <= MOST_MEMORY, "{} MiB", peak >> 10);
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    assert!(machine::soon(|| machine::processes_with(&home.path().to_string_lossy()).is_empty()));
    assert!(machine::soon(|| machine::processes_with("OKTAG-ABUSE").is_empty()));
}

#[test]
fn a_fork_bomb_is_held_and_ended() {
    let bomb =
        "bomb() { (exec -a OKTAG-ABUSE-BOMB sleep 300) & bomb | bomb & }; bomb 2> /dev/null; sleep 5; kill -9 $$";
    endure(bomb, "bomb()", "exit code 137");
}

#[test]
fn two_gigabytes_of_output_are_cut_off() {
    endure("yes OKTAG-ABUSE-OUTPUT | head -c 2000000000", "head -c 2000000000", "it wrote more than 64 MiB");
}

#[test]
fn a_disk_filler_is_stopped() {
    let filler = "n=0; while true; do n=$((n+1)); head -c 20000000 /dev/zero > /tmp/$n || exit 3; done";
    endure(filler, "/dev/zero", "sandbox.limits.");
}

#[test]
fn daemons_end_with_the_session() {
    let daemons = "for n in $(seq 20); do setsid -f bash -c 'trap \"\" TERM HUP; exec -a OKTAG-ABUSE-DAEMON sleep 300'; \
                   done; sleep 3";
    endure(daemons, "seq 20", "go on in the background");
}
