//! Draws the application. Reads the state, changes nothing, waits for nothing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::support::truncate;

use super::action::{Action, Scope};
use super::app::{App, Focus, Modal};
use super::layout::{self, PanePlace};
use super::pane::apply::ApplyView;
use super::pane::trace::jobs_words;
use super::pane::{DrawContext, Pane as _, PaneId};
use super::text::wrap::{spans_width, width_of};

mod status;

use status::{count_words, draw_status};

/// Suggestions of commands that are shown at once.
const SUGGESTIONS: usize = 8;

/// Keys of the line in which one types into a call; they are those of a terminal.
const TYPE_IN_KEYS: [(&str, &str); 3] = [("Enter", "send"), ("Ctrl+D", "end of input"), ("Esc", "close")];

/// Said wherever it is so.
const NO_SANDBOX: &str = "NO SANDBOX";

/// Draws everything, as [`App::prepare`] has placed it.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    // A resize between both is mended by the next frame.
    if frame.area() != app.layout.area || frame.area().is_empty() {
        return;
    }
    draw_status(app, frame);
    for place in &app.layout.panes {
        draw_pane(app, place, frame);
    }
    let theme = app.theme;
    for rect in &app.layout.horizontals {
        let line = theme.glyphs().horizontal.repeat(usize::from(rect.width));
        frame.render_widget(Span::styled(line, theme.dim()), *rect);
    }
    for rect in &app.layout.verticals {
        for y in rect.top()..rect.bottom() {
            let cell = Rect { y, height: 1, ..*rect };
            frame.render_widget(Span::styled(theme.glyphs().vertical, theme.dim()), cell);
        }
    }
    draw_activity(app, frame);
    draw_composer(app, frame);
    draw_hints(app, frame);
    draw_over(app, frame);
}

fn context(app: &App, focused: bool) -> DrawContext<'_> {
    DrawContext { theme: app.theme, focused, now_ms: app.now_ms, wall: &app.wall }
}

/// Whether a pane has the keys.
fn has_keys(app: &App, pane: PaneId) -> bool {
    app.focus == Focus::Pane(pane) && app.modal.is_none() && app.dialog().is_none()
}

/// Left and right words in one row; the right ones win when both do not fit.
fn draw_row(area: Rect, left: Line<'_>, right: Vec<Span<'_>>, frame: &mut Frame<'_>) {
    if area.is_empty() {
        return;
    }
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let wanted = spans_width(&right) as u16;
    let width = wanted.min(inner.width);
    let room = inner.width - width;
    let gap = u16::from(width > 0 && room > 0);
    frame.render_widget(left, Rect { width: room - gap, ..inner });
    frame.render_widget(Line::from(right), Rect { x: inner.x + room, width, ..inner });
}

fn draw_pane(app: &App, place: &PanePlace, frame: &mut Frame<'_>) {
    let focused = has_keys(app, place.pane);
    let cx = context(app, focused);
    if !place.title.is_empty() {
        let title = app.pane(place.pane).title(&cx);
        let style = if focused { app.theme.hint().patch(app.theme.strong()) } else { app.theme.strong() };
        let room = usize::from(place.title.width).saturating_sub(3 + width_of(&title.left));
        let right = truncate::cells(&title.right, room, app.theme.glyphs().ellipsis);
        let mark = if focused { format!("{} ", app.theme.glyphs().prompt) } else { String::new() };
        let room = usize::from(place.title.width).saturating_sub(2 + width_of(&right));
        let left = truncate::cells(&format!("{mark}{}", title.left), room, app.theme.glyphs().ellipsis);
        let left = Line::styled(left, style);
        draw_row(place.title, left, vec![Span::styled(right, app.theme.dim())], frame);
    }
    app.pane(place.pane).draw(place.body, &cx, frame);
}

