//! The kernel of the session as the engine sees it: what the conversation knows of its cells, and changes by the user.
//!
//! A restart by the user is a record of the log, so that a later rebuild does not go back behind it. It makes no node of
//! its own: the next one holds it.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::protocol::{Event, KernelChange, Message};
use crate::session::Record;
use crate::tools::{IPYTHON, PastCell, PastEnding};

use super::effect::Fact;
use super::engine::Engine;
use super::history::History;
use super::job::Trouble;

/// A change of the kernel that is going on.
pub(super) struct KernelWork {
    /// Stops it.
    pub(super) cancel: CancellationToken,
    /// Set once it is over.
    done: CancellationToken,
}

impl Engine {
    /// Whether what reads or writes all files has to wait for a change of the kernel.
    pub(super) fn kernel_works(&self) -> bool {
        self.kernel_work.as_ref().is_some_and(|work| !work.done.is_cancelled())
    }

    /// Stops a change of the kernel that is going on.
    pub(super) fn stop_kernel_work(&mut self) {
        if let Some(work) = self.kernel_work.take_if(|work| !work.done.is_cancelled()) {
            work.cancel.cancel();
            // It still has to end before files may be read.
            self.kernel_work = Some(work);
        }
    }

    /// Why the kernel cannot be restarted or rebuilt now, where waiting is no help.
    pub(super) fn kernel_trouble(&self, runs: bool) -> Option<Trouble> {
        let what = match (runs, self.kernel_works()) {
            (true, _) => "a turn runs",
            (false, true) => "it is being changed",
            (false, false) => return None,
        };
        let message = format!("cannot change the kernel while {what}");
        Some(Trouble::new(message, "Press Esc to stop that, or wait until it ends."))
    }

    /// Restarts, rebuilds or ends the kernel. Nothing else reads or writes all files then, but for an end.
    pub(super) fn change_kernel(&mut self, change: KernelChange) {
        let past = if change == KernelChange::Rebuild { self.history.cells() } else { Vec::new() };
        match change {
            KernelChange::Stop => self.stop_kernel_work(),
            KernelChange::Rebuild if past.is_empty() => {
                let trouble =
                    Trouble::new("the conversation has no cells to run again", "/kernel restart gives a fresh one.");
                return self.emit(trouble.into());
            }
            KernelChange::Rebuild => {}
            KernelChange::Restart => {
                let written = self.desk.ledger().append(&Record::KernelRestarted);
                if let Err(error) = written {
                    return self.emit(Trouble::from(error).while_doing("the kernel was not restarted").into());
                }
                self.history.apply(&Fact::KernelRestarted);
            }
        }
        let (cancel, done) = (CancellationToken::new(), CancellationToken::new());
        let work = KernelWork { cancel: cancel.clone(), done: done.clone() };
        if change != KernelChange::Stop {
            self.kernel_work = Some(work);
        }
        let toolbox = Arc::clone(&self.toolbox);
        tokio::spawn(async move {
            let outcome = toolbox.change_kernel(change, &past, &cancel).await;
            done.cancel();
            // Also wakes the engine, for what has waited.
            toolbox.tell(match outcome {
                Ok(message) => Event::Done { message },
                Err(message) => Event::Error { message: format!("kernel: {message}"), hint: None },
            });
        });
    }
}

impl History {
    /// The cells of the notebook, oldest first, from the latest restart by the user on.
    pub fn cells(&self) -> Vec<PastCell> {
        let calls = self.calls_of_kernel().filter(|(call, _)| call.name == IPYTHON);
        let cell = |(call, reply): (&crate::protocol::ToolCall, Option<&crate::protocol::ToolReply>)| {
            let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
            Some(PastCell {
                code: arguments.get("code")?.as_str()?.to_owned(),
                restart: arguments.get("restart").and_then(Value::as_bool).unwrap_or(false),
                ending: reply.map_or(PastEnding::Stopped, PastEnding::of),
            })
        };
        calls.filter_map(cell).collect()
    }
}

/// Whether a conversation has cells of the notebook, whatever became of their kernel.
pub(super) fn has_cells(messages: &[Message]) -> bool {
    messages.iter().any(|message| matches!(message, Message::Tool(reply) if reply.tool == IPYTHON))
}
