//! The six tools through their front door, without a sandbox: what each promises to the model. One file, longer than
//! most, because it is one list of promises.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::schema::{SandboxBackend, SandboxSection};
use crate::protocol::{ArtifactKind, CallId, TodoStatus, ToolCall, ToolStatus};
use crate::sandbox::{LazySandbox, SandboxFolders, Unavailable};
use crate::spec::Bundle;
use crate::support::secret::{Redactor, Secret};
use crate::workspace::Workspace;

const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

mod kept;

struct Session {
    _folder: tempfile::TempDir,
    work: PathBuf,
    toolbox: Toolbox,
}

fn session() -> Session {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    session_with(&LazySandbox::new(&section, Path::new("/nowhere")))
}

fn session_with(sandbox: &LazySandbox) -> Session {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name);
    for name in ["work", "home", "tmp", "spill"] {
        std::fs::create_dir(path(name)).expect("folder");
    }
    let toolbox = Toolbox::new(ToolboxParts {
        bundle: Arc::new(Bundle::embedded().clone()),
        workspace: Workspace::open(&path("work"), MOUNT, None).expect("workspace"),
        sandbox: sandbox.clone(),
        folders: SandboxFolders {
            id: "okcvm-0123456789abcdef".to_owned(),
            work: path("work"),
            home: path("home"),
            tmp: path("tmp"),
            mount: MOUNT.to_owned(),
            mounted: Vec::new(),
        },
        spill: path("spill"),
        interactive: false,
        python: super::LazyPython::none(),
        browser: super::LazyProgram::none(),
        online: super::Online::default(),
        deployments: crate::preview::DeploymentsPlace::new(path("deployments"), "okcvm-0123456789abcdef"),
        redactor: Redactor::new([Secret::new("sk-very-secret-key")]),
    })
    .expect("toolbox");
    Session { work: path("work"), toolbox, _folder: folder }
}

impl Session {
    async fn raw(&self, tool: &str, arguments: &str) -> Finished {
        let (output, _) = mpsc::unbounded_channel();
        self.call_with(tool, arguments, CallContext { cancel: CancellationToken::new(), output }).await
    }

    async fn call_with(&self, tool: &str, arguments: &str, cx: CallContext) -> Finished {
        let call =
            ToolCall { id: CallId("1".to_owned()), name: format!("mshtools-{tool}"), arguments: arguments.to_owned() };
        self.toolbox.call(&call, cx).await
    }

    async fn ok(&self, tool: &str, arguments: Value) -> Finished {
        let finished = self.raw(tool, &arguments.to_string()).await;
        assert_eq!(finished.status, ToolStatus::Ok, "{}", finished.output);
        finished
    }

    async fn fails(&self, tool: &str, arguments: Value) -> String {
        let finished = self.raw(tool, &arguments.to_string()).await;
        assert_eq!(finished.status, ToolStatus::Error, "{}", finished.output);
        assert!(finished.fatal.is_none());
        finished.output
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.work.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, content).expect("file");
    }

    fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.work.join(name)).expect("content")
    }
}

// ---- calls as such ----

#[tokio::test]
async fn an_unknown_tool_is_told() {
    let session = session();
    let message = session.fails("shel", json!({})).await;
    assert!(message.contains("no tool named \"mshtools-shel\". Did you mean mshtools-shell?"), "{message}");
}

#[tokio::test]
async fn wrong_arguments_are_told_and_nothing_runs() {
    let session = session();
    let message = session.fails("write_file", json!({"file_path": "x", "mode": 1})).await;
    assert!(message.contains("content") && message.contains("mode"), "{message}");
    assert!(!session.work.join("x").exists());
    let message = session.raw("shell", "{\"command\": \"touch x").await.output;
    assert!(message.contains("not valid JSON"), "{message}");
    assert!(!session.work.join("x").exists());
}

