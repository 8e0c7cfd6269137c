//! One turn without a screen: `okcvm exec`.
//!
//! Output is written by a thread of its own: a reader that is slow, or gone, must never keep a signal from being
//! heard. A reader that leaves ends the turn as Esc would, with its snapshot, and is no error.

pub mod format;
mod schema;
mod writer;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::protocol::{Event, Op, Phase, TurnOutcome};
use crate::support::{atomic_file, sanitize};
use crate::vm::VmHandle;

pub use schema::OutputSchema;
use writer::writer;

/// A second Ctrl-C within this time ends the program at once.
const TWICE: Duration = Duration::from_secs(2);

/// What is to be done, and how it is told.
#[derive(Debug, Default)]
pub struct ExecOptions {
    /// What the user says: one turn each, in this order, as long as turns are completed.
    pub prompts: Vec<String>,
    /// Files to copy into the mount before the first turn.
    pub attachments: Vec<PathBuf>,
    /// One event a line instead of text for people.
    pub json: bool,
    /// What the final reply of each turn has to be; a turn whose reply is not gets one more turn to mend it.
    pub schema: Option<OutputSchema>,
    /// Where the final reply is written to as well.
    pub last_message: Option<PathBuf>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// The model had nothing more to do.
    Completed,
    /// The turn failed, or never began.
    Failed,
    /// The user stopped it; it was closed with its snapshot.
    Interrupted,
    /// Whoever read the output left; the turn was closed with its snapshot.
    BrokenPipe,
    /// Ctrl-C twice: nobody waits for anything. The engine may still be closing the turn and must not be waited for.
    Quit,
    /// A signal of this number asked for the end; the turn was closed with its snapshot.
    Signal(u8),
}

impl ExitKind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Completed | Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Interrupted | Self::Quit => 130,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// A signal that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

/// Runs one turn and tells it on `out` (the reply, or events) and `err` (progress). Handles SIGINT, SIGTERM and
/// SIGHUP while it runs. The engine has been told to end when this returns.
pub async fn exec(
    handle: VmHandle,
    options: ExecOptions,
    out: impl Write + Send + 'static,
    err: impl Write,
) -> ExitKind {
    let (sender, signals) = mpsc::unbounded_channel();
    let listening = listen(sender);
    if let Err(error) = &listening {
        tracing::warn!(%error, "signals cannot be handled");
    }
    let exit = Exec::new(options, out, err).run(handle, signals).await;
    if let Ok(listener) = listening {
        listener.abort();
    }
    exit
}

fn listen(sender: mpsc::UnboundedSender<Signal>) -> io::Result<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        loop {
            let got = tokio::select! {
                Some(()) = interrupt.recv() => Signal::Interrupt,
                Some(()) = terminate.recv() => Signal::Terminate,
                Some(()) = hang_up.recv() => Signal::HangUp,
                else => return,
            };
            if sender.send(got).is_err() {
                return;
            }
        }
    }))
}

/// A run in progress.
struct Exec<E> {
    options: ExecOptions,
    /// Messages whose turn is still to come.
    left: VecDeque<String>,
    /// The schema's complaint was sent to the model already.
    complained: bool,
    out: mpsc::UnboundedSender<String>,
    written: oneshot::Receiver<io::Result<()>>,
    err: E,
    seq: u64,
    session_told: bool,
    /// The message was taken and is being written down.
    sent: bool,
    turn_began: bool,
    /// How the turn ended, with the reply.
    ended: Option<(TurnOutcome, String)>,
    /// Set when something other than the turn decides how this ends.
    cut: Option<ExitKind>,
    /// An error was told since the latest message was sent.
    trouble: bool,
    /// When the user asked to stop last; from then on nothing further is begun, also where the turn itself was over.
    last_interrupt: Option<Instant>,
}

impl<E: Write> Exec<E> {
    fn new(mut options: ExecOptions, out: impl Write + Send + 'static, err: E) -> Self {
        let (sender, written) = writer(out);
        Self {
            left: std::mem::take(&mut options.prompts).into(),
            complained: false,
            options,
            out: sender,
            written,
            err,
            seq: 0,
            session_told: false,
            sent: false,
            turn_began: false,
            ended: None,
            cut: None,
            trouble: false,
            last_interrupt: None,
        }
    }

