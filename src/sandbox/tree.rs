//! The processes below a process, as `/proc` tells of them: who they are, what they hold, and how to end them all.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How long the end of killed processes is waited for.
const END: Duration = Duration::from_secs(5);

/// What `/proc` tells of a process.
#[derive(Debug)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    /// One letter: `S` sleeps, `T` is stopped, `Z` has ended and is not reaped yet.
    state: char,
    /// A process whose first thread has ended shows `Z` as well, and goes on as long as it has others.
    threads: u32,
}

impl Process {
    fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let read = |name: &str| {
            let pid = name.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name in parentheses, which may hold anything: the state, the parent, the group, and the number
            // of threads as the fifteenth after that (proc(5)).
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let state = fields.next()?.chars().next()?;
            let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Self { pid, parent, group, state, threads: fields.nth(14)?.parse().ok()? })
        };
        entries.flatten().filter_map(|entry| read(entry.file_name().to_str()?)).collect()
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }

    fn is_stopped(&self) -> bool {
        match self.state {
            'T' | 't' => true,
            'Z' => thread_states(self.pid).iter().all(|state| matches!(state, 'T' | 't' | 'Z' | 'X')),
            _ => false,
        }
    }
}

fn thread_states(pid: i32) -> Vec<char> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let state = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    };
    threads.flatten().filter_map(state).collect()
}

/// The processes below one that have not ended.
#[derive(Debug)]
pub(super) struct Tree(Vec<Process>);

impl Tree {
    /// Those below a process, that itself excepted.
    pub(super) fn below(root: Pid) -> Self {
        let mut all = Self::with_ended(root);
        all.0.retain(|process| !process.has_ended());
        all
    }

