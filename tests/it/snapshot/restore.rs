//! Rollback of files: what is written, what is left alone, what cannot be tricked.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use okcvm::protocol::{FileChangeKind, NodeKind, RestoreScope};
use okcvm::session::{SessionFolder, SessionLock};
use okcvm::vm::{Ledger, LedgerOptions};

use super::{Session, listing, short, turn};
use crate::support::skip_or_fail;

#[test]
fn a_folder_swapped_for_a_link_does_not_lead_a_rollback_outside() {
    let session = Session::new();
    let outside = session.root.join("outside");
    fs::create_dir(&outside).expect("folder");
    fs::write(outside.join("in.txt"), "outside").expect("write");
    fs::write(outside.join("precious"), "outside").expect("write");
    let (mut ledger, _) = session.open();
    let first = turn(&mut ledger, "one", || {
        session.write("dir/in.txt", "inside");
        session.write("dir/deep/x", "inside");
    });
    let dir = session.work().join("dir");
    // Swapped after the capture; swapped and captured; swapped deeper down.
    fs::remove_dir_all(&dir).expect("remove");
    symlink(&outside, &dir).expect("link");
    let rolled = ledger.restore(short(&first.id), RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    assert!(fs::symlink_metadata(&dir).expect("metadata").is_dir());
    assert_eq!(session.read("dir/in.txt"), "inside");

    let second = turn(&mut ledger, "two", || {
        fs::remove_dir_all(&dir).expect("remove");
        symlink(&outside, &dir).expect("link");
    });
    ledger.restore(short(&first.id), RestoreScope::All, Vec::new()).expect("restore");
    assert_eq!(session.read("dir/deep/x"), "inside");
    ledger.restore(short(&second.id), RestoreScope::All, Vec::new()).expect("restore");
    assert_eq!(fs::read_link(&dir).expect("link"), outside);
    ledger.undo(Vec::new()).expect("undo");
    fs::remove_dir_all(dir.join("deep")).expect("remove");
    symlink(&outside, dir.join("deep")).expect("link");
    ledger.restore(short(&first.id), RestoreScope::All, Vec::new()).expect("restore");
    assert_eq!(session.read("dir/deep/x"), "inside");

    let names: Vec<String> = listing(&outside).into_keys().collect();
    assert_eq!(names, ["in.txt", "precious"]);
    assert_eq!(fs::read_to_string(outside.join("in.txt")).expect("read"), "outside");
    session.fsck();
}

#[test]
fn files_folders_and_links_take_each_others_place_and_back() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("a", "file");
        session.write("b/x/y", "deep");
        symlink("a", session.work().join("c")).expect("link");
        session.write("d", "file");
        session.write("e/f", "file");
    });
    let first = listing(&session.work());
    let two = turn(&mut ledger, "two", || {
        let work = session.work();
        fs::remove_file(work.join("a")).expect("remove");
        session.write("a/now/a/folder", "x");
        fs::remove_dir_all(work.join("b")).expect("remove");
        session.write("b", "now a file");
        fs::remove_file(work.join("c")).expect("remove");
        session.write("c/folder", "x");
        fs::remove_file(work.join("d")).expect("remove");
        symlink("b", work.join("d")).expect("link");
        fs::remove_dir_all(work.join("e")).expect("remove");
        symlink("a", work.join("e")).expect("link");
    });
    let second = listing(&session.work());
    for _ in 0..2 {
        let rolled = ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
        assert!(rolled.report.verified);
        assert_eq!(listing(&session.work()), first);
        let rolled = ledger.restore(short(&two.id), RestoreScope::All, Vec::new()).expect("restore");
        assert!(rolled.report.verified);
        assert_eq!(listing(&session.work()), second);
    }
    session.fsck();
}

#[test]
fn an_untouched_file_keeps_inode_and_time_and_the_workspace_its_inode() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("same", "same");
        session.write("other", "1");
    });
    turn(&mut ledger, "two", || session.write("other", "2"));
    let look = |path: &str| {
        let data = fs::metadata(session.work().join(path)).expect("metadata");
        (data.ino(), data.mtime(), data.mtime_nsec())
    };
    let (before, root) = (look("same"), look("").0);
    ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
    assert_eq!(session.read("other"), "1");
    assert_eq!((look("same"), look("").0), (before, root));
}

#[test]
fn restored_files_belong_to_the_tools() {
    if !rustix::process::geteuid().is_root() {
        return skip_or_fail("only root can give files away");
    }
    let session = Session::new();
    let open = || {
        let folder = SessionFolder::open(&session.root).expect("folder");
        let lock = SessionLock::acquire(&folder, "test").expect("lock");
        let options = LedgerOptions {
            snapshots: okcvm::config::SnapshotSection::default(),
            owner: Some((61999, 61998)),
            deployments: None,
            clock: std::sync::Arc::new(okcvm::support::clock::SystemClock),
        };
        Ledger::open(folder, lock, options).expect("open").0
    };
    let mut ledger = open();
    let one = turn(&mut ledger, "one", || {
        session.write("dir/file", "x");
        symlink("file", session.work().join("dir/link")).expect("link");
    });
    fs::remove_dir_all(session.work().join("dir")).expect("remove");
    ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
    for path in ["dir", "dir/file", "dir/link"] {
        let data = fs::symlink_metadata(session.work().join(path)).expect("metadata");
        assert_eq!((data.uid(), data.gid()), (61999, 61998), "{path}");
    }
}

