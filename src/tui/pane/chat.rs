//! The conversation: facts become cells, cells become rows.
//!
//! Only the cells on the screen are rendered (see [`super::scroll`]), and only those near it keep their rows, so memory
//! follows the screen and not the conversation.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use crate::protocol::{Event, Message, Phase, ToolStatus, TurnOutcome};
use crate::support::sanitize;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;
use crate::tui::text::stream::{CleanStream, StreamedMarkdown};
use crate::tui::theme::Theme;

use super::cell::{Body, CallMark, Cell, NoticeKind, Step};
use super::line_input::{LineInput, LineOutcome};
use super::scroll::{self, Anchor};
use super::trace::{argument_summary, short_tool_name};
use super::{DrawContext, Pane, PaneTitle};

/// Cells on either side of the screen that keep their rows.
const KEPT_CELLS: usize = 24;

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
    /// Words for the welcome.
    help_key: String,
    facts: Option<(String, bool)>,
    size: Size,
    theme: Theme,
    visible: Vec<Row>,
    below: bool,
}

#[derive(Debug)]
struct Search {
    query: String,
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
    pub fn new(help_key: String) -> Self {
        Self {
            cells: Vec::new(),
            position: Position::Follow,
            selected: None,
            search: None,
            turn: None,
            retrying: false,
            help_key,
            facts: None,
            size: Size::ZERO,
            theme: Theme::default(),
            visible: Vec::new(),
            below: false,
        }
    }

    /// The user's message, as it is sent.
    pub fn say(&mut self, text: &str) {
        self.cells.push(Cell::new(Body::User(sanitize::text(text))));
        self.position = Position::Follow;
    }

    /// News that stays in the conversation.
    pub fn notice(&mut self, kind: NoticeKind, text: &str) {
        let text = sanitize::text(text);
        if kind == NoticeKind::Retry {
            if let Some(Cell { body: Body::Notice { kind: NoticeKind::Retry, .. }, .. }) = self.cells.last() {
                self.cells.pop();
            }
        }
        self.cells.push(Cell::new(Body::Notice { kind, text }));
    }

    /// The latest message of the user.
    pub fn latest_message(&self) -> Option<&str> {
        self.cells
            .iter()
            .rev()
            .find_map(|cell| if let Body::User(text) = &cell.body { Some(text.as_str()) } else { None })
    }

