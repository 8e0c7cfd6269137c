//! How the fields of the form look.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::form::{Form, Row};
use super::state::{SetupState, Test};
use crate::support::truncate;
use crate::tui::pane::DrawContext;
use crate::tui::pane::line_input::LineInput;
use crate::tui::pane::list::mark_row;
use crate::tui::theme::Theme;

/// Cells of the labels in front of the fields.
const LABEL: usize = 11;
/// Dots that are drawn for a key; a longer one has no more.
const MOST_DOTS: usize = 24;

pub(super) fn draw_form(state: &SetupState, form: &Form, test: &Test, area: Rect, frame: &mut Frame<'_>) {
    let theme = state.services.theme;
    let rows = form.rows();
    let focus = rows.iter().position(|row| *row == form.focus).unwrap_or(0);
    // Fields first, then what can be done; an empty row between them where there is room.
    let roomy = usize::from(area.height) > rows.len();
    let offset = (focus + 1).saturating_sub(usize::from(area.height));
    let mut y = area.y;
    let mut gap_drawn = false;
    for field in rows.iter().skip(offset) {
        let is_button = matches!(field, Row::Pick | Row::Test | Row::Save | Row::Remove);
        if is_button && roomy && !gap_drawn && *field != Row::Pick {
            gap_drawn = true;
            y += 1;
        }
        if y >= area.bottom() {
            break;
        }
        let line = Rect { y, height: 1, ..area };
        let focused = *field == form.focus && !matches!(test, Test::Running(_));
        draw_field(state, form, *field, focused, line, frame);
        if focused && is_button {
            mark_row(area, y, theme.selected(), frame.buffer_mut());
        }
        y += 1;
    }
}

fn draw_field(state: &SetupState, form: &Form, field: Row, focused: bool, area: Rect, frame: &mut Frame<'_>) {
    let theme = state.services.theme;
    let (label, input) = match field {
        Row::BaseUrl => ("Address", Some(&form.base_url)),
        Row::Key => ("Key", None),
        Row::Variable => ("Variable", Some(&form.variable)),
        Row::Model => ("Model", Some(&form.model)),
        Row::KeyFrom => ("Key from", None),
        Row::Streaming => ("Streaming", None),
        Row::Pick => (" Pick from the endpoint's list", None),
        Row::Test => (" Test the connection", None),
        Row::Save => (" Save", None),
        Row::Remove => (" Remove this endpoint", None),
    };
    let style = if focused { theme.strong() } else { theme.dim() };
    let label = format!(" {label:<width$}", width = LABEL - 1);
    match (field, input) {
        (_, Some(input)) => draw_input(state, &label, input, focused, area, frame),
        (Row::Key, None) => draw_key(&label, &form.key, focused, area, theme, frame),
        (Row::KeyFrom | Row::Streaming, None) => {
            let value = match field {
                Row::KeyFrom => form.key_from.words(),
                _ if form.streaming => "yes",
                _ => "no",
            };
            let value = if focused && !theme.is_ascii() {
                format!("‹ {value} ›")
            } else if focused {
                format!("< {value} >")
            } else {
                value.to_owned()
            };
            let line = Line::from(vec![Span::styled(label, style), Span::raw(value)]);
            frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
        }
        _ => {
            let style = if focused { theme.text() } else { theme.hint() };
            frame.buffer_mut().set_line(area.x, area.y, &Line::styled(label, style), area.width);
        }
    }
}

pub(super) fn draw_input(
    state: &SetupState,
    label: &str,
    input: &LineInput,
    focused: bool,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let theme = state.services.theme;
    if focused {
        let wall = jiff::Zoned::default();
        let cx = DrawContext { theme, focused: true, now_ms: state.now_ms, wall: &wall };
        input.draw(label, area, &cx, frame);
        return;
    }
    let text = truncate::cells(input.text(), usize::from(area.width).saturating_sub(LABEL), theme.glyphs().ellipsis);
    let line = Line::from(vec![Span::styled(label.to_owned(), theme.dim()), Span::raw(text)]);
    frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
}

/// A key is drawn as dots and never as itself.
fn draw_key(label: &str, key: &LineInput, focused: bool, area: Rect, theme: Theme, frame: &mut Frame<'_>) {
    let dot = if theme.is_ascii() { "*" } else { "•" };
    let count = key.text().chars().count().min(MOST_DOTS).min(usize::from(area.width).saturating_sub(LABEL + 1));
    let style = if focused { theme.hint() } else { theme.dim() };
    let line = Line::from(vec![Span::styled(label.to_owned(), style), Span::raw(dot.repeat(count))]);
    frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
    if focused {
        let x = area.x + ((LABEL + count) as u16).min(area.width.saturating_sub(1));
        frame.set_cursor_position(Position { x, y: area.y });
    }
}
