//! The rows of the list: a call, and the output under it; background jobs and the kernel below all calls.

use ratatui::layout::Size;
use ratatui::text::{Line, Span};

use super::super::list::{cut, row};
use super::TraceState;
use super::call::Call;
use super::job::BackgroundJob;
use crate::support::truncate;
use crate::tui::pane::DrawContext;
use crate::tui::text::output::OutputLine;
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

/// Rows of output under a running call, and under one that was unfolded.
const TAIL_ROWS: usize = 3;
const UNFOLDED_ROWS: usize = 12;
/// On areas lower than this a running call has one row of output.
const LOW: u16 = 14;

impl TraceState {
    /// Rows that a call takes in the list.
    fn height_of(&self, index: usize) -> usize {
        let Some(call) = self.calls.get(index) else { return 0 };
        1 + usize::from(self.begins_turn(index)) + self.tail_of(call).len()
    }

    fn begins_turn(&self, index: usize) -> bool {
        index > 0 && self.calls[index - 1].turn != self.calls[index].turn
    }

    /// The lines of output under a call's row.
    fn tail_of<'a>(&self, call: &'a Call) -> Vec<&'a OutputLine> {
        if !call.is_unfolded() {
            return Vec::new();
        }
        if call.is_running() {
            return call.tail.last(if self.low { 1 } else { TAIL_ROWS }).collect();
        }
        call.output.lines().take(UNFOLDED_ROWS).collect()
    }

    pub(super) fn prepare_list(&mut self, size: Size, cx: &DrawContext<'_>) {
        self.low = size.height < LOW;
        let height = usize::from(size.height).saturating_sub(usize::from(self.find.wants_row()));
        let kernel =
            (self.kernel.is_shown() && height >= 4).then(|| self.kernel.line(usize::from(size.width), cx.theme));
        let height = height - usize::from(kernel.is_some());
        let jobs = self.job_rows(usize::from(size.width), height, cx);
        let height = height.saturating_sub(jobs.len());
        let heights: Vec<usize> = (0..self.calls.len()).map(|index| self.height_of(index)).collect();
        // The jobs have rows of their own below the calls.
        let selected = self.cursor.selected;
        self.cursor.show(|index| heights[index], heights.len(), height);
        self.cursor.selected = selected.min(self.count().saturating_sub(1));
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
            for line in self.tail_of(call) {
                let mut spans = vec![Span::raw("      ")];
                spans.extend(line.spans(cx.theme.dim(), cx.theme).into_iter().map(owned));
                self.rows.push((index, false, Line::from(cut(spans, width, cx.theme))));
            }
        }
        if !jobs.is_empty() || kernel.is_some() {
            self.rows.resize_with(height, || (usize::MAX, false, Line::default()));
            self.rows.extend(jobs);
            self.rows.extend(kernel.map(|line| (usize::MAX, false, line)));
        }
    }

    /// The rows of the background jobs: a heading, then as many as have room, the selected one among them.
    fn job_rows(&self, width: usize, height: usize, cx: &DrawContext<'_>) -> Vec<(usize, bool, Line<'static>)> {
        let chosen = self.cursor.selected.checked_sub(self.calls.len());
        let room = match height {
            _ if self.jobs.is_empty() => 0,
            ..4 => usize::from(chosen.is_some()).min(height),
            4..6 => 2,
            _ => (height / 3).max(2),
        };
        let mut rows = Vec::new();
        if room >= 2 {
            let theme = cx.theme;
            let words = vec![Span::raw(" "), Span::styled("Background", theme.heading())];
            let count = Span::styled(jobs_words(self.jobs.len()), theme.dim());
            rows.push((usize::MAX, false, row(words, vec![count], width, theme)));
        }
        let shown = room - rows.len();
        let from = chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(shown));
        for (at, job) in self.jobs.iter().enumerate().skip(from).take(shown) {
            rows.push((self.calls.len() + at, true, job_row(job, width, cx)));
        }
        rows
    }
}

/// `1 job`, `2 jobs`.
pub fn jobs_words(count: usize) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

fn owned(span: Span<'_>) -> Span<'static> {
    Span::styled(span.content.into_owned(), span.style)
}

/// The row of a job: number, command, ports, processes, age.
fn job_row(job: &BackgroundJob, width: usize, cx: &DrawContext<'_>) -> Line<'static> {
    let theme: Theme = cx.theme;
    let separator = theme.glyphs().separator;
    let mut facts = job.facts(width >= 60, separator);
    if !facts.is_empty() {
        facts.push_str(separator);
    }
    let left = vec![
        Span::raw(" "),
        BackgroundJob::glyph(theme),
        Span::raw(format!(" {}  ", job.name())),
        Span::styled(job.summary(), theme.dim()),
    ];
    row(left, vec![Span::styled(format!("{facts}{}", job.age(cx.now_ms)), theme.dim())], width, theme)
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
