//! Pictures for vision models: decoded in a process of their own, turned upright, made small enough.
//!
//! ```text
//! bytes ─ okcvm __convert ─ [`shrink`] ─┬─ small and sound: as they are ─ ImageData
//!                                       └─ others: smaller bytes ──────── ImageData
//! ```

mod frames;
mod pixels;
mod shrink;
mod square;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::protocol::ImageData;
use crate::sandbox::Encoded;
use crate::support::{sanitize, truncate};
use crate::tools::decode::{self, Task};
use crate::tools::dispatch::Machine;
use crate::tools::tool::ToolError;

pub(in crate::tools) use pixels::unpacked;
pub use pixels::{Pixels, pixels};
pub(in crate::tools) use shrink::shrunk;
pub(in crate::tools) use square::{square, squared};

/// The longest edge that models are given; larger ones are made smaller by most endpoints anyway.
const MAX_EDGE: u32 = 1_568;
/// Bytes that models are given.
const MAX_BYTES: usize = 1_500_000;
/// What models are given.
const MEDIA_TYPES: [&str; 2] = ["image/png", "image/jpeg"];
/// A file of fewer bytes is read into memory at once.
const SMALL: usize = 1_000_000;

/// A picture as a model can take it.
#[derive(Debug)]
pub(in crate::tools) struct Picture {
    /// The picture itself.
    pub(in crate::tools) image: ImageData,
    /// What it is, in a few words: `GIF picture, 4000 x 3000, 3.2 MiB, first of 12 frames, shown at 1568 x 1176`.
    pub(in crate::tools) facts: String,
}

/// What the other process tells before the bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// The format that it had.
    format: String,
    /// Frames of an animation or pages of a scan, of which only the first is shown.
    frames: usize,
    /// As it lies in the file, turned upright.
    size: (u32, u32),
    /// As it is given to the model.
    shown: (u32, u32),
    media_type: String,
    /// Whether the bytes that follow are none, because the picture can go as it is.
    unchanged: bool,
}

/// Makes of the bytes of a picture (PNG, JPEG, GIF, WebP, BMP, TIFF) what a model can take. All of them are
/// decoded first: an endpoint refuses a damaged one, and with it every later request of the conversation. `path` is
/// where it lies under the mount, if it does.
pub(in crate::tools) async fn for_model(
    machine: &Machine,
    bytes: Vec<u8>,
    path: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Picture, ToolError> {
    let size = bytes.len() as u64;
    let (told, smaller) = decoded(machine, Encoded::Bytes(bytes.clone()), path, cancel).await?;
    Ok(picture(&told, size, if told.unchanged { &bytes } else { &smaller }, path))
}

/// The same for an open file. Little of it is in memory at any time.
pub(super) async fn of_file(
    machine: &Machine,
    mut file: File,
    path: &str,
    cancel: &CancellationToken,
) -> Result<Picture, ToolError> {
    let fail = |error: io::Error| ToolError::ForModel(format!("cannot read {path}: {error}"));
    let size = file.metadata().map_err(fail)?.len();
    let whole = |mut file: File| async move {
        let read = move || {
            let mut bytes = Vec::new();
            file.rewind().and_then(|()| file.take(MAX_BYTES as u64).read_to_end(&mut bytes)).map(|_| bytes)
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    };
    if size < SMALL as u64 {
        return for_model(machine, whole(file).await.map_err(fail)?, Some(path), cancel).await;
    }
    file.rewind().map_err(fail)?;
    let input = Encoded::File(file.try_clone().map_err(fail)?);
    let (told, smaller) = decoded(machine, input, Some(path), cancel).await?;
    let bytes = if told.unchanged { whole(file).await.map_err(fail)? } else { smaller };
    Ok(picture(&told, size, &bytes, Some(path)))
}

async fn decoded(
    machine: &Machine,
    input: Encoded,
    path: Option<&str>,
    cancel: &CancellationToken,
) -> Result<(Told, Vec<u8>), ToolError> {
    let shown = path.unwrap_or("the picture");
    let words = (shown, "shown", "Make it smaller or convert it first, for example with Pillow in Python.");
    let answer = decode::run(machine, &Task::Picture, input, cancel, words).await?;
    let broken = || ToolError::ForModel(format!("{shown} could not be shown: its reader gave no answer"));
    // The process that answers may be in the hands of the picture.
    let told = shrink::opened(answer).filter(|(told, _)| MEDIA_TYPES.contains(&told.media_type.as_str()));
    told.ok_or_else(broken)
}

fn picture(told: &Told, size: u64, bytes: &[u8], path: Option<&str>) -> Picture {
    let ((width, height), shown) = (told.size, told.shown);
    let format = sanitize::line(truncate::prefix(&told.format, 10));
    let mut facts = format!("{format} picture, {width} x {height}, {}", truncate::bytes(size));
    if told.frames > 1 {
        let what = if format == "TIFF" { "pages" } else { "frames" };
        // Writing to a String cannot fail.
        let _ = write!(facts, ", first of {} {what}", told.frames);
    }
    if shown != told.size {
        let _ = write!(facts, ", shown at {} x {}", shown.0, shown.1);
    }
    let image = ImageData {
        media_type: told.media_type.clone(),
        base64: base64::engine::general_purpose::STANDARD.encode(bytes),
        path: path.map(ToOwned::to_owned),
    };
    Picture { image, facts }
}
