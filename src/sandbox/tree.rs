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
    /// One letter: `S` sleeps, `T` is stopped, `Z` has ended and is not reaped yet.
    state: char,
}

impl Process {
    fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let read = |name: &str| {
            let pid = name.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name in parentheses, which may hold anything: the state, the parent.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            Some(Self { pid, state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
        };
        entries.flatten().filter_map(|entry| read(entry.file_name().to_str()?)).collect()
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// The processes below this one that have not ended.
#[derive(Debug)]
pub(super) struct Tree(Vec<Process>);

impl Tree {
    /// Those below a process, that itself excepted.
    pub(super) fn below(root: Pid) -> Self {
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
        below.retain(|process| !process.has_ended());
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

    fn all_stopped(&self) -> bool {
        self.0.iter().all(|process| matches!(process.state, 'T' | 't'))
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

/// Stops everything below a process, however fast it starts more of itself; false when that did not come about.
pub(super) fn freeze(root: Pid) -> bool {
    let limit = Instant::now() + END;
    loop {
        let tree = Tree::below(root);
        if tree.all_stopped() {
            return true;
        }
        if Instant::now() > limit {
            return false;
        }
        tree.signal(Signal::STOP);
        std::thread::yield_now();
    }
}

/// Lets everything below a process go on.
pub(super) fn thaw(root: Pid) {
    Tree::below(root).signal(Signal::CONT);
}

/// Ends everything below a process: stopped first, so that nothing starts more while the others are being ended.
pub(super) fn end(root: Pid) {
    freeze(root);
    let limit = Instant::now() + END;
    loop {
        let tree = Tree::below(root);
        tree.signal(Signal::KILL);
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
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
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
        let me = Tree(vec![Process { pid: own().as_raw_nonzero().get(), parent: 0, state: 'R' }]);
        assert!(me.ports().contains(&port));
        drop(listener);
        assert!(!me.ports().contains(&port));
    }

    #[test]
    fn memory_is_counted_in_bytes() {
        let me = Tree(vec![Process { pid: own().as_raw_nonzero().get(), parent: 0, state: 'R' }]);
        let (largest, total) = me.memory(0);
        assert!(largest > 1 << 20 && total > 1 << 20, "{largest} {total}");
    }
}
