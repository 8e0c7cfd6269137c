//! Facts about the machine that decide which backend works, for hints and for `okcvm doctor`.

use std::fs;
use std::path::Path;

/// What was seen of the machine. Nothing is changed or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineFacts {
    /// Ubuntu's restriction of user namespaces is on.
    pub apparmor_restricts: bool,
    /// Debian's switch for user namespaces of ordinary users is off.
    pub userns_switched_off: bool,
    /// How many user namespaces may be made (`user.max_user_namespaces`), where the kernel tells.
    pub max_user_namespaces: Option<u64>,
    /// The container that okcvm runs in, as far as it shows.
    pub container: Option<&'static str>,
    /// okcvm runs as root.
    pub root: bool,
    /// Processes that the kernel can have (`kernel.pid_max`).
    pub pid_max: Option<u64>,
}

impl MachineFacts {
    /// Looks at the running system.
    pub fn of_host() -> Self {
        let number = |name: &str| -> Option<u64> {
            fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
        };
        Self {
            apparmor_restricts: number("kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            userns_switched_off: number("kernel/unprivileged_userns_clone") == Some(0),
            max_user_namespaces: number("user/max_user_namespaces"),
            container: container(),
            root: rustix::process::geteuid().is_root(),
            pid_max: number("kernel/pid_max"),
        }
    }

    /// Whether user namespaces can be made here, in a sentence.
    pub fn user_namespaces(&self) -> String {
        let limit = match self.max_user_namespaces {
            None => "this kernel has none".to_owned(),
            Some(0) => "none may be made (user.max_user_namespaces is 0)".to_owned(),
            Some(count) => format!("up to {count}"),
        };
        let switch =
            if self.userns_switched_off { ", switched off (kernel.unprivileged_userns_clone is 0)" } else { "" };
        let apparmor = if self.apparmor_restricts { ", restricted by AppArmor" } else { "" };
        format!("{limit}{switch}{apparmor}")
    }

    /// Whether something seen here stands in the way of user namespaces.
    pub fn forbids_user_namespaces(&self) -> bool {
        let few = self.max_user_namespaces.is_none_or(|count| count == 0);
        few || (!self.root && (self.userns_switched_off || self.apparmor_restricts))
    }
}

/// The container around this process: by the marks that its makers leave.
fn container() -> Option<&'static str> {
    if Path::new("/run/.containerenv").exists() {
        return Some("podman");
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker");
    }
    let group = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    let marks = [("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("containerd", "containerd")];
    marks.iter().find(|(mark, _)| group.contains(mark)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_told() {
        let open = MachineFacts { max_user_namespaces: Some(1000), ..MachineFacts::default() };
        assert!(!open.forbids_user_namespaces());
        assert_eq!(open.user_namespaces(), "up to 1000");
        let ubuntu = MachineFacts { apparmor_restricts: true, ..open };
        assert!(ubuntu.forbids_user_namespaces() && ubuntu.user_namespaces().contains("AppArmor"));
        assert!(!MachineFacts { root: true, ..ubuntu }.forbids_user_namespaces(), "the restriction is not for root");
        let none = MachineFacts { max_user_namespaces: Some(0), root: true, ..open };
        assert!(none.forbids_user_namespaces() && none.user_namespaces().contains("max_user_namespaces is 0"));
        let debian = MachineFacts { userns_switched_off: true, ..open };
        assert!(debian.forbids_user_namespaces() && debian.user_namespaces().contains("unprivileged_userns_clone"));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let facts = MachineFacts::of_host();
        assert_eq!(facts.root, rustix::process::geteuid().is_root());
        assert!(facts.pid_max.is_some_and(|most| most > 100));
    }
}
