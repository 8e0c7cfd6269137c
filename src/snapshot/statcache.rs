//! What the files looked like at the latest capture, so that an unchanged file costs one `lstat`.
//!
//! A file whose size, times, inode and mode are as they were holds what it held, with one exception that Git calls
//! racy: a file written in the same tick of the clock in which it was read may be written once more without a change
//! of its times. Such entries are marked and read again at the next capture.
//!
//! The cache lies beside the objects, is written aside and renamed, and carries a checksum. It is saved only after the
//! objects that it names are on the disk; one that is missing or damaged costs a capture that reads everything.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use git2::Oid;
use rustix::fs::Stat;

use super::tree::Kind;

const MAGIC: &[u8] = b"okcvm stat cache 1\n";
/// Folders deeper than this are not captured, so none can be in the cache.
pub(crate) const MAX_DEPTH: usize = 256;

/// What `lstat` says of a file, as far as it tells whether the content is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatKey {
    pub(crate) size: u64,
    pub(crate) mtime: (i64, u32),
    pub(crate) ctime: (i64, u32),
    pub(crate) inode: u64,
    pub(crate) mode: u32,
}

impl StatKey {
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the fields' types differ by architecture")]
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            size: stat.st_size as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            inode: stat.st_ino as u64,
            mode: stat.st_mode as u32,
        }
    }

    /// Whether the file may be written again without a change of its times, if it was read at `start`.
    pub(crate) fn is_racy(&self, start: (i64, u32)) -> bool {
        // Whole seconds in both times: a file system without fractions. Otherwise the kernel's tick, at most 10 ms.
        let margin: i128 = if self.mtime.1 == 0 && self.ctime.1 == 0 { 2_000_000_000 } else { 20_000_000 };
        let nanos = |time: (i64, u32)| i128::from(time.0) * 1_000_000_000 + i128::from(time.1);
        nanos(self.mtime.max(self.ctime)) >= nanos(start) - margin
    }
}

/// A folder as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedDir {
    pub(crate) tree: Oid,
    /// Sorted by name.
    pub(crate) entries: Vec<CachedEntry>,
}

/// A file, link or folder as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedEntry {
    pub(crate) name: Box<[u8]>,
    pub(crate) node: CachedNode,
}

/// What it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CachedNode {
    Leaf { kind: Kind, id: Oid, stat: StatKey, racy: bool },
    Dir(Box<CachedDir>),
}

impl CachedDir {
    /// The tree, where it is known to be stored.
    pub(crate) fn stored_tree(&self) -> Option<Oid> {
        (!self.tree.is_zero()).then_some(self.tree)
    }

    /// Marks files whose object is missing as to be read again, and folders as to be written again; tells how many.
    pub(crate) fn doubt_missing(&mut self, exists: &dyn Fn(Oid) -> bool) -> usize {
        let mut missing = 0;
        if !self.tree.is_zero() && !exists(self.tree) {
            self.tree = Oid::ZERO_SHA1;
            missing += 1;
        }
        for entry in &mut self.entries {
            match &mut entry.node {
                CachedNode::Dir(dir) => missing += dir.doubt_missing(exists),
                CachedNode::Leaf { id, racy, .. } => {
                    if !exists(*id) {
                        *racy = true;
                        missing += 1;
                    }
                }
            }
        }
        missing
    }
}

/// Reads the cache; `None` where there is none that can be trusted.
pub(crate) fn load(path: &Path) -> Option<CachedDir> {
    let bytes = fs::read(path).ok()?;
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc32fast::hash(body).to_le_bytes() != sum {
        return None;
    }
    let mut reader = Reader(body.strip_prefix(MAGIC)?);
    let dir = reader.dir(0)?;
    reader.0.is_empty().then_some(dir)
}

/// Writes the cache. Not synced: it can be made again.
pub(crate) fn save(path: &Path, dir: &CachedDir) -> io::Result<()> {
    let aside = path.with_extension("new");
    // Piece by piece: it is never whole in memory.
    let mut out = Summed { to: BufWriter::new(File::create(&aside)?), sum: crc32fast::Hasher::new() };
    out.write_all(MAGIC)?;
    write_dir(&mut out, dir)?;
    let Summed { mut to, sum } = out;
    to.write_all(&sum.finalize().to_le_bytes())?;
    to.flush()?;
    fs::rename(&aside, path)
}

/// A file and the checksum of what is written to it.
struct Summed {
    to: BufWriter<File>,
    sum: crc32fast::Hasher,
}

impl Summed {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }
}

