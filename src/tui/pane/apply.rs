//! What the session changed in its project, looked at before it is written there.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::protocol::{Op, ProjectPatch};
use crate::support::sanitize;
use crate::tui::text::diff;
use crate::tui::theme::Theme;

use super::viewer::Viewer;

/// The patch and the text that shows it.
#[derive(Debug)]
pub struct ApplyView {
    /// The text, with scroll and search.
    pub viewer: Viewer,
    patch: ProjectPatch,
    theme: Theme,
    /// The width that the text is drawn for.
    width: u16,
}

impl ApplyView {
    /// Shows a patch.
    pub fn new(patch: &ProjectPatch, theme: Theme) -> Self {
        let conflicts = match patch.conflicts.len() {
            0 => String::new(),
            count => format!(", {count} in conflict"),
        };
        let dir = sanitize::line(&patch.dir.display().to_string());
        let (write, remove) = (patch.write.len(), patch.remove.len());
        let title = format!("{write} to write, {remove} to remove{conflicts} in {dir}");
        let viewer = Viewer::of_lines(title, Vec::new(), 2);
        let viewer = if patch.is_ready() { viewer.with_enter("writes it to the project") } else { viewer };
        Self { viewer, patch: patch.clone(), theme, width: 0 }
    }

    /// Fits it to an area.
    pub fn prepare(&mut self, area: Rect) {
        if std::mem::replace(&mut self.width, area.width) != area.width {
            self.viewer.set_lines(self.lines());
        }
        self.viewer.prepare(area);
    }

    fn lines(&self) -> Vec<Line<'static>> {
        let (patch, theme) = (&self.patch, self.theme);
        let clean = |text: &str| sanitize::line(text);
        let mut lines: Vec<Line<'static>> = Vec::new();
        for conflict in &patch.conflicts {
            let words = format!("conflict: {}: {}", clean(&conflict.path), clean(&conflict.why));
            lines.push(Line::styled(words, theme.error()));
        }
        for line in &patch.left_out {
            lines.push(Line::styled(format!("left out: {}", clean(line)), theme.dim()));
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(diff::lines(&sanitize::text(&patch.patch), self.width, theme));
        lines
    }

    /// What Enter does: the op, or why there is none.
    pub fn confirm(&self) -> Result<Op, String> {
        if !self.patch.is_ready() {
            return Err("both sides changed some files: `/apply markers` writes both versions into them".to_owned());
        }
        Ok(Op::ApplyProject { digest: self.patch.digest.clone(), markers: self.patch.markers })
    }
}
