//! How the setup screen looks: a title row, the page, what there is to say, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::fields::{draw_form, draw_input};
use super::form::{Form, KeyFrom, PresentKey, Row};
use super::picker::Picker;
use super::review::Review;
use super::state::{Choice, Page, SetupState, Test};
use crate::config::PRESETS;
use crate::support::{sanitize, truncate};
use crate::tui::pane::list::{draw_lines, mark_row, row};
use crate::tui::pane::spinner;
use crate::tui::text::wrap::{Break, Indent, wrap_spans, wrap_text};
use crate::tui::theme::Theme;

/// The parts of the screen.
struct Parts {
    title: Rect,
    body: Rect,
    says: Rect,
    hints: Rect,
}

/// `rows` is the height of a page that needs no more: what there is to say then stands right below it.
fn parts(area: Rect, says: u16, rows: Option<u16>) -> Parts {
    let hints = u16::from(area.height > 3);
    let title = u16::from(area.height > 4);
    let says = says.min(area.height.saturating_sub(hints + title + 1) / 2);
    let most = area.height - hints - title - says;
    let body = rows.map_or(most, |rows| rows.min(most));
    Parts {
        title: Rect { height: title, ..area },
        body: Rect { y: area.y + title, height: body, ..area },
        says: Rect { y: area.y + title + body, height: says, ..area },
        hints: Rect { y: area.bottom() - hints, height: hints, ..area },
    }
}

/// Rows that the page on top needs, with an empty one behind, if it knows.
fn rows_of(state: &SetupState) -> Option<u16> {
    match state.pages.last() {
        Some(Page::Form(form, _)) => Some(form.rows().len() as u16 + 2),
        _ => None,
    }
}

/// Clamps what is scrolled to the screen.
pub(super) fn prepare(state: &mut SetupState, area: Rect) {
    let says = says(state, area.width).len() as u16;
    let body = parts(area, says, rows_of(state)).body;
    let height = usize::from(body.height);
    let choices = state.choices().len();
    let width = usize::from(area.width);
    let theme = state.services.theme;
    match state.pages.last_mut() {
        Some(Page::Start(cursor)) => cursor.show(|_| 1, choices, height.saturating_sub(intro_height(height))),
        Some(Page::Media(cursor)) => cursor.show(|_| 1, SetupState::media().len(), height),
        Some(Page::Pick(picker)) => {
            let count = picker.matching.len();
            picker.cursor.show(|_| 1, count, height.saturating_sub(1));
        }
        Some(Page::Review(review)) => {
            let count = review_lines(review, width, theme).len();
            review.scroll.clamp(count, height);
        }
        Some(Page::Form(..)) | None => {}
    }
}

/// Draws the page on top.
pub(super) fn draw(state: &SetupState, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let theme = state.services.theme;
    let says = says(state, area.width);
    let parts = parts(area, says.len() as u16, rows_of(state));
    let width = usize::from(area.width);
    if parts.title.height > 0 {
        let right = vec![Span::styled(position(state, parts.body).unwrap_or("okcvm setup".to_owned()), theme.dim())];
        let line = row(vec![Span::styled(title(state), theme.heading())], right, width, theme);
        frame.buffer_mut().set_line(area.x, parts.title.y, &line, area.width);
    }
    match state.pages.last() {
        Some(Page::Start(cursor)) => {
            let intro = intro_height(usize::from(parts.body.height));
            if intro > 0 {
                let text = "Which model do you want to talk to? Any endpoint with the OpenAI chat format will do.";
                draw_lines(wrap_text(text, area.width, theme.dim()).iter().take(intro), parts.body, frame.buffer_mut());
            }
            let list = Rect {
                y: parts.body.y + intro as u16,
                height: parts.body.height.saturating_sub(intro as u16),
                ..parts.body
            };
            let rows: Vec<Line<'static>> =
                state.choices().into_iter().map(|choice| choice_row(state, choice, width, theme)).collect();
            draw_list(&rows, cursor.offset, cursor.selected, list, theme, frame);
        }
        Some(Page::Media(cursor)) => {
            let rows: Vec<Line<'static>> =
                (0..SetupState::media().len()).map(|index| media_row(state, index, width, theme)).collect();
            draw_list(&rows, cursor.offset, cursor.selected, parts.body, theme, frame);
        }
        Some(Page::Form(form, test)) => draw_form(state, form, test, parts.body, frame),
        Some(Page::Pick(picker)) => draw_picker(state, picker, parts.body, frame),
        Some(Page::Review(review)) => {
            let lines = review_lines(review, width, theme);
            draw_lines(lines.iter().skip(review.scroll.top), parts.body, frame.buffer_mut());
        }
        None => {}
    }
    draw_lines(says.iter(), parts.says, frame.buffer_mut());
    let mut hints = hints(state).to_owned();
    if theme.is_ascii() {
        hints = hints.replace("← →", "left right").replace("↑ ↓", "up down").replace('·', "|");
    }
    let hints = truncate::cells(&hints, width, theme.glyphs().ellipsis);
    if parts.hints.height > 0 {
        frame.buffer_mut().set_line(area.x, parts.hints.y, &Line::styled(hints, theme.hint()), area.width);
    }
}

