//! The dry run of a rollback: what would be written, removed and kept, before anything is done.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::list::{Scroll, draw_lines};
use crate::protocol::{NodeId, RestorePlan, RestoreReport, RestoreScope};
use crate::support::sanitize;
use crate::tui::action::Action;
use crate::tui::pane::DrawContext;
use crate::tui::text::wrap::{Break, Indent, width_of, wrap_spans};
use crate::tui::theme::Theme;

/// Paths of each sort that are listed; the others are counted.
const MOST_PATHS: usize = 200;

/// Below this height what is said about the paths is cut down to leave room for them.
const LOW: usize = 14;

const SCOPES: [(RestoreScope, &str); 3] = [
    (RestoreScope::All, "files and conversation"),
    (RestoreScope::FilesOnly, "files only"),
    (RestoreScope::ConversationOnly, "conversation only"),
];

/// The dialog.
#[derive(Debug)]
pub(super) struct Rollback {
    /// What was asked for: an id, or the beginning of one, or a name.
    pub(super) target: String,
    /// The node that it names, once that is known.
    node: Option<NodeId>,
    pub(super) scope: RestoreScope,
    label: String,
    /// Clean; `None` until the answer has come.
    plan: Option<RestorePlan>,
    error: Option<String>,
    /// Background jobs, which a rollback leaves alone.
    jobs: usize,
    scroll: Scroll,
}

/// The rows of the dialog, for one size.
struct Rows {
    head: Vec<Line<'static>>,
    /// Each with the number of paths that have been told with it.
    body: Vec<(Line<'static>, usize)>,
    foot: Vec<Line<'static>>,
    /// Rows for the body.
    room: usize,
}

impl Rollback {
    pub(super) fn new(target: &NodeId, label: String) -> Self {
        Self { node: Some(target.clone()), label, ..Self::named(target.as_str().to_owned()) }
    }

    /// For words that only the engine understands.
    pub(super) fn named(target: String) -> Self {
        Self {
            target,
            node: None,
            scope: RestoreScope::All,
            label: String::new(),
            plan: None,
            error: None,
            jobs: 0,
            scroll: Scroll::default(),
        }
    }

    /// The same while so many background jobs run.
    pub(super) fn beside(self, jobs: usize) -> Self {
        Self { jobs, ..self }
    }

    pub(super) fn title(&self) -> String {
        format!("Roll back to {}", self.node.as_ref().map_or(self.target.as_str(), NodeId::short))
    }

    /// Takes the answer if it is the one that was asked for.
    pub(super) fn answer(&mut self, plan: &RestorePlan) {
        let asked = self.node.as_ref().is_none_or(|node| *node == plan.target);
        if asked && plan.scope == self.scope {
            plan.target.as_str().clone_into(&mut self.target);
            self.node = Some(plan.target.clone());
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
        self.plan.is_some() && self.error.is_none()
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
    }

    fn paths(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| {
            [&plan.write, &plan.remove, &plan.keep].iter().map(|list| list.len().min(MOST_PATHS) + 1).sum()
        })
    }

    pub(super) fn height(&self) -> u16 {
        (self.paths() + 9).min(usize::from(u16::MAX)) as u16
    }

    /// Learns how much is on the screen.
    pub(super) fn prepare(&mut self, size: Size, theme: Theme) {
        let rows = self.rows(usize::from(size.width), usize::from(size.height), theme);
        self.scroll.clamp(rows.body.len(), rows.room);
    }

    pub(super) fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let Rows { head, body, foot, room } = self.rows(usize::from(area.width), usize::from(area.height), cx.theme);
        let buffer = frame.buffer_mut();
        let top = self.scroll.top.min(body.len().saturating_sub(room));
        let shown = body.len().min(room);
        let at = |y: usize, height: usize| Rect { y: area.y + y as u16, height: height as u16, ..area };
        draw_lines(head.iter(), at(0, head.len()), buffer);
        draw_lines(body.iter().skip(top).map(|(line, _)| line), at(head.len(), shown), buffer);
        draw_lines(foot.iter(), at(head.len() + shown, foot.len()), buffer);
    }

    /// Everything, fitted to a size: on a low screen the choice and the foot take one row each, and the paths the rest.
    fn rows(&self, width: usize, height: usize, theme: Theme) -> Rows {
        let low = height < LOW;
        let body = self.body(width, low, theme);
        let foot = self.foot(width, low, theme);
        let mut head = self.choices(width, low, theme);
        let fits = head.len() + body.len() + foot.len() <= height;
        let room = height.saturating_sub(head.len() + foot.len() + 1);
        if let Some(plan) = self.plan.as_ref().filter(|_| self.error.is_none() && (low || !fits)) {
            head.push(overview(plan, &body, self.scroll.top, room, width, theme));
        }
        let mut rows = Rows { head, body, foot, room: 0 };
        // The list of paths gives way first, then the choices; the last rows always stay.
        rows.foot.truncate(height);
        rows.head.truncate(height - rows.foot.len());
        rows.room = height - rows.foot.len() - rows.head.len();
        rows
    }

