//! The tool trace: one row a call, each of which opens.
//!
//! ```text
//!  ✓ write_file   site/index.html  +212           8 ms
//!  ✗ shell        tidy site/index.html          exit 1
//!  ◐ shell        npx prettier --check site      3.1 s
//!       Checking formatting...                            the end of a running call's output
//!  Background                                      1 job   processes that go on after their command
//!  ● job 1  npm run dev                    :5173 · 3 m
//!  Kernel  idle                  Python 3.11.2 · 3 cells   what the notebook runs on
//! ```
//!
//! What is kept is bounded: the end of the live output, what the model was given, and so many calls. The whole output
//! of a call is read from its spill file only as far as someone looks at it (`output`).

mod call;
mod detail;
mod job;
mod kernel;
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
use self::job::BackgroundJob;
use self::kernel::KernelRow;
use self::output::OutputViewer;
pub use self::rows::jobs_words;
pub use self::summary::{argument_summary, short_tool_name};
use super::DrawContext;
use super::find::Find;
use super::list::{ListCursor, Scroll};
use crate::protocol::{CallId, Job, KernelChange, Message, Op, SiteRequest, ToolStatus};
use crate::support::truncate;
use crate::tui::effect::{UiEffect, ViewSource};
use crate::tui::picture::Pictures;

/// Calls that are kept.
const MOST_CALLS: usize = 2_000;

/// The call that is running, for the line above the composer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentCall {
    /// The call.
    pub call: CallId,
    /// The tool's short name.
    pub tool: String,
    /// What it was asked, in a few words.
    pub summary: String,
    /// How long it has been running.
    pub elapsed_ms: u64,
    /// Whether it waits for somebody to type.
    pub waiting: bool,
    /// The last words of its output.
    pub last_words: Option<String>,
}

/// The calls, and what is open.
#[derive(Debug, Default)]
pub struct TraceState {
    calls: VecDeque<Call>,
    jobs: Vec<BackgroundJob>,
    kernel: KernelRow,
    /// The user was told what a rebuild of the kernel does.
    rebuild_told: bool,
    turn: usize,
    cursor: ListCursor,
    /// The user moved away from the newest call, which is selected otherwise.
    wandered: bool,
    open: Option<Opened>,
    viewer: Option<OutputViewer>,
    find: Find,
    /// The visible rows: number of the call (jobs are numbered after the calls), whether it is its first row, the line.
    rows: Vec<(usize, bool, Line<'static>)>,
    low: bool,
    pictures: Pictures,
}

/// What is open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Call(CallId),
    Job(u32),
}

/// What keys are about.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    Call(&'a Call),
    Job(&'a BackgroundJob),
}

/// A call or a job that is open.
#[derive(Debug)]
struct Opened {
    what: What,
    scroll: Scroll,
    detail: Detail,
    /// Scroll to the output as soon as its place is known.
    to_output: bool,
    /// Keeps the end of a running call's output on the screen.
    follow: bool,
}

impl TraceState {
    /// Requests to websites stand with the call that has shown the site; those to none with the latest such call.
    fn asked_sites(&mut self, latest: &[SiteRequest], more: u64) {
        let Some(last) = self.calls.iter().rposition(Call::is_deployment) else { return };
        let mut at = last;
        if more > 0 {
            self.calls[last].was_asked_more(more);
        }
        for request in latest {
            if let Some(site) = &request.site {
                at = self.calls.iter().rposition(|call| call.has_shown(site)).unwrap_or(last);
            }
            self.calls[at].was_asked(request);
        }
    }

    /// No calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// No calls; pictures come from there.
    pub fn showing(pictures: Pictures) -> Self {
        Self { pictures, ..Self::default() }
    }

    /// The call that waits for input, else the newest running one.
    pub fn current(&self, now_ms: u64) -> Option<CurrentCall> {
        let running = || self.calls.iter().rev().filter(|call| call.is_running());
        let call = running().find(|call| call.waiting).or_else(|| running().next())?;
        Some(CurrentCall {
            call: call.id.clone(),
            tool: call.tool.clone(),
            summary: call.summary.clone(),
            elapsed_ms: call.elapsed_ms(now_ms).unwrap_or(0),
            waiting: call.waiting,
            last_words: call.last_words(),
        })
    }

    /// Whether the terminal of a call hides what is typed.
    pub fn hides(&self, call: &CallId) -> bool {
        self.calls.iter().rev().any(|kept| kept.id == *call && kept.is_running() && kept.hidden)
    }

