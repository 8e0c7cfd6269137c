//! What front ends are told: every event leaves here.

use crate::protocol::{Event, Message};
use crate::snapshot::Captured;

use super::engine::{Announce, Engine};
use super::job::{Listing, Trouble};

impl Engine {
    pub(super) fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// Tells the front ends. Texts that did not come through the machine are redacted here.
    pub(super) fn emit(&mut self, event: Event) {
        let event = match event {
            Event::PhaseChanged(phase) => {
                if self.shown.as_ref() == Some(&phase) {
                    return;
                }
                self.shown = Some(phase.clone());
                Event::PhaseChanged(phase)
            }
            Event::Error { message, hint } => Event::Error { message: self.clean(&message), hint },
            Event::Warning { message } => Event::Warning { message: self.clean(&message) },
            Event::DiffReady { from, to, mut files } => {
                for file in &mut files {
                    file.patch = self.clean(&file.patch);
                }
                Event::DiffReady { from, to, files }
            }
            other => other,
        };
        // A front end that is gone is noticed by the loop.
        let _ = self.port.events.send(event);
    }

    /// What the session is, as of now.
    pub(super) fn announce(&mut self) {
        let Announce { sandbox, network, model } = self.announce.clone();
        self.emit(Event::SessionStarted {
            session: self.place.session.clone(),
            mount: format!("{}/", self.place.mount),
            host_path: self.place.host_path.clone(),
            sandbox,
            network,
            model,
            title: self.place.title.clone(),
        });
    }

    pub(super) fn tell_listing(&mut self, listing: Result<Listing, Trouble>) {
        match listing {
            Ok(listing) => self.emit(listing.into()),
            Err(trouble) => self.emit(trouble.into()),
        }
    }

    /// A capture that failed is told as such: never an old tree passed off as new.
    pub(super) fn tell_captured(&mut self, captured: Captured) {
        let Captured { id, label, files_changed, bytes, failed, .. } = captured;
        match failed {
            None => self.emit(Event::SnapshotTaken { snapshot: id, label, files_changed, bytes }),
            Some(reason) => {
                let hint = "The conversation is saved; the files are as they are. This snapshot cannot be restored to.";
                self.emit(Trouble::new(format!("snapshot failed: {reason}"), hint).into());
            }
        }
    }

    pub(super) fn tell_conversation(&mut self) {
        let messages: Vec<Message> = self.history.messages();
        let todos = self.toolbox.todos();
        self.emit(Event::ConversationReplaced { messages, todos });
        for detail in self.history.details() {
            self.emit(detail);
        }
        self.emit(Event::Artifacts { artifacts: self.history.artifacts().to_vec() });
    }
}
