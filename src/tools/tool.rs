//! What a tool is, and what it is given.

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::capture::Capture;
use super::dispatch::Machine;
use super::kept::KeptPicture;
use super::online::Online;
use crate::browser::LazyProgram;
use crate::protocol::{Artifact, CallId, ImageData, TodoItem, ToolStatus};
use crate::workspace::WorkspaceError;

/// Whether a call may change the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolEffect {
    /// It only looks; such calls may run together.
    Reads,
    /// It may change files; such calls run alone.
    Writes,
}

/// One capability offered to the model. Name, description and schema come from the manifest, never from here.
pub trait Tool: Send + Sync {
    /// Whether a call may change the workspace.
    fn effect(&self) -> ToolEffect {
        ToolEffect::Reads
    }

    /// Whether it can only run where commands can.
    fn needs_sandbox(&self) -> bool {
        false
    }

    /// Whether it can only run where there is a Python with ipykernel.
    fn needs_python(&self) -> bool {
        false
    }

    /// Why it cannot run with this search and these data sources, if it cannot.
    fn why_not(&self, _online: &Online) -> Option<String> {
        None
    }

    /// What is true of it in this session only; it follows the manifest's description.
    fn told(&self, _browser: &LazyProgram) -> Option<String> {
        None
    }

    /// Runs one call. The arguments fit the schema.
    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>>;
}

/// What one call is given.
#[derive(Debug)]
pub struct ToolContext<'a> {
    /// Files, sandbox and state of the session.
    pub(crate) machine: &'a Machine,
    /// The call itself.
    pub(crate) call: CallId,
    /// Ends the call.
    pub(crate) cancel: CancellationToken,
    /// Takes output while the tool runs.
    pub(crate) capture: &'a mut Capture,
}

/// What a call gave back, before it is clipped.
#[derive(Debug)]
pub struct ToolOutput {
    /// How it ended.
    pub status: ToolStatus,
    /// Whether it was cut off: nobody knows how far it came.
    pub unfinished: bool,
    /// Text for the model; follows what was captured while the tool ran.
    pub text: String,
    /// A last line that clipping never touches.
    pub footer: String,
    /// Whether the tool has seen to it that the text is not too long. Nothing is cut out of it then.
    pub bounded: bool,
    /// Pictures for a vision model.
    pub images: Vec<ImageData>,
    /// Things made for the user.
    pub artifacts: Vec<Artifact>,
    /// Pictures for the user, which the model is not given: [`Artifact::pages`] name them.
    pub kept: Vec<KeptPicture>,
    /// The todo list, when it was replaced.
    pub todos: Option<Vec<TodoItem>>,
    /// Unified diff of the file that was changed.
    pub diff: Option<String>,
}

impl ToolOutput {
    /// A success with nothing but text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            status: ToolStatus::Ok,
            unfinished: false,
            text: text.into(),
            footer: String::new(),
            bounded: false,
            images: Vec::new(),
            artifacts: Vec::new(),
            kept: Vec::new(),
            todos: None,
            diff: None,
        }
    }
}

/// Why a call gave nothing back.
#[derive(Debug, PartialEq, Eq)]
pub enum ToolError {
    /// Told to the model, which can mend it.
    ForModel(String),
    /// The user stopped it.
    Cancelled,
    /// Ends the turn.
    Fatal(String),
}

impl From<WorkspaceError> for ToolError {
    fn from(error: WorkspaceError) -> Self {
        Self::ForModel(error.to_string())
    }
}

/// Runs work on files on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ToolError::ForModel(format!("the tool ended by an error of its own: {error}"))),
    }
}
