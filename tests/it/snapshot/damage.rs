//! Stores and logs that lost a part: the session opens, tells what is missing, and the next snapshot is good.

use std::fs;
use std::path::PathBuf;

use okcvm::protocol::{NodeKind, RestoreScope, TurnId};

use super::{Session, asked, listing, short, turn};

fn object(session: &Session, name: &str) -> PathBuf {
    let id = session.git(&["rev-parse", name]).trim().to_owned();
    session.root.join("state.git/objects").join(&id[..2]).join(&id[2..])
}

fn lose(session: &Session, name: &str) {
    fs::remove_file(object(session, name)).expect("remove");
}

/// The log without the lines that `gone` picks.
fn without(session: &Session, gone: impl Fn(&str) -> bool) {
    let path = session.root.join("log.jsonl");
    let text = fs::read_to_string(&path).expect("read");
    let left: String = text.lines().filter(|line| !gone(line)).map(|line| format!("{line}\n")).collect();
    assert!(left.len() < text.len(), "something goes");
    fs::write(&path, left).expect("write");
}

#[test]
fn a_lost_tree_of_the_parent_does_not_fail_a_capture() {
    for lost in ["work/dir", "work"] {
        let session = Session::new();
        let (mut ledger, _) = session.open();
        let one = turn(&mut ledger, "one", || {
            session.write("dir/a", "1");
            session.write("b", "1");
        });
        lose(&session, &format!("{}:{lost}", one.id));
        let two = turn(&mut ledger, "two", || session.write("dir/a", "2"));
        assert_eq!(two.failed, None, "{lost}");
        assert!(two.files_changed >= 1, "{lost}: {two:?}");
        let three = turn(&mut ledger, "three", || session.write("dir/a", "3"));
        assert_eq!((three.failed, three.files_changed), (None, 1), "{lost}");
        ledger.restore(short(&two.id), RestoreScope::All, Vec::new()).expect("restore");
        assert_eq!((session.read("dir/a"), session.read("b")), ("2".to_owned(), "1".to_owned()), "{lost}");
    }
}

#[test]
fn a_lost_object_of_an_unchanged_file_is_stored_again() {
    for process in ["the same", "another"] {
        for lost in ["dir/kept", "dir", "other"] {
            let session = Session::new();
            let (mut ledger, _) = session.open();
            let one = turn(&mut ledger, "one", || {
                session.write("dir/kept", "kept");
                session.write("other", "kept too");
                session.write("a", "1");
            });
            // Once more, so that no file is racy and read again for that reason.
            turn(&mut ledger, "two", || session.write("a", "2"));
            lose(&session, &format!("{}:work/{lost}", one.id));
            if process == "another" {
                drop(ledger);
                ledger = session.open().0;
            } else {
                assert!(!ledger.check().expect("check").problems.is_empty(), "{lost}");
            }
            let three = turn(&mut ledger, "three", || session.write("a", "3"));
            assert_eq!(three.failed, None, "{process}, {lost}");
            assert_eq!(ledger.check().expect("check").problems, Vec::<String>::new(), "{process}, {lost}");
            fs::remove_dir_all(session.work().join("dir")).expect("remove");
            ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
            assert_eq!(session.read("dir/kept"), "kept");
            drop(ledger);
            session.fsck();
        }
    }
}

#[test]
fn a_damaged_object_of_an_unchanged_file_is_stored_again_once_it_was_noticed() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("kept", "kept");
        session.write("a", "1");
    });
    turn(&mut ledger, "two", || session.write("a", "2"));
    let path = object(&session, &format!("{}:work/kept", one.id));
    fs::remove_file(&path).expect("remove");
    fs::write(&path, "not an object").expect("write");
    assert_eq!(ledger.check().expect("check").problems.len(), 1);
    turn(&mut ledger, "three", || session.write("a", "3"));
    assert_eq!(ledger.check().expect("check").problems, Vec::<String>::new());
    drop(ledger);
    session.fsck();
}