/// Where the selection stands in a list that does not fit.
fn position(state: &SetupState, body: Rect) -> Option<String> {
    let (cursor, count) = match state.pages.last() {
        Some(Page::Start(cursor)) => (cursor, state.choices().len()),
        Some(Page::Pick(picker)) => (&picker.cursor, picker.matching.len()),
        _ => return None,
    };
    (count > usize::from(body.height)).then(|| format!("{} of {count}", cursor.selected + 1))
}

/// Rows of the introduction on the first page.
fn intro_height(body: usize) -> usize {
    if body >= 18 { 3 } else { 0 }
}

fn title(state: &SetupState) -> String {
    match state.pages.last() {
        Some(Page::Media(_)) => "Pictures, speech and sound".to_owned(),
        Some(Page::Form(form, _)) => form_title(form),
        Some(Page::Pick(_)) => "Models of the endpoint".to_owned(),
        Some(Page::Review(review)) if review.refused.is_some() => "This file cannot be edited".to_owned(),
        Some(Page::Review(_)) => "What will be saved".to_owned(),
        Some(Page::Start(_)) | None if state.services.in_session => "Models, keys and endpoints".to_owned(),
        Some(Page::Start(_)) | None => "Welcome to okcvm".to_owned(),
    }
}

fn form_title(form: &Form) -> String {
    let mut title = form.provider.clone();
    if let Some(first) = title.get(..1) {
        let upper = first.to_uppercase();
        title.replace_range(..1, &upper);
    }
    title
}

fn hints(state: &SetupState) -> &'static str {
    match state.pages.last() {
        Some(Page::Form(_, Test::Running(_))) => "Esc stops the test",
        Some(Page::Form(form, _)) => match form.focus {
            Row::KeyFrom | Row::Streaming => "← → choose · ↑ ↓ move · Esc back",
            Row::Pick => "Enter lists models · ↑ ↓ · Esc back",
            Row::Test => "Enter asks one question · ↑ ↓ · Esc back",
            Row::Save => "Enter shows what is saved · Esc back",
            Row::Remove => "Enter shows what goes · ↑ ↓ · Esc back",
            _ => "type or paste · ↑ ↓ move · Esc back",
        },
        Some(Page::Pick(picker)) if picker.error.is_some() => "Enter takes what you typed · Esc back",
        Some(Page::Pick(_)) => "type to filter · Enter takes · Esc back",
        Some(Page::Review(review)) if review.can_save() => "Enter saves · Esc back",
        Some(Page::Review(_)) => "↑ ↓ scroll · Esc back",
        Some(Page::Media(_)) => "Enter opens · Esc back",
        Some(Page::Start(_)) | None if state.services.in_session => "Enter takes it · Esc back to the session",
        Some(Page::Start(_)) | None => "Enter takes it · Esc leaves",
    }
}

