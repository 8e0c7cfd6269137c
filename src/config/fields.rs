//! The one table of everything that can be set: validation, `config show`, the example file and the manual are drawn
//! from it.
//!
//! The five endpoints share one list of fields, so each of them stands here once and is multiplied on first use.

use std::sync::LazyLock;

/// The commented example, as `okcvm config init` writes it.
pub const EXAMPLE: &str = include_str!("../../config.example.yaml");

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text on one line.
    Text,
    /// A key: like text, but never shown.
    Key,
    /// The name of an environment variable.
    Variable,
    /// An `http` or `https` address.
    Url,
    /// A path; `~/` is the home folder, a relative one starts at the config file's folder.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number between two bounds, both included.
    Whole(u64, u64),
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A list of absolute paths.
    PathList,
    /// A list of names of environment variables.
    VariableList,
    /// A list of hosts: `*`, `*.name`, a name or an address, each with or without a port.
    HostList,
    /// A list of `host:port`.
    PlaceList,
    /// A list of TCP ports.
    PortList,
    /// Names, each with one text or a list of texts.
    ChordMap,
}

impl FieldKind {
    /// What a value of this kind looks like, for messages and the manual.
    pub fn expected(self) -> String {
        match self {
            Self::Text | Self::Key => "text".to_owned(),
            Self::Variable => "the name of an environment variable".to_owned(),
            Self::Url => "an http or https address".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::PathList => "a list of absolute paths".to_owned(),
            Self::VariableList => "a list of names of environment variables".to_owned(),
            Self::HostList => "a list of hosts".to_owned(),
            Self::PlaceList => "a list of host:port".to_owned(),
            Self::PortList => "a list of ports".to_owned(),
            Self::ChordMap => "action names, each with a key chord or a list of them".to_owned(),
        }
    }
}

/// One thing that can be set.
#[derive(Debug, Clone)]
pub struct Field {
    /// Where it stands, such as `media.image.base_url`.
    pub path: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Its default, as people write it; words in brackets where the default is the absence of a value.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: String,
}

/// One of the endpoints that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointName {
    /// Where its block stands, such as `media.image`.
    pub path: &'static str,
    /// What its environment variables begin with, such as `OKCVM_IMAGE_`.
    pub env_prefix: &'static str,
    /// What it is, for people: `image generation`.
    pub title: &'static str,
}

/// Every endpoint, chat first.
pub const ENDPOINTS: [EndpointName; 5] = [
    EndpointName { path: "chat", env_prefix: "OKCVM_CHAT_", title: "chat" },
    EndpointName { path: "media.image", env_prefix: "OKCVM_IMAGE_", title: "image generation" },
    EndpointName { path: "media.speech", env_prefix: "OKCVM_SPEECH_", title: "speech" },
    EndpointName { path: "media.sound_effects", env_prefix: "OKCVM_SOUND_EFFECTS_", title: "sound effects" },
    EndpointName { path: "media.asr", env_prefix: "OKCVM_ASR_", title: "speech recognition" },
];

/// Blocks besides the endpoints whose key may stand in a variable that `api_key_env` names.
pub(super) const KEYED: [&str; 1] = ["search"];

/// The fields of an endpoint that have an environment variable: what follows the prefix, and the field.
pub const ENDPOINT_VARIABLES: [(&str, &str); 4] = [
    ("MODEL", "model"),
    ("BASE_URL", "base_url"),
    ("API_KEY", "api_key"),
    ("SUPPORTS_STREAMING", "supports_streaming"),
];

