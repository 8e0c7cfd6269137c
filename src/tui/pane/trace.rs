//! The tool trace: one row a call, each of which opens.
//!
//! ```text
//!  ✓ write_file   site/index.html  +212           8 ms
//!  ✗ shell        tidy site/index.html          exit 1
//!  ◐ shell        npx prettier --check site      3.1 s
//!       Checking formatting...                            the end of a running call's output
//! ```
//!
//! What is kept is bounded: the end of the live output, what the model was given, and so many calls. The whole output
//! of a call is read from its spill file only as far as someone looks at it ([`output`]).

mod call;
mod detail;
mod output;
mod summary;

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};
use serde_json::Value;

use self::call::{Call, State, duration};
use self::detail::Detail;
use self::output::OutputViewer;
pub use self::summary::{argument_summary, short_tool_name};
use super::find::{Find, FindOutcome};
use super::list::{ListCursor, Scroll, cut, draw_note, mark_row, row};
use super::{DrawContext, Pane, PaneTitle};
use crate::protocol::{CallId, Event, Message, Op, ToolStatus};
use crate::support::truncate;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::{UiEffect, ViewSource};
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

/// Calls that are kept.
const MOST_CALLS: usize = 2_000;
/// Rows of output under a running call, and under one that was unfolded.
const TAIL_ROWS: usize = 3;
const UNFOLDED_ROWS: usize = 12;
/// On areas lower than this a running call has one row of output.
const LOW: u16 = 14;

/// The call that is running, for the line above the composer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentCall {
    /// The tool's short name.
    pub tool: String,
    /// What it was asked, in a few words.
    pub summary: String,
    /// How long it has been running.
    pub elapsed_ms: u64,
}

/// The calls, and what is open.
#[derive(Debug, Default)]
pub struct TraceState {
    calls: VecDeque<Call>,
    turn: usize,
    cursor: ListCursor,
    /// The user moved away from the newest call, which is selected otherwise.
    wandered: bool,
    open: Option<Opened>,
    viewer: Option<OutputViewer>,
    find: Find,
    /// The visible rows: number of the call, whether it is its first row, the line.
    rows: Vec<(usize, bool, Line<'static>)>,
    low: bool,
}

/// A call that is open.
#[derive(Debug)]
struct Opened {
    call: CallId,
    scroll: Scroll,
    detail: Detail,
    /// Scroll to the output as soon as its place is known.
    to_output: bool,
    /// Keeps the end of a running call's output on the screen.
    follow: bool,
}

impl TraceState {
    /// No calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest running call.
    pub fn current(&self, now_ms: u64) -> Option<CurrentCall> {
        let call = self.calls.iter().rev().find(|call| call.is_running())?;
        Some(CurrentCall {
            tool: call.tool.clone(),
            summary: call.summary.clone(),
            elapsed_ms: call.elapsed_ms(now_ms).unwrap_or(0),
        })
    }

    /// Calls of the latest turn, and how many of them failed.
    pub fn counts(&self) -> (usize, usize) {
        let calls = || self.calls.iter().rev().take_while(|call| call.turn == self.turn);
        (calls().count(), calls().filter(|call| call.failed()).count())
    }

    fn find_call(&mut self, id: &CallId) -> Option<&mut Call> {
        // The newest first: ids are unique within a turn only.
        self.calls.iter_mut().rev().find(|call| call.id == *id)
    }

    fn selected(&self) -> Option<&Call> {
        self.calls.get(self.cursor.selected)
    }

    /// The call that keys are about: the open one, else the selected one.
    fn subject(&self) -> Option<&Call> {
        match &self.open {
            Some(open) => self.calls.iter().rev().find(|call| call.id == open.call),
            None => self.selected(),
        }
    }

    fn add(&mut self, call: Call) {
        self.calls.push_back(call);
        if self.calls.len() > MOST_CALLS {
            self.calls.pop_front();
            self.cursor.selected = self.cursor.selected.saturating_sub(1);
        }
        if !self.wandered {
            self.cursor.selected = self.calls.len() - 1;
        }
    }

    /// The calls of a conversation that was resumed or rolled back to.
    fn rebuild(&mut self, messages: &[Message]) {
        self.calls.clear();
        self.turn = 0;
        self.wandered = false;
        for message in messages {
            match message {
                Message::User { .. } => self.turn += 1,
                Message::Assistant { tool_calls, .. } => {
                    for call in tool_calls {
                        let arguments = serde_json::from_str(&call.arguments)
                            .unwrap_or_else(|_| Value::String(call.arguments.clone()));
                        let mut call = Call::new(call.id.clone(), self.turn, &call.name, arguments, 0);
                        call.state = State::Ended(ToolStatus::Cancelled, None);
                        self.add(call);
                    }
                }
                Message::Tool(reply) => {
                    if let Some(call) = self.find_call(&reply.call) {
                        call.end(reply.status, None, &reply.output);
                    }
                }
                Message::System { .. } => {}
            }
        }
        if self.open.as_ref().is_some_and(|open| !self.calls.iter().any(|call| call.id == open.call)) {
            self.open = None;
            self.viewer = None;
        }
    }

