//! The conversation: facts become cells, cells become rows.
//!
//! Only the cells on the screen are rendered (see [`super::scroll`]), and only those near it keep their rows, so memory
//! follows the screen and not the conversation.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use crate::protocol::{ArtifactKind, Event, Op, Phase, ServedSite};
use crate::support::sanitize;
use crate::tui::action::{Action, Scope};
use crate::tui::attach::Pending;
use crate::tui::effect::UiEffect;
use crate::tui::picture::Pictures;
use crate::tui::remote::SshPlace;
use crate::tui::theme::Theme;

use super::cell::{Body, Cell, NoticeKind, Step};
use super::line_input::{LineInput, LineOutcome};
use super::scroll::{self, Anchor};
use super::{DrawContext, Pane, PaneTitle};

/// Cells on either side of the screen that keep their rows.
const KEPT_CELLS: usize = 24;
/// Websites that are told at the start.
const MOST_SITES: usize = 5;

mod search;
mod story;
mod walk;

pub use search::highlight;
use story::call_mark;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// The end is shown, and stays shown when more comes.
    Follow,
    At(Anchor),
}

/// The conversation's state.
#[derive(Debug)]
pub struct ChatState {
    cells: Vec<Cell>,
    position: Position,
    selected: Option<usize>,
    search: Option<Search>,
    /// Turn that is running: when it began, and whether it said anything.
    turn: Option<(u64, bool)>,
    retrying: bool,
    /// The rollback, undo or redo that was asked for.
    movement: Option<Op>,
    /// A message was sent and its turn has not begun: no conversation of the engine holds it yet.
    awaited: bool,
    /// Words for the welcome.
    help_key: String,
    facts: Option<(String, bool)>,
    size: Size,
    theme: Theme,
    pictures: Pictures,
    ssh: Option<SshPlace>,
    /// The address that was made last.
    latest_site: Option<String>,
    visible: Vec<Row>,
    /// Rows by which a growing reply moves up at once (see [`ChatState::set_step`]).
    step: usize,
    held: Anchor,
    below: bool,
}

#[derive(Debug)]
struct Search {
    query: String,
    /// The place found last: cell and row.
    at: Option<(usize, usize)>,
    typing: Option<LineInput>,
}

/// A row on the screen.
#[derive(Debug)]
struct Row {
    line: Line<'static>,
    cell: usize,
    gap: bool,
}

impl ChatState {
    /// An empty conversation. `help_key` is named in the welcome.
    pub fn new(help_key: String, pictures: Pictures, ssh: Option<SshPlace>) -> Self {
        Self {
            cells: Vec::new(),
            position: Position::Follow,
            selected: None,
            search: None,
            turn: None,
            retrying: false,
            movement: None,
            awaited: false,
            help_key,
            facts: None,
            size: Size::ZERO,
            theme: Theme::default(),
            pictures,
            ssh,
            latest_site: None,
            visible: Vec::new(),
            step: 1,
            held: Anchor::default(),
            below: false,
        }
    }

    /// A website that can be opened, and how over SSH.
    fn site(&mut self, mut text: String, url: &str) {
        if let Some(line) = self.ssh.as_ref().and_then(|ssh| ssh.forward(url)) {
            text.push_str("\nfirst, on your own machine:\n");
            text.push_str(&line);
        }
        self.latest_site = Some(url.to_owned());
        self.notice(NoticeKind::Site, &text);
    }

    /// The address of the website that was deployed last.
    pub fn latest_site(&self) -> Option<&str> {
        self.latest_site.as_deref()
    }

    /// The user's message, as it is sent, with what goes along.
    pub fn say(&mut self, text: &str, files: &[Pending]) {
        let files = files.iter().map(Pending::words).collect();
        self.cells.push(Cell::new(Body::User { text: sanitize::text(text), files }));
        self.awaited = true;
        self.position = Position::Follow;
    }

    /// A reply that grows at the end of the area moves up by this many rows at once. Beside other panes each move
    /// costs much (a terminal scrolls whole rows only), so several are made into one.
    pub fn set_step(&mut self, rows: usize) {
        self.step = rows.max(1);
    }

