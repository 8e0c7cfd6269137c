//! One kernel that runs: how it is started, and what it can be told.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use super::actor::Actor;
use super::message::{self, Failure, Shown};
use super::python::Python;
use super::wire::{self, Channel};
use super::words::LastWords;
use super::{Gone, KernelError};
use crate::sandbox::{SandboxSession, Step};

/// The program that runs inside.
const PROGRAM: &str = concat!(include_str!("start.py"), "\n", include_str!("modules.py"), include_str!("kernel.py"));
/// Reads the program, of the length that is given, from the wire and becomes it; folders of packages may follow.
const LOADER: &str = "import sys;sys.path[:0]=sys.argv[2:];\
                      exec(compile(open(0,'rb',closefd=False).read(int(sys.argv[1])),'okcvm','exec'))";
/// How long a kernel may take to come up, on a machine with much to do.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Outputs that may wait for whoever takes them.
const QUEUE: usize = 2;

/// What comes of a cell.
#[derive(Debug)]
pub enum Output {
    /// It wrote text.
    Text(String),
    /// Threads and programs of earlier cells wrote this while no cell ran. Comes first.
    Between {
        /// The end of it.
        text: String,
        /// Bytes before that.
        left_out: usize,
    },
    /// It shows something.
    Shown(Shown),
    /// What was shown so far is to go; at once, or when something comes in its place.
    Clear {
        /// Whether it waits for what comes next.
        wait: bool,
    },
    /// It failed, and why.
    Failed(Failure),
    /// Something was too long to be taken.
    TooLong {
        /// How long it was.
        bytes: u64,
    },
    /// It is over. Nothing follows.
    Done {
        /// Whether it succeeded.
        ok: bool,
    },
    /// The kernel has ended under it. Nothing follows.
    Gone(Gone),
}

/// What a kernel is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Busy,
    Gone(Gone),
}

/// What a kernel is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Run { code: String, to: mpsc::Sender<Output> },
    Freeze,
    Thaw,
    End { why: Gone, gently: bool },
}

/// A kernel that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    orders: mpsc::UnboundedSender<Order>,
    pub(super) state: watch::Receiver<State>,
    still: watch::Receiver<bool>,
    /// Python's version.
    pub(super) python: String,
}

/// Makes a kernel stand still, and go on again. Does not keep it alive.
#[derive(Debug, Clone)]
pub(super) struct Brake {
    orders: mpsc::WeakUnboundedSender<Order>,
    still: watch::Receiver<bool>,
}

impl Process {
    /// Starts a kernel in the sandbox and waits until it takes cells.
    pub(super) async fn start(session: &SandboxSession, python: &Python) -> Result<Self, KernelError> {
        let (mut child, socket) = session.spawn_connected(command(session, python)).await?;
        socket.set_nonblocking(true).map_err(KernelError::Socket)?;
        let (from, to) = UnixStream::from_std(socket).map_err(KernelError::Socket)?.into_split();
        let (mut frames, requests) = (wire::reader(from), wire::writer(to));
        // Nothing follows until it has said its first words, so that nothing is read along with it.
        let _ = requests.send(PROGRAM.into());
        let mut words = LastWords::default();
        let first = async {
            let mut hello = None;
            loop {
                tokio::select! {
                    // Its end first: a socket that closes says nothing of why.
                    biased;
                    step = child.next() => match step {
                        Step::Output(_, bytes) => words.push(&bytes),
                        Step::Ended { .. } | Step::Gone => return Err(KernelError::NotStarted(words.crash())),
                        _ => {}
                    },
                    // The first is said before code of the session could say one; the second, that it takes cells.
                    Some(frame) = frames.recv() => match hello.take() {
                        None => hello = message::hello(&frame),
                        Some(first) if frame.channel == Channel::Hello => return Ok(first),
                        first => hello = first,
                    },
                }
            }
        };
        let hello = tokio::time::timeout(START_LIMIT, first).await;
        let hello = hello.map_err(|_| KernelError::Silent(START_LIMIT.as_secs()))??;
        let (orders, taken) = mpsc::unbounded_channel();
        let limits = session.sandbox().limits().cloned();
        let (actor, state, still) = Actor::new(child, frames, requests, limits, words);
        tokio::spawn(actor.live(taken));
        Ok(Self { orders, state, still, python: hello.python })
    }

    /// Runs a cell; must be idle.
    pub(super) fn run(&self, code: String) -> mpsc::Receiver<Output> {
        let (to, outputs) = mpsc::channel(QUEUE);
        // One that has ended drops it, which the reader sees.
        let _ = self.orders.send(Order::Run { code, to });
        outputs
    }

    /// Why it has ended, if it has.
    pub(super) fn gone(&self) -> Option<Gone> {
        match &*self.state.borrow() {
            State::Gone(why) => Some(why.clone()),
            State::Idle | State::Busy => None,
        }
    }

    pub(super) fn brake(&self) -> Brake {
        Brake { orders: self.orders.downgrade(), still: self.still.clone() }
    }

    /// Ends it and waits for that; gently means that it may clear up first.
    pub(super) async fn end(&self, why: Gone, gently: bool) {
        let _ = self.orders.send(Order::End { why, gently });
        let mut state = self.state.clone();
        // The actor sees to it that this comes.
        let _ = state.wait_for(|state| matches!(state, State::Gone(_))).await;
    }

    /// Ends it without waiting.
    pub(super) fn order_end(&self, why: Gone) {
        let _ = self.orders.send(Order::End { why, gently: false });
    }
}

/// The command line of a kernel: a shell that knows HOME sets what Python wants, and becomes Python. That begins without
/// its variables (`-E`) and the user's packages (`-s`), which the program turns to itself.
fn command(session: &SandboxSession, python: &Python) -> Vec<String> {
    let remounted = session.sandbox().remounts();
    let program = python.program(remounted);
    let set = python.environment("$HOME").into_iter().map(|(name, value)| format!("export {name}=\"{value}\"; "));
    // Where HOME takes no file, pip finds out by itself that nothing but HOME can be written.
    let pip = python.pip_config().map(|(file, text)| {
        let text = text.replace('\n', "\\n");
        format!("file=\"$HOME/{file}\"; (mkdir -p \"${{file%/*}}\" && printf '{text}' >\"$file\") 2>/dev/null; ")
    });
    let script: String = set.chain(pip).chain(["exec \"$0\" -E -s -c \"$@\"".to_owned()]).collect();
    let length = PROGRAM.len().to_string();
    let mut words =
        ["/bin/sh", "-c", &script, &program.to_string_lossy(), LOADER, &length].map(ToOwned::to_owned).to_vec();
    words.extend(python.packages(remounted).map(|folder| folder.to_string_lossy().into_owned()));
    words
}

impl Brake {
    /// Orders it to stand still; what comes back becomes true once it does.
    pub(super) fn freeze(&self) -> Option<watch::Receiver<bool>> {
        self.orders.upgrade()?.send(Order::Freeze).ok()?;
        Some(self.still.clone())
    }

    pub(super) fn thaw(&self) {
        if let Some(orders) = self.orders.upgrade() {
            // One that has ended needs no word.
            let _ = orders.send(Order::Thaw);
        }
    }
}
