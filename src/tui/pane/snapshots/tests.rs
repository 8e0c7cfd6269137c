//! The snapshots, driven by events and actions.

use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::super::Pane;
use super::super::testing::{draw, draw_with, screens};
use super::*;
use crate::protocol::{Event, Op};
use crate::protocol::{FileChange, FileChangeKind, FileDiff, NodeKind, RestorePlan, RestoreScope};
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;
use crate::tui::theme::Theme;
use ratatui::crossterm::event::KeyEvent;

fn id(start: &str) -> NodeId {
    format!("{start:0<40}").parse().expect("an id")
}

fn node(start: &str, parent: Option<&str>, kind: NodeKind, label: &str, time: &str, counts: [u64; 3]) -> NodeSummary {
    NodeSummary {
        id: id(start),
        parent: parent.map(id),
        kind,
        label: label.to_owned(),
        time: time.to_owned(),
        files_changed: counts.iter().sum(),
        bytes: 1_000,
        head: false,
        added: counts[0],
        modified: counts[1],
        removed: counts[2],
        branches: Vec::new(),
        not_kept: Vec::new(),
        failed: None,
    }
}

fn nodes() -> Vec<NodeSummary> {
    let mut nodes = vec![
        node(
            "8f3a21c0",
            Some("51be09aa"),
            NodeKind::Turn,
            "After: Make a one-page résumé site from the CV",
            "2026-11-22T12:58:00+01:00",
            [3, 1, 0],
        ),
        node(
            "77aa10de",
            Some("1c99d2f7"),
            NodeKind::Turn,
            "After: try a dark theme 日本語",
            "2026-11-22T11:55:00+00:00",
            [0, 4, 0],
        ),
        node(
            "51be09aa",
            Some("1c99d2f7"),
            NodeKind::Named,
            "before the redesign\x1b[31m",
            "2026-11-22T11:51:00+00:00",
            [0, 2, 1],
        ),
        node("1c99d2f7", None, NodeKind::Start, "start", "2026-11-20T11:48:00+00:00", [0, 0, 0]),
    ];
    nodes[0].head = true;
    nodes[0].not_kept = vec!["data/huge.bin: size".to_owned()];
    nodes[1].branches = vec!["dark".to_owned()];
    nodes
}

fn listed(nodes: Vec<NodeSummary>, changed: Option<u64>) -> Event {
    Event::Snapshots { nodes, changed_since_head: changed, store_bytes: 1_258_291 }
}

fn typical() -> SnapshotsState {
    let mut pane = SnapshotsState::new();
    pane.apply(&listed(nodes(), Some(2)), 0);
    pane
}

fn file(path: &str, kind: FileChangeKind, added: u64, removed: u64, text: &str) -> FileDiff {
    FileDiff {
        change: FileChange {
            path: path.to_owned(),
            path_bytes: None,
            kind,
            lines_added: added,
            lines_removed: removed,
            binary: text.is_empty(),
        },
        patch: text.to_owned(),
    }
}

fn with_difference() -> SnapshotsState {
    let mut pane = typical();
    pane.action(Action::Open);
    let patch = "--- a/site/index.html\n+++ b/site/index.html\n@@ -1,3 +1,3 @@\n <body>\n-<h1>CV</h1>\n+<h1>Ada Example</h1>\n </body>\n";
    let files = vec![
        file("site/index.html", FileChangeKind::Modified, 1, 1, patch),
        file("site/style.css", FileChangeKind::Added, 2, 0, "@@ -0,0 +1,2 @@\n+body {\n+}\n"),
        file("photo.png", FileChangeKind::Removed, 0, 0, ""),
    ];
    let to = Some(id("8f3a21c0").as_str().to_owned());
    pane.apply(&Event::DiffReady { from: id("51be09aa").as_str().to_owned(), to, files }, 0);
    pane
}

fn plan(scope: RestoreScope) -> RestorePlan {
    RestorePlan {
        target: id("51be09aa"),
        scope,
        write: vec!["site/index.html".to_owned(), "site/style\x1b[2J.css".to_owned()],
        remove: vec!["photo.png".to_owned()],
        keep: vec!["data/huge.bin: size".to_owned()],
        turns_left: 2,
    }
}

fn with_dialog() -> SnapshotsState {
    let mut pane = typical();
    pane.action(Action::Down);
    pane.action(Action::Down);
    let effects = pane.action(Action::Restore);
    let op = Op::PlanRestore { target: id("51be09aa").as_str().to_owned(), scope: RestoreScope::All };
    assert_eq!(effects, [UiEffect::Send(op)]);
    pane
}

