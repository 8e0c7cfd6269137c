//! The walk from files to a tree.
//!
//! Every step goes from a folder's descriptor to one of its names, and no link is ever followed, so the walk cannot be
//! led out of the workspace while tools or people change it. Ignore files, attributes, filters and nested repositories
//! mean nothing here: what is there is taken, byte for byte.
//!
//! What cannot be kept (too large, unreadable, a socket) is listed, never guessed: a rollback leaves such paths alone.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::error::SnapshotError;
use super::kept::{Caps, NotKept, Reason};
use super::name;
use super::object::{ObjectKind, STREAM_FROM, Sink, Streamed};
use super::statcache::{CachedDir, CachedEntry, CachedNode, MAX_DEPTH, StatKey};
use super::tree::{Builder, Kind};

/// How often a file that changes while it is read is tried.
const TRIES: usize = 3;

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The files as they are now; its `tree` is the tree of the workspace.
    pub(crate) cache: CachedDir,
    /// Whether anything differs from the cache that the walk was given.
    pub(crate) changed: bool,
    /// Whether `cache` differs from the cache that the walk was given, be it only in times.
    pub(crate) refreshed: bool,
    /// Permission bits other than 0644 and 0755, by path.
    pub(crate) modes: Vec<(Vec<u8>, u32)>,
    /// What is not in the tree.
    pub(crate) not_kept: Vec<NotKept>,
}

/// Walks the folder `dir` and puts what it finds into `sink`. `old` is what the latest walk found.
pub(crate) fn walk(
    dir: BorrowedFd<'_>,
    caps: Caps,
    old: Option<CachedDir>,
    sink: &mut dyn Sink,
) -> Result<Found, SnapshotError> {
    let failed = |error: Errno| SnapshotError::io("read", Path::new("the workspace"))(error.into());
    let root = fstat(dir).map_err(failed)?;
    let fd = openat(dir, c".", DIR_FLAGS, Mode::empty()).map_err(failed)?;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let mut walk = Walk {
        sink,
        caps,
        total: 0,
        device: root.st_dev,
        start: (now.tv_sec, now.tv_nsec as u32),
        path: Vec::new(),
        modes: Vec::new(),
        not_kept: Vec::new(),
        refreshed: false,
        buffer: Vec::new(),
        names: Vec::with_capacity(32 * 1024),
    };
    let (cache, changed) = walk.folder(&fd, old, 0)?;
    let refreshed = walk.refreshed || changed;
    Ok(Found { cache, changed, refreshed, modes: walk.modes, not_kept: walk.not_kept })
}

const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
const FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

