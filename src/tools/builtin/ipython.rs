//! Runs Python in the kernel of the session, which keeps its variables between calls.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::kernel::{Failure, Gone};
use crate::protocol::ToolStatus;
use crate::sandbox::{DiskTrouble, Sandbox};
use crate::tools::args;
use crate::tools::capture::Capture;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

mod pictures;
mod showing;
mod text;

use showing::Showing;

/// What is told of a cell that succeeded and said nothing.
const NO_OUTPUT: &str = "[no output]";

/// Runs a cell.
#[derive(Debug)]
pub(super) struct Ipython;

impl Tool for Ipython {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn needs_sandbox(&self) -> bool {
        true
    }

    fn needs_python(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(run(cx, args))
    }
}

/// How a cell ended.
#[derive(Debug)]
enum Ending {
    Done { ok: bool },
    Gone(Gone),
    Cancelled,
    TooMuchOutput,
    Disk(DiskTrouble),
}

async fn run(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let ToolContext { machine, cancel, capture, .. } = cx;
    let (code, restart) = (args::text(&args, "code"), args::flag(&args, "restart"));
    let session = machine.sandbox().await?;
    let python = machine.python().await?;
    let started = Instant::now();
    capture.keep_plain();
    if code.trim().is_empty() {
        if !restart {
            return Err(ToolError::ForModel("code is empty: give Python to run, or restart: true".to_owned()));
        }
        let fresh = machine.kernel.restart(&session, &python, None);
        let fresh = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ToolError::Cancelled),
            fresh = fresh => fresh,
        };
        fresh.map_err(|error| ToolError::ForModel(error.to_string()))?;
        return Ok(ToolOutput::text("[the kernel was restarted: all variables are gone]"));
    }
    let cell = machine.kernel.run(&session, &python, code, restart);
    let cell = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(ToolError::Cancelled),
        cell = cell => cell,
    };
    let mut cell = cell.map_err(|error| ToolError::ForModel(error.to_string()))?;
    let mut showing = Showing::new(machine, capture);
    let disk = session.disk();
    let ending = tokio::select! {
        biased;
        () = cancel.cancelled() => Ending::Cancelled,
        trouble = disk.until_trouble() => Ending::Disk(trouble),
        ending = showing.follow(&mut cell) => ending,
    };
    let notes: Vec<String> = cell.notes.iter().map(crate::kernel::Note::line).collect();
    // A cell that runs is interrupted by this.
    drop(cell);
    Sandbox::reopen(&machine.folders);
    let Showing { capture, pictures, failure, .. } = showing.finish();
    let mut output = told(session.sandbox(), capture, &ending, failure.as_ref(), started.elapsed());
    (output.images, output.artifacts) = pictures.finish(machine, &cancel).await;
    let footer = notes.into_iter().chain(Some(std::mem::take(&mut output.footer)).filter(|line| !line.is_empty()));
    output.footer = footer.collect::<Vec<_>>().join("\n");
    Ok(output)
}

/// The end of a cell in words for the model.
fn told(
    sandbox: &Sandbox,
    capture: &mut Capture,
    ending: &Ending,
    failure: Option<&Failure>,
    took: Duration,
) -> ToolOutput {
    let mut output = ToolOutput::text("");
    let limits = sandbox.configured_limits();
    output.unfinished = !matches!(ending, Ending::Done { .. });
    (output.status, output.footer) = match ending {
        Ending::Done { ok: true } if capture.is_empty() => (ToolStatus::Ok, NO_OUTPUT.to_owned()),
        Ending::Done { ok: true } => (ToolStatus::Ok, String::new()),
        Ending::Done { ok: false } => {
            let memory = failure.is_some_and(|failure| failure.ename.ends_with("MemoryError"));
            let hint = memory && sandbox.limits().is_some();
            let hint = hint.then(|| {
                format!("[a process may have at most {} MiB of memory (sandbox.limits.memory_mb)]", limits.memory_mb)
            });
            (ToolStatus::Error, hint.unwrap_or_default())
        }
        Ending::Gone(gone) => {
            let words = gone.words();
            let (why, more) = words.split_once('\n').unwrap_or((&words, ""));
            if !more.is_empty() {
                let before = if capture.at_line_start() { "" } else { "\n" };
                capture.push_live(&format!("{before}{more}\n"));
            }
            let told =
                format!("[the kernel has ended: {why}. All variables are gone; the next call gets a fresh kernel.]");
            (ToolStatus::Error, told)
        }
        Ending::Cancelled => (
            ToolStatus::Cancelled,
            format!(
                "[cancelled by the user after {:.1} s; the cell is being interrupted, and the kernel keeps its \
                 variables unless the next call says that it did not take that]",
                took.as_secs_f64()
            ),
        ),
        Ending::TooMuchOutput => (
            ToolStatus::Error,
            "[interrupted: it wrote more than 64 MiB. Send long output to a file instead.]".to_owned(),
        ),
        Ending::Disk(trouble) => {
            let why = match trouble {
                DiskTrouble::Full => {
                    format!("less than {} MiB of the disk were left (sandbox.limits.min_free_mb)", limits.min_free_mb)
                }
                DiskTrouble::TooLarge => format!(
                    "workspace, home and /tmp of the session may hold {} MiB together (sandbox.limits.workspace_mb)",
                    limits.workspace_mb
                ),
            };
            (ToolStatus::Error, format!("[interrupted: {why}. Remove what is not needed.]"))
        }
    };
    output
}
