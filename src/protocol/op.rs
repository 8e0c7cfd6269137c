//! Requests from a front end to the engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ids::{CallId, NodeId};
use super::machine::{KernelChange, NetworkChange};

/// Which halves of a state a rollback brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreScope {
    /// Files and conversation.
    #[default]
    All,
    /// Only the files; the conversation goes on from where it is.
    FilesOnly,
    /// Only the conversation; the files stay as they are.
    ConversationOnly,
}

/// A request from a front end. Node names in text form accept what people type: a unique prefix of four or more
/// digits, `head`, `head~N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Start a turn. Refused with an `Error` event while a turn runs; waits while one is closing.
    Submit {
        /// What the user says.
        text: String,
        /// Files of the host to copy into the mount first.
        attachments: Vec<PathBuf>,
    },
    /// Stop the running turn. Never queued behind other ops.
    Interrupt,
    /// End one running tool call; the turn goes on.
    EndCall {
        /// The call.
        call: CallId,
    },
    /// Type into the terminal of a running tool call. Never queued behind other ops.
    Input {
        /// The call.
        call: CallId,
        /// What is typed; Enter is `\r`.
        text: String,
    },
    /// End a background job; answered by `Event::JobsChanged`. Never queued behind other ops.
    EndJob {
        /// Its number.
        job: u32,
    },
    /// Ask for the network of the tools or change it; answered by `Event::Network`, or by an `Error` where the change
    /// cannot be made. Never queued behind other ops.
    Network(NetworkChange),
    /// Ask for the Python of the notebook, or have an environment made for it; answered by `Event::Python`. Never queued
    /// behind other ops.
    Python {
        /// Whether an environment is to be made where there is none.
        make: bool,
    },
    /// Restart, rebuild or end the kernel; answered by `Event::KernelChanged`. Refused with an `Error` while a turn runs,
    /// but for its end. [`Op::Interrupt`] stops a rebuild.
    Kernel(KernelChange),
    /// Ask for the list of nodes; answered by `Event::Snapshots`.
    ListSnapshots,
    /// Ask for the difference between two states; answered by `Event::DiffReady`.
    Diff {
        /// The older state.
        from: String,
        /// The newer state; `None` is the workspace as it is now.
        to: Option<String>,
    },
    /// Ask what a rollback would do; answered by `Event::RestorePlanned`.
    PlanRestore {
        /// The state to come back to.
        target: String,
        /// Which halves.
        scope: RestoreScope,
    },
    /// Roll back; answered by `Event::Restored`, then `Event::ConversationReplaced` where it moved.
    Restore {
        /// The state to come back to.
        target: String,
        /// Which halves.
        scope: RestoreScope,
    },
    /// Undo the latest movement of the head; answered as `Restore` is.
    Undo,
    /// Redo what was undone; answered as `Restore` is.
    Redo,
    /// Make a named snapshot of the workspace as it is; answered by `Event::SnapshotTaken`.
    Snapshot {
        /// At most 200 characters.
        label: String,
    },
    /// Give a tip a branch name.
    Branch {
        /// The node.
        target: NodeId,
        /// The name.
        name: String,
    },
    /// Ask what the session changed in the project that it holds a copy of; answered by `Event::ProjectPatched`.
    PatchProject {
        /// Whether files that changed on both sides are to be written with markers.
        markers: bool,
        /// Whether what was brought before is to be brought again.
        since_copy: bool,
    },
    /// Write that to the project, if it still is what was shown; answered by `Event::ProjectApplied`.
    ApplyProject {
        /// Of the patch that was shown.
        digest: String,
        /// As it was asked for.
        markers: bool,
        /// As it was asked for.
        since_copy: bool,
    },
    /// Copy a file or folder of the workspace to the host; answered by `Event::Saved`, or by `Event::SaveRefused` where
    /// something is there already.
    Save {
        /// What: a path under the mount, or relative to it.
        path: String,
        /// Where to: a new name, or a folder that is there.
        dest: PathBuf,
        /// Whether files that are there are replaced.
        replace: bool,
    },
    /// Rename the session.
    Rename {
        /// The new title.
        title: String,
    },
    /// Close what is open, persist, end the engine; answered by `Event::Closed`.
    Shutdown,
}
