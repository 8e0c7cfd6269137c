//! Writes a whole file, or more at the end of one.

use std::borrow::Cow;

use futures::future::BoxFuture;
use serde_json::Value;

use super::files::{self, Before, MAX_CHARS};
use super::text::{self, TextFile};
use crate::protocol::{Artifact, ArtifactKind};
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::ConfinedPath;

/// Results for the user lie here.
const OUTPUT_FOLDER: &str = "output";

/// Writes a file.
#[derive(Debug)]
pub(super) struct WriteFile;

impl Tool for WriteFile {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        let machine = cx.machine.clone();
        Box::pin(blocking(move || write(&machine, &args)))
    }
}

fn write(machine: &Machine, args: &Value) -> Result<ToolOutput, ToolError> {
    let content = args::text(args, "content");
    let append = args::flag(args, "append");
    let chars = content.chars().count();
    if chars > MAX_CHARS {
        return Err(ToolError::ForModel(format!(
            "content has {chars} characters; at most {MAX_CHARS} can be written in one call. Write the first part, then \
             the others with append: true."
        )));
    }
    let path = machine.workspace.resolve(args::text(args, "file_path"))?;
    let real = machine.workspace.real(&path)?;
    let before = files::known(machine, &real)?;
    let verb = match (&before, append) {
        (Before::Missing, _) => "created",
        (_, true) => "appended to",
        (_, false) => "replaced",
    };
    let old = match before {
        Before::Whole(bytes) => bytes,
        Before::Large(size) if append => return Err(files::too_large(&real, size)),
        // Nothing, or too much to be compared with.
        Before::Missing | Before::Large(_) => Vec::new(),
    };
    let binary = if append { old.clone() } else { Vec::new() };
    let old = TextFile::open(old);
    let crlf = old.as_ref().is_some_and(|old| text::is_crlf(&old.text));
    let content = if crlf { Cow::Owned(text::with_crlf(content)) } else { Cow::Borrowed(content) };
    let new = match &old {
        Some(old) if append => old.with_more(&content),
        Some(old) => old.replaced(&content),
        // What is added to no text is told to be UTF-8.
        None => Ok([&binary, content.as_bytes()].concat()),
    };
    let new = new.map_err(|error| files::not_written(&real, &error))?;
    files::write_known(machine, &real, &new)?;

    let lines = content.lines().count();
    let mut output = ToolOutput::text(format!("{verb} {}: {chars} characters, {lines} lines", path.shown()));
    let form = old.as_ref().and_then(|old| old.form.told());
    let kept: Vec<String> = form.into_iter().chain(crlf.then(|| "CRLF line ends".to_owned())).collect();
    if !kept.is_empty() {
        output.footer = format!("[kept as it was: {}]", kept.join(", "));
    }
    output.diff = match old {
        Some(old) if append => Some(files::diff(&real, &old.text, &format!("{}{content}", old.text))),
        Some(old) => Some(files::diff(&real, &old.text, &content)),
        None => (!append).then(|| files::diff(&real, "", &content)),
    };
    output.artifacts.extend(result_for_user(machine, &real));
    Ok(output)
}

/// What lies under `output/` is meant for the user.
fn result_for_user(machine: &Machine, real: &ConfinedPath) -> Option<Artifact> {
    real.relative().starts_with(OUTPUT_FOLDER).then(|| {
        Artifact::at(ArtifactKind::File, real.shown()).on_host(machine.workspace.host_path().join(real.relative()))
    })
}
