//! `exec` against an engine that the test plays.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::protocol::{CallId, NodeId, SessionId, TurnId};
use crate::vm::EnginePort;

/// Output that a test can read, and that can break.
#[derive(Clone, Default)]
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    fails: Option<io::ErrorKind>,
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().expect("lock").clone()).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.fails {
            return Err(kind.into());
        }
        self.bytes.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Run {
    port: EnginePort,
    out: Shared,
    err: Shared,
    signals: mpsc::UnboundedSender<Signal>,
    task: tokio::task::JoinHandle<ExitKind>,
}

fn start(options: ExecOptions, out: Shared) -> Run {
    let (handle, port) = VmHandle::pair();
    let err = Shared::default();
    let (signals, receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(Exec::new(options, out.clone(), err.clone()).run(handle, receiver));
    Run { port, out, err, signals, task }
}

fn options(json: bool) -> ExecOptions {
    ExecOptions { prompts: vec!["go".into()], json, ..ExecOptions::default() }
}

fn turn() -> TurnId {
    TurnId(uuid::Uuid::nil())
}

impl Run {
    /// Ctrl-C in a turn that has begun.
    async fn interrupt(&mut self) {
        // The turn must be known before the signal comes.
        while !self.err.text().contains("session") {
            tokio::task::yield_now().await;
        }
        self.signals.send(Signal::Interrupt).expect("listens");
        assert_eq!(self.op().await, Op::Interrupt);
    }

    fn tell(&self, event: Event) {
        self.port.events.send(event).expect("exec listens");
    }

    fn began(&self) {
        self.tell(Event::SessionStarted {
            session: SessionId::from_random(1),
            mount: "/mnt/okcvm-0000000000000001/".into(),
            host_path: "/h".into(),
            sandbox: "off".into(),
            network: "off".into(),
            model: "m".into(),
            title: String::new(),
        });
        self.tell(Event::PhaseChanged(Phase::Idle));
        self.tell(Event::PhaseChanged(Phase::Waiting));
        self.tell(Event::TurnStarted { turn: turn() });
    }

    fn ended(&self, outcome: TurnOutcome, reply: &str) {
        self.tell(Event::TurnEnded { turn: turn(), outcome, reply: reply.into() });
    }

    async fn op(&mut self) -> Op {
        tokio::select! {
            Some(op) = self.port.ops.recv() => op,
            Some(op) = self.port.urgent.recv() => op,
        }
    }

    async fn closes(mut self) -> (ExitKind, String, String) {
        assert_eq!(self.op().await, Op::Shutdown);
        self.tell(Event::Closed);
        let exit = self.task.await.expect("exec");
        (exit, self.out.text(), self.err.text())
    }
}

#[tokio::test]
async fn people_get_the_reply_on_stdout_and_progress_on_stderr() {
    let mut run = start(options(false), Shared::default());
    assert_eq!(run.op().await, Op::Submit { text: "go".into(), attachments: vec![] });
    run.began();
    run.tell(Event::TextDelta { text: "thinking".into() });
    run.tell(Event::ToolStarted {
        call: CallId("c".into()),
        tool: "mshtools-shell".into(),
        arguments: serde_json::json!({"command": "ls"}),
    });
    run.tell(Event::SnapshotTaken {
        snapshot: "8f3a21c08f3a21c08f3a21c08f3a21c08f3a21c0".parse::<NodeId>().expect("id"),
        label: "After: go".into(),
        files_changed: 1,
        bytes: 3,
    });
    run.ended(TurnOutcome::Completed, "All \u{1b}[31mdone.\n");
    let (exit, out, err) = run.closes().await;
    assert_eq!((exit, exit.code()), (ExitKind::Completed, 0));
    assert_eq!(out, "All done.\n");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines,
        [
            "session okcvm-0000000000000001: m, sandbox off, network off",
            "> shell ls",
            "snapshot 8f3a21c0: 1 file changed, After: go"
        ]
    );
}

#[tokio::test]
async fn scripts_get_public_events_with_numbers_without_gaps() {
    let mut run = start(options(true), Shared::default());
    run.op().await;
    run.began();
    run.began();
    run.tell(Event::TextDelta { text: "hi".into() });
    run.ended(TurnOutcome::Failed, "");
    let (exit, out, err) = run.closes().await;
    assert_eq!(exit.code(), 1);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<(u64, &str)> =
        lines.iter().map(|line| (line["seq"].as_u64().expect("seq"), line["type"].as_str().expect("type"))).collect();
    assert_eq!(
        told,
        [(1, "session_started"), (2, "turn_started"), (3, "turn_started"), (4, "text_delta"), (5, "turn_ended")],
        "a session that is told again (a new title) is not repeated"
    );
    assert_eq!(err, "");
}

#[tokio::test]
async fn a_message_that_is_refused_is_a_failure() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    run.tell(Event::PhaseChanged(Phase::Waiting));
    run.tell(Event::Error { message: "disk full".into(), hint: None });
    run.tell(Event::PhaseChanged(Phase::Idle));
    let (exit, out, err) = run.closes().await;
    assert_eq!((exit, &*out, &*err), (ExitKind::Failed, "", "error: disk full\n"));
}

