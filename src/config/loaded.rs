//! What loading takes and what it gives.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::paths::Paths;
use super::problem::Problem;
use super::schema::{Config, Endpoint};
use super::settings::Source;
use crate::support::secret::Secret;

/// What the process brings: nothing else is looked at.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// `--config`; `None` is the usual place.
    pub config_file: Option<PathBuf>,
    /// The current directory.
    pub cwd: PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The command line.
    pub flags: Flags,
}

impl LoadOptions {
    /// Those of this process. Variables that are not UTF-8 are none of ours and are left out.
    pub fn of_process(config_file: Option<PathBuf>, flags: Flags) -> io::Result<Self> {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { config_file, cwd: std::env::current_dir()?, env, flags })
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment holds keys.
        f.debug_struct("LoadOptions")
            .field("config_file", &self.config_file)
            .field("cwd", &self.cwd)
            .field("env", &format_args!("{} variables", self.env.len()))
            .field("flags", &self.flags)
            .finish()
    }
}

/// Options of the command line that stand above the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--spec-dir`.
    pub spec_dir: Option<PathBuf>,
    /// `--model`.
    pub model: Option<String>,
    /// `--sandbox`.
    pub sandbox: Option<String>,
    /// `--network`.
    pub network: Option<String>,
}

/// A configuration that may be used.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The places.
    pub paths: Paths,
    /// Every value with its source, for `config show`.
    pub values: Vec<ShownValue>,
    /// What is worth knowing and stops nothing.
    pub warnings: Vec<Problem>,
    /// Every configured key, for the redactor; also those that a higher layer hides.
    pub secrets: Vec<Secret>,
    /// Keys that wait for the user's word.
    pub asks: Vec<KeyQuestion>,
    /// Keys of the questions, by endpoint.
    pub(super) held: BTreeMap<String, Secret>,
}

impl Loaded {
    /// The user said yes: the key goes to that base URL from now on, in this process.
    pub fn allow_key(&mut self, question: &KeyQuestion) {
        let Some(key) = self.held.remove(&question.endpoint) else { return };
        if let Some(endpoint) = endpoint_mut(&mut self.config, &question.endpoint) {
            endpoint.api_key = Some(key);
        }
        self.asks.retain(|other| other.endpoint != question.endpoint);
    }
}

/// One value as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownValue {
    /// Its path, such as `chat.base_url`.
    pub path: String,
    /// The value; of a key only that it is `[set]`.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// A key would go to a base URL that somebody else brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuestion {
    /// The endpoint, such as `chat` or `media.image`.
    pub endpoint: String,
    /// Where the key would go.
    pub base_url: String,
    /// Who said so.
    pub base_url_source: Source,
    /// Whose key it is.
    pub key_source: Source,
}

impl KeyQuestion {
    /// What to do about it, as a sentence.
    pub fn hint(&self) -> String {
        format!(
            "If you trust that address, set {0}.base_url in your config file, or set the key in the same place as the \
             address; otherwise remove the address from {1}.",
            self.endpoint, self.base_url_source
        )
    }
}

impl fmt::Display for KeyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} key from {} would be sent to {}, an address that {} brought in",
            self.endpoint, self.key_source, self.base_url, self.base_url_source
        )
    }
}

fn endpoint_mut<'a>(config: &'a mut Config, name: &str) -> Option<&'a mut Endpoint> {
    match name {
        "chat" => config.chat.as_mut(),
        "media.image" => config.media.image.as_mut(),
        "media.speech" => config.media.speech.as_mut(),
        "media.sound_effects" => config.media.sound_effects.as_mut(),
        "media.asr" => config.media.asr.as_mut(),
        _ => None,
    }
}
