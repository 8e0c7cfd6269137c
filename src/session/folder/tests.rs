//! Sessions on disk.

use std::fs::{File, FileTimes};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

fn now() -> Zoned {
    "2026-11-22T12:00:00+01:00[+01:00]".parse().expect("time")
}

#[test]
fn a_new_session_is_private_and_opens_again_with_its_title() {
    let dir = tempfile::tempdir().expect("folder");
    let id = SessionId::from_random(0x0123);
    let mut folder = SessionFolder::create(&dir.path().join("sessions"), &id, &now()).expect("create");
    folder.set_title("  the\nplot  ").expect("title");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(folder.root()), 0o700);
    assert_eq!(mode(&folder.root().join("session.json")), 0o600);
    assert!(folder.work().join("output").is_dir());
    let again = SessionFolder::open(folder.root()).expect("open");
    assert_eq!(again.meta().title, "the plot");
    assert_eq!(again.mount(), "/mnt/okcvm-0000000000000123");
    assert!(SessionFolder::create(&dir.path().join("sessions"), &id, &now()).is_err(), "an id is used once");
}

#[test]
fn a_session_is_found_by_prefix_and_by_last_activity() {
    let dir = tempfile::tempdir().expect("folder");
    for (bits, age) in [(0xaa01_0000_0000_0000, 30), (0xaa02_0000_0000_0000, 10), (0xbb00_0000_0000_0000, 20)] {
        let folder = SessionFolder::create(dir.path(), &SessionId::from_random(bits), &now()).expect("create");
        let log = File::create(folder.log_file()).expect("log");
        let then = SystemTime::now() - Duration::from_secs(age);
        log.set_times(FileTimes::new().set_modified(then)).expect("times");
    }
    fs::create_dir(dir.path().join("okcvm-not-a-session")).expect("stray folder");
    fs::create_dir(dir.path().join("okcvm-00000000000000ff")).expect("damaged session");
    let rows = list(dir.path()).expect("list");
    let order: Vec<&str> = rows.iter().map(|row| &row.meta.id.digits()[..4]).collect();
    assert_eq!(order, ["aa02", "bb00", "aa01"]);
    let found = |query: &str| find(dir.path(), query).map(|folder| folder.id().digits()[..4].to_owned());
    assert_eq!(found("last").expect("last"), "aa02");
    assert_eq!(found("bb").expect("prefix"), "bb00");
    assert_eq!(found("okcvm-aa01").expect("prefix"), "aa01");
    assert!(matches!(found("aa"), Err(SessionError::Ambiguous { candidates, .. }) if candidates.len() == 2));
    assert!(matches!(found("cc"), Err(SessionError::Unknown { .. })));
    assert!(matches!(found(""), Err(SessionError::Unknown { .. })));
    assert!(matches!(find(&dir.path().join("none"), "last"), Err(SessionError::Empty { .. })));
}

#[test]
fn a_deletion_that_was_killed_is_finished_by_the_next_new_session() {
    let dir = tempfile::tempdir().expect("folder");
    let make = |bits| SessionFolder::create(dir.path(), &SessionId::from_random(bits), &now()).expect("create");
    let folder = make(1);
    let root = folder.root().to_owned();
    folder.delete().expect("delete");
    assert!(!root.exists());
    let (old, new) = (dir.path().join(".deleted-okcvm-old"), dir.path().join(".deleted-okcvm-new"));
    for grave in [&old, &new] {
        fs::create_dir_all(grave.join("work")).expect("grave");
    }
    let then = FileTimes::new().set_modified(SystemTime::now() - 2 * STALE);
    File::open(&old).and_then(|folder| folder.set_times(then)).expect("times");
    make(2);
    assert!(!old.exists() && new.exists(), "one that is at work is left alone");
}

#[test]
fn what_a_killed_copy_left_is_removed_once_nobody_holds_it() {
    let dir = tempfile::tempdir().expect("folder");
    let make = |bits| SessionFolder::create(dir.path(), &SessionId::from_random(bits), &now()).expect("create");
    let cradle = dir.path().join(".new-okcvm-left");
    fs::create_dir_all(cradle.join("work")).expect("cradle");
    let held = File::open(&cradle).expect("folder");
    rustix::fs::flock(&held, FlockOperation::LockExclusive).expect("lock");
    held.set_times(FileTimes::new().set_modified(SystemTime::now() - 2 * UNLOCKED)).expect("times");
    make(1);
    assert!(cradle.exists(), "somebody is at it");
    drop(held);
    make(2);
    assert!(!cradle.exists());
}

#[test]
fn a_session_of_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().expect("folder");
    let folder = SessionFolder::create(dir.path(), &SessionId::from_random(7), &now()).expect("create");
    let path = folder.root().join("session.json");
    let text = fs::read_to_string(&path).expect("read").replace("\"format\": 1", "\"format\": 2");
    fs::write(&path, text).expect("write");
    let error = SessionFolder::open(folder.root()).expect_err("refused");
    assert!(error.to_string().contains("format 2 is newer"), "{error}");
}
