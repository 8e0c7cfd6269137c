//! The whole output of a call, read from its spill file as far as it is looked at.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use super::super::find::Find;
use super::super::list::row;
use crate::support::truncate;
use crate::tui::action::Action;
use crate::tui::pane::DrawContext;
use crate::tui::text::window::{FileWindow, Found, Search, WindowLine};
use crate::tui::text::wrap::{Break, Indent, wrap_spans};
use crate::tui::theme::Theme;

/// Time that a search may take from one frame.
const SEARCH_SLICE: Duration = Duration::from_millis(20);

/// A window on a file: the line at the top, and how many of its rows are above the screen.
#[derive(Debug)]
pub(super) struct OutputViewer {
    window: FileWindow,
    top: u64,
    skip: usize,
    size: Size,
    theme: Theme,
    rows: Vec<Line<'static>>,
    /// How far the screen reaches, for the position.
    end: u64,
    pub(super) find: Find,
    search: Option<Search>,
    /// The line that the last search found.
    hit: Option<u64>,
    error: Option<String>,
}

impl OutputViewer {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            window: FileWindow::open(path)?,
            top: 0,
            skip: 0,
            size: Size::new(80, 24),
            theme: Theme::default(),
            rows: Vec::new(),
            end: 0,
            find: Find::default(),
            search: None,
            hit: None,
            error: None,
        })
    }

    /// Whether a search is going on.
    pub(super) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Looks for the pattern from the last hit on, or from the top.
    pub(super) fn look(&mut self, backwards: bool) {
        self.find.note = None;
        let from = self.hit.unwrap_or(self.top);
        match self.window.search(self.find.pattern(), from, backwards) {
            Ok(search) => self.search = Some(search),
            Err(error) => self.failed(&error),
        }
    }

    pub(super) fn act(&mut self, action: Action) -> bool {
        let page = self.height().max(2) - 1;
        let moved = match action {
            Action::Up => self.up(1),
            Action::Down => self.down(1),
            Action::PageUp => self.up(page),
            Action::PageDown => self.down(page),
            Action::Top => {
                (self.top, self.skip) = (0, 0);
                Ok(())
            }
            Action::Bottom => self.bottom(),
            _ => return false,
        };
        self.hit = None;
        if let Err(error) = moved {
            self.failed(&error);
        }
        true
    }

    pub(super) fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        self.size = size;
        self.theme = cx.theme;
        self.window.refresh();
        self.go_on_searching();
        match self.visible(self.height()) {
            Ok((rows, end)) => {
                self.rows = rows;
                self.end = end;
            }
            Err(error) => self.failed(&error),
        }
    }

    pub(super) fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if area.height == 0 {
            return;
        }
        let buffer = frame.buffer_mut();
        let body = Rect { height: area.height - 1, ..area };
        for (line, y) in self.rows.iter().zip(body.top()..body.bottom()) {
            buffer.set_line(body.x, y, line, body.width);
            self.find.mark(&line.to_string(), body, y, cx.theme, buffer);
        }
        let foot = Rect { y: body.bottom(), height: 1, ..area };
        if self.find.wants_row() {
            self.find.draw(foot, cx, frame);
            return;
        }
        let state = match (&self.error, &self.search) {
            (Some(error), _) => Span::styled(error.clone(), cx.theme.error()),
            (None, Some(_)) => Span::styled("searching", cx.theme.waiting()),
            (None, None) => Span::raw(""),
        };
        let bytes = self.window.bytes();
        let percent = (self.end * 100).checked_div(bytes).unwrap_or(100);
        let place = format!("{} of {}  {percent} %", truncate::bytes(self.end), truncate::bytes(bytes));
        let line = row(vec![state], vec![Span::styled(place, cx.theme.dim())], usize::from(area.width), cx.theme);
        frame.buffer_mut().set_line(foot.x, foot.y, &line, foot.width);
    }

    /// Rows for the text; the last one of the area says where it is.
    fn height(&self) -> usize {
        usize::from(self.size.height).saturating_sub(1)
    }

    fn failed(&mut self, error: &io::Error) {
        self.search = None;
        self.error = Some(format!("cannot read the output: {error}"));
    }

    fn go_on_searching(&mut self) {
        let Some(mut search) = self.search.take() else { return };
        let deadline = Instant::now() + SEARCH_SLICE;
        loop {
            match self.window.step(&mut search) {
                Ok(Found::At(line)) => {
                    self.hit = Some(line);
                    (self.top, self.skip) = (line, 0);
                    // Some lines of what stands before it.
                    if let Err(error) = self.up(self.height() / 3) {
                        self.failed(&error);
                    }
                    return;
                }
                Ok(Found::Nowhere) => {
                    self.find.not_found();
                    return;
                }
                Ok(Found::NotYet) if Instant::now() < deadline => {}
                Ok(Found::NotYet) => {
                    self.search = Some(search);
                    return;
                }
                Err(error) => {
                    self.failed(&error);
                    return;
                }
            }
        }
    }

    fn wrapped(&self, line: &WindowLine) -> Vec<Line<'static>> {
        let mut out = Vec::new();
        let width = usize::from(self.size.width);
        let spans = line.line.spans(self.theme.text(), self.theme);
        wrap_spans(&spans, width, &Indent::default(), Break::Cells, &mut out);
        out
    }

    /// The next `count` rows from the top on, and the byte behind them.
    fn visible(&self, count: usize) -> io::Result<(Vec<Line<'static>>, u64)> {
        let mut rows = Vec::new();
        let mut end = self.top;
        let mut skip = self.skip;
        for line in self.window.lines_from(self.top, count + 1)? {
            if rows.len() >= count {
                break;
            }
            rows.extend(self.wrapped(&line).into_iter().skip(std::mem::take(&mut skip)));
            end = line.end;
        }
        rows.truncate(count);
        Ok((rows, end))
    }

    fn down(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            // The last page stays whole.
            if self.visible(self.height() + 1)?.0.len() <= self.height() {
                break;
            }
            let Some(line) = self.window.lines_from(self.top, 1)?.into_iter().next() else { break };
            if self.skip + 1 < self.wrapped(&line).len() {
                self.skip += 1;
            } else {
                (self.top, self.skip) = (line.end, 0);
            }
        }
        Ok(())
    }

    fn up(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            if self.top == 0 {
                break;
            }
            self.top = self.window.back(self.top, 1)?;
            if let Some(line) = self.window.lines_from(self.top, 1)?.first() {
                self.skip = self.wrapped(line).len().saturating_sub(1);
            }
        }
        Ok(())
    }

    fn bottom(&mut self) -> io::Result<()> {
        (self.top, self.skip) = (self.window.bytes(), 0);
        self.up(self.height())
    }
}