/// What there is to say below the page.
fn says(state: &SetupState, width: u16) -> Vec<Line<'static>> {
    let theme = state.services.theme;
    let mut out = Vec::new();
    let mut say = |glyph: &str, text: &str, style| {
        let indent = Indent { first: vec![Span::styled(format!("{glyph} "), style)], rest: vec![Span::raw("  ")] };
        wrap_spans(&[Span::styled(text, style)], usize::from(width), &indent, Break::Words, &mut out);
    };
    let glyphs = theme.glyphs();
    match state.pages.last() {
        Some(Page::Form(form, test)) => match test {
            Test::Running(since) => {
                let seconds = state.now_ms.saturating_sub(*since) / 1000;
                let model = form.model.text().trim().to_owned();
                say(spinner(theme, state.now_ms), &format!("asking {model}, {seconds} s"), theme.waiting());
            }
            Test::Answered(answer) => {
                let answer = truncate::cells(answer, 200, glyphs.ellipsis);
                say(glyphs.done, &format!("it answered: {answer}"), theme.ok());
            }
            Test::Failed(error) => {
                say(glyphs.failed, &error.message, theme.error());
                if let Some(hint) = &error.hint {
                    say(" ", hint, theme.hint());
                }
            }
            Test::Problem(problem) => say(glyphs.failed, problem, theme.error()),
            Test::None => {
                if let Some(text) = advice(state, form) {
                    let wrong = form.problem(form.focus).is_some() && (form.tried || !form.holds_nothing());
                    if wrong { say(glyphs.failed, &text, theme.error()) } else { say(" ", &text, theme.dim()) }
                }
            }
        },
        Some(Page::Start(_) | Page::Media(_)) => {
            if let Some(news) = &state.news {
                say(glyphs.done, news, theme.ok());
            } else if let Some(problem) = &state.services.problem {
                say(glyphs.failed, problem, theme.error());
            }
        }
        Some(Page::Review(review)) => {
            if let Some(error) = &review.error {
                say(glyphs.failed, error, theme.error());
            }
        }
        _ => {}
    }
    out
}

/// What is wrong with the row that has the focus, or what it is for.
fn advice(state: &SetupState, form: &Form) -> Option<String> {
    if let Some(problem) = form.problem(form.focus) {
        return Some(problem);
    }
    match form.focus {
        Row::Key => Some(format!(
            "the key goes into {}, which only you can read (0600)",
            sanitize::line(&state.services.config_file.display().to_string())
        )),
        Row::Variable => {
            let name = form.variable.text().trim();
            let is_set = (state.services.has_variable)(name);
            Some(if is_set {
                format!("{name} is set")
            } else {
                format!("{name} is not set; the key comes from elsewhere")
            })
        }
        Row::KeyFrom => match (&form.present.key, form.key_from) {
            (PresentKey::Set { in_file: false }, KeyFrom::Present) => {
                Some("the present key comes from the environment or a .env file".to_owned())
            }
            _ => None,
        },
        Row::Streaming => Some("switch it off for endpoints that cannot stream their replies".to_owned()),
        Row::Save => Some("shows which lines of which file change before it writes them".to_owned()),
        _ => None,
    }
}

fn choice_row(state: &SetupState, choice: Choice, width: usize, theme: Theme) -> Line<'static> {
    let (name, about) = match choice {
        Choice::Present => {
            let present = &state.present[0];
            ("Change", format!("{} at {}", present.model, present.base_url))
        }
        Choice::Preset(index) => {
            let preset = &PRESETS[index];
            let about = match (preset.base_url, preset.key_env) {
                ("", _) => "another address".to_owned(),
                (url, Some(name)) if (state.services.has_variable)(name) => format!("{url}  {name} is set"),
                (url, _) => url.to_owned(),
            };
            (preset.name, about)
        }
        Choice::Media => {
            let set = state.present.iter().skip(1).filter(|present| present.is_set()).count();
            ("Media", format!("pictures, speech, sound effects, speech recognition: {set} of 4 set"))
        }
        Choice::Demo => ("Demo", "try it offline, without a model".to_owned()),
    };
    named_row(name, &sanitize::line(&about), width, theme)
}

fn media_row(state: &SetupState, index: usize, width: usize, theme: Theme) -> Line<'static> {
    let endpoint = &SetupState::media()[index];
    let present = &state.present[index + 1];
    let about =
        if present.is_set() { format!("{} at {}", present.model, present.base_url) } else { "not set".to_owned() };
    let name = Span::styled(format!(" {:<19}", endpoint.title), theme.text());
    row(vec![name, Span::styled(sanitize::line(&about), theme.dim())], Vec::new(), width, theme)
}

