//! Writes single settings back into the config file and leaves every other line as the user wrote it.
//!
//! The file belongs to the user: comments, order, indentation and quotes stay. Only block-style YAML is edited; where
//! the layout is something else the file is left alone, and the text that it would have become is handed back. Before
//! anything is returned the result is parsed again and compared with what was asked, so that a mistake about the layout
//! can cost an edit, but never a setting.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

pub use super::change::Change;
use super::change::{Step, is_key};
use super::outline::{Entry, Outline, Shape};
use super::read::{Text, read_text};
use super::write::{in_line, scalar};
use crate::support::atomic_file;

/// What stands in place of a key in a text for the screen.
const KEY_MARK: &str = "<key>";

/// Why a text was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be edited line by line{}: {reason}", line.map(|line| format!(" (line {line})")).unwrap_or_default())]
pub struct CannotEdit {
    /// What is in the way.
    pub reason: String,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// The text that the file would have to become, without comments; keys are written as `<key>`.
    pub new_text: String,
}

/// Why a file was not saved. It is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Its layout does not allow it.
    #[error("{} is left alone{}: {reason}", file.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    CannotEdit {
        /// The file.
        file: PathBuf,
        /// What is in the way.
        reason: String,
        /// Its line, from 1.
        line: Option<usize>,
        /// The text that the file would have to become, without comments; keys are written as `<key>`.
        new_text: String,
    },
    /// It cannot be read or written.
    #[error("cannot save {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Changes a text. Lines that hold none of the changed fields come out byte for byte as they went in.
pub fn edit(text: &str, changes: &[Change]) -> Result<String, CannotEdit> {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let refuse =
        |reason: String, line: Option<usize>, wanted: &Value| CannotEdit { reason, line, new_text: plain(wanted) };
    let parsed = serde_yaml::from_str::<Value>(body);
    let mut wanted = parsed.as_ref().map_or(Value::Null, Clone::clone);
    if !matches!(wanted, Value::Null | Value::Mapping(_)) {
        wanted = Value::Null;
    }
    let mut steps = Vec::new();
    for change in changes {
        match Step::of(change) {
            Ok(step) => {
                step.perform(&mut wanted);
                steps.push(step);
            }
            Err(reason) => return Err(refuse(reason, None, &wanted)),
        }
    }
    match &parsed {
        Err(error) => return Err(refuse(format!("the file is not valid YAML: {error}"), None, &wanted)),
        Ok(Value::Null | Value::Mapping(_)) => {}
        Ok(_) => return Err(refuse("the file holds no block of settings".to_owned(), Some(1), &wanted)),
    }
    let mut lines = Lines::of(body);
    for step in &steps {
        lines.perform(step).map_err(|(reason, line)| refuse(reason, line.map(|line| line + 1), &wanted))?;
    }
    let edited = lines.join();
    match serde_yaml::from_str::<Value>(&edited) {
        Ok(value) if pruned(&value) == pruned(&wanted) => Ok(format!("{mark}{edited}")),
        _ => Err(refuse("its layout is not understood".to_owned(), None, &wanted)),
    }
}

/// Changes a file, or makes it. It is replaced in one step and can then be read by its owner alone; through a symbolic
/// link its target is replaced.
pub fn save(file: &Path, changes: &[Change]) -> Result<(), SaveError> {
    let failed = |source| SaveError::Io { path: file.to_owned(), source };
    let text = match read_text(file).map_err(failed)? {
        Text::Missing => String::new(),
        Text::Whole { text, .. } => text,
        Text::Odd { message, .. } => return Err(failed(io::Error::new(io::ErrorKind::InvalidData, message))),
    };
    let edited = edit(&text, changes).map_err(|CannotEdit { reason, line, new_text }| SaveError::CannotEdit {
        file: file.to_owned(),
        reason,
        line,
        new_text,
    })?;
    write_private(file, &edited).map_err(failed)
}