fn type_text(pane: &mut SnapshotsState, text: &str) -> Vec<UiEffect> {
    assert_eq!(pane.scope(), Scope::Text);
    for c in text.chars() {
        pane.text_key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
    pane.text_key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))
}

#[test]
fn an_empty_list_says_what_will_appear() {
    insta::assert_snapshot!(draw(&mut SnapshotsState::new(), 40, 6));
}

#[test]
fn the_timeline_shows_branches_and_the_head() {
    insta::assert_snapshot!(screens(typical));
}

#[test]
fn ascii_terminals_get_ascii_but_for_the_labels() {
    let mut all = nodes();
    all[0].label = "After: plain".into();
    all[1].label = "After: plain".into();
    let mut pane = SnapshotsState::new();
    pane.apply(&listed(all, Some(2)), 0);
    let shown = draw_with(&mut pane, 80, 10, Theme::new(true, true));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_long_list_scrolls_and_keeps_the_selection_when_nodes_come() {
    let mut many: Vec<NodeSummary> = (10..99)
        .rev()
        .map(|n| {
            let parent = format!("{:08}", n - 1);
            node(
                &format!("{n:08}"),
                Some(&parent),
                NodeKind::Turn,
                &format!("After: step {n}"),
                "2026-11-22T11:00:00Z",
                [1, 0, 0],
            )
        })
        .collect();
    many[0].head = true;
    let mut pane = SnapshotsState::new();
    pane.apply(&listed(many.clone(), Some(0)), 0);
    for _ in 0..20 {
        pane.action(Action::Down);
    }
    let selected = pane.selected().expect("a node").id;
    insta::assert_snapshot!(draw(&mut pane, 40, 12));
    many[0].head = false;
    let mut newer =
        node("ffffffff", Some("00000098"), NodeKind::Turn, "After: more", "2026-11-22T11:30:00Z", [1, 0, 0]);
    newer.head = true;
    many.insert(0, newer);
    pane.apply(&listed(many, Some(0)), 0);
    assert_eq!(pane.selected().expect("a node").id, selected);
}

#[test]
fn three_lines_of_descent_join_where_they_parted() {
    let all = vec![
        node("aaaaaaaa", Some("11111111"), NodeKind::Turn, "After: a", "2026-11-22T11:59:00Z", [1, 0, 0]),
        node("bbbbbbbb", Some("22222222"), NodeKind::Turn, "After: b", "2026-11-22T11:58:00Z", [1, 0, 0]),
        node("cccccccc", Some("11111111"), NodeKind::Interrupted, "After: c", "2026-11-22T11:57:00Z", [1, 0, 0]),
        node(
            "22222222",
            Some("11111111"),
            NodeKind::BeforeRestore,
            "before_restore",
            "2026-11-22T11:56:00Z",
            [0, 0, 0],
        ),
        node("11111111", Some("00000000"), NodeKind::Crash, "After: x", "2026-11-22T11:55:00Z", [1, 0, 0]),
        node("00000000", None, NodeKind::Start, "start", "2026-11-22T11:54:00Z", [0, 0, 0]),
    ];
    let mut pane = SnapshotsState::new();
    pane.apply(&listed(all, None), 0);
    insta::assert_snapshot!(draw(&mut pane, 60, 9));
}

#[test]
fn enter_shows_what_changed_against_the_parent() {
    let mut pane = typical();
    let op = Op::Diff { from: id("51be09aa").as_str().to_owned(), to: Some(id("8f3a21c0").as_str().to_owned()) };
    assert_eq!(pane.action(Action::Open), [UiEffect::Send(op)]);
    assert!(draw(&mut pane, 80, 24).contains("Comparing."));
    insta::assert_snapshot!(screens(with_difference));
}

#[test]
fn keys_choose_a_file_or_scroll_its_patch() {
    let mut pane = with_difference();
    draw(&mut pane, 80, 24);
    pane.action(Action::Down);
    assert!(draw(&mut pane, 80, 24).contains("body {"));
    pane.action(Action::Down);
    assert!(draw(&mut pane, 80, 24).contains("This file is not text."));
    pane.action(Action::Open);
    assert!(pane.action(Action::Back).is_empty(), "back to the files");
    assert!(pane.action(Action::Back).is_empty(), "back to the list");
    assert_eq!(pane.action(Action::Back), [UiEffect::Leave]);
}

#[test]
fn the_present_is_compared_with_the_head() {
    let mut pane = typical();
    pane.action(Action::Top);
    let op = Op::Diff { from: id("8f3a21c0").as_str().to_owned(), to: None };
    assert_eq!(pane.action(Action::Open), [UiEffect::Send(op)]);
}

#[test]
fn two_marked_snapshots_are_compared_older_first() {
    let mut pane = typical();
    assert!(matches!(&pane.action(Action::DiffMarked)[..], [UiEffect::Notice(_)]));
    pane.action(Action::Mark);
    pane.action(Action::Bottom);
    pane.action(Action::Mark);
    assert!(draw(&mut pane, 80, 24).contains('◆'));
    let op = Op::Diff { from: id("1c99d2f7").as_str().to_owned(), to: Some(id("8f3a21c0").as_str().to_owned()) };
    assert_eq!(pane.action(Action::DiffMarked), [UiEffect::Send(op)]);
}

#[test]
fn a_rollback_shows_what_it_would_do_and_waits_for_enter() {
    let mut pane = with_dialog();
    assert_eq!(pane.scope(), Scope::Dialog);
    assert!(pane.action(Action::Confirm).is_empty(), "nothing is done before the plan is seen");
    assert!(pane.rollback.is_some());
    insta::assert_snapshot!(screens(|| {
        let mut pane = with_dialog();
        pane.apply(&Event::RestorePlanned(plan(RestoreScope::All)), 0);
        pane
    }));
    pane.apply(&Event::RestorePlanned(plan(RestoreScope::All)), 0);
    let op = Op::Restore { target: id("51be09aa").as_str().to_owned(), scope: RestoreScope::All };
    assert_eq!(pane.action(Action::Confirm), [UiEffect::Send(op)]);
    assert_eq!(pane.scope(), Scope::Snapshots);
    let report = RestoreReport {
        head: id("99999999"),
        target: id("51be09aa"),
        scope: RestoreScope::All,
        written: 2,
        removed: 1,
        verified: true,
    };
    pane.apply(&Event::Restored(report.clone()), 0);
    pane.apply(&listed(nodes(), Some(0)), 0);
    assert!(draw(&mut pane, 80, 24).ends_with("rolled back to 51be09aa, verified · u undoes"));
    assert_eq!(pane.action(Action::Undo), [UiEffect::Send(Op::Undo)]);
    pane.apply(&Event::Restored(RestoreReport { target: id("8f3a21c0"), ..report }), 0);
    assert!(draw(&mut pane, 80, 24).ends_with("undone: back at 8f3a21c0, verified · U redoes"));
    assert_eq!(pane.action(Action::Redo), [UiEffect::Send(Op::Redo)]);
}

#[test]
fn another_choice_asks_for_another_plan() {
    let mut pane = with_dialog();
    pane.apply(&Event::RestorePlanned(plan(RestoreScope::All)), 0);
    let target = id("51be09aa").as_str().to_owned();
    let op = Op::PlanRestore { target: target.clone(), scope: RestoreScope::FilesOnly };
    assert_eq!(pane.action(Action::NextChoice), [UiEffect::Send(op)]);
    // The answer to the first question comes late.
    pane.apply(&Event::RestorePlanned(plan(RestoreScope::All)), 0);
    assert!(pane.action(Action::Confirm).is_empty());
    pane.apply(&Event::RestorePlanned(plan(RestoreScope::FilesOnly)), 0);
    let op = Op::Restore { target, scope: RestoreScope::FilesOnly };
    assert_eq!(pane.action(Action::Confirm), [UiEffect::Send(op)]);
}

#[test]
fn a_refused_rollback_says_why_and_can_be_closed() {
    let mut pane = with_dialog();
    let hint = Some("Stop the turn with Esc first.".to_owned());
    pane.apply(&Event::Error { message: "a turn is running".into(), hint }, 0);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("a turn is running") && shown.contains("Stop the turn"), "{shown}");
    assert!(pane.action(Action::Confirm).is_empty());
    pane.action(Action::Dismiss);
    assert!(pane.overlay().is_none());
}

