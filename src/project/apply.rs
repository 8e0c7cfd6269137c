//! Bringing a session's changes to the project: first all of it is worked out and shown, then it is written.
//!
//! Every file is written aside in the folder where it will stand before the first one gets its name, so what can go
//! wrong (no room, no permission) goes wrong while nothing has changed yet.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::snapshot::SnapshotError;
use crate::workspace::HostFolder;
use crate::workspace::host_folder::{Content, Found, with_exec};

use super::ProjectError;
use super::merge::Entry;
use super::patch::{self, Count, Limits};

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
    /// What becomes of it where conflicts are written down.
    pub outcome: Outcome,
}

/// What becomes of a conflict where both sides are to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One file has both, with markers between them.
    Marked,
    /// The session's version comes back, which the project had removed.
    Session,
    /// The project's version stays, which the session had removed.
    Project,
    /// The project's version stays, and the session's is written beside it.
    Beside(PathBuf),
    /// Nothing can be written there.
    Nowhere,
}

impl Conflict {
    /// The outcome in words.
    pub fn outcome(&self) -> String {
        match &self.outcome {
            Outcome::Marked => "the file has both versions: look for <<<<<<<".to_owned(),
            Outcome::Session => "the session's version stands there".to_owned(),
            Outcome::Project => "the project's version was kept".to_owned(),
            Outcome::Beside(path) => format!("the project's version was kept, the session's is {}", path.display()),
            Outcome::Nowhere => {
                format!("the project's version was kept; `okcvm files get {}` has the session's", self.path.display())
            }
        }
    }
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
    /// What else is to be known of it.
    pub notes: Vec<String>,
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
    /// The user stopped it.
    #[error("stopped; nothing was written to the project")]
    Stopped,
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

impl Patch {
    /// Whether there is nothing to do and nothing to decide.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.conflicts.is_empty()
    }

    /// Whether everything is written down somewhere in the project, conflicts included.
    pub fn is_whole(&self) -> bool {
        self.conflicts.iter().all(|conflict| conflict.outcome != Outcome::Nowhere)
    }

    /// The patch as `git apply` reads it.
    pub fn text(&self) -> Result<Vec<u8>, ApplyError> {
        Ok(patch::text(&self.steps)?)
    }

    /// The patch for people, binary files named only, and a few words on each step.
    pub fn shown(&self, limits: Option<Limits>) -> Result<(String, Vec<String>), ApplyError> {
        let shown = patch::shown(&self.steps, limits)?;
        let words = self.steps.iter().map(|step| step.words(shown.counts.get(&step.path)));
        Ok((String::from_utf8_lossy(&shown.text).into_owned(), words.collect()))
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
    /// aside. `goes_on` is told how many of how many are, and can stop it until then.
    pub fn write(&self, dir: &HostFolder, goes_on: &dyn Fn(u64, u64) -> bool) -> Result<Applied, ApplyError> {
        let count = self.steps.len() as u64;
        if !goes_on(0, count) {
            return Err(ApplyError::Stopped);
        }
        self.check(dir)?;
        let folders: BTreeSet<&Path> = self.steps.iter().filter_map(|step| step.path.parent()).collect();
        for folder in folders {
            dir.sweep(folder);
        }
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
        let mut refused = None;
        for (done, step) in (1..).zip(early) {
            match step.stage(dir, &mut folders) {
                Ok(aside) => staged.push((step, aside)),
                Err(source) => refused = Some(ApplyError::Refused { path: step.path.clone(), source }),
            }
            if refused.is_none() && !goes_on(done, count) {
                refused = Some(ApplyError::Stopped);
            }
            if refused.is_some() {
                break;
            }
        }
        if let Some(error) = refused {
            drop(staged);
            for folder in folders.iter().rev() {
                dir.remove_empty(folder);
            }
            return Err(error);
        }
        // One sync for all.
        dir.sync();
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

    /// What it does, in a few words.
    fn words(&self, count: Option<&Count>) -> String {
        let mut words = Vec::new();
        match count {
            Some(Count { binary: true, .. }) => words.push("binary".to_owned()),
            Some(Count { added, removed, .. }) if added + removed > 0 => words.push(format!("+{added} -{removed}")),
            _ => {}
        }
        let exec = |entry: &Option<Entry>| matches!(entry, Some(Entry::File { exec: true, .. }));
        match (&self.before, &self.after) {
            (_, Some(Entry::Link(target))) => words.push(format!("a link to {}", String::from_utf8_lossy(target))),
            (None, Some(Entry::File { bytes, .. })) if bytes.is_empty() => words.push("new and empty".to_owned()),
            (None, Some(_)) => words.push("new".to_owned()),
            _ => {}
        }
        match (exec(&self.before), exec(&self.after)) {
            (false, true) => words.push("executable".to_owned()),
            (true, false) if self.after.is_some() => words.push("not executable any more".to_owned()),
            _ => {}
        }
        words.join(", ")
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
                Content::File { from: &mut from, mode: None, exec: *exec, sync: false }
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
