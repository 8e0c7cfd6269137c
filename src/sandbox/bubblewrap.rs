//! bubblewrap: which program, which of its abilities, and the plan for one command.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::SandboxFolders;
use super::network::Family;
use super::wire::{Limits, Network, Plan, Role};
use crate::config::schema::SandboxSection;

/// Options without which the walls cannot be built as they are meant.
const NEEDED: &[&str] = &[
    "--args",
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--as-pid-1",
    "--clearenv",
    "--cap-drop",
    "--perms",
    "--size",
    "--ro-bind-data",
    "--remount-ro",
    "--add-seccomp-fd",
];

/// Folders of the system: taken from PATH even when okcvm was started in one of them or above.
const SYSTEM_FOLDERS: &[&str] =
    &["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"];

/// A bubblewrap that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bubblewrap {
    /// The program, without links.
    pub(super) program: PathBuf,
    /// Whether it can forbid further user namespaces.
    pub(super) disable_userns: bool,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoBubblewrap {
    /// No program of that name.
    Missing,
    /// One that somebody else than root could change.
    Untrusted(PathBuf),
    /// One that lacks options.
    TooOld { program: PathBuf, lacks: Vec<&'static str> },
}

impl Bubblewrap {
    /// Looks for it in PATH and asks it what it can do.
    pub(super) fn find(path: &str, cwd: &Path) -> Result<Self, NoBubblewrap> {
        let mut untrusted = None;
        for folder in std::env::split_paths(path) {
            let system = SYSTEM_FOLDERS.iter().any(|known| folder == Path::new(known));
            // A program that lies in the folder being worked on was not put there by the system.
            if !folder.is_absolute() || (folder.starts_with(cwd) && !system) {
                continue;
            }
            let Ok(program) = fs::canonicalize(folder.join("bwrap")) else { continue };
            let Ok(facts) = fs::metadata(&program) else { continue };
            if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
                continue;
            }
            // A running bubblewrap that its own user owns can be changed from inside, through /proc/1/exe.
            let owners = [0, nobody()];
            if owners.contains(&facts.uid()) && facts.permissions().mode() & 0o022 == 0 {
                return Self::ask(program);
            }
            untrusted.get_or_insert(program);
        }
        Err(untrusted.map_or(NoBubblewrap::Missing, NoBubblewrap::Untrusted))
    }

    fn ask(program: PathBuf) -> Result<Self, NoBubblewrap> {
        let help = Command::new(&program).arg("--help").env_clear().stdin(Stdio::null()).output();
        let help = help.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let help = String::from_utf8_lossy(&help);
        let knows = |option: &str| help.split_whitespace().any(|word| word == option);
        let lacks: Vec<&str> = NEEDED.iter().copied().filter(|option| !knows(option)).collect();
        if lacks.is_empty() {
            Ok(Self { disable_userns: knows("--disable-userns"), program })
        } else {
            Err(NoBubblewrap::TooOld { program, lacks })
        }
    }

    /// What `okcvm __launch` is to do for a session; without the extra mounts, which have to be checked first.
    pub(super) fn plan(
        &self,
        section: &SandboxSection,
        folders: &SandboxFolders,
        program: &Path,
        network: Network,
    ) -> Plan {
        Plan {
            bwrap: self.program.clone(),
            network,
            disable_userns: self.disable_userns,
            ..Plan::new(section, folders, program, Role::Runner)
        }
    }
}

/// The owner that files of accounts without a number in this user namespace show: inside another sandbox, those of root.
fn nobody() -> u32 {
    let told = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    told.and_then(|text| text.trim().parse().ok()).unwrap_or(65_534)
}

/// Processes and threads that a browser may have at least.
const BROWSER_PIDS: u64 = 2048;

/// The limits of the configuration in the kernel's units. A process of a browser sets aside far more than it ever uses,
/// so it is held by what all of them really use.
pub(super) fn limits(section: &SandboxSection, family: Family) -> Limits {
    let mebibytes = |count: u64| count.saturating_mul(1 << 20);
    Limits {
        memory_bytes: match family {
            Family::Shell => mebibytes(section.limits.memory_mb),
            Family::Browser => libc::RLIM_INFINITY,
        },
        total_memory_bytes: mebibytes(section.limits.total_memory_mb()),
        pids: Some(match family {
            Family::Shell => section.limits.pids,
            // Threads count, and each page has a dozen.
            Family::Browser => section.limits.pids.max(BROWSER_PIDS),
        }),
        file_bytes: mebibytes(section.limits.file_mb),
        open_files: section.limits.open_files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, help: &str) {
        let file = folder.join("bwrap");
        fs::write(&file, format!("#!/bin/sh\ncat <<'END'\n{help}\nEND\n")).expect("script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    #[test]
    fn a_bwrap_in_the_working_folder_or_writable_by_others_is_not_taken() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let folder = fs::canonicalize(folder.path()).expect("path");
        script(&folder, &NEEDED.join(" "));
        let path = folder.to_str().expect("text");
        assert_eq!(Bubblewrap::find(path, &folder), Err(NoBubblewrap::Missing));
        assert_eq!(Bubblewrap::find("bin:.", Path::new("/nowhere")), Err(NoBubblewrap::Missing));
        fs::set_permissions(folder.join("bwrap"), fs::Permissions::from_mode(0o777)).expect("mode");
        let expected = NoBubblewrap::Untrusted(folder.join("bwrap"));
        assert_eq!(Bubblewrap::find(path, Path::new("/nowhere")), Err(expected));
    }

    #[test]
    fn abilities_are_read_from_its_help() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: only root can make a program that root owns");
            return;
        }
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().to_str().expect("text");
        let cwd = Path::new("/nowhere");
        script(folder.path(), &NEEDED.join(" "));
        assert!(matches!(Bubblewrap::find(path, cwd), Ok(Bubblewrap { disable_userns: false, .. })));
        script(folder.path(), &format!("{} --disable-userns", NEEDED.join(" ")));
        assert!(matches!(Bubblewrap::find(path, cwd), Ok(Bubblewrap { disable_userns: true, .. })));
        script(folder.path(), "--args --perms");
        match Bubblewrap::find(path, cwd) {
            Err(NoBubblewrap::TooOld { lacks, .. }) => assert!(lacks.contains(&"--size") && !lacks.contains(&"--args")),
            other => panic!("{other:?}"),
        }
    }
}
