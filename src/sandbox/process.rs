//! Processes that okcvm starts for the sandbox: started by one thread, watched to their end.
//!
//! Why a thread of its own: the signal that ends a sandbox when okcvm dies (`PR_SET_PDEATHSIG`) is tied to the thread
//! that started it, not to the process. Threads of tokio's blocking pool end when idle, and their sandboxes with them.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc as sync_mpsc};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::{oneshot, watch};

use super::wire::MAX_REPORTS;

type Started = io::Result<process::Child>;
/// Takes the started process; gives it back when nobody waits any more.
type Answer = Box<dyn FnOnce(Started) -> Result<(), Started> + Send>;

/// Starts a process from the thread that lives as long as the program. Standard output and error are pipes.
pub(super) fn start(command: process::Command) -> oneshot::Receiver<Started> {
    let (answer, started) = oneshot::channel();
    hand_over(command, Box::new(|started| answer.send(started)));
    started
}

/// As [`start`], for callers without a runtime; blocks, and may do so on a thread of one.
pub(super) fn start_blocking(command: process::Command) -> Started {
    let (answer, started) = sync_mpsc::sync_channel(1);
    hand_over(command, Box::new(move |started| answer.send(started).map_err(|error| error.0)));
    started.recv().map_err(no_starter)?
}

fn hand_over(mut command: process::Command, answer: Answer) {
    static STARTER: OnceLock<Mutex<sync_mpsc::Sender<(process::Command, Answer)>>> = OnceLock::new();
    command.stdout(process::Stdio::piped()).stderr(process::Stdio::piped());
    let starter = STARTER.get_or_init(|| {
        let (jobs, waiting) = sync_mpsc::channel::<(process::Command, Answer)>();
        let work = move || {
            for (mut command, answer) in waiting {
                // The one who asked may have gone.
                if let Err(Ok(mut child)) = answer(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("okcvm-start".to_owned()).spawn(work) {
            tracing::error!(%error, "cannot start the thread that starts processes");
        }
        Mutex::new(jobs)
    });
    // When the thread is missing the answer is dropped, which the one who waits sees.
    let _ = lock(starter).send((command, answer));
}

/// What is said when the starting thread is missing.
pub(super) fn no_starter<E>(_: E) -> io::Error {
    io::Error::other("the thread that starts processes is gone")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a helper wrote on its standard error, to its end or to a bound.
pub(super) fn said(stderr: Option<process::ChildStderr>) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = stderr {
        // What was read until an error is all there is.
        let _ = io::Read::read_to_end(&mut io::Read::take(stderr, MAX_REPORTS), &mut said);
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// How a process ended: by itself or by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The code that it gave.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Exit {
    /// Nobody was there to see it.
    pub const UNKNOWN: Self = Self { code: None, signal: None };

    /// The code as a shell tells it: 128 and the signal's number when a signal ended it.
    pub fn shell_code(self) -> i32 {
        self.code.or_else(|| self.signal.map(|signal| 128 + signal)).unwrap_or(1)
    }
}

/// Sends signals to a process only while its number is surely its own.
#[derive(Debug)]
pub(super) struct Killer {
    pid: Pid,
    /// Whether the process leads a group that is meant as a whole.
    group: bool,
    reaped: Mutex<bool>,
}

impl Killer {
    /// For a child that was just started.
    pub(super) fn new(child: &process::Child) -> Self {
        Self { pid: Pid::from_child(child), group: false, reaped: Mutex::new(false) }
    }

    /// For a child that was just started as the leader of a group.
    pub(super) fn of_group(child: &process::Child) -> Self {
        Self { group: true, ..Self::new(child) }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let reaped = lock(&self.reaped);
        if *reaped {
            return;
        }
        // What is gone already needs no signal.
        let _ = if self.group {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            rustix::process::kill_process(self.pid, signal)
        };
    }

    /// Waits for the end of the process and takes it from the process table; what is left of its group is ended.
    pub(super) fn reap(&self, child: &mut process::Child) -> Exit {
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        if self.group {
            self.signal(Signal::KILL);
        }
        let mut reaped = lock(&self.reaped);
        *reaped = true;
        match child.wait() {
            Ok(status) => Exit { code: status.code(), signal: status.signal() },
            Err(error) => {
                tracing::warn!(%error, "cannot wait for a process");
                Exit { code: None, signal: None }
            }
        }
    }

    /// Waits for the end on a thread of its own; it is told when it comes.
    pub(super) fn watch(self: &Arc<Self>, mut child: process::Child) -> io::Result<watch::Receiver<Option<Exit>>> {
        let (told, ended) = watch::channel(None);
        let waiter = Arc::clone(self);
        std::thread::Builder::new().name("okcvm-wait".to_owned()).stack_size(128 << 10).spawn(move || {
            // Nobody may be left to hear it.
            let _ = told.send(Some(waiter.reap(&mut child)));
        })?;
        Ok(ended)
    }
}
