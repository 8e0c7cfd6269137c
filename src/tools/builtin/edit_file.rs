//! Replaces exact text in a file that was read.

mod near_miss;

use std::fmt::Write as _;
use std::ops::Range;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::files::{self, Before, MAX_CHANGED, MAX_CHARS};
use super::text::{self, Change, TextFile};
use crate::support::truncate;
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::ConfinedPath;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// Lines of a change that are shown.
const MAX_SHOWN: usize = 40;
/// Line numbers that are listed.
const MAX_LISTED: usize = 20;
/// Places that one call changes.
const MAX_PLACES: usize = 100_000;

/// Changes a file.
#[derive(Debug)]
pub(super) struct EditFile;

impl Tool for EditFile {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        let (machine, cancel) = (cx.machine.clone(), cx.cancel);
        Box::pin(blocking(move || edit(&machine, &args, &cancel)))
    }
}

fn edit(machine: &Machine, args: &Value, cancel: &CancellationToken) -> Result<ToolOutput, ToolError> {
    let (old, new) = (args::text(args, "old_string"), args::text(args, "new_string"));
    let path = machine.workspace.resolve(args::text(args, "file_path"))?;
    if old == new {
        return Err(ToolError::ForModel("old_string and new_string are the same: nothing would change".to_owned()));
    }
    if old.is_empty() {
        return Err(ToolError::ForModel(
            "old_string is empty. Give the text to replace, or write the whole file with mshtools-write_file."
                .to_owned(),
        ));
    }
    let chars = new.chars().count();
    if chars > MAX_CHARS {
        return Err(ToolError::ForModel(format!(
            "new_string has {chars} characters; at most {MAX_CHARS} can be written in one call. Change it in parts."
        )));
    }
    let real = machine.workspace.real(&path)?;
    let before = match files::known(machine, &real)? {
        Before::Missing => return Err(files::missing(machine, &path)),
        Before::Large(size) => return Err(files::too_large(&real, size)),
        Before::Whole(bytes) => bytes,
    };
    let file = TextFile::open(before)
        .ok_or_else(|| ToolError::ForModel(format!("{} is no text; change it with the shell", path.shown())))?;
    let content = file.text.as_str();

    let places = text::places(content, old);
    match places.as_slice() {
        [] => {
            let why = near_miss::told(path.shown(), content, old, cancel);
            return Err(if cancel.is_cancelled() { ToolError::Cancelled } else { ToolError::ForModel(why) });
        }
        [_] => {}
        many if many.len() > MAX_PLACES => {
            return Err(ToolError::ForModel(format!(
                "old_string occurs {} times in {}; at most {MAX_PLACES} places can be changed in one call. Do it with \
                 the shell, for example with sed.",
                many.len(),
                path.shown()
            )));
        }
        _ if args::flag(args, "replace_all") => {}
        many => return Err(ToolError::ForModel(not_unique(&path, content, many))),
    }
    // Known before anything is made of it: a short text that occurs often can become more than there is memory.
    let kept = content.len() - places.iter().map(ExactSizeIterator::len).sum::<usize>();
    let size = places.len().saturating_mul(new.len()).saturating_add(kept) as u64;
    if size > MAX_CHANGED {
        return Err(ToolError::ForModel(format!(
            "replacing {} occurrences would make {} {} large; at most {} can be changed this way. Do it with the shell.",
            places.len(),
            path.shown(),
            truncate::bytes(size),
            truncate::bytes(MAX_CHANGED)
        )));
    }
    let changes: Vec<Change<'_>> =
        places.iter().map(|place| (place.clone(), text::fitted(content, place, new))).collect();
    let after = text::apply(content, 0..content.len(), &changes);
    if after == content {
        return Err(ToolError::ForModel(
            "old_string and new_string differ in nothing but line ends, and each line keeps its own. Change those with \
             the shell, for example sed -i 's/\\r$//'."
                .to_owned(),
        ));
    }
    let bytes = file.changed(&changes).map_err(|error| files::not_written(&real, &error))?;
    files::write_known(machine, &real, &bytes)?;

    let first = line_of(content, places[0].start);
    let times = if places.len() == 1 { "1 occurrence".to_owned() } else { format!("{} occurrences", places.len()) };
    let mut told = format!("replaced {times} in {}, first at line {first}:\n", path.shown());
    told.push_str(&excerpt(&after, first, new.lines().count().max(1)));
    let mut output = ToolOutput::text(told);
    output.diff = Some(files::diff(&real, content, &after));
    Ok(output)
}

/// The number of the line that holds a byte.
fn line_of(content: &str, place: usize) -> usize {
    content[..place].matches('\n').count() + 1
}

fn not_unique(path: &ConfinedPath, content: &str, places: &[Range<usize>]) -> String {
    let mut lines: Vec<String> =
        places.iter().take(MAX_LISTED).map(|place| line_of(content, place.start).to_string()).collect();
    if places.len() > MAX_LISTED {
        lines.push("...".to_owned());
    }
    format!(
        "old_string occurs {} times in {} (lines {}). Give more of the text around the one that is meant, or set \
         replace_all.",
        places.len(),
        path.shown(),
        lines.join(", ")
    )
}

/// The changed lines and some around them, numbered as reading shows them.
fn excerpt(content: &str, first: usize, changed: usize) -> String {
    let from = first.saturating_sub(CONTEXT).max(1);
    let to = (first + changed - 1 + CONTEXT).min(from + MAX_SHOWN - 1);
    let mut out = String::new();
    for (index, line) in content.lines().enumerate().skip(from - 1).take(to + 1 - from) {
        let _ = writeln!(out, "{:>6}\t{}", index + 1, truncate::prefix(line, 300));
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}
