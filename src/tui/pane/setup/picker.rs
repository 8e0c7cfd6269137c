//! The list of an endpoint's models: type to filter, Enter takes one.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};

use super::TrialError;
use crate::support::sanitize;
use crate::tui::pane::line_input::LineInput;
use crate::tui::pane::list::ListCursor;

/// The list, or why there is none.
#[derive(Debug)]
pub(super) struct Picker {
    pub(super) filter: LineInput,
    pub(super) cursor: ListCursor,
    /// Clean names; `None` until they have come.
    names: Option<Vec<String>>,
    /// The names that match, best first.
    pub(super) matching: Vec<String>,
    pub(super) error: Option<TrialError>,
}

impl Picker {
    pub(super) fn new() -> Self {
        Self {
            filter: LineInput::new(""),
            cursor: ListCursor::default(),
            names: None,
            matching: Vec::new(),
            error: None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.names.is_none() && self.error.is_none()
    }

    pub(super) fn answer(&mut self, names: &[String]) {
        // A name that the sanitizer has to change could not be sent back as it was.
        let clean = names.iter().filter(|name| !name.trim().is_empty() && sanitize::line(name) == **name);
        self.names = Some(clean.cloned().collect());
        self.filter();
    }

    /// Finds the matching names again.
    pub(super) fn filter(&mut self) {
        let names = self.names.as_deref().unwrap_or_default();
        let words = self.filter.text().trim();
        self.matching = if words.is_empty() {
            names.to_vec()
        } else {
            let mut matcher = Matcher::new(Config::DEFAULT);
            let pattern = Pattern::parse(words, CaseMatching::Ignore, Normalization::Smart);
            pattern.match_list(names, &mut matcher).into_iter().map(|(name, _)| name.clone()).collect()
        };
        self.cursor = ListCursor::default();
    }

    pub(super) fn total(&self) -> usize {
        self.names.as_ref().map_or(0, Vec::len)
    }

    /// What Enter takes: the selected name, else what was typed.
    pub(super) fn taken(&self) -> Option<String> {
        let typed = self.filter.text().trim();
        self.matching.get(self.cursor.selected).cloned().or_else(|| (!typed.is_empty()).then(|| typed.to_owned()))
    }
}
