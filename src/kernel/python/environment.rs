//! An environment of okcvm's own: a folder of packages for an interpreter of the machine.
//!
//! Not a virtual environment: pip puts no newer version of a package beside one that such an environment has, and its
//! scripts name the folder in which it was made. Here `lib` holds the packages, `bin` small programs that put it on the
//! interpreter's path after what the session installed for itself, and nothing depends on where the folder lies.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::probe::Interpreter;
use crate::support::{atomic_file, host_command};

/// What is installed, with all that it needs.
pub const PACKAGES: &[&str] =
    &["pip", "ipykernel", "numpy", "pandas", "matplotlib", "pillow", "opencv-python-headless", "openpyxl"];
/// What it comes to, for people.
pub(super) const SIZE: &str = "about 150 MB to download, 550 MB on disk";
/// The file that says what the environment is for; written last.
const FACTS: &str = "okcvm.json";

/// Why no environment could be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// There is nothing to make it for.
    #[error("there is no Python that an environment could be made for")]
    NoPython,
    /// Neither uv nor pip can be had.
    #[error("{python} can install nothing: it has neither pip nor venv, and there is no uv")]
    NoInstaller {
        /// The interpreter.
        python: PathBuf,
    },
    /// The installer failed.
    #[error("{program} could not install the packages: {said}")]
    Installer {
        /// What was run.
        program: String,
        /// The end of what it said.
        said: String,
    },
    /// The user stopped it.
    #[error("making the Python environment was stopped")]
    Stopped,
    /// It is there and does not work.
    #[error("the environment was made, and it does not work: {0}")]
    Unusable(String),
    /// The system refused.
    #[error("cannot make the Python environment in {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl MakeError {
    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPython => Some("Install Python 3.9 or newer (Debian and Ubuntu: apt install python3)."),
            Self::NoInstaller { .. } => {
                Some("Install one of them (Debian and Ubuntu: apt install python3-venv), then try again.")
            }
            Self::Installer { .. } => Some(
                "Packages come from the index that pip is configured for; look at network and proxy, then try again.",
            ),
            Self::Stopped | Self::Unusable(_) | Self::Io { .. } => None,
        }
    }
}

/// What an environment is for.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    version: u32,
    interpreter: Interpreter,
}

/// The interpreter that the environment in this folder was made for: `None` where there is no environment, `Err` says
/// why one cannot be used.
pub(super) fn open(own: &Path) -> Option<Result<Interpreter, String>> {
    let bytes = fs::read(own.join(FACTS)).ok()?;
    let place = own.display();
    let Ok(Facts { interpreter, .. }) = serde_json::from_slice(&bytes) else {
        return Some(Err(format!("the Python environment in {place} is damaged")));
    };
    if !interpreter.base.is_file() {
        let base = interpreter.base.display();
        return Some(Err(format!("the Python environment in {place} was made for {base}, which is gone")));
    }
    // A new minor version has other folders: what was compiled for the old one does not load.
    if !own.join("lib/ipykernel").is_dir() {
        return Some(Err(format!("the Python environment in {place} has no ipykernel")));
    }
    Some(Ok(interpreter))
}

/// Makes an environment for an interpreter: beside the old one, which it then replaces. `told` hears each line of
/// progress and says whether to go on.
pub(super) fn make(
    own: &Path,
    base: &Interpreter,
    path: Option<&OsStr>,
    told: &mut dyn FnMut(&str) -> bool,
) -> Result<(), MakeError> {
    let failed = |source| MakeError::Io { path: own.to_owned(), source };
    sweep(own);
    let new = own.with_extension(format!("new-{}", std::process::id()));
    let made = (|| {
        fs::create_dir_all(&new).map_err(failed)?;
        install(&new, base, path, told)?;
        finish(&new, base).map_err(failed)
    })();
    let replaced = made.and_then(|()| {
        let old = own.with_extension(format!("old-{}", std::process::id()));
        let had = fs::rename(own, &old).is_ok();
        let moved = fs::rename(&new, own).map_err(failed);
        if had && moved.is_err() {
            let _ = fs::rename(&old, own);
        }
        let _ = fs::remove_dir_all(&old);
        moved
    });
    // Half an environment helps nobody.
    let _ = fs::remove_dir_all(&new);
    replaced
}

