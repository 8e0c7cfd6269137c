//! Whole files that are either the old one or the new one, whatever happens in between.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: a file beside it is written, synced and renamed over it, and the folder is synced.
///
/// `mode` holds the permission bits of the new file (such as `0o600`). A symbolic link at `path` is replaced, not
/// followed.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let aside = aside(path)?;
    let result = write_aside(&aside, bytes, mode).and_then(|()| std::fs::rename(&aside, path));
    if result.is_err() {
        // The error that matters is the first one; a leftover is harmless and is replaced by the next write.
        let _ = std::fs::remove_file(&aside);
        return result;
    }
    sync_parent(path)
}

/// Syncs the folder that holds `path`, so that a rename or a new name in it survives a power cut.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Removes what writes that were killed have left in a folder: files named `.<name>.<32 digits>.new`. Only for a folder
/// that no other process writes to.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_aside) {
            // One that stays does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_aside(name: &str) -> bool {
    let digits = || name.strip_prefix('.')?.strip_suffix(".new")?.rsplit_once('.').map(|(_, digits)| digits);
    digits().is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn aside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display())))?;
    let mut aside_name = std::ffi::OsString::from(".");
    aside_name.push(name);
    aside_name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    Ok(path.with_file_name(aside_name))
}

fn write_aside(aside: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(aside)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config.yaml");
        write(&path, b"one", 0o644).expect("first write");
        write(&path, b"two", 0o600).expect("second write");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let target = folder.path().join("target");
        std::fs::write(&target, "kept").expect("target");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).expect("link");
        write(&link, b"new", 0o644).expect("write");
        assert_eq!(std::fs::read(&target).expect("read"), b"kept");
        assert_eq!(std::fs::read(&link).expect("read"), b"new");
    }

    #[test]
    fn what_a_killed_write_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let left = aside(&folder.path().join("config.yaml")).expect("name");
        std::fs::write(&left, "half").expect("write");
        for name in [".hidden.new", "a.new", ".bashrc", ".x.0123456789abcdef.new"] {
            std::fs::write(folder.path().join(name), "kept").expect("write");
        }
        sweep(folder.path());
        assert!(!left.exists());
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 4);
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        assert!(write(Path::new("/"), b"", 0o644).is_err());
    }
}
