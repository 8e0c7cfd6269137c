//! Writes one pack with its index, object by object, in bounded memory.
//!
//! The pack grows in a file aside; only ids, offsets and checksums stay in memory. Nothing is compared with anything
//! else here: deltas come later, when loose objects are packed in the background.
//!
//! ```text
//! PACK 2 <count>  { <kind and size> <deflated bytes> }*  <SHA-1 of all that>
//! ```

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::Oid;
use sha1_checked::{Digest as _, Sha1};

use super::error::SnapshotError;
use super::object::{Hasher, ObjectKind, Streamed, copy};

/// Counts and checksums what is written.
struct Counting {
    file: BufWriter<File>,
    at: u64,
    crc: crc32fast::Hasher,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.crc.update(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A pack in the making. Dropped unfinished, it goes away.
pub(crate) struct PackWriter {
    folder: PathBuf,
    path: PathBuf,
    out: Counting,
    rows: HashMap<Oid, (u64, u32)>,
}

impl PackWriter {
    pub(crate) fn new(folder: &Path) -> Result<Self, SnapshotError> {
        let path = folder.join(format!("tmp_pack_{}", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&path)
            .map_err(SnapshotError::io("make", &path))?;
        let out = Counting { file: BufWriter::with_capacity(64 * 1024, file), at: 0, crc: crc32fast::Hasher::new() };
        let mut pack = Self { folder: folder.to_owned(), path, out, rows: HashMap::new() };
        // The count is put in at the end.
        pack.out.write_all(b"PACK\0\0\0\x02\0\0\0\0").map_err(SnapshotError::io("write", &pack.path))?;
        Ok(pack)
    }

    pub(crate) fn contains(&self, id: Oid) -> bool {
        self.rows.contains_key(&id)
    }

    /// Adds an object that is not in it yet.
    pub(crate) fn add(&mut self, id: Oid, kind: ObjectKind, bytes: &[u8]) -> Result<(), SnapshotError> {
        let at = self.begin(kind, bytes.len() as u64)?;
        let mut encoder = ZlibEncoder::new(&mut self.out, Compression::fast());
        encoder
            .write_all(bytes)
            .and_then(|()| encoder.finish().map(drop))
            .map_err(SnapshotError::io("write", &self.path))?;
        self.end(id, at);
        Ok(())
    }

    /// Adds a large file, uncompressed. What was written of one that changed, or that is known, is taken back.
    pub(crate) fn stream(
        &mut self,
        size: u64,
        from: &mut dyn Read,
        is_known: &dyn Fn(Oid) -> bool,
    ) -> Result<Streamed, SnapshotError> {
        let at = self.begin(ObjectKind::Blob, size)?;
        let mut hasher = Hasher::new(ObjectKind::Blob, size);
        let path = self.path.clone();
        let mut encoder = ZlibEncoder::new(&mut self.out, Compression::none());
        let whole = copy(size, from, &mut |bytes| {
            hasher.update(bytes);
            encoder.write_all(bytes).map_err(SnapshotError::io("write", &path))
        });
        encoder.finish().map_err(SnapshotError::io("write", &path))?;
        match whole {
            Ok(true) => {
                let id = hasher.finish()?;
                if self.contains(id) || is_known(id) {
                    self.take_back(at)?;
                } else {
                    self.end(id, at);
                }
                Ok(Streamed::Stored(id))
            }
            Ok(false) => {
                self.take_back(at)?;
                Ok(Streamed::Changed)
            }
            Err(error) => {
                self.take_back(at)?;
                Err(error)
            }
        }
    }

    /// Completes pack and index, synced. A pack of nothing leaves nothing.
    pub(crate) fn finish(mut self) -> Result<(), SnapshotError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut sum = Sha1::builder().detect_collision(false).build();
        let pack_sum = (|| {
            self.out.file.flush()?;
            let mut file = self.out.file.get_ref();
            file.write_all_at(&(self.rows.len() as u32).to_be_bytes(), 8)?;
            file.seek(SeekFrom::Start(0))?;
            let mut buffer = vec![0u8; 128 * 1024];
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                sum.update(&buffer[..count]);
            }
            let sum = sum.finalize();
            file.write_all(&sum)?;
            file.sync_all()?;
            Ok(sum)
        })()
        .map_err(SnapshotError::io("write", &self.path))?;
        let name = Oid::from_bytes(&pack_sum).map_err(SnapshotError::git("name a pack"))?;
        let index = self.index(&pack_sum);
        let final_pack = self.folder.join(format!("pack-{name}.pack"));
        let final_index = self.folder.join(format!("pack-{name}.idx"));
        // A pack without an index is invisible; so the index comes second.
        fs::rename(&self.path, &final_pack).map_err(SnapshotError::io("write", &final_pack))?;
        crate::support::atomic_file::write(&final_index, &index, 0o444)
            .map_err(SnapshotError::io("write", &final_index))
    }

    fn begin(&mut self, kind: ObjectKind, size: u64) -> Result<u64, SnapshotError> {
        let at = self.out.at;
        self.out.crc = crc32fast::Hasher::new();
        let mut head = Vec::with_capacity(10);
        let mut byte = (kind.number() << 4) | (size & 15) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            head.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        head.push(byte);
        self.out.write_all(&head).map_err(SnapshotError::io("write", &self.path))?;
        Ok(at)
    }

    fn end(&mut self, id: Oid, at: u64) {
        let crc = std::mem::take(&mut self.out.crc).finalize();
        self.rows.insert(id, (at, crc));
    }

    fn take_back(&mut self, at: u64) -> Result<(), SnapshotError> {
        let mut back = || {
            self.out.file.flush()?;
            let mut file = self.out.file.get_ref();
            file.set_len(at)?;
            file.seek(SeekFrom::Start(at)).map(drop)
        };
        let result: io::Result<()> = back();
        result.map_err(SnapshotError::io("write", &self.path))?;
        self.out.at = at;
        Ok(())
    }

    /// The index of version 2: counts by first byte, ids, checksums, offsets, the two sums.
    fn index(&self, pack_sum: &[u8]) -> Vec<u8> {
        let mut rows: Vec<(&Oid, &(u64, u32))> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(id, _)| **id);
        let mut bytes = Vec::with_capacity(rows.len() * 28 + 1100);
        bytes.extend_from_slice(b"\xfftOc\0\0\0\x02");
        let mut count = 0u32;
        let mut next = rows.iter().peekable();
        for first in 0..=255u8 {
            while next.next_if(|(id, _)| id.as_bytes()[0] == first).is_some() {
                count += 1;
            }
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        for (id, _) in &rows {
            bytes.extend_from_slice(id.as_bytes());
        }
        for (_, (_, crc)) in &rows {
            bytes.extend_from_slice(&crc.to_be_bytes());
        }
        let mut far: Vec<u64> = Vec::new();
        for (_, (at, _)) in &rows {
            let word = u32::try_from(*at).ok().filter(|at| at >> 31 == 0).unwrap_or_else(|| {
                far.push(*at);
                0x8000_0000 | (far.len() - 1) as u32
            });
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for at in far {
            bytes.extend_from_slice(&at.to_be_bytes());
        }
        bytes.extend_from_slice(pack_sum);
        let mut sum = Sha1::builder().detect_collision(false).build();
        sum.update(&bytes);
        let sum = sum.finalize();
        bytes.extend_from_slice(&sum);
        bytes
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}
