//! Output as it stands on a screen when it is over: without colours, and with lines that were written over left out.
//!
//! A progress bar of a thousand states is one line for the model. Output comes in pieces that are cut anywhere.

/// Characters of a sequence that are left out. One that is longer was none, or is not for a model: the rest is text.
const SEQUENCE: usize = 4096;
/// Bytes of a line that wait for its end. What is longer is no progress bar.
const LINE: usize = 16 << 10;

/// Makes plain text of output that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// The line that has no end yet.
    line: String,
    /// Whether what comes next begins the line anew.
    returned: bool,
    inside: Inside,
    /// Characters of the sequence so far.
    sequence: usize,
}

/// Where in a sequence for terminals the text is cut.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Inside {
    #[default]
    Text,
    Escape,
    /// After `ESC [`, to a final byte.
    Control,
    /// After `ESC ]` and its like, to BEL or `ESC \`, to the end of the line, or to [`SEQUENCE`].
    Long,
    /// An ESC in such a one.
    LongEscape,
}

impl Plain {
    /// The lines that have come to their end.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            self.sequence = if self.inside == Inside::Text { 0 } else { self.sequence + 1 };
            if self.sequence > SEQUENCE {
                self.inside = Inside::Text;
            }
            self.inside = match (self.inside, c) {
                // After one of the range a final byte follows.
                (Inside::Text | Inside::Escape | Inside::Control, '\u{1b}') | (Inside::Escape, '\u{20}'..='\u{2f}') => {
                    Inside::Escape
                }
                (Inside::Text, c) => {
                    self.text(c, &mut out);
                    Inside::Text
                }
                // What has no end must not hide what follows; and these belong to no sequence of this kind.
                (Inside::Long | Inside::LongEscape | Inside::Escape | Inside::Control, '\n')
                | (Inside::Control | Inside::Escape, '\u{80}'..) => {
                    self.text(c, &mut out);
                    Inside::Text
                }
                // What ends a sequence from everywhere, and what each kind ends with.
                (_, '\u{18}' | '\u{1a}')
                | (Inside::Long, '\u{7}')
                | (Inside::LongEscape, '\\')
                | (Inside::Control, '\u{40}'..='\u{7e}') => Inside::Text,
                (Inside::Long, '\u{1b}') => Inside::LongEscape,
                (Inside::Long | Inside::LongEscape, _) | (Inside::Escape, ']' | 'P' | 'X' | '^' | '_') => Inside::Long,
                (Inside::Escape, '[') | (Inside::Control, _) => Inside::Control,
                (Inside::Escape, _) => Inside::Text,
            };
        }
        out
    }

    fn text(&mut self, c: char, out: &mut String) {
        match c {
            '\n' => {
                self.returned = false;
                out.push_str(&self.line);
                self.line.clear();
                out.push('\n');
            }
            '\r' => self.returned = true,
            '\u{8}' => {
                self.line.pop();
            }
            c => {
                if std::mem::take(&mut self.returned) {
                    self.line.clear();
                }
                self.line.push(c);
                if self.line.len() >= LINE {
                    out.push_str(&self.line);
                    self.line.clear();
                }
            }
        }
    }

    /// The line that never came to its end.
    pub(super) fn finish(&mut self) -> String {
        self.inside = Inside::Text;
        std::mem::take(&mut self.line)
    }
}

/// A whole text made plain.
pub(super) fn of(text: &str) -> String {
    let mut plain = Plain::default();
    plain.push(text) + &plain.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, size: usize) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut plain = Plain::default();
        let mut out: String = chars.chunks(size).map(|piece| plain.push(&piece.iter().collect::<String>())).collect();
        out.push_str(&plain.finish());
        out
    }

    #[test]
    fn colours_go_and_lines_that_were_written_over_too() {
        let text = "a\u{1b}[1;31mred\u{1b}[0m\n 10%\r 50%\r100%\r\nwin\r\n\u{1b}]0;title\u{7}b\u{1b}]8;;x\u{1b}\\c\u{1b}(Bd\n12\u{8}3";
        for size in 1..40 {
            assert_eq!(plain(text, size), "ared\n100%\nwin\nbcd\n13", "pieces of {size}");
        }
    }

    #[test]
    fn a_sequence_without_an_end_hides_nothing_that_follows_its_line() {
        for begin in ["\u{1b}]0;title", "\u{1b}_", "\u{1b}P", "\u{1b}]x\u{1b}"] {
            for size in [1, 3, 100] {
                assert_eq!(plain(&format!("first{begin}\nsecond\n"), size), "first\nsecond\n", "{begin:?}");
            }
        }
    }

    #[test]
    fn a_sequence_hides_only_so_much_of_its_line() {
        for begin in ["\u{1b}]0;", "\u{1b}P", "\u{1b}["] {
            for size in [7, 10_000] {
                let said = plain(&format!("first{begin}{}SECOND", "1".repeat(2 * SEQUENCE)), size);
                assert!(said.starts_with("first1") && said.ends_with("1SECOND"), "{begin:?}: {}", said.len());
            }
        }
        assert_eq!(plain("a\u{1b}[31世b\u{1b}[\nc\u{1b}\nd", 2), "a世b\nc\nd");
    }

    #[test]
    fn a_long_line_does_not_wait_for_its_end() {
        let mut plain = Plain::default();
        let out = plain.push(&"世".repeat(LINE));
        assert!(out.len() > LINE * 2 && plain.line.len() < LINE);
    }
}
