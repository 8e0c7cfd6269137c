//! Kills at every step, in a rollback, in a turn and in a capture: the next start mends it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okcvm::protocol::{NodeKind, RestoreScope, TurnId};
use okcvm::session::{Record, SessionFolder, SessionLock};
use okcvm::vm::{Ledger, LedgerError, LedgerOptions};

use super::{Session, asked, close, listing, short, turn};

/// This test binary again, to do one thing in a process of its own.
pub(super) fn child(what: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command
        .args(["--exact", "snapshot::crash::in_a_process_of_its_own", "--nocapture"])
        .env("OKCVM_TEST_CHILD", what)
        .env("OKCVM_TEST_ROOT", root);
    command
}

/// Does nothing in a normal run; see [`child`].
#[test]
fn in_a_process_of_its_own() {
    let (Some(what), Some(root)) = (std::env::var_os("OKCVM_TEST_CHILD"), std::env::var_os("OKCVM_TEST_ROOT")) else {
        return;
    };
    let root = Path::new(&root);
    let mut ledger = open_at(root).expect("open");
    match what.to_str().expect("what") {
        "turn" => drop(turn(&mut ledger, "by a child", || {})),
        "captures" => {
            println!("READY");
            for round in 0.. {
                turn(&mut ledger, &format!("{} round {round}", std::process::id()), || {
                    for file in 0..20 {
                        fs::write(root.join(format!("work/f{file}")), format!("{round} {file}")).expect("write");
                    }
                });
                println!("DONE {round}");
            }
        }
        "rollbacks" => {
            println!("READY");
            loop {
                ledger.restore("head~1", RestoreScope::FilesOnly, Vec::new()).expect("restore");
                ledger.undo(Vec::new()).expect("undo");
            }
        }
        other => unreachable!("{other}"),
    }
}

fn open_at(root: &Path) -> Result<Ledger, LedgerError> {
    let folder = SessionFolder::open(root).expect("folder");
    let lock = SessionLock::acquire(&folder, "test").expect("lock");
    let options = LedgerOptions {
        snapshots: okcvm::config::SnapshotSection::default(),
        owner: None,
        deployments: None,
        clock: Arc::new(okcvm::support::clock::SystemClock),
    };
    Ledger::open(folder, lock, options).map(|(ledger, _)| ledger)
}

/// A copy of a session, so that each kill begins from the same state.
fn copy(session: &Session) -> Session {
    let dir = tempfile::tempdir().expect("temporary folder");
    let root = dir.path().join(session.root.file_name().expect("name"));
    let status = Command::new("cp").arg("-a").arg(&session.root).arg(&root).status().expect("cp");
    assert!(status.success());
    Session { root, _dir: dir }
}

/// Dies at the step number `at`; counts steps.
fn die_at(ledger: &mut Ledger, at: usize) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    ledger.store_mut().set_trip(Some(Arc::new(move |_| seen.fetch_add(1, Ordering::SeqCst) == at)));
    count
}

fn is_killed<T>(result: &Result<T, LedgerError>) -> bool {
    matches!(result, Err(error) if error.to_string().starts_with("killed at "))
}

