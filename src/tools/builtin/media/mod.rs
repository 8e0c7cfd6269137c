//! Pictures, speech and sounds that endpoints make: asked for, checked, and saved in the workspace.
//!
//! Where the result goes is looked at before anything is asked, for what is made is paid for.

mod effects;
mod image;
mod speech;
mod target;
mod told;

pub(super) use effects::GenerateSoundEffects;
pub(super) use image::GenerateImage;
pub(super) use speech::{GenerateSpeech, GetAvailableVoices};
