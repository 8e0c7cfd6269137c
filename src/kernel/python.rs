//! Which Python the notebook runs on: the machine's own where it can, else an environment that okcvm made.
//!
//! ```text
//! python.path ── PATH's python3 ── /usr/bin/python3 ── /usr/local/bin/python3      the first that has ipykernel
//!                                                            │ none
//!                                    <data>/python, made by `okcvm doctor --fix` or `/python make`
//! ```
//!
//! Tools see the environment read-only at [`INSIDE`], and what of an interpreter lies outside the system's own folders
//! where it lies on the host, because compiled-in paths lead there.

mod environment;
mod probe;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use environment::{MakeError, PACKAGES};

use crate::sandbox::Mounted;
use probe::{Interpreter, Memory};

/// Where tools see an environment that okcvm made.
pub const INSIDE: &str = "/opt/okcvm/python";
/// Where a python3 lies on most systems, besides those of PATH.
const USUAL: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];
/// What every sandbox shows in any case.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/nix"];

/// A Python that can run a notebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    interpreter: Interpreter,
    /// The environment that okcvm made for it; `None` where the interpreter has ipykernel itself.
    own: Option<PathBuf>,
}

impl Python {
    /// Its version, such as `3.11.2`.
    pub fn version(&self) -> &str {
        &self.interpreter.version
    }

    /// The program to start. `remounted` tells whether the tools see [`INSIDE`]; otherwise they see the host's paths.
    pub fn program(&self, remounted: bool) -> PathBuf {
        match &self.own {
            Some(_) if remounted => Path::new(INSIDE).join("bin/python3"),
            Some(own) => own.join("bin/python3"),
            None => self.interpreter.executable.clone(),
        }
    }

    /// The folder of packages that okcvm made for it, where it made one. Arguments as of [`Python::program`].
    pub fn packages(&self, remounted: bool) -> Option<PathBuf> {
        let own = self.own.as_deref()?;
        Some(if remounted { Path::new(INSIDE) } else { own }.join("lib"))
    }

    /// What of it another account than okcvm's cannot reach where it lies on the host, if anything.
    pub fn out_of_reach(&self) -> Option<PathBuf> {
        let closed = |path: &&Path| fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o001 == 0);
        let program = self.program(false);
        let all = self.interpreter.prefixes.iter().chain([&program, &self.interpreter.base]);
        all.flat_map(|path| path.ancestors()).find(closed).map(Path::to_owned)
    }

    /// Where it comes from, for people.
    pub fn told(&self) -> String {
        let base = self.interpreter.executable.display();
        match &self.own {
            Some(own) => format!("Python {} in {} (on {base})", self.version(), own.display()),
            None => format!("Python {} at {base}", self.version()),
        }
    }

    /// What tools have to see beyond the system's folders.
    pub fn mounted(&self) -> Vec<Mounted> {
        let outside = |path: &&PathBuf| !SYSTEM.iter().any(|system| path.starts_with(system));
        let mut all: Vec<Mounted> =
            self.interpreter.prefixes.iter().filter(outside).map(|prefix| Mounted::in_place(prefix.clone())).collect();
        if let Some(own) = &self.own {
            all.push(Mounted { source: own.clone(), inside: PathBuf::from(INSIDE), trusted: true, programs: true });
        } else if let Some(folder) = self.interpreter.executable.parent()
            && let Some(mounted) = all.iter_mut().find(|mounted| mounted.source.join("bin") == folder)
        {
            // The same python3 and pip for commands as for cells.
            mounted.programs = true;
        }
        all
    }

    /// What its environment has to hold beyond that of every command, so that packages go to HOME: the interpreter's own
    /// folders are read-only, or the user's. `home` is HOME as the kernel sees it.
    pub fn environment(&self, home: &str) -> Vec<(String, String)> {
        let mut env = vec![("PIP_DISABLE_PIP_VERSION_CHECK".to_owned(), "1".to_owned())];
        let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
        if self.interpreter.venv && self.own.is_none() {
            // pip refuses the user's folder in a virtual environment.
            let minor = self.interpreter.minor();
            set("PIP_PREFIX", format!("{home}/.local"));
            set("PIP_IGNORE_INSTALLED", "1".to_owned());
            set("PYTHONPATH", format!("{home}/.local/lib/python{minor}/site-packages"));
        } else {
            set("PIP_BREAK_SYSTEM_PACKAGES", "1".to_owned());
            set("PIP_CONFIG_FILE", format!("{home}/{PIP_CONFIG}"));
        }
        env
    }

    /// Where `PIP_CONFIG_FILE` points in HOME, and what has to stand there. A variable would hold for all of pip: with
    /// `PIP_USER` it lists nothing but the user's own packages.
    pub fn pip_config(&self) -> Option<(&'static str, &'static str)> {
        let user = !self.interpreter.venv || self.own.is_some();
        user.then_some((PIP_CONFIG, "[install]\nuser = true\n"))
    }
}

/// pip's settings for cells, in HOME.
const PIP_CONFIG: &str = ".config/pip/okcvm.conf";

/// Why there is no notebook, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is missing.
    pub reason: String,
    /// What to do, as sentences.
    pub hint: String,
    /// Whether [`LazyPython::make`] would help.
    pub can_be_made: bool,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct PythonSearch {
    /// `python.path`: then no other is taken.
    pub configured: Option<PathBuf>,
    /// The value of PATH.
    pub path: Option<std::ffi::OsString>,
    /// The folder of an environment that okcvm makes or has made.
    pub own: PathBuf,
    /// Where it is remembered what was found; nowhere unless it is an absolute path.
    pub cache_dir: PathBuf,
}

