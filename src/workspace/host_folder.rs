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
        /// Whether it is on the disk before it gets its name. Whoever writes many calls [`HostFolder::sync`] once.
        sync: bool,
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
        let aside = aside_name();
        let staged = Staged { folder, aside, name, kept: false };
        match content {
            Content::Link(target) => rustix::fs::symlinkat(OsStr::from_bytes(target), &staged.folder, &staged.aside)?,
            Content::File { from, mode, exec, sync } => staged.write(from, mode, exec, before.as_ref(), sync)?,
        }
        Ok(staged)
    }

    /// Gives an entry of this folder a name that must be free.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rename_new(self.dir.as_fd(), from, to)?)
    }

    /// Waits until everything that was written is on the disk.
    pub fn sync(&self) {
        // Where it fails there is nothing better to do: each file could be written.
        let _ = rustix::fs::syncfs(&self.dir);
    }

    /// Removes from a folder what was written aside by a process that is gone.
    pub fn sweep(&self, path: &Path) {
        let Ok(Parent::Folder(folder)) = self.parent(&path.join("x")) else { return };
        for name in self.list(path).unwrap_or_default() {
            if aside_owner(&name).is_some_and(|owner| !is_alive(owner))
                && rustix::fs::unlinkat(&folder, &name, AtFlags::empty()).is_err()
            {
                // A folder that was being filled.
                let _ = std::fs::remove_dir_all(self.path.join(path).join(&name));
            }
        }
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
    fn write(
        &self,
        from: &mut dyn Read,
        mode: Option<u32>,
        exec: bool,
        before: Option<&Stat>,
        sync: bool,
    ) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let before = before.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        // The umask takes from a new file's bits what the user wants taken. Nobody else reads what takes the place of
        // a private file, not even before it has its bits.
        let first = match (mode.is_some() || before.is_some(), exec) {
            (true, _) => 0o600,
            (false, true) => 0o777,
            (false, false) => 0o666,
        };
        let opened = rustix::fs::openat(&self.folder, &self.aside, flags, Mode::from_raw_mode(first))?;
        let mut file = File::from(opened);
        io::copy(from, &mut file)?;
        if let Some(stat) = before {
            // Where root works for somebody else; elsewhere nothing changes, and a refusal means nothing either.
            let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
            let _ = rustix::fs::fchown(&file, Some(uid), Some(gid));
        }
        let kept = before.map(|stat| with_exec(stat.st_mode & 0o777, exec));
        if let Some(bits) = mode.or(kept) {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(bits))?;
        }
        if sync { file.sync_all() } else { Ok(()) }
    }

    /// Gives the entry its name. Without `replace` something that is there already is an error (`AlreadyExists`).
    pub fn keep(mut self, replace: bool) -> io::Result<()> {
        let (folder, aside, name) = (self.folder.as_fd(), self.aside.as_os_str(), self.name.as_os_str());
        if replace { rustix::fs::renameat(folder, aside, folder, name) } else { rename_new(folder, aside, name) }?;
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

/// Renames within a folder to a name that must be free. Where the file system cannot see to that itself (network and
/// FUSE ones) it is looked at just before.
pub fn rename_new<A: rustix::path::Arg + Copy, B: rustix::path::Arg + Copy>(
    folder: BorrowedFd<'_>,
    from: A,
    to: B,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::statat(folder, to, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(_) => rustix::fs::renameat(folder, from, folder, to),
            }
        }
        other => other,
    }
}

/// A name for what has none yet. It says which process writes it, so that it can be known for a leftover.
pub fn aside_name() -> OsString {
    format!("{ASIDE}{}-{}{NEW}", std::process::id(), uuid::Uuid::new_v4().simple()).into()
}

/// Whether a name is one that [`aside_name`] gives.
pub fn is_aside(name: &OsStr) -> bool {
    aside_owner(name).is_some()
}

fn aside_owner(name: &OsStr) -> Option<i32> {
    let (owner, rest) = name.to_str()?.strip_prefix(ASIDE)?.strip_suffix(NEW)?.split_once('-')?;
    let is_ours = rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    owner.parse().ok().filter(|owner| is_ours && *owner > 0)
}

fn is_alive(process: i32) -> bool {
    let Some(process) = rustix::process::Pid::from_raw(process) else { return false };
    rustix::process::test_kill_process(process) != Err(Errno::SRCH)
}

const ASIDE: &str = ".okcvm-";
const NEW: &str = ".new";

fn file_name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names nothing"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn write(folder: &HostFolder, path: &str, text: &str, replace: bool) -> io::Result<()> {
        let mut from = text.as_bytes();
        let content = Content::File { from: &mut from, mode: None, exec: false, sync: true };
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
    fn what_a_dead_process_left_is_known_by_its_name_and_swept() {
        let inside = tempfile::tempdir().expect("folder");
        let folder = HostFolder::open(inside.path()).expect("open");
        let mine = aside_name();
        // No system numbers its processes so high.
        let left = format!(".okcvm-{}-{}.new", i32::MAX, "0".repeat(32));
        for name in [mine.to_str().expect("text"), &left, ".okcvm-notes.new", ".okcvm-1-x.new"] {
            std::fs::write(inside.path().join(name), "x").expect("file");
        }
        assert!(is_aside(&mine) && is_aside(OsStr::new(&left)) && !is_aside(OsStr::new(".okcvm-notes.new")));
        folder.sweep(Path::new(""));
        assert!(!inside.path().join(&left).exists());
        assert_eq!(std::fs::read_dir(inside.path()).expect("list").count(), 3, "nothing else is touched");
    }

    #[test]
    fn execution_follows_reading() {
        assert_eq!(with_exec(0o640, true), 0o750);
        assert_eq!(with_exec(0o755, false), 0o644);
        assert_eq!(with_exec(0o700, true), 0o700);
        assert_eq!(with_exec(0o600, false), 0o600);
    }
}
