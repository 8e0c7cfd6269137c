//! The session's todo list, as the model keeps it.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::list::{ListCursor, draw_lines, draw_note, mark_row};
use super::{DrawContext, Pane, PaneTitle};
use crate::protocol::{Event, TodoItem, TodoPriority, TodoStatus};
use crate::support::sanitize;
use crate::tui::action::{Action, Scope};
use crate::tui::effect::UiEffect;
use crate::tui::text::wrap::{Break, Indent, wrap_spans};
use crate::tui::theme::Theme;

/// The list and what is selected in it.
#[derive(Debug, Default)]
pub struct TodoState {
    items: Vec<TodoItem>,
    cursor: ListCursor,
    /// Each item's lines for the size that was prepared last.
    rows: Vec<Vec<Line<'static>>>,
}

impl TodoState {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    fn replace(&mut self, todos: &[TodoItem]) {
        self.items = todos
            .iter()
            .map(|item| TodoItem { content: sanitize::line(&item.content), id: None, ..item.clone() })
            .collect();
        self.rows.clear();
    }

    fn done(&self) -> usize {
        self.items.iter().filter(|item| item.status == TodoStatus::Completed).count()
    }
}

/// One item: state, text, and its urgency where that is out of the ordinary.
fn item_lines(item: &TodoItem, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let glyphs = theme.glyphs();
    let (glyph, glyph_style, style) = match item.status {
        TodoStatus::Completed => (glyphs.done, theme.ok(), theme.dim()),
        TodoStatus::InProgress => (glyphs.spinner[0], theme.agent(), theme.strong()),
        TodoStatus::Pending => (glyphs.pending, theme.dim(), theme.text()),
    };
    let mut spans = vec![Span::styled(item.content.clone(), style)];
    let open = item.status != TodoStatus::Completed;
    match item.priority {
        TodoPriority::High if open => spans.push(Span::styled("  high", theme.waiting())),
        TodoPriority::Low if open => spans.push(Span::styled("  low", theme.dim())),
        _ => {}
    }
    let indent = Indent {
        first: vec![Span::raw(" "), Span::styled(glyph, glyph_style), Span::raw(" ")],
        rest: vec![Span::raw("   ")],
    };
    let mut lines = Vec::new();
    wrap_spans(&spans, width, &indent, Break::Words, &mut lines);
    lines
}

impl Pane for TodoState {
    fn apply(&mut self, event: &Event, _now_ms: u64) {
        match event {
            Event::TodoChanged { todos } | Event::ConversationReplaced { todos, .. } => self.replace(todos),
            _ => {}
        }
    }

    fn scope(&self) -> Scope {
        Scope::Todo
    }

    fn action(&mut self, action: Action) -> Vec<UiEffect> {
        if self.cursor.act(action, self.items.len()) {
            return Vec::new();
        }
        match action {
            Action::Back => vec![UiEffect::Leave],
            Action::Copy if !self.items.is_empty() => {
                let text: Vec<String> = self
                    .items
                    .iter()
                    .map(|item| {
                        let mark = if item.status == TodoStatus::Completed { 'x' } else { ' ' };
                        format!("- [{mark}] {}", item.content)
                    })
                    .collect();
                vec![UiEffect::Copy { text: text.join("\n"), what: "the todo list".to_owned() }]
            }
            _ => Vec::new(),
        }
    }

    fn prepare(&mut self, size: Size, cx: &DrawContext<'_>) {
        let width = usize::from(size.width);
        self.rows = self.items.iter().map(|item| item_lines(item, width, cx.theme)).collect();
        let rows = &self.rows;
        self.cursor.show(|index| rows.get(index).map_or(1, Vec::len), rows.len(), usize::from(size.height));
    }

    fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = area.intersection(frame.area());
        let buffer = frame.buffer_mut();
        if self.items.is_empty() {
            let note = "The model's todo list appears here. Ask for a job that takes several steps.";
            draw_note(note, area, cx.theme, buffer);
            return;
        }
        let mut y = area.y;
        for (index, lines) in self.rows.iter().enumerate().skip(self.cursor.offset) {
            let rest = Rect { y, height: area.bottom().saturating_sub(y), ..area };
            if rest.height == 0 {
                break;
            }
            draw_lines(lines.iter(), rest, buffer);
            if index == self.cursor.selected && cx.focused {
                for row in 0..lines.len() as u16 {
                    mark_row(area, y + row, cx.theme.selected().remove_modifier(Modifier::DIM), buffer);
                }
            }
            y = y.saturating_add(lines.len() as u16);
        }
    }

    fn title(&self, _cx: &DrawContext<'_>) -> PaneTitle {
        let right = match self.items.len() {
            0 => String::new(),
            count => format!("{} of {count} done", self.done()),
        };
        PaneTitle { left: "Todo".to_owned(), right }
    }

    fn summary(&self) -> Option<String> {
        (!self.items.is_empty()).then(|| format!("{}/{}", self.done(), self.items.len()))
    }

    fn hints(&self) -> &'static [Action] {
        if self.items.is_empty() { &[Action::Back, Action::Help] } else { &[Action::Copy, Action::Back, Action::Help] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{draw, screens};
    use super::*;

    fn item(content: &str, priority: TodoPriority, status: TodoStatus) -> TodoItem {
        TodoItem { content: content.to_owned(), id: Some("1".to_owned()), priority, status }
    }

    fn typical() -> TodoState {
        let mut pane = TodoState::new();
        let todos = vec![
            item("Read the CV", TodoPriority::High, TodoStatus::Completed),
            item(
                "Lay out the page in three sections, newest experience first",
                TodoPriority::Medium,
                TodoStatus::InProgress,
            ),
            item("日本語の見出しを確認する", TodoPriority::High, TodoStatus::Pending),
            item("Check it\x1b[31m with a print\nstyle", TodoPriority::Low, TodoStatus::Pending),
        ];
        pane.apply(&Event::TodoChanged { todos }, 0);
        pane
    }

    #[test]
    fn an_empty_list_says_what_will_appear() {
        insta::assert_snapshot!(draw(&mut TodoState::new(), 40, 5));
    }

    #[test]
    fn a_list_shows_states_and_urgency() {
        insta::assert_snapshot!(screens(typical));
    }

    #[test]
    fn a_list_that_is_too_long_scrolls_with_the_selection() {
        let mut pane = TodoState::new();
        let todos = (1..=40).map(|n| item(&format!("Step {n}"), TodoPriority::Medium, TodoStatus::Pending)).collect();
        pane.apply(&Event::TodoChanged { todos }, 0);
        draw(&mut pane, 40, 6);
        pane.action(Action::Bottom);
        let shown = draw(&mut pane, 40, 6);
        assert!(shown.contains("Step 40") && !shown.contains("Step 34\n"), "{shown}");
        assert_eq!(pane.title(&super::super::testing::context(Theme::new(false, false))).right, "0 of 40 done");
    }

    #[test]
    fn a_rollback_brings_its_own_list() {
        let mut pane = typical();
        pane.apply(&Event::ConversationReplaced { messages: Vec::new(), todos: Vec::new() }, 0);
        assert_eq!(pane.summary(), None);
    }

    #[test]
    fn the_list_is_copied_as_markdown() {
        let effects = typical().action(Action::Copy);
        let [UiEffect::Copy { text, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        assert!(text.starts_with("- [x] Read the CV\n- [ ] Lay out"), "{text}");
    }
}