#[tokio::test]
async fn ctrl_c_interrupts_the_turn_and_exits_130() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    run.began();
    run.interrupt().await;
    run.ended(TurnOutcome::Interrupted, "Half");
    let (exit, out, _) = run.closes().await;
    assert_eq!((exit.code(), &*out), (130, "Half\n"));
}

#[tokio::test]
async fn ctrl_c_before_the_turn_began_ends_the_session() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    run.signals.send(Signal::Interrupt).expect("listens");
    let (exit, _, _) = run.closes().await;
    assert_eq!(exit, ExitKind::Interrupted);
}

#[tokio::test]
async fn ctrl_c_twice_leaves_at_once() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    run.signals.send(Signal::Interrupt).expect("listens");
    run.signals.send(Signal::Interrupt).expect("listens");
    let exit = run.task.await.expect("exec");
    assert_eq!((exit, exit.code()), (ExitKind::Quit, 130));
}

#[tokio::test]
async fn sigterm_and_sighup_close_the_turn_first() {
    for (signal, code) in [(Signal::Terminate, 143), (Signal::HangUp, 129)] {
        let mut run = start(options(true), Shared::default());
        run.op().await;
        run.began();
        run.signals.send(signal).expect("listens");
        assert_eq!(run.op().await, Op::Shutdown);
        run.ended(TurnOutcome::Interrupted, "");
        let (exit, out, _) = run.closes().await;
        assert_eq!(exit.code(), code);
        assert!(out.contains("turn_ended"), "what happened is told to the end");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_turn_and_is_no_error() {
    let out = Shared { fails: Some(io::ErrorKind::BrokenPipe), ..Shared::default() };
    let mut run = start(options(true), out);
    run.op().await;
    run.began();
    assert_eq!(run.op().await, Op::Shutdown, "the turn is closed");
    run.ended(TurnOutcome::Interrupted, "");
    let (exit, _, _) = run.closes().await;
    assert_eq!((exit, exit.code()), (ExitKind::BrokenPipe, 0));
}

#[tokio::test]
async fn a_full_disk_under_the_output_is_a_failure() {
    let out = Shared { fails: Some(io::ErrorKind::StorageFull), ..Shared::default() };
    let mut run = start(options(false), out);
    run.op().await;
    run.began();
    run.ended(TurnOutcome::Completed, "reply");
    let (exit, _, err) = run.closes().await;
    assert_eq!(exit, ExitKind::Failed);
    assert!(err.contains("error: cannot write the output"), "{err}");
}

#[tokio::test]
async fn the_last_message_is_written_to_its_file() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("reply.txt");
    let mut run = start(ExecOptions { last_message: Some(file.clone()), ..options(true) }, Shared::default());
    run.op().await;
    run.began();
    run.ended(TurnOutcome::Completed, "The reply.");
    let (exit, _, _) = run.closes().await;
    assert_eq!(exit, ExitKind::Completed);
    assert_eq!(std::fs::read_to_string(&file).expect("file"), "The reply.");
}

#[tokio::test]
async fn without_a_reply_the_file_of_the_last_message_stays() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("reply.txt");
    std::fs::write(&file, "precious").expect("file");
    let mut run = start(ExecOptions { last_message: Some(file.clone()), ..options(true) }, Shared::default());
    run.op().await;
    run.began();
    run.ended(TurnOutcome::Failed, "");
    let (exit, _, _) = run.closes().await;
    assert_eq!(exit, ExitKind::Failed);
    assert_eq!(std::fs::read_to_string(&file).expect("file"), "precious");
}

#[tokio::test]
async fn ctrl_c_while_a_snapshot_is_taken_begins_no_further_turn() {
    let prompts = vec!["one".to_owned(), "two".to_owned()];
    let mut run = start(ExecOptions { prompts, ..options(false) }, Shared::default());
    run.op().await;
    run.began();
    run.interrupt().await;
    // The model was done already.
    run.ended(TurnOutcome::Completed, "One.");
    let (exit, out, _) = run.closes().await;
    assert_eq!((exit.code(), &*out), (130, "One.\n"));
}

#[tokio::test]
async fn a_turn_whose_snapshot_failed_is_a_failure() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    run.began();
    run.tell(Event::Error { message: "snapshot failed: no space left".into(), hint: None });
    run.ended(TurnOutcome::Completed, "Done.");
    let (exit, out, err) = run.closes().await;
    assert_eq!((exit, exit.code(), &*out), (ExitKind::Failed, 1, "Done.\n"));
    assert!(err.contains("snapshot failed"), "{err}");
}

#[tokio::test]
async fn an_engine_that_ends_by_itself_is_a_failure() {
    let mut run = start(options(false), Shared::default());
    run.op().await;
    let Run { port, task, .. } = run;
    drop(port);
    assert_eq!(task.await.expect("exec"), ExitKind::Failed);
}
