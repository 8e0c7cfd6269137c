//! macOS: the profile for `/usr/bin/sandbox-exec`, and how it is started.
//!
//! There are no mounts of a process's own on macOS, so the session's folders keep their places and the model is told
//! the real ones. The profile begins by denying everything; a later rule wins over an earlier one. It knows only paths
//! without links: `/private/tmp`, never `/tmp`. Neither Launch Services nor Apple events are let through, because what
//! they start or ask does its work outside. Only text is made here, so all of it can be tested on any system.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The program that confines; part of the system and not to be looked for in PATH.
pub(super) const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// Folders of programs and libraries.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/System", "/Library", "/opt/homebrew", "/private/var/db/dyld"];

/// Files that programs look for and that hold nothing private.
const FILES: &[&str] = &[
    "/private/etc/hosts",
    "/private/etc/passwd",
    "/private/etc/group",
    "/private/etc/services",
    "/private/etc/protocols",
    "/private/etc/localtime",
    "/private/etc/profile",
    "/private/etc/bashrc",
    "/private/etc/zprofile",
    "/private/etc/zshrc",
];

/// Folders of settings that programs look for.
const FOLDERS: &[&str] = &["/private/etc/ssl", "/private/var/db/timezone"];

/// Devices without memory and without an effect on others.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fd"];

/// System services that every program asks: names of accounts, the log, and settings.
const SERVICES: &[&str] = &[
    "com.apple.system.opendirectoryd.libinfo",
    "com.apple.system.logger",
    "com.apple.cfprefsd.agent",
    "com.apple.cfprefsd.daemon",
];

/// What network the confined processes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// None.
    Off,
    /// Connections to this port of this machine, behind which the proxy listens.
    Proxy(u16),
    /// The machine's own.
    Host,
}

/// What a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// Read, executed and changed: the session's folders, without links.
    pub(super) write: Vec<PathBuf>,
    /// Read and executed besides the system.
    pub(super) read: Vec<PathBuf>,
    /// The network.
    pub(super) network: Network,
}

/// Why no profile could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot stand in a profile: it is not an absolute path of plain text without links")]
pub(super) struct BadPath(PathBuf);

impl Profile {
    /// The profile as `sandbox-exec -p` takes it.
    pub(super) fn text(&self) -> Result<String, BadPath> {
        let mut out = String::from("(version 1)\n(deny default)\n(import \"system.sb\")\n");
        // What the imported profile opens is shut again where it leads out.
        out.push_str(
            "(deny lsopen)\n(deny appleevent-send)\n(deny mach-register)\n(deny network*)\n(deny mach-lookup)\n",
        );
        let mut line = |text: &str| {
            let _ = writeln!(out, "{text}");
        };
        line("(allow process-exec process-fork)");
        line("(allow signal (target same-sandbox))");
        line("(allow process-info* (target same-sandbox))");
        line("(allow sysctl-read)");
        line("(allow file-read-metadata)");
        line("(allow file-read* (literal \"/\"))");
        for path in SYSTEM.iter().chain(FOLDERS) {
            line(&format!("(allow file-read* (subpath {}))", quoted(Path::new(path))?));
        }
        for path in FILES {
            line(&format!("(allow file-read* (literal {}))", quoted(Path::new(path))?));
        }
        for path in DEVICES {
            line(&format!("(allow file-read* file-write-data file-ioctl (literal {}))", quoted(Path::new(path))?));
        }
        for service in SERVICES {
            line(&format!("(allow mach-lookup (global-name \"{service}\"))"));
        }
        for path in &self.read {
            line(&format!("(allow file-read* (subpath {}))", quoted(path)?));
        }
        for path in &self.write {
            line(&format!("(allow file-read* file-write* (subpath {}))", quoted(path)?));
        }
        match self.network {
            Network::Off => {}
            Network::Proxy(port) => line(&format!("(allow network-outbound (remote tcp \"localhost:{port}\"))")),
            Network::Host => {
                line("(allow network-outbound (remote ip))");
                line("(allow network-bind network-inbound (local ip))");
                line("(allow system-socket)");
            }
        }
        Ok(out)
    }

    /// The command line that runs a program behind this profile.
    pub(super) fn command(&self, argv: &[String]) -> Result<Vec<String>, BadPath> {
        let mut line = vec![PROGRAM.to_owned(), "-p".to_owned(), self.text()?, "--".to_owned()];
        line.extend(argv.iter().cloned());
        Ok(line)
    }
}

