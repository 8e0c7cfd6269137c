//! What goes into the pure machine and what it wants done: plain values, no behaviour.
//!
//! [`Input`] is something that happened, [`Effect`] something that the actor must do, in the order given. [`Fact`] is
//! the part of a turn that is written down: the actor turns it into a record of the log and applies the very same
//! value to the [`History`](super::history::History), so that what is remembered and what is on disk cannot differ.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::protocol::{
    Artifact, ArtifactKind, Attachment, CallId, Event, KEPT_PICTURE, TodoItem, ToolCall, ToolReply, TurnId, TurnOutcome,
};
use crate::session::blob;

/// A tool call of a reply, with the one thing that its scheduling depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCall {
    /// The call; its id is unique within the conversation.
    pub call: ToolCall,
    /// Whether it may change the workspace: such a call runs alone.
    pub writes: bool,
}

/// The whole output of a call, where the model was given less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpilledOutput {
    /// The file on the host.
    pub path: PathBuf,
    /// SHA-256 of its contents, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// Everything that a finished call left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// What the model is given.
    pub reply: ToolReply,
    /// How long it took.
    pub duration_ms: u64,
    /// Things made for the user.
    pub artifacts: Vec<Artifact>,
    /// The todo list, where the call replaced it.
    pub todos: Option<Vec<TodoItem>>,
    /// Where the whole output lies.
    pub spill: Option<SpilledOutput>,
    /// Unified difference of the file that the call changed.
    pub diff: Option<String>,
    /// Set when the turn cannot go on: why.
    pub fatal: Option<String>,
}

impl ToolResult {
    /// A result without any extras.
    pub fn plain(reply: ToolReply, duration_ms: u64) -> Self {
        Self { reply, duration_ms, artifacts: Vec::new(), todos: None, spill: None, diff: None, fatal: None }
    }

    /// The pictures that the call made or looked at, as paths under the mount, and last those that are no files.
    pub fn pictures(&self) -> Vec<String> {
        let made = self.artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Image);
        let made = made.filter_map(|artifact| artifact.path.as_ref());
        let mut paths: Vec<String> = Vec::new();
        for path in made.chain(self.reply.images.iter().filter_map(|image| image.path.as_ref())) {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let kept = self.reply.images.iter().filter(|image| image.path.is_none());
        paths.extend(kept.filter_map(|image| {
            let bytes = BASE64_STANDARD.decode(&image.base64).ok()?;
            Some(format!("{KEPT_PICTURE}{}", blob::sha256(&bytes)))
        }));
        paths
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A user message was persisted: the turn is open.
    Submitted {
        /// The turn.
        turn: TurnId,
    },
    /// The model wrote more of its reply.
    Text(String),
    /// The model thought aloud.
    Reasoning(String),
    /// The connection broke and the request was sent again: the partial reply is void.
    Restarted {
        /// Why.
        reason: String,
    },
    /// A request failed and will be sent again.
    Retrying {
        /// Seconds until then.
        seconds: u64,
        /// Which attempt comes next, from 2.
        attempt: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// The endpoint told the tokens of a request.
    Usage {
        /// Tokens read.
        input: u64,
        /// Tokens written.
        output: u64,
        /// Of `input`, tokens from the endpoint's cache.
        cached: u64,
    },
    /// The model's reply is complete.
    Replied {
        /// The whole text.
        text: String,
        /// The whole reasoning.
        reasoning: Option<String>,
        /// The calls, in the model's order.
        calls: Vec<PlannedCall>,
    },
    /// The reply ended well and says nothing at all.
    EmptyReply {
        /// What and where.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The endpoint refused the request because of the pictures in it, or may have.
    PicturesRefused {
        /// What and where.
        message: String,
    },
    /// The request failed for good.
    ModelFailed {
        /// What and where.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// A tool call ended.
    ToolFinished(ToolResult),
    /// The user stops the turn.
    Interrupted,
    /// The user ends one call.
    EndCall(CallId),
    /// A fact could not be written down: nothing more may happen in this turn.
    DiskFailed {
        /// What and where.
        message: String,
    },
    /// The turn's snapshot was taken, or failed for good: the turn is over.
    Closed,
}

/// Something to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A turn began with a message of the user.
    TurnOpened {
        /// The turn.
        turn: TurnId,
        /// What the user said.
        text: String,
        /// Files given along, already in the mount.
        attachments: Vec<Attachment>,
    },
    /// The model replied.
    Assistant {
        /// The text; partial when the user stopped it.
        text: String,
        /// The reasoning.
        reasoning: Option<String>,
        /// The calls.
        tool_calls: Vec<ToolCall>,
    },
    /// A call is about to run.
    ToolStarted {
        /// The call.
        call: ToolCall,
    },
    /// A call has its result.
    ToolFinished {
        /// The result for the model.
        reply: ToolReply,
        /// How long it took.
        duration_ms: u64,
        /// Where the whole output lies.
        spill: Option<SpilledOutput>,
        /// Unified difference of the file that the call changed.
        diff: Option<String>,
        /// Pictures that it made or looked at, as paths under the mount.
        pictures: Vec<String>,
        /// Things made for the user.
        artifacts: Vec<Artifact>,
    },
    /// The endpoint refused the pictures of the results so far.
    PicturesRefused,
    /// The turn is over.
    TurnClosed {
        /// How.
        outcome: TurnOutcome,
    },
    /// The user asked for a fresh kernel.
    KernelRestarted,
}

/// Something that the actor must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write it down and remember it, before any effect that follows.
    Persist(Fact),
    /// Tell the front ends.
    Emit(Event),
    /// Send the conversation to the model.
    CallModel,
    /// Forget the model's running reply.
    DropStream,
    /// Run a tool.
    RunTool(ToolCall),
    /// Tell a running tool to stop; its result still comes, within a bounded time.
    CancelTool(CallId),
    /// Forget a running tool: its result is no longer wanted.
    AbandonTool(CallId),
    /// Take the turn's snapshot and write its closing record; [`Input::Closed`] answers.
    CloseTurn {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: TurnOutcome,
        /// The final reply.
        reply: String,
    },
}
