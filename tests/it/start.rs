//! Starting and leaving the program in a real terminal: what is in the way is told where it can be mended.

use rustix::process::{Pid, Signal, kill_process};

use portable_pty::CommandBuilder;

use super::support::{Terminal, TestHome};

const UNSET: &str = "chat:\n  model: m\n  base_url: http://127.0.0.1:9/v1\n  api_key_env: NOKEY\n";

#[test]
fn a_key_variable_that_is_not_set_opens_the_setup_and_says_so() {
    let home = TestHome::new();
    home.write_config(UNSET);
    let mut terminal = Terminal::start(&home, &[], 80, 24);
    terminal.wait_until("the problem", |screen| {
        screen.contains("names NOKEY, which is not set") && screen.contains("Welcome to okcvm")
    });
    terminal.keys("\x1b");
    assert_eq!(terminal.wait_exit(), 0);
    // A .env beside the config file counts, in the setup too.
    std::fs::write(home.config_file().with_file_name(".env"), "NOKEY=sk-x\n").expect("file");
    let mut terminal = Terminal::start(&home, &["--sandbox", "external"], 80, 24);
    terminal.wait_for("new session");
    terminal.keys("/setup\r");
    terminal.wait_for("Esc back to the session");
    terminal.keys("\r");
    terminal.wait_for("an environment variable");
    terminal.keys("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A");
    terminal.wait_for("NOKEY is set");
    terminal.keys("\x03");
    terminal.wait_for("new session");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn a_configuration_that_is_broken_says_how_to_go_on() {
    let home = TestHome::new();
    home.write_config("nonsense: 1\n");
    let mut terminal = Terminal::start(&home, &[], 120, 24);
    assert_eq!(terminal.wait_exit(), 2);
    let screen = terminal.screen();
    assert!(screen.contains("nonsense") && screen.contains("move it away"), "{screen}");
}

#[test]
fn a_session_in_use_is_told_at_the_shell_at_once() {
    let home = TestHome::new();
    let args = ["--demo", "--sandbox", "external"];
    let mut first = Terminal::start(&home, &args, 80, 24);
    first.wait_for("F4 snapshots 1");
    let mut second = Terminal::start(&home, &["--demo", "--sandbox", "external", "--continue"], 120, 24);
    assert_eq!(second.wait_exit(), 1);
    let screen = second.screen();
    assert!(screen.contains("in use by okcvm (process"), "{screen}");
    // The list refuses it on the spot.
    let mut third = Terminal::start(&home, &["--demo", "--sandbox", "external", "--resume"], 120, 24);
    third.wait_for("in use");
    third.keys("\r");
    third.wait_for("close it there first");
    third.keys("\x1b");
    assert_eq!(third.wait_exit(), 0);
    // Nothing was said in it, so nothing of it stays, whatever ends it.
    let pid = Pid::from_raw(i32::try_from(first.pid()).expect("pid")).expect("pid");
    kill_process(pid, Signal::TERM).expect("signal");
    assert_eq!(first.wait_exit(), 143);
    assert_eq!(std::fs::read_dir(home.sessions()).expect("sessions").count(), 0);
}

#[test]
fn a_terminal_that_cannot_place_its_cursor_is_told_so() {
    let mut home = TestHome::new();
    home.set("TERM", "dumb");
    let mut terminal = Terminal::start(&home, &["--demo"], 80, 24);
    assert_eq!(terminal.wait_exit(), 2);
    assert!(terminal.screen().contains("TERM is dumb"), "{}", terminal.screen());
}

#[test]
fn a_locale_without_utf_8_gets_ascii() {
    let mut home = TestHome::new();
    home.set("LC_ALL", "C");
    let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    let screen = terminal.wait_for("F4 snapshots 1");
    assert!(screen.is_ascii(), "{screen}");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_shell_gets_the_terminal_back_and_fg_brings_the_program_back() {
    let home = TestHome::new();
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "--noediting", "-i"]);
    let mut terminal = Terminal::start_command(&home, command, 80, 24);
    terminal.keys("PS1='ready '; bind 2>/dev/null; clear\r");
    terminal.wait_for("ready");
    terminal.keys(&format!("{} --demo --sandbox external\r", env!("CARGO_BIN_EXE_okcvm")));
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("hello\x1a");
    terminal.wait_until("the shell", |screen| screen.contains("Stopped") && !screen.contains("F4 snapshots"));
    assert!(!terminal.parsed().alternate_screen() && !terminal.parsed().bracketed_paste());
    terminal.keys("fg\r");
    terminal.wait_until("the screen", |screen| screen.contains("> hello") && screen.contains("F4 snapshots 1"));
    terminal.keys("\x15/quit\r");
    terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("ready"));
    terminal.keys("exit\r");
    terminal.wait_exit();
}

