//! The snapshots: a timeline with its branches, what changed in each, and the way back.
//!
//! ```text
//!   ○ now        2 files changed since 8f3a21c0
//!   ●   8f3a21c0 After: Make a one-page résumé    2 m  +3 ~1  head
//!   │ ○ 77aa10de After: try a dark theme          5 m  ~4
//!   ○─╯ 1c99d2f7 start                           12 m
//! ```
//!
//! Nothing is rolled back by one key: `r` asks the engine what would happen and shows it; Enter does it, and `u`
//! undoes it.

mod difference;
mod graph;
mod rollback;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use self::difference::Difference;
use self::rollback::{Movement, Rollback};
use super::find::{Find, FindOutcome};
use super::line_input::{LineInput, LineOutcome};
use super::list::{ListCursor, draw_note, mark_row, row};
use super::{DrawContext, Overlay, Pane, PaneTitle};
use crate::protocol::{Event, NodeId, NodeKind, NodeSummary, Op, RestoreReport};
use crate::support::{clock, sanitize, truncate};
use crate::tui::action::{Action, Scope};
use crate::tui::effect::{UiEffect, ViewSource};
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

/// Longest label of a named snapshot.
const LABEL_CHARS: usize = 200;
/// From this height on, list and difference are seen together.
const TOGETHER: u16 = 18;

/// The nodes, and what is open.
#[derive(Debug, Default)]
pub struct SnapshotsState {
    /// Newest first; labels are clean.
    nodes: Vec<NodeSummary>,
    changed_since_head: Option<u64>,
    store_bytes: u64,
    /// Row 0 is the present; the nodes that are shown follow.
    cursor: ListCursor,
    wandered: bool,
    /// Marked for a comparison, at most two, in the order of marking.
    marked: Vec<NodeId>,
    /// Only the line of the head, not its branches.
    line_only: bool,
    difference: Option<Difference>,
    rollback: Option<Rollback>,
    prompt: Option<Prompt>,
    find: Find,
    movement: Movement,
    news: Option<News>,
    rows: Vec<(usize, Line<'static>)>,
    list_height: u16,
}

/// A name that is being typed.
#[derive(Debug)]
struct Prompt {
    line: LineInput,
    /// The node to name; `None` makes a new snapshot.
    branch: Option<NodeId>,
}

/// One line at the bottom until the next key.
#[derive(Debug)]
enum News {
    Restored(RestoreReport, Movement),
    Text(String),
}

/// One line about a rollback that was done, such as `rolled back to 8f3a21c0, verified · u undoes`.
pub fn restored_words(report: &RestoreReport, theme: Theme) -> String {
    rollback::words(report, Movement::Restore, theme)
}

impl SnapshotsState {
    /// No snapshots.
    pub fn new() -> Self {
        Self::default()
    }

    /// The nodes in the order of the rows.
    fn visible(&self) -> Vec<&NodeSummary> {
        if !self.line_only {
            return self.nodes.iter().collect();
        }
        let mut wanted = self.nodes.iter().find(|node| node.head).map(|node| &node.id);
        let mut out = Vec::new();
        // Parents come after their children; a loop through all nodes is enough for any order.
        while let Some(node) = wanted.and_then(|id| self.nodes.iter().find(|node| node.id == *id)) {
            if out.len() > self.nodes.len() {
                break;
            }
            out.push(node);
            wanted = node.parent.as_ref();
        }
        out
    }

    fn head(&self) -> Option<&NodeSummary> {
        self.nodes.iter().find(|node| node.head)
    }

    /// The selected node; `None` on the row of the present.
    fn selected(&self) -> Option<NodeSummary> {
        let index = self.cursor.selected.checked_sub(1)?;
        self.visible().get(index).map(|node| (*node).clone())
    }

    fn select(&mut self, id: Option<&NodeId>) {
        let visible = self.visible();
        let wanted = id.and_then(|id| visible.iter().position(|node| node.id == *id));
        let head = visible.iter().position(|node| node.head);
        self.cursor.selected = wanted.or(head).map_or(0, |index| index + 1);
    }

