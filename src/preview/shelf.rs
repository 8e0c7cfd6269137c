//! Where copies of deployed websites lie: `deployments/<id>/`, with the files in a folder that is named by their hash and a
//! note of whose they are. A folder that has its name never changes, so that a list of its files stays true.
//!
//! A copy is a cache. What a site holds is in the snapshots too, so that a rollback, or another machine, has it again.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::protocol::{Deployment, is_site_id};
use crate::support::atomic_file;

/// The note beside the files.
const NOTE: &str = "deployment.json";
/// A copy that is being made.
const NEW: &str = ".new-";
/// Held while ids are given and copies get their names.
const LOCK: &str = ".lock";
/// Tries to find an id that is free.
const TRIES: usize = 10_000;

/// A deployment on the disk and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    /// The session's id.
    pub session: String,
    /// The deployment.
    pub deployment: Deployment,
}

/// The folder of all copies.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: PathBuf,
}

/// A copy that is being made. Dropped before it is kept, it goes away.
#[derive(Debug)]
pub struct Unshelved {
    folder: PathBuf,
    /// Whoever sweeps sees by it that somebody is at it.
    _held: File,
}

impl Shelf {
    /// A shelf in this folder, which may be made only later.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the files of a deployment lie; `None` for one that is not sound.
    pub fn site(&self, deployment: &Deployment) -> Option<PathBuf> {
        let sound = deployment.is_sound();
        sound.then(|| self.dir.join(&deployment.id).join(&deployment.content))
    }

    /// Everything that lies here, by id. What cannot be read is left out.
    pub fn all(&self) -> Vec<Shelved> {
        let names = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut ids: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        ids.iter().filter_map(|id| self.get(id)).collect()
    }

    /// The note of one deployment.
    pub fn get(&self, id: &str) -> Option<Shelved> {
        let note = self.place(id)?.join(NOTE);
        let shelved: Shelved = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
        (shelved.deployment.id == id && shelved.deployment.is_sound()).then_some(shelved)
    }

    /// Whether the files that lie here are those of this deployment, as far as names and sizes tell.
    pub fn holds(&self, session: &str, deployment: &Deployment) -> bool {
        let noted = self
            .get(&deployment.id)
            .is_some_and(|found| found.session == session && found.deployment.content == deployment.content);
        let (mut files, mut bytes) = (0, 0);
        let site = self.site(deployment).filter(|_| noted);
        site.is_some_and(|site| count(&site, &mut files, &mut bytes).is_ok())
            && (files, bytes) == (deployment.files, deployment.bytes)
    }

    /// Whether a copy under this id is another session's.
    pub fn is_of_another(&self, session: &str, id: &str) -> bool {
        self.get(id).is_some_and(|found| found.session != session)
    }

