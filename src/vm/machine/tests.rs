//! Every order of events that a turn can see, tried on the pure machine.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::protocol::{Artifact, ArtifactKind, CallId, ImageData, ToolCall, ToolReply, ToolStatus};
use crate::vm::effect::{SpilledOutput, ToolResult};

fn turn() -> TurnId {
    TurnId(uuid::Uuid::from_u128(7))
}

fn call(id: &str) -> ToolCall {
    ToolCall {
        id: CallId(id.to_owned()),
        name: "mshtools-shell".to_owned(),
        arguments: "{\"command\":\"ls\"}".to_owned(),
    }
}

fn reads(id: &str) -> PlannedCall {
    PlannedCall { call: call(id), writes: false }
}

fn writes(id: &str) -> PlannedCall {
    PlannedCall { call: call(id), writes: true }
}

fn result(id: &str, output: &str) -> ToolResult {
    result_with(id, output, ToolStatus::Ok)
}

fn result_with(id: &str, output: &str, status: ToolStatus) -> ToolResult {
    let reply = ToolReply {
        call: CallId(id.to_owned()),
        tool: "mshtools-shell".to_owned(),
        status,
        output: output.to_owned(),
        unfinished: false,
        images: Vec::new(),
    };
    ToolResult::plain(reply, 3)
}

fn replied(text: &str, calls: Vec<PlannedCall>) -> Input {
    Input::Replied { text: text.to_owned(), reasoning: None, calls }
}

/// One word an effect, so that a test reads as the story it tells.
fn words(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Persist(Fact::TurnOpened { .. }) => "write turn".to_owned(),
            Effect::Persist(Fact::Assistant { text, tool_calls, .. }) => format!("write {text:?}+{}", tool_calls.len()),
            Effect::Persist(Fact::ToolStarted { call }) => format!("write start {}", call.id),
            Effect::Persist(Fact::ToolFinished { reply, .. }) => format!("write {:?} {}", reply.status, reply.call),
            Effect::Persist(Fact::PicturesRefused) => "write no pictures".to_owned(),
            Effect::Persist(Fact::TurnClosed { .. }) => "write closed".to_owned(),
            Effect::Persist(Fact::KernelRestarted) => "write restart".to_owned(),
            Effect::Emit(Event::PhaseChanged(phase)) => format!("{phase:?}"),
            Effect::Emit(Event::TurnStarted { .. }) => "started".to_owned(),
            Effect::Emit(Event::TextDelta { text }) => format!("text {text:?}"),
            Effect::Emit(Event::ReasoningDelta { text }) => format!("reasoning {text:?}"),
            Effect::Emit(Event::ToolStarted { call, .. }) => format!("tell start {call}"),
            Effect::Emit(Event::ToolFinished { call, status, .. }) => format!("tell {status:?} {call}"),
            Effect::Emit(Event::Error { message, .. }) => format!("error {message}"),
            Effect::Emit(Event::Warning { message }) => format!("warning {message}"),
            Effect::Emit(other) => format!("{other:?}"),
            Effect::CallModel => "ask".to_owned(),
            Effect::DropStream => "drop".to_owned(),
            Effect::RunTool(call) => format!("run {}", call.id),
            Effect::CancelTool(id) => format!("cancel {id}"),
            Effect::AbandonTool(id) => format!("abandon {id}"),
            Effect::CloseTurn { outcome, reply, .. } => format!("close {outcome:?} {reply:?}"),
        })
        .collect()
}

fn asking() -> Machine {
    let mut machine = Machine::new(50);
    machine.step(Input::Submitted { turn: turn() });
    machine
}

fn step(machine: &mut Machine, input: Input) -> Vec<String> {
    words(&machine.step(input))
}

#[test]
fn a_turn_without_tools_is_asked_streamed_written_and_closed() {
    let mut machine = Machine::new(50);
    assert!(!machine.is_busy());
    assert_eq!(step(&mut machine, Input::Submitted { turn: turn() }), ["started", "Waiting", "ask"]);
    assert_eq!(step(&mut machine, Input::Reasoning("hm".into())), ["Reasoning", "reasoning \"hm\""]);
    assert_eq!(step(&mut machine, Input::Text("Hel".into())), ["Streaming", "text \"Hel\""]);
    assert_eq!(step(&mut machine, Input::Text("lo".into())), ["text \"lo\""]);
    let end = step(&mut machine, replied("Hello", vec![]));
    assert_eq!(end, ["write \"Hello\"+0", "Closing", "close Completed \"Hello\""]);
    assert!(machine.is_closing());
    assert_eq!(step(&mut machine, Input::Closed), Vec::<String>::new());
    assert!(!machine.is_busy());
}

