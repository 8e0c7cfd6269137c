//! Files on their way out of the session, asked for by a screen: saved one by one, or brought to the project.

use std::path::PathBuf;

use crate::protocol::Event;
use crate::support::truncate;
use crate::workspace::transfer::{self, TransferError};

use super::engine::Engine;
use super::job::{Changed, Listing, Trouble};
use super::project::BringError;

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
        self.desk.start(
            move |_| {
                let result = workspace
                    .resolve(&path)
                    .map_err(TransferError::from)
                    .and_then(|source| transfer::get(&workspace, &source, &dest, replace, &|| false));
                match result {
                    Ok(copied) => Ok(Some(copied)),
                    Err(TransferError::Exists { .. }) if !replace => Ok(None),
                    Err(error) => Err(Trouble { message: error.to_string(), hint: error.hint().map(str::to_owned) }),
                }
            },
            move |engine, result| match result {
                Ok(Some(copied)) => {
                    let what = copied.words();
                    let mut left_out = copied.left_out;
                    let more = left_out.len().saturating_sub(TOLD);
                    left_out.truncate(TOLD);
                    if more > 0 {
                        left_out.push(format!("and {more} more"));
                    }
                    engine.emit(Event::Saved { place: copied.place, what, left_out });
                }
                Ok(None) => engine.emit(Event::SaveRefused { path: asked, dest: place }),
                Err(trouble) => engine.emit(trouble.while_doing("nothing was saved").into()),
            },
        );
    }

    /// Works out what the session changed in its project.
    pub(super) fn patch_project(&mut self, markers: bool) {
        let state = self.toolbox.state();
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let patch = ledger.bring(None, markers, state)?.told()?;
                Ok((patch, Listing::read(ledger, Changed::Nothing)))
            },
            |engine, result| match result {
                Ok((mut patch, listing)) => {
                    patch.patch = engine.clean(&patch.patch);
                    // A screen shows no more than a person reads.
                    let shown = truncate::prefix(&patch.patch, MOST_PATCH).len();
                    patch.patch.truncate(shown);
                    engine.emit(Event::ProjectPatched(patch));
                    engine.tell_listing(listing);
                }
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }

    /// Writes the patch that was shown.
    pub(super) fn apply_project(&mut self, digest: String, markers: bool) {
        let state = self.toolbox.state();
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let brought = ledger.bring(None, markers, state)?;
                if brought.patch.digest() != digest {
                    return Err(BringError::NotThatPatch.into());
                }
                Ok(ledger.write_back(&brought)?)
            },
            |engine, result| match result {
                Ok(applied) => engine.emit(Event::ProjectApplied(applied)),
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }
}

/// Characters of a patch that a screen is given.
const MOST_PATCH: usize = 4 * 1024 * 1024;
