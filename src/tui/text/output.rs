//! A program's output as lines: clean, with its colours, and as a terminal would have shown it.
//!
//! A carriage return begins the line anew, so that a progress bar of a thousand states takes one line and shows the last
//! of them. Output comes in pieces that are cut anywhere; what may go on in the next piece is held back (see
//! [`CleanStream`]).

use std::borrow::Cow;
use std::collections::VecDeque;

use ratatui::style::Style;
use ratatui::text::Span;

use super::stream::CleanStream;
use super::wrap::{expand_tabs, width_of};
use crate::support::sanitize::Coloured;
use crate::support::sanitize::sgr::Look;
use crate::tui::theme::Theme;

/// Cells between the stops of a terminal's tabulator.
const TAB: usize = 8;

/// One line, clean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputLine {
    text: String,
    /// From which byte on which look holds; plain before the first.
    looks: Vec<(usize, Look)>,
}

impl OutputLine {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line for the screen: the program's looks over `base`, tabs as spaces.
    pub fn spans(&self, base: Style, theme: Theme) -> Vec<Span<'_>> {
        let ends = self.looks.iter().map(|(at, _)| *at).skip(1).chain([self.text.len()]);
        let first = self.looks.first().map_or(self.text.len(), |(at, _)| *at);
        let runs = self.looks.iter().zip(ends).map(|((from, look), to)| (*from, to, *look));
        let tabs = self.text.contains('\t');
        let mut column = 0;
        let mut spans = Vec::with_capacity(self.looks.len() + 1);
        for (from, to, look) in std::iter::once((0, first, Look::default())).chain(runs) {
            let part = &self.text[from..to];
            if part.is_empty() {
                continue;
            }
            let part = if tabs { expand_tabs(part, TAB, column) } else { Cow::Borrowed(part) };
            column += if tabs { width_of(&part) } else { 0 };
            spans.push(Span::styled(part, base.patch(theme.program(look))));
        }
        spans
    }

    fn clear(&mut self) {
        self.text.clear();
        self.looks.clear();
    }

    fn look(&mut self, look: Look) {
        let at = self.text.len();
        self.looks.pop_if(|(last, _)| *last == at);
        if self.looks.last().map_or(Look::default(), |(_, last)| *last) != look {
            self.looks.push((at, look));
        }
    }

    /// Drops the beginning.
    fn cut(&mut self, mut from: usize) {
        while !self.text.is_char_boundary(from) {
            from += 1;
        }
        self.text.drain(..from);
        let held = self.looks.iter().rev().find(|(at, _)| *at <= from).copied();
        self.looks.retain(|(at, _)| *at > from);
        self.looks.iter_mut().for_each(|(at, _)| *at -= from);
        if let Some((_, look)) = held {
            self.looks.insert(0, (0, look));
        }
    }
}

/// The lines of an output, or of its end.
#[derive(Debug)]
pub struct Output {
    clean: CleanStream,
    lines: VecDeque<OutputLine>,
    /// Bytes of all lines, line ends included.
    bytes: usize,
    limit: usize,
    /// Whether the last line has no end yet.
    open: bool,
    /// Whether what comes next begins the last line anew.
    returned: bool,
    /// What holds where the output goes on.
    look: Look,
    cut: bool,
}

impl Output {
    /// No output yet. Of more than `limit` bytes the beginning is dropped.
    pub fn new(limit: usize) -> Self {
        Self {
            clean: CleanStream::default(),
            lines: VecDeque::new(),
            bytes: 0,
            limit,
            open: false,
            returned: false,
            look: Look::default(),
            cut: false,
        }
    }

    /// An output that is there already, all of it.
    pub fn whole(text: &str) -> Self {
        let mut output = Self::new(usize::MAX);
        output.push(text);
        let rest = output.clean.finish_coloured();
        output.take(&rest);
        output
    }

    /// One line of an output.
    pub fn line(text: &str) -> OutputLine {
        let mut lines = Self::whole(text).lines;
        lines.pop_front().unwrap_or_default()
    }

    /// More output.
    pub fn push(&mut self, chunk: &str) {
        // One huge chunk: only its end can be kept.
        let mut from = chunk.len().saturating_sub(self.limit);
        while !chunk.is_char_boundary(from) {
            from += 1;
        }
        self.cut |= from > 0;
        let piece = self.clean.push_coloured(&chunk[from..]);
        self.take(&piece);
    }

    /// A line that is no part of the output: it stands before a line that has no end yet.
    pub fn insert(&mut self, text: &str) {
        let line = Self::line(text);
        self.bytes += line.text.len() + 1;
        self.lines.insert(self.lines.len() - usize::from(self.open), line);
        self.trim();
    }

