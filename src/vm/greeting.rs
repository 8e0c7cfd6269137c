//! What an engine says first: the session, its conversation, and what became of a turn that was cut off.

use std::sync::Arc;

use crate::protocol::Event;
use crate::snapshot::Captured;

use super::engine::Engine;
use super::history::{History, facts};
use super::job::{Changed, Listing, Trouble};
use super::resume::{Resumed, Unfinished};

impl Engine {
    /// The first words, and the end of a turn that the last process left open.
    pub(super) fn begin(&mut self) {
        self.announce();
        Arc::clone(&self.toolbox).tell_missing_python();
        if !self.toolbox.deployments().list().is_empty() {
            self.show_sites();
        }
        let Resumed { warnings, unfinished, done, .. } = self.resumed.take().unwrap_or_default();
        let Some(unfinished) = unfinished else {
            self.tell_conversation();
            if let Some(message) = done {
                self.emit(Event::Done { message });
            }
            self.warn(warnings);
            return self.list(Changed::Walk);
        };
        let state = self.toolbox.state();
        self.desk.start(
            move |ledger| {
                let captured = ledger.close_unfinished(state).map_err(Trouble::from);
                let facts = facts(ledger.records()?, &ledger.folder().spill());
                Ok((captured, facts, Listing::read(ledger, Changed::Walk)))
            },
            move |engine, result| match result {
                Ok((captured, facts, listing)) => {
                    engine.history = History::of(&facts);
                    engine.tell_conversation();
                    engine.warn(warnings);
                    engine.tell_recovered(&unfinished, captured);
                    engine.tell_listing(listing);
                }
                Err(trouble) => {
                    engine.tell_conversation();
                    engine.warn(warnings);
                    engine.emit(trouble.into());
                }
            },
        );
    }

    /// Serves the websites that the session has by now.
    pub(super) fn show_sites(&self) {
        let toolbox = Arc::clone(&self.toolbox);
        tokio::spawn(async move { toolbox.show_sites().await });
    }

    /// Told after the conversation, which takes the place of everything that stood there before.
    pub(super) fn warn(&mut self, warnings: Vec<String>) {
        for message in warnings {
            self.emit(Event::Warning { message });
        }
    }

    fn tell_recovered(&mut self, unfinished: &Unfinished, captured: Result<Captured, Trouble>) {
        match captured {
            Ok(captured) => {
                self.emit(Event::Warning { message: unfinished.sentence(Some(&captured.id)) });
                self.tell_captured(captured);
            }
            Err(trouble) => {
                let what = format!("the last turn {}, and its snapshot failed", unfinished.how());
                self.emit(trouble.while_doing(&what).into());
            }
        }
    }
}
