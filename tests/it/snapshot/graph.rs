//! Nodes, refs, ids, undo and redo.

use okcvm::protocol::{NodeKind, RestoreScope};

use super::{Session, asked, listing, short, turn, turn_with};

/// A todo list of one item, as the toolbox hands it over.
fn todo(content: &str) -> Vec<(String, Vec<u8>)> {
    let list = serde_json::json!([{"content": content, "priority": "high", "status": "pending"}]);
    vec![("todo.json".to_owned(), serde_json::json!({"version": 1, "todos": list}).to_string().into_bytes())]
}

#[test]
fn a_turn_is_a_node_with_its_files_and_its_conversation() {
    let session = Session::new();
    let (mut ledger, resumed) = session.open();
    assert!(resumed.warnings.is_empty() && resumed.unfinished.is_none() && resumed.messages.is_empty());
    let first = turn(&mut ledger, "make a file", || session.write("a.txt", "one\n"));
    assert_eq!((first.added, first.modified, first.removed, first.bytes), (1, 0, 0, 4));
    assert_eq!((first.label.as_str(), first.kind), ("After: make a file", NodeKind::Turn));
    let second = turn(&mut ledger, "change it", || session.write("a.txt", "two\n"));
    assert_eq!((second.files_changed, second.modified), (1, 1));
    drop(ledger);
    session.fsck();

    let (mut ledger, resumed) = session.open();
    assert_eq!(resumed.messages.len(), 4);
    let rows = ledger.nodes().expect("nodes");
    let told: Vec<(NodeKind, &str, u64, bool)> =
        rows.iter().map(|row| (row.kind, row.label.as_str(), row.files_changed, row.head)).collect();
    assert_eq!(
        told,
        [
            (NodeKind::Turn, "After: change it", 1, true),
            (NodeKind::Turn, "After: make a file", 1, false),
            (NodeKind::Start, "Start", 0, false),
        ]
    );
    assert_eq!(rows[0].parent.as_ref(), Some(&first.id));
    let tree = session.git(&["ls-tree", "-r", "-t", "--name-only", second.id.as_str()]);
    assert_eq!(tree.lines().collect::<Vec<_>>(), ["node", "node/turn.jsonl", "work", "work/a.txt", "work/output"]);
    assert_eq!(session.git(&["cat-file", "-p", &format!("{}:work/a.txt", first.id)]), "one\n");
}

#[test]
fn ids_are_prefixes_head_and_steps_and_anything_else_is_a_clear_error() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let first = turn(&mut ledger, "one", || session.write("a", "1"));
    let second = turn(&mut ledger, "two", || session.write("a", "2"));
    for (text, id) in [("head", &second.id), ("head~0", &second.id), ("head~1", &first.id), ("head~", &first.id)] {
        assert_eq!(ledger.resolve(text).as_ref().ok(), Some(id), "{text}");
    }
    assert_eq!(ledger.resolve(&first.id.as_str()[..10]).expect("prefix"), first.id);
    assert_eq!(ledger.resolve(&short(&first.id).to_uppercase()).expect("prefix"), first.id);
    for (text, words) in [
        ("head~3", "no snapshot \"head~3\""),
        ("head~x", "names no snapshot"),
        ("abc", "at least 4 digits"),
        ("", "at least 4 digits"),
        ("nonsense", "at least 4 digits"),
        ("0000000000", "no snapshot"),
        (&"0".repeat(41), "at least 4 digits"),
    ] {
        let error = ledger.resolve(text).expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn files_changed_by_hand_get_a_node_before_the_next_turn() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    session.write("by-hand", "x");
    assert_eq!(ledger.changed_since_head().expect("changed"), 1);
    turn(&mut ledger, "two", || session.write("a", "2"));
    let kinds: Vec<NodeKind> = ledger.nodes().expect("nodes").iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [NodeKind::Turn, NodeKind::Manual, NodeKind::Turn, NodeKind::Start]);
    ledger.undo(Vec::new()).expect("undo the turn");
    assert_eq!(session.read("by-hand"), "x");
    ledger.undo(Vec::new()).expect("undo what was done by hand");
    assert!(!session.work().join("by-hand").exists());
    assert_eq!(asked(&mut ledger), ["one"]);
}