#[test]
fn a_rollback_killed_at_any_step_is_finished_or_never_began() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("a", "1");
        session.write("dir/b", "1");
        session.write("swap", "a file");
        session.write("kind/x", "1");
    });
    let first = listing(&session.work());
    turn(&mut ledger, "two", || {
        session.write("a", "2");
        fs::remove_dir_all(session.work().join("dir")).expect("remove");
        fs::remove_file(session.work().join("swap")).expect("remove");
        session.write("swap/inside", "now a folder");
        fs::remove_dir_all(session.work().join("kind")).expect("remove");
        session.write("kind", "now a file");
        session.write("new/file", "2");
    });
    session.write("by-hand", "unsaved");
    let second = listing(&session.work());
    drop(ledger);

    let mut kills = 0;
    for at in 0.. {
        let session = copy(&session);
        let (mut ledger, _) = session.open();
        die_at(&mut ledger, at);
        let result = ledger.restore(short(&one.id), RestoreScope::All, Vec::new());
        drop(ledger);
        if !is_killed(&result) {
            assert!(result.expect("restore").report.verified);
            break;
        }
        kills += 1;
        let step = result.expect_err("killed").to_string();
        // The second process may be killed in its own mending.
        if at % 3 == 0 {
            let folder = SessionFolder::open(&session.root).expect("folder");
            assert!(SessionLock::acquire(&folder, "x").is_ok(), "the lock went with the process");
        }
        let (mut ledger, resumed) = session.open();
        let now = listing(&session.work());
        assert!(now == first || now == second, "{step}: neither the one nor the other: {now:#?}");
        let moved = now == first;
        assert_eq!(asked(&mut ledger).len(), if moved { 1 } else { 2 }, "{step}: files and conversation disagree");
        assert!(ledger.changed_since_head().expect("changed") == 0 || !moved, "{step}");
        if moved {
            // What was there before can be had again, unsaved work included.
            ledger.undo(Vec::new()).expect("undo");
            assert_eq!(listing(&session.work()), second, "{step}: {:?}", resumed.warnings);
            assert_eq!(asked(&mut ledger).len(), 2, "{step}");
        }
        assert!(ledger.check().expect("check").problems.is_empty(), "{step}");
        let reachable = session.git(&["rev-list", "--all", "HEAD"]);
        assert_eq!(reachable.lines().count(), ledger.nodes().expect("nodes").len(), "{step}");
        session.fsck();
    }
    assert!(kills > 25, "{kills}");
}

#[test]
fn an_undo_killed_at_any_step_is_finished_or_never_began() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    let first = listing(&session.work());
    turn(&mut ledger, "two", || {
        session.write("a", "2");
        session.write("b", "2");
    });
    let second = listing(&session.work());
    drop(ledger);
    for at in 0.. {
        let session = copy(&session);
        let (mut ledger, _) = session.open();
        die_at(&mut ledger, at);
        let result = ledger.undo(Vec::new());
        drop(ledger);
        if !is_killed(&result) {
            result.expect("undo");
            assert!(at > 10, "{at}");
            break;
        }
        let step = result.expect_err("killed").to_string();
        let (mut ledger, _) = session.open();
        let now = listing(&session.work());
        assert!(now == first || now == second, "{step}");
        let moved = now == first;
        assert_eq!(asked(&mut ledger).len(), if moved { 1 } else { 2 }, "{step}");
        if moved {
            ledger.redo(Vec::new()).expect("redo");
            assert_eq!(listing(&session.work()), second, "{step}");
        } else {
            ledger.undo(Vec::new()).expect("undo");
            assert_eq!(listing(&session.work()), first, "{step}");
        }
        session.fsck();
    }
}

#[test]
fn work_done_on_the_files_of_an_unfinished_rollback_is_not_lost() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || {
        session.write("a", "2");
        session.write("b", "2");
    });
    let step = |name: &str| name == "remove";
    ledger.store_mut().set_trip(Some(Arc::new(step)));
    assert!(is_killed(&ledger.restore(short(&one.id), RestoreScope::All, Vec::new())));
    drop(ledger);
    session.write("a", "written in the meantime");
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.iter().any(|line| line.contains("was finished")), "{:?}", resumed.warnings);
    assert_eq!(session.read("a"), "1");
    let found = ledger.nodes().expect("nodes").into_iter().find(|row| row.label.starts_with("Files found"));
    let found = found.expect("a node of what was found");
    assert_eq!(session.git(&["cat-file", "-p", &format!("{}:work/a", found.id)]), "written in the meantime");
    session.fsck();
}

