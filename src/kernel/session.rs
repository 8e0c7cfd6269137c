//! The kernel of one session: started with the first cell, shared by all that follow, ended with the session. It knows
//! what has become of the variables, so that a model is told before it relies on them.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, mpsc, watch};
use tokio::time::Instant;

use super::note::Note;
use super::python::Python;
use super::running::{Brake, Output, Process, State};
use super::{Gone, KernelError};
use crate::config::schema::NetworkMode;
use crate::protocol::{Event, KernelInfo, KernelState};
use crate::sandbox::{Notices, SandboxSession};

/// How long a cell that was interrupted may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a kernel may take to stand still.
const STILL: Duration = Duration::from_secs(2);

/// A session's kernel. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone)]
pub struct Kernel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    notices: Notices,
    /// Held by the cell that runs.
    gate: Arc<tokio::sync::Mutex<()>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    process: Option<Running>,
    starting: bool,
    /// Its variables belong to a state that was left.
    stale: bool,
    /// The model has been told of that.
    stale_told: bool,
    /// The conversation has cells that some kernel has run.
    has_cells: bool,
    /// Why the last one ended, until the model has been told.
    lost: Option<Gone>,
    /// What the user did to it, until the model has been told.
    note: Option<Note>,
    /// Cells of a rebuild: done, and all.
    rebuild: Option<(u32, u32)>,
    /// When the latest cell was given up.
    given_up: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    /// Cells that it was given.
    cells: u64,
    /// The network that it was started with.
    network: NetworkMode,
    /// It was told to end, and why.
    ending: Option<Gone>,
}

impl Running {
    /// Tells it to end without waiting for that. Who wants the next cell does.
    fn order_end(&mut self, why: Gone) {
        self.process.order_end(why.clone());
        self.ending.get_or_insert(why);
    }
}

/// A cell that runs. Dropping it interrupts it.
#[derive(Debug)]
pub struct Cell {
    /// What the model has to know.
    pub notes: Vec<Note>,
    outputs: mpsc::Receiver<Output>,
    kernel: Kernel,
    over: bool,
    _gate: OwnedMutexGuard<()>,
}

impl Cell {
    /// What comes next; the last is [`Output::Done`] or [`Output::Gone`].
    pub async fn next(&mut self) -> Output {
        let output = match self.outputs.recv().await {
            Some(output) => output,
            None => Output::Gone(self.kernel.gone().unwrap_or(Gone::Deaf)),
        };
        self.over |= matches!(output, Output::Done { .. } | Output::Gone(_));
        output
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if !self.over {
            self.kernel.with(|known| known.given_up = Some(Instant::now()));
        }
    }
}

impl Kernel {
    /// No kernel yet. What becomes of it is told to `notices`.
    pub fn new(notices: Notices) -> Self {
        Self(Arc::new(Inner { notices, gate: Arc::default(), known: Mutex::default() }))
    }

    /// Runs a cell, in a fresh kernel where there is none or where one is asked for. Waits for a cell that runs, and a
    /// little for one that was given up; dropping the wait gives the cell up.
    pub async fn run(
        &self,
        session: &SandboxSession,
        python: &Python,
        code: &str,
        restart: bool,
    ) -> Result<Cell, KernelError> {
        let gate = Arc::clone(&self.0.gate).lock_owned().await;
        let notes = self.ready(session, python, restart).await?;
        let outputs = self.with(|known| {
            known.has_cells = true;
            known.given_up = None;
            known.process.as_mut().map(|running| {
                running.cells += 1;
                running.process.run(code.to_owned())
            })
        });
        // It may have ended between two lines; a channel that is closed tells so.
        let outputs = outputs.unwrap_or_else(|| mpsc::channel(1).1);
        Ok(Cell { notes, outputs, kernel: self.clone(), over: false, _gate: gate })
    }

    /// Gives a fresh kernel and runs nothing in it. The next cell tells the model of `note`.
    pub async fn restart(
        &self,
        session: &SandboxSession,
        python: &Python,
        note: Option<Note>,
    ) -> Result<(), KernelError> {
        let _gate = self.0.gate.lock().await;
        self.ready(session, python, true).await?;
        self.with(|known| known.note = note.filter(|_| known.has_cells));
        Ok(())
    }

    /// Sees to it that there is a kernel that takes a cell.
    async fn ready(&self, session: &SandboxSession, python: &Python, restart: bool) -> Result<Vec<Note>, KernelError> {
        if restart {
            self.end(Gone::Restarted, true).await;
        } else if let Some(gone) = self.gone() {
            self.forget(gone);
        } else if let Some(why) = self.with(|known| known.process.as_ref().and_then(|running| running.ending.clone())) {
            self.end(why, false).await;
        } else if !self.comes_to_rest().await {
            self.end(Gone::Stuck, false).await;
        }
        let (running, has_cells) = self.with(|known| (known.process.is_some(), known.has_cells));
        if !running {
            self.start(session, python).await?;
        }
        Ok(self.with(|known| {
            let (lost, note) = (known.lost.take(), known.note.take());
            let stale = known.stale && !std::mem::replace(&mut known.stale_told, true);
            if let Some(note) = note.filter(|_| running && !restart) {
                vec![note]
            } else if restart {
                vec![Note::Restarted]
            } else if !running && has_cells {
                vec![Note::Fresh(lost)]
            } else if stale && running {
                vec![Note::Stale]
            } else {
                Vec::new()
            }
        }))
    }

    async fn start(&self, session: &SandboxSession, python: &Python) -> Result<(), KernelError> {
        let network = session.network_mode();
        let starting = Starting::new(self);
        let process = Process::start(session, python).await?;
        self.watch(process.state.clone());
        self.with(|known| {
            known.stale = false;
            known.process = Some(Running { process, cells: 0, network, ending: None });
        });
        drop(starting);
        Ok(())
    }