    fn with_ended(root: Pid) -> Self {
        let mut all = Process::all();
        let mut known = vec![root.as_raw_nonzero().get()];
        let mut below = Vec::new();
        let mut next = 0;
        while let Some(parent) = known.get(next).copied() {
            next += 1;
            let (found, rest) = all.into_iter().partition(|process| process.parent == parent);
            all = rest;
            for process in Vec::from_iter::<Vec<Process>>(found) {
                known.push(process.pid);
                below.push(process);
            }
        }
        Self(below)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn signal(&self, signal: Signal) {
        for pid in self.0.iter().filter_map(|process| Pid::from_raw(process.pid)) {
            // Gone already is as good.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Ends them, and whoever is in their groups: what starts itself anew all the time is seldom seen itself, but what
    /// it left behind names its group.
    fn kill(&self, own_group: i32) {
        let groups: HashSet<i32> =
            self.0.iter().map(|process| process.group).filter(|group| *group != own_group).collect();
        for group in groups.into_iter().filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        self.signal(Signal::KILL);
    }

    /// Bytes of memory: of the largest process, and of all. Shared memory counts in full, which the limit of the kernel
    /// (`RLIMIT_DATA`) leaves out; files that are mapped do not count.
    pub(super) fn memory(&self, enough: u64) -> (u64, u64) {
        let each: Vec<u64> = self.0.iter().filter_map(|process| memory(process.pid)).collect();
        let (largest, mut total) = (each.iter().copied().max().unwrap_or(0), each.iter().sum());
        if total > enough {
            // What several share was counted for each. To count it once is slow, so only where it decides.
            let shares = self.0.iter().map(|process| share(process.pid).or_else(|| memory(process.pid)));
            total = shares.map(|bytes| bytes.unwrap_or(0)).sum();
        }
        (largest, total)
    }

    /// The TCP ports of this network on which these processes listen.
    pub(super) fn ports(&self) -> Vec<u16> {
        let listening: Vec<(String, u16)> =
            ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().flat_map(|file| listeners(file)).collect();
        if listening.is_empty() {
            return Vec::new();
        }
        let held: HashSet<String> = self.0.iter().flat_map(|process| sockets(process.pid)).collect();
        let mut ports: Vec<u16> =
            listening.into_iter().filter(|(inode, _)| held.contains(inode)).map(|(_, port)| port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether one of these processes waits for something to read from its terminal. Programs that draw their prompt
    /// themselves (`raw`: the terminal hands over each key at once) wait with other calls than `read`.
    pub(super) fn reads_terminal(&self, raw: bool) -> bool {
        self.0.iter().any(|process| process.state == 'S' && reads_terminal(process.pid, raw))
    }
}

/// Stops everything below a process, however fast it starts more of itself. Tells which processes were stopped for it
/// (others may have stood still before), and whether all stand still now.
pub(super) fn freeze(root: Pid) -> (HashSet<i32>, bool) {
    let limit = Instant::now() + END;
    let mut stopped = HashSet::new();
    loop {
        let mut tree = Tree::below(root);
        tree.0.retain(|process| !process.is_stopped());
        if tree.is_empty() {
            return (stopped, true);
        }
        if Instant::now() > limit {
            return (stopped, false);
        }
        tree.signal(Signal::STOP);
        stopped.extend(tree.0.iter().map(|process| process.pid));
        std::thread::yield_now();
    }
}

/// Lets these go on, as far as they are below a process.
pub(super) fn thaw(root: Pid, stopped: &HashSet<i32>) {
    let mut tree = Tree::below(root);
    tree.0.retain(|process| stopped.contains(&process.pid));
    tree.signal(Signal::CONT);
}

/// Ends everything below a process: stopped first, so that nothing starts more while the others are being ended. Returns
/// when nothing is seen any more, or after some seconds; only that there is nothing left to wait for is proof.
pub(super) fn end(root: Pid) {
    let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
    freeze(root);
    let limit = Instant::now() + END;
    loop {
        let tree = Tree::with_ended(root);
        tree.kill(own_group);
        if tree.is_empty() || Instant::now() > limit {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the children of a process, and all below them, but those that are named.
pub(super) fn end_strays(root: Pid, named: &[Pid]) {
    let limit = Instant::now() + END;
    loop {
        let children = Process::all().into_iter().filter(|process| process.parent == root.as_raw_nonzero().get());
        let strays: Vec<Pid> = children
            .filter(|process| !process.has_ended())
            .filter_map(|process| Pid::from_raw(process.pid))
            .filter(|pid| !named.contains(pid))
            .collect();
        if strays.is_empty() || Instant::now() > limit {
            return;
        }
        for stray in strays {
            let _ = rustix::process::kill_process(stray, Signal::STOP);
            freeze(stray);
            Tree::below(stray).signal(Signal::KILL);
            let _ = rustix::process::kill_process(stray, Signal::KILL);
        }
    }
}

fn memory(pid: i32) -> Option<u64> {
    // A first thread that has ended has no memory any more, the others still have it.
    let mut files = vec![std::path::PathBuf::from(format!("/proc/{pid}"))];
    if let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) {
        files.extend(threads.flatten().map(|entry| entry.path()));
    }
    let status = files.iter().find_map(|folder| {
        std::fs::read_to_string(folder.join("status")).ok().filter(|status| status.contains("RssAnon:"))
    })?;
    Some(kibibytes(&status, "RssAnon:")? + kibibytes(&status, "RssShmem:")?)
}

/// The proportional share of a process in the memory that it uses, files left out.
fn share(pid: i32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(kibibytes(&rollup, "Pss_Anon:")? + kibibytes(&rollup, "Pss_Shmem:")?)
}

/// A value in kB of a listing, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|count| count << 10)
}

/// Inode and port of the listening sockets of a table.
fn listeners(file: &str) -> Vec<(String, u16)> {
    let table = std::fs::read_to_string(file).unwrap_or_default();
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        // 0A is LISTEN.
        let listens = fields.nth(1)? == "0A";
        let inode = fields.nth(5)?;
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        listens.then(|| (inode.to_owned(), port))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Inodes of the sockets that a process holds.
fn sockets(pid: i32) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inode = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    entries.flatten().filter_map(inode).collect()
}

fn reads_terminal(pid: i32, raw: bool) -> bool {
    let Ok(call) = std::fs::read_to_string(format!("/proc/{pid}/syscall")) else { return false };
    let mut words = call.split_whitespace();
    let Some(number) = words.next().and_then(|number| number.parse().ok()) else { return false };
    let is_terminal =
        |target: std::path::PathBuf| target.starts_with("/dev/pts") || target == std::path::Path::new("/dev/tty");
    if number == libc::SYS_read {
        let fd = words.next().and_then(|word| i64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        let target = fd.and_then(|fd| std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok());
        return target.is_some_and(is_terminal);
    }
    raw && WAITS.contains(&number) && std::fs::read_link(format!("/proc/{pid}/fd/0")).is_ok_and(is_terminal)
}

/// Calls that wait for one of several descriptors.
#[cfg(target_arch = "x86_64")]
const WAITS: &[i64] = &[
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
];
#[cfg(not(target_arch = "x86_64"))]
const WAITS: &[i64] = &[libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_pwait];

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Pid {
        rustix::process::getpid()
    }

    #[test]
    fn what_listens_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let me = Tree(vec![Process { pid: own().as_raw_nonzero().get(), parent: 0, group: 0, state: 'R', threads: 1 }]);
        assert!(me.ports().contains(&port));
        drop(listener);
        assert!(!me.ports().contains(&port));
    }

    #[test]
    fn memory_is_counted_in_bytes() {
        let me = Tree(vec![Process { pid: own().as_raw_nonzero().get(), parent: 0, group: 0, state: 'R', threads: 1 }]);
        let (largest, total) = me.memory(0);
        assert!(largest > 1 << 20 && total > 1 << 20, "{largest} {total}");
    }
}