    fn replace(&mut self, nodes: &[NodeSummary]) {
        let kept = if self.wandered { self.selected().map(|node| node.id) } else { None };
        let on_now = self.wandered && self.cursor.selected == 0;
        self.nodes = nodes
            .iter()
            .map(|node| NodeSummary {
                label: sanitize::line(&node.label),
                branches: node.branches.iter().map(|name| sanitize::line(name)).collect(),
                not_kept: node.not_kept.iter().map(|path| sanitize::line(path)).collect(),
                failed: node.failed.as_ref().map(|why| sanitize::line(why)),
                ..node.clone()
            })
            .collect();
        self.marked.retain(|id| nodes.iter().any(|node| node.id == *id));
        if !on_now {
            self.select(kept.as_ref());
        }
    }

    fn ask_difference(
        &mut self,
        title: String,
        from: String,
        to: Option<String>,
        not_kept: Vec<String>,
    ) -> Vec<UiEffect> {
        self.difference = Some(Difference::new(title, from.clone(), to.clone(), not_kept));
        vec![UiEffect::Send(Op::Diff { from, to })]
    }

    fn open(&mut self) -> Vec<UiEffect> {
        let Some(node) = self.selected() else {
            return match self.head().map(|head| head.id.clone()) {
                Some(head) => self.ask_difference(
                    format!("now against {}", head.short()),
                    head.as_str().to_owned(),
                    None,
                    Vec::new(),
                ),
                None => Vec::new(),
            };
        };
        match &node.parent {
            Some(parent) => self.ask_difference(
                format!("{} against {}", node.id.short(), parent.short()),
                parent.as_str().to_owned(),
                Some(node.id.as_str().to_owned()),
                node.not_kept,
            ),
            None => notice("this is the first snapshot: nothing stands before it"),
        }
    }

    fn compare_marked(&mut self) -> Vec<UiEffect> {
        let mut pair = self.marked.clone();
        if pair.len() == 1 {
            match self.selected().filter(|node| node.id != pair[0]) {
                Some(node) => pair.push(node.id),
                None => return notice("mark a second snapshot with Space, or select one"),
            }
        }
        // The older one first: nodes stand newest first.
        pair.sort_by_key(|id| std::cmp::Reverse(self.nodes.iter().position(|node| node.id == *id)));
        let [old, new] = pair.as_slice() else { return notice("mark two snapshots with Space first") };
        let title = format!("{} against {}", new.short(), old.short());
        self.ask_difference(title, old.as_str().to_owned(), Some(new.as_str().to_owned()), Vec::new())
    }

    fn mark(&mut self) {
        let Some(node) = self.selected() else { return };
        match self.marked.iter().position(|id| *id == node.id) {
            Some(at) => drop(self.marked.remove(at)),
            None => {
                self.marked.push(node.id);
                if self.marked.len() > 2 {
                    self.marked.remove(0);
                }
            }
        }
    }

    fn start_rollback(&mut self) -> Vec<UiEffect> {
        let Some(node) = self.selected() else { return notice("select the snapshot to roll back to") };
        if let Some(why) = &node.failed {
            return notice(&format!("{} holds no files, so nothing can be rolled back to it: {why}", node.id.short()));
        }
        let dialog = Rollback::new(node.id.clone(), words_of(&node));
        let ask = plan_of(&dialog);
        self.rollback = Some(dialog);
        ask
    }

    fn dialog_action(&mut self, action: Action) -> Vec<UiEffect> {
        let Some(dialog) = &mut self.rollback else { return Vec::new() };
        match action {
            Action::Confirm | Action::Open if dialog.is_ready() => {
                let op = Op::Restore { target: dialog.target.as_str().to_owned(), scope: dialog.scope };
                self.rollback = None;
                self.movement = Movement::Restore;
                vec![UiEffect::Send(op)]
            }
            Action::Dismiss | Action::Back | Action::Cancel => {
                self.rollback = None;
                Vec::new()
            }
            Action::NextChoice | Action::PreviousChoice => {
                dialog.choose(action == Action::NextChoice);
                plan_of(dialog)
            }
            other => {
                dialog.scroll(other);
                Vec::new()
            }
        }
    }

    fn submit_prompt(&mut self) -> Vec<UiEffect> {
        let Some(prompt) = self.prompt.take() else { return Vec::new() };
        let text = prompt.line.text().trim();
        if text.is_empty() {
            return Vec::new();
        }
        let op = match prompt.branch {
            Some(target) => Op::Branch { target, name: text.to_owned() },
            None => Op::Snapshot { label: truncate::prefix(text, LABEL_CHARS).to_owned() },
        };
        vec![UiEffect::Send(op)]
    }

