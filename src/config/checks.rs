//! What can only be told once all layers are together: halves of endpoints, sizes that contradict each other, paths that
//! would open the user's secrets to the tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fields::{ENDPOINTS, KEYED};
use super::paths::{Paths, expand, real};
use super::problem::Problem;
use super::settings::{Layer, Settings};
use super::value::{self, Typed};

/// A file with a key in it that others may read.
pub(super) fn mode(file: &Path, mode: u32) -> Option<Problem> {
    (mode & 0o077 != 0).then(|| {
        Problem::new("", format!("holds a key and has mode {mode:04o}, so that others may read it"))
            .at(file, None)
            .hint(format!("Close it with: chmod 600 {}", file.display()))
    })
}

/// Endpoints with a model and no base URL, or the other way round.
pub(super) fn halves(settings: &Settings, config_file: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| settings.present.contains(endpoint.path)) {
        let at = |name: &str| format!("{}.{name}", endpoint.path);
        for (name, variable, example) in [
            ("model", "MODEL", "the model's name as the endpoint calls it"),
            ("base_url", "BASE_URL", "an address such as https://api.moonshot.ai/v1"),
        ] {
            if settings.values.contains_key(&at(name)) || settings.refused.contains(&at(name)) {
                continue;
            }
            let problem = Problem::new(at(name), "is missing");
            let problem = match settings.block_lines.get(endpoint.path) {
                Some(line) => problem.at(config_file, Some(*line)),
                None => problem,
            };
            let prefix = endpoint.env_prefix;
            problems.push(problem.hint(format!("Set {} or {prefix}{variable}: {example}.", at(name))));
        }
    }
    problems
}

/// Endpoints of which only a folder's `.env` speaks, and not enough: they are told and left out.
pub(super) fn folder_halves(settings: &mut Settings, file: &Path) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for endpoint in std::mem::take(&mut settings.only_of_folder) {
        let at = |name: &str| format!("{endpoint}.{name}");
        let Some(missing) = ["model", "base_url"].into_iter().find(|name| !settings.values.contains_key(&at(name)))
        else {
            continue;
        };
        settings.present.remove(&endpoint);
        settings.values.retain(|path, settled| {
            settled.layer != Layer::FolderDotEnv || ![at("model"), at("base_url")].contains(path)
        });
        if settings.keys.get(&endpoint).is_some_and(|key| key.layer == Layer::FolderDotEnv) {
            settings.keys.remove(&endpoint);
        }
        let message = format!("is left out: this file sets a part of it, but {} is missing", at(missing));
        warnings.push(Problem::new(endpoint.clone(), message).at(file, None));
    }
    warnings
}

/// What was set for endpoints that are not there.
pub(super) fn without_endpoint(settings: &Settings) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !settings.present.contains(endpoint.path)) {
        let hint = format!("Set {0}.model and {0}.base_url, or run okcvm for the setup screen.", endpoint.path);
        let model = settings.values.get(&format!("{}.model", endpoint.path));
        if model.is_some_and(|model| model.layer == Layer::Flag) {
            let problem = Problem::new("--model", format!("has no effect: {} is not configured", endpoint.path));
            warnings.push(problem.hint(hint));
        } else if let Some(key) = settings.keys.get(endpoint.path) {
            let message = format!("has a key from {}, but neither model nor base URL", key.source);
            warnings.push(Problem::new(endpoint.path, message).hint(hint));
        }
    }
    warnings
}

/// Keys that would cross a network unencrypted.
pub(super) fn keys_in_the_clear(settings: &Settings) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let blocks = ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(KEYED);
    for block in blocks.filter(|block| settings.keys.contains_key(*block)) {
        let path = format!("{block}.base_url");
        if settings.text(&path).is_some_and(value::in_the_clear) {
            let problem =
                Problem::new(path.clone(), "is plain http to another machine: the key can be read on the way");
            warnings.push(settings.place(&path, problem.hint("Use an https address.")));
        }
    }
    warnings
}