    /// The top row while a reply grows: the last one, as long as the end fits below it.
    fn growing_top(&mut self, limit: Anchor) -> Anchor {
        let end = Anchor { item: self.cells.len(), row: 0 };
        let farthest = scroll::down(limit, self.step - 1, end, |item| self.rows(item));
        if self.held < limit || self.held > farthest {
            self.held = if limit == Anchor::default() { limit } else { farthest };
        }
        self.held
    }

    /// Shows the end, and what comes there.
    pub fn follow(&mut self) {
        self.position = Position::Follow;
    }

    /// News that stays in the conversation.
    pub fn notice(&mut self, kind: NoticeKind, text: &str) {
        let text = sanitize::text(text);
        if kind == NoticeKind::Retry
            && let Some(Cell { body: Body::Notice { kind: NoticeKind::Retry, .. }, .. }) = self.cells.last()
        {
            self.cells.pop();
        }
        self.cells.push(Cell::new(Body::Notice { kind, text }));
    }

    /// The latest message of the user.
    pub fn latest_message(&self) -> Option<&str> {
        self.cells
            .iter()
            .rev()
            .find_map(|cell| if let Body::User { text, .. } = &cell.body { Some(text.as_str()) } else { None })
    }

    /// The text of the latest reply: everything said since the latest message of the user.
    pub fn latest_reply(&self) -> Option<String> {
        let start = self.cells.iter().rposition(|cell| matches!(cell.body, Body::User { .. })).map_or(0, |at| at + 1);
        let pieces: Vec<String> = self.cells[start..]
            .iter()
            .filter(|cell| matches!(cell.body, Body::Text { .. }))
            .map(Cell::plain)
            .filter(|text| !text.is_empty())
            .collect();
        (!pieces.is_empty()).then(|| pieces.join("\n\n"))
    }

    /// Whether there is more below what is shown.
    pub fn has_more_below(&self) -> bool {
        self.below
    }
}

