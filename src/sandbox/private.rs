//! What of the user's must never be seen by tools: home, keys, configuration and sessions, under every spelling.
//!
//! The system's own folders are always shown, so whoever keeps a home or a configuration below one of them would show
//! it as well: there the sandbox is refused. Extra mounts are checked against the same places.

use std::path::{Path, PathBuf};

use super::policy::{ETC, SYSTEM_FOLDERS};
use crate::config::paths::real;

/// The private places of a user; each as it is written and without links.
#[derive(Debug, Clone, Default)]
pub(super) struct Private {
    /// Neither these nor anything above them may be shown.
    home: Vec<PathBuf>,
    /// The user's own: neither these, nor what lies in them, nor anything above them.
    own: Vec<PathBuf>,
    /// The same for places of the system.
    system: Vec<PathBuf>,
}

impl Private {
    /// The private places of the user who runs okcvm, and some more of them.
    pub(super) fn of_user(env: impl Fn(&str) -> Option<String>, more: &[PathBuf]) -> Self {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let mut own = more.to_vec();
        if let Some(home) = &home {
            own.extend(
                [".ssh", ".gnupg", ".aws", ".config/okcvm", ".local/share/okcvm", ".local/state/okcvm"]
                    .map(|name| home.join(name)),
            );
        }
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            own.extend(absolute(variable).map(|folder| folder.join("okcvm")));
        }
        let system = ["/run", "/var/run", "/proc", "/sys", "/dev"].map(PathBuf::from);
        Self { home: spellings(home), own: spellings(own), system: spellings(system) }
    }

    /// Why a path may not be shown to tools, if so.
    pub(super) fn refuses(&self, path: &Path) -> Option<String> {
        let shown = path.display();
        if !path.is_absolute() {
            return Some(format!("{shown} is not an absolute path"));
        }
        if path == Path::new("/") {
            return Some("the whole file system would be shown".to_owned());
        }
        if self.home.iter().any(|home| home.starts_with(path)) {
            return Some(format!("{shown} holds the home folder"));
        }
        let hit =
            self.own.iter().chain(&self.system).find(|place| place.starts_with(path) || path.starts_with(place))?;
        Some(format!("{shown} and {} overlap", hit.display()))
    }

    /// A private place that lies in what every tool sees of the system, and that part of the system.
    pub(super) fn shown_by_the_system(&self) -> Option<(&Path, PathBuf)> {
        let mut shown = vec![PathBuf::from("/usr"), PathBuf::from("/nix")];
        shown.extend(SYSTEM_FOLDERS.iter().map(|name| Path::new("/").join(name)));
        shown.extend(ETC.iter().map(|name| Path::new("/etc").join(name)));
        let mut places = self.home.iter().chain(&self.own);
        places.find_map(|place| Some((place.as_path(), shown.iter().find(|shown| place.starts_with(shown))?.clone())))
    }
}

/// Each path as it is written, and without links where that is another one.
fn spellings(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        let real = real(&path);
        if real != path {
            all.push(real);
        }
        all.push(path);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(home: &str) -> Private {
        let env = |name: &str| match name {
            "HOME" => Some(home.to_owned()),
            "XDG_DATA_HOME" => Some("/data".to_owned()),
            _ => None,
        };
        Private::of_user(env, &[PathBuf::from("/srv/agent.yaml")])
    }

    #[test]
    fn private_places_are_not_shown() {
        let private = private("/home/ada");
        for bad in [
            "/",
            "/home",
            "/home/ada",
            "/home/ada/.ssh",
            "/home/ada/.ssh/id",
            "/data",
            "/data/okcvm/x",
            "/run/docker.sock",
            "/srv",
            "/srv/agent.yaml",
            "rel",
            "/proc",
        ] {
            assert!(private.refuses(Path::new(bad)).is_some(), "{bad}");
        }
        for good in ["/opt/tools", "/home/ada/.pyenv/versions/3.12", "/data/models", "/srv/other"] {
            assert_eq!(private.refuses(Path::new(good)), None, "{good}");
        }
        assert_eq!(private.shown_by_the_system(), None);
    }

    #[test]
    fn a_home_that_is_a_link_is_private_under_both_names() {
        let folder = tempfile::tempdir().expect("folder");
        let real = folder.path().canonicalize().expect("path").join("real");
        std::fs::create_dir_all(real.join(".ssh")).expect("home");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).expect("link");
        let private = private(link.to_str().expect("text"));
        for bad in [&real, &real.join(".ssh"), &real.join(".config/okcvm"), &link] {
            assert!(private.refuses(bad).is_some(), "{}", bad.display());
        }
        assert_eq!(private.refuses(&real.join("tools")), None);
    }

    #[test]
    fn what_lies_below_the_system_is_found_also_through_a_link() {
        let folder = tempfile::tempdir().expect("folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/usr/share", &link).expect("link");
        for home in ["/usr/home/ada", "/nix/ada", link.to_str().expect("text")] {
            let private = private(home);
            let (place, system) = private.shown_by_the_system().expect(home);
            assert!(place.starts_with(&system), "{} {}", place.display(), system.display());
        }
    }
}