/// A provider of searches that lacks what it cannot do without.
pub(super) fn search(settings: &Settings) -> Option<Problem> {
    let provider = settings.text("search.provider")?;
    let has_address = settings.text("search.base_url").is_some();
    let (lacks, hint) = match provider {
        "searxng" | "bing" if !has_address => ("search.base_url", "Set search.base_url to the address of an instance."),
        // Another address may be one that needs none.
        "brave" | "tavily" | "serper" if !has_address && !settings.keys.contains_key("search") => {
            ("a key", "Set search.api_key or search.api_key_env.")
        }
        _ => return None,
    };
    let problem = Problem::new("search.provider", format!("{provider} cannot search without {lacks}"));
    Some(settings.place("search.provider", problem.hint(hint)))
}

/// Endpoints of media whose hosts are known to need a key, without one.
pub(super) fn media_without_keys(settings: &Settings) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let media = ENDPOINTS.iter().filter(|endpoint| endpoint.path.starts_with("media."));
    for endpoint in media.filter(|endpoint| !settings.keys.contains_key(endpoint.path)) {
        let path = format!("{}.base_url", endpoint.path);
        let host = settings.text(&path).and_then(|url| url.split("//").nth(1)).unwrap_or_default();
        let host = host.split(['/', ':']).next().unwrap_or_default();
        if ["api.openai.com", "api.elevenlabs.io"].contains(&host) {
            let problem = Problem::new(endpoint.path, format!("has no key, and {host} answers nobody without one"));
            let hint =
                format!("Set {0}.api_key or {0}.api_key_env, or {1}API_KEY.", endpoint.path, endpoint.env_prefix);
            warnings.push(settings.place(&path, problem.hint(hint)));
        }
    }
    warnings
}

/// A snapshot that could not hold its largest file.
pub(super) fn snapshot_sizes(settings: &Settings) -> Option<Problem> {
    let (file, total) = ("snapshots.max_file_mb", "snapshots.max_total_mb");
    let size = |path: &str, default: u64| match settings.values.get(path).map(|settled| &settled.value) {
        Some(Typed::Whole(size)) => *size,
        _ => default,
    };
    let defaults = super::schema::SnapshotSection::default();
    let (file_mb, total_mb) = (size(file, defaults.max_file_mb), size(total, defaults.max_total_mb));
    if file_mb <= total_mb {
        return None;
    }
    let path = if settings.values.contains_key(total) { total } else { file };
    let problem = Problem::new(path, format!("max_file_mb ({file_mb}) is larger than max_total_mb ({total_mb})"));
    Some(settings.place(path, problem.hint("Raise max_total_mb or lower max_file_mb.")))
}

/// Paths that would show the tools what they must not see.
pub(super) fn extra_ro(
    settings: &Settings,
    paths: &Paths,
    env: &BTreeMap<String, String>,
    home: Option<&Path>,
) -> Vec<Problem> {
    let Some(Typed::List(list)) = settings.values.get("sandbox.extra_ro").map(|settled| &settled.value) else {
        return Vec::new();
    };
    let mut closed: Vec<PathBuf> =
        home.iter().flat_map(|home| [".ssh", ".gnupg", ".aws"].map(|name| home.join(name))).collect();
    closed.extend(paths.config_file.parent().map(Path::to_owned));
    closed.extend([paths.data_dir.clone(), paths.state_dir.clone(), "/run".into(), "/var/run".into(), "/proc".into()]);
    closed.extend(closed.clone().iter().map(|path| real(path)));
    let mut problems = Vec::new();
    let absolute = |text: &&String| text.starts_with(['/', '~']);
    for (index, text) in list.iter().enumerate().filter(|(_, text)| absolute(text)) {
        let path = clean(&expand(text, Path::new("/"), env));
        let overlaps = |path: &Path, closed: &Path| closed.starts_with(path) || path.starts_with(closed);
        let real = real(&path);
        if let Some(closed) = closed.iter().find(|closed| overlaps(&path, closed) || overlaps(&real, closed)) {
            let at = format!("sandbox.extra_ro[{index}]");
            let message = format!("{text:?} would show the tools {}", closed.display());
            let problem = settings.place("sandbox.extra_ro", Problem::new(at, message));
            problems.push(problem.hint("Name the one folder that the tools need, such as a toolchain."));
        }
    }
    problems
}

/// The path without `.` and `..`, by its spelling alone; links are followed where the sandbox opens it.
fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
