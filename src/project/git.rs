//! What Git says of a folder: which files it tracks and which it ignores. Nothing is run and nothing is written.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository, RepositoryOpenFlags};

use super::ProjectError;

/// The checkout that a folder lies in.
pub(super) struct Git {
    repo: Repository,
    /// The folder within the checkout.
    prefix: PathBuf,
    /// Tracked files below the folder, and the folders that hold them; relative to it.
    tracked: HashSet<Vec<u8>>,
}

impl Git {
    /// The checkout, if the folder lies in one that cares for it.
    pub(super) fn of(dir: &Path) -> Result<Option<Self>, ProjectError> {
        let fail = |error: &git2::Error| ProjectError::Git { dir: dir.to_owned(), why: error.message().to_owned() };
        let none: [&str; 0] = [];
        let repo = match Repository::open_ext(dir, RepositoryOpenFlags::empty(), none) {
            Ok(repo) => repo,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(fail(&error)),
        };
        let Some(top) = repo.workdir().and_then(|top| std::fs::canonicalize(top).ok()) else { return Ok(None) };
        let Ok(prefix) = dir.strip_prefix(&top).map(Path::to_owned) else { return Ok(None) };
        let mut tracked = HashSet::new();
        let index = repo.index().map_err(|error| fail(&error))?;
        for entry in index.iter() {
            let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
            let Ok(path) = path.strip_prefix(&prefix) else { continue };
            for path in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
                if !tracked.insert(path.as_os_str().as_bytes().to_vec()) {
                    break;
                }
            }
        }
        let git = Self { repo, prefix, tracked };
        // A home that is a checkout and ignores everything says nothing about a project in it.
        let ignored = !git.prefix.as_os_str().is_empty() && git.tracked.is_empty() && git.ignores_folder();
        Ok((!ignored).then_some(git))
    }

    fn ignores_folder(&self) -> bool {
        self.repo.status_should_ignore(&self.prefix).unwrap_or(false)
    }

    /// Whether a path below the folder is left to nobody: ignored, and not tracked all the same.
    pub(super) fn ignores(&self, path: &Path) -> bool {
        !self.tracked.contains(path.as_os_str().as_bytes())
            && self.repo.status_should_ignore(&self.prefix.join(path)).unwrap_or(false)
    }
}
