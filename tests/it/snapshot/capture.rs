//! What a snapshot holds of a workspace: names, links, modes, limits.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use okcvm::config::SnapshotSection;
use okcvm::protocol::RestoreScope;

use super::crash::child;
use super::{Session, listing, short, turn};
use crate::support::skip_or_fail;

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@b")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@b")
        .output()
        .expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Empties the workspace, rolls back, and expects everything as it was.
fn comes_back_whole(session: &Session, ledger: &mut okcvm::vm::Ledger) {
    let before = listing(&session.work());
    let head = ledger.head().expect("head");
    for entry in fs::read_dir(session.work()).expect("list").flatten() {
        run(&session.work(), "rm", &["-rf", "--", &format!("./{}", entry.file_name().to_string_lossy())]);
        let _ = fs::remove_dir_all(entry.path());
        let _ = fs::remove_file(entry.path());
    }
    assert!(listing(&session.work()).is_empty());
    let rolled = ledger.restore(head.as_str(), RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    assert_eq!(listing(&session.work()), before);
}

#[test]
fn names_that_git_refuses_are_captured_and_come_back() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    for name in [
        ".git",
        ".GIT",
        "git~1",
        ".git.",
        ".git ",
        ".gitmodules",
        ".gitattributes",
        ".gitignore",
        "100%",
        "%2Egit",
        "new\nline",
        "back\\slash",
        ".g\u{200c}it",
        "CON",
        "-rf",
        "a:b",
        "ü",
    ] {
        session.write(&format!("names/{name}"), name);
        session.write(&format!("folders/{name}/inside"), name);
    }
    fs::write(session.work().join(OsStr::from_bytes(b"caf\xe9")), "latin").expect("write");
    symlink("target", session.work().join(".gitmodules")).expect("link");
    let node = turn(&mut ledger, "names", || {});
    let tree = session.git(&["ls-tree", "-z", "--name-only", &format!("{}^:work/names/", node.id)]);
    let mut names: Vec<&str> = tree.split_terminator('\0').collect();
    names.sort_unstable();
    for name in ["%2Egit", "%252Egit", "100%25", ".gitignore", "%2Egitattributes", "git%7E1", "new\nline"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(names.len(), 17);
    session.fsck();
    comes_back_whole(&session, &mut ledger);
    assert_eq!(fs::read(session.work().join(OsStr::from_bytes(b"caf\xe9"))).expect("read"), b"latin");
    let listed = ledger.diff("head~1", None).expect("diff");
    assert!(listed.is_empty(), "{listed:?}");
    fs::write(session.work().join(OsStr::from_bytes(b"caf\xe9")), "more").expect("write");
    let listed = ledger.diff("head", None).expect("diff");
    assert_eq!(
        (listed[0].change.path.as_str(), listed[0].change.path_bytes.as_deref()),
        ("caf\\xe9", Some("Y2Fm6Q=="))
    );
}

#[test]
fn nested_repositories_are_plain_folders_and_their_hooks_never_run() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    session.write("clone/file", "tracked");
    session.write("clone/.gitignore", "*.log\n");
    session.write("clone/ignored.log", "kept all the same");
    let clone = session.work().join("clone");
    run(&clone, "git", &["init", "-q"]);
    run(&clone, "git", &["add", "file"]);
    run(&clone, "git", &["commit", "-q", "-m", "one"]);
    let canary = session.root.join("ran");
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-index-change"] {
        let path = clone.join(".git/hooks").join(hook);
        fs::write(&path, format!("#!/bin/sh\ntouch {}\n", canary.display())).expect("hook");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    session.write("clone/.git/config", format!("[core]\n\tfsmonitor = touch {}\n\tbare = maybe\n", canary.display()));
    turn(&mut ledger, "clone", || {});
    session.fsck();
    comes_back_whole(&session, &mut ledger);
    assert!(!canary.exists());
}

#[test]
fn the_users_git_has_no_influence() {
    let session = Session::new();
    let home = session.root.join("hostile-home");
    fs::create_dir(&home).expect("home");
    fs::write(home.join(".gitconfig"), "[this is\nno configuration").expect("config");
    session.write(".gitattributes", "* text=auto eol=crlf filter=evil\n");
    session.write(".gitignore", "*\n");
    session.write("text", "one\r\ntwo\n");
    let elsewhere = session.root.join("elsewhere");
    let out = child("turn", &session.root)
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", &home)
        .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
        .env("GIT_CONFIG_SYSTEM", home.join(".gitconfig"))
        .env("GIT_DIR", &elsewhere)
        .env("GIT_WORK_TREE", &elsewhere)
        .env("GIT_OBJECT_DIRECTORY", &elsewhere)
        .env("GIT_INDEX_FILE", &elsewhere)
        .env("GIT_CEILING_DIRECTORIES", "/")
        .output()
        .expect("child");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!elsewhere.exists());
    assert_eq!(session.git(&["cat-file", "-p", "HEAD:work/text"]), "one\r\ntwo\n");
    session.fsck();
}

