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

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::content::{Content, START};
use super::files;
use super::picture::{self, Picture};
use super::text::Utf8;
use super::watched::{Watched, not_read};
use crate::document::{Converted, Kind};
use crate::sandbox::Encoded;
use crate::support::encoding::Form;
use crate::support::hash::hex;
use crate::support::{sanitize, truncate};
use crate::tools::args;
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

/// Notes of a conversion that are told, and characters of each.
const MAX_NOTES: usize = 24;
const MAX_NOTE: usize = 400;

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
            let mut output = ToolOutput::text(format!("{}: {facts}", sanitize::line(real.shown())));
            output.images.push(image);
            Ok(output)
        }
        Found::Known(kind, converted) => markdown(&path, kind, &converted, asked),
        Found::Document(kind, form, key) => {
            let fail = |error: io::Error| not_read(path.shown(), &error);
            file.rewind().map_err(fail)?;
            // A page names its encoding itself; what edits would take for the encoding is not always what it says.
            let taken = form.filter(|form| kind == Kind::Csv || form.is_wide());
            let encoding = taken.filter(|form| !form.is_utf8()).map(|form| form.label().to_owned());
            let task = Task::Document { kind, extension: extension(&real), encoding };
            let words = (path.shown(), "converted", "Look into it with the shell, for example with Python.");
            let input = Encoded::File(file.try_clone().map_err(fail)?);
            match decode::run(machine, &task, input, &cancel, words).await {
                Ok(answer) => {
                    let mut converted: Converted = serde_json::from_slice(&answer).map_err(|error| {
                        ToolError::ForModel(format!("{} could not be converted: {error}", path.shown()))
                    })?;
                    if let Some(form) = taken.and_then(Form::told) {
                        converted.notes.push(written_in(&form));
                    }
                    let converted = Arc::new(converted);
                    machine.state.conversions.keep(key, &converted);
                    markdown(&path, kind, &converted, asked)
                }
                // It is text all the same.
                Err(ToolError::ForModel(why)) if form.is_some() => {
                    let form = form.unwrap_or(Form::UTF_8);
                    file.rewind().map_err(fail)?;
                    let shown = blocking(move || text(&path, &file, form, asked, &cancel)).await;
                    shown.map(|(output, _)| with_note(output, &told(&format!("shown as text: {why}"))))
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
    let content = match content {
        Content::Text(form) if form == Form::UTF_8 && start.len() == START && start.is_ascii() => {
            Content::Text(later_form(&file, bytes, cancel).map_err(fail)?.unwrap_or(Form::UTF_8))
        }
        other => other,
    };
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
                sanitize::line(path.shown()),
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

/// What the first bytes that are not ASCII say of a text that begins with nothing else; `None` when there are none in
/// what is read to its end anyway.
fn later_form(file: &File, bytes: u64, cancel: &CancellationToken) -> io::Result<Option<Form>> {
    if bytes > files::MAX_HASHED {
        return Ok(None);
    }
    let mut from = BufReader::with_capacity(128 << 10, Watched::new(file, cancel));
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let ascii = piece.iter().take_while(|byte| byte.is_ascii()).count();
        let found = ascii < piece.len();
        from.consume(ascii);
        if found {
            let mut start = Vec::new();
            from.take(START as u64).read_to_end(&mut start)?;
            // A zero among bytes is no UTF-16 here.
            return Ok(Form::of(&start, start.len() < START).filter(|form| !form.is_wide() && form.mark().is_empty()));
        }
    }
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
        output = with_note(output, &written_in(&form));
    }
    Ok((output, hash))
}

fn written_in(form: &str) -> String {
    format!("written in {form}, which edits keep; shown as UTF-8")
}

/// A document as Markdown.
fn markdown(path: &ConfinedPath, kind: Kind, converted: &Converted, asked: Asked) -> Result<ToolOutput, ToolError> {
    let fail = |error: io::Error| not_read(path.shown(), &error);
    let summary = if converted.summary.is_empty() { String::new() } else { format!(", {}", told(&converted.summary)) };
    let head = format!("[{}{summary}, converted to Markdown]", kind.label());
    let notes: Vec<String> = converted.notes.iter().take(MAX_NOTES).map(|note| told(note)).collect();
    let text = window::wrapped(&converted.markdown);
    let window = Window::read(&mut text.as_bytes(), asked, true).map_err(fail)?;
    let mut output = if window.is_empty() {
        ToolOutput { bounded: true, ..ToolOutput::text("[it holds no text]") }
    } else {
        window.shown(path, asked, text.len() as u64).map_err(|error| match error {
            // Where the text was cut, its end is not that of the document.
            ToolError::ForModel(why) if !notes.is_empty() => {
                ToolError::ForModel(format!("{why} [{}]", notes.join("; ")))
            }
            error => error,
        })?
    };
    output.text = format!("{head}\n{}", output.text);
    for note in &notes {
        output = with_note(output, note);
    }
    if let Cow::Owned(_) = text {
        output = with_note(output, "long lines go on in the next ones");
    }
    if kind.is_text() {
        let note = "the line numbers are those of the Markdown; the file itself is text, which the shell shows (cat -n) \
                    and mshtools-edit_file changes";
        output = with_note(output, note);
    }
    Ok(output)
}

/// Words of the process that converts, which may be in the hands of the document: one line, and none of the brackets
/// in which our own words stand.
fn told(words: &str) -> String {
    let words = sanitize::line(truncate::prefix(words, MAX_NOTE)).replace('[', "(").replace(']', ")");
    truncate::prefix(&words, MAX_NOTE).to_owned()
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
