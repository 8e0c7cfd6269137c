//! The help: drawn from the tables of actions and commands, with the keys as they are bound now.

use ratatui::text::{Line, Span};

use crate::tui::action::{Scope, TABLE};
use crate::tui::keymap::Keymap;
use crate::tui::slash;
use crate::tui::text::wrap::width_of;
use crate::tui::theme::Theme;

/// Cells of the column of keys.
const KEYS: usize = 24;

/// The help's lines.
pub fn lines(keymap: &Keymap, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut scope = None;
    for row in TABLE {
        // An action without a key is found in the palette.
        let keys = keymap.all(row.action);
        if keys.is_empty() {
            continue;
        }
        if scope != Some(row.scope) {
            heading(&mut lines, row.scope.title(), theme);
            if row.scope == Scope::Global {
                lines.push(entry("?", "Show this help, in a pane or an empty composer", theme));
            }
            scope = Some(row.scope);
        }
        lines.push(entry(&keys, row.sentence, theme));
    }
    heading(&mut lines, "Commands, typed into the composer", theme);
    for row in slash::TABLE {
        lines.push(entry(&row.usage(), row.sentence, theme));
    }
    lines
}

fn heading(lines: &mut Vec<Line<'static>>, text: &'static str, theme: Theme) {
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.push(Line::styled(text, theme.heading()));
}

fn entry(keys: &str, sentence: &'static str, theme: Theme) -> Line<'static> {
    let gap = KEYS.saturating_sub(width_of(keys)).max(2);
    Line::from(vec![Span::styled(format!("  {keys}"), theme.hint()), Span::raw(" ".repeat(gap)), Span::raw(sentence)])
}