#[test]
fn an_editor_that_is_left_without_saving_changes_nothing() {
    for (editor, says) in [("true", "[pasted 20 lines]"), ("false", "false ended with exit status: 1")] {
        let mut home = TestHome::new();
        home.set("EDITOR", editor);
        let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
        terminal.wait_for("F4 snapshots 1");
        terminal.keys(&format!("see \x1b[200~{}\x1b[201~", "line\r".repeat(20)));
        terminal.wait_for("> see [pasted 20 lines]");
        terminal.keys("\x07");
        // The screen is back, and with it the keys are the program's own.
        terminal.wait_written("\x1b[?1049h", 2);
        terminal.wait_for(says);
        terminal.wait_for("> see [pasted 20 lines]");
        terminal.keys("\x03\x03\x03");
        assert_eq!(terminal.wait_exit(), 0);
        // The wheel is the terminal's own again, and was not turned into arrows meanwhile.
        let written = String::from_utf8_lossy(&terminal.written).into_owned();
        assert!(written.contains("\x1b[?1007s\x1b[?1007l") && written.contains("\x1b[?1007h\x1b[?1007r\x1b[?1049l"));
    }
}

/// A PATH with a shell but without bubblewrap, outside of the folder that the program runs in.
fn without_bubblewrap(home: &mut TestHome) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    std::os::unix::fs::symlink("/bin/bash", folder.path().join("bash")).expect("link");
    home.set("PATH", folder.path());
    folder
}

#[test]
fn a_sandbox_that_cannot_start_is_asked_about_and_none_is_taken_by_its_words_alone() {
    let mut home = TestHome::new();
    let _folder = without_bubblewrap(&mut home);
    let mut terminal = Terminal::start(&home, &["--demo"], 80, 24);
    let screen = terminal.wait_for("is not installed");
    assert!(screen.contains("apt install bubblewrap") && screen.contains("q  leave okcvm"), "{screen}");
    terminal.keys("r");
    terminal.wait_for("it still cannot start");
    terminal.keys("n");
    terminal.wait_for("Type `run without sandbox`");
    terminal.keys("y\r");
    terminal.wait_for("these are not the words");
    terminal.keys("\x15run without sandbox\r");
    let screen = terminal.wait_for("Say what you want made");
    assert!(screen.lines().next().is_some_and(|row| row.contains("NO SANDBOX")), "{screen}");
    // The setup screen and back: the same session, asked once.
    terminal.keys("/setup\r");
    terminal.wait_for("Esc");
    terminal.keys("\x1b");
    terminal.wait_for("Say what you want made");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    // It is not remembered, and leaving makes no session.
    let mut again = Terminal::start(&home, &["--demo"], 80, 24);
    again.wait_for("is not installed");
    again.keys("q");
    assert_eq!(again.wait_exit(), 0);
    assert_eq!(std::fs::read_dir(home.sessions()).map_or(0, Iterator::count), 0);
}

#[test]
fn a_sandbox_that_works_meanwhile_is_taken() {
    if !super::support::needs_bubblewrap() {
        return;
    }
    let mut home = TestHome::new();
    let folder = without_bubblewrap(&mut home);
    let mut terminal = Terminal::start(&home, &["--demo"], 80, 24);
    terminal.wait_for("is not installed");
    std::os::unix::fs::symlink("/usr/bin/bwrap", folder.path().join("bwrap")).expect("link");
    terminal.keys("r");
    let screen = terminal.wait_for("Say what you want made");
    assert!(screen.contains("bubblewrap") && !screen.contains("NO SANDBOX"), "{screen}");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn no_sandbox_on_a_terminal_wants_its_words_too() {
    let home = TestHome::new();
    let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "off"], 80, 24);
    let screen = terminal.wait_for("Type `run without sandbox`");
    assert!(screen.contains("account can: SSH"), "{screen}");
    terminal.keys("run without sandbox\r");
    terminal.wait_for("Say what you want made");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    let mut left = Terminal::start(&home, &["--demo", "--sandbox", "off"], 40, 12);
    left.wait_for("NO SANDBOX");
    left.keys("\x1b");
    assert_eq!(left.wait_exit(), 0);
}