    fn open_selected(&mut self, to_output: bool) {
        if let Some(call) = self.selected() {
            self.open = Some(Opened {
                call: call.id.clone(),
                scroll: Scroll::default(),
                detail: Detail::default(),
                to_output,
                follow: to_output && call.is_running(),
            });
            self.find = Find::default();
        }
    }

    fn full_output(&mut self) -> Vec<UiEffect> {
        let Some(call) = self.subject() else { return Vec::new() };
        let spill = call.spill.clone();
        match spill.map(|path| OutputViewer::open(&path)) {
            Some(Ok(viewer)) => {
                if self.open.is_none() {
                    self.open_selected(true);
                }
                self.viewer = Some(viewer);
            }
            // The file of a turn that is closed has moved into its snapshot; what the model was given is still here.
            Some(Err(_)) | None => match &mut self.open {
                Some(open) => open.to_output = true,
                None => self.open_selected(true),
            },
        }
        Vec::new()
    }

    fn copy(&self) -> Vec<UiEffect> {
        let Some(call) = self.subject() else { return Vec::new() };
        let output = if call.is_running() { call.tail.text() } else { call.output.clone() };
        let (text, what) = if output.trim().is_empty() {
            let pretty = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
            (pretty, format!("the arguments of {}", call.tool))
        } else {
            (output, format!("the output of {}", call.tool))
        };
        vec![UiEffect::Copy { text, what }]
    }

    fn outside(&self) -> Vec<UiEffect> {
        let Some(call) = self.subject() else { return Vec::new() };
        if let Some(path) = call.spill.as_ref().filter(|path| path.is_file()) {
            return vec![UiEffect::OpenPager(path.clone())];
        }
        let text = if call.is_running() { call.tail.text() } else { call.output.clone() };
        vec![UiEffect::View { title: format!("{} {}", call.tool, call.summary), source: ViewSource::Text(text) }]
    }

    fn end_call(&self) -> Vec<UiEffect> {
        match self.subject() {
            Some(call) if call.is_running() => vec![UiEffect::Send(Op::EndCall { call: call.id.clone() })],
            Some(_) => vec![UiEffect::Notice("this call is not running".to_owned())],
            None => Vec::new(),
        }
    }

    fn look(&mut self, back: bool) {
        if let Some(viewer) = &mut self.viewer {
            viewer.look(back);
        } else if let Some(open) = &mut self.open {
            let lines = &open.detail.lines;
            let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let mut find = std::mem::take(&mut self.find);
            let pattern = find.pattern().to_owned();
            let matches = |index: usize| texts[index].to_ascii_lowercase().contains(&pattern);
            if let Some(line) = find.next(open.scroll.top, texts.len(), back, matches) {
                open.scroll.top = line;
                open.follow = false;
            }
            self.find = find;
        } else {
            let calls = &self.calls;
            let pattern = self.find.pattern().to_owned();
            let matches = |index: usize| {
                let call = &calls[index];
                format!("{} {}", call.tool, call.summary).to_ascii_lowercase().contains(&pattern)
            };
            if let Some(index) = self.find.next(self.cursor.selected, calls.len(), back, matches) {
                self.cursor.selected = index;
                self.wandered = index + 1 < self.calls.len();
            }
        }
    }

    /// Rows that a call takes in the list.
    fn height_of(&self, index: usize) -> usize {
        let Some(call) = self.calls.get(index) else { return 0 };
        1 + usize::from(self.begins_turn(index)) + self.tail_of(call).len()
    }

    fn begins_turn(&self, index: usize) -> bool {
        index > 0 && self.calls[index - 1].turn != self.calls[index].turn
    }

