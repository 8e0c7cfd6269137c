//! The questions that `okcvm __init` asks of its own walls, from the inside. A sandbox counts as working only when
//! every answer is right; that a program ran is not enough.

use std::fs;
use std::path::Path;

/// A file that the probe leaves in the workspace: outside, its owner tells whose processes these really are. (The map of
/// ids as seen from inside does not: bubblewrap nests two user namespaces.)
pub(super) const LEFT_BEHIND: &str = "owner";

/// Names the walls that are missing; empty when all stand.
pub(super) fn missing_walls(own_network: bool) -> Vec<String> {
    let mut missing = Vec::new();
    let mut check = |stands: bool, wall: &str| {
        if !stands {
            missing.push(wall.to_owned());
        }
    };
    for folder in [".", "/home/okcvm", "/tmp"] {
        let file = Path::new(folder).join(".okcvm-probe");
        check(fs::write(&file, "x").is_ok() && fs::remove_file(&file).is_ok(), &format!("{folder} cannot be written"));
    }
    for folder in ["/", "/etc", "/usr", "/mnt", "/run", "/dev", "/home"] {
        check(fs::write(Path::new(folder).join(".okcvm-probe"), "x").is_err(), &format!("{folder} can be written"));
    }
    let sysctl = fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern");
    check(sysctl.is_err(), "/proc/sys can be written");

    // The commands get theirs one by one; what is here came from outside.
    let foreign = std::env::vars_os().find(|(name, _)| name != "PWD");
    check(foreign.is_none(), "a variable of the host's environment came through");

    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    check(field("NoNewPrivs") == "1", "new privileges can be gained");
    check(field("Seccomp") == "2", "no system call filter is loaded");
    check(field("CapEff").bytes().all(|digit| digit == b'0') && !field("CapEff").is_empty(), "capabilities are held");
    if own_network {
        let devices = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
        let names: Vec<&str> =
            devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        check(names == ["lo"], "the host's network devices are visible");
        check(std::net::TcpListener::bind("127.0.0.1:0").is_ok(), "loopback does not work");
    }
    check(fs::write(LEFT_BEHIND, "x").is_ok(), "the workspace cannot be written");
    check(Path::new("/bin/bash").exists(), "/bin/bash is not installed");
    missing
}
