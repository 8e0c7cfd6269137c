//! Whole outputs: in the node of their turn, however it ended, and in `spill/` for a while.

use std::fs;
use std::time::{Duration, SystemTime};

use okcvm::config::SnapshotSection;
use okcvm::protocol::{Artifact, ArtifactKind, CallId, KEPT_PICTURE, NodeKind, ToolReply, ToolStatus, TurnId};
use okcvm::session::{Record, SpillRef, blob};
use okcvm::vm::Ledger;

use super::{Session, asked, close, turn};

/// A whole output as a tool leaves it, and its record.
fn output(session: &Session, ledger: &mut Ledger, turn: Option<TurnId>, text: &str) -> String {
    let sha256 = blob::sha256(text.as_bytes());
    fs::write(session.root.join("spill").join(&sha256), text).expect("write");
    let reply = ToolReply {
        call: CallId("c".to_owned()),
        tool: "shell".to_owned(),
        status: ToolStatus::Ok,
        output: "clipped".to_owned(),
        unfinished: false,
        images: Vec::new(),
    };
    let spill = Some(SpillRef { sha256: sha256.clone(), bytes: text.len() as u64 });
    ledger
        .append(&Record::ToolFinished {
            turn,
            reply,
            duration_ms: 1,
            spill,
            diff: None,
            pictures: Vec::new(),
            artifacts: Vec::new(),
        })
        .expect("append");
    sha256
}

#[test]
fn the_whole_output_of_a_turn_that_was_cut_off_is_in_its_node() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let id = TurnId::now();
    ledger.submit(id, "one", &[], Vec::new()).expect("submit");
    let hash = output(&session, &mut ledger, Some(id), "the whole of it");
    drop(ledger);
    let (mut ledger, _) = session.open();
    let node = ledger.close_unfinished(Vec::new()).expect("close");
    assert_eq!(ledger.spilled(&node.id, &hash).expect("read").as_deref(), Some(&b"the whole of it"[..]));
}

#[test]
fn the_whole_output_of_a_call_by_hand_is_in_the_next_node_unless_it_is_too_large() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let small = output(&session, &mut ledger, None, "small");
    let node = ledger.capture_named("mine", Vec::new()).expect("named");
    assert_eq!(ledger.spilled(&node.id, &small).expect("read").as_deref(), Some(&b"small"[..]));
    drop(ledger);
    let limits = SnapshotSection { max_file_mb: 1, ..SnapshotSection::default() };
    let (mut ledger, _) = session.try_open(limits).expect("open");
    let large = output(&session, &mut ledger, None, &"large ".repeat(300_000));
    let node = ledger.capture_named("mine too", Vec::new()).expect("named");
    assert_eq!(ledger.spilled(&node.id, &large).expect("read"), None);
}

#[test]
fn what_nodes_hold_leaves_the_folder_oldest_first_and_what_is_open_stays() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let id = TurnId::now();
    ledger.submit(id, "one", &[], Vec::new()).expect("submit");
    let hashes: Vec<String> = (0..3)
        .map(|number| {
            let hash = output(&session, &mut ledger, Some(id), &format!("output number {number}"));
            let file = fs::File::open(session.root.join("spill").join(&hash)).expect("open");
            file.set_modified(SystemTime::now() - Duration::from_secs(60 - number)).expect("time");
            hash
        })
        .collect();
    ledger.close_turn(close(id, "done", Vec::new())).expect("close");
    let open = output(&session, &mut ledger, None, "not in a node yet");
    fs::write(session.root.join("spill/half.txt"), "left by a kill").expect("write");
    let left = || {
        let entries = fs::read_dir(session.root.join("spill")).expect("list");
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect::<Vec<_>>()
    };
    assert_eq!(left().len(), 5, "screens may open them still");
    ledger.sweep_spill_to(false, 40);
    let now = left();
    assert!(!now.contains(&hashes[0]) && now.contains(&hashes[2]) && now.contains(&open), "{now:?}");
    drop(ledger);
    let (mut ledger, _) = session.open();
    assert!(!left().contains(&"half.txt".to_owned()));
    let node = ledger.capture_named("mine", Vec::new()).expect("named");
    assert!(ledger.spilled(&node.id, &open).expect("read").is_some());
    let parent = ledger.resolve("head~1").expect("parent");
    assert!(ledger.spilled(&parent, &hashes[0]).expect("read").is_some());
}

