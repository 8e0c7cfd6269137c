//! A tool call in the chat: what was called, how it goes, the end of its output.

use ratatui::style::Style;

use crate::protocol::{CallId, ToolStatus};
use crate::tui::text::output::Output;
use crate::tui::theme::Theme;

/// Output that is kept for a call.
const OUTPUT_BYTES: usize = 2048;

/// A tool call, as the chat mentions it.
#[derive(Debug)]
pub struct CallMark {
    /// The call.
    pub call: CallId,
    /// The tool's short name.
    pub tool: String,
    /// Its arguments in a few words.
    pub summary: String,
    /// How it ended; `None` while it runs.
    pub status: Option<ToolStatus>,
    /// Whether it waits for somebody to type.
    pub waiting: bool,
    /// The end of its output.
    pub output: Output,
}

impl CallMark {
    /// A call that begins.
    pub fn new(call: CallId, tool: String, summary: String) -> Self {
        Self { call, tool, summary, status: None, waiting: false, output: Output::new(OUTPUT_BYTES) }
    }

    /// It ended with this output.
    pub fn end(&mut self, status: ToolStatus, output: &str) {
        self.status = Some(status);
        self.waiting = false;
        self.output = Output::new(OUTPUT_BYTES);
        self.output.push(output.trim_end());
    }

    pub(super) fn waits(&self) -> bool {
        self.waiting && self.status.is_none()
    }

    /// Glyph and style of its state.
    pub(super) fn glyph(&self, theme: Theme) -> (&'static str, Style) {
        let glyphs = theme.glyphs();
        match self.status {
            None if self.waiting => (glyphs.waiting, theme.waiting()),
            None => (glyphs.spinner[0], theme.agent()),
            Some(ToolStatus::Ok) => (glyphs.done, theme.ok()),
            Some(ToolStatus::Cancelled) => (glyphs.cancelled, theme.dim()),
            Some(ToolStatus::Error | ToolStatus::Timeout) => (glyphs.failed, theme.error()),
        }
    }
}
