//! How the things and what they hold look: lines for an area.

use std::time::SystemTime;

use jiff::Zoned;
use ratatui::layout::Size;
use ratatui::text::{Line, Span};

use super::things::Thing;
use crate::protocol::ArtifactKind;
use crate::support::{clock, sanitize, truncate};
use crate::tui::pane::list;
use crate::tui::pane::picture;
use crate::tui::picture::{Pictures, View};
use crate::tui::preview::{Content, FileState, Recording, Sheet};
use crate::tui::text::markdown;
use crate::tui::text::wrap::{self, spans_width};
use crate::tui::theme::Theme;

/// Bytes of a text of which a glance is drawn.
const GLANCE: usize = 8 << 10;
/// Columns that a thumbnail has at least.
const NARROWEST: u16 = 26;
/// Thumbnails beside each other.
const MOST_BESIDE: u16 = 4;
/// Rows of a wave.
const WAVE_ROWS: u16 = 7;
/// Columns of a wave.
const WIDEST_WAVE: usize = 160;

/// The row of a thing in the list.
pub(super) fn row(thing: &Thing, width: usize, wall: &Zoned, theme: Theme) -> Line<'static> {
    let gone = thing.is_gone();
    let mut left = vec![Span::styled(format!(" {:<6} ", thing.word()), theme.dim())];
    left.push(Span::styled(thing.name.clone(), if gone { theme.dim() } else { theme.text() }));
    if let Some(title) = &thing.title {
        left.push(Span::styled(format!("{}{title}", theme.glyphs().separator), theme.dim()));
    }
    let right = match &thing.state {
        None => String::new(),
        Some(FileState::Gone) if !gone => String::new(),
        Some(FileState::Gone) => "gone".to_owned(),
        Some(FileState::Closed(_)) => "closed".to_owned(),
        Some(FileState::Folder { modified }) => age(*modified, wall),
        Some(FileState::File { bytes, modified }) => match age(*modified, wall) {
            age if age.is_empty() => truncate::bytes(*bytes),
            age => format!("{} {age:>4}", truncate::bytes(*bytes)),
        },
    };
    let style = if gone { theme.waiting() } else { theme.dim() };
    list::row(left, vec![Span::styled(right, style)], width, theme)
}

fn age(then: Option<SystemTime>, wall: &Zoned) -> String {
    let then = then.and_then(|then| jiff::Timestamp::try_from(then).ok());
    then.map_or_else(String::new, |then| clock::ago(&then.to_zoned(wall.time_zone().clone()), wall))
}

/// What stands above the content: what the list has no room for.
pub(super) fn head(thing: &Thing, said: &str, width: usize, theme: Theme) -> Line<'static> {
    let separator = theme.glyphs().separator;
    let mut words: Vec<String> = Vec::new();
    words.extend((!said.is_empty()).then(|| said.to_owned()));
    words.extend((thing.versions > 1).then(|| format!("made {} times", thing.versions)));
    let name = thing.title.clone().unwrap_or_else(|| thing.name.clone());
    let mut spans = vec![Span::styled(format!(" {name}"), theme.strong())];
    if !words.is_empty() {
        spans.push(Span::styled(format!("{separator}{}", words.join(separator)), theme.dim()));
    }
    Line::from(list::cut(spans, width, theme))
}

/// What is said of a content in the line above it.
pub(super) fn said(content: &Content, theme: Theme) -> String {
    match content {
        Content::Text { summary, .. } => sanitize::line(summary),
        Content::Recording(recording) => facts(recording, theme),
        Content::Sheets(_) | Content::Picture | Content::Words(_) => String::new(),
    }
}

