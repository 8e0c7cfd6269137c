//! The session's own bare repository: where objects and refs lie.
//!
//! Objects are read through libgit2 and written by `object` and `pack`; refs are files that are written aside and
//! renamed. The repository that libgit2 sees is made of the object database alone, with an empty configuration, so the
//! environment (`GIT_*`), the user's and the system's Git configuration, owners of folders and hooks cannot matter:
//! they are never looked at. For the git command line the folder is an ordinary bare repository.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use git2::{Odb, OdbLookupFlags, Oid, Repository};

use super::error::SnapshotError;
use super::object::ObjectKind;
use super::tree::{self, Entry};
use crate::support::atomic_file;

/// What `config` says: nothing that libgit2 or git would look up elsewhere is left open.
const CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
\thooksPath = /dev/null
[gc]
\tauto = 0
\tpruneExpire = never
[transfer]
\tfsckObjects = true
";

/// An open repository.
pub(crate) struct Repo {
    dir: PathBuf,
    git: Repository,
    /// Objects that could not be read: they count as missing, so that the next capture writes them again.
    bad: RefCell<HashSet<Oid>>,
    /// Whether objects may be missing that the stat cache relies on.
    suspect: Cell<bool>,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repo").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Repo {
    /// Opens the repository, or makes it where there is nothing.
    pub(crate) fn open(dir: &Path) -> Result<Self, SnapshotError> {
        if fs::symlink_metadata(dir).is_err() {
            create(dir)?;
        }
        // Whoever opens a session has it locked, so what was half written here was left by a kill.
        for folder in ["", "okcvm", "refs/heads", "refs/okcvm/tips", "objects/pack"] {
            atomic_file::sweep(&dir.join(folder));
        }
        remove_asides(dir);
        let objects = dir.join("objects");
        if !objects.is_dir() {
            return Err(SnapshotError::Damaged(format!("{} is missing", objects.display())));
        }
        // Folders that may be empty are lost by many a program that copies.
        for part in ["objects/pack", "refs", "okcvm"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(SnapshotError::io("make", &path))?;
        }
        git2::opts::enable_caching(false);
        let text =
            objects.to_str().ok_or_else(|| SnapshotError::Damaged(format!("{} is not UTF-8", objects.display())))?;
        let odb = Odb::new().map_err(SnapshotError::git("open the object database"))?;
        odb.add_disk_alternate(text).map_err(SnapshotError::git("open the object database"))?;
        let git = Repository::from_odb(odb).map_err(SnapshotError::git("open the object database"))?;
        let empty = git2::Config::new().map_err(SnapshotError::git("make an empty configuration"))?;
        git.set_config(&empty).map_err(SnapshotError::git("set an empty configuration"))?;
        Ok(Self { dir: dir.to_owned(), git, bad: RefCell::default(), suspect: Cell::new(true) })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn git(&self) -> &Repository {
        &self.git
    }

    /// The folder of files that are ours alone: stat cache, journal.
    pub(crate) fn own_folder(&self) -> PathBuf {
        self.dir.join("okcvm")
    }

    pub(crate) fn object_folder(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(crate) fn pack_folder(&self) -> PathBuf {
        self.dir.join("objects/pack")
    }

    pub(crate) fn loose_path(&self, id: Oid) -> PathBuf {
        let hex = id.to_string();
        self.dir.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    fn odb(&self) -> Result<Odb<'_>, SnapshotError> {
        self.git.odb().map_err(SnapshotError::git("open the object database"))
    }

    /// Takes notice of new packs.
    pub(crate) fn refresh(&self) -> Result<(), SnapshotError> {
        self.odb()?.refresh().map_err(SnapshotError::git("read the object database"))
    }

    /// Whether an object was found missing or damaged since this was asked last, or it was never asked: what was known
    /// of stored objects may be wrong.
    pub(crate) fn take_suspicion(&self) -> bool {
        self.suspect.replace(false)
    }

    /// A capture has written again what was found damaged, as far as it is in the workspace.
    pub(crate) fn forgive(&self) {
        self.bad.borrow_mut().clear();
    }

    /// From now on what is known of stored objects may be wrong.
    pub(crate) fn suspect(&self) {
        self.suspect.set(true);
    }

    pub(super) fn unreadable(&self, id: Oid, why: &str) -> SnapshotError {
        self.suspect.set(true);
        self.bad.borrow_mut().insert(id);
        SnapshotError::Damaged(format!("object {id} cannot be read: {why}"))
    }

    /// Whether an object is there, as far as is known without looking for new packs.
    pub(crate) fn exists(&self, id: Oid) -> bool {
        !self.bad.borrow().contains(&id)
            && self.git.odb().is_ok_and(|odb| odb.exists_ext(id, OdbLookupFlags::NO_REFRESH))
    }

    /// Reads an object whole; libgit2 checks its hash.
    pub(crate) fn read(&self, id: Oid, kind: ObjectKind) -> Result<Vec<u8>, SnapshotError> {
        let odb = self.odb()?;
        let object = odb.read(id).map_err(|error| self.unreadable(id, error.message()))?;
        let found = match object.kind() {
            git2::ObjectType::Blob => Some(ObjectKind::Blob),
            git2::ObjectType::Tree => Some(ObjectKind::Tree),
            git2::ObjectType::Commit => Some(ObjectKind::Commit),
            _ => None,
        };
        if found == Some(kind) {
            Ok(object.data().to_vec())
        } else {
            Err(SnapshotError::Damaged(format!("object {id} is not a {kind:?}").to_lowercase()))
        }
    }

    /// Size of an object without reading it whole.
    pub(crate) fn size(&self, id: Oid) -> Result<u64, SnapshotError> {
        let (size, _) = self.odb()?.read_header(id).map_err(|error| self.unreadable(id, error.message()))?;
        Ok(size as u64)
    }

    pub(crate) fn tree(&self, id: Oid) -> Result<Vec<Entry>, SnapshotError> {
        tree::parse(id, &self.read(id, ObjectKind::Tree)?)
    }

    /// The commit that a ref names; `None` where there is no such ref.
    pub(crate) fn read_ref(&self, name: &str) -> Result<Option<Oid>, SnapshotError> {
        let path = self.dir.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => parse_ref(name, text.trim()).map(Some),
            Err(error) if is_absent(&error) => {
                Ok(self.packed_refs()?.into_iter().find(|(packed, _)| packed == name).map(|(_, id)| id))
            }
            Err(error) => Err(SnapshotError::io("read", &path)(error)),
        }
    }

    /// Sets a ref; it is on the disk when this returns.
    pub(crate) fn write_ref(&self, name: &str, id: Oid) -> Result<(), SnapshotError> {
        let path = self.dir.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(SnapshotError::io("make", folder))?;
        }
        atomic_file::write(&path, format!("{id}\n").as_bytes(), 0o644).map_err(SnapshotError::io("write", &path))
    }

