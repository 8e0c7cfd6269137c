//! The trace, driven by events and actions.

use std::io::Write as _;

use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::json;

use super::super::Pane;
use super::super::testing::{context, draw, draw_with, screens};
use super::*;
use crate::protocol::{Event, Job, Message, Op};
use crate::protocol::{ToolCall, ToolReply, TurnId};
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;
use crate::tui::theme::Theme;
use ratatui::crossterm::event::KeyEvent;

fn id(name: &str) -> CallId {
    CallId(name.to_owned())
}

fn started(name: &str, tool: &str, arguments: Value) -> Event {
    Event::ToolStarted { call: id(name), tool: format!("mshtools-{tool}"), arguments }
}

fn finished(name: &str, status: ToolStatus, duration_ms: u64, output: &str) -> Event {
    let output = output.to_owned();
    Event::ToolFinished { call: id(name), tool: String::new(), status, duration_ms, output }
}

fn typical() -> TraceState {
    let mut pane = TraceState::new();
    let path = "/mnt/okcvm-0123456789abcdef/site/index.html";
    let events = [
        Event::TurnStarted { turn: TurnId::now() },
        started("1", "todo_write", json!({"todos": [{}, {}, {}, {}]})),
        finished("1", ToolStatus::Ok, 12, "{}"),
        started("2", "read_file", json!({"file_path": "/mnt/okcvm-0123456789abcdef/cv.pdf"})),
        finished("2", ToolStatus::Ok, 310, "text"),
        started("3", "write_file", json!({"file_path": path, "content": "x\n".repeat(212)})),
        finished("3", ToolStatus::Ok, 8, "written"),
        started("4", "shell", json!({"command": "tidy site/index.html"})),
        finished("4", ToolStatus::Error, 40, "warning: <h1> twice\nExit code: 1"),
        started("5", "edit_file", json!({"file_path": path, "old_string": "CV", "new_string": "日本語 CV\nAda"})),
        finished("5", ToolStatus::Ok, 4, "edited"),
        Event::ToolDetail {
            call: id("5"),
            spill: None,
            diff: Some(
                "--- a/site/index.html\n+++ b/site/index.html\n@@ -1,2 +1,3 @@\n <body>\n-CV\n+日本語 CV\n+Ada\n"
                    .into(),
            ),
            pictures: Vec::new(),
        },
        started("6", "shell", json!({"command": "npx prettier --check site", "timeout": 600_000})),
        Event::ToolOutput { call: id("6"), chunk: "All right\nChecking forma".into() },
        Event::ToolOutput { call: id("6"), chunk: "tting...\x1b[2J".into() },
    ];
    for event in &events {
        pane.apply(event, 6_900);
    }
    pane
}

