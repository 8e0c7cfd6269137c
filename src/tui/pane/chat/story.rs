//! Facts become cells.

use crate::protocol::{Attachment, CallId, KEPT_PICTURE, Message, Op, RestoreReport, TurnOutcome};
use crate::support::{sanitize, truncate};
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::{Body, CallMark, Cell, NoticeKind, Step};
use crate::tui::pane::picture::Strip;
use crate::tui::pane::trace::{argument_summary, short_tool_name};
use crate::tui::text::stream::{CleanStream, StreamedMarkdown};

use super::{ChatState, Position};

impl ChatState {
    /// An op is on its way: a rollback that answers it is told in its words.
    pub fn asked(&mut self, op: &Op) {
        if matches!(op, Op::Restore { .. } | Op::Undo | Op::Redo) {
            self.movement = Some(op.clone());
        }
    }

    pub(super) fn moved(&mut self, report: &RestoreReport) {
        let how = if report.verified { "verified" } else { "NOT verified" };
        let (what, next) = match self.movement.take() {
            Some(Op::Undo) => ("undone: back at", "/redo brings it back"),
            Some(Op::Redo) => ("redone: back at", "/undo undoes"),
            _ => ("rolled back to", "/undo undoes"),
        };
        let separator = self.theme.glyphs().separator;
        self.notice(NoticeKind::Done, &format!("{what} {}, {how}{separator}{next}", report.target.short()));
    }

    /// Adds to the work that is going on, or begins one.
    pub(super) fn work(&mut self, add: impl FnOnce(&mut Vec<Step>, &mut CleanStream)) {
        if !matches!(self.cells.last(), Some(Cell { body: Body::Work { .. }, .. })) {
            self.cells.push(Cell::new(Body::Work { steps: Vec::new(), clean: CleanStream::default() }));
        }
        if let Some(cell) = self.cells.last_mut() {
            cell.touch();
            if let Body::Work { steps, clean } = &mut cell.body {
                add(steps, clean);
            }
        }
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if let Some((_, spoke)) = &mut self.turn {
            *spoke = true;
        }
        self.drop_retries();
        if let Some(at) = self.open_text() {
            if let Body::Text { markdown, clean } = &mut self.cells[at].body {
                markdown.push(&clean.push(text));
            }
            return;
        }
        if !matches!(self.cells.last(), Some(Cell { body: Body::Text { .. }, .. })) {
            // Line breaks between thoughts and text are no paragraph.
            if text.trim().is_empty() {
                return;
            }
            self.cells.push(Cell::new(Body::Text { markdown: StreamedMarkdown::new(), clean: CleanStream::default() }));
        }
        if let Some(Cell { body: Body::Text { markdown, clean }, .. }) = self.cells.last_mut() {
            markdown.push(&clean.push(text));
        }
    }

    /// The text that the reply goes on with, when news of something else stands below it.
    fn open_text(&self) -> Option<usize> {
        self.turn?;
        let at = self.cells.iter().rposition(|cell| !matches!(cell.body, Body::Notice { .. } | Body::Error { .. }))?;
        (at + 1 < self.cells.len() && matches!(self.cells[at].body, Body::Text { .. })).then_some(at)
    }

    /// The request went through after all, or will not be sent again: what was told about it is over.
    pub(super) fn drop_retries(&mut self) {
        while matches!(self.cells.last(), Some(Cell { body: Body::Notice { kind: NoticeKind::Retry, .. }, .. })) {
            self.cells.pop();
        }
    }

    pub(super) fn push_thought(&mut self, text: &str, now_ms: u64) {
        self.work(|steps, clean| {
            let piece = clean.push(text);
            if let Some(Step::Thought { text, span_ms }) = steps.last_mut() {
                text.push_str(&piece);
                if let Some((_, to)) = span_ms {
                    *to = now_ms;
                }
            } else {
                steps.push(Step::Thought { text: piece, span_ms: Some((now_ms, now_ms)) });
            }
        });
    }

