//! Pictures, speech and sounds that endpoints make: asked for, checked, and saved in the workspace.
//!
//! Where the result goes is looked at before anything is asked, for what is made is paid for.

mod image;
mod target;
mod told;

pub(super) use image::GenerateImage;