#[test]
fn a_rollback_brings_files_conversation_and_participants_back_and_can_be_undone_after_a_restart() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let first = turn_with(&mut ledger, "one", todo("[1]"), || {
        session.write("a", "1");
        session.write("dir/b", "b");
    });
    turn_with(&mut ledger, "two", todo("[2]"), || {
        session.write("a", "2");
        session.write("new", "n");
        std::fs::remove_dir_all(session.work().join("dir")).expect("remove");
    });
    session.write("unsaved", "by hand");
    let before = listing(&session.work());

    let plan = ledger.plan_restore(short(&first.id), RestoreScope::All).expect("plan");
    assert_eq!(plan.write, ["a", "dir", "dir/b"]);
    assert_eq!(plan.remove, ["new", "unsaved"]);
    assert_eq!(plan.turns_left, 1);
    assert_eq!(listing(&session.work()), before, "a plan changes nothing");

    let rolled = ledger.restore(short(&first.id), RestoreScope::All, todo("[2]")).expect("restore");
    assert!(rolled.report.verified);
    assert_eq!((rolled.report.written, rolled.report.removed), (3, 2));
    assert_eq!(rolled.state, todo("[1]"));
    assert_eq!(rolled.messages.len(), 2);
    assert_eq!((session.read("a"), session.read("dir/b")), ("1".to_owned(), "b".to_owned()));
    assert!(!session.work().join("unsaved").exists());
    let rows = ledger.nodes().expect("nodes");
    assert_eq!((rows[0].kind, rows[1].kind), (NodeKind::Restore, NodeKind::BeforeRestore));
    assert_eq!(rows[0].parent.as_ref(), Some(&first.id));
    drop(ledger);
    session.fsck();

    let (mut ledger, _) = session.open();
    let undone = ledger.undo(todo("[1]")).expect("undo");
    assert!(undone.report.verified);
    assert_eq!(listing(&session.work()), before, "what was not in any node is back too");
    assert_eq!(undone.state, todo("[2]"));
    assert_eq!(asked(&mut ledger), ["one", "two"]);
    drop(ledger);

    let (mut ledger, _) = session.open();
    assert!(ledger.can_redo());
    ledger.redo(Vec::new()).expect("redo");
    assert_eq!(session.read("a"), "1");
    assert_eq!(asked(&mut ledger), ["one"]);
    ledger.undo(Vec::new()).expect("undo");
    ledger.undo(Vec::new()).expect("undo the second turn");
    assert_eq!(session.read("a"), "1");
    ledger.undo(Vec::new()).expect("undo the first turn");
    assert!(!session.work().join("a").exists());
    assert_eq!(ledger.undo(Vec::new()).expect_err("end").to_string(), "there is nothing to undo");
    session.fsck();
}

#[test]
fn redo_after_a_change_by_hand_loses_neither() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    session.write("a", "by hand");
    ledger.undo(Vec::new()).expect("undo");
    assert_eq!(session.read("a"), "1");
    ledger.redo(Vec::new()).expect("redo");
    assert_eq!(session.read("a"), "by hand");
}

#[test]
fn half_a_rollback_leaves_the_other_half() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let first = turn_with(&mut ledger, "one", todo("[1]"), || session.write("a", "1"));
    turn_with(&mut ledger, "two", todo("[2]"), || session.write("a", "2"));

    let rolled = ledger.restore(short(&first.id), RestoreScope::FilesOnly, todo("[2]")).expect("files");
    assert_eq!(session.read("a"), "1");
    assert_eq!(asked(&mut ledger), ["one", "two"]);
    assert_eq!(rolled.state, todo("[2]"));
    let message = session.git(&["log", "-1", "--format=%B", rolled.report.head.as_str()]);
    assert!(message.contains(&format!("Okcvm-Files-From: {}", first.id)), "{message}");
    ledger.undo(todo("[2]")).expect("undo");
    assert_eq!((session.read("a"), asked(&mut ledger).len()), ("2".to_owned(), 2));

    let rolled = ledger.restore(short(&first.id), RestoreScope::ConversationOnly, todo("[2]")).expect("conversation");
    assert_eq!((session.read("a"), asked(&mut ledger)), ("2".to_owned(), vec!["one".to_owned()]));
    assert_eq!(rolled.state, todo("[1]"));
    assert_eq!(ledger.changed_since_head().expect("changed"), 0);
    let third = turn(&mut ledger, "three", || session.write("a", "3"));
    assert_eq!(third.files_changed, 1);
    assert_eq!(asked(&mut ledger), ["one", "three"]);
    drop(ledger);
    session.fsck();
}

