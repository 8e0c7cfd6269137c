//! Gives the files of a session to the account of the tools, when okcvm is root.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

/// How the folders of a walk are opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Gives a folder and everything in it to an account, without following a link. What has the right owner already is
/// left alone, and so is what cannot be reached: the tools then see it as somebody else's.
pub(super) fn give(folder: &Path, owner: (u32, u32)) -> io::Result<()> {
    let fd = rustix::fs::open(folder, FOLDER, Mode::empty())?;
    let (uid, gid) = owner;
    if fs::symlink_metadata(folder)?.uid() != uid {
        rustix::fs::fchown(&fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    // Two descriptors, however deep it goes: the way back up is "..", and only where it leads back.
    let mut left_out = 0;
    let id = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    let mut above = Vec::new();
    let mut here = (id(&fd)?, give_entries(&fd, owner, &mut left_out)?);
    let mut at = fd;
    loop {
        if let Some(name) = here.1.pop() {
            let inner = rustix::fs::openat(&at, name, FOLDER, Mode::empty()).map_err(io::Error::from);
            match inner.and_then(|inner| Ok((id(&inner)?, give_entries(&inner, owner, &mut left_out)?, inner))) {
                Ok((place, names, inner)) => {
                    above.push(std::mem::replace(&mut here, (place, names)));
                    at = inner;
                }
                Err(_) => left_out += 1,
            }
            continue;
        }
        let Some(parent) = above.pop() else { break };
        let up = rustix::fs::openat(&at, "..", FOLDER, Mode::empty());
        match up {
            Ok(up) if id(&up).is_ok_and(|place| place == parent.0) => at = up,
            _ => {
                left_out += 1;
                break;
            }
        }
        here = parent;
    }
    if left_out > 0 {
        tracing::warn!(folder = %folder.display(), left_out, "not everything could be given to the account of the tools");
    }
    Ok(())
}

/// Gives what lies directly in a folder to an account; the folders among it come back.
fn give_entries(folder: &OwnedFd, (uid, gid): (u32, u32), left_out: &mut u32) -> io::Result<Vec<OsString>> {
    let mut folders = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            // Gone meanwhile.
            continue;
        };
        // A file with several names may have one elsewhere; the tools' account could never have made such a name.
        let several = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1;
        if stat.st_uid != uid && !several {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            *left_out += u32::from(rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).is_err());
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            folders.push(OsString::from_vec(name.to_bytes().to_vec()));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Resource, Rlimit};

    use super::*;

    #[test]
    fn a_tree_is_given_whole_however_deep_it_is() {
        let root = tempfile::tempdir().expect("folder");
        let mut at = rustix::fs::open(root.path(), FOLDER, Mode::empty()).expect("open");
        for _ in 0..1_500 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).expect("folder");
            rustix::fs::mkdirat(&at, "e", Mode::RWXU).expect("folder");
            at = rustix::fs::openat(&at, "d", FOLDER, Mode::empty()).expect("open");
        }
        let limit = rustix::process::getrlimit(Resource::Nofile);
        let low = limit.current.map_or(1_024, |limit| limit.min(1_024));
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(low), ..limit }).expect("limit");
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        // As root it is given to somebody else, else to its owner, which only walks.
        let owner = if uid.is_root() { (61_999, 61_999) } else { (uid.as_raw(), gid.as_raw()) };
        let given = give(root.path(), owner);
        rustix::process::setrlimit(Resource::Nofile, limit).expect("limit");
        given.expect("given");
        assert_eq!(rustix::fs::fstat(&at).expect("deepest").st_uid, owner.0);
        // The temporary folder's own way of removing it needs a descriptor for each level.
        Command::new("rm").arg("-rf").arg(root.path().join("d")).status().expect("removed");
    }
}