    /// Takes over the colours of lines that say the same, from the beginning and from the end as far as they do: what a
    /// model is given has none.
    pub fn coloured_as(&mut self, shown: &Self) {
        let same = |(line, shown): &mut (&mut OutputLine, &OutputLine)| line.text == shown.text;
        let take = |(line, shown): (&mut OutputLine, &OutputLine)| line.looks.clone_from(&shown.looks);
        if !shown.cut {
            let mut pairs =
                self.lines.iter_mut().zip(&shown.lines).map_while(|mut pair| same(&mut pair).then_some(pair));
            pairs.by_ref().for_each(take);
        }
        // Notes for the model come last.
        let after = |line: &OutputLine| shown.lines.back().is_some_and(|last| last.text != line.text);
        let notes = self.lines.iter().rev().take_while(|line| after(line)).count();
        let pairs = self.lines.iter_mut().rev().skip(notes).zip(shown.lines.iter().rev());
        pairs.map_while(|mut pair| same(&mut pair).then_some(pair)).for_each(take);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is nothing to see in it.
    pub fn is_blank(&self) -> bool {
        self.lines.iter().all(|line| line.text.trim().is_empty())
    }

    /// Whether the beginning has been dropped.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The lines.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &OutputLine> + ExactSizeIterator + Clone {
        self.lines.iter()
    }

