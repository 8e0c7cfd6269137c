//! Snapshots of files and conversation in a bare repository of the session's own.
//!
//! ```text
//! capture (walk, stat cache) ──> object, pack ──> commit ──> graph (refs, head)
//!                                                   │
//!             compare ──> diff (for people)         │
//!                    └──> restore (plan, journal, apply, verify)
//! ```
//!
//! A node is a commit; its tree holds `work/` (the files), `node/turn.jsonl` (its own records), `node/state/*.json`
//! (one file a participant), `node/modes` and `node/spill/<hash>`. What a record means is not known here.

mod apply;
pub mod capture;
pub mod commit;
mod compare;
pub mod diff;
pub mod error;
pub mod fsck;
pub mod graph;
pub mod name;
mod object;
mod pack;
pub mod prune;
mod repo;
pub mod restore;
mod statcache;
mod tree;

pub use capture::{Caps, NotKept, Reason};
pub use commit::label_after;
pub use error::SnapshotError;
pub use fsck::Checked;
pub use graph::{Captured, NodeDetails, NodeInput, Store, StoreOptions, Trip};
pub use restore::{Applied, Journal, Plan};
