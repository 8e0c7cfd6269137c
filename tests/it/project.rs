//! A project copied into a session, and the session's changes brought back: `--from` and `okcvm files apply`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use okcvm::project::merge::{Entry, Merged, merge};

use super::support::TestHome;

/// Git in a folder, in an environment of the test's own.
fn git(home: &Path, dir: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new("git")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH"))
        .env("HOME", home)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("git starts")
}

fn git_ok(home: &Path, dir: &Path, arguments: &[&str]) {
    let output = git(home, dir, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("parent")).expect("folders");
    fs::write(path, text).expect("file");
}

fn read(dir: &Path, path: &str) -> String {
    fs::read_to_string(dir.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A checkout with a tracked, an untracked and an ignored file, a link inside and one that leads out.
fn checkout(home: &TestHome) -> PathBuf {
    let dir = home.path().join("proj");
    for (path, text) in [
        ("src/main.rs", "fn main() {\n    one();\n    two();\n    three();\n}\n"),
        ("README.md", "# Project\n\nWords.\n"),
        (".gitignore", "target/\n*.log\n!kept.log\n"),
        ("kept.log", "kept\n"),
        ("forced.log", "ignored, but tracked\n"),
        ("new.txt", "untracked\n"),
        ("target/big.o", "ignored\n"),
        ("noise.log", "ignored\n"),
    ] {
        write(&dir, path, text);
    }
    fs::set_permissions(dir.join("src/main.rs"), fs::Permissions::from_mode(0o755)).expect("mode");
    symlink("src/main.rs", dir.join("link")).expect("link");
    symlink("/etc/passwd", dir.join("out")).expect("link");
    git_ok(home.path(), &dir, &["init", "-q"]);
    git_ok(home.path(), &dir, &["add", "src", "README.md", ".gitignore", "kept.log", "link"]);
    git_ok(home.path(), &dir, &["add", "-f", "forced.log"]);
    git_ok(home.path(), &dir, &["commit", "-qm", "one"]);
    dir
}

/// A session that holds a copy; its files on the host.
fn copy(home: &TestHome, dir: &Path, more: &[&str]) -> PathBuf {
    let mut arguments =
        vec!["exec", "--demo", "--sandbox", "off", "--network", "host", "--from", dir.to_str().expect("text")];
    arguments.extend(more);
    arguments.push("hello");
    home.run(&arguments).assert_code(0);
    let sessions = home.run(&["session", "list", "--json"]).assert_code(0).json();
    PathBuf::from(sessions[0]["host_path"].as_str().expect("path")).join("work")
}

/// Every file and link below a folder, with its content; `.git` is left out.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    fn walk(top: &Path, dir: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).expect("list") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(top).expect("inside").to_str().expect("text").to_owned();
            let facts = fs::symlink_metadata(&path).expect("facts");
            if name == ".git" {
            } else if facts.is_dir() {
                walk(top, &path, out);
            } else if facts.is_symlink() {
                out.insert(name, format!("-> {}", fs::read_link(&path).expect("link").display()));
            } else {
                let exec = if facts.permissions().mode() & 0o100 == 0 { "" } else { "x " };
                out.insert(name, format!("{exec}{}", String::from_utf8_lossy(&fs::read(&path).expect("file"))));
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_keys().collect()
}

#[test]
fn a_copy_holds_what_git_tracks_and_does_not_ignore() {
    let home = TestHome::new();
    let dir = checkout(&home);
    let ran = home
        .run(&["exec", "--demo", "--sandbox", "off", "--network", "host", "--from", "proj", "hello"])
        .assert_code(0);
    assert!(ran.err.contains("copied 7 files") && ran.err.contains("out: it is a link that leads out"), "{ran:?}");
    let sessions = home.run(&["session", "list", "--json"]).assert_code(0).json();
    let work = PathBuf::from(sessions[0]["host_path"].as_str().expect("path")).join("work");
    let kept = [".gitignore", "README.md", "forced.log", "kept.log", "link", "new.txt", "src/main.rs"];
    let copied = names(&work);
    for name in kept {
        assert!(copied.contains(&name.to_owned()), "{name} is missing: {copied:?}");
    }
    assert_eq!(copied.len(), kept.len(), "{copied:?}");
    assert!(tree(&work)["src/main.rs"].starts_with("x fn main"), "the bit of execution is kept");
    assert!(!work.join(".git").exists());

    let all = copy(&home, &dir, &["--all"]);
    let all = names(&all);
    assert!(all.contains(&"target/big.o".to_owned()) && all.contains(&"noise.log".to_owned()), "{all:?}");
    assert!(!all.iter().any(|name| name.starts_with(".git/")), "{all:?}");

    // A folder of the checkout is a project too, and so is a folder that Git knows nothing of.
    let part = names(&copy(&home, &dir.join("src"), &[]));
    assert_eq!(part, ["main.rs"]);
    fs::remove_dir_all(dir.join(".git")).expect("no checkout any more");
    assert!(names(&copy(&home, &dir, &[])).contains(&"target/big.o".to_owned()));
}

#[test]
fn what_is_too_large_is_told_before_a_session_is_made() {
    let home = TestHome::new();
    home.write_config("project:\n  max_files: 5\n");
    let dir = home.path().join("many");
    for number in 0..40 {
        write(&dir, &format!("node_modules/m{number}"), "x");
    }
    write(&dir, "main.js", "x");
    let ran = home.run(&["exec", "--demo", "--from", "many", "hello"]).assert_code(1);
    assert!(ran.err.contains("the limit is 5 (project.max_files)"), "{ran:?}");
    assert!(ran.err.contains("node_modules (") && ran.err.contains("hint:"), "{ran:?}");
    for (arguments, code) in [(["--from", "missing"], 2), (["--from", "many/main.js"], 2)] {
        let ran = home.run(&["exec", "--demo", arguments[0], arguments[1], "hello"]).assert_code(code);
        assert!(ran.err.contains("cannot copy"), "{ran:?}");
    }
    home.run(&["exec", "--demo", "--from", "many", "--continue", "hello"]).assert_code(2);
    home.run(&["exec", "--demo", "--all", "hello"]).assert_code(2);
    let sessions = home.run(&["session", "list", "--json"]).assert_code(0).json();
    assert_eq!(sessions.as_array().map(Vec::len), Some(0));
    let left = fs::read_dir(home.sessions()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing half made is left");
}

#[test]
fn what_the_session_changed_is_shown_first_and_then_brought_back() {
    let home = TestHome::new();
    let dir = checkout(&home);
    let work = copy(&home, &dir, &[]);
    let before = tree(&dir);
    write(&work, "src/main.rs", "fn main() {\n    ONE();\n    two();\n    three();\n}\n");
    write(&work, "src/new/module.rs", "// new\n");
    write(&work, "output/result.txt", "for the user\n");
    write(&work, "target/debug/made.o", "ignored by the project\n");
    write(&work, ".git/config", "[core]\n\tfsmonitor = evil\n");
    fs::remove_file(work.join("new.txt")).expect("removed");
    fs::remove_file(work.join("link")).expect("removed");
    symlink("README.md", work.join("link")).expect("link");
    fs::set_permissions(work.join("README.md"), fs::Permissions::from_mode(0o755)).expect("mode");
    // Meanwhile the project has moved on, in another place of the same file and elsewhere.
    write(&dir, "src/main.rs", "fn main() {\n    one();\n    two();\n    three();\n    four();\n}\n");
    write(&dir, "other.txt", "mine\n");

    let dry = home.run(&["files", "apply"]).assert_code(2);
    assert!(dry.out.contains("+    ONE();") && dry.out.contains("4 files to write, 1 file to remove"), "{dry:?}");
    assert!(dry.out.contains("left out: output/result.txt") && dry.err.contains("--yes"), "{dry:?}");
    assert!(dry.out.contains("left out: target/debug/made.o") && dry.out.contains("left out: .git/config"), "{dry:?}");
    write(&dir, "probe", "");
    fs::remove_file(dir.join("probe")).expect("probe");
    let mut expected = before;
    expected.insert("other.txt".into(), "mine\n".into());
    expected
        .insert("src/main.rs".into(), "x fn main() {\n    one();\n    two();\n    three();\n    four();\n}\n".into());
    assert_eq!(tree(&dir), expected, "a dry run writes nothing");

    // The patch as text makes the same of the project as writing it.
    let patch = home.command(&["files", "apply", "--patch"]).output().expect("runs");
    assert!(patch.status.success(), "{}", String::from_utf8_lossy(&patch.stderr));
    let twin = home.path().join("twin");
    git_ok(home.path(), home.path(), &["clone", "-q", "proj", "twin"]);
    for (name, text) in &expected {
        if !text.starts_with("->") {
            write(&twin, name, text.strip_prefix("x ").unwrap_or(text));
        }
    }
    fs::set_permissions(twin.join("src/main.rs"), fs::Permissions::from_mode(0o755)).expect("mode");
    symlink("/etc/passwd", twin.join("out")).expect("link");
    fs::write(home.path().join("the.patch"), &patch.stdout).expect("patch");
    git_ok(home.path(), &twin, &["apply", "../the.patch"]);

    let ran = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(ran.out.contains("4 written, 1 removed"), "{ran:?}");
    expected
        .insert("src/main.rs".into(), "x fn main() {\n    ONE();\n    two();\n    three();\n    four();\n}\n".into());
    expected.insert("src/new/module.rs".into(), "// new\n".into());
    expected.insert("link".into(), "-> README.md".into());
    expected.insert("README.md".into(), "x # Project\n\nWords.\n".into());
    expected.remove("new.txt");
    assert_eq!(tree(&dir), expected);
    assert_eq!(tree(&twin), expected, "`git apply` does the same");
    assert!(read(&dir, ".git/config").contains("repositoryformatversion"), "Git's own folder is untouched");
    assert!(!read(&dir, ".git/config").contains("evil"));

    // From here on only what is new counts.
    assert!(home.run(&["files", "apply", "--yes"]).assert_code(0).out.contains("lacks nothing that changed since"));
    write(&work, "src/new/module.rs", "// newer\n");
    let again = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(again.out.contains("1 written, 0 removed"), "{again:?}");
    assert_eq!(read(&dir, "src/new/module.rs"), "// newer\n");
}

#[test]
fn a_conflict_writes_nothing_unless_markers_are_asked_for() {
    let home = TestHome::new();
    let dir = checkout(&home);
    let work = copy(&home, &dir, &[]);
    write(&work, "README.md", "# Project\n\nTheirs.\n");
    write(&work, "kept.log", "changed\n");
    fs::remove_file(work.join("new.txt")).expect("removed");
    write(&work, "fine.txt", "fine\n");
    write(&dir, "README.md", "# Project\n\nOurs.\n");
    write(&dir, "new.txt", "changed here\n");
    fs::remove_file(dir.join("kept.log")).expect("removed");
    let before = tree(&dir);
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(1);
    assert!(ran.out.contains("conflict: README.md: changed on both sides"), "{ran:?}");
    assert!(ran.err.contains("3 files changed on both sides; nothing was written"), "{ran:?}");
    assert_eq!(tree(&dir), before);
    let ran = home.run(&["files", "apply", "--yes", "--conflicts=markers"]).assert_code(1);
    assert!(ran.out.contains("3 files in conflict"), "{ran:?}");
    let marked = read(&dir, "README.md");
    assert_eq!(marked, "# Project\n\n<<<<<<< project\nOurs.\n=======\nTheirs.\n>>>>>>> session\n");
    assert_eq!(read(&dir, "new.txt"), "changed here\n", "what one side removed and the other changed stays");
    assert_eq!(read(&dir, "kept.log"), "changed\n");
    assert_eq!(read(&dir, "fine.txt"), "fine\n");
    write(&dir, "README.md", "# Project\n\nDecided.\n");
    assert!(home.run(&["files", "apply", "--yes"]).assert_code(0).out.contains("lacks nothing that changed since"));
}

#[test]
fn nothing_is_written_outside_of_the_project() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "docs/page.md", "page\n");
    write(&dir, "data/a", "a\n");
    let outside = home.path().join("outside");
    write(&outside, "page.md", "page\n");
    let work = copy(&home, &dir, &[]);
    write(&work, "docs/page.md", "changed\n");
    write(&work, "docs/new.md", "new\n");
    fs::remove_file(work.join("data/a")).expect("removed");
    // The project's folder has become a link that leads out.
    fs::remove_dir_all(dir.join("docs")).expect("folder");
    symlink(&outside, dir.join("docs")).expect("link");
    let ran = home.run(&["files", "apply", "--yes", "--conflicts=markers"]).assert_code(1);
    assert!(ran.out.contains("docs is a link or a file in the project"), "{ran:?}");
    assert_eq!(names(&outside), ["page.md"]);
    assert_eq!(read(&outside, "page.md"), "page\n");
    assert!(!dir.join("data").exists(), "a folder whose last file went goes with it");
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "one", "file\n");
    write(&dir, "two/a", "a\n");
    write(&dir, "two/b", "b\n");
    write(&dir, "three/a", "a\n");
    let work = copy(&home, &dir, &[]);
    fs::remove_file(work.join("one")).expect("file");
    write(&work, "one/inside", "inside\n");
    for folder in ["two", "three"] {
        fs::remove_dir_all(work.join(folder)).expect("folder");
        write(&work, folder, "now a file\n");
    }
    write(&dir, "three/mine", "mine\n");
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(1);
    assert!(ran.out.contains("conflict: three: is a folder in the project"), "{ran:?}");
    assert_eq!(read(&dir, "one"), "file\n");
    fs::remove_file(dir.join("three/mine")).expect("file");
    home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert_eq!((read(&dir, "one/inside"), read(&dir, "two")), ("inside\n".into(), "now a file\n".into()));
    assert_eq!(read(&dir, "three"), "now a file\n");
}