#[test]
fn a_rollback_whose_objects_are_damaged_touches_nothing() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("a", "first");
        session.write("b", "first of b");
    });
    turn(&mut ledger, "two", || {
        session.write("a", "second");
        session.write("b", "second of b");
    });
    let blob = session.git(&["rev-parse", &format!("{}:work/b", one.id)]).trim().to_owned();
    let path = session.root.join("state.git/objects").join(&blob[..2]).join(&blob[2..]);
    fs::remove_file(&path).expect("remove");
    let before = listing(&session.work());
    let error = ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect_err("damaged");
    assert!(error.to_string().contains(&blob), "{error}");
    assert_eq!(listing(&session.work()), before);
    assert!(ledger.check().expect("check").problems.iter().any(|problem| problem.contains(&blob)));
    // The session goes on.
    let third = turn(&mut ledger, "three", || session.write("a", "third"));
    assert_eq!(third.failed, None);
}

#[test]
fn a_capture_that_fails_is_a_red_node_that_nothing_goes_back_to() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    let id = okcvm::protocol::TurnId::now();
    ledger.submit(id, "two", &[], Vec::new()).expect("submit");
    // The workspace goes away under the session, so nothing can be read.
    fs::remove_dir_all(session.work()).expect("take away");
    let red = ledger.close_turn(super::close(id, "done", Vec::new())).expect("close");
    drop(ledger);
    fs::create_dir(session.work()).expect("put back");
    session.write("a", "2");
    let (mut ledger, _) = session.open();
    assert!(red.failed.as_deref().is_some_and(|why| why.contains("the workspace")), "{red:?}");
    let row = &ledger.nodes().expect("nodes")[0];
    assert!(row.head && row.failed.is_some() && row.kind == NodeKind::Turn);
    assert_eq!(super::asked(&mut ledger), ["one", "two"], "the conversation is kept");
    for scope in [RestoreScope::All, RestoreScope::FilesOnly, RestoreScope::ConversationOnly] {
        let error = ledger.restore(short(&red.id), scope, Vec::new()).expect_err("red");
        assert!(error.to_string().contains("holds no files"), "{error}");
    }
    // The next node holds the files again, and counts against the latest one that did.
    let three = turn(&mut ledger, "three", || session.write("b", "3"));
    assert_eq!((three.failed.clone(), three.files_changed), (None, 1));
    let rolled = ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    assert_eq!(session.read("a"), "1");
    drop(ledger);
    session.fsck();
}

/// Restores while someone writes to the workspace at a step of it.
fn restore_while(
    ledger: &mut okcvm::vm::Ledger,
    target: &okcvm::protocol::NodeId,
    step: &'static str,
    write: impl Fn() + Send + Sync + 'static,
) -> okcvm::protocol::RestoreReport {
    ledger.store_mut().set_trip(Some(std::sync::Arc::new(move |name: &str| {
        if name == step {
            write();
        }
        false
    })));
    let rolled = ledger.restore(short(target), RestoreScope::All, Vec::new()).expect("restore");
    ledger.store_mut().set_trip(None);
    rolled.report
}

#[test]
fn what_comes_into_a_folder_while_it_makes_way_is_not_lost() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("deep/p", "a file"));
    turn(&mut ledger, "two", || {
        fs::remove_file(session.work().join("deep/p")).expect("remove");
        session.write("deep/p/inside", "2");
        session.write("deep/p/sub/x", "2");
        session.write("deep/p.kept", "a name that is taken");
    });
    let work = session.work();
    let report = restore_while(&mut ledger, &one.id, "journal", move || {
        fs::write(work.join("deep/p/new"), "new").expect("write");
        fs::write(work.join("deep/p/sub/new"), "new too").expect("write");
    });
    assert!(!report.verified, "it is told");
    assert_eq!(session.read("deep/p"), "a file");
    let left: Vec<String> = listing(&session.work()).into_keys().filter(|path| path.contains("kept")).collect();
    let expected = ["deep/p.kept-2", "deep/p.kept-2/new", "deep/p.kept-2/sub", "deep/p.kept-2/sub/new"];
    assert!(left == expected || left == expected.map(|path| path.replace("-2", "")), "{left:?}");
    assert!(listing(&session.work()).into_keys().all(|path| !path.contains(".okcvm-tmp")));
}