    /// Nothing more comes to the cells of this turn.
    pub(super) fn settle(&mut self) {
        for cell in self.cells.iter_mut().rev() {
            match &mut cell.body {
                Body::User { .. } => break,
                Body::Text { markdown, clean } => {
                    let rest = clean.finish();
                    if !rest.is_empty() {
                        markdown.push(&rest);
                    }
                    markdown.finish();
                }
                _ => {}
            }
        }
    }

    /// Takes back what a broken reply has said since the latest call.
    pub(super) fn restart_reply(&mut self) {
        while let Some(cell) = self.cells.last_mut() {
            match &mut cell.body {
                Body::Text { .. } | Body::Notice { kind: NoticeKind::Retry, .. } => {
                    self.cells.pop();
                }
                Body::Work { steps, .. } => {
                    while matches!(steps.last(), Some(Step::Thought { .. })) {
                        steps.pop();
                    }
                    let empty = steps.is_empty();
                    cell.touch();
                    if empty {
                        self.cells.pop();
                    } else {
                        break;
                    }
                }
                _ => break,
            }
        }
    }

    pub(super) fn replace(&mut self, messages: &[Message]) {
        // What the user is told about the movement itself outlives it.
        let news = match self.cells.last() {
            Some(Cell { body: Body::Notice { kind: NoticeKind::Done, text }, .. }) => Some(text.clone()),
            _ => None,
        };
        // A first message may be sent before the session is open.
        let last = self.cells.iter().rposition(|cell| matches!(cell.body, Body::User { .. }));
        let awaited = last.filter(|_| self.awaited).map(|at| self.cells.swap_remove(at));
        self.cells.clear();
        self.turn = None;
        self.selected = None;
        self.position = Position::Follow;
        self.welcome();
        for message in messages {
            self.take_message(message);
        }
        self.settle();
        self.cells.extend(awaited);
        if let Some(text) = news {
            self.cells.push(Cell::new(Body::Notice { kind: NoticeKind::Done, text }));
        }
    }

    pub(super) fn take_message(&mut self, message: &Message) {
        match message {
            Message::System { .. } => {}
            Message::User { text, attachments } => {
                let files = attachments.iter().map(attachment).collect();
                self.cells.push(Cell::new(Body::User { text: sanitize::text(text), files }));
            }
            Message::Assistant { text, reasoning, tool_calls } => {
                if matches!(self.cells.last(), Some(Cell { body: Body::User { .. }, .. })) {
                    self.cells.push(Cell::new(Body::Head { duration_ms: None }));
                }
                if let Some(reasoning) = reasoning.as_deref().filter(|text| !text.trim().is_empty()) {
                    let text = sanitize::text(reasoning);
                    self.work(|steps, _| steps.push(Step::Thought { text, span_ms: None }));
                }
                if !text.trim().is_empty() {
                    self.cells.push(Cell::text(&sanitize::text(text)));
                }
                for call in tool_calls {
                    let arguments = serde_json::from_str(&call.arguments)
                        .unwrap_or_else(|_| serde_json::Value::String(call.arguments.clone()));
                    let mark = call_mark(call.id.clone(), &call.name, &arguments);
                    self.work(|steps, _| steps.push(Step::Call(mark)));
                }
            }
            Message::Tool(reply) => self.change_call(&reply.call, |mark| mark.end(reply.status, &reply.output)),
        }
    }