#[test]
fn what_is_shown_is_all_that_is_written() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "a", "a\n");
    let work = copy(&home, &dir, &[]);
    let script = "#!/bin/sh\necho one\n\u{1b}]0;\nhidden one\n\u{7}\n: \u{1b}Pq\nhidden two\n\u{1b}\\\n";
    write(&work, "build.sh", script);
    fs::set_permissions(work.join("build.sh"), fs::Permissions::from_mode(0o755)).expect("mode");
    let dry = home.run(&["files", "apply"]).assert_code(2);
    for line in ["+hidden one", "+hidden two", "+: ␛Pq"] {
        assert!(dry.out.contains(line), "{line}: {dry:?}");
    }
    assert!(dry.out.contains("+ build.sh  +8 -0, new, executable"), "{dry:?}");
}

#[test]
fn a_long_difference_is_cut_short_on_a_screen_and_every_path_is_named() {
    use okcvm::project::Limits;
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "a", "a\n");
    let work = copy(&home, &dir, &[]);
    write(&work, "aaa.csv", &"row\n".repeat(1000));
    write(&work, "line", &"x".repeat(5000));
    write(&work, "zz/evil.sh", "rm\n");
    let mut session = open(&home, &work);
    let state = session.toolbox.state();
    let brought = session.ledger.bring(&okcvm::vm::Bring::default(), state, &|_, _| true).expect("patch");
    let limits = Limits { file_lines: 300, file_bytes: 4000, lines: 500 };
    let told = brought.told(Some(limits)).expect("told");
    let written: Vec<&str> = told.write.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(written, ["aaa.csv", "line", "zz/evil.sh"]);
    assert_eq!(told.write[0].what, "+1000 -0, new");
    let shown = |text: &str| assert!(told.patch.contains(text), "{text}: {}", told.patch);
    shown("more lines of aaa.csv");
    shown("more bytes of this line");
    shown("+rm");
    let short = brought.told(Some(Limits { lines: 5, ..limits })).expect("told");
    assert!(short.patch.contains("what changes in 2 more files is not shown here"), "{}", short.patch);
    assert_eq!(short.write, told.write);
    // Stopped before the first file has its name, nothing has changed.
    let before = tree(&dir);
    let stopped = session.ledger.write_back(&brought, &|done, _| done < 2).expect_err("stopped");
    assert!(stopped.to_string().contains("nothing was written"), "{stopped}");
    assert_eq!(tree(&dir), before);
}

