//! Things that a tool made for the user: a file, a picture, a page.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What sort of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// A file of the workspace.
    File,
    /// A picture of the workspace.
    Image,
    /// An address that a browser opens.
    Url,
}

/// A thing that a tool made for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What sort of thing it is.
    pub kind: ArtifactKind,
    /// Where the tools see it, for files and pictures: a path under the mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its address, for pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where it lies on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<PathBuf>,
}
