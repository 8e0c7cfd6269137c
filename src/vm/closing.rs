//! The end of a turn: its snapshot, its last events, and what is tidied up when the session rests.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::{Event, TurnId, TurnOutcome};

use super::checkpoint::CloseTurn;
use super::effect::{Fact, Input};
use super::engine::Engine;
use super::job::{Changed, Listing, Trouble};

/// How long the session rests before loose objects are packed.
const REST: Duration = Duration::from_secs(3);

impl Engine {
    /// Takes the turn's snapshot; the next turn cannot begin before that is done.
    pub(super) fn close_turn(&mut self, id: TurnId, outcome: TurnOutcome, reply: String) {
        let close = CloseTurn { turn: id, outcome, reply: reply.clone(), state: self.toolbox.state() };
        let port = self.toolbox.site_port();
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                ledger.keep_port(port);
                let captured = ledger.close_turn(close).map_err(Trouble::from);
                let changed = if captured.is_ok() { Changed::Nothing } else { Changed::Walk };
                Ok((captured, Listing::read(ledger, changed)))
            },
            move |engine, result| {
                let (captured, listing) = match result {
                    Ok((captured, listing)) => (captured, Some(listing)),
                    Err(trouble) => (Err(trouble), None),
                };
                match captured {
                    Ok(captured) => engine.tell_captured(captured),
                    Err(trouble) => engine.emit(trouble.while_doing("snapshot failed").into()),
                }
                tracing::info!(turn = %id, ?outcome, "turn closed");
                engine.history.apply(&Fact::TurnClosed { outcome });
                engine.turn = None;
                engine.emit(Event::TurnEnded { turn: id, outcome, reply });
                engine.feed(Input::Closed);
                if let Some(listing) = listing {
                    engine.tell_listing(listing);
                }
                engine.rest_until = Some(Instant::now() + REST);
            },
        );
    }

    /// Packs loose objects while nobody waits. A message that comes meanwhile waits for it; it is short, and rare.
    pub(super) fn pack(&mut self) {
        self.rest_until = None;
        self.desk.start(
            |ledger| ledger.pack_if_needed().map_err(Trouble::from),
            |_, result| {
                if let Err(trouble) = result {
                    tracing::warn!(message = %trouble.message, "packing failed");
                }
            },
        );
    }
}
