//! A folder of the user's, outside of any session: read and written below one descriptor, and no link followed.
//!
//! What lies in it may have been swapped for links by whoever works there, so every step opens one component. A file is
//! always written aside and renamed: nobody ever sees half of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// What is found under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A regular file with these permission bits.
    File {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link and where it points.
    Link(Vec<u8>),
    /// A folder.
    Folder,
    /// A socket, pipe or device.
    Other,
    /// Something that is no folder stands on the way: the path of it.
    Behind(PathBuf),
}

/// An open folder of the host.
#[derive(Debug)]
pub struct HostFolder {
    dir: OwnedFd,
    path: PathBuf,
}

/// What a new entry is made of.
pub enum Content<'a> {
    /// A file of these bytes.
    File {
        /// Where they come from.
        from: &'a mut dyn Read,
        /// Permission bits; `None` keeps those of the file that is replaced, or takes the usual ones.
        mode: Option<u32>,
        /// Whether its owner may execute it.
        exec: bool,
    },
    /// A symbolic link.
    Link(&'a [u8]),
}

/// An entry that is written aside and has no name yet. Dropped, it goes away.
#[derive(Debug)]
pub struct Staged {
    folder: OwnedFd,
    aside: OsString,
    name: OsString,
    kept: bool,
}

impl HostFolder {
    /// Opens a folder; links that lead to it are the user's own and are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        let dir = rustix::fs::open(&path, FOLDER, Mode::empty())?;
        Ok(Self { dir, path })
    }

    /// Where it lies, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands under a path; nothing is followed.
    pub fn look(&self, path: &Path) -> io::Result<Found> {
        let folder = match self.parent(path)? {
            Parent::Folder(folder) => folder,
            Parent::Missing => return Ok(Found::Missing),
            Parent::Behind(path) => return Ok(Found::Behind(path)),
        };
        let name = file_name(path)?;
        let stat = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Found::Missing),
            Err(error) => return Err(error.into()),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File { mode: stat.st_mode & 0o7777 },
            FileType::Symlink => Found::Link(rustix::fs::readlinkat(&folder, name, Vec::new())?.into_bytes()),
            FileType::Directory => Found::Folder,
            _ => Found::Other,
        })
    }

    /// The bytes of a regular file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let Parent::Folder(folder) = self.parent(path)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&folder, file_name(path)?, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The names in a folder below, sorted.
    pub fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStringExt as _;
        let Parent::Folder(folder) = self.parent(&path.join("x"))? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Writes an entry aside, in the folder where it will stand. Folders on the way are made and told in `made`.
    pub fn stage(&self, path: &Path, content: Content<'_>, made: &mut Vec<PathBuf>) -> io::Result<Staged> {
        let folder = self.make_folders(path.parent().unwrap_or(Path::new("")), made)?;
        let name = file_name(path)?.to_owned();
        let before = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let aside = OsString::from(format!(".okcvm-{}.new", uuid::Uuid::new_v4().simple()));
        let staged = Staged { folder, aside, name, kept: false };
        match content {
            Content::Link(target) => rustix::fs::symlinkat(OsStr::from_bytes(target), &staged.folder, &staged.aside)?,
            Content::File { from, mode, exec } => staged.write(from, mode, exec, before.as_ref())?,
        }
        Ok(staged)
    }

    /// Makes a folder and those above it; tells those that were not there.
    pub fn make_folders(&self, path: &Path, made: &mut Vec<PathBuf>) -> io::Result<OwnedFd> {
        let mut here = rustix::fs::openat(&self.dir, c".", FOLDER, Mode::empty())?;
        let mut walked = PathBuf::new();
        for name in path {
            walked.push(name);
            match rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => made.push(walked.clone()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            here = rustix::fs::openat(&here, name, FOLDER, Mode::empty())?;
        }
        Ok(here)
    }

    /// Removes a file or a link; what it leads to stays.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match self.parent(path)? {
            Parent::Folder(folder) => Ok(rustix::fs::unlinkat(&folder, file_name(path)?, AtFlags::empty())?),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes a folder that is empty; false where it is not.
    pub fn remove_empty(&self, path: &Path) -> bool {
        let Ok(Parent::Folder(folder)) = self.parent(path) else { return false };
        file_name(path).is_ok_and(|name| rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).is_ok())
    }

    /// Changes the permission bits of a regular file.
    pub fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        let Parent::Folder(folder) = self.parent(path)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, file_name(path)?, flags, Mode::empty())?;
        Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
    }

    fn parent(&self, path: &Path) -> io::Result<Parent> {
        let mut here: Option<OwnedFd> = None;
        let mut walked = PathBuf::new();
        for name in path.parent().unwrap_or(Path::new("")) {
            if name == ".." || name == "/" {
                return Err(io::Error::other("a path that leads out of the folder"));
            }
            walked.push(name);
            let from: BorrowedFd<'_> = here.as_ref().map_or(self.dir.as_fd(), |fd| fd.as_fd());
            here = match rustix::fs::openat(from, name, FOLDER, Mode::empty()) {
                Ok(fd) => Some(fd),
                Err(Errno::NOENT) => return Ok(Parent::Missing),
                Err(Errno::LOOP | Errno::NOTDIR) => return Ok(Parent::Behind(walked)),
                Err(error) => return Err(error.into()),
            };
        }
        match here {
            Some(fd) => Ok(Parent::Folder(fd)),
            None => Ok(Parent::Folder(self.dir.try_clone()?)),
        }
    }
}