fn write_dir(out: &mut Summed, dir: &CachedDir) -> io::Result<()> {
    out.write_all(dir.tree.as_bytes())?;
    out.write_all(&(dir.entries.len() as u32).to_le_bytes())?;
    for entry in &dir.entries {
        out.write_all(&(entry.name.len() as u16).to_le_bytes())?;
        out.write_all(&entry.name)?;
        match &entry.node {
            CachedNode::Dir(dir) => {
                out.write_all(&[0])?;
                write_dir(out, dir)?;
            }
            CachedNode::Leaf { kind, id, stat, racy } => {
                let tag = match kind {
                    Kind::File => 1u8,
                    Kind::Exec => 2,
                    Kind::Link | Kind::Dir => 3,
                };
                out.write_all(&[tag | if *racy { 0x80 } else { 0 }])?;
                out.write_all(id.as_bytes())?;
                out.write_all(&stat.size.to_le_bytes())?;
                for time in [stat.mtime, stat.ctime] {
                    out.write_all(&time.0.to_le_bytes())?;
                    out.write_all(&time.1.to_le_bytes())?;
                }
                out.write_all(&stat.inode.to_le_bytes())?;
                out.write_all(&stat.mode.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn oid(&mut self) -> Option<Oid> {
        Oid::from_bytes(&self.take::<20>()?).ok()
    }

    fn time(&mut self) -> Option<(i64, u32)> {
        Some((i64::from_le_bytes(self.take()?), u32::from_le_bytes(self.take()?)))
    }

    fn dir(&mut self, depth: usize) -> Option<CachedDir> {
        if depth > MAX_DEPTH {
            return None;
        }
        let tree = self.oid()?;
        let count = u32::from_le_bytes(self.take()?) as usize;
        // The least that an entry takes; a wrong count must not ask for memory.
        let mut entries = Vec::with_capacity(count.min(self.0.len() / 24));
        for _ in 0..count {
            let length = usize::from(u16::from_le_bytes(self.take()?));
            let (name, rest) = self.0.split_at_checked(length)?;
            let name = name.into();
            self.0 = rest;
            let [tag] = self.take()?;
            let kind = match tag & 0x7f {
                0 => {
                    entries.push(CachedEntry { name, node: CachedNode::Dir(Box::new(self.dir(depth + 1)?)) });
                    continue;
                }
                1 => Kind::File,
                2 => Kind::Exec,
                3 => Kind::Link,
                _ => return None,
            };
            let id = self.oid()?;
            let stat = StatKey {
                size: u64::from_le_bytes(self.take()?),
                mtime: self.time()?,
                ctime: self.time()?,
                inode: u64::from_le_bytes(self.take()?),
                mode: u32::from_le_bytes(self.take()?),
            };
            entries.push(CachedEntry { name, node: CachedNode::Leaf { kind, id, stat, racy: tag & 0x80 != 0 } });
        }
        Some(CachedDir { tree, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CachedDir {
        let id = Oid::from_bytes(&[9; 20]).expect("id");
        let stat = StatKey { size: 5, mtime: (10, 20), ctime: (30, 40), inode: 50, mode: 0o100_644 };
        let leaf = |kind, racy| CachedNode::Leaf { kind, id, stat, racy };
        let inner =
            CachedDir { tree: id, entries: vec![CachedEntry { name: b"x"[..].into(), node: leaf(Kind::Exec, true) }] };
        CachedDir {
            tree: id,
            entries: vec![
                CachedEntry { name: b"a\xff"[..].into(), node: leaf(Kind::File, false) },
                CachedEntry { name: b"d"[..].into(), node: CachedNode::Dir(Box::new(inner)) },
                CachedEntry { name: b"l"[..].into(), node: leaf(Kind::Link, false) },
            ],
        }
    }

    #[test]
    fn the_cache_comes_back_and_a_damaged_one_does_not() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("stat");
        assert_eq!(load(&path), None);
        save(&path, &sample()).expect("save");
        assert_eq!(load(&path), Some(sample()));
        let whole = fs::read(&path).expect("read");
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).expect("write");
            assert_eq!(load(&path), None, "byte {at}");
            fs::write(&path, &whole[..at]).expect("write");
            assert_eq!(load(&path), None, "cut at {at}");
        }
    }

    #[test]
    fn a_file_written_in_the_tick_of_its_reading_is_racy() {
        let at = |mtime, ctime| StatKey { size: 0, mtime, ctime, inode: 0, mode: 0 };
        let start = (100, 500_000_000);
        assert!(at((100, 500_000_000), (1, 1)).is_racy(start));
        assert!(at((1, 1), (100, 490_000_000)).is_racy(start), "a forged mtime does not help");
        assert!(at((200, 0), (1, 1)).is_racy(start), "a time in the future");
        assert!(!at((100, 400_000_000), (100, 400_000_000)).is_racy(start));
        assert!(at((99, 0), (99, 0)).is_racy(start), "a file system of whole seconds");
        assert!(!at((97, 0), (97, 0)).is_racy(start));
    }
}
