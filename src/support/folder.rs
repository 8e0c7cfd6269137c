//! Folders that their owner must be able to enter. Here, because workspace and sandbox both need it and know nothing of
//! each other.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// What an owner needs to read, change and enter a folder.
const OWNER: u32 = 0o700;

/// Gives a folder back to its owner where `chmod` took it away. A link is left alone; so is what is no folder. Meant for
/// folders whose own place nobody else can change.
pub fn open_to_owner(folder: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(folder)?;
    if !facts.is_dir() || facts.mode() & OWNER == OWNER {
        return Ok(());
    }
    fs::set_permissions(folder, Permissions::from_mode(facts.mode() & 0o7777 | OWNER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shut_folder_is_opened_and_others_are_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("shut");
        let mode = || fs::metadata(&path).expect("facts").mode() & 0o7777;
        fs::create_dir(&path).expect("folder");
        for (before, after) in [(0o000, 0o700), (0o055, 0o755), (0o1777, 0o1777)] {
            fs::set_permissions(&path, Permissions::from_mode(before)).expect("mode");
            open_to_owner(&path).expect("open");
            assert_eq!(mode(), after);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("mode");
        std::os::unix::fs::symlink(&path, folder.path().join("link")).expect("link");
        open_to_owner(&folder.path().join("link")).expect("left alone");
        assert_eq!(mode(), 0);
    }
}
