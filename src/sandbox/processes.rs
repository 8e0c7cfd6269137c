//! Processes as `/proc` tells of them: who is below whom, and how much memory they have.

use rustix::process::Pid;

/// What `/proc` tells of a process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Ended and not reaped yet.
    pub(super) ended: bool,
}

impl Process {
    /// All that are there.
    pub(super) fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let read = |name: &str| {
            let pid = name.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name in parentheses, which may hold anything: the state, the parent, the group.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let ended = matches!(fields.next()?, "Z" | "X");
            Some(Self { pid, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()?, ended })
        };
        entries.flatten().filter_map(|entry| read(entry.file_name().to_str()?)).collect()
    }

    /// These processes and all below them.
    pub(super) fn below(processes: &[Self], mut found: Vec<i32>) -> Vec<i32> {
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let below = |process: &&Self| process.parent == parent && !found.contains(&process.pid);
            let below: Vec<i32> = processes.iter().filter(below).map(|process| process.pid).collect();
            found.extend(below);
            next += 1;
        }
        found
    }
}

/// The memory in bytes of the process with the most of it, of a process and all below it. Shared memory counts in full,
/// which the limit of the kernel (`RLIMIT_DATA`) leaves out; files that are mapped do not count.
pub(super) fn largest_memory(root: Pid) -> u64 {
    let all = Process::below(&Process::all(), vec![root.as_raw_nonzero().get()]);
    all.into_iter().filter_map(memory).max().unwrap_or(0)
}

fn memory(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) << 10)
}
