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

use crate::snapshot::{Change, Changes, Item, ItemKind, SnapshotError, name};
use crate::workspace::HostFolder;
use crate::workspace::host_folder::{Content, Found, with_exec};

use super::ProjectError;
use super::git::Git;
use super::merge::{Entry, Merged, merge};
use super::patch::{self, Count, Limits};
use super::plan::stays_inside;

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

/// How a patch is made.
pub struct Making<'a> {
    /// Reads an item of the snapshots.
    pub content: &'a dyn Fn(&Item) -> Result<Vec<u8>, SnapshotError>,
    /// Why a path stays in the session, if it does.
    pub stays: &'a dyn Fn(&Path) -> Option<&'static str>,
    /// Whether conflicts are written down.
    pub markers: bool,
    /// Is told how many paths of how many are done, and says whether it goes on.
    pub goes_on: &'a dyn Fn(u64, u64) -> bool,
}

/// Works out what the session's changes mean for the project as it is now.
pub fn make(dir: &HostFolder, changes: &Changes, making: &Making<'_>) -> Result<Patch, ApplyError> {
    let mut notes = Vec::new();
    // A repository that Git's library cannot read must not keep the work in the session.
    let git = Git::of(dir.path()).unwrap_or_else(|error| {
        notes.push(format!("{error}; so nothing is left out because Git ignores it"));
        None
    });
    let patch = Patch {
        dir: dir.path().to_owned(),
        steps: Vec::new(),
        conflicts: Vec::new(),
        left_out: changes.not_kept.clone(),
        notes,
    };
    let mut work = Work { dir, git, changes, making, patch, stays: Vec::new(), over: Vec::new() };
    let count = changes.files.len() as u64;
    for (done, change) in (0..).zip(&changes.files) {
        if !(making.goes_on)(done, count) {
            return Err(ApplyError::Stopped);
        }
        work.change(change)?;
    }
    work.clear_the_way();
    work.patch.left_out.extend(told(&work.stays));
    Ok(work.patch)
}

/// A patch that is being worked out.
struct Work<'a> {
    dir: &'a HostFolder,
    git: Option<Git>,
    changes: &'a Changes,
    making: &'a Making<'a>,
    patch: Patch,
    stays: Vec<(PathBuf, &'static str)>,
    /// Steps that need something else to be gone first: the path that is in their way.
    over: Vec<(PathBuf, PathBuf)>,
}

