//! Which files of a project would be copied, counted before anything is.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::config::schema::ProjectSection;
use crate::snapshot::name;
use crate::support::truncate;

use super::ProjectError;
use super::git::Git;

/// Folders in folders that are copied.
const MAX_DEPTH: usize = 128;
/// How far beyond the limit is counted, so that what is large can be named.
const BEYOND: u64 = 4;
/// Names of large things that are told.
const NAMED: usize = 3;

/// What would be copied.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The project, links resolved.
    pub dir: PathBuf,
    /// Whether Git has said what belongs to it.
    pub git: bool,
    /// Files and links.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What is left out, and why: one line each.
    pub left_out: Vec<String>,
    pub(super) items: Vec<Item>,
    pub(super) limit: u64,
}

/// One entry, relative to the project.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    File {
        bytes: u64,
        mode: u32,
    },
    Link(OsString),
    /// A folder that holds nothing.
    Folder,
}

/// Finds the files of a project: in a Git checkout what Git tracks and what it does not ignore, elsewhere (and with
/// `all`) everything. `private` are folders that no session may hold, such as that of the sessions.
pub fn plan(
    dir: &Path,
    all: bool,
    limits: &ProjectSection,
    private: &[PathBuf],
    stopped: &dyn Fn() -> bool,
) -> Result<Plan, ProjectError> {
    let refused = |why: &str| ProjectError::NotAProject { dir: dir.to_owned(), why: why.to_owned() };
    let dir = std::fs::canonicalize(dir).map_err(|error| refused(&error.to_string()))?;
    if !dir.is_dir() {
        return Err(refused("it is not a folder"));
    }
    if dir.to_str().is_none() {
        return Err(refused("its path is not UTF-8"));
    }
    let private: Vec<PathBuf> = private.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect();
    if private.iter().any(|path| dir.starts_with(path)) {
        return Err(refused("it lies in okcvm's own folders"));
    }
    let git = if all { None } else { Git::of(&dir)? };
    let plan = Plan {
        git: git.is_some(),
        files: 0,
        bytes: 0,
        left_out: Vec::new(),
        items: Vec::new(),
        limit: limits.max_total_mb << 20,
        dir,
    };
    let mut walk = Walk { plan, git, private, max_files: limits.max_files, shares: HashMap::new(), stopped };
    walk.folder(Path::new(""), 0)?;
    walk.check()?;
    Ok(walk.plan)
}

struct Walk<'a> {
    plan: Plan,
    git: Option<Git>,
    private: Vec<PathBuf>,
    max_files: u64,
    /// Files and bytes by the first part of their path.
    shares: HashMap<OsString, (u64, u64)>,
    stopped: &'a dyn Fn() -> bool,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), ProjectError> {
        let full = self.plan.dir.join(path);
        let entries = match std::fs::read_dir(&full).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(ProjectError::unreadable(&full)(error)),
            Err(error) => {
                self.leave_out(path, &error.to_string());
                return Ok(());
            }
        };
        if (self.stopped)() {
            return Err(ProjectError::Stopped);
        }
        let mut names: Vec<OsString> = entries.into_iter().map(|entry| entry.file_name()).collect();
        names.sort();
        if names.is_empty() && depth > 0 && self.git.is_none() {
            self.plan.items.push(Item { path: path.to_owned(), what: What::Folder });
        }
        for name in names {
            // Beyond that only time would be lost.
            if self.is_far_beyond() {
                return Ok(());
            }
            self.entry(&path.join(&name), &name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &OsStr, depth: usize) -> Result<(), ProjectError> {
        let is_left_over = crate::workspace::host_folder::is_aside(name);
        if is_left_over
            || name::is_git_folder(name.as_bytes())
            || self.git.as_ref().is_some_and(|git| git.ignores(path))
        {
            return Ok(());
        }
        let full = self.plan.dir.join(path);
        if self.private.contains(&full) {
            self.leave_out(path, "it belongs to okcvm");
            return Ok(());
        }
        let facts = match std::fs::symlink_metadata(&full) {
            Ok(facts) => facts,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.leave_out(path, &error.to_string());
                return Ok(());
            }
        };
        let kind = facts.file_type();
        if kind.is_dir() {
            if depth >= MAX_DEPTH {
                self.leave_out(path, "it lies too deep");
                return Ok(());
            }
            return self.folder(path, depth + 1);
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(&full).map_err(ProjectError::unreadable(&full))?.into_os_string();
            if stays_inside(path, Path::new(&target)) {
                self.count(path, 0);
                self.plan.items.push(Item { path: path.to_owned(), what: What::Link(target) });
            } else {
                self.leave_out(path, "it is a link that leads out of the project");
            }
        } else if kind.is_file() {
            self.count(path, facts.len());
            let what = What::File { bytes: facts.len(), mode: facts.mode() & 0o777 };
            self.plan.items.push(Item { path: path.to_owned(), what });
        } else {
            self.leave_out(path, "it is no file");
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.plan.left_out.push(format!("{}: {why}", path.display()));
    }

    fn count(&mut self, path: &Path, bytes: u64) {
        self.plan.files += 1;
        self.plan.bytes += bytes;
        if let Some(first) = path.iter().next() {
            let (files, sum) = self.shares.entry(first.to_owned()).or_default();
            *files += 1;
            *sum += bytes;
        }
    }

    fn is_far_beyond(&self) -> bool {
        self.plan.files > self.max_files.saturating_mul(BEYOND)
    }

    fn check(&self) -> Result<(), ProjectError> {
        let (files, bytes) = (self.plan.files, self.plan.bytes);
        let many = files > self.max_files;
        if !many && bytes <= self.plan.limit {
            return Ok(());
        }
        let count = if self.is_far_beyond() { format!("more than {files}") } else { files.to_string() };
        let what = if many {
            format!("it has {count} files, the limit is {} (project.max_files)", self.max_files)
        } else {
            let limit = truncate::bytes(self.plan.limit);
            format!("it has {}, the limit is {limit} (project.max_total_mb)", truncate::bytes(bytes))
        };
        let mut shares: Vec<_> = self.shares.iter().collect();
        shares.sort_by_key(|(_, (files, bytes))| std::cmp::Reverse(if many { *files } else { *bytes }));
        let largest: Vec<String> = shares
            .into_iter()
            .take(NAMED)
            .map(|(name, (files, bytes))| {
                let things = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
                format!("{} ({things}, {})", name.display(), truncate::bytes(*bytes))
            })
            .collect();
        Err(ProjectError::TooLarge { dir: self.plan.dir.clone(), what, largest: largest.join(", ") })
    }
}

/// Whether a link's target, read by its spelling, lies below the folder that `path` is relative to.
pub(super) fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    !target.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_judged_by_where_they_lead() {
        let inside = |path: &str, target: &str| stays_inside(Path::new(path), Path::new(target));
        assert!(inside("a", "b") && inside("x/a", "../b") && inside("x/a", "./b/../c"));
        assert!(!inside("a", "../b") && !inside("x/a", "../../b") && !inside("a", "/etc") && !inside("a", ""));
        assert!(!inside("x/a", "../../x/b"), "out and in again is out");
    }
}
