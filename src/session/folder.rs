//! The folder of a session: where its parts lie, what `session.json` says, and how people name a session.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Zoned;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::protocol::{NodeId, SessionId};
use crate::support::{atomic_file, clock, sanitize};

/// The version of the folder's layout that this program writes.
const FORMAT: u32 = 1;
/// What the folder of a session that is being deleted is called.
const GRAVE: &str = ".deleted-";
/// What the folder of a session that is being made is called.
const CRADLE: &str = ".new-";
/// A deletion that did nothing for so long was killed.
const STALE: Duration = Duration::from_secs(3600);
/// A session that is being made is locked until then.
const UNLOCKED: Duration = Duration::from_secs(60);
/// The longest title that is kept, in characters.
const TITLE_CHARS: usize = 200;

/// Why a session could not be made, found or opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no session at all.
    #[error("there is no session in {}", folder.display())]
    Empty {
        /// Where sessions were looked for.
        folder: PathBuf,
    },
    /// No session answers to that name.
    #[error("no session {query:?} in {}", folder.display())]
    Unknown {
        /// What was asked for.
        query: String,
        /// Where sessions were looked for.
        folder: PathBuf,
    },
    /// Several sessions answer to that name.
    #[error("session {query:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        query: String,
        /// The sessions that answer to it.
        candidates: Vec<String>,
    },
    /// `session.json` does not say what it must.
    #[error("cannot read {}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SessionError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty { .. } => Some("Start one with `okcvm` or `okcvm exec`.".to_owned()),
            Self::Unknown { .. } => Some("`okcvm session list` shows the ids; a unique prefix is enough.".to_owned()),
            Self::Ambiguous { .. } => Some("Give more digits of the id.".to_owned()),
            Self::Format { .. } | Self::Io { .. } => None,
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SessionError {
    let path = path.to_owned();
    move |source| SessionError::Io { action, path, source }
}

/// What `session.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMeta {
    /// The session's id, which is also the name of its folder.
    pub id: SessionId,
    /// What people call it; empty while it has no title.
    #[serde(default)]
    pub title: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Version of the layout.
    pub format: u32,
    /// The port that its pages are served on, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The project that it holds a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
}

/// A project of the user's whose copy a session holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Where it is on this machine.
    pub dir: PathBuf,
    /// The node whose files both sides had last: the copy, then what was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<NodeId>,
    /// The node of the copy itself, once something was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<NodeId>,
    /// When something was last brought back, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
}

impl Project {
    /// A project that is about to be copied.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, base: None, copy: None, applied: None }
    }

    /// The node of the copy.
    pub fn copied(&self) -> Option<&NodeId> {
        self.copy.as_ref().or(self.base.as_ref())
    }
}

/// One row of the session list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// What `session.json` says.
    pub meta: SessionMeta,
    /// Its folder.
    pub root: PathBuf,
    /// When something was last written to its log.
    pub last_activity: SystemTime,
}

/// The folder of one session.
#[derive(Debug, Clone)]
pub struct SessionFolder {
    root: PathBuf,
    meta: SessionMeta,
}

impl SessionFolder {
    /// Makes the folder of a new session, readable by its owner only.
    pub fn create(sessions_dir: &Path, id: &SessionId, now: &Zoned) -> Result<Self, SessionError> {
        Self::create_filled(sessions_dir, id, now, None, |_| Ok(()))
    }

