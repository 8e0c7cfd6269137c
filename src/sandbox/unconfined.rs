//! No sandbox: commands run on the host, as the user who started okcvm. Only where the user said so.
//!
//! The environment is still built from nothing and HOME is still the session's own, against accidents, not against
//! intent. The mount path does not exist for commands: making `/mnt/okcvm-...` would change the host behind the user's
//! back, so the model is told the real folder instead.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::{SandboxFolders, policy};
use crate::config::schema::SandboxSection;

/// The process for a command on the host.
pub(super) fn command(section: &SandboxSection, folders: &SandboxFolders, argv: &[String]) -> Option<Command> {
    let (program, arguments) = argv.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&folders.work).stdin(Stdio::null()).env_clear();
    command.envs(environment(section, folders));
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Some(command)
}

fn environment(section: &SandboxSection, folders: &SandboxFolders) -> Vec<(String, String)> {
    let host = |name: &str| std::env::var(name).ok();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut env = policy::common_environment(&text(&folders.work), &text(&folders.home), &text(&folders.tmp));
    let path = host("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
    env.push(("PATH".to_owned(), path));
    policy::pass_on(&mut env, &section.env_pass, host);
    env
}

/// The processes below one, by the parents that `/proc` tells; those that were given to another parent are missed.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut parents = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The second field is the name in parentheses, which may hold anything; the parent is the second after it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        if let Some(parent) = parent {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root.as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// Whether a process of this group still runs; one that has ended and is not reaped yet does not.
pub(super) fn group_runs(group: Pid) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    let group = group.as_raw_nonzero().get().to_string();
    entries.flatten().any(|entry| {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { return false };
        // After the name: the state, the parent, the group.
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ended = fields.next().is_none_or(|state| matches!(state, "Z" | "X"));
        !ended && fields.nth(1) == Some(group.as_str())
    })
}
