//! `okcvm files`: files of a session out and in, as a script does it.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::support::TestHome;

/// A home with one session, and the session's files on the host.
fn home_with_session() -> (TestHome, PathBuf) {
    let home = TestHome::new();
    let page = r#"{"file_path": "site/index.html", "content": "<p>hello</p>\n"}"#;
    home.run(&["tool", "call", "write_file", page]).assert_code(0);
    let sessions = home.run(&["session", "list", "--json"]).assert_code(0).json();
    let work = PathBuf::from(sessions[0]["host_path"].as_str().expect("path")).join("work");
    (home, work)
}

#[test]
fn the_files_are_listed_as_a_tree_and_as_json() {
    let (home, work) = home_with_session();
    std::fs::write(work.join("a b\u{1b}[31m.txt"), "odd").expect("file");
    symlink("/etc", work.join("etc")).expect("link");
    let ran = home.run(&["files", "list"]).assert_code(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("/mnt/okcvm-") && lines[0].ends_with("/  2 files, 16 B"), "{}", ran.out);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["a", "b.txt", "3", "B"], "{}", ran.out);
    assert_eq!(&lines[2..5], ["etc@", "output/", "site/"]);
    assert_eq!(lines[5].split_whitespace().collect::<Vec<_>>(), ["index.html", "13", "B"]);
    let rows = home.run(&["files", "list", "--json"]).assert_code(0).json();
    let row = rows.as_array().expect("rows").iter().find(|row| row["kind"] == "file" && row["bytes"] == 13);
    let row = row.expect("the page");
    assert!(row["path"].as_str().is_some_and(|path| path.ends_with("/site/index.html")), "{row}");
    assert_eq!(row["host_path"], work.join("site/index.html").to_str().expect("text"));
    assert!(!rows.to_string().contains("/etc/passwd"), "no link is followed");
}

#[test]
fn files_come_out_and_go_in_and_nothing_is_replaced_unasked() {
    let (home, work) = home_with_session();
    let out = home.path().join("out");
    std::fs::create_dir(&out).expect("folder");
    let ran = home.run(&["files", "get", "site", "out"]).assert_code(0);
    assert!(ran.out.contains("out/site") && ran.out.contains("1 file, 13 B"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(out.join("site/index.html")).expect("copy"), "<p>hello</p>\n");
    let again = home.run(&["files", "get", "site/index.html", "out/site"]).assert_code(1);
    assert!(again.err.contains("is there already") && again.err.contains("--force"), "{again:?}");
    home.run(&["files", "get", "site/index.html", "out/site", "--force"]).assert_code(0);

    // One file to standard output, byte for byte.
    std::fs::write(work.join("bytes"), b"\x1b[31m\x00\xff").expect("file");
    let output = home.command(&["files", "get", "bytes", "-"]).output().expect("runs");
    assert_eq!(output.stdout, b"\x1b[31m\x00\xff");
    home.run(&["files", "get", "site", "-"]).assert_code(1);

    std::fs::write(home.path().join("data.csv"), "a,b\n").expect("file");
    let ran = home.run(&["files", "put", "data.csv", "input/data.csv"]).assert_code(0);
    assert!(ran.out.starts_with("/mnt/okcvm-") && ran.out.contains("/input/data.csv"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(work.join("input/data.csv")).expect("file"), "a,b\n");
    home.run(&["files", "put", "data.csv", "input"]).assert_code(1);
    home.run(&["files", "put", "out"]).assert_code(0);
    assert!(work.join("out/site/index.html").is_file());
}

#[test]
fn nothing_leaves_through_the_agents_links_and_nothing_goes_beside_the_workspace() {
    let (home, work) = home_with_session();
    std::fs::write(home.path().join("secret"), "secret").expect("file");
    symlink(home.path().join("secret"), work.join("link")).expect("link");
    symlink(home.path(), work.join("site/up")).expect("link");
    for path in ["link", "site/up/secret", "../session.json", "/etc/passwd"] {
        let ran = home.run(&["files", "get", path, "stolen"]).assert_code(1);
        assert!(ran.err.contains("outside workspace"), "{ran:?}");
        assert!(!home.path().join("stolen").exists());
    }
    let ran = home.run(&["files", "get", "site", "copy"]).assert_code(0);
    assert!(ran.err.contains("left out:") && ran.err.contains("symbolic link"), "{ran:?}");
    assert!(!home.path().join("copy/up").exists());
    for path in ["site/up/new", "../new", "/etc/new"] {
        home.run(&["files", "put", "secret", path]).assert_code(1);
    }
    assert!(!home.path().join("new").exists());
}

#[test]
fn a_session_that_is_open_elsewhere_and_one_that_is_not_there_are_told() {
    let (home, work) = home_with_session();
    let folder = okcvm::session::SessionFolder::open(work.parent().expect("root")).expect("session");
    let lock = okcvm::session::SessionLock::acquire(&folder, "somebody else").expect("lock");
    let ran = home.run(&["files", "put", "/etc/hostname"]).assert_code(1);
    assert!(ran.err.contains("somebody else") && ran.err.contains("/attach"), "{ran:?}");
    // What only reads is in nobody's way.
    assert!(home.run(&["files", "list"]).assert_code(0).out.contains("index.html"));
    home.run(&["files", "get", "site", "site"]).assert_code(0);
    drop(lock);
    home.run(&["files", "list", "--session", "ffffffffffffffff"]).assert_code(1);
    home.run(&["files", "get", "nothing", "x"]).assert_code(1);
    home.run(&["files", "get", "site"]).assert_code(2);
}

#[test]
fn a_slash_at_the_end_means_a_folder() {
    let (home, work) = home_with_session();
    std::fs::write(home.path().join("data.csv"), "a,b\n").expect("file");
    home.run(&["files", "put", "data.csv", "new/dir/"]).assert_code(0);
    assert_eq!(std::fs::read_to_string(work.join("new/dir/data.csv")).expect("file"), "a,b\n");
}
