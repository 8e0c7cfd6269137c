//! What the commands of a session use together, where the kernel holds no limit: memory and disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::SandboxFolders;
use crate::config::schema::LimitSection;

/// How often the disk is looked at while something runs.
const LOOK: Duration = Duration::from_millis(500);
/// A command that took less of the disk than this is not stopped for it: on a disk that was nearly full before, small
/// commands go on working, and so what fills it can be removed.
const SMALL: u64 = 64 << 20;
/// What takes no more than this is not stopped for what was there before: it may be what makes room.
const TRIFLE: u64 = 4 << 20;
/// The folders are counted again when the disk has lost so many bytes since, or an eighth of what they may hold.
const COUNT_STEP: u64 = 256 << 20;

/// Memory of the commands of a session, by command.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts(Arc<Mutex<(u64, HashMap<u64, u64>)>>);

/// The memory of one command. Dropping it takes it out of the sum.
#[derive(Debug)]
pub struct Account {
    accounts: Accounts,
    id: u64,
}

impl Accounts {
    /// An account for one more command.
    pub(super) fn open(&self) -> Account {
        let id = self.with(|next, _| {
            *next += 1;
            *next
        });
        Account { accounts: self.clone(), id }
    }

    fn with<T>(&self, act: impl FnOnce(&mut u64, &mut HashMap<u64, u64>) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, each) = &mut *inner;
        act(next, each)
    }
}

impl Account {
    pub(super) fn set(&self, bytes: u64) {
        self.accounts.with(|_, each| each.insert(self.id, bytes));
    }

    /// Whether all commands together have more than this many bytes, and this one the most of them.
    pub fn is_too_much(&self, limit: u64) -> bool {
        self.accounts.with(|_, each| {
            let own = each.get(&self.id).copied().unwrap_or(0);
            each.values().sum::<u64>() > limit && each.values().all(|other| *other <= own)
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.accounts.with(|_, each| each.remove(&self.id));
    }
}

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// Less than the limit is left of it.
    Full,
    /// The session's folders hold more than the limit.
    TooLarge,
}

/// What the session's folders hold, as far as it was counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted(Arc<CountedInner>);

#[derive(Debug, Default)]
struct CountedInner {
    /// Free bytes of the disk when the session's first command started.
    first: OnceLock<u64>,
    /// Free bytes of the disk when the folders were counted last.
    at: AtomicU64,
    counting: AtomicBool,
    too_large: AtomicBool,
}

/// Looks at the disk while a command runs. Counting the folders is slow, so it is done on another thread, and only
/// when the disk has lost or won much since the last time.
#[derive(Debug)]
pub struct Disk {
    folders: [PathBuf; 3],
    min_free: u64,
    most: u64,
    at_start: Option<u64>,
    counted: Counted,
}

impl Disk {
    pub(super) fn of(folders: &SandboxFolders, limits: &LimitSection, counted: &Counted) -> Self {
        let at_start = free(&folders.work);
        if let Some(free) = at_start
            && counted.0.first.set(free).is_ok()
        {
            counted.0.at.store(free, Ordering::Relaxed);
        }
        Self {
            folders: [folders.work.clone(), folders.home.clone(), folders.tmp.clone()],
            min_free: limits.min_free_mb.saturating_mul(1 << 20),
            most: limits.workspace_mb.saturating_mul(1 << 20),
            at_start,
            counted: counted.clone(),
        }
    }

    /// Waits until something has to end for it.
    pub async fn until_trouble(&self) -> DiskTrouble {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(trouble) = self.trouble() {
                return trouble;
            }
        }
    }

    /// Whether something has to end for it. Never blocks for long.
    pub fn trouble(&self) -> Option<DiskTrouble> {
        let (at_start, now) = (self.at_start?, free(&self.folders[0])?);
        let counted = &self.counted.0;
        let taken = at_start.saturating_sub(now);
        let by_session = counted.first.get().map_or(0, |first| first.saturating_sub(now));
        let much = taken > SMALL || (taken > TRIFLE && by_session > 4 * SMALL);
        if now < self.min_free && much {
            return Some(DiskTrouble::Full);
        }
        let too_large = counted.too_large.load(Ordering::Relaxed);
        // Folders that were too large are counted again soon: something may have been removed.
        let step = if too_large { TRIFLE } else { COUNT_STEP.min(self.most / 8) };
        if counted.at.load(Ordering::Relaxed).abs_diff(now) >= step && !counted.counting.swap(true, Ordering::Relaxed) {
            counted.at.store(now, Ordering::Relaxed);
            let (folders, most, counted) = (self.folders.clone(), self.most, self.counted.clone());
            tokio::task::spawn_blocking(move || {
                let mut left = most;
                let fits = folders.iter().all(|folder| count(folder, &mut left));
                counted.0.too_large.store(!fits, Ordering::Relaxed);
                counted.0.counting.store(false, Ordering::Relaxed);
            });
        }
        (too_large && taken > TRIFLE).then_some(DiskTrouble::TooLarge)
    }
}

fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Takes what a folder holds on the disk from `left`; false when that is not enough. Folders that cannot be read count
/// as empty, links are not followed.
fn count(folder: &Path, left: &mut u64) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            let Some(rest) = left.checked_sub(facts.blocks() * 512) else { return false };
            *left = rest;
            if facts.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_those_that_have_too_much_together_is_named() {
        let accounts = Accounts::default();
        let (small, large) = (accounts.open(), accounts.open());
        small.set(30);
        large.set(50);
        assert!(!small.is_too_much(80) && !large.is_too_much(80));
        assert!(!small.is_too_much(79) && large.is_too_much(79));
        drop(large);
        assert!(!small.is_too_much(79) && small.is_too_much(29));
    }

    #[test]
    fn what_folders_hold_is_counted_without_following_links() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("inner")).expect("folder");
        std::fs::write(folder.path().join("inner/file"), vec![1; 200_000]).expect("file");
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).expect("link");
        assert!(count(folder.path(), &mut 1_000_000));
        assert!(!count(folder.path(), &mut 100_000));
    }
}
