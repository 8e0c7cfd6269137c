//! The process beside a command: starts it, adopts whatever it leaves behind, tells how it goes and ends it all.
//!
//! A copy of the runner, made for one command. Whatever the command starts stays below it, however it detaches itself
//! (`PR_SET_CHILD_SUBREAPER`), so that ending the command means ending what is below. It stays as long as something of
//! the command runs, and ends everything when okcvm closes the socket.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};

use super::landlock::Confinement;
use super::sys;
use super::tree::{self, Tree};
use super::wire::{self, Limits, Report};

/// Exit code of a process that was started and never became the command.
const FAILED: u8 = 126;
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often what it left behind is looked at, and a command that rests.
const SELDOM: Duration = Duration::from_secs(1);
/// Memory is told when it has changed by so many bytes.
const MEMORY_STEP: u64 = 16 << 20;
/// Size of the terminal that a command gets.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// The whole life of the process: its socket, the command's output and error, and its input where that is given.
pub(super) fn main(socket: &OwnedFd, out: OwnedFd, err: OwnedFd, input: Option<OwnedFd>) -> ExitCode {
    match live(socket, out, err, input) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whatever was started by then; and nobody may be left to hear of it.
            tree::end(rustix::process::getpid());
            let _ = wire::report(socket, &Report::Failed { reason: error.to_string() });
            ExitCode::from(FAILED)
        }
    }
}

fn live(socket: &OwnedFd, out: OwnedFd, err: OwnedFd, input: Option<OwnedFd>) -> io::Result<()> {
    let me = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(me))?;
    // Its own session and group: what is below can put itself into no other command's.
    rustix::process::setsid()?;
    let mut stream = std::os::unix::net::UnixStream::from(socket.try_clone()?);
    let job: wire::Command = wire::read_frame(&mut stream)?;
    let terminal = if job.terminal { Some(Terminal::open()?) } else { None };
    let command = start(&job, out, err, input, terminal.as_ref())?;
    let started = wire::line(&Report::Started)?;
    match &terminal {
        Some(terminal) => wire::send(socket, &started, &[terminal.ours.as_fd()])?,
        None => wire::send(socket, &started, &[])?,
    }

    let ended = Arc::new(AtomicBool::new(false));
    let watch = Watch {
        socket: socket.try_clone()?,
        command,
        ended: Arc::clone(&ended),
        terminal: terminal.as_ref().map(|terminal| terminal.ours.try_clone()).transpose()?,
        enough: job.limits.map_or(u64::MAX, |limits| limits.total_memory_bytes),
    };
    std::thread::Builder::new().stack_size(128 << 10).spawn(move || watch.run(me))?;

    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                let status = std::process::ExitStatus::from_raw(status.as_raw());
                let others = has_children();
                ended.store(true, Ordering::Release);
                let report = Report::Ended { code: status.code(), signal: status.signal(), others };
                // Whoever is gone needs no report; the other thread sees that and ends everything.
                let _ = wire::report(socket, &report);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Nothing is left below.
            Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a process is below this one. The list of processes would miss what starts itself anew all the time.
fn has_children() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// A terminal of the command's own.
struct Terminal {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Terminal {
    /// Opens one and makes it the controlling terminal of this process's session. The leader of that session is this
    /// process and not the command: with the end of a leader the kernel hangs up on whatever it left in the background.
    fn open() -> io::Result<Self> {
        let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&ours)?;
        rustix::pty::unlockpt(&ours)?;
        let theirs =
            rustix::pty::ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::termios::tcsetwinsize(&ours, SIZE)?;
        rustix::process::ioctl_tiocsctty(&theirs)?;
        Ok(Self { ours, theirs })
    }
}

/// Starts the command; `Err` when its program cannot be run.
fn start(
    job: &wire::Command,
    out: OwnedFd,
    err: OwnedFd,
    input: Option<OwnedFd>,
    terminal: Option<&Terminal>,
) -> io::Result<Pid> {
    let (program, arguments) = job.argv.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let (go, gone) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (trouble, told) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(job.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&job.folder).stdout(Stdio::from(out)).stderr(Stdio::from(err));
    command.stdin(match (input, terminal) {
        (Some(input), _) => Stdio::from(input),
        (None, Some(terminal)) => Stdio::from(terminal.theirs.try_clone()?),
        (None, None) => Stdio::null(),
    });
    let Some(pid) = sys::fork()? else {
        drop((gone, trouble));
        let error = become_command(command, job, &go);
        let text = format!("cannot run {program}: {error}");
        let _ = rustix::io::write(&told, text.as_bytes());
        std::process::exit(i32::from(FAILED));
    };
    drop((go, told, command));
    // Both sides do it, so that it is done whoever comes first.
    let _ = rustix::process::setpgid(Some(pid), Some(pid));
    if let Some(terminal) = terminal {
        rustix::termios::tcsetpgrp(&terminal.theirs, pid)?;
    }
    rustix::io::write(&gone, b"g")?;
    drop(gone);
    let mut text = Vec::new();
    io::Read::read_to_end(&mut std::fs::File::from(trouble), &mut text)?;
    if text.is_empty() { Ok(pid) } else { Err(io::Error::other(String::from_utf8_lossy(&text).into_owned())) }
}