/// The session whose files these are, opened by hand.
fn open(home: &TestHome, work: &Path) -> okcvm::vm::OpenSession {
    use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxSection};
    let network = NetworkSection::of_mode(NetworkMode::Host);
    let section = SandboxSection { backend: SandboxBackend::Off, network, ..SandboxSection::default() };
    let sandbox = okcvm::tools::LazySandbox::new(&section, &home.path().join("cache"));
    let folder = okcvm::session::SessionFolder::open(work.parent().expect("session")).expect("session");
    okcvm::vm::OpenSession::open(folder, &okcvm::vm::SessionOptions::new(sandbox)).expect("open")
}

#[test]
fn what_was_brought_and_undone_can_be_brought_again_and_another_folder_gets_all_of_it() {
    let home = TestHome::new();
    let dir = checkout(&home);
    let work = copy(&home, &dir, &[]);
    write(&work, "README.md", "# Project\n\nOther.\n");
    home.run(&["files", "apply", "--yes"]).assert_code(0);
    git_ok(home.path(), &dir, &["checkout", "-q", "."]);
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(ran.out.contains("lacks nothing that changed since") && ran.out.contains("--since-copy"), "{ran:?}");
    git_ok(home.path(), home.path(), &["clone", "-q", "proj", "other"]);
    home.run(&["files", "apply", "--yes", "other"]).assert_code(0);
    assert_eq!(read(&home.path().join("other"), "README.md"), "# Project\n\nOther.\n");
    let ran = home.run(&["files", "apply", "--yes", "--since-copy"]).assert_code(0);
    assert!(ran.out.contains("1 written"), "{ran:?}");
    assert_eq!(read(&dir, "README.md"), "# Project\n\nOther.\n");
}