    fn look(&mut self, back: bool) {
        let visible = self.visible();
        let texts: Vec<String> =
            visible.iter().map(|node| format!("{} {} {}", node.id, words_of(node), node.branches.join(" "))).collect();
        let mut find = std::mem::take(&mut self.find);
        let pattern = find.pattern().to_owned();
        let from = self.cursor.selected.saturating_sub(1);
        let matches = |index: usize| texts[index].to_ascii_lowercase().contains(&pattern);
        if let Some(index) = find.next(from, texts.len(), back, matches) {
            self.cursor.selected = index + 1;
            self.wandered = true;
        }
        self.find = find;
    }

    /// Tips: nodes from which nothing goes on.
    fn tips(&self) -> usize {
        self.nodes.iter().filter(|node| !self.nodes.iter().any(|child| child.parent.as_ref() == Some(&node.id))).count()
    }

    /// Rows for the list while the difference is open too, or the whole height.
    fn split(&self, height: u16) -> u16 {
        match &self.difference {
            None => height,
            Some(_) if height < TOGETHER => 0,
            Some(_) => (self.visible().len() as u16 + 1).min(height / 3),
        }
    }

    fn wants_foot(&self) -> bool {
        self.prompt.is_some() || self.find.wants_row() || self.news.is_some()
    }

    fn prepare_rows(&mut self, size: Size, cx: &DrawContext<'_>) {
        let count = self.visible().len() + 1;
        self.cursor.show(|_| 1, count, usize::from(size.height));
        let visible = self.visible();
        let lanes = graph::rows(&visible);
        let graph_width = graph::width(&lanes);
        let columns = Columns::of(&visible, cx);
        let width = usize::from(size.width);
        let mut rows = Vec::new();
        for index in (self.cursor.offset..count).take(usize::from(size.height)) {
            let line = match index.checked_sub(1) {
                None => self.now_row(graph_width, width, cx.theme),
                Some(at) => self.node_row(visible[at], &lanes[at], graph_width, &columns, width, cx),
            };
            rows.push((index, line));
        }
        self.rows = rows;
    }

    fn now_row(&self, graph_width: usize, width: usize, theme: Theme) -> Line<'static> {
        let words = match (self.changed_since_head, self.head()) {
            (Some(0), Some(head)) => format!("no changes since {}", head.id.short()),
            (Some(1), Some(head)) => format!("1 file changed since {}", head.id.short()),
            (Some(count), Some(head)) => format!("{count} files changed since {}", head.id.short()),
            _ => "not compared while a turn is running".to_owned(),
        };
        let gap = " ".repeat(graph_width);
        let left = vec![
            Span::raw("  "),
            Span::styled(theme.glyphs().node, theme.dim()),
            Span::raw(gap),
            Span::styled(format!("{:<9}", "now"), theme.strong()),
            Span::styled(words, if self.changed_since_head == Some(0) { theme.dim() } else { theme.text() }),
        ];
        row(left, Vec::new(), width, theme)
    }

    fn node_row(
        &self,
        node: &NodeSummary,
        cells: &[graph::Cell],
        graph_width: usize,
        columns: &Columns,
        width: usize,
        cx: &DrawContext<'_>,
    ) -> Line<'static> {
        let theme = cx.theme;
        let glyphs = theme.glyphs();
        let (before, after) = graph::text(cells, graph_width, theme);
        let (glyph, glyph_style) = match node {
            _ if node.failed.is_some() => (glyphs.failed, theme.error()),
            _ if node.head => (glyphs.head, theme.ok()),
            _ => (glyphs.node, theme.text()),
        };
        let mark = if self.marked.contains(&node.id) { glyphs.marked } else { " " };
        let mut left = vec![
            Span::raw(" "),
            Span::styled(mark, theme.hint()),
            Span::styled(before, theme.dim()),
            Span::styled(glyph, glyph_style),
            Span::styled(after, theme.dim()),
            Span::styled(node.id.short().to_owned(), theme.hint()),
            Span::raw(" "),
        ];
        for name in &node.branches {
            left.push(Span::styled(format!("[{name}] "), theme.agent()));
        }
        match &node.failed {
            Some(why) => left.push(Span::styled(format!("not captured: {why}"), theme.error())),
            None => left.push(Span::styled(words_of(node), if node.head { theme.strong() } else { theme.text() })),
        }
        row(left, columns.right(node, width, cx), width, theme)
    }
}

