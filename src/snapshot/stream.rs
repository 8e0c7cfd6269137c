//! Large files out of the store, piece by piece and with their hash checked.
//!
//! libgit2 reads an object whole, and its stream reads loose objects only and checks nothing. A file of 600 MiB would
//! take as much memory, twice where it is copied. Large files are written by this program whole and without deltas, as
//! loose objects or in the pack of a first capture: both can be read from the file, in bounded memory. What another
//! program made a delta of is read by libgit2.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use git2::Oid;

use super::error::SnapshotError;
use super::object::{Hasher, ObjectKind, STREAM_FROM};
use super::repo::Repo;

const PIECE: usize = 128 * 1024;
/// Entry of a pack that holds a blob whole.
const PACKED_BLOB: u8 = 3;

impl Repo {
    /// Hands a file's content to `to`. Where its hash turns out wrong it is an error after the last piece.
    pub(crate) fn stream(
        &self,
        id: Oid,
        to: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        if self.size(id)? <= STREAM_FROM {
            return to(&self.read(id, ObjectKind::Blob)?);
        }
        let source = match self.loose(id) {
            Some(source) => Some(source),
            None => self.packed(id),
        };
        let Some((size, mut content)) = source else {
            return to(&self.read(id, ObjectKind::Blob)?);
        };
        let mut hasher = Hasher::new(ObjectKind::Blob, size);
        let mut piece = vec![0u8; PIECE];
        let mut left = size;
        while left > 0 {
            let most = piece.len().min(usize::try_from(left).unwrap_or(PIECE));
            let count = content.read(&mut piece[..most]).map_err(|error| self.unreadable(id, &error.to_string()))?;
            if count == 0 {
                return Err(self.unreadable(id, "it is cut short"));
            }
            hasher.update(&piece[..count]);
            to(&piece[..count])?;
            left -= count as u64;
        }
        if hasher.finish()? == id { Ok(()) } else { Err(self.unreadable(id, "its content does not have that hash")) }
    }

    /// A loose blob: its size and its content.
    fn loose(&self, id: Oid) -> Option<(u64, Box<dyn Read>)> {
        let file = File::open(self.loose_path(id)).ok()?;
        let mut content = BufReader::new(ZlibDecoder::new(BufReader::with_capacity(PIECE, file)));
        let mut head = Vec::new();
        (&mut content).take(64).read_until(0, &mut head).ok()?;
        let size = std::str::from_utf8(&head).ok()?.strip_suffix('\0')?.strip_prefix("blob ")?.parse().ok()?;
        Some((size, Box::new(content)))
    }

    /// A blob that lies whole in a pack: its size and its content.
    fn packed(&self, id: Oid) -> Option<(u64, Box<dyn Read>)> {
        for entry in fs::read_dir(self.pack_folder()).ok()?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "idx")
                && let Some(at) = find(&path, id)
            {
                let mut file = File::open(path.with_extension("pack")).ok()?;
                file.seek(SeekFrom::Start(at)).ok()?;
                let mut content = BufReader::with_capacity(PIECE, file);
                let size = packed_size(&mut content)?;
                return Some((size, Box::new(ZlibDecoder::new(content))));
            }
        }
        None
    }
}

/// The head of an entry in a pack; none where it is no whole blob.
fn packed_size(from: &mut impl Read) -> Option<u64> {
    let mut byte = [0u8; 1];
    from.read_exact(&mut byte).ok()?;
    if (byte[0] >> 4) & 7 != PACKED_BLOB {
        return None;
    }
    let mut size = u64::from(byte[0] & 15);
    let mut shift = 4;
    while byte[0] & 0x80 != 0 {
        from.read_exact(&mut byte).ok()?;
        size |= u64::from(byte[0] & 0x7f).checked_shl(shift)?;
        shift += 7;
    }
    Some(size)
}

/// Where an object begins in the pack of an index of version 2.
fn find(index: &Path, id: Oid) -> Option<u64> {
    let file = File::open(index).ok()?;
    let word = |at: u64| {
        let mut bytes = [0u8; 4];
        file.read_exact_at(&mut bytes, at).ok().map(|()| u64::from(u32::from_be_bytes(bytes)))
    };
    let mut magic = [0u8; 8];
    file.read_exact_at(&mut magic, 0).ok()?;
    if magic != *b"\xfftOc\0\0\0\x02" {
        return None;
    }
    let first = u64::from(id.as_bytes()[0]);
    let total = word(8 + 255 * 4)?;
    let mut low = if first == 0 { 0 } else { word(8 + (first - 1) * 4)? };
    let mut high = word(8 + first * 4)?;
    let names = 8 + 256 * 4;
    while low < high {
        let middle = u64::midpoint(low, high);
        let mut name = [0u8; 20];
        file.read_exact_at(&mut name, names + middle * 20).ok()?;
        match name[..].cmp(id.as_bytes()) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let offsets = names + total * 24;
                let at = word(offsets + middle * 4)?;
                if at >> 31 == 0 {
                    return Some(at);
                }
                let far = offsets + total * 4 + (at & 0x7fff_ffff) * 8;
                return Some(word(far)? << 32 | word(far + 4)?);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::object::{Sink as _, Streamed, WriteSink};
    use super::*;

    fn stored(pack: bool, bytes: &[u8]) -> (tempfile::TempDir, Repo, Oid) {
        let dir = tempfile::tempdir().expect("folder");
        let repo = Repo::open(&dir.path().join("state.git")).expect("open");
        let mut sink = WriteSink::new(&repo, pack).expect("sink");
        for other in 0..300u32 {
            sink.put(ObjectKind::Blob, &other.to_be_bytes()).expect("put");
        }
        let Streamed::Stored(id) = sink.stream(bytes.len() as u64, &mut &bytes[..]).expect("stream") else {
            unreachable!("nothing changes it")
        };
        sink.finish().expect("finish");
        (dir, repo, id)
    }

    fn large() -> Vec<u8> {
        (0..3_000_000u32).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn a_large_file_comes_in_small_pieces_loose_or_packed() {
        for pack in [false, true] {
            let (_dir, repo, id) = stored(pack, &large());
            let (mut whole, mut most) = (Vec::new(), 0);
            let mut take = |bytes: &[u8]| {
                most = most.max(bytes.len());
                whole.extend_from_slice(bytes);
                Ok(())
            };
            repo.stream(id, &mut take).expect("stream");
            assert!(most <= PIECE, "pack {pack}: {most}");
            assert!(whole == large(), "pack {pack}");
        }
    }

    #[test]
    fn a_large_file_that_is_damaged_is_an_error() {
        let (_dir, repo, id) = stored(false, &large());
        let path = repo.loose_path(id);
        let good = fs::read(&path).expect("read");
        fs::remove_file(&path).expect("remove");
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for bad in [&flipped[..], &good[..good.len() / 2]] {
            fs::write(&path, bad).expect("write");
            let error = repo.stream(id, &mut |_| Ok(())).expect_err("damaged");
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
    }
}
