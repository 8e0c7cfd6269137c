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
//! of a call is read from its spill file only as far as someone looks at it (`output`).

mod call;
mod detail;
mod output;
mod pane;
mod rows;
mod summary;

use std::collections::VecDeque;

use ratatui::layout::Size;
use ratatui::text::Line;
use serde_json::Value;

use self::call::{Call, State};
use self::detail::Detail;
use self::output::OutputViewer;
pub use self::summary::{argument_summary, short_tool_name};
use super::DrawContext;
use super::find::Find;
use super::list::{ListCursor, Scroll};
use crate::protocol::{CallId, Message, Op, ToolStatus};
use crate::support::truncate;
use crate::tui::effect::{UiEffect, ViewSource};

/// Calls that are kept.
const MOST_CALLS: usize = 2_000;
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

#[cfg(test)]
mod tests;