impl Pane for ChatState {
    fn apply(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::SessionStarted { mount, host_path, sandbox, network, .. } => {
                let off = sandbox == "off";
                // Only bubblewrap makes the mount; elsewhere commands work in the real folder.
                let place = match sandbox.as_str() {
                    "bubblewrap" => sanitize::line(mount),
                    _ => sanitize::line(&host_path.display().to_string()),
                };
                let sandbox = match sandbox.as_str() {
                    "off" => "NO SANDBOX".to_owned(),
                    "landlock" => "sandbox landlock (degraded)".to_owned(),
                    other => format!("sandbox {}", sanitize::line(other)),
                };
                let network = match network.as_str() {
                    "off" => "no network".to_owned(),
                    other => format!("network {}", sanitize::line(other)),
                };
                self.facts = Some((format!("{place}, {sandbox}, {network}"), off));
                if self.cells.is_empty() {
                    self.welcome();
                }
            }
            Event::ConversationReplaced { messages, .. } => self.replace(messages),
            Event::TurnStarted { .. } => {
                self.awaited = false;
                self.turn = Some((now_ms, false));
                self.cells.push(Cell::new(Body::Head { duration_ms: None }));
            }
            Event::Attached { files: attached } => {
                let user = self.cells.iter_mut().rev().find(|cell| matches!(cell.body, Body::User { .. }));
                if let Some(cell) = user {
                    if let Body::User { files, .. } = &mut cell.body {
                        *files = attached.iter().map(story::attachment).collect();
                    }
                    cell.touch();
                }
            }
            Event::TextDelta { text } => self.push_text(text),
            Event::ReasoningDelta { text } => {
                self.drop_retries();
                self.push_thought(text, now_ms);
            }
            Event::ReplyRestarted { .. } => self.restart_reply(),
            Event::ToolStarted { call, tool, arguments } => {
                self.drop_retries();
                let mark = call_mark(call.clone(), tool, arguments);
                self.work(|steps, _| steps.push(Step::Call(mark)));
            }
            Event::ToolOutput { call, chunk } => self.change_call(call, |mark| mark.output.push(chunk)),
            Event::ToolWaiting { call, waiting, .. } => self.change_call(call, |mark| mark.waiting = *waiting),
            Event::ToolFinished { call, status, output, .. } => {
                self.change_call(call, |mark| mark.end(*status, output));
            }
            Event::ToolDetail { call, pictures, .. } => self.show_pictures(call, pictures),
            Event::PhaseChanged(phase) => self.retrying = matches!(phase, Phase::Retrying { .. }),
            Event::Warning { message } => {
                self.notice(if self.retrying { NoticeKind::Retry } else { NoticeKind::Warning }, message);
            }
            Event::Error { message, hint } => {
                self.awaited = false;
                self.drop_retries();
                let (message, hint) = (sanitize::text(message), hint.as_deref().map(sanitize::text));
                self.cells.push(Cell::new(Body::Error { message, hint }));
            }
            // Shown with its call.
            Event::Artifact(artifact) if artifact.kind == ArtifactKind::Image && artifact.path.is_some() => {}
            Event::Artifact(artifact) => {
                let host = artifact.host_path.as_ref().map(|path| path.display().to_string());
                let what = artifact.url.as_deref().or(artifact.path.as_deref()).or(host.as_deref()).unwrap_or("a file");
                let text = format!("made {}", sanitize::line(what));
                match &artifact.url {
                    Some(url) => self.site(text, url),
                    None => self.notice(NoticeKind::Made, &text),
                }
            }
            Event::SitesServed { sites, other_port } => {
                for ServedSite { title, url, .. } in sites.iter().rev().take(MOST_SITES).rev() {
                    let title = if title.is_empty() { "a website" } else { title };
                    self.site(format!("serving {}: {}", sanitize::line(title), sanitize::line(url)), url);
                }
                if let Some(port) = other_port {
                    let words = format!("another program holds the usual port of this session; for now it is {port}");
                    self.notice(NoticeKind::Warning, &words);
                }
            }
            Event::TurnEnded { outcome, reply, .. } => self.end_turn(*outcome, reply, now_ms),
            Event::Restored(report) => self.moved(report),
            _ => {}
        }
    }

    fn scope(&self) -> Scope {
        match &self.search {
            Some(Search { typing: Some(_), .. }) => Scope::Text,
            _ => Scope::Chat,
        }
    }

    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        match action {
            Action::Up => self.walk(false),
            Action::Down => self.walk(true),
            Action::PageUp => self.scroll_page(true),
            Action::PageDown => self.scroll_page(false),
            Action::Top => {
                self.position = Position::At(Anchor::default());
                self.selected = Some(0);
                // All may fit.
                self.scroll(0);
            }
            Action::Bottom => {
                self.position = Position::Follow;
                self.selected = self.cells.len().checked_sub(1);
            }
            Action::Open | Action::OpenOutside if self.selected_pictures().is_some() => return self.view_pictures(),
            Action::Open | Action::Fold => self.toggle(),
            Action::Search => {
                self.search = Some(Search { query: String::new(), at: None, typing: Some(LineInput::new("")) });
            }
            Action::SearchNext => return self.find(true, false),
            Action::SearchPrevious => return self.find(false, false),
            Action::Copy => {
                let cell = self.selected.and_then(|at| self.cells.get(at));
                let (text, what) = match cell {
                    Some(cell) => match &cell.body {
                        Body::User { .. } => (cell.plain(), "your message"),
                        Body::Text { .. } => (cell.plain(), "this part of the reply"),
                        Body::Head { .. } => (self.latest_reply().unwrap_or_default(), "the reply"),
                        _ => (cell.plain(), "this part"),
                    },
                    None => (self.latest_reply().unwrap_or_default(), "the latest reply"),
                };
                if text.is_empty() {
                    return vec![UiEffect::Notice("there is nothing to copy yet".to_owned())];
                }
                return vec![UiEffect::Copy { text, what: what.to_owned() }];
            }
            Action::CopyHostPath => {
                let text = match self.selected.and_then(|at| self.cells.get(at)) {
                    Some(Cell { body: Body::User { text, files }, .. }) => format!("{text}\n{}", files.join("\n")),
                    Some(cell) => cell.plain(),
                    None => self.latest_reply().unwrap_or_default(),
                };
                return vec![UiEffect::CopyHostPath(text)];
            }
            Action::Back if self.search.take().is_none() => {
                self.selected = None;
                return vec![UiEffect::Leave];
            }
            _ => {}
        }
        Vec::new()
    }

    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        let Some(Search { query, typing, .. }) = &mut self.search else { return Vec::new() };
        let Some(input) = typing else { return Vec::new() };
        match input.key(key) {
            LineOutcome::Submit => {
                input.text().clone_into(query);
                *typing = None;
                if query.is_empty() {
                    self.search = None;
                    return Vec::new();
                }
                self.find(false, true)
            }
            LineOutcome::Cancel => {
                self.search = None;
                Vec::new()
            }
            LineOutcome::Changed | LineOutcome::Ignored => Vec::new(),
        }
    }

    fn paste(&mut self, text: &str) {
        if let Some(Search { typing: Some(input), .. }) = &mut self.search {
            input.insert(text);
        }
    }

    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        self.size = size;
        self.theme = cx.theme;
        if self.selected.is_some_and(|at| at >= self.cells.len()) {
            self.selected = self.cells.len().checked_sub(1);
        }
        if cx.focused && self.selected.is_none() {
            self.selected = self.cells.len().checked_sub(1);
        }
        // The welcome is read from its beginning.
        let alone = matches!(&self.cells[..], [Cell { body: Body::Welcome { .. }, .. }]);
        let limit = self.limit();
        let top = match self.position {
            Position::Follow if alone => Anchor::default(),
            Position::At(at) if at < limit => at,
            _ => {
                self.position = Position::Follow;
                if self.turn.is_some() && self.step > 1 { self.growing_top(limit) } else { limit }
            }
        };
        self.below = top < limit;
        let height = self.text_height();
        let (room, theme) = (self.text_room(), self.theme);
        self.visible.clear();
        let mut skip = top.row;
        let mut item = top.item;
        while self.visible.len() < height && item < self.cells.len() {
            let gap = self.gap(item);
            if gap {
                if skip == 0 {
                    self.visible.push(Row { line: Line::default(), cell: item, gap: true });
                } else {
                    skip -= 1;
                }
            }
            let left = height - self.visible.len();
            let lines = self.cells[item].lines(room, theme);
            let shown = lines.iter().skip(skip).take(left).cloned();
            self.visible.extend(shown.map(|line| Row { line, cell: item, gap: false }));
            skip = 0;
            item += 1;
        }
        let (first, last) = (top.item.saturating_sub(KEPT_CELLS), item + KEPT_CELLS);
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let running = self.turn.is_some() && at >= last;
            if (at < first || at >= last) && !running {
                cell.drop_lines();
            }
        }
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let query = self.search.as_ref().map(|search| search.query.to_lowercase()).filter(|query| !query.is_empty());
        let mark = Span::styled(cx.theme.glyphs().vertical, cx.theme.hint());
        for (y, row) in (area.y..area.bottom()).zip(&self.visible) {
            let inner = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 }.intersection(area);
            match &query {
                Some(query) => frame.render_widget(highlight(&row.line, query, cx.theme), inner),
                None => frame.render_widget(&row.line, inner),
            }
            if cx.focused && self.selected == Some(row.cell) && !row.gap && area.width > 0 {
                frame.render_widget(&mark, Rect { y, width: 1, height: 1, ..area });
            }
        }
        if let Some(search) = &self.search {
            let row = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
            match &search.typing {
                Some(input) => input.draw("/", row, cx, frame),
                None => frame.render_widget(Line::styled(format!("/{}", search.query), cx.theme.hint()), row),
            }
        }
    }

    fn title(&self, _: &DrawContext<'_>) -> PaneTitle {
        let right = if self.below { "more below".to_owned() } else { String::new() };
        PaneTitle { left: "Chat".to_owned(), right }
    }

    fn summary(&self) -> Option<String> {
        None
    }

    fn hints(&self) -> &'static [Action] {
        match &self.search {
            Some(Search { typing: None, .. }) => &[Action::SearchNext, Action::SearchPrevious, Action::Back],
            _ if self.selected_pictures().is_some() => &[Action::Open, Action::Fold, Action::Copy, Action::Back],
            _ => &[Action::Copy, Action::Fold, Action::Search, Action::Zoom, Action::Back],
        }
    }
}
