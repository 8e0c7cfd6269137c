//! Prompt and tool manifest: the bundle in the program, or one from a folder.
//!
//! A bundle is a folder with `system_prompt.md` and `tools.json` (`{"functions": [{name, description, parameters,
//! returns}]}`). Ours lies in `spec/` and is part of the program. Nothing anywhere may depend on the *wording* of a
//! prompt or a description: a user's own bundle is used as it stands.

mod check;
mod manifest;
mod prompt;

pub use check::{SpecFinding, check};
pub use manifest::{Bundle, FunctionSpec, Origin, SpecError};
pub use prompt::{load_system_prompt, render_prompt};

/// The prompt of a bundle, by file name.
const PROMPT_FILE: &str = "system_prompt.md";
/// The manifest of a bundle, by file name.
const MANIFEST_FILE: &str = "tools.json";
