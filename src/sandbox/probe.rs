//! The questions that `okcvm __init` asks of its own walls, from the inside. A sandbox counts as working only when
//! every answer is right; that a program ran is not enough.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::landlock::{Confinement, Network, Walls};

/// A file that the probe leaves in the workspace: outside, its owner tells whose processes these really are. (The map of
/// ids as seen from inside does not: bubblewrap nests two user namespaces.)
pub(super) const LEFT_BEHIND: &str = "owner";

/// Collects the walls that are missing.
#[derive(Default)]
struct Missing(Vec<String>);

impl Missing {
    fn check(&mut self, stands: bool, wall: &str) {
        if !stands {
            self.0.push(wall.to_owned());
        }
    }

    fn writable(&mut self, folder: &Path) {
        let file = folder.join(".okcvm-probe");
        let works = fs::write(&file, "x").is_ok() && fs::remove_file(&file).is_ok();
        self.check(works, &format!("{} cannot be written", folder.display()));
    }

    fn closed(&mut self, folder: &str) {
        let refused = fs::write(Path::new(folder).join(".okcvm-probe"), "x").is_err();
        self.check(refused, &format!("{folder} can be written"));
    }

    /// What holds for a process behind any walls.
    fn privileges(&mut self) {
        let sysctl = fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern");
        self.check(sysctl.is_err(), "/proc/sys can be written");
        // The commands get theirs one by one; what is here came from outside.
        let foreign = std::env::vars_os().find(|(name, _)| name != "PWD");
        self.check(foreign.is_none(), "a variable of the host's environment came through");
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
                .unwrap_or_default()
        };
        self.check(field("NoNewPrivs") == "1", "new privileges can be gained");
        self.check(field("Seccomp") == "2", "no system call filter is loaded");
        let capabilities = field("CapEff");
        self.check(
            capabilities.bytes().all(|digit| digit == b'0') && !capabilities.is_empty(),
            "capabilities are held",
        );
        self.check(Path::new("/bin/bash").exists(), "/bin/bash is not installed");
    }
}

/// Names the walls of bubblewrap that are missing; empty when all stand.
pub(super) fn missing_walls(own_network: bool) -> Vec<String> {
    let mut missing = Missing::default();
    for folder in [".", "/home/okcvm", "/tmp"] {
        missing.writable(Path::new(folder));
    }
    for folder in ["/", "/etc", "/usr", "/mnt", "/run", "/dev", "/home"] {
        missing.closed(folder);
    }
    missing.privileges();
    if own_network {
        let devices = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
        let names: Vec<&str> =
            devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        missing.check(names == ["lo"], "the host's network devices are visible");
        missing.check(TcpListener::bind("127.0.0.1:0").is_ok(), "loopback does not work");
    }
    missing.check(fs::write(LEFT_BEHIND, "x").is_ok(), "the workspace cannot be written");
    missing.0
}

/// Names the walls that a process which has confined itself should have and has not. What this kernel cannot hold is not
/// asked for: that is named elsewhere ([`super::landlock::Walls::missing`]).
pub(super) fn missing_walls_alone(confinement: &Confinement, hidden: &Path) -> Vec<String> {
    let walls = Walls::of_kernel();
    let mut missing = Missing::default();
    for folder in &confinement.shown.write {
        missing.writable(folder);
    }
    for folder in ["/", "/etc", "/usr", "/mnt", "/run", "/dev", "/home", "/tmp", "/dev/shm"] {
        missing.closed(folder);
    }
    missing.check(fs::read_dir(hidden).is_err(), "files of yours can be read");
    missing.privileges();
    if let Some(okcvm) = rustix::process::getppid() {
        let environment = fs::read(format!("/proc/{}/environ", okcvm.as_raw_nonzero()));
        missing.check(environment.is_err(), "the environment of other processes can be read");
        let signals = rustix::process::test_kill_process(okcvm).is_ok();
        missing.check(!(walls.scopes && signals), "other processes can be sent signals");
    }
    let sockets = UnixDatagram::unbound().is_ok();
    missing.check(walls.holds_unix_sockets() || !sockets, "sockets of other programs can be reached");
    if confinement.network != Network::Host {
        missing.check(TcpListener::bind("127.0.0.1:0").is_err(), "servers can be started on the machine's network");
        missing.check(UdpSocket::bind("127.0.0.1:0").is_err(), "datagrams can be sent to the machine's network");
    }
    if let Some(workspace) = confinement.shown.write.first() {
        missing.check(fs::write(workspace.join(LEFT_BEHIND), "x").is_ok(), "the workspace cannot be written");
    }
    missing.0
}
