//! The system calls that nothing inside may make.
//!
//! Default is to allow: the namespaces are the wall, and this keeps the kernel's more adventurous corners behind it.
//! Calls on sockets stay allowed (the network namespace does that work; denying them breaks asyncio), but not the
//! families that reach past a network namespace. Where there is no namespace, sockets are held here as far as Landlock
//! cannot hold them. `clone3` cannot be judged by its arguments, which lie in memory: it is answered "not implemented",
//! upon which every libc falls back to `clone`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

/// Why the filters could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the seccomp filter: {0}")]
pub(super) struct FilterError(String);

/// What differs from one filter to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    /// Processes may trace and read each other, for debuggers; still only those that the kernel lets them.
    pub(super) ptrace: bool,
    /// Namespaces may be made, for a browser that puts a sandbox of its own around each page.
    pub(super) namespaces: bool,
    /// Which sockets may be made.
    pub(super) sockets: Sockets,
}

/// Which sockets may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sockets {
    /// All that a network namespace holds.
    Namespaced,
    /// There is no namespace: what Landlock cannot hold is refused.
    Unnamespaced {
        /// Those of the internet.
        internet: Internet,
        /// Whether sockets with a path are held by Landlock; else only connected pairs can be made.
        unix: bool,
    },
}

/// Sockets of the internet where there is no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Internet {
    /// None, not even on loopback.
    Refused,
    /// TCP over IPv4 that connects, to the ports that Landlock knows. Nothing listens: a socket that was never bound
    /// would get a port of its own past Landlock.
    Outgoing,
    /// As the host has it.
    Open,
}

/// `open_tree_attr` (Linux 6.15), which the C library's names do not have yet; the number is that of every architecture.
const OPEN_TREE_ATTR: i64 = 467;

/// Calls with which a process makes walls of its own: namespaces, and what is seen in them.
const NAMESPACES: &[i64] =
    &[libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_setns, libc::SYS_unshare];

/// Calls that are refused whatever their arguments.
const REFUSED: &[i64] = &[
    // The newer calls on mounts.
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Large surfaces of the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_personality,
    // Files without a path, descriptors of other processes.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
];

/// Calls on the memory of other processes.
const TRACING: &[i64] = &[libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev];

/// Terminal controls that put characters into another's input or change its line discipline.
const REFUSED_IOCTLS: &[u64] = &[libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];

/// The socket families that programs need. All others are refused: some reach past a network namespace, such as VSOCK,
/// and the kernel would load seldom used code for others.
const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// System V and POSIX message queues, semaphores and shared memory: without a namespace they are those of the machine.
const SHARED_BY_KEY: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Flags of `clone` that make a namespace.
const REFUSED_CLONE_FLAGS: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The filters in the order in which bubblewrap is to load them, as the kernel's `sock_filter` records.
pub(super) fn programs(filter: Filter) -> Result<[Vec<u8>; 2], FilterError> {
    Ok(compiled(filter)?.map(|program| bytes(&program)))
}

/// Loads the filters into this process, for it and all that it starts from now on.
pub(super) fn apply(filter: Filter) -> Result<(), FilterError> {
    for program in compiled(filter)? {
        seccompiler::apply_filter(&program).map_err(|error| FilterError(error.to_string()))?;
    }
    Ok(())
}

fn compiled(filter: Filter) -> Result<[BpfProgram; 2], FilterError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(fail)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    if !filter.namespaces {
        rules.extend(NAMESPACES.iter().map(|call| (*call, Vec::new())));
    }
    if !filter.ptrace {
        rules.extend(TRACING.iter().map(|call| (*call, Vec::new())));
    }
    let ioctls = REFUSED_IOCTLS.iter().map(|request| rule(&[equal(1, *request)])).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, ioctls);
    if !filter.namespaces {
        let flags = REFUSED_CLONE_FLAGS.iter().map(|flag| {
            let flag = u64::from(*flag as u32);
            rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])
        });
        rules.insert(libc::SYS_clone, flags.collect::<Result<_, _>>()?);
    }
    rules.extend(sockets(filter.sockets)?);
    rules.extend(others(filter.sockets)?);

    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let refused = compile(rules, refuse, arch)?;
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let clone3 = compile(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), absent, arch)?;
    let mut second = no_x32();
    second.extend(clone3);
    Ok([refused, second])
}

/// One condition: number of the argument, comparison, value.
type Condition = (u8, SeccompCmpOp, u64);

fn equal(argument: u8, value: u64) -> Condition {
    (argument, SeccompCmpOp::Eq, value)
}

fn other_than(argument: u8, value: i32) -> Condition {
    (argument, SeccompCmpOp::Ne, value as u64)
}