/// A row whose path is complete or, for endpoints, stands below the endpoint's block.
type Row = (&'static str, FieldKind, &'static str, &'static str);

const ENDPOINT_ROWS: &[Row] = &[
    ("model", FieldKind::Text, "[not set]", "Name of the {title} model, as the endpoint calls it."),
    (
        "base_url",
        FieldKind::Url,
        "[not set]",
        "Base URL of the {title} endpoint, without the operation: https://api.example.com/v1.",
    ),
    (
        "api_key",
        FieldKind::Key,
        "[not set]",
        "Key of the {title} endpoint; the file must then have mode 0600. Leave it out where none is needed.",
    ),
    (
        "api_key_env",
        FieldKind::Variable,
        "[not set]",
        "Environment variable that holds the key of the {title} endpoint; takes the place of api_key.",
    ),
    ("supports_streaming", FieldKind::Flag, "true", "Whether replies of the {title} endpoint may be streamed."),
    (
        "connect_timeout_secs",
        FieldKind::Whole(1, 600),
        "10",
        "Seconds to wait for a connection to the {title} endpoint.",
    ),
    (
        "idle_timeout_secs",
        FieldKind::Whole(1, 3600),
        "90",
        "Seconds without a single byte after which a reply of the {title} endpoint counts as stalled.",
    ),
    (
        "max_retries",
        FieldKind::Whole(0, 20),
        "5",
        "How often a request to the {title} endpoint is sent again after a fault that may pass.",
    ),
    (
        "context_window",
        FieldKind::Whole(1000, 100_000_000),
        "[not set]",
        "Size of the {title} model's context in tokens, for the status line.",
    ),
    ("vision", FieldKind::Flag, "true", "Whether pictures may be sent to the {title} model."),
];

/// What an endpoint has beyond the rows of all.
const OWN_ROWS: &[(&str, Row)] = &[(
    "media.speech",
    (
        "provider",
        FieldKind::Choice(&["auto", "openai", "elevenlabs"]),
        "auto",
        "What the {title} endpoint speaks: auto tells ElevenLabs by its host and takes every other for one like OpenAI's.",
    ),
)];

const ROWS: &[Row] = &[
    (
        "workspace.path",
        FieldKind::Path,
        "[$XDG_DATA_HOME/okcvm/sessions]",
        "Folder that holds the sessions, one folder each.",
    ),
    ("workspace.confirm_on_start", FieldKind::Flag, "false", "Ask before a new session is made there."),
    (
        "workspace.preview_base_url",
        FieldKind::Url,
        "[not set]",
        "Address of a reverse proxy of yours that shows deployed sites; the README says how it names the port of a session.",
    ),
    (
        "sandbox.backend",
        FieldKind::Choice(&["auto", "bubblewrap", "landlock", "external", "off"]),
        "auto",
        "What confines the tools: auto is bubblewrap, landlock confines less and without user namespaces, external trusts a container of yours, off is no confinement at all.",
    ),
    (
        "sandbox.network.mode",
        FieldKind::Choice(&["off", "proxy", "host"]),
        "proxy",
        "Network of the tools: off is loopback only, proxy lets them reach what the settings below admit, host is the machine's own network.",
    ),
    (
        "sandbox.network.allow",
        FieldKind::HostList,
        "[*]",
        "Hosts that the proxy admits: * is every public one, *.name those below a name; name:port admits a further port.",
    ),
    ("sandbox.network.deny", FieldKind::HostList, "[]", "Hosts that the proxy refuses, whatever admits them."),
    ("sandbox.network.allow_ports", FieldKind::PortList, "[80, 443]", "Ports that the proxy admits on every host."),
    (
        "sandbox.network.allow_private",
        FieldKind::PlaceList,
        "[]",
        "Private addresses that the proxy admits, each as host:port, such as a mirror of yours; all others are refused.",
    ),
    (
        "sandbox.network.shell",
        FieldKind::Choice(&["off", "proxy", "host"]),
        "[sandbox.network.mode]",
        "Network of commands, where it is to differ from that of the other tools.",
    ),
    (
        "sandbox.run_as",
        FieldKind::Whole(1, 4_294_967_294),
        "61999",
        "User and group id that tools get when okcvm itself runs as root.",
    ),
    (
        "sandbox.extra_ro",
        FieldKind::PathList,
        "[]",
        "Further paths of this machine that tools may read, such as a toolchain in your home folder.",
    ),
    (
        "sandbox.env_pass",
        FieldKind::VariableList,
        "[TZ]",
        "Environment variables that tools get from okcvm's own environment; names that look like keys are refused.",
    ),
    (
        "sandbox.allow_ptrace",
        FieldKind::Flag,
        "false",
        "Tools may trace and read the memory of processes of the same sandbox, as gdb and strace do.",
    ),
    (
        "sandbox.scope",
        FieldKind::Choice(&["session", "command"]),
        "session",
        "How long a sandbox lives: session lets a command leave processes running in the background, command ends them with it.",
    ),
    (
        "sandbox.limits.memory_mb",
        FieldKind::Whole(64, 1_048_576),
        "4096",
        "Memory of one process of a tool, in MiB; shared memory is looked at four times a second.",
    ),
    (
        "sandbox.limits.total_memory_mb",
        FieldKind::Whole(64, 16_777_216),
        "[three quarters of the machine's]",
        "Memory of all processes of a session together, in MiB; what has the most is ended.",
    ),
    ("sandbox.limits.pids", FieldKind::Whole(16, 1_000_000), "512", "Processes that a session may have at a time."),
    ("sandbox.limits.file_mb", FieldKind::Whole(1, 1_048_576), "512", "Largest file that a tool may write, in MiB."),
    (
        "sandbox.limits.open_files",
        FieldKind::Whole(64, 1_048_576),
        "1024",
        "Files that one process of a tool may have open at a time.",
    ),
    (
        "sandbox.limits.workspace_mb",
        FieldKind::Whole(16, 16_777_216),
        "10240",
        "What the folders of a session may hold, in MiB: a command that makes them larger is stopped.",
    ),
    (
        "sandbox.limits.min_free_mb",
        FieldKind::Whole(0, 16_777_216),
        "512",
        "What a command must leave of the disk, in MiB, or it is stopped.",
    ),
    (
        "snapshots.max_file_mb",
        FieldKind::Whole(1, 102_400),
        "100",
        "Files above this size in MiB are listed in a snapshot, but not kept.",
    ),
    (
        "snapshots.max_total_mb",
        FieldKind::Whole(1, 1_048_576),
        "4096",
        "All files of one snapshot together, in MiB; at least max_file_mb.",
    ),
    (
        "project.max_files",
        FieldKind::Whole(1, 1_000_000),
        "20000",
        "Files of a project that `--from` copies into a session at most.",
    ),
    ("project.max_total_mb", FieldKind::Whole(1, 1_048_576), "1024", "All files of such a project together, in MiB."),
    (
        "engine.max_rounds",
        FieldKind::Whole(1, 1000),
        "50",
        "Requests to the model in one turn, after which the turn ends with a message.",
    ),
    (
        "python.path",
        FieldKind::Path,
        "[found]",
        "The python3 of notebook cells; found is the first of PATH and /usr that has ipykernel, or one made by doctor --fix.",
    ),
    (
        "browser.mode",
        FieldKind::Choice(&["auto", "plain"]),
        "auto",
        "Whether pages are shown by a browser where there is one (auto), or always fetched without: plain runs no scripts.",
    ),
    (
        "browser.path",
        FieldKind::Path,
        "[found]",
        "The browser of the tools: Chromium, Chrome or Edge itself; found is the first that is installed.",
    ),
    (
        "search.provider",
        FieldKind::Choice(&["duckduckgo", "searxng", "brave", "tavily", "serper", "bing"]),
        "duckduckgo",
        "Who searches the web: duckduckgo needs no key and is the least reliable, searxng and bing need search.base_url, the others a key.",
    ),
    (
        "search.base_url",
        FieldKind::Url,
        "[the provider's own]",
        "Address of the provider, such as that of a SearXNG instance, or of a service that speaks as Bing's did.",
    ),
    ("search.api_key", FieldKind::Key, "[not set]", "Key of the provider; the file must then have mode 0600."),
    (
        "search.api_key_env",
        FieldKind::Variable,
        "[not set]",
        "Environment variable that holds the key of the provider; takes the place of search.api_key.",
    ),
    (
        "data.yahoo_base_url",
        FieldKind::Url,
        "[Yahoo's own]",
        "Address in place of Yahoo Finance's, such as that of a proxy or a cache.",
    ),
    (
        "spec.dir",
        FieldKind::Path,
        "[built in]",
        "Folder with a system_prompt.md and a tools.json to use in place of the built-in ones.",
    ),
    (
        "ui.colour",
        FieldKind::Choice(&["auto", "always", "never"]),
        "auto",
        "Colours on the screen: auto uses them unless NO_COLOR is set or the terminal has none.",
    ),
    ("ui.ascii", FieldKind::Flag, "false", "Draw marks with ASCII characters only."),
    (
        "ui.links",
        FieldKind::Choice(&["auto", "always", "never"]),
        "auto",
        "Links of replies open from the screen (OSC 8): auto where the terminal is known to take them, in tmux from 3.4 on.",
    ),
    (
        "ui.pictures",
        FieldKind::Choice(&["auto", "kitty", "sixel", "iterm2", "halfblocks", "off"]),
        "auto",
        "How pictures are shown: auto asks the terminal and takes half blocks in tmux and where there is no answer, off tells name and size.",
    ),
    (
        "ui.keys",
        FieldKind::ChordMap,
        "{}",
        "Key chords by action name, in place of the built-in ones; F1 lists the actions.",
    ),
    (
        "voice.recorder",
        FieldKind::Text,
        "[arecord, rec, sox or ffmpeg]",
        "Command line that records until it is ended: 16 kHz, one channel, 16 bits, raw or WAV, to standard output.",
    ),
];

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let endpoints = ENDPOINTS.iter().flat_map(|endpoint| {
        let own = OWN_ROWS.iter().filter(|(path, _)| *path == endpoint.path).map(|(_, row)| row);
        ENDPOINT_ROWS.iter().chain(own).map(|(name, kind, default, doc)| Field {
            path: format!("{}.{name}", endpoint.path),
            kind: *kind,
            default,
            doc: doc.replace("{title}", endpoint.title),
        })
    });
    let rest = ROWS.iter().map(|(path, kind, default, doc)| Field {
        path: (*path).to_owned(),
        kind: *kind,
        default,
        doc: (*doc).to_owned(),
    });
    endpoints.chain(rest).collect()
});

