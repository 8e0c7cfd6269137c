//! Files of the workspace out to the host, and files of the host in: what `files get`, `files put` and `/save` do.
//!
//! Out of the workspace every byte comes through a confined path; a link is followed only as far as the workspace goes.
//! On the host nothing is replaced unless that was asked for, and a folder appears whole or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::support::truncate;

use super::files::{Entry, EntryKind};
use super::host_folder::{Content, Found, HostFolder, aside_name};
use super::mount::Workspace;
use super::{ConfinedPath, WorkspaceError};

/// Folders in folders that are copied; deeper ones are told.
const MAX_DEPTH: usize = 128;

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Where it stands now: a path of the host, or one under the mount.
    pub place: PathBuf,
    /// Files and links.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What was left out, and why: one line each.
    pub left_out: Vec<String>,
}

impl Copied {
    /// `3 files, 12.3 KiB`.
    pub fn words(&self) -> String {
        let things = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        format!("{things}, {}", truncate::bytes(self.bytes))
    }
}

/// Why files were not copied.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The workspace says no.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Something is there already.
    #[error("{} is there already", place.display())]
    Exists {
        /// Where.
        place: PathBuf,
    },
    /// A folder is in the way of a file, or a file in that of a folder.
    #[error("{} is {what}", place.display())]
    InTheWay {
        /// Where.
        place: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", place.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It would be copied into itself.
    #[error("{} lies in the folder that is copied", place.display())]
    IntoItself {
        /// Where it was to go.
        place: PathBuf,
    },
    /// The user stopped it.
    #[error("copying was stopped; nothing was left behind")]
    Stopped,
}

impl TransferError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exists { .. } => Some("Name another place, or replace it with --force."),
            Self::Workspace(WorkspaceError::Missing { .. }) => Some("`okcvm files list` shows what is there."),
            _ => None,
        }
    }

    fn io(action: &'static str, place: &Path) -> impl FnOnce(io::Error) -> Self {
        let place = place.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { place },
            _ => Self::Io { action, place, source },
        }
    }
}

/// Copies a file or folder of the workspace to the host. `dest` is the new name, or a folder that gets it under the
/// name that it has.
pub fn get(
    workspace: &Workspace,
    source: &ConfinedPath,
    dest: &Path,
    replace: bool,
    stopped: &dyn Fn() -> bool,
) -> Result<Copied, TransferError> {
    let source = workspace.real(source)?;
    let facts = workspace.metadata(&source)?;
    let dest = std::path::absolute(dest).map_err(TransferError::io("write", dest))?;
    let name = source.file_name().unwrap_or_else(|| OsStr::new(workspace.mount().trim_start_matches("/mnt/")));
    let wants_folder = dest.as_os_str().as_bytes().ends_with(b"/");
    let dest = if wants_folder || dest.is_dir() { dest.join(name) } else { dest };
    let (Some(parent), Some(name)) = (dest.parent(), dest.file_name()) else {
        return Err(TransferError::InTheWay { place: dest, what: "no name for a file" });
    };
    let folder = HostFolder::open(parent).map_err(TransferError::io("open", parent))?;
    let place = folder.path().join(name);
    let mut out = Out { workspace, folder, replace, stopped, copied: Copied { place, ..Copied::default() } };
    match facts.kind {
        EntryKind::File => out.file(&source, facts, Path::new(name))?,
        EntryKind::Folder => out.whole_folder(&source, name)?,
        EntryKind::Link | EntryKind::Other => {
            // Opening tells what it is.
            workspace.open_read(&source)?;
        }
    }
    Ok(out.copied)
}

struct Out<'a> {
    workspace: &'a Workspace,
    folder: HostFolder,
    replace: bool,
    stopped: &'a dyn Fn() -> bool,
    copied: Copied,
}

