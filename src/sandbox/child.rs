//! A running command as okcvm sees it: its output, what its reaper tells, and the ways to end it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::process::{Exit, Killer};
use super::pump::{Reports, Tap, drive};
use super::runner::Runner;
use super::usage::Account;
use super::wire::{self, Report};

/// Steps that may wait for the reader before the command has to.
const QUEUE: usize = 8;
/// How long a command may take to start, on a machine with much to do.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Where output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The command's own terminal: prompts, and what was typed.
    Terminal,
}

/// What a running command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It wrote these bytes.
    Output(Stream, Vec<u8>),
    /// What its terminal is used for.
    Reading {
        /// Whether one of its processes reads from it and gets nothing.
        reading: bool,
        /// Whether it hides what is typed, as for a password.
        hidden: bool,
    },
    /// Memory in bytes: of its largest process, and of all.
    Memory {
        /// Of its largest process.
        largest: u64,
        /// Of all its processes.
        total: u64,
    },
    /// It ended, and all that it wrote until then was told.
    Ended {
        /// How.
        exit: Exit,
        /// Whether it left processes running.
        others: bool,
    },
    /// What it left running.
    Left {
        /// How many processes.
        processes: u32,
        /// On which TCP ports they listen.
        ports: Vec<u16>,
    },
    /// Whether all of it stands still, as it was told to.
    Frozen(bool),
    /// Nothing of it is left.
    Gone,
}

/// A running command. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub struct Child {
    steps: mpsc::Receiver<Step>,
    control: Control,
    terminal: Option<Arc<OwnedFd>>,
    account: Account,
}

/// How a command is told to end.
#[derive(Debug)]
enum Control {
    /// Through its reaper; should that not answer, with the whole sandbox.
    Reaper { socket: Arc<UnixStream>, runner: Arc<Runner> },
    /// By signals to its group.
    Group(Arc<Killer>),
}

