//! Shows a file: text with line numbers, pictures as pictures, other files by a description.
//!
//! The whole file is read once, in pieces: its hash must be known so that a later edit can tell whether it is still the
//! same, and the number of lines belongs into the answer. Memory does not grow with the file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::picture::{self, Picture};
use super::{files, image};
use crate::protocol::{Artifact, ArtifactKind};
use crate::support::truncate;
use crate::tools::args;
use crate::tools::capture::hex;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolError, ToolOutput, blocking};
use crate::workspace::{ConfinedPath, WorkspaceError};

/// Lines when no limit is given.
const DEFAULT_LINES: i64 = 100;
/// Characters of one line.
const MAX_LINE: usize = 1_000;
/// A file may be this large, whatever it holds.
const MAX_FILE: u64 = 256 << 20;
/// A picture may be this large.
const MAX_IMAGE: u64 = 64 << 20;
/// Characters that are shown at once: a hundred lines of a thousand characters and their numbers, always. Nothing is
/// cut out of the middle; what does not fit begins the next call.
const MAX_WINDOW: usize = 120_000;
/// Bytes that tell what a file is.
const START: usize = 8 << 10;

/// Shows a file.
#[derive(Debug)]
pub(super) struct ReadFile;

impl Tool for ReadFile {
    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(run(cx, args))
    }
}

/// What was found.
enum Found {
    /// All there is to tell.
    Told(ToolOutput),
    /// A picture, and where it lies.
    Picture(ConfinedPath, Vec<u8>),
}

async fn run(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let machine = cx.machine.clone();
    match blocking(move || read(&machine, &args)).await? {
        Found::Told(output) => Ok(output),
        Found::Picture(real, bytes) => {
            let Picture { image, facts } =
                picture::for_model(cx.machine, bytes, Some(real.shown()), &cx.cancel).await?;
            let mut output = ToolOutput::text(format!("{}: {facts}", real.shown()));
            output.images.push(image);
            output.artifacts.push(Artifact {
                kind: ArtifactKind::Image,
                path: Some(real.shown().to_owned()),
                url: None,
                host_path: Some(cx.machine.workspace.host_path().join(real.relative())),
            });
            Ok(output)
        }
    }
}

fn read(machine: &Machine, args: &Value) -> Result<Found, ToolError> {
    let path = machine.workspace.resolve(args::text(args, "file_path"))?;
    let offset = args::integer(args, "offset").unwrap_or(1).max(1);
    let limit = args::integer(args, "limit").unwrap_or(DEFAULT_LINES);
    if args::integer(args, "offset").is_some_and(|offset| offset < 0) || limit < 1 {
        return Err(ToolError::ForModel("offset counts lines from 1, and limit must be at least 1".to_owned()));
    }
    let real = machine.workspace.real(&path)?;
    let mut file = match machine.workspace.open_read(&real) {
        Ok(file) => file,
        Err(WorkspaceError::Missing { .. }) => return Err(files::missing(machine, &path)),
        Err(WorkspaceError::NotAFile { path, what: "a folder" }) => {
            return Err(ToolError::ForModel(format!("{path} is a folder, not a file. List it with the shell: ls -la")));
        }
        Err(error) => return Err(error.into()),
    };
    let fail = |error: std::io::Error| ToolError::ForModel(format!("cannot read {}: {error}", path.shown()));
    let bytes = file.metadata().map_err(fail)?.len();
    if bytes > MAX_FILE {
        return Err(ToolError::ForModel(format!(
            "{} has {}; at most {} are read. Use the shell (head, tail, grep) to look at parts of it.",
            path.shown(),
            truncate::bytes(bytes),
            truncate::bytes(MAX_FILE)
        )));
    }
    let mut start = Vec::with_capacity(START);
    Arc::new(&file).take(START as u64).read_to_end(&mut start).map_err(fail)?;

    if image::media_type(&start).is_some() {
        let bytes = machine.workspace.read(&real, MAX_IMAGE)?;
        machine.state.saw(&real, files::sha256(&bytes));
        return Ok(Found::Picture(real, bytes));
    }
    if let Some(what) = image::binary(&start) {
        let size = truncate::bytes(bytes);
        file.rewind().map_err(fail)?;
        // It was looked at, so it may be replaced.
        machine.state.saw(&real, Window::read(file, 1, 0).map_err(fail)?.sha256);
        return Ok(Found::Told(ToolOutput::text(format!(
            "{} is {what}, {size}; it is not shown as text. Use the shell to look into it or to convert it.",
            path.shown()
        ))));
    }
    file.rewind().map_err(fail)?;
    let window = Window::read(file, offset as u64, limit as u64).map_err(fail)?;
    machine.state.saw(&real, window.sha256.clone());
    window.shown(&path, offset as u64).map(Found::Told)
}