/// Every field, in the order of the example file.
pub fn fields() -> &'static [Field] {
    &FIELDS
}

/// The field at a path, if there is one.
pub fn field(path: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.path == path)
}

/// The names that may stand directly below a block (`""` is the top), in the order of the table; empty for what is no
/// block.
pub(super) fn names_below(block: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for field in fields() {
        let rest = if block.is_empty() {
            Some(field.path.as_str())
        } else {
            field.path.strip_prefix(block).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The known name that an unknown one most likely stands for: the nearest sibling, else a field of that name elsewhere
/// (then as a whole path).
pub(super) fn nearest(block: &str, unknown: &str) -> Option<String> {
    let wanted = unknown.to_lowercase().replace('-', "_");
    let near = |name: &str| {
        let distance = strsim::damerau_levenshtein(&wanted, name);
        (distance <= 2.min(name.len() / 2).max(usize::from(name.len() > 3))).then_some(distance)
    };
    let siblings = names_below(block);
    if let Some((_, name)) =
        siblings.iter().filter_map(|name| near(name).map(|distance| (distance, *name))).min_by_key(|found| found.0)
    {
        return Some(name.to_owned());
    }
    if let Some(name) =
        siblings.iter().find(|name| wanted.len() > 3 && (name.starts_with(&wanted) || wanted.starts_with(**name)))
    {
        return Some((*name).to_owned());
    }
    let elsewhere = |field: &&Field| field.path.rsplit('.').next() == Some(wanted.as_str());
    fields().iter().find(elsewhere).map(|field| field.path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_sentence_and_a_path_of_its_own() {
        for (index, field) in fields().iter().enumerate() {
            assert!(field.doc.ends_with('.'), "{}: {}", field.path, field.doc);
            assert!(!field.doc.contains('{'), "{}", field.doc);
            assert!(fields()[..index].iter().all(|other| other.path != field.path), "{} twice", field.path);
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour_or_its_true_place() {
        let rows = [
            ("", "chats", Some("chat")),
            ("", "work_space", Some("workspace")),
            ("chat", "base-url", Some("base_url")),
            ("chat", "modle", Some("model")),
            ("chat", "apikey", Some("api_key")),
            ("chat", "url", None),
            ("", "model", Some("chat.model")),
            ("sandbox", "memory_mb", Some("sandbox.limits.memory_mb")),
            ("media", "sound", Some("sound_effects")),
            ("", "zzz", None),
        ];
        for (block, unknown, expected) in rows {
            assert_eq!(nearest(block, unknown).as_deref(), expected, "{block}.{unknown}");
        }
    }

    #[test]
    fn blocks_know_their_names() {
        let blocks = [
            "chat",
            "media",
            "workspace",
            "sandbox",
            "snapshots",
            "project",
            "engine",
            "python",
            "browser",
            "search",
            "data",
            "spec",
            "ui",
            "voice",
        ];
        assert_eq!(names_below(""), blocks);
        assert_eq!(names_below("media"), ["image", "speech", "sound_effects", "asr"]);
        assert!(names_below("chat.model").is_empty());
    }
}
