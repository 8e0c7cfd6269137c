//! The Python of the notebook, for front ends: whether there is one, and making one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::python::{LazyPython, Missing};
use crate::protocol::{Event, PythonState};

use super::dispatch::Toolbox;

/// Whether an environment is being made, and whether that is to stop.
#[derive(Debug, Default)]
pub(super) struct Making {
    runs: AtomicBool,
    stop: AtomicBool,
}

impl Making {
    /// Ends it at its next line, if there is one.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Toolbox {
    /// Tells the Python of the notebook by an event, or makes an environment for it and tells how that goes.
    pub fn python(self: Arc<Self>, make: bool) {
        tokio::task::spawn_blocking(move || {
            let found = state(&self.machine.python);
            if make && matches!(found, PythonState::Missing { can_be_made: true, .. }) {
                self.make_python();
            } else {
                self.machine.notices.tell(Event::Python(found));
            }
        });
    }

    /// Tells that there is no Python where one could be made; nothing otherwise. Somebody must be there to hear it.
    pub fn tell_missing_python(self: Arc<Self>) {
        if !self.machine.interactive {
            return;
        }
        tokio::task::spawn_blocking(move || {
            let found = state(&self.machine.python);
            if matches!(found, PythonState::Missing { can_be_made: true, .. }) {
                self.machine.notices.tell(Event::Python(found));
            }
        });
    }

    /// Blocks until it is made or has failed.
    fn make_python(&self) {
        let (making, notices) = (&self.making, &self.machine.notices);
        if making.runs.swap(true, Ordering::Relaxed) {
            let line = "an environment is being made already".to_owned();
            notices.tell(Event::Python(PythonState::Making { line }));
            return;
        }
        let mut told = |line: &str| {
            if !line.trim().is_empty() {
                notices.tell(Event::Python(PythonState::Making { line: self.redactor.redact(line).into_owned() }));
            }
            !making.stop.load(Ordering::Relaxed)
        };
        let state = match self.machine.python.make(&mut told) {
            Ok(python) => {
                if let Some(session) = self.machine.session() {
                    session.show(python.mounted());
                }
                PythonState::Ready { told: python.told() }
            }
            Err(error) => {
                let hint = error.hint().map(ToOwned::to_owned);
                PythonState::Failed { reason: self.redactor.redact(&error.to_string()).into_owned(), hint }
            }
        };
        making.runs.store(false, Ordering::Relaxed);
        notices.tell(Event::Python(state));
    }
}

fn state(python: &LazyPython) -> PythonState {
    match python.get() {
        Ok(python) => PythonState::Ready { told: python.told() },
        Err(Missing { reason, hint, can_be_made }) => PythonState::Missing { reason, hint, can_be_made },
    }
}
