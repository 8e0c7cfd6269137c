//! Words that every module shares: plain data, serde only, no behaviour beyond parsing and printing.
//!
//! Shared types go *down* to this module, never sideways. Nothing here knows a file, a socket or a clock.

pub mod artifact;
pub mod deployment;
pub mod event;
pub mod ids;
pub mod machine;
pub mod message;
pub mod op;
pub mod project;
pub mod snapshot;
pub mod todo;

pub use artifact::{Artifact, ArtifactKind};
pub use deployment::{DEPLOYMENTS, Deployment, DeploymentsFile, ServedSite, SiteRequest, is_site_id};
pub use event::{Event, Phase, ToolStatus, TurnOutcome};
pub use ids::{CallId, NodeId, SessionId, TurnId};
pub use machine::{Job, KernelChange, KernelInfo, KernelState, NetworkChange, NetworkState, PythonState};
pub use message::{Attachment, ImageData, KEPT_PICTURE, Message, ToolCall, ToolReply, ToolSpec};
pub use op::{Op, RestoreScope};
pub use project::{PathChange, PathConflict, ProjectApplied, ProjectPatch};
pub use snapshot::{FileChange, FileChangeKind, FileDiff, NodeKind, NodeSummary, RestorePlan, RestoreReport};
pub use todo::{TodoItem, TodoPriority, TodoStatus};