#[test]
fn tools_that_write_are_known_before_they_run() {
    let session = session();
    for (name, effect) in [
        ("mshtools-shell", ToolEffect::Writes),
        ("mshtools-write_file", ToolEffect::Writes),
        ("mshtools-edit_file", ToolEffect::Writes),
        ("mshtools-read_file", ToolEffect::Reads),
        ("mshtools-todo_write", ToolEffect::Reads),
        ("nonsense", ToolEffect::Reads),
    ] {
        assert_eq!(session.toolbox.effect(name), effect, "{name}");
    }
}

#[tokio::test]
async fn without_a_sandbox_the_shell_is_not_offered_and_says_why() {
    let section = SandboxSection::default();
    let why = Unavailable::new("bubblewrap is not installed", "Install it.");
    let session = session_with(&LazySandbox::unavailable(&section, why));
    assert_eq!(session.toolbox.specs().len(), 11);
    let rows = session.toolbox.rows();
    let shell = rows.iter().find(|row| row.name == "mshtools-shell").expect("row");
    assert_eq!(shell.availability, Availability::Unavailable("no sandbox: bubblewrap is not installed".to_owned()));
    assert_eq!(rows.iter().filter(|row| row.availability == Availability::Ready).count(), 11);
    let message = session.fails("shell", json!({"command": "true"})).await;
    assert!(message.contains("bubblewrap is not installed") && message.contains("Install it."), "{message}");
}

#[test]
fn without_walls_the_model_is_told_where_commands_run() {
    let session = session();
    let specs = session.toolbox.specs();
    let shell = specs.iter().find(|spec| spec.name == "mshtools-shell").expect("spec");
    assert!(shell.description.contains("without a sandbox"), "{}", shell.description);
    assert!(shell.description.contains(session.work.to_str().expect("path")));
}

// ---- todo ----

#[tokio::test]
async fn the_todo_list_is_replaced_told_and_restored() {
    let session = session();
    let empty = session.raw("todo_read", "").await;
    assert_eq!(serde_json::from_str::<Value>(&empty.output).expect("JSON"), json!([]));
    let todos = json!([
        {"content": "one", "priority": "high", "status": "in_progress", "id": "a"},
        {"content": "two", "priority": "low", "status": "pending"},
    ]);
    let written = session.ok("todo_write", json!({"todos": todos})).await;
    assert_eq!(serde_json::from_str::<Value>(&written.output).expect("JSON")["total"], 2);
    assert_eq!(written.todos.expect("todos")[0].status, TodoStatus::InProgress);
    let read = session.ok("todo_read", json!({})).await;
    assert_eq!(serde_json::from_str::<Value>(&read.output).expect("JSON"), todos);

    let state = session.toolbox.state();
    session.toolbox.restore_state(&[]);
    assert!(session.toolbox.todos().is_empty());
    session.toolbox.restore_state(&state);
    assert_eq!(session.toolbox.todos().len(), 2);
    session.toolbox.restore_state(&[("todo.json".to_owned(), b"garbage".to_vec()), ("x".to_owned(), Vec::new())]);
    assert!(session.toolbox.todos().is_empty());
}

// ---- read_file ----

#[tokio::test]
async fn text_is_shown_with_line_numbers_a_hundred_lines_at_a_time() {
    let session = session();
    let text = lines(250);
    session.put("notes.txt", &text);
    let read = session.ok("read_file", json!({"file_path": format!("{MOUNT}/notes.txt")})).await.output;
    assert!(read.starts_with("     1\tline 1\n     2\tline 2\n"), "{read}");
    assert!(read.contains("\n   100\tline 100\n[lines 1 to 100 of 250; continue with offset 101]"), "{read}");
    let read = session.ok("read_file", json!({"file_path": "notes.txt", "offset": 249, "limit": 5})).await.output;
    assert_eq!(read, "   249\tline 249\n   250\tline 250");
    let read = session.ok("read_file", json!({"file_path": "notes.txt", "offset": 0, "limit": 1})).await.output;
    assert!(read.starts_with("     1\tline 1"), "{read}");
    let message = session.fails("read_file", json!({"file_path": "notes.txt", "offset": 251})).await;
    assert!(message.contains("beyond the end") && message.contains("250 lines"), "{message}");
    for wrong in [json!({"file_path": "notes.txt", "limit": 0}), json!({"file_path": "notes.txt", "offset": -3})] {
        session.fails("read_file", wrong).await;
    }
}