#[test]
fn a_branch_moves_along_and_stays_behind_a_rollback() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let first = turn(&mut ledger, "one", || session.write("a", "1"));
    ledger.branch(&first.id, "main/line").expect("branch");
    let second = turn(&mut ledger, "two", || session.write("a", "2"));
    assert_eq!(session.git(&["rev-parse", "refs/heads/main/line"]).trim(), second.id.as_str());
    assert_eq!(ledger.resolve("main/line").expect("a branch is a name").as_str(), second.id.as_str());
    for bad in ["head", "", "a..b", "-x", "with space", "HEAD", "main/line", "main", "main/line/x", ".hidden", "x.lock"]
    {
        assert!(ledger.branch(&second.id, bad).is_err(), "{bad:?}");
    }
    let rolled = ledger.restore(short(&first.id), RestoreScope::All, Vec::new()).expect("restore");
    let heads = session.git(&["rev-parse", "refs/heads/main/line", "HEAD"]);
    let before = ledger.nodes().expect("nodes").into_iter().find(|row| row.kind == NodeKind::BeforeRestore);
    let before = before.expect("a node before the rollback");
    assert_eq!(heads.lines().collect::<Vec<_>>(), [before.id.as_str(), rolled.report.head.as_str()]);
    assert_eq!(before.branches, ["main/line"]);
    ledger.undo(Vec::new()).expect("undo");
    let third = turn(&mut ledger, "three", || session.write("a", "3"));
    assert_eq!(session.git(&["rev-parse", "refs/heads/main/line"]).trim(), third.id.as_str());
    // Whatever happened, every node is reachable.
    let reachable = session.git(&["rev-list", "--all"]);
    assert_eq!(reachable.lines().count(), ledger.nodes().expect("nodes").len());
    drop(ledger);
    session.fsck();
}

#[test]
fn a_named_state_keeps_its_label_and_does_not_stand_in_the_way_of_undo() {
    let session = Session::new();
    let (mut ledger, _) = session.open();
    turn(&mut ledger, "one", || session.write("a", "1"));
    turn(&mut ledger, "two", || session.write("a", "2"));
    let named = ledger.capture_named("before\nthe move", Vec::new()).expect("named");
    assert_eq!((named.label.as_str(), named.kind, named.files_changed), ("before the move", NodeKind::Named, 0));
    ledger.undo(Vec::new()).expect("undo");
    assert_eq!(session.read("a"), "1");
}

#[test]
fn tool_calls_outside_of_a_turn_go_into_the_next_node_and_are_undone_with_it() {
    use okcvm::protocol::{CallId, ToolReply, ToolStatus};
    use okcvm::session::Record;
    let session = Session::new();
    let (mut ledger, _) = session.open();
    let reply = ToolReply {
        call: CallId("c1".to_owned()),
        tool: "mshtools-shell".to_owned(),
        status: ToolStatus::Ok,
        output: "x".repeat(400_000),
        unfinished: false,
        images: Vec::new(),
    };
    let record = Record::ToolFinished {
        turn: None,
        reply,
        duration_ms: 1,
        spill: None,
        diff: None,
        pictures: Vec::new(),
        artifacts: Vec::new(),
    };
    ledger.append(&record).expect("append");
    let state = Record::State { name: "read.json".to_owned(), value: serde_json::json!({"a": "hash"}) };
    ledger.append(&state).expect("append");
    session.write("a", "made by a call");
    drop(ledger);

    let (mut ledger, resumed) = session.open();
    assert!(resumed.unfinished.is_none(), "a call is no crash");
    assert_eq!(resumed.state, [("read.json".to_owned(), br#"{"a":"hash"}"#.to_vec())]);
    turn_with(&mut ledger, "one", resumed.state, || session.write("b", "1"));
    let rows = ledger.nodes().expect("nodes");
    assert_eq!(rows[1].label, "Tool calls outside of a turn");
    let spilled = session.git(&["ls-tree", "--name-only", rows[1].id.as_str(), "node/spill/"]);
    assert_eq!(spilled.lines().count(), 1, "the long output went along");
    ledger.undo(Vec::new()).expect("undo");
    ledger.undo(Vec::new()).expect("undo");
    assert!(!session.work().join("a").exists());
}
