//! What a session's changes mean for the project as it is now: each path three ways, then what is in the way of what.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::snapshot::{Change, Changes, Item, ItemKind, SnapshotError, name};
use crate::workspace::HostFolder;
use crate::workspace::host_folder::Found;

use super::ProjectError;
use super::apply::{ApplyError, Conflict, Outcome, Patch, Step};
use super::git::Git;
use super::merge::{Entry, Merged, merge};
use super::plan::stays_inside;

/// Names of left out files that are told one by one.
const NAMED: usize = 20;

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