struct Walk<'s> {
    sink: &'s mut dyn Sink,
    caps: Caps,
    total: u64,
    device: u64,
    start: (i64, u32),
    path: Vec<u8>,
    modes: Vec<(Vec<u8>, u32)>,
    not_kept: Vec<NotKept>,
    refreshed: bool,
    buffer: Vec<u8>,
    names: Vec<u8>,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        fd: &OwnedFd,
        old: Option<CachedDir>,
        depth: usize,
    ) -> Result<(CachedDir, bool), SnapshotError> {
        let names = self.list(fd)?;
        let old_tree = old.as_ref().and_then(CachedDir::stored_tree);
        let mut old = old.map(|dir| dir.entries).unwrap_or_default().into_iter().peekable();
        let mut changed = old_tree.is_none();
        let mut entries = Vec::with_capacity(names.len());
        let length = self.path.len();
        for (name, kind) in names {
            let bytes = name.to_bytes();
            while old.next_if(|entry| *entry.name < *bytes).is_some() {
                changed = true;
            }
            let before = old.next_if(|entry| *entry.name == *bytes);
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(bytes);
            let entry = self.entry(fd.as_fd(), &name, kind, before, depth, &mut changed)?;
            self.path.truncate(length);
            entries.extend(entry);
        }
        changed |= old.next().is_some();
        if let (false, Some(tree)) = (changed, old_tree) {
            return Ok((CachedDir { tree, entries }, false));
        }
        let mut builder = Builder::default();
        for entry in &entries {
            match &entry.node {
                CachedNode::Dir(dir) => builder.add(&entry.name, Kind::Dir, dir.tree),
                CachedNode::Leaf { kind, id, .. } => builder.add(&entry.name, *kind, *id),
            }
        }
        let tree = self.sink.put(ObjectKind::Tree, &builder.finish())?;
        Ok((CachedDir { tree, entries }, true))
    }

    /// Where the walk is, for people.
    fn here(&self) -> PathBuf {
        if self.path.is_empty() { "the workspace".into() } else { name::display(&self.path).into() }
    }

    /// The names in a folder, sorted by their bytes.
    fn list(&mut self, fd: &OwnedFd) -> Result<Vec<(CString, FileType)>, SnapshotError> {
        let mut names = Vec::new();
        let mut raw = RawDir::new(fd, self.names.spare_capacity_mut());
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    return Err(SnapshotError::io("read", &self.here())(error.into()));
                }
            };
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push((name.to_owned(), entry.file_type()));
            }
        }
        names.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        Ok(names)
    }

    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        hint: FileType,
        before: Option<CachedEntry>,
        depth: usize,
        changed: &mut bool,
    ) -> Result<Option<CachedEntry>, SnapshotError> {
        if hint == FileType::Directory {
            return self.child_folder(parent, name, before, depth, changed);
        }
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // It went away since the folder was read.
            Err(Errno::NOENT) => {
                *changed |= before.is_some();
                return Ok(None);
            }
            Err(_) => return Ok(self.leave_out(Reason::Unreadable, 0, before.as_ref(), changed)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.child_folder(parent, name, before, depth, changed),
            FileType::RegularFile => self.file(parent, name, &stat, before, changed),
            FileType::Symlink => self.link(parent, name, &stat, before, changed),
            FileType::Fifo => Ok(self.leave_out(Reason::Fifo, 0, before.as_ref(), changed)),
            FileType::Socket => Ok(self.leave_out(Reason::Socket, 0, before.as_ref(), changed)),
            _ => Ok(self.leave_out(Reason::Device, 0, before.as_ref(), changed)),
        }
    }

    fn leave_out<T>(
        &mut self,
        reason: Reason,
        bytes: u64,
        before: Option<&CachedEntry>,
        changed: &mut bool,
    ) -> Option<T> {
        self.not_kept.push(NotKept { path: self.path.clone(), reason, bytes });
        *changed |= before.is_some();
        None
    }

    fn child_folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        before: Option<CachedEntry>,
        depth: usize,
        changed: &mut bool,
    ) -> Result<Option<CachedEntry>, SnapshotError> {
        if depth + 1 >= MAX_DEPTH {
            return Ok(self.leave_out(Reason::Depth, 0, before.as_ref(), changed));
        }
        let fd = match openat(parent, name, DIR_FLAGS, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => {
                *changed |= before.is_some();
                return Ok(None);
            }
            // A link or file took its place in between: the next capture will see it.
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Ok(self.leave_out(Reason::Changing, 0, before.as_ref(), changed));
            }
            Err(Errno::MFILE | Errno::NFILE) => {
                return Err(SnapshotError::io("open", &self.here())(Errno::MFILE.into()));
            }
            Err(_) => return Ok(self.leave_out(Reason::Unreadable, 0, before.as_ref(), changed)),
        };
        let stat = fstat(&fd).map_err(|error| SnapshotError::io("read", &self.here())(error.into()))?;
        if stat.st_dev != self.device {
            return Ok(self.leave_out(Reason::Mount, 0, before.as_ref(), changed));
        }
        let bits = stat.st_mode & 0o1777;
        if bits != 0o755 {
            self.modes.push((self.path.clone(), bits));
        }
        let (name, old) = match before {
            Some(CachedEntry { name, node: CachedNode::Dir(dir) }) => (name, Some(*dir)),
            other => {
                *changed = true;
                (other.map_or_else(|| name.to_bytes().into(), |entry| entry.name), None)
            }
        };
        let (dir, dir_changed) = self.folder(&fd, old, depth + 1)?;
        *changed |= dir_changed;
        Ok(Some(CachedEntry { name, node: CachedNode::Dir(Box::new(dir)) }))
    }

    fn link(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        before: Option<CachedEntry>,
        changed: &mut bool,
    ) -> Result<Option<CachedEntry>, SnapshotError> {
        let stat = StatKey::of(stat);
        if is_unchanged(before.as_ref(), &stat) {
            return Ok(before);
        }
        let Ok(target) = readlinkat(parent, name, Vec::new()) else {
            return Ok(self.leave_out(Reason::Changing, 0, before.as_ref(), changed));
        };
        let id = self.sink.put(ObjectKind::Blob, target.as_bytes())?;
        Ok(Some(self.leaf(name, Kind::Link, id, stat, before, changed)))
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        before: Option<CachedEntry>,
        changed: &mut bool,
    ) -> Result<Option<CachedEntry>, SnapshotError> {
        let mut key = StatKey::of(stat);
        if let Some(reason) = self.over_caps(key.size) {
            return Ok(self.leave_out(reason, key.size, before.as_ref(), changed));
        }
        let before = if is_unchanged(before.as_ref(), &key) {
            self.total += key.size;
            self.note_mode(key.mode);
            return Ok(before);
        } else {
            before
        };
        for _ in 0..TRIES {
            let fd = match openat(parent, name, FILE_FLAGS, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT) => {
                    *changed |= before.is_some();
                    return Ok(None);
                }
                Err(_) => return Ok(self.leave_out(Reason::Unreadable, key.size, before.as_ref(), changed)),
            };
            let Ok(opened) = fstat(&fd) else {
                return Ok(self.leave_out(Reason::Unreadable, key.size, before.as_ref(), changed));
            };
            if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile {
                break;
            }
            key = StatKey::of(&opened);
            if let Some(reason) = self.over_caps(key.size) {
                return Ok(self.leave_out(reason, key.size, before.as_ref(), changed));
            }
            let mut file = File::from(fd);
            let id = match self.content(&mut file, key.size) {
                Ok(Some(id)) => id,
                Ok(None) => continue,
                // The store's own trouble ends the capture; a file that cannot be read is listed.
                Err(SnapshotError::Io { action: "read", .. }) => {
                    return Ok(self.leave_out(Reason::Unreadable, key.size, before.as_ref(), changed));
                }
                Err(error) => return Err(error),
            };
            if !fstat(&file).is_ok_and(|after| StatKey::of(&after) == key) {
                continue;
            }
            self.total += key.size;
            self.note_mode(key.mode);
            let kind = if key.mode & 0o100 == 0 { Kind::File } else { Kind::Exec };
            return Ok(Some(self.leaf(name, kind, id, key, before, changed)));
        }
        Ok(self.leave_out(Reason::Changing, key.size, before.as_ref(), changed))
    }

    fn over_caps(&self, size: u64) -> Option<Reason> {
        if size > self.caps.file {
            Some(Reason::Size)
        } else if self.total.saturating_add(size) > self.caps.total {
            Some(Reason::Total)
        } else {
            None
        }
    }

    fn note_mode(&mut self, mode: u32) {
        let bits = mode & 0o777;
        let usual = if bits & 0o100 == 0 { 0o644 } else { 0o755 };
        if bits != usual {
            self.modes.push((self.path.clone(), bits));
        }
    }

    /// Stores a file's content; `None` where it did not have the size that it had a moment ago.
    fn content(&mut self, file: &mut File, size: u64) -> Result<Option<git2::Oid>, SnapshotError> {
        if size > STREAM_FROM {
            return match self.sink.stream(size, file)? {
                Streamed::Stored(id) => Ok(Some(id)),
                Streamed::Changed => Ok(None),
            };
        }
        self.buffer.clear();
        file.take(size + 1).read_to_end(&mut self.buffer).map_err(SnapshotError::io("read", Path::new("a file")))?;
        if self.buffer.len() as u64 != size {
            return Ok(None);
        }
        self.sink.put(ObjectKind::Blob, &self.buffer).map(Some)
    }

    fn leaf(
        &mut self,
        name: &CStr,
        kind: Kind,
        id: git2::Oid,
        stat: StatKey,
        before: Option<CachedEntry>,
        changed: &mut bool,
    ) -> CachedEntry {
        let same = matches!(&before, Some(CachedEntry { node: CachedNode::Leaf { kind: k, id: i, .. }, .. })
            if *k == kind && *i == id);
        *changed |= !same;
        self.refreshed = true;
        let name = before.map_or_else(|| name.to_bytes().into(), |entry| entry.name);
        CachedEntry { name, node: CachedNode::Leaf { kind, id, stat, racy: stat.is_racy(self.start) } }
    }
}

fn is_unchanged(before: Option<&CachedEntry>, now: &StatKey) -> bool {
    matches!(before, Some(CachedEntry { node: CachedNode::Leaf { stat, racy: false, .. }, .. }) if stat == now)
}

#[cfg(test)]
mod tests;
