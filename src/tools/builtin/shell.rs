//! Runs a command in a fresh bash inside the sandbox.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::protocol::ToolStatus;
use crate::sandbox::{Child, Exit, Sandbox, SandboxError, Step, Stream};
use crate::support::truncate;
use crate::tools::args;
use crate::tools::capture::{Capture, Utf8Stream};
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// Milliseconds when no timeout is given.
const DEFAULT_TIMEOUT: i64 = 60_000;
/// Milliseconds at most.
const MAX_TIMEOUT: i64 = 1_800_000;
/// Between the request to end and the end.
const GRACE: Duration = Duration::from_secs(2);
/// Between the end of everything inside and that of the sandbox itself, should the first not come about.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How often disk and memory are looked at while a command runs.
const LOOK: Duration = Duration::from_millis(250);
/// A command that leaves less than this of the disk is stopped: files of any size are limited, their number is not.
const KEEP_FREE: u64 = 512 << 20;
/// Unless it took less than this: on a disk that was nearly full before, small commands go on working.
const SMALL: u64 = 64 << 20;

/// Runs a command.
#[derive(Debug)]
pub(super) struct Shell;

impl Tool for Shell {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn needs_sandbox(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(run(cx, args))
    }
}

/// Why a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Itself,
    Timeout,
    Cancelled,
    TooMuchOutput,
    DiskFull,
    /// And the limit, in MiB.
    TooMuchMemory(u64),
}

/// How far the end of a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Asked,
    Killed,
    Destroyed,
}

async fn run(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let ToolContext { machine, cancel, capture } = cx;
    let timeout = args::integer(&args, "timeout").unwrap_or(DEFAULT_TIMEOUT);
    if !(1..=MAX_TIMEOUT).contains(&timeout) {
        return Err(ToolError::ForModel(format!(
            "timeout is {timeout} ms; it must lie between 1 and {MAX_TIMEOUT}. Run longer jobs in parts."
        )));
    }
    let command = args::text(&args, "command");
    if command.contains('\0') {
        return Err(ToolError::ForModel("command holds a NUL byte, which no shell can take".to_owned()));
    }
    let sandbox = machine.sandbox().await?;
    let words = ["bash", "-c", command].map(ToOwned::to_owned);
    let started = Instant::now();
    // Not given up half way when the call is cancelled: what has begun must be seen to end.
    let child = sandbox.spawn(&machine.folders, &words).await.map_err(|error| match error {
        SandboxError::Start(why) => ToolError::ForModel(format!("{}. The user can mend it: {}", why.reason, why.hint)),
        error => ToolError::ForModel(error.to_string()),
    })?;
    let deadline = started + Duration::from_millis(timeout as u64);
    let watch =
        Watch { disk: Disk::of(&machine.folders.work), memory_mb: sandbox.limits().map(|limits| limits.memory_mb) };
    let (ending, exit) = follow(child, capture, deadline, cancel.cancelled(), &watch).await;
    Sandbox::reopen(&machine.folders);
    Ok(told(&sandbox, capture, ending, exit, timeout, started.elapsed()))
}

/// What is looked at while a command runs, because no limit of the kernel holds it.
struct Watch {
    disk: Disk,
    memory_mb: Option<u64>,
}

impl Watch {
    /// Whether the command has to end.
    fn look(&self, child: &Child) -> Ending {
        match self.memory_mb {
            Some(limit) if child.largest_memory() >> 20 > limit => Ending::TooMuchMemory(limit),
            _ if self.disk.is_full() => Ending::DiskFull,
            _ => Ending::Itself,
        }
    }
}

/// The disk that a command writes to.
struct Disk {
    folder: PathBuf,
    at_start: Option<u64>,
}

impl Disk {
    fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), at_start: free(folder) }
    }

    /// Whether the command has taken so much that too little is left.
    fn is_full(&self) -> bool {
        let (Some(at_start), Some(now)) = (self.at_start, free(&self.folder)) else { return false };
        now < KEEP_FREE && at_start.saturating_sub(now) > SMALL
    }
}

fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Reads the command's output until it ends or is ended.
async fn follow(
    mut child: Child,
    capture: &mut Capture,
    deadline: Instant,
    cancelled: impl Future<Output = ()>,
    watch: &Watch,
) -> (Ending, Exit) {
    let mut ending = Ending::Itself;
    let mut streams = [Utf8Stream::default(), Utf8Stream::default()];
    let mut timer = std::pin::pin!(tokio::time::sleep_until(deadline.into()));
    let mut cancelled = std::pin::pin!(cancelled);
    let mut look = tokio::time::interval_at((Instant::now() + LOOK).into(), LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stage = Stage::Running;
    let exit = loop {
        let running = ending == Ending::Itself;
        tokio::select! {
            biased;
            () = &mut cancelled, if running => ending = Ending::Cancelled,
            () = &mut timer => match stage {
                Stage::Running => ending = Ending::Timeout,
                Stage::Asked => {
                    stage = Stage::Killed;
                    child.kill();
                    timer.as_mut().reset((Instant::now() + LAST_GRACE).into());
                }
                Stage::Killed => {
                    stage = Stage::Destroyed;
                    child.destroy();
                    timer.as_mut().reset((Instant::now() + LAST_GRACE).into());
                }
                // Nothing more can be done; what was started is not worth the session.
                Stage::Destroyed => break Exit { code: None, signal: None },
            },
            _ = look.tick(), if running => ending = watch.look(&child),
            step = child.next() => match step {
                Step::Output(stream, bytes) => {
                    let decoder = &mut streams[usize::from(stream == Stream::Err)];
                    let text = decoder.push(&bytes);
                    if ending != Ending::TooMuchOutput && !capture.push_live(&text) && running {
                        ending = Ending::TooMuchOutput;
                    }
                }
                Step::Ended(exit) => break exit,
            },
        }
        if running && ending != Ending::Itself {
            // Asked first; what does not listen is ended after a while.
            stage = Stage::Asked;
            child.terminate();
            timer.as_mut().reset((Instant::now() + GRACE).into());
        }
    };
    for decoder in &mut streams {
        capture.push_live(decoder.finish());
    }
    (ending, exit)
}

/// The result in words.
fn told(sandbox: &Sandbox, capture: &Capture, ending: Ending, exit: Exit, timeout: i64, took: Duration) -> ToolOutput {
    let mut output = ToolOutput::text("");
    let seconds = took.as_secs_f64();
    (output.status, output.footer) = match ending {
        Ending::Timeout => (
            ToolStatus::Timeout,
            format!(
                "[stopped after {timeout} ms, the time limit of this call; every process that it started was ended]"
            ),
        ),
        Ending::Cancelled => (
            ToolStatus::Cancelled,
            format!("[cancelled by the user after {seconds:.1} s; every process that it started was ended]"),
        ),
        Ending::TooMuchOutput => {
            (ToolStatus::Error, "[stopped: it wrote more than 64 MiB. Send long output to a file instead.]".to_owned())
        }
        Ending::TooMuchMemory(limit) => (
            ToolStatus::Error,
            format!(
                "[stopped: a process may have at most {limit} MiB of memory (sandbox.limits.memory_mb), shared memory \
                 included; every process that the command started was ended]"
            ),
        ),
        Ending::DiskFull => (
            ToolStatus::Error,
            format!(
                "[stopped: less than {} of the disk were left; every process that it started was ended. Remove what is \
                 not needed.]",
                truncate::bytes(KEEP_FREE)
            ),
        ),
        Ending::Itself => {
            let code = exit.shell_code();
            let footer = if code != 0 {
                let signal = exit.signal.map(|signal| format!(", killed by {}", signal_name(signal)));
                let limit = limit_hit(sandbox, capture, exit).map(|limit| format!("; {limit}"));
                format!("[exit code {code}{}{}]", signal.unwrap_or_default(), limit.unwrap_or_default())
            } else if capture.is_empty() {
                "[no output]".to_owned()
            } else {
                String::new()
            };
            (if code == 0 { ToolStatus::Ok } else { ToolStatus::Error }, footer)
        }
    };
    output
}

/// The limit that a failed command most likely ran into.
fn limit_hit(sandbox: &Sandbox, capture: &Capture, exit: Exit) -> Option<String> {
    let limits = sandbox.limits()?;
    if exit.shell_code() == 128 + libc::SIGXFSZ || capture.mentions(&["File too large"]) {
        Some(format!("a file may have at most {} MiB (sandbox.limits.file_mb)", limits.file_mb))
    } else if capture.mentions(&["MemoryError", "Cannot allocate memory", "memory exhausted", "bad_alloc"]) {
        Some(format!("a process may have at most {} MiB of memory (sandbox.limits.memory_mb)", limits.memory_mb))
    } else if capture.mentions(&["Resource temporarily unavailable"]) {
        Some(format!("a command may have at most {} processes (sandbox.limits.pids)", limits.pids))
    } else {
        None
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
