//! A call, opened: its arguments, what it changed, what it said.

use ratatui::layout::Size;
use ratatui::text::{Line, Span};
use serde_json::Value;

use super::call::{Call, State, duration};
use super::job::BackgroundJob;
use super::summary::without_mount;
use crate::protocol::ToolStatus;
use crate::support::sanitize;
use crate::tui::pane::picture;
use crate::tui::picture::Pictures;
use crate::tui::text::diff;
use crate::tui::text::output::Output;
use crate::tui::text::wrap::{Break, Indent, expand_tabs, wrap_spans};
use crate::tui::theme::Theme;

/// The lines of an opened call, and where its output begins.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) lines: Vec<Line<'static>>,
    pub(super) output_at: usize,
}

/// What lines are made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) size: Size,
    pub(super) theme: Theme,
    pub(super) now_ms: u64,
    pub(super) pictures: &'a Pictures,
}

/// Builds the lines. `whole` is the size of the spilled output, if there is one.
pub(super) fn lines(call: &Call, shown: &Shown<'_>, whole: Option<&str>) -> Detail {
    let Shown { size: Size { width, .. }, theme, now_ms, .. } = *shown;
    let mut out = Detail::default();
    let mut head = vec![call.glyph(theme, now_ms), Span::raw(" "), Span::styled(call.tool.clone(), theme.strong())];
    head.push(Span::styled(format!("{}{}", theme.glyphs().separator, state_words(call, now_ms)), theme.dim()));
    wrap_spans(&head, usize::from(width), &Indent::default(), Break::Words, &mut out.lines);

    heading("Arguments", theme, &mut out.lines);
    arguments(&call.arguments, width, theme, &mut out.lines);

    if let Some((patch, _, _)) = &call.diff {
        heading("Changes", theme, &mut out.lines);
        out.lines.extend(diff::lines(patch, width, theme));
    }

    // Why a call failed comes before what it looked at.
    let failed = matches!(call.state, State::Ended(status, _) if status != ToolStatus::Ok);
    if !failed {
        seen(call, shown, &mut out.lines);
    }

    if !call.hosts.is_empty() {
        heading("Network", theme, &mut out.lines);
        for host in &call.hosts {
            text(host, width, theme.text(), Break::Cells, &mut out.lines);
        }
    }

    let (count, requests) = &call.requests;
    if *count > 0 {
        heading(&format!("Requests ({count})"), theme, &mut out.lines);
        for request in requests {
            text(request, width, theme.text(), Break::Cells, &mut out.lines);
        }
    }

    heading(if call.is_running() { "Output so far" } else { "Output" }, theme, &mut out.lines);
    out.output_at = out.lines.len();
    if let Some(whole) = whole {
        let note =
            format!("This is what the model was given. The whole output has {whole}: v shows it, o opens the pager.");
        text(&note, width, theme.dim(), Break::Words, &mut out.lines);
    }
    output(call.shown(), if call.is_running() { "Nothing yet." } else { "None." }, width, theme, &mut out.lines);
    if failed {
        seen(call, shown, &mut out.lines);
    }
    out
}

/// The pictures of a call.
fn seen(call: &Call, shown: &Shown<'_>, lines: &mut Vec<Line<'static>>) {
    let Shown { size: Size { width, height }, theme, pictures, .. } = *shown;
    if call.pictures.is_empty() {
        return;
    }
    heading("Pictures", theme, lines);
    let paths: Vec<&str> = call.pictures.iter().map(String::as_str).collect();
    picture::lines(&paths, Size { width, height: picture::rows_within(height) }, pictures, theme, lines);
    text("o shows them in full size.", width, theme.dim(), Break::Words, lines);
}

