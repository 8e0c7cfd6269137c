//! No sandbox: commands run on the host, as the user who started okcvm. Only where the user said so.
//!
//! The environment is still built from nothing and HOME is still the session's own, against accidents, not against
//! intent. The mount path does not exist for commands: making `/mnt/okcvm-...` would change the host behind the user's
//! back, so the model is told the real folder instead.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::processes::Process;
use super::{SandboxFolders, policy};
use crate::config::schema::SandboxSection;

/// Carries the mark.
const MARK: &str = "OKCVM_COMMAND";

/// The process for a command on the host, and the mark by which all of it is found.
pub(super) fn command(section: &SandboxSection, folders: &SandboxFolders, argv: &[String]) -> Option<(Command, Mark)> {
    let (program, arguments) = argv.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&folders.work).stdin(Stdio::null()).env_clear();
    command.envs(environment(section, folders));
    let mark = uuid::Uuid::new_v4().simple().to_string();
    command.env(MARK, &mark);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Some((command, Mark(format!("{MARK}={mark}"))))
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

/// A variable that the processes of one command inherit: by it those are found that left group and parent behind.
#[derive(Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// The processes of the command but the first: those below it, and those that carry the mark. Missed is only what
    /// has another parent and another environment.
    pub(super) fn others_of(&self, root: Pid) -> Vec<Pid> {
        let processes = Process::all();
        let mut found = vec![root.as_raw_nonzero().get()];
        found.extend(processes.iter().filter(|process| self.is_on(process.pid)).map(|process| process.pid));
        Process::below(&processes, found)
            .into_iter()
            .skip(1)
            .filter(|pid| *pid != root.as_raw_nonzero().get())
            .filter_map(Pid::from_raw)
            .collect()
    }

    /// Whether a process of this group or with this mark still runs; one that has ended and is not reaped yet does not.
    pub(super) fn group_runs(&self, group: Pid) -> bool {
        let group = group.as_raw_nonzero().get();
        Process::all().iter().any(|process| !process.ended && (process.group == group || self.is_on(process.pid)))
    }

    fn is_on(&self, pid: i32) -> bool {
        // Processes of others cannot be read; those that have ended have no environment.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == self.0.as_bytes())
    }
}