/// Widths of what stands at the right of the rows.
struct Columns {
    time: usize,
    counts: usize,
    tag: usize,
}

impl Columns {
    fn of(nodes: &[&NodeSummary], cx: &DrawContext<'_>) -> Self {
        let widest = |width: &dyn Fn(&NodeSummary) -> usize| nodes.iter().map(|node| width(node)).max().unwrap_or(0);
        Self {
            time: widest(&|node| width_of(&time_of(node, cx))),
            counts: widest(&|node| spans_width(&counts_of(node, cx.theme))),
            tag: widest(&|node| width_of(tag_of(node))),
        }
    }

    /// Time, counts and tag; on narrow screens only the time.
    fn right(&self, node: &NodeSummary, width: usize, cx: &DrawContext<'_>) -> Vec<Span<'static>> {
        let time = time_of(node, cx);
        let pad = |cells: usize| Span::raw(" ".repeat(cells));
        let mut spans = vec![pad(1 + self.time.saturating_sub(width_of(&time))), Span::styled(time, cx.theme.dim())];
        if width >= 56 && self.counts > 0 {
            let counts = counts_of(node, cx.theme);
            let gap = self.counts.saturating_sub(spans_width(&counts));
            spans.push(pad(2));
            spans.extend(counts);
            spans.push(pad(gap));
        }
        if width >= 72 && self.tag > 0 {
            let tag = tag_of(node);
            spans.push(pad(2));
            spans.push(Span::styled(tag, cx.theme.ok()));
            spans.push(pad(self.tag - width_of(tag)));
        }
        spans
    }
}

fn tag_of(node: &NodeSummary) -> &'static str {
    if node.head { "head" } else { "" }
}

fn time_of(node: &NodeSummary, cx: &DrawContext<'_>) -> String {
    match node.time.parse::<Timestamp>() {
        Ok(then) => clock::ago(&then.to_zoned(cx.wall.time_zone().clone()), cx.wall),
        Err(_) => "?".to_owned(),
    }
}

fn counts_of(node: &NodeSummary, theme: Theme) -> Vec<Span<'static>> {
    let glyphs = theme.glyphs();
    let parts = [
        (glyphs.added, node.added, theme.added()),
        (glyphs.changed, node.modified, theme.waiting()),
        (glyphs.removed, node.removed, theme.removed()),
    ];
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (glyph, count, style) in parts {
        if count > 0 {
            let gap = if spans.is_empty() { "" } else { " " };
            spans.push(Span::styled(format!("{gap}{glyph}{count}"), style));
        }
    }
    spans
}

/// What a node is, in words: its label, with the kind in front where the label alone does not say it.
fn words_of(node: &NodeSummary) -> String {
    let kind = match node.kind {
        NodeKind::Start => "start",
        NodeKind::Turn => "",
        NodeKind::Manual => "changed by hand",
        NodeKind::Named => "named",
        NodeKind::BeforeRestore => "before the rollback",
        NodeKind::Restore => "rollback",
        NodeKind::Interrupted => "interrupted",
        NodeKind::Crash => "crashed",
    };
    let label = node.label.trim();
    if label.is_empty() || label == node.kind.as_str() {
        return if kind.is_empty() { "turn".to_owned() } else { kind.to_owned() };
    }
    let says_it = label.to_lowercase().starts_with(kind);
    if kind.is_empty() || says_it { label.to_owned() } else { format!("{kind}: {label}") }
}

fn plan_of(dialog: &Rollback) -> Vec<UiEffect> {
    vec![UiEffect::Send(Op::PlanRestore { target: dialog.target.as_str().to_owned(), scope: dialog.scope })]
}

fn notice(text: &str) -> Vec<UiEffect> {
    vec![UiEffect::Notice(text.to_owned())]
}