/// Why a command did not come to run.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The sandbox itself did not come up; what it said.
    Sandbox(String),
    /// The sandbox of the session has ended; what was seen of it.
    Lost(String),
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
    /// Takes over a command that a reaper is about to start: its socket and the other ends of its streams.
    pub(super) async fn of_reaper(
        socket: StdUnixStream,
        streams: Vec<(Stream, OwnedFd)>,
        runner: Arc<Runner>,
        account: Account,
    ) -> Result<Self, NotStarted> {
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UnixStream::from_std(socket)?);
        let mut reports = Reports { socket: Arc::clone(&socket), received: Vec::new(), fds: Vec::new() };
        let first = tokio::time::timeout(START_LIMIT, reports.next()).await;
        match first {
            Ok(Some(Report::Started)) => {}
            Ok(Some(Report::Failed { reason })) => return Err(NotStarted::Command(reason)),
            // A command that kills all it can reach may be quicker than its reaper: what it wrote is there all the same.
            Ok(None) if !runner.has_ended() => {}
            Ok(_) => return Err(runner.lost("before the command started")),
            Err(_) => {
                // Its runner hears nothing any more; the next command gets another.
                runner.destroy();
                let limit = START_LIMIT.as_secs();
                return Err(NotStarted::Command(format!("it did not start within {limit} s")));
            }
        }
        let terminal = reports.fds.pop().map(Arc::new);
        // The terminal first: what was typed stands before what came of it.
        let mut taps = Vec::new();
        if let Some(terminal) = &terminal {
            taps.push(Tap::open(Stream::Terminal, terminal.try_clone()?)?);
        }
        for (stream, fd) in streams {
            taps.push(Tap::open(stream, fd)?);
        }
        let (told, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(report) = reports.next().await {
                if told.send(report).is_err() {
                    return;
                }
            }
        });
        let (to, steps) = mpsc::channel(QUEUE);
        tokio::spawn(drive(taps, heard, to));
        Ok(Self { steps, control: Control::Reaper { socket, runner }, terminal, account })
    }

    /// Takes over a process that leads a group on the host.
    pub(super) fn of_group(mut child: std::process::Child, account: Account) -> Result<Self, NotStarted> {
        let killer = Arc::new(Killer::of_group(&child));
        let mut taps = Vec::new();
        if let Some(out) = child.stdout.take() {
            taps.push(Tap::open(Stream::Out, out.into())?);
        }
        if let Some(err) = child.stderr.take() {
            taps.push(Tap::open(Stream::Err, err.into())?);
        }
        let mut ended = killer.watch(child)?;
        let (told, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let exit = ended.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
            let Exit { code, signal } = exit.unwrap_or(Exit::UNKNOWN);
            // Nobody may be left to hear it.
            let _ = told.send(Report::Ended { code, signal, others: false });
        });
        let (to, steps) = mpsc::channel(QUEUE);
        tokio::spawn(drive(taps, heard, to));
        Ok(Self { steps, control: Control::Group(killer), terminal: None, account })
    }

    /// What happens next. Safe to drop while waiting; after the last step it tells that one again.
    pub async fn next(&mut self) -> Step {
        let step = self.steps.recv().await.unwrap_or(Step::Gone);
        if let Step::Memory { total, .. } = step {
            self.account.set(total);
        }
        step
    }

    /// What the memory of this and all other commands of the session comes to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Its terminal, to type into; `None` when it has none.
    pub fn keyboard(&self) -> Option<Keyboard> {
        self.terminal.as_ref().map(|terminal| Keyboard(Arc::clone(terminal)))
    }

    /// Asks the command to end.
    pub fn terminate(&self) {
        match &self.control {
            Control::Reaper { .. } => self.say(wire::TERMINATE),
            Control::Group(killer) => killer.signal(Signal::TERM),
        }
    }

    /// Ends the command and everything that it started; [`Step::Gone`] tells that nothing of it is left.
    pub fn kill(&self) {
        match &self.control {
            Control::Reaper { .. } => self.say(wire::END),
            Control::Group(killer) => killer.signal(Signal::KILL),
        }
    }

    /// Makes everything of it stand still. [`Step::Frozen`] tells whether it does; false when no such answer comes,
    /// because nobody watches over it but okcvm.
    pub fn freeze(&self) -> bool {
        match &self.control {
            Control::Reaper { .. } => {
                self.say(wire::FREEZE);
                true
            }
            Control::Group(killer) => {
                killer.signal(Signal::STOP);
                false
            }
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        match &self.control {
            Control::Reaper { .. } => self.say(wire::THAW),
            Control::Group(killer) => killer.signal(Signal::CONT),
        }
    }

    /// Says whether it works or rests: what rests is looked at seldom.
    pub fn works(&self, works: bool) {
        self.say(if works { wire::WATCH } else { wire::REST });
    }

    /// Ends the sandbox that it runs in, with all other commands in it: when [`Child::kill`] brought nothing about.
    pub fn destroy(&self) {
        match &self.control {
            Control::Reaper { runner, .. } => runner.destroy(),
            Control::Group(killer) => killer.signal(Signal::KILL),
        }
    }

    fn say(&self, word: u8) {
        if let Control::Reaper { socket, .. } = &self.control {
            // A socket that is full or closed: the next, harder way does not depend on it.
            let _ = socket.try_write(&[word]);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        match &self.control {
            // Reading goes on in tasks, which hold the socket: only a word ends the command at once.
            Control::Reaper { socket, .. } => {
                self.say(wire::END);
                let _ = rustix::net::shutdown(socket.as_ref(), rustix::net::Shutdown::Both);
            }
            Control::Group(killer) => killer.signal(Signal::KILL),
        }
    }
}

/// The terminal of a command, to type into.
#[derive(Debug, Clone)]
pub struct Keyboard(Arc<OwnedFd>);

impl Keyboard {
    /// Types. What does not fit into the terminal's queue is lost, as with a real one.
    pub fn input(&self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(&self.0, rest) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::debug!(%error, "a terminal takes no input");
                    return;
                }
            }
        }
    }
}
