//! Makes a path of the model a path of the workspace, by spelling alone.
//!
//! This file is the only maker of a [`ConfinedPath`]; whoever holds one knows that its components lead downwards. What
//! links do on the disk is the business of `walk`. `..` is taken lexically (`a/../b` is `b` even where `a` is
//! a link): the outcome stays inside either way, and a path has one spelling by which it is remembered as read.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::WorkspaceError;

/// The legacy mount: tools accept it as an alias of the session's own.
pub const ALIAS: &str = "/mnt/okcomputer";

/// A path under the mount, without `..`, `.` or empty components. The root itself has no components.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfinedPath {
    relative: PathBuf,
    shown: String,
}

impl ConfinedPath {
    /// Relative to the workspace; empty for the workspace itself.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// As tools see it, such as `/mnt/okcvm-0123456789abcdef/notes.md`. Bytes that are not UTF-8 are replaced.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The last component; `None` for the workspace itself.
    pub fn file_name(&self) -> Option<&OsStr> {
        self.relative.file_name()
    }

    /// The folder that holds it; `None` for the workspace itself.
    pub fn parent(&self, mount: &str) -> Option<Self> {
        self.relative.parent().map(|parent| Self::from_components(mount, parent.iter()))
    }

    /// A name inside this folder. The name must be one component.
    pub fn join(&self, name: &OsStr) -> Option<Self> {
        if name.is_empty() || name == "." || name == ".." || name.as_bytes().contains(&b'/') {
            return None;
        }
        let shown = format!("{}/{}", self.shown, name.to_string_lossy());
        Some(Self { relative: self.relative.join(name), shown })
    }

    /// The path of components that are already known to lead downwards.
    pub(super) fn from_components<'a>(mount: &str, components: impl Iterator<Item = &'a OsStr>) -> Self {
        let relative: PathBuf = components.collect();
        let shown = if relative.as_os_str().is_empty() {
            mount.to_owned()
        } else {
            format!("{mount}/{}", relative.to_string_lossy())
        };
        Self { relative, shown }
    }
}

/// Confines a path as the model wrote it: relative, or under one of the roots. It is shown under the mount.
pub(super) fn confine(mount: &str, roots: &[&str], path: &str) -> Result<ConfinedPath, WorkspaceError> {
    let outside = || WorkspaceError::Outside { path: path.to_owned(), mount: mount.to_owned() };
    if path.is_empty() || path.contains('\0') || path.starts_with('~') || has_scheme(path) {
        return Err(outside());
    }
    let relative =
        if path.starts_with('/') { strip_mount(roots, path.as_bytes()).ok_or_else(outside)? } else { path.as_bytes() };
    let mut kept: Vec<&[u8]> = Vec::new();
    if !push_components(&mut kept, relative) {
        return Err(outside());
    }
    Ok(ConfinedPath::from_components(mount, kept.into_iter().map(OsStr::from_bytes)))
}

/// What follows one of the roots in an absolute path: `None` for any other. Whole components are compared, so that
/// `/mnt/okcvm-1x` is not under `/mnt/okcvm-1`.
pub(super) fn strip_mount<'a>(roots: &[&str], path: &'a [u8]) -> Option<&'a [u8]> {
    roots.iter().find_map(|root| {
        let mut rest = path;
        for wanted in root.split('/').filter(|part| !part.is_empty()) {
            // Doubled slashes and `.` mean nothing; `..` is no component of any mount and fails the comparison.
            let (part, after) = next_component(rest)?;
            if part != wanted.as_bytes() {
                return None;
            }
            rest = after;
        }
        Some(rest)
    })
}

/// The next component that is not empty or `.`, and what follows it.
fn next_component(mut path: &[u8]) -> Option<(&[u8], &[u8])> {
    loop {
        while let [b'/', rest @ ..] = path {
            path = rest;
        }
        if path.is_empty() {
            return None;
        }
        let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (part, rest) = path.split_at(end);
        if part != b"." {
            return Some((part, rest));
        }
        path = rest;
    }
}

/// Appends the components of a relative path, taking back one for each `..`. False when that leads above the start.
pub(super) fn push_components<'a>(kept: &mut Vec<&'a [u8]>, relative: &'a [u8]) -> bool {
    let mut rest = relative;
    while let Some((part, after)) = next_component(rest) {
        if part == b".." {
            if kept.pop().is_none() {
                return false;
            }
        } else {
            kept.push(part);
        }
        rest = after;
    }
    true
}

/// Owned components of a path, for a walk that inserts others in between.
pub(super) fn components(path: &[u8]) -> Vec<OsString> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((part, after)) = next_component(rest) {
        out.push(OsString::from_vec(part.to_vec()));
        rest = after;
    }
    out
}

/// Whether a path is spelled as an address, such as `file:///etc/passwd`.
fn has_scheme(path: &str) -> bool {
    let lower = path.get(..5).map(str::to_ascii_lowercase);
    lower.as_deref() == Some("file:")
        || path.split('/').next().is_some_and(|first| first.ends_with(':') && path.contains("://"))
}