impl Pane for SnapshotsState {
    fn apply(&mut self, event: &Event, _now_ms: u64) {
        match event {
            Event::Snapshots { nodes, changed_since_head, store_bytes } => {
                self.changed_since_head = *changed_since_head;
                self.store_bytes = *store_bytes;
                self.replace(nodes);
            }
            Event::DiffReady { from, to, files } => {
                if let Some(open) = self.difference.as_mut().filter(|open| open.from == *from && open.to == *to) {
                    open.answer(files);
                }
            }
            Event::RestorePlanned(plan) => {
                if let Some(dialog) = &mut self.rollback {
                    dialog.answer(plan);
                }
            }
            Event::Restored(report) => {
                self.rollback = None;
                self.wandered = false;
                self.news = Some(News::Restored(report.clone(), std::mem::take(&mut self.movement)));
            }
            Event::SnapshotTaken { snapshot, label, .. } => {
                self.news = Some(News::Text(format!("{} taken: {}", snapshot.short(), sanitize::line(label))));
            }
            Event::TurnStarted { .. } => {
                self.changed_since_head = None;
                self.news = None;
            }
            Event::Error { message, hint } => {
                let hint = hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
                let words = sanitize::text(&format!("{message}{hint}"));
                if let Some(dialog) = self.rollback.as_mut().filter(|dialog| dialog.is_waiting()) {
                    dialog.fail(words);
                } else if let Some(open) = self.difference.as_mut().filter(|open| open.is_waiting()) {
                    open.fail(words);
                }
            }
            _ => {}
        }
    }