    async fn run(mut self, mut handle: VmHandle, mut signals: mpsc::UnboundedReceiver<Signal>) -> ExitKind {
        let attachments = std::mem::take(&mut self.options.attachments);
        let first = self.left.pop_front().unwrap_or_default();
        if let Err(error) = handle.send(Op::Submit { text: self.asked(&first), attachments }) {
            self.tell(&format!("error: {error}"));
            return ExitKind::Failed;
        }
        let mut written_result = None;
        loop {
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => if self.signal(signal, &handle) { return ExitKind::Quit },
                result = &mut self.written, if written_result.is_none() => {
                    // The writer ends early only when it cannot write.
                    let result = result.unwrap_or(Ok(()));
                    self.cannot_write(result.as_ref().err(), &handle);
                    written_result = Some(result);
                }
                event = handle.next_event() => match event {
                    Some(Event::Closed) | None => break,
                    Some(event) => self.event(&event, &handle),
                },
            }
        }
        self.finish(written_result, signals).await
    }

    /// Whether to leave at once.
    fn signal(&mut self, signal: Signal, handle: &VmHandle) -> bool {
        match signal {
            Signal::Interrupt => {
                if self.last_interrupt.is_some_and(|last| last.elapsed() < TWICE) {
                    return true;
                }
                self.last_interrupt = Some(Instant::now());
                self.tell("stopping; once more to leave at once");
                if self.turn_began {
                    self.send(handle, Op::Interrupt);
                } else {
                    self.end(handle, ExitKind::Interrupted);
                }
            }
            Signal::Terminate => self.end(handle, ExitKind::Signal(15)),
            Signal::HangUp => self.end(handle, ExitKind::Signal(1)),
        }
        false
    }

    /// Closes what is open and ends; the first reason counts.
    fn end(&mut self, handle: &VmHandle, exit: ExitKind) {
        self.cut.get_or_insert(exit);
        self.send(handle, Op::Shutdown);
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn send(&self, handle: &VmHandle, op: Op) {
        // An engine that has ended has closed everything already.
        let _ = handle.send(op);
    }

    fn cannot_write(&mut self, error: Option<&io::Error>, handle: &VmHandle) {
        let exit = match error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.tell(&format!("error: cannot write the output: {error}"));
                ExitKind::Failed
            }
            _ => ExitKind::BrokenPipe,
        };
        self.end(handle, exit);
    }

    fn event(&mut self, event: &Event, handle: &VmHandle) {
        match event {
            Event::TurnStarted { .. } => self.turn_began = true,
            Event::Error { .. } => self.trouble = true,
            Event::PhaseChanged(Phase::Waiting) => self.sent = true,
            // The message was refused; an error said why.
            Event::PhaseChanged(Phase::Idle) if self.sent && !self.turn_began => self.end(handle, ExitKind::Failed),
            _ => {}
        }
        // A new title tells the session again; a script needs it once.
        if matches!(event, Event::SessionStarted { .. }) && std::mem::replace(&mut self.session_told, true) {
            return;
        }
        // A sign of life is for screens.
        if matches!(event, Event::ToolOutput { chunk, .. } if chunk.is_empty()) {
            return;
        }
        if self.options.json {
            if let Some(line) = format::json_line(self.seq + 1, event) {
                self.seq += 1;
                // A writer that is gone has said why.
                let _ = self.out.send(line);
            }
        } else {
            for line in format::progress(event) {
                self.tell(&line);
            }
        }
        if let Event::TurnEnded { outcome, reply, .. } = event {
            self.turn_ended(*outcome, reply, handle);
        }
    }

    /// The message as the model gets it.
    fn asked(&self, prompt: &str) -> String {
        self.options.schema.as_ref().map_or_else(|| prompt.to_owned(), |schema| schema.ask(prompt))
    }

    /// Goes on with the next turn, or ends.
    fn turn_ended(&mut self, outcome: TurnOutcome, reply: &str, handle: &VmHandle) {
        let mut reply = reply.to_owned();
        let more = self.last_interrupt.is_none() && self.cut.is_none();
        // The model was done and its snapshot failed: who rolls back to it later must have been told.
        let outcome = match outcome {
            TurnOutcome::Completed if self.trouble => TurnOutcome::Failed,
            outcome => outcome,
        };
        if outcome == TurnOutcome::Completed
            && let Some(schema) = &self.options.schema
        {
            match schema.check(&reply) {
                Ok(value) => reply = value.to_string(),
                Err(_) if !more => return self.close(TurnOutcome::Interrupted, reply, handle),
                Err(complaint) if !std::mem::replace(&mut self.complained, true) => {
                    return self.submit(complaint, handle);
                }
                Err(complaint) => {
                    let hint = Some("Ask for less at once, or take a model that keeps to a schema.".to_owned());
                    let error = Event::Error { message: complaint, hint };
                    self.event(&error, handle);
                    return self.close(TurnOutcome::Failed, reply, handle);
                }
            }
        }
        self.complained = false;
        if outcome != TurnOutcome::Completed {
            return self.close(outcome, reply, handle);
        }
        if !more && !self.left.is_empty() {
            return self.close(TurnOutcome::Interrupted, reply, handle);
        }
        if let Some(prompt) = self.left.pop_front() {
            if !self.options.json && !reply.trim().is_empty() {
                // A writer that is gone has said why.
                let _ = self.out.send(format!("{}\n", sanitize::text(reply.trim_end())));
            }
            let asked = self.asked(&prompt);
            return self.submit(asked, handle);
        }
        self.close(outcome, reply, handle);
    }

    /// No turn follows.
    fn close(&mut self, outcome: TurnOutcome, reply: String, handle: &VmHandle) {
        self.ended = Some((outcome, reply));
        self.send(handle, Op::Shutdown);
    }

    /// Starts another turn.
    fn submit(&mut self, text: String, handle: &VmHandle) {
        self.sent = false;
        self.turn_began = false;
        self.trouble = false;
        self.send(handle, Op::Submit { text, attachments: Vec::new() });
    }

    fn tell(&mut self, line: &str) {
        // Nobody has to listen to progress.
        let _ = writeln!(self.err, "{line}");
    }

    /// Writes what is left, and says how it ended.
    async fn finish(
        mut self,
        written: Option<io::Result<()>>,
        mut signals: mpsc::UnboundedReceiver<Signal>,
    ) -> ExitKind {
        let mut exit = match (self.cut, &self.ended) {
            (Some(cut), _) => cut,
            (None, Some((TurnOutcome::Completed, _))) => ExitKind::Completed,
            (None, Some((TurnOutcome::Interrupted, _))) => ExitKind::Interrupted,
            (None, Some((TurnOutcome::Failed, _)) | None) => ExitKind::Failed,
        };
        let reply = self.ended.take().map(|(_, reply)| reply).unwrap_or_default();
        // Without a reply the file keeps what an earlier run wrote.
        if let Some(file) = self.options.last_message.take().filter(|_| !reply.is_empty())
            && let Err(error) = atomic_file::write(&file, reply.as_bytes(), 0o644)
        {
            self.tell(&sanitize::line(&format!("error: cannot write {}: {error}", file.display())));
            if exit == ExitKind::Completed {
                exit = ExitKind::Failed;
            }
        }
        if !self.options.json && !reply.trim().is_empty() {
            // A writer that is gone has said why.
            let _ = self.out.send(format!("{}\n", sanitize::text(reply.trim_end())));
        }
        if written.is_some() {
            return exit;
        }
        let Self { out, written, mut err, .. } = self;
        drop(out);
        let late = tokio::select! {
            result = written => result.unwrap_or(Ok(())),
            // The reader takes its time and the user does not.
            Some(_) = signals.recv() => return ExitKind::Quit,
        };
        match late {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && exit == ExitKind::Completed => {
                ExitKind::BrokenPipe
            }
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(err, "error: cannot write the output: {error}");
                ExitKind::Failed
            }
            _ => exit,
        }
    }
}

#[cfg(test)]
mod tests;