/// A rule that holds when all of its conditions do.
fn rule(conditions: &[Condition]) -> Result<SeccompRule, FilterError> {
    let condition = |(argument, operator, value): &Condition| {
        // The kernel looks at the low 32 bits of these arguments, and so does the filter.
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value).map_err(fail)
    };
    SeccompRule::new(conditions.iter().map(condition).collect::<Result<_, _>>()?).map_err(fail)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn fail(error: seccompiler::BackendError) -> FilterError {
    FilterError(error.to_string())
}

/// The rules of the calls that set limits and priorities: each process its own, and nobody else's. A reaper without
/// descriptors could end nothing any more.
fn others(sockets: Sockets) -> Result<BTreeMap<i64, Vec<SeccompRule>>, FilterError> {
    let not_own = |argument| rule(&[other_than(argument, 0)]);
    let mut rules = BTreeMap::from([(libc::SYS_prlimit64, vec![not_own(0)?])]);
    if matches!(sockets, Sockets::Unnamespaced { .. }) {
        // Which kind of owner, and which one: 0 is this process, and for ioprio_set that is kind 1.
        rules.insert(libc::SYS_setpriority, vec![not_own(0)?, not_own(1)?]);
        rules.insert(libc::SYS_ioprio_set, vec![rule(&[other_than(0, 1)])?, not_own(1)?]);
        for call in [libc::SYS_sched_setparam, libc::SYS_sched_setattr, libc::SYS_sched_setaffinity] {
            rules.insert(call, vec![not_own(0)?]);
        }
        // Threads of ZeroMQ, and so of the kernel, ask by their own number for what they have, and die when refused. To
        // be scheduled as everybody is (SCHED_OTHER) does no harm to others.
        rules.insert(libc::SYS_sched_setscheduler, vec![rule(&[other_than(0, 0), other_than(1, libc::SCHED_OTHER)])?]);
    }
    Ok(rules)
}

/// The rules of the calls that make and use sockets.
fn sockets(sockets: Sockets) -> Result<BTreeMap<i64, Vec<SeccompRule>>, FilterError> {
    let others: Vec<Condition> = FAMILIES.iter().map(|family| other_than(0, *family)).collect();
    let (mut alone, mut pairs) = (vec![others.clone()], vec![others]);
    let mut calls: BTreeMap<i64, Vec<Vec<Condition>>> = BTreeMap::new();
    if let Sockets::Unnamespaced { internet, unix } = sockets {
        calls.extend(SHARED_BY_KEY.iter().map(|call| (*call, Vec::new())));
        match internet {
            Internet::Open if unix => {}
            Internet::Open => alone.push(vec![equal(0, libc::AF_UNIX as u64)]),
            // No condition at all: every one is refused.
            Internet::Refused if !unix => alone.clear(),
            Internet::Refused => alone = vec![vec![other_than(0, libc::AF_UNIX)]],
            Internet::Outgoing => {
                let inet = equal(0, libc::AF_INET as u64);
                let mut known = vec![other_than(0, libc::AF_INET)];
                if unix {
                    known.push(other_than(0, libc::AF_UNIX));
                }
                alone = vec![known];
                alone.extend(types_but(&[libc::SOCK_STREAM]).map(|kind| vec![inet.clone(), kind]));
                // Other protocols with streams, such as MPTCP, are not held by Landlock.
                alone.push(vec![inet, other_than(2, 0), other_than(2, libc::IPPROTO_TCP)]);
                calls.insert(libc::SYS_listen, Vec::new());
                // A connection that is made by sending is not seen by Landlock.
                for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
                    let fast_open = libc::MSG_FASTOPEN as u64;
                    calls.insert(call, vec![vec![(flags, SeccompCmpOp::MaskedEq(fast_open), fast_open)]]);
                }
            }
        }
        if !unix {
            // A pair of datagram sockets is not bound to its other end: each can send to any path.
            pairs.extend(types_but(&[libc::SOCK_STREAM, libc::SOCK_SEQPACKET]).map(|kind| vec![kind]));
        }
    }
    calls.insert(libc::SYS_socket, alone);
    calls.insert(libc::SYS_socketpair, pairs);
    let compiled = |(call, rules): (i64, Vec<Vec<Condition>>)| {
        Ok((call, rules.iter().map(|conditions| rule(conditions)).collect::<Result<_, _>>()?))
    };
    calls.into_iter().map(compiled).collect()
}