fn type_text(pane: &mut TraceState, text: &str) {
    for c in text.chars() {
        pane.text_key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
    pane.text_key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
}

#[test]
fn an_empty_trace_says_what_will_appear() {
    insta::assert_snapshot!(draw(&mut TraceState::new(), 40, 6));
}

#[test]
fn each_call_has_one_row_with_its_state() {
    insta::assert_snapshot!(screens(typical));
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut pane = typical();
    let shown = draw_with(&mut pane, 60, 12, Theme::new(true, true));
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn a_trace_that_is_too_long_follows_until_the_user_moves() {
    let mut pane = typical();
    for n in 0..50 {
        pane.apply(&started(&format!("c{n}"), "shell", json!({"command": format!("step {n}")})), 0);
        pane.apply(&finished(&format!("c{n}"), ToolStatus::Ok, 5, ""), 0);
    }
    assert!(draw(&mut pane, 40, 12).contains("step 49"));
    pane.action(Action::Up);
    pane.action(Action::Top);
    pane.apply(&started("last", "shell", json!({"command": "the last"})), 0);
    let shown = draw(&mut pane, 40, 12);
    assert!(shown.contains("todo_write") && !shown.contains("the last"), "{shown}");
    pane.action(Action::Bottom);
    insta::assert_snapshot!(draw(&mut pane, 40, 12));
}

#[test]
fn enter_opens_a_call_and_esc_closes_it() {
    let mut pane = typical();
    pane.action(Action::Up);
    pane.action(Action::Open);
    insta::assert_snapshot!(screens(|| {
        let mut pane = typical();
        pane.action(Action::Up);
        pane.action(Action::Open);
        pane
    }));
    assert!(pane.action(Action::Back).is_empty());
    assert!(draw(&mut pane, 80, 24).contains("todo_write"));
    assert_eq!(pane.action(Action::Back), [UiEffect::Leave]);
}

#[test]
fn an_open_running_call_shows_its_live_output() {
    let mut pane = typical();
    pane.action(Action::FullOutput);
    insta::assert_snapshot!(draw(&mut pane, 80, 16));
    let lines = (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
    pane.apply(&Event::ToolOutput { call: id("6"), chunk: format!("\n{lines}") }, 7_000);
    let shown = draw(&mut pane, 80, 16);
    assert!(shown.contains("line 99"), "it follows: {shown}");
    pane.action(Action::Up);
    pane.apply(&Event::ToolOutput { call: id("6"), chunk: lines }, 7_000);
    let shown = draw(&mut pane, 80, 16);
    assert!(shown.contains("line 98") && !shown.contains("line 99"), "it stays: {shown}");
}

#[test]
fn the_whole_output_is_read_from_the_spill_file() {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    for n in 0..300_000 {
        writeln!(file, "row {n} of the whole output").expect("write");
    }
    writeln!(file, "the needle\nend").expect("write");
    let mut pane = typical();
    pane.apply(&finished("6", ToolStatus::Ok, 3_000, "row 0\n[...]\nend"), 9_000);
    pane.apply(
        &Event::ToolDetail { call: id("6"), spill: Some(file.path().to_owned()), diff: None, pictures: Vec::new() },
        9_000,
    );
    pane.action(Action::FullOutput);
    insta::assert_snapshot!("spill_top", draw(&mut pane, 60, 8));
    pane.action(Action::Bottom);
    insta::assert_snapshot!("spill_end", draw(&mut pane, 60, 8));
    pane.action(Action::Top);
    pane.action(Action::Search);
    assert_eq!(pane.scope(), Scope::Text);
    type_text(&mut pane, "NEEDLE");
    assert_eq!(pane.scope(), Scope::Trace);
    for _ in 0..200 {
        draw(&mut pane, 60, 8);
        if !pane.viewer.as_ref().expect("the viewer").is_searching() {
            break;
        }
        assert!(pane.animated(), "a search goes on by itself");
    }
    let shown = draw(&mut pane, 60, 8);
    assert!(shown.contains("the needle"), "{shown}");
    assert!(pane.action(Action::OpenOutside).contains(&UiEffect::OpenPager(file.path().to_owned())));
    pane.action(Action::Back);
    assert!(draw(&mut pane, 80, 24).contains("This is what the model was given."));
}

#[test]
fn words_are_found_in_an_open_call() {
    let mut pane = typical();
    let output = (0..200).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
    pane.apply(&finished("6", ToolStatus::Ok, 3_000, &output), 9_000);
    pane.action(Action::Open);
    draw(&mut pane, 60, 12);
    pane.action(Action::Search);
    type_text(&mut pane, "line 150");
    assert!(draw(&mut pane, 60, 12).contains("line 150"));
    pane.action(Action::Search);
    type_text(&mut pane, "nowhere");
    assert!(draw(&mut pane, 60, 12).contains("nowhere does not occur"));
}

#[test]
fn a_running_call_can_be_ended_and_another_not() {
    let mut pane = typical();
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Send(Op::EndCall { call: id("6") })]);
    pane.action(Action::Up);
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Notice("this call is not running".into())]);
}

#[test]
fn folding_hides_live_output_and_shows_that_of_ended_calls() {
    let mut pane = typical();
    pane.action(Action::Fold);
    assert!(!draw(&mut pane, 60, 20).contains("Checking"));
    pane.action(Action::Up);
    pane.action(Action::Up);
    pane.action(Action::Fold);
    assert!(draw(&mut pane, 60, 20).contains("      warning: <h1> twice"));
}

