//! Blocks of code: a dim label, two cells of indent, colours when they are ready.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::highlight::{self, Answer, Highlighted};
use super::wrap::{Break, Indent, expand_tabs, wrap_spans};
use crate::tui::theme::Theme;

/// Cells before code.
pub(super) const INDENT: &str = "  ";
/// Tab stops in code.
pub(super) const TAB: usize = 4;

/// The label above a block: the language as it was written, if any.
pub(super) fn label(info: &str, width: usize, indent: &Indent, theme: Theme, out: &mut Vec<Line<'static>>) -> bool {
    let Some(name) = info.split([' ', ',', '\t']).next().filter(|name| !name.is_empty()) else { return false };
    wrap_spans(&[Span::styled(name, theme.dim())], width, indent, Break::Cells, out);
    true
}

/// One line of code.
pub(super) fn line(spans: &[Span<'_>], width: usize, indent: &Indent, out: &mut Vec<Line<'static>>) {
    wrap_spans(spans, width, indent, Break::Cells, out);
}

/// A whole block; returns whether its colours are still to come.
pub(super) fn block(
    info: &str,
    code: &str,
    width: usize,
    indent: Indent,
    theme: Theme,
    colours: bool,
    out: &mut Vec<Line<'static>>,
) -> bool {
    let mut indent = indented(indent);
    if label(info, width, &indent, theme, out) {
        indent.first.clone_from(&indent.rest);
    }
    let code = expand_tabs(code, TAB, 0);
    let code = code.strip_suffix('\n').unwrap_or(&code);
    let is_diff = matches!(info.trim(), "diff" | "patch");
    let mut pending = false;
    let mut found: Option<std::sync::Arc<Highlighted>> = None;
    if colours && theme.has_colours() && !is_diff {
        match highlight::request(info, code) {
            Answer::Ready(highlighted) => found = Some(highlighted),
            Answer::Pending => pending = true,
            Answer::Plain => {}
        }
    }
    for (index, text) in code.split('\n').enumerate() {
        let spans = match &found {
            Some(highlighted) => highlighted.spans(index, text, theme),
            None => vec![Span::styled(text.to_owned(), if is_diff { diff_style(text, theme) } else { theme.text() })],
        };
        line(&spans, width, &indent, out);
        if index == 0 {
            indent.first.clone_from(&indent.rest);
        }
    }
    pending
}

/// The indent of a block inside of its container.
pub(super) fn indented(mut indent: Indent) -> Indent {
    indent.first.push(Span::raw(INDENT));
    indent.rest.push(Span::raw(INDENT));
    indent
}

fn diff_style(text: &str, theme: Theme) -> Style {
    if text.starts_with("+++") || text.starts_with("---") || text.starts_with("@@") {
        theme.dim()
    } else if text.starts_with('+') {
        theme.added()
    } else if text.starts_with('-') {
        theme.removed()
    } else {
        theme.text()
    }
}
