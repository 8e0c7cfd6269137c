//! The help: drawn from the tables of actions and commands, with the keys as they are bound now.

use ratatui::text::{Line, Span};

use crate::tui::action::{EDITING, Scope, TABLE};
use crate::tui::keymap::Keymap;
use crate::tui::slash;
use crate::tui::text::wrap::width_of;
use crate::tui::theme::Theme;

/// Cells of the column of keys.
const KEYS: usize = 30;
/// Below this width the sentence stands under its keys.
const NARROW: u16 = 64;

/// Indent of a sentence's further rows.
pub fn hang(width: u16) -> usize {
    if width < NARROW { 4 } else { KEYS + 2 }
}

/// The help's lines.
pub fn lines(keymap: &Keymap, width: u16, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut scope = None;
    for row in TABLE {
        // An action without a key is found in the palette.
        let keys = keymap.all(row.action);
        if keys.is_empty() {
            continue;
        }
        if scope != Some(row.scope) {
            if scope == Some(Scope::Composer) {
                for (keys, sentence) in EDITING {
                    entry(&mut lines, keys, sentence, width, theme);
                }
            }
            heading(&mut lines, row.scope.title(), theme);
            if row.scope == Scope::Global {
                entry(&mut lines, "?", "Show this help, in a pane or an empty composer", width, theme);
            }
            scope = Some(row.scope);
        }
        entry(&mut lines, &keys, row.sentence, width, theme);
    }
    heading(&mut lines, "Commands, typed into the composer", theme);
    for row in slash::TABLE {
        entry(&mut lines, &row.usage(), row.sentence, width, theme);
    }
    lines
}

fn heading(lines: &mut Vec<Line<'static>>, text: &'static str, theme: Theme) {
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.push(Line::styled(text, theme.heading()));
}

fn entry(lines: &mut Vec<Line<'static>>, keys: &str, sentence: &'static str, width: u16, theme: Theme) {
    let keys_span = Span::styled(format!("  {keys}"), theme.hint());
    if width < NARROW {
        lines.push(Line::from(keys_span));
        lines.push(Line::from(format!("    {sentence}")));
    } else {
        let gap = KEYS.saturating_sub(width_of(keys)).max(2);
        lines.push(Line::from(vec![keys_span, Span::raw(" ".repeat(gap)), Span::raw(sentence)]));
    }
}
