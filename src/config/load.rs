//! Puts the layers together: defaults < file < `.env` < environment < flags, remembering each value's source.
//!
//! Why so much about keys: the current directory may be anybody's. Its `.env` may bring an endpoint of its own, but must
//! not be able to draw the user's key to its server. So a key goes only to the base URL of its own layer, or to one that
//! the user's own files (config file, `.env` beside it) state for that endpoint. Whatever else the layers add up to
//! becomes a [`KeyQuestion`], and until it is answered the endpoint has no key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::build::Builder;
use super::fields::{ENDPOINTS, FieldKind, KEYED, field};
pub use super::loaded::{Flags, KeyQuestion, LoadOptions, Loaded, ShownValue};
use super::paths::{Paths, home, paths};
pub use super::problem::{ConfigError, Problem};
use super::read::{Text, read_text, read_text_up_to};
pub use super::settings::Source;
use super::settings::{Key, Layer, Settings, Settled};
use super::value::{self, Typed};
use super::variables::{Variables, dotenv};
use super::{checks, validate};
use crate::support::secret::{Redactor, Secret};

/// Loads everything. All problems come at once.
pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigError> {
    run(options, false, None)
}

/// Like [`load`], for commands that talk to no model: a variable that `api_key_env` names and nobody set is only a
/// warning, so that a listing works where the key is not at hand.
pub fn load_keyless(options: &LoadOptions) -> Result<Loaded, ConfigError> {
    run(options, true, None)
}

/// Whether the config file could be loaded with this text in it. A variable that nobody set is no problem here.
pub fn check_text(options: &LoadOptions, text: &str) -> Result<(), ConfigError> {
    run(options, true, Some(text)).map(drop)
}

/// What a variable that `api_key_env` names holds: in the environment, else in the `.env` beside the config file.
pub fn key_variable(options: &LoadOptions, config_file: &Path, name: &str) -> Option<Secret> {
    let file = config_file.with_file_name(".env");
    let own = match read_text(&file) {
        Ok(Text::Whole { text, .. }) => {
            let variables = dotenv(&text, &file, Layer::OwnDotEnv, &mut Vec::new());
            let by_name = variables.pairs().collect();
            Some((file, by_name))
        }
        _ => None,
    };
    look_up(options, &own, name).map(|(key, _)| Secret::new(key.trim()))
}

fn look_up<'a>(options: &'a LoadOptions, own: &'a OwnVariables, name: &str) -> Option<(&'a String, Source)> {
    let set = |text: &&String| !text.trim().is_empty();
    let from_env = options.env.get(name).filter(set).map(|key| (key, Source::Env(name.to_owned())));
    from_env.or_else(|| {
        let (file, variables) = own.as_ref()?;
        variables.get(name).filter(set).map(|key| (key, Source::DotEnv(file.clone())))
    })
}

fn run(options: &LoadOptions, keyless: bool, text: Option<&str>) -> Result<Loaded, ConfigError> {
    let mut paths = paths(options)?;
    let mut loading = Loading { options, ..Loading::default() };
    match text {
        Some(text) => validate::read_file(text, &paths.config_file, &mut loading.settings, &mut loading.problems),
        None => loading.file(&paths.config_file)?,
    }
    let own = loading.dotenvs(&paths.config_file)?;
    loading.environment();
    loading.flags(&paths);
    let unset = loading.keys(&own);
    let place = if keyless { &mut loading.warnings } else { &mut loading.problems };
    place.extend(unset);
    loading.checks(&paths);
    let redactor = Redactor::new(loading.settings.secrets.iter().cloned());
    loading.warnings.iter_mut().chain(&mut loading.problems).for_each(|problem| clean(problem, &redactor));
    if !loading.problems.is_empty() {
        return Err(ConfigError::Problems(loading.problems));
    }

    let asks = loading.questions();
    let held: Vec<String> = asks.iter().map(|ask| ask.endpoint.clone()).collect();
    let base = paths.config_file.parent().unwrap_or(Path::new("/")).to_owned();
    let builder = Builder { settings: &loading.settings, base: &base, env: &options.env };
    let (mut config, values) = (builder.config(&held), builder.shown());
    // Paths of flags need not be UTF-8, so they do not take the way through text.
    if let Some(folder) = &options.flags.spec_dir {
        config.spec.dir = Some(options.cwd.join(folder));
    }
    match (&options.flags.data_dir, &config.workspace.path) {
        (Some(_), _) => config.workspace.path = Some(paths.sessions_dir.clone()),
        (None, Some(folder)) => paths.sessions_dir.clone_from(folder),
        (None, None) => {}
    }
    let Loading { mut settings, warnings, .. } = loading;
    let held = held.into_iter().filter_map(|name| settings.keys.remove(&name).map(|key| (name, key.secret))).collect();
    Ok(Loaded { config, paths, values, warnings, secrets: settings.secrets, asks, held })
}

/// A message may quote what stands in a file; a key must not come out that way either.
fn clean(problem: &mut Problem, redactor: &Redactor) {
    problem.message = redactor.redact(&problem.message).into_owned();
    problem.hint = problem.hint.take().map(|hint| redactor.redact(&hint).into_owned());
}