/// A glance at a content that is no picture.
pub(super) fn glance(content: &Content, kind: ArtifactKind, room: Size, theme: Theme) -> Vec<Line<'static>> {
    let width = usize::from(room.width);
    match content {
        Content::Text { text, markdown, notes, .. } => {
            let mut lines: Vec<Line<'static>> = notes
                .iter()
                .take(3)
                .map(|note| {
                    Line::styled(
                        truncate::cells(&format!(" note: {}", sanitize::line(note)), width, "…"),
                        theme.waiting(),
                    )
                })
                .collect();
            let part = sanitize::text(truncate::prefix(text, GLANCE));
            lines.extend(text_lines(&part, *markdown, room.width.saturating_sub(1), theme).into_iter().map(indented));
            lines.truncate(usize::from(room.height));
            lines
        }
        Content::Recording(recording) => wave(recording, room, theme),
        Content::Words(words) => {
            let said = if kind == ArtifactKind::Url { sanitize::text(words) } else { sanitize::line(words) };
            note(&said, room.width, theme)
        }
        Content::Sheets(_) | Content::Picture => Vec::new(),
    }
}

/// Clean words in the place of a content.
pub(super) fn note(words: &str, width: u16, theme: Theme) -> Vec<Line<'static>> {
    wrap::wrap_text(words, width.saturating_sub(2), theme.dim()).into_iter().map(indented).collect()
}

fn indented(line: Line<'static>) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    spans.extend(line.spans);
    Line::from(spans).style(line.style)
}

/// The lines of a clean text.
pub(super) fn text_lines(text: &str, is_markdown: bool, width: u16, theme: Theme) -> Vec<Line<'static>> {
    if is_markdown {
        return markdown::render(text, width, theme);
    }
    text.lines().map(|line| Line::raw(wrap::expand_tabs(line, 8, 0).into_owned())).collect()
}

/// Format, channels, rate and length.
fn facts(recording: &Recording, theme: Theme) -> String {
    let channels = match recording.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        count => format!("{count} channels"),
    };
    let rate = format!("{}.{} kHz", recording.rate / 1000, recording.rate % 1000 / 100);
    let format = truncate::cells(&sanitize::line(&recording.format), 24, theme.glyphs().ellipsis);
    [length(recording.millis), format, channels, rate].join(theme.glyphs().separator)
}

/// A length as players show it.
fn length(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..=59 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..=3599 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// A recording as a wave, with its time below.
pub(super) fn wave(recording: &Recording, room: Size, theme: Theme) -> Vec<Line<'static>> {
    let width = usize::from(room.width).saturating_sub(2).min(WIDEST_WAVE);
    let rows = room.height.saturating_sub(2).min(WAVE_ROWS);
    if width == 0 || rows == 0 || recording.loudness.is_empty() {
        return Vec::new();
    }
    let steps = theme.glyphs().levels;
    let each = steps.len() - 1;
    let levels: Vec<usize> = (0..width)
        .map(|column| {
            let count = recording.loudness.len();
            let (from, to) = (column * count / width, ((column + 1) * count).div_ceil(width).min(count));
            let loudest = recording.loudness[from.min(count - 1)..to.max(from.min(count - 1) + 1)].iter().max();
            let loudest = usize::from(loudest.copied().unwrap_or_default());
            // A sound that can be heard can be seen.
            (loudest * usize::from(rows) * each / 255).max(usize::from(loudest > 0))
        })
        .collect();
    let mut lines = vec![Line::default()];
    for row in (0..usize::from(rows)).rev() {
        let cells: String = levels.iter().map(|level| steps[level.saturating_sub(row * each).min(each)]).collect();
        lines.push(Line::from(vec![Span::raw(" "), Span::styled(cells, theme.hint())]));
    }
    let end = length(recording.millis);
    let gap = width.saturating_sub(end.len() + 1);
    lines.push(Line::styled(format!(" 0{}{end}", " ".repeat(gap)), theme.dim()));
    lines
}

