//! Text over all panes, with scroll and search: whole outputs, differences, the help.
//!
//! Rows are wrapped as they come into view, so that a large text opens at once.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::action::Action;
use crate::tui::text::wrap::{self, Indent};
use crate::tui::text::{highlight, markdown};
use crate::tui::theme::Theme;

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};
use super::scroll::{self, Anchor};

/// A text that is being looked at.
#[derive(Debug)]
pub struct Viewer {
    title: String,
    /// Indent of rows after the first; `None` breaks anywhere and keeps every blank.
    hang: Option<usize>,
    lines: Vec<Line<'static>>,
    top: Anchor,
    search: Option<LineInput>,
    query: String,
    height: usize,
    width: u16,
    visible: Vec<Line<'static>>,
    missed: bool,
    /// What is said first in the last row.
    foot: Option<&'static str>,
    /// Markdown that is drawn for the width, and what it was drawn for.
    markdown: Option<(String, Theme, (u16, u64))>,
}

impl Viewer {
    /// A viewer of clean text.
    pub fn of_text(title: String, text: &str) -> Self {
        let lines = text.lines().map(|line| Line::raw(wrap::expand_tabs(line, 8, 0).into_owned())).collect();
        Self { hang: None, ..Self::of_lines(title, lines, 0) }
    }

    /// A viewer of lines that have their styles already, broken at words, with further rows indented by `hang`.
    pub fn of_lines(title: String, lines: Vec<Line<'static>>, hang: usize) -> Self {
        Self {
            title,
            hang: Some(hang),
            lines,
            top: Anchor::default(),
            search: None,
            query: String::new(),
            height: 1,
            width: 80,
            visible: Vec::new(),
            missed: false,
            foot: None,
            markdown: None,
        }
    }

    /// A viewer of clean Markdown, drawn as replies are.
    pub fn of_markdown(title: String, text: String, theme: Theme) -> Self {
        Self { markdown: Some((text, theme, (0, 0))), ..Self::of_lines(title, Vec::new(), 2) }
    }

    /// Says something in the last row, before the keys.
    pub fn set_foot(&mut self, words: &'static str) {
        self.foot = Some(words);
    }

    /// Shows other lines, such as the same text for another width.
    pub fn set_lines(&mut self, lines: Vec<Line<'static>>) {
        self.lines = lines;
    }

    /// The title and where it stands.
    pub fn title(&self) -> (String, String) {
        (self.title.clone(), format!("line {} of {}", (self.top.item + 1).min(self.lines.len()), self.lines.len()))
    }

    /// Whether keys are text of a search.
    pub fn is_typing(&self) -> bool {
        self.search.is_some()
    }

    /// Takes a key of the search.
    pub fn text_key(&mut self, key: KeyEvent) {
        let Some(input) = &mut self.search else { return };
        match input.key(key) {
            LineOutcome::Submit => {
                self.query = input.text().to_lowercase();
                self.search = None;
                self.find(true, true);
            }
            LineOutcome::Cancel => self.search = None,
            LineOutcome::Changed | LineOutcome::Ignored => {}
        }
    }

