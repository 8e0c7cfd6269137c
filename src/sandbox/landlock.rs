//! Landlock: the degraded backend, for machines without user namespaces and only where the user names it.
//!
//! It makes no view of its own: what is not shown still has its place, but opening it is refused. The process that is
//! to be confined confines itself and all that it starts, and cannot take it back. What this kernel's Landlock cannot
//! hold, and the system call filter beside it cannot either, is named ([`Walls::missing`]): by `okcvm doctor`, at the
//! start of a session, and to the model.

mod place;

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use serde::{Deserialize, Serialize};

use super::policy::Layout;
use super::seccomp::{self, Filter, Internet, Sockets};
use crate::config::schema::NetworkMode;

pub(super) use place::{command, confinement, limits, places, plan, program};

/// The backend in a word.
pub(super) const LABEL: &str = "landlock";

/// The version up to which this was written; the crate takes away what the kernel does not know.
const KNOWN: ABI = ABI::V10;

/// Devices without memory and without an effect on others.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Files of `/etc` that bubblewrap would make up. Here those of the machine are read; everybody may.
const ETC: &[&str] = &["passwd", "group", "hosts"];

/// What a kernel's Landlock can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walls {
    /// Files and folders (version 1).
    pub(super) files: bool,
    /// Cutting a file off without opening it for writing (3).
    truncate: bool,
    /// Connecting and binding TCP sockets (4).
    pub(super) tcp: bool,
    /// Controls of devices (5).
    device_controls: bool,
    /// Signals and abstract sockets (6).
    pub(super) scopes: bool,
    /// Sockets with a path (9).
    unix: bool,
}

/// What a process is to confine itself to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confinement {
    /// What it can reach.
    pub(super) shown: Shown,
    /// Its network.
    pub(super) network: Network,
    /// Whether processes may trace each other.
    pub(super) ptrace: bool,
}

/// What network the confined processes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Network {
    /// None, not even loopback: a port is all that Landlock can tell, not whose it is.
    None,
    /// TCP connections to one port, behind which the proxy listens.
    Port(u16),
    /// The host's.
    Host,
}

impl Network {
    /// What a mode means for a command that finds the proxy on this port.
    pub(super) fn of(mode: NetworkMode, proxy_port: u16) -> Self {
        match mode {
            NetworkMode::Off => Self::None,
            NetworkMode::Proxy => Self::Port(proxy_port),
            NetworkMode::Host => Self::Host,
        }
    }
}

/// What the confined processes can reach; everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// Read and executed.
    pub(super) read: Vec<PathBuf>,
    /// Read, executed and changed.
    pub(super) write: Vec<PathBuf>,
}

impl Shown {
    /// The system's programs, the listed files of `/etc`, `/proc`, what the user added, and the session's folders.
    pub(super) fn new(layout: &Layout, extra_ro: &[PathBuf], resolver: bool, session: [&Path; 3]) -> Self {
        let mut read = vec![PathBuf::from("/usr"), PathBuf::from("/proc")];
        read.extend(layout.system.iter().map(|(name, _)| Path::new("/").join(name)));
        if layout.nix {
            read.push(PathBuf::from("/nix"));
        }
        let etc = layout.etc.iter().map(String::as_str).chain(ETC.iter().copied());
        read.extend(etc.chain(resolver.then_some("resolv.conf")).map(|name| Path::new("/etc").join(name)));
        read.extend(extra_ro.iter().cloned());
        Self { read, write: session.map(Path::to_owned).to_vec() }
    }
}

impl Walls {
    /// Asks the running kernel.
    pub(super) fn of_kernel() -> Self {
        let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let files = |access: AccessFs| strict().handle_access(access).is_ok();
        Self {
            files: files(AccessFs::ReadFile),
            truncate: files(AccessFs::Truncate),
            tcp: strict().handle_access(AccessNet::ConnectTcp).is_ok(),
            device_controls: files(AccessFs::IoctlDev),
            scopes: strict().scope(Scope::Signal | Scope::AbstractUnixSocket).is_ok(),
            unix: files(AccessFs::ResolveUnix),
        }
    }