    /// Whether a call is running.
    pub fn is_running(&self, call: &CallId) -> bool {
        self.calls.iter().rev().any(|kept| kept.id == *call && kept.is_running())
    }

    /// Number of background jobs.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Selects the oldest background job; `false` where there is none.
    pub fn select_jobs(&mut self) -> bool {
        if self.jobs.is_empty() {
            return false;
        }
        self.close();
        self.cursor.selected = self.calls.len();
        self.wandered = true;
        true
    }

    /// The kernel in a sentence.
    pub fn kernel_words(&self) -> String {
        self.kernel.words()
    }

    /// Says what a rebuild of the kernel does, and how to have it; the second time it is done.
    pub fn rebuild_kernel(&mut self, how: &str) -> Vec<UiEffect> {
        if std::mem::take(&mut self.rebuild_told) {
            return vec![UiEffect::Send(Op::Kernel(KernelChange::Rebuild))];
        }
        self.rebuild_told = true;
        vec![UiEffect::Notice(format!("runs all cells again, with the files that they write; {how}"))]
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

    /// Calls and jobs.
    fn count(&self) -> usize {
        self.calls.len() + self.jobs.len()
    }

    fn selected(&self) -> Option<Subject<'_>> {
        let at = self.cursor.selected;
        match at.checked_sub(self.calls.len()) {
            None => self.calls.get(at).map(Subject::Call),
            Some(job) => self.jobs.get(job).map(Subject::Job),
        }
    }

