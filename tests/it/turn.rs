//! Turns from prompt to snapshot against a scripted endpoint, with real tools and a real store: events and request
//! bodies.

use std::time::Duration;

use okcvm::model::Timing;
use okcvm::protocol::{Event, Op, Phase, TodoStatus, ToolStatus, TurnOutcome};
use serde_json::{Value, json};

use crate::support::endpoint::{Answer, FAKE_KEY, FakeEndpoint, Gate, frame};
use crate::support::session::{Settings, TestSession, conversation, errors, output, story, streamed, warnings, wire};

fn write(id: &str, path: &str, content: &str) -> (String, &'static str, Value) {
    (id.to_owned(), "mshtools-write_file", json!({"file_path": path, "content": content}))
}

fn calls(list: &[(String, &'static str, Value)]) -> Answer {
    let borrowed: Vec<(&str, &str, Value)> =
        list.iter().map(|(id, name, arguments)| (id.as_str(), *name, arguments.clone())).collect();
    Answer::calls(&borrowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_answered_and_snapshotted() {
    let mut session = TestSession::start([Answer::text("Hello there.")]);
    let opening = session.until_idle().await;
    assert_eq!(story(&opening), ["session"]);
    assert!(conversation(&opening).is_empty());
    let listed = |event: &Event| matches!(event, Event::Snapshots { nodes, .. } if nodes.len() == 1);
    assert!(opening.iter().any(listed), "the start node is listed: {opening:#?}");

    let events = session.turn("Say hello").await;
    assert_eq!(story(&events), ["turn", "session", "text", "usage", "snapshot", "ended completed"]);
    assert_eq!(streamed(&events), "Hello there.");
    let phases: Vec<&Phase> = events
        .iter()
        .filter_map(|event| if let Event::PhaseChanged(phase) = event { Some(phase) } else { None })
        .collect();
    assert_eq!(phases, [&Phase::Waiting, &Phase::Streaming, &Phase::Closing, &Phase::Idle]);
    assert!(events.iter().any(|event| matches!(event, Event::Usage { input: 11, output: 7, cached: 3 })));
    assert!(events.iter().any(
        |event| matches!(event, Event::TurnEnded { outcome: TurnOutcome::Completed, reply, .. } if reply == "Hello there.")
    ));
    let label = events.iter().find_map(|event| match event {
        Event::SnapshotTaken { label, .. } => Some(label.as_str()),
        _ => None,
    });
    assert_eq!(label, Some("After: Say hello"));
    let nodes = events.iter().rev().find_map(|event| match event {
        Event::Snapshots { nodes, changed_since_head, .. } => Some((nodes.len(), *changed_since_head)),
        _ => None,
    });
    assert_eq!(nodes, Some((2, Some(0))));

    let request = &session.endpoint.requests()[0].body;
    let messages = request["messages"].as_array().expect("messages");
    let system = messages[0]["content"].as_str().expect("system prompt");
    assert!(system.contains(&session.mount), "the legacy path is rewritten: {system}");
    assert!(system.contains("2026-11-22"), "the real date is told: {system}");
    assert_eq!(wire(messages), ["user: Say hello"]);
    let tools = session.endpoint.requests()[0].tools().join(" ");
    assert!(tools.contains("mshtools-read_file") && tools.contains("mshtools-todo_write"), "{tools}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_goes_on_until_no_call_is_left() {
    let script = [
        calls(&[write("call_1", "output/a.txt", "one\n")]),
        Answer::calls(&[("call_2", "mshtools-read_file", json!({"file_path": "output/a.txt"}))]),
        Answer::text("Done."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Write a file").await;
    let story = story(&events);
    let from_turn = story.iter().position(|word| word == "turn").expect("turn");
    assert_eq!(
        story[from_turn..],
        [
            "turn",
            "session",
            "usage",
            "start call_1",
            "ok call_1",
            "artifact",
            "usage",
            "start call_2",
            "ok call_2",
            "text",
            "usage",
            "snapshot",
            "ended completed"
        ]
        .map(str::to_owned)
    );
    assert_eq!(std::fs::read_to_string(session.file("output/a.txt")).expect("file"), "one\n");
    let requests = session.endpoint.requests();
    let last = wire(requests[2].messages());
    assert_eq!(last[..2], ["user: Write a file", "assistant [call_1]: "]);
    assert!(last[2].starts_with("tool call_1: "), "{last:?}");
    assert_eq!(last[3], "assistant [call_2]: ");
    assert!(last[4].starts_with("tool call_2: ") && last[4].contains("one"), "{last:?}");
    for (earlier, later) in [(0, 1), (1, 2)] {
        let (earlier, later) = (requests[earlier].messages(), requests[later].messages());
        assert_eq!(earlier, &later[..earlier.len()], "a request begins with the one before it");
    }
    let changed = events.iter().find_map(|event| match event {
        Event::SnapshotTaken { files_changed, .. } => Some(*files_changed),
        _ => None,
    });
    assert_eq!(changed, Some(1));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_back_in_the_order_of_the_calls() {
    let script = [
        calls(&[write("w1", "a.txt", "A"), write("w2", "b.txt", "B")]),
        Answer::calls(&[
            ("r1", "mshtools-read_file", json!({"file_path": "a.txt"})),
            ("r2", "mshtools-read_file", json!({"file_path": "missing.txt"})),
            ("r3", "mshtools-read_file", json!({"file_path": "b.txt"})),
            ("t1", "mshtools-todo_read", json!({})),
        ]),
        Answer::text("Read."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Read both").await;
    let requests = session.endpoint.requests();
    let last = wire(requests[2].messages());
    let ids: Vec<&str> = last.iter().filter_map(|line| line.strip_prefix("tool ")?.split(':').next()).collect();
    assert_eq!(ids, ["w1", "w2", "r1", "r2", "r3", "t1"]);
    assert!(story(&events).contains(&"error r2".to_owned()));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_arguments_and_unknown_tools_are_told_to_the_model() {
    let script = [
        Answer::frames([
            frame::call(0, "bad", "mshtools-read_file", "{\"file_path\": "),
            frame::call(1, "wrong", "mshtools-read_file", "{\"path\": 3}"),
            frame::call(2, "odd", "mshtools-teleport", "{}"),
            frame::finish("tool_calls"),
            frame::done(),
        ]),
        Answer::text("I see."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Try").await;
    for id in ["bad", "wrong", "odd"] {
        assert!(story(&events).contains(&format!("error {id}")), "{:?}", story(&events));
    }
    assert!(output(&events, "bad").contains("JSON"), "{}", output(&events, "bad"));
    assert!(output(&events, "wrong").contains("file_path"), "{}", output(&events, "wrong"));
    assert!(output(&events, "odd").contains("mshtools-teleport"), "{}", output(&events, "odd"));
    let shown = events.iter().find_map(|event| match event {
        Event::ToolStarted { call, arguments, .. } if call.0 == "bad" => Some(arguments.clone()),
        _ => None,
    });
    assert_eq!(shown, Some(json!("{\"file_path\": ")));
    let requests = session.endpoint.requests();
    let back = wire(requests[1].messages());
    assert!(back.iter().any(|line| line.starts_with("tool bad: ")), "{back:?}");
    assert!(back.iter().any(|line| line.starts_with("tool odd: ")), "{back:?}");
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_ids_that_repeat_are_made_unique() {
    let read =
        || Answer::calls(&[("call_0", "mshtools-todo_read", json!({})), ("call_1", "mshtools-todo_read", json!({}))]);
    let mut session = TestSession::start([read(), read(), Answer::text("ok")]);
    session.turn("Twice").await;
    let requests = session.endpoint.requests();
    let last = wire(requests[2].messages());
    assert_eq!(last[1], "assistant [call_0,call_1]: ");
    assert_eq!(last[4], "assistant [call_0-2,call_1-2]: ");
    assert!(last[5].starts_with("tool call_0-2: "), "{last:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_waited_out_and_visible() {
    let limited = Answer::status(429, &json!({"error": {"message": "slow down, please"}})).header("retry-after", "0");
    let mut session = TestSession::start([limited, Answer::text("Better.")]);
    let events = session.turn("Hi").await;
    let told = warnings(&events);
    assert!(told.iter().any(|line| line.contains("slow down, please") && line.contains("attempt 2")), "{told:?}");
    assert!(
        events.iter().any(|event| matches!(event, Event::PhaseChanged(Phase::Retrying { attempt: 2, .. }))),
        "{events:#?}"
    );
    assert_eq!(streamed(&events), "Better.");
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_in_the_middle_starts_the_reply_again() {
    let script = [Answer::frames([frame::text("Once upon a ti")]).drop_connection(), Answer::text("Once more.")];
    let mut session = TestSession::start(script);
    let events = session.turn("Tell").await;
    assert!(story(&events).contains(&"restarted".to_owned()), "{:?}", story(&events));
    assert!(events.iter().any(|event| matches!(event, Event::TurnEnded { reply, .. } if reply == "Once more.")));
    session.endpoint.push(Answer::text("Yes."));
    session.turn("And?").await;
    let requests = session.endpoint.requests();
    assert_eq!(
        wire(requests[2].messages()),
        ["user: Tell", "assistant []: Once more.", "user: And?"],
        "the void half is no part of the conversation"
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reply_is_given_up_and_asked_for_again() {
    let timing = Timing { idle: Duration::from_millis(200), ..Timing::quick() };
    let endpoint = FakeEndpoint::start([Answer::frames([frame::text("Hm")]).stall(), Answer::text("There you are.")]);
    let mut session = TestSession::start_with(endpoint, Settings { timing, ..Settings::default() });
    let events = session.turn("Wait").await;
    assert!(warnings(&events).iter().any(|line| line.contains("nothing came")), "{:?}", warnings(&events));
    assert!(events.iter().any(|event| matches!(event, Event::TurnEnded { reply, .. } if reply == "There you are.")));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_reply_is_asked_for_again_once_and_then_fails_the_turn() {
    let empty = || Answer::frames([frame::finish("stop"), frame::done()]);
    let mut session = TestSession::start([empty(), Answer::text("Now."), empty(), empty()]);
    let events = session.turn("First").await;
    assert_eq!(streamed(&events), "Now.");
    assert!(warnings(&events).iter().any(|line| line.contains("empty")), "{:?}", warnings(&events));
    let events = session.turn("Second").await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended failed"));
    assert!(errors(&events)[0].contains("empty"), "{:?}", errors(&events));
    assert_eq!(session.endpoint.requests().len(), 4);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_rounds_ends_the_turn_and_keeps_its_work() {
    let endpoint = FakeEndpoint::answering(|_, n| calls(&[write(&format!("c{n}"), &format!("{n}.txt"), "x")]));
    let mut session = TestSession::start_with(endpoint, Settings { max_rounds: 3, ..Settings::default() });
    let events = session.turn("Never stop").await;
    assert_eq!(session.endpoint.requests().len(), 3);
    assert_eq!(errors(&events), ["the turn used up its 3 requests to the model"]);
    let hint = events.iter().find_map(|event| match event {
        Event::Error { hint, .. } => hint.clone(),
        _ => None,
    });
    assert!(hint.is_some_and(|hint| hint.contains("max_rounds")));
    let story = story(&events);
    assert_eq!(story[story.len() - 3..], ["error", "snapshot", "ended failed"]);
    assert!(session.file("2.txt").exists());
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_goes_round_in_circles_is_told_and_then_stopped() {
    let endpoint = FakeEndpoint::answering(|_, n| {
        Answer::calls(&[(&format!("c{n}"), "mshtools-read_file", json!({"file_path": "nothing.txt"}))])
    });
    let mut session = TestSession::start_with(endpoint, Settings::default());
    let events = session.turn("Look").await;
    assert_eq!(session.endpoint.requests().len(), 8);
    let told = |n: usize| output(&events, &format!("c{n}")).contains("5 times in a row");
    assert!((0..8).all(|n| told(n) == (n == 4)));
    assert!(errors(&events)[0].contains("round in circles"), "{:?}", errors(&events));
    assert_eq!(story(&events).last().map(String::as_str), Some("ended failed"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_fails_the_turn_and_keeps_the_users_message() {
    let refused = Answer::status(401, &json!({"error": {"message": "Incorrect API key provided"}}));
    let mut session = TestSession::start([refused, Answer::text("Hi.")]);
    let events = session.turn("Hello?").await;
    assert!(errors(&events)[0].contains("Incorrect API key provided"), "{:?}", errors(&events));
    let tail = story(&events);
    assert_eq!(tail[tail.len() - 3..], ["error", "snapshot", "ended failed"], "closed and snapshotted all the same");
    session.turn("Again").await;
    let requests = session.endpoint.requests();
    assert_eq!(
        wire(requests[1].messages()),
        ["user: Hello?", "assistant []: [The turn ended here because of an error.]", "user: Again"]
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_files_are_copied_and_named_to_the_model() {
    let mut session = TestSession::start([Answer::text("Got it."), Answer::text("Still there.")]);
    session.until_idle().await;
    let data = session.home.path().join("data set.csv");
    std::fs::write(&data, "a,b\n1,2\n").expect("file");
    session.send(Op::Submit { text: "Look at this".into(), attachments: vec![data.clone()] });
    let events = session.until(|event| matches!(event, Event::TurnEnded { .. })).await;
    assert_eq!(std::fs::read(session.file("uploads/data set.csv")).expect("copied"), b"a,b\n1,2\n");
    let kinds: Vec<String> = story(&events);
    assert_eq!(
        kinds.iter().filter(|word| *word == "snapshot").count(),
        1,
        "the copy is a change of this turn and no change by hand: {kinds:?}"
    );
    session.turn("And now?").await;
    let path = format!("{}/uploads/data set.csv", session.mount);
    for request in session.endpoint.requests() {
        let messages = request.messages();
        let system = messages[0]["content"].as_str().expect("system");
        assert!(system.contains(&path), "listed in the prompt: {system}");
        let user = messages[1]["content"].as_str().expect("user");
        assert!(user.starts_with("Look at this") && user.contains(&path), "{user}");
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_attached_stops_the_message_before_it_is_sent() {
    let mut session = TestSession::start([Answer::text("never")]);
    session.until_idle().await;
    let missing = session.home.path().join("missing.csv");
    session.send(Op::Submit { text: "Look".into(), attachments: vec![missing] });
    let events = session.until_idle().await;
    assert!(errors(&events)[0].contains("missing.csv"), "{:?}", errors(&events));
    assert_eq!(story(&events), ["error"], "no turn began");
    assert!(session.endpoint.requests().is_empty());
    session.send(Op::Submit { text: "  \n".into(), attachments: Vec::new() });
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert_eq!(errors(&events), ["the message is empty"]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_todo_list_is_told_when_it_changes_and_survives_a_rollback() {
    let todos = |status: &str| json!({"todos": [{"content": "Paint", "priority": "high", "status": status}]});
    let script = [
        Answer::calls(&[("t1", "mshtools-todo_write", todos("pending"))]),
        Answer::text("Planned."),
        Answer::calls(&[("t2", "mshtools-todo_write", todos("completed"))]),
        Answer::text("Painted."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Plan").await;
    let node = events.iter().find_map(|event| match event {
        Event::SnapshotTaken { snapshot, .. } => Some(snapshot.to_string()),
        _ => None,
    });
    let seen = |events: &[Event]| {
        events.iter().rev().find_map(|event| match event {
            Event::TodoChanged { todos } | Event::ConversationReplaced { todos, .. } => Some(todos[0].status),
            _ => None,
        })
    };
    assert_eq!(seen(&events), Some(TodoStatus::Pending));
    assert_eq!(seen(&session.turn("Paint").await), Some(TodoStatus::Completed));
    session.send(Op::Restore { target: node.expect("a node"), scope: okcvm::protocol::RestoreScope::All });
    let events = session.until_idle().await;
    assert_eq!(seen(&events), Some(TodoStatus::Pending), "the list goes back with the conversation");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_the_conversation_back_and_undo_brings_it_again() {
    let script = [
        calls(&[write("a", "one.txt", "1")]),
        Answer::text("First."),
        calls(&[write("b", "two.txt", "2")]),
        Answer::text("Second."),
        Answer::text("Third."),
    ];
    let mut session = TestSession::start(script);
    session.turn("one").await;
    session.turn("two").await;
    session.send(Op::Restore { target: "head~1".into(), scope: okcvm::protocol::RestoreScope::All });
    let events = session.until_idle().await;
    assert!(errors(&events).is_empty(), "{:?}", errors(&events));
    let order: Vec<&str> = events
        .iter()
        .map(|event| match event {
            Event::PhaseChanged(Phase::Restoring) => "restoring",
            Event::Restored(_) => "restored",
            Event::ConversationReplaced { .. } => "conversation",
            Event::ToolDetail { .. } => "detail",
            Event::Artifacts { .. } => "artifacts",
            Event::Snapshots { .. } => "snapshots",
            Event::PhaseChanged(Phase::Idle) => "idle",
            _ => "?",
        })
        .collect();
    assert_eq!(order, ["restoring", "restored", "conversation", "detail", "artifacts", "snapshots", "idle"]);
    assert_eq!(conversation(&events).len(), 4, "{:#?}", conversation(&events));
    assert!(session.file("one.txt").exists() && !session.file("two.txt").exists());

    session.send(Op::Undo);
    let events = session.until_idle().await;
    assert_eq!(conversation(&events).len(), 8);
    assert!(session.file("two.txt").exists());
    session.send(Op::Redo);
    session.until_idle().await;
    assert!(!session.file("two.txt").exists());
    session.turn("three").await;
    let requests = session.endpoint.requests();
    let last = wire(requests.last().expect("request").messages());
    assert_eq!(last.last().map(String::as_str), Some("user: three"));
    assert!(last.iter().all(|line| !line.contains("Second.")), "{last:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_quiet_session_is_refused_while_a_turn_runs() {
    let gate = Gate::new();
    let mut session = TestSession::start([Answer::frames([frame::text("Wait")]).wait(&gate).then([
        frame::text(" for it."),
        frame::finish("stop"),
        frame::done(),
    ])]);
    session.until_idle().await;
    session.submit("Go");
    session.until(|event| matches!(event, Event::TextDelta { .. })).await;
    session.submit("Another");
    session.send(Op::Undo);
    session.send(Op::Snapshot { label: "now".into() });
    session.send(Op::ListSnapshots);
    let events = session.until(|event| matches!(event, Event::Snapshots { .. })).await;
    assert_eq!(errors(&events).len(), 3, "{:?}", errors(&events));
    assert!(errors(&events)[0].contains("a turn is running"));
    assert!(
        matches!(events.last(), Some(Event::Snapshots { changed_since_head: None, .. })),
        "a list is given, without the number that would be wrong soon"
    );
    gate.open();
    let events = session.until(|event| matches!(event, Event::TurnEnded { .. })).await;
    assert!(matches!(events.last(), Some(Event::TurnEnded { outcome: TurnOutcome::Completed, .. })));
    assert_eq!(session.endpoint.requests().len(), 1, "the refused message was never sent");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_changed_by_hand_get_a_node_of_their_own_before_the_next_turn() {
    let mut session = TestSession::start([Answer::text("One."), Answer::text("Two.")]);
    session.turn("one").await;
    std::fs::write(session.file("mine.txt"), "by hand").expect("file");
    let events = session.turn("two").await;
    let kinds = events.iter().rev().find_map(|event| match event {
        Event::Snapshots { nodes, .. } => Some(nodes.iter().map(|node| node.kind.as_str()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(kinds.expect("list"), ["turn", "manual", "turn", "start"]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_snapshots_titles_and_differences_answer_their_ops() {
    let mut session = TestSession::start([calls(&[write("w", "a.txt", "A\n")]), Answer::text("ok")]);
    let events = session.turn("  Make a file  \nplease").await;
    let title = events.iter().rev().find_map(|event| match event {
        Event::SessionStarted { title, .. } => Some(title.clone()),
        _ => None,
    });
    assert_eq!(title.as_deref(), Some("Make a file"));
    session.send(Op::Snapshot { label: "before the party".into() });
    let events = session.until(|event| matches!(event, Event::Snapshots { .. })).await;
    assert!(
        events.iter().any(|event| matches!(event, Event::SnapshotTaken { label, .. } if label == "before the party"))
    );
    session.send(Op::Snapshot { label: "x".repeat(201) });
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert!(errors(&events)[0].contains("200 characters"));
    std::fs::write(session.file("a.txt"), "B\n").expect("file");
    session.send(Op::Diff { from: "head".into(), to: None });
    let events = session.until(|event| matches!(event, Event::DiffReady { .. })).await;
    let Some(Event::DiffReady { files, .. }) = events.last() else { unreachable!() };
    assert!(files.len() == 1 && files[0].patch.contains("-A") && files[0].patch.contains("+B"), "{files:?}");
    session.send(Op::PlanRestore { target: "head".into(), scope: okcvm::protocol::RestoreScope::All });
    let events = session.until(|event| matches!(event, Event::RestorePlanned(_))).await;
    assert!(matches!(events.last(), Some(Event::RestorePlanned(plan)) if plan.write == ["a.txt"]), "{events:?}");
    session.send(Op::Diff { from: "ffffffff".into(), to: None });
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert!(errors(&events)[0].contains("ffffffff"), "{:?}", errors(&events));
    session.send(Op::Rename { title: "Party".into() });
    session.until(|event| matches!(event, Event::SessionStarted { title, .. } if title == "Party")).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_key_never_reaches_events_records_or_requests() {
    let half = FAKE_KEY.len() / 2;
    let script = [
        Answer::frames([
            frame::text(&format!("The key is {}", &FAKE_KEY[..half])),
            frame::text(&format!("{} indeed.", &FAKE_KEY[half..])),
            frame::call(
                0,
                "w",
                "mshtools-todo_write",
                &json!({"todos": [{"content": FAKE_KEY, "priority": "low", "status": "pending"}]}).to_string(),
            ),
            frame::finish("tool_calls"),
            frame::done(),
        ]),
        Answer::text("Done."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn(&format!("My key is {FAKE_KEY}")).await;
    assert_eq!(streamed(&events), "The key is [key removed] indeed.Done.");
    let told = format!("{events:?}");
    assert!(!told.contains(FAKE_KEY), "{told}");
    for request in session.endpoint.requests() {
        assert!(!String::from_utf8_lossy(&request.raw).contains(FAKE_KEY));
    }
    let closed = session.close().await;
    let log = std::fs::read_to_string(closed.root.join("log.jsonl")).expect("log");
    assert!(!log.contains(FAKE_KEY) && log.contains("[key removed]"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_starts_no_turn() {
    let mut session = TestSession::start([Answer::text("One."), Answer::text("Two.")]);
    session.turn("one").await;
    let closed = session.close().await;
    let mut session = closed.reopen();
    session.until_idle().await;
    // The folder of long texts cannot be made where a file stands: a long message cannot be written down.
    let spill = session.root.join("spill");
    std::fs::remove_dir_all(&spill).expect("folder");
    std::fs::write(&spill, "in the way").expect("file");
    session.submit(&"long ".repeat(100_000));
    let events = session.until_idle().await;
    assert_eq!(story(&events), ["error"], "{events:?}");
    assert!(errors(&events)[0].starts_with("the message was not sent: "), "{:?}", errors(&events));
    std::fs::remove_file(&spill).expect("file");
    std::fs::create_dir(&spill).expect("folder");
    let events = session.turn("two").await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"), "nothing is broken for good");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_does_not_happen() {
    let long = "long ".repeat(100_000);
    let script = [
        // The command breaks the folder of long texts behind the engine's back.
        Answer::calls(&[("s", "mshtools-shell", json!({"command": "rm -r ../spill && touch ../spill"}))]),
        Answer::frames([
            frame::text(&long),
            frame::call(0, "w", "mshtools-write_file", "{\"file_path\": \"a.txt\", \"content\": \"A\"}"),
            frame::finish("tool_calls"),
            frame::done(),
        ]),
        Answer::text("Fine again."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Break it").await;
    let story = story(&events);
    assert!(story.contains(&"cancelled w".to_owned()), "{story:?}");
    assert!(story.contains(&"error".to_owned()), "{story:?}");
    assert_eq!(story.last().map(String::as_str), Some("ended failed"));
    assert!(!session.file("a.txt").exists(), "the call did not run");
    std::fs::remove_file(session.root.join("spill")).expect("file");
    std::fs::create_dir(session.root.join("spill")).expect("folder");
    session.turn("Go on").await;
    let requests = session.endpoint.requests();
    let last = wire(requests[2].messages());
    assert!(last.iter().any(|line| line.starts_with("tool w: Stopped")), "{last:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_output_comes_before_the_result() {
    let script = [
        Answer::calls(&[("s", "mshtools-shell", json!({"command": "echo hello; echo problem >&2; exit 3"}))]),
        Answer::text("It failed."),
    ];
    let mut session = TestSession::start(script);
    let events = session.turn("Run").await;
    let live: String = events
        .iter()
        .filter_map(|event| if let Event::ToolOutput { chunk, .. } = event { Some(chunk.as_str()) } else { None })
        .collect();
    assert!(live.contains("hello") && live.contains("problem"), "{live:?}");
    let last_output = events.iter().rposition(|event| matches!(event, Event::ToolOutput { .. })).expect("output");
    let finished = events
        .iter()
        .position(|event| matches!(event, Event::ToolFinished { status: ToolStatus::Error, .. }))
        .expect("result");
    assert!(last_output < finished);
    assert!(output(&events, "s").contains("hello"), "{}", output(&events, "s"));
    session.close().await;
}
