//! No sandbox: commands run on the host, as the user who started okcvm. Only where the user said so.
//!
//! The environment is still built from nothing and HOME is still the session's own, against accidents, not against
//! intent. The mount path does not exist for commands: making `/mnt/okcvm-...` would change the host behind the user's
//! back, so the model is told the real folder instead.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{SandboxFolders, policy, wire};
use crate::config::schema::SandboxSection;

/// The whole environment of a command on the host.
pub(super) fn environment(section: &SandboxSection, folders: &SandboxFolders) -> Vec<(String, String)> {
    let host = |name: &str| std::env::var(name).ok();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut env = policy::common_environment(&text(&folders.work), &text(&folders.home), &text(&folders.tmp));
    let path = host("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
    env.push(("PATH".to_owned(), policy::programs(folders, |mounted| &mounted.source) + &path));
    policy::pass_on(&mut env, &section.env_pass, host);
    env
}

/// A command as a child of this process that leads a group of its own.
pub(super) fn process(command: &wire::Command) -> Option<Command> {
    let (program, arguments) = command.argv.split_first()?;
    let mut process = Command::new(program);
    process.args(arguments).current_dir(&command.folder).stdin(Stdio::null()).env_clear();
    process.envs(command.env.iter().map(|(name, value)| (name, value)));
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    Some(process)
}
