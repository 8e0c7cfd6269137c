//! What a file of the session holds, for the screen: text, a document as Markdown, a recording, or a few words.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use tokio_util::sync::CancellationToken;

use super::builtin::content::{Content, START};
use super::decode::Task;
use super::sound::{self, Sound};
use crate::document::{Converted, Kind};
use crate::sandbox::{Decoder, DecoderError, Encoded};
use crate::support::encoding::Form;
use crate::support::truncate;

/// Bytes of text that are shown.
const MOST_TEXT: usize = 256 << 10;
/// Bytes of a document or a recording that is read.
const MOST_DECODED: u64 = 64 << 20;

/// What a file holds.
#[derive(Debug)]
pub enum Inside {
    /// Text, and whether there is more of it.
    Text(String, bool),
    /// A document.
    Document(Kind, Converted),
    /// A recording.
    Sound(Sound),
    /// A picture that can be shown.
    Picture,
    /// Nothing.
    Empty,
    /// Something else, in words.
    Other(String),
}

/// Looks into an open file. What is decoded is decoded in a process of its own. The error is a part of a sentence.
pub async fn inside(
    decoder: &Decoder,
    mut file: File,
    name: &str,
    cancel: &CancellationToken,
) -> Result<Inside, String> {
    let words = |error: io::Error| format!("it cannot be read: {error}");
    let bytes = file.metadata().map_err(words)?.len();
    let (mut file, start) = tokio::task::spawn_blocking(move || {
        let mut start = Vec::new();
        (&mut file).take(START as u64).read_to_end(&mut start)?;
        file.rewind()?;
        Ok((file, start))
    })
    .await
    .map_err(|error| error.to_string())?
    .map_err(words)?;
    let too_large = || format!("{} are too many to be shown", truncate::bytes(bytes));
    if sound::is_sound(&start) {
        if bytes > MOST_DECODED {
            return Err(too_large());
        }
        let answer = ask(decoder, &Task::Sound, file, cancel).await?;
        let sound = serde_json::from_slice(&answer).map_err(|_| "its reader gave no answer".to_owned())?;
        return Ok(Inside::Sound(sound));
    }
    match Content::of(&start, start.len() < START, name) {
        Content::Empty => Ok(Inside::Empty),
        Content::Picture => Ok(Inside::Picture),
        Content::Binary(what) => Ok(Inside::Other(what)),
        Content::Text(form) => Ok(text(&start, form)),
        Content::Document(_, _) if bytes > MOST_DECODED => Err(too_large()),
        Content::Document(kind, form) => {
            let encoding = form.filter(|form| !form.is_utf8()).map(|form| form.label().to_owned());
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
            let task = Task::Document { kind, extension, encoding };
            file.rewind().map_err(words)?;
            match ask(decoder, &task, file, cancel).await {
                Ok(answer) => {
                    let mut converted: Converted =
                        serde_json::from_slice(&answer).map_err(|_| "its reader gave no answer".to_owned())?;
                    let shown = truncate::prefix(&converted.markdown, MOST_TEXT).len();
                    if shown < converted.markdown.len() {
                        converted.markdown.truncate(shown);
                        converted.notes.push("only its beginning is shown here".to_owned());
                    }
                    Ok(Inside::Document(kind, converted))
                }
                // It is text all the same.
                Err(_) if form.is_some() && !cancel.is_cancelled() => Ok(text(&start, form.unwrap_or(Form::UTF_8))),
                Err(why) => Err(why),
            }
        }
    }
}

fn text(start: &[u8], form: Form) -> Inside {
    let part = &start[..start.len().min(MOST_TEXT)];
    Inside::Text(form.decode(part), start.len() > part.len())
}

async fn ask(decoder: &Decoder, task: &Task, file: File, cancel: &CancellationToken) -> Result<Vec<u8>, String> {
    // Plain data always serializes.
    let task = serde_json::to_string(task).unwrap_or_default();
    decoder.run(&task, Encoded::File(file), cancel).await.map_err(|error: DecoderError| error.to_string())
}