#[tokio::test]
async fn odd_texts_are_shown_as_they_are() {
    let session = session();
    session.put("empty", "");
    assert!(session.ok("read_file", json!({"file_path": "empty"})).await.output.contains("exists but is empty"));
    session.put("blank", "\n\n");
    assert_eq!(session.ok("read_file", json!({"file_path": "blank"})).await.output, "     1\t\n     2\t");
    session.put("no-end", "a\nb");
    assert_eq!(session.ok("read_file", json!({"file_path": "no-end"})).await.output, "     1\ta\n     2\tb");
    session.put("crlf", "a\r\nb\r\n");
    let read = session.ok("read_file", json!({"file_path": "crlf"})).await.output;
    assert_eq!(read, "     1\ta\n     2\tb\n[line ends are CRLF and are kept by edits]");
    session.put("long", format!("{}\nshort\n{}\n", "世".repeat(1_500), "x".repeat(1_000)));
    let read = session.ok("read_file", json!({"file_path": "long"})).await.output;
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines[0], format!("     1\t{} [... 500 more characters in this line]", "世".repeat(1_000)));
    assert_eq!(lines[1], "     2\tshort");
    assert_eq!(lines[2], format!("     3\t{}", "x".repeat(1_000)));
    session.put("latin1", b"caf\xe9\n");
    let read = session.ok("read_file", json!({"file_path": "latin1"})).await.output;
    assert_eq!(
        read,
        "     1\tcafé\n[written in windows-1252 (Latin-1), perhaps (the text is too short to be sure), which edits keep; shown as UTF-8]"
    );
}

#[tokio::test]
async fn nothing_is_cut_out_of_the_middle_of_a_file() {
    let session = session();
    let line = |n: usize, width: usize| format!("{n:->width$}");
    session.put("wide", (1..=250).map(|n| line(n, 160) + "\n").collect::<String>());
    let read = session.ok("read_file", json!({"file_path": "wide"})).await;
    for n in 1..=100 {
        assert!(read.output.contains(&format!("{n:>6}\t{}\n", line(n, 160))), "line {n}");
    }
    assert!(read.output.ends_with("\n[lines 1 to 100 of 250; continue with offset 101]"), "{}", read.output);
    assert!(read.spill.is_none());
    // A hundred lines of a thousand characters fit; of more lines as many as fit, and the last one is told.
    session.put("wider", (1..=250).map(|n| line(n, 1_000) + "\n").collect::<String>());
    let read = session.ok("read_file", json!({"file_path": "wider"})).await.output;
    assert!(read.ends_with("\n[lines 1 to 100 of 250; continue with offset 101]"));
    let read = session.ok("read_file", json!({"file_path": "wider", "offset": 11, "limit": 240})).await.output;
    let shown = read.lines().count() - 1;
    assert!((100..200).contains(&shown), "{shown}");
    assert!(read.ends_with(&format!(
        "{}\n[lines 11 to {} of 250; continue with offset {}]",
        line(shown + 10, 1_000),
        shown + 10,
        shown + 11
    )));
}

#[tokio::test]
async fn a_line_of_many_megabytes_costs_no_memory_and_is_counted() {
    let session = session();
    let mut text = "é".repeat(3 << 20);
    text.push_str("\nlast");
    session.put("big", &text);
    let read = session.ok("read_file", json!({"file_path": "big"})).await.output;
    assert!(read.contains(&format!("[... {} more characters in this line]", (3 << 20) - 1_000)), "{}", read.len());
    assert!(read.ends_with("     2\tlast"));
}

