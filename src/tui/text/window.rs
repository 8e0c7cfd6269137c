//! A file of any size, read only where it is looked at.
//!
//! The full output of a call can have 64 MiB. [`FileWindow`] never holds more than a few pages of it: a position is
//! the byte at which a line begins, and lines are read forwards and backwards from there. A line without end is taken
//! in pieces of 8 KiB. A search goes through the file a slice at a time, so that no frame waits for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::output::{Output, OutputLine};

/// Longest piece of a line.
const PIECE: usize = 8 * 1024;
/// Bytes searched in one step.
const SEARCH_STEP: u64 = 2 * 1024 * 1024;

/// An open file.
#[derive(Debug)]
pub struct FileWindow {
    file: File,
    bytes: u64,
}

/// A line, or a piece of a very long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowLine {
    /// Where it begins.
    pub start: u64,
    /// Where the next one begins.
    pub end: u64,
    /// What a terminal would have shown of it, clean.
    pub line: OutputLine,
}

/// A search that goes on step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    needle: Vec<u8>,
    at: u64,
    backwards: bool,
    left: u64,
}

/// What one step of a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The start of the line that holds it.
    At(u64),
    /// Nothing yet; go on.
    NotYet,
    /// Nothing in the whole file.
    Nowhere,
}

impl FileWindow {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file, bytes: metadata.len() })
    }

    /// Its size when it was opened or [`Self::refresh`]ed last.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Looks at its size again: a running call may still write to it.
    pub fn refresh(&mut self) {
        if let Ok(metadata) = self.file.metadata() {
            self.bytes = metadata.len();
        }
    }

    /// At most `count` lines from `start` on, which must be a position that this window gave, or 0.
    pub fn lines_from(&self, start: u64, count: usize) -> io::Result<Vec<WindowLine>> {
        let mut out = Vec::with_capacity(count);
        let mut at = start;
        let mut page: Vec<u8> = Vec::new();
        let mut page_start = at;
        while out.len() < count && at < self.bytes {
            let mut rest = &page[(at - page_start) as usize..];
            let whole = rest.iter().take(PIECE).any(|byte| *byte == b'\n');
            if !whole && rest.len() < PIECE && page_start + (page.len() as u64) < self.bytes {
                page = self.read(at, PIECE * 4)?;
                page_start = at;
                if page.is_empty() {
                    break;
                }
                rest = &page;
            }
            let (text, length) = first_piece(rest);
            out.push(WindowLine {
                start: at,
                end: at + length as u64,
                line: Output::line(&String::from_utf8_lossy(text)),
            });
            at += length as u64;
        }
        Ok(out)
    }

    /// Where the line `count` lines before `start` begins, or the first one.
    pub fn back(&self, start: u64, count: usize) -> io::Result<u64> {
        let mut at = start.min(self.bytes);
        for _ in 0..count {
            if at == 0 {
                break;
            }
            at = self.line_before(at)?;
        }
        Ok(at)
    }

    /// Where the line that holds byte `at` begins.
    pub fn line_of(&self, at: u64) -> io::Result<u64> {
        if at >= self.bytes { self.back(self.bytes, 1) } else { self.line_before(at + 1) }
    }

    /// Where the line begins whose last byte stands before `end`.
    fn line_before(&self, end: u64) -> io::Result<u64> {
        let from = end.saturating_sub(PIECE as u64 + 1);
        let page = self.read(from, (end - from) as usize)?;
        let body = page.len().saturating_sub(1);
        if let Some(newline) = page[..body].iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + newline as u64 + 1);
        }
        if from == 0 {
            return Ok(0);
        }
        // A piece of a long line; not in the middle of a character.
        let start = page.iter().position(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
        Ok((from + start as u64).min(end - 1))
    }

    /// Begins a search for `text` (ASCII case is ignored) in the lines after, or before, the one at `start`.
    pub fn search(&self, text: &str, start: u64, backwards: bool) -> io::Result<Search> {
        let after = self.lines_from(start, 1)?.first().map_or(0, |line| line.end);
        let at = if backwards { start } else { after };
        Ok(Search { needle: text.to_ascii_lowercase().into_bytes(), at, backwards, left: self.bytes })
    }

    /// Looks a little further; goes around the end of the file once.
    pub fn step(&self, search: &mut Search) -> io::Result<Found> {
        if search.needle.is_empty() || search.left == 0 {
            return Ok(Found::Nowhere);
        }
        // A match may begin in this slice and end behind it.
        let overlap = search.needle.len() as u64 - 1;
        let (from, to) = if search.backwards {
            let end = if search.at == 0 { self.bytes } else { search.at };
            (end.saturating_sub(SEARCH_STEP), end)
        } else {
            let begin = if search.at >= self.bytes { 0 } else { search.at };
            (begin, (begin + SEARCH_STEP).min(self.bytes))
        };
        let mut page = self.read(from, (to - from + overlap) as usize)?;
        page.make_ascii_lowercase();
        let hit = if search.backwards { rfind(&page, &search.needle) } else { find(&page, &search.needle) };
        if let Some(hit) = hit {
            search.left = 0;
            return self.line_of(from + hit as u64).map(Found::At);
        }
        search.left = search.left.saturating_sub((to - from).max(1));
        search.at = if search.backwards { from } else { to };
        Ok(if search.left == 0 { Found::Nowhere } else { Found::NotYet })
    }

    fn read(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let length = length.min(self.bytes.saturating_sub(from) as usize);
        let mut page = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut page[filled..], from + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        page.truncate(filled);
        Ok(page)
    }
}

/// The first line of the bytes without its break, and its length with it.
fn first_piece(bytes: &[u8]) -> (&[u8], usize) {
    let window = &bytes[..bytes.len().min(PIECE)];
    if let Some(newline) = window.iter().position(|byte| *byte == b'\n') {
        return (&window[..newline], newline + 1);
    }
    let mut end = window.len();
    if bytes.len() > end {
        // Not in the middle of a character.
        while end > window.len().saturating_sub(3) && bytes[end] & 0xc0 == 0x80 {
            end -= 1;
        }
    }
    let end = end.max(1).min(bytes.len());
    (&bytes[..end], end)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(offset) = haystack[at..].iter().position(|byte| *byte == first) {
        at += offset;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut end = haystack.len();
    while let Some(at) = haystack[..end].iter().rposition(|byte| *byte == first) {
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        end = at;
    }
    None
}

#[cfg(test)]
mod tests;