/// A path as a string of the profile language. Quotes and backslashes are escaped; control characters have no place in
/// a profile, and a path that may be a link would name something else than is meant.
fn quoted(path: &Path) -> Result<String, BadPath> {
    let bad = || BadPath(path.to_owned());
    let text = path.to_str().ok_or_else(bad)?;
    let through_link = ["/tmp", "/var", "/etc"].iter().any(|link| path.starts_with(link));
    let up = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    if !path.is_absolute() || path == Path::new("/") || through_link || up || text.chars().any(char::is_control) {
        return Err(bad());
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(network: Network) -> Profile {
        Profile {
            write: vec![PathBuf::from("/Users/ada/Library/Application Support/okcvm/work")],
            read: vec![PathBuf::from("/Users/ada/.pyenv/versions/3.12")],
            network,
        }
    }

    /// The lists of a profile at the first level, read as the language has them: strings, escapes, nesting.
    fn lists(text: &str) -> Vec<String> {
        let (mut found, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
        let mut list = String::new();
        for c in text.chars() {
            if depth > 0 || c == '(' {
                list.push(c);
            }
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => {
                    depth -= 1;
                    assert!(depth >= 0, "a parenthesis too many: {text}");
                    if depth == 0 {
                        found.push(std::mem::take(&mut list));
                    }
                }
                _ => {}
            }
        }
        assert!(depth == 0 && !quoted, "something is left open: {text}");
        found
    }

    #[test]
    fn everything_is_denied_before_anything_is_allowed_and_ways_out_stay_shut() {
        for network in [Network::Off, Network::Proxy(3128), Network::Host] {
            let text = profile(network).text().expect("profile");
            let lists = lists(&text);
            assert_eq!(lists[..2], ["(version 1)", "(deny default)"]);
            let last_deny = lists.iter().rposition(|list| list.starts_with("(deny")).expect("a denial");
            let first_allow = lists.iter().position(|list| list.starts_with("(allow")).expect("a permission");
            assert!(last_deny < first_allow, "{text}");
            for way_out in ["(allow lsopen", "(allow appleevent", "launchservices", "coreservices", "(allow default"] {
                assert!(!text.to_lowercase().contains(way_out), "{way_out}: {text}");
            }
            assert!(!text.contains("unix"), "sockets with a path stay denied");
        }
    }

    #[test]
    fn of_the_users_only_what_was_named_is_read() {
        let text = profile(Network::Off).text().expect("profile");
        let users: Vec<String> = lists(&text).into_iter().filter(|list| list.contains("/Users")).collect();
        assert_eq!(
            users,
            [
                "(allow file-read* (subpath \"/Users/ada/.pyenv/versions/3.12\"))",
                "(allow file-read* file-write* (subpath \"/Users/ada/Library/Application Support/okcvm/work\"))",
            ]
        );
        assert!(!text.contains("\"/private/var/folders") && !text.contains("(subpath \"/private/etc\")"));
        // Nothing is written but in the session.
        let written: Vec<String> = lists(&text).into_iter().filter(|list| list.contains("file-write*")).collect();
        assert_eq!(written.len(), 1, "{written:?}");
        assert!(!text.contains("/dev/ttys") && !text.contains("pseudo-tty"), "terminals of others are devices too");
    }

    #[test]
    fn the_network_is_that_of_the_mode() {
        let allowed = |network| -> Vec<String> {
            let text = profile(network).text().expect("profile");
            lists(&text).into_iter().filter(|list| list.starts_with("(allow network")).collect()
        };
        assert_eq!(allowed(Network::Off), Vec::<String>::new());
        assert_eq!(allowed(Network::Proxy(3128)), ["(allow network-outbound (remote tcp \"localhost:3128\"))"]);
        assert_eq!(allowed(Network::Host).len(), 2);
    }

    #[test]
    fn a_path_cannot_leave_its_string() {
        let hostile = "/Users/ada/\") (allow default) (\"\\";
        let profile = Profile { write: vec![PathBuf::from(hostile)], ..profile(Network::Off) };
        let text = profile.text().expect("profile");
        assert!(!lists(&text).iter().any(|list| list == "(allow default)"), "{text}");
        assert!(text.contains(r#""/Users/ada/\") (allow default) (\"\\""#), "{text}");
        for bad in ["relative", "/", "/tmp/x", "/var/folders/x", "/etc", "/a/../b", "/a\nb", "/a\0b"] {
            let profile = Profile { read: vec![PathBuf::from(bad)], ..profile.clone() };
            assert_eq!(profile.text(), Err(BadPath(PathBuf::from(bad))), "{bad:?}");
        }
        let command = profile.command(&["bash".to_owned(), "-c".to_owned(), "true".to_owned()]).expect("command");
        assert_eq!((command[0].as_str(), command[1].as_str(), command[3].as_str()), (PROGRAM, "-p", "--"));
        assert_eq!(command[4..], ["bash", "-c", "true"]);
    }
}
