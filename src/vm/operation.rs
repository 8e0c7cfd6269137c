//! What the engine does with each op: refuse it, let it wait, or start it.
//!
//! Ops are looked at in the order they came. One that needs the ledger waits while a job has it or a turn is closing;
//! one that would change files is refused while a turn runs. Interrupts, the end of a call and the end of the engine
//! wait for nothing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::protocol::{Attachment, Event, KernelChange, Op, Phase, RestoreScope, TurnId, TurnOutcome};
use crate::snapshot::Captured;
use crate::support::truncate;
use crate::workspace::uploads::{self, UploadError};

use super::checkpoint::{CloseTurn, Ledger};
use super::effect::{Fact, Input};
use super::engine::{Engine, OpenTurn};
use super::history::{History, facts};
use super::job::{Changed, Listing, Trouble};
use super::kernel::has_cells;
use super::project::Bring;
use super::rollback::Rolled;
use super::title::name_session;

/// Characters of a label or title that a user gives.
const LONGEST_LABEL: usize = 200;

/// What is to be done with an op now.
enum Verdict {
    Go,
    Wait,
    Refuse(Trouble),
}

/// A turn that was written down.
struct Opened {
    text: String,
    attachments: Vec<Attachment>,
    manual: Option<Captured>,
    copied: Result<(), UploadError>,
    title: Option<String>,
    warning: Option<String>,
}

/// What became of a message.
enum Submitted {
    Opened(Opened),
    /// It is written down, but the turn could not begin and was closed at once.
    Stuck {
        text: String,
        attachments: Vec<Attachment>,
        trouble: Trouble,
        captured: Captured,
        listing: Listing,
    },
}

impl Engine {
    /// Takes in an op from either lane.
    pub(super) fn take_op(&mut self, op: Op) {
        match op {
            Op::Interrupt => self.interrupt(),
            Op::EndCall { call } => self.feed(Input::EndCall(call)),
            Op::Input { call, text } => self.toolbox.input(&call, &text),
            Op::EndJob { job } => self.toolbox.end_job(job),
            Op::Network(change) => match self.toolbox.network(&change) {
                Ok(state) => self.emit(Event::Network(state)),
                Err(why) => self.emit(Event::Error { message: why, hint: None }),
            },
            Op::Python { make } => Arc::clone(&self.toolbox).python(make),
            Op::Kernel(KernelChange::Stop) => self.change_kernel(KernelChange::Stop),
            // Said at once, and not when what waits before it has had its turn.
            Op::Kernel(_) => match self.judge(&op) {
                Verdict::Refuse(trouble) => self.emit(trouble.into()),
                Verdict::Go | Verdict::Wait => self.pending.push_back(op),
            },
            Op::Shutdown => {
                self.stopping = true;
                self.rest_until = None;
                if self.pending.drain(..).any(|op| matches!(op, Op::Submit { .. })) {
                    let message = "a message that waited was not sent: okcvm is ending".to_owned();
                    self.emit(Event::Warning { message });
                }
                self.interrupt();
            }
            op => self.pending.push_back(op),
        }
    }

    /// Starts what may start, in order; tells when nothing is left.
    pub(super) fn pump(&mut self) {
        while !self.stopping
            && let Some(op) = self.pending.front()
        {
            match self.judge(op) {
                Verdict::Wait => return,
                Verdict::Refuse(trouble) => {
                    self.pending.pop_front();
                    self.emit(trouble.into());
                }
                Verdict::Go => {
                    if let Some(op) = self.pending.pop_front() {
                        self.start(op);
                    }
                }
            }
        }
        let at_rest = self.turn.is_none() && !self.machine.is_busy() && !self.desk.is_busy();
        if at_rest && !self.stopping {
            self.emit(Event::PhaseChanged(Phase::Idle));
        }
    }

    fn judge(&self, op: &Op) -> Verdict {
        let runs = self.turn.is_some() && !self.machine.is_closing();
        if runs {
            let what = match op {
                Op::Submit { .. } => Some("a turn is running: the message was not sent"),
                Op::Restore { .. } | Op::Undo | Op::Redo => Some("cannot roll back while a turn runs"),
                Op::PatchProject { .. } | Op::ApplyProject { .. } => {
                    Some("cannot bring changes to the project while a turn runs")
                }
                Op::Snapshot { .. } => Some("cannot take a snapshot while a turn runs: one is taken at its end"),
                _ => None,
            };
            if let Some(what) = what {
                return Verdict::Refuse(Trouble::new(what, "Press Esc to stop the turn, or wait until it ends."));
            }
        }
        if let Op::Kernel(_) = op
            && let Some(trouble) = self.kernel_trouble(runs)
        {
            return Verdict::Refuse(trouble);
        }
        // Cells that are run again write files.
        let files = matches!(
            op,
            Op::Submit { .. }
                | Op::Restore { .. }
                | Op::Undo
                | Op::Redo
                | Op::Snapshot { .. }
                | Op::PatchProject { .. }
                | Op::ApplyProject { .. }
        );
        let waits = files && self.kernel_works();
        if waits || self.desk.is_busy() || self.machine.is_closing() { Verdict::Wait } else { Verdict::Go }
    }

