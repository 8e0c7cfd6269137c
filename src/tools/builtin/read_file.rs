//! Shows a file: text with line numbers, documents as Markdown, pictures as pictures, other files by a description.
//!
//! ```text
//! beginning ─ content ─┬─ text ────── window (a stream: memory does not grow with the file)
//!                      ├─ document ── okcvm __convert ─ Markdown ─ window      kept by its hash for the next page
//!                      ├─ picture ─── okcvm __convert ─ upright and small
//!                      └─ others ──── words
//! ```
//!
//! What it holds is remembered by its hash, so that a later edit can tell whether it is still the same. Tables, pages and
//! notebooks are text and documents at once: they are shown as text where this session wrote them, since it will edit
//! them, and converted otherwise.

mod window;

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::content::{Content, START};
use super::files;
use super::picture::{self, Picture};
use super::text::{Form, Utf8};
use super::watched::{Watched, not_read};
use crate::document::{Converted, Kind};
use crate::protocol::{Artifact, ArtifactKind};
use crate::sandbox::Encoded;
use crate::support::truncate;
use crate::tools::args;
use crate::tools::capture::hex;
use crate::tools::decode::{self, Task};
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolError, ToolOutput, blocking};
use crate::workspace::{ConfinedPath, WorkspaceError};
use window::{Asked, Window};

/// Lines when no limit is given.
const DEFAULT_LINES: i64 = 100;
/// A document or a picture may be this large; text may be of any size.
const MAX_DECODED: u64 = 64 << 20;
/// A table, a page or a notebook that is larger is shown as the text that it is.
const MAX_TEXT_DOCUMENT: u64 = 16 << 20;

/// Shows a file.
#[derive(Debug)]
pub(super) struct ReadFile;

impl Tool for ReadFile {
    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(run(cx, args))
    }
}

/// A file that was looked at.
struct Looked {
    /// As the model named it.
    path: ConfinedPath,
    real: ConfinedPath,
    file: File,
    found: Found,
}

/// What is left to be done.
enum Found {
    /// Nothing: this is told.
    Told(ToolOutput),
    Picture,
    /// A document that was read lately.
    Known(Kind, Arc<Converted>),
    /// A document, its form where it is text by itself, and what it is kept by.
    Document(Kind, Option<Form>, String),
}

async fn run(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let ToolContext { machine, cancel, .. } = cx;
    let asked = asked(&args)?;
    let (own, stop) = (machine.clone(), cancel.clone());
    let looked = blocking(move || look(&own, args::text(&args, "file_path"), asked, &stop)).await?;
    let Looked { path, real, mut file, found } = looked;
    match found {
        Found::Told(output) => Ok(output),
        Found::Picture => {
            let Picture { image, facts } = picture::of_file(machine, file, real.shown(), &cancel).await?;
            let mut output = ToolOutput::text(format!("{}: {facts}", real.shown()));
            output.images.push(image);
            output.artifacts.push(Artifact {
                kind: ArtifactKind::Image,
                path: Some(real.shown().to_owned()),
                url: None,
                host_path: Some(machine.workspace.host_path().join(real.relative())),
            });
            Ok(output)
        }
        Found::Known(kind, converted) => markdown(&path, kind, &converted, asked),
        Found::Document(kind, form, key) => {
            let fail = |error: io::Error| not_read(path.shown(), &error);
            file.rewind().map_err(fail)?;
            let task = Task::Document { kind, extension: extension(&real) };
            let words = (path.shown(), "converted", "Look into it with the shell, for example with Python.");
            let input = Encoded::File(file.try_clone().map_err(fail)?);
            match decode::run(machine, &task, input, &cancel, words).await {
                Ok(answer) => {
                    let converted: Converted = serde_json::from_slice(&answer).map_err(|error| {
                        ToolError::ForModel(format!("{} could not be converted: {error}", path.shown()))
                    })?;
                    let converted = Arc::new(converted);
                    machine.state.conversions.keep(key, &converted);
                    markdown(&path, kind, &converted, asked)
                }
                // It is text all the same.
                Err(ToolError::ForModel(why)) if form.is_some() => {
                    let form = form.unwrap_or(Form::UTF_8);
                    file.rewind().map_err(fail)?;
                    let shown = blocking(move || text(&path, &file, form, asked, &cancel)).await;
                    shown.map(|(output, _)| with_note(output, &format!("shown as text: {why}")))
                }
                Err(error) => Err(error),
            }
        }
    }
}

fn asked(args: &Value) -> Result<Asked, ToolError> {
    let offset = args::integer(args, "offset").unwrap_or(1);
    let limit = args::integer(args, "limit").unwrap_or(DEFAULT_LINES);
    if offset < 0 || limit < 1 {
        return Err(ToolError::ForModel("offset counts lines from 1, and limit must be at least 1".to_owned()));
    }
    Ok(Asked { offset: offset.max(1) as u64, limit: limit as u64 })
}