/// Writes a file that its owner alone may read, with the folders around it.
pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    // A link is followed by hand, since writing replaces the name it is given.
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    if let Some(folder) = target.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    atomic_file::write(&target, text.as_bytes(), 0o600)
}

/// Why a step cannot be done, and the line (from 0) that is in the way.
type Refusal = (String, Option<usize>);

struct Lines {
    lines: Vec<String>,
    ending: &'static str,
}

impl Lines {
    fn of(text: &str) -> Self {
        let ending = if text.contains("\r\n") { "\r" } else { "" };
        Self { lines: text.split('\n').map(str::to_owned).collect(), ending }
    }

    fn join(&self) -> String {
        self.lines.join("\n")
    }

    fn perform(&mut self, step: &Step) -> Result<(), Refusal> {
        let text = self.join();
        let outline = Outline::of(&text);
        if let Some(obstacle) = &outline.obstacle {
            return Err((obstacle.what.to_owned(), Some(obstacle.line)));
        }
        let present: Value =
            serde_yaml::from_str(&text).map_err(|_| ("its layout is not understood".to_owned(), None))?;
        let at = |path: &str| path.split('.').try_fold(&present, |at, name| at.get(name));
        match step {
            // What says the same already keeps its spelling.
            Step::Set { path, value } if at(path) == Some(value) => Ok(()),
            Step::Set { path, value } => match outline.entry(path) {
                Some(entry) => self.replace(entry, value),
                None => self.insert(&outline, path, value),
            },
            Step::Remove { path } => match outline.entry(path) {
                Some(entry) => {
                    self.lines.drain(entry.line..=entry.last_line);
                    Ok(())
                }
                None if at(path).is_none() => Ok(()),
                None => Err((format!("{path} is written in flow style"), outline.line_of(path).map(|line| line - 1))),
            },
        }
    }

    fn replace(&mut self, entry: &Entry, value: &Value) -> Result<(), Refusal> {
        let (start, end, quote) = match entry.shape {
            Shape::Scalar { start, end, quote } => (start, end, quote),
            Shape::Flow { start, end } => (start, end, None),
            Shape::Empty => {
                let text = scalar(value, None);
                self.lines[entry.line].insert_str(entry.after_colon, &format!(" {text}"));
                return Ok(());
            }
            Shape::Long => return Err((format!("{} goes over several lines", entry.path), Some(entry.line))),
            Shape::Block => return Err((format!("{} is a block of settings", entry.path), Some(entry.line))),
            Shape::Items => return Err((format!("{} is a list over several lines", entry.path), Some(entry.line))),
        };
        let text = scalar(value, quote);
        self.lines[entry.line].replace_range(start..end, &text);
        Ok(())
    }

    /// Adds a field below the nearest block that exists.
    fn insert(&mut self, outline: &Outline, path: &str, value: &Value) -> Result<(), Refusal> {
        let mut around = path;
        let parent = loop {
            match around.rfind('.') {
                Some(dot) => around = &around[..dot],
                None => break None,
            }
            if let Some(entry) = outline.entry(around) {
                break Some(entry);
            }
        };
        let unit = unit(outline);
        let Some(parent) = parent else {
            let indent = outline.entries.first().map_or(0, |entry| entry.indent);
            self.append(nested(path, indent, unit, value));
            return Ok(());
        };
        let missing = &path[parent.path.len() + 1..];
        let (indent, after) = match parent.shape {
            Shape::Block => {
                let children =
                    |entry: &&Entry| entry.path.strip_prefix(&parent.path).is_some_and(|r| r.starts_with('.'));
                (
                    outline.entries.iter().find(children).map_or(parent.indent + unit, |child| child.indent),
                    parent.last_line,
                )
            }
            Shape::Empty => (parent.indent + unit, parent.line),
            Shape::Scalar { start, end, .. } | Shape::Flow { start, end } => {
                let text = &self.lines[parent.line][start..end];
                let empty = serde_yaml::from_str::<Value>(text).is_ok_and(|value| pruned(&value).is_null());
                if !empty {
                    let how = if matches!(parent.shape, Shape::Flow { .. }) {
                        "written in flow style"
                    } else {
                        "no block of settings"
                    };
                    return Err((format!("{} is {how}", parent.path), Some(parent.line)));
                }
                self.lines[parent.line].replace_range(parent.after_colon..end, "");
                (parent.indent + unit, parent.line)
            }
            Shape::Items | Shape::Long => {
                return Err((format!("{} is no block of settings", parent.path), Some(parent.line)));
            }
        };
        self.end_last_line();
        let new = nested(missing, indent, unit, value).into_iter().map(|line| line + self.ending);
        self.lines.splice(after + 1..=after, new.collect::<Vec<_>>());
        Ok(())
    }

