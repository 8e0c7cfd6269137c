//! Markdown that is still being written.
//!
//! Rendering a whole reply at every delta costs seconds of CPU. Markdown's blocks close line by line, and a closed
//! block never changes, so its lines are kept and only the tail is rendered again:
//!
//! ```text
//! source   # Plan\n\nFirst, the…\n\n- one\n- tw
//!          └─ closed blocks ─────┘ └─ tail ─┘     closed: all blocks but the last, counted over whole lines only
//! lines    [closed lines, kept    ][tail lines]   (an unfinished line can still turn `2` into `2. item`)
//! ```
//!
//! - A fence that is open grows by appending its new lines, plain; it gets its colours when it closes.
//! - A tail that has become large (one endless table or list) is rendered again only after it has grown by a part of
//!   its size, so the cost stays in proportion to the text.
//! - A link can refer to a definition that comes later: where the text has definitions, [`StreamedMarkdown::finish`]
//!   renders all of it once more.
//! - What came out equals [`super::markdown::render`] of the whole text; a property test holds it to that.

use std::ops::Range;

use ratatui::text::{Line, Span};

use super::markdown::{Look, Rendered, append_block, block_starts, render_all};
use super::wrap::{Indent, expand_tabs};
use super::{code, highlight};
use crate::support::sanitize;
use crate::tui::theme::Theme;

/// Tails up to this size are rendered at every call.
const SMALL_TAIL: usize = 4 * 1024;

/// A text and its lines, both growing.
#[derive(Debug, Default)]
pub struct StreamedMarkdown {
    source: String,
    finished: bool,
    /// Whether everything has been closed since it was finished.
    settled: bool,
    /// What the lines were made for.
    look: Option<Look>,
    lines: Vec<Line<'static>>,
    closed: Vec<Closed>,
    /// Where the tail begins in the source, and after how many lines.
    tail_start: usize,
    closed_lines: usize,
    /// Length of the source when the tail was last rendered.
    rendered_to: usize,
    fence: Option<Fence>,
    /// [`highlight::generation`] when the pending blocks were last asked for.
    generation: u64,
    /// Moves whenever lines that were returned before have changed.
    revision: u64,
}

/// A block that no longer changes.
#[derive(Debug)]
struct Closed {
    source: Range<usize>,
    lines: Range<usize>,
    pending: bool,
}

/// A fence that is open at the end of the text.
#[derive(Debug)]
struct Fence {
    mark: u8,
    length: usize,
    indent: usize,
    /// Source up to here has been drawn, whole lines only.
    drawn_to: usize,
    /// Lines up to here are those of whole source lines.
    drawn_lines: usize,
}

impl StreamedMarkdown {
    /// An empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// A text that is already whole.
    pub fn whole(text: &str) -> Self {
        let mut markdown = Self::new();
        markdown.push(text);
        markdown.finish();
        markdown
    }

