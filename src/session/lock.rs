//! One writer per session: a lock on the file `lock`, held for the life of the process.
//!
//! Why `flock`: the kernel lets go of it when the process ends, however it ends, so there is no stale lock to judge.
//! The file's content only names the holder for the message to the second one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

use super::folder::SessionFolder;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process writes to this session.
    #[error("the session is in use by {holder}")]
    Held {
        /// Who, in words.
        holder: String,
    },
    /// The operating system refused.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to write to a session. Given back when dropped.
#[derive(Debug)]
pub struct SessionLock {
    file: File,
    root: PathBuf,
}

impl SessionLock {
    /// Takes the lock or tells who holds it. `holder` says what this process is, such as `okcvm exec`.
    pub fn acquire(folder: &SessionFolder, holder: &str) -> Result<Self, LockError> {
        let path = folder.lock_file();
        let failed = |source: io::Error| LockError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut words = String::new();
                let _ = file.take(400).read_to_string(&mut words);
                let words = words.trim();
                let holder = if words.is_empty() { "another process".to_owned() } else { words.to_owned() };
                return Err(LockError::Held { holder });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let since = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let words = format!("{holder} (process {} on {host}, since {since})\n", std::process::id());
        // The words are for people only: on a full disk the lock holds without them.
        let told = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(words.as_bytes()));
        if let Err(error) = told {
            tracing::warn!(%error, path = %path.display(), "the holder of the lock is not named");
        }
        Ok(Self { file, root: folder.root().to_owned() })
    }

    /// Whether this is the lock of that session.
    pub fn is_of(&self, folder: &SessionFolder) -> bool {
        self.root == folder.root()
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // An empty file says that nobody holds it. Given back by name and not by closing: a child that is just being
        // started shares the open file until it executes its program, and would hold the lock for as long.
        let _ = self.file.set_len(0);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::SessionId;

    #[test]
    fn a_second_writer_is_told_who_holds_the_session() {
        let dir = tempfile::tempdir().expect("folder");
        let folder =
            SessionFolder::create(dir.path(), &SessionId::from_random(1), &jiff::Zoned::now()).expect("create");
        let lock = SessionLock::acquire(&folder, "okcvm exec").expect("first");
        assert!(lock.is_of(&folder));
        let error = SessionLock::acquire(&folder, "okcvm").expect_err("second");
        let words = error.to_string();
        assert!(words.contains("okcvm exec (process "), "{words}");
        assert!(words.contains(&std::process::id().to_string()), "{words}");
        drop(lock);
        SessionLock::acquire(&folder, "okcvm").expect("free again");
    }

    #[test]
    fn a_lock_is_free_at_once_even_when_its_file_is_shared() {
        let dir = tempfile::tempdir().expect("folder");
        let folder =
            SessionFolder::create(dir.path(), &SessionId::from_random(2), &jiff::Zoned::now()).expect("create");
        let lock = SessionLock::acquire(&folder, "okcvm").expect("first");
        // As a child has it between fork and exec.
        let shared = lock.file.try_clone().expect("shared");
        drop(lock);
        SessionLock::acquire(&folder, "okcvm").expect("free again");
        drop(shared);
    }

    #[test]
    fn a_lock_holds_where_the_holder_cannot_be_named() {
        let dir = tempfile::tempdir().expect("folder");
        let folder =
            SessionFolder::create(dir.path(), &SessionId::from_random(3), &jiff::Zoned::now()).expect("create");
        // Stands for a full disk: it can be locked, but holds no words.
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, folder.lock_file(), rustix::fs::FileType::Fifo, mode, 0).expect("pipe");
        let _lock = SessionLock::acquire(&folder, "okcvm").expect("locked without words");
    }
}
