//! Where copies of deployed websites lie: `deployments/<id>/`, with the files in `site/` and a note of whose they are.
//!
//! A copy is a cache. What a site holds is in the snapshots too, so that a rollback, or another machine, has it again.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::protocol::Deployment;
use crate::support::atomic_file;

/// The note beside the files.
const NOTE: &str = "deployment.json";
/// The files.
const SITE: &str = "site";
/// A copy that is being made.
const NEW: &str = ".new-";
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
}

impl Shelf {
    /// A shelf in this folder, which may be made only later.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the files of a deployment lie.
    pub fn site(&self, id: &str) -> PathBuf {
        self.place(id).join(SITE)
    }

    /// Everything that lies here, by id. What cannot be read is left out.
    pub fn all(&self) -> Vec<Shelved> {
        let names = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut ids: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.retain(|id| is_id(id));
        ids.sort();
        ids.iter().filter_map(|id| self.get(id)).collect()
    }

    /// The note of one deployment.
    pub fn get(&self, id: &str) -> Option<Shelved> {
        if !is_id(id) {
            return None;
        }
        let shelved: Shelved = serde_json::from_slice(&fs::read(self.place(id).join(NOTE)).ok()?).ok()?;
        (shelved.deployment.id == id).then_some(shelved)
    }

    /// Whether the files that lie here are those of this deployment.
    pub fn holds(&self, session: &str, deployment: &Deployment) -> bool {
        self.get(&deployment.id)
            .is_some_and(|found| found.session == session && found.deployment.content == deployment.content)
            && self.site(&deployment.id).is_dir()
    }

    /// An id that no copy here has.
    pub fn free_id(&self) -> io::Result<String> {
        for _ in 0..TRIES {
            let id = format!("{:06}", uuid::Uuid::new_v4().as_u128() % 1_000_000);
            if !self.place(&id).exists() {
                return Ok(id);
            }
        }
        Err(io::Error::other("every id of six digits is taken; `okcvm deploy remove ID` frees one"))
    }

    /// An empty folder to copy into.
    pub fn begin(&self) -> io::Result<Unshelved> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.sweep();
        let folder = self.dir.join(format!("{NEW}{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let new = Unshelved { folder };
        DirBuilder::new().mode(0o755).create(new.site())?;
        Ok(new)
    }

    /// Puts a copy in its place, which may have held another one.
    pub fn keep(&self, new: &Unshelved, shelved: &Shelved) -> io::Result<()> {
        let note = serde_json::to_vec_pretty(shelved).map_err(io::Error::other)?;
        atomic_file::write(&new.folder.join(NOTE), &note, 0o600)?;
        let place = self.place(&shelved.deployment.id);
        match fs::rename(&new.folder, &place) {
            Err(error) if place.is_dir() => {
                // Not at once on any system: what was there goes aside first, and comes back where this fails.
                let aside = self.dir.join(format!("{NEW}{}-old-{}", std::process::id(), shelved.deployment.id));
                let _ = fs::remove_dir_all(&aside);
                fs::rename(&place, &aside)?;
                if let Err(error) = fs::rename(&new.folder, &place) {
                    let _ = fs::rename(&aside, &place);
                    return Err(error);
                }
                drop(error);
                fs::remove_dir_all(&aside)
            }
            other => other,
        }
    }

    /// Removes a copy; whether there was one.
    pub fn remove(&self, id: &str) -> io::Result<bool> {
        if !is_id(id) {
            return Ok(false);
        }
        match fs::remove_dir_all(self.place(id)) {
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

    /// Removes what processes that are gone left half made.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(NEW)?.split_once('-')?.0.parse::<i32>().ok());
            let Some(owner) = owner.and_then(rustix::process::Pid::from_raw) else { continue };
            if rustix::process::test_kill_process(owner) == Err(rustix::io::Errno::SRCH) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn place(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }
}

impl Unshelved {
    /// Where its files go.
    pub fn site(&self) -> PathBuf {
        self.folder.join(SITE)
    }
}

impl Drop for Unshelved {
    fn drop(&mut self) {
        // It is gone where it was kept.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a text is an id: six decimal digits.
pub fn is_id(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Writes a file of a copy; folders on its way are made.
pub fn write_site_file(site: &Path, name: &Path, from: &mut dyn io::Read) -> io::Result<u64> {
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
            content: content.to_owned(),
            files: 1,
            bytes: 3,
            time: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    fn put(shelf: &Shelf, session: &str, deployment: Deployment, text: &str) {
        let new = shelf.begin().expect("begin");
        write_site_file(&new.site(), Path::new("a/index.html"), &mut text.as_bytes()).expect("file");
        shelf.keep(&new, &Shelved { session: session.to_owned(), deployment }).expect("keep");
    }

    #[test]
    fn a_copy_takes_the_place_of_the_one_before() {
        let place = tempfile::tempdir().expect("folder");
        let shelf = Shelf::new(place.path().join("deployments"));
        assert_eq!(shelf.all(), []);
        put(&shelf, "s", deployment("000001", "x"), "one");
        assert!(shelf.holds("s", &deployment("000001", "x")));
        put(&shelf, "s", deployment("000001", "y"), "two");
        assert!(!shelf.holds("s", &deployment("000001", "x")) && shelf.holds("s", &deployment("000001", "y")));
        assert!(!shelf.holds("other", &deployment("000001", "y")));
        let file = shelf.site("000001").join("a/index.html");
        assert_eq!(fs::read_to_string(file).expect("file"), "two");
        put(&shelf, "t", deployment("000002", "z"), "three");
        shelf.keep_only("s", &[]);
        let left: Vec<String> = shelf.all().into_iter().map(|shelved| shelved.deployment.id).collect();
        assert_eq!(left, ["000002"]);
        assert!(shelf.remove("000002").expect("remove") && !shelf.remove("000002").expect("again"));
        assert!(!shelf.remove("../deployments").expect("no id"));
        assert_eq!(
            fs::read_dir(place.path().join("deployments")).expect("list").count(),
            0,
            "nothing half made is left"
        );
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        let place = tempfile::tempdir().expect("folder");
        for name in ["../x", "/x", "a/../../x"] {
            assert!(write_site_file(place.path(), Path::new(name), &mut &b"x"[..]).is_err(), "{name}");
        }
    }
}
