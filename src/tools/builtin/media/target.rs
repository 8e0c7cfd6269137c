//! Where something goes that is still to be made.

use std::ffi::OsStr;
use std::path::Path;

use super::super::files;
use crate::protocol::{Artifact, ArtifactKind};
use crate::support::truncate;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{ToolError, blocking};
use crate::workspace::{ConfinedPath, EntryKind, WorkspaceError};

/// Names that are tried where the wanted one was taken meanwhile.
const MOST_NAMES: u32 = 1_000;

/// A file that can be written, by its name and by what stands there now.
#[derive(Debug, Clone)]
pub(super) struct Target {
    path: ConfinedPath,
    /// How its name ends, in small letters.
    pub(super) ending: String,
}

impl Target {
    /// Looks at a path: its name must end in one of these ways, no folder may be there, every folder above it must be one,
    /// and a file that is there must be known to the model, as with every tool that replaces files.
    pub(super) async fn of(
        machine: &Machine,
        argument: &'static str,
        path: &str,
        endings: &'static [&'static str],
    ) -> Result<Self, ToolError> {
        let (machine, path) = (machine.clone(), path.to_owned());
        blocking(move || Self::checked(&machine, argument, &path, endings)).await
    }

    fn checked(
        machine: &Machine,
        argument: &str,
        path: &str,
        endings: &'static [&'static str],
    ) -> Result<Self, ToolError> {
        let wanted: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        let wanted = wanted.join(" or ");
        let path = machine.workspace.resolve(path)?;
        let ending = Path::new(path.relative()).extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        let Some(ending) = ending.filter(|ending| endings.contains(&ending.as_str())) else {
            let shown = truncate::prefix(path.shown(), 300);
            return Err(ToolError::ForModel(format!("{argument} must end in {wanted}, and {shown} does not")));
        };
        let path = machine.workspace.real(&path)?;
        let mut above = path.parent(machine.workspace.mount());
        while let Some(folder) = above {
            match machine.workspace.metadata(&folder) {
                Ok(entry) if entry.kind == EntryKind::Folder => break,
                Ok(_) => return Err(WorkspaceError::NotAFolder { path: folder.shown().to_owned() }.into()),
                Err(_) => above = folder.parent(machine.workspace.mount()),
            }
        }
        files::known(machine, &path).map_err(|error| match error {
            ToolError::ForModel(why) => ToolError::ForModel(format!("{why} Or choose another {argument}.")),
            other => other,
        })?;
        Ok(Self { path, ending })
    }

    /// Writes it. Where something came there meanwhile that may not be replaced, a free name beside it is taken: what was
    /// made is not thrown away.
    pub(super) async fn write(self, machine: &Machine, bytes: Vec<u8>) -> Result<Written, ToolError> {
        let machine = machine.clone();
        blocking(move || {
            if files::known(&machine, &self.path).is_ok() {
                files::write_known(&machine, &self.path, &bytes)?;
                return Ok(Written { path: self.path, instead_of: None });
            }
            let mount = machine.workspace.mount();
            let folder = self.path.parent(mount);
            let stem = self.path.relative().file_stem().unwrap_or_default().to_os_string();
            for number in 2..MOST_NAMES {
                let mut name = stem.clone();
                name.push(format!("-{number}.{}", self.ending));
                let Some(path) = folder.as_ref().and_then(|folder| folder.join(&name)) else { break };
                if machine.workspace.write_new(&path, &bytes)? {
                    machine.state.wrote(&path, files::sha256(&bytes));
                    return Ok(Written { path, instead_of: Some(self.path) });
                }
            }
            Err(ToolError::ForModel(format!("{} could not be written: every name is taken", self.path.shown())))
        })
        .await
    }
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    path: ConfinedPath,
    instead_of: Option<ConfinedPath>,
}

impl Written {
    /// Where tools find it.
    pub(super) fn shown(&self) -> &str {
        self.path.shown()
    }

    /// The same in words, with the name that it could not have.
    pub(super) fn words(&self) -> String {
        match &self.instead_of {
            None => self.shown().to_owned(),
            Some(other) => format!("{} ({} was written by something else meanwhile)", self.shown(), other.shown()),
        }
    }

    /// What the user is given.
    pub(super) fn artifact(&self, machine: &Machine, kind: ArtifactKind) -> Artifact {
        let place = machine.workspace.host_path().join(self.path.relative());
        Artifact::at(kind, self.shown()).on_host(place)
    }
}