#[test]
fn a_turn_killed_at_any_step_is_closed_at_the_next_start() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    session.write("by-hand", "x");
    drop(ledger);
    for at in 0.. {
        let session = copy(&session);
        let (mut ledger, _) = session.open();
        die_at(&mut ledger, at);
        let id = TurnId::now();
        let run = |ledger: &mut Ledger| {
            ledger.submit(id, "two", &[], Vec::new())?;
            session.write("a", "2");
            ledger.append(&Record::Note { text: "working".to_owned() })?;
            ledger.close_turn(close(id, "done", Vec::new()))
        };
        let result = run(&mut ledger);
        drop(ledger);
        if !is_killed(&result) {
            result.expect("turn");
            assert!(at > 12, "{at}");
            break;
        }
        let step = result.expect_err("killed").to_string();
        let (mut ledger, resumed) = session.open();
        assert_eq!(asked(&mut ledger), ["one", "two"], "{step}: what the user said is never lost");
        if let Some(unfinished) = resumed.unfinished {
            assert_eq!((unfinished.turn, unfinished.text.as_str()), (id, "two"), "{step}");
            let node = ledger.close_unfinished(Vec::new()).expect("close");
            assert_eq!((node.kind, node.label.as_str()), (NodeKind::Crash, "After: two"), "{step}");
        }
        assert_eq!(ledger.changed_since_head().expect("changed"), 0, "{step}");
        let turns = ledger
            .nodes()
            .expect("nodes")
            .iter()
            .filter(|row| matches!(row.kind, NodeKind::Turn | NodeKind::Crash))
            .count();
        assert_eq!(turns, 2, "{step}: each turn is one node");
        assert_eq!(
            ledger
                .conversation()
                .expect("conversation")
                .iter()
                .filter(|message| matches!(message, okcvm::protocol::Message::User { .. }))
                .count(),
            2,
            "{step}"
        );
        turn(&mut ledger, "three", || session.write("a", "3"));
        drop(ledger);
        let (mut ledger, resumed) = session.open();
        assert!(resumed.unfinished.is_none() && resumed.warnings.is_empty(), "{step}: {:?}", resumed.warnings);
        assert_eq!(asked(&mut ledger), ["one", "two", "three"], "{step}");
        session.fsck();
    }
}

#[test]
fn packing_killed_at_any_step_loses_nothing() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    for round in 0..3 {
        turn(&mut ledger, "round", || session.write("a", format!("{round}")));
    }
    drop(ledger);
    for at in 0..8 {
        let session = copy(&session);
        let (mut ledger, _) = session.open();
        die_at(&mut ledger, at);
        assert!(ledger.store_mut().pack().is_err(), "{at}");
        drop(ledger);
        session.fsck();
        let (mut ledger, _) = session.open();
        assert!(ledger.store_mut().pack().expect("again"));
        assert!(ledger.check().expect("check").problems.is_empty());
        session.fsck();
    }
}

