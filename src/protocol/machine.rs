//! What runs and what is allowed in a session's machine: background jobs, waiting prompts, the kernel, the
//! network.

use serde::{Deserialize, Serialize};

use super::ids::CallId;

/// Processes of a command that go on after it ended, such as a development server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number in this run of the session, from 1.
    pub id: u32,
    /// The call that started it.
    pub call: CallId,
    /// The command line that the model gave.
    pub command: String,
    /// Processes that still run.
    pub processes: u32,
    /// TCP ports on which they listen, on the session's own loopback.
    pub ports: Vec<u16>,
    /// Seconds since the command was started.
    pub seconds: u64,
    /// The last lines that they wrote.
    pub tail: String,
}

/// The Python of the notebook, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PythonState {
    /// There is one.
    Ready {
        /// Which, in words.
        told: String,
    },
    /// There is none, and cells cannot be run.
    Missing {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
        /// Whether okcvm can make an environment.
        can_be_made: bool,
    },
    /// An environment is being made.
    Making {
        /// The latest line of its progress.
        line: String,
    },
    /// It could not be made.
    Failed {
        /// Why.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// Asks for the network of the tools, or changes it for the rest of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkChange {
    /// Change nothing; tell how it is.
    Show,
    /// Another mode: `off`, `proxy` or `host`.
    Mode(String),
    /// Admit hosts: a name, `*.name` or `*`; `host:port` admits one further port or a private address.
    Allow(String),
    /// Refuse hosts, whatever else admits them.
    Deny(String),
}

/// The network of the tools as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkState {
    /// `off`, `proxy` or `host`.
    pub mode: String,
    /// Hosts that are admitted.
    pub allow: Vec<String>,
    /// Hosts that are refused.
    pub deny: Vec<String>,
    /// Ports that are admitted on any host.
    pub ports: Vec<u16>,
    /// `host:port` of private addresses that are admitted.
    pub private: Vec<String>,
}

/// What the kernel of a session is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelState {
    /// There is none.
    #[default]
    None,
    /// It is coming up.
    Starting,
    /// It waits for a cell.
    Idle,
    /// A cell runs.
    Busy,
    /// It has ended, and its variables with it.
    Ended,
}

/// The kernel of a session as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelInfo {
    /// What it is doing.
    pub state: KernelState,
    /// Its variables belong to a state that was left by a rollback.
    pub stale: bool,
    /// Python's version; empty while that is not known.
    pub python: String,
    /// Cells that it was given.
    pub cells: u64,
    /// While the cells of the conversation are run again: how many are done, and of how many.
    pub rebuild: Option<(u32, u32)>,
    /// Why it has ended.
    pub ended: String,
}

/// What is to become of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelChange {
    /// A fresh one.
    Restart,
    /// A fresh one in which the cells of the conversation are run again.
    Rebuild,
    /// None, until the next cell.
    Stop,
}
