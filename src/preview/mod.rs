//! Deployed websites: what a session shows is a copy of a folder, served from okcvm itself on loopback.
//!
//! ```text
//! folder of the workspace ──copy──> shelf: deployments/<id>/site ──contents──> server ──> browser
//!                                     ^ rebuilt from the snapshots after a rollback
//! ```
//!
//! Local services are attacked from web pages, so three things are asked of every request: its `Host` names this machine
//! (or the proxy that the user has put before it), its path begins with the unguessable part of the site's address, and
//! what follows is the name of a file that was there when the site was copied. Nothing is looked for on disk by a name
//! that came in a request.

mod access;
mod contents;
mod copy;
mod deployments;
mod server;
mod shelf;
pub mod thumbnail;

pub use access::AccessLog;
pub use contents::{Contents, ContentsError, Served};
pub use copy::CopyError;
pub use deployments::{Copied, DeployError, Deployed, Deployments, DeploymentsPlace, Tell, listen};
pub use server::{Preview, PreviewServer, SiteName};
pub use shelf::{Shelf, Shelved, Unshelved};