#[test]
fn what_takes_a_name_while_a_rollback_writes_it_is_not_lost() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || {
        fs::remove_file(session.work().join("a")).expect("remove");
        session.write("b", "2");
    });
    let work = session.work();
    let report = restore_while(&mut ledger, &one.id, "written aside", move || {
        fs::write(work.join("a"), "by hand, just now").expect("write");
    });
    assert!(!report.verified, "it is told");
    assert_eq!(session.read("a"), "by hand, just now");
    assert!(listing(&session.work()).into_keys().all(|path| !path.contains(".okcvm-tmp")));
    let node = ledger.capture_manual(Vec::new()).expect("capture").expect("a node of it");
    assert_eq!(session.git(&["cat-file", "-p", &format!("{}:work/a", node.id)]), "by hand, just now");
}

#[test]
fn differences_have_lines_counts_and_limits() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let text = |changed: &str| {
        (0..20).map(|n| if n == 10 { changed.to_owned() } else { format!("{n}\n") }).collect::<String>()
    };
    let one = turn(&mut ledger, "one", || {
        session.write("text", text("ten\n"));
        session.write("gone", "1\n2\n");
        session.write("binary", [0, 1, 2]);
        session.write("large", "x\n".repeat(700_000));
        symlink("a", session.work().join("link")).expect("link");
        session.write("mode", "x");
    });
    let two = turn(&mut ledger, "two", || {
        session.write("text", text("TEN\n"));
        fs::remove_file(session.work().join("gone")).expect("remove");
        session.write("binary", [0, 1, 3]);
        session.write("large", "y\n".repeat(700_000));
        fs::remove_file(session.work().join("link")).expect("remove");
        symlink("b", session.work().join("link")).expect("link");
        session.write("new", "no end");
        fs::create_dir(session.work().join("empty")).expect("folder");
        fs::set_permissions(session.work().join("mode"), fs::Permissions::from_mode(0o755)).expect("mode");
    });
    let stored = ledger.diff(short(&one.id), Some(short(&two.id))).expect("diff");
    let now = ledger.diff(short(&one.id), None).expect("diff");
    assert_eq!(stored, now);
    session.write("text", text("eleven\n"));
    let unsaved = ledger.diff("head", None).expect("diff");
    assert_eq!((unsaved.len(), unsaved[0].change.lines_added), (1, 1));
    assert!(unsaved[0].patch.contains("+eleven\n"), "{}", unsaved[0].patch);

    let find = |path: &str| stored.iter().find(|file| file.change.path == path).expect(path);
    assert_eq!(find("text").patch, "--- a/text\n+++ b/text\n@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-ten\n+TEN\n 11\n 12\n 13\n");
    assert_eq!((find("text").change.lines_added, find("text").change.lines_removed), (1, 1));
    assert_eq!((find("gone").change.kind, find("gone").change.lines_removed), (FileChangeKind::Removed, 2));
    assert!(find("gone").patch.contains("+++ /dev/null\n"));
    assert!(find("binary").change.binary && !find("text").change.binary);
    assert_eq!(find("large").change.lines_added, 0);
    assert!(find("link").patch.contains("-a\n") && find("link").patch.contains("+b\n"));
    assert!(find("new").patch.contains("\\ No newline at end of file"));
    assert!(find("mode").patch.starts_with("mode 0644 -> 0755\n"), "{}", find("mode").patch);
    assert_eq!(find("empty").change.kind, FileChangeKind::Added);
    assert_eq!(stored.len(), 8);
}

#[test]
fn packing_keeps_every_node_and_large_files_loose() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    session.write("large", vec![3; 3 * 1024 * 1024]);
    for round in 0..30 {
        turn(&mut ledger, "round", || session.write("text", format!("{round}\n").repeat(200)));
    }
    assert!(!ledger.pack_if_needed().expect("pack"), "too few to be worth it");
    assert!(ledger.store_mut().pack().expect("pack"));
    let loose = session.git(&["count-objects"]);
    assert!(loose.starts_with("1 objects"), "{loose}");
    session.fsck();
    assert!(ledger.check().expect("check").problems.is_empty());
    let rolled = ledger.restore("head~20", RestoreScope::All, Vec::new()).expect("restore");
    assert!(rolled.report.verified);
    drop(ledger);
    let (ledger, resumed) = session.open();
    assert!(resumed.warnings.is_empty());
    assert!(ledger.check().expect("check").problems.is_empty());
    session.fsck();
}

#[test]
fn a_participant_that_cannot_come_back_stops_the_rollback() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let state = vec![("todo.json".to_owned(), b"no list".to_vec())];
    let one = super::turn_with(&mut ledger, "one", state, || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    let nodes = ledger.nodes().expect("nodes").len();
    let error = ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect_err("refused");
    assert!(error.to_string().contains("todo.json"), "{error}");
    assert_eq!((session.read("a"), ledger.nodes().expect("nodes").len()), ("2".to_owned(), nodes));
}
