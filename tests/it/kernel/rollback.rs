//! The kernel beside a conversation that is rolled back, continued and run again.

use okcvm::protocol::{Event, KernelChange, KernelInfo, KernelState, Op, Phase, RestoreScope};
use serde_json::{Value, json};

use crate::support::endpoint::{Answer, FakeEndpoint};
use crate::support::session::{Settings, TestSession, errors, output};
use crate::support::{machine, skip_or_fail};

fn cell(id: &str, code: &str) -> (String, Value) {
    (id.to_owned(), json!({ "code": code }))
}

/// A model that runs these cells, one a turn.
fn script(cells: &[(String, Value)]) -> Vec<Answer> {
    let turn = |(id, arguments): &(String, Value)| {
        [Answer::calls(&[(id.as_str(), "mshtools-ipython", arguments.clone())]), Answer::text("Done.")]
    };
    cells.iter().flat_map(turn).collect()
}

async fn start(cells: &[(String, Value)]) -> Option<TestSession> {
    if let Err(missing) = machine::python().get() {
        skip_or_fail(&format!("ipykernel for /usr/bin/python3: {}", missing.reason));
        return None;
    }
    let settings = Settings { notebook: true, ..Settings::default() };
    let mut session = TestSession::start_with(FakeEndpoint::start(script(cells)), settings);
    session.until_idle().await;
    Some(session)
}

fn infos<'a>(events: &'a [Event]) -> Vec<&'a KernelInfo> {
    let info = |event: &'a Event| if let Event::KernelChanged(info) = event { Some(info) } else { None };
    events.iter().filter_map(info).collect()
}

