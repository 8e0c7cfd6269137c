//! Speaks a text, and lists the voices that there are for it.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::target::Target;
use super::told::{Teller, failed, sound_words};
use crate::model::{ModelError, SoundFormat, Speaker, Voice, Voices};
use crate::protocol::ArtifactKind;
use crate::support::{sanitize, truncate};
use crate::tools::args;
use crate::tools::online::Online;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// Characters of a text: about an hour of speech.
const MOST_TEXT: usize = 50_000;
/// Voices that are told.
const MOST_VOICES: usize = 200;
/// Characters of what is said of one voice.
const MOST_ABOUT: usize = 200;

/// Lists voices.
#[derive(Debug)]
pub(in crate::tools::builtin) struct GetAvailableVoices;

/// Speaks.
#[derive(Debug)]
pub(in crate::tools::builtin) struct GenerateSpeech;

impl Tool for GetAvailableVoices {
    fn why_not(&self, online: &Online) -> Option<String> {
        online.speech().err().map(ToOwned::to_owned)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, _: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let speaker = speaker(&cx.machine.online)?;
            let mut teller = Teller::new(cx.capture);
            let voices = {
                let mut tell = |progress| teller.tell(&progress);
                cx.cancel.run_until_cancelled(speaker.voices(&mut tell)).await.ok_or(ToolError::Cancelled)?
            };
            teller.done();
            let voices = voices.map_err(|error| failed(&error, speaker.hint(&error)))?;
            Ok(ToolOutput::text(told(&voices)))
        })
    }
}

impl Tool for GenerateSpeech {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn why_not(&self, online: &Online) -> Option<String> {
        online.speech().err().map(ToOwned::to_owned)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, capture, .. } = cx;
            let speaker = speaker(&machine.online)?;
            let (text, voice) = (args::text(&args, "text").trim(), args::text(&args, "voice_id").trim());
            let chars = text.chars().count();
            if chars == 0 || chars > MOST_TEXT {
                let why = format!("text has {chars} characters; one call speaks from 1 to {MOST_TEXT}");
                return Err(ToolError::ForModel(why));
            }
            let target = Target::of(machine, "output_path", args::text(&args, "output_path"), &["mp3", "wav"]).await?;
            if !speaker.can_have(voice) {
                let shown = sanitize::line(truncate::prefix(voice, 100));
                let near = near(speaker, voice, &cancel).await?;
                return Err(ToolError::ForModel(format!("{shown:?} is no id that a voice can have. {near}")));
            }
            let format = SoundFormat::of_ending(&target.ending).unwrap_or(SoundFormat::Mp3);
            if let Some(why) = Speaker::too_long(text, format) {
                return Err(ToolError::ForModel(why));
            }
            let mut teller = Teller::new(capture);
            let spoken = {
                let mut tell = |progress| teller.tell(&progress);
                let spoken = speaker.speak(text, voice, format, &mut tell);
                cancel.run_until_cancelled(spoken).await.ok_or(ToolError::Cancelled)?
            };
            teller.done();
            let spoken = match spoken {
                Ok(spoken) => spoken,
                Err(error) => return Err(not_spoken(speaker, &error, voice, &teller, &cancel).await?),
            };
            let words = sound_words(format, &spoken.sound);
            let written = target.write(machine, spoken.sound.bytes).await?;
            let mut text = format!("saved {}: {words}", written.words());
            if spoken.parts > 1 {
                // Writing to a String cannot fail.
                let _ = write!(text, ", spoken in {} parts and joined", spoken.parts);
            }
            if spoken.kept > 0 {
                let _ = write!(text, "; {} of them were kept from the call before", spoken.kept);
            }
            let mut output = ToolOutput::text(text);
            output.footer = spoken.cost.map(|cost| format!("[used: {cost} characters]")).unwrap_or_default();
            output.artifacts.push(written.artifact(machine, ArtifactKind::Audio));
            Ok(output)
        })
    }
}

fn speaker(online: &Online) -> Result<&Speaker, ToolError> {
    online.speech().map_err(|why| ToolError::ForModel(why.to_owned()))
}

/// What is told of a speech that did not come about.
async fn not_spoken(
    speaker: &Speaker,
    error: &ModelError,
    voice: &str,
    teller: &Teller<'_>,
    cancel: &CancellationToken,
) -> Result<ToolError, ToolError> {
    let mut hints = Vec::new();
    if speaker.may_mean_voice(error) {
        hints.push(near(speaker, voice, cancel).await?);
    } else {
        hints.extend(speaker.hint(error));
    }
    hints.extend(teller.made_before());
    Ok(failed(error, (!hints.is_empty()).then(|| hints.join(" "))))
}

/// Voices that are called like one that there is not, as a sentence.
async fn near(speaker: &Speaker, voice: &str, cancel: &CancellationToken) -> Result<String, ToolError> {
    let voices = cancel.run_until_cancelled(speaker.voices_at_hand()).await.ok_or(ToolError::Cancelled)?;
    let list = "mshtools-get_available_voices lists the voices.";
    let near = voices.near(voice);
    if near.is_empty() {
        return Ok(list.to_owned());
    }
    let names: Vec<String> = near.into_iter().map(called).collect();
    Ok(format!("Near to it are: {}. {list}", names.join(", ")))
}

/// Id and name of a voice.
fn called(voice: &Voice) -> String {
    let id = sanitize::line(&voice.id);
    if voice.name.is_empty() {
        return id;
    }
    let name = sanitize::line(&voice.name);
    format!("{id} ({})", truncate::prefix(&name, MOST_ABOUT))
}

/// One voice a line.
fn told(voices: &Voices) -> String {
    let count = voices.list.len();
    if count == 0 && !voices.listed {
        return "The endpoint lists no voices, and its model is none of those whose voices are known: the documentation of the \
                endpoint names them, or the user does."
            .to_owned();
    }
    let mut text = if voices.listed {
        format!("{count} voices, each with id, language and description where the endpoint tells them:\n")
    } else {
        format!(
            "The endpoint lists no voices. OpenAI documents these {count} for its models; each speaks the language of its \
             text, best English. Another server may have others:\n"
        )
    };
    for voice in voices.list.iter().take(MOST_VOICES) {
        let about = [&voice.language, &voice.description].map(|about| sanitize::line(about));
        let about: Vec<&str> = about.iter().map(|about| truncate::prefix(about, MOST_ABOUT)).collect();
        let about: Vec<&str> = about.into_iter().filter(|about| !about.is_empty()).collect();
        let between = if about.is_empty() { "" } else { ": " };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{between}{}", called(voice), about.join("; "));
    }
    if voices.more || count > MOST_VOICES {
        text.push_str("There are more, which are not shown; each id of theirs works as well.\n");
    }
    text.trim_end().to_owned()
}