/// In the copy: becomes the command once the other side says so through `go`; when that closes without a word, something
/// went wrong there. Returns why it could not.
fn become_command(mut command: Command, job: &wire::Command, go: &OwnedFd) -> io::Error {
    let _ = rustix::process::setpgid(None, None);
    let mut word = [0; 1];
    loop {
        match rustix::io::read(go, &mut word) {
            Ok(1) => break,
            Err(rustix::io::Errno::INTR) => {}
            _ => return io::Error::other("it was given up"),
        }
    }
    if let Err(error) = job.limits.map_or(Ok(()), limit) {
        return io::Error::other(format!("limits cannot be set: {error}"));
    }
    if let Some(Err(error)) = job.confinement.as_ref().map(Confinement::apply) {
        return io::Error::other(format!("it cannot be confined: {error}"));
    }
    command.exec()
}

/// Sets the limits for this process, and so for all that come from it.
pub(super) fn limit(limits: Limits) -> io::Result<()> {
    for (resource, most) in [
        (Resource::Nproc, limits.pids),
        (Resource::Data, Some(limits.memory_bytes)),
        (Resource::Fsize, Some(limits.file_bytes)),
        (Resource::Nofile, Some(limits.open_files)),
        (Resource::Core, Some(0)),
    ] {
        let Some(most) = most else { continue };
        let inherited = rustix::process::getrlimit(resource).maximum;
        let most = Some(inherited.map_or(most, |inherited| most.min(inherited)));
        rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    Ok(())
}

/// Does what okcvm asks for, and tells what it should know.
struct Watch {
    socket: OwnedFd,
    command: Pid,
    ended: Arc<AtomicBool>,
    /// The outer side of the terminal that the command may read from.
    terminal: Option<OwnedFd>,
    /// From this total of memory on it is counted exactly.
    enough: u64,
}

impl Watch {
    fn run(self, me: Pid) {
        let mut told = Told::default();
        let (mut next, mut pause) = (Instant::now() + LOOK, LOOK);
        loop {
            let wait = Timespec::try_from(next.saturating_duration_since(Instant::now())).ok();
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, wait.as_ref()) {
                Ok(0) => {
                    let ended = self.ended.load(Ordering::Acquire);
                    self.look(me, ended, &mut told);
                    next = Instant::now() + if ended { SELDOM } else { pause };
                    continue;
                }
                Err(rustix::io::Errno::INTR) => continue,
                _ => {}
            }
            let mut byte = [0];
            match rustix::io::read(&self.socket, &mut byte) {
                Ok(1) => match byte[0] {
                    // Gone already is as good.
                    wire::TERMINATE if !self.ended.load(Ordering::Acquire) => {
                        let _ = rustix::process::kill_process_group(self.command, Signal::TERM);
                    }
                    wire::FREEZE => {
                        let (stopped, all) = tree::freeze(me);
                        told.stopped.extend(stopped);
                        let _ = wire::report(&self.socket, &Report::Frozen(all));
                    }
                    wire::THAW => tree::thaw(me, &std::mem::take(&mut told.stopped)),
                    wire::END => tree::end(me),
                    wire::REST => pause = SELDOM,
                    wire::WATCH => {
                        pause = LOOK;
                        next = Instant::now() + LOOK;
                    }
                    _ => {}
                },
                Err(rustix::io::Errno::INTR) => {}
                // okcvm has let go of this command, or is gone.
                // The other thread leaves as soon as nothing is below this process; until then there is something.
                _ => loop {
                    tree::end(me);
                    std::thread::sleep(Duration::from_millis(1));
                },
            }
        }
    }

    fn look(&self, me: Pid, ended: bool, told: &mut Told) {
        let tree = Tree::below(me);
        let mut reports = Vec::new();
        let (largest, total) = tree.memory(self.enough);
        if total.abs_diff(told.total) >= MEMORY_STEP || largest.abs_diff(told.largest) >= MEMORY_STEP {
            (told.largest, told.total) = (largest, total);
            reports.push(Report::Memory { largest, total });
        }
        if ended {
            let left = (tree.len() as u32, tree.ports());
            if told.left.as_ref() != Some(&left) && !tree.is_empty() {
                reports.push(Report::Left { processes: left.0, ports: left.1.clone() });
                told.left = Some(left);
            }
        } else if let Some(terminal) = &self.terminal {
            let modes = rustix::termios::tcgetattr(terminal).map(|attributes| attributes.local_modes);
            let lacks = |mode| modes.as_ref().is_ok_and(|modes| !modes.contains(mode));
            let raw = lacks(LocalModes::ICANON);
            // A program that takes each key for itself shows it in its own way.
            let now = (tree.reads_terminal(raw), lacks(LocalModes::ECHO) && !raw);
            if now != told.reading {
                told.reading = now;
                reports.push(Report::Reading { reading: now.0, hidden: now.1 });
            }
        }
        for report in reports {
            // A reader that is gone is seen by the next poll.
            let _ = wire::report(&self.socket, &report);
        }
    }
}

/// What was told last.
#[derive(Default)]
struct Told {
    largest: u64,
    total: u64,
    /// Whether something reads from the terminal, and whether that hides what is typed.
    reading: (bool, bool),
    left: Option<(u32, Vec<u16>)>,
    /// Which processes stand still because they were told to.
    stopped: HashSet<i32>,
}
