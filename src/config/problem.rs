//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One thing that is wrong, or (in [`super::Loaded::warnings`]) worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file that it stands in; `None` for the environment and the command line.
    pub file: Option<PathBuf>,
    /// Its line, from 1, where it is known.
    pub line: Option<usize>,
    /// The field (`chat.base_url`), the variable, or nothing when it concerns the whole file.
    pub path: String,
    /// What is wrong, in lower case, without a full stop.
    pub message: String,
    /// What to do, as a sentence.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem with a field, not yet placed in a file.
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: None, line: None, path: path.into(), message: message.into(), hint: None }
    }

    /// Says where it stands.
    pub(super) fn at(mut self, file: &Path, line: Option<usize>) -> Self {
        self.file = Some(file.to_owned());
        self.line = line;
        self
    }

    /// Says what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Everything that is wrong with it, in one go.
    #[error("{}", summary(.0))]
    Problems(Vec<Problem>),
    /// A file is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither `HOME` nor the password database names a home folder.
    #[error("cannot find the home folder: HOME is not set")]
    NoHome,
}

impl ConfigError {
    /// The error as a list of problems, whatever it is, for printing.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Problems(problems) => problems.clone(),
            Self::Io { path, source } => {
                let problem = Problem::new("", format!("cannot be read: {source}")).at(path, None);
                vec![problem.hint("Check that the file exists and that you may read it.")]
            }
            Self::NoHome => vec![
                Problem::new("HOME", "is not set, so there is no place for configuration and sessions")
                    .hint("Set HOME, or XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME and XDG_CACHE_HOME."),
            ],
        }
    }
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the configuration has a problem".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