#[tokio::test]
async fn a_missing_file_suggests_near_names_and_a_folder_is_told() {
    let session = session();
    session.put("docs/README.md", "x");
    let message = session.fails("read_file", json!({"file_path": "docs/REDME.md"})).await;
    assert!(message.contains("does not exist") && message.contains(&format!("{MOUNT}/docs/README.md")), "{message}");
    let message = session.fails("read_file", json!({"file_path": "doc/README.md"})).await;
    assert!(message.contains(&format!("Did you mean {MOUNT}/docs?")), "{message}");
    let message = session.fails("read_file", json!({"file_path": "docs"})).await;
    assert!(message.contains("is a folder"), "{message}");
    let message = session.fails("read_file", json!({"file_path": "/etc/passwd"})).await;
    assert!(message.contains("path outside workspace"), "{message}");
}

#[tokio::test]
async fn binaries_are_described_and_pictures_are_never_shown_unseen() {
    let session = session();
    session.put("song.mp3", b"ID3\x03\0\0\0\0\0\0");
    let read = session.ok("read_file", json!({"file_path": "song.mp3"})).await;
    assert!(read.output.contains("a sound recording") && read.images.is_empty(), "{}", read.output);
    // What is no text was looked at all the same: it may be replaced.
    session.ok("write_file", json!({"file_path": "song.mp3", "content": "new"})).await;
    assert_eq!(session.content("song.mp3"), "new");
    session.put("utf16", b"\xff\xfea\0b\0");
    let message = session.fails("write_file", json!({"file_path": "utf16", "content": "ab"})).await;
    assert!(message.contains("has not been read"), "{message}");
    session.ok("read_file", json!({"file_path": "utf16"})).await;
    let written = session.ok("write_file", json!({"file_path": "utf16", "content": "c"})).await;
    assert_eq!(std::fs::read(session.work.join("utf16")).expect("content"), b"\xff\xfec\0");
    assert!(written.output.ends_with("[kept as it was: UTF-16 LE with a byte order mark]"), "{}", written.output);
    // What has to be decoded needs a process for that, which a program of its own may not serve.
    session.put("plot.txt", b"\x89PNG\r\n\x1a\n");
    let message = session.fails("read_file", json!({"file_path": "plot.txt"})).await;
    assert!(message.contains("okcvm::internal_main"), "{message}");
}

// ---- write_file ----

#[tokio::test]
async fn a_file_is_created_with_its_folders_and_told_with_a_difference() {
    let session = session();
    let written = session.ok("write_file", json!({"file_path": "output/a/b.txt", "content": "one\ntwo\n"})).await;
    assert_eq!(session.content("output/a/b.txt"), "one\ntwo\n");
    assert!(written.output.starts_with(&format!("created {MOUNT}/output/a/b.txt")), "{}", written.output);
    let diff = written.diff.expect("diff");
    assert!(diff.contains("--- /dev/null") && diff.contains("+++ b/output/a/b.txt") && diff.contains("+two"), "{diff}");
    assert_eq!(written.artifacts[0].kind, ArtifactKind::File);
    // What was just written is known: it may be changed again without reading it.
    session.ok("write_file", json!({"file_path": "output/a/b.txt", "content": "three\n", "append": true})).await;
    assert_eq!(session.content("output/a/b.txt"), "one\ntwo\nthree\n");
    assert!(session.ok("write_file", json!({"file_path": "x", "content": ""})).await.artifacts.is_empty());
}

#[tokio::test]
async fn an_existing_file_must_have_been_read_and_be_unchanged_since() {
    let session = session();
    session.put("a", "old");
    for arguments in
        [json!({"file_path": "a", "content": "new"}), json!({"file_path": "a", "content": "new", "append": true})]
    {
        let message = session.fails("write_file", arguments).await;
        assert!(message.contains("has not been read"), "{message}");
    }
    session.ok("read_file", json!({"file_path": "a"})).await;
    session.put("a", "by other hands");
    let message = session.fails("write_file", json!({"file_path": "a", "content": "new"})).await;
    assert!(message.contains("has changed since it was read"), "{message}");
    assert_eq!(session.content("a"), "by other hands");
    session.ok("read_file", json!({"file_path": "/mnt/okcomputer/a"})).await;
    session.ok("write_file", json!({"file_path": "a", "content": "new"})).await;
    assert_eq!(session.content("a"), "new");
}