#[test]
fn a_red_node_cannot_be_rolled_back_to() {
    let mut all = nodes();
    all[1].failed = Some("No space left on device".into());
    let mut pane = SnapshotsState::new();
    pane.apply(&listed(all, Some(2)), 0);
    pane.action(Action::Down);
    let effects = pane.action(Action::Restore);
    assert!(matches!(&effects[..], [UiEffect::Notice(text)] if text.contains("No space left")), "{effects:?}");
    assert!(pane.overlay().is_none());
    assert!(draw(&mut pane, 80, 24).contains("✗ 77aa10de [dark] not captured: No space left"));
}

#[test]
fn names_are_typed_and_sent() {
    let mut pane = typical();
    pane.action(Action::Name);
    pane.paste("good\nstate");
    assert!(draw(&mut pane, 80, 24).contains("good state"));
    assert_eq!(type_text(&mut pane, "!"), [UiEffect::Send(Op::Snapshot { label: "good state!".into() })]);
    pane.action(Action::Branch);
    let op = Op::Branch { target: id("8f3a21c0"), name: "light".into() };
    assert_eq!(type_text(&mut pane, "light"), [UiEffect::Send(op)]);
    pane.action(Action::Name);
    pane.text_key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    assert_eq!(pane.scope(), Scope::Snapshots);
}