impl Out<'_> {
    /// A folder that is not there yet is filled under another name first; one that is there gets what it lacks.
    fn whole_folder(&mut self, source: &ConfinedPath, name: &OsStr) -> Result<(), TransferError> {
        let place = self.copied.place.clone();
        match self.folder.look(Path::new(name)).map_err(TransferError::io("look at", &place))? {
            Found::Missing => {}
            Found::Folder if self.replace => return self.folder_into(source, Path::new(name), 0),
            Found::Folder => return Err(TransferError::Exists { place }),
            _ => return Err(TransferError::InTheWay { place, what: "no folder" }),
        }
        if self.folder.path().starts_with(self.workspace.host_path().join(source.relative())) {
            return Err(TransferError::IntoItself { place });
        }
        self.folder.sweep(Path::new(""));
        let aside = aside_name();
        let filled = self.folder_into(source, Path::new(&aside), 0);
        let renamed = filled.and_then(|()| {
            // One sync for all.
            self.folder.sync();
            self.folder.rename_new(&aside, name).map_err(TransferError::io("write", &place))
        });
        if renamed.is_err() {
            // The first error is the one that matters. Nobody else knows the name.
            let _ = std::fs::remove_dir_all(self.folder.path().join(&aside));
        }
        renamed
    }

    fn folder_into(&mut self, source: &ConfinedPath, target: &Path, depth: usize) -> Result<(), TransferError> {
        let place = self.folder.path().join(target);
        if depth > MAX_DEPTH {
            self.copied.left_out.push(format!("{}: lies too deep", source.shown()));
            return Ok(());
        }
        self.folder.make_folders(target, &mut Vec::new()).map_err(TransferError::io("make folder", &place))?;
        for (name, facts) in self.workspace.entries(source)? {
            if (self.stopped)() {
                return Err(TransferError::Stopped);
            }
            let Some(inside) = source.join(&name) else { continue };
            let target = target.join(&name);
            match facts.kind {
                EntryKind::Folder => self.folder_into(&inside, &target, depth + 1)?,
                EntryKind::File => self.file(&inside, facts, &target)?,
                // A link may lead anywhere, and what follows it later is no business of ours to guess.
                EntryKind::Link => self.copied.left_out.push(format!("{}: is a symbolic link", inside.shown())),
                EntryKind::Other => self.copied.left_out.push(format!("{}: is no file", inside.shown())),
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &ConfinedPath, facts: Entry, target: &Path) -> Result<(), TransferError> {
        let place = self.folder.path().join(target);
        let mut file = Counted { inner: self.workspace.open_read(source)?, bytes: 0 };
        if !matches!(
            self.folder.look(target).map_err(TransferError::io("look at", &place))?,
            Found::Missing | Found::File { .. } | Found::Link(_)
        ) {
            return Err(TransferError::InTheWay { place, what: "something else than a file" });
        }
        // A folder is synced when it is whole.
        let sync = target.components().count() == 1;
        let content = Content::File { from: &mut file, mode: None, exec: facts.mode & 0o100 != 0, sync };
        let staged = self.folder.stage(target, content, &mut Vec::new());
        staged
            .map_err(TransferError::io("write", &place))?
            .keep(self.replace)
            .map_err(TransferError::io("write", &place))?;
        self.copied.files += 1;
        self.copied.bytes += file.bytes;
        Ok(())
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// How files of the host are copied into the workspace.
pub struct Putting<'a> {
    /// Whether files that are there are replaced.
    pub replace: bool,
    /// Files and folders that no session may hold, links resolved.
    pub private: &'a [PathBuf],
    /// Whether the user wants it no more.
    pub stopped: &'a dyn Fn() -> bool,
}

/// Copies a file or folder of the host into the workspace. `target` is the new name, or a folder (one that is there, or
/// one that is named with a slash at its end) that gets it under the name that it has. All names are found before the
/// first is written, and what was written goes away where the copy does not come to its end.
pub fn put(workspace: &Workspace, source: &Path, target: &str, how: &Putting<'_>) -> Result<Copied, TransferError> {
    let unreadable = TransferError::io("read", source);
    let source = std::fs::canonicalize(source).map_err(unreadable)?;
    let facts = std::fs::metadata(&source).map_err(TransferError::io("read", &source))?;
    let wants_folder = target.ends_with('/');
    let target = workspace.resolve(target)?;
    let into = wants_folder || matches!(workspace.metadata(&target), Ok(Entry { kind: EntryKind::Folder, .. }));
    let name = source.file_name().unwrap_or_else(|| OsStr::new("root"));
    let target = match target.join(name).filter(|_| into) {
        Some(inside) => inside,
        None => target,
    };
    let own = std::fs::canonicalize(workspace.host_path()).unwrap_or_else(|_| workspace.host_path().to_owned());
    if how.private.contains(&source) || source == own {
        return Err(TransferError::InTheWay { place: source, what: "okcvm's own, and no session may hold it" });
    }
    if !facts.is_dir() && !facts.is_file() {
        return Err(TransferError::InTheWay { place: source, what: "no regular file" });
    }
    let mut plan = PutPlan { how, own, folders: Vec::new(), files: Vec::new(), left_out: Vec::new() };
    if facts.is_dir() {
        plan.folder(&source, &target, 0)?;
    } else {
        plan.files.push((source, target.clone()));
    }
    let copied = Copied { place: PathBuf::from(target.shown()), left_out: plan.left_out, ..Copied::default() };
    let mut putting = Put { workspace, how, copied, made: Vec::new() };
    match putting.all(&plan.folders, &plan.files) {
        Ok(()) => Ok(putting.copied),
        Err(error) => {
            putting.undo();
            Err(error)
        }
    }
}

/// What is to be copied, and where to.
struct PutPlan<'a> {
    how: &'a Putting<'a>,
    /// The workspace on the host.
    own: PathBuf,
    folders: Vec<ConfinedPath>,
    files: Vec<(PathBuf, ConfinedPath)>,
    left_out: Vec<String>,
}

impl PutPlan<'_> {
    fn folder(&mut self, source: &Path, target: &ConfinedPath, depth: usize) -> Result<(), TransferError> {
        self.folders.push(target.clone());
        let mut entries: Vec<_> = std::fs::read_dir(source)
            .and_then(Iterator::collect::<io::Result<_>>)
            .map_err(TransferError::io("read", source))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if (self.how.stopped)() {
                return Err(TransferError::Stopped);
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(TransferError::io("read", &path))?;
            let Some(inside) = target.join(&entry.file_name()) else { continue };
            let why = match () {
                () if path == self.own || self.how.private.contains(&path) => "belongs to okcvm",
                () if kind.is_dir() && depth >= MAX_DEPTH => "lies too deep",
                () if kind.is_dir() => {
                    self.folder(&path, &inside, depth + 1)?;
                    continue;
                }
                () if kind.is_file() => {
                    self.files.push((path, inside));
                    continue;
                }
                () if kind.is_symlink() => "is a symbolic link",
                () => "is no file",
            };
            self.left_out.push(format!("{}: {why}", path.display()));
        }
        Ok(())
    }
}

