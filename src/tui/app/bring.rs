//! The session's changes on their way to the project: asked for, looked at, written.

use crate::protocol::{Event, Op, ProjectApplied, ProjectPatch};
use crate::tui::effect::UiEffect;
use crate::tui::pane::apply::ApplyView;
use crate::tui::pane::cell::NoticeKind;

use super::{App, Modal};

/// A patch that was asked for, or that nobody has looked at yet.
#[derive(Debug, Default)]
pub(super) struct Bringing {
    /// Whether it is being worked out.
    waits: bool,
    /// Whether something was typed since it was asked for: nothing may come up under the fingers.
    touched: bool,
    ready: Option<ProjectPatch>,
}

impl Bringing {
    /// A key was pressed.
    pub(super) fn touch(&mut self) {
        self.touched = self.waits;
    }

    /// The files are about to change.
    pub(super) fn forget(&mut self) {
        self.ready = None;
    }
}

impl App {
    /// `/apply`.
    pub(super) fn bring(&mut self, argument: &str) -> Vec<UiEffect> {
        let (mut markers, mut since_copy) = (false, false);
        for word in argument.split_whitespace() {
            match word {
                "markers" => markers = true,
                "since-copy" => since_copy = true,
                _ => {
                    return self.refuse("apply", argument, "/apply takes the words markers and since-copy, or nothing");
                }
            }
        }
        let ready = self.bringing.ready.take();
        if let Some(patch) = ready.filter(|patch| (patch.markers, patch.since_copy) == (markers, since_copy)) {
            self.modal = Some(Modal::Apply(ApplyView::new(&patch, self.theme)));
            return Vec::new();
        }
        (self.bringing.waits, self.bringing.touched) = (true, false);
        vec![UiEffect::Send(Op::PatchProject { markers, since_copy })]
    }

    /// What was worked out, or written.
    pub(super) fn on_project(&mut self, event: &Event) {
        let touched = self.bringing.touched;
        if matches!(event, Event::ProjectPatched(_)) {
            (self.bringing.waits, self.bringing.touched) = (false, false);
        }
        match event {
            Event::ProjectPatched(patch) if patch.is_empty() => {
                let dir = patch.dir.display();
                let again = if patch.since.is_some() { "; `/apply since-copy` brings all of it again" } else { "" };
                self.chat.notice(NoticeKind::Done, &format!("{dir} {}{again}", patch.nothing()));
                self.warn(patch.notes.iter().cloned());
                self.warn(patch.left_out.iter().map(|line| format!("left out: {line}")));
            }
            Event::ProjectPatched(patch) if touched || self.modal.is_some() => {
                self.bringing.ready = Some(patch.clone());
                let how = match (patch.markers, patch.since_copy) {
                    (false, false) => "",
                    (true, false) => " markers",
                    (false, true) => " since-copy",
                    (true, true) => " markers since-copy",
                };
                let words = format!("the patch for {} is ready: /apply{how} shows it", patch.dir.display());
                self.chat.notice(NoticeKind::Done, &words);
            }
            Event::ProjectPatched(patch) => {
                self.modal = Some(Modal::Apply(ApplyView::new(patch, self.theme)));
            }
            Event::ProjectApplied(applied) => self.brought(applied),
            _ => {}
        }
    }

    fn brought(&mut self, applied: &ProjectApplied) {
        let ProjectApplied { dir, written, removed, conflicts } = applied;
        let words = format!("brought to {}: {written} written, {removed} removed", dir.display());
        self.chat.notice(NoticeKind::Done, &words);
        self.warn(conflicts.iter().map(|conflict| format!("in conflict: {}: {}", conflict.path, conflict.outcome)));
    }

    /// Some of many warnings.
    fn warn(&mut self, lines: impl ExactSizeIterator<Item = String>) {
        let more = lines.len().saturating_sub(TOLD);
        for line in lines.take(TOLD) {
            self.chat.notice(NoticeKind::Warning, &line);
        }
        if more > 0 {
            self.chat.notice(NoticeKind::Warning, &format!("and {more} more"));
        }
    }
}

/// Lines of one kind that the chat is told.
const TOLD: usize = 20;