    fn start(&mut self, op: Op) {
        self.rest_until = None;
        match op {
            Op::Submit { text, attachments } => self.submit(&text, attachments),
            Op::ListSnapshots => self.list(Changed::Walk),
            Op::Diff { from, to } => {
                let (older, newer) = (from.clone(), to.clone());
                self.desk.start(
                    move |ledger| Ok(ledger.diff(&older, newer.as_deref())?),
                    move |engine, result| match result {
                        Ok(files) => engine.emit(Event::DiffReady { from, to, files }),
                        Err(trouble) => engine.emit(trouble.into()),
                    },
                );
            }
            Op::PlanRestore { target, scope } => self.desk.start(
                move |ledger| Ok(ledger.plan_restore(&target, scope)?),
                |engine, result| match result {
                    Ok(plan) => engine.emit(Event::RestorePlanned(plan)),
                    Err(trouble) => engine.emit(trouble.into()),
                },
            ),
            Op::Restore { target, scope } => self.roll(Movement::Restore(target, scope)),
            Op::Undo => self.roll(Movement::Undo),
            Op::Redo => self.roll(Movement::Redo),
            Op::Snapshot { label } => self.snapshot(&label),
            Op::Branch { target, name } => self.desk.start(
                move |ledger| {
                    ledger.branch(&target, &name)?;
                    Listing::read(ledger, Changed::Walk)
                },
                Self::tell_listing,
            ),
            Op::Rename { title } => self.rename(&title),
            Op::PatchProject { markers, since_copy } => self.patch_project(Bring { dir: None, markers, since_copy }),
            Op::ApplyProject { digest, markers, since_copy } => {
                self.apply_project(digest, Bring { dir: None, markers, since_copy });
            }
            Op::Save { path, dest, replace } => self.save(path, dest, replace),
            Op::Kernel(change) => self.change_kernel(change),
            Op::Interrupt
            | Op::EndCall { .. }
            | Op::Input { .. }
            | Op::EndJob { .. }
            | Op::Network(_)
            | Op::Python { .. }
            | Op::Shutdown => self.take_op(op),
        }
    }

    /// Writes the message down before anything acts on it; attachments are checked before that and copied after.
    fn submit(&mut self, text: &str, sources: Vec<PathBuf>) {
        let text = self.clean(text.trim_end());
        if text.trim().is_empty() && sources.is_empty() {
            return self.emit(Trouble::new("the message is empty", "Type what you want done.").into());
        }
        let id = TurnId::now();
        let turn = OpenTurn::new(id);
        let stopped = turn.token.clone();
        self.turn = Some(turn);
        self.emit(Event::PhaseChanged(Phase::Waiting));
        let workspace = self.workspace.clone();
        let attached = self.history.attachments().len();
        let state = self.toolbox.state();
        let state_then = state.clone();
        let work = move |ledger: &mut Ledger| {
            let uploads = uploads::plan(&workspace, &sources, attached)?;
            let attachments: Vec<Attachment> = uploads.iter().map(|upload| upload.attachment.clone()).collect();
            let manual = match ledger.submit(id, &text, &attachments, state) {
                Ok(manual) => manual,
                Err(error) => {
                    // Written down but not begun: it must not stay open. Where nothing was written there is nothing
                    // to close, which is an error that says nothing new.
                    let (reply, outcome) = (String::new(), TurnOutcome::Failed);
                    let close = CloseTurn { turn: id, outcome, reply, state: state_then };
                    let Ok(captured) = ledger.close_turn(close) else { return Err(error.into()) };
                    let listing = Listing::read(ledger, Changed::Nothing)?;
                    return Ok(Submitted::Stuck { text, attachments, trouble: error.into(), captured, listing });
                }
            };
            let copied = uploads::copy_all(&workspace, &uploads, || stopped.is_cancelled());
            let (title, warning) = name_session(ledger, &text, &attachments);
            Ok(Submitted::Opened(Opened { text, attachments, manual, copied, title, warning }))
        };
        self.desk.start_still(&self.toolbox, work, move |engine, result| match result {
            Ok(Submitted::Opened(opened)) => engine.opened(id, opened),
            Ok(Submitted::Stuck { text, attachments, trouble, captured, listing }) => {
                let outcome = TurnOutcome::Failed;
                engine.turn = None;
                engine.history.apply(&Fact::TurnOpened { turn: id, text, attachments });
                engine.history.apply(&Fact::TurnClosed { outcome });
                engine.emit(Event::TurnStarted { turn: id });
                engine.emit(trouble.while_doing("the turn could not begin").into());
                engine.tell_captured(captured);
                engine.emit(Event::TurnEnded { turn: id, outcome, reply: String::new() });
                engine.tell_listing(Ok(listing));
            }
            Err(trouble) => {
                engine.turn = None;
                engine.emit(trouble.while_doing("the message was not sent").into());
            }
        });
    }

