//! The difference between two states, opened: files at the left (or above), the patch of one of them beside it.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use super::super::list::{ListCursor, Scroll, draw_lines, draw_note, mark_row, row};
use crate::protocol::{FileChangeKind, FileDiff};
use crate::support::{sanitize, truncate};
use crate::tui::action::Action;
use crate::tui::pane::DrawContext;
use crate::tui::text::diff;
use crate::tui::text::wrap::{Break, Indent, spans_width, width_of, wrap_spans};
use crate::tui::theme::Theme;

/// Width from which the files stand beside the patch.
const BESIDE: u16 = 70;

/// A difference that was asked for.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) title: String,
    pub(super) from: String,
    pub(super) to: Option<String>,
    /// Clean; `None` until the answer has come.
    files: Option<Vec<FileDiff>>,
    error: Option<String>,
    /// Paths that are not in the snapshot, with the reason.
    not_kept: Vec<String>,
    cursor: ListCursor,
    scroll: Scroll,
    /// Whether the patch is scrolled by the keys that choose a file otherwise.
    in_patch: bool,
    patch: Vec<Line<'static>>,
    drawn: Option<(usize, u16, Theme)>,
    size: Size,
}

impl Difference {
    pub(super) fn new(title: String, from: String, to: Option<String>, not_kept: Vec<String>) -> Self {
        Self {
            title,
            from,
            to,
            files: None,
            error: None,
            not_kept,
            cursor: ListCursor::default(),
            scroll: Scroll::default(),
            in_patch: false,
            patch: Vec::new(),
            drawn: None,
            size: Size::default(),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.files.is_none() && self.error.is_none()
    }

    pub(super) fn answer(&mut self, files: &[FileDiff]) {
        let clean = |file: &FileDiff| {
            let mut file = file.clone();
            file.change.path = sanitize::line(&file.change.path);
            file.patch = sanitize::visible(&file.patch);
            file
        };
        self.files = Some(files.iter().map(clean).collect());
        self.drawn = None;
    }

    pub(super) fn fail(&mut self, message: String) {
        self.error = Some(message);
    }

    fn files(&self) -> &[FileDiff] {
        self.files.as_deref().unwrap_or_default()
    }

    fn selected(&self) -> Option<&FileDiff> {
        self.files().get(self.cursor.selected)
    }

    /// What can be copied: the patch of the selected file.
    pub(super) fn copy(&self) -> Option<(String, String)> {
        let file = self.selected().filter(|file| !file.patch.is_empty())?;
        Some((file.patch.clone(), format!("the difference of {}", file.change.path)))
    }

    /// Closes the patch; `false` when the whole difference is to be closed.
    pub(super) fn back(&mut self) -> bool {
        std::mem::take(&mut self.in_patch)
    }

    pub(super) fn act(&mut self, action: Action) -> bool {
        let count = self.files().len();
        match action {
            Action::Open => self.in_patch = !self.in_patch && count > 0,
            Action::Up | Action::Down if !self.in_patch => {
                self.cursor.act(action, count);
                self.scroll = Scroll::default();
            }
            _ => return self.scroll.act(action),
        }
        true
    }

    /// Files, and the patch below or beside them.
    fn areas(&self, area: Rect) -> (Rect, Rect) {
        let rows = (self.files().len() + self.not_kept.len()).max(1);
        if area.width >= BESIDE {
            let longest = self.files().iter().map(|file| width_of(&file.change.path) + 10).max().unwrap_or(0);
            let not_kept = self.not_kept.iter().map(|path| width_of(path) + 20).max().unwrap_or(0);
            let width = (longest.max(not_kept) as u16).clamp(20, (area.width / 3).max(20));
            let files = Rect { width, ..area };
            let patch = Rect { x: area.x + width + 3, width: area.width.saturating_sub(width + 3), ..area };
            return (files, patch);
        }
        let height = (rows as u16).min((area.height / 3).max(1));
        let files = Rect { height: height.min(area.height), ..area };
        let top = (height + 1).min(area.height);
        // Below the files, one cell clear of the line at the left.
        let margin = 1.min(area.width);
        let patch = Rect { x: area.x + margin, width: area.width - margin, ..area };
        (files, Rect { y: area.y + top, height: area.height - top, ..patch })
    }

    pub(super) fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        self.size = size;
        let (files, patch) = self.areas(Rect::new(0, 0, size.width, size.height));
        let count = self.files().len();
        self.cursor.show(|_| 1, count, usize::from(files.height));
        let key = (self.cursor.selected, patch.width, cx.theme);
        if self.drawn != Some(key) {
            self.drawn = Some(key);
            self.patch = match self.selected() {
                Some(file) if file.change.binary => vec![note("This file is not text.", cx.theme)],
                Some(file) if file.patch.trim().is_empty() => {
                    vec![note("The contents are the same, or too large to compare here.", cx.theme)]
                }
                Some(file) => diff::lines(without_names(&file.patch), patch.width, cx.theme),
                None => Vec::new(),
            };
            if let Some(file) = self.selected() {
                // The list may have cut it.
                let name = [Span::styled(file.change.path.clone(), cx.theme.strong())];
                let mut lines = Vec::new();
                wrap_spans(&name, usize::from(patch.width), &Indent::default(), Break::Cells, &mut lines);
                self.patch.splice(0..0, lines);
            }
        }
        self.scroll.clamp(self.patch.len(), usize::from(patch.height));
    }

