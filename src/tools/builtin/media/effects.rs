//! Makes a sound effect from a description.

use futures::future::BoxFuture;
use serde_json::Value;

use super::target::Target;
use super::told::{Teller, failed, sound_words};
use crate::model::{EffectMaker, SoundFormat};
use crate::protocol::ArtifactKind;
use crate::tools::args;
use crate::tools::online::Online;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// Characters of a description: what the endpoint takes.
const MOST_DESCRIPTION: usize = 450;
/// Seconds that a sound may last.
const SECONDS: std::ops::RangeInclusive<f64> = 0.5..=22.0;

/// Makes a sound effect.
#[derive(Debug)]
pub(in crate::tools::builtin) struct GenerateSoundEffects;

impl Tool for GenerateSoundEffects {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn why_not(&self, online: &Online) -> Option<String> {
        online.effects().err().map(ToOwned::to_owned)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, capture, .. } = cx;
            let maker = machine.online.effects().map_err(|why| ToolError::ForModel(why.to_owned()))?;
            let description = args::text(&args, "description").trim();
            let chars = description.chars().count();
            if chars == 0 || chars > MOST_DESCRIPTION {
                let why = format!("description has {chars} characters; it must have from 1 to {MOST_DESCRIPTION}");
                return Err(ToolError::ForModel(why));
            }
            // The schema says so too; a bundle of the user's own may say less.
            let seconds = args.get("duration").and_then(Value::as_f64).filter(|seconds| SECONDS.contains(seconds));
            let seconds =
                seconds.ok_or_else(|| ToolError::ForModel("duration must be from 0.5 to 22 seconds".into()))?;
            let target = Target::of(machine, "output_path", args::text(&args, "output_path"), &["mp3", "wav"]).await?;
            let format = SoundFormat::of_ending(&target.ending).unwrap_or(SoundFormat::Mp3);
            let mut teller = Teller::new(capture);
            let made = {
                let mut tell = |progress| teller.tell(&progress);
                let made = maker.make(description, seconds, format, &mut tell);
                cancel.run_until_cancelled(made).await.ok_or(ToolError::Cancelled)?
            };
            teller.done();
            let (sound, cost) = made.map_err(|error| failed(&error, EffectMaker::hint(&error)))?;
            let words = sound_words(format, &sound);
            let written = target.write(machine, sound.bytes).await?;
            let mut output = ToolOutput::text(format!("saved {}: {words}", written.words()));
            output.footer = cost.map(|cost| format!("[used: {cost} characters]")).unwrap_or_default();
            output.artifacts.push(written.artifact(machine, ArtifactKind::Audio));
            Ok(output)
        })
    }
}