#[test]
fn a_reply_that_was_not_streamed_is_shown_when_it_is_whole() {
    let mut machine = asking();
    let end = step(&mut machine, replied("All at once", vec![]));
    assert_eq!(end[..2], ["Streaming", "text \"All at once\""]);
    let mut machine = asking();
    step(&mut machine, Input::Text("All at".into()));
    assert_eq!(step(&mut machine, replied("All at once", vec![]))[0], "text \" once\"", "only what was missing");
}

#[test]
fn calls_run_and_the_model_is_asked_again_when_all_have_results() {
    let mut machine = asking();
    assert_eq!(
        step(&mut machine, replied("", vec![reads("a"), reads("b"), writes("c")])),
        ["write \"\"+3", "Tools", "write start a", "tell start a", "run a", "write start b", "tell start b", "run b"]
    );
    assert_eq!(step(&mut machine, Input::ToolFinished(result("b", "2"))), ["write Ok b", "tell Ok b"]);
    assert_eq!(
        step(&mut machine, Input::ToolFinished(result("a", "1"))),
        ["write Ok a", "tell Ok a", "write start c", "tell start c", "run c"]
    );
    assert_eq!(
        step(&mut machine, Input::ToolFinished(result("c", "3"))),
        ["write Ok c", "tell Ok c", "Waiting", "ask"]
    );
    assert_eq!(
        step(&mut machine, replied("done", vec![])).last().map(String::as_str),
        Some("close Completed \"done\"")
    );
}

#[test]
fn a_call_is_written_down_before_it_runs_and_its_result_before_it_is_told() {
    let mut machine = asking();
    let effects = machine.step(replied("", vec![writes("a")]));
    let at = |wanted: &str| words(&effects).iter().position(|word| word == wanted).expect(wanted);
    assert!(at("write start a") < at("run a"));
    let words = step(&mut machine, Input::ToolFinished(result("a", "x")));
    assert_eq!(words[..2], ["write Ok a", "tell Ok a"]);
}

#[test]
fn a_second_result_of_the_same_call_is_ignored() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![reads("a"), reads("b")]));
    step(&mut machine, Input::ToolFinished(result("a", "1")));
    assert_eq!(step(&mut machine, Input::ToolFinished(result("a", "1"))), Vec::<String>::new());
    assert_eq!(step(&mut machine, Input::ToolFinished(result("never", "1"))), Vec::<String>::new());
}

#[test]
fn extras_of_a_result_are_told_after_it() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![writes("a")]));
    let mut extras = result("a", "x");
    extras.todos = Some(Vec::new());
    extras.diff = Some("-a\n+b\n".to_owned());
    extras.spill = Some(SpilledOutput { path: "/s/x".into(), sha256: "00".to_owned(), bytes: 4 });
    let picture = |path: &str| Some(path.to_owned());
    extras.artifacts = vec![Artifact::at(ArtifactKind::Image, "/m/a.png")];
    for path in ["/m/a.png", "/m/b.png"] {
        let (media_type, base64) = ("image/png".to_owned(), String::new());
        extras.reply.images.push(ImageData { media_type, base64, path: picture(path) });
    }
    let effects = machine.step(Input::ToolFinished(extras));
    assert!(
        matches!(&effects[0], Effect::Persist(Fact::ToolFinished { spill: Some(_), pictures, .. }) if pictures.len() == 2)
    );
    assert!(matches!(&effects[1], Effect::Emit(Event::ToolFinished { .. })));
    assert!(
        matches!(&effects[2], Effect::Emit(Event::ToolDetail { spill: Some(_), diff: Some(_), pictures, .. }) if *pictures == ["/m/a.png", "/m/b.png"])
    );
    assert!(matches!(&effects[3], Effect::Emit(Event::TodoChanged { .. })));
}

