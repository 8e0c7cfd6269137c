//! okcvm puts an "OK Computer" agent into a terminal: a person types what they want, a model works for them through
//! tools inside a machine of its own, and after each reply the whole state is a snapshot that can be rolled back.
//!
//! # The map
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`protocol`] | the words all share: ids, messages, ops, events, snapshots; plain data |
//! | [`support`] | helpers that know nothing of the domain: sanitizer, secrets, clock, atomic files |
//! | [`config`] | what can be set, where each value came from, how it is written back |
//! | [`spec`] | system prompt and tool manifest: the embedded bundle or a folder |
//! | [`logging`] | the log for us: a rotated file, never the terminal |
//! | [`sandbox`] | the boundary around everything that runs for the model |
//! | [`workspace`] | confined access to the session's files |
//! | [`snapshot`] | the store: files and conversation in a bare repository |
//! | [`slides`] | HTML pages as PowerPoint decks: measured in the browser, written as native shapes |
//! | [`preview`] | deployed websites: what is copied, and the server on loopback |
//! | [`project`] | a project of the user's: copied in, its changes brought back |
//! | [`session`] | one session on disk: folder, log, lock, operation history |
//! | [`model`] | clients of chat endpoints |
//! | [`demo`] | the scripted chat endpoint on loopback |
//! | [`kernel`] | the notebook: its Python, and the Jupyter kernel of a session |
//! | [`browser`] | the browser of a session: pages as Markdown and numbered elements |
//! | [`search`] | web and picture search: providers behind one trait |
//! | [`data_source`] | data of the markets by name: sources behind one trait |
//! | [`document`] | documents (PDF, Office, EPUB, tables …) to Markdown; pure functions |
//! | [`tools`] | the 24 tools: table, argument checks, dispatch |
//! | [`vm`] | the engine: one actor per session, driven by ops, telling events |
//! | [`headless`] | `okcvm exec`: one turn without a screen |
//! | [`tui`] | the terminal application |
//! | [`cli`] | the command line and the composition root |
//!
//! Who may import whom is a table in `tests/it/layers.rs`, held by a test. `protocol` and `support` are open to all; the
//! screen and `exec` know the engine only by [`vm::VmHandle`]; nothing imports [`cli`].
//!
//! # One turn
//!
//! 1. A key becomes an action, the action becomes [`protocol::Op::Submit`], and `VmHandle::send` takes it without waiting.
//! 2. The engine writes the message to the log, syncs it, and only then calls the model.
//! 3. Deltas come back as [`protocol::Event`]s; the screen folds them into frames.
//! 4. Each tool call is logged, checked against its schema, run inside the sandbox, clipped for the model, logged again.
//! 5. When every call has a result the model is asked again, until it has no more calls.
//! 6. The turn closes: objects, commit, ref, closing record, then `SnapshotTaken` and `TurnEnded`.
//!
//! # As a library
//!
//! ```
//! use okcvm::spec;
//! use okcvm::tools::ToolRegistry;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = ToolRegistry::from_default_spec()?;
//! assert_eq!(registry.rows().len(), 24);
//! let prompt = spec::load_system_prompt(None)?;
//! assert!(prompt.contains("OK Computer"));
//! # Ok(())
//! # }
//! ```
//!
//! A machine without a model: a session on disk whose tools are called by hand. Commands run inside the sandbox that the
//! configuration names; a program of its own has to say [`config::schema::SandboxBackend::Off`] for them, because
//! bubblewrap starts the `okcvm` binary inside. File tools need none.
//!
//! ```
//! use okcvm::config::schema::{SandboxBackend, SandboxSection};
//! use okcvm::protocol::ToolStatus;
//! use okcvm::tools::LazySandbox;
//! use okcvm::vm::{SessionOptions, VirtualMachine};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let data = folder.path();
//! let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
//! let options = SessionOptions::new(LazySandbox::new(&section, &data.join("cache")));
//! let mut machine = VirtualMachine::create(&data.join("sessions"), &options)?;
//!
//! let page = machine.folder().mount() + "/notes/hello.txt";
//! let written =
//!     machine.call_tool("mshtools-write_file", &json!({"file_path": page, "content": "hello\n"})).await?;
//! assert_eq!(written.status, ToolStatus::Ok, "{}", written.output);
//! assert_eq!(std::fs::read(machine.folder().work().join("notes/hello.txt"))?, b"hello\n");
//!
//! let ran = machine.call_tool("mshtools-shell", &json!({"command": "wc -c notes/*"})).await?;
//! assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
//! assert!(ran.output.contains("6 notes/hello.txt"), "{}", ran.output);
//!
//! // A tool that fails is an answer, not an error: it says why.
//! let missing = json!({"file_path": machine.folder().mount() + "/nothing.txt"});
//! let refused = machine.call_tool("mshtools-read_file", &missing).await?;
//! assert_eq!(refused.status, ToolStatus::Error);
//! # Ok(())
//! # }
//! ```

pub mod browser;
pub mod cli;
pub mod config;
pub mod data_source;
pub mod demo;
pub mod document;
pub mod headless;
pub mod kernel;
pub mod logging;
pub mod model;
pub mod preview;
pub mod project;
pub mod protocol;
pub mod sandbox;
pub mod search;
pub mod session;
pub mod slides;
pub mod snapshot;
pub mod spec;
pub mod support;
pub mod tools;
pub mod tui;
pub mod vm;
pub mod workspace;

/// Runs one of the helper modes when this process was started as one; `None` for an ordinary start. To be called as the
/// first line of `main`, by any program that is to confine commands, to read documents or to browse: okcvm starts the running
/// program for these.
pub fn internal_main() -> Option<std::process::ExitCode> {
    browser::internal_main().or_else(|| sandbox::internal_main(tools::decode))
}
