//! Makes a picture from a description.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::Value;

use super::super::picture;
use super::target::Target;
use super::told::{Teller, failed};
use crate::model::PictureMaker;
use crate::protocol::ArtifactKind;
use crate::support::{sanitize, truncate};
use crate::tools::args;
use crate::tools::online::Online;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// The edge of the square that the contract promises.
const EDGE: u32 = 1_024;
/// Characters of a description: what the longest of the models takes.
const MOST_DESCRIPTION: usize = 32_000;
/// Characters of the description that a provider made of it.
const MOST_REVISED: usize = 1_000;

/// Makes a picture.
#[derive(Debug)]
pub(in crate::tools::builtin) struct GenerateImage;

impl Tool for GenerateImage {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn why_not(&self, online: &Online) -> Option<String> {
        online.pictures().err().map(ToOwned::to_owned)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, capture, .. } = cx;
            let maker = machine.online.pictures().map_err(|why| ToolError::ForModel(why.to_owned()))?;
            let description = args::text(&args, "description").trim();
            let chars = description.chars().count();
            if chars == 0 || chars > MOST_DESCRIPTION {
                let why = format!("description has {chars} characters; it must have from 1 to {MOST_DESCRIPTION}");
                return Err(ToolError::ForModel(why));
            }
            let target = Target::of(machine, "output_file", args::text(&args, "output_file"), &["png"]).await?;
            let mut teller = Teller::new(capture);
            let made = {
                let mut tell = |progress| teller.tell(&progress);
                cancel.run_until_cancelled(maker.make(description, &mut tell)).await.ok_or(ToolError::Cancelled)?
            };
            teller.done();
            let made = made.map_err(|error| failed(&error, PictureMaker::hint(&error)))?;
            let square = picture::square(machine, made.bytes, EDGE, &cancel).await.map_err(|error| match error {
                ToolError::ForModel(why) => {
                    ToolError::ForModel(format!("{why} (this is of what the endpoint sent, and may have charged)"))
                }
                other => other,
            })?;
            let size = truncate::bytes(square.png.len() as u64);
            let written = target.write(machine, square.png.clone()).await?;
            // It is paid for and saved: where it cannot be shown, the result is good without.
            let shown = picture::for_model(machine, square.png, None, &cancel).await;
            // Writing to a String cannot fail.
            let mut text = format!("saved {}: PNG picture, {EDGE} x {EDGE}, {size}", written.words());
            let (width, height) = square.before;
            if width != height {
                let _ = write!(text, "; the endpoint made {width} x {height}, of which this is the middle");
            } else if width != EDGE {
                let _ = write!(text, "; scaled from {width} x {height}");
            }
            if let Some(revised) = made.revised {
                let revised = sanitize::line(&revised);
                let _ = write!(text, "\nThe endpoint drew: {}", truncate::prefix(&revised, MOST_REVISED));
            }
            let mut output = ToolOutput::text(text);
            output.footer = made.usage.map(|usage| format!("[used: {usage}]")).unwrap_or_default();
            if let Ok(shown) = shown {
                let path = Some(written.shown().to_owned());
                output.images.push(crate::protocol::ImageData { path, ..shown.image });
            }
            output.artifacts.push(written.artifact(machine, ArtifactKind::Image));
            Ok(output)
        })
    }
}
