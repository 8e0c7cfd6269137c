//! One session on disk: its folder, log, lock and operation history.
//!
//! ```text
//! record ── append ──> log.jsonl ── raw lines of one turn ──> node/turn.jsonl of a commit (vm::checkpoint)
//!                        │
//!                        ├─ Node, Head ──> oplog (undo, redo)
//!                        └─ the others ──> conversation (messages for the model)
//! ```
//!
//! Not here: files and commits (`snapshot`), and the order in which log and commits are written (`vm::checkpoint`).

pub mod blob;
pub mod conversation;
pub mod folder;
pub mod lock;
pub mod oplog;
pub mod record;
pub mod store;
pub mod tree;

pub use conversation::conversation;
pub use folder::{Project, SessionError, SessionFolder, SessionMeta, SessionRow, find, list};
pub use lock::{LockError, SessionLock};
pub use oplog::{OpEntry, OpLog, Operation};
pub use record::{Record, SpillRef};
pub use store::{Damage, Log, LogError, RawLine};
pub use tree::Tree;
