//! The system calls that nothing inside may make.
//!
//! Default is to allow: the namespaces are the wall, and this keeps the kernel's more adventurous corners behind it.
//! Calls on sockets stay allowed (the network namespace does that work; denying them breaks asyncio), but not the
//! families that reach past a network namespace. `clone3` cannot be judged by its arguments, which lie in memory: it is
//! answered "not implemented", upon which every libc falls back to `clone`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

/// Why the filters could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the seccomp filter: {0}")]
pub(super) struct FilterError(String);

/// Calls that are refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
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
    // Files without a path, other processes' memory.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
];

/// Terminal controls that put characters into another's input or change its line discipline.
const REFUSED_IOCTLS: &[u64] = &[libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];

/// Socket families that are not bounded by a network namespace, or are seldom looked after.
const REFUSED_FAMILIES: &[i32] = &[
    libc::AF_VSOCK,
    libc::AF_ALG,
    libc::AF_PACKET,
    libc::AF_KEY,
    libc::AF_XDP,
    libc::AF_CAN,
    libc::AF_TIPC,
    libc::AF_RXRPC,
    libc::AF_BLUETOOTH,
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
pub(super) fn programs() -> Result<[Vec<u8>; 2], FilterError> {
    let fail = |error: seccompiler::BackendError| FilterError(error.to_string());
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(fail)?;

    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let when = |argument, operator, value| {
        // The kernel looks at the low 32 bits of these arguments, and so does the filter.
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
        condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(fail)
    };
    let equal = |argument, value| when(argument, SeccompCmpOp::Eq, value);
    let ioctls = REFUSED_IOCTLS.iter().map(|request| equal(1, *request)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, ioctls);
    let families = REFUSED_FAMILIES.iter().map(|family| equal(0, *family as u64)).collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, families.clone());
    rules.insert(libc::SYS_socketpair, families);
    let flags = REFUSED_CLONE_FLAGS.iter().map(|flag| {
        let flag = u64::from(*flag as u32);
        when(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, flags.collect::<Result<_, _>>()?);

    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let refused = compile(rules, refuse, arch)?;
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let clone3 = compile(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), absent, arch)?;
    let mut second = no_x32();
    second.extend(clone3);
    Ok([bytes(&refused), bytes(&second)])
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    action: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, FilterError> {
    let fail = |error: seccompiler::BackendError| FilterError(error.to_string());
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
    use super::*;

    #[test]
    fn both_filters_compile_and_fit_the_kernels_limit() {
        for program in programs().expect("filters") {
            assert_eq!(program.len() % 8, 0);
            // BPF_MAXINSNS.
            assert!(program.len() / 8 > 4 && program.len() / 8 <= 4096, "{}", program.len() / 8);
        }
    }
}