    /// More of the text, already sanitized (see [`CleanStream`]).
    pub fn push(&mut self, delta: &str) {
        self.source.push_str(delta);
        self.finished = false;
        self.settled = false;
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The text so far.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// Of the lines returned last, how many will not change by further text.
    pub fn settled(&self) -> usize {
        self.closed_lines
    }

    /// Moves when lines that were returned before have changed for another reason than more text in the tail: another
    /// width or theme, colours that became ready, link definitions.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the next call of [`Self::lines`] may give other lines than the last one, with nothing pushed in
    /// between: some code waits for its colours and some colours have become ready.
    pub fn is_stale(&self) -> bool {
        self.generation != highlight::generation() && self.closed.iter().any(|block| block.pending)
    }

    /// The lines for this width. Costs next to nothing when nothing has changed.
    pub fn lines(&mut self, width: u16, theme: Theme) -> &[Line<'static>] {
        let look = Look { width: usize::from(width).max(1), theme, colours: true };
        if self.look != Some(look) {
            self.restart(look);
        } else if self.is_stale() {
            self.colour(look);
        }
        self.advance(look);
        &self.lines
    }

    /// Forgets all lines; those of closed blocks are made anew for `look`.
    fn restart(&mut self, look: Look) {
        self.look = Some(look);
        self.revision += 1;
        self.generation = highlight::generation();
        self.lines.clear();
        self.fence = None;
        self.rendered_to = self.tail_start;
        for block in std::mem::take(&mut self.closed) {
            self.close(block.source, look);
        }
        self.closed_lines = self.lines.len();
    }

    /// Draws the blocks again that waited for colours. Colours change no line's text, so the lines are exchanged.
    fn colour(&mut self, look: Look) {
        self.generation = highlight::generation();
        let mut changed = false;
        for block in self.closed.iter_mut().filter(|block| block.pending) {
            let rendered = render_all(&self.source[block.source.clone()], look);
            let range = block.lines.clone();
            if rendered.lines.len() != range.len() {
                // Cannot happen; but if it did, all lines would be wrong from here on.
                self.look = None;
                break;
            }
            block.pending = rendered.pending;
            self.lines.splice(range, rendered.lines);
            changed = true;
        }
        if self.look.is_none() {
            self.restart(look);
        }
        self.revision += u64::from(changed);
    }

    /// Renders a closed block and appends it. No tail lines may stand behind the closed ones.
    fn close(&mut self, source: Range<usize>, look: Look) {
        let Rendered { lines, pending } = render_all(&self.source[source.clone()], look);
        let count = lines.len();
        append_block(&mut self.lines, lines);
        let end = self.lines.len();
        self.closed.push(Closed { source, lines: end - count..end, pending });
        self.closed_lines = end;
    }

    fn advance(&mut self, look: Look) {
        if self.finished {
            self.settle(look);
            return;
        }
        if self.source.len() == self.rendered_to {
            return;
        }
        if self.fence.is_some() {
            self.advance_fence(look);
            if self.fence.is_some() {
                return;
            }
        }
        let tail = self.source.len() - self.tail_start;
        let grown = self.source.len().saturating_sub(self.rendered_to);
        if tail > SMALL_TAIL && self.rendered_to > self.tail_start && grown < tail / 16 {
            return;
        }
        self.lines.truncate(self.closed_lines);
        let whole = self.source.rfind('\n').map_or(0, |at| at + 1).max(self.tail_start);
        let starts = block_starts(&self.source[self.tail_start..whole]);
        self.close_all(&starts, look);
        if self.open_fence() {
            self.advance_fence(look);
            if self.fence.is_some() {
                return;
            }
            // It was closed by the last whole line; what is left is a part of a line.
        }
        let rendered = render_all(&self.source[self.tail_start..], Look { colours: false, ..look });
        append_block(&mut self.lines, rendered.lines);
        self.rendered_to = self.source.len();
    }

    /// Closes all blocks but the last; `starts` are relative to the tail, which then begins at the last one.
    fn close_all(&mut self, starts: &[usize], look: Look) {
        let base = self.tail_start;
        let Some((first, others)) = starts.split_first() else { return };
        let mut from = base + first;
        for start in others {
            self.close(from..base + start, look);
            from = base + start;
        }
        self.tail_start = from;
    }

    /// Closes everything, once.
    fn settle(&mut self, look: Look) {
        if self.settled {
            return;
        }
        self.settled = true;
        self.fence = None;
        self.lines.truncate(self.closed_lines);
        if self.source.contains("]:") {
            // Definitions of links or footnotes: blocks that were closed before may use them.
            self.lines.clear();
            self.closed.clear();
            self.close(0..self.source.len(), look);
            self.revision += 1;
        } else {
            let starts = block_starts(&self.source[self.tail_start..]);
            self.close_all(&starts, look);
            self.close(self.tail_start..self.source.len(), look);
        }
        self.tail_start = self.source.len();
        self.rendered_to = self.source.len();
        self.closed_lines = self.lines.len();
    }

    /// Whether the tail is a fence whose first line is whole; if so, its label is drawn.
    fn open_fence(&mut self) -> bool {
        let tail = &self.source[self.tail_start..];
        let Some((first, _)) = tail.split_once('\n') else { return false };
        let Some((mark, length, indent)) = fence_of(first) else { return false };
        let info = first[indent + length..].trim().to_owned();
        if mark == b'`' && info.contains('`') {
            return false;
        }
        // Nothing of it is drawn yet; `advance_fence` finds where it closes.
        self.fence = Some(Fence {
            mark,
            length,
            indent,
            drawn_to: self.tail_start + first.len() + 1,
            drawn_lines: self.closed_lines,
        });
        true
    }

    /// Draws the new lines of the open fence, or closes it.
    fn advance_fence(&mut self, look: Look) {
        let Some(mut fence) = self.fence.take() else { return };
        self.lines.truncate(fence.drawn_lines);
        let indent = code::indented(Indent::default());
        if fence.drawn_lines == self.closed_lines {
            // The empty line before the block and its label.
            let first = self.source[self.tail_start..].lines().next().unwrap_or_default();
            let info = sanitize::line(first[fence.indent + fence.length..].trim());
            if !self.lines.is_empty() {
                self.lines.push(Line::default());
            }
            code::label(&info, look.width, &indent, look.theme, &mut self.lines);
        }
        while let Some(length) = self.source[fence.drawn_to..].find('\n') {
            let line = &self.source[fence.drawn_to..fence.drawn_to + length];
            let end = fence.drawn_to + length + 1;
            if fence.is_closed_by(line) {
                self.lines.truncate(self.closed_lines);
                self.close(self.tail_start..end, look);
                self.tail_start = end;
                self.rendered_to = end;
                return;
            }
            fence.draw(line, look, &indent, &mut self.lines);
            fence.drawn_to = end;
        }
        fence.drawn_lines = self.lines.len();
        let last = &self.source[fence.drawn_to..];
        if !last.is_empty() && !fence.may_be_closed_by(last) {
            fence.draw(last, look, &indent, &mut self.lines);
        }
        self.rendered_to = self.source.len();
        self.fence = Some(fence);
    }
}

impl Fence {
    fn draw(&self, line: &str, look: Look, indent: &Indent, out: &mut Vec<Line<'static>>) {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        let text = expand_tabs(&line[spaces.min(self.indent)..], code::TAB, 0).into_owned();
        code::line(&[Span::styled(text, look.theme.text())], look.width, indent, out);
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        let rest = line[spaces..].trim_end();
        spaces < 4 && rest.len() >= self.length && rest.bytes().all(|byte| byte == self.mark)
    }