    fn opened(&mut self, id: TurnId, opened: Opened) {
        let Opened { text, attachments, manual, copied, title, warning } = opened;
        tracing::info!(turn = %id, attachments = attachments.len(), "turn opened");
        self.today = self.clock.now().date();
        let files = attachments.clone();
        self.history.apply(&Fact::TurnOpened { turn: id, text, attachments });
        if let Some(captured) = manual {
            self.tell_captured(captured);
        }
        self.feed(Input::Submitted { turn: id });
        if !files.is_empty() {
            self.emit(Event::Attached { files });
        }
        if let Some(title) = title {
            self.place.title = title;
            self.announce();
        }
        if let Some(message) = warning {
            self.emit(Event::Warning { message });
        }
        match copied {
            // The user pressed Esc while the message was written down.
            Ok(()) | Err(UploadError::Stopped) => {
                if self.turn.as_ref().is_some_and(|turn| turn.token.is_cancelled()) {
                    self.feed(Input::Interrupted);
                }
            }
            Err(error) => self.feed(Input::DiskFailed { message: error.to_string() }),
        }
    }

    fn roll(&mut self, movement: Movement) {
        self.emit(Event::PhaseChanged(Phase::Restoring));
        let state = self.toolbox.state();
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let rolled = match movement {
                    Movement::Restore(target, scope) => ledger.restore(&target, scope, state),
                    Movement::Undo => ledger.undo(state),
                    Movement::Redo => ledger.redo(state),
                }
                .map_err(Trouble::from);
                let facts = facts(ledger.records()?, &ledger.folder().spill());
                Ok((rolled, facts, Listing::read(ledger, Changed::Walk)))
            },
            |engine, result| match result {
                Ok((rolled, facts, listing)) => {
                    match rolled {
                        Ok(Rolled { report, state, warnings, .. }) => {
                            engine.toolbox.restore_state(&state);
                            engine.show_sites();
                            engine.history = History::of(&facts);
                            engine.toolbox.conversation_moved(has_cells(&engine.history.messages()));
                            engine.emit(Event::Restored(report));
                            engine.tell_conversation();
                            engine.warn(warnings);
                        }
                        Err(trouble) => engine.emit(trouble.into()),
                    }
                    engine.tell_listing(listing);
                }
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }

    fn snapshot(&mut self, label: &str) {
        let label = self.clean(label.trim());
        if label.chars().count() > LONGEST_LABEL || label.contains('\n') {
            let message = format!("a snapshot's name is one line of at most {LONGEST_LABEL} characters");
            return self.emit(Trouble::new(message, "Choose a shorter one.").into());
        }
        let state = self.toolbox.state();
        self.desk.start_still(
            &self.toolbox,
            move |ledger| {
                let captured = ledger.capture_named(&label, state)?;
                Ok((captured, Listing::read(ledger, Changed::Nothing)))
            },
            |engine, result| match result {
                Ok((captured, listing)) => {
                    engine.tell_captured(captured);
                    engine.tell_listing(listing);
                }
                Err(trouble) => engine.emit(trouble.while_doing("snapshot failed").into()),
            },
        );
    }

    fn rename(&mut self, title: &str) {
        let title = self.clean(truncate::prefix(title.lines().next().unwrap_or_default().trim(), LONGEST_LABEL));
        let written = title.clone();
        self.desk.start(
            move |ledger| {
                let renamed = ledger.folder_mut().set_title(&written);
                renamed.map_err(|error| Trouble { message: error.to_string(), hint: error.hint() })
            },
            |engine, result| match result {
                Ok(()) => {
                    engine.place.title = title;
                    engine.announce();
                }
                Err(trouble) => engine.emit(trouble.into()),
            },
        );
    }

    /// Reads the list of nodes and tells it.
    pub(super) fn list(&mut self, changed: Changed) {
        let changed = if self.turn.is_some() { Changed::Unknown } else { changed };
        self.desk.start(move |ledger| Listing::read(ledger, changed), Self::tell_listing);
    }
}

/// A movement of the head.
enum Movement {
    Restore(String, RestoreScope),
    Undo,
    Redo,
}
