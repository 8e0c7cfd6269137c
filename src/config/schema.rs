//! The configuration as plain values, with its defaults.
//!
//! Domains take their own section by value; nobody below the composition root sees the whole [`Config`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::support::secret::Secret;

/// Everything that can be configured.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The model that the user talks to; `None` until it is set up.
    pub chat: Option<Endpoint>,
    /// Endpoints of the media tools.
    pub media: MediaSection,
    /// Where sessions live.
    pub workspace: WorkspaceSection,
    /// The boundary around the tools.
    pub sandbox: SandboxSection,
    /// What snapshots keep.
    pub snapshots: SnapshotSection,
    /// Limits of a project that is copied into a session.
    pub project: ProjectSection,
    /// Limits of the loop.
    pub engine: EngineSection,
    /// The Python of the notebook.
    pub python: PythonSection,
    /// The browser.
    pub browser: BrowserSection,
    /// The search.
    pub search: SearchSection,
    /// The data sources.
    pub data: DataSection,
    /// Where prompt and manifest come from.
    pub spec: SpecSection,
    /// How the screen looks.
    pub ui: UiSection,
    /// Speech into the composer.
    pub voice: VoiceSection,
}

/// One endpoint of a model.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The model's name at the endpoint.
    pub model: String,
    /// Base URL without the operation, such as `https://api.example.com/v1`.
    pub base_url: String,
    /// The key, already resolved from `api_key` or `api_key_env`; local endpoints need none.
    pub api_key: Option<Secret>,
    /// Whether the endpoint can stream its replies.
    pub supports_streaming: bool,
    /// Seconds to wait for a connection.
    pub connect_timeout_secs: u64,
    /// Seconds without a byte after which a reply counts as stalled.
    pub idle_timeout_secs: u64,
    /// How often a failed request is sent again.
    pub max_retries: u32,
    /// Size of the model's context in tokens, for the status line; `None` is not known.
    pub context_window: Option<u64>,
    /// Whether pictures may be sent to it.
    pub vision: bool,
}

/// Endpoints of the media tools; each is `None` until it is configured.
#[derive(Debug, Clone, Default)]
pub struct MediaSection {
    /// Pictures.
    pub image: Option<Endpoint>,
    /// Speech from text.
    pub speech: Option<Endpoint>,
    /// Sound effects.
    pub sound_effects: Option<Endpoint>,
    /// Text from speech.
    pub asr: Option<Endpoint>,
    /// What the endpoint of speech speaks.
    pub speech_provider: SpeechProvider,
}

/// What an endpoint of speech speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechProvider {
    /// Told by its host: that of ElevenLabs speaks as ElevenLabs, every other as OpenAI.
    #[default]
    Auto,
    /// `POST /audio/speech`, as OpenAI and most others have it.
    Openai,
    /// `POST /v1/text-to-speech/VOICE`, as ElevenLabs has it.
    Elevenlabs,
}

/// Where sessions live.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceSection {
    /// The folder that holds the sessions; `None` is `$XDG_DATA_HOME/okcvm/sessions`.
    pub path: Option<PathBuf>,
    /// Ask before a new session is made there.
    pub confirm_on_start: bool,
    /// Base URL under which a reverse proxy shows deployed sites.
    pub preview_base_url: Option<String>,
}

/// Which backend confines the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxBackend {
    /// bubblewrap; where it does not work, none.
    #[default]
    Auto,
    /// bubblewrap.
    Bubblewrap,
    /// Landlock and seccomp: less is confined, and no user namespaces are needed. Never chosen by itself.
    Landlock,
    /// The user's own container.
    External,
    /// None at all.
    Off,
}

/// What network the tools have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// A network of its own with loopback only.
    Off,
    /// A network of its own and a filtering proxy.
    #[default]
    Proxy,
    /// The host's network.
    Host,
}

impl NetworkMode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Proxy => "proxy",
            Self::Host => "host",
        }
    }
}

