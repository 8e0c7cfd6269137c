//! A project's files, copied into the workspace of a session that nobody knows yet.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, OFlags};

use crate::workspace::{Workspace, WorkspaceError};

use super::ProjectError;
use super::plan::{Plan, What};

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files that are there.
    pub files: u64,
    /// Of so many.
    pub of_files: u64,
    /// Bytes that are there.
    pub bytes: u64,
}

impl Plan {
    /// Copies everything to the top of the workspace. What went away or cannot be read is left out and told.
    pub fn copy(
        &mut self,
        workspace: &Workspace,
        progress: &mut dyn FnMut(Progress),
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), ProjectError> {
        let mut so_far = Progress { files: 0, of_files: self.files, bytes: 0 };
        for item in &self.items {
            if stopped() {
                return Err(ProjectError::Stopped);
            }
            // The mount's own folder for results makes way for a file of that name.
            if item.path == Path::new("output") && !matches!(item.what, What::Folder) {
                let _ = rustix::fs::unlinkat(workspace.dir(), "output", AtFlags::REMOVEDIR);
            }
            let mut target = workspace.resolve(".")?;
            for name in &item.path {
                target =
                    target.join(name).ok_or_else(|| WorkspaceError::NotAFolder { path: target.shown().to_owned() })?;
            }
            match &item.what {
                What::Folder => workspace.create_dirs(&target)?,
                What::Link(link) => {
                    workspace.make_link(&target, link)?;
                    so_far.files += 1;
                }
                What::File { bytes, mode } => {
                    let source = self.dir.join(&item.path);
                    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
                    let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(&source);
                    let file = match opened {
                        Ok(file) => file,
                        Err(error) => {
                            self.left_out.push(format!("{}: {error}", item.path.display()));
                            continue;
                        }
                    };
                    // A file that has grown since must not pass the limit.
                    let room = self.limit.saturating_sub(so_far.bytes).max(*bytes);
                    let mut from = file.take(room);
                    so_far.bytes += workspace.write_from(&target, &mut from, Some(mode | 0o600), false)?;
                    so_far.files += 1;
                }
            }
            progress(so_far);
        }
        // One sync for all.
        let _ = rustix::fs::syncfs(workspace.dir());
        Ok(())
    }
}
