//! Runs the cells of a conversation again, so that a fresh kernel has their variables.
//!
//! Cells that had failed are run too: what they did until they failed is what later cells built on. Cells that were
//! stopped are not, nor those under which the kernel ended: nobody knows how far they came, and what ran for ever or
//! killed the kernel would do so again. The first cell that fails and did not fail before ends it, because those after it
//! would go on from something else.

use tokio_util::sync::CancellationToken;

use super::python::Python;
use super::session::Kernel;
use super::{Cell, Gone, KernelError, Note, Output};
use crate::protocol::{ToolReply, ToolStatus};
use crate::sandbox::SandboxSession;
use crate::support::{sanitize, truncate};

/// Bytes of text that a cell may write when it is run again.
const MOST_TEXT: usize = 64 << 20;
/// Characters of the reason why a cell failed that are told.
const MOST_WORDS: usize = 300;

/// A cell that was run before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCell {
    /// Its code.
    pub code: String,
    /// Whether a fresh kernel was asked for before it.
    pub restart: bool,
    /// How it ended.
    pub ending: PastEnding,
}

/// How a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastEnding {
    /// Well.
    Ok,
    /// With an error.
    Failed,
    /// It was stopped, the kernel ended under it, or nobody knows.
    Stopped,
}

impl PastEnding {
    /// The ending of a cell with this reply.
    pub fn of(reply: &ToolReply) -> Self {
        match reply.status {
            _ if reply.unfinished => Self::Stopped,
            ToolStatus::Ok => Self::Ok,
            ToolStatus::Error => Self::Failed,
            ToolStatus::Cancelled | ToolStatus::Timeout => Self::Stopped,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Cells that were run.
    pub done: u32,
    /// Cells that there were.
    pub all: u32,
    /// Why it did not come to its end.
    pub stopped: Option<String>,
}

/// The cells that make the variables: those from the latest on that asked for a fresh kernel, without what was stopped.
/// A kernel that was lost is no beginning: what it had is just what is wanted back.
fn cells_to_run(past: &[PastCell]) -> Vec<&PastCell> {
    let from = past.iter().rposition(|cell| cell.restart).unwrap_or(0);
    past[from..].iter().filter(|cell| cell.ending != PastEnding::Stopped).collect()
}

impl Kernel {
    /// Gives a fresh kernel and runs the cells in it.
    pub async fn rebuild(
        &self,
        session: &SandboxSession,
        python: &Python,
        past: &[PastCell],
        cancel: &CancellationToken,
    ) -> Result<Rebuilt, KernelError> {
        let cells = cells_to_run(past);
        let mut rebuilt = Rebuilt { done: 0, all: cells.len() as u32, stopped: None };
        let _shown = Shown(self);
        self.set_rebuild(Some((0, rebuilt.all)));
        tokio::select! {
            biased;
            () = cancel.cancelled() => rebuilt.stopped = Some("it was stopped".to_owned()),
            outcome = self.restart(session, python, None) => outcome?,
        }
        for cell in cells {
            if rebuilt.stopped.is_some() {
                break;
            }
            let ran = tokio::select! {
                biased;
                () = cancel.cancelled() => Err("it was stopped".to_owned()),
                ran = self.run_again(session, python, cell) => ran?,
            };
            match ran {
                Ok(()) => {
                    rebuilt.done += 1;
                    self.set_rebuild(Some((rebuilt.done, rebuilt.all)));
                }
                Err(why) => rebuilt.stopped = Some(why),
            }
        }
        if rebuilt.done < rebuilt.all {
            self.set_note(Note::Rebuilt { done: rebuilt.done, all: rebuilt.all });
        }
        Ok(rebuilt)
    }

    async fn run_again(
        &self,
        session: &SandboxSession,
        python: &Python,
        past: &PastCell,
    ) -> Result<Result<(), String>, KernelError> {
        let mut cell = self.run(session, python, &past.code, false).await?;
        let disk = session.disk();
        // A cell that still runs is interrupted when it is dropped.
        Ok(tokio::select! {
            biased;
            _ = disk.until_trouble() => Err("it was interrupted: too much was written to the disk".to_owned()),
            ran = follow(&mut cell, past.ending) => ran,
        })
    }
}

/// Waits for the end of a cell that is run again.
async fn follow(cell: &mut Cell, before: PastEnding) -> Result<(), String> {
    let (mut failed, mut written) = (None, 0);
    loop {
        match cell.next().await {
            Output::Failed(failure) => failed = Some(one_line(&format!("{}: {}", failure.ename, failure.evalue))),
            Output::Done { ok: true } => return Ok(()),
            Output::Done { ok: false } if before == PastEnding::Failed => return Ok(()),
            Output::Done { ok: false } => return Err(failed.unwrap_or_else(|| "it failed".to_owned())),
            Output::Gone(gone) => return Err(ended(&gone)),
            Output::Text(text) => {
                written += text.len();
                if written > MOST_TEXT {
                    return Err("it was interrupted: it wrote more than 64 MiB".to_owned());
                }
            }
            Output::Between { .. } | Output::Shown(_) | Output::Clear { .. } | Output::TooLong { .. } => {}
        }
    }
}

/// Why a cell failed, as far as it is for the chat.
fn one_line(words: &str) -> String {
    let first = words.lines().next().unwrap_or_default();
    sanitize::line(truncate::prefix(first, MOST_WORDS))
}

fn ended(gone: &Gone) -> String {
    one_line(&format!("the kernel has ended: {}", gone.words()))
}

/// A rebuild is shown as long as this lives.
struct Shown<'a>(&'a Kernel);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.set_rebuild(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(code: &str, ending: PastEnding) -> PastCell {
        PastCell { code: code.to_owned(), restart: false, ending }
    }

    #[test]
    fn cells_are_run_from_the_latest_fresh_kernel_on() {
        let codes = |past: &[PastCell]| cells_to_run(past).iter().map(|cell| cell.code.clone()).collect::<Vec<_>>();
        let mut past = vec![cell("a", PastEnding::Ok), cell("b", PastEnding::Failed), cell("c", PastEnding::Stopped)];
        assert_eq!(codes(&past), ["a", "b"], "failed cells are run, stopped ones are not");
        past.push(PastCell { restart: true, ..cell("d", PastEnding::Ok) });
        past.push(cell("e", PastEnding::Ok));
        assert_eq!(codes(&past), ["d", "e"]);
        assert!(codes(&[]).is_empty());
    }

    #[test]
    fn the_reason_of_a_failure_is_one_short_line() {
        let words = one_line(&format!("Error: \u{1b}[31m{}\nmore", "AB ".repeat(1 << 20)));
        assert!(
            words.len() <= MOST_WORDS && words.starts_with("Error: ") && !words.contains(['\n', '\u{1b}']),
            "{words}"
        );
    }
}
