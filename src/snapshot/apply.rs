//! The second phase of a rollback: a plan carried out in the workspace.
//!
//! Every change goes through the descriptor of the folder that it happens in, reached from the workspace's own
//! descriptor without following a link. A file or link appears under its name by a rename of a whole one; what has to
//! make way for another kind of thing is renamed aside and removed at the end. A kill at any point leaves old or new
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
use super::graph::Store;
use super::name;
use super::object::ObjectKind;
use super::restore::{Action, Plan};
use super::tree::Kind;

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    pub(crate) removed: u64,
}

/// Carries a plan out and brings it to the disk.
pub(crate) fn apply(store: &Store, dir: BorrowedFd<'_>, plan: &Plan, token: &str) -> Result<Counts, SnapshotError> {
    let mut apply = Apply {
        store,
        folders: Folders::new(dir),
        prefix: temp_prefix(token),
        next: 0,
        aside: Vec::new(),
        counts: Counts { written: 0, removed: plan.along },
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
    for (path, name) in std::mem::take(&mut apply.aside) {
        store.step("aside")?;
        let fd = apply.folders.enter(&path)?;
        remove_all(fd, &name).map_err(io_error("remove", &path))?;
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

fn io_error(action: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> SnapshotError {
    let path = if path.is_empty() { "the workspace".to_owned() } else { name::display(path) };
    move |error| SnapshotError::io(action, Path::new(&path))(error.into())
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
    /// Renamed aside: folder and name.
    aside: Vec<(Vec<u8>, CString)>,
    counts: Counts,
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
                renameat(fd, &temp, fd, &name).map_err(io_error("write", path))?;
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
        self.aside.push((folder.to_vec(), temp));
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

fn split(path: &[u8]) -> Result<(&[u8], CString), SnapshotError> {
    let at = path.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = at.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    let name = CString::new(name)
        .map_err(|_| SnapshotError::Damaged(format!("the name {} holds a zero", name::display(path))))?;
    Ok((folder, name))
}

/// The chain of open folders from the workspace down to where the work is.
struct Folders<'a> {
    root: BorrowedFd<'a>,
    open: Vec<(Vec<u8>, OwnedFd)>,
    /// Folders that were given the right to write, with the bits that they had.
    lent: Vec<(Vec<u8>, u32)>,
    is_root: bool,
}

impl<'a> Folders<'a> {
    fn new(root: BorrowedFd<'a>) -> Self {
        Self { root, open: Vec::new(), lent: Vec::new(), is_root: rustix::process::geteuid().is_root() }
    }

    /// The descriptor of a folder. Fails where a part of the path is not a folder, such as a link.
    fn enter(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, SnapshotError> {
        let is_above = |open: &[u8]| path == open || path.strip_prefix(open).is_some_and(|rest| rest.starts_with(b"/"));
        while self.open.last().is_some_and(|(open, _)| !is_above(open)) {
            self.open.pop();
        }
        let start = self.open.last().map_or(0, |(open, _)| open.len() + 1);
        if start < path.len() {
            let ends: Vec<usize> = path[start..]
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'/')
                .map(|(at, _)| start + at)
                .chain([path.len()])
                .collect();
            for end in ends {
                let here = &path[..end];
                let (_, name) = split(here)?;
                let parent = self.open.last().map_or(self.root, |(_, fd)| fd.as_fd());
                let fd = openat(parent, &name, DIR_FLAGS, Mode::empty()).map_err(|error| match error {
                    Errno::LOOP | Errno::NOTDIR | Errno::NOENT => SnapshotError::Moved { path: name::display(here) },
                    error => io_error("open", here)(error),
                })?;
                self.lend(here, &fd)?;
                self.open.push((here.to_vec(), fd));
            }
        }
        Ok(self.open.last().map_or(self.root, |(_, fd)| fd.as_fd()))
    }

    /// Closes what is open at and below a path that is about to go.
    fn forget(&mut self, path: &[u8]) {
        self.open
            .retain(|(open, _)| !(open == path || open.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"))));
    }

    fn lend(&mut self, path: &[u8], fd: &OwnedFd) -> Result<(), SnapshotError> {
        if self.is_root {
            return Ok(());
        }
        let bits = fstat(fd).map_err(io_error("read", path))?.st_mode & 0o7777;
        if bits & 0o300 != 0o300 {
            fchmod(fd, Mode::from_raw_mode(bits | 0o700)).map_err(io_error("open", path))?;
            self.lent.push((path.to_vec(), bits));
        }
        Ok(())
    }

    fn set_bits(&mut self, path: &[u8], bits: u32) -> Result<(), SnapshotError> {
        self.lent.retain(|(lent, _)| lent != path);
        let fd = self.enter(path)?;
        fchmod(fd, Mode::from_raw_mode(bits)).map_err(io_error("set the mode of", path))?;
        // Entering it lent it rights again, which the line above has just replaced.
        self.lent.retain(|(lent, _)| lent != path);
        self.forget(path);
        Ok(())
    }

    fn give_back(&mut self) -> Result<(), SnapshotError> {
        let mut lent = std::mem::take(&mut self.lent);
        lent.sort_by(|a, b| b.0.cmp(&a.0));
        for (path, bits) in lent {
            match self.enter(&path) {
                Ok(fd) => fchmod(fd, Mode::from_raw_mode(bits)).map_err(io_error("set the mode of", &path))?,
                // It was removed after it had been entered.
                Err(SnapshotError::Moved { .. }) => {}
                Err(error) => return Err(error),
            }
            self.forget(&path);
        }
        self.lent.clear();
        Ok(())
    }
}
