//! The rows of the list: a call, and the output under it.

use ratatui::layout::Size;
use ratatui::text::{Line, Span};

use super::super::list::{cut, row};
use super::TraceState;
use super::call::Call;
use crate::support::truncate;
use crate::tui::pane::DrawContext;
use crate::tui::text::wrap::{expand_tabs, spans_width, width_of};
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
    fn tail_of<'a>(&self, call: &'a Call) -> Vec<&'a str> {
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
                let text = expand_tabs(text, 8, 0).into_owned();
                let spans = cut(vec![Span::styled(format!("      {text}"), cx.theme.dim())], width, cx.theme);
                self.rows.push((index, false, Line::from(spans)));
            }
        }
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
