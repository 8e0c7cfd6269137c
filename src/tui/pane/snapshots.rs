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
mod pane;
mod rollback;
mod rows;

use ratatui::layout::Size;
use ratatui::text::Line;

use self::difference::Difference;
use self::rollback::{Movement, Rollback};
use self::rows::{Columns, words_of};
use super::DrawContext;
use super::find::Find;
use super::line_input::LineInput;
use super::list::ListCursor;
use crate::protocol::{NodeId, NodeSummary, Op, RestoreReport};
use crate::support::{sanitize, truncate};
use crate::tui::action::Action;
use crate::tui::effect::UiEffect;
use crate::tui::theme::Theme;

/// Longest label of a named snapshot.
const LABEL_CHARS: usize = 200;
const NO_ROLLBACK: &str = "nothing can be rolled back";
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
    /// Background jobs.
    jobs: usize,
    /// A turn is running, or something else that must not be rolled back under.
    busy: bool,
    /// An op of this pane is on its way: an error is its answer.
    asked: bool,
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
    /// Why something was not done.
    Failed(String),
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
        if let Some(at) = self.marked.iter().position(|id| *id == node.id) {
            self.marked.remove(at);
        } else {
            self.marked.push(node.id);
            if self.marked.len() > 2 {
                self.marked.remove(0);
            }
        }
    }

    /// Shows what changed between two states in the words of a command, or since one.
    pub fn compare(&mut self, from: &str, to: Option<&str>) -> Vec<UiEffect> {
        let title = format!("{} against {}", sanitize::line(to.unwrap_or("now")), sanitize::line(from));
        self.ask_difference(title, from.to_owned(), to.map(str::to_owned), Vec::new())
    }

    /// Shows what a rollback would do, to a node in the words of a command.
    pub fn plan(&mut self, target: &str) -> Vec<UiEffect> {
        let named = |node: &&NodeSummary| {
            (node.head && target == "head") || node.branches.iter().any(|branch| branch == target)
        };
        let mut begins = self.nodes.iter().filter(|node| node.id.as_str().starts_with(target));
        let found = match (self.nodes.iter().find(named), begins.next(), begins.next()) {
            (Some(node), ..) | (None, Some(node), None) => Some(node.clone()),
            _ => None,
        };
        if let Some(node) = found {
            return self.roll_back_to(&node);
        }
        let dialog = Rollback::named(sanitize::line(target));
        let ask = plan_of(&dialog);
        self.rollback = Some(dialog.beside(self.jobs));
        ask
    }

    /// An op of this pane; what comes of it is told here. Refused while a turn runs: the engine would say no.
    fn ask(&mut self, what: &str, op: Op) -> Vec<UiEffect> {
        if self.busy {
            self.refuse(what);
            return Vec::new();
        }
        self.asked = true;
        vec![UiEffect::Send(op)]
    }

    fn refuse(&mut self, what: &str) {
        self.news = Some(News::Failed(format!("{what} while a turn runs; stop it or wait until it ends")));
    }

    fn start_rollback(&mut self) -> Vec<UiEffect> {
        let Some(node) = self.selected() else { return notice("select the snapshot to roll back to") };
        if self.busy {
            self.refuse(NO_ROLLBACK);
            return Vec::new();
        }
        self.roll_back_to(&node)
    }

    fn roll_back_to(&mut self, node: &NodeSummary) -> Vec<UiEffect> {
        if let Some(why) = &node.failed {
            return notice(&format!("{} holds no files, so nothing can be rolled back to it: {why}", node.id.short()));
        }
        let dialog = Rollback::new(&node.id, words_of(node));
        let ask = plan_of(&dialog);
        self.rollback = Some(dialog.beside(self.jobs));
        ask
    }

    fn dialog_action(&mut self, action: Action) -> Vec<UiEffect> {
        let Some(dialog) = &mut self.rollback else { return Vec::new() };
        match action {
            Action::Confirm | Action::Open if dialog.is_ready() => {
                if self.busy {
                    dialog.fail(format!("{NO_ROLLBACK} while a turn runs; stop it or wait until it ends"));
                    return Vec::new();
                }
                let op = Op::Restore { target: dialog.target.clone(), scope: dialog.scope };
                self.rollback = None;
                self.movement = Movement::Restore;
                self.ask(NO_ROLLBACK, op)
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
        self.ask("nothing can be named", op)
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
}

fn plan_of(dialog: &Rollback) -> Vec<UiEffect> {
    vec![UiEffect::Send(Op::PlanRestore { target: dialog.target.clone(), scope: dialog.scope })]
}

fn notice(text: &str) -> Vec<UiEffect> {
    vec![UiEffect::Notice(text.to_owned())]
}

#[cfg(test)]
mod tests;