    /// An empty folder to copy into.
    pub fn begin(&self) -> io::Result<Unshelved> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.sweep();
        let folder = self.dir.join(format!("{NEW}{}", uuid::Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o755).create(&folder)?;
        let held = File::open(&folder)?;
        // Where the file system knows no locks, nothing of others is swept either.
        let _ = rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive);
        Ok(Unshelved { folder, _held: held })
    }

    /// Puts a copy in its place, on the disk when this returns. A deployment without an id gets one. What lay there before
    /// stays until [`Shelf::forget_others`]. A place that is another session's is refused (`AlreadyExists`).
    pub fn keep(&self, new: &Unshelved, shelved: &mut Shelved) -> io::Result<()> {
        let lock = File::options().create(true).truncate(false).write(true).open(self.dir.join(LOCK))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        if shelved.deployment.id.is_empty() {
            shelved.deployment.id = self.free_id()?;
        }
        let Shelved { session, deployment } = &*shelved;
        let site = self.site(deployment).ok_or_else(|| io::Error::other("it has no name that a website has"))?;
        let place = self.dir.join(&deployment.id);
        if self.is_of_another(session, &deployment.id) {
            let message = format!("{} is the website of another session", deployment.id);
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
        // All files at once; a note must never speak of files that a power cut took.
        rustix::fs::syncfs(File::open(&new.folder)?)?;
        if site.exists() {
            // The same content; what lies there may be damaged.
            fs::remove_dir_all(&site)?;
        }
        fs::rename(&new.folder, &site)?;
        atomic_file::sync_parent(&site)?;
        let note = serde_json::to_vec_pretty(shelved).map_err(io::Error::other)?;
        atomic_file::write(&place.join(NOTE), &note, 0o600)?;
        atomic_file::sync_parent(&place)
    }

    /// Removes earlier files of a deployment.
    pub fn forget_others(&self, deployment: &Deployment) {
        let Some(place) = self.place(&deployment.id) else { return };
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name != NOTE && name != deployment.content.as_str() {
                // What stays is removed the next time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Removes a copy; whether there was one.
    pub fn remove(&self, id: &str) -> io::Result<bool> {
        let Some(place) = self.place(id) else { return Ok(false) };
        match fs::remove_dir_all(place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes all copies of a session but those that are named.
    pub fn keep_only(&self, session: &str, ids: &[&str]) {
        for Shelved { session: whose, deployment } in self.all() {
            if whose == session
                && !ids.contains(&deployment.id.as_str())
                && let Err(error) = self.remove(&deployment.id)
            {
                tracing::warn!(id = %deployment.id, %error, "a deployed copy was not removed");
            }
        }
    }

    fn free_id(&self) -> io::Result<String> {
        for _ in 0..TRIES {
            let id = format!("{:06}", uuid::Uuid::new_v4().as_u128() % 1_000_000);
            if !self.dir.join(&id).exists() {
                return Ok(id);
            }
        }
        Err(io::Error::other("every id of six digits is taken; `okcvm deploy remove ID` frees one"))
    }

    /// Removes what processes that are gone left half made.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let new = entry.file_name().to_str().is_some_and(|name| name.starts_with(NEW));
            let free = |folder: File| rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok();
            if new && File::open(entry.path()).is_ok_and(free) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn place(&self, id: &str) -> Option<PathBuf> {
        is_site_id(id).then(|| self.dir.join(id))
    }
}

impl Unshelved {
    /// Where its files go.
    pub fn site(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Unshelved {
    fn drop(&mut self) {
        // It is gone where it was kept.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn count(folder: &Path, files: &mut u64, bytes: &mut u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.is_dir() {
            count(&entry.path(), files, bytes)?;
        } else {
            *files += 1;
            *bytes += facts.len();
        }
    }
    Ok(())
}

/// Writes a file of a copy; folders on its way are made.
pub(super) fn write_site_file(site: &Path, name: &Path, from: &mut dyn io::Read) -> io::Result<u64> {
    let inside = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside {
        return Err(io::Error::other("a name that leads out of the site"));
    }
    let place = site.join(name);
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    // The folder is new and nobody else's; what is there already is an error.
    let mut file = fs::File::create_new(&place)?;
    io::copy(from, &mut file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, content: &str) -> Deployment {
        Deployment {
            id: id.to_owned(),
            token: "0".repeat(32),
            folder: "site".to_owned(),
            title: String::new(),
            content: content.repeat(64),
            files: 1,
            bytes: 3,
            time: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    fn put(shelf: &Shelf, session: &str, deployment: &Deployment, text: &str) -> io::Result<Deployment> {
        let new = shelf.begin().expect("begin");
        write_site_file(new.site(), Path::new("a/index.html"), &mut text.as_bytes()).expect("file");
        let mut shelved = Shelved { session: session.to_owned(), deployment: deployment.clone() };
        shelf.keep(&new, &mut shelved)?;
        Ok(shelved.deployment)
    }

    #[test]
    fn a_copy_takes_the_place_of_the_one_before() {
        let place = tempfile::tempdir().expect("folder");
        let shelf = Shelf::new(place.path().join("deployments"));
        assert_eq!(shelf.all(), []);
        let (x, y) = (deployment("000001", "a"), deployment("000001", "b"));
        put(&shelf, "s", &x, "one").expect("kept");
        assert!(shelf.holds("s", &x));
        put(&shelf, "s", &y, "two").expect("kept");
        assert!(!shelf.holds("s", &x) && shelf.holds("s", &y) && !shelf.holds("other", &y));
        let old = shelf.site(&x).expect("sound").join("a/index.html");
        assert_eq!(fs::read_to_string(&old).expect("file"), "one", "a list of before still finds its files");
        shelf.forget_others(&y);
        assert!(!old.exists());
        assert_eq!(fs::read_to_string(shelf.site(&y).expect("sound").join("a/index.html")).expect("file"), "two");

        let refused = put(&shelf, "t", &y, "three").expect_err("it is another session's");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let given = put(&shelf, "t", &deployment("", "c"), "two").expect("an id of its own");
        assert!(is_site_id(&given.id) && given.id != "000001");
        shelf.keep_only("s", &[]);
        let left: Vec<String> = shelf.all().into_iter().map(|shelved| shelved.deployment.id).collect();
        assert_eq!(left, [given.id.as_str()]);
        assert!(shelf.remove(&given.id).expect("remove") && !shelf.remove(&given.id).expect("again"));
        assert!(!shelf.remove("../deployments").expect("no id"));
        let left = fs::read_dir(place.path().join("deployments")).expect("list").count();
        assert_eq!(left, 1, "nothing half made is left beside the lock");
    }

    #[test]
    fn a_copy_that_was_cut_short_is_none() {
        let place = tempfile::tempdir().expect("folder");
        let shelf = Shelf::new(place.path().join("deployments"));
        let x = deployment("000001", "a");
        put(&shelf, "s", &x, "one").expect("kept");
        File::create(shelf.site(&x).expect("sound").join("a/index.html")).expect("emptied");
        assert!(!shelf.holds("s", &x));
    }

    #[test]
    fn a_deployment_that_okcvm_did_not_write_names_no_place() {
        let shelf = Shelf::new("/deployments".into());
        for id in ["../../x", "/etc", "12345", "1234567", ""] {
            assert_eq!(shelf.site(&deployment(id, "a")), None, "{id}");
        }
        assert_eq!(shelf.site(&deployment("000001", "/")), None);
        assert!(shelf.site(&deployment("000001", "a")).is_some());
        assert!(shelf.get("../x").is_none());
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        let place = tempfile::tempdir().expect("folder");
        for name in ["../x", "/x", "a/../../x"] {
            assert!(write_site_file(place.path(), Path::new(name), &mut &b"x"[..]).is_err(), "{name}");
        }
    }
}