#[test]
fn a_lost_commit_hides_nothing_before_it() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    let two = turn(&mut ledger, "two", || session.write("a", "2"));
    turn(&mut ledger, "three", || session.write("a", "3"));
    drop(ledger);
    lose(&session, two.id.as_str());
    for time in ["first", "second"] {
        let (mut ledger, resumed) = session.open();
        assert!(resumed.warnings.iter().any(|line| line.contains(two.id.as_str())), "{:?}", resumed.warnings);
        assert!(resumed.warnings.iter().any(|line| line.contains("gap")), "{:?}", resumed.warnings);
        assert_eq!(asked(&mut ledger), ["one", "three"], "{time}");
        assert!(ledger.nodes().expect("nodes").iter().any(|row| row.id == one.id), "{time}");
        assert_eq!(session.git(&["rev-parse", &format!("refs/okcvm/tips/{}", one.id)]).trim(), one.id.as_str());
    }
    let (mut ledger, _) = session.open();
    let plan = ledger.plan_restore("head", RestoreScope::All).expect("plan");
    assert!(plan.write.is_empty());
    ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
    assert_eq!((session.read("a").as_str(), asked(&mut ledger)), ("1", vec!["one".to_owned()]));
    // Without the log, too: the ref keeps what was found.
    drop(ledger);
    fs::remove_file(session.root.join("log.jsonl")).expect("remove");
    let (mut ledger, _) = session.open();
    assert!(ledger.nodes().expect("nodes").iter().any(|row| row.id == one.id));
}

#[test]
fn a_session_whose_head_is_lost_opens_with_every_word_that_was_said() {
    for lost in ["", ":", ":node", "HEAD"] {
        let session = Session::new();
        let (mut ledger, _) = session.open();
        let one = turn(&mut ledger, "one", || session.write("a", "1"));
        let two = turn(&mut ledger, "two", || session.write("a", "2"));
        drop(ledger);
        match lost {
            "HEAD" => fs::write(session.root.join("state.git/HEAD"), "no head\n").expect("write"),
            _ => lose(&session, &format!("{}{lost}", two.id)),
        }
        for time in 1..=2 {
            let (mut ledger, resumed) = session.open();
            assert_eq!(asked(&mut ledger), ["one", "two"], "{lost:?}, time {time}");
            assert_eq!(resumed.warnings.is_empty(), lost == "HEAD", "{:?}", resumed.warnings);
            assert_eq!(session.read("a"), "2");
        }
        let (mut ledger, resumed) = session.open();
        if lost == "HEAD" {
            assert_eq!(ledger.head(), Some(two.id));
        } else {
            assert_eq!(ledger.head(), Some(one.id.clone()));
            assert_eq!(resumed.unfinished.expect("unfinished").text, "two");
            ledger.close_unfinished(Vec::new()).expect("close");
        }
        turn(&mut ledger, "three", || session.write("a", "3"));
        drop(ledger);
        let (mut ledger, resumed) = session.open();
        assert_eq!(asked(&mut ledger), ["one", "two", "three"], "{lost:?}");
        assert!(resumed.unfinished.is_none());
        ledger.undo(Vec::new()).expect("undo");
        assert_eq!((session.read("a").as_str(), asked(&mut ledger).len()), ("2", 2), "{lost:?}");
    }
}

#[test]
fn a_check_names_every_snapshot_that_lost_something_and_where() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("b", "1"));
    let two = turn(&mut ledger, "two", || {
        session.write("dir/shared", "in two snapshots");
        session.write("a", "2");
    });
    let three = turn(&mut ledger, "three", || session.write("a", "3"));
    let four = turn(&mut ledger, "four", || fs::remove_dir_all(session.work().join("dir")).expect("remove"));
    lose(&session, &format!("{}:work/dir/shared", two.id));
    let checked = ledger.check().expect("check");
    assert_eq!(checked.problems.len(), 1);
    assert!(checked.problems[0].contains("(work/dir/shared of snapshot "), "{:?}", checked.problems);
    let mut affected: Vec<_> = checked.affected.iter().map(|lost| (lost.label.as_str(), lost.path.as_str())).collect();
    affected.sort_unstable();
    assert_eq!(affected, [("After: three", "work/dir/shared"), ("After: two", "work/dir/shared")]);
    // The others come back, as the hint says.
    for good in [&one, &four] {
        ledger.restore(short(&good.id), RestoreScope::All, Vec::new()).expect("restore");
    }
    ledger.restore(short(&three.id), RestoreScope::All, Vec::new()).expect_err("it lacks a file");
}

