//! The tools that the model is offered: what each is called, whether it can run here, and how one call is run.
//!
//! ```text
//! ToolCall ─ dispatch ─ args (schema) ─ builtin/<family> ─ capture (redact, live, clip, spill) ─ Finished
//!                                          │
//!                              workspace (files) · sandbox (commands)
//! ```
//!
//! Names, descriptions and schemas come from the bundle ([`crate::spec`]), code from the table of 24 in [`builtin`];
//! [`ToolRegistry`] holds the two against each other.

pub mod args;
pub mod builtin;
mod capture;
mod conversions;
mod decode;
pub mod dispatch;
mod inside;
mod kept;
mod kernel;
mod keyboards;
mod network;
mod online;
mod pages;
mod plain;
mod python;
pub mod registry;
mod sound;
mod state;
pub mod tool;
mod walls;

// What a toolbox is made of, for those who may not look into the sandbox.
pub use crate::browser::LazyProgram;
pub use crate::kernel::python::LazyPython;
pub use crate::kernel::{PastCell, PastEnding};
pub use crate::preview::thumbnail::WINDOWS;
pub use crate::sandbox::{LazySandbox, SandboxFolders};
pub use builtin::picture::{Pixels, pixels};
pub use decode::decode;
pub use dispatch::{CallContext, Finished, Spill, Still, Toolbox, ToolboxParts};
pub use inside::{Inside, inside};
pub use kept::{KeptPicture, MOST_KEPT, MOST_KEPT_BYTES};
pub use online::Online;
pub use pages::DeployedPage;
pub use registry::{Availability, Needs, ToolRegistry, ToolRow};
pub use sound::Sound;
pub use state::TodoFile;
pub use tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// The tool that runs cells of the notebook.
pub const IPYTHON: &str = "mshtools-ipython";
/// The name of the tool that deploys websites.
pub const DEPLOY: &str = "mshtools-deploy_website";
/// Characters of one call's output that the model is given at most.
pub const OUTPUT_LIMIT: usize = 10_000;
/// Bytes of one call's output that are kept at most.
pub const SPILL_LIMIT: u64 = 64 << 20;

/// The names in the built-in table, in its order.
pub fn known_names() -> Vec<&'static str> {
    builtin::TABLE.iter().map(|row| row.name).collect()
}

/// Why the tools of a bundle cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// The manifest and the code name different tools.
    #[error(
        "the manifest and the built-in tools differ: without code: {}; without a manifest entry: {}",
        list(without_code),
        list(without_entry)
    )]
    Mismatch {
        /// Names that stand in the manifest only.
        without_code: Vec<String>,
        /// Names that stand in the table only.
        without_entry: Vec<String>,
    },
    /// A name stands in the manifest twice.
    #[error("the manifest names {name} twice")]
    Twice {
        /// The name.
        name: String,
    },
}

#[cfg(test)]
mod tests;

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
