//! The task of a kernel that runs: owns its process and its messages, and does what orders say.
//!
//! It never waits for whoever takes a cell's outputs: while they are not taken it reads no more messages, and everything
//! else goes on. A cell that nobody wants any more is interrupted; what it still says is thrown away.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Gone;
use super::message::{self, Said};
use super::running::{Order, Output, State};
use super::wire::{Channel, Frame};
use super::words::{Between, LastWords};
use crate::config::schema::LimitSection;
use crate::sandbox::{Child, Exit, Step};

/// How long a kernel may take to end by itself, and then by force.
const GRACE: Duration = Duration::from_secs(1);
/// A cell of which the kernel is done, or whose reply has come, is over after so long a silence, whatever else is missing.
const SILENCE: Duration = Duration::from_secs(5);

/// A cell that runs.
struct Cell {
    /// The request, as its answers name it.
    id: String,
    to: mpsc::Sender<Output>,
    /// Whether it succeeded, once that is known.
    replied: Option<bool>,
    idle: bool,
    /// Nobody takes its outputs any more.
    given_up: bool,
}

/// How hard the end has been brought about so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    None,
    Asked,
    Killed,
    Destroyed,
}

/// The task.
pub(super) struct Actor {
    child: Child,
    /// Missing once they have ended.
    frames: Option<mpsc::Receiver<Frame>>,
    requests: mpsc::UnboundedSender<Vec<u8>>,
    limits: Option<LimitSection>,
    doing: watch::Sender<State>,
    stands: watch::Sender<bool>,
    cell: Option<Cell>,
    /// Outputs of the cell that are not taken yet.
    waiting: VecDeque<Output>,
    between: Between,
    words: LastWords,
    /// Why it is to end.
    why: Option<Gone>,
    /// The next step of its end, or of a cell that says nothing more.
    deadline: Option<Instant>,
    force: Force,
}

impl Actor {
    /// For a kernel that has said its first words. What it does and whether it stands still can be watched.
    pub(super) fn new(
        child: Child,
        frames: mpsc::Receiver<Frame>,
        requests: mpsc::UnboundedSender<Vec<u8>>,
        limits: Option<LimitSection>,
        words: LastWords,
    ) -> (Self, watch::Receiver<State>, watch::Receiver<bool>) {
        let (doing, state) = watch::channel(State::Idle);
        let (stands, still) = watch::channel(false);
        let actor = Self {
            child,
            frames: Some(frames),
            requests,
            limits,
            doing,
            stands,
            cell: None,
            waiting: VecDeque::new(),
            between: Between::default(),
            words,
            why: None,
            deadline: None,
            force: Force::None,
        };
        (actor, state, still)
    }

