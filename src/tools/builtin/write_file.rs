//! Writes a whole file, or more at the end of one.

use futures::future::BoxFuture;
use serde_json::Value;

use super::files::{self, MAX_CHARS};
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
    let old = files::known_content(machine, &real)?;
    let verb = match (&old, append) {
        (None, _) => "created",
        (Some(_), true) => "appended to",
        (Some(_), false) => "replaced",
    };
    let mut new = if append { old.clone().unwrap_or_default() } else { Vec::new() };
    new.extend_from_slice(content.as_bytes());
    files::write_known(machine, &real, &new)?;

    let lines = content.lines().count();
    let mut output = ToolOutput::text(format!("{verb} {}: {chars} characters, {lines} lines", path.shown()));
    output.diff = files::diff(&real, &old.unwrap_or_default(), &new);
    output.artifacts.extend(result_for_user(machine, &real));
    Ok(output)
}

/// What lies under `output/` is meant for the user.
fn result_for_user(machine: &Machine, real: &ConfinedPath) -> Option<Artifact> {
    real.relative().starts_with(OUTPUT_FOLDER).then(|| Artifact {
        kind: ArtifactKind::File,
        path: Some(real.shown().to_owned()),
        url: None,
        host_path: Some(machine.workspace.host_path().join(real.relative())),
    })
}