    /// An unfinished line that is not drawn, because it may become the end of the fence.
    fn may_be_closed_by(&self, line: &str) -> bool {
        let rest = line.trim();
        rest.is_empty() || rest.bytes().all(|byte| byte == self.mark)
    }
}

/// Mark, length and indent of the fence that a line opens.
fn fence_of(line: &str) -> Option<(u8, usize, usize)> {
    let rest = line.trim_start_matches(' ');
    let indent = line.len() - rest.len();
    let mark = rest.bytes().next().filter(|mark| matches!(mark, b'`' | b'~'))?;
    let length = rest.bytes().take_while(|byte| *byte == mark).count();
    (indent < 4 && length >= 3).then_some((mark, length, indent))
}

/// Cleans text that comes in pieces: [`sanitize::text`] cannot know that an escape sequence, a `\r\n` or an emoji goes
/// on in the next piece, so what may do so is held back.
#[derive(Debug, Default)]
pub struct CleanStream {
    held: String,
    /// The last character that came out, with what is joined to it: joiners depend on what stands before them.
    before: String,
}

/// An escape sequence that is not over after this many bytes is not waited for.
const LONGEST_SEQUENCE: usize = 4 * 1024;

impl CleanStream {
    /// The clean text that this piece completes.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let ready = self.ready();
        let rest = self.held.split_off(ready);
        let raw = std::mem::replace(&mut self.held, rest);
        self.clean(&raw)
    }

    /// What was held back, when nothing more comes.
    pub fn finish(&mut self) -> String {
        let raw = std::mem::take(&mut self.held);
        self.clean(&raw)
    }

    fn clean(&mut self, raw: &str) -> String {
        if raw.is_empty() {
            return String::new();
        }
        // Cleaning is idempotent, so what came before can be cleaned again for the sake of its neighbour.
        let mut whole = sanitize::text(&format!("{}{raw}", self.before));
        let from = if whole.starts_with(&self.before) {
            self.before.len()
        } else {
            whole = sanitize::text(raw);
            0
        };
        // One base character and the selectors and joiners on it.
        let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        let base = whole.char_indices().rev().find(|(_, c)| !joins(*c)).map_or(0, |(at, _)| at);
        whole[base..].clone_into(&mut self.before);
        whole.split_off(from)
    }

    /// Number of held bytes that no further piece can change the meaning of.
    fn ready(&self) -> usize {
        let held = self.held.as_str();
        if let Some(start) = open_sequence(held) {
            if held.len() - start <= LONGEST_SEQUENCE {
                return start;
            }
        }
        let mut end = held.len();
        for (at, c) in held.char_indices().rev() {
            // A joiner needs its right neighbour, a carriage return its line feed, an escape what follows it.
            if matches!(c, '\r' | '\u{200c}' | '\u{200d}' | '\u{1b}') {
                end = at;
            } else {
                break;
            }
        }
        end
    }
}

