//! What to do about a backend that does not work: from what it said and what the machine shows, to sentences for
//! people. The wording of bubblewrap differs between versions, so it only chooses the hint, never whether it works.

use super::bubblewrap::NoBubblewrap;
use super::detect::Unavailable;
use super::machine::MachineFacts;

const INSTALL: &str = "Install bubblewrap with `sudo apt install bubblewrap`, `sudo dnf install bubblewrap` or \
    `sudo pacman -S bubblewrap`.";
const APPARMOR: &str = "bubblewrap is installed, but Ubuntu does not let it create user namespaces. An administrator \
    can allow bubblewrap alone: install the package apparmor-profiles, copy \
    /usr/share/apparmor/extra-profiles/bwrap-userns-restrict to /etc/apparmor.d/, and run \
    `apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`. okcvm did not change anything.";
const CONTAINER: &str = "This looks like a container that forbids nested sandboxes. If the container itself is your \
    sandbox, start okcvm with `--sandbox external`; the agent can then use everything this container can.";
const MASKED_PROC: &str = "This container hides parts of /proc, so that no sandbox inside can have its own. With podman, \
    `--security-opt unmask=ALL` lets bubblewrap work. If the container itself is your sandbox, start okcvm with \
    `--sandbox external`; the agent can then use everything this container can.";
const SWITCHED_OFF: &str = "User namespaces are switched off for ordinary users: an administrator can set \
    kernel.unprivileged_userns_clone to 1.";
const REFUSED: &str = "Something on this machine refuses user namespaces: a switch such as \
    kernel.unprivileged_userns_clone, or the seccomp profile of a container, which must allow them.";
const NONE_LEFT: &str = "No further namespaces may be made: look at user.max_user_namespaces (sysctl). Inside another \
    sandbox this is how it is meant, and `--sandbox external` uses that one.";
const ROOT: &str = "Tools never run as root: okcvm must be able to make a mount namespace and to change its uid. Start \
    okcvm as an ordinary user, or give this container those two abilities.";
const DEGRADED: &str = "`--sandbox landlock` confines files without user namespaces, but less than bubblewrap does; \
    `okcvm doctor` tells what is missing.";
const WITHOUT: &str = "`--sandbox off` runs commands without any boundary: the agent can then read and change everything \
    that your account can.";

/// One cause: how it shows, and what to do.
struct Cause {
    shows: fn(said: &str, machine: &MachineFacts) -> bool,
    hint: &'static str,
}

fn any(said: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| said.contains(needle))
}

/// What bubblewrap says where a right inside its new user namespace is missing.
const RIGHT_MISSING: &[&str] = &["setting up uid map: Permission denied", "Failed RTM_NEW", "loopback"];
/// What it says where it gets no namespace at all.
const NO_NAMESPACE: &[&str] = &["No permissions to creat", "Creating new namespace failed", "new namespace"];

/// The causes; the first that shows is told.
const CAUSES: &[Cause] = &[
    Cause { shows: |said, _| any(said, &["_namespaces exceeded", "No space left"]), hint: NONE_LEFT },
    Cause { shows: |_, machine| machine.max_user_namespaces == Some(0), hint: NONE_LEFT },
    Cause { shows: |_, machine| machine.apparmor_restricts && !machine.root, hint: APPARMOR },
    Cause { shows: |said, machine| any(said, RIGHT_MISSING) && machine.container.is_none(), hint: APPARMOR },
    Cause { shows: |said, _| any(said, &["mount proc on"]), hint: MASKED_PROC },
    Cause {
        shows: |said, machine| {
            machine.root && any(said, &["cannot become uid", "as root, cannot", "cannot mount", "cannot make mounts"])
        },
        hint: ROOT,
    },
    Cause {
        shows: |said, machine| {
            machine.container.is_some()
                && (any(said, RIGHT_MISSING) || any(said, NO_NAMESPACE) || said.contains("Operation not permitted"))
        },
        hint: CONTAINER,
    },
    Cause { shows: |said, machine| machine.userns_switched_off && any(said, NO_NAMESPACE), hint: SWITCHED_OFF },
    Cause { shows: |said, _| any(said, NO_NAMESPACE), hint: REFUSED },
];