/// Warnings that a folder's `.env` may cause; more says nothing new.
const MOST_FOLDER_WARNINGS: usize = 10;
/// A folder's `.env` may be this large.
const LARGEST_FOLDER_FILE: u64 = 64 << 10;

/// Variables of the user's own `.env`, by name, and the file.
type OwnVariables = Option<(PathBuf, BTreeMap<String, String>)>;

struct Loading<'a> {
    options: &'a LoadOptions,
    settings: Settings,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

static NOTHING: std::sync::LazyLock<LoadOptions> = std::sync::LazyLock::new(LoadOptions::default);

impl Default for Loading<'_> {
    fn default() -> Self {
        Self { options: &NOTHING, settings: Settings::default(), problems: Vec::new(), warnings: Vec::new() }
    }
}

impl Loading<'_> {
    fn file(&mut self, file: &Path) -> Result<(), ConfigError> {
        match read_text(file).map_err(|source| ConfigError::Io { path: file.to_owned(), source })? {
            Text::Missing if self.options.config_file.is_some() => {
                let problem = Problem::new("", "does not exist").at(file, None);
                self.problems
                    .push(problem.hint("Check --config, or make the file with: okcvm config init --config FILE."));
            }
            Text::Missing => {}
            Text::Odd { line, message } => self.problems.push(Problem::new("", message).at(file, line)),
            Text::Whole { text, mode } => {
                validate::read_file(&text, file, &mut self.settings, &mut self.problems);
                if !self.settings.keys.is_empty() {
                    self.warnings.extend(checks::mode(file, mode));
                }
            }
        }
        Ok(())
    }

    /// Both `.env` files; gives back the variables of the user's own, which `api_key_env` may name.
    fn dotenvs(&mut self, config_file: &Path) -> Result<OwnVariables, ConfigError> {
        let own_file = config_file.with_file_name(".env");
        let folder_file = self.options.cwd.join(".env");
        let own = match read_text(&own_file).map_err(|source| ConfigError::Io { path: own_file.clone(), source })? {
            Text::Missing => None,
            Text::Odd { line, message } => {
                self.problems.push(Problem::new("", message).at(&own_file, line));
                None
            }
            Text::Whole { text, mode } => {
                let keys = self.settings.secrets.len();
                let variables = dotenv(&text, &own_file, Layer::OwnDotEnv, &mut self.problems);
                self.take(&variables);
                let named = |name: &String| self.key_variables().contains(name);
                let by_name: BTreeMap<_, _> = variables.pairs().collect();
                if self.settings.secrets.len() > keys || by_name.keys().any(named) {
                    self.warnings.extend(checks::mode(&own_file, mode));
                }
                Some((own_file.clone(), by_name))
            }
        };
        let same = |one: &Path, other: &Path| match (one.canonicalize(), other.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        };
        if !same(&own_file, &folder_file) {
            self.folder_dotenv(&folder_file);
        }
        Ok(own)
    }

    /// The `.env` of the current directory. What is wrong with it is that folder's affair: it is told, as far as
    /// anybody wants to read, and left out; nothing in it stops a command.
    fn folder_dotenv(&mut self, file: &Path) {
        let mut told = Vec::new();
        match read_text_up_to(file, LARGEST_FOLDER_FILE) {
            Ok(Text::Missing) => {}
            Ok(Text::Odd { line, message }) => {
                told.push(Problem::new("", format!("{message} and is left out")).at(file, line));
            }
            Ok(Text::Whole { text, .. }) => {
                let (mut problems, mut warnings) = (Vec::new(), Vec::new());
                let variables = dotenv(&text, file, Layer::FolderDotEnv, &mut problems);
                variables.apply(&mut self.settings, &mut problems, &mut warnings);
                told.extend(problems.into_iter().chain(warnings));
            }
            Err(error) => {
                let problem = Problem::new("", format!("cannot be read and is left out: {error}"));
                told.push(problem.at(file, None));
            }
        }
        if told.len() > MOST_FOLDER_WARNINGS {
            let more = told.split_off(MOST_FOLDER_WARNINGS).len();
            told.push(Problem::new("", format!("has {more} more lines that are left out")).at(file, None));
        }
        self.warnings.extend(told);
    }

    fn environment(&mut self) {
        let variables = Variables::of_environment(&self.options.env);
        self.take(&variables);
    }

    fn take(&mut self, variables: &Variables) {
        variables.apply(&mut self.settings, &mut self.problems, &mut self.warnings);
    }

    fn flags(&mut self, paths: &Paths) {
        let flags = &self.options.flags;
        let spec_dir = flags.spec_dir.as_ref().map(|folder| self.options.cwd.join(folder).display().to_string());
        let sessions = flags.data_dir.as_ref().map(|_| paths.sessions_dir.display().to_string());
        let rows: [(&'static str, &str, Option<&String>); 5] = [
            ("--model", "chat.model", flags.model.as_ref()),
            ("--sandbox", "sandbox.backend", flags.sandbox.as_ref()),
            ("--network", "sandbox.network.mode", flags.network.as_ref()),
            ("--data-dir", "workspace.path", sessions.as_ref()),
            ("--spec-dir", "spec.dir", spec_dir.as_ref()),
        ];
        for (flag, path, text) in rows {
            let (Some(text), Some(field)) = (text, field(path)) else { continue };
            match value::from_text(field.kind, text) {
                Ok(typed) => {
                    let wrongs = value::check(field.kind, &typed);
                    if wrongs.is_empty() {
                        let source = Source::Flag(flag);
                        self.settings.set(path, Settled { value: typed, layer: Layer::Flag, source, line: None });
                    }
                    self.problems.extend(wrongs.into_iter().map(|wrong| {
                        let mut problem = Problem::new(flag, wrong.message);
                        problem.hint = wrong.hint;
                        problem
                    }));
                }
                Err(wrong) => self.problems.push(Problem::new(flag, wrong.message)),
            }
        }
    }

    /// Names of variables that hold keys according to `api_key_env`.
    fn key_variables(&self) -> Vec<String> {
        let name = |block: &str| self.settings.text(&format!("{block}.api_key_env")).map(str::to_owned);
        ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(KEYED).filter_map(name).collect()
    }

    /// Resolves `api_key_env`; what it names and nobody set comes back as problems.
    fn keys(&mut self, own: &OwnVariables) -> Vec<Problem> {
        let mut unset = Vec::new();
        let prefixed = ENDPOINTS.iter().map(|endpoint| (endpoint.path, Some(endpoint.env_prefix)));
        for (block, prefix) in prefixed.chain(KEYED.map(|block| (block, None))) {
            let path = format!("{block}.api_key_env");
            let Some(variable) = self.settings.text(&path).map(str::to_owned) else { continue };
            match look_up(self.options, own, &variable) {
                Some((key, source)) => {
                    let key = key.trim();
                    self.settings.secrets.push(Secret::new(key));
                    if let Some(wrong) = value::check(FieldKind::Key, &Typed::Text(key.to_owned())).into_iter().next() {
                        let problem = Problem::new(path.clone(), format!("{variable} {}", wrong.message));
                        self.problems.push(self.settings.place(&path, problem));
                    } else if !self.settings.keys.contains_key(block) {
                        let key = Key { secret: Secret::new(key), layer: Layer::File, source };
                        self.settings.keys.insert(block.to_owned(), key);
                    }
                }
                // A key of a higher layer makes the variable needless.
                None if self.settings.keys.contains_key(block) => {}
                None if value::looks_like_key(&variable) => {
                    // Not repeated here or anywhere else.
                    self.settings.secrets.push(Secret::new(&*variable));
                    let message = "looks like a key itself; it takes the name of a variable that holds one";
                    let hint = format!("Write the key as {block}.api_key, or name a variable that is set.");
                    unset.push(self.settings.place(&path, Problem::new(path.clone(), message)).hint(hint));
                }
                None => {
                    let problem = Problem::new(path.clone(), format!("names {variable}, which is not set"));
                    let other = prefix.map_or_else(String::new, |prefix| format!(", or set {prefix}API_KEY"));
                    let hint =
                        format!("Set {variable} in the environment or in a .env file beside the config file{other}.");
                    unset.push(self.settings.place(&path, problem).hint(hint));
                }
            }
        }
        unset
    }

    fn checks(&mut self, paths: &Paths) {
        let folder_file = self.options.cwd.join(".env");
        self.warnings.extend(checks::folder_halves(&mut self.settings, &folder_file));
        let settings = &self.settings;
        self.problems.extend(checks::halves(settings, &paths.config_file));
        self.problems.extend(checks::snapshot_sizes(settings));
        self.problems.extend(checks::extra_ro(settings, paths, &self.options.env, home(&self.options.env).as_deref()));
        self.warnings.extend(checks::without_endpoint(settings));
        self.warnings.extend(checks::keys_in_the_clear(settings));
        self.warnings.extend(checks::media_without_keys(settings));
        self.warnings.extend(checks::search(settings));
    }

    /// Keys whose way leads to another layer's address.
    fn questions(&self) -> Vec<KeyQuestion> {
        let mut asks = Vec::new();
        for endpoint in ENDPOINTS {
            let (Some(key), Some(url)) = (
                self.settings.keys.get(endpoint.path),
                self.settings.values.get(&format!("{}.base_url", endpoint.path)),
            ) else {
                continue;
            };
            let Typed::Text(address) = &url.value else { continue };
            let stated = self.settings.own_urls.get(endpoint.path).map_or(&[][..], Vec::as_slice);
            let known = stated.iter().any(|own| value::same_place(own, address));
            if key.layer != url.layer && !known {
                asks.push(KeyQuestion {
                    endpoint: endpoint.path.to_owned(),
                    base_url: value::without_slash(address),
                    base_url_source: url.source.clone(),
                    key_source: key.source.clone(),
                });
            }
        }
        asks
    }
}
