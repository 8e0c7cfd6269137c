//! Stub; the pane follows.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};

use super::{DrawContext, Pane, PaneTitle};
use crate::protocol::Event;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;

/// The pane's state.
#[derive(Debug, Default)]
pub struct TraceState {}

impl TraceState {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Pane for TraceState {
    fn apply(&mut self, _event: &Event, _now_ms: u64) {}
    fn scope(&self) -> Scope {
        Scope::Trace
    }
    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        if action == Action::Back { vec![UiEffect::Leave] } else { Vec::new() }
    }
    fn prepare(&mut self, _size: Size, _cx: &DrawContext<'_>) {}
    fn draw(&self, _area: Rect, _cx: &DrawContext<'_>, _frame: &mut Frame<'_>) {}
    fn title(&self, _cx: &DrawContext<'_>) -> PaneTitle {
        PaneTitle { left: "Trace".to_owned(), right: String::new() }
    }
    fn summary(&self) -> Option<String> {
        None
    }
    fn hints(&self) -> &'static [Action] {
        &[]
    }
}

/// The call that is running, for the line above the composer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentCall {
    /// The tool's short name.
    pub tool: String,
    /// What it was asked, in a few words.
    pub summary: String,
    /// How long it has been running.
    pub elapsed_ms: u64,
}

impl TraceState {
    /// The newest running call.
    pub fn current(&self, _now_ms: u64) -> Option<CurrentCall> {
        None
    }

    /// Calls of the latest turn, and how many of them failed.
    pub fn counts(&self) -> (usize, usize) {
        (0, 0)
    }
}

/// A tool's name without the prefix of the contract.
pub fn short_tool_name(tool: &str) -> &str {
    tool.strip_prefix("mshtools-").unwrap_or(tool)
}

/// What a call was asked, in a few words, on one line.
pub fn argument_summary(_tool: &str, arguments: &serde_json::Value) -> String {
    crate::support::sanitize::line(&arguments.to_string())
}
