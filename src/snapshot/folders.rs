//! The folders of the workspace, reached from its own descriptor without following a link.

use std::ffi::CString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, fstat, openat};
use rustix::io::Errno;

use super::error::SnapshotError;
use super::name;

pub(super) const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub(super) fn io_error(action: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> SnapshotError {
    let path = if path.is_empty() { "the workspace".to_owned() } else { name::display(path) };
    move |error| SnapshotError::io(action, Path::new(&path))(error.into())
}

/// Folder and name of a path.
pub(super) fn split(path: &[u8]) -> Result<(&[u8], CString), SnapshotError> {
    let at = path.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = at.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    let name = CString::new(name)
        .map_err(|_| SnapshotError::Damaged(format!("the name {} holds a zero", name::display(path))))?;
    Ok((folder, name))
}

/// The chain of open folders from the workspace down to where the work is.
pub(super) struct Folders<'a> {
    root: BorrowedFd<'a>,
    open: Vec<(Vec<u8>, OwnedFd)>,
    /// Folders that were given the right to write, with the bits that they had.
    lent: Vec<(Vec<u8>, u32)>,
    is_root: bool,
}

impl<'a> Folders<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self { root, open: Vec::new(), lent: Vec::new(), is_root: rustix::process::geteuid().is_root() }
    }

    /// The descriptor of a folder. Fails where a part of the path is not a folder, such as a link.
    pub(super) fn enter(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, SnapshotError> {
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
    pub(super) fn forget(&mut self, path: &[u8]) {
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

    pub(super) fn set_bits(&mut self, path: &[u8], bits: u32) -> Result<(), SnapshotError> {
        self.lent.retain(|(lent, _)| lent != path);
        let fd = self.enter(path)?;
        fchmod(fd, Mode::from_raw_mode(bits)).map_err(io_error("set the mode of", path))?;
        // Entering it lent it rights again, which the line above has just replaced.
        self.lent.retain(|(lent, _)| lent != path);
        self.forget(path);
        Ok(())
    }

    pub(super) fn give_back(&mut self) -> Result<(), SnapshotError> {
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