    /// The same for a session that holds a copy of a project; `fill` is given its `work` folder. Under its own name the
    /// session appears when it is whole; where filling fails, nothing is left.
    pub fn create_filled<E: From<SessionError>>(
        sessions_dir: &Path,
        id: &SessionId,
        now: &Zoned,
        project: Option<Project>,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, E> {
        let root = sessions_dir.join(id.as_str());
        finish_deletions(sessions_dir);
        DirBuilder::new().recursive(true).mode(0o700).create(sessions_dir).map_err(io_error("make", sessions_dir))?;
        let aside = sessions_dir.join(format!("{CRADLE}{id}"));
        let created = clock::rfc3339(now);
        let meta = SessionMeta { id: id.clone(), title: String::new(), created, format: FORMAT, port: None, project };
        let folder = Self { root: aside.clone(), meta };
        let made = folder.make_parts();
        // Whoever finds it locked knows that somebody is still at it.
        let _held = fs::File::open(&aside).inspect(|file| {
            let _ = rustix::fs::flock(file, FlockOperation::LockExclusive);
        });
        let filled = made.map_err(E::from).and_then(|()| fill(&folder.work())).and_then(|()| {
            folder.write_meta()?;
            if root.exists() {
                return Err(io_error("make", &root)(io::ErrorKind::AlreadyExists.into()).into());
            }
            Ok(fs::rename(&aside, &root).map_err(io_error("make", &root))?)
        });
        if let Err(error) = filled {
            // The error that matters is the first one. What stays is removed when it is old.
            let _ = fs::remove_dir_all(&aside);
            return Err(error);
        }
        atomic_file::sync_parent(&root).map_err(io_error("sync", sessions_dir))?;
        Ok(Self { root, ..folder })
    }

    fn make_parts(&self) -> Result<(), SessionError> {
        let parts = [("", 0o700), ("work", 0o755), ("home", 0o755), ("tmp", 0o755), ("spill", 0o700), ("run", 0o700)];
        for (name, mode) in parts.into_iter().chain([("work/output", 0o755)]) {
            let path = self.root.join(name);
            DirBuilder::new().mode(mode).create(&path).map_err(io_error("make", &path))?;
        }
        Ok(())
    }

    /// Opens an existing folder.
    pub fn open(root: &Path) -> Result<Self, SessionError> {
        let path = root.join("session.json");
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        let wrong = |message: String| SessionError::Format { path: path.clone(), message };
        let meta: SessionMeta = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if meta.format > FORMAT {
            return Err(wrong(format!("format {} is newer than this program's ({FORMAT})", meta.format)));
        }
        if root.file_name().and_then(|name| name.to_str()) != Some(meta.id.as_str()) {
            return Err(wrong(format!("it names session {}, but lies in {}", meta.id, root.display())));
        }
        Ok(Self { root: root.to_owned(), meta })
    }

    /// Deletes the session for good. Renamed first: a deletion that is cut off leaves no half session in the list, and
    /// a later one finishes it.
    pub fn delete(self) -> Result<(), SessionError> {
        if let Some(sessions_dir) = self.root.parent() {
            finish_deletions(sessions_dir);
        }
        let failed = |source| SessionError::Io { action: "delete", path: self.root.clone(), source };
        // It begins now, whenever the folder was changed last.
        let now = fs::FileTimes::new().set_modified(SystemTime::now());
        let _ = fs::File::open(&self.root).and_then(|folder| folder.set_times(now));
        let grave = self.root.with_file_name(format!("{GRAVE}{}", self.meta.id));
        fs::rename(&self.root, &grave).and_then(|()| fs::remove_dir_all(&grave)).map_err(failed)
    }

    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.meta.id
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path under which tools see the workspace, without a trailing slash.
    pub fn mount(&self) -> String {
        self.meta.id.mount()
    }

    /// The workspace on the host.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// HOME of the sandbox.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `/tmp` of the sandbox.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Full outputs and other long texts of the open turn, by their hash.
    pub fn spill(&self) -> PathBuf {
        self.root.join("spill")
    }

    /// Sockets.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The bare repository of the snapshots.
    pub fn state_git(&self) -> PathBuf {
        self.root.join("state.git")
    }

    /// The log.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// The file whose lock makes a process the session's only writer.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// What `session.json` holds.
    pub fn meta(&self) -> &SessionMeta {
        &self.meta
    }

    /// Gives the session a title: one line, at most 200 characters.
    pub fn set_title(&mut self, title: &str) -> Result<(), SessionError> {
        sanitize::line(title).trim().chars().take(TITLE_CHARS).collect::<String>().clone_into(&mut self.meta.title);
        self.write_meta()
    }

    /// Remembers the port that the session's pages are served on.
    pub fn set_port(&mut self, port: Option<u16>) -> Result<(), SessionError> {
        self.meta.port = port;
        self.write_meta()
    }

    /// Remembers the node that holds the project as it was copied.
    pub fn set_base(&mut self, base: NodeId) -> Result<(), SessionError> {
        match &mut self.meta.project {
            Some(project) => project.base = Some(base),
            None => return Ok(()),
        }
        self.write_meta()
    }

    /// Remembers that the files of a node were brought to the project.
    pub fn set_applied(&mut self, node: NodeId, now: &Zoned) -> Result<(), SessionError> {
        let Some(project) = &mut self.meta.project else { return Ok(()) };
        if project.copy.is_none() {
            project.copy = project.base.take();
        }
        project.base = Some(node);
        project.applied = Some(clock::rfc3339(now));
        self.write_meta()
    }

    fn write_meta(&self) -> Result<(), SessionError> {
        let path = self.root.join("session.json");
        let mut text = serde_json::to_string_pretty(&self.meta)
            .map_err(|error| SessionError::Format { path: path.clone(), message: error.to_string() })?;
        text.push('\n');
        atomic_file::write(&path, text.as_bytes(), 0o600).map_err(io_error("write", &path))
    }

    fn last_activity(&self) -> SystemTime {
        let at = |path: &Path| fs::symlink_metadata(path).and_then(|data| data.modified()).ok();
        at(&self.log_file()).or_else(|| at(&self.root.join("session.json"))).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Removes what deletions, and the making of sessions, that were killed have left.
fn finish_deletions(sessions_dir: &Path) {
    let is_free = |path: &Path| {
        fs::File::open(path)
            .is_ok_and(|file| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
    };
    for entry in fs::read_dir(sessions_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let begins = |with: &str| name.to_str().is_some_and(|name| name.starts_with(with));
        let age = entry.metadata().and_then(|data| data.modified()).map(|time| time.elapsed().unwrap_or_default());
        let is_older = |than: Duration| age.as_ref().is_ok_and(|age| *age > than);
        let is_left =
            (begins(GRAVE) && is_older(STALE)) || (begins(CRADLE) && is_older(UNLOCKED) && is_free(&entry.path()));
        if is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The sessions in a folder, the one with the latest activity first. A folder that cannot be read as a session is left
/// out and logged.
pub fn list(sessions_dir: &Path) -> Result<Vec<SessionRow>, SessionError> {
    let entries = match fs::read_dir(sessions_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", sessions_dir)(error)),
    };
    let mut rows = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", sessions_dir))?;
        let is_session = entry.file_name().to_str().is_some_and(|name| name.parse::<SessionId>().is_ok());
        if !is_session || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match SessionFolder::open(&entry.path()) {
            Ok(folder) => {
                let last_activity = folder.last_activity();
                rows.push(SessionRow { meta: folder.meta, root: folder.root, last_activity });
            }
            Err(error) => tracing::warn!(%error, "a session was left out of the list"),
        }
    }
    rows.sort_by(|a, b| {
        (b.last_activity, &b.meta.created, &b.meta.id).cmp(&(a.last_activity, &a.meta.created, &a.meta.id))
    });
    Ok(rows)
}

/// The session that people mean: `last` is the newest by activity; anything else is an id or a unique prefix of one,
/// with or without `okcvm-`.
pub fn find(sessions_dir: &Path, query: &str) -> Result<SessionFolder, SessionError> {
    let rows = list(sessions_dir)?;
    if query == "last" {
        let row = rows.first().ok_or_else(|| SessionError::Empty { folder: sessions_dir.to_owned() })?;
        return SessionFolder::open(&row.root);
    }
    let digits = query.strip_prefix("okcvm-").unwrap_or(query);
    let matches: Vec<&SessionRow> =
        rows.iter().filter(|row| !digits.is_empty() && row.meta.id.digits().starts_with(digits)).collect();
    match matches.as_slice() {
        [] => Err(SessionError::Unknown { query: query.to_owned(), folder: sessions_dir.to_owned() }),
        [row] => SessionFolder::open(&row.root),
        several => Err(SessionError::Ambiguous {
            query: query.to_owned(),
            candidates: several.iter().map(|row| row.meta.id.to_string()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests;
