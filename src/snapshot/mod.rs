//! Snapshots of files and conversation in a bare repository of the session's own.
//!
//! ```text
//! capture (walk, stat cache) ──> object, pack ──> commit ──> graph (refs, head)
//!                                                   │
//!             compare ──> diff (for people)         │
//!                    ├──> changes (as contents)     │
//!                    └──> restore (plan, journal, apply, verify)
//! ```
//!
//! A node is a commit; its tree holds `work/` (the files), `node/turn.jsonl` (its own records), `node/state/*.json`
//! (one file a participant), `node/deployments/<id>/`, `node/modes` and `node/spill/<hash>`. What a record means is not known here.

mod apply;
mod capture;
mod changes;
mod commit;
mod compare;
mod diff;
mod error;
mod folders;
mod fsck;
mod graph;
mod kept;
pub mod name;
mod node;
mod object;
mod pack;
mod prune;
mod read;
mod repo;
mod restore;
mod site;
mod statcache;
mod stream;
mod tree;

pub use changes::{Change, Changes, Item, ItemKind};
pub use commit::label_after;
pub use error::SnapshotError;
pub use fsck::{Affected, Checked};
pub use graph::{NodeDetails, Store, StoreOptions, Trip};
pub use kept::{Caps, NotKept, Reason};
pub use node::{Captured, NodeInput, Site};
pub use restore::{Applied, Journal, Plan};
