//! Differences for people: which files changed, how many lines, and a patch with three lines of context.
//!
//! Limits keep an answer readable and quick: files above 1 MiB and binary ones get no patch, and after four MiB of
//! patches only the list goes on.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use similar::{Algorithm, ChangeTag, TextDiff};

use super::compare::{self, Difference, Side, State, Trees};
use super::error::SnapshotError;
use super::graph::Store;
use super::name;
use super::object::ObjectKind;
use super::read::Scan;
use super::tree::Kind;
use crate::protocol::{FileChange, FileChangeKind, FileDiff, NodeId};

/// Largest file that gets a patch.
const MAX_FILE: u64 = 1024 * 1024;
/// All patches together.
const MAX_PATCHES: usize = 4 * 1024 * 1024;
/// How long all patches together may take to compute.
const MAX_TIME: Duration = Duration::from_secs(5);
const BINARY_PROBE: usize = 8000;

impl Store {
    /// What changed from one node to another, or to the workspace as it is now.
    pub fn diff(
        &mut self,
        from: &NodeId,
        to: Option<&NodeId>,
        dir: BorrowedFd<'_>,
    ) -> Result<Vec<FileDiff>, SnapshotError> {
        let old = self.files(from)?;
        let scan = match to {
            Some(to) => Scan { state: self.files(to)?, trees: std::collections::HashMap::new() },
            None => self.scan(dir)?,
        };
        let trees = Trees::new(&self.repo, &scan.trees);
        let workspace = to.is_none().then_some(dir);
        let mut maker = Maker { store: self, workspace, left: MAX_PATCHES, until: Instant::now() + MAX_TIME };
        let mut files = Vec::new();
        for difference in compare::compare(&trees, &old, &scan.state)? {
            if let Some(file) = maker.file(&difference, &scan.state)? {
                files.push(file);
            }
        }
        Ok(files)
    }
}

struct Maker<'a> {
    store: &'a Store,
    workspace: Option<BorrowedFd<'a>>,
    left: usize,
    until: Instant,
}

impl Maker<'_> {
    fn file(&mut self, difference: &Difference, new: &State) -> Result<Option<FileDiff>, SnapshotError> {
        let Difference { path, old, new: after } = difference;
        let (old, after) = match (old, after) {
            // Both folders: only the bits differ. One folder that is new or gone matters only when it is empty, and
            // then it is told like a file.
            (Some(Side { kind: Kind::Dir, .. }), Some(Side { kind: Kind::Dir, .. })) => return Ok(None),
            (None, Some(side)) | (Some(side), None) if side.kind == Kind::Dir => {
                if !is_empty_folder(side)? {
                    return Ok(None);
                }
                (*old, *after)
            }
            (old, after) => (*old, *after),
        };
        if after.is_none() && new.not_kept.iter().any(|item| item.path == *path) {
            return Ok(None);
        }
        let kind = match (old, after) {
            (None, _) => FileChangeKind::Added,
            (_, None) => FileChangeKind::Removed,
            _ => FileChangeKind::Modified,
        };
        let mut change = FileChange {
            path: name::display(path),
            path_bytes: std::str::from_utf8(path)
                .is_err()
                .then(|| base64::engine::general_purpose::STANDARD.encode(path)),
            kind,
            lines_added: 0,
            lines_removed: 0,
            binary: false,
        };
        let before = self.text(old, None)?;
        let now = self.text(after, self.workspace.map(|dir| (dir, path.as_slice())))?;
        let mut patch = header(&change.path, old, after);
        match (before, now) {
            (Text::Lines(before), Text::Lines(now)) => {
                self.lines(&before, &now, &mut change, &mut patch);
            }
            (Text::Binary, _) | (_, Text::Binary) => change.binary = true,
            _ => {}
        }
        if self.left < patch.len() {
            self.left = 0;
            patch.clear();
        }
        self.left -= patch.len();
        Ok(Some(FileDiff { change, patch }))
    }

    fn lines(&self, before: &str, now: &str, change: &mut FileChange, patch: &mut String) {
        if before == now {
            return;
        }
        let diff = TextDiff::configure().algorithm(Algorithm::Myers).deadline(self.until).diff_lines(before, now);
        for op in diff.iter_all_changes() {
            match op.tag() {
                ChangeTag::Insert => change.lines_added += 1,
                ChangeTag::Delete => change.lines_removed += 1,
                ChangeTag::Equal => {}
            }
        }
        if self.left > 0 {
            patch.push_str(&diff.unified_diff().context_radius(3).to_string());
        }
    }

    fn text(&self, side: Option<Side>, workspace: Option<(BorrowedFd<'_>, &[u8])>) -> Result<Text, SnapshotError> {
        let Some(side) = side.filter(|side| side.kind != Kind::Dir) else {
            return Ok(Text::Lines(String::new()));
        };
        // The workspace's version of a file that is not stored is read from where it lies.
        let stored = self.store.repo.exists(side.id);
        let bytes = match workspace {
            Some((dir, path)) if !stored => read_now(dir, path, side.kind),
            _ if self.store.repo.size(side.id)? > MAX_FILE => None,
            _ => Some(self.store.repo.read(side.id, ObjectKind::Blob)?),
        };
        Ok(match bytes {
            None => Text::Large,
            Some(bytes) if bytes[..bytes.len().min(BINARY_PROBE)].contains(&0) => Text::Binary,
            Some(bytes) => Text::Lines(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

fn is_empty_folder(side: &Side) -> Result<bool, SnapshotError> {
    Ok(side.id == super::object::hash(ObjectKind::Tree, b"")?)
}

enum Text {
    Lines(String),
    Binary,
    Large,
}

/// Reads a file or link of the workspace, no link followed; `None` where it is large or gone.
fn read_now(dir: BorrowedFd<'_>, path: &[u8], kind: Kind) -> Option<Vec<u8>> {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    let mut folder: Option<std::os::fd::OwnedFd> = None;
    let mut parts = path.split(|byte| *byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let here = folder.as_ref().map_or(dir, |fd| fd.as_fd());
        if parts.peek().is_some() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = Some(openat(here, part, flags, Mode::empty()).ok()?);
            continue;
        }
        if kind == Kind::Link {
            return Some(readlinkat(here, part, Vec::new()).ok()?.into_bytes());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = std::fs::File::from(openat(here, part, flags, Mode::empty()).ok()?);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).ok()?;
        return (bytes.len() as u64 <= MAX_FILE).then_some(bytes);
    }
    None
}

fn header(path: &str, old: Option<Side>, new: Option<Side>) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let word = |side: Side| match side.kind {
        Kind::Link => "link".to_owned(),
        Kind::Dir => "folder".to_owned(),
        Kind::File | Kind::Exec => format!("{:04o}", side.bits),
    };
    match (old, new) {
        (Some(old), Some(new)) if word(old) != word(new) => {
            let _ = writeln!(text, "mode {} -> {}", word(old), word(new));
        }
        _ => {}
    }
    let side = |side: Option<Side>, letter: char| match side {
        Some(_) => format!("{letter}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let _ = writeln!(text, "--- {}\n+++ {}", side(old, 'a'), side(new, 'b'));
    text
}