    /// The lines of output under a call's row.
    fn tail_of<'a>(&self, call: &'a Call) -> Vec<&'a str> {
        if !call.is_unfolded() {
            return Vec::new();
        }
        if call.is_running() {
            return call.tail.last(if self.low { 1 } else { TAIL_ROWS }).collect();
        }
        call.output.lines().take(UNFOLDED_ROWS).collect()
    }

    fn prepare_list(&mut self, size: Size, cx: &DrawContext<'_>) {
        self.low = size.height < LOW;
        let height = usize::from(size.height).saturating_sub(usize::from(self.find.wants_row()));
        let heights: Vec<usize> = (0..self.calls.len()).map(|index| self.height_of(index)).collect();
        self.cursor.show(|index| heights[index], heights.len(), height);
        let first = self.cursor.offset;
        let mut last = first;
        let mut used = 0;
        while last < heights.len() && used < height {
            used += heights[last];
            last += 1;
        }
        let widest = (first..last).map(|index| width_of(&self.calls[index].tool)).max().unwrap_or(0);
        let column = widest.min(if size.width < 60 { 11 } else { 18 });
        self.rows.clear();
        for index in first..last {
            if self.begins_turn(index) && index > first {
                self.rows.push((index, false, Line::default()));
            }
            let call = &self.calls[index];
            let width = usize::from(size.width);
            self.rows.push((index, true, call_row(call, width, column, cx)));
            for text in self.tail_of(call) {
                let text = crate::tui::text::wrap::expand_tabs(text, 8, 0).into_owned();
                let spans = cut(vec![Span::styled(format!("      {text}"), cx.theme.dim())], width, cx.theme);
                self.rows.push((index, false, Line::from(spans)));
            }
        }
    }

    fn prepare_open(&mut self, size: Size, cx: &DrawContext<'_>) {
        let height = usize::from(size.height).saturating_sub(usize::from(self.find.wants_row()));
        let Some(open) = &mut self.open else { return };
        let Some(call) = self.calls.iter().rev().find(|call| call.id == open.call) else { return };
        let whole = call.spill.as_ref().and_then(|path| path.metadata().ok()).map(|file| truncate::bytes(file.len()));
        open.detail = detail::lines(call, size.width, cx.theme, cx.now_ms, whole.as_deref());
        if std::mem::take(&mut open.to_output) {
            open.scroll.top = open.detail.output_at.saturating_sub(1);
        }
        if open.follow && call.is_running() {
            open.scroll.top = usize::MAX / 2;
        }
        open.scroll.clamp(open.detail.lines.len(), height);
    }
}