#[test]
fn malformed_arguments_are_shown_as_the_text_they_are() {
    let mut machine = asking();
    let mut odd = reads("a");
    odd.call.arguments = "{\"command\": ".to_owned();
    let mut none = reads("b");
    none.call.arguments = String::new();
    let effects = machine.step(replied("", vec![odd, none]));
    let shown: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Emit(Event::ToolStarted { arguments, .. }) => Some(arguments.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [serde_json::json!("{\"command\": "), serde_json::json!({})]);
}

#[test]
fn an_interrupt_in_the_middle_of_a_reply_keeps_its_text() {
    let mut machine = asking();
    step(&mut machine, Input::Text("Half a sen".into()));
    assert_eq!(
        step(&mut machine, Input::Interrupted),
        ["drop", "write \"Half a sen\"+0", "Closing", "close Interrupted \"Half a sen\""]
    );
    assert_eq!(step(&mut machine, Input::Interrupted), Vec::<String>::new(), "a second one changes nothing");
    assert_eq!(step(&mut machine, Input::Text("tence".into())), Vec::<String>::new(), "late words are dropped");
}

#[test]
fn an_interrupt_before_any_text_writes_no_empty_message() {
    let mut machine = asking();
    step(&mut machine, Input::Reasoning("thinking".into()));
    assert_eq!(step(&mut machine, Input::Interrupted), ["drop", "Closing", "close Interrupted \"\""]);
}

#[test]
fn an_interrupt_stops_running_calls_and_answers_waiting_ones() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![writes("a"), reads("b"), writes("c")]));
    assert_eq!(
        step(&mut machine, Input::Interrupted),
        [
            "Closing",
            "cancel a",
            "tell start b",
            "write Cancelled b",
            "tell Cancelled b",
            "tell start c",
            "write Cancelled c",
            "tell Cancelled c"
        ]
    );
    assert!(machine.is_closing());
    let end = step(&mut machine, Input::ToolFinished(result_with("a", "stopped", ToolStatus::Cancelled)));
    assert_eq!(end, ["write Cancelled a", "tell Cancelled a", "close Interrupted \"\""]);
}

#[test]
fn ending_one_call_leaves_the_turn_running() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![writes("a"), writes("b")]));
    assert_eq!(step(&mut machine, Input::EndCall(CallId("a".into()))), ["cancel a"]);
    assert_eq!(
        step(&mut machine, Input::EndCall(CallId("b".into()))),
        ["tell start b", "write Cancelled b", "tell Cancelled b"]
    );
    assert_eq!(step(&mut machine, Input::EndCall(CallId("zzz".into()))), Vec::<String>::new());
    let end = step(&mut machine, Input::ToolFinished(result_with("a", "stopped", ToolStatus::Cancelled)));
    assert_eq!(end, ["write Cancelled a", "tell Cancelled a", "Waiting", "ask"], "the model hears of it");
}

#[test]
fn a_request_that_fails_for_good_ends_the_turn_with_its_text_kept() {
    let mut machine = asking();
    step(&mut machine, Input::Text("So far".into()));
    assert_eq!(
        step(&mut machine, Input::ModelFailed { message: "401: no".into(), hint: Some("Check the key.".into()) }),
        ["write \"So far\"+0", "error 401: no", "Closing", "close Failed \"So far\""]
    );
}

#[test]
fn a_retry_is_told_to_scripts_and_screens() {
    let mut machine = asking();
    let words = step(&mut machine, Input::Retrying { seconds: 3, attempt: 2, reason: "429: slow down".into() });
    assert_eq!(words[0], "Retrying { seconds: 3, attempt: 2, reason: \"429: slow down\" }");
    assert_eq!(words[1], "warning the request to the model failed (429: slow down); attempt 2 in 3 s");
}

#[test]
fn a_restarted_reply_voids_what_was_streamed() {
    let mut machine = asking();
    step(&mut machine, Input::Text("Once upon".into()));
    step(&mut machine, Input::Restarted { reason: "connection lost".into() });
    step(&mut machine, Input::Text("Hello".into()));
    assert_eq!(step(&mut machine, Input::Interrupted)[1], "write \"Hello\"+0");
}