struct Put<'a> {
    workspace: &'a Workspace,
    how: &'a Putting<'a>,
    copied: Copied,
    /// What was not there before, folders before what is in them.
    made: Vec<(ConfinedPath, EntryKind)>,
}

impl Put<'_> {
    fn all(&mut self, folders: &[ConfinedPath], files: &[(PathBuf, ConfinedPath)]) -> Result<(), TransferError> {
        for folder in folders {
            if let Err(WorkspaceError::Missing { .. }) = self.workspace.metadata(folder) {
                self.made.push((folder.clone(), EntryKind::Folder));
            }
            self.workspace.create_dirs(folder)?;
        }
        for (source, target) in files {
            if (self.how.stopped)() {
                return Err(TransferError::Stopped);
            }
            self.file(source, target)?;
        }
        Ok(())
    }

    fn file(&mut self, source: &Path, target: &ConfinedPath) -> Result<(), TransferError> {
        use std::os::unix::fs::MetadataExt as _;
        let is_new = match self.workspace.metadata(target) {
            Err(WorkspaceError::Missing { .. }) => true,
            Ok(Entry { kind: EntryKind::File, .. }) if self.how.replace => false,
            Ok(Entry { kind: EntryKind::File, .. }) => {
                return Err(TransferError::Exists { place: PathBuf::from(target.shown()) });
            }
            Ok(_) => {
                let place = PathBuf::from(target.shown());
                return Err(TransferError::InTheWay { place, what: "something else than a file" });
            }
            Err(error) => return Err(error.into()),
        };
        let mut file = File::open(source).map_err(TransferError::io("read", source))?;
        let mode = file.metadata().map_err(TransferError::io("read", source))?.mode();
        let bits = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
        self.copied.bytes += self.workspace.write_from(target, &mut file, Some(bits), true)?;
        self.copied.files += 1;
        if is_new {
            self.made.push((target.clone(), EntryKind::File));
        }
        Ok(())
    }

    /// Removes what a copy that failed has made. What it cannot remove is told by nothing but itself.
    fn undo(&mut self) {
        while let Some((path, kind)) = self.made.pop() {
            let _ = match kind {
                EntryKind::Folder => self.workspace.remove_empty(&path),
                _ => self.workspace.remove_file(&path),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

    fn workspace() -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(folder.path().join("work/site/css")).expect("work");
        std::fs::write(folder.path().join("work/site/index.html"), "<p>").expect("file");
        std::fs::write(folder.path().join("work/site/css/a.css"), "a{}").expect("file");
        std::fs::write(folder.path().join("secret"), "secret").expect("file");
        let workspace = Workspace::open(&folder.path().join("work"), MOUNT, None).expect("workspace");
        (folder, workspace)
    }

    fn take(workspace: &Workspace, from: &str, to: &Path, replace: bool) -> Result<Copied, TransferError> {
        get(workspace, &workspace.resolve(from).expect("path"), to, replace, &|| false)
    }

    #[test]
    fn a_folder_comes_out_whole_and_links_do_not() {
        let (folder, workspace) = workspace();
        symlink(folder.path().join("secret"), folder.path().join("work/site/css/link")).expect("link");
        let out = tempfile::tempdir().expect("out");
        let copied = take(&workspace, "site", out.path(), false).expect("copied");
        assert_eq!((copied.files, copied.bytes, copied.left_out.len()), (2, 6, 1), "{copied:?}");
        assert_eq!(std::fs::read_to_string(out.path().join("site/css/a.css")).expect("copy"), "a{}");
        assert_eq!(std::fs::read_dir(out.path().join("site/css")).expect("list").count(), 1);
        assert!(matches!(take(&workspace, "site", out.path(), false), Err(TransferError::Exists { .. })));
        std::fs::write(folder.path().join("work/site/index.html"), "<b>").expect("file");
        take(&workspace, "site", out.path(), true).expect("replaced");
        assert_eq!(std::fs::read_to_string(out.path().join("site/index.html")).expect("copy"), "<b>");
        assert_eq!(std::fs::read_dir(out.path()).expect("list").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_out_of_the_workspace_gives_nothing_away() {
        let (folder, workspace) = workspace();
        symlink(folder.path().join("secret"), folder.path().join("work/link")).expect("link");
        symlink(folder.path(), folder.path().join("work/up")).expect("link");
        symlink("site/index.html", folder.path().join("work/inner")).expect("link");
        let out = tempfile::tempdir().expect("out");
        for path in ["link", "up/secret", "up"] {
            let error = take(&workspace, path, &out.path().join("x"), false).expect_err(path);
            assert!(error.to_string().contains("outside workspace"), "{error}");
        }
        assert_eq!(std::fs::read_dir(out.path()).expect("list").count(), 0);
        take(&workspace, "inner", &out.path().join("x"), false).expect("inside");
        assert_eq!(std::fs::read_to_string(out.path().join("x")).expect("copy"), "<p>");
    }

    #[test]
    fn a_file_that_is_there_stays_unless_replacing_was_asked_for() {
        let (_folder, workspace) = workspace();
        let out = tempfile::tempdir().expect("out");
        let dest = out.path().join("page");
        std::fs::write(&dest, "mine").expect("file");
        let error = take(&workspace, "site/index.html", &dest, false).expect_err("refused");
        assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "mine");
        take(&workspace, "site/index.html", &dest, true).expect("replaced");
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "<p>");
        assert!(take(&workspace, "site/index.html", Path::new("/nonexistent/x"), false).is_err());
    }

    #[test]
    fn files_of_the_host_come_in_and_replace_nothing_unasked() {
        let (folder, workspace) = workspace();
        let host = folder.path().join("host");
        std::fs::create_dir_all(host.join("deep")).expect("folder");
        std::fs::write(host.join("deep/a"), "A").expect("file");
        symlink("/etc/passwd", host.join("deep/link")).expect("link");
        let never = || false;
        let mut how = Putting { replace: false, private: &[], stopped: &never };
        let copied = put(&workspace, &host, ".", &how).expect("put");
        assert_eq!((copied.files, copied.left_out.len()), (1, 1));
        assert_eq!(copied.place, Path::new(MOUNT).join("host"));
        assert_eq!(std::fs::read(folder.path().join("work/host/deep/a")).expect("read"), b"A");
        assert!(matches!(put(&workspace, &host, ".", &how), Err(TransferError::Exists { .. })));
        how.replace = true;
        put(&workspace, &host, ".", &how).expect("replaced");
        let stopped = || true;
        how.stopped = &stopped;
        assert!(matches!(put(&workspace, &host, ".", &how), Err(TransferError::Stopped)));
        how.stopped = &never;
        put(&workspace, &host.join("deep/a"), "new/folder/", &how).expect("a folder by its slash");
        assert!(folder.path().join("work/new/folder/a").is_file());
    }

    #[test]
    fn a_folder_that_holds_the_session_comes_in_without_it_and_without_what_is_private() {
        let (folder, workspace) = workspace();
        let top = std::fs::canonicalize(folder.path()).expect("path");
        std::fs::create_dir(top.join("okcvm")).expect("folder");
        std::fs::write(top.join("okcvm/config.yaml"), "api_key: secret").expect("file");
        let private = [top.join("okcvm")];
        let never = || false;
        let how = Putting { replace: false, private: &private, stopped: &never };
        let copied = put(&workspace, &top, "home", &how).expect("put");
        assert_eq!((copied.files, copied.left_out.len()), (1, 2), "{copied:?}");
        assert_eq!(std::fs::read_dir(top.join("work/home")).expect("list").count(), 1);
        assert!(put(&workspace, &top.join("okcvm"), "x", &how).is_err());
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing_behind_and_nothing_goes_into_itself() {
        let (folder, workspace) = workspace();
        let host = folder.path().join("host");
        for name in ["a", "b", "c"] {
            std::fs::create_dir_all(host.join(name)).expect("folder");
            std::fs::write(host.join(name).join("file"), "x").expect("file");
        }
        std::fs::create_dir_all(folder.path().join("work/into/c")).expect("folder");
        std::fs::write(folder.path().join("work/into/c/file"), "mine").expect("file");
        let how = Putting { replace: false, private: &[], stopped: &|| false };
        let into = put(&workspace, &host.join("."), "into/", &how);
        assert!(into.is_ok(), "{into:?}");
        std::fs::rename(folder.path().join("work/into"), folder.path().join("work/old")).expect("aside");
        std::fs::create_dir_all(folder.path().join("work/host/c")).expect("folder");
        std::fs::write(folder.path().join("work/host/c/file"), "mine").expect("file");
        assert!(matches!(put(&workspace, &host, ".", &how), Err(TransferError::Exists { .. })));
        assert_eq!(std::fs::read_dir(folder.path().join("work/host")).expect("list").count(), 1);

        let into_itself = take(&workspace, "site", &folder.path().join("work/site/css/copy"), false);
        assert!(matches!(into_itself, Err(TransferError::IntoItself { .. })), "{into_itself:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("work/site/css")).expect("list").count(), 1);
    }
}