#[test]
fn a_search_selects_what_it_finds() {
    let mut pane = typical();
    pane.action(Action::Search);
    type_text(&mut pane, "redesign");
    assert_eq!(pane.selected().expect("a node").id, id("51be09aa"));
    pane.action(Action::Search);
    type_text(&mut pane, "77aa");
    assert_eq!(pane.selected().expect("a node").id, id("77aa10de"));
    pane.action(Action::Search);
    type_text(&mut pane, "nothing like it");
    assert!(draw(&mut pane, 80, 24).contains("nothing like it does not occur"));
}

#[test]
fn the_line_of_the_head_leaves_the_branches_out() {
    let mut pane = typical();
    pane.action(Action::ToggleTree);
    let shown = draw(&mut pane, 80, 24);
    assert!(!shown.contains("77aa10de") && shown.contains("1c99d2f7"), "{shown}");
    pane.action(Action::ToggleTree);
    assert!(draw(&mut pane, 80, 24).contains("77aa10de"));
}

#[test]
fn no_area_is_too_small() {
    for (width, height) in [(5, 3), (6, 2), (12, 4), (20, 20)] {
        for mut pane in [typical(), with_difference(), with_dialog()] {
            draw(&mut pane, width, height);
        }
    }
}

fn big_plan() -> RestorePlan {
    let paths = |count: usize, folder: &str| (1..=count).map(|n| format!("{folder}/file-{n:02}.txt")).collect();
    RestorePlan {
        remove: paths(65, "output/word-count"),
        write: paths(3, "site"),
        keep: vec![],
        ..plan(RestoreScope::All)
    }
}

fn in_dry_run() -> SnapshotsState {
    let mut pane = typical();
    pane.plan("51be09aa");
    pane.apply(&Event::RestorePlanned(big_plan()), 0);
    pane
}

#[test]
fn a_long_dry_run_shows_paths_counts_and_position_at_every_size() {
    for (width, height) in [(40, 12), (80, 24)] {
        let shown = draw(&mut in_dry_run(), width, height);
        let dialog = shown.split("== Roll back to 51be09aa ==").nth(1).expect("the dialog").to_owned();
        assert!(dialog.contains("site/file-01.txt") && dialog.contains("65 remove"), "{dialog}");
        assert!(dialog.contains("of 68") && dialog.contains("Enter rolls back"), "{dialog}");
    }
    insta::assert_snapshot!(draw(&mut in_dry_run(), 40, 14));
}

#[test]
fn a_page_of_the_dry_run_is_a_page() {
    let mut pane = in_dry_run();
    let first = draw(&mut pane, 80, 24);
    assert!(first.contains("output/word-count/file-06.txt"), "{first}");
    pane.action(Action::DialogPageDown);
    let second = draw(&mut pane, 80, 24);
    assert!(!second.contains("file-06.txt") && second.contains("file-16.txt"), "{second}");
    pane.action(Action::DialogPageDown);
    for _ in 0..20 {
        pane.action(Action::DialogPageDown);
        draw(&mut pane, 80, 24);
    }
    let last = draw(&mut pane, 80, 24);
    assert!(last.contains("68 of 68") && last.contains("file-65.txt"), "{last}");
    // Beyond the end there is nothing to scroll back through.
    pane.action(Action::DialogUp);
    pane.action(Action::DialogUp);
    assert!(draw(&mut pane, 80, 24).contains("67 of 68"));
}

