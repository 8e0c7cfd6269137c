//! What to do about a bubblewrap that does not work: from what it said and what the system shows, to a sentence for
//! people. The wording of bubblewrap differs between versions, so it only chooses the hint, never whether it works.

use std::path::Path;

use super::bubblewrap::NoBubblewrap;
use super::detect::Unavailable;

/// Facts about the machine that explain a failure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Machine {
    /// Ubuntu's restriction of user namespaces is on.
    pub(super) apparmor_restricts: bool,
    /// This looks like a container.
    pub(super) container: bool,
    /// okcvm runs as root.
    pub(super) root: bool,
}

impl Machine {
    /// Looks at the running system.
    pub(super) fn of_host() -> Self {
        let restricts = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        let group = std::fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
        Self {
            apparmor_restricts: restricts.is_ok_and(|value| value.trim() == "1"),
            container: ["/run/.containerenv", "/.dockerenv"].iter().any(|mark| Path::new(mark).exists())
                || ["docker", "kubepods", "containerd", "libpod"].iter().any(|word| group.contains(word)),
            root: rustix::process::geteuid().is_root(),
        }
    }
}

const APPARMOR: &str = "bubblewrap is installed, but Ubuntu does not let it create user namespaces. An administrator \
    can allow bubblewrap alone: install the package apparmor-profiles, copy \
    /usr/share/apparmor/extra-profiles/bwrap-userns-restrict to /etc/apparmor.d/, and run \
    `apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`.";
const CONTAINER: &str = "This looks like a container that forbids nested sandboxes. If the container itself is your \
    sandbox, start okcvm with `--sandbox external`; the agent can then use everything this container can. With podman, \
    `--security-opt unmask=ALL` lets bubblewrap work inside.";
const USERNS: &str = "User namespaces are switched off for ordinary users: an administrator can set \
    kernel.unprivileged_userns_clone to 1. In a container, its seccomp profile must allow user namespaces.";
const NAMESPACES: &str = "No further namespaces may be made: look at user.max_user_namespaces (sysctl); inside another \
    sandbox this is how it is meant, and `--sandbox external` uses that one.";
const WITHOUT: &str = "`--sandbox off` runs commands without any boundary: the agent can then read and change everything \
    that your account can.";

/// Why no bubblewrap was found, for people.
pub(super) fn not_found(why: &NoBubblewrap) -> Unavailable {
    let install = "Install bubblewrap with `sudo apt install bubblewrap`, `sudo dnf install bubblewrap` or \
        `sudo pacman -S bubblewrap`.";
    match why {
        NoBubblewrap::Missing => Unavailable::new("bubblewrap is not installed", format!("{install} {WITHOUT}")),
        NoBubblewrap::Untrusted(program) => Unavailable::new(
            format!("{} could be changed by others than root", program.display()),
            format!("A bubblewrap that root owns and nobody else may write is needed. {install}"),
        ),
        NoBubblewrap::TooOld { program, lacks } => Unavailable::new(
            format!("{} is too old: it lacks {}", program.display(), lacks.join(", ")),
            "Version 0.8 or later is needed; update the package bubblewrap.",
        ),
    }
}

/// Why a bubblewrap does not work, for people.
pub(super) fn does_not_work(said: &str, machine: Machine) -> Unavailable {
    let has = |needle: &str| said.contains(needle);
    let namespace_refused = has("setting up uid map: Permission denied") || has("Failed RTM_NEW") || has("loopback");
    let hint = if machine.apparmor_restricts && !machine.root || (namespace_refused && !machine.container) {
        APPARMOR
    } else if has("_namespaces exceeded") || has("No space left") {
        NAMESPACES
    } else if has("mount proc on") || (machine.container && (namespace_refused || has("Operation not permitted"))) {
        CONTAINER
    } else if has("No permissions to creat") || has("Creating new namespace failed") || has("new namespace") {
        if machine.container { CONTAINER } else { USERNS }
    } else if machine.root && (has("cannot become uid") || has("as root, cannot") || has("cannot mount")) {
        "Tools never run as root: okcvm must be able to make a mount namespace and to change its uid. Start okcvm as an \
         ordinary user, or give this container those two abilities."
    } else {
        WITHOUT
    };
    Unavailable::new(format!("bubblewrap does not work here: {said}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_failure_has_its_own_hint() {
        let plain = Machine::default();
        let container = Machine { container: true, ..plain };
        let ubuntu = Machine { apparmor_restricts: true, ..plain };
        let rows = [
            ("bwrap: setting up uid map: Permission denied", plain, "apparmor-profiles"),
            ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", ubuntu, "apparmor-profiles"),
            ("bwrap: No permissions to create a new namespace, likely because", plain, "unprivileged_userns_clone"),
            ("bwrap: No permissions to create a new namespace, likely because", container, "--sandbox external"),
            (
                "bwrap: Creating new namespace failed: /proc/sys/user/max_user_namespaces exceeded (ENOSPC)",
                plain,
                "max_user_namespaces",
            ),
            ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", container, "unmask=ALL"),
            ("bwrap: Can't mount proc on /proc: Operation not permitted", plain, "--sandbox external"),
            ("something new", plain, "--sandbox off"),
        ];
        for (said, machine, expected) in rows {
            let unavailable = does_not_work(said, machine);
            assert!(unavailable.hint.contains(expected), "{said}: {}", unavailable.hint);
            assert!(unavailable.reason.contains(said));
        }
    }

    #[test]
    fn a_missing_bubblewrap_says_how_to_install_it() {
        assert!(not_found(&NoBubblewrap::Missing).hint.contains("apt install bubblewrap"));
    }
}
