//! The workspace of one session: a descriptor of its folder and the path under which tools know it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::confine::{self, ConfinedPath};
use super::{WorkspaceError, walk};
use crate::support::folder;

/// How paths are opened below the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `openat2` of the kernel (5.6 and later).
    Kernel,
    /// cap-std, component by component: for kernels and containers without `openat2`.
    CapStd,
}

/// How often an open is tried again when the kernel saw a rename under it.
const RETRIES: usize = 128;

/// The files of one session. Cheap to clone.
#[derive(Clone)]
pub struct Workspace(Arc<Inner>, Option<Arc<str>>);

struct Inner {
    dir: OwnedFd,
    capability: cap_std::fs::Dir,
    access: Access,
    host_path: PathBuf,
    mount: String,
    owner: Option<(u32, u32)>,
}

impl Workspace {
    /// Opens the folder `work`, known to tools as `mount` (without a trailing slash). New files belong to `owner`
    /// where that is given: the account that tools run as when okcvm itself is root.
    pub fn open(work: &Path, mount: &str, owner: Option<(u32, u32)>) -> Result<Self, WorkspaceError> {
        let access = if kernel_has_openat2(work) { Access::Kernel } else { Access::CapStd };
        Self::open_with(work, mount, owner, access)
    }

    /// As [`Workspace::open`], with a given way of opening paths.
    pub fn open_with(
        work: &Path,
        mount: &str,
        owner: Option<(u32, u32)>,
        access: Access,
    ) -> Result<Self, WorkspaceError> {
        let fail = |source: io::Error| WorkspaceError::Io {
            action: "open workspace",
            path: work.display().to_string(),
            source,
        };
        // A command may have shut it; that must not shut the user out of the session. Where it fails, opening tells why.
        let _ = folder::open_to_owner(work);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(work, flags, Mode::empty()).map_err(|error| fail(error.into()))?;
        let copy = dir.try_clone().map_err(fail)?;
        let host_path = std::path::absolute(work).map_err(fail)?;
        Ok(Self(
            Arc::new(Inner {
                dir,
                capability: cap_std::fs::Dir::from_std_file(File::from(copy)),
                access,
                host_path,
                mount: mount.trim_end_matches('/').to_owned(),
                owner,
            }),
            None,
        ))
    }

    /// Takes another absolute path for the same folder: that under which commands find it where the mount is not there
    /// for them.
    #[must_use]
    pub fn also_known_as(mut self, path: Option<&Path>) -> Self {
        self.1 = path.and_then(Path::to_str).map(Arc::from);
        self
    }

    /// The path under which tools know it, without a trailing slash.
    pub fn mount(&self) -> &str {
        &self.0.mount
    }

    /// Where it lies on the host, for people; nothing is opened through this path.
    pub fn host_path(&self) -> &Path {
        &self.0.host_path
    }

    /// Who owns new files, when that is not the account okcvm runs as.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.0.owner
    }

    /// A descriptor of the folder, for walks of one's own.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.0.dir.as_fd()
    }

    /// Confines a path by its spelling: relative to the workspace, under the mount, or under another name of it.
    /// Everything else is refused as "path outside workspace". Links are looked at when the path is used.
    pub fn resolve(&self, path: &str) -> Result<ConfinedPath, WorkspaceError> {
        confine::confine(self.mount(), &self.roots(), path)
    }

    /// Every absolute path that means this folder; the mount is the first.
    pub(super) fn roots(&self) -> Vec<&str> {
        [self.mount(), confine::ALIAS].into_iter().chain(self.1.as_deref()).collect()
    }

    /// The same file under a path without links. What does not exist yet keeps its name.
    pub fn real(&self, path: &ConfinedPath) -> Result<ConfinedPath, WorkspaceError> {
        walk::locate(self, path).map(|located| located.path)
    }

    /// Opens a path that holds no links. A link on the way is an error (`ELOOP`), and so is a device boundary.
    pub(super) fn open_beneath(&self, relative: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let fd = self.open_unfollowed(relative, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)?;
        // With O_PATH the kernel hands out the link itself.
        let is_link = flags.contains(OFlags::PATH)
            && FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Symlink;
        if is_link { Err(Errno::LOOP) } else { Ok(fd) }
    }

    fn open_unfollowed(&self, relative: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        match self.0.access {
            Access::Kernel => {
                let resolve = ResolveFlags::BENEATH
                    | ResolveFlags::NO_SYMLINKS
                    | ResolveFlags::NO_MAGICLINKS
                    | ResolveFlags::NO_XDEV;
                let mut tries = 0;
                loop {
                    match rustix::fs::openat2(&self.0.dir, relative, flags, mode, resolve) {
                        Err(Errno::AGAIN | Errno::INTR) if tries < RETRIES => tries += 1,
                        other => return other,
                    }
                }
            }
            Access::CapStd => self.open_by_capability(relative, flags, mode),
        }
    }

    /// The way without `openat2`: cap-std opens the parent, which it keeps inside, and the last component follows no
    /// link. cap-std follows links that stay inside; the names come from a walk that has removed them, so that only a
    /// race can put one there, and then it still leads nowhere else.
    fn open_by_capability(&self, relative: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let parent = relative.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = relative.file_name().unwrap_or(std::ffi::OsStr::new("."));
        let parent = self.0.capability.open_dir(parent).map_err(|error| errno(&error))?;
        let fd = rustix::fs::openat(&parent, name, flags, mode)?;
        let (here, there) = (rustix::fs::fstat(&self.0.dir)?, rustix::fs::fstat(&fd)?);
        if here.st_dev == there.st_dev { Ok(fd) } else { Err(Errno::XDEV) }
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Workspace");
        shown.field("mount", &self.0.mount).field("host_path", &self.0.host_path).field("also", &self.1);
        shown.finish_non_exhaustive()
    }
}

fn errno(error: &io::Error) -> Errno {
    // cap-std reports an escape as "permission denied" of its own making, without a number.
    Errno::from_io_error(error).unwrap_or(Errno::XDEV)
}

/// Old kernels have no `openat2`; old container filters answer EPERM.
fn kernel_has_openat2(work: &Path) -> bool {
    let probe = rustix::fs::openat2(
        rustix::fs::CWD,
        work,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    );
    !matches!(probe, Err(Errno::NOSYS | Errno::PERM))
}