#[test]
fn what_is_copied_is_the_output_or_else_the_arguments() {
    let mut pane = typical();
    let effects = pane.action(Action::Copy);
    let expected =
        UiEffect::Copy { text: "All right\nChecking formatting...".into(), what: "the output of shell".into() };
    assert_eq!(effects, [expected]);
    pane.apply(&finished("6", ToolStatus::Ok, 1, ""), 0);
    let effects = pane.action(Action::Copy);
    assert!(matches!(&effects[..], [UiEffect::Copy { text, .. }] if text.contains("prettier")), "{effects:?}");
}

#[test]
fn the_current_call_and_the_counts_feed_the_line_above_the_composer() {
    let mut pane = typical();
    let current = pane.current(10_000).expect("a running call");
    assert_eq!((current.tool.as_str(), current.elapsed_ms), ("shell", 3_100));
    assert_eq!(pane.counts(), (6, 1));
    assert_eq!(pane.title(&context(Theme::new(false, false))).right, "6 calls · 3.4 s");
    pane.apply(&Event::TurnStarted { turn: TurnId::now() }, 0);
    assert_eq!(pane.counts(), (0, 0));
}

#[test]
fn a_turn_that_ends_leaves_no_row_spinning() {
    let mut pane = typical();
    assert!(pane.animated());
    pane.apply(
        &Event::TurnEnded {
            turn: TurnId::now(),
            outcome: crate::protocol::TurnOutcome::Interrupted,
            reply: String::new(),
        },
        0,
    );
    assert!(!pane.animated() && pane.current(0).is_none());
}

#[test]
fn a_resumed_conversation_brings_its_calls() {
    let mut pane = typical();
    let messages = vec![
        Message::User { text: "go".into(), attachments: Vec::new() },
        Message::Assistant {
            text: String::new(),
            reasoning: None,
            tool_calls: vec![
                ToolCall { id: id("a"), name: "mshtools-shell".into(), arguments: "{\"command\": \"ls\"}".into() },
                ToolCall { id: id("b"), name: "mshtools-shell".into(), arguments: "{not json".into() },
            ],
        },
        Message::Tool(ToolReply {
            call: id("a"),
            tool: "mshtools-shell".into(),
            status: ToolStatus::Ok,
            output: "cv.pdf".into(),
            unfinished: false,
            images: Vec::new(),
        }),
    ];
    pane.apply(&Event::ConversationReplaced { messages, todos: Vec::new() }, 0);
    insta::assert_snapshot!(draw(&mut pane, 50, 8));
}

#[test]
fn no_area_is_too_small() {
    for (width, height) in [(1, 1), (1, 3), (3, 2), (12, 4)] {
        let mut pane = typical();
        draw(&mut pane, width, height);
        pane.action(Action::Open);
        draw(&mut pane, width, height);
    }
}

fn job(number: u32, command: &str, ports: &[u16], seconds: u64) -> Job {
    Job {
        id: number,
        call: id("4"),
        command: command.to_owned(),
        processes: number,
        ports: ports.to_vec(),
        seconds,
        tail: "listening\r\n\x1b[32mGET /\x1b[0m 200\x1b]52;c;aGk=\x07\n".to_owned(),
    }
}

fn with_jobs(count: u32) -> TraceState {
    let mut pane = typical();
    let jobs = (1..=count).map(|n| job(n, "npm run dev\x1b[2J -- --host", &[5173], u64::from(n) * 3_700));
    pane.apply(&Event::JobsChanged { jobs: jobs.collect() }, 9_000);
    pane
}

#[test]
fn background_jobs_have_a_block_of_their_own() {
    insta::assert_snapshot!(screens(|| with_jobs(2)));
    for width in 1..30 {
        for height in 1..20 {
            draw(&mut with_jobs(9), width, height);
        }
    }
}

