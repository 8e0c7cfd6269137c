//! One thing in the chat: a message, a piece of a reply, the work between two pieces, an error, news.
//!
//! A cell knows how it looks at a width and remembers it. Text inside is clean already.

use std::fmt::Write as _;

use ratatui::layout::Size;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::protocol::ToolStatus;
use crate::support::truncate;
use crate::tui::text::link;
use crate::tui::text::stream::{CleanStream, StreamedMarkdown};
use crate::tui::text::wrap::{self, Indent};
use crate::tui::theme::Theme;

use super::picture::Strip;
use super::welcome::welcome;

mod call_mark;

pub use call_mark::CallMark;

/// Rows of a user's message that are shown while it is folded.
const FOLDED_ROWS: usize = 12;

/// Rows of a call's output that are shown under an unfolded one.
const OUTPUT_ROWS: usize = 4;

/// A step of the work between two pieces of a reply.
#[derive(Debug)]
pub enum Step {
    /// The model thought.
    Thought {
        /// What, as far as it tells.
        text: String,
        /// When it began and when the latest piece came, if this was seen.
        span_ms: Option<(u64, u64)>,
    },
    /// A tool ran.
    Call(CallMark),
}

/// What sort of news a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done.
    Done,
    /// Something was stopped by the user.
    Stopped,
    /// Something that the user should know.
    Warning,
    /// A request will be sent again; the next such line replaces this one.
    Retry,
    /// Something for the user was made.
    Made,
    /// A website was deployed; its address can be opened.
    Site,
}

/// What a cell holds.
#[derive(Debug)]
pub enum Body {
    /// The first screen of a session.
    Welcome {
        /// The mount, the sandbox and the network.
        facts: String,
        /// Whether tools run without a sandbox.
        unconfined: bool,
        /// Which key shows the help.
        help: String,
    },
    /// The user's message.
    User {
        /// What was said.
        text: String,
        /// What went along: one line each.
        files: Vec<String>,
    },
    /// The beginning of a turn's answer.
    Head {
        /// How long the turn took, once it is over.
        duration_ms: Option<u64>,
    },
    /// A piece of the reply.
    Text {
        /// The text.
        markdown: StreamedMarkdown,
        /// Cleans what still comes in.
        clean: CleanStream,
    },
    /// Thoughts and tool calls between two pieces.
    Work {
        /// What happened, in order.
        steps: Vec<Step>,
        /// Cleans thoughts that still come in.
        clean: CleanStream,
    },
    /// Pictures that a call has made or looked at.
    Pictures(Strip),
    /// Something failed.
    Error {
        /// What and where.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// News.
    Notice {
        /// What sort.
        kind: NoticeKind,
        /// The words.
        text: String,
    },
}

/// A body, how it is folded and how it looks.
#[derive(Debug)]
pub struct Cell {
    /// What it holds.
    pub body: Body,
    /// Whether it is unfolded.
    pub open: bool,
    look: Option<(u16, Theme)>,
    rendered: bool,
    lines: Vec<Line<'static>>,
}

impl Cell {
    /// A folded cell.
    pub fn new(body: Body) -> Self {
        Self { body, open: false, look: None, rendered: false, lines: Vec::new() }
    }

    /// An unfolded cell.
    pub fn opened(body: Body) -> Self {
        Self { open: true, ..Self::new(body) }
    }

    /// A piece of a reply that is whole.
    pub fn text(text: &str) -> Self {
        Self::new(Body::Text { markdown: StreamedMarkdown::whole(text), clean: CleanStream::default() })
    }

    /// Must be called after the body was changed.
    pub fn touch(&mut self) {
        self.look = None;
    }

    /// Gives the memory of its lines back; they are made again when they are next needed.
    pub fn drop_lines(&mut self) {
        if !self.rendered {
            return;
        }
        self.rendered = false;
        self.look = None;
        self.lines = Vec::new();
        match &mut self.body {
            Body::Text { markdown, .. } => {
                let source = markdown.source().to_owned();
                *markdown = StreamedMarkdown::whole(&source);
            }
            Body::Pictures(strip) => strip.drop_lines(),
            _ => {}
        }
    }

    /// Whether an empty row stands above it.
    pub fn has_gap(&self, before: Option<&Cell>) -> bool {
        let joined = matches!(
            (before.map(|cell| &cell.body), &self.body),
            (None | Some(Body::Head { .. }), _) | (Some(Body::Notice { .. }), Body::Notice { .. })
        );
        !joined
    }