/// Where an escape sequence begins that the text does not end (the grammar is that of [`sanitize`]).
fn open_sequence(text: &str) -> Option<usize> {
    let is_introducer = |c: char| matches!(c, '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}'..='\u{9f}');
    let mut at = 0;
    while let Some(offset) = text[at..].find(is_introducer) {
        let start = at + offset;
        let mut chars = text[start..].chars();
        let body = match (chars.next(), chars.clone().next()) {
            (Some('\u{1b}'), None) => return Some(start),
            (Some('\u{1b}'), Some('[')) | (Some('\u{9b}'), _) => Body::Control,
            (Some('\u{1b}'), Some(']' | 'P' | 'X' | '^' | '_')) => Body::String,
            (Some('\u{1b}'), Some(' '..='/')) => Body::Intermediate,
            (Some('\u{1b}'), Some(_)) => Body::None,
            _ => Body::String,
        };
        let rest = chars.as_str();
        let rest = if text[start..].starts_with('\u{1b}') && !matches!(body, Body::None) { &rest[1..] } else { rest };
        let left = match body {
            Body::None => rest.len(),
            Body::Control => {
                let tail = rest.trim_start_matches(|c| ('0'..='?').contains(&c));
                tail.trim_start_matches(|c| (' '..='/').contains(&c)).len()
            }
            Body::Intermediate => rest.trim_start_matches(|c| (' '..='/').contains(&c)).len(),
            Body::String => {
                let end = rest.find(['\u{7}', '\u{9c}']).into_iter().chain(rest.find("\u{1b}\\")).min();
                end.map_or(0, |end| rest.len() - end)
            }
        };
        if left == 0 && !matches!(body, Body::None) {
            return Some(start);
        }
        // Stands at the final character, or at the terminator, neither of which introduces another sequence, but for
        // ESC \\, which is a whole one.
        at = text.len() - left;
        if at == start {
            at += 1;
        }
    }
    None
}

/// What follows the introducer of an escape sequence.
#[derive(Clone, Copy)]
enum Body {
    /// One character.
    None,
    /// Parameters and a final character.
    Control,
    /// Intermediates and a final character.
    Intermediate,
    /// Anything up to a terminator.
    String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::markdown;
    use super::*;

    const PLAIN: Theme = Theme::new(false, false);