fn draw_activity(app: &App, frame: &mut Frame<'_>) {
    let area = app.layout.activity;
    let theme = app.theme;
    let cx = context(app, false);
    let mut right = Vec::new();
    // Where the status row has gone, what must be known stands here.
    let mut kept = Vec::new();
    if app.layout.status.is_empty() {
        kept.extend((app.trace.jobs() > 0).then(|| Span::styled(jobs_words(app.trace.jobs()), theme.hint())));
        kept.extend((app.session.sandbox == "landlock").then(|| Span::styled("degraded", theme.waiting())));
        kept.extend(app.session.is_unconfined().then(|| Span::styled(NO_SANDBOX, theme.alarm())));
    }
    let kept_width = spans_width(&kept) + kept.len();
    let left = if app.is_leaving() {
        Line::from(vec![
            Span::styled(super::pane::spinner(theme, app.now_ms), theme.agent()),
            Span::raw(" saving the session"),
        ])
    } else if app.voice.is_on() {
        let key = app.keymap.chord(Action::Voice).map_or_else(|| "/voice".to_owned(), |chord| chord.to_string());
        let room = usize::from(area.width).saturating_sub(3 + kept_width);
        Line::from(clip(app.voice.words(&key, app.now_ms, theme), room, theme.glyphs().ellipsis))
    } else if let Some(notice) = app.notice() {
        let room = usize::from(area.width).saturating_sub(3 + kept_width);
        Line::from(clip(vec![Span::styled(notice.to_owned(), theme.hint())], room, theme.glyphs().ellipsis))
    } else if app.lost_the_engine() {
        Line::styled("the engine has ended; what was done is saved", theme.error())
    } else if let Some((words, time)) = app.activity.words(app.running().as_ref(), area.width, &cx) {
        right.push(Span::styled(time, theme.dim()));
        let room = usize::from(area.width).saturating_sub(spans_width(&right) + 3 + kept_width);
        Line::from(clip(words, room, theme.glyphs().ellipsis))
    } else {
        Line::default()
    };
    let narrow_chat = !app.layout.wide && app.layout.place(PaneId::Chat).is_some();
    if right.is_empty() && narrow_chat && app.chat.has_more_below() {
        right.push(Span::styled("more below", app.theme.dim()));
    }
    for word in kept {
        if !right.is_empty() {
            right.push(Span::raw(" "));
        }
        right.push(word);
    }
    draw_row(area, left, right, frame);
}