/// Some lines of a file, and facts about all of it.
#[derive(Debug, Default)]
struct Window {
    text: String,
    /// Characters of it.
    chars: usize,
    /// Whether a line did not fit any more.
    full: bool,
    /// The last line that is in the window; 0 when none is.
    last: u64,
    lines: u64,
    crlf: bool,
    sha256: String,
}

impl Window {
    fn read(file: File, offset: u64, limit: u64) -> std::io::Result<Self> {
        let mut from = BufReader::with_capacity(128 << 10, file.take(MAX_FILE));
        let mut hash = Sha256::new();
        let mut window = Self::default();
        let mut line = Line::default();
        let end = offset.saturating_add(limit);
        loop {
            let piece = from.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let mut rest = piece;
            while !rest.is_empty() {
                let stop = rest.iter().position(|byte| *byte == b'\n');
                let (part, after) = rest.split_at(stop.unwrap_or(rest.len()));
                let number = window.lines + 1;
                if (offset..end).contains(&number) && !window.full {
                    line.push(part);
                }
                line.any = true;
                if stop.is_some() {
                    window.take(&mut line, offset, end);
                    rest = &after[1..];
                } else {
                    rest = after;
                }
            }
            let read = piece.len();
            from.consume(read);
        }
        if line.any {
            window.take(&mut line, offset, end);
        }
        window.sha256 = hex(&hash.finalize());
        Ok(window)
    }

    /// Ends a line.
    fn take(&mut self, line: &mut Line, offset: u64, end: u64) {
        self.lines += 1;
        let line = std::mem::take(line);
        if !(offset..end).contains(&self.lines) || self.full {
            return;
        }
        let (text, crlf) = line.shown();
        let text = format!("{:>6}\t{text}\n", self.lines);
        self.chars += text.chars().count();
        if self.chars > MAX_WINDOW {
            self.full = true;
            return;
        }
        self.crlf |= crlf;
        self.last = self.lines;
        self.text.push_str(&text);
    }

    fn shown(mut self, path: &ConfinedPath, offset: u64) -> Result<ToolOutput, ToolError> {
        if self.lines == 0 {
            return Ok(ToolOutput::text(format!("Reminder: {} exists but is empty.", path.shown())));
        }
        if self.last == 0 {
            return Err(ToolError::ForModel(format!(
                "offset {offset} is beyond the end of {}, which has {} lines",
                path.shown(),
                self.lines
            )));
        }
        let mut notes = Vec::new();
        if self.last < self.lines {
            notes.push(format!(
                "lines {offset} to {} of {}; continue with offset {}",
                self.last,
                self.lines,
                self.last + 1
            ));
        }
        if self.crlf {
            notes.push("line ends are CRLF and are kept by edits".to_owned());
        }
        // The last line end is not part of the form.
        self.text.truncate(self.text.trim_end_matches('\n').len());
        let mut output = ToolOutput { bounded: true, ..ToolOutput::text(self.text) };
        if !notes.is_empty() {
            output.footer = format!("[{}]", notes.join("; "));
        }
        Ok(output)
    }
}

/// The beginning of a line, and how much of it is missing.
#[derive(Debug, Default)]
struct Line {
    kept: Vec<u8>,
    /// Characters that were not kept.
    more: usize,
    ends_with_cr: bool,
    any: bool,
}

impl Line {
    fn push(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.ends_with_cr = *last == b'\r';
        }
        // A character has at most four bytes.
        let room = (4 * (MAX_LINE + 1)).saturating_sub(self.kept.len()).min(part.len());
        self.kept.extend_from_slice(&part[..room]);
        // Continuation bytes begin no character.
        self.more += part[room..].iter().filter(|byte| *byte & 0xc0 != 0x80).count();
    }

    fn shown(self) -> (String, bool) {
        let text = String::from_utf8_lossy(&self.kept);
        let text = if self.ends_with_cr { text.trim_end_matches('\r') } else { &text };
        let chars = text.chars().count();
        if chars + self.more <= MAX_LINE {
            return (text.to_owned(), self.ends_with_cr);
        }
        let missing = chars + self.more - MAX_LINE;
        let kept = truncate::prefix(text, MAX_LINE);
        (format!("{kept} [... {missing} more characters in this line]"), self.ends_with_cr)
    }
}