/// Opens the file, tells what it is, remembers it as read, and shows it if it is text.
fn look(machine: &Machine, path: &str, asked: Asked, cancel: &CancellationToken) -> Result<Looked, ToolError> {
    let path = machine.workspace.resolve(path)?;
    let real = machine.workspace.real(&path)?;
    let mut file = match machine.workspace.open_read(&real) {
        Ok(file) => file,
        Err(WorkspaceError::Missing { .. }) => return Err(files::missing(machine, &path)),
        Err(WorkspaceError::NotAFile { path, what: "a folder" }) => {
            return Err(ToolError::ForModel(format!("{path} is a folder, not a file. List it with the shell: ls -la")));
        }
        Err(error) => return Err(error.into()),
    };
    let fail = |error: io::Error| not_read(path.shown(), &error);
    let bytes = file.metadata().map_err(fail)?.len();
    let mut start = Vec::with_capacity(START.min(bytes as usize + 1));
    (&file).take(START as u64).read_to_end(&mut start).map_err(fail)?;
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content = Content::of(&start, start.len() < START, &name);
    drop(start);

    // What this session wrote it will edit: it has to see the text itself.
    let as_text = bytes > MAX_TEXT_DOCUMENT || machine.state.is_own(&real);
    let content = match content {
        Content::Document(_, Some(form)) if as_text => Content::Text(form),
        other => other,
    };
    file.rewind().map_err(fail)?;
    // Whatever it is: it was looked at, so it may be replaced.
    let remember = || {
        let hash = files::fingerprint(&file, cancel).map_err(fail)?;
        machine.state.saw(&real, hash.clone());
        Ok::<_, ToolError>(hash)
    };
    let found = match content {
        Content::Text(form) => {
            let (output, hash) = text(&path, &file, form, asked, cancel)?;
            machine.state.saw(&real, hash);
            Found::Told(output)
        }
        Content::Empty => {
            remember()?;
            Found::Told(ToolOutput::text(format!("Reminder: {} exists but is empty.", path.shown())))
        }
        Content::Binary(what) => {
            remember()?;
            Found::Told(ToolOutput::text(format!(
                "{} is {what}, {}; it is not shown as text. Use the shell to look into it or to convert it.",
                path.shown(),
                truncate::bytes(bytes)
            )))
        }
        Content::Picture | Content::Document(..) if bytes > MAX_DECODED => {
            remember()?;
            return Err(ToolError::ForModel(format!(
                "{} has {}; pictures and documents of at most {} are decoded. Make it smaller with the shell first.",
                path.shown(),
                truncate::bytes(bytes),
                truncate::bytes(MAX_DECODED)
            )));
        }
        Content::Picture => {
            remember()?;
            Found::Picture
        }
        Content::Document(kind, form) => {
            let key = format!("{kind:?} {}", remember()?);
            match machine.state.conversions.get(&key) {
                Some(converted) => Found::Known(kind, converted),
                None => Found::Document(kind, form, key),
            }
        }
    };
    Ok(Looked { path, real, file, found })
}

/// The lines that were asked for, and what the file is remembered by.
fn text(
    path: &ConfinedPath,
    file: &File,
    form: Form,
    asked: Asked,
    cancel: &CancellationToken,
) -> Result<(ToolOutput, String), ToolError> {
    let fail = |error: io::Error| not_read(path.shown(), &error);
    let bytes = file.metadata().map_err(fail)?.len();
    // Only a file that is hashed has to be read to its end.
    let hashed = bytes <= files::MAX_HASHED;
    let sampled = if hashed { None } else { Some(files::fingerprint(file, cancel).map_err(fail)?) };
    let mut watched = Watched::new(file, cancel);
    if hashed {
        watched = watched.hashing();
    }
    let mut from = BufReader::with_capacity(128 << 10, Utf8::new(watched, form).map_err(fail)?);
    let window = Window::read(&mut from, asked, hashed).map_err(fail)?;
    let hash = from.into_inner().into_inner().into_hash();
    let hash = hash.map_or_else(|| sampled.unwrap_or_default(), |hash| hex(&sha2::Digest::finalize(hash)));
    let mut output = window.shown(path, asked, bytes)?;
    if let Some(form) = form.told() {
        output = with_note(output, &format!("written in {form}, which edits keep; shown as UTF-8"));
    }
    Ok((output, hash))
}

/// A document as Markdown.
fn markdown(path: &ConfinedPath, kind: Kind, converted: &Converted, asked: Asked) -> Result<ToolOutput, ToolError> {
    let fail = |error: io::Error| not_read(path.shown(), &error);
    let summary = if converted.summary.is_empty() { String::new() } else { format!(", {}", converted.summary) };
    let head = format!("[{}{summary}, converted to Markdown]", kind.label());
    let window = Window::read(&mut converted.markdown.as_bytes(), asked, true).map_err(fail)?;
    let mut output = if window.is_empty() {
        ToolOutput { bounded: true, ..ToolOutput::text("[it holds no text]") }
    } else {
        window.shown(path, asked, converted.markdown.len() as u64)?
    };
    output.text = format!("{head}\n{}", output.text);
    for note in &converted.notes {
        output = with_note(output, note);
    }
    if kind.is_text() {
        let note = "the line numbers are those of the Markdown; the file itself is text, which the shell shows (cat -n) \
                    and mshtools-edit_file changes";
        output = with_note(output, note);
    }
    Ok(output)
}

fn with_note(mut output: ToolOutput, note: &str) -> ToolOutput {
    let between = if output.footer.is_empty() { "" } else { "\n" };
    output.footer = format!("{}{between}[{note}]", output.footer);
    output
}

/// The extension of a name, which is all that a reader is told of it.
fn extension(path: &ConfinedPath) -> String {
    let extension = path.file_name().and_then(|name| Path::new(name).extension());
    extension.map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default()
}
