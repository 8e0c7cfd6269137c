//! Running processes of the sandbox: started by one thread, read without limit of time, ended as a whole.
//!
//! Why a thread of its own: the signal that ends a sandbox when okcvm dies (`PR_SET_PDEATHSIG`) is tied to the thread
//! that started it, not to the process. Threads of tokio's blocking pool end when idle, and their sandboxes with them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc as sync_mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot, watch};

use super::unconfined::Mark;
use super::wire::{self, Report};

/// Bytes of one read.
const READ: usize = 32 << 10;
/// Chunks that may wait for the reader before the command has to.
const QUEUE: usize = 8;
/// After a killed group's signal, how long its end is waited for.
const GROUP_END: Duration = Duration::from_millis(500);
/// How long a sandbox may take to come up, on a machine with much to do.
const START_LIMIT: Duration = Duration::from_secs(20);
/// The longest list of reports and the longest reason that are read.
pub(super) const MAX_REPORTS: u64 = 64 << 10;

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
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
    /// The code as a shell tells it: 128 and the signal's number when a signal ended it.
    pub fn shell_code(self) -> i32 {
        self.code.or_else(|| self.signal.map(|signal| 128 + signal)).unwrap_or(1)
    }
}

/// A process that was started and is watched by nobody yet.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: process::Child,
    /// okcvm's end of the control socket.
    pub(super) control: Option<UnixStream>,
    /// On the host: the process leads a group, and all below it carry this mark. Both end with it.
    pub(super) mark: Option<Mark>,
}

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

/// Sends signals to a process only while its number is surely its own.
#[derive(Debug)]
pub(super) struct Killer {
    pid: Pid,
    mark: Option<Mark>,
    reaped: Mutex<bool>,
}

