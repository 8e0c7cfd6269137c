//! Git's objects: their ids, and where new ones go.
//!
//! A capture does not know beforehand whether it will make three objects or thirty thousand. Thirty thousand loose
//! files cost minutes of syncing, and three small packs per turn make every later look-up slower. So new objects are
//! held back up to a limit; a capture that stays below it writes loose objects, one that passes it writes everything
//! into one pack. A file above 1 MiB is never held: it is streamed, uncompressed, to where it will lie.
//!
//! Why not libgit2's writer: it cannot store without compressing, and it syncs one object at a time or none.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::Oid;
use sha1_checked::{Digest as _, Sha1};

use super::error::SnapshotError;
use super::pack::PackWriter;
use super::repo::Repo;

/// Files above this size are streamed and stored uncompressed.
pub(crate) const STREAM_FROM: u64 = 1024 * 1024;
/// Objects held back before a capture becomes a pack.
const MAX_HELD: usize = 512;
/// Bytes held back before a capture becomes a pack.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// Loose objects that are synced one by one.
const MAX_SYNCS: usize = 24;
const FAST: u32 = 1;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Blob,
    Tree,
    Commit,
}

impl ObjectKind {
    fn word(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
        }
    }

    /// Its number in packs.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
        }
    }
}

/// Computes an object's id piece by piece, with the check for made-up collisions that Git has.
pub(crate) struct Hasher(Sha1);

impl Hasher {
    pub(crate) fn new(kind: ObjectKind, size: u64) -> Self {
        let mut sha = Sha1::new();
        sha.update(header(kind, size));
        Self(sha)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Result<Oid, SnapshotError> {
        let result = self.0.try_finalize();
        if result.has_collision() {
            return Err(SnapshotError::Damaged("a file was made to collide with another one in SHA-1".to_owned()));
        }
        Oid::from_bytes(result.hash()).map_err(SnapshotError::git("read an object id"))
    }
}

/// The id of an object.
pub(crate) fn hash(kind: ObjectKind, bytes: &[u8]) -> Result<Oid, SnapshotError> {
    let mut hasher = Hasher::new(kind, bytes.len() as u64);
    hasher.update(bytes);
    hasher.finish()
}

fn header(kind: ObjectKind, size: u64) -> Vec<u8> {
    format!("{} {size}\0", kind.word()).into_bytes()
}

/// How a streamed file ended.
pub(crate) enum Streamed {
    /// All of it was read and stored.
    Stored(Oid),
    /// It did not have the size that it was said to have.
    Changed,
}

/// Where a walk puts the objects that it finds.
pub(crate) trait Sink {
    /// Takes an object and gives its id.
    fn put(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid, SnapshotError>;
    /// Takes a large file.
    fn stream(&mut self, size: u64, from: &mut dyn Read) -> Result<Streamed, SnapshotError>;
}

/// Only computes ids; keeps the trees, so that what was found can be compared.
#[derive(Default)]
pub(crate) struct HashSink {
    pub(crate) trees: HashMap<Oid, Vec<u8>>,
}

impl Sink for HashSink {
    fn put(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid, SnapshotError> {
        let id = hash(kind, bytes)?;
        if kind == ObjectKind::Tree {
            self.trees.insert(id, bytes.to_vec());
        }
        Ok(id)
    }

    fn stream(&mut self, size: u64, from: &mut dyn Read) -> Result<Streamed, SnapshotError> {
        let mut hasher = Hasher::new(ObjectKind::Blob, size);
        let whole = copy(size, from, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        if whole { hasher.finish().map(Streamed::Stored) } else { Ok(Streamed::Changed) }
    }
}

/// Writes objects to the store. Nothing counts as written before [`WriteSink::finish`].
pub(crate) struct WriteSink<'r> {
    repo: &'r Repo,
    held: HashMap<Oid, (ObjectKind, Vec<u8>)>,
    held_bytes: usize,
    pack: Option<PackWriter>,
    /// Folders with new loose objects, to be synced.
    folders: HashSet<PathBuf>,
}

impl<'r> WriteSink<'r> {
    /// `pack`: the first capture goes to one pack, whatever its size.
    pub(crate) fn new(repo: &'r Repo, pack: bool) -> Result<Self, SnapshotError> {
        let pack = if pack { Some(PackWriter::new(&repo.pack_folder())?) } else { None };
        Ok(Self { repo, held: HashMap::new(), held_bytes: 0, pack, folders: HashSet::new() })
    }

    /// Brings all objects to the disk: contents first, then names.
    pub(crate) fn finish(mut self) -> Result<(), SnapshotError> {
        if let Some(pack) = self.pack.take() {
            pack.finish()?;
        }
        let held = std::mem::take(&mut self.held);
        // Each sync of a file waits for the disk; from some number on, one for the whole file system is quicker.
        let one_by_one = held.len() <= MAX_SYNCS;
        let mut written = Vec::with_capacity(held.len());
        for (id, (kind, bytes)) in held {
            let mut loose = Loose::new(self.repo, kind, bytes.len() as u64, FAST)?;
            loose.write(&bytes)?;
            loose.complete(one_by_one)?;
            written.push((id, loose));
        }
        if !one_by_one {
            self.sync_all()?;
        }
        for (id, loose) in written {
            self.folders.insert(loose.keep(id)?);
        }
        if one_by_one {
            let objects = self.repo.object_folder();
            let above = (!self.folders.is_empty()).then_some(&objects);
            for folder in self.folders.iter().chain(above) {
                let sync = || File::open(folder)?.sync_all();
                sync().map_err(SnapshotError::io("sync", folder))?;
            }
        } else {
            self.sync_all()?;
        }
        self.repo.refresh()
    }

