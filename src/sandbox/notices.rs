//! Facts that no call returns: background jobs, prompts that wait, requests to the network.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::protocol::Event;

/// Where such facts are told. Cheap to clone; all clones have the same listener. Without one nothing is kept.
#[derive(Debug, Clone, Default)]
pub struct Notices(Arc<Mutex<Option<mpsc::UnboundedSender<Event>>>>);

impl Notices {
    /// Hears everything from now on, in place of whoever heard it before.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Tells a fact.
    pub fn tell(&self, event: Event) {
        let mut listener = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.as_ref().is_some_and(|sender| sender.send(event).is_err()) {
            // Whoever listened has gone.
            *listener = None;
        }
    }
}
