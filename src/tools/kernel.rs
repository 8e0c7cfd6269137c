//! The kernel of the session, for front ends: what becomes of it when the conversation moves, and when the user wants it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::dispatch::{Machine, Toolbox};
use super::tool::ToolError;
use crate::kernel::python::{Missing, Python};
use crate::kernel::{Gone, Note, PastCell, Rebuilt};
use crate::protocol::KernelChange;

impl Toolbox {
    /// The conversation is open, with cells of the notebook in it or without: their variables are gone.
    pub fn conversation_opened(&self, has_cells: bool) {
        self.machine.kernel.opened(has_cells);
    }

    /// Another state of the conversation holds now, with cells of the notebook in it or without.
    pub fn conversation_moved(&self, has_cells: bool) {
        self.machine.kernel.moved(has_cells);
    }

    /// Restarts, rebuilds or ends the kernel; `past` are the cells of the conversation. `Ok` says what was done, `Err` why
    /// it could not be, both in words for people.
    pub async fn change_kernel(
        &self,
        change: KernelChange,
        past: &[PastCell],
        cancel: &CancellationToken,
    ) -> Result<String, String> {
        let kernel = &self.machine.kernel;
        if change == KernelChange::Stop {
            return if kernel.stop() {
                Ok("the kernel was ended".to_owned())
            } else {
                Err("no kernel runs".to_owned())
            };
        }
        let told = |error: ToolError| match error {
            ToolError::ForModel(why) | ToolError::Fatal(why) => why,
            ToolError::Cancelled => "it was stopped".to_owned(),
        };
        let session = self.machine.sandbox().await.map_err(told)?;
        let python = self.machine.python().await.map_err(told)?;
        if change == KernelChange::Restart {
            let note = Note::Fresh(Some(Gone::RestartedByUser));
            let fresh = kernel.restart(&session, &python, Some(note));
            let fresh = tokio::select! {
                () = cancel.cancelled() => return Err("it was stopped".to_owned()),
                fresh = fresh => fresh,
            };
            return fresh
                .map(|()| "the kernel was restarted: all variables are gone".to_owned())
                .map_err(|error| error.to_string());
        }
        let rebuilt = kernel.rebuild(&session, &python, past, cancel).await.map_err(|error| error.to_string())?;
        let Rebuilt { done, all, stopped } = rebuilt;
        match stopped {
            None => Ok(format!("the kernel was rebuilt: {done} of {all} cells were run again")),
            Some(why) => Err(format!("only {done} of {all} cells were run again: {}", self.redactor.redact(&why))),
        }
    }
}

impl Machine {
    /// The Python of the notebook.
    pub(crate) async fn python(&self) -> Result<Arc<Python>, ToolError> {
        self.python.warm().await;
        self.python.get().map_err(|Missing { reason, hint, .. }| {
            ToolError::ForModel(format!("Python cannot be run here: {reason}. The user can mend it: {hint}"))
        })
    }
}