    /// Gives the last line a line break, so that lines can follow it.
    fn end_last_line(&mut self) {
        if let Some(last) = self.lines.last_mut()
            && !last.is_empty()
        {
            if !last.ends_with('\r') {
                last.push_str(self.ending);
            }
            self.lines.push(String::new());
        }
    }

    /// Adds lines at the end, with a blank line before a new block.
    fn append(&mut self, new: Vec<String>) {
        self.end_last_line();
        self.lines.pop();
        let blank = self.lines.last().is_none_or(|line| line.trim().is_empty());
        if !blank && new.len() > 1 {
            self.lines.push(self.ending.to_owned());
        }
        self.lines.extend(new.into_iter().map(|line| line + self.ending));
        self.lines.push(String::new());
    }
}

/// How deep the file indents its blocks.
fn unit(outline: &Outline) -> usize {
    let deeper = |pair: &[Entry]| pair[1].indent.checked_sub(pair[0].indent).filter(|unit| *unit > 0);
    outline.entries.windows(2).find_map(deeper).unwrap_or(2)
}

/// The lines of a field with the blocks that are missing around it.
fn nested(path: &str, indent: usize, unit: usize, value: &Value) -> Vec<String> {
    let names: Vec<&str> = path.split('.').collect();
    let line = |(depth, name): (usize, &&str)| {
        let key = in_line(name);
        let tail = if depth + 1 == names.len() { format!(" {}", scalar(value, None)) } else { String::new() };
        format!("{}{key}:{tail}", " ".repeat(indent + depth * unit))
    };
    names.iter().enumerate().map(line).collect()
}

/// The value without what counts as not set: nulls and empty blocks.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Mapping(map) => {
            let kept: Mapping = map
                .iter()
                .map(|(name, value)| (name.clone(), pruned(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Mapping(kept) }
        }
        other => other.clone(),
    }
}

/// The file as plain YAML for the screen, without its keys.
fn plain(wanted: &Value) -> String {
    let mut wanted = pruned(wanted);
    let hidden = hide_keys(&mut wanted);
    drop_odd_names(&mut wanted);
    let text = if wanted.is_null() { String::new() } else { serde_yaml::to_string(&wanted).unwrap_or_default() };
    if hidden { format!("# Put your own key in place of each {KEY_MARK}.\n{text}") } else { text }
}

/// Takes out what is no setting, since its name is no word: such names cannot all be written.
fn drop_odd_names(value: &mut Value) {
    match value {
        Value::Mapping(map) => {
            map.retain(|name, _| !matches!(name, Value::Tagged(_) | Value::Mapping(_) | Value::Sequence(_)));
            map.values_mut().for_each(drop_odd_names);
        }
        Value::Sequence(items) => items.iter_mut().for_each(drop_odd_names),
        Value::Tagged(tagged) => drop_odd_names(&mut tagged.value),
        _ => {}
    }
}

fn hide_keys(value: &mut Value) -> bool {
    let mut hidden = false;
    match value {
        Value::Mapping(map) => {
            for (name, value) in map.iter_mut() {
                if name.as_str().is_some_and(is_key) {
                    *value = Value::String(KEY_MARK.to_owned());
                    hidden = true;
                } else {
                    hidden |= hide_keys(value);
                }
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| hidden |= hide_keys(item)),
        _ => {}
    }
    hidden
}
