//! Bringing a session's changes to the project: first all of it is worked out and shown, then it is written.
//!
//! Every file is written aside in the folder where it will stand before the first one gets its name, so what can go
//! wrong (no room, no permission) goes wrong while nothing has changed yet.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::snapshot::{Changes, Item, ItemKind, SnapshotError, name};
use crate::workspace::HostFolder;
use crate::workspace::host_folder::{Content, Found, with_exec};

use super::git::Git;
use super::merge::{Entry, Merged, merge};
use super::{ProjectError, patch};

/// Names of left out files that are told one by one.
const NAMED: usize = 20;

/// One path that is written or removed.
#[derive(Debug, Clone)]
pub struct Step {
    /// Relative to the project.
    pub path: PathBuf,
    pub(super) before: Option<Entry>,
    pub(super) after: Option<Entry>,
}

/// A path on which both sides do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Relative to the project.
    pub path: PathBuf,
    /// How, in a few words.
    pub why: String,
}

/// What would be done to a project.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The project.
    pub dir: PathBuf,
    /// What is written and removed.
    pub steps: Vec<Step>,
    /// Where both sides do not agree.
    pub conflicts: Vec<Conflict>,
    /// What is not brought over, and why: one line each.
    pub left_out: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files and links that were written.
    pub written: u64,
    /// Those that were removed.
    pub removed: u64,
}

/// Why changes were not brought over.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The project cannot be looked at.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The text of the patch cannot be made.
    #[error("cannot make the patch: {0}")]
    Git(#[from] git2::Error),
    /// There is more than memory should hold.
    #[error("the changes are too large to be brought over: {what}")]
    TooLarge {
        /// How large, and the limit.
        what: String,
    },
    /// Somebody changed the project meanwhile.
    #[error("{} has changed since the patch was made; nothing was written", path.display())]
    Changed {
        /// The first such path.
        path: PathBuf,
    },
    /// It could not be written; nothing has changed.
    #[error("cannot write {}: {source}; nothing was changed", path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It went wrong in the middle.
    #[error("cannot write {}: {source}; done before that: {done}; not done: {left}", path.display())]
    Half {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Paths that are done.
        done: String,
        /// Paths that are not.
        left: String,
    },
}

/// How a patch is made.
pub struct Making<'a> {
    /// Reads an item of the snapshots.
    pub content: &'a dyn Fn(&Item) -> Result<Vec<u8>, SnapshotError>,
    /// Why a path stays in the session, if it does.
    pub stays: &'a dyn Fn(&Path) -> Option<&'static str>,
    /// Whether files in conflict are written with markers.
    pub markers: bool,
}

