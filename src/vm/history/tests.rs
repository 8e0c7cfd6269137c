//! What holds of a conversation whatever facts come in.

use super::*;
use crate::protocol::ToolStatus;

fn opened(text: &str) -> Fact {
    Fact::TurnOpened { turn: TurnId(uuid::Uuid::nil()), text: text.to_owned(), attachments: Vec::new() }
}

fn said(text: &str, calls: &[&str]) -> Fact {
    let call = |id: &&str| ToolCall { id: CallId((*id).to_owned()), name: "t".to_owned(), arguments: "{}".to_owned() };
    Fact::Assistant { text: text.to_owned(), reasoning: None, tool_calls: calls.iter().map(call).collect() }
}

fn finished(id: &str, output: &str) -> Fact {
    let reply = ToolReply {
        call: CallId(id.to_owned()),
        tool: "t".to_owned(),
        status: ToolStatus::Ok,
        output: output.to_owned(),
        unfinished: false,
        images: Vec::new(),
    };
    Fact::ToolFinished { reply, duration_ms: 1, spill: None, diff: None, pictures: Vec::new(), artifacts: Vec::new() }
}

fn closed(outcome: TurnOutcome) -> Fact {
    Fact::TurnClosed { outcome }
}

/// `u` user, `a` assistant, `t` tool, each with its text.
fn shape(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match message {
            Message::System { text } => format!("s {text}"),
            Message::User { text, .. } => format!("u {text}"),
            Message::Assistant { text, .. } => format!("a {text}"),
            Message::Tool(reply) => format!("t {} {}", reply.call, reply.output),
        })
        .collect()
}

#[test]
fn results_stand_in_the_order_of_the_calls_whatever_ended_first() {
    let history = History::of(&[
        opened("go"),
        said("", &["a", "b", "c"]),
        finished("c", "3"),
        finished("a", "1"),
        finished("b", "2"),
    ]);
    assert_eq!(shape(&history.request_messages()), ["u go", "a ", "t a 1", "t b 2", "t c 3"]);
}

#[test]
fn a_call_without_a_result_is_given_one_and_no_call_has_two() {
    let mut history = History::of(&[opened("go"), said("", &["a", "b"]), finished("b", "2"), finished("b", "again")]);
    assert_eq!(shape(&history.messages()), ["u go", "a ", &format!("t a {NO_RESULT}"), "t b 2"]);
    history.apply(&finished("a", "late"));
    history.apply(&finished("unknown", "x"));
    assert_eq!(shape(&history.messages()), ["u go", "a ", "t a late", "t b 2"]);
}

#[test]
fn the_model_is_told_how_a_turn_ended_that_did_not_end_by_itself() {
    let mut history = History::of(&[
        opened("one"),
        said("Half a sen", &[]),
        closed(TurnOutcome::Interrupted),
        opened("two"),
        closed(TurnOutcome::Failed),
        opened("three"),
        said("", &["a"]),
        opened("four"),
        said("Fine.", &[]),
        closed(TurnOutcome::Completed),
        opened("five"),
    ]);
    let request = shape(&history.request_messages());
    assert_eq!(
        request,
        [
            "u one",
            "a Half a sen\n\n[The turn was stopped here.]",
            "u two",
            "a [The turn ended here because of an error.]",
            "u three",
            "a ",
            &format!("t a {NO_RESULT}"),
            "a [The turn ended here because okcvm was ended.]",
            "u four",
            "a Fine.",
            "u five"
        ]
    );
    assert_eq!(shape(&history.messages())[..3], ["u one", "a Half a sen", "u two"], "screens see what was said");
    history.apply(&said("more", &[]));
    assert_eq!(shape(&history.request_messages())[..11], request[..], "the prefix never changes");
}