#[test]
fn both_sides_of_every_conflict_are_somewhere() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "logo.bin", "\0one");
    write(&dir, "gone", "here\n");
    write(&dir, "d/one", "one\n");
    let work = copy(&home, &dir, &[]);
    write(&work, "logo.bin", "\0session");
    fs::remove_file(work.join("gone")).expect("removed");
    fs::remove_dir_all(work.join("d")).expect("removed");
    write(&work, "d", "now a file\n");
    write(&dir, "logo.bin", "\0project");
    write(&dir, "gone", "changed\n");
    write(&dir, "d/one", "changed\n");
    write(&dir, "logo.bin.session", "mine\n");
    home.run(&["files", "apply", "--yes"]).assert_code(1);
    let ran = home.run(&["files", "apply", "--yes", "--conflicts=markers"]).assert_code(1);
    assert!(
        ran.out.contains("logo.bin: the project's version was kept, the session's is logo.bin.session-2"),
        "{ran:?}"
    );
    assert!(ran.out.contains("gone: the project's version was kept"), "{ran:?}");
    assert!(ran.out.contains("d: the project's version was kept, the session's is d.session"), "{ran:?}");
    assert_eq!(read(&dir, "logo.bin"), "\0project");
    assert_eq!(read(&dir, "logo.bin.session-2"), "\0session");
    assert_eq!((read(&dir, "d/one"), read(&dir, "d.session")), ("changed\n".into(), "now a file\n".into()));
    assert_eq!(read(&dir, "gone"), "changed\n");
}

