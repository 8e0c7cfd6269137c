//! Takes what a cell gives, in its order: text, pictures, what replaces something, errors.

use super::pictures::Pictures;
use super::{Ending, text};
use crate::kernel::{Cell, Failure, Output, Shown};
use crate::support::truncate;
use crate::tools::OUTPUT_LIMIT;
use crate::tools::capture::Capture;
use crate::tools::dispatch::Machine;

/// Texts under names whose changes are followed; more are told as they come.
const MOST_NAMED: usize = 100;

/// A text that was shown under a name.
#[derive(Debug)]
struct Named {
    id: String,
    /// What it became since it was told.
    latest: Option<String>,
}

/// Takes what a cell gives.
pub(super) struct Showing<'a> {
    machine: &'a Machine,
    pub(super) capture: &'a mut Capture,
    pub(super) pictures: Pictures,
    /// What was shown so far goes when something comes in its place.
    clear: bool,
    /// Why it failed.
    pub(super) failure: Option<Failure>,
    named: Vec<Named>,
    /// The text of this name is the line that the output ends with.
    open: Option<String>,
}

impl<'a> Showing<'a> {
    pub(super) fn new(machine: &'a Machine, capture: &'a mut Capture) -> Self {
        let (pictures, named) = (Pictures::default(), Vec::new());
        Self { machine, capture, pictures, clear: false, failure: None, named, open: None }
    }

    /// Takes everything up to the end.
    pub(super) async fn follow(&mut self, cell: &mut Cell) -> Ending {
        loop {
            let output = cell.next().await;
            let fits = match output {
                Output::Text(text) => {
                    self.cleared();
                    self.end_line();
                    self.capture.push_live(&text)
                }
                Output::Between { text, left_out } => self.between(&text, left_out),
                Output::Shown(shown) => {
                    self.cleared();
                    match self.pictures.take(self.machine, &shown).await {
                        Some(words) => self.line(&words),
                        None => self.text(shown),
                    }
                }
                Output::Clear { wait } => {
                    self.clear = true;
                    if !wait {
                        self.cleared();
                    }
                    true
                }
                Output::Failed(failure) => {
                    self.cleared();
                    let fits = self.line(&text::traceback(&failure));
                    self.failure = Some(failure);
                    fits
                }
                Output::TooLong { bytes } => self.line(&format!(
                    "[{} in one piece were left out: write so much to a file instead]",
                    truncate::bytes(bytes)
                )),
                Output::Done { ok } => return Ending::Done { ok },
                Output::Gone(gone) => return Ending::Gone(gone),
            };
            if !fits {
                return Ending::TooMuchOutput;
            }
        }
    }

    /// Tells what the texts under names have become.
    pub(super) fn finish(mut self) -> Self {
        self.end_line();
        for Named { latest, .. } in std::mem::take(&mut self.named) {
            self.line(&latest.unwrap_or_default());
        }
        self
    }

    fn between(&mut self, text: &str, left_out: usize) -> bool {
        self.line("[written between the cells:]");
        if left_out > 0 {
            self.line(&format!("[... {} left out ...]", truncate::bytes(left_out as u64)));
        }
        self.line(text.trim_end_matches('\n')) && self.line("[this cell:]")
    }

    /// A text that is shown; one that replaces another takes its place where that is the last line, and is told in the
    /// end where it is not.
    fn text(&mut self, shown: Shown) -> bool {
        let words = text::of(&shown);
        let Some(id) = shown.id else { return self.line(&words) };
        let (is_line, known) = (!words.contains('\n'), self.named.iter().position(|named| named.id == id));
        match known.filter(|_| shown.replaces) {
            Some(_) if is_line && self.open.as_ref() == Some(&id) => self.capture.push_live(&format!("\r{words}")),
            Some(at) => {
                if self.open.as_ref() == Some(&id) {
                    self.end_line();
                }
                self.named[at].latest = Some(truncate::prefix(&words, OUTPUT_LIMIT).to_owned());
                self.capture.is_alive();
                true
            }
            None if self.named.len() >= MOST_NAMED || words.is_empty() => self.line(&words),
            None => {
                self.named.retain(|named| named.id != id);
                self.named.push(Named { id: id.clone(), latest: None });
                if !is_line {
                    return self.line(&words);
                }
                self.begin_line();
                self.open = Some(id);
                self.capture.push_live(&words)
            }
        }
    }

    fn cleared(&mut self) {
        if std::mem::take(&mut self.clear) {
            self.capture.clear();
            self.pictures.clear();
            self.named.clear();
            self.open = None;
        }
    }

    /// Something with lines of its own.
    fn line(&mut self, words: &str) -> bool {
        if words.is_empty() {
            self.capture.is_alive();
            return true;
        }
        self.begin_line();
        self.capture.push_live(&format!("{words}\n"))
    }

    fn begin_line(&mut self) {
        self.open = None;
        if !self.capture.at_line_start() {
            self.capture.push_live("\n");
        }
    }

    /// Ends a line that could have been replaced.
    fn end_line(&mut self) {
        if self.open.is_some() {
            self.begin_line();
        }
    }
}