enum Parent {
    Folder(OwnedFd),
    Missing,
    Behind(PathBuf),
}

impl Staged {
    fn write(&self, from: &mut dyn Read, mode: Option<u32>, exec: bool, before: Option<&Stat>) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The umask takes from a new file's bits what the user wants taken.
        let usual = Mode::from_raw_mode(if exec { 0o777 } else { 0o666 });
        let mut file = File::from(rustix::fs::openat(&self.folder, &self.aside, flags, usual)?);
        io::copy(from, &mut file)?;
        let before = before.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if let Some(stat) = before {
            // Where root works for somebody else; elsewhere nothing changes, and a refusal means nothing either.
            let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
            let _ = rustix::fs::fchown(&file, Some(uid), Some(gid));
        }
        let kept = before.map(|stat| with_exec(stat.st_mode & 0o777, exec));
        if let Some(bits) = mode.or(kept) {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(bits))?;
        }
        file.sync_all()
    }

    /// Gives the entry its name. Without `replace` something that is there already is an error (`AlreadyExists`).
    pub fn keep(mut self, replace: bool) -> io::Result<()> {
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(&self.folder, &self.aside, &self.folder, &self.name, flags)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            // A leftover would do no harm.
            let _ = rustix::fs::unlinkat(&self.folder, &self.aside, AtFlags::empty());
        }
    }
}

/// Permission bits with or without execution: whoever may read it may execute it, as Git has it.
pub fn with_exec(mode: u32, exec: bool) -> u32 {
    match (exec, mode & 0o100 != 0) {
        (true, false) => mode | (mode & 0o444) >> 2,
        (false, true) => mode & !0o111,
        _ => mode,
    }
}

fn file_name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names nothing"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn write(folder: &HostFolder, path: &str, text: &str, replace: bool) -> io::Result<()> {
        let mut from = text.as_bytes();
        let content = Content::File { from: &mut from, mode: None, exec: false };
        folder.stage(Path::new(path), content, &mut Vec::new())?.keep(replace)
    }

    #[test]
    fn nothing_is_read_or_written_through_a_link() {
        let outside = tempfile::tempdir().expect("folder");
        std::fs::write(outside.path().join("secret"), "secret").expect("file");
        let inside = tempfile::tempdir().expect("folder");
        symlink(outside.path(), inside.path().join("way")).expect("link");
        symlink(outside.path().join("secret"), inside.path().join("file")).expect("link");
        let folder = HostFolder::open(inside.path()).expect("open");
        assert_eq!(folder.look(Path::new("way/secret")).expect("look"), Found::Behind("way".into()));
        assert!(folder.read(Path::new("way/secret")).is_err());
        assert!(folder.read(Path::new("file")).is_err());
        assert!(folder.read(Path::new("../x")).is_err());
        assert!(write(&folder, "way/new", "x", true).is_err());
        assert!(folder.remove(Path::new("way/secret")).is_err());
        write(&folder, "file", "mine", true).expect("the link itself is replaced");
        assert_eq!(std::fs::read_to_string(outside.path().join("secret")).expect("read"), "secret");
        assert_eq!(std::fs::read_to_string(inside.path().join("file")).expect("read"), "mine");
        assert_eq!(std::fs::read_dir(outside.path()).expect("list").count(), 1);
    }

    #[test]
    fn what_is_there_is_not_replaced_unless_asked_and_nothing_is_left_beside_it() {
        let inside = tempfile::tempdir().expect("folder");
        let folder = HostFolder::open(inside.path()).expect("open");
        write(&folder, "a/b/c.txt", "one", false).expect("new");
        std::fs::set_permissions(inside.path().join("a/b/c.txt"), std::fs::Permissions::from_mode(0o640))
            .expect("mode");
        let refused = write(&folder, "a/b/c.txt", "two", false).expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(inside.path().join("a/b/c.txt")).expect("read"), "one");
        write(&folder, "a/b/c.txt", "two", true).expect("replaced");
        let mode = std::fs::metadata(inside.path().join("a/b/c.txt")).expect("facts").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "a replaced file keeps its bits");
        assert_eq!(std::fs::read_dir(inside.path().join("a/b")).expect("list").count(), 1);
        assert!(!folder.remove_empty(Path::new("a/b")));
        folder.remove(Path::new("a/b/c.txt")).expect("remove");
        assert!(folder.remove_empty(Path::new("a/b")) && folder.remove_empty(Path::new("a")));
    }

    #[test]
    fn execution_follows_reading() {
        assert_eq!(with_exec(0o640, true), 0o750);
        assert_eq!(with_exec(0o755, false), 0o644);
        assert_eq!(with_exec(0o700, true), 0o700);
        assert_eq!(with_exec(0o600, false), 0o600);
    }
}
