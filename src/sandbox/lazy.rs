//! A sandbox that is chosen when it is first needed: what is known of it before, without any probe.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::backend::Sandbox;
use super::decoder::{Decoder, Free};
use super::detect::{Chooser, Unavailable};
use super::{SandboxFolders, landlock};
use crate::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxSection};

/// A sandbox that is chosen when it is first needed. Cheap to clone; all clones share the choice.
#[derive(Debug, Clone)]
pub struct LazySandbox(Arc<Lazy>);

#[derive(Debug)]
struct Lazy {
    chooser: Chooser,
    chosen: OnceLock<Result<Sandbox, Unavailable>>,
    /// Decoders that may run now.
    decoders: Free,
}

impl LazySandbox {
    /// Chosen on first use.
    pub fn new(section: &SandboxSection, cache_dir: &Path) -> Self {
        Self::from_chooser(Chooser::new(section, cache_dir))
    }

    /// Chosen on first use, with the given surroundings.
    pub fn from_chooser(chooser: Chooser) -> Self {
        Self(Arc::new(Lazy { chooser, chosen: OnceLock::new(), decoders: Free::default() }))
    }

    /// One that is there already.
    pub fn ready(sandbox: Sandbox) -> Self {
        let lazy = Self::new(sandbox.section(), Path::new("/"));
        // The cell is new, so it is empty.
        let _ = lazy.0.chosen.set(Ok(sandbox));
        lazy
    }

    /// None, for the given reason.
    pub fn unavailable(section: &SandboxSection, why: Unavailable) -> Self {
        let lazy = Self::new(section, Path::new("/"));
        let _ = lazy.0.chosen.set(Err(why));
        lazy
    }

    /// The sandbox. Chooses it if that was not done yet, which may block for up to three seconds.
    pub fn get(&self) -> Result<&Sandbox, &Unavailable> {
        self.0.chosen.get_or_init(|| self.0.chooser.clone().choose()).as_ref()
    }

    /// The sandbox, if it was chosen already.
    pub fn peek(&self) -> Option<Result<&Sandbox, &Unavailable>> {
        self.0.chosen.get().map(Result::as_ref)
    }

    /// Chooses it on a thread that may block.
    pub async fn warm(&self) {
        if self.peek().is_none() {
            let this = self.clone();
            // A panic in there would come up again at the next `get`.
            let _ = tokio::task::spawn_blocking(move || this.get().is_ok()).await;
        }
    }

    /// The backend in a word; before the choice, the one that will be tried. Never blocks.
    pub fn label(&self) -> &'static str {
        match (self.peek(), self.0.chooser.section.backend) {
            (Some(Ok(sandbox)), _) => sandbox.label(),
            (Some(Err(_)), _) => "unavailable",
            (None, SandboxBackend::Off) => "off",
            (None, SandboxBackend::External) => "external",
            (None, SandboxBackend::Landlock) => landlock::LABEL,
            (None, SandboxBackend::Auto | SandboxBackend::Bubblewrap) => "bubblewrap",
        }
    }

    /// What the configuration says of the network. Never blocks.
    pub fn network_section(&self) -> &NetworkSection {
        &self.0.chooser.section.network
    }

    /// Whether commands run behind a wall of ours. Never blocks.
    pub fn is_confined(&self) -> bool {
        !matches!(self.0.chooser.section.backend, SandboxBackend::Off | SandboxBackend::External)
    }

    /// Whether the backend is one that holds less than bubblewrap. Never blocks.
    pub fn is_degraded(&self) -> bool {
        self.0.chooser.section.backend == SandboxBackend::Landlock
    }

    /// The network that commands have. Never blocks.
    pub fn network(&self) -> NetworkMode {
        if self.is_confined() { self.0.chooser.section.network.shell_mode() } else { NetworkMode::Host }
    }

    /// Where commands find the workspace, when the mount is not there for them. Never blocks.
    pub fn workspace(&self, folders: &SandboxFolders) -> Option<PathBuf> {
        super::workspace(&self.0.chooser.section, folders)
    }

    /// What decodes documents and pictures; it works with every backend, and where none does. Never blocks.
    pub fn decoder(&self) -> Decoder {
        let chosen = self.peek().and_then(Result::ok).and_then(Sandbox::helper_program);
        let account = rustix::process::geteuid().is_root().then_some(self.0.chooser.section.run_as);
        Decoder::new(chosen.or_else(|| self.0.chooser.helper_program()), account, self.0.decoders.clone())
    }

    /// The account that tools run as, when that is not okcvm's own. Never blocks.
    pub fn tool_owner(&self) -> Option<(u32, u32)> {
        super::tool_owner(&self.0.chooser.section)
    }
}