    /// Changes what is told of a call of the latest turn.
    pub(super) fn change_call(&mut self, call: &CallId, change: impl FnOnce(&mut CallMark)) {
        for cell in self.cells.iter_mut().rev() {
            match &mut cell.body {
                Body::User { .. } => return,
                Body::Work { steps, .. } => {
                    let marks = steps.iter_mut().filter_map(|step| match step {
                        Step::Call(mark) => Some(mark),
                        Step::Thought { .. } => None,
                    });
                    if let Some(mark) = marks.into_iter().find(|mark| mark.call == *call) {
                        change(mark);
                        cell.touch();
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// Shows the pictures of a call of the latest turn below its work. One that was shown before is shown here from now
    /// on: its file is another one.
    pub(super) fn show_pictures(&mut self, call: &CallId, paths: &[String]) {
        // What only the model looks at, such as each state of a page, stands in the trace.
        let paths: Vec<&String> = paths.iter().filter(|path| !path.starts_with(KEPT_PICTURE)).collect();
        if paths.is_empty() {
            return;
        }
        for cell in &mut self.cells {
            if let Body::Pictures(strip) = &mut cell.body {
                for path in &paths {
                    strip.replace(path);
                }
            }
        }
        let has_call = |steps: &[Step]| steps.iter().any(|step| matches!(step, Step::Call(mark) if mark.call == *call));
        let at = self.cells.iter().rposition(|cell| matches!(&cell.body, Body::Work { steps, .. } if has_call(steps)));
        let at = at.map_or(self.cells.len(), |at| at + 1);
        if !matches!(self.cells.get(at), Some(Cell { body: Body::Pictures(_), .. })) {
            let strip = Body::Pictures(Strip::new(self.pictures.clone()));
            self.cells.insert(at, Cell::opened(strip));
            self.selected = self.selected.map(|selected| selected + usize::from(selected >= at));
        }
        if let Some(Cell { body: Body::Pictures(strip), .. }) = self.cells.get_mut(at) {
            for path in paths {
                strip.add(path);
            }
        }
    }

    /// The pictures that are selected.
    pub(super) fn selected_pictures(&self) -> Option<&Strip> {
        match &self.cells.get(self.selected?)?.body {
            Body::Pictures(strip) => Some(strip),
            _ => None,
        }
    }

    /// Shows the selected pictures over all panes, with those of the whole conversation before and after them.
    pub(super) fn view_pictures(&self) -> Vec<UiEffect> {
        let strips = |cells: &[Cell]| -> Vec<String> {
            let strips = cells.iter().filter_map(|cell| match &cell.body {
                Body::Pictures(strip) => Some(strip),
                _ => None,
            });
            strips.flat_map(Strip::paths).map(str::to_owned).collect()
        };
        let before = strips(&self.cells[..self.selected.unwrap_or(0).min(self.cells.len())]);
        vec![UiEffect::ShowPictures { paths: strips(&self.cells), labels: Vec::new(), at: before.len() }]
    }

    pub(super) fn welcome(&mut self) {
        if let Some((facts, unconfined)) = self.facts.clone() {
            let help = self.help_key.clone();
            self.cells.insert(0, Cell::new(Body::Welcome { facts, unconfined, help }));
        }
    }

    pub(super) fn end_turn(&mut self, outcome: TurnOutcome, reply: &str, now_ms: u64) {
        self.drop_retries();
        let Some((began, spoke)) = self.turn.take() else { return };
        if !spoke && !reply.trim().is_empty() {
            self.cells.push(Cell::text(&sanitize::text(reply)));
        }
        self.settle();
        let head = self.cells.iter_mut().rev().find(|cell| matches!(cell.body, Body::Head { .. }));
        if let Some(cell) = head {
            cell.body = Body::Head { duration_ms: Some(now_ms.saturating_sub(began)) };
            cell.touch();
        }
        if outcome == TurnOutcome::Interrupted {
            self.notice(NoticeKind::Stopped, "stopped; what was done so far is kept");
        }
    }
}

/// A file that went along: its name, its size, where it is.
pub(super) fn attachment(file: &Attachment) -> String {
    let (name, path) = (sanitize::line(&file.name), sanitize::line(&file.path));
    format!("{name}  {}  {path}", truncate::bytes(file.bytes))
}

pub(super) fn call_mark(call: CallId, tool: &str, arguments: &serde_json::Value) -> CallMark {
    CallMark::new(call, sanitize::line(short_tool_name(tool)), argument_summary(tool, arguments))
}