/// The lines of an opened job.
pub(super) fn job_lines(job: &BackgroundJob, width: u16, theme: Theme, now_ms: u64) -> Detail {
    let mut out = Detail::default();
    let separator = theme.glyphs().separator;
    let head = vec![
        BackgroundJob::glyph(theme),
        Span::raw(" "),
        Span::styled(job.name(), theme.strong()),
        Span::styled(format!("{separator}in the background, {}", job.age(now_ms)), theme.dim()),
    ];
    wrap_spans(&head, usize::from(width), &Indent::default(), Break::Words, &mut out.lines);

    heading("Command", theme, &mut out.lines);
    text(&job.command, width, theme.text(), Break::Cells, &mut out.lines);

    heading("Processes and ports", theme, &mut out.lines);
    text(&job.facts(true, separator), width, theme.text(), Break::Words, &mut out.lines);

    heading("Output so far", theme, &mut out.lines);
    out.output_at = out.lines.len();
    output(&job.tail, "Nothing yet.", width, theme, &mut out.lines);
    out
}

/// An output, or the words for none.
fn output(output: &Output, none: &str, width: u16, theme: Theme, out: &mut Vec<Line<'static>>) {
    if output.is_cut() {
        text("The beginning is not kept here.", width, theme.dim(), Break::Words, out);
    }
    if output.is_blank() {
        text(none, width, theme.dim(), Break::Words, out);
        return;
    }
    let blank = output.lines().rev().take_while(|line| line.text().is_empty()).count();
    for line in output.lines().take(output.lines().len() - blank) {
        let spans = line.spans(theme.text(), theme);
        wrap_spans(&spans, usize::from(width), &Indent::default(), Break::Cells, out);
    }
}

fn state_words(call: &Call, now_ms: u64) -> String {
    let time = call.elapsed_ms(now_ms).map(duration);
    let words = match call.state {
        State::Running if call.waiting => "waiting for input",
        State::Running => "running",
        State::Ended(ToolStatus::Ok, _) => "done",
        State::Ended(ToolStatus::Error, _) => "failed",
        State::Ended(ToolStatus::Cancelled, _) => "cancelled",
        State::Ended(ToolStatus::Timeout, _) => "timed out",
    };
    let code = call.exit_code.map(|code| format!(", exit {code}")).unwrap_or_default();
    match time {
        Some(time) => format!("{words}{code}, {time}"),
        None => format!("{words}{code}"),
    }
}

fn heading(text: &str, theme: Theme, out: &mut Vec<Line<'static>>) {
    out.push(Line::default());
    out.push(Line::from(Span::styled(text.to_owned(), theme.heading())));
}

/// Each argument: short ones on a row, long ones as a block.
fn arguments(value: &Value, width: u16, theme: Theme, out: &mut Vec<Line<'static>>) {
    let Value::Object(fields) = value else {
        let raw = match value {
            Value::String(raw) => raw.clone(),
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        text(&sanitize::text(&raw), width, theme.text(), Break::Cells, out);
        return;
    };
    if fields.is_empty() {
        text("None.", width, theme.dim(), Break::Words, out);
    }
    for (name, value) in fields {
        let shown = match value {
            Value::String(text) => sanitize::text(without_mount(text)),
            other => serde_json::to_string_pretty(other).map(|text| sanitize::text(&text)).unwrap_or_default(),
        };
        let name = Span::styled(format!("{}: ", sanitize::line(name)), theme.dim());
        if shown.contains('\n') {
            wrap_spans(&[name], usize::from(width), &Indent::default(), Break::Words, out);
            let indent = Indent { first: vec![Span::raw("  ")], rest: vec![Span::raw("  ")] };
            let shown = expand_tabs(shown.trim_end_matches('\n'), 4, 0);
            wrap_spans(&[Span::raw(shown.as_ref())], usize::from(width), &indent, Break::Cells, out);
        } else {
            let indent = Indent { first: Vec::new(), rest: vec![Span::raw("  ")] };
            let shown = expand_tabs(&shown, 4, 0);
            wrap_spans(&[name, Span::raw(shown.as_ref())], usize::from(width), &indent, Break::Words, out);
        }
    }
}

fn text(text: &str, width: u16, style: ratatui::style::Style, mode: Break, out: &mut Vec<Line<'static>>) {
    let text = expand_tabs(text, 8, 0);
    for line in text.split('\n') {
        wrap_spans(&[Span::styled(line, style)], usize::from(width), &Indent::default(), mode, out);
    }
}