    /// The last `count` lines.
    pub fn last(&self, count: usize) -> impl DoubleEndedIterator<Item = &OutputLine> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count))
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.lines.iter().map(OutputLine::text).collect();
        texts.join("\n")
    }

    fn take(&mut self, piece: &Coloured) {
        let text = piece.text.as_str();
        let mut looks = piece.looks.iter().copied().peekable();
        let mut returns = piece.returns.iter().copied().peekable();
        let mut from = 0;
        while from < text.len() {
            let newline = text[from..].find('\n').map(|at| from + at);
            let back = returns.next_if(|at| newline.is_none_or(|newline| *at < newline));
            let end = back.or(newline).unwrap_or(text.len());
            while let Some((_, look)) = looks.next_if(|(at, _)| *at <= from) {
                self.look = look;
            }
            if !self.open {
                self.lines.push_back(OutputLine::default());
                self.bytes += 1;
                (self.open, self.returned) = (true, false);
            }
            if end > from {
                self.extend(text, from..end, &mut looks);
            }
            self.returned |= back.is_some();
            self.open = back.is_some() || newline.is_none();
            from = match (back, newline) {
                // The picture that the sanitizer has put there.
                (Some(at), _) => at + '\u{240d}'.len_utf8(),
                (None, Some(at)) => at + 1,
                (None, None) => text.len(),
            };
        }
        for (_, look) in looks {
            self.look = look;
        }
        self.trim();
    }

    /// Drops the oldest lines where there are too many.
    fn trim(&mut self) {
        while self.bytes > self.limit && self.lines.len() > 1 {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(line.text.len() + 1);
            self.cut = true;
        }
    }

    /// Adds to the last line.
    fn extend(
        &mut self,
        text: &str,
        range: std::ops::Range<usize>,
        looks: &mut std::iter::Peekable<impl Iterator<Item = (usize, Look)>>,
    ) {
        let Some(line) = self.lines.back_mut() else { return };
        self.bytes = self.bytes.saturating_sub(line.text.len());
        if std::mem::take(&mut self.returned) {
            line.clear();
        }
        line.look(self.look);
        let mut from = range.start;
        while let Some((at, look)) = looks.next_if(|(at, _)| *at < range.end) {
            line.text.push_str(&text[from..at]);
            line.look(look);
            self.look = look;
            from = at;
        }
        line.text.push_str(&text[from..range.end]);
        // A line without end counts as the whole does.
        if line.text.len() > self.limit {
            line.cut(line.text.len() - self.limit / 2);
            self.cut = true;
        }
        self.bytes += line.text.len();
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Modifier};

    use super::*;

    const LIMIT: usize = 64 * 1024;

    fn lines(chunks: &[&str]) -> Vec<String> {
        let mut output = Output::new(LIMIT);
        for chunk in chunks {
            output.push(chunk);
        }
        output.lines().map(|line| line.text().to_owned()).collect()
    }

    #[test]
    fn a_line_from_elsewhere_breaks_none_of_the_output() {
        let mut output = Output::new(LIMIT);
        output.insert("first");
        output.push("whole\nhalf");
        output.insert("-> a.test:443\x1b[2J");
        output.push(" a line\n");
        output.insert("last");
        let lines: Vec<_> = output.lines().map(OutputLine::text).collect();
        assert_eq!(lines, ["first", "whole", "-> a.test:443", "half a line", "last"]);
    }

    #[test]
    fn output_comes_in_lines_however_it_is_cut() {
        assert_eq!(lines(&["one\ntw", "o\n\nthr", "ee"]), ["one", "two", "", "three"]);
        assert_eq!(lines(&["one\n"]), ["one"]);
        assert_eq!(lines(&["one", "\n", "two"]), ["one", "two"]);
        assert_eq!(lines(&["a\r\nb\r", "\nc"]), ["a", "b", "c"]);
    }

    #[test]
    fn a_plain_output_takes_over_the_colours_of_what_was_shown() {
        let red = |line: &OutputLine| {
            line.spans(Style::default(), Theme::default()).iter().any(|span| span.style.fg.is_some())
        };
        let mut shown = Output::new(LIMIT);
        shown.push("\x1b[31mone\x1b[0m\ntwo\n-> a.test:443\n\x1b[31mthree\x1b[0m\nfour");
        let mut plain = Output::whole("one\ntwo\nthree\nfour\n[a note]");
        plain.coloured_as(&shown);
        let coloured: Vec<&str> = plain.lines().filter(|line| red(line)).map(OutputLine::text).collect();
        assert_eq!(coloured, ["one", "three"]);
        let mut other = Output::whole("else");
        other.coloured_as(&shown);
        assert!(!other.lines().any(red));
    }

    #[test]
    fn a_progress_line_takes_one_line() {
        assert_eq!(lines(&["10%\r", "50%\r100%", "\ndone"]), ["100%", "done"]);
        assert_eq!(lines(&["10%\r20%\r", "\x1b[K30%"]), ["30%"]);
        // The state before a return stays until something takes its place.
        assert_eq!(lines(&["10%\r", "\r\n"]), ["10%"]);
        assert_eq!(Output::whole("10%\r20%\r").text(), "20%");
        // The picture itself is no return.
        assert_eq!(lines(&["a␍b\n"]), ["a␍b"]);
        let bar: String =
            (0..=100).flat_map(|n| ["\r\x1b[2K".to_owned(), n.to_string(), "% of the file".to_owned()]).collect();
        assert_eq!(Output::whole(&format!("start\n{bar}\nend\n")).text(), "start\n100% of the file\nend");
    }

    #[test]
    fn live_output_is_bounded() {
        let mut output = Output::new(LIMIT);
        for n in 0..20_000 {
            output.push(&format!("line {n} of very many\n"));
        }
        assert!(output.bytes <= LIMIT && output.text().len() <= LIMIT, "{}", output.bytes);
        assert_eq!(output.last(1).map(OutputLine::text).collect::<Vec<_>>(), ["line 19999 of very many"]);
        assert!(output.is_cut());
        let mut endless = Output::new(LIMIT);
        for _ in 0..100 {
            endless.push(&format!("\x1b[31m{}", "x".repeat(10_000)));
        }
        endless.push(&"日".repeat(100_000));
        assert!(endless.text().len() <= LIMIT + 3, "{}", endless.text().len());
    }

    #[test]
    fn colours_hold_over_lines_and_pieces() {
        let mut output = Output::new(LIMIT);
        for piece in ["a\x1b[3", "1mred\nstill", " red\x1b[0;1m\nbold\x1b[m plain"] {
            output.push(piece);
        }
        let theme = Theme::new(true, false);
        let spans: Vec<Vec<Span<'_>>> = output.lines().map(|line| line.spans(Style::new(), theme)).collect();
        let red = Style::new().fg(Color::Red);
        assert_eq!(spans[0], [Span::raw("a"), Span::styled("red", red)]);
        assert_eq!(spans[1], [Span::styled("still red", red)]);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        assert_eq!(spans[2], [Span::styled("bold", bold), Span::raw(" plain")]);
        let plain = output.lines().flat_map(|line| line.spans(Style::new(), Theme::new(false, false)));
        assert!(plain.map(|span| span.style).all(|style| style.fg.is_none()));
    }

    #[test]
    fn a_line_that_begins_anew_has_no_colours_of_before() {
        let mut output = Output::new(LIMIT);
        output.push("\x1b[31m10%\r\x1b[32m20%\r");
        output.push("\x1b[mdone");
        assert_eq!(output.lines().next(), Some(&OutputLine { text: "done".to_owned(), looks: vec![] }));
    }

    #[test]
    fn tabs_reach_the_terminals_stops_whatever_the_colours() {
        let line = Output::line("ab\t\x1b[31mc\x1b[m\td");
        let text: String =
            line.spans(Style::new(), Theme::default()).iter().map(|span| span.content.as_ref()).collect();
        assert_eq!(text, "ab      c       d");
        assert_eq!(line.text(), "ab\tc\td");
    }

    #[test]
    fn a_cut_line_keeps_the_look_of_its_end() {
        let mut line = Output::line("\x1b[31mred\x1b[32mgreen");
        line.cut(5);
        let green = Look { fg: Some(crate::support::sanitize::sgr::Colour::Sixteen(2)), ..Look::default() };
        assert_eq!(line, OutputLine { text: "een".to_owned(), looks: vec![(0, green)] });
    }
}
