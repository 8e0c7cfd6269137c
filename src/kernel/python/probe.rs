//! Asks an interpreter what it is, and remembers the answer as long as its file stays the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::support::{atomic_file, host_command};

/// The oldest that current packages are made for.
const OLDEST: (u32, u32) = (3, 9);
/// Most that is read of the file of answers.
const MOST_REMEMBERED: usize = 32;

/// What is asked. Isolated (`-I`): neither the folder that okcvm was started in nor the user's variables have a say. A
/// link to a program lies elsewhere than what is shown to tools; that of a virtual environment is what makes it one.
const QUESTION: &str = r#"
import importlib.util, json, os, sys
spec = importlib.util.find_spec("ipykernel")
venv = sys.prefix != sys.base_prefix
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "executable": sys.executable if venv else os.path.realpath(sys.executable),
    "base": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
    "venv": venv,
    "ipykernel": spec.origin if spec else None,
}))
"#;

/// A Python interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interpreter {
    /// Its version, such as `3.11.2`.
    pub(super) version: String,
    /// Its program; not a launcher that stands for it.
    pub(super) executable: PathBuf,
    /// The program below it, where it is a virtual environment; itself otherwise.
    pub(super) base: PathBuf,
    /// The folders that it is made of.
    pub(super) prefixes: Vec<PathBuf>,
    /// Whether it is a virtual environment.
    pub(super) venv: bool,
    /// A file of ipykernel, where it has it.
    pub(super) ipykernel: Option<PathBuf>,
}

impl Interpreter {
    /// Its version as folders of packages name it, such as `3.11`.
    pub(super) fn minor(&self) -> &str {
        self.version.rsplit_once('.').map_or(self.version.as_str(), |(minor, _)| minor)
    }

    /// Whether an environment can be made for it.
    pub(super) fn can_carry(&self) -> bool {
        let mut numbers = self.version.split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
    }

    /// Asks the program; `None` when it is no Python that runs.
    fn ask(program: &Path) -> Option<Self> {
        let said = host_command::ask(program, &["-I", "-c", QUESTION], host_command::SHORT)
            .inspect_err(|error| tracing::debug!(program = %program.display(), %error, "no Python"))
            .ok()?;
        let interpreter: Self = serde_json::from_str(said.lines().last()?).ok()?;
        let whole = !interpreter.prefixes.is_empty() && interpreter.prefixes.iter().all(|path| path.is_absolute());
        (whole && interpreter.executable.is_absolute()).then_some(interpreter)
    }
}

/// The version below which nothing can be installed.
pub(super) fn oldest() -> String {
    format!("{}.{}", OLDEST.0, OLDEST.1)
}

/// An answer, and of which file it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    mark: [i64; 4],
    interpreter: Interpreter,
}

/// Answers of earlier runs.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    known: BTreeMap<PathBuf, Answer>,
    changed: bool,
}

impl Memory {
    /// Reads the file of answers; one that cannot be read is empty.
    pub(super) fn open(cache_dir: &Path) -> Self {
        let file = cache_dir.join("python.json");
        let known = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, known, changed: false }
    }

    /// What a program is. Only an answer that still fits is taken from memory, and one without ipykernel never: it may
    /// have been installed meanwhile.
    pub(super) fn ask(&mut self, program: &Path) -> Option<Interpreter> {
        let mark = mark(program)?;
        if let Some(answer) = self.known.get(program)
            && answer.mark == mark
            && answer.interpreter.ipykernel.as_ref().is_some_and(|file| file.exists())
            && answer.interpreter.executable.exists()
        {
            return Some(answer.interpreter.clone());
        }
        let interpreter = Interpreter::ask(program)?;
        // A launcher such as those of pyenv stands for another program tomorrow.
        let itself = fs::canonicalize(program).ok() == fs::canonicalize(&interpreter.executable).ok();
        if itself && self.known.len() < MOST_REMEMBERED {
            self.known.insert(program.to_owned(), Answer { mark, interpreter: interpreter.clone() });
            self.changed = true;
        }
        Some(interpreter)
    }

    /// Writes new answers down. What cannot be written is asked again next time.
    pub(super) fn save(&self) {
        if !self.changed || !self.file.is_absolute() {
            return;
        }
        let written =
            self.file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
                atomic_file::write(&self.file, &serde_json::to_vec(&self.known).unwrap_or_default(), 0o600)
            });
        if let Err(error) = written {
            tracing::debug!(file = %self.file.display(), %error, "what was learnt of Python is not remembered");
        }
    }
}

/// What changes when a file does.
fn mark(program: &Path) -> Option<[i64; 4]> {
    let facts = fs::metadata(program).ok()?;
    facts.is_file().then(|| [facts.dev() as i64, facts.ino() as i64, facts.size() as i64, facts.mtime()])
}