/// Removes what makers left behind that were cut off.
fn sweep(own: &Path) {
    let Some((folder, name)) = own.parent().zip(own.file_name().and_then(OsStr::to_str)) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let left = entry.file_name().to_str().and_then(|entry| {
            let rest = entry.strip_prefix(name)?;
            rest.strip_prefix(".new-").or_else(|| rest.strip_prefix(".old-"))?.parse::<u32>().ok()
        });
        if left.is_some_and(|maker| !Path::new("/proc").join(maker.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Installs the packages with uv, with the interpreter's pip, or with that of a virtual environment made for it.
fn install(
    new: &Path,
    base: &Interpreter,
    path: Option<&OsStr>,
    told: &mut dyn FnMut(&str) -> bool,
) -> Result<(), MakeError> {
    let python = base.base.as_os_str();
    let target = new.join("lib");
    let uv = path.and_then(|path| std::env::split_paths(path).map(|folder| folder.join("uv")).find(|uv| uv.is_file()));
    if let Some(uv) = uv {
        let mut words: Vec<&OsStr> = ["pip", "install", "--link-mode", "copy", "--python"].map(OsStr::new).to_vec();
        words.extend([python, OsStr::new("--target"), target.as_os_str()]);
        words.extend(PACKAGES.iter().map(OsStr::new));
        return run(&uv, &words, told);
    }
    let mut program = base.base.clone();
    let has_pip = host_command::ask(&program, &["-I", "-m", "pip", "--version"], host_command::SHORT).is_ok();
    let scratch = new.join("installer");
    if !has_pip {
        told("python3 has no pip: making a virtual environment that has");
        let words = ["-I", "-m", "venv"].map(OsStr::new).into_iter().chain([scratch.as_os_str()]).collect::<Vec<_>>();
        run(&program, &words, told).map_err(|error| match error {
            MakeError::Installer { .. } => MakeError::NoInstaller { python: program.clone() },
            error => error,
        })?;
        program = scratch.join("bin/python3");
    }
    let mut words: Vec<&OsStr> = [
        "-I",
        "-m",
        "pip",
        "install",
        "--progress-bar",
        "off",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--root-user-action",
        "ignore",
    ]
    .map(OsStr::new)
    .to_vec();
    words.extend([OsStr::new("--target"), target.as_os_str()]);
    words.extend(PACKAGES.iter().map(OsStr::new));
    run(&program, &words, told)?;
    // Only its pip was needed.
    let _ = fs::remove_dir_all(&scratch);
    Ok(())
}

fn run(program: &Path, words: &[&OsStr], told: &mut dyn FnMut(&str) -> bool) -> Result<(), MakeError> {
    let mut last = std::collections::VecDeque::new();
    let mut stopped = false;
    let status = host_command::follow(program, words, &mut |line| {
        if !line.trim().is_empty() {
            last.push_back(line.trim().to_owned());
            if last.len() > 6 {
                last.pop_front();
            }
        }
        stopped = !told(line);
        !stopped
    });
    let name = program.display().to_string();
    match status {
        _ if stopped => Err(MakeError::Stopped),
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(MakeError::Installer { program: name, said: Vec::from(last).join("; ") }),
        Err(error) => Err(MakeError::Installer { program: name, said: error.to_string() }),
    }
}

/// Writes the small programs and, last, what the environment is for; everybody may read all of it.
fn finish(new: &Path, base: &Interpreter) -> std::io::Result<()> {
    let bin = new.join("bin");
    fs::create_dir_all(&bin)?;
    let minor = base.minor();
    let python = quoted(&base.base);
    let program = format!(
        "#!/bin/sh\n# Python {} with the packages beside this file; what the session installed comes first.\n\
         here=${{0%/*}}/..\nPYTHONPATH=$HOME/.local/lib/python{minor}/site-packages:$here/lib${{PYTHONPATH:+:$PYTHONPATH}} \
         exec {python} \"$@\"\n",
        base.version
    );
    // With PIP_USER set for other commands too, `pip list` would show the user's own packages only.
    let pip = "#!/bin/sh\nexport PIP_BREAK_SYSTEM_PACKAGES=1\n\
               for word; do case $word in install) export PIP_USER=1 ;; esac; done\n\
               exec \"${0%/*}/python3\" -m pip \"$@\"\n"
        .to_owned();
    for (name, text) in [("python3", &program), ("python", &program), ("pip", &pip), ("pip3", &pip)] {
        fs::write(bin.join(name), text)?;
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755))?;
    }
    // Programs of packages name the interpreter that installed them, not this one.
    let _ = fs::remove_dir_all(new.join("lib/bin"));
    let facts = Facts { version: 1, interpreter: Interpreter { ipykernel: None, ..base.clone() } };
    atomic_file::write(&new.join(FACTS), &serde_json::to_vec_pretty(&facts)?, 0o644)?;
    open_to_all(new)
}

/// The tools may run as another account than okcvm.
fn open_to_all(folder: &Path) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.is_dir() {
            open_to_all(&entry.path())?;
        } else if facts.is_file() {
            let mode = facts.permissions().mode();
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode | 0o444))?;
        }
    }
    Ok(())
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
