//! What tools see: the mounts, the files that are made up for them, and the environment.
//!
//! It is a list of what is there, never of what is hidden: an empty root, the system's programs read-only, three
//! folders of the session, and nothing else. All functions here are pure but [`Layout::of_host`].

use std::fs;
use std::path::{Path, PathBuf};

use super::wire::{Network, Plan};
use super::{Mounted, SandboxFolders};
use crate::config;

/// Where okcvm's own program lies inside.
pub(super) const INIT: &str = "/run/okcvm-init";
/// HOME inside.
pub(super) const HOME: &str = "/home/okcvm";

/// Where a session's folders lie for its tools when okcvm is root, in a mount namespace of the sandbox's own.
pub(super) fn place_of_root(id: &str) -> PathBuf {
    Path::new("/run/okcvm").join(id)
}

/// Top-level names that lead to programs and libraries.
pub(super) const SYSTEM_FOLDERS: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Files and folders of `/etc` that programs need and that hold nothing private.
pub(super) const ETC: &[&str] = &[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "nsswitch.conf",
    "localtime",
    "timezone",
    "ssl",
    "ca-certificates",
    "pki",
    "alternatives",
    "fonts",
    "matplotlibrc",
    "mime.types",
    "protocols",
    "services",
    "gai.conf",
    "host.conf",
    "locale.alias",
    "locale.conf",
    "bash.bashrc",
    "profile",
];

/// How the host's root is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Top-level names with the target of the link that they are, or none for real folders.
    pub(super) system: Vec<(String, Option<String>)>,
    /// What of `/etc` is shown.
    pub(super) etc: Vec<String>,
    /// Whether the system's programs lie in `/nix`.
    pub(super) nix: bool,
}

impl Layout {
    /// Looks at the running system.
    pub(super) fn of_host() -> Self {
        let mut system = Vec::new();
        for name in SYSTEM_FOLDERS {
            let path = Path::new("/").join(name);
            if let Ok(target) = fs::read_link(&path) {
                system.push(((*name).to_owned(), target.to_str().map(ToOwned::to_owned)));
            } else if path.is_dir() {
                system.push(((*name).to_owned(), None));
            }
        }
        let mut etc: Vec<String> =
            ETC.iter().filter(|name| Path::new("/etc").join(name).exists()).map(|name| (*name).to_owned()).collect();
        if let Ok(names) = fs::read_dir("/etc") {
            let names = names.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            etc.extend(names.filter(|name| name.starts_with("python3")));
        }
        etc.sort();
        Self { system, etc, nix: Path::new("/nix/store").is_dir() }
    }
}

/// Where the mounted things lie as bubblewrap sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) work: String,
    pub(super) home: String,
    pub(super) tmp: String,
    pub(super) program: String,
    /// Source, and the path inside.
    pub(super) extra: Vec<(String, String)>,
}

/// Descriptors that bubblewrap reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFds {
    pub(super) seccomp: [i32; 2],
    /// Path inside and descriptor.
    pub(super) files: Vec<(&'static str, i32)>,
}