/// Every type of socket but these, each as a condition. The type shares its word with flags.
fn types_but(allowed: &'static [i32]) -> impl Iterator<Item = Condition> {
    const MASK: u64 = 0xf;
    let refused = (0..=MASK).filter(|kind| allowed.iter().all(|allowed| *allowed as u64 != *kind));
    refused.map(|kind| (1, SeccompCmpOp::MaskedEq(MASK), kind))
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    action: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, FilterError> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).map_err(fail)?;
    BpfProgram::try_from(filter).map_err(fail)
}

/// The bit of a call's number that says x32.
const X32_BIT: u32 = 0x4000_0000;

/// Refuses the x32 calls of an x86-64 kernel: the same architecture, other numbers, and so past every rule by number.
fn no_x32() -> Vec<sock_filter> {
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let statement = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    vec![
        // The number of the call is the first word of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, X32_BIT),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ]
}

fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let mut out = Vec::with_capacity(program.len() * 8);
    for step in program {
        out.extend_from_slice(&step.code.to_ne_bytes());
        out.push(step.jt);
        out.push(step.jf);
        out.extend_from_slice(&step.k.to_ne_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket, socketpair};

    use super::*;

    const ALL: [Sockets; 6] = [
        Sockets::Namespaced,
        Sockets::Unnamespaced { internet: Internet::Refused, unix: false },
        Sockets::Unnamespaced { internet: Internet::Refused, unix: true },
        Sockets::Unnamespaced { internet: Internet::Outgoing, unix: false },
        Sockets::Unnamespaced { internet: Internet::Outgoing, unix: true },
        Sockets::Unnamespaced { internet: Internet::Open, unix: false },
    ];

    #[test]
    fn every_filter_compiles_and_fits_the_kernels_limit() {
        for sockets in ALL {
            for ptrace in [false, true] {
                for namespaces in [false, true] {
                    for program in programs(Filter { ptrace, namespaces, sockets }).expect("filters") {
                        assert_eq!(program.len() % 8, 0);
                        // BPF_MAXINSNS.
                        assert!(program.len() / 8 > 4 && program.len() / 8 <= 4096, "{}", program.len() / 8);
                    }
                }
            }
        }
    }

    /// A filter belongs to its thread, so each is tried on one of its own.
    fn behind<T: Send>(sockets: Sockets, tried: impl FnOnce() -> T + Send) -> T {
        let ran = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                apply(Filter { ptrace: false, namespaces: false, sockets }).expect("filter");
                tried()
            });
            thread.join()
        });
        ran.expect("thread")
    }

    fn made(family: AddressFamily, kind: SocketType, protocol: Option<rustix::net::Protocol>) -> bool {
        match socket(family, kind, protocol) {
            Err(Errno::PERM) => false,
            // Other refusals are those of the machine, not of the filter.
            Ok(_) | Err(_) => true,
        }
    }

    #[test]
    fn where_a_namespace_holds_them_ordinary_sockets_can_be_made() {
        behind(Sockets::Namespaced, || {
            for family in [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX] {
                assert!(made(family, SocketType::STREAM, None) && made(family, SocketType::DGRAM, None), "{family:?}");
            }
            assert!(!made(AddressFamily::VSOCK, SocketType::STREAM, None));
            assert!(!made(AddressFamily::PACKET, SocketType::RAW, None));
        });
    }

    #[test]
    fn without_a_namespace_only_connected_pairs_can_be_made() {
        behind(Sockets::Unnamespaced { internet: Internet::Refused, unix: false }, || {
            for family in [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX, AddressFamily::NETLINK] {
                for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::RAW] {
                    assert!(!made(family, kind, None), "{family:?} {kind:?}");
                }
            }
            let pair = |kind| socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
            assert!(pair(SocketType::STREAM).is_ok() && pair(SocketType::SEQPACKET).is_ok());
            assert_eq!(pair(SocketType::DGRAM).err(), Some(Errno::PERM), "it could send to any path");
        });
    }

    #[test]
    fn outgoing_means_tcp_over_ipv4_and_nothing_that_listens() {
        behind(Sockets::Unnamespaced { internet: Internet::Outgoing, unix: false }, || {
            use rustix::net::{SendFlags, listen, send};
            let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).expect("TCP");
            assert!(made(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP)));
            assert!(!made(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)));
            assert!(!made(AddressFamily::INET, SocketType::DGRAM, None));
            assert!(!made(AddressFamily::INET6, SocketType::STREAM, None));
            assert_eq!(listen(&tcp, 1), Err(Errno::PERM));
            // MSG_FASTOPEN, for which there is no name.
            assert_eq!(send(&tcp, b"x", SendFlags::from_bits_retain(0x2000_0000)), Err(Errno::PERM));
            assert_ne!(send(&tcp, b"x", SendFlags::NOSIGNAL), Err(Errno::PERM));
        });
    }
}
