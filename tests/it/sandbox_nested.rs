//! okcvm where no further user namespaces may be made: inside another sandbox, as in many containers. Only that outer
//! sandbox is changed for it, nothing of the machine.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::endpoint::{Answer, FakeEndpoint};
use crate::support::home::Ran;
use crate::support::{TestHome, needs_bubblewrap, skip_or_fail};

/// An account that is nobody's, for runs of root: inside, root would have no number.
const ACCOUNT: &str = "61998";

/// A home for programs inside; `None` where the outer sandbox does not come up.
fn nested_home() -> Option<TestHome> {
    if !needs_bubblewrap() {
        return None;
    }
    let home = TestHome::new();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let trial = inside(&home, &["test", "-x", env!("CARGO_BIN_EXE_okcvm")]);
    if trial.code != Some(0) {
        skip_or_fail(&format!("no sandbox around okcvm can be made here: {}", trial.err));
        return None;
    }
    Some(home)
}

/// Runs a program in a sandbox that forbids further user namespaces.
fn inside(home: &TestHome, program: &[&str]) -> Ran {
    let outer =
        ["bwrap", "--unshare-user", "--disable-userns", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--"];
    let mut line: Vec<&str> = Vec::new();
    let (user, group) = (format!("--reuid={ACCOUNT}"), format!("--regid={ACCOUNT}"));
    if rustix::process::geteuid().is_root() {
        let given = Command::new("chown").args(["-R", ACCOUNT]).arg(home.path()).status().expect("chown");
        assert!(given.success());
        line.extend(["setpriv", &user, &group, "--clear-groups"]);
    }
    line.extend(outer);
    line.extend(program);
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).env_clear().envs(home.env()).current_dir("/").stdin(Stdio::null());
    Ran::from(command.output().expect("the outer sandbox starts"))
}

fn okcvm(home: &TestHome, arguments: &[&str]) -> Ran {
    inside(home, &[&[env!("CARGO_BIN_EXE_okcvm")], arguments].concat())
}

fn shell(command: &str) -> String {
    json!({ "command": command }).to_string()
}

#[test]
fn without_user_namespaces_bubblewrap_is_told_as_unavailable_and_nothing_less_is_taken() {
    let Some(home) = nested_home() else { return };
    let ran = okcvm(&home, &["tool", "call", "shell", &shell("echo RAN")]).assert_code(1);
    assert!(ran.out.contains("bubblewrap does not work here") && !ran.out.contains("RAN\n"), "{ran:?}");
    assert!(ran.out.contains("user.max_user_namespaces") && ran.out.contains("--sandbox landlock"), "{ran:?}");

    let endpoint = FakeEndpoint::start([
        Answer::calls(&[("c", "mshtools-shell", json!({"command": "echo RAN"}))]),
        Answer::text("I could not."),
    ]);
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\n",
        endpoint.base_url()
    ));
    let ran = okcvm(&home, &["exec", "run something"]);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("bubblewrap does not work here"), "{told}");
    assert!(told.contains("user.max_user_namespaces") && !told.contains("RAN\n"), "{told}");
    assert_ne!(ran.code, Some(0), "{told}");
}

#[test]
fn without_user_namespaces_landlock_works_and_says_that_it_is_degraded() {
    let Some(home) = nested_home() else { return };
    let script = "id -u; pwd; echo kept > f; cat f; cat ~/../../session.json || echo REFUSED; ls /root || echo REFUSED";
    let ran = okcvm(&home, &["--sandbox", "landlock", "tool", "call", "shell", &shell(script)]).assert_code(0);
    assert!(ran.err.contains("DEGRADED SANDBOX"), "{ran:?}");
    assert!(ran.out.contains("kept") && ran.out.matches("REFUSED").count() == 2, "{ran:?}");
    let ran = okcvm(&home, &["--sandbox", "landlock", "doctor", "--json"]);
    let rows = ran.json();
    let row = |part: &str| {
        let found = rows.as_array().expect("list").iter().find(|row| row["part"] == part);
        found.unwrap_or_else(|| panic!("{part}: {rows}")).clone()
    };
    assert_eq!(row("sandbox")["status"], "warning", "{rows}");
    assert!(row("sandbox")["hint"].as_str().is_some_and(|hint| hint.contains("chmod")), "{rows}");
    assert!(row("userns")["detail"].as_str().is_some_and(|detail| detail.starts_with("user namespaces:")), "{rows}");
}

#[test]
fn without_user_namespaces_no_sandbox_at_all_works_where_it_is_asked_for() {
    let Some(home) = nested_home() else { return };
    let ran = okcvm(&home, &["--sandbox", "off", "tool", "call", "shell", &shell("echo RAN")]).assert_code(0);
    assert!(ran.out.contains("RAN") && ran.err.contains("NO SANDBOX"), "{ran:?}");
}
