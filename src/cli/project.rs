//! `--from DIR`: a new session that holds a copy of a project, made whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bootstrap::Setup;
use super::report::Failure;
use crate::project::{self, ProjectError};
use crate::protocol::SessionId;
use crate::session::{Project, SessionError, SessionFolder};
use crate::support::clock::{Clock as _, SystemClock};
use crate::support::{sanitize, truncate};
use crate::workspace::Workspace;

/// Names of left out files that are told.
const NAMED: usize = 5;

/// What is to be copied, and the session that will hold it.
#[derive(Debug, Clone)]
pub(super) struct From {
    /// The project.
    pub(super) dir: PathBuf,
    /// Whether what Git ignores is copied too.
    pub(super) all: bool,
    /// The session's id.
    pub(super) id: SessionId,
    /// Who owns the files.
    pub(super) owner: Option<(u32, u32)>,
    /// Set when the user does not want it any more.
    pub(super) stopped: Arc<AtomicBool>,
}

/// What was made.
pub(super) struct Made {
    /// The session.
    pub(super) folder: SessionFolder,
    /// How much was copied, as a line.
    pub(super) words: String,
    /// What was left out, if anything: a sentence.
    pub(super) left_out: Option<String>,
}

/// Why it was not made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl From {
    /// A copy for a new session.
    pub(super) fn new(dir: PathBuf, all: bool, owner: Option<(u32, u32)>) -> Self {
        Self { dir, all, id: SessionId::random(), owner, stopped: Arc::default() }
    }

    /// Whether the folder can be a project at all; the walk tells the rest.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let why = match std::fs::metadata(&self.dir) {
            Ok(facts) if facts.is_dir() => return Ok(()),
            Ok(_) => "it is not a folder".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Failure::usage(format!("cannot copy {}: {why}", self.dir.display()))
            .hint("`--from DIR` names the folder of a project."))
    }

    /// Counts, copies, and gives the session its name. Blocks. `progress` is told how many files are there, of how many.
    pub(super) fn make(&self, setup: &Setup, progress: &mut dyn FnMut(u64, u64)) -> Result<Made, Failure> {
        self.try_make(setup, progress).map_err(|error| match error {
            MakeError::Project(ProjectError::Stopped) => {
                Failure { code: 130, ..Failure::new(ProjectError::Stopped.to_string()) }
            }
            MakeError::Project(error) => Failure::from_error(&error).maybe_hint(error.hint()),
            MakeError::Session(error) => Failure::from_error(&error).maybe_hint(error.hint()),
        })
    }

    fn try_make(&self, setup: &Setup, progress: &mut dyn FnMut(u64, u64)) -> Result<Made, MakeError> {
        let paths = &setup.loaded.paths;
        let stopped = || self.stopped.load(Ordering::Relaxed);
        let private = paths.private();
        progress(0, 0);
        let mut plan = project::plan(&self.dir, self.all, &setup.loaded.config.project, &private, &stopped)?;
        let remembered = Project::new(plan.dir.clone());
        let now = SystemClock.now();
        let folder = SessionFolder::create_filled(&paths.sessions_dir, &self.id, &now, Some(remembered), |work| {
            let workspace = Workspace::open(work, &self.id.mount(), self.owner).map_err(ProjectError::from)?;
            let mut told = |at: project::Progress| progress(at.files, at.of_files);
            plan.copy(&workspace, &mut told, &stopped)?;
            // Between the last file and the session's name.
            if stopped() { Err(MakeError::from(ProjectError::Stopped)) } else { Ok(()) }
        })?;
        let things = if plan.files == 1 { "1 file".to_owned() } else { format!("{} files", plan.files) };
        let dir = sanitize::line(&plan.dir.display().to_string());
        let words = format!("copied {things}, {}, from {dir}", truncate::bytes(plan.bytes));
        let left_out = left_out(&plan.left_out);
        Ok(Made { folder, words, left_out })
    }
}

/// `2 were left out of the copy: a: why; b: why`.
fn left_out(lines: &[String]) -> Option<String> {
    let mut named: Vec<String> = lines.iter().take(NAMED).map(|line| sanitize::line(line)).collect();
    if lines.len() > NAMED {
        named.push(format!("and {} more", lines.len() - NAMED));
    }
    (!named.is_empty()).then(|| format!("left out of the copy: {}", named.join("; ")))
}