#[test]
fn links_that_lead_out_stay_in_the_session() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "a", "a\n");
    let work = copy(&home, &dir, &[]);
    symlink("/etc/passwd", work.join("evil")).expect("link");
    symlink("../../outside", work.join("up")).expect("link");
    symlink("a", work.join("fine")).expect("link");
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(ran.out.contains("left out: evil: it is a link that leads out of the project"), "{ran:?}");
    assert_eq!(names(&dir), ["a", "fine"]);
}

#[test]
fn what_was_copied_comes_back_though_git_ignores_it_or_cannot_be_asked() {
    let home = TestHome::new();
    let dir = checkout(&home);
    let work = copy(&home, &dir, &["--all"]);
    write(&work, "noise.log", "changed\n");
    write(&work, "more.log", "new\n");
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(ran.out.contains("left out: more.log: the project ignores it"), "{ran:?}");
    assert_eq!(read(&dir, "noise.log"), "changed\n");
    // A repository of a kind that the library does not know.
    let config = read(&dir, ".git/config");
    write(&dir, ".git/config", &config.replace("repositoryformatversion = 0", "repositoryformatversion = 99"));
    write(&work, "README.md", "changed\n");
    let ran = home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert!(ran.out.contains("note: cannot tell what Git tracks"), "{ran:?}");
    assert_eq!(read(&dir, "README.md"), "changed\n");
}

#[test]
fn what_a_killed_apply_left_is_neither_copied_nor_kept() {
    let home = TestHome::new();
    let dir = home.path().join("plain");
    write(&dir, "sub/a", "a\n");
    let left = format!("sub/.okcvm-{}-{}.new", i32::MAX, "0".repeat(32));
    write(&dir, &left, "half\n");
    let work = copy(&home, &dir, &[]);
    assert_eq!(names(&work), ["sub/a"]);
    write(&work, "sub/a", "b\n");
    home.run(&["files", "apply", "--yes"]).assert_code(0);
    assert_eq!(names(&dir), ["sub/a"]);
}