/// Pictures of a thing: as many as there is room for around the chosen one, or that one alone.
pub(super) fn sheets(
    sheets: &[Sheet],
    chosen: usize,
    room: Size,
    pictures: &Pictures,
    theme: Theme,
) -> Vec<Line<'static>> {
    let beside = (room.width / NARROWEST).clamp(1, MOST_BESIDE).min(sheets.len().max(1) as u16);
    let column = room.width.saturating_sub(2 * (beside - 1)) / beside.max(1);
    // Slides are wide: half as many rows as columns are more than enough.
    let height = (column * 9 / 32).max(4);
    let fit = usize::from(room.height / (height + 1));
    if !pictures.are_drawn() {
        return names(sheets, chosen, room, pictures, theme);
    }
    if beside == 1 || fit == 0 || sheets.len() == 1 {
        let Some(sheet) = sheets.get(chosen) else { return Vec::new() };
        if sheet.label.is_empty() {
            let mut lines = one(sheet, true, room, pictures, theme);
            // What it is stands above.
            lines.remove(0);
            return lines;
        }
        let room = Size { height: room.height.saturating_sub(1), ..room };
        return one(sheet, true, room, pictures, theme);
    }
    let rows = sheets.len().div_ceil(usize::from(beside));
    // What is left over makes the thumbnails larger where all of them fit.
    let height = if rows <= fit { (room.height / rows as u16).saturating_sub(1).max(height) } else { height };
    let first = (chosen / usize::from(beside)).saturating_sub(fit.saturating_sub(1) / 2).min(rows.saturating_sub(fit));
    let mut out = Vec::new();
    for row in first..rows.min(first + fit) {
        let from = row * usize::from(beside);
        let part = &sheets[from..sheets.len().min(from + usize::from(beside))];
        let cells: Vec<Vec<Line<'static>>> = part
            .iter()
            .enumerate()
            .map(|(at, sheet)| one(sheet, from + at == chosen, Size { width: column, height }, pictures, theme))
            .collect();
        for y in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let mut spans: Vec<Span<'static>> = Vec::new();
            for (at, cell) in cells.iter().enumerate() {
                let gap = (at * usize::from(column + 2)).saturating_sub(spans_width(&spans));
                spans.push(Span::raw(" ".repeat(gap)));
                spans.extend(cell.get(y).into_iter().flat_map(|line| line.spans.iter().cloned()));
            }
            out.push(Line::from(spans));
        }
    }
    out
}

/// A picture under what it shows.
fn one(sheet: &Sheet, chosen: bool, room: Size, pictures: &Pictures, theme: Theme) -> Vec<Line<'static>> {
    let view = pictures.view(&sheet.picture, room);
    let style = if chosen { theme.selected() } else { theme.dim() };
    let mut head = vec![Span::styled(format!(" {} ", sanitize::line(&sheet.label)), style)];
    let mut out = Vec::new();
    match view {
        View::Loading => head.push(Span::styled(" loading", theme.dim())),
        View::Failed(why) => head.push(Span::styled(format!(" not shown: {}", sanitize::line(&why)), theme.dim())),
        View::Ready { lines, .. } => out.extend(lines.iter().cloned()),
    }
    out.insert(0, Line::from(list::cut(head, usize::from(room.width), theme)));
    out
}

/// Where pictures are not drawn they are told.
fn names(sheets: &[Sheet], chosen: usize, room: Size, pictures: &Pictures, theme: Theme) -> Vec<Line<'static>> {
    let rows = usize::from(room.height);
    let first = chosen.saturating_sub(rows / 2).min(sheets.len().saturating_sub(rows));
    let line = |(at, sheet): (usize, &Sheet)| {
        let said = picture::words(&pictures.view(&sheet.picture, Size { width: 1, height: 1 }), false);
        let style = if at == chosen { theme.selected() } else { theme.text() };
        let spans = vec![
            Span::styled(format!(" {} ", sanitize::line(&sheet.label)), style),
            Span::styled(format!("{}{said}", theme.glyphs().separator), theme.dim()),
        ];
        Line::from(list::cut(spans, usize::from(room.width), theme))
    };
    sheets.iter().enumerate().skip(first).take(rows).map(line).collect()
}