impl Killer {
    /// For a child that was just started.
    pub(super) fn new(child: &process::Child, mark: Option<Mark>) -> Self {
        Self { pid: Pid::from_child(child), mark, reaped: Mutex::new(false) }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let reaped = lock(&self.reaped);
        if *reaped {
            return;
        }
        // What is gone already needs no signal.
        if let Some(mark) = &self.mark {
            let _ = rustix::process::kill_process_group(self.pid, signal);
            for pid in mark.others_of(self.pid) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        } else {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Waits for the end of the process, then for that of its group, and takes it from the process table.
    pub(super) fn reap(&self, child: &mut process::Child) -> Exit {
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        if let Some(mark) = &self.mark {
            // The signal is sent, its effect comes later; whoever waits for the end must find nothing that still
            // writes. Sent again, because what starts processes may have started one meanwhile.
            let limit = Instant::now() + GROUP_END;
            loop {
                self.signal(Signal::KILL);
                if !mark.group_runs(self.pid) || Instant::now() > limit {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
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
}

/// What a running command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It wrote these bytes.
    Output(Stream, Vec<u8>),
    /// It ended.
    Ended(Exit),
}

/// A running command. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub struct Child {
    output: mpsc::Receiver<(Stream, Vec<u8>)>,
    ended: watch::Receiver<Option<Exit>>,
    reports: Option<oneshot::Receiver<Exit>>,
    exit: Option<Exit>,
    control: Option<tokio::net::unix::OwnedWriteHalf>,
    killer: Arc<Killer>,
}

/// Why a command did not come to run.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The sandbox itself did not come up; what it said.
    Sandbox(String),
    /// The sandbox stands, the command could not be run in it.
    Command(String),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Child {
    /// Takes over a started process. With a control socket it waits until the command inside runs.
    pub(super) async fn adopt(launched: Launched) -> Result<Self, NotStarted> {
        let Launched { mut child, control, mark } = launched;
        let killer = Arc::new(Killer::new(&child, mark));
        let pipes = (child.stdout.take(), child.stderr.take());
        let (ended_in, ended) = watch::channel(None);
        let waiter = Arc::clone(&killer);
        std::thread::Builder::new().name("okcvm-wait".to_owned()).stack_size(128 << 10).spawn(move || {
            // Nobody may be left to hear it.
            let _ = ended_in.send(Some(waiter.reap(&mut child)));
        })?;
        let (output_in, output) = mpsc::channel(QUEUE);
        if let Some(out) = pipes.0 {
            tokio::spawn(pump(OwnedFd::from(out), Stream::Out, output_in.clone(), ended.clone()));
        }
        if let Some(err) = pipes.1 {
            tokio::spawn(pump(OwnedFd::from(err), Stream::Err, output_in, ended.clone()));
        }
        let mut running = Self { output, ended, reports: None, exit: None, control: None, killer };
        if let Some(control) = control {
            running.wait_for_start(control).await?;
        }
        Ok(running)
    }

    async fn wait_for_start(&mut self, control: UnixStream) -> Result<(), NotStarted> {
        control.set_nonblocking(true)?;
        let (read, write) = tokio::net::UnixStream::from_std(control)?.into_split();
        let mut reports = tokio::io::BufReader::new(read.take(MAX_REPORTS));
        let Ok(first) = tokio::time::timeout(START_LIMIT, next_report(&mut reports)).await else {
            let limit = START_LIMIT.as_secs();
            return Err(NotStarted::Sandbox(format!("it did not come up within {limit} s")));
        };
        match first {
            Some(Report::Started) => {}
            Some(Report::Failed { reason }) => return Err(NotStarted::Command(reason)),
            _ => {
                let mut said = Vec::new();
                while let Some((_, bytes)) = self.output.recv().await {
                    if said.len() < MAX_REPORTS as usize {
                        said.extend_from_slice(&bytes);
                    }
                }
                return Err(NotStarted::Sandbox(String::from_utf8_lossy(&said).trim().to_owned()));
            }
        }
        let (exit_in, exit) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(Report::Ended { code, signal }) = next_report(&mut reports).await {
                // Nobody may be left to hear it.
                let _ = exit_in.send(Exit { code, signal });
            }
        });
        self.reports = Some(exit);
        self.control = Some(write);
        Ok(())
    }

    /// What happens next: output, or the end once all output was read. (A command can close its output and go on.) Safe
    /// to drop while waiting; after the end it tells the end again.
    pub async fn next(&mut self) -> Step {
        match self.output.recv().await {
            Some((stream, bytes)) => Step::Output(stream, bytes),
            None => Step::Ended(self.wait().await),
        }
    }

    async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let outer = match self.ended.wait_for(Option::is_some).await {
            Ok(exit) => *exit,
            Err(_) => None,
        };
        // What PID 1 told of the command is more exact than how bubblewrap ended; it is missing when that was killed.
        if let Some(reports) = &mut self.reports
            && let Ok(Ok(exit)) = tokio::time::timeout(Duration::from_secs(1), reports).await
        {
            self.reports = None;
            self.exit = Some(exit);
            return exit;
        }
        outer.unwrap_or(Exit { code: None, signal: None })
    }

    /// Asks the command to end.
    pub fn terminate(&self) {
        match &self.control {
            Some(control) => {
                // A full socket or a closed one: the kill that follows does not depend on it.
                let _ = control.try_write(&[wire::TERMINATE]);
            }
            None => self.killer.signal(Signal::TERM),
        }
    }

    /// Ends the command and everything that it started. Inside a sandbox PID 1 does it by ending itself: once that is
    /// told, nothing of it is left.
    pub fn kill(&self) {
        match &self.control {
            Some(control) => {
                // Where this fails, `destroy` is next.
                let _ = control.try_write(&[wire::END]);
            }
            None => self.destroy(),
        }
    }

    /// The memory in bytes of the largest of its processes, shared memory included.
    pub fn largest_memory(&self) -> u64 {
        // A number that was given to another process meanwhile could be anybody's.
        let reaped = lock(&self.killer.reaped);
        if *reaped { 0 } else { super::processes::largest_memory(self.killer.pid) }
    }

    /// Ends the sandbox itself, from outside. What is inside ends as well, but perhaps a moment later.
    pub fn destroy(&self) {
        self.killer.signal(Signal::KILL);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.destroy();
    }
}

async fn next_report(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<Report> {
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(from, &mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

/// Reads one stream to its end. Once the process itself has ended, and so everything that ends with it, only what lies
/// in the pipe is read: somebody who escaped may hold it open and write to it for ever.
async fn pump(
    fd: OwnedFd,
    stream: Stream,
    to: mpsc::Sender<(Stream, Vec<u8>)>,
    mut ended: watch::Receiver<Option<Exit>>,
) {
    let Ok(mut from) = pipe::Receiver::from_owned_fd(fd) else { return };
    let mut buffer = vec![0; READ];
    // After the end: the bytes that lie in the pipe.
    let mut left: Option<u64> = None;
    loop {
        let read = match left {
            Some(0) => return,
            Some(_) => from.read(&mut buffer).await,
            None => tokio::select! {
                biased;
                changed = ended.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    left = Some(rustix::io::ioctl_fionread(&from).unwrap_or(0));
                    continue;
                }
                read = from.read(&mut buffer) => read,
            },
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                left = left.map(|left| left.saturating_sub(count as u64));
                if to.send((stream, buffer[..count].to_vec())).await.is_err() {
                    return;
                }
            }
        }
    }
}