/// Why no bubblewrap was found, for people.
pub(super) fn not_found(why: &NoBubblewrap) -> Unavailable {
    match why {
        NoBubblewrap::Missing => Unavailable::new("bubblewrap is not installed", format!("{INSTALL} {}", otherwise())),
        NoBubblewrap::Untrusted(program) => Unavailable::new(
            format!("{} could be changed by others than root", program.display()),
            format!("A bubblewrap that root owns and nobody else may write is needed. {INSTALL}"),
        ),
        NoBubblewrap::TooOld { program, lacks } => Unavailable::new(
            format!("{} is too old: it lacks {}", program.display(), lacks.join(", ")),
            "Version 0.8 or later is needed; update the package bubblewrap.",
        ),
    }
}

/// Why a bubblewrap does not work, for people.
pub(super) fn does_not_work(said: &str, machine: &MachineFacts) -> Unavailable {
    let cause = CAUSES.iter().find(|cause| (cause.shows)(said, machine)).map(|cause| cause.hint);
    let hint = cause.map_or_else(otherwise, |cause| format!("{cause} {}", otherwise()));
    Unavailable::new(format!("bubblewrap does not work here: {said}"), hint)
}

/// Why Landlock does not work, for people.
pub(super) fn landlock_does_not_work(said: &str, machine: &MachineFacts) -> Unavailable {
    let hint = if machine.root && CAUSES.iter().any(|cause| cause.hint == ROOT && (cause.shows)(said, machine)) {
        ROOT.to_owned()
    } else {
        format!("Use bubblewrap instead (`--sandbox auto`). {WITHOUT}")
    };
    Unavailable::new(format!("Landlock does not work here: {said}"), hint)
}

/// What is left without bubblewrap.
fn otherwise() -> String {
    format!("{DEGRADED} {WITHOUT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_failure_has_its_own_hint() {
        let plain = MachineFacts { max_user_namespaces: Some(1000), ..MachineFacts::default() };
        let container = MachineFacts { container: Some("docker"), ..plain };
        let ubuntu = MachineFacts { apparmor_restricts: true, ..plain };
        let root = MachineFacts { root: true, ..plain };
        let debian = MachineFacts { userns_switched_off: true, ..plain };
        let none = MachineFacts { max_user_namespaces: Some(0), ..plain };
        let rows = [
            ("bwrap: setting up uid map: Permission denied", plain, "apparmor-profiles"),
            ("bwrap: setting up uid map: Permission denied", container, "forbids nested sandboxes"),
            ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", ubuntu, "apparmor-profiles"),
            ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", container, "--sandbox external"),
            ("bwrap: No permissions to create a new namespace, likely because", plain, "Something on this machine"),
            (
                "bwrap: No permissions to create a new namespace, likely because",
                debian,
                "kernel.unprivileged_userns_clone to 1",
            ),
            ("bwrap: No permissions to create a new namespace, likely because", container, "--sandbox external"),
            ("bwrap: Creating new namespace failed: Operation not permitted", none, "max_user_namespaces"),
            (
                "bwrap: Creating new namespace failed: /proc/sys/user/max_user_namespaces exceeded (ENOSPC)",
                container,
                "max_user_namespaces",
            ),
            ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", container, "unmask=ALL"),
            ("bwrap: Can't mount proc on /proc: Operation not permitted", plain, "unmask=ALL"),
            ("okcvm launch: cannot become uid 61999: Operation not permitted", root, "Tools never run as root"),
            ("something new", plain, "--sandbox off"),
        ];
        for (said, machine, expected) in rows {
            let unavailable = does_not_work(said, &machine);
            assert!(unavailable.hint.contains(expected), "{said}: {}", unavailable.hint);
            assert!(unavailable.hint.contains("--sandbox landlock"), "{said}: {}", unavailable.hint);
            assert!(unavailable.reason.contains(said));
        }
    }

    #[test]
    fn a_missing_bubblewrap_says_how_to_install_it() {
        let hint = not_found(&NoBubblewrap::Missing).hint;
        assert!(hint.contains("apt install bubblewrap") && hint.contains("--sandbox landlock"), "{hint}");
    }
}
