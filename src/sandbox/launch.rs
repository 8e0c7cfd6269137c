//! `okcvm __launch`: the step between okcvm and bubblewrap, in a process of its own with one thread.
//!
//! It closes what was inherited, and when it is root it first stops being so: the session's folders are bound below
//! `/run/okcvm/<id>` in a mount namespace of its own (an unprivileged account cannot walk into root's folders), and
//! only an unprivileged uid starts bubblewrap. It then becomes bubblewrap.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use command_fds::CommandFdExt as _;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::{Gid, LinkNameSpaceType, Uid};

use super::policy::{self, DataFds, Layout, Sources};
use super::seccomp::{Filter, Sockets};
use super::wire::{self, ControlSocket, Network, Plan, Role};
use super::{netns, seccomp, sys};

/// Exit code when bubblewrap was never reached.
const FAILED: u8 = 125;

/// The whole life of the process. Returns only when something failed.
pub(super) fn main() -> ExitCode {
    match become_bubblewrap() {
        Ok(never) => match never {},
        Err(error) => {
            // Standard error is the pipe on which okcvm waits for reasons.
            let _ = writeln!(io::stderr(), "okcvm launch: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn become_bubblewrap() -> io::Result<std::convert::Infallible> {
    sys::close_inherited_on_exec()?;
    let plan: Plan = wire::read_frame(ControlSocket)?;
    let given = match plan.network {
        Network::Given => Some(given_network()?),
        Network::Own | Network::Host => None,
    };
    let sources = match plan.run_as {
        Some(id) => leave_root(&plan, id)?,
        None => Sources {
            work: text(&plan.work)?,
            home: text(&plan.home)?,
            tmp: text(&plan.tmp)?,
            program: text(&plan.program)?,
            extra: plan
                .extra_ro
                .iter()
                .map(|(path, inside)| Ok((text(path)?, text(inside)?)))
                .collect::<io::Result<_>>()?,
        },
    };
    if let Some((user, network)) = given {
        // As the owner of that user namespace this process holds every right in it until it becomes bubblewrap.
        enter(&user, LinkNameSpaceType::User)?;
        enter(&network, LinkNameSpaceType::Network)?;
    }
    if let Role::Listen { port } = plan.role {
        return netns::hand_out_listener(port);
    }
    if plan.role == Role::Host {
        // The terminal of whoever started okcvm stays with them.
        rustix::process::setsid()?;
        let mut command = Command::new(&sources.program);
        command.arg("__init").env_clear().current_dir("/");
        return Err(cannot_run(Path::new(&sources.program), &command.exec()));
    }
    if plan.role == Role::Network {
        let mut command = Command::new(&plan.bwrap);
        command.args(["--unshare-user", "--unshare-net", "--die-with-parent", "--dev-bind", "/", "/", "--"]);
        command.args([sources.program.as_str(), "__network"]).env_clear().current_dir("/");
        return Err(cannot_run(&plan.bwrap, &command.exec()));
    }
    let mut kept: Vec<OwnedFd> = Vec::new();
    let mut keep = |bytes: &[u8]| -> io::Result<i32> {
        let fd = memory_file(bytes)?;
        let number = fd.as_raw_fd();
        kept.push(fd);
        Ok(number)
    };
    let filter = Filter { ptrace: plan.allow_ptrace, namespaces: plan.browser, sockets: Sockets::Namespaced };
    let [first, second] = seccomp::programs(filter).map_err(io::Error::other)?;
    let seccomp = [keep(&first)?, keep(&second)?];
    let mut files = Vec::new();
    for (path, content) in policy::made_up_files(plan.ids) {
        files.push((path, keep(content.as_bytes())?));
    }
    if plan.network == Network::Host
        && let Ok(content) = fs::read("/etc/resolv.conf")
    {
        files.push(("/etc/resolv.conf", keep(&content)?));
    }
    let arguments = policy::arguments(&plan, &sources, &Layout::of_host(), &DataFds { seccomp, files });
    let mut packed = Vec::new();
    for argument in arguments {
        packed.extend_from_slice(argument.as_bytes());
        packed.push(0);
    }
    let list = keep(&packed)?;

    let mut command = Command::new(&plan.bwrap);
    command.arg("--args").arg(list.to_string()).args(["--", policy::INIT, "__init"]);
    command.env_clear().current_dir("/").preserved_fds(kept);
    Err(cannot_run(&plan.bwrap, &command.exec()))
}

fn cannot_run(program: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot run {}: {error}", program.display()))
}

/// The namespaces that were handed over, at their agreed numbers.
fn given_network() -> io::Result<(OwnedFd, OwnedFd)> {
    let take = |number| command_fds::inherited::take_fd_ownership(number).map_err(io::Error::other);
    Ok((take(wire::USER_NAMESPACE)?, take(wire::NETWORK_NAMESPACE)?))
}

fn enter(namespace: &OwnedFd, kind: LinkNameSpaceType) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot enter the network of the session: {error}")))
}

/// Binds what the sandbox shows to places that everybody can reach, and becomes an ordinary account.
fn leave_root(plan: &Plan, id: u32) -> io::Result<Sources> {
    let step = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    sys::unshare_mounts().map_err(|error| step("as root, cannot make a mount namespace", error))?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| step("cannot make mounts private", error.into()))?;
    // Opened before /run is covered: a session may lie below it.
    let open = |source: &Path| -> io::Result<(OwnedFd, String)> {
        let fd = rustix::fs::open(source, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        Ok((fd.map_err(|error| step(&format!("cannot open {}", source.display()), error.into()))?, text(source)?))
    };
    let (work, home, tmp) = (open(&plan.work)?, open(&plan.home)?, open(&plan.tmp)?);
    let program = open(&plan.program)?;
    let extra = plan.extra_ro.iter().map(|(path, inside)| Ok((open(path)?, text(inside)?)));
    let extra = extra.collect::<io::Result<Vec<_>>>()?;
    let options = CString::new("mode=0755,size=1m")?;
    rustix::mount::mount("okcvm", "/run", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())
        .map_err(|error| step("cannot mount /run", error.into()))?;
    let place = policy::place_of_root(&plan.id);
    fs::create_dir_all(&place)?;

    let bind = |(source, shown): &(OwnedFd, String), name: &str| -> io::Result<String> {
        let target = place.join(name);
        bind(source, &target).map_err(|error| step(&format!("cannot bind {shown}"), error))?;
        text(&target)
    };
    let mut sources = Sources {
        work: bind(&work, "work")?,
        home: bind(&home, "home")?,
        tmp: bind(&tmp, "tmp")?,
        program: bind(&program, "init")?,
        extra: Vec::new(),
    };
    for (index, (source, inside)) in extra.into_iter().enumerate() {
        sources.extra.push((bind(&source, &format!("extra-{index}"))?, inside));
    }

    become_account(id)?;
    Ok(sources)
}

/// Becomes an ordinary account for good.
pub(super) fn become_account(id: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    let refused = |error: rustix::io::Errno| {
        io::Error::new(io::Error::from(error).kind(), format!("cannot become uid {id}: {error}"))
    };
    rustix::thread::set_thread_groups(&[]).map_err(refused)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(refused)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(refused)?;
    if rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
        return Err(io::Error::other(format!("uid {id} can become root again")));
    }
    Ok(())
}

/// Binds a folder or a file. The source was opened without following a link at its end and is bound through that
/// descriptor, so that it cannot be swapped in between.
fn bind(source: &OwnedFd, target: &Path) -> io::Result<()> {
    match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(source)?.st_mode) {
        rustix::fs::FileType::Directory => fs::create_dir(target)?,
        rustix::fs::FileType::RegularFile => drop(File::create(target)?),
        _ => return Err(io::Error::other("neither a folder nor a file")),
    }
    let through = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
    Ok(rustix::mount::mount_bind(&through, target)?)
}

fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("okcvm", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains('\0'));
    text.map(ToOwned::to_owned).ok_or_else(|| io::Error::other(format!("{} is not valid UTF-8", path.display())))
}
