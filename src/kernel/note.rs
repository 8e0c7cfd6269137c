//! What a model is told of the variables before it reads what a cell gave.

use super::Gone;

/// What a model has to know of the variables before it reads what a cell gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A fresh kernel was asked for.
    Restarted,
    /// This is a fresh kernel, and there were cells before. Why the one before has ended, where that is known.
    Fresh(Option<Gone>),
    /// The state was rolled back and the kernel was not.
    Stale,
    /// The user had the cells run again in a fresh kernel, and that did not come to its end.
    Rebuilt {
        /// Cells that were run.
        done: u32,
        /// Cells that there were.
        all: u32,
    },
}

/// What a model is told of a kernel with no variables.
const FRESH: &str = "this is a fresh kernel: all variables of earlier cells are gone";

impl Note {
    /// The note as a line for the model.
    pub fn line(&self) -> String {
        match self {
            Self::Restarted => "[the kernel was restarted: all variables are gone]".to_owned(),
            Self::Fresh(None) => format!("[{FRESH}]"),
            Self::Fresh(Some(gone)) => {
                let words = gone.words();
                format!("[the kernel before has ended: {}; {FRESH}]", words.lines().next().unwrap_or_default())
            }
            Self::Stale => {
                "[the session was rolled back and the kernel was not: its variables may differ from what the \
                            conversation says; restart: true gives a fresh kernel]"
                    .to_owned()
            }
            Self::Rebuilt { done, all } => format!(
                "[the user had the earlier cells run again in a fresh kernel, and only {done} of {all} ran: what the \
                 others made is missing]"
            ),
        }
    }
}
