//! The dry run of a rollback: what would be written, removed and kept, before anything is done.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::list::{Scroll, draw_lines};
use crate::protocol::{NodeId, RestorePlan, RestoreReport, RestoreScope};
use crate::support::sanitize;
use crate::tui::action::Action;
use crate::tui::pane::DrawContext;
use crate::tui::text::wrap::{Break, Indent, wrap_spans};
use crate::tui::theme::Theme;

/// Paths of each sort that are listed; the others are counted.
const MOST_PATHS: usize = 200;

const SCOPES: [(RestoreScope, &str); 3] = [
    (RestoreScope::All, "files and conversation"),
    (RestoreScope::FilesOnly, "files only"),
    (RestoreScope::ConversationOnly, "conversation only"),
];

/// The dialog.
#[derive(Debug)]
pub(super) struct Rollback {
    pub(super) target: NodeId,
    pub(super) scope: RestoreScope,
    label: String,
    /// Clean; `None` until the answer has come.
    plan: Option<RestorePlan>,
    error: Option<String>,
    scroll: Scroll,
}

impl Rollback {
    pub(super) fn new(target: NodeId, label: String) -> Self {
        Self { target, scope: RestoreScope::All, label, plan: None, error: None, scroll: Scroll::default() }
    }

    pub(super) fn title(&self) -> String {
        format!("Roll back to {}", self.target.short())
    }

    /// Takes the answer if it is the one that was asked for.
    pub(super) fn answer(&mut self, plan: &RestorePlan) {
        if plan.target == self.target && plan.scope == self.scope {
            let clean = |paths: &[String]| paths.iter().map(|path| sanitize::line(path)).collect();
            self.plan = Some(RestorePlan {
                write: clean(&plan.write),
                remove: clean(&plan.remove),
                keep: clean(&plan.keep),
                ..plan.clone()
            });
            self.error = None;
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.plan.is_none() && self.error.is_none()
    }

    /// Whether the user has seen what Enter would do.
    pub(super) fn is_ready(&self) -> bool {
        self.plan.is_some()
    }

    pub(super) fn fail(&mut self, message: String) {
        self.error = Some(message);
    }

    /// Takes another choice; the plan has to be asked for again.
    pub(super) fn choose(&mut self, next: bool) {
        let at = SCOPES.iter().position(|(scope, _)| *scope == self.scope).unwrap_or(0);
        self.scope = SCOPES[(at + if next { 1 } else { SCOPES.len() - 1 }) % SCOPES.len()].0;
        self.plan = None;
        self.error = None;
        self.scroll = Scroll::default();
    }

    pub(super) fn scroll(&mut self, action: Action) {
        self.scroll.act(action);
        // The width is not known here; a page beyond the end is the most that this allows.
        self.scroll.top = self.scroll.top.min(self.paths().saturating_sub(1));
    }

    fn paths(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| {
            [&plan.write, &plan.remove, &plan.keep].iter().map(|list| list.len().min(MOST_PATHS) + 1).sum()
        })
    }

    pub(super) fn height(&self) -> u16 {
        (self.paths() + 9).min(usize::from(u16::MAX)) as u16
    }

