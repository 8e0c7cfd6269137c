//! How the screen gets the pictures of a session: regular files below its workspace and those that lie beside its log,
//! unpacked by a process that can do nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};

use image::RgbaImage;
use tokio::runtime::Handle;

use super::shots::{SHOT, Shots};
use crate::protocol::KEPT_PICTURE;
use crate::sandbox::{Decoder, Encoded, LazySandbox};
use crate::session::blob;
use crate::support::truncate;
use crate::tools::pixels;
use crate::tui::picture::{PictureFile, PictureFiles, Stamp, Wanted};
use crate::workspace::{Workspace, WorkspaceError};

/// Bytes of the largest picture file that is read.
const LARGEST: u64 = 64 << 20;

/// The pictures below this workspace of a session and in the folder of its long texts, which may be made only later.
/// Within a Tokio runtime.
pub(super) fn files(
    work: PathBuf,
    spill: PathBuf,
    mount: String,
    sandbox: &LazySandbox,
    shots: &Shots,
) -> PictureFiles {
    let (sandbox, shots, runtime) = (sandbox.clone(), shots.clone(), Handle::current());
    PictureFiles::new(move |path, known, wanted| {
        let decoder = sandbox.decoder();
        if path.starts_with(SHOT) {
            let bytes = shots.bytes(path).ok_or("it is an old one and not kept")?;
            let stamp = Stamp { modified: None, bytes: bytes.len() as u64 };
            // Its name is its content's.
            return match known {
                Some(known) if known == stamp => Ok(PictureFile::Unchanged),
                _ => unpacked(&runtime, &decoder, stamp, Encoded::Bytes(bytes.to_vec()), wanted),
            };
        }
        let opened = match path.strip_prefix(KEPT_PICTURE) {
            Some(hash) => open_kept(&spill, hash, known)?,
            None => open(&work, &mount, path, known)?,
        };
        let Some((stamp, file)) = opened else { return Ok(PictureFile::Unchanged) };
        unpacked(&runtime, &decoder, stamp, Encoded::File(file), wanted)
    })
}

fn unpacked(
    runtime: &Handle,
    decoder: &Decoder,
    stamp: Stamp,
    encoded: Encoded,
    wanted: Wanted,
) -> Result<PictureFile, String> {
    let room = (wanted.width, wanted.height);
    let made = runtime.block_on(pixels(decoder, encoded, room, wanted.grow))?;
    let pixels = RgbaImage::from_raw(made.shown.0, made.shown.1, made.rgba).ok_or("its reader gave no answer")?;
    Ok(PictureFile::Read { stamp, size: made.size, pixels })
}

/// Opens a file unless it is the one that is known. It is confined as for the tools themselves: no link leads out.
fn open(work: &Path, mount: &str, path: &str, known: Option<Stamp>) -> Result<Option<(Stamp, File)>, String> {
    let words = |error: WorkspaceError| match error {
        WorkspaceError::Missing { .. } => "it is not there any more".to_owned(),
        WorkspaceError::Outside { .. } => "it is outside the workspace".to_owned(),
        error => error.to_string(),
    };
    // Without a mount of its own a tool names the folder as the host does.
    let workspace = Workspace::open(work, mount, None).map_err(words)?.also_known_as(Some(work));
    let file = workspace.open_read(&workspace.resolve(path).map_err(words)?).map_err(words)?;
    unless_known(file, known)
}

/// Opens a picture that lies beside the log, by its hash.
fn open_kept(spill: &Path, hash: &str, known: Option<Stamp>) -> Result<Option<(Stamp, File)>, String> {
    if !blob::is_hash(hash) {
        return Err("it has no name that a picture can have".to_owned());
    }
    // Only the latest ones stay in the folder; snapshots hold all.
    let file = File::open(spill.join(hash)).map_err(|_| "it is an old one and not kept for screens".to_owned())?;
    unless_known(file, known)
}

fn unless_known(file: File, known: Option<Stamp>) -> Result<Option<(Stamp, File)>, String> {
    let metadata = file.metadata().map_err(|error| format!("it cannot be read: {error}"))?;
    let stamp = Stamp { modified: metadata.modified().ok(), bytes: metadata.len() };
    if known == Some(stamp) {
        return Ok(None);
    }
    if stamp.bytes > LARGEST {
        return Err(format!("{} are too many to be shown", truncate::bytes(stamp.bytes)));
    }
    Ok(Some((stamp, file)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

    #[test]
    fn a_picture_beside_the_log_is_known_by_its_hash_only() {
        let place = tempfile::tempdir().expect("folder");
        let hash = blob::sha256(b"picture");
        std::fs::write(place.path().join(&hash), b"picture").expect("picture");
        std::fs::write(place.path().join("other"), b"other").expect("other");
        let (stamp, _) = open_kept(place.path(), &hash, None).expect("opened").expect("new");
        assert_eq!(stamp.bytes, 7);
        assert!(open_kept(place.path(), &hash, Some(stamp)).expect("opened").is_none());
        for wrong in ["other", "../other", "", &blob::sha256(b"another")] {
            assert!(open_kept(place.path(), wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_picture_is_read_once_and_never_from_outside() {
        let place = tempfile::tempdir().expect("folder");
        let work = place.path().join("work");
        std::fs::create_dir(&work).expect("work");
        std::fs::write(place.path().join("secret.png"), b"secret").expect("secret");
        std::fs::write(work.join("a.png"), b"picture").expect("picture");
        std::os::unix::fs::symlink("../secret.png", work.join("link.png")).expect("link");
        std::os::unix::fs::symlink("a.png", work.join("inside.png")).expect("link");
        let open = |path: &str, known| open(&work, MOUNT, path, known);
        let path = |name: &str| format!("{MOUNT}/{name}");
        let (stamp, mut file) = open(&path("a.png"), None).expect("opened").expect("new");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        assert_eq!((text.as_str(), stamp.bytes), ("picture", 7));
        assert!(open(&path("a.png"), Some(stamp)).expect("opened").is_none());
        assert!(open(&path("inside.png"), None).expect("opened").is_some());
        for outside in [path("link.png"), path("../secret.png"), "/etc/passwd".to_owned()] {
            assert!(open(&outside, None).is_err(), "{outside}");
        }
        assert_eq!(open(&path("gone.png"), None).expect_err("gone"), "it is not there any more");
        assert!(open(MOUNT, None).is_err(), "a folder");
    }
}