#[tokio::test]
async fn what_was_read_belongs_to_the_session_and_survives_a_restart() {
    let session = session();
    session.put("a", "old");
    session.ok("read_file", json!({"file_path": "a"})).await;
    let state = session.toolbox.state();
    session.toolbox.restore_state(&[]);
    session.fails("write_file", json!({"file_path": "a", "content": "new"})).await;
    session.toolbox.restore_state(&state);
    session.ok("write_file", json!({"file_path": "a", "content": "new"})).await;
}

#[tokio::test]
async fn a_call_writes_at_most_a_hundred_thousand_characters() {
    let session = session();
    let most = "é".repeat(100_000);
    session.ok("write_file", json!({"file_path": "a", "content": most})).await;
    let message = session.fails("write_file", json!({"file_path": "b", "content": format!("{most}x")})).await;
    assert!(message.contains("100001") && message.contains("append"), "{message}");
    assert!(!session.work.join("b").exists());
}

#[tokio::test]
async fn a_link_that_leaves_is_refused_and_one_that_stays_is_written_through() {
    let session = session();
    std::os::unix::fs::symlink("/etc", session.work.join("etc")).expect("link");
    let message = session.fails("write_file", json!({"file_path": "etc/okcvm-pwned", "content": "x"})).await;
    assert!(message.contains("path outside workspace"), "{message}");
    std::os::unix::fs::symlink("real", session.work.join("link")).expect("link");
    session.put("real", "old");
    // Read under one name, changed under the other: it is the same file.
    session.ok("read_file", json!({"file_path": "real"})).await;
    session.ok("write_file", json!({"file_path": "link", "content": "new"})).await;
    assert_eq!(session.content("real"), "new");
    assert!(session.work.join("link").is_symlink());
}

// ---- edit_file ----