    pub(super) fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let theme = cx.theme;
        let width = usize::from(area.width);
        let mut head: Vec<Line<'static>> = Vec::new();
        let say = |spans: &[Span<'_>], out: &mut Vec<Line<'static>>| {
            wrap_spans(spans, width, &Indent::default(), Break::Words, out);
        };
        say(&[Span::styled(self.label.as_str(), theme.dim())], &mut head);
        for (scope, words) in SCOPES {
            let chosen = scope == self.scope;
            let mark = if chosen { theme.glyphs().head } else { theme.glyphs().node };
            let style = if chosen { theme.strong() } else { theme.dim() };
            say(&[Span::styled(format!("{mark} {words}"), style)], &mut head);
        }

        let mut foot: Vec<Line<'static>> = Vec::new();
        let outside = "HOME, /tmp, processes and external effects are not rolled back.";
        say(&[Span::styled(outside, theme.dim())], &mut foot);
        let keys = match (&self.error, self.is_ready()) {
            (Some(_), _) => "left and right choose, Esc closes",
            (None, false) => "left and right choose, Esc cancels",
            (None, true) => "Enter rolls back, left and right choose, Esc cancels",
        };
        say(&[Span::styled(keys, theme.hint())], &mut foot);

        let body = self.body(width, theme);
        let buffer = frame.buffer_mut();
        let height = usize::from(area.height);
        // The list of paths gives way first, then the choices; the last rows always stay.
        foot.truncate(height);
        head.truncate(height - foot.len());
        let room = height - foot.len() - head.len();
        let top = self.scroll.top.min(body.len().saturating_sub(room));
        let shown = body.len().min(room);
        let at = |y: usize, height: usize| Rect { y: area.y + y as u16, height: height as u16, ..area };
        draw_lines(head.iter(), at(0, head.len()), buffer);
        draw_lines(body.iter().skip(top), at(head.len(), shown), buffer);
        draw_lines(foot.iter(), at(head.len() + room.min(shown), foot.len()), buffer);
    }

    fn body(&self, width: usize, theme: Theme) -> Vec<Line<'static>> {
        let mut out = vec![Line::default()];
        let mut say = |text: &str, style| {
            wrap_spans(&[Span::styled(text, style)], width, &Indent::default(), Break::Words, &mut out);
        };
        if let Some(error) = &self.error {
            say(error, theme.error());
        }
        let Some(plan) = &self.plan else {
            if self.error.is_none() {
                say("Looking at what would change.", theme.dim());
            }
            out.push(Line::default());
            return out;
        };
        if plan.turns_left > 0 {
            let words = match plan.turns_left {
                1 => "1 turn of the conversation stays behind; undo brings it back.".to_owned(),
                turns => format!("{turns} turns of the conversation stay behind; undo brings them back."),
            };
            say(&words, theme.text());
        }
        let glyphs = theme.glyphs();
        if plan.write.is_empty() && plan.remove.is_empty() && self.scope != RestoreScope::ConversationOnly {
            say("No file changes.", theme.text());
        }
        let lists = [
            ("write", glyphs.changed, theme.waiting(), &plan.write),
            ("remove", glyphs.removed, theme.removed(), &plan.remove),
            ("keep, because no snapshot holds them", glyphs.node, theme.dim(), &plan.keep),
        ];
        for (words, glyph, style, paths) in lists {
            if paths.is_empty() {
                continue;
            }
            let count = paths.len();
            say(&format!("{count} to {words}"), theme.strong());
            for path in paths.iter().take(MOST_PATHS) {
                say(&format!("  {glyph} {path}"), style);
            }
            if count > MOST_PATHS {
                say(&format!("  and {} more", count - MOST_PATHS), theme.dim());
            }
        }
        out.push(Line::default());
        out
    }
}

/// Which op a rollback answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Movement {
    #[default]
    Restore,
    Undo,
    Redo,
}

/// One line about a rollback that was done.
pub(super) fn words(report: &RestoreReport, movement: Movement, theme: Theme) -> String {
    let what = match (movement, report.scope) {
        (Movement::Undo, _) => "undone: back at",
        (Movement::Redo, _) => "redone: back at",
        (Movement::Restore, RestoreScope::All) => "rolled back to",
        (Movement::Restore, RestoreScope::FilesOnly) => "files rolled back to",
        (Movement::Restore, RestoreScope::ConversationOnly) => "conversation rolled back to",
    };
    let verified = match (report.scope, report.verified) {
        (_, true) => ", verified",
        (RestoreScope::ConversationOnly, false) => "",
        (_, false) => ", but the files differ from the snapshot",
    };
    let next = if movement == Movement::Undo { "U redoes" } else { "u undoes" };
    format!("{what} {}{verified}{}{next}", report.target.short(), theme.glyphs().separator)
}
