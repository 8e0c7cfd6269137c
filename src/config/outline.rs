//! Finds the lines of a block-style YAML file on which its keys stand.
//!
//! The YAML library gives values without places. This reads the *layout* alone, line by line: it tells on which line a
//! field stands, for messages, and which bytes of that line are its value, for [`mod@super::save`]. It is no second parser:
//! what a value means is never decided here, and whatever it does not understand becomes an [`Obstacle`], after which
//! messages have no line and saving refuses to edit.
//!
//! ```text
//! chat:                      entry "chat", shape Block, lines 0..=2
//!   model: kimi # mine       entry "chat.model", shape Scalar, bytes 9..13
//!   base_url: "http://x"     entry "chat.base_url", shape Scalar in double quotes
//! ```

mod text;

use text::{closed, key, odd_break};

/// Why a file cannot be edited line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The line, from 0.
    pub line: usize,
    /// What stands there.
    pub what: &'static str,
}

/// How a value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing follows the colon.
    Empty,
    /// One scalar on the key's own line, as a range of bytes, with its quotes.
    Scalar { start: usize, end: usize, quote: Option<char> },
    /// `[...]` or `{...}` on the key's own line, as a range of bytes.
    Flow { start: usize, end: usize },
    /// A value that goes over several lines.
    Long,
    /// Keys below.
    Block,
    /// A list below.
    Items,
}

/// One key of the file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The whole path, its parts joined by dots.
    pub path: String,
    /// The key's line, from 0.
    pub line: usize,
    /// The last line of its value, from 0.
    pub last_line: usize,
    /// Spaces before the key.
    pub indent: usize,
    /// Bytes up to and including the colon.
    pub after_colon: usize,
    /// How its value is laid out.
    pub shape: Shape,
}

/// The keys of a file, in the order of its lines.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub entries: Vec<Entry>,
    /// Items of lists by path (`a.b[0]`) and line.
    items: Vec<(String, usize)>,
    /// The first thing that is in the way of editing.
    pub obstacle: Option<Obstacle>,
}

/// A mapping that is open at the current line.
struct Open {
    indent: usize,
    owner: Option<usize>,
}

impl Outline {
    /// Reads the layout of a file.
    pub(super) fn of(text: &str) -> Self {
        Scan {
            lines: text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect(),
            ..Scan::default()
        }
        .run(text)
    }

    /// The entry of a path.
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// The line (from 1) of a path, or of the nearest thing around it that has one.
    pub(super) fn line_of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            let entry = self.entry(path).map(|entry| entry.line);
            let item = || self.items.iter().find(|(item, _)| item == path).map(|(_, line)| *line);
            if let Some(line) = entry.or_else(item) {
                return Some(line + 1);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// The line (from 1) on which a path stands for the second time.
    pub(super) fn second_line_of(&self, path: &str) -> Option<usize> {
        self.entries.iter().filter(|entry| entry.path == path).nth(1).map(|entry| entry.line + 1)
    }
}

#[derive(Default)]
struct Scan<'a> {
    lines: Vec<&'a str>,
    outline: Outline,
    open: Vec<Open>,
    started: bool,
}