#[test]
fn ids_are_made_unique_within_the_conversation() {
    let history = History::of(&[opened("go"), said("", &["call_0", "call_0-2"]), finished("call_0", "x")]);
    let Fact::Assistant { mut tool_calls, .. } = said("", &["call_0", "call_0", "", "", "new"]) else { unreachable!() };
    history.make_unique(&mut tool_calls);
    let ids: Vec<&str> = tool_calls.iter().map(|call| call.id.0.as_str()).collect();
    assert_eq!(ids, ["call_0-3", "call_0-4", "call", "call-2", "new"]);
}

#[test]
fn attachments_are_named_to_the_model_and_listed_once() {
    let file = |bytes| Attachment { name: "a.csv".into(), path: "/mnt/x/uploads/a.csv".into(), bytes };
    let with = |bytes| Fact::TurnOpened {
        turn: TurnId(uuid::Uuid::nil()),
        text: "look".into(),
        attachments: vec![file(bytes)],
    };
    let history = History::of(&[with(10), closed(TurnOutcome::Completed), with(2048)]);
    assert_eq!(history.attachments(), [file(2048)]);
    let request = shape(&history.request_messages());
    assert!(request[0].starts_with("u look\n\nAttached files:\n- /mnt/x/uploads/a.csv ("), "{}", request[0]);
}

#[test]
fn a_restart_by_the_user_cuts_off_what_was_before() {
    let mut history = History::of(&[opened("go"), said("", &["a", "b"]), finished("a", "1")]);
    let ids = |history: &History| history.calls_of_kernel().map(|(call, _)| call.id.0.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&history), ["a", "b"]);
    history.apply(&Fact::KernelRestarted);
    assert!(ids(&history).is_empty());
    history.apply(&said("", &["c"]));
    assert_eq!(ids(&history), ["c"]);
}

#[test]
fn tool_calls_by_hand_are_no_part_of_the_conversation() {
    let mut history = History::of(&[opened(""), finished("x", "by hand"), closed(TurnOutcome::Completed)]);
    assert!(history.is_empty());
    assert!(history.request_messages().is_empty());
    history.apply(&opened("hi"));
    assert_eq!(shape(&history.request_messages()), ["u hi"]);
}

#[test]
fn pictures_of_pages_go_in_steps_and_those_of_files_stay() {
    let seen = |id: usize, path: Option<&str>| {
        let Fact::ToolFinished { mut reply, .. } = finished(&id.to_string(), "page") else { unreachable!() };
        let path = path.map(ToOwned::to_owned);
        reply.images.push(crate::protocol::ImageData { media_type: "image/jpeg".into(), base64: "QUJD".into(), path });
        [
            said("", &[&id.to_string()]),
            Fact::ToolFinished {
                reply,
                duration_ms: 1,
                spill: None,
                diff: None,
                pictures: Vec::new(),
                artifacts: Vec::new(),
            },
        ]
    };
    let mut history = History::of(&[opened("go")]);
    for fact in seen(0, Some("/mnt/x/plot.png")) {
        history.apply(&fact);
    }
    let mut before: Vec<Message> = Vec::new();
    let mut changed = Vec::new();
    for number in 1..=20 {
        for fact in seen(number, None) {
            history.apply(&fact);
        }
        let now = history.request_messages();
        let shown = |message: &&Message| matches!(message, Message::Tool(reply) if !reply.images.is_empty());
        let pictures = now.iter().filter(shown).count();
        assert!((1 + number.min(PICTURES)..1 + 2 * PICTURES).contains(&pictures), "{pictures} after {number}");
        if now[..before.len()] != before {
            changed.push(number);
        }
        before = now;
    }
    assert_eq!(changed, [8, 12, 16, 20]);
    let Message::Tool(file) = &before[2] else { panic!("a result") };
    assert_eq!((file.images.len(), file.output.as_str()), (1, "page"));
    let Message::Tool(old) = &before[4] else { panic!("a result") };
    assert!(old.images.is_empty() && old.output.ends_with("left out by now.]"), "{}", old.output);
}