    fn sync_all(&self) -> Result<(), SnapshotError> {
        let folder = self.repo.object_folder();
        let sync = || Ok(rustix::fs::syncfs(File::open(&folder)?)?);
        sync().map_err(SnapshotError::io("sync", &folder))
    }

    fn is_known(&self, id: Oid) -> bool {
        self.held.contains_key(&id) || self.pack.as_ref().is_some_and(|pack| pack.contains(id)) || self.repo.exists(id)
    }
}

impl Sink for WriteSink<'_> {
    fn put(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid, SnapshotError> {
        let id = hash(kind, bytes)?;
        if self.is_known(id) {
            return Ok(id);
        }
        if let Some(pack) = &mut self.pack {
            pack.add(id, kind, bytes)?;
            return Ok(id);
        }
        self.held.insert(id, (kind, bytes.to_vec()));
        self.held_bytes += bytes.len();
        if self.held.len() > MAX_HELD || self.held_bytes > MAX_HELD_BYTES {
            let mut pack = PackWriter::new(&self.repo.pack_folder())?;
            for (id, (kind, bytes)) in self.held.drain() {
                pack.add(id, kind, &bytes)?;
            }
            self.held_bytes = 0;
            self.pack = Some(pack);
        }
        Ok(id)
    }

    fn stream(&mut self, size: u64, from: &mut dyn Read) -> Result<Streamed, SnapshotError> {
        if let Some(pack) = &mut self.pack {
            let repo = self.repo;
            return pack.stream(size, from, &|id| repo.exists(id));
        }
        let mut loose = Loose::new(self.repo, ObjectKind::Blob, size, 0)?;
        let mut hasher = Hasher::new(ObjectKind::Blob, size);
        let whole = copy(size, from, &mut |bytes| {
            hasher.update(bytes);
            loose.write(bytes)
        })?;
        if !whole {
            return Ok(Streamed::Changed);
        }
        let id = hasher.finish()?;
        if !self.is_known(id) {
            loose.complete(true)?;
            self.folders.insert(loose.keep(id)?);
        }
        Ok(Streamed::Stored(id))
    }
}

/// Copies `size` bytes; false where the source has fewer or more.
pub(crate) fn copy(
    size: u64,
    from: &mut dyn Read,
    to: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>,
) -> Result<bool, SnapshotError> {
    let mut buffer = vec![0u8; 128 * 1024];
    let mut left = size;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(SnapshotError::Io { action: "read", path: PathBuf::from("a file"), source: error });
            }
        };
        if count == 0 {
            return Ok(left == 0);
        }
        if count as u64 > left {
            return Ok(false);
        }
        left -= count as u64;
        to(&buffer[..count])?;
    }
}

/// A loose object in the making: a file aside that gets its name when its id is known. Dropped unnamed, it goes away.
struct Loose<'r> {
    repo: &'r Repo,
    path: PathBuf,
    encoder: Option<ZlibEncoder<File>>,
}

impl<'r> Loose<'r> {
    fn new(repo: &'r Repo, kind: ObjectKind, size: u64, level: u32) -> Result<Self, SnapshotError> {
        let path = repo.object_folder().join(format!("tmp_obj_{}", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&path)
            .map_err(SnapshotError::io("make", &path))?;
        let mut loose = Self { repo, path, encoder: Some(ZlibEncoder::new(file, Compression::new(level))) };
        loose.write(&header(kind, size))?;
        Ok(loose)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        match &mut self.encoder {
            Some(encoder) => encoder.write_all(bytes).map_err(SnapshotError::io("write", &self.path)),
            None => Ok(()),
        }
    }

    /// Ends the object's content.
    fn complete(&mut self, sync: bool) -> Result<(), SnapshotError> {
        let Some(encoder) = self.encoder.take() else {
            return Ok(());
        };
        let end = || {
            let file = encoder.finish()?;
            if sync { file.sync_all() } else { Ok(()) }
        };
        end().map_err(SnapshotError::io("write", &self.path))
    }

    /// Gives the object, whose content is on the disk, its name; returns the folder that has a new name in it.
    fn keep(self, id: Oid) -> Result<PathBuf, SnapshotError> {
        let target = self.repo.loose_path(id);
        let folder = target.parent().map_or_else(|| self.repo.object_folder(), PathBuf::from);
        fs::create_dir_all(&folder).map_err(SnapshotError::io("make", &folder))?;
        fs::rename(&self.path, &target).map_err(SnapshotError::io("write", &target))?;
        Ok(folder)
    }
}

impl Drop for Loose<'_> {
    fn drop(&mut self) {
        // After `keep` there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        let blob = hash(ObjectKind::Blob, b"hello\n").expect("hash");
        assert_eq!(blob.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
        let tree = hash(ObjectKind::Tree, b"").expect("hash");
        assert_eq!(tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }
}
