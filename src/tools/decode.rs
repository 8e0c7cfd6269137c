//! What the process that decodes can do, and how its end is told: one task in, one answer out.
//!
//! Both sides stand here, so that they cannot differ: they are the same program.

use std::io::Read;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::builtin::picture;
use super::dispatch::Machine;
use super::sound;
use super::tool::ToolError;
use crate::browser::{self, PageTask};
use crate::document::{self, Kind, Limits};
use crate::sandbox::{DecoderError, Encoded};
use crate::support::{sanitize, truncate};

/// Characters of an error that are told.
const MAX_ERROR: usize = 400;

/// A task of the process that decodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// A picture as a model can take it.
    Picture,
    /// A picture as a square PNG.
    Square {
        /// Its edge.
        edge: u32,
    },
    /// The pixels of a picture, for the screen.
    Pixels {
        /// Columns of them at most.
        width: u32,
        /// Rows of them at most.
        height: u32,
        /// How many times it may grow.
        grow: u32,
    },
    /// Length and loudness of a recording.
    Sound,
    /// A document as Markdown.
    Document {
        /// What it is.
        kind: Kind,
        /// How its name ends; the name itself is nobody's business.
        extension: String,
        /// What its text is written in, where others than the document know it.
        encoding: Option<String>,
    },
    /// A page of the web as its nodes.
    Page(PageTask),
}

/// Does a task in the process that was started for it.
pub fn decode(task: &str, input: &mut dyn Read) -> Result<Vec<u8>, String> {
    let task: Task = serde_json::from_str(task).map_err(|error| format!("unknown task: {error}"))?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match task {
        Task::Page(task) => browser::parse_page(&task, &bytes),
        Task::Sound => sound::heard(&bytes),
        Task::Picture => picture::shrunk(&bytes),
        Task::Square { edge } => picture::squared(&bytes, edge),
        Task::Pixels { width, height, grow } => picture::unpacked(&bytes, (width, height), grow),
        Task::Document { kind, extension, encoding } => {
            if let Some(encoding) = encoding.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())) {
                bytes = encoding.decode_with_bom_removal(&bytes).0.into_owned().into_bytes();
            }
            let name = format!("document.{extension}");
            let converted = document::convert(kind, &bytes, &name, &Limits::default());
            let converted = converted.map_err(|error| error.to_string())?;
            serde_json::to_vec(&converted).map_err(|error| error.to_string())
        }
    }
}

/// Has a task done in a process of its own. `verb` is what could not be done when it fails, `way_out` a sentence on what
/// else there is.
pub(super) async fn run(
    machine: &Machine,
    task: &Task,
    input: Encoded,
    cancel: &CancellationToken,
    (shown, verb, way_out): (&str, &str, &str),
) -> Result<Vec<u8>, ToolError> {
    // Plain data always serializes.
    let task = serde_json::to_string(task).unwrap_or_default();
    machine.decoder().run(&task, input, cancel).await.map_err(|error| match error {
        DecoderError::Cancelled => ToolError::Cancelled,
        DecoderError::TimedOut(limit) => {
            ToolError::ForModel(format!("{shown} could not be {verb} within {} s. {way_out}", limit.as_secs()))
        }
        error => {
            // It may be words of a process that is in the hands of the document.
            let error = sanitize::line(truncate::prefix(&error.to_string(), MAX_ERROR));
            ToolError::ForModel(format!("{shown} could not be {verb}: {error}. {way_out}"))
        }
    })
}