/// The first row of a call.
fn call_row(call: &Call, width: usize, column: usize, cx: &DrawContext<'_>) -> Line<'static> {
    let theme: Theme = cx.theme;
    let tool = truncate::cells(&call.tool, column, theme.glyphs().ellipsis);
    let gap = " ".repeat(column.saturating_sub(width_of(&tool)) + 2);
    let style = if call.is_running() { theme.strong() } else { theme.text() };
    let mut left = vec![Span::raw(" "), call.glyph(theme, cx.now_ms), Span::raw(" "), Span::styled(tool, style)];
    let right = call.outcome(theme, cx.now_ms);
    left.push(Span::raw(gap));
    left.push(Span::styled(call.summary.clone(), theme.dim()));
    // The counts stand behind the summary, and the summary gives way to them.
    let counts = call.counts(theme);
    let room = width.saturating_sub(spans_width(&right) + spans_width(&counts) + 1);
    let mut left = cut(left, room, theme);
    left.extend(counts);
    row(left, right, width, theme)
}

impl Pane for TraceState {
    fn apply(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::TurnStarted { .. } => self.turn += 1,
            Event::ToolStarted { call, tool, arguments } => {
                self.add(Call::new(call.clone(), self.turn, tool, arguments.clone(), now_ms));
            }
            Event::ToolOutput { call, chunk } => {
                if let Some(call) = self.find_call(call).filter(|call| call.is_running()) {
                    call.tail.push(chunk);
                }
            }
            Event::ToolFinished { call, status, duration_ms, output, .. } => {
                if let Some(call) = self.find_call(call) {
                    call.end(*status, Some(*duration_ms), output);
                }
            }
            Event::ToolDetail { call, spill, diff } => {
                if let Some(call) = self.find_call(call) {
                    call.detail(spill.as_ref(), diff.as_ref());
                }
            }
            Event::TurnEnded { .. } | Event::Closed => {
                // Every call has a result by now; a row must not spin for ever if one was missed.
                for call in self.calls.iter_mut().filter(|call| call.is_running()) {
                    call.end(ToolStatus::Cancelled, None, "");
                }
            }
            Event::ConversationReplaced { messages, .. } => self.rebuild(messages),
            _ => {}
        }
    }

    fn scope(&self) -> Scope {
        let typing = self.viewer.as_ref().map_or(&self.find, |viewer| &viewer.find).is_typing();
        if typing { Scope::Text } else { Scope::Trace }
    }

    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        if let Some(viewer) = &mut self.viewer {
            if viewer.act(action) {
                return Vec::new();
            }
        } else if let Some(open) = &mut self.open {
            if open.scroll.act(action) {
                open.follow = action == Action::Bottom;
                return Vec::new();
            }
        } else if self.cursor.act(action, self.calls.len()) {
            self.wandered = self.cursor.selected + 1 < self.calls.len();
            return Vec::new();
        }
        match action {
            Action::Open if self.open.is_none() => self.open_selected(false),
            Action::FullOutput | Action::Open if self.viewer.is_none() => return self.full_output(),
            Action::Back if self.viewer.is_some() => self.viewer = None,
            Action::Back if self.open.is_some() => {
                self.open = None;
                self.find = Find::default();
            }
            Action::Back => return vec![UiEffect::Leave],
            Action::Search => match &mut self.viewer {
                Some(viewer) => viewer.find.open(),
                None => self.find.open(),
            },
            Action::SearchNext => self.look(false),
            Action::SearchPrevious => self.look(true),
            Action::Copy => return self.copy(),
            Action::OpenOutside => return self.outside(),
            Action::EndCall => return self.end_call(),
            Action::Fold if self.open.is_none() => {
                if let Some(call) = self.calls.get_mut(self.cursor.selected) {
                    call.unfolded = Some(!call.is_unfolded());
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        let outcome = match &mut self.viewer {
            Some(viewer) => viewer.find.key(key),
            None => self.find.key(key),
        };
        if outcome == FindOutcome::Look {
            self.look(false);
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str) {
        match &mut self.viewer {
            Some(viewer) => viewer.find.paste(text),
            None => self.find.paste(text),
        }
    }

    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        if let Some(viewer) = &mut self.viewer {
            viewer.prepare(size, cx);
        } else if self.open.is_some() {
            self.prepare_open(size, cx);
        } else {
            self.prepare_list(size, cx);
        }
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = area.intersection(frame.area());
        if area.is_empty() {
            return;
        }
        if let Some(viewer) = &self.viewer {
            viewer.draw(area, cx, frame);
            return;
        }
        let foot = u16::from(self.find.wants_row());
        let body = Rect { height: area.height.saturating_sub(foot), ..area };
        let buffer = frame.buffer_mut();
        if let Some(open) = &self.open {
            for (line, y) in open.detail.lines.iter().skip(open.scroll.top).zip(body.top()..body.bottom()) {
                buffer.set_line(body.x, y, line, body.width);
                self.find.mark(&line.to_string(), body, y, cx.theme, buffer);
            }
        } else if self.calls.is_empty() {
            let note = "Every tool call of the model appears here: what it asked, how long it took, what came out. \
                        Send a message to see one.";
            draw_note(note, body, cx.theme, buffer);
        } else {
            for ((index, first, line), y) in self.rows.iter().zip(body.top()..body.bottom()) {
                buffer.set_line(body.x, y, line, body.width);
                if *first {
                    self.find.mark(&line.to_string(), body, y, cx.theme, buffer);
                }
                if *first && *index == self.cursor.selected {
                    let style = if cx.focused { cx.theme.selected() } else { cx.theme.selected_idle() };
                    mark_row(body, y, style, buffer);
                }
            }
        }
        if foot > 0 {
            self.find.draw(Rect { y: body.bottom(), height: 1, ..area }, cx, frame);
        }
    }

    fn title(&self, cx: &DrawContext<'_>) -> PaneTitle {
        let left = match self.open.as_ref().and_then(|_| self.subject()) {
            Some(call) => format!("Trace  {} {}", call.tool, call.summary),
            None => "Trace".to_owned(),
        };
        // The latest turn that has calls.
        let turn = self.calls.back().map(|call| call.turn);
        let calls: Vec<&Call> = self.calls.iter().rev().take_while(|call| Some(call.turn) == turn).collect();
        let right = match calls.len() {
            0 => String::new(),
            count => {
                let time: u64 = calls.iter().filter_map(|call| call.elapsed_ms(cx.now_ms)).sum();
                let things = if count == 1 { "1 call".to_owned() } else { format!("{count} calls") };
                match time {
                    0 => things,
                    time => format!("{things}{}{}", cx.theme.glyphs().separator, duration(time)),
                }
            }
        };
        PaneTitle { left, right }
    }

    fn summary(&self) -> Option<String> {
        (!self.calls.is_empty()).then(|| self.calls.len().to_string())
    }

    fn hints(&self) -> &'static [Action] {
        let running = self.subject().is_some_and(Call::is_running);
        match (&self.viewer, &self.open) {
            (Some(_), _) => &[Action::Search, Action::SearchNext, Action::OpenOutside, Action::Back],
            (None, Some(_)) if running => &[Action::EndCall, Action::FullOutput, Action::Copy, Action::Back],
            (None, Some(_)) => &[Action::FullOutput, Action::Search, Action::Copy, Action::Back],
            (None, None) if running => &[Action::Open, Action::EndCall, Action::Fold, Action::Back],
            (None, None) if self.calls.is_empty() => &[Action::Back, Action::Help],
            (None, None) => &[Action::Open, Action::FullOutput, Action::Fold, Action::Copy, Action::Back],
        }
    }

    fn animated(&self) -> bool {
        self.calls.iter().rev().take(64).any(Call::is_running)
            || self.viewer.as_ref().is_some_and(OutputViewer::is_searching)
    }
}

#[cfg(test)]
mod tests;