fn named_row(name: &str, about: &str, width: usize, theme: Theme) -> Line<'static> {
    let left = vec![Span::styled(format!(" {name:<11}"), theme.text()), Span::styled(about.to_owned(), theme.dim())];
    row(left, Vec::new(), width, theme)
}

fn draw_list(rows: &[Line<'static>], offset: usize, selected: usize, area: Rect, theme: Theme, frame: &mut Frame<'_>) {
    for ((index, line), y) in rows.iter().enumerate().skip(offset).zip(area.top()..area.bottom()) {
        frame.buffer_mut().set_line(area.x, y, line, area.width);
        if index == selected {
            mark_row(area, y, theme.selected(), frame.buffer_mut());
        }
    }
}

fn draw_picker(state: &SetupState, picker: &Picker, area: Rect, frame: &mut Frame<'_>) {
    let theme = state.services.theme;
    if area.height == 0 {
        return;
    }
    draw_input(state, "> ", &picker.filter, true, Rect { height: 1, ..area }, frame);
    let list = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let buffer = frame.buffer_mut();
    if let Some(error) = &picker.error {
        let mut lines = wrap_text(&error.message, list.width, theme.error());
        if let Some(hint) = &error.hint {
            lines.extend(wrap_text(hint, list.width, theme.hint()));
        }
        lines.extend(wrap_text("The name can be typed instead.", list.width, theme.dim()));
        draw_lines(lines.iter(), list, buffer);
        return;
    }
    if picker.is_waiting() {
        draw_lines([Line::styled("asking for the list", theme.waiting())].iter(), list, buffer);
        return;
    }
    if picker.matching.is_empty() {
        let text = match picker.total() {
            0 => "The endpoint lists no models. Type the name; Enter takes it.",
            _ => "No model of the list matches. Enter takes what you typed.",
        };
        draw_lines(wrap_text(text, list.width, theme.dim()).iter(), list, buffer);
        return;
    }
    let width = usize::from(list.width);
    let rows: Vec<Line<'static>> =
        picker.matching.iter().map(|name| row(vec![Span::raw(format!(" {name}"))], Vec::new(), width, theme)).collect();
    draw_list(&rows, picker.cursor.offset, picker.cursor.selected, list, theme, frame);
}

fn review_lines(review: &Review, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    let file = sanitize::line(&review.file.display().to_string());
    let say = |text: &str, style, out: &mut Vec<Line<'static>>| {
        wrap_spans(&[Span::styled(text, style)], width, &Indent::default(), Break::Words, out);
    };
    if let Some((reason, new_text)) = &review.refused {
        say(&file, theme.strong(), &mut out);
        say(reason, theme.error(), &mut out);
        say("It is left alone. To have this, it would have to become:", theme.text(), &mut out);
        out.push(Line::default());
        for line in new_text.lines() {
            wrap_spans(&[Span::raw(line)], width, &Indent::default(), Break::Cells, &mut out);
        }
        return out;
    }
    if review.lines.is_empty() && review.error.is_none() {
        say("Nothing changes.", theme.text(), &mut out);
        return out;
    }
    let what = if review.is_new { "A new file" } else { "Lines that change in the file" };
    say(what, theme.dim(), &mut out);
    wrap_spans(&[Span::styled(file, theme.strong())], width, &Indent::default(), Break::Words, &mut out);
    say("which only you can read (0600):", theme.dim(), &mut out);
    out.push(Line::default());
    for line in &review.lines {
        let (glyph, style) =
            if line.added { (theme.glyphs().added, theme.added()) } else { (theme.glyphs().removed, theme.removed()) };
        let indent = Indent {
            first: vec![
                Span::styled(format!("{:>4} ", line.number), theme.dim()),
                Span::styled(format!("{glyph} "), style),
            ],
            rest: vec![Span::raw("       ")],
        };
        wrap_spans(&[Span::styled(line.text.as_str(), style)], width, &indent, Break::Cells, &mut out);
    }
    for (path, source) in &review.elsewhere {
        out.push(Line::default());
        say(&format!("{path} is set by {source} now, which goes before the file."), theme.waiting(), &mut out);
    }
    out
}