    /// Tells every change of what a kernel is doing.
    fn watch(&self, mut state: watch::Receiver<State>) {
        let weak: Weak<Inner> = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while state.changed().await.is_ok() {
                let Some(inner) = weak.upgrade() else { return };
                Self(inner).tell();
            }
        });
    }

    /// Waits until nothing runs in the kernel, if there is one. False when it takes too long.
    async fn comes_to_rest(&self) -> bool {
        let running = self.with(|known| {
            let state = known.process.as_ref().map(|running| running.process.state.clone());
            state.map(|state| (state, known.given_up.unwrap_or_else(Instant::now) + PATIENCE))
        });
        let Some((mut state, until)) = running else { return true };
        let rests = state.wait_for(|state| *state != State::Busy);
        let rests = tokio::time::timeout_at(until, rests).await.is_ok();
        if let Some(gone) = self.gone() {
            self.forget(gone);
        }
        rests
    }

    /// Why the kernel has ended, if there was one and it has.
    fn gone(&self) -> Option<Gone> {
        self.with(|known| known.process.as_ref().and_then(|running| running.process.gone()))
    }

    fn forget(&self, gone: Gone) {
        self.with(|known| {
            known.process = None;
            known.lost = Some(gone);
        });
    }

    async fn end(&self, why: Gone, gently: bool) {
        let running = self.with(|known| known.process.take());
        if let Some(running) = running {
            running.process.end(why.clone(), gently).await;
            self.with(|known| known.lost = Some(why));
        }
        self.tell();
    }

    /// Ends the kernel, whatever runs in it. False when there is none.
    pub fn stop(&self) -> bool {
        self.with(|known| {
            let alive = known.process.as_mut().filter(|running| running.process.gone().is_none());
            alive.map(|running| running.order_end(Gone::Stopped)).is_some()
        })
    }

    /// The network was changed: a kernel with other walls ends, and one that was never told of a proxy.
    pub fn network_changed(&self, session: &SandboxSession) {
        let gets_proxy = |before| before == NetworkMode::Off && session.network_mode() == NetworkMode::Proxy;
        let wrong = |running: &&mut Running| !session.has_walls_of(running.network) || gets_proxy(running.network);
        self.with(|known| {
            if let Some(running) = known.process.as_mut().filter(wrong) {
                running.order_end(Gone::Network);
            }
        });
    }

    /// Another state of the conversation holds now, with cells or without: what the variables are, it does not say.
    pub fn moved(&self, has_cells: bool) {
        self.with(|known| {
            known.has_cells = has_cells;
            known.stale = known.process.is_some();
            known.stale_told = false;
        });
        self.tell();
    }

    /// The conversation is open, with cells that some kernel has run or without.
    pub fn opened(&self, has_cells: bool) {
        self.with(|known| known.has_cells = has_cells);
    }

    /// Makes the kernel stand still until the guard goes. Blocks until it does, or for two seconds; for threads that may
    /// block.
    pub fn freeze(&self, runtime: &tokio::runtime::Handle) -> Option<StillKernel> {
        let alive = |running: &&Running| running.process.gone().is_none();
        let brake = self.with(|known| known.process.as_ref().filter(alive).map(|running| running.process.brake()))?;
        let mut still = brake.freeze()?;
        let waits = async { still.wait_for(|still| *still).await.is_ok() };
        if runtime.block_on(tokio::time::timeout(STILL, waits)).is_err() {
            tracing::warn!("the kernel does not stand still");
        }
        Some(StillKernel(brake))
    }

    /// Ends it with its session.
    pub async fn close(&self) {
        self.end(Gone::Stopped, false).await;
    }

    /// The kernel as it is now.
    pub fn info(&self) -> KernelInfo {
        self.with(|known| {
            let running = known.process.as_ref();
            let state = match running.map(|running| running.process.state.borrow().clone()) {
                _ if known.starting => KernelState::Starting,
                None if known.lost.is_some() => KernelState::Ended,
                None => KernelState::None,
                Some(State::Idle) => KernelState::Idle,
                Some(State::Busy) => KernelState::Busy,
                Some(State::Gone(_)) => KernelState::Ended,
            };
            let gone = running.and_then(|running| running.process.gone()).or_else(|| known.lost.clone());
            KernelInfo {
                state,
                stale: known.stale && !matches!(state, KernelState::Ended | KernelState::None),
                python: running.map(|running| running.process.python.clone()).unwrap_or_default(),
                cells: running.map_or(0, |running| running.cells),
                rebuild: known.rebuild,
                ended: gone.filter(|_| state == KernelState::Ended).map(|gone| gone.words()).unwrap_or_default(),
            }
        })
    }

    pub(super) fn set_note(&self, note: Note) {
        self.with(|known| known.note = Some(note));
    }

    pub(super) fn set_rebuild(&self, rebuild: Option<(u32, u32)>) {
        self.with(|known| known.rebuild = rebuild);
        self.tell();
    }

    fn tell(&self) {
        self.0.notices.tell(Event::KernelChanged(self.info()));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A kernel is starting as long as this lives.
struct Starting<'a>(&'a Kernel);

impl<'a> Starting<'a> {
    fn new(kernel: &'a Kernel) -> Self {
        kernel.with(|known| known.starting = true);
        kernel.tell();
        Self(kernel)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.with(|known| known.starting = false);
        self.0.tell();
    }
}

/// A kernel stands still as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct StillKernel(Brake);

impl Drop for StillKernel {
    fn drop(&mut self) {
        self.0.thaw();
    }
}
