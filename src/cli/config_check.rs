//! What `okcvm config check` finds beyond the configuration itself: values that only their users can judge. The
//! configuration imports neither keymap nor spec nor sandbox; here they are asked.

use std::path::Path;

use rustix::fs::Access;

use super::report;
use crate::config::paths::real;
use crate::config::{Loaded, Problem};
use crate::spec::Bundle;
use crate::tui::TuiError;
use crate::tui::keymap::Keymap;

/// Everything that would only be told when it is used.
pub(super) fn problems(loaded: &Loaded) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(keys(loaded));
    found.extend(spec(loaded));
    found.extend(sessions(loaded));
    found
}

/// A problem with a value, in the file that sets it.
fn problem(loaded: &Loaded, path: &str, message: impl Into<String>, hint: &str) -> Problem {
    let row = loaded.values.iter().find(|row| row.path == path || path.starts_with(&format!("{}.", row.path)));
    Problem {
        file: row.and_then(|row| row.source.file()).map(Path::to_owned),
        line: None,
        path: path.to_owned(),
        message: message.into(),
        hint: Some(hint.to_owned()),
    }
}

fn keys(loaded: &Loaded) -> Option<Problem> {
    let hint = "`okcvm` shows actions and their keys with F1; chords are written like ctrl+o.";
    match Keymap::load(&loaded.config.ui.keys) {
        Ok(_) => None,
        Err(TuiError::Keys { path, message }) => Some(problem(loaded, &path, message, hint)),
        Err(error) => Some(problem(loaded, "ui.keys", error.to_string(), hint)),
    }
}

fn spec(loaded: &Loaded) -> Option<Problem> {
    let dir = loaded.config.spec.dir.as_ref()?;
    let error = Bundle::load(dir).err()?;
    let hint = format!("`okcvm spec check {}` says what does not fit.", dir.display());
    Some(problem(loaded, "spec.dir", report::chain(&error), &hint))
}

/// The folder of the sessions is not made here, only looked at.
fn sessions(loaded: &Loaded) -> Option<Problem> {
    let path = real(&loaded.paths.sessions_dir);
    let told = |message: String| {
        let hint = "Name a folder that you may write to, on a disk.";
        Some(problem(loaded, "workspace.path", format!("{}: {message}", path.display()), hint))
    };
    if let Some(place) = ["/proc", "/sys", "/dev"].iter().find(|place| path.starts_with(place)) {
        return told(format!("nothing can be kept below {place}"));
    }
    let above = path.ancestors().find(|above| above.symlink_metadata().is_ok())?;
    if !above.is_dir() {
        return told(format!("{} is not a folder", above.display()));
    }
    let denied = rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK).err()?;
    told(format!("{} cannot be written to: {}", above.display(), std::io::Error::from(denied)))
}