#[tokio::test]
async fn exact_text_is_replaced_and_shown() {
    let session = session();
    session.put("a.py", "def f():\n    return 1\n\ndef g():\n    return 1\n");
    let edit = |old: &str, new: &str| json!({"file_path": "a.py", "old_string": old, "new_string": new});
    let message = session.fails("edit_file", edit("def f", "def h")).await;
    assert!(message.contains("has not been read"), "{message}");
    session.ok("read_file", json!({"file_path": "a.py"})).await;

    let edited = session.ok("edit_file", edit("def f():\n    return 1", "def f():\n    return 2")).await;
    assert!(edited.output.contains("replaced 1 occurrence") && edited.output.contains("     2\t    return 2"));
    let diff = edited.diff.expect("diff");
    assert!(diff.contains("--- a/a.py") && diff.contains("-    return 1") && diff.contains("+    return 2"), "{diff}");

    session.put("a.py", "x\ny\nx\n");
    let message = session.fails("edit_file", edit("x", "z")).await;
    assert!(message.contains("has changed since"), "{message}");
    session.ok("read_file", json!({"file_path": "a.py"})).await;
    let message = session.fails("edit_file", edit("x", "z")).await;
    assert!(message.contains("occurs 2 times") && message.contains("lines 1, 3"), "{message}");
    let all = json!({"file_path": "a.py", "old_string": "x", "new_string": "z", "replace_all": true});
    assert!(session.ok("edit_file", all).await.output.contains("replaced 2 occurrences"));
    assert_eq!(session.content("a.py"), "z\ny\nz\n");
    for (old, new, why) in [("z", "z", "are the same"), ("", "z", "empty")] {
        let message = session.fails("edit_file", edit(old, new)).await;
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn a_near_miss_is_pointed_at() {
    let session = session();
    session.put("a", "alpha beta\n\tindented line\nfunction computeTotal(items) {\n}\n");
    session.ok("read_file", json!({"file_path": "a"})).await;
    for (old, expected) in [
        ("    indented line", "Line 2 differs from it only in spaces or tabs"),
        ("function computeTotals(item) {", "The most similar place is line 3"),
        ("     1\talpha beta", "line numbers"),
        ("alpha beta\nother", "The most similar place is lines 1 to 2"),
        ("nothing of the kind at all", "does not occur"),
    ] {
        let arguments = json!({"file_path": "a", "old_string": old, "new_string": "x"});
        let message = session.fails("edit_file", arguments).await;
        assert!(message.contains(expected), "{old}: {message}");
    }
    let message = session.fails("edit_file", json!({"file_path": "b", "old_string": "x", "new_string": "y"})).await;
    assert!(message.contains("does not exist"), "{message}");
}

#[tokio::test]
async fn line_ends_of_a_crlf_file_are_kept() {
    let session = session();
    session.put("a", "one\r\ntwo\r\nthree\r\n");
    session.ok("read_file", json!({"file_path": "a"})).await;
    let arguments = json!({"file_path": "a", "old_string": "one\ntwo", "new_string": "1\n2\n2b"});
    session.ok("edit_file", arguments).await;
    assert_eq!(session.content("a"), "1\r\n2\r\n2b\r\nthree\r\n");
    session.put("mixed", "one\r\ntwo\nthree\r\n");
    session.ok("read_file", json!({"file_path": "mixed"})).await;
    session.ok("edit_file", json!({"file_path": "mixed", "old_string": "two\n", "new_string": "2\n"})).await;
    assert_eq!(session.content("mixed"), "one\r\n2\nthree\r\n");
}

#[tokio::test]
async fn an_edit_that_would_grow_without_measure_is_refused_before_it_is_made() {
    let session = session();
    session.put("a", "a".repeat(90_000));
    session.ok("read_file", json!({"file_path": "a"})).await;
    let edit = |new: String| json!({"file_path": "a", "old_string": "a", "new_string": new, "replace_all": true});
    // 1.8 GB.
    let message = session.fails("edit_file", edit("b".repeat(20_000))).await;
    assert!(message.contains("90000 occurrences") && message.contains("at most 16.0 MiB"), "{message}");
    let message = session.fails("edit_file", edit("b".repeat(100_001))).await;
    assert!(message.contains("at most 100000 can be written in one call"), "{message}");
    session.put("a", "a".repeat(4 << 20));
    session.ok("read_file", json!({"file_path": "a"})).await;
    let message = session.fails("edit_file", edit("b".to_owned())).await;
    assert!(message.contains("at most 100000 places can be changed"), "{message}");
    assert_eq!(session.content("a").len(), 4 << 20);
}

// ---- shell, unconfined ----

#[tokio::test]
async fn both_streams_and_the_exit_code_come_back() {
    let session = session();
    let ran = session.ok("shell", json!({"command": "echo hello from OKCVM!"})).await;
    assert_eq!(ran.output, "hello from OKCVM!\n");
    let ran = session.raw("shell", &json!({"command": "echo out; echo err >&2; exit 3"}).to_string()).await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.contains("out\n") && ran.output.contains("err\n"), "{}", ran.output);
    assert!(ran.output.ends_with("[exit code 3]"), "{}", ran.output);
    assert_eq!(session.ok("shell", json!({"command": "true"})).await.output, "[no output]");
    let message = session.fails("shell", json!({"command": "kill -9 $$"})).await;
    assert_eq!(message, "[exit code 137, killed by SIGKILL]");
    let message = session.fails("shell", json!({"command": "true", "timeout": 1_800_001})).await;
    assert!(message.contains("1800000"), "{message}");
    session.fails("shell", json!({"command": "true", "timeout": 0})).await;
}

#[tokio::test]
async fn the_environment_of_a_command_is_built_from_nothing() {
    let session = session();
    let env = session.ok("shell", json!({"command": "env; pwd"})).await.output;
    assert!(env.contains("HOME=") && env.ends_with(&format!("{}\n", session.work.display())), "{env}");
    assert!(!env.contains("CARGO_") && !env.contains("NEXTEST"), "{env}");
}

#[tokio::test]
async fn output_streams_while_the_command_runs_and_keys_never_come_out() {
    let session = session();
    let (output, mut live) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let cx = CallContext { cancel: cancel.clone(), output };
    let command = r"printf 'begin \342'; sleep 0.1; printf '\202\254 sk-very-'; sleep 0.1; echo secret-key; sleep 30";
    let arguments = json!({ "command": command }).to_string();
    let call = session.call_with("shell", &arguments, cx);
    let mut shown = String::new();
    let watch = async {
        while let Some(piece) = live.recv().await {
            shown.push_str(&piece);
            if shown.contains('\n') {
                cancel.cancel();
            }
        }
        shown
    };
    let started = Instant::now();
    let (finished, shown) = tokio::join!(call, watch);
    assert!(started.elapsed() < Duration::from_secs(10), "the end was not waited for");
    assert_eq!(shown, "begin € [key removed]\n");
    assert_eq!(finished.status, ToolStatus::Cancelled);
    assert!(finished.output.starts_with(&shown) && finished.output.contains("cancelled by the user"));
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_even_when_it_does_not_listen() {
    let session = session();
    let command = "trap '' TERM; (trap '' TERM; echo $BASHPID > pid; exec sleep 300) & sleep 300";
    let started = Instant::now();
    let ran = session.raw("shell", &json!({"command": command, "timeout": 300}).to_string()).await;
    assert_eq!(ran.status, ToolStatus::Timeout);
    assert!(ran.output.contains("stopped after 300 ms"), "{}", ran.output);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let pid: u32 = session.content("pid").trim().parse().expect("pid");
    while is_running(pid) {
        assert!(started.elapsed() < Duration::from_secs(20), "the background process lives");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_command_that_closes_its_output_is_still_watched() {
    let session = session();
    let arguments = json!({"command": "echo before; exec >&- 2>&-; sleep 300", "timeout": 300});
    let ran = session.raw("shell", &arguments.to_string()).await;
    assert_eq!(ran.status, ToolStatus::Timeout);
    assert!(ran.output.starts_with("before\n"), "{}", ran.output);
    let ran = session.raw("shell", &json!({"command": "exec >&- 2>&-; exit 4"}).to_string()).await;
    assert_eq!(ran.output, "[exit code 4]");
}

#[tokio::test]
async fn a_background_process_does_not_outlive_the_command_or_hold_its_output() {
    let session = session();
    let started = Instant::now();
    let ran = session.ok("shell", json!({"command": "sleep 300 & echo $!"})).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let pid = ran.output.trim().parse().expect("pid");
    // It was told to end with the group; that it has done so comes a moment later.
    while is_running(pid) {
        assert!(started.elapsed() < Duration::from_secs(20), "the background process lives");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_was_cancelled_before_it_began_does_not_begin() {
    let session = session();
    let (output, _live) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let arguments = json!({"command": "touch x"}).to_string();
    let ran = session.call_with("shell", &arguments, CallContext { cancel, output }).await;
    assert_eq!(ran.status, ToolStatus::Cancelled);
    assert!(!session.work.join("x").exists());
}

#[tokio::test]
async fn long_output_is_clipped_for_the_model_and_kept_whole() {
    let session = session();
    let command = "for i in $(seq 5000); do echo line $i; done; exit 2";
    let ran = session.raw("shell", &json!({ "command": command }).to_string()).await;
    assert!(ran.output.chars().count() <= OUTPUT_LIMIT);
    assert!(ran.output.starts_with("line 1\n") && ran.output.ends_with("line 5000\n[exit code 2]"), "{}", ran.output);
    let spill = ran.spill.expect("spill");
    let whole = std::fs::read_to_string(&spill.path).expect("read");
    assert_eq!(whole, lines(5000));
    assert_eq!(spill.bytes, whole.len() as u64);
}

#[tokio::test]
async fn a_command_that_is_too_long_for_the_kernel_is_told() {
    let session = session();
    let message = session.fails("shell", json!({"command": format!(": {}", "x".repeat(200_000))})).await;
    assert!(message.contains("the command has"), "{message}");
}

/// The lines `line 1` to `line n`.
fn lines(n: u32) -> String {
    (1..=n).map(|n| format!("line {n}")).chain([String::new()]).collect::<Vec<_>>().join("\n")
}

/// Whether a process exists and is no zombie.
fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}
