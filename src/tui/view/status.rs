//! The status row: title, model, tokens, session, sandbox, network. What does not fit goes in the order of its rank; a
//! missing sandbox never does.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::support::truncate;
use crate::tui::app::App;
use crate::tui::layout::THREE_PANES;
use crate::tui::pane::trace::jobs_words;
use crate::tui::text::wrap::{spans_width, width_of};

use super::{NO_SANDBOX, draw_row};

pub(super) fn draw_status(app: &App, frame: &mut Frame<'_>) {
    let area = app.layout.status;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let title = if app.session.title.is_empty() { "new session" } else { app.session.title.as_str() };
    // The parts, the first to go last in line.
    let mut parts: Vec<(u8, Span<'_>)> = Vec::new();
    if app.demo {
        parts.push((9, Span::styled("demo model", theme.waiting())));
    } else if !app.session.model.is_empty() {
        parts.push((7, Span::raw(app.session.model.as_str())));
    }
    if let Some(words) = context_words(app) {
        parts.push((6, Span::raw(words)));
    }
    if area.width >= THREE_PANES && !app.session.mount.is_empty() {
        parts.push((1, Span::styled(short_mount(app), theme.dim())));
    } else if !app.session.id.is_empty() {
        parts.push((1, Span::styled(short_id(&app.session.id, theme.is_ascii()), theme.dim())));
    }
    if app.session.is_unconfined() {
        parts.push((10, Span::styled(NO_SANDBOX, theme.alarm())));
    } else if app.session.sandbox == "landlock" {
        parts.push((8, Span::styled("landlock (degraded)", theme.waiting())));
    } else if !app.session.sandbox.is_empty() {
        parts.push((5, Span::styled(app.session.sandbox.as_str(), theme.dim())));
    }
    if app.trace.jobs() > 0 {
        parts.push((8, Span::styled(jobs_words(app.trace.jobs()), theme.hint())));
    }
    if !app.session.network.is_empty() {
        let style = if app.session.network == "host" { theme.waiting() } else { theme.dim() };
        parts.push((4, Span::styled(format!("net {}", app.session.network), style)));
    }
    let separator = theme.glyphs().separator;
    let total = |parts: &[(u8, Span<'_>)]| {
        parts.iter().map(|(_, span)| width_of(&span.content)).sum::<usize>()
            + width_of(separator) * parts.len().saturating_sub(1)
    };
    // The title keeps a third of the row, or what it needs.
    let keep = width_of(title).min(usize::from(area.width) / 3) + 3;
    while parts.len() > 1 && total(&parts) + keep > usize::from(area.width) {
        let Some(least) = parts.iter().map(|(rank, _)| *rank).min() else { break };
        parts.retain(|(rank, _)| *rank != least);
    }
    let mut right = Vec::new();
    for (_, span) in parts {
        if !right.is_empty() {
            right.push(Span::styled(separator, theme.dim()));
        }
        right.push(span);
    }
    let room = usize::from(area.width).saturating_sub(spans_width(&right) + 3);
    let title = truncate::cells(title, room, theme.glyphs().ellipsis);
    draw_row(area, Line::styled(title, theme.strong()), right, frame);
}

/// `41%`, or `12.3k` where the model's context is not known.
fn context_words(app: &App) -> Option<String> {
    let used = app.tokens.context;
    match app.context_window {
        _ if used == 0 => None,
        Some(window) if window > 0 => Some(format!("{}%", (used * 100).div_ceil(window))),
        _ => Some(format!("{} tokens", count_words(used))),
    }
}

pub(super) fn count_words(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{:.1}k", count as f64 / 1000.0),
        _ => format!("{:.1}M", count as f64 / 1_000_000.0),
    }
}

/// `okcvm-12ab…cd34`.
fn short_id(id: &str, ascii: bool) -> String {
    match (id.get(..10), id.get(18..)) {
        (Some(head), Some(tail)) => format!("{head}{}{tail}", if ascii { ".." } else { "…" }),
        _ => id.to_owned(),
    }
}

fn short_mount(app: &App) -> String {
    match app.session.mount.strip_suffix('/').and_then(|mount| mount.strip_suffix(app.session.id.as_str())) {
        Some(parent) => format!("{parent}{}", short_id(&app.session.id, app.theme.is_ascii())),
        None => app.session.mount.clone(),
    }
}
