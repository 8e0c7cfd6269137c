//! Pictures that a tool leaves for the user and not for the model: the pages of what it made, say slides.
//!
//! They lie in the folder of the whole outputs under their SHA-256, and snapshots hold them as long as an artifact of
//! a record names them.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::protocol::KEPT_PICTURE;
use crate::support::hash;

/// Pictures of one call that are kept at most; those behind are left out.
pub const MOST_KEPT: usize = 500;
/// Bytes of the pictures of one call.
pub const MOST_KEPT_BYTES: usize = 64 << 20;

/// A picture for the user.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPicture {
    sha256: String,
    media_type: String,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for KeptPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptPicture({}, {}, {} bytes)", self.sha256, self.media_type, self.bytes.len())
    }
}

impl KeptPicture {
    /// A picture as an encoder wrote it, and its media type, such as `image/png`.
    pub fn new(media_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { sha256: hash::sha256(&bytes), media_type: media_type.into(), bytes }
    }

    /// What artifacts and screens call it.
    pub fn name(&self) -> String {
        format!("{KEPT_PICTURE}{}", self.sha256)
    }

    /// Its media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }
}

/// Writes the pictures of a call into `folder`, as many as are kept.
pub(super) fn store(folder: &Path, pictures: &[KeptPicture]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut left = MOST_KEPT_BYTES;
    for picture in pictures.iter().take(MOST_KEPT) {
        let Some(rest) = left.checked_sub(picture.bytes.len()) else {
            tracing::warn!(folder = %folder.display(), "a call left more pictures than are kept");
            break;
        };
        left = rest;
        let place = folder.join(&picture.sha256);
        if place.is_file() {
            continue;
        }
        // Whole or not at all under that name: a snapshot may be taken at any time after.
        let aside = folder.join(format!("{}.new", uuid::Uuid::new_v4().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let written = file.write_all(&picture.bytes).and_then(|()| std::fs::rename(&aside, &place));
        if written.is_err() {
            // The first error is the one that matters.
            let _ = std::fs::remove_file(&aside);
            return written;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_kept_under_their_hash_once_and_not_without_end() {
        let place = tempfile::tempdir().expect("folder");
        let folder = place.path().join("spill");
        let one = KeptPicture::new("image/png", b"one".to_vec());
        let large = KeptPicture::new("image/png", vec![7; MOST_KEPT_BYTES]);
        store(&folder, &[one.clone(), one.clone(), large]).expect("stored");
        let names: Vec<_> = std::fs::read_dir(&folder).expect("list").map(|e| e.expect("entry").file_name()).collect();
        assert_eq!(names, [hash::sha256(b"one").as_str()], "the large one is too much beside the first");
        assert_eq!(one.name(), format!("picture:{}", hash::sha256(b"one")));
        assert!(!format!("{one:?}").contains("111"), "{one:?}");
    }
}