    pub(super) fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let theme = cx.theme;
        let buffer = frame.buffer_mut();
        if let Some(error) = &self.error {
            draw_note(error, area, theme, buffer);
            return;
        }
        if self.files.is_none() {
            draw_note("Comparing.", area, theme, buffer);
            return;
        }
        if self.files().is_empty() && self.not_kept.is_empty() {
            draw_note("No file differs.", area, theme, buffer);
            return;
        }
        let (left, right) = self.areas(area);
        let width = usize::from(left.width);
        let mut y = left.y;
        for (index, file) in self.files().iter().enumerate().skip(self.cursor.offset) {
            if y >= left.bottom() {
                break;
            }
            buffer.set_line(left.x, y, &file_row(file, width, theme), left.width);
            if index == self.cursor.selected {
                let here = cx.focused && !self.in_patch;
                mark_row(left, y, if here { theme.selected() } else { theme.selected_idle() }, buffer);
            }
            y += 1;
        }
        for path in &self.not_kept {
            if y >= left.bottom() {
                break;
            }
            let words = vec![Span::styled(" not in snapshot: ", theme.waiting()), Span::raw(path.clone())];
            buffer.set_line(left.x, y, &row(words, Vec::new(), width, theme), left.width);
            y += 1;
        }
        if right.y == left.y {
            for y in area.top()..area.bottom() {
                let bar = Line::styled(theme.glyphs().vertical, theme.dim());
                buffer.set_line(left.right() + 1, y, &bar, 1);
            }
        } else if left.bottom() < area.bottom() {
            let rule = theme.glyphs().horizontal.repeat(usize::from(area.width));
            buffer.set_line(area.x, left.bottom(), &Line::styled(rule, theme.dim()), area.width);
        }
        draw_lines(self.patch.iter().skip(self.scroll.top), right, buffer);
    }

    pub(super) fn hints(&self) -> &'static [Action] {
        if self.in_patch {
            &[Action::PageDown, Action::Copy, Action::Back]
        } else {
            &[Action::Open, Action::PageDown, Action::Copy, Action::Back]
        }
    }
}

fn note(text: &str, theme: Theme) -> Line<'static> {
    Line::from(Span::styled(text.to_owned(), theme.dim()))
}

/// The patch without the file names in front: they stand in the list.
fn without_names(patch: &str) -> &str {
    match patch.find("@@ ") {
        Some(at) if patch[..at].lines().all(|line| !line.starts_with(['+', '-']) || line.len() > 3) => &patch[at..],
        _ => patch,
    }
}

/// One file: what happened to it, its path, its counts.
fn file_row(file: &FileDiff, width: usize, theme: Theme) -> Line<'static> {
    let glyphs = theme.glyphs();
    let change = &file.change;
    let (glyph, style) = match change.kind {
        FileChangeKind::Added => (glyphs.added, theme.added()),
        FileChangeKind::Modified => (glyphs.changed, theme.waiting()),
        FileChangeKind::Removed => (glyphs.removed, theme.removed()),
    };
    let mut right = Vec::new();
    if change.lines_added > 0 {
        right.push(Span::styled(format!("{}{}", glyphs.added, change.lines_added), theme.added()));
    }
    if change.lines_removed > 0 {
        let gap = if right.is_empty() { "" } else { " " };
        right.push(Span::styled(format!("{gap}{}{}", glyphs.removed, change.lines_removed), theme.removed()));
    }
    if change.binary {
        right.push(Span::styled("binary", theme.dim()));
    }
    // Cut at the left: the name at the end tells the files apart.
    let room = width.saturating_sub(3 + spans_width(&right) + usize::from(!right.is_empty()));
    let path = truncate::tail_cells(&change.path, room, glyphs.ellipsis);
    let left = vec![Span::styled(format!(" {glyph} "), style), Span::raw(path)];
    row(left, right, width, theme)
}
