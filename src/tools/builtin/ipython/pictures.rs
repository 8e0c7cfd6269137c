//! Pictures of a cell: files in `output/` that overwrite nothing, and what a vision model is given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;

use super::super::{content, picture};
use crate::kernel::Shown;
use crate::protocol::{Artifact, ArtifactKind, ImageData};
use crate::tools::dispatch::Machine;
use crate::tools::tool::{ToolError, blocking};
use crate::workspace::{ConfinedPath, Workspace, WorkspaceError};

/// Pictures of one cell that are kept.
const MOST: usize = 50;
/// Pictures that a model is given of one cell.
const MOST_GIVEN: usize = 8;
/// Numbers that are tried for a name.
const NAMES: u32 = 10_000;

/// Kinds of pictures in the order in which one is taken, and how their files end.
const KINDS: [(&str, &str); 5] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/svg+xml", "svg"),
];

/// A file that was made.
#[derive(Debug, Clone)]
struct Picture {
    path: ConfinedPath,
    ending: &'static str,
    /// The name under which it can be replaced.
    id: Option<String>,
    /// For the model.
    data: Option<ImageData>,
}

/// The pictures of a cell.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    shown: Vec<Picture>,
    /// Cleared away; the next pictures take their places.
    free: Vec<Picture>,
    left_out: usize,
}

impl Pictures {
    /// Keeps the picture of what is shown, and tells of it in words; `None` when there is none in it.
    pub(super) async fn take(
        &mut self,
        machine: &Machine,
        shown: &Shown,
        cancel: &CancellationToken,
    ) -> Option<String> {
        let (kind, ending) = KINDS.iter().copied().find(|(kind, _)| shown.data.contains_key(*kind))?;
        let data = shown.data.get(kind)?;
        let Some(bytes) = bytes_of(kind, data) else {
            return Some(format!("[what was shown as {kind} is no picture]"));
        };
        let named = shown.id.as_ref().filter(|_| shown.replaces);
        let place = named.and_then(|id| self.shown.iter().position(|known| known.id.as_ref() == Some(id)));
        let replaced = place.map(|place| self.shown.remove(place)).or_else(|| self.free.pop());
        let replaced = match replaced {
            Some(replaced) if replaced.ending == ending => Some(replaced.path),
            Some(other) => {
                self.free.insert(0, other);
                None
            }
            None => None,
        };
        if replaced.is_none() && self.shown.len() + self.free.len() >= MOST {
            self.left_out += 1;
            return Some(if self.left_out == 1 {
                format!("[only the first {MOST} pictures of a cell are kept]")
            } else {
                String::new()
            });
        }
        let figure = shown.data.get("text/plain").is_some_and(|text| text.starts_with("<Figure"));
        let stem = if figure { "plot" } else { "image" };
        let workspace = machine.workspace.clone();
        let written = blocking(move || {
            let path = write(&workspace, replaced, stem, ending, &bytes)?;
            Ok((path, bytes))
        });
        let (path, bytes) = match written.await {
            Ok(written) => written,
            Err(ToolError::ForModel(why) | ToolError::Fatal(why)) => {
                return Some(format!("[a picture was lost: {why}]"));
            }
            Err(ToolError::Cancelled) => return Some(String::new()),
        };
        let data = if kind != "image/svg+xml" && self.shown.len() < MOST_GIVEN {
            // One that no model can take is still a file.
            picture::for_model(machine, bytes, Some(path.shown()), cancel).await.ok().map(|picture| picture.image)
        } else {
            None
        };
        let words = format!("[picture: {}]", path.relative().display());
        let picture = Picture { path, ending, id: shown.id.clone(), data };
        if let Some(place) = place {
            // What replaces something is told where that was.
            self.shown.insert(place.min(self.shown.len()), picture);
            return Some(String::new());
        }
        self.shown.push(picture);
        Some(words)
    }

    /// What was shown so far is gone.
    pub(super) fn clear(&mut self) {
        self.free.append(&mut self.shown);
        self.free.reverse();
    }

    /// What a model and the user are given of it.
    pub(super) async fn finish(self, machine: &Machine) -> (Vec<ImageData>, Vec<Artifact>) {
        let (workspace, free) = (machine.workspace.clone(), self.free);
        let removed = blocking(move || {
            for picture in free {
                // It may be gone already.
                let _ = workspace.remove_file(&picture.path);
            }
            Ok(())
        });
        // Only a panic could be told here.
        let _ = removed.await;
        let artifact = |picture: &Picture| Artifact {
            kind: ArtifactKind::Image,
            path: Some(picture.path.shown().to_owned()),
            url: None,
            host_path: Some(machine.workspace.host_path().join(picture.path.relative())),
        };
        let artifacts = self.shown.iter().map(artifact).collect();
        let images = self.shown.into_iter().filter_map(|picture| picture.data).take(MOST_GIVEN).collect();
        (images, artifacts)
    }
}

/// The bytes of a picture; `None` when it is not what it says.
fn bytes_of(kind: &str, data: &str) -> Option<Vec<u8>> {
    if kind == "image/svg+xml" {
        return data.contains("<svg").then(|| data.as_bytes().to_vec());
    }
    let packed: String = data.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(packed).ok()?;
    (content::media_type(&bytes) == Some(kind)).then_some(bytes)
}

/// Writes a picture over one that this cell made, or under the first name that is free.
fn write(
    workspace: &Workspace,
    replaced: Option<ConfinedPath>,
    stem: &str,
    ending: &str,
    bytes: &[u8],
) -> Result<ConfinedPath, WorkspaceError> {
    if let Some(path) = replaced {
        workspace.write_atomic(&path, bytes)?;
        return Ok(path);
    }
    // A folder that leads elsewhere leaves no name at all.
    workspace.resolve(&format!("{}/output", workspace.mount()))?;
    for number in 1..NAMES {
        let path = workspace.resolve(&format!("{}/output/{stem}-{number}.{ending}", workspace.mount()));
        match path.and_then(|path| Ok(workspace.write_new(&path, bytes)?.then_some(path))) {
            Ok(Some(path)) => return Ok(path),
            // A link that leads elsewhere takes a name as a file does.
            Ok(None) | Err(WorkspaceError::Outside { .. } | WorkspaceError::NotAFile { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let path = format!("{}/output", workspace.mount());
    let source = std::io::Error::other("every name is taken");
    Err(WorkspaceError::Io { action: "save a picture in", path, source })
}
