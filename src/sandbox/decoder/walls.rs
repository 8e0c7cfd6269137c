//! The walls of a process that decodes: limits, Landlock where the kernel has it, and a list of the few system calls
//! that computing needs. Everything else is refused, so that the list holds alone where Landlock is missing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use rustix::process::{Resource, Rlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::sandbox::landlock;

/// Seconds of computing; waiting is bounded by the one who waits.
pub(super) const CPU_SECONDS: u64 = 20;
/// Stack of the one thread, which grows when it is needed.
const STACK: u64 = 64 << 20;

/// Calls that may be made with any arguments: memory, time, the end.
const ALLOWED: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Shuts this process off from everything but its three streams. It must have one thread.
pub(super) fn shut(memory: u64, cpu_seconds: u64) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Stack, STACK),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
    ] {
        limit(resource, most, most)?;
    }
    // With both the same the kernel kills, and nobody could tell why.
    limit(Resource::Cpu, cpu_seconds, cpu_seconds.saturating_add(2))?;
    landlock::shut_all()?;
    // Last of the limits: until here descriptors were needed.
    limit(Resource::Nofile, 0, 0)?;
    seccompiler::apply_filter(&filter().map_err(io::Error::other)?).map_err(io::Error::other)
}

/// A limit of which the process is told, and one that ends it; where no lower one holds already.
fn limit(resource: Resource, told: u64, most: u64) -> io::Result<()> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let lower = |most: u64| Some(inherited.map_or(most, |inherited| most.min(inherited)));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: lower(told), maximum: lower(most) })?)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let when = |argument, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    let is = |argument, value| when(argument, SeccompCmpOp::Eq, value);
    rules.insert(libc::SYS_read, vec![is(0, 0)?]);
    rules.insert(libc::SYS_write, vec![is(0, 1)?, is(0, 2)?]);
    // Ending itself, as abort does; nobody else.
    rules.insert(libc::SYS_tgkill, vec![is(0, u64::from(std::process::id()))?]);
    // Memory that can be executed is what takes over a reader.
    let no_code = || when(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    rules.insert(libc::SYS_mmap, vec![no_code()?]);
    rules.insert(libc::SYS_mprotect, vec![no_code()?]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, TargetArch::try_from(std::env::consts::ARCH)?)?.try_into()
}

/// What this process can do and should not, each as a phrase. It tries everything once.
pub(super) fn missing() -> Vec<&'static str> {
    let refused = |error: io::Error| matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::EMFILE));
    let written = |path| fs::write(path, "x").and_then(|()| fs::remove_file(path)).is_ok();
    let parent = rustix::process::getppid();
    let root = rustix::thread::Uid::ROOT;
    let tried = [
        ("files can be read", fs::read("/etc/passwd").is_ok()),
        ("folders can be listed", fs::read_dir("/").is_ok()),
        ("it can be seen which files there are", fs::metadata("/etc/passwd").is_ok()),
        ("files can be written in /tmp", written("/tmp/.okcvm-decoder")),
        ("files can be written in /dev/shm", written("/dev/shm/.okcvm-decoder")),
        ("its input can be opened anew", fs::OpenOptions::new().write(true).open("/proc/self/fd/0").is_ok()),
        ("its input can be written", rustix::io::write(rustix::stdio::stdin(), b"x").is_ok()),
        ("it can connect", !TcpStream::connect("127.0.0.1:1").is_err_and(refused)),
        ("it can listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("it can send", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("it can reach sockets with a path", UnixDatagram::unbound().is_ok() || UnixStream::pair().is_ok()),
        ("it can start programs", Command::new("/bin/true").status().is_ok()),
        ("it can start threads", std::thread::Builder::new().spawn(|| ()).is_ok()),
        ("it can send signals", parent.is_some_and(|parent| rustix::process::test_kill_process(parent).is_ok())),
        ("it can become root", rustix::thread::set_thread_res_uid(root, root, root).is_ok()),
        ("it can look into other processes", fs::read("/proc/1/cmdline").is_ok()),
        ("its memory has no bound", Vec::<u8>::new().try_reserve_exact(super::child::MEMORY as usize).is_ok()),
        ("it knows the host's environment", std::env::vars_os().next().is_some()),
    ];
    tried.into_iter().filter(|(_, open)| *open).map(|(what, _)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_walls_every_one_of_them_is_missed() {
        let missing = missing();
        for open in ["files can be read", "it can connect", "it can listen", "it can start programs"] {
            assert!(missing.contains(&open), "{open} is not seen: {missing:?}");
        }
    }

    #[test]
    fn the_list_of_calls_compiles_and_is_short() {
        let program = filter().expect("filter");
        assert!(program.len() < 400, "{}", program.len());
    }
}
