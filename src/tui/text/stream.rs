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

mod clean;

use std::ops::Range;

use ratatui::text::{Line, Span};

pub use self::clean::CleanStream;
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

#[cfg(test)]
mod tests;