    /// Whether there is something to unfold.
    pub fn folds(&self) -> bool {
        match &self.body {
            Body::Work { .. } | Body::Pictures(_) => true,
            Body::User { text, .. } => text.lines().nth(FOLDED_ROWS).is_some() || text.len() > 2000,
            _ => false,
        }
    }

    /// How it looks at this width; pictures have so many rows at most.
    pub fn lines(&mut self, room: Size, theme: Theme) -> &[Line<'static>] {
        let width = room.width;
        self.rendered = true;
        if self.look != Some((width, theme)) {
            self.lines = self.render(width, theme);
            self.look = Some((width, theme));
        }
        match &mut self.body {
            Body::Text { markdown, .. } => markdown.lines(width, theme),
            Body::Pictures(strip) => strip.lines(room, theme, self.open),
            _ => &self.lines,
        }
    }

    /// Its text, for copying and for the search.
    pub fn plain(&self) -> String {
        match &self.body {
            Body::Welcome { facts, .. } => facts.clone(),
            Body::User { text, .. } | Body::Notice { text, .. } => text.clone(),
            Body::Head { .. } => String::new(),
            Body::Pictures(strip) => strip.plain(),
            Body::Text { markdown, .. } => markdown.source().trim().to_owned(),
            Body::Work { steps, .. } => {
                let mut out = String::new();
                for step in steps {
                    match step {
                        Step::Thought { text, .. } => out.push_str(text.trim()),
                        Step::Call(mark) => {
                            out.push_str(&mark.tool);
                            out.push(' ');
                            out.push_str(&mark.summary);
                        }
                    }
                    out.push('\n');
                }
                out
            }
            Body::Error { message, hint } => match hint {
                Some(hint) => format!("{message}\n{hint}"),
                None => message.clone(),
            },
        }
    }

    fn render(&self, width: u16, theme: Theme) -> Vec<Line<'static>> {
        match &self.body {
            Body::Welcome { facts, unconfined, help } => welcome(facts, *unconfined, help, width, theme),
            Body::User { text, files } => self.render_user(text, files, width, theme),
            Body::Head { duration_ms } => {
                let name = Span::styled("OK Computer", theme.agent().patch(theme.strong()));
                let time = duration_ms.map(duration).unwrap_or_default();
                vec![justify(name, Span::styled(time, theme.dim()), width)]
            }
            // Rendered by themselves.
            Body::Text { .. } | Body::Pictures(_) => Vec::new(),
            Body::Work { steps, .. } => self.render_work(steps, width, theme),
            Body::Error { message, hint } => {
                let mut lines = marked(theme.glyphs().failed, message, theme.error(), width);
                if let Some(hint) = hint {
                    lines.extend(marked(" ", hint, theme.dim(), width));
                }
                lines
            }
            Body::Notice { kind, text } => {
                let glyphs = theme.glyphs();
                let (glyph, style) = match kind {
                    NoticeKind::Done => (glyphs.done, theme.ok()),
                    NoticeKind::Stopped => (glyphs.cancelled, theme.dim()),
                    NoticeKind::Warning | NoticeKind::Retry => (glyphs.waiting, theme.waiting()),
                    NoticeKind::Made => (glyphs.added, theme.hint()),
                    NoticeKind::Site => {
                        let address = text.split_whitespace().find(|word| link::checked(word).is_some());
                        (glyphs.added, link::styled(theme.hint(), address.unwrap_or_default()))
                    }
                };
                marked(glyph, text, style, width)
            }
        }
    }