/// The network of the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSection {
    /// What network.
    pub mode: NetworkMode,
    /// Hosts that the proxy admits: `*`, `*.name`, a name, or one of them with `:port`.
    pub allow: Vec<String>,
    /// Hosts that it refuses, whatever admits them.
    pub deny: Vec<String>,
    /// Ports that it admits on any host.
    pub allow_ports: Vec<u16>,
    /// Private addresses, or names that lead to them, that it admits: `host:port`.
    pub allow_private: Vec<String>,
    /// The mode for commands, where it is not that of the other tools.
    pub shell: Option<NetworkMode>,
}

impl NetworkSection {
    /// The defaults with another mode.
    pub fn of_mode(mode: NetworkMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// The mode for commands.
    pub fn shell_mode(&self) -> NetworkMode {
        self.shell.unwrap_or(self.mode)
    }
}

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            mode: NetworkMode::default(),
            allow: vec!["*".to_owned()],
            deny: Vec::new(),
            allow_ports: vec![80, 443],
            allow_private: Vec::new(),
            shell: None,
        }
    }
}

/// The boundary around the tools.
#[derive(Debug, Clone)]
pub struct SandboxSection {
    /// Which backend.
    pub backend: SandboxBackend,
    /// What network.
    pub network: NetworkSection,
    /// The unprivileged uid and gid that tools run as when okcvm itself runs as root.
    pub run_as: u32,
    /// Further host paths that tools may read.
    pub extra_ro: Vec<PathBuf>,
    /// Environment variables, by name, that are passed on from okcvm's own environment.
    pub env_pass: Vec<String>,
    /// Whether processes of a sandbox may trace each other.
    pub allow_ptrace: bool,
    /// How long a sandbox lives.
    pub scope: SandboxScope,
    /// Limits of the tools.
    pub limits: LimitSection,
}

/// How long a sandbox lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxScope {
    /// As long as the session: what a command leaves running goes on in the background.
    #[default]
    Session,
    /// As long as one command: what it leaves running ends with it.
    Command,
}

/// Limits of the tools.
#[derive(Debug, Clone)]
pub struct LimitSection {
    /// Data segment of one process in MiB (`RLIMIT_DATA`).
    pub memory_mb: u64,
    /// Memory of all processes of a session in MiB; `None` is three quarters of the machine's.
    pub total_memory_mb: Option<u64>,
    /// Processes of a session.
    pub pids: u64,
    /// Size of one file in MiB (`RLIMIT_FSIZE`).
    pub file_mb: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// What the session's folders may hold, in MiB.
    pub workspace_mb: u64,
    /// What a command must leave of the disk, in MiB.
    pub min_free_mb: u64,
}

impl LimitSection {
    /// Memory of all processes of a session in MiB, as a number.
    pub fn total_memory_mb(&self) -> u64 {
        self.total_memory_mb.unwrap_or_else(|| {
            let machine = rustix::system::sysinfo();
            let bytes = (machine.totalram as u64).saturating_mul(u64::from(machine.mem_unit));
            (bytes >> 20) / 4 * 3
        })
    }
}

impl Default for SandboxSection {
    fn default() -> Self {
        Self {
            backend: SandboxBackend::Auto,
            network: NetworkSection::default(),
            run_as: 61999,
            extra_ro: Vec::new(),
            env_pass: vec!["TZ".to_owned()],
            allow_ptrace: false,
            scope: SandboxScope::Session,
            limits: LimitSection::default(),
        }
    }
}

impl Default for LimitSection {
    fn default() -> Self {
        Self {
            memory_mb: 4096,
            total_memory_mb: None,
            pids: 512,
            file_mb: 512,
            open_files: 1024,
            workspace_mb: 10_240,
            min_free_mb: 512,
        }
    }
}

/// What snapshots keep.
#[derive(Debug, Clone)]
pub struct SnapshotSection {
    /// Files above this size in MiB are listed, not kept.
    pub max_file_mb: u64,
    /// All files of one snapshot together, in MiB.
    pub max_total_mb: u64,
}

impl Default for SnapshotSection {
    fn default() -> Self {
        Self { max_file_mb: 100, max_total_mb: 4096 }
    }
}