    fn scope(&self) -> Scope {
        if self.prompt.is_some() || self.find.is_typing() {
            Scope::Text
        } else if self.rollback.is_some() {
            Scope::Dialog
        } else {
            Scope::Snapshots
        }
    }

    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        self.news = None;
        if self.rollback.is_some() {
            return self.dialog_action(action);
        }
        if let Some(open) = &mut self.difference {
            if open.act(action) {
                return Vec::new();
            }
        } else if self.cursor.act(action, self.visible().len() + 1) {
            self.wandered = true;
            return Vec::new();
        }
        match action {
            Action::Open => return self.open(),
            Action::Back => match &mut self.difference {
                Some(open) => {
                    if !open.back() {
                        self.difference = None;
                    }
                }
                None => return vec![UiEffect::Leave],
            },
            Action::Copy => {
                let (text, what) = match &self.difference {
                    Some(open) => match open.copy() {
                        Some(copied) => copied,
                        None => return Vec::new(),
                    },
                    None => match self.selected().or_else(|| self.head().cloned()) {
                        Some(node) => (node.id.as_str().to_owned(), format!("the id {}", node.id.short())),
                        None => return Vec::new(),
                    },
                };
                return vec![UiEffect::Copy { text, what }];
            }
            Action::OpenOutside => {
                if let Some((text, title)) = self.difference.as_ref().and_then(Difference::copy) {
                    return vec![UiEffect::View { title, source: ViewSource::Text(text) }];
                }
            }
            Action::Restore => return self.start_rollback(),
            Action::Undo => {
                self.movement = Movement::Undo;
                return vec![UiEffect::Send(Op::Undo)];
            }
            Action::Redo => {
                self.movement = Movement::Redo;
                return vec![UiEffect::Send(Op::Redo)];
            }
            Action::Name => self.prompt = Some(Prompt { line: LineInput::new(""), branch: None }),
            Action::Branch => match self.selected().or_else(|| self.head().cloned()) {
                Some(node) => self.prompt = Some(Prompt { line: LineInput::new(""), branch: Some(node.id) }),
                None => return notice("there is no snapshot to name yet"),
            },
            Action::Mark => self.mark(),
            Action::DiffMarked => return self.compare_marked(),
            Action::ToggleTree => {
                let selected = self.selected().map(|node| node.id);
                self.line_only = !self.line_only;
                self.select(selected.as_ref());
            }
            Action::Search => self.find.open(),
            Action::SearchNext => self.look(false),
            Action::SearchPrevious => self.look(true),
            _ => {}
        }
        Vec::new()
    }

    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        if let Some(prompt) = &mut self.prompt {
            match prompt.line.key(key) {
                LineOutcome::Submit => return self.submit_prompt(),
                LineOutcome::Cancel => self.prompt = None,
                _ => {}
            }
        } else if self.find.key(key) == FindOutcome::Look {
            self.look(false);
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str) {
        match &mut self.prompt {
            Some(prompt) => prompt.line.insert(text),
            None => self.find.paste(text),
        }
    }

    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        let height = size.height.saturating_sub(u16::from(self.wants_foot()));
        self.list_height = self.split(height);
        self.prepare_rows(Size { height: self.list_height, ..size }, cx);
        let list = self.list_height;
        if let Some(open) = &mut self.difference {
            open.prepare(Size { height: height.saturating_sub(list + u16::from(list > 0)), ..size }, cx);
        }
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = area.intersection(frame.area());
        if area.is_empty() {
            return;
        }
        let theme = cx.theme;
        let foot = u16::from(self.wants_foot());
        let body = Rect { height: area.height.saturating_sub(foot), ..area };
        let list = Rect { height: self.list_height.min(body.height), ..body };
        if self.nodes.is_empty() {
            let note = "Snapshots of the workspace appear here, one after each reply. Enter shows what changed, \
                        r rolls back, and u undoes that.";
            draw_note(note, body, theme, frame.buffer_mut());
        } else {
            let buffer = frame.buffer_mut();
            for ((index, line), y) in self.rows.iter().zip(list.top()..list.bottom()) {
                buffer.set_line(list.x, y, line, list.width);
                self.find.mark(&line.to_string(), list, y, theme, buffer);
                if *index == self.cursor.selected {
                    let here = cx.focused && self.difference.is_none();
                    mark_row(list, y, if here { theme.selected() } else { theme.selected_idle() }, buffer);
                }
            }
        }
        if let Some(open) = &self.difference {
            let mut rest = Rect { y: list.bottom(), height: body.height - list.height, ..body };
            if list.height > 0 && rest.height > 0 {
                let rule = theme.glyphs().horizontal.repeat(usize::from(rest.width));
                frame.buffer_mut().set_line(rest.x, rest.y, &Line::styled(rule, theme.dim()), rest.width);
                rest = Rect { y: rest.y + 1, height: rest.height - 1, ..rest };
            }
            open.draw(rest, cx, frame);
        }
        if foot > 0 {
            let row = Rect { y: body.bottom(), height: 1, ..area };
            match (&self.prompt, &self.news) {
                (Some(prompt), _) => {
                    let label = match &prompt.branch {
                        Some(node) => format!("branch name of {}: ", node.short()),
                        None => "name of a snapshot of the files as they are: ".to_owned(),
                    };
                    prompt.line.draw(&label, row, cx, frame);
                }
                (None, Some(news)) if !self.find.wants_row() => {
                    let text = match news {
                        News::Restored(report, movement) => rollback::words(report, *movement, theme),
                        News::Text(text) => text.clone(),
                    };
                    let text = truncate::cells(&text, usize::from(row.width), theme.glyphs().ellipsis);
                    frame.buffer_mut().set_line(row.x, row.y, &Line::styled(text, theme.ok()), row.width);
                }
                _ => self.find.draw(row, cx, frame),
            }
        }
    }

    fn title(&self, cx: &DrawContext<'_>) -> PaneTitle {
        let left = match &self.difference {
            Some(open) => format!("Snapshots  {}", open.title),
            None if self.line_only => "Snapshots  line of the head".to_owned(),
            None => "Snapshots".to_owned(),
        };
        if self.nodes.is_empty() {
            return PaneTitle { left, right: String::new() };
        }
        let separator = cx.theme.glyphs().separator;
        let count = self.nodes.len();
        let mut right = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        let tips = self.tips();
        if tips > 1 {
            right.push_str(&format!("{separator}{tips} branches"));
        }
        right.push_str(&format!("{separator}{}", truncate::bytes(self.store_bytes)));
        PaneTitle { left, right }
    }

    fn summary(&self) -> Option<String> {
        (!self.nodes.is_empty()).then(|| self.nodes.len().to_string())
    }

    fn hints(&self) -> &'static [Action] {
        if self.rollback.is_some() {
            return &[Action::Confirm, Action::NextChoice, Action::Dismiss];
        }
        match &self.difference {
            Some(open) => open.hints(),
            None if self.nodes.is_empty() => &[Action::Back, Action::Help],
            None if self.marked.is_empty() => {
                &[Action::Open, Action::Restore, Action::Undo, Action::Name, Action::Mark, Action::Back]
            }
            None => &[Action::DiffMarked, Action::Mark, Action::Open, Action::Back],
        }
    }

    fn overlay(&self) -> Option<Overlay> {
        let dialog = self.rollback.as_ref()?;
        Some(Overlay { title: dialog.title(), height: dialog.height() })
    }

    fn draw_overlay(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if let Some(dialog) = self.rollback.as_ref().filter(|_| !area.is_empty()) {
            dialog.draw(area, cx, frame);
        }
    }
}

#[cfg(test)]
mod tests;