    fn texts(lines: &[Line<'_>]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    /// Pushes the text in pieces of these lengths, asking for lines after each, as a screen does.
    fn streamed(text: &str, pieces: &[usize], width: u16) -> Vec<Line<'static>> {
        let mut markdown = StreamedMarkdown::new();
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let mut lengths = pieces.iter().copied().cycle();
        while at < chars.len() {
            let length = lengths.next().unwrap_or(1).max(1).min(chars.len() - at);
            let piece: String = chars[at..at + length].iter().collect();
            at += length;
            let settled = texts(&markdown.lines(width, PLAIN).to_vec()).into_iter().take(markdown.settled());
            let settled: Vec<String> = settled.collect();
            markdown.push(&piece);
            let now = texts(markdown.lines(width, PLAIN));
            if !text.contains("]:") {
                assert!(now.starts_with(&settled), "settled lines changed:\n{settled:#?}\n{now:#?}");
            }
        }
        markdown.finish();
        markdown.lines(width, PLAIN).to_vec()
    }

    #[test]
    fn an_unfinished_number_does_not_close_a_list() {
        let text = "1. one\n\n2. two\n\n3. three\n\nend\n";
        assert_eq!(streamed(text, &[1], 40), markdown::render(text, 40, PLAIN));
    }

    #[test]
    fn an_open_fence_grows_line_by_line_and_hides_the_mark_that_may_close_it() {
        let mut markdown = StreamedMarkdown::new();
        markdown.push("Run:\n\n```sh\necho a\nec");
        assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  ec"]);
        markdown.push("ho b\n``");
        assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  echo b"]);
        markdown.push("`\nDone");
        assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  echo b", "", "Done"]);
    }

    #[test]
    fn a_definition_that_comes_last_reaches_the_links_before_it() {
        let text = "See [the book][b].\n\nMore.\n\n[b]: https://example.com/book\n";
        let lines = streamed(text, &[3], 60);
        assert_eq!(texts(&lines)[0], "See the book (https://example.com/book).");
        assert_eq!(lines, markdown::render(text, 60, PLAIN));
    }

    #[test]
    fn another_width_gives_the_lines_of_that_width() {
        let text = "# One\n\ntwo three four\n\n```\nfive six seven\n```\n\n| a | b |\n|---|---|\n| c | d |\n";
        let mut markdown = StreamedMarkdown::new();
        markdown.push(text);
        for width in [40, 8, 20] {
            assert_eq!(texts(markdown.lines(width, PLAIN)), texts(&markdown::render(text, width, PLAIN)));
        }
        markdown.finish();
        for width in [9, 40] {
            assert_eq!(markdown.lines(width, PLAIN), markdown::render(text, width, PLAIN));
        }
    }

    #[test]
    fn colours_come_later_and_change_no_text() {
        let theme = Theme::new(true, false);
        let code = "fn streamed_once() { let x = 41; }";
        let mut markdown = StreamedMarkdown::new();
        markdown.push(&format!("```rust\n{code}\n```\n\nafter\n"));
        markdown.finish();
        let before = markdown.lines(60, theme).to_vec();
        highlight::tests::wait_for("rust", code);
        let revision = markdown.revision();
        let after = markdown.lines(60, theme).to_vec();
        assert_eq!(texts(&before), texts(&after));
        assert!(after[1].spans.len() > 3, "{:?}", after[1]);
        // Whether the first call already had the colours depends on the other thread.
        assert!(before == after || markdown.revision() > revision);
        assert!(!markdown.is_stale());
    }

    #[test]
    fn a_huge_tail_is_not_rendered_at_every_call() {
        let mut markdown = StreamedMarkdown::new();
        let mut text = String::from("| a | b |\n|---|---|\n");
        markdown.push(&text);
        let mut renders = 0;
        let mut height = markdown.lines(40, PLAIN).len();
        for row in 0..2_000 {
            let row = format!("| {row} | some words here |\n");
            text.push_str(&row);
            markdown.push(&row);
            let now = markdown.lines(40, PLAIN).len();
            renders += usize::from(now != height);
            height = now;
        }
        assert!(renders < 400, "{renders}");
        markdown.finish();
        assert_eq!(markdown.lines(40, PLAIN), markdown::render(&text, 40, PLAIN));
    }

    #[test]
    fn sequences_that_are_cut_are_cleaned_as_if_they_were_whole() {
        for text in [
            "a\x1b]52;c;ZWNobyBwd24=\x07b",
            "a\x1b[31mred\x1b[0m\r\nb",
            "\x1b]0;t\x1b\\x",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 🏳\u{fe0f}\u{200d}🌈",
            "\u{9b}31mx\u{9d}52;c;aGk=\u{9c}y",
            "\x1b(0\x1bc\x1b=x",
            "a\u{200d}b\rc",
        ] {
            let mut stream = CleanStream::default();
            let mut out: String = text.chars().map(|c| stream.push(&c.to_string())).collect();
            out.push_str(&stream.finish());
            assert_eq!(out, sanitize::text(text), "{text:?}");
        }
    }

    #[test]
    fn a_sequence_without_end_is_let_go() {
        let mut stream = CleanStream::default();
        let mut out = stream.push("\x1b]52;");
        for _ in 0..3 {
            out.push_str(&stream.push(&"x".repeat(2_000)));
        }
        assert!(out.len() > 4_000, "{}", out.len());
    }

    fn markdown_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\n".to_owned()),
            Just("\n\n".to_owned()),
            "[a-z]{1,8} ",
            "(#{1,4} |- |\\* |\\+ |[0-9]{1,2}\\. |> |    |  |- \\[x\\] |\t)",
            "(```|~~~|````)(rust|py)?\n",
            "\\| a \\| b \\|\n\\|---\\|:-:\\|\n\\| c \\| dd \\|\n",
            "(\\*\\*|\\*|_|`|~~|<b>|<div>|<!-- |-->|---|===|\\\\)",
            "(\\[x\\]\\(http://e\\.x\\)|!\\[p\\]\\(q\\)|<http://e\\.x>|&#27;|&amp;|日本|👩\u{200d}👧)",
            "\n(\\[\\^1\\]: note|\\[r\\]: /u|\\[r\\]|\\[\\^1\\])\n",
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
        #[test]
        fn a_streamed_text_equals_one_that_was_rendered_in_one_go(
            text in markdown_text(),
            pieces in proptest::collection::vec(1usize..9, 1..12),
            width in 1u16..50,
        ) {
            let lines = streamed(&text, &pieces, width);
            let whole = markdown::render(&text, width, PLAIN);
            prop_assert_eq!(texts(&lines), texts(&whole));
            prop_assert_eq!(&lines, &whole);
            for line in &lines {
                prop_assert!(super::super::wrap::spans_width(&line.spans) <= usize::from(width), "{:?}", line);
            }
        }
    }
}
