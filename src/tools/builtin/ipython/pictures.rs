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

/// Pictures of one cell that are kept: the first ones, and the last.
const MOST: usize = 50;
/// Pictures that a model is given of one cell: the first ones, and the last.
const MOST_GIVEN: usize = 8;
/// Bytes of a picture that are read again to be given to a model: what a message may hold.
const MOST_BYTES: u64 = 24 << 20;
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
}

impl Picture {
    /// Whether models can look at it.
    fn has_pixels(&self) -> bool {
        self.ending != "svg"
    }
}

/// The pictures of a cell.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    shown: Vec<Picture>,
    /// Cleared away; the next pictures take their places.
    free: Vec<Picture>,
    /// It was told that not all are kept.
    told: bool,
}

impl Pictures {
    /// Keeps the picture of what is shown, and tells of it in words; `None` when there is none in it. The file is there
    /// when this returns.
    pub(super) async fn take(&mut self, machine: &Machine, shown: &Shown) -> Option<String> {
        let (kind, ending) = KINDS.iter().copied().find(|(kind, _)| shown.data.contains_key(*kind))?;
        let data = shown.data.get(kind)?;
        let Some(bytes) = bytes_of(kind, data) else {
            return Some(format!("[what was shown as {kind} is no picture]"));
        };
        let named = shown.id.as_ref().filter(|_| shown.replaces);
        let place = named.and_then(|id| self.shown.iter().position(|known| known.id.as_ref() == Some(id)));
        let full = place.is_none() && self.shown.len() + self.free.len() >= MOST;
        let free = self.free.iter().rposition(|free| free.ending == ending);
        let replaced = match (place, free) {
            (Some(place), _) => Some(self.shown.remove(place)),
            (None, Some(free)) => Some(self.free.remove(free)),
            // The last one is what people look for.
            (None, None) if full => self.shown.pop().or_else(|| self.free.pop()),
            (None, None) => None,
        };
        let stem =
            if shown.data.get("text/plain").is_some_and(|text| text.starts_with("<Figure")) { "plot" } else { "image" };
        let workspace = machine.workspace.clone();
        let written = blocking(move || {
            let (over, instead) = match replaced {
                Some(replaced) if replaced.ending == ending => (Some(replaced.path), None),
                other => (None, other),
            };
            let path = write(&workspace, over, stem, ending, &bytes)?;
            if let Some(other) = instead {
                // It may be gone already.
                let _ = workspace.remove_file(&other.path);
            }
            Ok(path)
        });
        let path = match written.await {
            Ok(path) => path,
            Err(ToolError::ForModel(why) | ToolError::Fatal(why)) => {
                return Some(format!("[a picture was lost: {why}]"));
            }
            Err(ToolError::Cancelled) => return Some(String::new()),
        };
        let words = format!("[picture: {}]", path.relative().display());
        let picture = Picture { path, ending, id: shown.id.clone() };
        if let Some(place) = place {
            // What replaces something is told where that was.
            self.shown.insert(place.min(self.shown.len()), picture);
            return Some(String::new());
        }
        self.shown.push(picture);
        Some(match full && free.is_none() {
            false => words,
            true if std::mem::replace(&mut self.told, true) => String::new(),
            true => {
                format!("[of more than {MOST} pictures of a cell only the first {} and the last are kept]", MOST - 1)
            }
        })
    }

    /// What was shown so far is gone.
    pub(super) fn clear(&mut self) {
        self.free.append(&mut self.shown);
        self.free.reverse();
    }

    /// What a model and the user are given of it.
    pub(super) async fn finish(self, machine: &Machine, cancel: &CancellationToken) -> (Vec<ImageData>, Vec<Artifact>) {
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
        let artifact = |picture: &Picture| {
            Artifact::at(ArtifactKind::Image, picture.path.shown())
                .on_host(machine.workspace.host_path().join(picture.path.relative()))
        };
        let artifacts = self.shown.iter().map(artifact).collect();
        let mut given: Vec<Picture> = self.shown.into_iter().filter(Picture::has_pixels).collect();
        if given.len() > MOST_GIVEN {
            given.drain(MOST_GIVEN - 1..given.len() - 1);
        }
        let mut images = Vec::new();
        for picture in given {
            // One that no model can take, or that the cell has removed, is still told of.
            images.extend(image(machine, picture.path, cancel).await);
        }
        (images, artifacts)
    }
}

/// A picture as a model can take it.
async fn image(machine: &Machine, path: ConfinedPath, cancel: &CancellationToken) -> Option<ImageData> {
    let (workspace, read) = (machine.workspace.clone(), path.clone());
    let bytes = blocking(move || Ok(workspace.read(&read, MOST_BYTES)?)).await.ok()?;
    Some(picture::for_model(machine, bytes, Some(path.shown()), cancel).await.ok()?.image)
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
