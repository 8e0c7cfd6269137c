//! What the file tools share: hashes, the rule that a file must have been read, near names, differences.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::support::truncate;
use crate::tools::capture::hex;
use crate::tools::dispatch::Machine;
use crate::tools::tool::ToolError;
use crate::workspace::{ConfinedPath, EntryKind, WorkspaceError};

/// A file that is to be changed may be this large.
pub(super) const MAX_CHANGED: u64 = 16 << 20;
/// Characters that one call may write.
pub(super) const MAX_CHARS: usize = 100_000;
/// Characters of a difference.
const MAX_DIFF: usize = 200_000;
/// Names that are looked at for a suggestion.
const MAX_NAMES: usize = 2_000;

/// SHA-256 of a content, in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The content of a file that is about to be changed; `None` when there is no such file. It must be what the model has
/// read: a file that it never saw, or that was changed by other hands since, is not overwritten.
pub(super) fn known_content(machine: &Machine, real: &ConfinedPath) -> Result<Option<Vec<u8>>, ToolError> {
    let bytes = match machine.workspace.read(real, MAX_CHANGED) {
        Ok(bytes) => bytes,
        Err(WorkspaceError::Missing { .. }) => return Ok(None),
        Err(error @ WorkspaceError::TooLarge { .. }) => {
            return Err(ToolError::ForModel(format!("{error}. Change it with the shell.")));
        }
        Err(error) => return Err(error.into()),
    };
    match machine.state.seen(real) {
        None => Err(ToolError::ForModel(format!(
            "{} exists but has not been read in this session. Read it first, then change it.",
            real.shown()
        ))),
        Some(known) if known != sha256(&bytes) => Err(ToolError::ForModel(format!(
            "{} has changed since it was read. Read it again, then change it.",
            real.shown()
        ))),
        Some(_) => Ok(Some(bytes)),
    }
}

/// Writes the new content and remembers it as known.
pub(super) fn write_known(machine: &Machine, real: &ConfinedPath, bytes: &[u8]) -> Result<(), ToolError> {
    machine.workspace.write_atomic(real, bytes)?;
    machine.state.saw(real, sha256(bytes));
    Ok(())
}

/// The difference between two contents; `None` when one of them is no text.
pub(super) fn diff(path: &ConfinedPath, old: &[u8], new: &[u8]) -> Option<String> {
    let (old, new) = (std::str::from_utf8(old).ok()?, std::str::from_utf8(new).ok()?);
    let name = path.relative().to_string_lossy();
    // A difference that takes too long is told more coarsely.
    let diff = similar::TextDiff::configure().timeout(std::time::Duration::from_millis(500)).diff_lines(old, new);
    let before = if old.is_empty() { "/dev/null".to_owned() } else { format!("a/{name}") };
    let text = diff.unified_diff().context_radius(3).header(&before, &format!("b/{name}")).to_string();
    Some(truncate::head_tail(&text, MAX_DIFF).unwrap_or(text))
}

/// The error for a file that does not exist, with names that are near.
pub(super) fn missing(machine: &Machine, path: &ConfinedPath) -> ToolError {
    let mut message = format!("{} does not exist.", path.shown());
    let near = near_names(machine, path);
    if !near.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(message, " Did you mean {}?", near.join(" or "));
    }
    ToolError::ForModel(message)
}

fn near_names(machine: &Machine, path: &ConfinedPath) -> Vec<String> {
    // The deepest folder on the way that exists, and the first name that does not.
    let mut folder = path.clone();
    let mut wanted = None;
    while !matches!(machine.workspace.metadata(&folder), Ok(entry) if entry.kind == EntryKind::Folder) {
        wanted = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        match folder.parent(machine.workspace.mount()) {
            Some(parent) => folder = parent,
            None => return Vec::new(),
        }
    }
    let (Some(wanted), Ok(names)) = (wanted, machine.workspace.list(&folder)) else { return Vec::new() };
    let lower = wanted.to_lowercase();
    let mut scored: Vec<(f64, String)> = names
        .iter()
        .take(MAX_NAMES)
        .filter_map(|(name, _)| {
            let known = name.to_str()?;
            let score = strsim::jaro_winkler(&lower, &known.to_lowercase());
            let shown = folder.join(name)?;
            (score > 0.8).then(|| (score, shown.shown().to_owned()))
        })
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}
