//! Stub; the pane follows.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};

use super::{DrawContext, Pane, PaneTitle};
use crate::protocol::Event;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;

/// The pane's state.
#[derive(Debug, Default)]
pub struct SnapshotsState {}

impl SnapshotsState {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Pane for SnapshotsState {
    fn apply(&mut self, _event: &Event, _now_ms: u64) {}
    fn scope(&self) -> Scope {
        Scope::Snapshots
    }
    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        if action == Action::Back { vec![UiEffect::Leave] } else { Vec::new() }
    }
    fn prepare(&mut self, _size: Size, _cx: &DrawContext<'_>) {}
    fn draw(&self, _area: Rect, _cx: &DrawContext<'_>, _frame: &mut Frame<'_>) {}
    fn title(&self, _cx: &DrawContext<'_>) -> PaneTitle {
        PaneTitle { left: "Snapshots".to_owned(), right: String::new() }
    }
    fn summary(&self) -> Option<String> {
        None
    }
    fn hints(&self) -> &'static [Action] {
        &[]
    }
}