#[test]
fn a_journal_of_rubbish_is_put_aside() {
    for journal in
        ["rubbish", r#"{"v":1,"token":"0123456789ab","files":"0123456789012345678901234567890123456789","note":7}"#]
    {
        let session = Session::new();
        let (mut ledger, _) = session.open();
        turn(&mut ledger, "one", || session.write("a", "1"));
        drop(ledger);
        let path = session.root.join("state.git/okcvm/journal");
        fs::write(&path, journal).expect("write");
        let (ledger, resumed) = session.open();
        assert!(resumed.warnings.iter().any(|line| line.contains("journal.bad")), "{:?}", resumed.warnings);
        assert!(!path.exists() && path.with_extension("bad").exists());
        drop(ledger);
        assert!(session.open().1.warnings.is_empty());
    }
}

#[test]
fn an_unfinished_rollback_whose_target_lost_a_tree_is_taken_back() {
    for lost in ["work/dir", "work"] {
        let session = Session::new();
        let (mut ledger, _) = session.open();
        let one = turn(&mut ledger, "one", || {
            session.write("dir/a", "1");
            session.write("b", "1");
        });
        turn(&mut ledger, "two", || {
            session.write("dir/a", "2");
            session.write("b", "2");
        });
        let second = listing(&session.work());
        ledger.store_mut().set_trip(Some(std::sync::Arc::new(|name: &str| name == "journal")));
        assert!(ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).is_err());
        drop(ledger);
        lose(&session, &format!("{}:{lost}", one.id));
        let (mut ledger, resumed) = session.open();
        assert!(resumed.warnings.iter().any(|line| line.contains("was undone")), "{:?}", resumed.warnings);
        assert_eq!(listing(&session.work()), second, "{lost}");
        assert_eq!(asked(&mut ledger), ["one", "two"]);
        drop(ledger);
        assert!(session.open().1.warnings.is_empty());
    }
}

#[test]
fn a_damaged_closing_record_does_not_move_the_head() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    let two = turn(&mut ledger, "two", || session.write("a", "2"));
    ledger.undo(Vec::new()).expect("undo");
    let three = turn(&mut ledger, "three", || session.write("a", "3"));
    drop(ledger);
    // A side branch's record is damaged: it is no reason to go there.
    without(&session, |line| line.contains("\"kind\":\"node\"") && line.contains(&format!("\"id\":\"{}\"", two.id)));
    for _ in 0..2 {
        let (mut ledger, _) = session.open();
        assert_eq!(ledger.head(), Some(three.id.clone()));
        assert_eq!(asked(&mut ledger), ["one", "three"]);
        assert!(ledger.nodes().expect("nodes").iter().any(|row| row.id == two.id), "it is still there");
    }
    let (mut ledger, _) = session.open();
    ledger.undo(Vec::new()).expect("undo");
    assert_eq!((ledger.head(), session.read("a").as_str()), (Some(one.id), "1"));
}

#[test]
fn a_damaged_record_of_an_undo_leaves_the_head_where_it_was() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    ledger.undo(Vec::new()).expect("undo");
    let id = TurnId::now();
    ledger.submit(id, "three", &[], Vec::new()).expect("submit");
    drop(ledger);
    without(&session, |line| line.contains("\"kind\":\"head\""));
    let (mut ledger, resumed) = session.open();
    assert_eq!((ledger.head(), session.read("a").as_str()), (Some(one.id), "1"), "{:?}", resumed.warnings);
    assert_eq!(asked(&mut ledger), ["one", "three"]);
    assert_eq!(ledger.close_unfinished(Vec::new()).expect("close").kind, NodeKind::Crash);
}

#[test]
fn the_first_undo_after_a_rebuilt_log_moves() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    ledger.undo(Vec::new()).expect("undo");
    drop(ledger);
    fs::remove_file(session.root.join("log.jsonl")).expect("remove");
    let (mut ledger, _) = session.open();
    assert_eq!((session.read("a").as_str(), asked(&mut ledger).len()), ("1", 1));
    ledger.undo(Vec::new()).expect("undo");
    assert_eq!((session.read("a").as_str(), asked(&mut ledger).len()), ("2", 2), "the undo of before is undone");
}

#[test]
fn folders_that_a_copy_left_out_and_lines_that_are_no_refs_do_not_close_a_session() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    drop(ledger);
    session.git(&["pack-refs", "--all"]);
    let packed = session.root.join("state.git/packed-refs");
    let text = fs::read_to_string(&packed).expect("read");
    fs::write(&packed, format!("{text}rubbish refs/heads/x\n")).expect("write");
    fs::remove_dir_all(session.root.join("state.git/refs")).expect("remove");
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.is_empty(), "{:?}", resumed.warnings);
    assert_eq!(asked(&mut ledger), ["one"]);
}