impl Work<'_> {
    fn change(&mut self, change: &Change) -> Result<(), ApplyError> {
        let path = Path::new(OsStr::from_bytes(&change.path));
        if let Some(why) = self.why_it_stays(path, change) {
            self.stays.push((path.to_owned(), why));
            return Ok(());
        }
        let read = |item: &Option<Item>| item.as_ref().map(|item| entry(item, self.making.content)).transpose();
        let (base, theirs) = (read(&change.old)?, read(&change.new)?);
        if let Some(Entry::Link(target)) = &theirs
            && theirs != base
            && !stays_inside(path, Path::new(OsStr::from_bytes(target)))
        {
            self.stays.push((path.to_owned(), "it is a link that leads out of the project"));
            return Ok(());
        }
        let fail = |source| ProjectError::Unreadable { path: self.dir.path().join(path), source };
        let ours = match self.dir.look(path).map_err(fail)? {
            Found::Missing => None,
            Found::File { mode } => {
                Some(Entry::File { bytes: self.dir.read(path).map_err(fail)?, exec: mode & 0o100 != 0 })
            }
            Found::Link(target) => Some(Entry::Link(target)),
            // The file that is gone from the session became something else in the project: nothing of ours is lost.
            Found::Folder | Found::Behind(_) if theirs.is_none() => return Ok(()),
            // All of it must go with this patch; that is seen when all of it is known.
            Found::Folder => {
                self.over.push((path.to_owned(), path.to_owned()));
                None
            }
            Found::Behind(way) => {
                self.over.push((path.to_owned(), way));
                None
            }
            Found::Other => {
                self.kept(path, "is no file in the project", theirs);
                return Ok(());
            }
        };
        let after = match merge(base.as_ref(), ours.as_ref(), theirs.as_ref()) {
            Merged::Same => return Ok(()),
            Merged::To(after) => after,
            // What stands in the way is the conflict.
            Merged::Conflict { .. } if self.over.last().is_some_and(|(over, _)| over == path) => theirs,
            Merged::Conflict { why, marked, both } => {
                let outcome = match () {
                    () if both => Outcome::Marked,
                    () if marked == theirs => Outcome::Session,
                    () if theirs.is_none() => Outcome::Project,
                    () => {
                        self.kept(path, why, theirs);
                        return Ok(());
                    }
                };
                self.patch.conflicts.push(Conflict { path: path.to_owned(), why: why.to_owned(), outcome });
                if !self.making.markers {
                    return Ok(());
                }
                marked
            }
        };
        if after != ours {
            self.patch.steps.push(Step { path: path.to_owned(), before: ours, after });
        }
        Ok(())
    }

    fn why_it_stays(&self, path: &Path, change: &Change) -> Option<&'static str> {
        if path.iter().any(|part| name::is_git_folder(part.as_bytes())) {
            return Some("Git's own folder is never written");
        }
        // What was copied belongs to the project, whatever Git says of it.
        let is_ignored = || change.old.is_none() && self.git.as_ref().is_some_and(|git| git.ignores(path));
        (self.making.stays)(path).or_else(|| is_ignored().then_some("the project ignores it"))
    }

    /// A conflict in which the project's side stays; the session's goes beside it.
    fn kept(&mut self, path: &Path, why: &str, theirs: Option<Entry>) {
        let beside = self.beside(path);
        if self.making.markers {
            self.patch.steps.push(Step { path: beside.clone(), before: None, after: theirs });
        }
        let outcome = Outcome::Beside(beside);
        self.patch.conflicts.push(Conflict { path: path.to_owned(), why: why.to_owned(), outcome });
    }

    /// A free name beside a path.
    fn beside(&self, path: &Path) -> PathBuf {
        let named = |end: &str| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(end);
            path.with_file_name(name)
        };
        let is_free = |path: &PathBuf| {
            let known = self.changes.files.iter().any(|change| change.path == path.as_os_str().as_bytes());
            !known && matches!(self.dir.look(path), Ok(Found::Missing))
        };
        let mut numbered = (2..).map(|number| named(&format!(".session-{number}")));
        let first = named(".session");
        if is_free(&first) { first } else { numbered.find(is_free).unwrap_or(first) }
    }

    /// A step that is not possible, since what is in its way stays, becomes a conflict.
    fn clear_the_way(&mut self) {
        let gone = self.patch.steps.iter().filter(|step| step.after.is_none());
        let gone: BTreeSet<PathBuf> = gone.map(|step| step.path.clone()).collect();
        for (path, way) in std::mem::take(&mut self.over) {
            let Some(at) = self.patch.steps.iter().position(|step| step.path == path) else { continue };
            let is_behind = path != way;
            if if is_behind { gone.contains(&way) } else { all_removed(self.dir, &path, &gone) } {
                continue;
            }
            let step = self.patch.steps.remove(at);
            if is_behind {
                let why = format!("{} is a link or a file in the project", way.display());
                self.patch.conflicts.push(Conflict { path, why, outcome: Outcome::Nowhere });
            } else {
                self.kept(&path, "is a folder in the project", step.after);
            }
        }
    }
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
fn all_removed(dir: &HostFolder, folder: &Path, removed: &BTreeSet<PathBuf>) -> bool {
    let Ok(names) = dir.list(folder) else { return false };
    names.iter().all(|name| {
        let path = folder.join(name);
        match dir.look(&path) {
            Ok(Found::Folder) => all_removed(dir, &path, removed),
            Ok(_) => removed.contains(&path),
            Err(_) => false,
        }
    })
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
