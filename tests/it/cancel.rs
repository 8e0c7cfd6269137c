//! Esc, the end of one call, the end of the session: in the middle of everything.

use std::time::{Duration, Instant};

use okcvm::protocol::{CallId, Event, Op, Phase, TurnOutcome};
use serde_json::json;

use crate::support::endpoint::{Answer, FakeEndpoint, Gate, frame};
use crate::support::session::{Settings, TestSession, conversation, errors, output, story, streamed, wire};

fn sleeps(id: &str) -> (&str, &'static str, serde_json::Value) {
    (id, "mshtools-shell", json!({"command": "echo begun; sleep 100; echo never"}))
}

/// Until the command of the call has said its first word.
async fn until_output(session: &mut TestSession) -> Vec<Event> {
    session.until(|event| matches!(event, Event::ToolOutput { chunk, .. } if chunk.contains("begun"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_still_has_a_result() {
    let script = [
        Answer::calls(&[sleeps("one"), ("two", "mshtools-todo_read", json!({})), sleeps("three")]),
        Answer::text("Good morning."),
    ];
    let mut session = TestSession::start(script);
    session.until_idle().await;
    session.submit("Sleep");
    until_output(&mut session).await;
    let pressed = Instant::now();
    session.send(Op::Interrupt);
    let closing = session.until(|event| *event == Event::PhaseChanged(Phase::Closing)).await;
    assert!(pressed.elapsed() < Duration::from_millis(200), "closing is shown at once: {:?}", pressed.elapsed());
    let mut events = closing;
    events.extend(session.until_idle().await);
    let story = story(&events);
    for id in ["one", "two", "three"] {
        assert!(story.contains(&format!("cancelled {id}")), "{story:?}");
    }
    assert_eq!(story[story.len() - 2..], ["snapshot", "ended interrupted"]);
    assert!(pressed.elapsed() < Duration::from_secs(20), "the command was killed: {:?}", pressed.elapsed());

    let kind = events.iter().rev().find_map(|event| match event {
        Event::Snapshots { nodes, .. } => Some(nodes[0].kind.as_str()),
        _ => None,
    });
    assert_eq!(kind, Some("interrupted"));
    session.turn("Wake up").await;
    let requests = session.endpoint.requests();
    let last = wire(requests[1].messages());
    let ids: Vec<&str> = last.iter().filter_map(|line| line.strip_prefix("tool ")?.split(':').next()).collect();
    assert_eq!(ids, ["one", "two", "three"], "each call has one result, in order: {last:?}");
    assert_eq!(last[5..], ["assistant []: [The turn was stopped here.]", "user: Wake up"], "{last:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_in_the_middle_of_a_reply_keeps_what_was_said() {
    let script = [Answer::frames([frame::text("Half a sen")]).stall(), Answer::text("Yes.")];
    let mut session = TestSession::start(script);
    session.until_idle().await;
    session.submit("Speak");
    session.until(|event| matches!(event, Event::TextDelta { .. })).await;
    session.send(Op::Interrupt);
    let events = session.until_idle().await;
    assert_eq!(story(&events), ["snapshot", "ended interrupted"]);
    assert!(events.iter().any(
        |event| matches!(event, Event::TurnEnded { outcome: TurnOutcome::Interrupted, reply, .. } if reply == "Half a sen")
    ));
    session.endpoint.client_left().await;
    session.turn("Go on?").await;
    let requests = session.endpoint.requests();
    assert_eq!(
        wire(requests[1].messages()),
        ["user: Speak", "assistant []: Half a sen\n\n[The turn was stopped here.]", "user: Go on?"]
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_before_the_first_byte_ends_the_wait() {
    let gate = Gate::new();
    let mut session = TestSession::start([Answer::text("too late").wait_first(&gate)]);
    session.until_idle().await;
    session.submit("Hello");
    session.endpoint.requests_at_least(1).await;
    session.send(Op::Interrupt);
    let events = session.until_idle().await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended interrupted"));
    assert_eq!(streamed(&events), "");
    gate.open();
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_right_after_the_message_is_not_lost() {
    let mut session = TestSession::start([Answer::frames([frame::text("x")]).stall()]);
    session.until_idle().await;
    session.submit("Hello");
    session.until(|event| *event == Event::PhaseChanged(Phase::Waiting)).await;
    session.send(Op::Interrupt);
    let events = session.until_idle().await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended interrupted"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_without_a_turn_changes_nothing() {
    let mut session = TestSession::start([Answer::text("Fine.")]);
    session.until_idle().await;
    session.send(Op::Interrupt);
    let events = session.turn("Hi").await;
    assert_eq!(story(&events).last().map(String::as_str), Some("ended completed"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_one_call_tells_the_model_and_goes_on() {
    let script =
        [Answer::calls(&[sleeps("long"), ("short", "mshtools-todo_read", json!({}))]), Answer::text("Moving on.")];
    let mut session = TestSession::start(script);
    session.until_idle().await;
    session.submit("Sleep");
    until_output(&mut session).await;
    session.send(Op::EndCall { call: CallId("long".into()) });
    let events = session.until_idle().await;
    let story = story(&events);
    assert!(story.contains(&"cancelled long".to_owned()) && story.contains(&"ok short".to_owned()), "{story:?}");
    assert_eq!(story.last().map(String::as_str), Some("ended completed"));
    assert!(!output(&events, "long").contains("never"), "{}", output(&events, "long"));
    assert_eq!(session.endpoint.requests().len(), 2);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_while_a_turn_closes_waits_for_it() {
    let script = [Answer::calls(&[sleeps("s")]), Answer::text("Second.")];
    let mut session = TestSession::start(script);
    session.until_idle().await;
    session.submit("First");
    until_output(&mut session).await;
    session.send(Op::Interrupt);
    session.until(|event| *event == Event::PhaseChanged(Phase::Closing)).await;
    session.submit("Second");
    let mut events = session.until(|event| matches!(event, Event::TurnEnded { .. })).await;
    assert_eq!(errors(&events), Vec::<&str>::new());
    events = session.until(|event| matches!(event, Event::TurnEnded { .. })).await;
    assert_eq!(story(&events), ["turn", "text", "usage", "snapshot", "ended completed"]);
    assert!(!events.contains(&Event::PhaseChanged(Phase::Idle)), "nothing says idle while a message waits");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_does_not_delay_an_interrupt() {
    let flood = json!({"command": "yes begun"});
    let mut session = TestSession::start([Answer::calls(&[("y", "mshtools-shell", flood)])]);
    session.until_idle().await;
    session.submit("Flood");
    until_output(&mut session).await;
    let pressed = Instant::now();
    session.send(Op::Interrupt);
    session.until(|event| *event == Event::PhaseChanged(Phase::Closing)).await;
    assert!(pressed.elapsed() < Duration::from_secs(1), "{:?}", pressed.elapsed());
    session.until(|event| matches!(event, Event::TurnEnded { .. })).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_closes_the_open_turn_with_its_snapshot() {
    let endpoint = FakeEndpoint::start([Answer::calls(&[sleeps("s")])]);
    let mut session = TestSession::start_with(endpoint, Settings::default());
    session.until_idle().await;
    session.submit("Sleep");
    until_output(&mut session).await;
    let closed = session.close().await;
    assert_eq!(story(&closed.events), ["cancelled s", "snapshot", "ended interrupted"]);
    let mut session = closed.reopen();
    let events = session.until_idle().await;
    assert_eq!(story(&events), ["session"], "nothing is left to mend");
    assert_eq!(conversation(&events).len(), 3);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_that_vanishes_ends_the_session_well() {
    let mut session = TestSession::start([Answer::frames([frame::text("x")]).stall()]);
    session.until_idle().await;
    session.submit("Hello");
    session.until(|event| matches!(event, Event::TextDelta { .. })).await;
    let mut session = session.vanish().await.reopen();
    let events = session.until_idle().await;
    assert_eq!(story(&events), ["session"]);
    assert_eq!(conversation(&events).len(), 2);
    session.close().await;
}
