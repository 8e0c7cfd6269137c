//! Files on their way out of the session, asked for by a screen: saved one by one, or brought to the project.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crate::project::Limits;
use crate::protocol::{Event, Phase};
use crate::workspace::transfer::{self, TransferError};

use super::engine::Engine;
use super::job::{Changed, Listing, Trouble};
use super::project::{Bring, BringError};

impl From<BringError> for Trouble {
    fn from(error: BringError) -> Self {
        Self { message: error.to_string(), hint: error.hint() }
    }
}

/// Lines of files that were left out which a screen is told.
const TOLD: usize = 20;

impl Engine {
    /// Copies a file or folder to the host. Only the desk's thread is used; the ledger itself is not.
    pub(super) fn save(&mut self, path: String, dest: PathBuf, replace: bool) {
        let workspace = self.workspace.clone();
        let (asked, place) = (path.clone(), dest.clone());
        let stopped = self.desk.stop_flag();
        let stopped = move || stopped.load(Ordering::Relaxed);
        self.desk.start(
            move |_| {
                let result = workspace
                    .resolve(&path)
                    .map_err(TransferError::from)
                    .and_then(|source| transfer::get(&workspace, &source, &dest, replace, &stopped));
                match result {
                    Ok(copied) => Ok(Ok(copied)),
                    Err(TransferError::Exists { place }) if !replace => Ok(Err(place)),
                    Err(error) => Err(Trouble { message: error.to_string(), hint: error.hint().map(str::to_owned) }),
                }
            },
            move |engine, result| match result {
                Ok(Ok(copied)) => {
                    let what = copied.words();
                    let mut left_out = copied.left_out;
                    let more = left_out.len().saturating_sub(TOLD);
                    left_out.truncate(TOLD);
                    if more > 0 {
                        left_out.push(format!("and {more} more"));
                    }
                    engine.emit(Event::Saved { place: copied.place, what, left_out });
                }
                Ok(Err(there)) => engine.emit(Event::SaveRefused { path: asked, dest: place, there }),
                Err(trouble) => engine.emit(trouble.while_doing("nothing was saved").into()),
            },
        );
    }

    /// Works out what the session changed in its project.
    pub(super) fn patch_project(&mut self, bring: Bring) {
        let state = self.toolbox.state();
        let goes_on = self.tells(|files, of| Phase::Comparing { files, of });
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let patch = ledger.bring(&bring, state, &goes_on)?.told(Some(SHOWN))?;
                Ok((patch, Listing::read(ledger, Changed::Nothing)))
            },
            |engine, result| match result {
                Ok((mut patch, listing)) => {
                    patch.patch = engine.clean(&patch.patch);
                    engine.emit(Event::ProjectPatched(patch));
                    engine.tell_listing(listing);
                }
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }

    /// Writes the patch that was shown.
    pub(super) fn apply_project(&mut self, digest: String, bring: Bring) {
        let state = self.toolbox.state();
        let goes_on = self.tells(|files, of| Phase::Applying { files, of });
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let compared = |_, _| goes_on(0, 0);
                let brought = ledger.bring(&bring, state, &compared)?;
                if brought.patch.digest() != digest {
                    return Err(BringError::NotThatPatch.into());
                }
                Ok(ledger.write_back(&brought, &goes_on)?)
            },
            |engine, result| match result {
                Ok(applied) => engine.emit(Event::ProjectApplied(applied)),
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }

    /// Tells the front ends how far a job is, until the user stops it.
    fn tells(&mut self, phase: fn(u64, u64) -> Phase) -> impl Fn(u64, u64) -> bool + Send + use<> {
        self.emit(Event::PhaseChanged(phase(0, 0)));
        let (events, stopped) = (self.port.events.clone(), self.desk.stop_flag());
        let told = Cell::new(0);
        move |files, of| {
            // A screen has a hundred steps at most to draw.
            let percent = (files * 100).checked_div(of).unwrap_or(0);
            if told.replace(percent) != percent {
                // A screen that is gone is noticed by the loop.
                let _ = events.send(Event::PhaseChanged(phase(files, of)));
            }
            !stopped.load(Ordering::Relaxed)
        }
    }
}

/// How much of a patch a screen is given: what a person looks through. The list of its files is always whole.
const SHOWN: Limits = Limits { file_lines: 300, file_bytes: 64 * 1024, lines: 4_000 };
