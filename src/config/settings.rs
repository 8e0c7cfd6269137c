//! What the layers have set so far: for each field the value of the highest layer, and where it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::value::Typed;
use crate::support::secret::Secret;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The config file.
    File(PathBuf),
    /// A `.env` file.
    DotEnv(PathBuf),
    /// An environment variable.
    Env(String),
    /// An option of the command line, such as `--model`.
    Flag(&'static str),
}

impl Source {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::DotEnv(file) => Some(file),
            Self::Default | Self::Env(_) | Self::Flag(_) => None,
        }
    }

    /// One word for the kind of source: `default`, `file`, `dotenv`, `env`, `flag`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::DotEnv(_) => "dotenv",
            Self::Env(_) => "env",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file) | Self::DotEnv(file) => write!(f, "{}", file.display()),
            Self::Env(variable) => write!(f, "${variable}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Who speaks; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    /// The `.env` beside the config file: the user's own.
    OwnDotEnv,
    /// The `.env` of the current directory: whoever made that directory.
    FolderDotEnv,
    Env,
    Flag,
}

impl Layer {
    /// Whether its base URLs count as stated by the user's own configuration.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::File | Self::OwnDotEnv)
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub value: Typed,
    pub layer: Layer,
    pub source: Source,
    pub line: Option<usize>,
}

/// A key and where it came from. The layer is the one that binds the key to its endpoint: a key behind `api_key_env`
/// belongs to the file that names the variable.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub secret: Secret,
    pub layer: Layer,
    pub source: Source,
}

/// Everything that was set.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// By path; keys are never in here.
    pub values: BTreeMap<String, Settled>,
    /// By endpoint; the highest layer's.
    pub keys: BTreeMap<String, Key>,
    /// Every key that was seen in any layer, used or not.
    pub secrets: Vec<Secret>,
    /// Base URLs that the user's own files state, by endpoint.
    pub own_urls: BTreeMap<String, Vec<String>>,
    /// Endpoints of which the config file, or a variable with a model or base URL, speaks.
    pub present: BTreeSet<String>,
    /// Those of them of which only a folder's `.env` speaks.
    pub only_of_folder: BTreeSet<String>,
    /// Paths whose value was refused, so that they are not called missing as well.
    pub refused: BTreeSet<String>,
    /// Lines of the blocks of the config file, for things that are missing in them.
    pub block_lines: BTreeMap<String, usize>,
}

impl Settings {
    /// Notes that a layer names a model or base URL of an endpoint.
    pub(super) fn speaks_of(&mut self, endpoint: &str, layer: Layer) {
        let new = self.present.insert(endpoint.to_owned());
        if layer != Layer::FolderDotEnv {
            self.only_of_folder.remove(endpoint);
        } else if new {
            self.only_of_folder.insert(endpoint.to_owned());
        }
    }

    /// Takes a value of a layer that is not lower than those before.
    pub(super) fn set(&mut self, path: &str, settled: Settled) {
        if let (Some(endpoint), Typed::Text(url)) = (path.strip_suffix(".base_url"), &settled.value)
            && settled.layer.is_own()
        {
            self.own_urls.entry(endpoint.to_owned()).or_default().push(url.clone());
        }
        self.refused.remove(path);
        self.values.insert(path.to_owned(), settled);
    }

    /// Takes a key.
    pub(super) fn set_key(&mut self, endpoint: &str, key: Key) {
        self.secrets.push(key.secret.clone());
        self.keys.insert(endpoint.to_owned(), key);
    }

    /// The text of a value.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match &self.values.get(path)?.value {
            Typed::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Places a problem with a value where the value stands.
    pub(super) fn place(&self, path: &str, problem: Problem) -> Problem {
        match self.values.get(path) {
            Some(settled) => match settled.source.file() {
                Some(file) => problem.at(file, settled.line),
                None => problem,
            },
            None => problem,
        }
    }
}
