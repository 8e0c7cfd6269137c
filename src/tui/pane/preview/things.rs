//! The things that were made, one row each: what tools told, the latest version of each, and what else lies there.

use crate::protocol::{Artifact, ArtifactKind};
use crate::support::sanitize;
use crate::tui::preview::{FileState, Sheet, Subject};

/// A thing that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    /// What sort of thing it is.
    pub(super) kind: ArtifactKind,
    /// Its path or address as it was told; what it is known by.
    pub(super) key: String,
    /// Its path under the mount, raw.
    pub(super) path: Option<String>,
    /// Its address, raw.
    pub(super) url: Option<String>,
    /// Its name, clean.
    pub(super) name: String,
    /// Its title, clean.
    pub(super) title: Option<String>,
    /// Pictures of its pages.
    pub(super) pages: Vec<Sheet>,
    /// How often it was made.
    pub(super) versions: usize,
    /// How it stands; none while that is not known.
    pub(super) state: Option<FileState>,
}

impl Thing {
    fn of(artifact: &Artifact, mount: &str) -> Option<Self> {
        let key = artifact.url.clone().or_else(|| artifact.path.clone())?;
        let word = if artifact.kind == ArtifactKind::Slides { "slide" } else { "page" };
        let sheet = |(number, picture): (usize, &String)| Sheet {
            label: format!("{word} {} of {}", number + 1, artifact.pages.len()),
            picture: picture.clone(),
        };
        let kind = match artifact.kind {
            ArtifactKind::File => artifact.path.as_deref().map_or(ArtifactKind::File, kind_of),
            kind => kind,
        };
        Some(Self {
            kind,
            name: shown(&key, mount),
            path: artifact.path.clone(),
            url: artifact.url.clone(),
            title: artifact.title.as_deref().map(sanitize::line).filter(|title| !title.trim().is_empty()),
            pages: artifact.pages.iter().enumerate().map(sheet).collect(),
            versions: 1,
            state: None,
            key,
        })
    }

    /// What is asked for to see what it holds.
    pub(super) fn subject(&self) -> Subject {
        Subject { path: self.path.clone(), url: self.url.clone(), version: self.versions }
    }

    /// The word that people read.
    pub(super) fn word(&self) -> &'static str {
        match self.kind {
            ArtifactKind::Url => "page",
            kind => kind.word(),
        }
    }

    /// Whether nothing of it can be seen because it is not there.
    pub(super) fn is_gone(&self) -> bool {
        // What a page shows is a copy of its folder.
        self.kind != ArtifactKind::Url && matches!(self.state, Some(FileState::Gone))
    }
}

/// A path without the mount, or an address, clean.
fn shown(key: &str, mount: &str) -> String {
    let inside = key.strip_prefix(mount.trim_end_matches('/')).filter(|_| !mount.is_empty());
    sanitize::line(inside.map_or(key, |inside| inside.trim_start_matches('/')))
}

/// What a file is by the end of its name.
fn kind_of(path: &str) -> ArtifactKind {
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, end)| end);
    match extension.to_ascii_lowercase().as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "tif" | "tiff" => ArtifactKind::Image,
        "wav" | "mp3" | "ogg" | "opus" | "flac" | "m4a" => ArtifactKind::Audio,
        "pptx" => ArtifactKind::Slides,
        _ => ArtifactKind::File,
    }
}

/// The rows: the latest first, one for each path or address; behind them what nobody told of.
pub(super) fn rows(
    made: &[Artifact],
    listing: &[(String, FileState)],
    others: &[(String, FileState)],
    mount: &str,
) -> Vec<Thing> {
    let mut rows: Vec<Thing> = Vec::new();
    for artifact in made.iter().rev() {
        let Some(thing) = Thing::of(artifact, mount) else { continue };
        match rows.iter_mut().find(|row| row.key == thing.key) {
            Some(row) => row.versions += 1,
            None => rows.push(thing),
        }
    }
    for row in &mut rows {
        let known = listing.iter().find(|(path, _)| Some(path) == row.path.as_ref());
        row.state = known.map(|(_, state)| state.clone());
    }
    let deployed: Vec<String> = rows
        .iter()
        .filter(|row| row.kind == ArtifactKind::Url)
        .filter_map(|row| Some(format!("{}/", row.path.as_ref()?.trim_end_matches('/'))))
        .collect();
    for (path, state) in others {
        let known = rows.iter().any(|row| row.path.as_ref() == Some(path));
        // Parts of a page are no things of their own.
        if !known && !deployed.iter().any(|folder| path.starts_with(folder)) {
            let thing = Thing::of(&Artifact::at(ArtifactKind::File, path.as_str()), mount);
            rows.extend(thing.map(|thing| Thing { state: Some(state.clone()), ..thing }));
        }
    }
    rows
}
