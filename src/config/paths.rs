//! Where okcvm's own files lie: the XDG folders, read from a given environment.
//!
//! The environment is an argument and not the process's own, so that tests cannot see the machine they run on. A
//! relative path in an `XDG_*` variable counts as not set, as the XDG base directory specification says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::loaded::LoadOptions;
use super::problem::ConfigError;

/// The folders and files of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The configuration, `$XDG_CONFIG_HOME/okcvm/config.yaml` unless `--config` names another.
    pub config_file: PathBuf,
    /// What belongs to the user: `$XDG_DATA_HOME/okcvm` or `--data-dir`.
    pub data_dir: PathBuf,
    /// The folder of the sessions: `--data-dir`, else `workspace.path`, else below [`Paths::data_dir`].
    pub sessions_dir: PathBuf,
    /// What may be lost without harm to the user's work: `$XDG_STATE_HOME/okcvm`.
    pub state_dir: PathBuf,
    /// The log.
    pub log_dir: PathBuf,
    /// What can be found out again: `$XDG_CACHE_HOME/okcvm`.
    pub cache_dir: PathBuf,
}

impl Paths {
    /// What no session may hold: the sessions themselves, and what has keys or the user's own words.
    pub fn private(&self) -> Vec<PathBuf> {
        let file = &self.config_file;
        let mut places = vec![file.clone(), file.with_file_name(".env")];
        // The folder is ours by its name; with `--config` the file may lie among others.
        let ours = file.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "okcvm"));
        places.extend(ours.map(Path::to_owned));
        for folder in [&self.sessions_dir, &self.data_dir, &self.state_dir, &self.cache_dir] {
            places.push(folder.clone());
        }
        // Compared with paths whose links are resolved.
        places.iter().filter_map(|place| std::fs::canonicalize(place).ok()).collect()
    }
}

/// The paths as environment and command line have them, without a look at any file.
pub fn paths(options: &LoadOptions) -> Result<Paths, ConfigError> {
    let place = |variable: &str, below_home: &str| {
        folder(&options.env, variable, below_home).map(|folder| folder.join("okcvm")).ok_or(ConfigError::NoHome)
    };
    let data_dir = match &options.flags.data_dir {
        Some(folder) => options.cwd.join(folder),
        None => place("XDG_DATA_HOME", ".local/share")?,
    };
    let config_file = match &options.config_file {
        Some(file) => options.cwd.join(file),
        None => place("XDG_CONFIG_HOME", ".config")?.join("config.yaml"),
    };
    let state_dir = place("XDG_STATE_HOME", ".local/state")?;
    Ok(Paths {
        config_file,
        sessions_dir: data_dir.join("sessions"),
        data_dir,
        log_dir: state_dir.join("log"),
        state_dir,
        cache_dir: place("XDG_CACHE_HOME", ".cache")?,
    })
}

/// The home folder: `HOME`, else what the password database says.
pub(super) fn home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    match env.get("HOME").map(PathBuf::from) {
        Some(home) if home.is_absolute() => Some(home),
        _ => directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
    }
}

fn folder(env: &BTreeMap<String, String>, variable: &str, below_home: &str) -> Option<PathBuf> {
    match env.get(variable).map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Some(folder),
        _ => home(env).map(|home| home.join(below_home)),
    }
}

/// A path without links. What of it is not there yet is taken as it is written.
pub fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match known {
        Some((above, real)) => match path.strip_prefix(above) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

/// A path as a user writes it: `~` is the home folder, a relative one starts at `base`.
pub(super) fn expand(text: &str, base: &Path, env: &BTreeMap<String, String>) -> PathBuf {
    let home = || home(env);
    let expanded = match text.strip_prefix('~') {
        Some("") => home(),
        Some(rest) => rest.strip_prefix('/').and_then(|rest| home().map(|home| home.join(rest))),
        None => None,
    };
    base.join(expanded.unwrap_or_else(|| PathBuf::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn options(env: &[(&str, &str)]) -> LoadOptions {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        LoadOptions { cwd: PathBuf::from("/cwd"), env, ..LoadOptions::default() }
    }

    #[test]
    fn without_xdg_everything_lies_below_home() {
        let paths = paths(&options(&[("HOME", "/home/ada"), ("XDG_DATA_HOME", "relative")])).expect("paths");
        assert_eq!(paths.config_file, Path::new("/home/ada/.config/okcvm/config.yaml"));
        assert_eq!(paths.sessions_dir, Path::new("/home/ada/.local/share/okcvm/sessions"));
        assert_eq!(paths.log_dir, Path::new("/home/ada/.local/state/okcvm/log"));
        assert_eq!(paths.cache_dir, Path::new("/home/ada/.cache/okcvm"));
    }

    #[test]
    fn xdg_folders_and_flags_win() {
        let mut options = options(&[
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_CACHE_HOME", "/k"),
        ]);
        let found = paths(&options).expect("paths");
        assert_eq!(found.config_file, Path::new("/c/okcvm/config.yaml"));
        assert_eq!(found.data_dir, Path::new("/d/okcvm"));
        assert_eq!(found.state_dir, Path::new("/s/okcvm"));
        assert_eq!(found.cache_dir, Path::new("/k/okcvm"));
        options.config_file = Some("mine.yaml".into());
        options.flags = Flags { data_dir: Some("data".into()), ..Flags::default() };
        let found = paths(&options).expect("paths");
        assert_eq!(found.config_file, Path::new("/cwd/mine.yaml"));
        assert_eq!(found.sessions_dir, Path::new("/cwd/data/sessions"));
    }

    #[test]
    fn a_tilde_is_the_home_folder_and_nothing_else_is_guessed() {
        let env = options(&[("HOME", "/home/ada")]).env;
        let expand = |text: &str| expand(text, Path::new("/base"), &env);
        assert_eq!(expand("~"), Path::new("/home/ada"));
        assert_eq!(expand("~/x"), Path::new("/home/ada/x"));
        assert_eq!(expand("x/y"), Path::new("/base/x/y"));
        assert_eq!(expand("/x"), Path::new("/x"));
        assert_eq!(expand("~eve/x"), Path::new("/base/~eve/x"));
    }
}