#[test]
fn a_command_opens_the_dry_run_and_the_difference() {
    let mut pane = typical();
    let asked = pane.plan("51be");
    let target = id("51be09aa").as_str().to_owned();
    assert_eq!(asked, [UiEffect::Send(Op::PlanRestore { target, scope: RestoreScope::All })]);
    assert!(pane.overlay().is_some_and(|overlay| overlay.title == "Roll back to 51be09aa"));
    pane.action(Action::Dismiss);
    assert_eq!(pane.plan("dark").len(), 1, "a branch");
    assert!(pane.overlay().is_some_and(|overlay| overlay.title == "Roll back to 77aa10de"));
    pane.action(Action::Dismiss);
    // What only the engine understands gets its name with the answer.
    pane.plan("head~1");
    pane.apply(&Event::RestorePlanned(plan(RestoreScope::All)), 0);
    assert!(pane.overlay().is_some_and(|overlay| overlay.title == "Roll back to 51be09aa"));
    let target = id("51be09aa").as_str().to_owned();
    assert_eq!(pane.action(Action::Confirm), [UiEffect::Send(Op::Restore { target, scope: RestoreScope::All })]);
    pane.plan("nothing");
    pane.apply(&Event::Error { message: "there is no snapshot nothing".into(), hint: None }, 0);
    assert!(draw(&mut pane, 80, 24).contains("there is no snapshot nothing"));
    pane.action(Action::Dismiss);

    let asked = pane.compare("head", None);
    assert_eq!(asked, [UiEffect::Send(Op::Diff { from: "head".into(), to: None })]);
    let files = vec![file("notes.md", FileChangeKind::Added, 1, 0, "@@ -0,0 +1 @@\n+hello there\n")];
    pane.apply(&Event::DiffReady { from: "head".into(), to: None, files }, 0);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("now against head") && shown.contains("hello there"), "{shown}");
}

#[test]
fn nothing_is_rolled_back_under_a_running_turn_and_errors_are_told_here() {
    let mut pane = typical();
    pane.action(Action::Restore);
    pane.apply(&Event::RestorePlanned(RestorePlan { target: id("8f3a21c0"), ..plan(RestoreScope::All) }), 0);
    pane.apply(&Event::PhaseChanged(crate::protocol::Phase::Tools), 0);
    assert_eq!(pane.action(Action::Confirm), []);
    assert!(draw(&mut pane, 80, 24).contains("nothing can be rolled back while a turn runs"));
    pane.action(Action::Dismiss);
    for action in [Action::Restore, Action::Undo, Action::Redo] {
        assert_eq!(pane.action(action), [], "{action:?}");
        assert!(draw(&mut pane, 80, 24).contains("nothing can be rolled back while a turn runs"));
    }
    pane.apply(&Event::PhaseChanged(crate::protocol::Phase::Idle), 0);
    let error = |message: &str| Event::Error { message: message.into(), hint: Some("Look there.".into()) };
    // An error of somebody else is told elsewhere.
    pane.apply(&error("the model is gone"), 0);
    assert!(!draw(&mut pane, 80, 24).contains("the model"));
    assert_eq!(pane.action(Action::Undo), [UiEffect::Send(Op::Undo)]);
    pane.apply(&error("there is nothing to undo"), 0);
    assert!(draw(&mut pane, 80, 24).contains("there is nothing to undo; Look there."));
}

#[test]
fn files_of_one_folder_are_told_apart_by_their_names() {
    let mut pane = typical();
    pane.compare("head", None);
    let path = |n: u32| format!("output/word-count-of-the-long-report/chapter-{n}.txt");
    let files = (1..=3).map(|n| file(&path(n), FileChangeKind::Added, 1, 0, "@@ -0,0 +1 @@\n+x\n")).collect();
    pane.apply(&Event::DiffReady { from: "head".into(), to: None, files }, 0);
    let shown = draw(&mut pane, 80, 24);
    assert!(shown.contains("/chapter-1.txt") && shown.contains("chapter-3.txt"), "{shown}");
    assert!(
        shown.contains("output/word-count-of-the-long-report/chap"),
        "the whole path stands above the patch: {shown}"
    );
}

#[test]
fn the_head_is_named_beside_other_panes_too() {
    let shown = draw(&mut typical(), 56, 12);
    assert!(shown.lines().any(|line| line.contains("8f3a21c0") && line.trim_end().ends_with("head")), "{shown}");
}

#[test]
fn old_and_new_stand_side_by_side_on_a_wide_screen() {
    let beside = |width| {
        let shown = draw(&mut with_difference(), width, 40);
        shown.lines().any(|line| line.contains("<h1>CV</h1>") && line.contains("<h1>Ada Example</h1>"))
    };
    assert!(beside(200) && !beside(120));
}