#[test]
fn keys_and_words_of_the_user_are_not_copied_with_a_home() {
    let home = TestHome::new();
    home.write_config("project:\n  max_files: 500\n");
    write(home.path(), "notes.txt", "notes\n");
    let own = ["config.yaml", "history.jsonl"];
    let work = copy(&home, home.path(), &[]);
    let copied = names(&work);
    assert!(copied.contains(&"notes.txt".to_owned()), "{copied:?}");
    assert!(!copied.iter().any(|path| own.iter().any(|name| path.ends_with(name))), "{copied:?}");
    let ran = home.run(&["files", "put", home.path().to_str().expect("text"), "again"]).assert_code(0);
    assert!(ran.err.contains("belongs to okcvm"), "{ran:?}");
    let again = names(&work.join("again"));
    assert!(again.contains(&"notes.txt".to_owned()), "{again:?}");
    assert!(!again.iter().any(|path| own.iter().any(|name| path.ends_with(name))), "{again:?}");
}

#[test]
fn a_session_without_a_project_says_so() {
    let home = TestHome::new();
    home.run(&["tool", "call", "write_file", r#"{"file_path": "a", "content": "a"}"#]).assert_code(0);
    let ran = home.run(&["files", "apply"]).assert_code(1);
    assert!(ran.err.contains("holds no copy of a project") && ran.err.contains("--from DIR"), "{ran:?}");
}

#[test]
fn the_model_is_told_that_the_files_are_a_copy() {
    use super::support::endpoint::{Answer, FakeEndpoint};
    let server = FakeEndpoint::start([Answer::text("Seen.")]);
    let home = TestHome::new();
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\n",
        server.base_url()
    ));
    write(&home.path().join("proj"), "a.txt", "a\n");
    home.run(&["exec", "--sandbox", "off", "--network", "host", "--from", "proj", "hello"]).assert_code(0);
    let system = server.requests()[0].messages()[0]["content"].as_str().expect("prompt").to_owned();
    assert!(system.contains("are a copy of the user's project in ") && system.contains("/proj,"), "{system}");
}

/// Lines that often meet, so that merges are interesting.
fn text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "", "\t"]);
    (prop::collection::vec(line, 0..12), any::<bool>()).prop_map(|(lines, end)| {
        let mut text = lines.join("\n");
        if end && !text.is_empty() {
            text.push('\n');
        }
        text
    })
}

/// Few of the lines of a text are changed, taken out or added.
fn edited(base: &str, edits: &[(usize, u8)]) -> String {
    let mut lines: Vec<String> = base.split_inclusive('\n').map(str::to_owned).collect();
    for (at, how) in edits {
        let at = if lines.is_empty() { 0 } else { at % lines.len() };
        match how % 3 {
            0 if !lines.is_empty() => lines[at] = format!("changed {how}\n"),
            1 if !lines.is_empty() => {
                lines.remove(at);
            }
            _ => lines.insert(at, format!("added {how}\n")),
        }
    }
    lines.concat()
}