/// A Python that is looked for when it is first needed. Cheap to clone; all clones share what was found.
#[derive(Debug, Clone)]
pub struct LazyPython(Arc<Lazy>);

#[derive(Debug)]
struct Lazy {
    search: Option<PythonSearch>,
    found: Mutex<Option<Result<Arc<Python>, Missing>>>,
}

impl LazyPython {
    /// Looked for on first use.
    pub fn new(search: PythonSearch) -> Self {
        Self(Arc::new(Lazy { search: Some(search), found: Mutex::default() }))
    }

    /// None: for machines that have nothing to do with Python.
    pub fn none() -> Self {
        Self(Arc::new(Lazy { search: None, found: Mutex::default() }))
    }

    /// The Python. Looks for it if that was not done yet, which starts interpreters and may block for seconds.
    pub fn get(&self) -> Result<Arc<Python>, Missing> {
        let mut found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get_or_insert_with(|| self.look()).clone()
    }

    /// What was found, if it was looked for already. Never blocks for long.
    pub fn peek(&self) -> Option<Result<Arc<Python>, Missing>> {
        self.0.found.try_lock().ok()?.clone()
    }

    /// Looks for it on a thread that may block.
    pub async fn warm(&self) {
        if self.peek().is_none() {
            let this = self.clone();
            // A panic in there would come up again at the next `get`.
            let _ = tokio::task::spawn_blocking(move || this.get().is_ok()).await;
        }
    }

    /// Makes an environment of okcvm's own from the package index and uses it from then on. Blocks for minutes; `told`
    /// hears each line of progress, an empty one where nothing is said for a while, and says whether to go on.
    pub fn make(&self, told: &mut dyn FnMut(&str) -> bool) -> Result<Arc<Python>, MakeError> {
        let search = self.0.search.as_ref().ok_or(MakeError::NoPython)?;
        let base = self.candidates().into_iter().find(Interpreter::can_carry).ok_or(MakeError::NoPython)?;
        environment::make(&search.own, &base, search.path.as_deref(), told)?;
        let made = self.look().map_err(|missing| MakeError::Unusable(missing.reason));
        if let Ok(python) = &made {
            *self.0.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ok(Arc::clone(python)));
        }
        made
    }

    fn look(&self) -> Result<Arc<Python>, Missing> {
        let Some(search) = &self.0.search else {
            return Err(Missing {
                reason: "this machine was set up without Python".to_owned(),
                hint: String::new(),
                can_be_made: false,
            });
        };
        let candidates = self.candidates();
        if let Some(interpreter) = candidates.iter().find(|interpreter| interpreter.ipykernel.is_some()) {
            return Ok(Arc::new(Python { interpreter: interpreter.clone(), own: None }));
        }
        let mut broken = None;
        match environment::open(&search.own) {
            Some(Ok(base)) => {
                return Ok(Arc::new(Python { interpreter: base, own: Some(search.own.clone()) }));
            }
            Some(Err(why)) => broken = Some(why),
            None => {}
        }
        Err(missing(search, &candidates, broken))
    }

    /// The interpreters that are there, in the order in which they are taken.
    fn candidates(&self) -> Vec<Interpreter> {
        let Some(search) = &self.0.search else { return Vec::new() };
        let mut memory = Memory::open(&search.cache_dir);
        let mut found: Vec<Interpreter> = Vec::new();
        for program in programs(search) {
            if let Some(interpreter) = memory.ask(&program)
                && found.iter().all(|known| known.executable != interpreter.executable)
            {
                found.push(interpreter);
            }
        }
        memory.save();
        found
    }
}

/// The programs that may be interpreters.
fn programs(search: &PythonSearch) -> Vec<PathBuf> {
    if let Some(configured) = &search.configured {
        return vec![configured.clone()];
    }
    let from_path = search.path.as_ref().and_then(|path| {
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("python3"))
            .find(|candidate| candidate.is_file())
    });
    let mut all: Vec<PathBuf> = from_path.into_iter().collect();
    for usual in USUAL.map(PathBuf::from) {
        if usual.is_file() && !all.contains(&usual) {
            all.push(usual);
        }
    }
    all
}

fn missing(search: &PythonSearch, candidates: &[Interpreter], broken: Option<String>) -> Missing {
    let size = environment::SIZE;
    let make = format!("`okcvm doctor --fix` makes an environment for it ({size}).");
    if let Some(why) = broken {
        return Missing { reason: why, hint: make, can_be_made: true };
    }
    match candidates.first() {
        Some(interpreter) => {
            let carries = candidates.iter().any(Interpreter::can_carry);
            let place = interpreter.executable.display();
            let reason = format!("Python {} at {place} has no ipykernel", interpreter.version);
            let hint = if carries {
                make
            } else {
                format!("Install Python {} or newer, then run `okcvm doctor --fix`.", probe::oldest())
            };
            Missing { reason, hint, can_be_made: carries }
        }
        None => match &search.configured {
            Some(path) => Missing {
                reason: format!("python.path: {} is not a Python that runs", path.display()),
                hint: "Name a python3 there, or take python.path out of the configuration.".to_owned(),
                can_be_made: false,
            },
            None => Missing {
                reason: "no python3 was found".to_owned(),
                hint: "Install it (Debian and Ubuntu: apt install python3), then run `okcvm doctor --fix`.".to_owned(),
                can_be_made: false,
            },
        },
    }
}
