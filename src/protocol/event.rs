//! Facts from the engine, in the past tense.
//!
//! [`Event::is_public`] tells which of them `okcvm exec --json` prints; their names and fields are a stable
//! interface. The others serve screens only.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::artifact::Artifact;
use super::deployment::{ServedSite, SiteRequest};
use super::ids::{CallId, NodeId, SessionId, TurnId};
use super::machine::{Job, KernelInfo, NetworkState, PythonState};
use super::message::{Attachment, Message};
use super::project::{ProjectApplied, ProjectPatch};
use super::snapshot::{FileDiff, NodeSummary, RestorePlan, RestoreReport};
use super::todo::TodoItem;

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// It did what was asked.
    Ok,
    /// It failed; the output says why.
    Error,
    /// The user stopped it.
    Cancelled,
    /// It ran out of time.
    Timeout,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The model had nothing more to do.
    Completed,
    /// The user stopped it.
    Interrupted,
    /// An error ended it.
    Failed,
}

/// What the machine is doing, for the line above the composer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing; the prompt is free.
    Idle,
    /// A request was sent and nothing came back yet.
    Waiting,
    /// The model is thinking aloud.
    Reasoning,
    /// Text is coming in.
    Streaming,
    /// Tools are running.
    Tools,
    /// A request failed and will be sent again.
    Retrying {
        /// Seconds until then.
        seconds: u64,
        /// Which attempt comes next, from 2.
        attempt: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// The turn is over; its snapshot is being taken.
    Closing,
    /// A rollback is being applied.
    Restoring,
    /// A project is being copied into the session.
    Copying {
        /// Files that are there.
        files: u64,
        /// Of so many; nought while they are counted.
        of: u64,
    },
    /// The session's changes are compared with its project.
    Comparing {
        /// Files that are.
        files: u64,
        /// Of so many; nought while they are looked for.
        of: u64,
    },
    /// They are written to the project.
    Applying {
        /// Files that are ready.
        files: u64,
        /// Of so many.
        of: u64,
    },
}

