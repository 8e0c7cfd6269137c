//! Makes the plain [`Config`] of what was settled; every value that nobody set is the table's default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fields::{ENDPOINTS, field, fields};
use super::loaded::ShownValue;
use super::paths::expand;
use super::schema::{
    BrowserSection, Config, DataSection, Endpoint, EngineSection, LimitSection, MediaSection, NetworkSection,
    ProjectSection, PythonSection, SandboxSection, SearchSection, SnapshotSection, SpecSection, UiSection,
    VoiceSection, WorkspaceSection,
};
use super::settings::{Settings, Source};
use super::value::{self, Typed};

/// What stands where a value is not set.
const NOT_SET: &str = "[not set]";

/// Settled values with their defaults.
pub(super) struct Builder<'a> {
    pub settings: &'a Settings,
    /// Where relative paths of the config file start.
    pub base: &'a Path,
    pub env: &'a BTreeMap<String, String>,
}

impl Builder<'_> {
    /// The configuration; endpoints have their key unless it stands in `held`.
    pub(super) fn config(&self, held: &[String]) -> Config {
        Config {
            chat: self.endpoint("chat", held),
            media: MediaSection {
                image: self.endpoint("media.image", held),
                speech: self.endpoint("media.speech", held),
                sound_effects: self.endpoint("media.sound_effects", held),
                asr: self.endpoint("media.asr", held),
                speech_provider: self.choice("media.speech.provider"),
            },
            workspace: WorkspaceSection {
                path: self.path("workspace.path"),
                confirm_on_start: self.flag("workspace.confirm_on_start"),
                preview_base_url: self.text("workspace.preview_base_url").map(|url| value::without_slash(&url)),
            },
            sandbox: SandboxSection {
                backend: self.choice("sandbox.backend"),
                network: NetworkSection {
                    mode: self.choice("sandbox.network.mode"),
                    allow: self.list("sandbox.network.allow"),
                    deny: self.list("sandbox.network.deny"),
                    allow_ports: self.numbers("sandbox.network.allow_ports"),
                    allow_private: self.list("sandbox.network.allow_private"),
                    shell: self.word("sandbox.network.shell"),
                },
                run_as: self.whole("sandbox.run_as"),
                extra_ro: self.list("sandbox.extra_ro").iter().map(|path| expand(path, self.base, self.env)).collect(),
                env_pass: self.list("sandbox.env_pass"),
                allow_ptrace: self.flag("sandbox.allow_ptrace"),
                scope: self.choice("sandbox.scope"),
                limits: LimitSection {
                    memory_mb: self.whole("sandbox.limits.memory_mb"),
                    total_memory_mb: self.count("sandbox.limits.total_memory_mb"),
                    pids: self.whole("sandbox.limits.pids"),
                    file_mb: self.whole("sandbox.limits.file_mb"),
                    open_files: self.whole("sandbox.limits.open_files"),
                    workspace_mb: self.whole("sandbox.limits.workspace_mb"),
                    min_free_mb: self.whole("sandbox.limits.min_free_mb"),
                },
            },
            snapshots: SnapshotSection {
                max_file_mb: self.whole("snapshots.max_file_mb"),
                max_total_mb: self.whole("snapshots.max_total_mb"),
            },
            project: ProjectSection {
                max_files: self.whole("project.max_files"),
                max_total_mb: self.whole("project.max_total_mb"),
            },
            engine: EngineSection { max_rounds: self.whole("engine.max_rounds") },
            search: SearchSection {
                provider: self.choice("search.provider"),
                base_url: self.text("search.base_url").map(|url| value::without_slash(&url)),
                api_key: self.settings.keys.get("search").map(|key| key.secret.clone()),
            },
            data: DataSection {
                yahoo_base_url: self.text("data.yahoo_base_url").map(|url| value::without_slash(&url)),
            },
            browser: BrowserSection { mode: self.choice("browser.mode"), path: self.path("browser.path") },
            python: PythonSection { path: self.path("python.path") },
            spec: SpecSection { dir: self.path("spec.dir") },
            voice: VoiceSection { recorder: self.text("voice.recorder") },
            ui: UiSection {
                colour: self.choice("ui.colour"),
                ascii: self.flag("ui.ascii"),
                links: self.choice("ui.links"),
                pictures: self.choice("ui.pictures"),
                keys: match self.value("ui.keys") {
                    Some(Typed::Map(keys)) => keys,
                    _ => BTreeMap::new(),
                },
            },
        }
    }

    /// Every value with its source, in the order of the table.
    pub(super) fn shown(&self) -> Vec<ShownValue> {
        let absent = |path: &str| {
            ENDPOINTS.iter().find(|endpoint| {
                let below = path.strip_prefix(endpoint.path).is_some_and(|rest| rest.starts_with('.'));
                below && !self.is_configured(endpoint.path)
            })
        };
        let mut rows: Vec<ShownValue> = Vec::new();
        for field in fields() {
            if let Some(endpoint) = absent(&field.path) {
                let known = rows.last().is_some_and(|row| row.path == endpoint.path);
                if !known {
                    let (path, value) = (endpoint.path.to_owned(), NOT_SET.to_owned());
                    rows.push(ShownValue { path, value, source: Source::Default });
                }
                continue;
            }
            let key = field.path.strip_suffix(".api_key").and_then(|endpoint| self.settings.keys.get(endpoint));
            let (value, source) = match (key, self.settings.values.get(&field.path)) {
                (Some(key), _) => (key.secret.to_string(), key.source.clone()),
                (None, Some(settled)) => (self.shown_value(&field.path, &settled.value), settled.source.clone()),
                (None, None) => (field.default.to_owned(), Source::Default),
            };
            rows.push(ShownValue { path: field.path.clone(), value, source });
        }
        rows
    }

    fn shown_value(&self, path: &str, value: &Typed) -> String {
        match value {
            Typed::Text(name)
                if path.ends_with(".api_key_env") && !self.env.contains_key(name) && value::looks_like_key(name) =>
            {
                "[looks like a key, not shown]".to_owned()
            }
            value => value::shown(value),
        }
    }

    /// Whether an endpoint has what it needs to be used.
    pub(super) fn is_configured(&self, endpoint: &str) -> bool {
        let has = |name: &str| self.settings.text(&format!("{endpoint}.{name}")).is_some();
        has("model") && has("base_url")
    }

    fn endpoint(&self, block: &str, held: &[String]) -> Option<Endpoint> {
        let at = |name: &str| format!("{block}.{name}");
        let key = self.settings.keys.get(block).filter(|_| !held.iter().any(|held| held == block));
        Some(Endpoint {
            model: self.text(&at("model"))?,
            base_url: value::without_slash(&self.text(&at("base_url"))?),
            api_key: key.map(|key| key.secret.clone()),
            supports_streaming: self.flag(&at("supports_streaming")),
            connect_timeout_secs: self.whole(&at("connect_timeout_secs")),
            idle_timeout_secs: self.whole(&at("idle_timeout_secs")),
            max_retries: self.whole(&at("max_retries")),
            context_window: match self.value(&at("context_window")) {
                Some(Typed::Whole(tokens)) => Some(tokens),
                _ => None,
            },
            vision: self.flag(&at("vision")),
        })
    }

    fn value(&self, path: &str) -> Option<Typed> {
        if let Some(settled) = self.settings.values.get(path) {
            return Some(settled.value.clone());
        }
        let field = field(path)?;
        let words = field.default.starts_with('[')
            && !matches!(value::from_text(field.kind, field.default), Ok(Typed::List(_)));
        if words { None } else { value::from_text(field.kind, field.default).ok() }
    }

    fn text(&self, path: &str) -> Option<String> {
        match self.value(path) {
            Some(Typed::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn path(&self, path: &str) -> Option<PathBuf> {
        self.text(path).map(|text| expand(&text, self.base, self.env))
    }

    fn flag(&self, path: &str) -> bool {
        matches!(self.value(path), Some(Typed::Flag(true)))
    }

    fn list(&self, path: &str) -> Vec<String> {
        match self.value(path) {
            Some(Typed::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Numbers; those that do not fit were refused before.
    fn numbers<N: std::str::FromStr>(&self, path: &str) -> Vec<N> {
        self.list(path).iter().filter_map(|number| number.parse().ok()).collect()
    }

    /// A number; the bounds of the table fit the type of the schema.
    fn whole<N: TryFrom<u64> + Default>(&self, path: &str) -> N {
        match self.value(path) {
            Some(Typed::Whole(number)) => N::try_from(number).unwrap_or_default(),
            _ => N::default(),
        }
    }

    /// Such a number, where there is one.
    fn count(&self, path: &str) -> Option<u64> {
        match self.value(path) {
            Some(Typed::Whole(number)) => Some(number),
            _ => None,
        }
    }

    /// A word of a table's choice, which the schema knows under the same spelling.
    fn choice<C: serde::de::DeserializeOwned + Default>(&self, path: &str) -> C {
        self.word(path).unwrap_or_default()
    }

    /// Such a word, where there is one.
    fn word<C: serde::de::DeserializeOwned>(&self, path: &str) -> Option<C> {
        serde_json::from_value(serde_json::Value::String(self.text(path)?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{
        BrowserMode, ColourMode, LinkMode, NetworkMode, PictureMode, SandboxBackend, SandboxScope, SearchProvider,
        SpeechProvider,
    };

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_schema() {
        let (settings, env) = (Settings::default(), BTreeMap::new());
        let config = Builder { settings: &settings, base: Path::new("/"), env: &env }.config(&[]);
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_word_of_a_choice_is_one_of_the_schema() {
        for (path, words) in fields().iter().filter_map(|field| match field.kind {
            super::super::fields::FieldKind::Choice(words) => Some((&field.path, words)),
            _ => None,
        }) {
            for word in words {
                let value = serde_json::Value::String((*word).to_owned());
                let known = match path.as_str() {
                    "sandbox.backend" => serde_json::from_value::<SandboxBackend>(value).is_ok(),
                    "sandbox.network.mode" | "sandbox.network.shell" => {
                        serde_json::from_value::<NetworkMode>(value).is_ok()
                    }
                    "browser.mode" => serde_json::from_value::<BrowserMode>(value).is_ok(),
                    "media.speech.provider" => serde_json::from_value::<SpeechProvider>(value).is_ok(),
                    "search.provider" => serde_json::from_value::<SearchProvider>(value).is_ok(),
                    "sandbox.scope" => serde_json::from_value::<SandboxScope>(value).is_ok(),
                    "ui.links" => serde_json::from_value::<LinkMode>(value).is_ok(),
                    "ui.pictures" => serde_json::from_value::<PictureMode>(value).is_ok(),
                    "ui.colour" => serde_json::from_value::<ColourMode>(value).is_ok(),
                    _ => false,
                };
                assert!(known, "{path}: {word}");
            }
        }
    }
}
