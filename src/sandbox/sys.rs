//! The only unsafe code of the program: two calls that a helper process makes before it does anything else.

use std::io;

/// Takes over every descriptor that this process inherited beyond the standard three, and marks it to be closed at the
/// next exec: bubblewrap hands all others on to the tools, and a folder left open by whoever started okcvm would be a
/// way out.
#[expect(unsafe_code, reason = "descriptors that were inherited have no owner in Rust; somebody has to claim them")]
pub(super) fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: called at the very start of a helper process with one thread, before any descriptor was opened, so no
    // other owner of any of these descriptors exists.
    unsafe { command_fds::inherited::init_inherited_fds() }
}

/// Gives this process a mount namespace of its own.
#[expect(unsafe_code, reason = "unsharing is unsafe for descriptor tables; this call leaves them alone")]
pub(super) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: the rule of this function concerns UnshareFlags::FILES only, which is not given.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.map_err(io::Error::from)
}
