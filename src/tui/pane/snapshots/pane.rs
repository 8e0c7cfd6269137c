//! The snapshots as a pane: events in, keys in, pictures out.

use super::super::find::FindOutcome;
use super::super::line_input::{LineInput, LineOutcome};
use super::super::list::{draw_note, mark_row};
use super::super::{DrawContext, Overlay, Pane, PaneTitle};
use super::difference::Difference;
use super::rollback::{self, Movement};
use super::{NO_ROLLBACK, News, Prompt, SnapshotsState, notice};
use crate::protocol::{Event, Op, Phase};
use crate::support::{sanitize, truncate};
use crate::tui::action::{Action, Scope};
use crate::tui::effect::{UiEffect, ViewSource};
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};
use ratatui::text::Line;

impl Pane for SnapshotsState {
    fn apply(&mut self, event: &Event, _now_ms: u64) {
        match event {
            Event::Snapshots { nodes, changed_since_head, store_bytes } => {
                self.changed_since_head = *changed_since_head;
                self.store_bytes = *store_bytes;
                self.asked = false;
                self.replace(nodes);
            }
            Event::JobsChanged { jobs } => self.jobs = jobs.len(),
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
                self.asked = false;
                self.wandered = false;
                self.news = Some(News::Restored(report.clone(), std::mem::take(&mut self.movement)));
            }
            Event::SnapshotTaken { snapshot, label, .. } => {
                self.asked = false;
                self.news = Some(News::Text(format!("{} taken: {}", snapshot.short(), sanitize::line(label))));
            }
            Event::PhaseChanged(phase) => {
                self.busy = !matches!(phase, Phase::Idle | Phase::Restoring | Phase::Closing);
            }
            Event::TurnStarted { .. } => {
                self.busy = true;
                self.asked = false;
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
                } else if std::mem::take(&mut self.asked) {
                    let separator = "; ";
                    self.news = Some(News::Failed(words.replace('\n', separator)));
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
                return self.ask(NO_ROLLBACK, Op::Undo);
            }
            Action::Redo => {
                self.movement = Movement::Redo;
                return self.ask(NO_ROLLBACK, Op::Redo);
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
            let margin = 1.min(area.width);
            let row = Rect { x: area.x + margin, y: body.bottom(), width: area.width - margin, height: 1 };
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
                        News::Text(text) | News::Failed(text) => text.clone(),
                    };
                    let style = if matches!(news, News::Failed(_)) { theme.error() } else { theme.ok() };
                    let text = truncate::cells(&text, usize::from(row.width), theme.glyphs().ellipsis);
                    frame.buffer_mut().set_line(row.x, row.y, &Line::styled(text, style), row.width);
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

        let mut parts = vec![if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }];
        let tips = self.tips();
        if tips > 1 {
            parts.push(format!("{tips} branches"));
        }
        parts.push(truncate::bytes(self.store_bytes));
        PaneTitle { left, right: parts.join(separator) }
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

    fn prepare_overlay(&mut self, size: Size, cx: &DrawContext<'_>) {
        if let Some(dialog) = &mut self.rollback {
            dialog.prepare(size, cx.theme);
        }
    }

    fn draw_overlay(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if let Some(dialog) = self.rollback.as_ref().filter(|_| !area.is_empty()) {
            dialog.draw(area, cx, frame);
        }
    }
}
