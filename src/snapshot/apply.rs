//! The second phase of a rollback: a plan carried out in the workspace.
//!
//! Every change goes through the descriptor of the folder that it happens in, reached from the workspace's own
//! descriptor without following a link. A file or link appears under its name by a rename of a whole one; what has to
//! make way for another kind of thing is renamed aside and removed at the end, along the paths of the plan. A kill at any point leaves old or new
//! files and some named `.okcvm-tmp-<token>-<n>`, which [`clean`] removes.

use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, Uid, chownat, fchmod, fchown, fstat, mkdirat, openat, renameat,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::error::SnapshotError;
use super::folders::{DIR_FLAGS, Folders, io_error, split};
use super::graph::Store;
use super::name;
use super::object::ObjectKind;
use super::restore::{Action, Plan};
use super::tree::Kind;
use crate::workspace::host_folder::rename_new;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    pub(crate) removed: u64,
    /// Where files lie that came into a folder while it made way.
    pub(crate) left: Vec<Vec<u8>>,
}

/// Carries a plan out and brings it to the disk.
pub(crate) fn apply(store: &Store, dir: BorrowedFd<'_>, plan: &Plan, token: &str) -> Result<Counts, SnapshotError> {
    let mut apply = Apply {
        store,
        folders: Folders::new(dir),
        prefix: temp_prefix(token),
        next: 0,
        aside: Vec::new(),
        counts: Counts::default(),
    };
    for action in &plan.actions {
        store.step("action")?;
        apply.change(action)?;
    }
    for action in plan.actions.iter().rev() {
        if let Action::Remove { path, kind } = action {
            store.step("remove")?;
            apply.remove(path, *kind)?;
        }
    }
    for aside in std::mem::take(&mut apply.aside) {
        store.step("aside")?;
        apply.remove_aside(&aside, &plan.along)?;
    }
    // Bits of folders come last, the deepest first: one without the right to write must not be in the way.
    for action in plan.actions.iter().rev() {
        match action {
            Action::Make { path, bits, .. } | Action::Bits { path, kind: Kind::Dir, bits } => {
                apply.folders.set_bits(path, *bits)?;
            }
            _ => {}
        }
    }
    apply.folders.give_back()?;
    store.step("bits")?;
    rustix::fs::syncfs(dir).map_err(io_error("sync", b""))?;
    Ok(apply.counts)
}

/// Removes what a killed rollback left aside.
pub(crate) fn clean(dir: BorrowedFd<'_>, token: &str) -> Result<(), SnapshotError> {
    let prefix = temp_prefix(token);
    let fd = openat(dir, c".", DIR_FLAGS, Mode::empty()).map_err(io_error("read", b""))?;
    clean_folder(&fd, prefix.as_bytes(), 0).map_err(io_error("clean", b""))
}

