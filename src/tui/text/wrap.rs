//! Breaks styled lines so that none is wider than the screen.
//!
//! Widths are those of whole graphemes (UAX #29, with the cell counts of `unicode-width`), because that is what the
//! terminal and ratatui count: an emoji joined from five characters takes two cells and is never cut. ratatui's own
//! `Paragraph` wrapping is not used: it knows no hanging indent, drops breaks between CJK characters, and has to be
//! run again at every draw, whereas these lines are kept.
//!
//! ```text
//! width 24, first "• ", rest "  "
//! |• The quick brown fox    |
//! |  jumps over 日本語の    |   CJK breaks between characters, not before 、 or 。
//! |  テキスト。 averylongwor|   a word that is too long is cut
//! |  dwithoutspaces         |
//! ```

use std::borrow::Cow;

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// Where a line may be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// At spaces, hyphens and between wide characters; inside a word only when it fills a line of its own.
    Words,
    /// Anywhere, keeping every space: for code and output.
    Cells,
}

/// What stands before the first and before every further row of one wrapped line.
#[derive(Debug, Clone, Default)]
pub struct Indent {
    /// Before the first row.
    pub first: Vec<Span<'static>>,
    /// Before the others.
    pub rest: Vec<Span<'static>>,
}

/// Shown instead of a wide character where only one cell is left in all.
const TOO_WIDE: &str = "?";

/// Cells that a text takes, counted by grapheme.
pub fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(UnicodeWidthStr::width).sum() }
}

/// Cells that a row of spans takes.
pub fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| width_of(&span.content)).sum()
}

/// Wraps one line at words. The line's own style goes onto every row.
pub fn wrap(line: &Line<'_>, width: u16) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    let spans: Vec<Span<'_>> =
        line.spans.iter().map(|span| Span::styled(span.content.as_ref(), line.style.patch(span.style))).collect();
    wrap_spans(&spans, usize::from(width), &Indent::default(), Break::Words, &mut out);
    out
}

/// Wraps plain text, which may have several lines, in one style.
pub fn wrap_text(text: &str, width: u16, style: Style) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    for line in text.split('\n') {
        wrap_spans(&[Span::styled(line, style)], usize::from(width), &Indent::default(), Break::Words, &mut out);
    }
    out
}

/// Replaces tabs by spaces up to the next stop. `column` is the cell at which `text` starts.
pub fn expand_tabs(text: &str, stop: usize, column: usize) -> Cow<'_, str> {
    if !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut at = column;
    for grapheme in text.graphemes(true) {
        match grapheme {
            "\t" => {
                let gap = stop - at % stop;
                out.extend(std::iter::repeat_n(' ', gap));
                at += gap;
            }
            "\n" => {
                out.push('\n');
                at = column;
            }
            other => {
                out.push_str(other);
                at += other.width();
            }
        }
    }
    Cow::Owned(out)
}

/// One grapheme with all that the breaking needs to know.
#[derive(Debug, Clone, Copy)]
struct Atom {
    start: u32,
    end: u32,
    span: u32,
    cells: u16,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Newline,
    /// Wide: a row may end before and after it.
    Wide,
    /// Wide punctuation that may not begin a row.
    WideClosing,
    /// Wide punctuation that may not end a row.
    WideOpening,
    /// A row may end after it: `-`, `/` and their like.
    Hyphen,
    Letter,
}

/// Wraps a row of spans (`\n` inside forces a break) and appends the rows to `out`.
///
/// At least one row comes out, also for no text. An indent that leaves no room is shortened.
pub fn wrap_spans(spans: &[Span<'_>], width: usize, indent: &Indent, mode: Break, out: &mut Vec<Line<'static>>) {
    let width = width.max(1);
    let first = fit_indent(&indent.first, width);
    let rest = fit_indent(&indent.rest, width);
    let first_room = width - spans_width(&first);
    let rest_room = width - spans_width(&rest);

    let total: usize = spans.iter().map(|span| span.content.len()).sum();
    if total <= first_room && spans.iter().all(|span| is_one_plain_row(&span.content)) {
        // The common case costs one copy: a short row of ASCII.
        let mut row = first;
        row.extend(spans.iter().filter(|span| !span.content.is_empty()).map(owned));
        out.push(Line::from(row));
        return;
    }

    let atoms = atoms_of(spans, first_room.min(rest_room));
    let mut indents = (Some(first), rest);
    let mut room = first_room;
    let mut emit = |from: usize, to: usize, out: &mut Vec<Line<'static>>| {
        let row = indents.0.take().unwrap_or_else(|| indents.1.clone());
        out.push(row_of(spans, &atoms[from..to], row));
    };

    let mut row_start = 0;
    let mut used = 0usize;
    let mut break_at: Option<usize> = None;
    let mut at = 0;
    while at < atoms.len() {
        let atom = atoms[at];
        if atom.kind == Kind::Newline {
            emit(row_start, at, out);
            room = rest_room;
            at += 1;
            (row_start, used, break_at) = (at, 0, None);
            continue;
        }
        let cells = usize::from(atom.cells);
        if used + cells <= room {
            used += cells;
            at += 1;
            if mode == Break::Words && may_break(&atoms, at) {
                break_at = Some(at);
            }
            continue;
        }
        // The row is full.
        if mode == Break::Words && atom.kind == Kind::Space {
            emit(row_start, trim_end(&atoms, row_start, at), out);
            at = skip_spaces(&atoms, at);
            if at < atoms.len() && atoms[at].kind == Kind::Newline {
                at += 1;
            } else if at == atoms.len() {
                // Only spaces were left: they hang over the edge and need no row.
                return;
            }
            (row_start, used, break_at) = (at, 0, None);
        } else if let Some(next) = break_at.filter(|_| mode == Break::Words) {
            emit(row_start, trim_end(&atoms, row_start, next), out);
            at = next;
            (row_start, used, break_at) = (next, 0, None);
        } else {
            emit(row_start, at, out);
            (row_start, used, break_at) = (at, 0, None);
        }
        room = rest_room;
    }
    emit(row_start, atoms.len(), out);
}