/// Works out what the session's changes mean for the project as it is now.
pub fn make(dir: &HostFolder, changes: &Changes, making: &Making<'_>) -> Result<Patch, ApplyError> {
    let git = Git::of(dir.path())?;
    let removed: BTreeSet<&[u8]> =
        changes.files.iter().filter(|change| change.new.is_none()).map(|change| change.path.as_slice()).collect();
    let mut outcome = Patch {
        dir: dir.path().to_owned(),
        steps: Vec::new(),
        conflicts: Vec::new(),
        left_out: changes.not_kept.clone(),
    };
    let mut stays: Vec<(PathBuf, &'static str)> = Vec::new();
    for change in &changes.files {
        let path = Path::new(OsStr::from_bytes(&change.path));
        if path.iter().any(|part| name::is_git_folder(part.as_bytes())) {
            stays.push((path.to_owned(), "Git's own folder is never written"));
            continue;
        }
        if let Some(why) = (making.stays)(path) {
            stays.push((path.to_owned(), why));
            continue;
        }
        if git.as_ref().is_some_and(|git| git.ignores(path)) {
            stays.push((path.to_owned(), "the project ignores it"));
            continue;
        }
        let conflict = |why: &str| Conflict { path: path.to_owned(), why: why.to_owned() };
        let fail = |source| ProjectError::Unreadable { path: dir.path().join(path), source };
        let ours = match dir.look(path).map_err(fail)? {
            Found::Missing => None,
            Found::File { mode } => Some(Entry::File { bytes: dir.read(path).map_err(fail)?, exec: mode & 0o100 != 0 }),
            Found::Link(target) => Some(Entry::Link(target)),
            // A folder of the project that the session has made a file of: all of it must go with this patch.
            Found::Folder if change.new.is_some() && all_removed(dir, path, &removed) => None,
            // The file that is gone from the session became a folder in the project: nothing of ours is lost.
            Found::Folder if change.new.is_none() => continue,
            Found::Folder => {
                outcome.conflicts.push(conflict("is a folder in the project"));
                continue;
            }
            Found::Other => {
                outcome.conflicts.push(conflict("is no file in the project"));
                continue;
            }
            Found::Behind(way) if removed.contains(way.as_os_str().as_bytes()) => None,
            Found::Behind(_) if change.new.is_none() => continue,
            Found::Behind(way) => {
                let why = format!("{} is a link or a file in the project", way.display());
                outcome.conflicts.push(conflict(&why));
                continue;
            }
        };
        let read = |item: &Option<Item>| item.as_ref().map(|item| entry(item, making.content)).transpose();
        let (base, theirs) = (read(&change.old)?, read(&change.new)?);
        let after = match merge(base.as_ref(), ours.as_ref(), theirs.as_ref()) {
            Merged::Same => continue,
            Merged::To(after) => after,
            Merged::Conflict { why, marked } => {
                outcome.conflicts.push(conflict(why));
                if !making.markers || marked == ours {
                    continue;
                }
                marked
            }
        };
        if after != ours {
            outcome.steps.push(Step { path: path.to_owned(), before: ours, after });
        }
    }
    outcome.left_out.extend(told(&stays));
    Ok(outcome)
}

/// Left out paths by their reason; long lists as a number.
fn told(stays: &[(PathBuf, &'static str)]) -> Vec<String> {
    let mut lines: Vec<String> =
        stays.iter().take(NAMED).map(|(path, why)| format!("{}: {why}", path.display())).collect();
    if stays.len() > NAMED {
        lines.push(format!("and {} more", stays.len() - NAMED));
    }
    lines
}

fn entry(item: &Item, content: &dyn Fn(&Item) -> Result<Vec<u8>, SnapshotError>) -> Result<Entry, SnapshotError> {
    let bytes = content(item)?;
    Ok(match item.kind {
        ItemKind::File => Entry::File { bytes, exec: false },
        ItemKind::Exec => Entry::File { bytes, exec: true },
        ItemKind::Link => Entry::Link(bytes),
    })
}

/// Whether everything in a folder of the project is removed by the patch.
fn all_removed(dir: &HostFolder, folder: &Path, removed: &BTreeSet<&[u8]>) -> bool {
    let Ok(names) = dir.list(folder) else { return false };
    names.iter().all(|name| {
        let path = folder.join(name);
        match dir.look(&path) {
            Ok(Found::Folder) => all_removed(dir, &path, removed),
            Ok(_) => removed.contains(path.as_os_str().as_bytes()),
            Err(_) => false,
        }
    })
}

impl Patch {
    /// Whether there is nothing to do and nothing to decide.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.conflicts.is_empty()
    }

    /// The patch as `git apply` reads it.
    pub fn text(&self) -> Result<Vec<u8>, ApplyError> {
        Ok(patch::text(&self.steps, true)?)
    }

    /// The patch for people; binary files are named only.
    pub fn shown(&self) -> Result<String, ApplyError> {
        Ok(String::from_utf8_lossy(&patch::text(&self.steps, false)?).into_owned())
    }

    /// Tells two patches apart: what was shown, and what is about to be written.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for step in &self.steps {
            add(step.path.as_os_str().as_bytes());
            for side in [&step.before, &step.after] {
                match side {
                    None => add(b"none"),
                    Some(Entry::File { bytes, exec }) => {
                        add(if *exec { b"exec" } else { b"file" });
                        add(bytes);
                    }
                    Some(Entry::Link(target)) => {
                        add(b"link");
                        add(target);
                    }
                }
            }
        }
        for conflict in &self.conflicts {
            add(conflict.path.as_os_str().as_bytes());
        }
        hasher.finalize().iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Writes it. Nothing is changed unless everything still is as the patch has it and every file could be written
    /// aside.
    pub fn write(&self, dir: &HostFolder) -> Result<Applied, ApplyError> {
        self.check(dir)?;
        // What stands behind something that goes first can be written only then.
        let gone: BTreeSet<&Path> =
            self.steps.iter().filter(|step| step.after.is_none()).map(|step| step.path.as_path()).collect();
        let waits = |step: &Step| {
            let behind = step.path.ancestors().skip(1).any(|above| gone.contains(above));
            behind || gone.iter().any(|path| *path != step.path && path.starts_with(&step.path))
        };
        let written: Vec<&Step> = self.steps.iter().filter(|step| step.after.is_some()).collect();
        let (late, early): (Vec<&Step>, Vec<&Step>) = written.into_iter().partition(|step| waits(step));
        let mut folders = Vec::new();
        let mut staged = Vec::new();
        for step in early {
            match step.stage(dir, &mut folders) {
                Ok(aside) => staged.push((step, aside)),
                Err(source) => {
                    drop(staged);
                    for folder in folders.iter().rev() {
                        dir.remove_empty(folder);
                    }
                    return Err(ApplyError::Refused { path: step.path.clone(), source });
                }
            }
        }
        let mut progress = Writing { patch: self, applied: Applied::default(), done: Vec::new() };
        for (step, aside) in staged {
            let result = match aside {
                Aside::Entry(staged) => staged.keep(true),
                Aside::Mode(mode) => dir.set_mode(&step.path, mode),
            };
            progress.took(step, result)?;
        }
        for step in self.steps.iter().filter(|step| step.after.is_none()) {
            progress.took(step, dir.remove(&step.path))?;
            for above in step.path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                if !dir.remove_empty(above) {
                    break;
                }
            }
        }
        for step in late {
            // Folders that only held what is gone.
            remove_empty_below(dir, &step.path);
            let result = step.stage(dir, &mut folders).and_then(|aside| match aside {
                Aside::Entry(staged) => staged.keep(true),
                Aside::Mode(mode) => dir.set_mode(&step.path, mode),
            });
            progress.took(step, result)?;
        }
        Ok(progress.applied)
    }

    /// Whether the project still is as the patch has it.
    fn check(&self, dir: &HostFolder) -> Result<(), ApplyError> {
        for step in &self.steps {
            let changed = || ApplyError::Changed { path: step.path.clone() };
            let now = match dir.look(&step.path).map_err(|_| changed())? {
                Found::File { mode } => {
                    let bytes = dir.read(&step.path).map_err(|_| changed())?;
                    Some(Entry::File { bytes, exec: mode & 0o100 != 0 })
                }
                Found::Link(target) => Some(Entry::Link(target)),
                Found::Missing | Found::Folder | Found::Other | Found::Behind(_) => None,
            };
            if now != step.before {
                return Err(changed());
            }
        }
        Ok(())
    }
}

