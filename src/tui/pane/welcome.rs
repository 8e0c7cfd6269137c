//! The first words of a new session.

use ratatui::text::Line;

use crate::tui::text::wrap;
use crate::tui::theme::Theme;

use super::cell::marked;

/// Where the session is, what can be asked, where help is.
pub(super) fn welcome(facts: &str, unconfined: bool, help: &str, width: u16, theme: Theme) -> Vec<Line<'static>> {
    const EXAMPLES: [&str; 3] = [
        "Make a one-page site about the night sky, with a print style",
        "Read @./data.csv, tell me what stands out, and draw it",
        "Write a small program that renames photos by date, with tests",
    ];
    let mut lines =
        wrap::wrap_text("Say what you want made. The model works in a machine of its own.", width, theme.text());
    let style = if unconfined { theme.alarm() } else { theme.dim() };
    lines.extend(wrap::wrap_text(facts, width, style));
    lines.push(Line::default());
    lines.push(Line::styled("For example", theme.dim()));
    for example in EXAMPLES {
        lines.extend(marked(theme.glyphs().bullet, example, theme.text(), width));
    }
    lines.push(Line::default());
    let words = format!("Each reply ends with a snapshot that you can go back to. {help} shows all keys.");
    lines.extend(wrap::wrap_text(&words, width, theme.dim()));
    lines
}