impl Scan<'_> {
    fn run(mut self, text: &str) -> Outline {
        if let Some(at) = odd_break(text) {
            self.obstacle(text[..at].matches('\n').count(), "a line break that is neither LF nor CRLF");
        }
        let mut line = 0;
        while let Some(next) = self.step(line) {
            line = next;
        }
        self.outline
    }

    fn obstacle(&mut self, line: usize, what: &'static str) {
        self.outline.obstacle.get_or_insert(Obstacle { line, what });
    }

    /// Reads what begins on a line; the line after it, or `None` at the end and where the layout is not understood.
    fn step(&mut self, at: usize) -> Option<usize> {
        let line = *self.lines.get(at)?;
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        if body.trim().is_empty() || body.trim_start().starts_with('#') {
            return Some(at + 1);
        }
        if body.starts_with('\t') {
            self.obstacle(at, "a tab in the indentation");
            return None;
        }
        if indent == 0 && (body.starts_with("---") || body.starts_with("...") || body.starts_with('%')) {
            return self.marker(at, body);
        }
        self.started = true;
        if body == "-" || body.starts_with("- ") || body.starts_with("-\t") {
            return self.items(at, indent);
        }
        match key(body) {
            Some((name, colon)) => self.key(at, indent, &name, indent + colon),
            None => self.value_below(at, indent),
        }
    }

    fn marker(&mut self, at: usize, body: &str) -> Option<usize> {
        let bare = body.strip_prefix("---").is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.is_empty() || rest.starts_with('#')
        });
        if bare && !self.started {
            self.started = true;
            return Some(at + 1);
        }
        self.obstacle(at, "a directive or a second document");
        None
    }

    fn key(&mut self, at: usize, indent: usize, name: &str, after_colon: usize) -> Option<usize> {
        while self.open.last().is_some_and(|open| open.indent > indent) {
            self.open.pop();
        }
        match self.open.last() {
            Some(open) if open.indent == indent => {}
            Some(_) => {
                let owner = self.outline.entries.len().checked_sub(1)?;
                if self.outline.entries[owner].shape != Shape::Empty {
                    self.obstacle(at, "indentation that fits no key above it");
                    return None;
                }
                self.outline.entries[owner].shape = Shape::Block;
                self.open.push(Open { indent, owner: Some(owner) });
            }
            None if self.outline.entries.is_empty() => self.open.push(Open { indent, owner: None }),
            None => {
                self.obstacle(at, "indentation that fits no key above it");
                return None;
            }
        }
        let path = match self.open.last().and_then(|open| open.owner) {
            Some(owner) => format!("{}.{name}", self.outline.entries[owner].path),
            None => name.to_owned(),
        };
        let (shape, last_line) = self.value(at, after_colon, indent)?;
        self.outline.entries.push(Entry { path, line: at, last_line: at, indent, after_colon, shape });
        self.extend(last_line);
        Some(last_line + 1)
    }

    /// Tells the newest entry and all around it where it ends.
    fn extend(&mut self, last_line: usize) {
        if let Some(entry) = self.outline.entries.last_mut() {
            entry.last_line = last_line;
        }
        for owner in self.open.iter().filter_map(|open| open.owner) {
            let entry = &mut self.outline.entries[owner];
            entry.last_line = entry.last_line.max(last_line);
        }
    }

    /// The entry that waits for a value, if what stands at `indent` can be it.
    fn waiting(&self, indent: usize, same: bool) -> Option<usize> {
        let last = self.outline.entries.len().checked_sub(1)?;
        let entry = &self.outline.entries[last];
        let fits = indent > entry.indent || (same && indent == entry.indent);
        (entry.shape == Shape::Empty && fits).then_some(last)
    }

    fn items(&mut self, at: usize, indent: usize) -> Option<usize> {
        let Some(owner) = self.waiting(indent, true) else {
            self.obstacle(at, "a list where a key is expected");
            return None;
        };
        let path = self.outline.entries[owner].path.clone();
        let (mut next, mut count, mut last_line) = (at, 0, at);
        while let Some(line) = self.lines.get(next) {
            let body = line.trim_start_matches(' ');
            let here = line.len() - body.len();
            if !body.trim().is_empty() && !body.starts_with('#') {
                let item = here == indent && (body == "-" || body.starts_with("- ") || body.starts_with("-\t"));
                if item {
                    self.outline.items.push((format!("{path}[{count}]"), next));
                    count += 1;
                } else if here <= indent {
                    break;
                }
                last_line = next;
            }
            next += 1;
        }
        self.outline.entries[owner].shape = Shape::Items;
        self.extend(last_line);
        Some(last_line + 1)
    }

    /// A value that begins on a line of its own.
    fn value_below(&mut self, at: usize, indent: usize) -> Option<usize> {
        let Some(owner) = self.waiting(indent, false) else {
            let flow = self.lines[at][indent..].starts_with(['{', '[']);
            self.obstacle(at, if flow { "flow style" } else { "a line that is neither key nor list" });
            return None;
        };
        let parent = self.outline.entries[owner].indent;
        let (_, last_line) = self.value(at, indent, parent)?;
        self.outline.entries[owner].shape = Shape::Long;
        self.extend(last_line);
        Some(last_line + 1)
    }

    /// The layout of the value that follows byte `from` of a line, and its last line.
    fn value(&mut self, at: usize, from: usize, key_indent: usize) -> Option<(Shape, usize)> {
        let line = self.lines[at];
        let (mut marked, mut alias) = (false, false);
        let mut from = from;
        let start = loop {
            let start = from + (line[from..].len() - line[from..].trim_start_matches([' ', '\t']).len());
            if !line[start..].starts_with(['&', '*', '!']) {
                break start;
            }
            self.obstacle(at, "an anchor, an alias or a tag");
            marked = true;
            alias |= line[start..].starts_with('*');
            from = line[start..].find([' ', '\t']).map_or(line.len(), |length| start + length);
        };
        let (shape, last) = self.plain_value(at, start, key_indent)?;
        let long = match shape {
            Shape::Empty => alias,
            Shape::Scalar { .. } | Shape::Flow { .. } => marked,
            _ => false,
        };
        Some((if long { Shape::Long } else { shape }, last))
    }

    /// The same where neither anchor nor tag stands before the value.
    fn plain_value(&mut self, at: usize, start: usize, key_indent: usize) -> Option<(Shape, usize)> {
        let line = self.lines[at];
        match line[start..].chars().next() {
            None | Some('#') => Some((Shape::Empty, at)),
            Some('|' | '>') => Some((Shape::Long, self.deeper_than(at, key_indent, true))),
            Some('"' | '\'' | '[' | '{') => {
                let Some((last, end)) = closed(&self.lines, at, start) else {
                    self.obstacle(at, "a quote or bracket that is not closed");
                    return None;
                };
                let tail = &self.lines[last][end..];
                if !(tail.trim().is_empty() || (tail.starts_with([' ', '\t']) && tail.trim_start().starts_with('#'))) {
                    self.obstacle(last, "text after the end of a value");
                    return None;
                }
                if last > at {
                    return Some((Shape::Long, last));
                }
                let first = line[start..].chars().next();
                let flow = matches!(first, Some('[' | '{'));
                Some((if flow { Shape::Flow { start, end } } else { Shape::Scalar { start, end, quote: first } }, at))
            }
            Some(_) => {
                let length = [" #", "\t#"].iter().filter_map(|mark| line[start..].find(mark)).min();
                let end = start + line[start..][..length.unwrap_or(line.len() - start)].trim_end().len();
                let last = if length.is_some() { at } else { self.deeper_than(at, key_indent, false) };
                Some((if last > at { Shape::Long } else { Shape::Scalar { start, end, quote: None } }, last))
            }
        }
    }

    /// The last of the lines after `at` that are indented deeper than a key; in a block scalar a `#` is text.
    fn deeper_than(&self, at: usize, key_indent: usize, block_scalar: bool) -> usize {
        let mut last = at;
        for (offset, line) in self.lines[at + 1..].iter().enumerate() {
            let body = line.trim_start_matches(' ');
            if body.trim().is_empty() {
                continue;
            }
            if line.len() - body.len() <= key_indent || (!block_scalar && body.starts_with('#')) {
                break;
            }
            last = at + 1 + offset;
        }
        last
    }
}

#[cfg(test)]
mod tests;