#[test]
fn folders_modes_and_links_come_back() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    fs::create_dir_all(session.work().join("empty/inside")).expect("folders");
    for (path, mode) in [("run.sh", 0o755), ("secret", 0o600), ("read-only", 0o444), ("odd", 0o751), ("wide", 0o666)] {
        session.write(path, path);
        fs::set_permissions(session.work().join(path), fs::Permissions::from_mode(mode)).expect("mode");
    }
    session.write("closed/inside", "x");
    session.write("sticky/inside", "x");
    for (path, mode) in [("closed", 0o500), ("sticky", 0o1777), ("empty", 0o700)] {
        fs::set_permissions(session.work().join(path), fs::Permissions::from_mode(mode)).expect("mode");
    }
    symlink("nowhere", session.work().join("dangling")).expect("link");
    symlink("/etc/passwd", session.work().join("absolute")).expect("link");
    symlink("..", session.work().join("empty/up")).expect("link");
    let node = turn(&mut ledger, "all sorts", || {});
    assert!(node.not_kept.is_empty());
    let head = ledger.head().expect("head");
    let modes = session.git(&["cat-file", "-p", &format!("{head}:node/modes")]);
    assert_eq!(modes, "0500 closed\n0700 empty\n0751 odd\n0444 read-only\n0600 secret\n1777 sticky\n0666 wide\n");
    comes_back_whole(&session, &mut ledger);
    // Only the mode differs.
    fs::set_permissions(session.work().join("secret"), fs::Permissions::from_mode(0o640)).expect("mode");
    fs::set_permissions(session.work().join("run.sh"), fs::Permissions::from_mode(0o644)).expect("mode");
    fs::set_permissions(session.work().join("closed"), fs::Permissions::from_mode(0o755)).expect("mode");
    assert_eq!(ledger.changed_since_head().expect("changed"), 2);
    let rolled = ledger.restore("head", RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    let mode = |path: &str| fs::metadata(session.work().join(path)).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!((mode("secret"), mode("run.sh"), mode("closed")), (0o600, 0o755, 0o500));
    session.fsck();
}

