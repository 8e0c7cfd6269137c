//! Runs Python in the kernel of the session, which keeps its variables between calls.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::kernel::{Cell, ENDED, Failure, Gone, INTERRUPTED, Output};
use crate::protocol::ToolStatus;
use crate::sandbox::{DiskTrouble, Sandbox};
use crate::tools::args;
use crate::tools::capture::Capture;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

mod pictures;
mod text;

use pictures::Pictures;

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
    let mut showing =
        Showing { machine, capture, cancel: &cancel, pictures: Pictures::default(), clear: false, failure: None };
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
    let Showing { capture, pictures, failure, .. } = showing;
    let mut output = told(session.sandbox(), capture, &ending, failure.as_ref(), started.elapsed());
    (output.images, output.artifacts) = pictures.finish(machine).await;
    let footer = notes.into_iter().chain(Some(std::mem::take(&mut output.footer)).filter(|line| !line.is_empty()));
    output.footer = footer.collect::<Vec<_>>().join("\n");
    Ok(output)
}

/// Takes what a cell gives.
struct Showing<'a> {
    machine: &'a Machine,
    capture: &'a mut Capture,
    cancel: &'a CancellationToken,
    pictures: Pictures,
    /// What was shown so far goes when something comes in its place.
    clear: bool,
    failure: Option<Failure>,
}

impl Showing<'_> {
    async fn follow(&mut self, cell: &mut Cell) -> Ending {
        loop {
            let output = cell.next().await;
            let fits = match output {
                Output::Text(text) => {
                    self.cleared();
                    self.capture.push_live(&text)
                }
                Output::Shown(shown) => {
                    self.cleared();
                    match self.pictures.take(self.machine, &shown, self.cancel).await {
                        Some(words) => self.line(&words),
                        None => self.line(&text::of(&shown)),
                    }
                }
                Output::Clear { wait } => {
                    self.clear = true;
                    if !wait {
                        self.cleared();
                    }
                    true
                }
                Output::Failed(failure) => {
                    self.cleared();
                    let fits = self.line(&text::traceback(&failure));
                    self.failure = Some(failure);
                    fits
                }
                Output::TooLong { bytes } => self.line(&format!(
                    "[{} in one piece were left out: write so much to a file instead]",
                    crate::support::truncate::bytes(bytes)
                )),
                Output::Done { ok } => return Ending::Done { ok },
                Output::Gone(gone) => return Ending::Gone(gone),
            };
            if !fits {
                return Ending::TooMuchOutput;
            }
        }
    }

    fn cleared(&mut self) {
        if std::mem::take(&mut self.clear) {
            self.capture.clear();
            self.pictures.clear();
        }
    }

    /// Something with lines of its own.
    fn line(&mut self, words: &str) -> bool {
        if words.is_empty() {
            return true;
        }
        let before = if self.capture.at_line_start() { "" } else { "\n" };
        self.capture.push_live(&format!("{before}{words}\n"))
    }
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
            let told = format!("{ENDED}{why}. All variables are gone; the next call gets a fresh kernel.]");
            (ToolStatus::Error, told)
        }
        Ending::Cancelled => (
            ToolStatus::Cancelled,
            format!(
                "[cancelled by the user after {:.1} s; the cell was interrupted, and the kernel keeps its variables]",
                took.as_secs_f64()
            ),
        ),
        Ending::TooMuchOutput => {
            (ToolStatus::Error, format!("{INTERRUPTED}it wrote more than 64 MiB. Send long output to a file instead.]"))
        }
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
            (ToolStatus::Error, format!("{INTERRUPTED}{why}. Remove what is not needed.]"))
        }
    };
    output
}
