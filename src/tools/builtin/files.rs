//! What the file tools share: hashes, the rule that a file must have been read, near names, differences.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::text::TextError;
use super::watched::Watched;
use crate::support::hash::hex;
pub(super) use crate::support::hash::sha256;
use crate::support::truncate;
use crate::tools::dispatch::Machine;
use crate::tools::tool::ToolError;
use crate::workspace::{ConfinedPath, EntryKind, WorkspaceError};

/// A file that is to be changed may be this large.
pub(super) const MAX_CHANGED: u64 = 16 << 20;
/// Characters that one call may write.
pub(super) const MAX_CHARS: usize = 100_000;
/// A file of more bytes is remembered by samples.
pub(super) const MAX_HASHED: u64 = 64 << 20;
/// Bytes of one sample.
const SAMPLE: usize = 64 << 10;
/// Samples, spread over the file with both its ends.
const SAMPLES: u64 = 17;
/// Characters of a difference.
const MAX_DIFF: usize = 200_000;
/// Names that are looked at for a suggestion.
const MAX_NAMES: usize = 2_000;

/// What a file is remembered by as read: the hash of all of it, or of a large one its size, its times, its place on the
/// disk and samples. The time of the last change cannot be set back, so that is as good, and costs nothing.
pub(super) fn fingerprint(file: &File, cancel: &CancellationToken) -> io::Result<String> {
    let facts = file.metadata()?;
    let mut hash = Sha256::new();
    if facts.len() <= MAX_HASHED {
        let mut from = file;
        from.rewind()?;
        io::copy(&mut Watched::new(from, cancel), &mut hash)?;
        return Ok(hex(&hash.finalize()));
    }
    for fact in [facts.len(), facts.dev(), facts.ino()] {
        hash.update(fact.to_le_bytes());
    }
    for time in [facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec()] {
        hash.update(time.to_le_bytes());
    }
    let mut sample = vec![0; SAMPLE];
    for index in 0..SAMPLES {
        let count = file.read_at(&mut sample, (facts.len() - SAMPLE as u64) / (SAMPLES - 1) * index)?;
        hash.update(&sample[..count]);
    }
    Ok(format!("sampled-{}", hex(&hash.finalize())))
}

/// What a file that is about to be changed holds now.
#[derive(Debug)]
pub(super) enum Before {
    /// There is no such file.
    Missing,
    /// All of it.
    Whole(Vec<u8>),
    /// It is too large to be changed here; it can still be replaced. Its size.
    Large(u64),
}

/// What stands in a file that is about to be changed. It must be what the model has read: a file that it never saw, or
/// that was changed by other hands since, is not overwritten.
pub(super) fn known(machine: &Machine, real: &ConfinedPath) -> Result<Before, ToolError> {
    let file = match machine.workspace.open_read(real) {
        Ok(file) => file,
        Err(WorkspaceError::Missing { .. }) => return Ok(Before::Missing),
        Err(error) => return Err(error.into()),
    };
    let fail = |error: io::Error| ToolError::ForModel(format!("cannot read {}: {error}", real.shown()));
    let seen = machine.state.seen(real).ok_or_else(|| {
        ToolError::ForModel(format!(
            "{} exists but has not been read in this session. Read it first, then change it.",
            real.shown()
        ))
    })?;
    let size = file.metadata().map_err(fail)?.len();
    let (before, now) = if size > MAX_CHANGED {
        (Before::Large(size), fingerprint(&file, &CancellationToken::new()).map_err(fail)?)
    } else {
        let bytes = machine.workspace.read(real, MAX_CHANGED)?;
        let now = sha256(&bytes);
        (Before::Whole(bytes), now)
    };
    if seen != now {
        return Err(ToolError::ForModel(format!(
            "{} has changed since it was read. Read it again, then change it.",
            real.shown()
        )));
    }
    Ok(before)
}

/// Says that a file is too large to be changed.
pub(super) fn too_large(real: &ConfinedPath, size: u64) -> ToolError {
    ToolError::ForModel(format!(
        "{} has {}; at most {} can be changed this way. Change it with the shell.",
        real.shown(),
        truncate::bytes(size),
        truncate::bytes(MAX_CHANGED)
    ))
}

/// Says that a text cannot be written in the encoding of the file.
pub(super) fn not_written(real: &ConfinedPath, error: &TextError) -> ToolError {
    let shown = real.shown();
    ToolError::ForModel(match error {
        TextError::NotInEncoding(_) => format!(
            "{error}, so nothing was changed. Use characters that it has, or convert {shown} to UTF-8 first: iconv -f \
             ENCODING -t UTF-8."
        ),
        TextError::NotExact { .. } => {
            format!("{error}, so nothing was changed in {shown}: what they stand for would be lost. Use the shell.")
        }
    })
}

/// Writes the new content and remembers it as known, and the file as one that the session writes.
pub(super) fn write_known(machine: &Machine, real: &ConfinedPath, bytes: &[u8]) -> Result<(), ToolError> {
    machine.workspace.write_atomic(real, bytes)?;
    machine.state.wrote(real, sha256(bytes));
    Ok(())
}

/// The difference between two texts.
pub(super) fn diff(path: &ConfinedPath, old: &str, new: &str) -> String {
    let name = path.relative().to_string_lossy();
    // A difference that takes too long is told more coarsely.
    let diff = similar::TextDiff::configure().timeout(std::time::Duration::from_millis(500)).diff_lines(old, new);
    let before = if old.is_empty() { "/dev/null".to_owned() } else { format!("a/{name}") };
    let text = diff.unified_diff().context_radius(3).header(&before, &format!("b/{name}")).to_string();
    truncate::head_tail(&text, MAX_DIFF).unwrap_or(text)
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
