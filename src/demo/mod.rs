//! The scripted chat endpoint of the demo: it speaks the real wire format on loopback.
//!
//! Only the model is scripted. The client that talks to it, the tools it calls, the sandbox and the snapshots are
//! those of every session. The script really reads: each step is a pure function of the request, that is of the
//! prompt and of what the tools gave back, so another file or another error leads to another next step.
//!
//! ```text
//! request -> scene (what is known) -> script (the next step) -> wire (frames) -> server (pace, HTTP)
//! ```

mod scene;
mod script;
mod server;
mod wire;

pub use scene::{Done, Scene};
pub use script::{Call, Step, next_step};
pub use server::{DemoOptions, DemoServer, serve, serve_with};