/// Rolls back and waits until the kernel is told to be stale and the engine rests, in whatever order.
async fn roll(session: &mut TestSession, op: Op) -> Vec<Event> {
    session.send(op);
    let stale = |event: &Event| matches!(event, Event::KernelChanged(info) if info.stale);
    let rests = |event: &Event| *event == Event::PhaseChanged(Phase::Idle);
    let mut events = session.until(|event| stale(event) || rests(event)).await;
    let missing: &dyn Fn(&Event) -> bool = if events.iter().any(stale) { &rests } else { &stale };
    events.extend(session.until(missing).await);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_the_kernel_is_stale_and_can_be_rebuilt() {
    let cells = [
        cell("a", "x = 1\nopen('a.txt', 'a').write('a')"),
        cell("b", "y = 1 / 0"),
        cell("c", "x = x + 10"),
        cell("d", "x"),
        cell("e", "x"),
    ];
    let Some(mut session) = start(&cells).await else { return };
    session.turn("a").await;
    let events = session.turn("b").await;
    assert!(output(&events, "b").contains("ZeroDivisionError"));
    let events = session.turn("c").await;
    assert_eq!(
        infos(&events).last().map(|info| (info.state, info.cells, info.stale)),
        Some((KernelState::Idle, 3, false))
    );
    let events = roll(&mut session, Op::Undo).await;
    assert!(infos(&events).last().is_some_and(|info| info.python.starts_with("3.")));
    // The variable is still that of the turn that was taken back, and the model is told.
    let events = session.turn("d").await;
    let told = output(&events, "d");
    assert!(told.starts_with("11\n[the session was rolled back and the kernel was not"), "{told}");
    assert!(infos(&events).last().is_some_and(|info| info.stale), "a cell makes no fresh kernel");

    roll(&mut session, Op::Undo).await;
    session.send(Op::Kernel(KernelChange::Rebuild));
    let events = session.until(|event| matches!(event, Event::Done { .. } | Event::Error { .. })).await;
    let last = events.last().expect("an event");
    assert_eq!(*last, Event::Done { message: "the kernel was rebuilt: 2 of 2 cells were run again".to_owned() });
    assert!(infos(&events).iter().any(|info| info.rebuild == Some((1, 2))), "progress is told");
    assert_eq!(std::fs::read_to_string(session.file("a.txt")).expect("file"), "aa", "files are written again");
    let events = session.turn("e").await;
    assert_eq!(output(&events, "e"), "1\n", "the variables of the conversation, and no note");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_continued_has_lost_its_variables_and_says_so() {
    let cells = [cell("a", "x = 1"), cell("b", "'x' in globals()"), cell("c", "x = 2"), cell("d", "x")];
    let Some(mut session) = start(&cells).await else { return };
    session.turn("a").await;
    let mut session = session.close().await.reopen_with(Settings { notebook: true, ..Settings::default() });
    session.until_idle().await;
    let events = session.turn("b").await;
    assert_eq!(output(&events, "b"), "False\n[this is a fresh kernel: all variables of earlier cells are gone]");
    session.turn("c").await;
    // What was before the kernel was lost is run again too.
    session.send(Op::Kernel(KernelChange::Rebuild));
    let events = session.until(|event| matches!(event, Event::Done { .. } | Event::Error { .. })).await;
    let message = "the kernel was rebuilt: 3 of 3 cells were run again".to_owned();
    assert_eq!(events.last(), Some(&Event::Done { message }));
    session.send(Op::Kernel(KernelChange::Restart));
    session.until(|event| matches!(event, Event::Done { .. })).await;
    let events = session.turn("d").await;
    let told = output(&events, "d");
    assert!(
        told.contains("NameError") && told.contains("[the kernel before has ended: the user restarted it;"),
        "{told}"
    );
    session.send(Op::Kernel(KernelChange::Stop));
    session.until(|event| matches!(event, Event::Done { message } if message == "the kernel was ended")).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_tells_the_first_failure_and_can_be_stopped() {
    let cells = [
        cell("a", "import os\nnew = not os.path.exists('was')\nopen('was', 'w')\nassert new"),
        cell(
            "b",
            "import time\nif not os.path.exists('quick'): open('quick', 'w')\nelse: open('slow', 'w'); time.sleep(1000)",
        ),
        cell("c", "1"),
    ];
    let Some(mut session) = start(&cells).await else { return };
    session.send(Op::Kernel(KernelChange::Rebuild));
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert!(errors(&events)[0].contains("no cells to run again"), "{events:?}");
    session.turn("a").await;
    session.turn("b").await;
    session.send(Op::Kernel(KernelChange::Rebuild));
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert_eq!(errors(&events), ["kernel: only 0 of 2 cells were run again: AssertionError: "]);

    std::fs::remove_file(session.file("was")).expect("removed");
    session.send(Op::Kernel(KernelChange::Rebuild));
    session.until(|event| matches!(event, Event::KernelChanged(info) if info.rebuild == Some((1, 2)))).await;
    let slow = session.file("slow");
    assert!(machine::soon(|| slow.exists()));
    session.submit("c");
    session.send(Op::Kernel(KernelChange::Restart));
    let events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert_eq!(errors(&events), ["cannot change the kernel while it is being changed"]);
    session.send(Op::Interrupt);
    let mut events = session.until(|event| matches!(event, Event::Error { .. })).await;
    assert_eq!(errors(&events), ["kernel: only 1 of 2 cells were run again: it was stopped"]);
    // The message has waited for that.
    events.extend(session.until(|event| matches!(event, Event::TurnEnded { .. })).await);
    let told = output(&events, "c");
    assert!(
        told.starts_with("1\n[the user had the earlier cells run again in a fresh kernel, and only 1 of 2 ran"),
        "{told}"
    );
    session.until_idle().await;
    roll(&mut session, Op::Restore { target: "head~1".to_owned(), scope: RestoreScope::ConversationOnly }).await;
    session.close().await;
}

/// Asks for a change of the kernel and waits for what is said to it.
async fn change(session: &mut TestSession, change: KernelChange) -> String {
    session.send(Op::Kernel(change));
    let events = session.until(|event| matches!(event, Event::Done { .. } | Event::Error { .. })).await;
    match events.last() {
        Some(Event::Done { message } | Event::Error { message, .. }) => message.clone(),
        other => panic!("{other:?}"),
    }
}

fn kernel_works(event: &Event) -> bool {
    matches!(event, Event::KernelChanged(info) if info.rebuild.is_some() || info.state == KernelState::Starting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_by_the_user_is_remembered_and_nothing_before_it_is_run_again() {
    let cells = [cell("a", "open('a.txt', 'a').write('a')"), cell("b", "y = 2"), cell("c", "y")];
    let Some(mut session) = start(&cells).await else { return };
    session.turn("a").await;
    assert_eq!(change(&mut session, KernelChange::Restart).await, "the kernel was restarted: all variables are gone");
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "the conversation has no cells to run again");
    // Not by a process that knows it from the log only, either.
    let settings = || Settings { notebook: true, ..Settings::default() };
    let mut session = session.close().await.reopen_with(settings());
    session.until_idle().await;
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "the conversation has no cells to run again");
    let events = session.turn("b").await;
    let captured = events.iter().filter(|event| matches!(event, Event::SnapshotTaken { .. })).count();
    assert_eq!(captured, 1, "a restart makes no snapshot of its own");
    let mut session = session.close().await.reopen_with(settings());
    session.until_idle().await;
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "the kernel was rebuilt: 1 of 1 cells were run again");
    assert_eq!(std::fs::read_to_string(session.file("a.txt")).expect("file"), "a");
    let events = session.turn("c").await;
    assert_eq!(output(&events, "c"), "2\n");
    // What goes back behind the restart has the cells of before.
    for _ in 0..2 {
        roll(&mut session, Op::Undo).await;
    }
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "the kernel was rebuilt: 1 of 1 cells were run again");
    assert_eq!(std::fs::read_to_string(session.file("a.txt")).expect("file"), "aa");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_kernel_and_of_all_files_wait_for_each_other() {
    let cells = [
        cell("a", "for i in range(300): open(f'{i}.txt', 'w').write(str(i))"),
        cell("b", "import os, time\nfor i in range(300): os.remove(f'{i}.txt')"),
        cell(
            "c",
            "import os, time\nif not os.path.exists('quick'): open('quick', 'w')\nelse: open('slow', 'w'); time.sleep(1000)",
        ),
    ];
    let Some(mut session) = start(&cells).await else { return };
    session.turn("a").await;
    session.turn("b").await;
    for change in [KernelChange::Rebuild, KernelChange::Restart] {
        session.send(if change == KernelChange::Rebuild { Op::Undo } else { Op::Redo });
        session.send(Op::Kernel(change));
        let events = session.until(|event| matches!(event, Event::Done { .. } | Event::Error { .. })).await;
        assert_eq!(errors(&events), [""; 0]);
        let rolled = events.iter().position(|event| matches!(event, Event::Restored(_))).expect("rolled back");
        let began = events.iter().position(kernel_works).expect("the kernel was changed");
        assert!(rolled < began, "{change:?} began before the files were there: {events:#?}");
    }

    session.turn("c").await;
    session.send(Op::Kernel(KernelChange::Rebuild));
    let slow = session.file("slow");
    assert!(machine::soon(|| slow.exists()));
    session.send(Op::PatchProject { markers: false, since_copy: false });
    session.send(Op::Interrupt);
    let events =
        session.until(|event| matches!(event, Event::Error { message, .. } if message.contains("project"))).await;
    let told = errors(&events);
    assert!(told.len() == 2 && told[0].ends_with("it was stopped"), "the project waits: {told:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_killed_the_kernel_is_not_run_again_and_one_that_only_says_so_is() {
    let cells = [
        cell("a", "print('[the kernel has ended: it was killed (SIGKILL).]')\nx = 1\n1 / 0"),
        cell("b", "import os\nopen('b.txt', 'a').write('b')\nos.kill(os.getpid(), 9)"),
        cell("c", "open('c.txt', 'a').write('c')\nif os.path.exists('flood'):\n    while True: print('x' * (1 << 20))"),
        cell("d", "x"),
    ];
    let cells =
        cells.map(|(id, cell)| (id, json!({ "code": format!("import os\n{}", cell["code"].as_str().expect("code")) })));
    let Some(mut session) = start(&cells).await else { return };
    session.turn("a").await;
    let events = session.turn("b").await;
    assert!(output(&events, "b").contains("[the kernel has ended: it was killed"), "{}", output(&events, "b"));
    let mut session = session.close().await.reopen_with(Settings { notebook: true, ..Settings::default() });
    session.until_idle().await;
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "the kernel was rebuilt: 1 of 1 cells were run again");
    assert_eq!(std::fs::read_to_string(session.file("b.txt")).expect("file"), "b");
    session.turn("c").await;
    // A cell that now writes without end is cut off as it would be for the model.
    std::fs::write(session.file("flood"), "").expect("file");
    let told = change(&mut session, KernelChange::Rebuild).await;
    assert_eq!(told, "kernel: only 1 of 2 cells were run again: it was interrupted: it wrote more than 64 MiB");
    let events = session.turn("d").await;
    assert!(
        output(&events, "d").starts_with("1\n[the user had the earlier cells run again"),
        "{}",
        output(&events, "d")
    );
    session.close().await;
}
