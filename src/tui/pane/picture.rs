//! Pictures in a pane: a name with its size, and the picture below it.

use std::sync::Arc;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use crate::protocol::KEPT_PICTURE;
use crate::support::{sanitize, truncate};
use crate::tui::action::Action;
use crate::tui::picture::{Pictures, View};
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

use super::DrawContext;

/// Columns that a picture has at least beside another one.
const NARROWEST: u16 = 30;
/// Pictures beside each other.
const MOST_BESIDE: u16 = 3;
/// Columns of the widest picture beside text.
const WIDEST: u16 = 100;
/// Rows of a picture beside text: a share of the pane, and never more than this.
const HIGHEST: u16 = 24;

/// The name of a picture, clean.
pub fn name_of(path: &str) -> String {
    if path.starts_with(KEPT_PICTURE) {
        return "what was seen".to_owned();
    }
    // Cleaned first: a slash may stand within a sequence.
    let clean = sanitize::line(path);
    clean.rsplit('/').next().unwrap_or_default().to_owned()
}

/// What is said of a picture beside its name.
pub fn words(view: &View, drawn: bool) -> String {
    match view {
        View::Loading => "loading".to_owned(),
        View::Failed(why) => format!("not shown: {}", sanitize::line(why)),
        View::Ready { pixels: (width, height), .. } if drawn => format!("{width}x{height}"),
        View::Ready { pixels: (width, height), bytes, .. } => format!("{width}x{height}, {}", truncate::bytes(*bytes)),
    }
}

fn caption(path: &str, view: &View, pictures: &Pictures, theme: Theme, width: usize) -> Vec<Span<'static>> {
    let said = format!("{}{}", theme.glyphs().separator, words(view, pictures.are_drawn()));
    let name = truncate::cells(&name_of(path), width.saturating_sub(width_of(&said)).max(8), theme.glyphs().ellipsis);
    let room = width.saturating_sub(width_of(&name));
    vec![Span::raw(name), Span::styled(truncate::cells(&said, room, theme.glyphs().ellipsis), theme.dim())]
}

/// Rows that a picture may have in a pane of this height.
pub fn rows_within(height: u16) -> u16 {
    (height * 3 / 5).clamp(3, HIGHEST)
}

/// How many pictures stand beside each other, and how wide each of them may be.
fn columns(count: usize, width: u16) -> (u16, u16) {
    let beside = (width / NARROWEST).clamp(1, MOST_BESIDE).min(count.max(1) as u16);
    (beside, (width.saturating_sub(2 * (beside - 1)) / beside).clamp(1, WIDEST))
}

/// Pictures with their names, beside each other where there is room for it.
pub fn lines(paths: &[&str], room: Size, pictures: &Pictures, theme: Theme, out: &mut Vec<Line<'static>>) {
    let (beside, column) = columns(paths.len(), room.width);
    for row in paths.chunks(usize::from(beside)) {
        let views: Vec<View> = row.iter().map(|path| pictures.view(path, Size { width: column, ..room })).collect();
        let mut head = Vec::new();
        for (at, (path, view)) in row.iter().zip(&views).enumerate() {
            pad(&mut head, at * usize::from(column + 2));
            head.extend(caption(path, view, pictures, theme, usize::from(column)));
        }
        out.push(Line::from(head));
        let drawn: Vec<Arc<[Line<'static>]>> = views
            .into_iter()
            .map(|view| match view {
                View::Ready { lines, .. } => lines,
                _ => Arc::from([]),
            })
            .collect();
        for y in 0..drawn.iter().map(|lines| lines.len()).max().unwrap_or(0) {
            let mut spans = Vec::new();
            for (at, lines) in drawn.iter().enumerate() {
                if let Some(line) = lines.get(y) {
                    pad(&mut spans, at * usize::from(column + 2));
                    spans.extend(line.spans.iter().cloned());
                }
            }
            out.push(Line::from(spans));
        }
    }
}

fn pad(spans: &mut Vec<Span<'static>>, to: usize) {
    let gap = to.saturating_sub(spans_width(spans));
    if gap > 0 {
        spans.push(Span::raw(" ".repeat(gap)));
    }
}

/// The pictures of one step of the conversation.
#[derive(Debug)]
pub struct Strip {
    pictures: Pictures,
    items: Vec<Item>,
    /// What its lines were made for.
    made: Option<(u64, Size, Theme, bool)>,
    lines: Vec<Line<'static>>,
}

#[derive(Debug)]
struct Item {
    path: String,
    /// A later call has written a picture of the same name: the file shows that one.
    replaced: bool,
}

impl Strip {
    /// No pictures yet.
    pub fn new(pictures: Pictures) -> Self {
        Self { pictures, items: Vec::new(), made: None, lines: Vec::new() }
    }

    /// One more picture; known ones are not added again.
    pub fn add(&mut self, path: &str) {
        if self.items.iter().all(|item| item.path != path || item.replaced) {
            self.items.push(Item { path: path.to_owned(), replaced: false });
        }
        self.made = None;
    }

    /// A later call shows this picture.
    pub fn replace(&mut self, path: &str) {
        for item in self.items.iter_mut().filter(|item| item.path == path) {
            item.replaced = true;
            self.made = None;
        }
    }

    /// The pictures that it shows.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter(|item| !item.replaced).map(|item| item.path.as_str())
    }

    /// Their names, for copying and for the search.
    pub fn plain(&self) -> String {
        let names: Vec<&str> = self.items.iter().map(|item| item.path.as_str()).collect();
        sanitize::text(&names.join("\n"))
    }

    /// Gives the memory of its lines back.
    pub fn drop_lines(&mut self) {
        self.made = None;
        self.lines = Vec::new();
    }

    /// How it looks. Asks for the pictures each time, so that they stay or come.
    pub fn lines(&mut self, room: Size, theme: Theme, open: bool) -> &[Line<'static>] {
        let state = Some((self.pictures.version(), room, theme, open));
        if self.made != state {
            self.lines = self.render(room, theme, open);
            self.made = state;
        } else if open {
            let (_, width) = columns(self.paths().count(), room.width);
            for path in self.paths() {
                self.pictures.view(path, Size { width, ..room });
            }
        }
        &self.lines
    }

    fn render(&self, room: Size, theme: Theme, open: bool) -> Vec<Line<'static>> {
        let glyphs = theme.glyphs();
        let shown: Vec<&str> = self.paths().collect();
        let width = usize::from(room.width);
        let mut out = Vec::new();
        for item in self.items.iter().filter(|item| item.replaced) {
            let words = format!("{}{}made again below", name_of(&item.path), glyphs.separator);
            out.push(Line::styled(truncate::cells(&words, width, glyphs.ellipsis), theme.dim()));
        }
        if shown.is_empty() {
            return out;
        }
        if open {
            lines(&shown, room, &self.pictures, theme, &mut out);
            return out;
        }
        let names: Vec<String> = shown.iter().map(|path| name_of(path)).collect();
        let count = if shown.len() == 1 { "1 picture".to_owned() } else { format!("{} pictures", shown.len()) };
        let words = format!("{} {count}{}{}", glyphs.folded, glyphs.separator, names.join(", "));
        out.push(Line::styled(truncate::cells(&words, width, glyphs.ellipsis), theme.dim()));
        out
    }
}