/// The arguments of bubblewrap, without the program to run.
pub(super) fn arguments(plan: &Plan, sources: &Sources, layout: &Layout, fds: &DataFds) -> Vec<String> {
    let mut out = Arguments(Vec::with_capacity(256));
    out.add(&["--unshare-user", "--unshare-all"]);
    if plan.network != Network::Own {
        // The host's, or the given one, in which this process is by now.
        out.add(&["--share-net"]);
    }
    if plan.disable_userns && !plan.browser {
        out.add(&["--disable-userns"]);
    }
    out.add(&["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--cap-drop", "ALL"]);
    out.add(&["--hostname", "okcvm"]);

    out.add(&["--ro-bind", "/usr", "/usr"]);
    for (name, target) in &layout.system {
        let path = format!("/{name}");
        match target {
            Some(target) => out.add(&["--symlink", target, &path]),
            None => out.add(&["--ro-bind", &path, &path]),
        }
    }
    if layout.nix {
        out.add(&["--ro-bind", "/nix", "/nix"]);
    }
    out.folder("/etc");
    for (path, fd) in &fds.files {
        out.add(&["--perms", "0444", "--ro-bind-data", &fd.to_string(), path]);
    }
    for name in &layout.etc {
        let path = format!("/etc/{name}");
        out.add(&["--ro-bind-try", &path, &path]);
    }

    // Read-only even for a mapped root: a writable core_pattern is the host's root at the next crash.
    out.add(&["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]);
    out.add(&["--dev", "/dev", "--perms", "1777", "--size", "67108864", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]);
    for folder in ["/mnt", "/home", "/run"] {
        out.folder(folder);
    }
    out.add(&["--bind", &sources.tmp, "/tmp", "--bind", &sources.home, HOME]);
    out.add(&[if plan.browser { "--ro-bind" } else { "--bind" }, &sources.work, &plan.mount]);
    let target = plan.mount.strip_prefix("/mnt/").unwrap_or(&plan.mount);
    out.add(&["--symlink", target, "/mnt/okcomputer"]);
    out.add(&["--ro-bind", &sources.program, INIT]);
    for (source, inside) in &sources.extra {
        out.add(&["--ro-bind", source, inside]);
    }
    // Last: until here the root is a writable file system in memory.
    out.add(&["--remount-ro", "/", "--chdir", &plan.mount]);
    for fd in fds.seccomp {
        out.add(&["--add-seccomp-fd", &fd.to_string()]);
    }
    out.0
}

struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn folder(&mut self, path: &str) {
        self.add(&["--perms", "0755", "--dir", path]);
    }
}

/// The files of `/etc` that are made up: path and content.
pub(super) fn made_up_files(ids: (u32, u32)) -> [(&'static str, String); 3] {
    let (uid, gid) = ids;
    let passwd = format!("okcvm:x:{uid}:{gid}::{HOME}:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n");
    let group = format!("okcvm:x:{gid}:\nnogroup:x:65534:\n");
    let hosts = "127.0.0.1 localhost okcvm\n::1 localhost\n".to_owned();
    [("/etc/passwd", passwd), ("/etc/group", group), ("/etc/hosts", hosts)]
}

/// The whole environment of tools inside: built from nothing, plus the variables that the user passes on by name.
pub(super) fn environment(
    folders: &SandboxFolders,
    pass: &[String],
    host: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let programs = programs(folders, |mounted| &mounted.inside);
    environment_at([&folders.mount, HOME, "/tmp"], &programs, pass, host)
}

/// The folders of programs that a session's commands have besides the system's, as a beginning of a search path. `place`
/// tells where commands find a folder.
pub(super) fn programs(folders: &SandboxFolders, place: impl Fn(&Mounted) -> &PathBuf) -> String {
    let with_programs = folders.mounted.iter().filter(|mounted| mounted.programs);
    with_programs.fold(String::new(), |path, mounted| path + &format!("{}/bin:", place(mounted).display()))
}

/// The same where workspace, HOME and temporary folder lie elsewhere.
pub(super) fn environment_at(
    [workspace, home, tmp]: [&str; 3],
    programs: &str,
    pass: &[String],
    host: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let mut env = common_environment(workspace, home, tmp);
    env.push(("PATH".to_owned(), format!("{home}/.local/bin:{programs}/usr/local/bin:/usr/bin:/bin")));
    // The system's Python is read-only here, so pip installs into HOME: there is nothing that this could break.
    env.push(("PIP_BREAK_SYSTEM_PACKAGES".to_owned(), "1".to_owned()));
    pass_on(&mut env, pass, host);
    env
}

/// What the environment holds with any backend, but for PATH.
pub(super) fn common_environment(workspace: &str, home: &str, tmp: &str) -> Vec<(String, String)> {
    let fixed = [
        ("HOME", home),
        ("USER", "okcvm"),
        ("LOGNAME", "okcvm"),
        ("SHELL", "/bin/bash"),
        ("TERM", "dumb"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", tmp),
        ("OKCVM_WORKSPACE", workspace),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Adds variables of the host by name; those that may hold a secret or lead to a session of the user are left out.
pub(super) fn pass_on(env: &mut Vec<(String, String)>, pass: &[String], host: impl Fn(&str) -> Option<String>) {
    for name in pass {
        if !config::may_pass(name) {
            tracing::warn!(%name, "sandbox.env_pass names a variable that is never passed on");
        } else if env.iter().all(|(known, _)| known != name)
            && let Some(value) = host(name)
        {
            env.push((name.clone(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::wire::Role;

    fn plan() -> Plan {
        Plan {
            bwrap: PathBuf::from("/usr/bin/bwrap"),
            program: PathBuf::from("/opt/okcvm"),
            id: "okcvm-1".to_owned(),
            work: PathBuf::from("/s/work"),
            home: PathBuf::from("/s/home"),
            tmp: PathBuf::from("/s/tmp"),
            mount: "/mnt/okcvm-1".to_owned(),
            run_as: None,
            ids: (1000, 1000),
            network: Network::Own,
            disable_userns: true,
            browser: false,
            allow_ptrace: false,
            extra_ro: Vec::new(),
            role: Role::Runner,
        }
    }

    fn joined(plan: &Plan) -> String {
        let sources = Sources {
            work: "/s/work".to_owned(),
            home: "/s/home".to_owned(),
            tmp: "/s/tmp".to_owned(),
            program: "/opt/okcvm".to_owned(),
            extra: vec![("/opt/tools".to_owned(), "/opt/tools".to_owned())],
        };
        let layout = Layout {
            system: vec![("bin".to_owned(), Some("usr/bin".to_owned())), ("lib".to_owned(), None)],
            etc: vec!["ssl".to_owned()],
            nix: false,
        };
        let fds = DataFds { seccomp: [11, 12], files: vec![("/etc/passwd", 14)] };
        arguments(plan, &sources, &layout, &fds).join(" ")
    }

    #[test]
    fn the_walls_stand_in_the_right_order() {
        let line = joined(&plan());
        let at = |needle: &str| line.find(needle).unwrap_or_else(|| panic!("{needle} is missing in {line}"));
        assert!(at("--unshare-user") < at("--disable-userns"));
        assert!(at("--proc /proc") < at("--ro-bind /proc/sys /proc/sys"));
        assert!(at("--tmpfs /dev/shm") < at("--remount-ro /dev"));
        assert!(at("--bind /s/work /mnt/okcvm-1") < at("--symlink okcvm-1 /mnt/okcomputer"));
        assert!(at("--ro-bind /opt/tools /opt/tools") < at("--remount-ro / "));
        at("--symlink usr/bin /bin");
        at("--ro-bind /lib /lib");
        at("--add-seccomp-fd 11 --add-seccomp-fd 12");
        assert!(!line.contains("--share-net"));
        assert_eq!(line.matches("--bind ").count(), 3, "three writable folders");
    }

    #[test]
    fn a_browser_reads_the_workspace_and_may_build_walls_of_its_own() {
        let line = joined(&Plan { browser: true, ..plan() });
        assert!(line.contains("--ro-bind /s/work /mnt/okcvm-1") && !line.contains("--disable-userns"), "{line}");
        assert_eq!(line.matches("--bind ").count(), 2, "two writable folders");
    }

    #[test]
    fn the_network_is_shared_only_when_asked() {
        assert!(joined(&Plan { network: Network::Host, ..plan() }).contains("--unshare-all --share-net"));
    }

    #[test]
    fn the_environment_is_built_from_nothing_and_secrets_are_never_passed_on() {
        let host = |name: &str| Some(format!("host-{name}"));
        let pass = ["TZ", "OKCVM_API_KEY", "SSH_AUTH_SOCK", "http_proxy", "HOME", "GITHUB_TOKEN", "MY_VAR"];
        let folder = |inside: &str, programs| Mounted {
            source: PathBuf::from("/data"),
            inside: PathBuf::from(inside),
            trusted: false,
            programs,
        };
        let folders = SandboxFolders {
            id: "okcvm-1".to_owned(),
            work: PathBuf::from("/s/work"),
            home: PathBuf::from("/s/home"),
            tmp: PathBuf::from("/s/tmp"),
            mount: "/mnt/okcvm-1".to_owned(),
            mounted: vec![folder("/opt/okcvm/python", true), folder("/opt/base", false)],
        };
        let env = environment(&folders, &pass.map(ToOwned::to_owned), host);
        let names: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "HOME",
                "USER",
                "LOGNAME",
                "SHELL",
                "TERM",
                "LANG",
                "TMPDIR",
                "OKCVM_WORKSPACE",
                "PATH",
                "PIP_BREAK_SYSTEM_PACKAGES",
                "TZ",
                "MY_VAR"
            ]
        );
        assert_eq!(env[0].1, HOME);
        assert_eq!(env[8].1, "/home/okcvm/.local/bin:/opt/okcvm/python/bin:/usr/local/bin:/usr/bin:/bin");
    }
}