#[test]
fn what_is_too_large_or_no_file_is_listed_and_no_rollback_touches_it() {
    let session = Session::new();
    let (mut ledger, _) = session.try_open(SnapshotSection { max_file_mb: 1, max_total_mb: 2 }).expect("open");
    session.write("a/small", "small");
    session.write("was-small", "small then");
    let first = turn(&mut ledger, "one", || {});
    let big = vec![b'x'; 1024 * 1024 + 1];
    session.write("a/big", &big);
    session.write("was-small", &big);
    session.write("b/x", vec![1; 1024 * 1024]);
    session.write("b/y", vec![2; 1024 * 1024]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        session.work().join("c-pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .expect("pipe");
    fs::create_dir(session.work().join("d")).expect("folder");
    let _socket = std::os::unix::net::UnixListener::bind(session.work().join("d/socket")).expect("socket");
    let second = turn(&mut ledger, "two", || session.write("d/file", "next to a socket"));
    let listed = ["a/big: size", "b/y: total size", "c-pipe: fifo", "d/socket: socket", "was-small: size"];
    assert_eq!(second.not_kept, listed);
    let row = &ledger.nodes().expect("nodes")[0];
    assert_eq!(row.not_kept, listed);
    let files = session.git(&["cat-file", "-p", &format!("{}:node/state/files.json", second.id)]);
    assert!(files.contains(r#"{"path":"a/big","reason":"size","bytes":1048577}"#), "{files}");

    let plan = ledger.plan_restore(short(&first.id), RestoreScope::All).expect("plan");
    assert_eq!(plan.keep.len(), 5, "{:?}", plan.keep);
    assert!(!plan.write.contains(&"was-small".to_owned()));
    let rolled = ledger.restore(short(&first.id), RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    assert_eq!(fs::read(session.work().join("a/big")).expect("big"), big);
    assert_eq!(fs::read(session.work().join("was-small")).expect("big"), big);
    assert!(session.work().join("c-pipe").exists() && session.work().join("d/socket").exists());
    assert!(!session.work().join("d/file").exists() && !session.work().join("b/x").exists());
    assert!(session.work().join("b/y").exists());
    session.fsck();
}

#[test]
fn a_folder_too_deep_is_listed() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let deep = vec!["d"; 300].join("/");
    fs::create_dir_all(session.work().join(&deep)).expect("folders");
    let node = turn(&mut ledger, "deep", || session.write("shallow", "x"));
    let manual = ledger.nodes().expect("nodes")[1].clone();
    assert_eq!(manual.not_kept.len(), 1);
    assert!(manual.not_kept[0].ends_with("d: too deep"), "{:?}", manual.not_kept);
    assert_eq!(node.not_kept.len(), 1);
    let rolled = ledger.restore("head~2", RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    assert!(session.work().join(&deep).is_dir());
    session.fsck();
}

#[test]
fn a_file_that_cannot_be_read_is_listed() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    drop(turn(&mut ledger, "one", || session.write("a", "1")));
    drop(ledger);
    session.write("locked", "secret");
    session.write("room/inside", "secret");
    for path in ["locked", "room"] {
        fs::set_permissions(session.work().join(path), fs::Permissions::from_mode(0o0)).expect("mode");
    }
    let mut command = child("turn", &session.root);
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt as _;
        run(&session.root, "chown", &["-R", "61999:61999", "."]);
        fs::set_permissions(session.root.parent().expect("parent"), fs::Permissions::from_mode(0o755)).expect("mode");
        command.uid(61999).gid(61999);
    }
    let out = command.output();
    let Ok(out) = out else {
        return skip_or_fail("the test binary cannot be run as another user");
    };
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let message = session.git(&["-c", "safe.directory=*", "log", "-1", "--format=%B"]);
    assert!(message.contains("Not-Kept: locked unreadable\n"), "{message}");
    assert!(message.contains("Not-Kept: room unreadable\n"), "{message}");
}

#[test]
fn a_rewrite_of_the_same_size_is_never_missed() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let path = session.work().join("racy");
    let then = SystemTime::now() - Duration::from_secs(1000);
    for round in 0..40 {
        fs::write(&path, format!("{round:04}")).expect("write");
        if round % 3 == 0 {
            // A forged time of change must not help either.
            fs::File::options().write(true).open(&path).expect("open").set_modified(then).expect("times");
        }
        let node = ledger.capture_manual(Vec::new()).expect("capture").expect("a change");
        assert_eq!(session.git(&["cat-file", "-p", &format!("{}:work/racy", node.id)]), format!("{round:04}"));
    }
}

#[test]
fn ten_thousand_files_are_one_pack_and_one_change_is_a_few_objects() {
    let session = Session::new();
    for folder in 0..100 {
        for file in 0..100 {
            session.write(&format!("d{folder}/e/f{file}"), format!("file {folder} {file}"));
        }
    }
    let (mut ledger, _) = session.open();
    let packs = fs::read_dir(session.root.join("state.git/objects/pack")).expect("packs").count();
    assert_eq!(packs, 2, "a pack and its index");
    let loose =
        || session.git(&["count-objects"]).split(' ').next().and_then(|n| n.parse::<u32>().ok()).expect("count");
    assert_eq!(loose(), 1, "the commit alone");
    let node = turn(&mut ledger, "one", || session.write("d50/e/f50", "changed"));
    assert_eq!((node.files_changed, node.bytes), (1, 7));
    assert!(loose() < 12, "{}", loose());
    drop(ledger);
    session.fsck();
    // A process of its own finds the cache; without it the result is the same.
    let (mut ledger, _) = session.open();
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    drop(ledger);
    fs::remove_file(session.root.join("state.git/okcvm/stat")).expect("remove");
    let (mut ledger, _) = session.open();
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    assert!(ledger.capture_manual(Vec::new()).expect("capture").is_none());
    let many = turn(&mut ledger, "many", || {
        for file in 0..2000 {
            session.write(&format!("more/f{file}"), format!("{file}"));
        }
    });
    assert_eq!(many.added, 2000);
    assert!(loose() < 20, "a turn of many files is a pack too: {}", loose());
    session.fsck();
}

#[test]
fn large_files_are_streamed_uncompressed_and_stored_once() {
    let session = Session::new();
    let content = vec![b'a'; 5 * 1024 * 1024];
    session.write("first", &content);
    let (mut ledger, _) = session.open();
    let pack_size = |session: &Session| -> u64 {
        fs::read_dir(session.root.join("state.git/objects/pack"))
            .expect("packs")
            .flatten()
            .map(|entry| entry.metadata().expect("metadata").len())
            .sum()
    };
    assert!(pack_size(&session) > content.len() as u64, "not compressed");
    let before = ledger.store_bytes();
    turn(&mut ledger, "copy", || session.write("second", &content));
    assert!(ledger.store_bytes() < before + 100_000, "stored once");
    let mut other = content.clone();
    other[77] = b'b';
    turn(&mut ledger, "change", || session.write("second", &other));
    assert!(ledger.store_bytes() > before + content.len() as u64);
    session.fsck();
    comes_back_whole(&session, &mut ledger);
    assert_eq!(fs::read(session.work().join("second")).expect("read"), other);
}
