//! What the session changed in its project, looked at before it is written there.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

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
    patch: Box<ProjectPatch>,
    theme: Theme,
    /// The width that the text is drawn for.
    width: u16,
    /// When it was on the screen first.
    shown_at: Option<u64>,
    /// Whether it says that Enter writes it.
    armed: bool,
}

/// For so long Enter writes nothing yet: it may have been meant for what was there before.
const LOOK_MS: u64 = 1_000;

/// What to do about conflicts.
const CONFLICTS: &str = "`/apply markers` writes both versions of what is in conflict";

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
        let mut viewer = Viewer::of_lines(title, Vec::new(), 2);
        viewer.set_foot(if patch.is_ready() { "look at it first" } else { CONFLICTS });
        Self { viewer, patch: Box::new(patch.clone()), theme, width: 0, shown_at: None, armed: false }
    }

    /// Fits it to an area.
    pub fn prepare(&mut self, area: Rect, now_ms: u64) {
        let since = *self.shown_at.get_or_insert(now_ms);
        if self.patch.is_ready() && now_ms >= since + LOOK_MS {
            self.armed = true;
            self.viewer.set_foot("Enter writes it to the project");
        }
        if std::mem::replace(&mut self.width, area.width) != area.width {
            self.viewer.set_lines(self.lines());
        }
        self.viewer.prepare(area);
    }

    /// When Enter begins to write it, unless it does already.
    pub fn ready_at(&self) -> Option<u64> {
        self.shown_at.map(|at| at + LOOK_MS).filter(|_| !self.armed && self.patch.is_ready())
    }

    /// First every path, since a patch may be too long to be read to its end; then what changes in them.
    fn lines(&self) -> Vec<Line<'static>> {
        let (patch, theme) = (&self.patch, self.theme);
        let clean = |text: &str| sanitize::line(text);
        let dir = clean(&patch.dir.display().to_string());
        let mut lines = vec![Line::styled(format!("to {dir}"), theme.heading())];
        for (list, glyph, style) in [
            (&patch.write, theme.glyphs().added, theme.added()),
            (&patch.remove, theme.glyphs().removed, theme.removed()),
        ] {
            for change in list {
                let name = Span::styled(format!("{glyph} {}", clean(&change.path)), style);
                lines.push(Line::from(vec![name, Span::styled(format!("  {}", clean(&change.what)), theme.dim())]));
            }
        }
        for conflict in &patch.conflicts {
            let words = format!("conflict: {}: {}", clean(&conflict.path), clean(&conflict.why));
            lines.push(Line::styled(words, theme.error()));
            if patch.markers {
                lines.push(Line::styled(format!("  {}", clean(&conflict.outcome)), theme.dim()));
            }
        }
        if !patch.is_ready() {
            lines.push(Line::styled(format!("Nothing can be written as it is; {CONFLICTS}."), theme.waiting()));
        }
        for note in &patch.notes {
            lines.push(Line::styled(format!("note: {}", clean(note)), theme.waiting()));
        }
        for line in &patch.left_out {
            lines.push(Line::styled(format!("left out: {}", clean(line)), theme.dim()));
        }
        lines.push(Line::default());
        lines.extend(diff::lines(&sanitize::visible(&patch.patch), self.width, theme));
        lines
    }

    /// What Enter does, if it does anything yet.
    pub fn confirm(&self) -> Option<Op> {
        if !self.armed {
            return None;
        }
        let ProjectPatch { digest, markers, since_copy, .. } = &*self.patch;
        Some(Op::ApplyProject { digest: digest.clone(), markers: *markers, since_copy: *since_copy })
    }
}