    /// What is open with this backend that is closed with bubblewrap, each as a phrase.
    pub(super) fn missing(self, network: Network) -> Vec<&'static str> {
        let always = [
            "all processes of the machine and their command lines are visible",
            "modes and times of your files can be changed wherever they lie (chmod, touch)",
            "which files exist, and how large they are, can be asked for any path",
            "a process that leaves the others is found by a sweep, not by the kernel",
            "names of files that appear in closed folders can be watched (inotify)",
        ];
        let mut missing = always.to_vec();
        let mut unless = |held: bool, what| {
            if !held {
                missing.push(what);
            }
        };
        unless(self.truncate, "files that may be written can be cut off without being opened");
        unless(self.device_controls, "devices that are open can be controlled (ioctl)");
        unless(self.scopes, "your other processes can be sent signals");
        match network {
            Network::None => {}
            Network::Port(_) => {
                unless(false, "a server elsewhere that listens on the proxy's port can be reached past the proxy");
                unless(false, "programs of this machine can use the session's proxy");
            }
            Network::Host => unless(self.scopes, "sockets of your programs without a path can be reached"),
        }
        missing
    }

    /// Whether sockets with a path are held, and those without: they come by the same call.
    pub(super) fn holds_unix_sockets(self) -> bool {
        self.unix && self.scopes
    }

    fn filter(self, network: Network, ptrace: bool) -> Filter {
        let internet = match network {
            Network::None => Internet::Refused,
            Network::Port(_) => Internet::Outgoing,
            Network::Host => Internet::Open,
        };
        Filter {
            ptrace,
            namespaces: false,
            sockets: Sockets::Unnamespaced { internet, unix: self.holds_unix_sockets() },
        }
    }
}

impl Confinement {
    /// Confines this thread, and all that it starts from now on. Privileges must have been given up before; none can be
    /// gained afterwards. Signals and traces reach only what was confined by the same call or below it: each command
    /// confines itself, so that it reaches neither those who watch it nor the commands beside it.
    pub(super) fn apply(&self) -> io::Result<()> {
        let walls = Walls::of_kernel();
        if matches!(self.network, Network::Port(_)) && !walls.tcp {
            return Err(io::Error::other("this kernel's Landlock cannot hold connections to a port"));
        }
        match restrict(&self.shown, self.network) {
            Ok(RulesetStatus::NotEnforced) => Err(io::Error::other("this kernel has no Landlock")),
            Ok(_) => seccomp::apply(walls.filter(self.network, self.ptrace)).map_err(io::Error::other),
            Err(error) => Err(io::Error::other(format!("Landlock: {error}"))),
        }
    }
}