#[test]
fn kill_9_at_any_moment_loses_at_most_the_unfinished_turn() {
    use std::io::{BufRead as _, BufReader};
    for (what, rounds) in [("captures", 6), ("rollbacks", 6)] {
        let session = Session::new();
        let (mut ledger, _) = session.open();
        turn(&mut ledger, "one", || session.write("a", "1"));
        turn(&mut ledger, "two", || session.write("a", "2"));
        drop(ledger);
        let mut done = 0;
        for round in 0..rounds {
            let mut process = child(what, &session.root).stdout(Stdio::piped()).spawn().expect("child");
            let mut lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
            let number = |line: &str| line.strip_prefix("DONE ").map(|number| number.parse().expect("a number"));
            let mut latest: Option<usize> = None;
            // Waits for the work to begin, then for a few milliseconds more of it each time.
            while let Some(Ok(line)) = lines.next() {
                latest = number(&line).or(latest);
                let begun = line == "READY" && (what == "rollbacks" || round == 0);
                if begun || latest.is_some_and(|latest| latest >= round) {
                    break;
                }
            }
            let spin = std::time::Instant::now();
            while spin.elapsed() < std::time::Duration::from_millis(3 + 17 * round as u64) {
                std::hint::spin_loop();
            }
            process.kill().expect("kill");
            assert_eq!(process.wait().expect("wait").signal(), Some(9));
            // What it had said before it died was done as well.
            latest = lines.map_while(Result::ok).filter_map(|line| number(&line)).last().or(latest);
            done += latest.map_or(0, |latest| latest + 1);
            let (mut ledger, resumed) = session.open();
            if resumed.unfinished.is_some() {
                ledger.close_unfinished(Vec::new()).expect("close");
            }
            assert_eq!(ledger.changed_since_head().expect("changed"), 0, "{what} {round}: {:?}", resumed.warnings);
            assert!(ledger.check().expect("check").problems.is_empty(), "{what} {round}");
            let said = asked(&mut ledger);
            assert!(said.len() >= 2 + done && said[..2] == ["one", "two"], "{what} {round}: {said:?}, {done} done");
            if let Some(latest) = latest {
                let label = format!("After: {} round {latest}", process.id());
                let row = ledger.nodes().expect("nodes").into_iter().find(|row| row.label == label);
                let row = row.expect("what was acknowledged is there");
                assert!(
                    ledger
                        .restore(short(&row.id), RestoreScope::FilesOnly, Vec::new())
                        .expect("restore")
                        .report
                        .verified
                );
                for file in 0..20 {
                    assert_eq!(session.read(&format!("f{file}")), format!("{latest} {file}"), "{round}");
                }
                ledger.undo(Vec::new()).expect("undo");
            }
            let left: Vec<String> =
                listing(&session.work()).into_keys().filter(|name| name.contains(".okcvm-tmp")).collect();
            assert!(left.is_empty(), "{left:?}");
            session.fsck();
        }
    }
}

#[test]
fn what_kills_left_half_written_goes_at_the_next_start() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    drop(ledger);
    let digits = "0123456789abcdef0123456789abcdef";
    let left = [
        format!(".session.json.{digits}.new"),
        format!("state.git/.HEAD.{digits}.new"),
        format!("state.git/okcvm/.journal.{digits}.new"),
        format!("state.git/refs/okcvm/tips/.{digits}01234567.{digits}.new"),
    ];
    for name in &left {
        fs::write(session.root.join(name), "half").expect("write");
    }
    fs::create_dir_all(session.root.join("state.new-0123/objects")).expect("folder");
    session.write(&format!(".notes.{digits}.new"), "the user's own");
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.is_empty(), "{:?}", resumed.warnings);
    assert!(left.iter().all(|name| !session.root.join(name).exists()));
    assert!(!session.root.join("state.new-0123").exists());
    assert!(session.work().join(format!(".notes.{digits}.new")).exists());
    assert_eq!(asked(&mut ledger), ["one"]);
}

#[test]
fn a_lost_log_is_rebuilt_from_the_snapshots() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect("restore");
    let head = ledger.head();
    let rows = ledger.nodes().expect("nodes");
    drop(ledger);
    fs::remove_file(session.root.join("log.jsonl")).expect("remove");
    let (mut ledger, resumed) = session.open();
    assert_eq!(resumed.warnings.len(), 1, "{:?}", resumed.warnings);
    assert_eq!(ledger.head(), head);
    assert_eq!(asked(&mut ledger), ["one"]);
    assert_eq!(ledger.nodes().expect("nodes"), rows);
    turn(&mut ledger, "three", || session.write("a", "3"));
    drop(ledger);
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.is_empty(), "{:?}", resumed.warnings);
    assert_eq!(asked(&mut ledger), ["one", "three"]);
    session.fsck();
}

#[test]
fn a_torn_log_is_told_and_the_session_goes_on() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    let id = TurnId::now();
    ledger.submit(id, "two", &[], Vec::new()).expect("submit");
    ledger.append(&Record::Note { text: "this one is torn".to_owned() }).expect("append");
    drop(ledger);
    let path = session.root.join("log.jsonl");
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() - 5]).expect("write");
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings[0].contains("unfinished record"), "{:?}", resumed.warnings);
    assert_eq!(resumed.unfinished.expect("unfinished").text, "two");
    ledger.close_unfinished(Vec::new()).expect("close");
    assert_eq!(asked(&mut ledger), ["one", "two"]);
    session.fsck();
}