    /// Takes a key that the keymap has no action for in lists: the search of pagers.
    pub fn key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('/') => self.search = Some(LineInput::new("")),
            KeyCode::Char('n') => self.find(true, false),
            KeyCode::Char('N') => self.find(false, false),
            KeyCode::Char('g') | KeyCode::Home => self.top = Anchor::default(),
            KeyCode::Char('G') | KeyCode::End => self.top = self.limit(),
            _ => {}
        }
    }

    /// Scrolls; `false` when the action is not one of scrolling.
    pub fn action(&mut self, action: Action) -> bool {
        let page = self.height.saturating_sub(1).max(1);
        match action {
            Action::DialogUp => self.scroll_up(1),
            Action::DialogDown => self.scroll_down(1),
            Action::DialogPageUp => self.scroll_up(page),
            Action::DialogPageDown => self.scroll_down(page),
            _ => return false,
        }
        true
    }

    fn rows(&self) -> impl Fn(usize) -> usize + use<'_> {
        |item| self.lines.get(item).map_or(0, |line| self.rows_of(line).len())
    }

    fn rows_of(&self, line: &Line<'static>) -> Vec<Line<'static>> {
        let mut rows = Vec::new();
        let spans: Vec<Span<'_>> =
            line.spans.iter().map(|span| Span::styled(span.content.as_ref(), line.style.patch(span.style))).collect();
        let (mode, hang) = match self.hang {
            Some(hang) => (wrap::Break::Words, hang),
            None => (wrap::Break::Cells, 0),
        };
        let indent = Indent { first: Vec::new(), rest: vec![Span::raw(" ".repeat(hang))] };
        wrap::wrap_spans(&spans, usize::from(self.width), &indent, mode, &mut rows);
        rows
    }

    fn limit(&self) -> Anchor {
        scroll::end(self.height, self.lines.len(), self.rows())
    }

    fn scroll_up(&mut self, by: usize) {
        self.top = scroll::up(self.top, by, self.rows());
    }

    fn scroll_down(&mut self, by: usize) {
        self.top = scroll::down(self.top, by, self.limit(), self.rows());
    }

    fn find(&mut self, forward: bool, from_here: bool) {
        let count = self.lines.len();
        if self.query.is_empty() || count == 0 {
            return;
        }
        let steps = if from_here { 0..count } else { 1..count + 1 };
        let found = steps
            .map(|step| if forward { (self.top.item + step) % count } else { (self.top.item + count - step) % count })
            .find(|item| text_of(&self.lines[*item]).to_lowercase().contains(&self.query));
        self.missed = found.is_none();
        if let Some(item) = found {
            // Not beyond the end: the match itself is marked, wherever it stands.
            self.top = Anchor { item, row: 0 };
        }
    }

    /// Wraps what is in view.
    pub fn prepare(&mut self, area: Rect) {
        self.width = area.width.max(1);
        if let Some((text, theme, made_for)) = &mut self.markdown
            && *made_for != (self.width, highlight::generation())
        {
            *made_for = (self.width, highlight::generation());
            self.lines = markdown::render(text, self.width, *theme);
        }
        self.height = usize::from(area.height.saturating_sub(1)).max(1);
        if self.query.is_empty() {
            self.top = self.top.min(self.limit());
        }
        self.visible.clear();
        let mut skip = self.top.row;
        for line in self.lines.iter().skip(self.top.item) {
            if self.visible.len() >= self.height {
                break;
            }
            let room = self.height - self.visible.len();
            let mut rows = self.rows_of(line);
            if !self.query.is_empty() && text_of(line).to_lowercase().contains(&self.query) {
                for row in &mut rows {
                    *row = super::chat::highlight(row, &self.query, Theme::default());
                }
            }
            self.visible.extend(rows.into_iter().skip(skip).take(room));
            skip = 0;
        }
    }

    /// Draws the text and, while one is typed, the search.
    pub fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        for (y, line) in (area.y..area.bottom()).zip(&self.visible) {
            frame.render_widget(line, Rect { y, height: 1, ..area });
        }
        let last = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
        if let Some(input) = &self.search {
            input.draw("/", last, cx, frame);
        } else if self.missed {
            frame.render_widget(Line::styled(format!("{:?} is not there", self.query), cx.theme.waiting()), last);
        } else {
            let room = if self.foot.is_some() { 96 } else { 58 };
            let words = if area.width < room {
                "/ search · Esc close"
            } else {
                "/ search · n N next and previous · g G ends · Esc close"
            };
            let words = match self.foot {
                Some(foot) => format!("{foot} · {words}"),
                None => words.to_owned(),
            };
            let words = words.replace(" · ", cx.theme.glyphs().separator);
            frame.render_widget(Line::styled(words, cx.theme.dim()), last);
        }
    }
}

fn text_of(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}