fn restrict(shown: &Shown, network: Network) -> Result<RulesetStatus, RulesetError> {
    let write = AccessFs::from_all(KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    if network != Network::Host {
        ruleset = ruleset.handle_access(AccessNet::from_all(KNOWN))?;
    }
    // What is not there needs no rule; files take those of the rights that files have.
    let mut ruleset = ruleset
        .create()?
        .add_rules(path_beneath_rules(&shown.read, AccessFs::from_read(KNOWN)))?
        .add_rules(path_beneath_rules(&shown.write, write))?
        .add_rules(path_beneath_rules(DEVICES, device))?;
    if let Network::Port(port) = network {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Shuts this thread off from all files, networks and processes, as far as this kernel's Landlock goes.
pub(super) fn shut_all() -> io::Result<()> {
    let shut = || -> Result<(), RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::AbstractUnixSocket | Scope::Signal)?
            .create()?
            .restrict_self()
            .map(drop)
    };
    shut().map_err(|error| io::Error::other(format!("Landlock: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use super::*;

    /// Walls belong to their thread, so each set is tried on one of its own.
    fn behind<T: Send>(shown: &Shown, network: Network, tried: impl FnOnce() -> T + Send) -> Option<T> {
        if !Walls::of_kernel().files {
            println!("SKIPPED: this kernel has no Landlock");
            return None;
        }
        let ran = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                Confinement { shown: shown.clone(), network, ptrace: false }.apply().expect("walls");
                tried()
            });
            thread.join()
        });
        Some(ran.expect("thread"))
    }

    fn session(root: &Path) -> Shown {
        let folders = ["work", "home", "tmp"].map(|name| root.join(name));
        for folder in &folders {
            fs::create_dir(folder).expect("folder");
        }
        Shown::new(&Layout::of_host(), &[], false, [&folders[0], &folders[1], &folders[2]])
    }

    #[test]
    fn only_the_sessions_folders_are_written_and_only_the_system_is_read() {
        let root = tempfile::tempdir().expect("folder");
        let shown = session(root.path());
        let secret = root.path().join("secret");
        fs::write(&secret, "s").expect("secret");
        behind(&shown, Network::None, || {
            let work = root.path().join("work");
            fs::write(work.join("f"), "x").expect("workspace");
            fs::rename(work.join("f"), root.path().join("home/f")).expect("between the session's folders");
            assert!(
                fs::read("/etc/passwd").is_ok() && fs::read_dir("/usr").is_ok() && fs::write("/dev/null", "").is_ok()
            );
            let ran = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).status().expect("program");
            assert_eq!(ran.code(), Some(7));

            let refused = std::io::ErrorKind::PermissionDenied;
            assert_eq!(fs::read(&secret).expect_err("read").kind(), refused);
            assert_eq!(fs::write(&secret, "").expect_err("write").kind(), refused);
            assert_eq!(fs::remove_file(&secret).expect_err("remove").kind(), refused);
            assert_eq!(fs::read_dir(root.path()).expect_err("list").kind(), refused);
            assert!(fs::hard_link(&secret, work.join("l")).is_err());
            for folder in ["/", "/etc", "/usr", "/tmp", "/run", "/dev/shm", "/dev/pts", "/sys", "/root", "/var"] {
                assert!(fs::write(Path::new(folder).join("okcvm-walls"), "x").is_err(), "{folder}");
                let shown = matches!(folder, "/usr");
                assert!(shown || fs::read_dir(folder).is_err(), "{folder}");
            }
        });
    }

    #[test]
    fn without_a_network_not_even_loopback_is_there_and_a_port_is_one_port() {
        let root = tempfile::tempdir().expect("folder");
        let shown = session(root.path());
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("listener"));
        let [one, other] = listeners.each_ref().map(|listener| listener.local_addr().expect("address").port());
        behind(&shown, Network::None, || {
            assert!(TcpStream::connect(("127.0.0.1", one)).is_err());
            assert!(TcpListener::bind("127.0.0.1:0").is_err());
        });
        if Walls::of_kernel().tcp {
            behind(&shown, Network::Port(one), || {
                assert!(TcpStream::connect(("127.0.0.1", one)).is_ok());
                assert!(TcpStream::connect(("127.0.0.1", other)).is_err());
                assert!(TcpListener::bind("127.0.0.1:0").is_err());
            });
        }
        behind(&shown, Network::Host, || TcpListener::bind("127.0.0.1:0").expect("the host's network"));
    }

    #[test]
    fn sockets_of_others_are_out_of_reach_with_every_network() {
        let root = tempfile::tempdir().expect("folder");
        let shown = session(root.path());
        let path = root.path().join("socket");
        let _listener = UnixListener::bind(&path).expect("socket");
        let name = SocketAddr::from_abstract_name(format!("okcvm-walls-{}", std::process::id())).expect("name");
        let _abstract = UnixListener::bind_addr(&name).expect("socket");
        for network in [Network::None, Network::Host] {
            behind(&shown, network, || {
                assert!(UnixStream::connect(&path).is_err() && UnixStream::connect_addr(&name).is_err());
                assert!(UnixStream::pair().is_ok());
            });
        }
    }

    #[test]
    fn what_is_missing_is_named_for_each_kernel_and_network() {
        let all = Walls { files: true, truncate: true, tcp: true, device_controls: true, scopes: true, unix: true };
        let few = all.missing(Network::None);
        assert!(few.iter().any(|what| what.contains("chmod")) && !few.iter().any(|what| what.contains("signal")));
        assert_eq!(all.missing(Network::Port(1)).len(), few.len() + 2);
        let old = Walls { truncate: false, device_controls: false, scopes: false, ..all };
        assert_eq!(old.missing(Network::Host).len(), few.len() + 4);
    }
}
