//! The trace as a pane: events in, keys in, pictures out.

use super::super::find::FindOutcome;
use super::super::list::{draw_note, mark_row};
use super::super::{DrawContext, Pane, PaneTitle};
use super::call::{Call, duration};
use super::kernel::KernelRow;
use super::output::OutputViewer;
use super::{Subject, TraceState};
use crate::protocol::{Event, ToolStatus};
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};

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
            Event::NetworkRequest { host, port, allowed, reason } => {
                // It names no call: the newest one that runs is the one that commands are run by.
                if let Some(call) = self.calls.iter_mut().rev().find(|call| call.is_running()) {
                    call.asked_for(host, *port, *allowed, reason.as_deref());
                }
            }
            Event::SiteRequests { latest, more } => self.asked_sites(latest, *more),
            Event::ToolWaiting { call, waiting, hidden } => {
                if let Some(call) = self.find_call(call) {
                    call.waiting = *waiting;
                    call.hidden = *hidden;
                }
            }
            Event::JobsChanged { jobs } => self.set_jobs(jobs, now_ms),
            Event::KernelChanged(info) => self.kernel = KernelRow::new(info),
            Event::ToolFinished { call, status, duration_ms, output, .. } => {
                if let Some(call) = self.find_call(call) {
                    call.end(*status, Some(*duration_ms), output);
                }
            }
            Event::ToolDetail { call, spill, diff, pictures } => {
                if let Some(call) = self.find_call(call) {
                    call.detail(spill.as_ref(), diff.as_ref());
                    call.pictures.clone_from(pictures);
                }
            }
            Event::TurnEnded { .. } | Event::Closed => {
                if matches!(event, Event::Closed) {
                    self.set_jobs(&[], now_ms);
                    self.kernel = KernelRow::default();
                }
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
        if action == Action::RebuildKernel {
            return self.rebuild_kernel("once more does it");
        }
        self.rebuild_told = false;
        if let Some(viewer) = &mut self.viewer {
            if viewer.act(action) {
                return Vec::new();
            }
        } else if let Some(open) = &mut self.open {
            if open.scroll.act(action) {
                open.follow = action == Action::Bottom;
                return Vec::new();
            }
        } else if self.cursor.act(action, self.count()) {
            self.wandered = self.cursor.selected + 1 != self.calls.len();
            return Vec::new();
        }
        match action {
            Action::Open if self.open.is_none() => self.open_selected(false),
            Action::FullOutput | Action::Open if self.viewer.is_none() => return self.full_output(),
            Action::Back if self.viewer.is_some() => self.viewer = None,
            Action::Back if self.open.is_some() => self.close(),
            Action::Back => return vec![UiEffect::Leave],
            Action::Search => match &mut self.viewer {
                Some(viewer) => viewer.find.open(),
                None => self.find.open(),
            },
            Action::SearchNext => self.look(false),
            Action::SearchPrevious => self.look(true),
            Action::Copy => return self.copy(),
            Action::CopyHostPath => {
                if let Some(Subject::Call(call)) = self.subject() {
                    return vec![UiEffect::CopyHostPath(call.paths())];
                }
            }
            Action::OpenOutside => return self.outside(),
            Action::EndCall => return self.end_call(),
            Action::TypeInto => return self.type_into(),
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
        // What is opened keeps clear of the line at its left.
        let opened = Size { width: size.width.saturating_sub(1), ..size };
        if let Some(viewer) = &mut self.viewer {
            viewer.prepare(opened, cx);
        } else if self.open.is_some() {
            self.prepare_open(opened, cx);
        } else {
            self.prepare_list(size, cx);
        }
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = area.intersection(frame.area());
        if area.is_empty() {
            return;
        }
        let margin = 1.min(area.width);
        let inset = |area: Rect| Rect { x: area.x + margin, width: area.width - margin, ..area };
        if let Some(viewer) = &self.viewer {
            viewer.draw(inset(area), cx, frame);
            return;
        }
        let foot = u16::from(self.find.wants_row());
        let body = Rect { height: area.height.saturating_sub(foot), ..area };
        let buffer = frame.buffer_mut();
        if let Some(open) = &self.open {
            let body = inset(body);
            for (line, y) in open.detail.lines.iter().skip(open.scroll.top).zip(body.top()..body.bottom()) {
                buffer.set_line(body.x, y, line, body.width);
                self.find.mark(&line.to_string(), body, y, cx.theme, buffer);
            }
        } else if self.count() == 0 && !self.kernel.is_shown() {
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
            Some(Subject::Call(call)) => format!("Trace  {} {}", call.tool, call.summary),
            Some(Subject::Job(job)) => format!("Trace  {} {}", job.name(), job.summary()),
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
        let (running, waiting, job) = match self.subject() {
            Some(Subject::Call(call)) => (call.is_running(), call.is_waiting(), false),
            Some(Subject::Job(_)) => (false, false, true),
            None => (false, false, false),
        };
        match (&self.viewer, &self.open) {
            (Some(_), _) => &[Action::Search, Action::SearchNext, Action::OpenOutside, Action::Back],
            (None, Some(_)) if job => &[Action::EndCall, Action::Search, Action::Copy, Action::Back],
            (None, None) if job => &[Action::Open, Action::EndCall, Action::Copy, Action::Back],
            (None, Some(_)) if waiting => &[Action::TypeInto, Action::EndCall, Action::FullOutput, Action::Back],
            (None, None) if waiting => &[Action::TypeInto, Action::Open, Action::EndCall, Action::Back],
            (None, Some(_)) if running => &[Action::EndCall, Action::FullOutput, Action::Copy, Action::Back],
            (None, Some(_)) => &[Action::FullOutput, Action::Search, Action::Copy, Action::Back],
            (None, None) if running => &[Action::Open, Action::EndCall, Action::Fold, Action::Back],
            (None, None) if self.calls.is_empty() => &[Action::Back, Action::Help],
            (None, None) if self.kernel.wants_rebuild() => {
                &[Action::Open, Action::RebuildKernel, Action::FullOutput, Action::Back]
            }
            (None, None) => &[Action::Open, Action::FullOutput, Action::Fold, Action::Copy, Action::Back],
        }
    }

    fn animated(&self) -> bool {
        self.calls.iter().rev().take(64).any(|call| call.is_running() && !call.waiting)
            || self.viewer.as_ref().is_some_and(OutputViewer::is_searching)
    }
}
