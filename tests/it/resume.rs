//! Sessions that are opened again: after a good end, after a crash, by a second process.

use okcvm::protocol::{Event, Message, NodeKind, Op, ToolStatus};
use okcvm::session::SessionFolder;
use okcvm::vm::{OpenSession, VirtualMachine, VmError};
use serde_json::json;

use crate::support::TestHome;
use crate::support::endpoint::{Answer, frame};
use crate::support::session::{TestSession, conversation, options, story, warnings, wire};

fn kinds(events: &[Event]) -> Vec<NodeKind> {
    let list = events.iter().rev().find_map(|event| match event {
        Event::Snapshots { nodes, .. } => Some(nodes.iter().map(|node| node.kind).collect()),
        _ => None,
    });
    list.expect("a list of nodes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_where_it_was_with_the_same_prefix() {
    let script = [
        Answer::calls(&[("w", "mshtools-write_file", json!({"file_path": "a.txt", "content": "A\n"}))]),
        Answer::text("Written."),
        Answer::frames([frame::text("Half")]).stall(),
        Answer::text("Here again."),
    ];
    let mut session = TestSession::start(script);
    session.turn("Write").await;
    session.submit("Think");
    session.until(|event| matches!(event, Event::TextDelta { .. })).await;
    session.send(Op::Interrupt);
    session.until_idle().await;
    let mut session = session.close().await.reopen();
    let events = session.until_idle().await;
    assert_eq!(story(&events), ["session"]);
    let told = conversation(&events);
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(matches!(&told[0], Message::User { text, .. } if text == "Write"));
    assert!(matches!(&told[5], Message::Assistant { text, .. } if text == "Half"));
    let title = events.iter().find_map(|event| match event {
        Event::SessionStarted { title, .. } => Some(title.as_str()),
        _ => None,
    });
    assert_eq!(title, Some("Write"));
    let edit = json!({"file_path": "a.txt", "old_string": "A", "new_string": "B"});
    session.endpoint.push(Answer::calls(&[("e", "mshtools-edit_file", edit)]));
    session.endpoint.push(Answer::text("Edited."));
    let events = session.turn("Go on").await;
    let requests = session.endpoint.requests();
    let (before, after) = (requests[2].messages(), requests[3].messages());
    assert_eq!(before, &after[..before.len()], "what an endpoint has cached stays good");
    assert_eq!(wire(&after[before.len()..]), ["assistant []: Half\n\n[The turn was stopped here.]", "user: Go on"]);
    assert_eq!(before[0], after[0]);
    assert_eq!(requests[2].body["tools"], requests[3].body["tools"]);
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"));
    session.close().await;
}

/// A PNG picture of one red pixel.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

#[tokio::test(flavor = "multi_thread")]
async fn whole_outputs_differences_and_pictures_can_be_opened_after_a_restart_and_a_rollback() {
    let script = [
        Answer::calls(&[
            ("s", "mshtools-shell", json!({"command": "seq 1 5000"})),
            ("w", "mshtools-write_file", json!({"file_path": "a.txt", "content": "A\n"})),
            ("d", "mshtools-shell", json!({"command": format!("echo {DOT} | base64 -d > dot.png")})),
            ("p", "mshtools-read_file", json!({"file_path": "dot.png"})),
        ]),
        Answer::text("Counted."),
        Answer::text("Bye."),
    ];
    let mut session = TestSession::start(script);
    session.turn("Count").await;
    session.turn("Go").await;
    let mut session = session.close().await.reopen();
    let whole = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::ToolDetail { call, spill: Some(path), .. } if call.0 == "s" => Some(path.clone()),
            _ => None,
        })
    };
    let edit = |events: &[Event]| {
        let is_edit = |event: &Event| matches!(event, Event::ToolDetail { call, diff: Some(_), .. } if call.0 == "w");
        events.iter().any(is_edit)
    };
    let seen = |events: &[Event]| {
        let is_picture = |event: &Event| matches!(event, Event::ToolDetail { call, pictures, .. } if call.0 == "p" && pictures[0].ends_with("/dot.png"));
        events.iter().any(is_picture)
    };
    let events = session.until_idle().await;
    assert!(seen(&events), "{events:?}");
    let text = std::fs::read_to_string(whole(&events).expect("a whole output")).expect("read");
    assert!(text.contains("\n2500\n") && text.contains("\n5000"), "{}", text.len());
    assert!(edit(&events), "{events:?}");
    session.send(Op::Undo);
    let events = session.until_idle().await;
    assert!(whole(&events).is_some_and(|path| path.is_file()) && edit(&events) && seen(&events), "{events:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_could_not_begin_is_told_as_a_turn_that_failed() {
    let mut session = TestSession::start([]);
    session.until_idle().await;
    // The files go away under the session, so nobody can tell what changed by hand.
    std::fs::remove_dir_all(session.root.join("work")).expect("remove");
    let events = session.turn("one").await;
    assert_eq!(story(&events), ["turn", "error", "error", "ended failed"], "{events:?}");
    assert_eq!(kinds(&events).len(), 2, "the node of the turn is listed");
    std::fs::create_dir(session.root.join("work")).expect("folder");
    let mut session = session.close().await.reopen();
    let events = session.until_idle().await;
    let told = conversation(&events);
    assert!(matches!(&told[0], Message::User { text, .. } if text == "one"), "{told:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_may_be_edited_after_a_restart() {
    let write = json!({"file_path": "a.txt", "content": "A\n"});
    let edit = json!({"file_path": "a.txt", "old_string": "A", "new_string": "B"});
    let script = [
        Answer::calls(&[("w", "mshtools-write_file", write)]),
        Answer::text("Written."),
        Answer::calls(&[("e", "mshtools-edit_file", edit)]),
        Answer::text("Edited."),
    ];
    let mut session = TestSession::start(script);
    session.turn("Write").await;
    let mut session = session.close().await.reopen();
    let events = session.turn("Edit").await;
    assert!(story(&events).contains(&"ok e".to_owned()), "{events:#?}");
    assert_eq!(std::fs::read_to_string(session.file("a.txt")).expect("file"), "B\n");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_of_a_call_loses_nothing_older_and_says_so() {
    let script = [
        Answer::text("One."),
        Answer::calls(&[("s", "mshtools-shell", json!({"command": "echo begun > made.txt; echo begun; sleep 100"}))]),
        Answer::text("Back."),
    ];
    let mut session = TestSession::start(script);
    session.turn("First").await;
    session.submit("Second");
    session.until(|event| matches!(event, Event::ToolOutput { .. })).await;
    let mut session = session.kill().await.reopen();
    let events = session.until_idle().await;
    assert_eq!(kinds(&events), [NodeKind::Crash, NodeKind::Turn, NodeKind::Start]);
    assert!(warnings(&events)[0].contains("ended with the program"), "{:?}", warnings(&events));
    let told = conversation(&events);
    assert!(matches!(&told[0], Message::User { text, .. } if text == "First"));
    let Some(Message::Tool(reply)) = told.last() else { panic!("{told:#?}") };
    assert_eq!(reply.status, ToolStatus::Cancelled, "the call has a result: {reply:?}");
    assert_eq!(std::fs::read_to_string(session.file("made.txt")).expect("kept"), "begun\n");
    session.turn("Third").await;
    let requests = session.endpoint.requests();
    let last = wire(requests[2].messages());
    assert!(last.iter().any(|line| line.starts_with("tool s: No result")), "{last:?}");
    assert_eq!(last.last().map(String::as_str), Some("user: Third"));
    session.send(Op::Undo);
    session.until_idle().await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_model_answered_keeps_the_message() {
    let mut session = TestSession::start([Answer::frames([]).stall(), Answer::text("Hello.")]);
    session.until_idle().await;
    session.submit("Are you there?");
    session.endpoint.requests_at_least(1).await;
    let mut session = session.kill().await.reopen();
    let events = session.until_idle().await;
    assert!(matches!(conversation(&events), [Message::User { text, .. }] if text == "Are you there?"));
    let events = session.turn("Hello?").await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_told_who_holds_the_session() {
    let mut session = TestSession::start([]);
    session.until_idle().await;
    let options = options(&session.home);
    let folder = SessionFolder::open(&session.root).expect("folder");
    let Err(error) = OpenSession::open(folder, &options) else { panic!("two writers") };
    assert!(matches!(error, VmError::Lock(_)) && error.to_string().contains("a test"), "{error}");
    assert!(error.hint().is_some());
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_by_hand_are_taken_in_by_the_next_node() {
    let home = TestHome::new();
    let options = options(&home);
    let write = json!({"file_path": "a.txt", "content": "A\n"});
    let mut machine = VirtualMachine::create(&home.sessions(), &options).expect("machine");
    let outcome = machine.call_tool("mshtools-write_file", &write).await.expect("written down");
    assert_eq!((outcome.status, &*outcome.tool), (ToolStatus::Ok, "mshtools-write_file"), "{outcome:?}");
    let nodes = machine.ledger().nodes().expect("nodes").len();
    assert_eq!(nodes, 1, "a call makes no node");
    drop(machine);

    let mut machine = VirtualMachine::open(&home.sessions(), "last", &options).expect("machine");
    let edit = json!({"file_path": "a.txt", "old_string": "A", "new_string": "B"});
    let outcome = machine.call_tool("mshtools-edit_file", &edit).await.expect("written down");
    assert_eq!(outcome.status, ToolStatus::Ok, "what was written is known to the next process: {outcome:?}");
    let outcome = machine.call_tool("mshtools-nothing", &json!({})).await.expect("written down");
    assert_eq!(outcome.status, ToolStatus::Error);
    let json = serde_json::to_value(&outcome).expect("JSON");
    let fields: Vec<&str> = json.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(fields, ["tool", "status", "output", "artifacts", "duration_ms"]);
    let state = machine.toolbox().state();
    let captured = machine.ledger().capture_named("mine", state).expect("named");
    assert_eq!(captured.files_changed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_by_hand_streams_its_output() {
    let home = TestHome::new();
    let mut machine = VirtualMachine::create(&home.sessions(), &options(&home)).expect("machine");
    let mut live = String::new();
    let outcome = machine
        .call_tool_with(
            "mshtools-shell",
            &json!({"command": "echo hello from OKCVM!"}).to_string(),
            tokio_util::sync::CancellationToken::new(),
            |chunk| live.push_str(chunk),
        )
        .await
        .expect("written down");
    assert_eq!(outcome.status, ToolStatus::Ok);
    assert!(outcome.output.contains("hello from OKCVM!") && live.contains("hello from OKCVM!"), "{outcome:?}");
}