#[test]
fn an_empty_reply_is_asked_for_again_once() {
    let mut machine = asking();
    let again = step(&mut machine, replied("  \n", vec![]));
    assert_eq!(again, ["warning the model's reply was empty; asking again", "ask"]);
    let end = step(&mut machine, replied("", vec![]));
    assert_eq!(end[0], "error the model's reply was empty, twice in a row");
    assert_eq!(end.last().map(String::as_str), Some("close Failed \"\""));
}

#[test]
fn the_limit_of_rounds_ends_the_turn_with_its_reason() {
    let mut machine = Machine::new(2);
    step(&mut machine, Input::Submitted { turn: turn() });
    step(&mut machine, replied("one", vec![reads("a")]));
    assert_eq!(step(&mut machine, Input::ToolFinished(result("a", "1"))).last().map(String::as_str), Some("ask"));
    step(&mut machine, replied("two", vec![reads("b")]));
    let end = step(&mut machine, Input::ToolFinished(result("b", "2")));
    assert_eq!(end[2], "error the turn used up its 2 requests to the model");
    assert_eq!(end.last().map(String::as_str), Some("close Failed \"two\""));
}

#[test]
fn a_model_that_goes_round_in_circles_is_told_and_then_stopped() {
    let mut machine = asking();
    for round in 1..=7 {
        let id = format!("c{round}");
        step(&mut machine, replied("", vec![reads(&id)]));
        let effects = machine.step(Input::ToolFinished(result(&id, "nothing new")));
        let told = effects.iter().any(
            |effect| matches!(effect, Effect::Persist(Fact::ToolFinished { reply, .. }) if reply.output.contains("5 times in a row")),
        );
        assert_eq!(told, round == 5, "round {round}");
    }
    step(&mut machine, replied("", vec![reads("c8"), writes("later")]));
    let end = step(&mut machine, Input::ToolFinished(result("c8", "nothing new")));
    assert!(end.iter().any(|word| word.starts_with("error the model goes round in circles")), "{end:?}");
    assert!(end.contains(&"write Cancelled later".to_owned()), "{end:?}");
    assert_eq!(end.last().map(String::as_str), Some("close Failed \"\""));
}

#[test]
fn refused_pictures_are_written_off_before_the_model_is_asked_again() {
    let mut machine = asking();
    let refused = || Input::PicturesRefused { message: "x answered 400: bad".into() };
    let words = step(&mut machine, refused());
    let told = "warning x answered 400: bad; asking again without the pictures of this conversation";
    assert_eq!(words, ["write no pictures", told, "ask"]);
    // What had come in before is void.
    step(&mut machine, Input::Text("Hel".into()));
    let words = step(&mut machine, refused());
    assert!(words.iter().any(|word| word.starts_with("ReplyRestarted")), "{words:?}");
    let end = step(&mut machine, replied("Hello", vec![]));
    assert_eq!(end.last().map(String::as_str), Some("close Completed \"Hello\""));
}

#[test]
fn a_fatal_result_ends_the_turn() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![reads("a"), reads("b")]));
    let mut fatal = result_with("a", "the sandbox is gone", ToolStatus::Error);
    fatal.fatal = Some("the sandbox is gone".to_owned());
    let words = step(&mut machine, Input::ToolFinished(fatal));
    assert_eq!(words, ["write Error a", "tell Error a", "error the sandbox is gone", "Closing", "cancel b"]);
    let end = step(&mut machine, Input::ToolFinished(result("b", "late but whole")));
    assert_eq!(end.last().map(String::as_str), Some("close Failed \"\""));
}

#[test]
fn a_failing_disk_ends_the_turn_without_waiting_for_anything() {
    let mut machine = asking();
    step(&mut machine, replied("", vec![writes("a"), writes("b")]));
    assert_eq!(
        step(&mut machine, Input::DiskFailed { message: "log.jsonl: no space left".into() }),
        [
            "tell start b",
            "write Cancelled b",
            "tell Cancelled b",
            "abandon a",
            "write Cancelled a",
            "tell Cancelled a",
            "error log.jsonl: no space left",
            "Closing",
            "close Failed \"\""
        ]
    );
    let told = step(&mut machine, Input::DiskFailed { message: "again".into() });
    assert_eq!(told, ["error again"], "while saving it is told and changes nothing");
}

