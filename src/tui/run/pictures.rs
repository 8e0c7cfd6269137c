//! Pictures in the loop: what the terminal takes, and the work that they make.

use super::Loop;
use crate::tui::app::Msg;
use crate::tui::input::EventSource;
use crate::tui::output::Sink;
use crate::tui::picture::{Graphics, TerminalAnswer};

/// The size of a cell where nobody tells it.
const USUAL_CELL: (u16, u16) = (10, 20);

impl<S: Sink, E: EventSource> Loop<S, E> {
    /// Asks the terminal what it can do, where that is not known. Its answer comes as an input.
    pub(super) fn ask_terminal(&mut self) {
        if let Some(question) = &self.options.picture_plan.question {
            let bytes = question.bytes(self.screen.cell_size());
            // A terminal that takes nothing is noticed with the next frame.
            let _ = self.screen.write(bytes);
        }
    }

    /// Fits pictures to what is known of the terminal: at the start, with its answer, and when its size changes.
    pub(super) fn fit_pictures(&mut self, answer: Option<&TerminalAnswer>) {
        let cell = self.screen.cell_size();
        let plan = &self.options.picture_plan;
        if let Some(protocol) = plan.fixed {
            self.graphics = Some(Graphics { protocol, cell: cell.unwrap_or(USUAL_CELL) });
        }
        if let (Some(question), Some(answer)) = (&plan.question, answer) {
            self.graphics = question.settle(answer, cell);
            tracing::debug!(?answer, graphics = ?self.graphics, "the terminal has answered");
        }
        if let (Some(graphics), Some(cell)) = (&mut self.graphics, cell) {
            graphics.cell = cell;
        }
        let cell = cell.or(self.graphics.map(|graphics| graphics.cell));
        self.app.pictures.set_graphics(self.graphics, cell);
    }

    /// Begins the next piece of work for the pictures on the screen, if there is any.
    pub(super) fn make_pictures(&mut self) {
        if let Some(job) = self.app.pictures.next_job() {
            self.job(move || {
                job();
                Msg::PictureMade
            });
        }
    }
}
