//! Fitting everything to the screen, just before a frame.

use ratatui::layout::{Rect, Size};

use super::{App, Focus, Modal};
use crate::tui::layout;
use crate::tui::pane::DrawContext;

/// Rows by which a growing reply moves up at once where panes stand side by side.
const GROWTH_STEP: usize = 4;

impl App {
    /// Fits everything to an area, just before it is drawn.
    pub fn prepare(&mut self, area: Rect) {
        self.pictures.begin_frame();
        self.preview.begin_frame();
        let size = Size { width: area.width, height: area.height };
        let width = if size.width >= layout::THREE_PANES && self.zoomed.is_none() {
            self.layout.composer.width
        } else {
            size.width
        };
        let width = if width == 0 { size.width } else { width };
        let above = u16::from(self.queued.is_some()) + self.attachments.rows();
        let wanted = self.composer.rows(width) + above;
        self.layout = layout::compute(size, self.shown, self.zoomed, wanted);
        // A pane that has left the screen cannot keep the focus.
        if let Focus::Pane(pane) = self.focus
            && self.layout.place(pane).is_none()
        {
            self.shown = pane;
            self.layout = layout::compute(size, self.shown, self.zoomed, wanted);
            if self.layout.place(pane).is_none() {
                self.focus = Focus::Composer;
            }
        }
        let height = self.layout.composer.height;
        self.composer.fit(height.saturating_sub(above).max(1).min(height));
        self.chat.set_step(if self.layout.wide { GROWTH_STEP } else { 1 });
        let places = self.layout.panes.clone();
        let (theme, now_ms, wall, focus) = (self.theme, self.now_ms, self.wall.clone(), self.focus);
        for place in places {
            let cx = DrawContext { theme, focused: focus == Focus::Pane(place.pane), now_ms, wall: &wall };
            let size = Size { width: place.body.width, height: place.body.height };
            self.pane_mut(place.pane).prepare(size, &cx);
        }
        if let Some((pane, overlay)) = self.dialog().and_then(|pane| Some((pane, self.pane(pane).overlay()?))) {
            let inside = layout::inside(layout::dialog(area, overlay.height));
            let cx = DrawContext { theme, focused: true, now_ms, wall: &wall };
            let size = Size { width: inside.width, height: inside.height };
            self.pane_mut(pane).prepare_overlay(size, &cx);
        }
        let over = self.overlay_area();
        match &mut self.modal {
            Some(Modal::Viewer(viewer)) => viewer.prepare(over),
            Some(Modal::Picture(viewer)) => viewer.prepare(over),
            Some(Modal::Apply(view)) => view.prepare(over, now_ms),
            _ => {}
        }
    }

    /// Where the viewer's text is drawn.
    pub fn overlay_area(&self) -> Rect {
        let area = self.layout.area;
        let top = self.layout.status.height.min(area.height) + u16::from(area.height > 3);
        Rect {
            x: u16::from(area.width > 10),
            y: top,
            width: area.width.saturating_sub(2 * u16::from(area.width > 10)),
            height: area.height.saturating_sub(top),
        }
    }
}