#[test]
fn texts_are_merged_as_git_merges_them() {
    let folder = tempfile::tempdir().expect("folder");
    let edits = || prop::collection::vec((0usize..12, any::<u8>()), 0..4);
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    runner
        .run(&(text(), edits(), edits()), |(base, left, right)| {
            let (ours, theirs) = (edited(&base, &left), edited(&base, &right));
            for (name, text) in [("base", &base), ("ours", &ours), ("theirs", &theirs)] {
                fs::write(folder.path().join(name), text).expect("file");
            }
            let output = git(
                folder.path(),
                folder.path(),
                &["merge-file", "-p", "-L", "project", "-L", "base", "-L", "session", "ours", "base", "theirs"],
            );
            let expected = String::from_utf8_lossy(&output.stdout).into_owned();
            let file = |text: &str| Entry::File { bytes: text.as_bytes().to_vec(), exec: false };
            let merged = merge(Some(&file(&base)), Some(&file(&ours)), Some(&file(&theirs)));
            let (conflict, result) = match merged {
                Merged::Same => (false, ours.clone()),
                Merged::To(Some(Entry::File { bytes, .. })) => (false, String::from_utf8(bytes).expect("text")),
                Merged::Conflict { marked: Some(Entry::File { bytes, .. }), .. } => {
                    (true, String::from_utf8(bytes).expect("text"))
                }
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(
                conflict,
                output.status.code() != Some(0),
                "base {:?} ours {:?} theirs {:?}",
                base,
                ours,
                theirs
            );
            if conflict {
                // Git leaves a label out where there is nothing to mark; the versions are the same.
                let plain = |text: &str| text.replace("<<< project", "<<<").replace(">>> session", ">>>");
                prop_assert_eq!(plain(&result), plain(&expected));
            } else {
                prop_assert_eq!(result, expected);
            }
            Ok(())
        })
        .expect("as Git does");
}

/// A small project: name and content of each file; none where there is none.
type Files = BTreeMap<&'static str, Option<String>>;

fn put_files(dir: &Path, files: &Files) {
    for (name, content) in files {
        match content {
            Some(text) => write(dir, name, text),
            None => {
                let _ = fs::remove_file(dir.join(name));
            }
        }
    }
}

#[test]
fn whole_projects_are_merged_as_git_merges_them() {
    use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxSection};
    use okcvm::protocol::SessionId;
    use okcvm::session::{Project, SessionError, SessionFolder};
    use okcvm::tools::LazySandbox;
    use okcvm::vm::{Bring, OpenSession, SessionOptions};

    const NAMES: [&str; 4] = ["a.txt", "sub/b.txt", "sub/deep/c.txt", "d.txt"];
    let side = || prop::collection::vec(prop::option::weighted(0.8, text()), NAMES.len());
    let change = || prop::collection::vec(prop::option::of(prop::option::weighted(0.7, text())), NAMES.len());
    let files = |list: &[Option<String>]| -> Files { NAMES.into_iter().zip(list.iter().cloned()).collect() };
    let changed = |base: &[Option<String>], changes: &[Option<Option<String>>]| -> Files {
        let list: Vec<Option<String>> =
            base.iter().zip(changes).map(|(base, change)| change.clone().unwrap_or_else(|| base.clone())).collect();
        files(&list)
    };
    let folder = tempfile::tempdir().expect("folder");
    let section = SandboxSection {
        backend: SandboxBackend::Off,
        network: NetworkSection::of_mode(NetworkMode::Host),
        ..SandboxSection::default()
    };
    let options = SessionOptions::new(LazySandbox::new(&section, &folder.path().join("cache")));
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let counter = std::cell::Cell::new(0u64);
    runner
        .run(&(side(), change(), change()), |(base, left, right)| {
            let count = counter.get() + 1;
            counter.set(count);
            let (ours, theirs) = (changed(&base, &left), changed(&base, &right));
            let base = files(&base);
            // Git's way: two branches of one checkout.
            let dir = folder.path().join(format!("git{count}"));
            fs::create_dir(&dir).expect("folder");
            let home = folder.path();
            git_ok(home, &dir, &["init", "-q"]);
            put_files(&dir, &base);
            git_ok(home, &dir, &["add", "-A"]);
            git_ok(home, &dir, &["commit", "-q", "--allow-empty", "-m", "base"]);
            git_ok(home, &dir, &["checkout", "-q", "-b", "theirs"]);
            put_files(&dir, &theirs);
            git_ok(home, &dir, &["add", "-A"]);
            git_ok(home, &dir, &["commit", "-q", "--allow-empty", "-m", "theirs"]);
            git_ok(home, &dir, &["checkout", "-q", "main"]);
            put_files(&dir, &ours);
            git_ok(home, &dir, &["add", "-A"]);
            git_ok(home, &dir, &["commit", "-q", "--allow-empty", "-m", "ours"]);
            let clean = git(home, &dir, &["merge", "-q", "-s", "resolve", "--no-edit", "theirs"]).status.success();

            // Ours: a session that holds the base, and a project that has moved on.
            let project = folder.path().join(format!("project{count}"));
            fs::create_dir(&project).expect("folder");
            put_files(&project, &ours);
            let before = tree(&project);
            let id = SessionId::from_random(count);
            let remembered = Project::new(project.canonicalize().expect("path"));
            let made = SessionFolder::create_filled::<SessionError>(
                &folder.path().join("sessions"),
                &id,
                &jiff::Zoned::now(),
                Some(remembered),
                |work| {
                    put_files(work, &base);
                    Ok(())
                },
            )
            .expect("session");
            let work = made.work();
            let mut session = OpenSession::open(made, &options).expect("open");
            put_files(&work, &theirs);
            let state = session.toolbox.state();
            let brought = session.ledger.bring(&Bring::default(), state, &|_, _| true).expect("patch");
            prop_assert_eq!(brought.patch.conflicts.is_empty(), clean, "{:?} {:?} {:?}", base, ours, theirs);
            if clean {
                session.ledger.write_back(&brought, &|_, _| true).expect("written");
                prop_assert_eq!(tree(&project), tree(&dir));
            } else {
                prop_assert!(session.ledger.write_back(&brought, &|_, _| true).is_err());
                prop_assert_eq!(tree(&project), before, "nothing is written on a conflict");
            }
            Ok(())
        })
        .expect("as Git does");
}

