//! Where the folders of a session lie for commands that confine themselves, and what such a command is told.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Confinement, Network, Shown};
use crate::config::schema::SandboxSection;
use crate::sandbox::network::Family;
use crate::sandbox::policy::{self, Layout};
use crate::sandbox::wire::{self, Limits, Plan, Role};
use crate::sandbox::{SandboxFolders, bubblewrap, tool_ids, tool_owner};

/// Workspace, HOME and temporary folder as commands find them: where they really lie, and when okcvm is root where they
/// are bound to, because the tools' account cannot walk into root's folders.
pub(in crate::sandbox) fn places(section: &SandboxSection, folders: &SandboxFolders) -> [PathBuf; 3] {
    match tool_owner(section) {
        Some(_) => ["work", "home", "tmp"].map(|name| policy::place_of_root(&folders.id).join(name)),
        None => [&folders.work, &folders.home, &folders.tmp].map(Clone::clone),
    }
}

/// okcvm itself as commands find it; see [`places`].
pub(in crate::sandbox) fn program(section: &SandboxSection, folders: &SandboxFolders, program: &Path) -> PathBuf {
    match tool_owner(section) {
        Some(_) => policy::place_of_root(&folders.id).join("init"),
        None => program.to_owned(),
    }
}

/// What `okcvm __launch` is to do before it goes on as the runner.
pub(in crate::sandbox) fn plan(section: &SandboxSection, folders: &SandboxFolders, program: &Path) -> Plan {
    Plan::new(section, folders, program, Role::Host)
}

/// What a command confines itself to.
pub(in crate::sandbox) fn confinement(
    section: &SandboxSection,
    folders: &SandboxFolders,
    extra_ro: &[PathBuf],
    network: Network,
) -> Confinement {
    let [work, home, tmp] = places(section, folders);
    let resolver = network == Network::Host;
    let shown = Shown::new(&Layout::of_host(), extra_ro, resolver, [&work, &home, &tmp]);
    Confinement { shown, network, ptrace: section.allow_ptrace }
}

/// A command: its words, and whether it has a terminal.
pub(in crate::sandbox) fn command(
    section: &SandboxSection,
    folders: &SandboxFolders,
    extra_ro: &[PathBuf],
    network: Network,
    (argv, terminal): (Vec<String>, bool),
) -> wire::Command {
    let places = places(section, folders);
    let text = places.each_ref().map(|place| place.to_string_lossy().into_owned());
    let [work, home, tmp] = text.each_ref().map(String::as_str);
    let programs = policy::programs(folders, |mounted| &mounted.source);
    wire::Command {
        argv,
        env: policy::environment_at([work, home, tmp], &programs, &section.env_pass, |name| std::env::var(name).ok()),
        folder: places[0].clone(),
        terminal,
        limits: Some(limits(section)),
        confinement: Some(confinement(section, folders, extra_ro, network)),
    }
}

/// The limits of the configuration. The kernel counts all processes of an account, so those that its user has already
/// come on top.
pub(in crate::sandbox) fn limits(section: &SandboxSection) -> Limits {
    let limits = bubblewrap::limits(section, Family::Shell);
    let account = tool_ids(section).0;
    Limits { pids: limits.pids.map(|pids| pids.saturating_add(threads_of(account))), ..limits }
}

/// How many threads the processes of an account have, which is what the kernel counts.
fn threads_of(uid: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let threads = |entry: fs::DirEntry| {
        let path = entry.path();
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        if fs::metadata(&path).ok()?.uid() != uid {
            return None;
        }
        Some(fs::read_dir(path.join("task")).ok()?.count() as u64)
    };
    entries.flatten().filter_map(threads).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_finds_its_folders_and_is_given_room_beside_its_users_processes() {
        let folders = SandboxFolders {
            id: "okcvm-1".to_owned(),
            work: PathBuf::from("/s/work"),
            home: PathBuf::from("/s/home"),
            tmp: PathBuf::from("/s/tmp"),
            mount: "/mnt/okcvm-1".to_owned(),
            mounted: Vec::new(),
        };
        let section = SandboxSection::default();
        let argv = vec!["true".to_owned()];
        let command = command(&section, &folders, &[], Network::None, (argv, false));
        let root = rustix::process::geteuid().is_root();
        let home = if root { "/run/okcvm/okcvm-1/home" } else { "/s/home" };
        assert!(command.env.contains(&("HOME".to_owned(), home.to_owned())), "{:?}", command.env);
        assert_eq!(command.folder, places(&section, &folders)[0]);
        let shown = command.confinement.expect("walls").shown;
        assert!(shown.write.contains(&PathBuf::from(home)) && shown.write.len() == 3);
        assert!(
            !shown.read.contains(&PathBuf::from("/etc/resolv.conf")) && !shown.read.contains(&PathBuf::from("/etc"))
        );
        let own = threads_of(rustix::process::geteuid().as_raw());
        assert!(own >= 1);
        assert!(limits(&section).pids.is_some_and(|pids| pids >= section.limits.pids));
    }
}