#[test]
fn a_closing_record_that_cannot_be_written_repeats_nothing() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    // Stands for a full disk: the node is there, its closing record is not.
    ledger.store_mut().set_trip(Some(Arc::new(|name| name == "closing record")));
    let id = TurnId::now();
    ledger.submit(id, "two", &[], Vec::new()).expect("submit");
    session.write("a", "2");
    assert!(is_killed(&ledger.close_turn(close(id, "done", Vec::new()))));
    ledger.store_mut().set_trip(None);
    let log = session.root.join("log.jsonl");
    let text = fs::read_to_string(&log).expect("read");
    let kept: Vec<&str> = text.lines().collect();
    turn(&mut ledger, "three", || session.write("a", "3"));
    assert_eq!(asked(&mut ledger), ["one", "two", "three"]);
    drop(ledger);
    // Without that record in the log, as if it had never been written.
    let text = fs::read_to_string(&log).expect("read");
    let gone = kept.last().expect("a record");
    assert!(gone.contains("\"kind\":\"node\""), "{gone}");
    let without: String = text.lines().filter(|line| line != gone).map(|line| format!("{line}\n")).collect();
    fs::write(&log, without).expect("write");
    let (mut ledger, _) = session.open();
    assert_eq!(asked(&mut ledger), ["one", "two", "three"], "the head does not jump back");
    assert_eq!(session.read("a"), "3");
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    session.fsck();
}

#[test]
fn a_damaged_snapshot_is_told_and_the_others_stay() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    ledger.undo(Vec::new()).expect("undo");
    let lost = ledger.nodes().expect("nodes")[0].id.clone();
    assert_ne!(lost, one.id);
    drop(ledger);
    fs::write(session.root.join("state.git/refs/heads/stray.lock"), "no ref").expect("write");
    let path = session.root.join("state.git/objects").join(&lost.as_str()[..2]).join(&lost.as_str()[2..]);
    fs::remove_file(path).expect("remove");
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.iter().any(|line| line.contains(lost.as_str())), "{:?}", resumed.warnings);
    assert_eq!(asked(&mut ledger), ["one"]);
    turn(&mut ledger, "three", || session.write("a", "3"));
    assert!(ledger.check().expect("check").problems.iter().any(|line| line.contains(lost.as_str())));
}

#[test]
fn a_rollback_that_fails_in_the_middle_puts_the_files_back() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let one = turn(&mut ledger, "one", || {
        session.write("a", "1");
        session.write("z", "1");
    });
    turn(&mut ledger, "two", || {
        session.write("a", "2");
        session.write("b", "2");
        session.write("z", "2");
    });
    let second = listing(&session.work());
    // An object goes away between its check and its use.
    let blob = session.git(&["rev-parse", &format!("{}:work/z", one.id)]).trim().to_owned();
    let path = session.root.join("state.git/objects").join(&blob[..2]).join(&blob[2..]);
    ledger.store_mut().set_trip(Some(Arc::new(move |name| {
        if name == "journal" {
            fs::remove_file(&path).expect("remove");
        }
        false
    })));
    let error = ledger.restore(short(&one.id), RestoreScope::All, Vec::new()).expect_err("fails");
    assert!(error.to_string().contains(&blob), "{error}");
    assert_eq!(listing(&session.work()), second);
    ledger.store_mut().set_trip(None);
    assert_eq!(asked(&mut ledger), ["one", "two"]);
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    turn(&mut ledger, "three", || session.write("a", "3"));
    drop(ledger);
    let (_, resumed) = session.open();
    assert!(resumed.warnings.is_empty(), "{:?}", resumed.warnings);
}
