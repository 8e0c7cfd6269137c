//! Runs the cells of a conversation again, so that a fresh kernel has their variables.
//!
//! Cells that had failed are run too: what they did until they failed is what later cells built on. Cells that were
//! stopped are not: nobody knows how far they came, and what ran for ever would do so again. The first cell that fails
//! and did not fail before ends it, because those after it would go on from something else.

use tokio_util::sync::CancellationToken;

use super::python::Python;
use super::session::{FRESH, Kernel, Note};
use super::{Gone, KernelError, Output};
use crate::sandbox::SandboxSession;

/// A cell that was run before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCell {
    /// Its code.
    pub code: String,
    /// Whether a fresh kernel was asked for before it.
    pub restart: bool,
    /// What the model was told.
    pub output: String,
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
    /// It was stopped, or nobody knows.
    Stopped,
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

/// The cells that made the variables: those from the latest fresh kernel on, without what was stopped.
fn cells_to_run(past: &[PastCell]) -> Vec<&PastCell> {
    let begins = |cell: &PastCell| cell.restart || cell.output.lines().any(|line| line.contains(FRESH));
    let from = past.iter().rposition(begins).unwrap_or(0);
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
        let mut failed = None;
        loop {
            match cell.next().await {
                Output::Failed(failure) => failed = Some(format!("{}: {}", failure.ename, failure.evalue)),
                Output::Done { ok: true } => return Ok(Ok(())),
                Output::Done { ok: false } if past.ending == PastEnding::Failed => return Ok(Ok(())),
                Output::Done { ok: false } => {
                    return Ok(Err(failed.unwrap_or_else(|| "it failed".to_owned())));
                }
                Output::Gone(gone) => return Ok(Err(ended(&gone))),
                Output::Text(_) | Output::Shown(_) | Output::Clear { .. } | Output::TooLong { .. } => {}
            }
        }
    }
}

fn ended(gone: &Gone) -> String {
    format!("the kernel has ended: {}", gone.words())
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
        PastCell { code: code.to_owned(), restart: false, output: String::new(), ending }
    }

    #[test]
    fn cells_are_run_from_the_latest_fresh_kernel_on() {
        let codes = |past: &[PastCell]| cells_to_run(past).iter().map(|cell| cell.code.clone()).collect::<Vec<_>>();
        let mut past = vec![cell("a", PastEnding::Ok), cell("b", PastEnding::Failed), cell("c", PastEnding::Stopped)];
        assert_eq!(codes(&past), ["a", "b"], "failed cells are run, stopped ones are not");
        past.push(PastCell { restart: true, ..cell("d", PastEnding::Ok) });
        past.push(cell("e", PastEnding::Ok));
        assert_eq!(codes(&past), ["d", "e"]);
        let note = super::super::Note::Fresh(None).line();
        past.push(PastCell { output: format!("out\n{note}"), ..cell("f", PastEnding::Ok) });
        past.push(cell("g", PastEnding::Ok));
        assert_eq!(codes(&past), ["f", "g"], "a kernel that was lost");
        assert!(codes(&[]).is_empty());
    }
}
