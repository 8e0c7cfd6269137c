//! Replaces exact text in a file that was read.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::Value;

use super::files::{self, MAX_CHANGED, MAX_CHARS};
use crate::support::truncate;
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::ConfinedPath;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// Lines of a change that are shown.
const MAX_SHOWN: usize = 40;
/// Lines that are compared for the nearest one.
const MAX_COMPARED: usize = 20_000;
/// Line numbers that are listed.
const MAX_LISTED: usize = 20;

/// Changes a file.
#[derive(Debug)]
pub(super) struct EditFile;

impl Tool for EditFile {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        let machine = cx.machine.clone();
        Box::pin(blocking(move || edit(&machine, &args)))
    }
}

fn edit(machine: &Machine, args: &Value) -> Result<ToolOutput, ToolError> {
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
    let before = files::known_content(machine, &real)?.ok_or_else(|| files::missing(machine, &path))?;
    let content = std::str::from_utf8(&before)
        .map_err(|_| ToolError::ForModel(format!("{} is not UTF-8 text; change it with the shell", path.shown())))?;

    let (old, new) = with_line_ends_of(content, old, new);
    let places: Vec<usize> = content.match_indices(&*old).map(|(place, _)| place).collect();
    match places.as_slice() {
        [] => return Err(ToolError::ForModel(not_found(&path, content, &old))),
        [_] => {}
        _ if args::flag(args, "replace_all") => {}
        many => return Err(ToolError::ForModel(not_unique(&path, content, many))),
    }
    // Known before anything is made of it: a short text that occurs often can become more than there is memory.
    let kept = content.len() - places.len() * old.len();
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
    let after = content.replace(&*old, &new);
    files::write_known(machine, &real, after.as_bytes())?;

    let first = line_of(content, places[0]);
    let times = if places.len() == 1 { "1 occurrence".to_owned() } else { format!("{} occurrences", places.len()) };
    let mut text = format!("replaced {times} in {}, first at line {first}:\n", path.shown());
    text.push_str(&excerpt(&after, first, new.lines().count().max(1)));
    let mut output = ToolOutput::text(text);
    output.diff = files::diff(&real, &before, after.as_bytes());
    Ok(output)
}

/// In a file whose lines all end in CRLF, the texts do so as well, whichever line ends the model wrote.
fn with_line_ends_of(content: &str, old: &str, new: &str) -> (String, String) {
    let crlf = content.matches("\r\n").count();
    let lf = content.matches('\n').count();
    if crlf > 0 && crlf == lf {
        let convert = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
        (convert(old), convert(new))
    } else {
        (old.to_owned(), new.to_owned())
    }
}

/// The number of the line that holds a byte.
fn line_of(content: &str, place: usize) -> usize {
    content[..place].matches('\n').count() + 1
}

fn not_unique(path: &ConfinedPath, content: &str, places: &[usize]) -> String {
    let mut lines: Vec<String> =
        places.iter().take(MAX_LISTED).map(|place| line_of(content, *place).to_string()).collect();
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

fn not_found(path: &ConfinedPath, content: &str, old: &str) -> String {
    let mut message = format!("old_string does not occur in {}.", path.shown());
    if old.lines().all(starts_with_number) {
        message.push_str(" It looks as if it holds the line numbers that reading shows: leave them and the tab out.");
        return message;
    }
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = old.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let wanted_squeezed = squeezed(wanted);
    let lines = || content.lines().enumerate().take(MAX_COMPARED);
    if let Some((index, line)) = lines().find(|(_, line)| *line != wanted && squeezed(line) == wanted_squeezed) {
        // Writing to a String cannot fail.
        let _ = write!(message, " Line {} differs only in its spaces or tabs: {:?}", index + 1, shortened(line));
        return message;
    }
    let short = truncate::prefix(wanted.trim(), 200);
    let best = lines()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (strsim::normalized_levenshtein(short, truncate::prefix(line.trim(), 200)), index, line))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((score, index, line)) = best
        && score > 0.5
    {
        let what = if score >= 1.0 { "begins like it, what follows differs" } else { "is the nearest" };
        let _ = write!(message, " Line {} {what}: {:?}", index + 1, shortened(line));
    }
    message
}

fn starts_with_number(line: &str) -> bool {
    line.split_once('\t').is_some_and(|(number, _)| {
        let number = number.trim_start();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn shortened(line: &str) -> &str {
    truncate::prefix(line, 160)
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
