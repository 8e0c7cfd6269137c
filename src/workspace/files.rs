//! What can be done with a confined path. Every operation opens the path anew and judges the descriptor that it got.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use super::confine::ConfinedPath;
use super::host_folder::rename_new;
use super::mount::Workspace;
use super::{WorkspaceError, walk};

/// How often a path is followed again when it changed between the walk and the open.
const RETRIES: usize = 16;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device.
    Other,
}

/// Facts about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its size.
    pub bytes: u64,
    /// Its permission bits.
    pub mode: u32,
}

impl Workspace {
    /// What a path leads to, links inside the workspace followed.
    pub fn metadata(&self, path: &ConfinedPath) -> Result<Entry, WorkspaceError> {
        let fd = self.open_followed(path, OFlags::PATH, "look at")?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| io_error("look at", path, error))?;
        Ok(entry(&stat))
    }

    /// When what a path leads to was changed, where the system tells it.
    pub fn modified(&self, path: &ConfinedPath) -> Result<Option<SystemTime>, WorkspaceError> {
        let fd = self.open_followed(path, OFlags::PATH, "look at")?;
        Ok(File::from(fd).metadata().ok().and_then(|metadata| metadata.modified().ok()))
    }

    /// Opens a regular file for reading. A pipe does not block, and anything but a regular file is refused.
    pub fn open_read(&self, path: &ConfinedPath) -> Result<File, WorkspaceError> {
        let fd = self.open_followed(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, "open")?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| io_error("open", path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(fd)),
            other => Err(not_a_file(path, other)),
        }
    }

    /// A whole file of at most `cap` bytes. The cap holds even when the file grows meanwhile.
    pub fn read(&self, path: &ConfinedPath, cap: u64) -> Result<Vec<u8>, WorkspaceError> {
        let file = self.open_read(path)?;
        let too_large = |bytes| WorkspaceError::TooLarge { path: path.shown().to_owned(), bytes, limit: cap };
        let fail = |source| WorkspaceError::Io { action: "read", path: path.shown().to_owned(), source };
        let size = file.metadata().map_err(fail)?.len();
        if size > cap {
            return Err(too_large(size));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(cap + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > cap { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
    }

    /// Writes a whole file: folders on the way are made, a file beside it is written and renamed over it, so that an
    /// existing inode (which may be a hard link to elsewhere) is never written through. The permission bits of an
    /// existing file are kept.
    pub fn write_atomic(&self, path: &ConfinedPath, bytes: &[u8]) -> Result<(), WorkspaceError> {
        self.write(path, &mut &*bytes, None, true, RenameFlags::empty()).map(drop)
    }

    /// The same for a file that must not be there yet; false when something is, which stays as it is.
    pub fn write_new(&self, path: &ConfinedPath, bytes: &[u8]) -> Result<bool, WorkspaceError> {
        Ok(self.write(path, &mut &*bytes, None, true, RenameFlags::NOREPLACE)?.is_some())
    }

    /// As [`Workspace::write_atomic`] for bytes that are read piece by piece, with these permission bits; how many there
    /// were. Many files need no sync each.
    pub fn write_from(
        &self,
        path: &ConfinedPath,
        from: &mut dyn io::Read,
        mode: Option<u32>,
        sync: bool,
    ) -> Result<u64, WorkspaceError> {
        Ok(self.write(path, from, mode, sync, RenameFlags::empty())?.unwrap_or(0))
    }

    /// How many bytes were written; none where something stands that may not be replaced.
    fn write(
        &self,
        path: &ConfinedPath,
        from: &mut dyn io::Read,
        mode: Option<u32>,
        sync: bool,
        how: RenameFlags,
    ) -> Result<Option<u64>, WorkspaceError> {
        let (folder, name) = self.place_for(path)?;
        let fail = |error: Errno| io_error("write", path, error);
        let before = match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if how.contains(RenameFlags::NOREPLACE) => return Ok(None),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => stat.st_mode & 0o777,
                FileType::Symlink => 0o644,
                other => return Err(not_a_file(path, other)),
            },
            Err(Errno::NOENT) => 0o644,
            Err(error) => return Err(fail(error)),
        };
        let aside = aside_name();
        let written = self
            .write_aside(&folder, &aside, Mode::from_raw_mode(mode.unwrap_or(before)), from, sync)
            .and_then(|bytes| {
                if how.contains(RenameFlags::NOREPLACE) {
                    rename_new(folder.as_fd(), aside.as_str(), name.as_os_str())?;
                } else {
                    rustix::fs::renameat(&folder, &aside, &folder, &name)?;
                }
                Ok(bytes)
            });
        match written {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) => {
                // The first error is the one that matters.
                let _ = rustix::fs::unlinkat(&folder, &aside, AtFlags::empty());
                if source.kind() == io::ErrorKind::AlreadyExists && how.contains(RenameFlags::NOREPLACE) {
                    return Ok(None);
                }
                Err(WorkspaceError::Io { action: "write", path: path.shown().to_owned(), source })
            }
        }
    }

    /// Makes a symbolic link where nothing is. Where it leads is looked at by whoever follows it.
    pub fn make_link(&self, path: &ConfinedPath, target: &OsStr) -> Result<(), WorkspaceError> {
        let (folder, name) = self.place_for(path)?;
        let fail = |error: Errno| io_error("make link", path, error);
        rustix::fs::symlinkat(target, &folder, &name).map_err(fail)?;
        match self.owner() {
            Some((uid, gid)) => {
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                rustix::fs::chownat(&folder, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(fail)
            }
            None => Ok(()),
        }
    }

    /// The folder in which a path's entry stands, made where it is missing, and its name there.
    fn place_for(&self, path: &ConfinedPath) -> Result<(OwnedFd, OsString), WorkspaceError> {
        let real = self.real(path)?;
        let (Some(name), Some(parent)) = (real.file_name().map(OsStr::to_owned), real.parent(self.mount())) else {
            return Err(not_a_file(path, FileType::Directory));
        };
        if !walk::fits(&real) {
            return Err(io_error("write", path, Errno::NAMETOOLONG));
        }
        Ok((self.make_folders(&parent)?, name))
    }

    /// Makes a folder and those above it.
    pub fn create_dirs(&self, path: &ConfinedPath) -> Result<(), WorkspaceError> {
        let real = self.real(path)?;
        self.make_folders(&real).map(|_| ())
    }

    /// Removes a file or a link (the link itself, not what it leads to).
    pub fn remove_file(&self, path: &ConfinedPath) -> Result<(), WorkspaceError> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent(self.mount())) else {
            return Err(not_a_file(path, FileType::Directory));
        };
        let folder = self.open_followed(&parent, OFlags::PATH | OFlags::DIRECTORY, "open")?;
        rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(|error| match error {
            Errno::NOENT => WorkspaceError::Missing { path: path.shown().to_owned() },
            error => io_error("remove", path, error),
        })
    }

    /// Removes a folder that is empty.
    pub fn remove_empty(&self, path: &ConfinedPath) -> Result<(), WorkspaceError> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent(self.mount())) else {
            return Err(not_a_file(path, FileType::Directory));
        };
        let folder = self.open_followed(&parent, OFlags::PATH | OFlags::DIRECTORY, "open")?;
        rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).map_err(|error| io_error("remove", path, error))
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &ConfinedPath) -> Result<Vec<(OsString, EntryKind)>, WorkspaceError> {
        Ok(self.entries(path)?.into_iter().map(|(name, entry)| (name, entry.kind)).collect())
    }

    /// The names in a folder and what stands under each, sorted; a link is told as such.
    pub fn entries(&self, path: &ConfinedPath) -> Result<Vec<(OsString, Entry)>, WorkspaceError> {
        let fail = |error: Errno| io_error("list", path, error);
        let fd = self.open_followed(path, OFlags::RDONLY | OFlags::DIRECTORY, "list")?;
        let mut names = Vec::new();
        for item in rustix::fs::Dir::read_from(&fd).map_err(fail)? {
            let item = item.map_err(fail)?;
            let name = OsString::from_vec(item.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let facts = match rustix::fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => entry(&stat),
                Err(Errno::NOENT) => continue,
                Err(_) => Entry { kind: EntryKind::Other, bytes: 0, mode: 0 },
            };
            names.push((name, facts));
        }
        names.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(names)
    }

    /// Follows the links of a path and opens what it leads to. The open itself follows none; when something was
    /// swapped in between, the path is followed again.
    fn open_followed(
        &self,
        path: &ConfinedPath,
        flags: OFlags,
        action: &'static str,
    ) -> Result<OwnedFd, WorkspaceError> {
        let mut last = Errno::LOOP;
        for _ in 0..RETRIES {
            let located = walk::locate(self, path)?;
            if !located.exists {
                return Err(WorkspaceError::Missing { path: path.shown().to_owned() });
            }
            match self.open_beneath(located.path.relative(), flags, Mode::empty()) {
                Ok(fd) => return Ok(fd),
                Err(Errno::LOOP | Errno::NOENT) => last = Errno::LOOP,
                Err(Errno::XDEV) => {
                    return Err(WorkspaceError::Outside {
                        path: path.shown().to_owned(),
                        mount: self.mount().to_owned(),
                    });
                }
                Err(Errno::NOTDIR) => return Err(WorkspaceError::NotAFolder { path: path.shown().to_owned() }),
                // A socket cannot be opened at all.
                Err(Errno::NXIO) => return Err(not_a_file(path, FileType::Socket)),
                Err(error) => return Err(io_error(action, path, error)),
            }
        }
        Err(io_error(action, path, last))
    }

    /// Makes each folder of a path that holds no links, and opens the last. Every step is one component below a
    /// descriptor, and follows no link.
    fn make_folders(&self, real: &ConfinedPath) -> Result<OwnedFd, WorkspaceError> {
        let fail = |error: Errno| match error {
            Errno::NOTDIR | Errno::LOOP => WorkspaceError::NotAFolder { path: real.shown().to_owned() },
            error => io_error("make folder", real, error),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut here = self.open_beneath(std::path::Path::new(""), flags, Mode::empty()).map_err(fail)?;
        let device = rustix::fs::fstat(&here).map_err(fail)?.st_dev;
        for name in real.relative() {
            let made = match rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(fail(error)),
            };
            let next = rustix::fs::openat(&here, name, flags, Mode::empty()).map_err(fail)?;
            if rustix::fs::fstat(&next).map_err(fail)?.st_dev != device {
                return Err(fail(Errno::XDEV));
            }
            if made {
                self.give_to_owner(&next).map_err(fail)?;
            }
            here = next;
        }
        Ok(here)
    }

    fn write_aside(
        &self,
        folder: &OwnedFd,
        name: &str,
        mode: Mode,
        from: &mut dyn io::Read,
        sync: bool,
    ) -> io::Result<u64> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
        let bytes = io::copy(from, &mut file)?;
        self.give_to_owner(&file)?;
        // After the owner: a change of owner clears bits. The umask does not apply here.
        rustix::fs::fchmod(&file, mode)?;
        if sync {
            file.sync_all()?;
        }
        Ok(bytes)
    }

    fn give_to_owner(&self, fd: impl std::os::fd::AsFd) -> Result<(), Errno> {
        match self.owner() {
            Some((uid, gid)) => rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))),
            None => Ok(()),
        }
    }
}

/// A name that nothing has, for a file before it gets its own.
fn aside_name() -> String {
    format!(".okcvm-tmp-{}", uuid::Uuid::new_v4().simple())
}

fn io_error(action: &'static str, path: &ConfinedPath, error: Errno) -> WorkspaceError {
    WorkspaceError::Io { action, path: path.shown().to_owned(), source: io::Error::from(error) }
}

fn not_a_file(path: &ConfinedPath, kind: FileType) -> WorkspaceError {
    let what = match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    WorkspaceError::NotAFile { path: path.shown().to_owned(), what }
}

fn entry(stat: &Stat) -> Entry {
    Entry {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
    }
}

fn kind_of(kind: FileType) -> EntryKind {
    match kind {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Link,
        _ => EntryKind::Other,
    }
}