/// Limits of a project that is copied into a session.
#[derive(Debug, Clone)]
pub struct ProjectSection {
    /// Files.
    pub max_files: u64,
    /// All files together, in MiB.
    pub max_total_mb: u64,
}

impl Default for ProjectSection {
    fn default() -> Self {
        Self { max_files: 20_000, max_total_mb: 1024 }
    }
}

/// Limits of the loop.
#[derive(Debug, Clone)]
pub struct EngineSection {
    /// Requests to the model in one turn.
    pub max_rounds: u32,
}

impl Default for EngineSection {
    fn default() -> Self {
        Self { max_rounds: 50 }
    }
}

/// The Python of the notebook.
#[derive(Debug, Clone, Default)]
pub struct PythonSection {
    /// The interpreter; `None` looks for one that has ipykernel.
    pub path: Option<PathBuf>,
}

/// What shows pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrowserMode {
    /// A browser where there is one, else plain HTTP.
    #[default]
    Auto,
    /// Plain HTTP: no scripts, no pictures, little memory.
    Plain,
}

/// The browser of the session.
#[derive(Debug, Clone, Default)]
pub struct BrowserSection {
    /// What shows pages.
    pub mode: BrowserMode,
    /// The program; `None` looks for Chromium, Chrome or Edge.
    pub path: Option<PathBuf>,
}

/// Who searches the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchProvider {
    /// DuckDuckGo's page for browsers without scripts; needs no key.
    #[default]
    Duckduckgo,
    /// A SearXNG instance.
    Searxng,
    /// Brave Search API.
    Brave,
    /// Tavily.
    Tavily,
    /// Serper.
    Serper,
    /// Whoever speaks as the Bing Web Search API v7 did.
    Bing,
}

/// The search of the tools.
#[derive(Debug, Clone, Default)]
pub struct SearchSection {
    /// Who searches.
    pub provider: SearchProvider,
    /// Where, if not at the provider's own address.
    pub base_url: Option<String>,
    /// The key, already resolved.
    pub api_key: Option<Secret>,
}

/// The data sources of the tools.
#[derive(Debug, Clone, Default)]
pub struct DataSection {
    /// Where Yahoo Finance is asked, if not at its own address.
    pub yahoo_base_url: Option<String>,
}

/// Where prompt and manifest come from.
#[derive(Debug, Clone, Default)]
pub struct SpecSection {
    /// A folder with `system_prompt.md` and `tools.json`; `None` is the bundle in the program.
    pub dir: Option<PathBuf>,
}

/// Speech into the composer.
#[derive(Debug, Clone, Default)]
pub struct VoiceSection {
    /// The command line of the recorder; `None` looks for one.
    pub recorder: Option<String>,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColourMode {
    /// Unless `NO_COLOR` is set or the terminal has none.
    #[default]
    Auto,
    /// The terminal's sixteen.
    Always,
    /// None.
    Never,
}

/// When links of replies can be opened from the screen (OSC 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkMode {
    /// Where the terminal is known to take them.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere; their addresses are told in any case.
    Never,
}

/// How pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureMode {
    /// As the terminal can; asked where its variables leave a doubt.
    #[default]
    Auto,
    /// With kitty's graphics.
    Kitty,
    /// With sixels.
    Sixel,
    /// With inline images of iTerm2.
    #[serde(rename = "iterm2")]
    Iterm,
    /// With blocks of two pixels, in any terminal that has colours.
    Halfblocks,
    /// By name and size only.
    Off,
}

/// How the screen looks.
#[derive(Debug, Clone, Default)]
pub struct UiSection {
    /// When colours are used.
    pub colour: ColourMode,
    /// Draw glyphs with ASCII only.
    pub ascii: bool,
    /// When links can be opened.
    pub links: LinkMode,
    /// How pictures are shown.
    pub pictures: PictureMode,
    /// Key chords by action name, over the built-in keymap.
    pub keys: std::collections::BTreeMap<String, Vec<String>>,
}
