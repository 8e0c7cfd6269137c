//! The terminals of running calls, for whoever types into them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::CallId;
use crate::sandbox::Keyboard;

/// The terminals of running calls, by call. Cheap to clone; all clones hold the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyboards(Arc<Mutex<HashMap<CallId, Keyboard>>>);

impl Keyboards {
    /// Lends the terminal of a call until the guard goes.
    pub(crate) fn lend(&self, call: CallId, keyboard: Keyboard) -> Lent {
        self.lock().insert(call.clone(), keyboard);
        Lent { keyboards: self.clone(), call }
    }

    /// Types into the terminal of a call; a call that has none takes nothing.
    pub(crate) fn input(&self, call: &CallId, text: &str) {
        let keyboard = self.lock().get(call).cloned();
        if let Some(keyboard) = keyboard {
            keyboard.input(text);
        } else {
            tracing::debug!(call = %call.0, "input for a call that reads none");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Keyboard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A terminal that can be typed into as long as this lives.
#[derive(Debug)]
pub(crate) struct Lent {
    keyboards: Keyboards,
    call: CallId,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.keyboards.lock().remove(&self.call);
    }
}
