//! The only unsafe code of the program: three calls that helper processes make, each with one thread.

use std::io;

use rustix::process::Pid;

/// Takes over every descriptor that this process inherited beyond the standard three, and marks it to be closed at the
/// next exec: bubblewrap hands all others on to the tools, and a folder left open by whoever started okcvm would be a
/// way out.
#[expect(unsafe_code, reason = "descriptors that were inherited have no owner in Rust; somebody has to claim them")]
pub(super) fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: called at the very start of a helper process with one thread, before any descriptor was opened, so no
    // other owner of any of these descriptors exists.
    unsafe { command_fds::inherited::init_inherited_fds() }
}

/// Closes every descriptor that this process inherited beyond the standard three.
pub(super) fn close_inherited() -> io::Result<()> {
    close_inherited_on_exec()?;
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers {
        // Those that are not there to be taken are the standard three and the folder that was just read.
        drop(command_fds::inherited::take_fd_ownership(number));
    }
    Ok(())
}

/// Gives this process a mount namespace of its own.
#[expect(unsafe_code, reason = "unsharing is unsafe for descriptor tables; this call leaves them alone")]
pub(super) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: the rule of this function concerns UnshareFlags::FILES only, which is not given.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.map_err(io::Error::from)
}

/// Makes a copy of this process: the child's number in the parent, `None` in the child. For processes with one thread:
/// starting the program anew for each command would cost several times as much. Fails where there is another thread.
#[expect(unsafe_code, reason = "no library offers fork as a safe call, since it depends on there being one thread")]
pub(super) fn fork() -> io::Result<Option<Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with several threads cannot be copied"));
    }
    // SAFETY: this process has one thread, as was just seen, and only it could make another. So no lock is held by
    // anybody else, and the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}
