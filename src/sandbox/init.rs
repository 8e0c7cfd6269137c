//! `okcvm __init`: PID 1 inside the sandbox, for one command.
//!
//! It sets the limits, starts the command, reaps whatever is left to it, and ends when the command ends; with PID 1
//! the kernel ends every other process of the sandbox, daemons included. It is closed to the tools that run beside it
//! under the same uid: not dumpable, so `/proc/1` tells them nothing, and as PID 1 deaf to their signals. It also ends
//! when the socket to okcvm does, in case the death signal of bubblewrap was lost.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions};

use super::probe;
use super::wire::{self, ControlSocket, Job, Limits, Report};

/// Exit code when the command could not be started.
const FAILED: u8 = 126;

/// The whole life of the process.
pub(super) fn main() -> ExitCode {
    // Only PID 1 has this job; anywhere else it would end somebody's processes.
    if std::process::id() != 1 {
        return ExitCode::from(FAILED);
    }
    let outcome = wire::read_frame(ControlSocket).and_then(|job| match job {
        Job::Run { argv, limits } => run(&argv, limits),
        Job::Probe { limits, own_network, env_names } => {
            let mut missing = probe::missing_walls(own_network, &env_names);
            missing.extend(close_up(limits).err().map(|error| format!("limits cannot be set: {error}")));
            wire::report(&Report::Probed { missing })?;
            Ok(0)
        }
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody may be left to hear it.
            let _ = wire::report(&Report::Failed { reason: error.to_string() });
            ExitCode::from(FAILED)
        }
    }
}

fn run(argv: &[String], limits: Limits) -> io::Result<u8> {
    let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("no command"))?;
    close_up(limits)?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run {program}: {error}")))?;
    let command = Pid::from_child(&child);
    wire::report(&Report::Started)?;
    std::thread::Builder::new().stack_size(64 << 10).spawn(move || obey(command))?;

    let status = loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => break status,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let status = std::process::ExitStatus::from_raw(status.as_raw());
    let (code, signal) = (status.code(), status.signal());
    wire::report(&Report::Ended { code, signal })?;
    let shown = code.or_else(|| signal.map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(shown).unwrap_or(u8::MAX))
}

/// Does what okcvm asks for over the socket until that closes; then everything ends.
fn obey(command: Pid) {
    let mut byte = [0];
    while let Ok(1) = ControlSocket.read(&mut byte) {
        match byte[0] {
            // Gone already is as good.
            wire::TERMINATE => drop(rustix::process::kill_process_group(command, Signal::TERM)),
            wire::END => break,
            _ => {}
        }
    }
    std::process::exit(137);
}

/// Sets the limits, for this process and so for all below it, and shuts its doors.
fn close_up(limits: Limits) -> io::Result<()> {
    // Before the process is made non-dumpable: its files in /proc belong to nobody then. Only raising is allowed.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    for (resource, most) in [
        (Resource::Nproc, limits.pids),
        (Resource::Data, limits.memory_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Core, 0),
    ] {
        let inherited = rustix::process::getrlimit(resource).maximum;
        let most = Some(inherited.map_or(most, |inherited| most.min(inherited)));
        rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