    pub(super) async fn live(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let (mut asked, mut answered) = (0_u64, 0_u64);
        self.child.works(false);
        loop {
            let full = !self.waiting.is_empty();
            let to = self.cell.as_ref().filter(|cell| !cell.given_up).map(|cell| cell.to.clone());
            let (deadline, frames) = (self.deadline, &mut self.frames);
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Run { code, to }) => self.run(&code, to),
                    Some(Order::Freeze) => {
                        asked += 1;
                        if !self.child.freeze() {
                            self.stands.send_replace(true);
                        }
                    }
                    Some(Order::Thaw) => {
                        self.stands.send_replace(false);
                        self.child.thaw();
                    }
                    Some(Order::End { why, gently }) => self.end(why, gently),
                    None => {
                        self.child.kill();
                        return;
                    }
                },
                () = given_up(to.as_ref()) => self.give_up(),
                step = self.child.next() => match step {
                    Step::Output(_, bytes) => self.words.push(&bytes),
                    Step::Memory { largest, .. } => self.memory(largest),
                    Step::Ended { exit, others } => {
                        let why = self.why.take().unwrap_or_else(|| self.ended(exit));
                        self.tell_gone(why);
                        if !others {
                            return;
                        }
                        // What it left running ends with it.
                        self.kill();
                    }
                    Step::Gone => {
                        let why = self.why.take().unwrap_or_else(|| self.ended(Exit::UNKNOWN));
                        self.tell_gone(why);
                        return;
                    }
                    Step::Frozen(all) => {
                        answered += 1;
                        // An answer that comes late is not one to the latest question.
                        if all && answered == asked {
                            self.stands.send_replace(true);
                        }
                    }
                    Step::Left { .. } | Step::Reading { .. } => {}
                },
                permit = room(to.as_ref()), if full => {
                    if let (Some(permit), Some(output)) = (permit, self.waiting.pop_front()) {
                        permit.send(output);
                    }
                    self.finish_cell();
                }
                frame = next_frame(frames), if !full => {
                    if let Some(frame) = frame {
                        self.hear(frame);
                    } else {
                        self.frames = None;
                        // A kernel that cannot be heard is of no use; most often it is ending, and will say how.
                        if self.force == Force::None {
                            self.force = Force::Asked;
                            self.deadline = Some(Instant::now() + GRACE);
                        }
                    }
                },
                () = until(deadline) => self.too_late(),
            }
            if self.force == Force::Destroyed {
                let why = self.why.take().unwrap_or(Gone::Deaf);
                self.tell_gone(why);
                return;
            }
        }
    }

    fn run(&mut self, code: &str, to: mpsc::Sender<Output>) {
        if self.cell.is_some() || self.why.is_some() {
            // Whoever asked sees that nothing comes.
            return;
        }
        let (id, request) = message::execute(code);
        // A writer that has ended is seen by the end of the frames.
        let _ = self.requests.send(request);
        self.cell = Some(Cell { id, to, replied: None, idle: false, given_up: false });
        self.waiting.extend(self.between.take());
        self.child.works(true);
        self.doing.send_replace(State::Busy);
    }

    fn give_up(&mut self) {
        self.waiting.clear();
        if let Some(cell) = &mut self.cell {
            cell.given_up = true;
            let (_, request) = message::request(Channel::Control, "interrupt_request", &json!({}));
            let _ = self.requests.send(request);
        }
        self.finish_cell();
    }

    fn hear(&mut self, frame: Frame) {
        let Some((parent, said)) = message::read(frame) else { return };
        let Some(cell) = self.cell.as_mut().filter(|cell| cell.id == parent) else {
            // Threads and programs that a cell left running write on, in the name of that cell.
            if let Said::Text(text) = said
                && !parent.is_empty()
            {
                self.hear_others(text);
            }
            return;
        };
        match said {
            Said::Idle => cell.idle = true,
            Said::Replied { ok, pages } => {
                cell.replied = Some(ok);
                self.waiting.extend(pages.into_iter().map(Output::Text));
            }
            Said::Text(text) => self.waiting.push_back(Output::Text(text)),
            Said::Shown(shown) => self.waiting.push_back(Output::Shown(shown)),
            Said::Clear { wait } => self.waiting.push_back(Output::Clear { wait }),
            Said::Failed(failure) => self.waiting.push_back(Output::Failed(failure)),
            Said::TooLong(bytes) => self.waiting.push_back(Output::TooLong { bytes }),
        }
        if self.force == Force::None && (cell.idle || cell.replied.is_some()) {
            self.deadline = Some(Instant::now() + SILENCE);
        }
        if cell.given_up {
            self.waiting.clear();
        }
        self.finish_cell();
    }

    /// Text of no cell that runs: part of the one that does, or of the next.
    fn hear_others(&mut self, text: String) {
        match &self.cell {
            Some(cell) if !cell.given_up => self.waiting.push_back(Output::Text(text)),
            _ => self.between.push(&text),
        }
    }

    /// Ends the cell when all of it was told.
    fn finish_cell(&mut self) {
        let over = |cell: &mut Cell| cell.idle && cell.replied.is_some();
        if !self.waiting.is_empty() {
            return;
        }
        if let Some(cell) = self.cell.take_if(over) {
            self.over(cell);
        }
    }

    fn over(&mut self, cell: Cell) {
        if self.force == Force::None {
            self.deadline = None;
        }
        self.child.works(false);
        // Before the last word: who has heard it finds the kernel idle.
        self.doing.send_if_modified(|state| {
            let busy = *state == State::Busy;
            if busy {
                *state = State::Idle;
            }
            busy
        });
        let ok = cell.replied.unwrap_or(false);
        tell_last(cell, Output::Done { ok });
    }

    fn memory(&mut self, largest: u64) {
        let Some(limits) = &self.limits else { return };
        let gone = if largest >> 20 > limits.memory_mb {
            Gone::TooMuchMemory { limit_mb: limits.memory_mb }
        } else if self.child.account().is_too_much(limits.total_memory_mb() << 20) {
            Gone::TooMuchTogether { limit_mb: limits.total_memory_mb() }
        } else {
            return;
        };
        self.end(gone, false);
    }

    fn ended(&self, exit: Exit) -> Gone {
        Gone::Exited { exit, words: self.words.crash() }
    }

    fn end(&mut self, why: Gone, gently: bool) {
        self.why.get_or_insert(why);
        if gently && self.cell.is_none() {
            let (_, request) = message::request(Channel::Control, "shutdown_request", &json!({"restart": false}));
            let _ = self.requests.send(request);
            self.force = Force::Asked;
            self.deadline = Some(Instant::now() + GRACE);
        } else {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.force = Force::Killed;
        self.child.kill();
        self.deadline = Some(Instant::now() + 2 * GRACE);
    }

    fn too_late(&mut self) {
        match self.force {
            // Its outputs wait to be taken, and no more is read meanwhile.
            Force::None if !self.waiting.is_empty() => self.deadline = Some(Instant::now() + SILENCE),
            // The cell says nothing more.
            Force::None => {
                self.deadline = None;
                if let Some(cell) = self.cell.take_if(|cell| cell.idle || cell.replied.is_some()) {
                    self.over(cell);
                }
            }
            Force::Asked => {
                self.why.get_or_insert(Gone::Deaf);
                self.kill();
            }
            Force::Killed => {
                self.force = Force::Destroyed;
                self.child.destroy();
            }
            Force::Destroyed => {}
        }
    }

    fn tell_gone(&mut self, why: Gone) {
        if let Some(cell) = self.cell.take() {
            tell_last(cell, Output::Gone(why.clone()));
        }
        self.waiting.clear();
        self.doing.send_if_modified(|state| {
            let first = !matches!(state, State::Gone(_));
            if first {
                *state = State::Gone(why);
            }
            first
        });
        self.stands.send_replace(true);
    }
}

/// Tells the last of a cell without waiting here for whoever takes it.
fn tell_last(cell: Cell, last: Output) {
    let to = cell.to;
    if let Err(mpsc::error::TrySendError::Full(last)) = to.try_send(last) {
        tokio::spawn(async move {
            // Nobody may be left to hear it.
            let _ = to.send(last).await;
        });
    }
}

async fn given_up(to: Option<&mpsc::Sender<Output>>) {
    match to {
        Some(to) => to.closed().await,
        None => std::future::pending().await,
    }
}

async fn room(to: Option<&mpsc::Sender<Output>>) -> Option<mpsc::Permit<'_, Output>> {
    match to {
        Some(to) => to.reserve().await.ok(),
        None => None,
    }
}

async fn next_frame(frames: &mut Option<mpsc::Receiver<Frame>>) -> Option<Frame> {
    match frames {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