/// What is ready to be put in its place.
enum Aside {
    Entry(crate::workspace::host_folder::Staged),
    /// Only the permission bits change.
    Mode(u32),
}

impl Step {
    /// Whether something stands there afterwards.
    pub fn writes(&self) -> bool {
        self.after.is_some()
    }

    fn stage(&self, dir: &HostFolder, made: &mut Vec<PathBuf>) -> io::Result<Aside> {
        if let (Some(Entry::File { bytes: before, .. }), Some(Entry::File { bytes, exec })) =
            (&self.before, &self.after)
            && before == bytes
            && let Found::File { mode } = dir.look(&self.path)?
        {
            return Ok(Aside::Mode(with_exec(mode, *exec)));
        }
        let mut from: &[u8];
        let content = match &self.after {
            Some(Entry::File { bytes, exec }) => {
                from = bytes;
                Content::File { from: &mut from, mode: None, exec: *exec }
            }
            Some(Entry::Link(target)) => Content::Link(target),
            None => return Err(io::Error::other("there is nothing to write")),
        };
        dir.stage(&self.path, content, made).map(Aside::Entry)
    }
}

fn remove_empty_below(dir: &HostFolder, folder: &Path) {
    if let (Ok(Found::Folder), Ok(names)) = (dir.look(folder), dir.list(folder)) {
        for name in names {
            remove_empty_below(dir, &folder.join(name));
        }
        dir.remove_empty(folder);
    }
}

struct Writing<'a> {
    patch: &'a Patch,
    applied: Applied,
    done: Vec<&'a Path>,
}

impl<'a> Writing<'a> {
    fn took(&mut self, step: &'a Step, result: io::Result<()>) -> Result<(), ApplyError> {
        match result {
            Ok(()) => {
                self.done.push(&step.path);
                let count = if step.after.is_some() { &mut self.applied.written } else { &mut self.applied.removed };
                *count += 1;
                Ok(())
            }
            Err(source) => {
                let list = |paths: Vec<&Path>| match paths.len() {
                    0 => "nothing".to_owned(),
                    _ => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
                };
                let left = self.patch.steps.iter().map(|step| step.path.as_path());
                let left = left.filter(|path| !self.done.contains(path)).collect();
                Err(ApplyError::Half {
                    path: step.path.clone(),
                    source,
                    done: list(std::mem::take(&mut self.done)),
                    left: list(left),
                })
            }
        }
    }
}