fn owned(span: &Span<'_>) -> Span<'static> {
    Span::styled(span.content.as_ref().to_owned(), span.style)
}

/// Printable ASCII only, so that bytes are cells and no break is forced.
fn is_one_plain_row(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The indent, cut so that at least a third of the width (and one cell) is left for text.
fn fit_indent(indent: &[Span<'static>], width: usize) -> Vec<Span<'static>> {
    let most = (width * 2 / 3).min(width.saturating_sub(1));
    if spans_width(indent) <= most {
        return indent.to_vec();
    }
    let mut left = most;
    let mut out = Vec::new();
    for span in indent {
        let mut kept = String::new();
        for grapheme in span.content.graphemes(true) {
            let cells = grapheme.width();
            if cells > left {
                left = 0;
                break;
            }
            left -= cells;
            kept.push_str(grapheme);
        }
        if !kept.is_empty() {
            out.push(Span::styled(kept, span.style));
        }
        if left == 0 {
            break;
        }
    }
    out
}

/// The graphemes of the spans. One that is wider than `room` becomes an empty range, which is drawn as [`TOO_WIDE`].
fn atoms_of(spans: &[Span<'_>], room: usize) -> Vec<Atom> {
    let mut atoms = Vec::with_capacity(spans.iter().map(|span| span.content.len()).sum());
    for (index, span) in spans.iter().enumerate() {
        let span_index = index as u32;
        let text = span.content.as_ref();
        if text.is_ascii() {
            for (start, byte) in text.bytes().enumerate() {
                let (cells, kind) = match byte {
                    b' ' => (1, Kind::Space),
                    b'\n' => (0, Kind::Newline),
                    b'-' | b'/' | b'|' | b'=' | b'_' | b'&' | b'?' => (1, Kind::Hyphen),
                    _ => (1, Kind::Letter),
                };
                atoms.push(Atom { start: start as u32, end: start as u32 + 1, span: span_index, cells, kind });
            }
            continue;
        }
        for (start, grapheme) in text.grapheme_indices(true) {
            let cells = grapheme.width();
            if cells > room {
                let start = start as u32;
                atoms.push(Atom { start, end: start, span: span_index, cells: 1, kind: Kind::Letter });
                continue;
            }
            let kind = match grapheme {
                "\n" | "\r\n" => Kind::Newline,
                " " => Kind::Space,
                "-" | "/" | "|" | "=" | "_" | "&" | "?" | "\u{2010}" | "\u{2013}" | "\u{2014}" => Kind::Hyphen,
                wide if cells >= 2 => match wide.chars().next() {
                    Some(c) if is_closing(c) => Kind::WideClosing,
                    Some(c) if is_opening(c) => Kind::WideOpening,
                    _ => Kind::Wide,
                },
                _ => Kind::Letter,
            };
            let end = start + grapheme.len();
            atoms.push(Atom { start: start as u32, end: end as u32, span: span_index, cells: cells as u16, kind });
        }
    }
    atoms
}

/// Whether a row may end before `atoms[next]`.
fn may_break(atoms: &[Atom], next: usize) -> bool {
    let Some(after) = atoms.get(next) else { return false };
    let before = atoms[next - 1];
    if after.kind == Kind::Space || after.kind == Kind::WideClosing || before.kind == Kind::WideOpening {
        return false;
    }
    match before.kind {
        Kind::Space | Kind::Wide | Kind::WideClosing => true,
        // Not between a sign and its number or a flag and its dash (`-5`, `--flag`): something must stand before it.
        Kind::Hyphen => {
            after.kind != Kind::Hyphen
                && next >= 2
                && matches!(atoms[next - 2].kind, Kind::Letter | Kind::Wide | Kind::WideClosing)
        }
        _ => matches!(after.kind, Kind::Wide | Kind::WideOpening),
    }
}

fn trim_end(atoms: &[Atom], from: usize, mut to: usize) -> usize {
    while to > from && atoms[to - 1].kind == Kind::Space {
        to -= 1;
    }
    to
}

fn skip_spaces(atoms: &[Atom], mut at: usize) -> usize {
    while at < atoms.len() && atoms[at].kind == Kind::Space {
        at += 1;
    }
    at
}

/// A row of these graphemes; neighbours of one span are joined again.
fn row_of(spans: &[Span<'_>], atoms: &[Atom], mut row: Vec<Span<'static>>) -> Line<'static> {
    for run in atoms.chunk_by(|a, b| a.span == b.span && a.end == b.start && a.start != a.end) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let span = &spans[first.span as usize];
        let text = match &span.content[first.start as usize..last.end as usize] {
            "" => TOO_WIDE,
            text => text,
        };
        row.push(Span::styled(text.to_owned(), span.style));
    }
    Line::from(row)
}

/// Closing marks that Japanese and Chinese typography keeps off the start of a row.
fn is_closing(c: char) -> bool {
    matches!(
        c,
        '、' | '。'
            | '，'
            | '．'
            | '）'
            | '」'
            | '』'
            | '】'
            | '〉'
            | '》'
            | '〕'
            | '］'
            | '｝'
            | '！'
            | '？'
            | '：'
            | '；'
            | 'ー'
            | '々'
            | '…'
    )
}

/// Opening marks that are kept off the end of a row.
fn is_opening(c: char) -> bool {
    matches!(c, '（' | '「' | '『' | '【' | '〈' | '《' | '〔' | '［' | '｛')
}

#[cfg(test)]
mod tests;