    fn choices(&self, width: usize, low: bool, theme: Theme) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        if low {
            let words = SCOPES.iter().find(|(scope, _)| *scope == self.scope).map_or("", |(_, words)| words);
            let words = if theme.is_ascii() { format!("< {words} >") } else { format!("‹ {words} ›") };
            return vec![Line::styled(words, theme.strong())];
        }
        let mut say = |text: String, style| {
            wrap_spans(&[Span::styled(text, style)], width, &Indent::default(), Break::Words, &mut out);
        };
        say(self.label.clone(), theme.dim());
        for (scope, words) in SCOPES {
            let chosen = scope == self.scope;
            let mark = if chosen { theme.glyphs().head } else { theme.glyphs().node };
            say(format!("{mark} {words}"), if chosen { theme.strong() } else { theme.dim() });
        }
        out
    }

    fn foot(&self, width: usize, low: bool, theme: Theme) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        let mut say = |text: &str, style| {
            wrap_spans(&[Span::styled(text, style)], width, &Indent::default(), Break::Words, &mut out);
        };
        let keys = match (&self.error, self.is_ready(), low) {
            (Some(_), _, false) => "left and right choose, Esc closes",
            (Some(_), _, true) => "Esc closes",
            (None, false, false) => "left and right choose, Esc cancels",
            (None, false, true) => "Esc cancels",
            (None, true, false) => "Enter rolls back, left and right choose, Esc cancels",
            (None, true, true) => "Enter rolls back, Esc cancels",
        };
        if !low {
            say("HOME, /tmp, processes and external effects are not rolled back.", theme.dim());
        }
        if self.jobs > 0 {
            let words = if self.jobs == 1 {
                "1 background job goes on".to_owned()
            } else {
                format!("{} background jobs go on", self.jobs)
            };
            say(&format!("{words} and may write again; x in the trace ends one."), theme.waiting());
        }
        say(keys, theme.hint());
        if low {
            out.truncate(1);
        }
        out
    }

    fn body(&self, width: usize, low: bool, theme: Theme) -> Vec<(Line<'static>, usize)> {
        let mut out: Vec<(Line<'static>, usize)> = Vec::new();
        let mut told = 0;
        let mut say = |text: &str, style, paths: usize| {
            told += paths;
            let mut lines = Vec::new();
            wrap_spans(&[Span::styled(text, style)], width, &Indent::default(), Break::Words, &mut lines);
            out.extend(lines.into_iter().map(|line| (line, told)));
        };
        if !low {
            say("", theme.text(), 0);
        }
        if let Some(error) = &self.error {
            say(error, theme.error(), 0);
        } else if let Some(plan) = &self.plan {
            self.tell(plan, theme, &mut say);
        } else {
            say("Looking at what would change.", theme.dim(), 0);
        }
        if !low {
            say("", theme.text(), 0);
        }
        out
    }

    fn tell(&self, plan: &RestorePlan, theme: Theme, say: &mut impl FnMut(&str, Style, usize)) {
        if plan.turns_left > 0 {
            let words = match plan.turns_left {
                1 => "1 turn of the conversation stays behind; undo brings it back.".to_owned(),
                turns => format!("{turns} turns of the conversation stay behind; undo brings them back."),
            };
            say(&words, theme.text(), 0);
        }
        let glyphs = theme.glyphs();
        if plan.write.is_empty() && plan.remove.is_empty() && self.scope != RestoreScope::ConversationOnly {
            say("No file changes.", theme.text(), 0);
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
            say(&format!("{count} to {words}"), theme.strong(), 0);
            for path in paths.iter().take(MOST_PATHS) {
                say(&format!("  {glyph} {path}"), style, 1);
            }
            if count > MOST_PATHS {
                say(&format!("  and {} more", count - MOST_PATHS), theme.dim(), count - MOST_PATHS);
            }
        }
    }
}

/// How many paths of each sort there are, and how many of them have been seen: it stays where the list is scrolled.
fn overview(
    plan: &RestorePlan,
    body: &[(Line<'static>, usize)],
    top: usize,
    room: usize,
    width: usize,
    theme: Theme,
) -> Line<'static> {
    let counts = [(plan.remove.len(), "remove"), (plan.write.len(), "write"), (plan.keep.len(), "keep")];
    let words: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let words = words.join(theme.glyphs().separator);
    let total = body.last().map_or(0, |(_, paths)| *paths);
    let top = top.min(body.len().saturating_sub(room));
    let last = (top + room).min(body.len());
    let mut position = String::new();
    if body.len() > room && total > 0 {
        let seen = last.checked_sub(1).map_or(0, |at| body[at].1);
        position = format!("{seen} of {total}");
        let below = format!("{position}, more below");
        if last < body.len() && width_of(&words) + width_of(&below) + 2 <= width {
            position = below;
        }
    }
    let gap = width.saturating_sub(width_of(&words) + width_of(&position));
    Line::from(vec![
        Span::styled(words, theme.strong()),
        Span::raw(" ".repeat(gap.max(1))),
        Span::styled(position, theme.dim()),
    ])
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
