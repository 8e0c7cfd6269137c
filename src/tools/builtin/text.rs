//! Text files as they are: characters for the model, and bytes in which everything that was not changed stays the same.

mod line_ends;
mod stream;

use std::borrow::Cow;
use std::ops::Range;

use crate::support::encoding::{Form, NotInEncoding};

pub(super) use line_ends::{fitted, is_crlf, places, with_crlf};
pub(super) use stream::Utf8;

/// A piece of a text, and what stands in its place.
pub(super) type Change<'a> = (Range<usize>, Cow<'a, str>);

/// Why a changed text cannot be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextError {
    /// The encoding of the file has no such character.
    #[error(transparent)]
    NotInEncoding(#[from] NotInEncoding),
    /// Characters and bytes of a line that is to be changed do not belong together one to one.
    #[error("line {line} holds bytes that are not valid {encoding}")]
    NotExact {
        /// Its number.
        line: usize,
        /// The file's encoding.
        encoding: &'static str,
    },
}

/// A whole text file.
#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) form: Form,
    /// As characters, without a byte order mark.
    pub(super) text: String,
    /// Without the byte order mark.
    raw: Vec<u8>,
    /// Where each line begins in `raw` and in `text`, where the text does not give back the same bytes.
    lines: Option<Vec<(usize, usize)>>,
}

impl TextFile {
    /// `None` when it is no text.
    pub(super) fn open(mut raw: Vec<u8>) -> Option<Self> {
        let form = Form::of(&raw, true)?;
        raw.drain(..form.mark().len());
        let text = form.decode(&raw);
        if form.encode(&text).is_ok_and(|bytes| bytes == raw) {
            return Some(Self { form, text, raw, lines: None });
        }
        let (mut text, mut lines, mut at) = (String::new(), Vec::new(), 0);
        // In UTF-16 a line feed is two bytes: all of it is one line then.
        for line in if form.is_wide() { vec![&*raw] } else { raw.split_inclusive(|byte| *byte == b'\n').collect() } {
            lines.push((at, text.len()));
            text.push_str(&form.decode(line));
            at += line.len();
        }
        Some(Self { form, text, raw, lines: Some(lines) })
    }

    /// The bytes of the file with changes, which are in order and do not overlap.
    pub(super) fn changed(&self, changes: &[Change<'_>]) -> Result<Vec<u8>, TextError> {
        let mut out = self.form.mark().to_vec();
        let Some(lines) = &self.lines else {
            out.extend_from_slice(&self.form.encode(&apply(&self.text, 0..self.text.len(), changes))?);
            return Ok(out);
        };
        let line_of = |at: usize| lines.partition_point(|(_, begin)| *begin <= at).saturating_sub(1);
        let begin = |line: usize| lines.get(line).copied().unwrap_or((self.raw.len(), self.text.len()));
        let (mut written, mut rest) = (0, changes);
        while let Some((first, _)) = rest.first() {
            // Lines that are touched together are written together.
            let (from, mut to) = (line_of(first.start), line_of(first.end.max(first.start + 1) - 1) + 1);
            let mut count = 1;
            while let Some((next, _)) = rest.get(count).filter(|(next, _)| line_of(next.start) < to) {
                to = to.max(line_of(next.end.max(next.start + 1) - 1) + 1);
                count += 1;
            }
            let ((raw_from, text_from), (raw_to, text_to)) = (begin(from), begin(to));
            let same = self.form.encode(&self.text[text_from..text_to]);
            if !same.is_ok_and(|bytes| bytes == self.raw[raw_from..raw_to]) {
                return Err(TextError::NotExact { line: from + 1, encoding: self.form.encoding() });
            }
            out.extend_from_slice(&self.raw[written..raw_from]);
            out.extend_from_slice(&self.form.encode(&apply(&self.text, text_from..text_to, &rest[..count]))?);
            written = raw_to;
            rest = &rest[count..];
        }
        out.extend_from_slice(&self.raw[written..]);
        Ok(out)
    }

    /// The bytes of a file of the same form with another content.
    pub(super) fn replaced(&self, content: &str) -> Result<Vec<u8>, TextError> {
        Ok([self.form.mark(), &self.form.encode(self.without_mark(content))?].concat())
    }

    /// A file that has a mark gets no second one.
    fn without_mark<'a>(&self, content: &'a str) -> &'a str {
        if self.form.mark().is_empty() { content } else { content.strip_prefix('\u{feff}').unwrap_or(content) }
    }

    /// The bytes of the file with more at its end.
    pub(super) fn with_more(&self, more: &str) -> Result<Vec<u8>, TextError> {
        Ok([self.form.mark(), &self.raw, &self.form.encode(self.without_mark(more))?].concat())
    }
}

/// A part of a text with the changes in it.
pub(super) fn apply(text: &str, part: Range<usize>, changes: &[Change<'_>]) -> String {
    let mut out = String::with_capacity(part.len());
    let mut at = part.start;
    for (range, new) in changes {
        out.push_str(&text[at..range.start]);
        out.push_str(new);
        at = range.end;
    }
    out.push_str(&text[at..part.end]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(file: &TextFile, old: &str, new: &str) -> Result<Vec<u8>, TextError> {
        let ranges: Vec<Range<usize>> = file.text.match_indices(old).map(|(at, hit)| at..at + hit.len()).collect();
        assert!(!ranges.is_empty(), "{old} is not in {:?}", file.text);
        let changes: Vec<Change<'_>> = ranges.into_iter().map(|range| (range, Cow::Borrowed(new))).collect();
        file.changed(&changes)
    }

    #[test]
    fn bytes_that_are_not_changed_stay_even_where_they_make_no_sense() {
        // One line that is no UTF-8 between lines that are.
        let raw =
            ["ähm für Öl, größer und süßer\n".as_bytes(), b"bad \xff\xfe line\n", "schön\nschön\n".as_bytes()].concat();
        let file = TextFile::open(raw.clone()).expect("text");
        assert!(file.lines.is_some());
        let changed = change(&file, "schön", "gut").expect("changed");
        assert_eq!(changed, [&raw[..raw.len() - 14], b"gut\ngut\n"].concat());
        let error = change(&file, "bad", "good").expect_err("refused");
        assert_eq!(error, TextError::NotExact { line: 2, encoding: "UTF-8" });
    }

    #[test]
    fn a_whole_new_content_needs_no_exact_old_one_and_has_one_mark() {
        let file = TextFile::open("größer und süßer\n".bytes().chain(*b"bad \xff\n").collect()).expect("text");
        assert!(file.lines.is_some());
        assert_eq!(file.replaced("new ä\n").expect("fits"), "new ä\n".as_bytes());
        let file = TextFile::open("\u{feff}old\n".into()).expect("text");
        for content in ["new", "\u{feff}new"] {
            assert_eq!(file.replaced(content).expect("fits"), "\u{feff}new".as_bytes());
            assert_eq!(file.with_more(content).expect("fits"), "\u{feff}old\nnew".as_bytes());
        }
    }

    #[test]
    fn more_goes_behind_what_is_there_in_the_same_encoding() {
        let file = TextFile::open(b"\xff\xfea\0\n\0".to_vec()).expect("text");
        assert_eq!(file.text, "a\n");
        assert_eq!(file.with_more("é𝄞").expect("fits"), b"\xff\xfea\0\n\0\xe9\0\x34\xd8\x1e\xdd");
        let file = TextFile::open(b"caf\xe9\n".to_vec()).expect("text");
        let error = file.with_more("世").expect_err("it has no such character");
        assert!(error.to_string().contains("windows-1252") && error.to_string().contains("U+4E16"), "{error}");
    }
}