/// Shortens the last span so that all fit.
fn clip(mut spans: Vec<Span<'static>>, room: usize, ellipsis: &str) -> Vec<Span<'static>> {
    if let Some(last) = spans.pop() {
        let left = room.saturating_sub(spans_width(&spans));
        spans.push(Span::styled(truncate::cells(&last.content, left, ellipsis), last.style));
    }
    spans
}

fn draw_composer(app: &App, frame: &mut Frame<'_>) {
    let mut area = app.layout.composer;
    if let Some(queued) = &app.queued
        && area.height > 1
    {
        let along = match queued.files.len() {
            0 => String::new(),
            count => format!(" (+{count})"),
        };
        let words = format!(" waits for the end of the turn{along}: {}", queued.text.replace('\n', " "));
        let words = truncate::cells(&words, usize::from(area.width), app.theme.glyphs().ellipsis);
        frame.render_widget(Line::styled(words, app.theme.waiting()), Rect { height: 1, ..area });
        area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    }
    let focused = app.focus == Focus::Composer && app.modal.is_none() && app.dialog().is_none();
    let cx = context(app, focused);
    let files = app.attachments.rows().min(area.height.saturating_sub(1));
    let key = app.keymap.chord(Action::Detach).map(|chord| chord.to_string());
    app.attachments.draw(key.as_deref(), Rect { height: files, ..area }, &cx, frame);
    let area = Rect { y: area.y + files, height: area.height - files, ..area };
    if let Some(Modal::TypeIn(line)) = &app.modal {
        line.draw(app.trace.hides(line.call()), area, &cx, frame);
        return;
    }
    app.composer.draw(area, &cx, frame);
    if focused {
        let top = app.layout.area.y;
        let above =
            Rect { x: area.x, y: top, width: area.width, height: app.layout.activity.bottom().max(area.y) - top };
        let above = Rect { height: area.y.saturating_sub(top + files), ..above };
        app.composer.draw_search(above, &cx, frame);
        if !app.composer.is_searching() {
            draw_suggestions(app, above, frame);
            app.completion.draw(above, &cx, frame);
        }
    }
}

fn draw_suggestions(app: &App, above: Rect, frame: &mut Frame<'_>) {
    let rows = app.suggestions();
    let height = (rows.len().min(SUGGESTIONS) as u16).min(above.height);
    if height == 0 {
        return;
    }
    let theme = app.theme;
    let area = Rect { y: above.bottom() - height, height, ..above };
    frame.render_widget(Clear, area);
    let chosen = app.suggestion.min(rows.len() - 1);
    let from = (chosen + 1).saturating_sub(usize::from(height));
    for (offset, row) in rows.iter().enumerate().skip(from).take(usize::from(height)) {
        let usage = row.usage();
        let gap = 20usize.saturating_sub(width_of(&usage)).max(2);
        let words = format!(" {usage}{}{}", " ".repeat(gap), row.sentence);
        let words = truncate::cells(&words, usize::from(area.width), theme.glyphs().ellipsis);
        let style = if offset == chosen { theme.selected() } else { theme.dim() };
        let y = area.y + (offset - from) as u16;
        frame.render_widget(Line::styled(words, style), Rect { y, height: 1, ..area });
    }
}

/// The actions that the hint line names, most important first.
fn hints(app: &App) -> Vec<Action> {
    let pane = match (&app.modal, app.dialog(), app.focus) {
        (Some(Modal::Palette(_) | Modal::TypeIn(_)), ..) => return vec![],
        (Some(Modal::Viewer(_) | Modal::Picture(_)), ..) => return vec![Action::Dismiss],
        (Some(Modal::Apply(_)), ..) => return vec![Action::Confirm, Action::Dismiss],
        (None, Some(pane), _) | (None, None, Focus::Pane(pane)) => pane,
        (None, None, Focus::Composer) => {
            let mut hints = Vec::new();
            if app.activity.is_running() {
                hints.push(Action::Interrupt);
            } else if app.layout.wide {
                hints.push(Action::Submit);
            }
            if app.layout.wide {
                hints.push(Action::Newline);
            }
            hints.extend([Action::ShowTrace, Action::ShowSnapshots]);
            if !app.layout.wide && app.todo.summary().is_some() {
                hints.push(Action::ShowTodo);
            }
            if !app.layout.wide && app.preview.summary().is_some() {
                hints.push(Action::ShowPreview);
            }
            hints.extend([Action::Palette, Action::Help]);
            return hints;
        }
    };
    let mut hints = app.pane(pane).hints().to_vec();
    if app.scope() != Scope::Text && app.dialog().is_none() && !hints.contains(&Action::Help) {
        hints.push(Action::Help);
    }
    hints
}

/// An action's key, and its word with the number that belongs to it.
fn hint_words(app: &App, action: Action) -> Option<(String, String)> {
    let key = match action {
        // Shorter, and what people try first.
        Action::Help => "?".to_owned(),
        action => app.keymap.chord(action)?.to_string(),
    };
    let summary = match action {
        _ if app.layout.wide => None,
        Action::ShowTrace => app.trace.summary(),
        Action::ShowSnapshots => app.snapshots.summary(),
        Action::ShowTodo => app.todo.summary(),
        Action::ShowPreview => app.preview.summary(),
        _ => None,
    };
    let word = action.row().short;
    Some((key, summary.map_or_else(|| word.to_owned(), |summary| format!("{word} {summary}"))))
}

fn draw_hints(app: &App, frame: &mut Frame<'_>) {
    let area = app.layout.hints;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let glyphs = theme.glyphs();
    let mut right = Vec::new();
    if area.width >= 60 && app.tokens.input + app.tokens.output > 0 {
        let words =
            format!("{}{} {}{}", glyphs.up, count_words(app.tokens.input), glyphs.down, count_words(app.tokens.output));
        right.push(Span::styled(words, theme.dim()));
    }
    let room = usize::from(area.width).saturating_sub(spans_width(&right) + 3);
    let mut words: Vec<(String, String)> = match &app.modal {
        Some(Modal::TypeIn(_)) => TYPE_IN_KEYS.map(|(key, word)| (key.to_owned(), word.to_owned())).to_vec(),
        _ => hints(app).into_iter().filter_map(|action| hint_words(app, action)).collect(),
    };
    let width = |words: &[(String, String)]| {
        let own: usize = words.iter().map(|(key, word)| width_of(key) + 1 + width_of(word)).sum();
        own + width_of(glyphs.separator) * words.len().saturating_sub(1)
    };
    // The last one is the help, which tells the others too.
    while words.len() > 1 && width(&words) > room {
        words.remove(words.len() - 2);
    }
    let mut spans: Vec<Span<'_>> = Vec::new();
    for (key, word) in words {
        if !spans.is_empty() {
            spans.push(Span::styled(glyphs.separator, theme.dim()));
        }
        spans.push(Span::styled(key, theme.hint()));
        spans.push(Span::styled(format!(" {word}"), theme.dim()));
    }
    draw_row(area, Line::from(spans), right, frame);
}

/// A box with a title over the body; gives back its inside.
fn open_box(app: &App, area: Rect, title: &str, frame: &mut Frame<'_>) -> Rect {
    let theme = app.theme;
    frame.render_widget(Clear, area);
    let rule = theme.glyphs().horizontal;
    let title = truncate::cells(title, usize::from(area.width).saturating_sub(4), theme.glyphs().ellipsis);
    let rest = usize::from(area.width).saturating_sub(width_of(&title) + 3);
    let line = Line::from(vec![
        Span::styled(rule, theme.dim()),
        Span::raw(" "),
        Span::styled(title, theme.strong()),
        Span::raw(" "),
        Span::styled(rule.repeat(rest), theme.dim()),
    ]);
    frame.render_widget(line, Rect { height: area.height.min(1), ..area });
    let last = Rect { y: area.bottom().saturating_sub(1), height: u16::from(area.height > 3), ..area };
    frame.render_widget(Span::styled(rule.repeat(usize::from(area.width)), theme.dim()), last);
    // A line at either side, where there is room for it, keeps what is behind apart.
    let framed = area.width > layout::FRAMED;
    for x in [area.left(), area.right().saturating_sub(1)].into_iter().filter(|_| framed) {
        for y in area.top() + 1..last.top() {
            frame.render_widget(Span::styled(theme.glyphs().vertical, theme.dim()), Rect { x, y, width: 1, height: 1 });
        }
    }
    layout::inside(area)
}

/// Takes the place of all panes, under a title; gives back what is left.
fn open_whole(app: &App, (left, right): (String, String), frame: &mut Frame<'_>) -> Rect {
    let (area, inner) = (app.layout.area, app.overlay_area());
    let top = inner.y.saturating_sub(1);
    frame.render_widget(Clear, Rect { x: 0, y: top, width: area.width, height: area.height - top });
    if inner.y > 0 {
        let row = Rect { x: 0, y: top, width: area.width, height: 1 };
        let style = app.theme.hint().patch(app.theme.strong());
        draw_row(row, Line::styled(left, style), vec![Span::styled(right, app.theme.dim())], frame);
    }
    inner
}

fn draw_over(app: &App, frame: &mut Frame<'_>) {
    let cx = context(app, true);
    let area = app.layout.area;
    match &app.modal {
        Some(Modal::Palette(palette)) => {
            let place = layout::centred(area, 90, area.height.saturating_sub(4).clamp(6, 22));
            let inner = open_box(app, place, "Commands", frame);
            palette.draw(inner, &cx, frame);
        }
        Some(Modal::Viewer(viewer) | Modal::Apply(ApplyView { viewer, .. })) => {
            let inner = open_whole(app, viewer.title(), frame);
            viewer.draw(inner, &cx, frame);
        }
        Some(Modal::Picture(viewer)) => {
            let inner = open_whole(app, viewer.title(app.theme), frame);
            viewer.draw(inner, &cx, frame);
        }
        // Drawn in the composer's place.
        Some(Modal::TypeIn(_)) => {}
        None => {
            if let Some((pane, overlay)) = app.dialog().and_then(|pane| Some((pane, app.pane(pane).overlay()?))) {
                let place = layout::dialog(area, overlay.height);
                let inner = open_box(app, place, &overlay.title, frame);
                app.pane(pane).draw_overlay(inner, &cx, frame);
            }
        }
    }
}
