//! The end of a command in words for the model.

use std::time::Duration;

use super::follow::Ending;
use crate::config::schema::LimitSection;
use crate::protocol::ToolStatus;
use crate::sandbox::{DiskTrouble, Exit, Sandbox};
use crate::tools::capture::Capture;
use crate::tools::tool::ToolOutput;

/// What is told of a command that succeeded and said nothing.
const NO_OUTPUT: &str = "[no output]";

/// The result in words.
pub(super) fn told(
    sandbox: &Sandbox,
    capture: &Capture,
    ending: Ending,
    exit: Exit,
    timeout: i64,
    took: Duration,
) -> ToolOutput {
    let mut output = ToolOutput::text("");
    let seconds = took.as_secs_f64();
    let limit = |of: fn(&LimitSection) -> u64| of(sandbox.configured_limits());
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
        Ending::TooMuchMemory => (
            ToolStatus::Error,
            format!(
                "[stopped: a process may have at most {} MiB of memory (sandbox.limits.memory_mb), shared memory \
                 included; every process that the command started was ended]",
                limit(|limits| limits.memory_mb)
            ),
        ),
        Ending::TooMuchTogether => (
            ToolStatus::Error,
            format!(
                "[stopped: everything that runs in the session may have at most {} MiB of memory \
                 (sandbox.limits.total_memory_mb), and this command had the most; every process that it started was \
                 ended]",
                limit(LimitSection::total_memory_mb)
            ),
        ),
        Ending::Disk(DiskTrouble::Full) => (
            ToolStatus::Error,
            format!(
                "[stopped: less than {} MiB of the disk were left (sandbox.limits.min_free_mb); every process that it \
                 started was ended. Remove what is not needed.]",
                limit(|limits| limits.min_free_mb)
            ),
        ),
        Ending::Disk(DiskTrouble::TooLarge) => (
            ToolStatus::Error,
            format!(
                "[stopped: workspace, home and /tmp of the session may hold {} MiB together \
                 (sandbox.limits.workspace_mb); every process that it started was ended. Remove what is not needed.]",
                limit(|limits| limits.workspace_mb)
            ),
        ),
        Ending::Itself if exit == Exit::UNKNOWN => (
            ToolStatus::Error,
            "[ended, how is not known: the process that watches over commands was killed; what was running in the \
             session may have ended with it]"
                .to_owned(),
        ),
        Ending::Itself => {
            let code = exit.shell_code();
            let footer = if code != 0 {
                let signal = exit.signal.map(|signal| format!(", killed by {}", signal_name(signal)));
                let limit = limit_hit(sandbox, capture, exit).map(|limit| format!("; {limit}"));
                format!("[exit code {code}{}{}]", signal.unwrap_or_default(), limit.unwrap_or_default())
            } else if capture.is_empty() {
                NO_OUTPUT.to_owned()
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
        Some(format!("a session may have at most {} processes (sandbox.limits.pids)", limits.pids))
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

/// A last line that also tells of what goes on in the background.
pub(super) fn with_job(footer: &str, job: u32) -> String {
    let told = format!(
        "[processes of it go on in the background as job {job}; they end when they are killed, or with the session]"
    );
    if footer.is_empty() || footer == NO_OUTPUT { told } else { format!("{footer}\n{told}") }
}
