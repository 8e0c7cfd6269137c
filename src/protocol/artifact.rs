//! Things that a tool made for the user: a file, a picture, a page, slides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What sort of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// A picture of the workspace.
    Image,
    /// An address that a browser opens.
    Url,
    /// A file of slides.
    Slides,
    /// A recording, speech or music.
    Audio,
    /// A file of the workspace; also what a later version calls by a word that this one does not know.
    #[serde(other)]
    File,
}

impl ArtifactKind {
    /// The word that scripts and people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Image => "image",
            Self::Url => "url",
            Self::Slides => "slides",
            Self::Audio => "audio",
        }
    }
}

/// A thing that a tool made for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What sort of thing it is.
    pub kind: ArtifactKind,
    /// What it is called, where that is more than its file name: the title of a page or of slides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the tools see it: a path under the mount. For a deployed page, the folder that was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its address, for pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where it lies on the host; never written to the log, which may be read elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<PathBuf>,
    /// Pictures of its pages, one a slide: names as [`KEPT_PICTURE`](super::KEPT_PICTURE) has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<String>,
}

impl Artifact {
    /// Something at a path under the mount.
    pub fn at(kind: ArtifactKind, path: impl Into<String>) -> Self {
        Self { kind, title: None, path: Some(path.into()), url: None, host_path: None, pages: Vec::new() }
    }

    /// A page at an address.
    pub fn page(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), path: None, ..Self::at(ArtifactKind::Url, "") }
    }

    /// The same, lying there on the host.
    #[must_use]
    pub fn on_host(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { host_path: path.into(), ..self }
    }

    /// The same, made of that folder or file under the mount.
    #[must_use]
    pub fn made_of(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// The same as the log keeps it: without the place on this host.
    #[must_use]
    pub fn for_log(&self) -> Self {
        Self { host_path: None, ..self.clone() }
    }

    /// The same with a title.
    #[must_use]
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// The same with pictures of its pages, by their names.
    #[must_use]
    pub fn with_pages(self, pages: Vec<String>) -> Self {
        Self { pages, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_its_word() {
        for kind in
            [ArtifactKind::File, ArtifactKind::Image, ArtifactKind::Url, ArtifactKind::Slides, ArtifactKind::Audio]
        {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.word());
        }
    }

    #[test]
    fn artifacts_of_earlier_and_later_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<Artifact>(text).expect("artifact");
        assert_eq!(read(r#"{"kind":"image","path":"/m/a.png"}"#), Artifact::at(ArtifactKind::Image, "/m/a.png"));
        assert_eq!(read(r#"{"kind":"hologram","path":"/m/a"}"#), Artifact::at(ArtifactKind::File, "/m/a"));
    }
}