    /// Removes a ref if it is there. Not synced: a ref too many does no harm.
    pub(crate) fn delete_ref(&self, name: &str) -> Result<(), SnapshotError> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(SnapshotError::io("remove", &path)(error)),
        }
        let packed = self.packed_refs()?;
        if packed.iter().any(|(other, _)| other == name) {
            let mut text = String::new();
            for (other, id) in packed.iter().filter(|(other, _)| other != name) {
                let _ = writeln!(text, "{id} {other}");
            }
            let path = self.dir.join("packed-refs");
            atomic_file::write(&path, text.as_bytes(), 0o644).map_err(SnapshotError::io("write", &path))?;
        }
        Ok(())
    }

    /// All refs below a prefix such as `refs/heads/`, sorted by name.
    pub(crate) fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, SnapshotError> {
        let mut found: Vec<(String, Oid)> = Vec::new();
        self.collect_refs(prefix.trim_end_matches('/'), &mut found)?;
        for (name, id) in self.packed_refs()? {
            if name.starts_with(prefix) && !found.iter().any(|(other, _)| *other == name) {
                found.push((name, id));
            }
        }
        found.sort();
        Ok(found)
    }

    fn collect_refs(&self, folder: &str, found: &mut Vec<(String, Oid)>) -> Result<(), SnapshotError> {
        let path = self.dir.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(SnapshotError::io("read", &path)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(SnapshotError::io("read", &path))?;
            // Names that begin with a dot are files aside of an unfinished write.
            let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')).map(str::to_owned) else {
                continue;
            };
            let name = format!("{folder}/{name}");
            if entry.file_type().map_err(SnapshotError::io("read", &path))?.is_dir() {
                self.collect_refs(&name, found)?;
            } else {
                // A file that is no ref (an editor's, a lock of git's) must not close the session.
                match self.read_ref(&name) {
                    Ok(Some(id)) => found.push((name, id)),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "a file among the refs was passed over"),
                }
            }
        }
        Ok(())
    }

    fn packed_refs(&self) -> Result<Vec<(String, Oid)>, SnapshotError> {
        let path = self.dir.join("packed-refs");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(SnapshotError::io("read", &path)(error)),
        };
        // A line that is no ref is passed over: the others must stay reachable.
        let refs = text.lines().filter(|line| !line.starts_with(['#', '^'])).filter_map(|line| line.split_once(' '));
        Ok(refs.filter_map(|(id, name)| Some((name.to_owned(), parse_ref(name, id).ok()?))).collect())
    }

    /// What HEAD names: the branch that the head is on, if any, and the head. One that says nothing of use names
    /// nothing: the log knows the head as well.
    pub(crate) fn read_head(&self) -> Result<(Option<String>, Option<Oid>), SnapshotError> {
        let path = self.dir.join("HEAD");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => return Ok((None, None)),
            Err(error) => return Err(SnapshotError::io("read", &path)(error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        match text.trim().strip_prefix("ref: ") {
            Some(name) if git2::Reference::is_valid_name(name) => {
                Ok((Some(name.to_owned()), self.read_ref(name).unwrap_or_default()))
            }
            _ => Ok((None, parse_ref("HEAD", text.trim()).ok())),
        }
    }

    /// Lets HEAD name a commit.
    pub(crate) fn detach_head(&self, id: Oid) -> Result<(), SnapshotError> {
        self.write_head(&format!("{id}\n"))
    }

    /// Lets HEAD follow a branch.
    pub(crate) fn attach_head(&self, branch: &str) -> Result<(), SnapshotError> {
        self.write_head(&format!("ref: {branch}\n"))
    }

    fn write_head(&self, text: &str) -> Result<(), SnapshotError> {
        let path = self.dir.join("HEAD");
        atomic_file::write(&path, text.as_bytes(), 0o644).map_err(SnapshotError::io("write", &path))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn parse_ref(name: &str, hex: &str) -> Result<Oid, SnapshotError> {
    let wrong = || SnapshotError::Damaged(format!("ref {name} does not hold an object id"));
    if hex.len() == 40 { Oid::from_str(hex).map_err(|_| wrong()) } else { Err(wrong()) }
}

/// Removes repositories that a kill left unfinished: see [`create`].
fn remove_asides(dir: &Path) {
    let (Some(parent), Some(stem)) = (dir.parent(), dir.file_stem().and_then(|stem| stem.to_str())) else {
        return;
    };
    let prefix = format!("{stem}.new-");
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes the repository aside and gives it its name, so that it is there whole or not at all.
fn create(dir: &Path) -> Result<(), SnapshotError> {
    let aside = dir.with_extension(format!("new-{}", uuid::Uuid::new_v4().simple()));
    let make = |path: &Path| {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(SnapshotError::io("make", path))
    };
    make(&aside)?;
    for part in ["objects/pack", "objects/info", "refs/heads", "refs/okcvm/tips", "info", "okcvm"] {
        make(&aside.join(part))?;
    }
    for (name, text) in [("config", CONFIG), ("HEAD", "ref: refs/heads/main\n"), ("description", "okcvm session\n")] {
        let path = aside.join(name);
        atomic_file::write(&path, text.as_bytes(), 0o644).map_err(SnapshotError::io("write", &path))?;
    }
    fs::rename(&aside, dir).map_err(SnapshotError::io("make", dir))?;
    atomic_file::sync_parent(dir).map_err(SnapshotError::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_read_written_listed_and_removed_packed_or_not() {
        let dir = tempfile::tempdir().expect("folder");
        let repo = Repo::open(&dir.path().join("state.git")).expect("open");
        let id = |digit: &str| Oid::from_str(&digit.repeat(40)).expect("id");
        repo.write_ref("refs/heads/a/b", id("1")).expect("write");
        let packed = format!("# pack-refs with: peeled\n{} refs/heads/p\n{} refs/heads/a/b\n", id("2"), id("3"));
        fs::write(repo.dir().join("packed-refs"), packed).expect("pack");
        let names = |repo: &Repo| -> Vec<String> {
            repo.list_refs("refs/heads/").expect("list").into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&repo), ["refs/heads/a/b", "refs/heads/p"]);
        assert_eq!(repo.read_ref("refs/heads/a/b").expect("read"), Some(id("1")));
        assert_eq!(repo.read_ref("refs/heads/p").expect("read"), Some(id("2")));
        assert_eq!(repo.read_ref("refs/heads/none").expect("read"), None);
        repo.delete_ref("refs/heads/p").expect("delete");
        repo.delete_ref("refs/heads/a/b").expect("delete");
        assert!(names(&repo).is_empty());
        assert_eq!(repo.read_head().expect("head"), (Some("refs/heads/main".to_owned()), None));
        repo.detach_head(id("4")).expect("head");
        assert_eq!(repo.read_head().expect("head"), (None, Some(id("4"))));
    }
}
