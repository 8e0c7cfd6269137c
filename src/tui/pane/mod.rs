//! The panes, and what the application asks of each of them.
//!
//! A pane keeps its own state: [`Pane::apply`] takes facts, [`Pane::action`] takes what keys mean, [`Pane::draw`] only
//! reads. Everything that needs the size of the area (wrapping, clamping of the scroll) happens in [`Pane::prepare`],
//! just before the frame, so that drawing never mutates.

use jiff::Zoned;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};

use crate::protocol::Event;

use super::action::{Action, Scope};
use super::effect::UiEffect;
use super::theme::Theme;

pub mod apply;
pub mod attachments;
pub mod cell;
pub mod chat;
pub mod completion;
pub mod composer;
pub(crate) mod find;
pub mod help;
pub mod line_input;
pub(crate) mod list;
pub mod palette;
pub mod picture;
pub mod preview;
pub mod sandbox;
pub mod scroll;
pub mod sessions;
pub mod setup;
pub mod snapshots;
#[cfg(test)]
pub(crate) mod testing;
pub mod todo;
pub mod trace;
pub mod type_in;
pub mod viewer;
mod welcome;

/// Names of the panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaneId {
    /// The conversation.
    Chat,
    /// The tool calls.
    Trace,
    /// The snapshots.
    Snapshots,
    /// The todo list.
    Todo,
    /// What was made.
    Preview,
}

impl PaneId {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Trace, Self::Snapshots, Self::Todo, Self::Preview];
}

/// What drawing needs to know beside the state.
#[derive(Debug, Clone, Copy)]
pub struct DrawContext<'a> {
    /// Colours and glyphs.
    pub theme: Theme,
    /// Whether keys go to this pane.
    pub focused: bool,
    /// Milliseconds since the application began.
    pub now_ms: u64,
    /// The time of day.
    pub wall: &'a Zoned,
}

/// A pane's title row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaneTitle {
    /// At the left: the name.
    pub left: String,
    /// At the right: numbers.
    pub right: String,
}

/// A dialog that a pane has open, drawn in a box over all panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Its title.
    pub title: String,
    /// How many rows its content would like to have.
    pub height: u16,
}

/// What the application asks of a pane.
pub trait Pane {
    /// Takes a fact. Untrusted text is sanitized here, once.
    fn apply(&mut self, event: &Event, now_ms: u64);
    /// Where keys are looked up now.
    fn scope(&self) -> Scope;
    /// Does what a key means. Actions that mean nothing here are ignored.
    fn action(&mut self, action: Action) -> Vec<UiEffect>;
    /// Takes a key while [`Pane::scope`] is [`Scope::Text`].
    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        let _ = key;
        Vec::new()
    }
    /// Takes pasted text while [`Pane::scope`] is [`Scope::Text`].
    fn paste(&mut self, text: &str) {
        let _ = text;
    }
    /// Wraps, clamps and fills caches for an area of this size.
    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>);
    /// Draws the content; the title row is drawn by the view. The area may be empty.
    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>);
    /// The title row.
    fn title(&self, cx: &DrawContext<'_>) -> PaneTitle;
    /// A number for the hint line while the pane is hidden.
    fn summary(&self) -> Option<String>;
    /// The three to five actions that matter here and now.
    fn hints(&self) -> &'static [Action];
    /// The dialog that is open. While there is one, keys come to this pane, wherever the focus is.
    fn overlay(&self) -> Option<Overlay> {
        None
    }
    /// Fits the dialog's content to an area of this size.
    fn prepare_overlay(&mut self, size: Size, cx: &DrawContext<'_>) {
        let _ = (size, cx);
    }
    /// Draws the dialog's content.
    fn draw_overlay(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let _ = (area, cx, frame);
    }
    /// Whether something here changes with time alone, such as a spinner.
    fn animated(&self) -> bool {
        false
    }
}

/// The spinner's cell at a moment: four frames a second.
pub fn spinner(theme: Theme, now_ms: u64) -> &'static str {
    theme.glyphs().spinner[(now_ms / 250 % 4) as usize]
}
