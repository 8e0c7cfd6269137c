//! Copies a folder of the workspace to be served. Every byte comes through a confined path.

use std::path::{Path, PathBuf};

use super::contents::{DEEPEST, MOST_FILES};
use super::shelf::write_site_file;
use crate::support::truncate;
use crate::workspace::{ConfinedPath, EntryKind, Workspace, WorkspaceError};

/// Bytes of all files of one site.
const MOST_BYTES: u64 = 1 << 30;
/// How many things that were left out are named.
const MOST_NAMED: usize = 20;

/// Why a folder was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The workspace says no.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// There is too much in it.
    #[error("{0}")]
    TooMuch(String),
    /// The copy cannot be written.
    #[error("cannot write the copy {}: {source}", place.display())]
    Io {
        /// Where.
        place: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

/// What was left out, and why: one line each.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    lines: Vec<String>,
    more: usize,
}

impl LeftOut {
    fn add(&mut self, line: String) {
        if self.lines.len() < MOST_NAMED { self.lines.push(line) } else { self.more += 1 }
    }

    /// The lines; the last one counts what is not named.
    pub(super) fn lines(self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.lines.into_iter().chain(more).collect()
    }
}

/// Copies what is below `folder` into `site`. Names that begin with a dot are left out; a link is followed as far as the
/// workspace goes where it leads to a file.
pub(super) fn copy(
    workspace: &Workspace,
    folder: &ConfinedPath,
    site: &Path,
    (most_file, most_bytes): (u64, u64),
    stopped: &dyn Fn() -> bool,
) -> Result<LeftOut, CopyError> {
    let most_bytes = most_bytes.min(MOST_BYTES);
    let mut copy =
        Copy { workspace, site, most_file, most_bytes, stopped, files: 0, bytes: 0, left_out: LeftOut::default() };
    copy.folder(folder, Path::new(""), 0)?;
    Ok(copy.left_out)
}

struct Copy<'a> {
    workspace: &'a Workspace,
    site: &'a Path,
    most_file: u64,
    most_bytes: u64,
    stopped: &'a dyn Fn() -> bool,
    files: usize,
    bytes: u64,
    left_out: LeftOut,
}

impl Copy<'_> {
    fn folder(&mut self, source: &ConfinedPath, target: &Path, depth: usize) -> Result<(), CopyError> {
        if depth > DEEPEST {
            return Err(CopyError::TooMuch(format!("{}: folders are more than {DEEPEST} deep", source.shown())));
        }
        for (name, facts) in self.workspace.entries(source)? {
            if (self.stopped)() {
                return Err(CopyError::Stopped);
            }
            let Some(inside) = source.join(&name) else { continue };
            let target = target.join(&name);
            let shown = || crate::support::sanitize::line(&target.display().to_string());
            let Some(text) = name.to_str() else {
                self.left_out.add(format!("{}: its name is not UTF-8, so no link can name it", shown()));
                continue;
            };
            if text.starts_with('.') {
                self.left_out.add(format!("{}: names that begin with a dot are not served", shown()));
                continue;
            }
            match facts.kind {
                EntryKind::Folder => self.folder(&inside, &target, depth + 1)?,
                EntryKind::File => self.file(&inside, &target)?,
                // Opening one that leads out of the workspace fails, and so does one to a folder.
                EntryKind::Link => match self.workspace.metadata(&inside) {
                    Ok(entry) if entry.kind == EntryKind::File => self.file(&inside, &target)?,
                    Ok(_) => self.left_out.add(format!("{}: a link to a folder", shown())),
                    Err(_) => self.left_out.add(format!("{}: a link that leads to nothing in the workspace", shown())),
                },
                EntryKind::Other => self.left_out.add(format!("{}: is no file", shown())),
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &ConfinedPath, target: &Path) -> Result<(), CopyError> {
        let mut file = self.workspace.open_read(source)?;
        let bytes = file.metadata().map_or(0, |facts| facts.len());
        if bytes > self.most_file {
            let most = truncate::bytes(self.most_file);
            return Err(CopyError::TooMuch(format!(
                "{} has {}; a file of a site has at most {most}, so that snapshots can bring it back",
                source.shown(),
                truncate::bytes(bytes)
            )));
        }
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(CopyError::TooMuch(format!("the folder holds more than {MOST_FILES} files")));
        }
        // It may grow while it is read.
        let mut limited = std::io::Read::take(&mut file, self.most_file);
        let place = self.site.join(target);
        let written = write_site_file(self.site, target, &mut limited);
        self.bytes += written.map_err(|source| CopyError::Io { place, source })?;
        if self.bytes > self.most_bytes {
            let most = truncate::bytes(self.most_bytes);
            return Err(CopyError::TooMuch(format!(
                "the folder holds more than {most}, which is what a site may have"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_is_served_is_copied_and_nothing_from_outside() {
        let place = tempfile::tempdir().expect("folder");
        let (work, site) = (place.path().join("work"), place.path().join("site"));
        std::fs::create_dir_all(work.join("page/css")).expect("folders");
        std::fs::create_dir_all(work.join("page/.git")).expect("folders");
        std::fs::create_dir(&site).expect("folder");
        std::fs::write(place.path().join("secret"), "secret").expect("file");
        for name in ["page/index.html", "page/css/a.css", "page/.git/config", "page/.env", "shared.js"] {
            std::fs::write(work.join(name), name).expect("file");
        }
        symlink("../shared.js", work.join("page/shared.js")).expect("link");
        symlink("../../secret", work.join("page/out")).expect("link");
        symlink("css", work.join("page/styles")).expect("link");
        let workspace = Workspace::open(&work, "/mnt/okcvm-0123456789abcdef", None).expect("workspace");
        let folder = workspace.resolve("page").expect("path");
        let left = copy(&workspace, &folder, &site, (1 << 20, 1 << 20), &|| false).expect("copied").lines();
        let contents = super::super::Contents::read(&site).expect("contents");
        assert_eq!(contents.names().collect::<Vec<_>>(), ["css/a.css", "index.html", "shared.js"]);
        assert_eq!(left.len(), 4, "{left:?}");
        let error = copy(&workspace, &folder, &place.path().join("b"), (3, 99), &|| false).expect_err("too large");
        assert!(error.to_string().contains("at most 3 B"), "{error}");
        let error = copy(&workspace, &folder, &place.path().join("c"), (3, 99), &|| true).expect_err("stopped");
        assert!(matches!(error, CopyError::Stopped));
    }
}