    /// What keys are about: what is open, else what is selected.
    fn subject(&self) -> Option<Subject<'_>> {
        match self.open.as_ref().map(|open| &open.what) {
            Some(What::Call(id)) => self.calls.iter().rev().find(|call| call.id == *id).map(Subject::Call),
            Some(What::Job(id)) => self.jobs.iter().find(|job| job.id == *id).map(Subject::Job),
            None => self.selected(),
        }
    }

    fn add(&mut self, call: Call) {
        // A job that is selected stays so.
        let on_job = self.wandered && self.cursor.selected >= self.calls.len();
        self.calls.push_back(call);
        self.cursor.selected += usize::from(on_job);
        if self.calls.len() > MOST_CALLS {
            self.calls.pop_front();
            self.cursor.selected = self.cursor.selected.saturating_sub(1);
        }
        if !self.wandered {
            self.cursor.selected = self.calls.len() - 1;
        }
    }

    /// Takes the jobs as they are now.
    fn set_jobs(&mut self, jobs: &[Job], now_ms: u64) {
        let selected = match self.selected() {
            Some(Subject::Job(job)) => Some(job.id),
            _ => None,
        };
        self.jobs = jobs.iter().map(|job| BackgroundJob::new(job, now_ms)).collect();
        if let Some(id) = selected {
            let at = self.jobs.iter().position(|job| job.id == id);
            self.cursor.selected = match at {
                Some(at) => self.calls.len() + at,
                None => self.cursor.selected.min(self.count().saturating_sub(1)),
            };
        }
        if self.open.as_ref().is_some_and(|open| matches!(open.what, What::Job(_))) && self.subject().is_none() {
            self.close();
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.viewer = None;
        self.find = Find::default();
    }

    /// The calls of a conversation that was resumed or rolled back to.
    fn rebuild(&mut self, messages: &[Message]) {
        self.calls.clear();
        self.turn = 0;
        self.wandered = false;
        self.cursor = ListCursor::default();
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
        if self.open.is_some() && self.subject().is_none() {
            self.close();
        }
    }

    fn open_selected(&mut self, to_output: bool) {
        let (what, running) = match self.selected() {
            Some(Subject::Call(call)) => (What::Call(call.id.clone()), call.is_running()),
            Some(Subject::Job(job)) => (What::Job(job.id), true),
            None => return,
        };
        let (scroll, detail) = (Scroll::default(), Detail::default());
        self.open = Some(Opened { what, scroll, detail, to_output, follow: to_output && running });
        self.find = Find::default();
    }

    fn full_output(&mut self) -> Vec<UiEffect> {
        let spill = match self.subject() {
            Some(Subject::Call(call)) => call.spill.clone(),
            Some(Subject::Job(_)) => None,
            None => return Vec::new(),
        };
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
        let (text, what) = match self.subject() {
            Some(Subject::Call(call)) if call.shown().is_blank() => {
                let pretty = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
                (pretty, format!("the arguments of {}", call.tool))
            }
            Some(Subject::Call(call)) => (call.shown().text(), format!("the output of {}", call.tool)),
            Some(Subject::Job(job)) if job.tail.is_blank() => {
                (job.command.clone(), format!("the command of {}", job.name()))
            }
            Some(Subject::Job(job)) => (job.tail.text(), format!("the output of {}", job.name())),
            None => return Vec::new(),
        };
        vec![UiEffect::Copy { text, what }]
    }

    fn outside(&self) -> Vec<UiEffect> {
        let (title, text) = match self.subject() {
            Some(Subject::Call(call)) if !call.pictures.is_empty() && self.viewer.is_none() => {
                return vec![UiEffect::ShowPictures { paths: call.pictures.clone(), labels: Vec::new(), at: 0 }];
            }
            Some(Subject::Call(call)) => {
                if let Some(path) = call.spill.as_ref().filter(|path| path.is_file()) {
                    return vec![UiEffect::OpenPager(path.clone())];
                }
                (format!("{} {}", call.tool, call.summary), call.shown().text())
            }
            Some(Subject::Job(job)) => (format!("{} {}", job.name(), job.summary()), job.tail.text()),
            None => return Vec::new(),
        };
        vec![UiEffect::View { title, source: ViewSource::Text(text) }]
    }

    fn end_call(&self) -> Vec<UiEffect> {
        match self.subject() {
            Some(Subject::Call(call)) if call.is_running() => {
                vec![UiEffect::Send(Op::EndCall { call: call.id.clone() })]
            }
            Some(Subject::Call(_)) => vec![UiEffect::Notice("this call is not running".to_owned())],
            Some(Subject::Job(job)) => vec![UiEffect::Send(Op::EndJob { job: job.id })],
            None => Vec::new(),
        }
    }

    fn type_into(&self) -> Vec<UiEffect> {
        let words = match self.subject() {
            Some(Subject::Call(call)) if call.is_running() => {
                return vec![UiEffect::TypeInto { call: call.id.clone(), tool: call.tool.clone() }];
            }
            Some(Subject::Call(_)) => "this call is not running",
            Some(Subject::Job(_)) => "a job in the background takes no input",
            None => return Vec::new(),
        };
        vec![UiEffect::Notice(words.to_owned())]
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
            let (calls, jobs) = (&self.calls, &self.jobs);
            let pattern = self.find.pattern().to_owned();
            let matches = |index: usize| {
                let text = match index.checked_sub(calls.len()) {
                    None => format!("{} {}", calls[index].tool, calls[index].summary),
                    Some(job) => format!("{} {}", jobs[job].name(), jobs[job].command),
                };
                text.to_ascii_lowercase().contains(&pattern)
            };
            if let Some(index) = self.find.next(self.cursor.selected, calls.len() + jobs.len(), back, matches) {
                self.cursor.selected = index;
                self.wandered = index + 1 != self.calls.len();
            }
        }
    }

    fn prepare_open(&mut self, size: Size, cx: &DrawContext<'_>) {
        let height = usize::from(size.height).saturating_sub(usize::from(self.find.wants_row()));
        let Some(mut open) = self.open.take() else { return };
        let (detail, running) = match &open.what {
            What::Call(id) => {
                let call = self.calls.iter().rev().find(|call| call.id == *id);
                let Some(call) = call else { return };
                let file = call.spill.as_ref().and_then(|path| path.metadata().ok());
                let whole = file.map(|file| truncate::bytes(file.len()));
                let shown = detail::Shown { size, theme: cx.theme, now_ms: cx.now_ms, pictures: &self.pictures };
                (detail::lines(call, &shown, whole.as_deref()), call.is_running())
            }
            What::Job(id) => {
                let Some(job) = self.jobs.iter().find(|job| job.id == *id) else { return };
                (detail::job_lines(job, size.width, cx.theme, cx.now_ms), true)
            }
        };
        open.detail = detail;
        if std::mem::take(&mut open.to_output) {
            open.scroll.top = open.detail.output_at.saturating_sub(1);
        }
        if open.follow && running {
            open.scroll.top = usize::MAX / 2;
        }
        open.scroll.clamp(open.detail.lines.len(), height);
        self.open = Some(open);
    }
}

#[cfg(test)]
mod tests;