#[test]
fn a_copy_that_is_stopped_leaves_nothing() {
    use okcvm::config::schema::ProjectSection;
    use okcvm::project::{ProjectError, plan};
    use okcvm::protocol::SessionId;
    use okcvm::session::{Project, SessionError, SessionFolder};
    use okcvm::workspace::Workspace;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error(transparent)]
        Project(#[from] ProjectError),
        #[error(transparent)]
        Session(#[from] SessionError),
    }

    let folder = tempfile::tempdir().expect("folder");
    let dir = folder.path().join("proj");
    for number in 0..20 {
        write(&dir, &format!("f{number}"), "text");
    }
    let sessions = folder.path().join("sessions");
    let limits = ProjectSection::default();
    let mut plan = plan(&dir, false, &limits, &[], &|| false).expect("plan");
    let id = SessionId::from_random(9);
    let copied = std::cell::Cell::new(0);
    let remembered = Project::new(plan.dir.clone());
    let made = SessionFolder::create_filled::<Error>(&sessions, &id, &jiff::Zoned::now(), Some(remembered), |work| {
        let workspace = Workspace::open(work, &id.mount(), None).map_err(ProjectError::from)?;
        plan.copy(&workspace, &mut |at| copied.set(at.files), &|| copied.get() >= 7)?;
        Ok(())
    });
    assert!(matches!(made, Err(Error::Project(ProjectError::Stopped))), "{made:?}");
    assert_eq!(copied.get(), 7);
    assert_eq!(fs::read_dir(&sessions).expect("list").count(), 0);
}

#[test]
fn a_screen_starts_with_a_copy_and_brings_its_changes_back() {
    use super::support::needs_bubblewrap;
    use super::support::terminal::Terminal;
    if !needs_bubblewrap() {
        return;
    }
    let mut home = TestHome::new();
    home.set("OKCVM_DEMO_SPEED", "0");
    let dir = checkout(&home);
    let mut terminal = Terminal::start(&home, &["--demo", "--from", "proj"], 80, 24);
    terminal.wait_for("left out of the copy: out:");
    let sessions = fs::read_dir(home.sessions()).expect("sessions");
    let work = sessions.map(|entry| entry.expect("entry").path().join("work")).next().expect("a session");
    assert_eq!(read(&work, "README.md"), "# Project\n\nWords.\n");
    fs::write(work.join("README.md"), "# Project\n\nOther words.\n").expect("file");
    terminal.keys("/apply\r");
    terminal.wait_for("1 to write, 0 to remove in ");
    terminal.wait_for("Other words.");
    assert_eq!(read(&dir, "README.md"), "# Project\n\nWords.\n", "shown first");
    terminal.wait_for("Enter writes it");
    terminal.keys("\r");
    terminal.wait_for("1 written, 0 removed");
    assert_eq!(read(&dir, "README.md"), "# Project\n\nOther words.\n");
    // One file out, and once more over itself.
    for _ in 0..2 {
        terminal.keys("/save README.md copy.md\r");
        terminal.wait_until("an answer", |screen| screen.contains("saved ") || screen.contains("--force"));
    }
    terminal.wait_for("Enter replaces it");
    terminal.keys("\r");
    terminal.wait_until("saved twice", |screen| screen.matches("saved ").count() == 2);
    assert_eq!(read(home.path(), "copy.md"), "# Project\n\nOther words.\n");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}