/// What happens to a machine, as a random story.
#[derive(Debug, Clone)]
enum Happening {
    Text,
    Reply(Vec<bool>),
    Finish(usize),
    Fatal(usize),
    EndCall(usize),
    Interrupt,
    ModelFails,
    DiskFails,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => Just(Happening::Text),
        4 => prop::collection::vec(any::<bool>(), 0..5).prop_map(Happening::Reply),
        8 => (0usize..5).prop_map(Happening::Finish),
        1 => (0usize..5).prop_map(Happening::Fatal),
        2 => (0usize..5).prop_map(Happening::EndCall),
        1 => Just(Happening::Interrupt),
        1 => Just(Happening::ModelFails),
        1 => Just(Happening::DiskFails),
    ]
}

/// Plays the actor: runs what it is told to run and checks the promises.
#[derive(Default)]
struct Actor {
    running: Vec<(CallId, bool)>,
    writers: BTreeMap<CallId, bool>,
    results: BTreeMap<CallId, u32>,
    asked: bool,
    closed: u32,
}

impl Actor {
    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist(Fact::Assistant { tool_calls, .. }) => {
                    assert!(self.results.values().all(|count| *count == 1), "a reply before all results");
                    self.results.extend(tool_calls.into_iter().map(|call| (call.id, 0)));
                }
                Effect::Persist(Fact::ToolFinished { reply, .. }) => {
                    *self.results.get_mut(&reply.call).expect("a known call") += 1;
                }
                Effect::RunTool(call) => {
                    let writes = self.writers[&call.id];
                    self.running.push((call.id, writes));
                    assert!(
                        self.running.len() == 1 || self.running.iter().all(|(_, writes)| !writes),
                        "a writer runs alone"
                    );
                }
                Effect::AbandonTool(id) => self.running.retain(|(other, _)| *other != id),
                Effect::CallModel => {
                    assert!(self.running.is_empty());
                    assert!(self.results.values().all(|count| *count == 1), "asked before all results");
                    self.asked = true;
                }
                Effect::DropStream => self.asked = false,
                Effect::CloseTurn { .. } => {
                    assert!(self.running.is_empty(), "closed while a call runs");
                    self.closed += 1;
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn every_call_has_exactly_one_result_and_every_turn_closes_once(story in prop::collection::vec(happening(), 0..60)) {
        let mut machine = Machine::new(50);
        let mut actor = Actor::default();
        let mut next = 0u32;
        actor.perform(machine.step(Input::Submitted { turn: turn() }));
        for happening in story {
            let input = match happening {
                Happening::Text if actor.asked => Input::Text("word ".to_owned()),
                Happening::Reply(shape) if actor.asked => {
                    actor.asked = false;
                    let calls: Vec<PlannedCall> = shape
                        .into_iter()
                        .map(|is_writer| {
                            next += 1;
                            let id = format!("c{next}");
                            actor.writers.insert(CallId(id.clone()), is_writer);
                            if is_writer { writes(&id) } else { reads(&id) }
                        })
                        .collect();
                    replied("text", calls)
                }
                Happening::ModelFails if actor.asked => {
                    actor.asked = false;
                    Input::ModelFailed { message: "500".to_owned(), hint: None }
                }
                Happening::Finish(n) | Happening::Fatal(n) if !actor.running.is_empty() => {
                    let at = n % actor.running.len();
                    let (id, _) = actor.running.remove(at);
                    let mut done = result(&id.0, &id.0);
                    if matches!(happening, Happening::Fatal(_)) {
                        done.fatal = Some("gone".to_owned());
                    }
                    Input::ToolFinished(done)
                }
                Happening::EndCall(n) => Input::EndCall(CallId(format!("c{n}"))),
                Happening::Interrupt => Input::Interrupted,
                Happening::DiskFails => Input::DiskFailed { message: "full".to_owned() },
                _ => continue,
            };
            actor.perform(machine.step(input));
        }
        // Whatever happened: Esc, and the calls that still run come to an end, and the turn is closed.
        actor.perform(machine.step(Input::Interrupted));
        while let Some((id, _)) = actor.running.pop() {
            actor.perform(machine.step(Input::ToolFinished(result(&id.0, "late"))));
        }
        prop_assert_eq!(actor.closed, 1);
        prop_assert!(actor.results.values().all(|count| *count == 1), "{:?}", actor.results);
        machine.step(Input::Closed);
        prop_assert!(!machine.is_busy());
    }
}