fn clean_folder(fd: &OwnedFd, prefix: &[u8], depth: usize) -> Result<(), Errno> {
    for (name, kind) in list(fd.as_fd())? {
        if name.as_bytes().starts_with(prefix) {
            remove_all(fd.as_fd(), &name)?;
        } else if kind == FileType::Directory && depth < super::statcache::MAX_DEPTH {
            // What cannot be entered was not changed by a rollback either.
            if let Ok(child) = openat(fd, &name, DIR_FLAGS, Mode::empty()) {
                clean_folder(&child, prefix, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn temp_prefix(token: &str) -> String {
    format!(".okcvm-tmp-{token}-")
}

fn list(fd: BorrowedFd<'_>) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut buffer: Vec<u8> = Vec::with_capacity(16 * 1024);
    // Its own descriptor: the position in the folder belongs to the open file.
    let own = openat(fd, c".", DIR_FLAGS, Mode::empty())?;
    let mut raw = RawDir::new(own, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            let kind = match entry.file_type() {
                FileType::Unknown => FileType::from_raw_mode(statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
                kind => kind,
            };
            names.push((name.to_owned(), kind));
        }
    }
    Ok(names)
}

/// Removes a file, link or whole folder; links are removed, never followed.
fn remove_all(parent: BorrowedFd<'_>, name: &CString) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let fd = openat(parent, name, DIR_FLAGS, Mode::empty())?;
    let bits = fstat(&fd)?.st_mode & 0o7777;
    if bits & 0o700 != 0o700 {
        fchmod(&fd, Mode::from_raw_mode(bits | 0o700))?;
    }
    for (child, _) in list(fd.as_fd())? {
        remove_all(fd.as_fd(), &child)?;
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

struct Apply<'a> {
    store: &'a Store,
    folders: Folders<'a>,
    prefix: String,
    next: u64,
    aside: Vec<Aside>,
    counts: Counts,
}

/// What made way: the path that it had, and its name in the same folder now.
struct Aside {
    path: Vec<u8>,
    temp: CString,
}

impl Apply<'_> {
    fn change(&mut self, action: &Action) -> Result<(), SnapshotError> {
        match action {
            Action::Make { path, over, .. } => {
                if over.is_some() {
                    self.put_aside(path)?;
                }
                let (folder, name) = split(path)?;
                let owner = self.owner();
                let fd = self.folders.enter(folder)?;
                mkdirat(fd, &name, Mode::from_raw_mode(0o700)).map_err(io_error("make", path))?;
                if let Some((uid, gid)) = owner {
                    chownat(fd, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(io_error("give to the tools", path))?;
                }
                self.counts.written += 1;
            }
            Action::Write { path, id, kind, bits, over } => {
                let temp = self.temp()?;
                let (folder, name) = split(path)?;
                let owner = self.owner();
                let fd = self.folders.enter(folder)?;
                if *kind == Kind::Link {
                    let target = self.store.repo.read(*id, ObjectKind::Blob)?;
                    write_link(fd, &temp, &target, owner).map_err(io_error("write", path))?;
                } else {
                    let failed = |error| SnapshotError::io("write", Path::new(&name::display(path)))(error);
                    let mut file = new_file(fd, &temp).map_err(failed)?;
                    self.store.repo.stream(*id, &mut |bytes| file.write_all(bytes).map_err(failed))?;
                    finish_file(&file, *bits, owner).map_err(failed)?;
                }
                self.store.step("written aside")?;
                if *over == Some(Kind::Dir) {
                    self.put_aside(path)?;
                    self.store.step("put aside")?;
                }
                let fd = self.folders.enter(folder)?;
                if over.is_some() {
                    renameat(fd, &temp, fd, &name).map_err(io_error("write", path))?;
                } else {
                    match rename_new(fd, temp.as_c_str(), name.as_c_str()) {
                        // Something new has that name: it stays, and the verification tells.
                        Err(Errno::EXIST) => {
                            self.counts.left.push(path.clone());
                            return unlinkat(fd, &temp, AtFlags::empty()).map_err(io_error("remove", path));
                        }
                        other => other.map_err(io_error("write", path))?,
                    }
                }
                self.counts.written += 1;
            }
            Action::Bits { path, kind, bits } => {
                if *kind != Kind::Dir {
                    let (folder, name) = split(path)?;
                    let fd = self.folders.enter(folder)?;
                    set_file_bits(fd, &name, *bits).map_err(io_error("set the mode of", path))?;
                }
                self.counts.written += 1;
            }
            Action::Remove { .. } => {}
        }
        Ok(())
    }

    fn remove(&mut self, path: &[u8], kind: Kind) -> Result<(), SnapshotError> {
        let (folder, name) = split(path)?;
        let flags = if kind == Kind::Dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        if kind == Kind::Dir {
            self.folders.forget(path);
        }
        let fd = self.folders.enter(folder)?;
        match unlinkat(fd, &name, flags) {
            Ok(()) => self.counts.removed += 1,
            // Something new lies in the folder: it stays, and the verification tells.
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(io_error("remove", path)(error)),
        }
        Ok(())
    }

    fn put_aside(&mut self, path: &[u8]) -> Result<(), SnapshotError> {
        let temp = self.temp()?;
        let (folder, name) = split(path)?;
        self.folders.forget(path);
        let fd = self.folders.enter(folder)?;
        renameat(fd, &name, fd, &temp).map_err(io_error("put aside", path))?;
        self.aside.push(Aside { path: path.to_vec(), temp });
        Ok(())
    }

    /// Removes what made way, along the paths of the plan only: what came into a folder since is in no node. It stays,
    /// under a name that people see.
    fn remove_aside(&mut self, aside: &Aside, along: &[(Vec<u8>, Kind)]) -> Result<(), SnapshotError> {
        let (folder, name) = split(&aside.path)?;
        let separator: &[u8] = if folder.is_empty() { b"" } else { b"/" };
        let here = [folder, separator, aside.temp.as_bytes()].concat();
        for (path, kind) in along.iter().rev() {
            if let Some(rest) = path.strip_prefix(&aside.path[..]).filter(|rest| rest.starts_with(b"/")) {
                self.remove(&[&here[..], rest].concat(), *kind)?;
            }
        }
        self.folders.forget(&here);
        let fd = self.folders.enter(folder)?;
        match unlinkat(fd, &aside.temp, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(io_error("remove", &aside.path)(error)),
        }
        match unlinkat(fd, &aside.temp, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            other => return other.map_err(io_error("remove", &aside.path)),
        }
        for number in 1..1000 {
            let end = if number == 1 { ".kept".to_owned() } else { format!(".kept-{number}") };
            let kept = [name.as_bytes(), end.as_bytes()].concat();
            let kept = CString::new(kept).map_err(|_| SnapshotError::Damaged("a name holds a zero".to_owned()))?;
            match rename_new(fd, aside.temp.as_c_str(), kept.as_c_str()) {
                Ok(()) => {
                    self.counts.left.push([folder, separator, kept.as_bytes()].concat());
                    return Ok(());
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(io_error("keep", &aside.path)(error)),
            }
        }
        Ok(())
    }

    fn temp(&mut self) -> Result<CString, SnapshotError> {
        self.next += 1;
        CString::new(format!("{}{}", self.prefix, self.next))
            .map_err(|_| SnapshotError::Damaged("the journal's token holds a zero".to_owned()))
    }

    fn owner(&self) -> Option<(Uid, Gid)> {
        self.store.options.owner.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid)))
    }
}

fn write_link(fd: BorrowedFd<'_>, temp: &CString, target: &[u8], owner: Option<(Uid, Gid)>) -> Result<(), Errno> {
    let target = CString::new(target).map_err(|_| Errno::INVAL)?;
    symlinkat(&target, fd, temp)?;
    match owner {
        Some((uid, gid)) => chownat(fd, temp, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW),
        None => Ok(()),
    }
}

fn new_file(fd: BorrowedFd<'_>, temp: &CString) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(fd, temp, flags, Mode::from_raw_mode(0o600))?))
}

fn finish_file(file: &File, bits: u32, owner: Option<(Uid, Gid)>) -> std::io::Result<()> {
    if let Some((uid, gid)) = owner {
        fchown(file, Some(uid), Some(gid))?;
    }
    Ok(fchmod(file, Mode::from_raw_mode(bits))?)
}

/// `chmod` would follow a link; a descriptor of the file itself cannot.
fn set_file_bits(fd: BorrowedFd<'_>, name: &CString, bits: u32) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(fd, name, flags, Mode::empty())?;
    fchmod(&file, Mode::from_raw_mode(bits))
}