#[test]
fn a_job_is_selected_opened_and_ended() {
    let mut pane = with_jobs(2);
    draw(&mut pane, 80, 24);
    pane.action(Action::Down);
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Send(Op::EndJob { job: 1 })]);
    pane.action(Action::Down);
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Send(Op::EndJob { job: 2 })]);
    assert!(matches!(&pane.action(Action::TypeInto)[..], [UiEffect::Notice(_)]));
    pane.action(Action::Open);
    insta::assert_snapshot!(draw(&mut pane, 80, 24));
    // A call that begins meanwhile does not take the selection away.
    pane.apply(&started("7", "shell", json!({"command": "ls"})), 0);
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Send(Op::EndJob { job: 2 })]);
    // What has ended cannot stay open.
    pane.apply(&Event::JobsChanged { jobs: vec![job(1, "npm run dev", &[5173], 60)] }, 0);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("Background") && !shown.contains("job 2"), "{shown}");
    assert_eq!(pane.action(Action::EndCall), [UiEffect::Send(Op::EndJob { job: 1 })]);
    pane.apply(&Event::JobsChanged { jobs: vec![] }, 0);
    assert!(!draw(&mut pane, 80, 24).contains("Background"));
    assert!(!pane.select_jobs());
}

#[test]
fn many_jobs_scroll_within_their_block() {
    let mut pane = with_jobs(9);
    assert!(pane.select_jobs());
    for _ in 0..8 {
        pane.action(Action::Down);
    }
    let shown = draw(&mut pane, 80, 16);
    assert!(shown.contains("job 9") && shown.contains("9 jobs") && shown.contains("prettier"), "{shown}");
}

#[test]
fn the_age_of_a_job_goes_on_and_a_search_finds_it() {
    let mut pane = TraceState::new();
    pane.apply(&Event::JobsChanged { jobs: vec![job(1, "npm run dev", &[], 30)] }, 0);
    assert!(draw(&mut pane, 60, 8).contains("under 1 m"));
    pane.apply(&Event::JobsChanged { jobs: vec![job(1, "npm run dev", &[], 50)] }, 0);
    assert!(draw(&mut pane, 60, 8).contains("1 process · 1 m"), "{}", draw(&mut pane, 60, 8));
    pane.action(Action::Search);
    type_text(&mut pane, "run dev");
    assert!(matches!(&pane.action(Action::Copy)[..], [UiEffect::Copy { text, .. }] if text.contains("GET / 200")));
}

#[test]
fn a_call_that_waits_for_input_says_so() {
    let mut pane = typical();
    pane.apply(&Event::ToolWaiting { call: id("6"), waiting: true, hidden: false }, 7_000);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("? shell") && shown.contains("waiting for input"), "{shown}");
    let wanted = UiEffect::TypeInto { call: id("6"), tool: "shell".to_owned() };
    assert_eq!(pane.action(Action::TypeInto), [wanted]);
    pane.apply(&Event::ToolWaiting { call: id("6"), waiting: false, hidden: false }, 7_000);
    assert!(!draw(&mut pane, 80, 24).contains("waiting for input"));
    pane.action(Action::Up);
    assert!(matches!(&pane.action(Action::TypeInto)[..], [UiEffect::Notice(_)]));
}

#[test]
fn an_opened_call_shows_the_programs_colours_and_the_last_state_of_its_bars() {
    let mut pane = TraceState::new();
    pane.apply(&started("1", "shell", json!({"command": "make"})), 0);
    let bar: String = (0..=100).flat_map(|n| ["\r".to_owned(), n.to_string(), "%".to_owned()]).collect();
    let output = format!("\x1b[1;31merror\x1b[0m: \x1b[38;5;208mno\x1b[m\n{bar}\n\x1b]0;title\x07Exit code: 2");
    pane.apply(&finished("1", ToolStatus::Error, 5, &output), 0);
    pane.action(Action::Open);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("\n error: no\n 100%\n Exit code: 2") && !shown.contains("42%"), "{shown}");
    pane.prepare(ratatui::layout::Size::new(80, 24), &context(Theme::new(true, false)));
    let open = pane.open.as_ref().expect("open");
    let line = open.detail.lines.iter().find(|line| line.to_string() == "error: no").expect("the line");
    assert_eq!(line.spans[0].style.fg, Some(ratatui::style::Color::Red));
    assert_eq!(line.spans[2].style.fg, Some(ratatui::style::Color::Indexed(208)));
}