/// A fact from the engine. Texts inside are raw (untrusted) and go through the sanitizer before any screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The session is open.
    SessionStarted {
        /// Its id.
        session: SessionId,
        /// The mount as tools see it, with a trailing slash.
        mount: String,
        /// The workspace on the host.
        host_path: PathBuf,
        /// The sandbox in words, such as `bubblewrap` or `off`.
        sandbox: String,
        /// The network of the tools: `off` or `host` (`proxy` when it exists).
        network: String,
        /// The model's name.
        model: String,
        /// The session's title, empty while it has none.
        title: String,
    },
    /// A turn began.
    TurnStarted {
        /// Its id.
        turn: TurnId,
    },
    /// More of the reply.
    TextDelta {
        /// The text.
        text: String,
    },
    /// More of the reasoning.
    ReasoningDelta {
        /// The text.
        text: String,
    },
    /// Screens only (scripts get a warning with the same words): the connection broke in the middle of a reply and the request was sent again: text and reasoning since the
    /// latest tool call (or the turn's start) are void.
    ReplyRestarted {
        /// Why.
        reason: String,
    },
    /// A tool call began.
    ToolStarted {
        /// The call.
        call: CallId,
        /// The tool's name as the model wrote it.
        tool: String,
        /// Its arguments; a JSON string of the raw text where they are not JSON.
        arguments: Value,
    },
    /// Output while a tool runs.
    ToolOutput {
        /// The call.
        call: CallId,
        /// The text; empty where the tool gives something that is not shown.
        chunk: String,
    },
    /// A tool call ended.
    ToolFinished {
        /// The call.
        call: CallId,
        /// The tool's name.
        tool: String,
        /// How it ended.
        status: ToolStatus,
        /// How long it took.
        duration_ms: u64,
        /// What the model is given.
        output: String,
    },
    /// The todo list was replaced.
    TodoChanged {
        /// The whole list.
        todos: Vec<TodoItem>,
    },
    /// A program inside asked for a host on the network. Told once for each host, port and answer of a call.
    NetworkRequest {
        /// The host as it was named.
        host: String,
        /// The port.
        port: u16,
        /// Whether the network policy let it through.
        allowed: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// Something for the user was made.
    Artifact(Artifact),
    /// The websites that this session has deployed were asked for. Told a few times a second at most.
    SiteRequests {
        /// The requests since the last time, oldest first: the latest of them.
        latest: Vec<SiteRequest>,
        /// How many there were besides.
        more: u64,
    },
    /// The websites of the session are served: at the start, and after a rollback.
    SitesServed {
        /// All of them, oldest first.
        sites: Vec<ServedSite>,
        /// The port that is not the session's usual one, where another program holds that.
        other_port: Option<u16>,
    },
    /// A snapshot was taken.
    SnapshotTaken {
        /// The node.
        snapshot: NodeId,
        /// Its label.
        label: String,
        /// Files changed since the node before.
        files_changed: u64,
        /// Bytes of the changed files.
        bytes: u64,
    },
    /// Tokens of one request, as the endpoint told them.
    Usage {
        /// Tokens read.
        input: u64,
        /// Tokens written.
        output: u64,
        /// Of `input`, tokens that came from the endpoint's cache.
        cached: u64,
    },
    /// Something that the user should know and that stops nothing.
    Warning {
        /// What.
        message: String,
    },
    /// Something failed.
    Error {
        /// What and where.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// A turn is over and its snapshot taken.
    TurnEnded {
        /// The turn.
        turn: TurnId,
        /// How.
        outcome: TurnOutcome,
        /// The text of the final reply.
        reply: String,
    },

    /// Screens only: what the machine is doing now.
    PhaseChanged(Phase),
    /// Screens only: the conversation from now on (resume, rollback, undo), oldest first, without the system prompt.
    ConversationReplaced {
        /// The messages.
        messages: Vec<Message>,
        /// The todo list that belongs to it.
        todos: Vec<TodoItem>,
    },
    /// Screens only: the nodes of the session, newest first.
    Snapshots {
        /// The nodes.
        nodes: Vec<NodeSummary>,
        /// Files that differ from the head as of now; `None` when not known (a turn is running).
        changed_since_head: Option<u64>,
        /// Size of the store in bytes.
        store_bytes: u64,
    },
    /// Screens only: a difference that was asked for.
    DiffReady {
        /// The older state, as asked.
        from: String,
        /// The newer state, as asked.
        to: Option<String>,
        /// The changed files.
        files: Vec<FileDiff>,
    },
    /// Screens only: what a rollback would do.
    RestorePlanned(RestorePlan),
    /// Screens only: what a rollback did.
    Restored(RestoreReport),
    /// Screens only: the files that came with the latest message have their places.
    Attached {
        /// The files.
        files: Vec<Attachment>,
    },
    /// Screens only: what would be written to the project.
    ProjectPatched(ProjectPatch),
    /// Screens only: what was written to the project.
    ProjectApplied(ProjectApplied),
    /// Screens only: a file or folder was copied to the host.
    Saved {
        /// Where it stands now.
        place: PathBuf,
        /// How much it is, in words.
        what: String,
        /// What was left out, and why: one line each.
        left_out: Vec<String>,
    },
    /// Screens only: nothing was copied, since something is there already.
    SaveRefused {
        /// What was to be copied.
        path: String,
        /// Where to.
        dest: PathBuf,
        /// What is there already: that place, or something in it.
        there: PathBuf,
    },
    /// Screens only: more about a finished call: where its whole output lies, for edits the difference, and the pictures
    /// that it made or looked at.
    ToolDetail {
        /// The call.
        call: CallId,
        /// The whole output on the host, where it was clipped.
        spill: Option<PathBuf>,
        /// Unified diff of the file that the call changed.
        diff: Option<String>,
        /// Pictures, as paths under the mount.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pictures: Vec<String>,
    },
    /// Screens only: everything that was made for the user in the conversation that was just told, oldest first.
    Artifacts {
        /// The things, without their places on the host.
        artifacts: Vec<Artifact>,
    },
    /// Screens only: whether a running call waits for somebody to type.
    ToolWaiting {
        /// The call.
        call: CallId,
        /// Whether it waits.
        waiting: bool,
        /// Whether its terminal hides what is typed, as for a password.
        hidden: bool,
    },
    /// Screens only: the background jobs, all of them.
    JobsChanged {
        /// The jobs, oldest first.
        jobs: Vec<Job>,
    },
    /// Screens only: the network of the tools, asked for or changed.
    Network(NetworkState),
    /// Screens only: the Python of the notebook, asked for, missing or being made.
    Python(PythonState),
    /// Screens only: the kernel of the session, whenever it changes.
    KernelChanged(KernelInfo),
    /// Screens only: something that the user wanted was done.
    Done {
        /// What was done.
        message: String,
    },
    /// Screens only: the engine has ended; nothing follows.
    Closed,
}

impl Event {
    /// Whether `exec --json` prints it.
    pub fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::ReplyRestarted { .. }
                | Self::PhaseChanged(_)
                | Self::ConversationReplaced { .. }
                | Self::Snapshots { .. }
                | Self::DiffReady { .. }
                | Self::RestorePlanned(_)
                | Self::Restored(_)
                | Self::Attached { .. }
                | Self::ProjectPatched(_)
                | Self::ProjectApplied(_)
                | Self::SiteRequests { .. }
                | Self::SitesServed { .. }
                | Self::Saved { .. }
                | Self::SaveRefused { .. }
                | Self::ToolDetail { .. }
                | Self::Artifacts { .. }
                | Self::ToolWaiting { .. }
                | Self::JobsChanged { .. }
                | Self::Network(_)
                | Self::Python(_)
                | Self::KernelChanged(_)
                | Self::Done { .. }
                | Self::Closed
        )
    }
}
