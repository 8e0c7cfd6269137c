//! A session's machine without an engine: folders, workspace, real sandbox, tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use okcvm::config::schema::SandboxSection;
use okcvm::kernel::python::{LazyPython, PythonSearch};
use okcvm::protocol::{CallId, ToolCall};
use okcvm::sandbox::{Chooser, LazySandbox, Sandbox, SandboxFolders, Unavailable};
use okcvm::spec::Bundle;
use okcvm::support::secret::Redactor;
use okcvm::tools::{CallContext, Finished, LazyProgram, Online, Toolbox, ToolboxParts};
use okcvm::workspace::Workspace;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The sandbox of this configuration, with the okcvm that these tests were built with as its helper.
pub fn choose(section: &SandboxSection, cache: &Path) -> Result<Sandbox, Unavailable> {
    Chooser::new(section, cache).program(env!("CARGO_BIN_EXE_okcvm")).choose()
}

/// The Python of the system, where it has what a notebook needs.
pub fn python() -> LazyPython {
    LazyPython::new(PythonSearch { configured: Some("/usr/bin/python3".into()), ..PythonSearch::default() })
}

/// A folder for tests that is not below `/tmp`, so that paths of the host and of the sandbox are never the same.
pub fn folder() -> tempfile::TempDir {
    let preferred = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    preferred.or_else(|_| tempfile::tempdir_in("/var/tmp")).or_else(|_| tempfile::tempdir()).expect("temporary folder")
}

/// A session's folders and tools.
pub struct Machine {
    pub root: PathBuf,
    pub mount: String,
    /// Where commands find the workspace.
    pub inside: String,
    pub toolbox: Arc<Toolbox>,
}

impl Machine {
    /// Makes a session folder `<sessions>/okcvm-<number>` and the tools in it.
    pub fn create(sessions: &Path, number: u64, sandbox: &Sandbox) -> Self {
        Self::made(sessions, number, sandbox, false, Online::default(), LazyProgram::new(None))
    }

    /// The same with somebody there to answer prompts.
    pub fn interactive(sessions: &Path, number: u64, sandbox: &Sandbox) -> Self {
        Self::made(sessions, number, sandbox, true, Online::default(), LazyProgram::new(None))
    }

    /// The same with a search and data sources of its own.
    pub fn online(sessions: &Path, sandbox: &Sandbox, online: Online) -> Self {
        Self::made(sessions, 1, sandbox, false, online, LazyProgram::new(None))
    }

    /// The same on a machine that has no browser.
    pub fn without_browser(sessions: &Path, number: u64, sandbox: &Sandbox) -> Self {
        Self::made(sessions, number, sandbox, false, Online::default(), LazyProgram::none())
    }

    fn made(
        sessions: &Path,
        number: u64,
        sandbox: &Sandbox,
        interactive: bool,
        online: Online,
        browser: LazyProgram,
    ) -> Self {
        let id = format!("okcvm-{number:016x}");
        let root = sessions.join(&id);
        let mount = format!("/mnt/{id}");
        for name in ["work", "home", "tmp", "spill"] {
            std::fs::create_dir_all(root.join(name)).expect("folder");
        }
        let folders = SandboxFolders {
            id,
            work: root.join("work"),
            home: root.join("home"),
            tmp: root.join("tmp"),
            mount: mount.clone(),
            mounted: Vec::new(),
        };
        sandbox.prepare(&folders).expect("prepare");
        let place = sandbox.workspace(&folders);
        let inside = place.as_ref().map_or_else(|| mount.clone(), |place| place.display().to_string());
        let deployments = okcvm::preview::DeploymentsPlace::new(sessions.join("deployments"), &folders.id);
        let toolbox = Toolbox::new(ToolboxParts {
            deployments,
            bundle: Arc::new(Bundle::embedded().clone()),
            workspace: Workspace::open(&folders.work, &mount, sandbox.tool_owner())
                .expect("workspace")
                .also_known_as(place.as_deref()),
            sandbox: LazySandbox::ready(sandbox.clone()),
            folders,
            spill: root.join("spill"),
            redactor: Redactor::default(),
            interactive,
            python: python(),
            browser,
            online,
        })
        .expect("toolbox");
        Self { root, mount, inside, toolbox: Arc::new(toolbox) }
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub async fn call(&self, tool: &str, arguments: serde_json::Value) -> Finished {
        self.call_until(tool, arguments, CancellationToken::new()).await
    }

    pub async fn call_until(&self, tool: &str, arguments: serde_json::Value, cancel: CancellationToken) -> Finished {
        let (output, _) = mpsc::unbounded_channel();
        let call =
            ToolCall { id: CallId("1".to_owned()), name: format!("mshtools-{tool}"), arguments: arguments.to_string() };
        self.toolbox.call(&call, CallContext { cancel, output }).await
    }

    pub async fn shell(&self, command: &str) -> Finished {
        self.call("shell", serde_json::json!({ "command": command })).await
    }
}

/// Processes of the host whose command line holds a text, this one's own excepted.
pub fn processes_with(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        if pid != std::process::id() && String::from_utf8_lossy(&line).contains(text) {
            found.push(pid);
        }
    }
    found
}

/// Waits until something is so; false when it is not within a few seconds.
pub fn soon(mut so: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::time::Instant::now() < end {
        if so() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    so()
}
