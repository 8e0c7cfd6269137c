//! Which browser of the machine is used.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::config::schema::{BrowserMode, BrowserSection};
use crate::sandbox::Mounted;

/// Names under which they are installed, the most open first.
const NAMES: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "microsoft-edge-stable",
    "microsoft-edge",
    "brave-browser",
];

/// Where the programs themselves lie, which the names above only start: a script that starts a program can do more than
/// that.
const PLACES: &[&str] = &[
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/opt/microsoft/msedge/msedge",
    "/opt/brave.com/brave/brave",
];

/// A browser that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program, without links.
    pub path: PathBuf,
    /// What a sandbox has to show besides the system, so that it can start.
    pub mounted: Vec<Mounted>,
}

/// The browser of the machine, looked for when it is first needed. Cheap to clone; all clones share what was found.
#[derive(Debug, Clone)]
pub struct LazyProgram(Arc<Lazy>);

#[derive(Debug)]
struct Lazy {
    configured: Option<PathBuf>,
    found: OnceLock<Result<Program, Missing>>,
}

impl LazyProgram {
    /// The one that the configuration names, or else the first that is installed.
    pub fn new(configured: Option<PathBuf>) -> Self {
        Self(Arc::new(Lazy { configured, found: OnceLock::new() }))
    }

    /// What a configuration leads to.
    pub fn of(section: &BrowserSection) -> Self {
        match section.mode {
            BrowserMode::Auto => Self::new(section.path.clone()),
            BrowserMode::Plain => Self::without("browser.mode is plain", "set it to auto"),
        }
    }

    /// None, for machines that are to have none.
    pub fn none() -> Self {
        Self::without("there is no browser here", "give the session one")
    }

    fn without(reason: &str, hint: &str) -> Self {
        let none = Err(Missing { reason: reason.to_owned(), hint: hint.to_owned() });
        Self(Arc::new(Lazy { configured: None, found: OnceLock::from(none) }))
    }

    /// What was found. Looks for it the first time, which blocks for some milliseconds.
    pub fn get(&self) -> Result<&Program, &Missing> {
        let Lazy { configured, found } = &*self.0;
        found.get_or_init(|| find(configured.as_deref())).as_ref()
    }
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Missing {
    /// What was looked for and not found.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Looks for a browser: the one that the configuration names, or else the first that is installed. Blocks for some
/// milliseconds.
pub fn find(configured: Option<&Path>) -> Result<Program, Missing> {
    let hint = "install one, such as `apt-get install chromium`, or name one with browser.path".to_owned();
    if let Some(path) = configured {
        return usable(path).map_err(|why| Missing {
            reason: format!("browser.path names {}, and {why}", path.display()),
            hint: "give the path of Chromium, Chrome or Edge itself, or take browser.path out".to_owned(),
        });
    }
    let mut refused = None;
    for place in PLACES {
        if let Ok(program) = usable(Path::new(place)) {
            return Ok(program);
        }
    }
    let path = env::var_os("PATH").unwrap_or_default();
    for name in NAMES {
        for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
            let candidate = folder.join(name);
            if !candidate.exists() {
                continue;
            }
            match usable(&candidate) {
                Ok(program) => return Ok(program),
                Err(why) => drop(refused.get_or_insert(format!("{}: {why}", candidate.display()))),
            }
        }
    }
    Err(Missing {
        reason: refused.unwrap_or_else(|| "neither Chromium nor Chrome nor Edge is installed".to_owned()),
        hint,
    })
}

/// A program that can be started behind walls, and what has to be shown for it.
fn usable(path: &Path) -> Result<Program, String> {
    let real = fs::canonicalize(path).map_err(|error| format!("it cannot be opened: {error}"))?;
    let start = {
        use std::io::Read as _;
        let mut start = Vec::new();
        let file = fs::File::open(&real).map_err(|error| format!("it cannot be read: {error}"))?;
        file.take(4096).read_to_end(&mut start).map_err(|error| format!("it cannot be read: {error}"))?;
        start
    };
    if real.starts_with("/snap") || real.ends_with("snap") || contains(&start, b"/snap/bin") {
        return Err("it is a snap, which brings walls of its own and does not start behind those of okcvm".to_owned());
    }
    if start.starts_with(b"\x7fELF") {
        return Ok(Program { mounted: shown(&real), path: real });
    }
    if start.starts_with(b"#!") {
        // A script of the distribution; the program lies in one of the known places, or nowhere that we know.
        return Err("it is a script, and the program that it starts is at none of the known places".to_owned());
    }
    Err("it is no program".to_owned())
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}

/// The folder of a program that lies elsewhere than the system's.
fn shown(program: &Path) -> Vec<Mounted> {
    let system = program.starts_with("/usr") || program.starts_with("/nix");
    let folder = program.parent().filter(|folder| folder.file_name() != Some(OsStr::new("bin")));
    match folder {
        Some(folder) if !system => vec![Mounted::in_place(folder.to_owned())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_are_taken_and_their_folder_is_shown() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = fs::canonicalize(folder.path()).expect("path");
        let place = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).expect("file");
            path
        };
        let good = place("chrome", b"\x7fELF and more");
        let found = find(Some(&good)).expect("a program");
        assert_eq!(found.mounted, vec![Mounted::in_place(folder.clone())]);
        assert_eq!(found.path, good);
        let snap = place("chromium-browser", b"#!/bin/sh\nexec /snap/bin/chromium \"$@\"\n");
        assert!(find(Some(&snap)).expect_err("a snap").reason.contains("is a snap"));
        let script = place("wrapper", b"#!/bin/sh\n");
        assert!(find(Some(&script)).expect_err("a script").reason.contains("is a script"));
        let none = find(Some(&folder.join("nothing"))).expect_err("nothing");
        assert!(none.reason.contains("browser.path") && none.hint.contains("browser.path"), "{none:?}");
    }

    #[test]
    fn a_browser_that_is_not_wanted_is_not_looked_for() {
        let section = BrowserSection { mode: BrowserMode::Plain, path: Some("/proc/self/exe".into()) };
        let program = LazyProgram::of(&section);
        assert_eq!(program.get().expect_err("none").reason, "browser.mode is plain");
        let section = BrowserSection { mode: BrowserMode::Auto, ..section };
        assert!(LazyProgram::of(&section).get().is_ok());
    }

    #[test]
    fn programs_of_the_system_need_nothing_besides() {
        assert_eq!(shown(Path::new("/usr/lib/chromium/chromium")), Vec::new());
        assert_eq!(shown(Path::new("/opt/google/chrome/chrome")), vec![Mounted::in_place("/opt/google/chrome".into())]);
    }
}