    /// The text of the latest reply: everything said since the latest message of the user.
    pub fn latest_reply(&self) -> Option<String> {
        let start = self.cells.iter().rposition(|cell| matches!(cell.body, Body::User(_))).map_or(0, |at| at + 1);
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

    /// Scrolls by rows of the screen; negative is up.
    pub fn scroll(&mut self, by: isize) {
        let limit = self.limit();
        let from = match self.position {
            Position::Follow => limit,
            Position::At(at) => at.min(limit),
        };
        let distance = by.unsigned_abs();
        let to = if by < 0 {
            scroll::up(from, distance, |item| self.rows(item))
        } else {
            scroll::down(from, distance, limit, |item| self.rows(item))
        };
        self.position = if to >= limit { Position::Follow } else { Position::At(to) };
    }

    /// Scrolls by pages; one row of the old page stays.
    pub fn scroll_page(&mut self, up: bool) {
        let page = isize::try_from(self.text_height().saturating_sub(1).max(1)).unwrap_or(1);
        self.scroll(if up { -page } else { page });
    }

    fn text_height(&self) -> usize {
        usize::from(self.size.height) - usize::from(self.search.is_some() && self.size.height > 0)
    }

    fn limit(&mut self) -> Anchor {
        let height = self.text_height();
        let items = self.cells.len();
        scroll::end(height, items, |item| self.rows(item))
    }

    fn text_width(&self) -> u16 {
        self.size.width.saturating_sub(2).max(1)
    }

    fn gap(&self, item: usize) -> bool {
        let before = item.checked_sub(1).and_then(|before| self.cells.get(before));
        self.cells.get(item).is_some_and(|cell| cell.has_gap(before))
    }

    /// Rows of a cell, its gap included.
    fn rows(&mut self, item: usize) -> usize {
        let (width, theme) = (self.text_width(), self.theme);
        let gap = usize::from(self.gap(item));
        self.cells.get_mut(item).map_or(0, |cell| cell.lines(width, theme).len()) + gap
    }

    /// Adds to the work that is going on, or begins one.
    fn work(&mut self, add: impl FnOnce(&mut Vec<Step>, &mut CleanStream)) {
        if !matches!(self.cells.last(), Some(Cell { body: Body::Work { .. }, .. })) {
            self.cells.push(Cell::new(Body::Work { steps: Vec::new(), clean: CleanStream::default() }));
        }
        if let Some(cell) = self.cells.last_mut() {
            cell.touch();
            if let Body::Work { steps, clean } = &mut cell.body {
                add(steps, clean);
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        if let Some((_, spoke)) = &mut self.turn {
            *spoke = true;
        }
        if !matches!(self.cells.last(), Some(Cell { body: Body::Text { .. }, .. })) {
            // Line breaks between thoughts and text are no paragraph.
            if text.trim().is_empty() {
                return;
            }
            self.cells.push(Cell::new(Body::Text { markdown: StreamedMarkdown::new(), clean: CleanStream::default() }));
        }
        if let Some(Cell { body: Body::Text { markdown, clean }, .. }) = self.cells.last_mut() {
            markdown.push(&clean.push(text));
        }
    }

    fn push_thought(&mut self, text: &str, now_ms: u64) {
        self.work(|steps, clean| {
            let piece = clean.push(text);
            if let Some(Step::Thought { text, span_ms }) = steps.last_mut() {
                text.push_str(&piece);
                if let Some((_, to)) = span_ms {
                    *to = now_ms;
                }
            } else {
                steps.push(Step::Thought { text: piece, span_ms: Some((now_ms, now_ms)) });
            }
        });
    }

    /// Nothing more comes to the cells of this turn.
    fn settle(&mut self) {
        for cell in self.cells.iter_mut().rev() {
            match &mut cell.body {
                Body::User(_) => break,
                Body::Text { markdown, clean } => {
                    let rest = clean.finish();
                    if !rest.is_empty() {
                        markdown.push(&rest);
                    }
                    markdown.finish();
                }
                _ => {}
            }
        }
    }

    /// Takes back what a broken reply has said since the latest call.
    fn restart_reply(&mut self) {
        while let Some(cell) = self.cells.last_mut() {
            match &mut cell.body {
                Body::Text { .. } => {
                    self.cells.pop();
                }
                Body::Work { steps, .. } => {
                    while matches!(steps.last(), Some(Step::Thought { .. })) {
                        steps.pop();
                    }
                    let empty = steps.is_empty();
                    cell.touch();
                    if empty {
                        self.cells.pop();
                    } else {
                        break;
                    }
                }
                Body::Notice { kind: NoticeKind::Retry, .. } => {
                    self.cells.pop();
                }
                _ => break,
            }
        }
    }

    fn replace(&mut self, messages: &[Message]) {
        // What the user is told about the movement itself outlives it.
        let news = match self.cells.last() {
            Some(Cell { body: Body::Notice { kind: NoticeKind::Done, text }, .. }) => Some(text.clone()),
            _ => None,
        };
        self.cells.clear();
        self.turn = None;
        self.selected = None;
        self.position = Position::Follow;
        self.welcome();
        for message in messages {
            self.take_message(message);
        }
        self.settle();
        if let Some(text) = news {
            self.cells.push(Cell::new(Body::Notice { kind: NoticeKind::Done, text }));
        }
    }

    fn take_message(&mut self, message: &Message) {
        match message {
            Message::System { .. } => {}
            Message::User { text, attachments } => {
                let mut text = sanitize::text(text);
                for attachment in attachments {
                    text.push_str("\n+ ");
                    text.push_str(&sanitize::line(&attachment.name));
                }
                self.cells.push(Cell::new(Body::User(text)));
            }
            Message::Assistant { text, reasoning, tool_calls } => {
                if matches!(self.cells.last(), Some(Cell { body: Body::User(_), .. })) {
                    self.cells.push(Cell::new(Body::Head { duration_ms: None }));
                }
                if let Some(reasoning) = reasoning.as_deref().filter(|text| !text.trim().is_empty()) {
                    let text = sanitize::text(reasoning);
                    self.work(|steps, _| steps.push(Step::Thought { text, span_ms: None }));
                }
                if !text.trim().is_empty() {
                    self.cells.push(Cell::text(&sanitize::text(text)));
                }
                for call in tool_calls {
                    let arguments = serde_json::from_str(&call.arguments)
                        .unwrap_or_else(|_| serde_json::Value::String(call.arguments.clone()));
                    let mark = call_mark(call.id.clone(), &call.name, &arguments);
                    self.work(|steps, _| steps.push(Step::Call(mark)));
                }
            }
            Message::Tool(reply) => self.finish_call(&reply.call, reply.status),
        }
    }

    fn finish_call(&mut self, call: &crate::protocol::CallId, status: ToolStatus) {
        for cell in self.cells.iter_mut().rev() {
            match &mut cell.body {
                Body::User(_) => return,
                Body::Work { steps, .. } => {
                    for step in steps {
                        if let Step::Call(mark) = step {
                            if mark.call == *call {
                                mark.status = Some(status);
                                cell.touch();
                                return;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn welcome(&mut self) {
        if let Some((facts, unconfined)) = self.facts.clone() {
            let help = self.help_key.clone();
            self.cells.insert(0, Cell::new(Body::Welcome { facts, unconfined, help }));
        }
    }

    fn end_turn(&mut self, outcome: TurnOutcome, reply: &str, now_ms: u64) {
        let Some((began, spoke)) = self.turn.take() else { return };
        if !spoke && !reply.trim().is_empty() {
            self.cells.push(Cell::text(&sanitize::text(reply)));
        }
        self.settle();
        let head = self.cells.iter_mut().rev().find(|cell| matches!(cell.body, Body::Head { .. }));
        if let Some(cell) = head {
            cell.body = Body::Head { duration_ms: Some(now_ms.saturating_sub(began)) };
            cell.touch();
        }
        if outcome == TurnOutcome::Interrupted {
            self.notice(NoticeKind::Stopped, "stopped; what was done so far is kept");
        }
    }

    /// Goes to the next cell (or the one before) that contains what is searched.
    fn find(&mut self, forward: bool, from_here: bool) -> Vec<UiEffect> {
        let Some(query) = self.search.as_ref().map(|search| search.query.to_lowercase()) else { return Vec::new() };
        if query.is_empty() || self.cells.is_empty() {
            return Vec::new();
        }
        let count = self.cells.len();
        let start = self.selected.unwrap_or(count - 1).min(count - 1);
        let steps = if from_here { 0..count } else { 1..count + 1 };
        for step in steps {
            let item = if forward { (start + step) % count } else { (start + count - step % count) % count };
            if self.cells[item].plain().to_lowercase().contains(&query) {
                self.selected = Some(item);
                self.reveal_match(item, &query);
                return Vec::new();
            }
        }
        vec![UiEffect::Notice(format!("{query:?} is not in the conversation"))]
    }

    fn reveal_match(&mut self, item: usize, query: &str) {
        let (width, theme, gap) = (self.text_width(), self.theme, usize::from(self.gap(item)));
        if self.cells[item].folds() {
            self.cells[item].open = true;
            self.cells[item].touch();
        }
        let lines = self.cells[item].lines(width, theme);
        let row = lines.iter().position(|line| line_text(line).to_lowercase().contains(query)).unwrap_or(0);
        let third = self.text_height() / 3;
        let at = scroll::up(Anchor { item, row: row + gap }, third, |item| self.rows(item));
        let limit = self.limit();
        self.position = if at >= limit { Position::Follow } else { Position::At(at) };
    }

    /// Moves the selection by a cell, or the text by a row while the cell goes on beyond the screen.
    fn walk(&mut self, down: bool) {
        let last = self.cells.len().saturating_sub(1);
        let Some(selected) = self.selected else {
            self.selected = Some(last);
            return;
        };
        let height = self.text_height();
        let (first_row, last_row) = (self.visible.first().map(|r| r.cell), self.visible.last().map(|r| r.cell));
        let cut = if down {
            last_row == Some(selected) && self.below && self.visible.len() >= height
        } else {
            first_row == Some(selected) && !self.at_top_of(selected)
        };
        if cut {
            self.scroll(if down { 1 } else { -1 });
            return;
        }
        let mut next = selected;
        loop {
            next = if down { (next + 1).min(last) } else { next.saturating_sub(1) };
            // Headings hold nothing to open or copy.
            if !matches!(self.cells[next].body, Body::Head { .. }) || next == 0 || next == last {
                break;
            }
        }
        self.selected = Some(next);
        self.reveal(next, down);
    }

    fn at_top_of(&self, item: usize) -> bool {
        match self.position {
            Position::At(at) => at < (Anchor { item, row: 1 }),
            Position::Follow => self.visible.first().is_none_or(|row| row.cell != item || row.gap),
        }
    }

    fn reveal(&mut self, item: usize, down: bool) {
        let height = self.text_height();
        let seen = self.visible.iter().any(|row| row.cell == item);
        let whole = seen && self.visible.last().is_none_or(|row| row.cell != item || !self.below);
        if whole && (down || self.visible.first().is_none_or(|row| row.cell != item)) {
            return;
        }
        let rows = self.rows(item);
        let at = if down && rows < height {
            scroll::up(Anchor { item: item + 1, row: 0 }, height, |item| self.rows(item))
        } else {
            Anchor { item, row: 0 }
        };
        let limit = self.limit();
        self.position = if at >= limit { Position::Follow } else { Position::At(at) };
    }

    fn toggle(&mut self) {
        if let Some(cell) = self.selected.and_then(|at| self.cells.get_mut(at)) {
            if cell.folds() {
                cell.open = !cell.open;
                cell.touch();
                if let (Position::Follow, Some(item)) = (self.position, self.selected) {
                    self.reveal(item, false);
                }
            }
        }
    }
}

fn call_mark(call: crate::protocol::CallId, tool: &str, arguments: &serde_json::Value) -> CallMark {
    CallMark {
        call,
        tool: sanitize::line(short_tool_name(tool)),
        summary: argument_summary(tool, arguments),
        status: None,
    }
}

fn line_text(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}

impl Pane for ChatState {
    fn apply(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::SessionStarted { mount, sandbox, network, .. } => {
                let off = sandbox == "off";
                let sandbox = if off { "NO SANDBOX".to_owned() } else { sanitize::line(sandbox) };
                let mount = sanitize::line(mount);
                let facts = match network.as_str() {
                    "off" => format!("{mount}, sandbox {sandbox}, no network"),
                    other => format!("{mount}, sandbox {sandbox}, network {}", sanitize::line(other)),
                };
                self.facts = Some((facts.replace("sandbox NO SANDBOX", "NO SANDBOX"), off));
                if self.cells.is_empty() {
                    self.welcome();
                }
            }
            Event::ConversationReplaced { messages, .. } => self.replace(messages),
            Event::TurnStarted { .. } => {
                self.turn = Some((now_ms, false));
                self.cells.push(Cell::new(Body::Head { duration_ms: None }));
            }
            Event::TextDelta { text } => self.push_text(text),
            Event::ReasoningDelta { text } => self.push_thought(text, now_ms),
            Event::ReplyRestarted { .. } => self.restart_reply(),
            Event::ToolStarted { call, tool, arguments } => {
                let mark = call_mark(call.clone(), tool, arguments);
                self.work(|steps, _| steps.push(Step::Call(mark)));
            }
            Event::ToolFinished { call, status, .. } => self.finish_call(call, *status),
            Event::PhaseChanged(phase) => self.retrying = matches!(phase, Phase::Retrying { .. }),
            Event::Warning { message } => {
                self.notice(if self.retrying { NoticeKind::Retry } else { NoticeKind::Warning }, message);
            }
            Event::Error { message, hint } => {
                let (message, hint) = (sanitize::text(message), hint.as_deref().map(sanitize::text));
                self.cells.push(Cell::new(Body::Error { message, hint }));
            }
            Event::Artifact(artifact) => {
                let host = artifact.host_path.as_ref().map(|path| path.display().to_string());
                let what = artifact.url.as_deref().or(artifact.path.as_deref()).or(host.as_deref()).unwrap_or("a file");
                let text = format!("made {}", sanitize::line(what));
                self.cells.push(Cell::new(Body::Notice { kind: NoticeKind::Made, text }));
            }
            Event::TurnEnded { outcome, reply, .. } => self.end_turn(*outcome, reply, now_ms),
            Event::Restored(report) => {
                let how = if report.verified { "verified" } else { "NOT verified" };
                self.notice(NoticeKind::Done, &format!("rolled back to {}, {how} · u undoes", report.target.short()));
            }
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
            Action::Open | Action::Fold => self.toggle(),
            Action::Search => self.search = Some(Search { query: String::new(), typing: Some(LineInput::new("")) }),
            Action::SearchNext => return self.find(true, false),
            Action::SearchPrevious => return self.find(false, false),
            Action::Copy => {
                let cell = self.selected.and_then(|at| self.cells.get(at));
                let (text, what) = match cell {
                    Some(cell) => match &cell.body {
                        Body::User(_) => (cell.plain(), "your message"),
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
            Action::Back => {
                if self.search.take().is_none() {
                    self.selected = None;
                    return vec![UiEffect::Leave];
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        let Some(Search { query, typing }) = &mut self.search else { return Vec::new() };
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
                limit
            }
        };
        self.below = top < limit;
        let height = self.text_height();
        let (width, theme) = (self.text_width(), self.theme);
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
            let room = height - self.visible.len();
            let lines = self.cells[item].lines(width, theme);
            let shown = lines.iter().skip(skip).take(room).cloned();
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
            _ => &[Action::Copy, Action::Fold, Action::Search, Action::Zoom, Action::Back],
        }
    }
}

/// The line with every place that contains `query` (in lower case) marked.
pub fn highlight(line: &Line<'static>, query: &str, theme: Theme) -> Line<'static> {
    let text = line_text(line);
    let lower = text.to_lowercase();
    // Lower case may have another length; then places cannot be told.
    if lower.len() != text.len() || !lower.contains(query) {
        return line.clone();
    }
    let mut found = vec![false; text.len()];
    for (at, _) in lower.match_indices(query) {
        found[at..at + query.len()].fill(true);
    }
    let mut spans = Vec::new();
    let mut at = 0;
    for span in &line.spans {
        let mut piece = String::new();
        let mut marked = false;
        for c in span.content.chars() {
            if found[at] != marked && !piece.is_empty() {
                let style = if marked { span.style.patch(theme.found()) } else { span.style };
                spans.push(Span::styled(std::mem::take(&mut piece), style));
            }
            marked = found[at];
            piece.push(c);
            at += c.len_utf8();
        }
        let style = if marked { span.style.patch(theme.found()) } else { span.style };
        spans.push(Span::styled(piece, style));
    }
    Line { spans, ..line.clone() }
}