/// One picture over all panes, and the ones before and after it.
#[derive(Debug)]
pub struct PictureViewer {
    pictures: Pictures,
    paths: Vec<String>,
    /// What they are called instead of their names; empty where those say it.
    labels: Vec<String>,
    at: usize,
    lines: Arc<[Line<'static>]>,
    said: String,
}

impl PictureViewer {
    /// A viewer of these pictures that begins with one of them; `None` without any.
    pub fn new(pictures: Pictures, paths: Vec<String>, at: usize) -> Option<Self> {
        let at = at.min(paths.len().checked_sub(1)?);
        Some(Self { pictures, paths, labels: Vec::new(), at, lines: Arc::from([]), said: String::new() })
    }

    /// The same with other names, clean.
    #[must_use]
    pub fn called(self, labels: Vec<String>) -> Self {
        Self { labels, ..self }
    }

    /// The name, and which one of how many it is.
    pub fn title(&self, theme: Theme) -> (String, String) {
        let name = self.labels.get(self.at).cloned().unwrap_or_else(|| name_of(&self.paths[self.at]));
        let name = format!("{name}{}{}", theme.glyphs().separator, self.said);
        (name, format!("{} of {}", self.at + 1, self.paths.len()))
    }

    /// Goes to another picture.
    pub fn action(&mut self, action: Action) {
        let last = self.paths.len() - 1;
        self.at = match action {
            Action::NextChoice | Action::DialogDown | Action::DialogPageDown => (self.at + 1).min(last),
            Action::PreviousChoice | Action::DialogUp | Action::DialogPageUp => self.at.saturating_sub(1),
            _ => self.at,
        };
    }

    /// Takes a key that has no action in lists.
    pub fn key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('n') => self.action(Action::NextChoice),
            KeyCode::Char('p') => self.action(Action::PreviousChoice),
            KeyCode::Char('g') | KeyCode::Home => self.at = 0,
            KeyCode::Char('G') | KeyCode::End => self.at = self.paths.len() - 1,
            _ => {}
        }
    }

    /// The rows for the picture; the last one says what the keys are.
    fn room(area: Rect) -> Rect {
        Rect { height: area.height.saturating_sub(1), ..area }
    }

    /// Asks for the picture in the size of the area.
    pub fn prepare(&mut self, area: Rect) {
        let room = Self::room(area);
        let view = self.pictures.view(&self.paths[self.at], Size { width: room.width, height: room.height });
        self.said = words(&view, false);
        self.lines = match view {
            View::Ready { lines, .. } => lines,
            _ => Arc::from([]),
        };
    }

    /// Draws it in the middle of the area.
    pub fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let room = Self::room(area);
        let height = (self.lines.len() as u16).min(room.height);
        let top = room.y + (room.height - height) / 2;
        for (y, line) in (top..top + height).zip(self.lines.iter()) {
            let width = (line.width() as u16).min(room.width);
            let x = room.x + (room.width - width) / 2;
            frame.render_widget(line, Rect { x, y, width, height: 1 });
        }
        if self.lines.is_empty() && !room.is_empty() {
            let why = if self.pictures.are_drawn() { "" } else { "; pictures are not drawn here" };
            let note = format!("{}{why}", self.said);
            frame.render_widget(Line::styled(note, cx.theme.dim()), Rect { height: 1, ..room });
        }
        let words = match (self.paths.len(), area.width) {
            (1, _) => "Esc close".to_owned(),
            (_, 0..40) => "Left, Right, Esc".to_owned(),
            _ => ["Left Right previous and next", "Esc close"].join(cx.theme.glyphs().separator),
        };
        let last = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
        frame.render_widget(Line::styled(words, cx.theme.dim()), last);
    }
}
