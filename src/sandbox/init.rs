//! `okcvm __init`: the runner, which starts the commands of a session.
//!
//! Inside bubblewrap it is PID 1. For each command it makes a copy of itself, which becomes that command's
//! [`super::reaper`]; it does nothing else, so that it has one thread and can be copied safely. It is closed to the
//! tools that run beside it under the same uid: not dumpable, so `/proc/1` tells them nothing, and as PID 1 deaf to
//! their signals. A reaper can be killed by them; whatever it had below it then comes to the runner, which ends it.
//! It ends when the socket to okcvm does, and inside a sandbox everything ends with it.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, WaitOptions};

use super::wire::{self, ControlSocket, Report, Task};
use super::{probe, reaper, sys, tree};

/// Exit code when the runner could not do its work.
const FAILED: u8 = 126;

/// The whole life of the process.
pub(super) fn main() -> ExitCode {
    match live() {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be left to hear it.
            let _ = wire::report(ControlSocket, &Report::Failed { reason: error.to_string() });
            ExitCode::from(FAILED)
        }
    }
}

fn live() -> io::Result<ExitCode> {
    sys::close_inherited_on_exec()?;
    let task = wire::read_frame(ControlSocket)?;
    close_up()?;
    match task {
        Task::Probe { limits, own_network, proxy_port } => {
            let mut missing = probe::missing_walls(own_network);
            if let Some(port) = proxy_port {
                missing.extend(listener(port).err().map(|error| format!("no listener for the proxy: {error}")));
            }
            missing.extend(reaper::limit(limits).err().map(|error| format!("limits cannot be set: {error}")));
            wire::report(ControlSocket, &Report::Probed { missing })?;
            Ok(ExitCode::SUCCESS)
        }
        Task::ProbeAlone { limits, confinement, hidden } => {
            reaper::limit(limits)?;
            confinement.apply()?;
            let missing = probe::missing_walls_alone(&confinement, &hidden);
            wire::report(ControlSocket, &Report::Probed { missing })?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Serve { proxy_port } => {
            let started = wire::line(&Report::Started)?;
            match proxy_port.map(listener).transpose()? {
                Some(listener) => wire::send(ControlSocket, &started, &[listener.as_fd()])?,
                None => wire::send(ControlSocket, &started, &[])?,
            }
            serve()
        }
    }
}

/// The port on loopback behind which okcvm's proxy listens. The socket belongs to this network wherever it is used.
pub(super) fn listener(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
}

/// Shuts this process and all its copies off from those that run beside them.
pub(super) fn close_up() -> io::Result<()> {
    // Before the process is made non-dumpable: its files in /proc belong to nobody then. Only raising is allowed.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn serve() -> io::Result<ExitCode> {
    let me = rustix::process::getpid();
    // Away from the user's terminal, where no sandbox has done that. It fails for the leader of a session, who has none.
    let _ = rustix::process::setsid();
    // On the host; PID 1 is one anyway.
    rustix::process::set_child_subreaper(Some(me))?;
    let mut reapers: Vec<(Pid, OwnedFd)> = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(&ControlSocket, PollFlags::IN)];
        fds.extend(reapers.iter().map(|(_, end)| PollFd::new(end, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let (asked, ended) = (!fds[0].revents().is_empty(), fds[1..].iter().any(|fd| !fd.revents().is_empty()));
        if ended {
            clear(me, &mut reapers);
        }
        if !asked {
            continue;
        }
        let mut word = [0];
        let (count, fds) = wire::receive(ControlSocket, &mut word)?;
        if count == 0 {
            // okcvm is gone, or done with this sandbox. Reapers see their own sockets close.
            return Ok(ExitCode::SUCCESS);
        }
        let mut fds = fds.into_iter();
        let (Some(socket), Some(out), Some(err), input) = (fds.next(), fds.next(), fds.next(), fds.next()) else {
            continue;
        };
        match sys::fork() {
            Ok(None) => {
                drop(reapers);
                // The runner's socket is the runner's.
                let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
                let nothing = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
                rustix::stdio::dup2_stdin(&nothing)?;
                drop(nothing);
                return Ok(reaper::main(&socket, out, err, input));
            }
            Ok(Some(pid)) => reapers.push((pid, rustix::process::pidfd_open(pid, PidfdFlags::empty())?)),
            Err(error) => {
                // Whoever asked may be gone.
                let _ = wire::report(&socket, &Report::Failed { reason: format!("cannot make a process: {error}") });
            }
        }
    }
}

/// Takes ended reapers from the process table, and ends what was left to this process because its reaper was killed.
fn clear(me: Pid, reapers: &mut Vec<(Pid, OwnedFd)>) {
    while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
        reapers.retain(|(reaper, _)| *reaper != pid);
    }
    let known: Vec<Pid> = reapers.iter().map(|(pid, _)| *pid).collect();
    tree::end_strays(me, &known);
    while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
        reapers.retain(|(reaper, _)| *reaper != pid);
    }
}