    fn render_user(&self, text: &str, files: &[String], width: u16, theme: Theme) -> Vec<Line<'static>> {
        let mut lines = vec![Line::styled("You", theme.strong())];
        let rows = match text.trim_end() {
            "" => Vec::new(),
            text => wrap::wrap_text(text, width, theme.text()),
        };
        let all = rows.len();
        if self.open || all <= FOLDED_ROWS + 2 {
            lines.extend(rows);
        } else {
            lines.extend(rows.into_iter().take(FOLDED_ROWS));
            let more = format!("{} {} more rows", theme.glyphs().folded, all - FOLDED_ROWS);
            lines.push(Line::styled(more, theme.dim()));
        }
        lines.extend(files.iter().flat_map(|file| marked(theme.glyphs().added, file, theme.dim(), width)));
        lines
    }

    fn render_work(&self, steps: &[Step], width: u16, theme: Theme) -> Vec<Line<'static>> {
        let glyphs = theme.glyphs();
        let fold = if self.open { glyphs.unfolded } else { glyphs.folded };
        let mut summary = Vec::new();
        if let Some(thought) = thought_words(steps) {
            summary.push(format!("{fold} {thought}"));
        }
        if let Some(calls) = call_words(steps) {
            summary.push(format!("{fold} {calls}"));
        }
        let waits = steps.iter().any(|step| matches!(step, Step::Call(mark) if mark.waits()));
        let words = if waits { format!("   {} waiting for input", glyphs.waiting) } else { String::new() };
        let room = usize::from(width).saturating_sub(wrap::width_of(&words));
        let summary = truncate::cells(&summary.join("   "), room, glyphs.ellipsis);
        let summary = vec![Span::styled(summary, theme.dim()), Span::styled(words, theme.waiting())];
        let mut lines = vec![Line::from(summary)];
        if !self.open {
            return lines;
        }
        for step in steps {
            match step {
                Step::Thought { text, .. } => {
                    let indent = Indent { first: vec![Span::raw("  ")], rest: vec![Span::raw("  ")] };
                    for row in text.trim().lines() {
                        let spans = [Span::styled(row, theme.dim())];
                        wrap::wrap_spans(&spans, usize::from(width), &indent, wrap::Break::Words, &mut lines);
                    }
                }
                Step::Call(mark) => {
                    let (glyph, style) = mark.glyph(theme);
                    let words = truncate::cells(
                        &format!("{} {}", mark.tool, mark.summary),
                        usize::from(width).saturating_sub(4),
                        glyphs.ellipsis,
                    );
                    lines.push(Line::from(vec![
                        Span::raw("  "),
                        Span::styled(glyph, style),
                        Span::raw(" "),
                        Span::raw(words),
                    ]));
                    let indent = Indent { first: vec![Span::raw("    ")], rest: vec![Span::raw("    ")] };
                    for line in mark.output.last(OUTPUT_ROWS) {
                        let spans = line.spans(theme.dim(), theme);
                        wrap::wrap_spans(&spans, usize::from(width), &indent, wrap::Break::Cells, &mut lines);
                    }
                }
            }
        }
        lines
    }
}

/// `thought for 4 s`.
fn thought_words(steps: &[Step]) -> Option<String> {
    let mut any = false;
    let mut total = 0;
    let mut known = false;
    for step in steps {
        if let Step::Thought { span_ms, .. } = step {
            any = true;
            if let Some((from, to)) = span_ms {
                known = true;
                total += to.saturating_sub(*from);
            }
        }
    }
    match (any, known) {
        (false, _) => None,
        (true, true) => Some(format!("thought for {} s", total.div_ceil(1000).max(1))),
        (true, false) => Some("thought".to_owned()),
    }
}

/// `6 tools, 1 failed`.
fn call_words(steps: &[Step]) -> Option<String> {
    let marks = || steps.iter().filter_map(|step| if let Step::Call(mark) = step { Some(mark) } else { None });
    let count = marks().count();
    if count == 0 {
        return None;
    }
    let failed = marks().filter(|mark| matches!(mark.status, Some(ToolStatus::Error | ToolStatus::Timeout))).count();
    let stopped = marks().filter(|mark| mark.status == Some(ToolStatus::Cancelled)).count();
    let mut words = if count == 1 { "1 tool".to_owned() } else { format!("{count} tools") };
    if failed > 0 {
        let _ = write!(words, ", {failed} failed");
    }
    if stopped > 0 {
        let _ = write!(words, ", {stopped} stopped");
    }
    Some(words)
}

/// A glyph and words beside it, wrapped with a hanging indent.
pub(super) fn marked(glyph: &'static str, text: &str, style: Style, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut first = vec![Span::styled(glyph, style), Span::raw(" ")];
    for row in text.trim_end().split('\n') {
        let indent =
            Indent { first: std::mem::replace(&mut first, vec![Span::raw("  ")]), rest: vec![Span::raw("  ")] };
        wrap::wrap_spans(&[Span::styled(row, style)], usize::from(width), &indent, wrap::Break::Words, &mut lines);
    }
    lines
}

/// One row with something at either end.
pub fn justify(left: Span<'static>, right: Span<'static>, width: u16) -> Line<'static> {
    let used = wrap::width_of(&left.content) + wrap::width_of(&right.content);
    let gap = usize::from(width).saturating_sub(used);
    if gap == 0 {
        return Line::from(left);
    }
    Line::from(vec![left, Span::raw(" ".repeat(gap)), right])
}

/// A duration for people: `0.4 s`, `12.4 s`, `2 m 05 s`, `1 h 02 m`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}