#[test]
fn a_turn_whose_node_could_not_be_written_is_that_turn_in_the_next_node() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    let id = TurnId::now();
    ledger.submit(id, "two", &[], Vec::new()).expect("submit");
    session.write("a", "2");
    // Nothing can be written to the store for a while, as on a full disk.
    let (objects, aside) = (session.root.join("state.git/objects"), session.root.join("aside"));
    fs::rename(&objects, &aside).expect("take away");
    fs::write(&objects, "in the way").expect("write");
    ledger.close_turn(close(id, "done", Vec::new())).expect_err("no node");
    fs::remove_file(&objects).expect("remove");
    fs::rename(&aside, &objects).expect("put back");
    let next = TurnId::now();
    let node = ledger.submit(next, "three", &[], Vec::new()).expect("submit").expect("a node of turn two");
    assert_eq!((node.kind, node.label.as_str()), (NodeKind::Turn, "After: two"));
    ledger.close_turn(close(next, "done", Vec::new())).expect("close");
    assert_eq!(asked(&mut ledger), ["one", "two", "three"]);
    ledger.undo(Vec::new()).expect("undo");
    assert_eq!(asked(&mut ledger), ["one", "two"]);
}

#[test]
fn a_session_that_never_rests_is_packed_when_it_is_opened() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    for round in 0..5 {
        turn(&mut ledger, "many files", || {
            for file in 0..500 {
                session.write(&format!("{round}/{file}"), format!("{round} {file}"));
            }
        });
    }
    drop(ledger);
    let loose = || -> usize {
        let told = session.git(&["count-objects"]);
        told.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
    };
    assert!(loose() > 2400, "{}", loose());
    let (ledger, _) = session.open();
    assert!(loose() < 100, "{}", loose());
    assert!(ledger.check().expect("check").problems.is_empty());
    drop(ledger);
    session.fsck();
}

#[test]
fn pictures_of_pages_come_back_from_snapshots() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let id = TurnId::now();
    ledger.submit(id, "make slides", &[], Vec::new()).expect("submit");
    let picture = "a slide".repeat(300);
    let hash = blob::sha256(picture.as_bytes());
    let place = session.root.join("spill").join(&hash);
    fs::create_dir_all(session.root.join("spill")).expect("folder");
    fs::write(&place, &picture).expect("write");
    let reply = ToolReply {
        call: CallId("c".to_owned()),
        tool: "slides".to_owned(),
        status: ToolStatus::Ok,
        output: "made".to_owned(),
        unfinished: false,
        images: Vec::new(),
    };
    let made = Artifact::at(ArtifactKind::Slides, "/mnt/x/output/a.pptx").with_pages(vec![
        format!("{KEPT_PICTURE}{hash}"),
        format!("{KEPT_PICTURE}../../log.jsonl"),
        "no name at all".to_owned(),
    ]);
    ledger
        .append(&Record::ToolFinished {
            turn: Some(id),
            reply,
            duration_ms: 1,
            spill: None,
            diff: None,
            pictures: Vec::new(),
            artifacts: vec![made.clone()],
        })
        .expect("append");
    ledger.sweep_spill_to(false, 0);
    assert!(place.exists(), "no node holds it yet");
    let node = ledger.close_turn(close(id, "done", Vec::new())).expect("close");
    assert_eq!(ledger.spilled(&node.id, &hash).expect("read").as_deref(), Some(picture.as_bytes()));
    ledger.sweep_spill_to(false, 0);
    assert!(!place.exists());
    drop(ledger);
    let (mut ledger, _) = session.open();
    let records = ledger.records().expect("records");
    let told = records.iter().find_map(|record| match record {
        Record::ToolFinished { artifacts, .. } => Some(artifacts.clone()),
        _ => None,
    });
    assert_eq!(told, Some(vec![made]));
    assert_eq!(fs::read_to_string(&place).expect("brought back"), picture);
}
