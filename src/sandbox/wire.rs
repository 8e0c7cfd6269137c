//! What okcvm and its helpers (`__launch` outside, `__init` inside) tell each other, over Unix sockets. The helpers'
//! standard input is one: frames go in, one line of JSON per report comes out. Each command has one of its own.
//!
//! Standard input, because a descriptor that every program has needs no unsafe code to be picked up, and because the
//! main program then has nothing to hand down but its three standard streams.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::SandboxFolders;
use crate::config::schema::{NetworkMode, SandboxSection};

use super::landlock::Confinement;

/// The most descriptors that come along at once.
const MAX_FDS: usize = 4;

/// The longest list of reports and the longest reason that are read.
pub(super) const MAX_REPORTS: u64 = 64 << 10;

/// The largest frame that is read.
const MAX_FRAME: usize = 4 << 20;

/// One byte on a command's socket: ask the command to end (SIGTERM).
pub(super) const TERMINATE: u8 = b'T';
/// End the command and everything that it started.
pub(super) const END: u8 = b'K';
/// Stop everything until further notice.
pub(super) const FREEZE: u8 = b'F';
/// Let it go on.
pub(super) const THAW: u8 = b'C';
/// It rests: what it uses need not be looked at so often.
pub(super) const REST: u8 = b'S';
/// It works again.
pub(super) const WATCH: u8 = b'W';
/// One byte on the runner's socket, with the descriptors of a command: start it.
pub(super) const COMMAND: u8 = b'R';

/// What `__launch` sets up before it becomes bubblewrap.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    /// bubblewrap.
    pub(super) bwrap: PathBuf,
    /// okcvm itself, which becomes PID 1 inside.
    pub(super) program: PathBuf,
    /// The session's id, for a folder name of its own.
    pub(super) id: String,
    /// Seen inside as the mount.
    pub(super) work: PathBuf,
    /// Seen inside as `/home/okcvm`.
    pub(super) home: PathBuf,
    /// Seen inside as `/tmp`.
    pub(super) tmp: PathBuf,
    /// The mount, without a trailing slash.
    pub(super) mount: String,
    /// The uid and gid to drop to when this process is root.
    pub(super) run_as: Option<u32>,
    /// The ids that tools have, for `/etc/passwd`.
    pub(super) ids: (u32, u32),
    /// Which network it gets.
    pub(super) network: Network,
    /// Whether bubblewrap knows `--disable-userns`.
    pub(super) disable_userns: bool,
    /// Whether this is the browser's: it builds a sandbox of its own inside this one, and only reads the workspace.
    pub(super) browser: bool,
    /// Whether processes may trace each other.
    pub(super) allow_ptrace: bool,
    /// Further host paths to show, read-only, each with its path inside.
    pub(super) extra_ro: Vec<(PathBuf, PathBuf)>,
    /// What is to run inside.
    pub(super) role: Role,
}

impl Plan {
    /// For these folders, with the host's network and no bubblewrap yet.
    pub(super) fn new(section: &SandboxSection, folders: &SandboxFolders, program: &Path, role: Role) -> Self {
        Self {
            bwrap: PathBuf::new(),
            program: program.to_owned(),
            id: folders.id.clone(),
            work: folders.work.clone(),
            home: folders.home.clone(),
            tmp: folders.tmp.clone(),
            mount: folders.mount.clone(),
            run_as: super::tool_owner(section).map(|(uid, _)| uid),
            ids: super::tool_ids(section),
            network: Network::Host,
            disable_userns: false,
            browser: false,
            allow_ptrace: section.allow_ptrace,
            extra_ro: Vec::new(),
            role,
        }
    }
}

/// What runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The runner of commands, behind all walls.
    Runner,
    /// The same on the host, where each command confines itself.
    Host,
    /// The one who makes the network that the sandboxes of a session share, and goes.
    Network,
    /// The one who makes a listener on that network, and goes.
    Listen {
        /// Its port on loopback.
        port: u16,
    },
}

/// Which network a sandbox gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Network {
    /// One of its own, with loopback only.
    Own,
    /// The one whose namespaces are handed over: [`USER_NAMESPACE`], [`NETWORK_NAMESPACE`].
    Given,
    /// The host's.
    Host,
}

impl Network {
    /// What a mode means, where the sandboxes of a session share a network or do not.
    pub(super) fn of(mode: NetworkMode, shared: bool) -> Self {
        match mode {
            NetworkMode::Host => Self::Host,
            NetworkMode::Off | NetworkMode::Proxy if shared => Self::Given,
            NetworkMode::Off | NetworkMode::Proxy => Self::Own,
        }
    }

    /// The port on which the runner is to listen for the proxy; a shared network has its listener already.
    pub(super) fn proxy_port(self) -> Option<u16> {
        (self == Self::Own).then_some(PROXY_PORT)
    }
}

/// The port on loopback inside behind which the proxy listens.
pub(super) const PROXY_PORT: u16 = 3128;

/// Descriptor of the user namespace that owns the given network.
pub(super) const USER_NAMESPACE: i32 = 3;
/// Descriptor of the given network.
pub(super) const NETWORK_NAMESPACE: i32 = 4;

/// Resource limits of everything that runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// Of one process.
    pub(super) memory_bytes: u64,
    /// Of all processes of the session together; watched, since the kernel knows no such limit.
    pub(super) total_memory_bytes: u64,
    /// `None` where the kernel would count processes of others as well.
    pub(super) pids: Option<u64>,
    pub(super) file_bytes: u64,
    pub(super) open_files: u64,
}

/// What the runner is there for: its first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Start commands until the socket closes. With `proxy_port`, a listener on that port of loopback is handed out first.
    Serve { proxy_port: Option<u16> },
    /// Look whether the walls are where they should be.
    Probe { limits: Limits, own_network: bool, proxy_port: Option<u16> },
    /// The same where a command confines itself: as such a command. `hidden` is a folder that it must not see.
    ProbeAlone { limits: Limits, confinement: Confinement, hidden: PathBuf },
}

/// One command, the first frame on its socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Command {
    pub(super) argv: Vec<String>,
    /// The whole environment.
    pub(super) env: Vec<(String, String)>,
    pub(super) folder: PathBuf,
    /// Whether standard input is a terminal of its own; otherwise it is empty.
    pub(super) terminal: bool,
    pub(super) limits: Option<Limits>,
    /// What it confines itself to, where no walls stand around the runner.
    pub(super) confinement: Option<Confinement>,
}

/// What is told over a command's socket, and by the runner before its first command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The command runs; the runner is ready. A terminal or a listener comes along as a descriptor.
    Started,
    /// The command could not be started.
    Failed { reason: String },
    /// Whether a process reads from the terminal and gets nothing, and whether the terminal hides what is typed.
    Reading { reading: bool, hidden: bool },
    /// Memory in bytes: of the largest process, and of all.
    Memory { largest: u64, total: u64 },
    /// The command ended. What it left running goes on when `others` is true.
    Ended { code: Option<i32>, signal: Option<i32>, others: bool },
    /// What of it still runs after its end.
    Left { processes: u32, ports: Vec<u16> },
    /// Whether everything stands still, as it was told to.
    Frozen(bool),
    /// The probe is over; no wall is missing when the list is empty.
    Probed { missing: Vec<String> },
}

/// Standard input as a socket: read and written without any buffer, so that nothing of the next reader is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct ControlSocket;

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

impl Read for ControlSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

impl Write for ControlSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdin(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one frame: four bytes of length, then JSON.
pub(super) fn write_frame(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(value).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    if body.len() > MAX_FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes is too long")));
    }
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    to.write_all(&frame)
}

/// Reads one frame and not a byte more.
pub(super) fn read_frame<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes is too long")));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// Sends bytes and descriptors along with them.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut along = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !along.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors at once"));
    }
    let mut sent = 0;
    while sent < bytes.len() {
        match sendmsg(&socket, &[io::IoSlice::new(&bytes[sent..])], &mut along, SendFlags::NOSIGNAL) {
            Ok(count) => {
                sent += count;
                // They went with the first byte.
                along.clear();
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Receives bytes and the descriptors that come along; no bytes at the end.
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    loop {
        let mut along = RecvAncillaryBuffer::new(&mut space);
        match recvmsg(&socket, &mut [io::IoSliceMut::new(buffer)], &mut along, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => {
                let mut fds = Vec::new();
                for part in along.drain() {
                    if let RecvAncillaryMessage::ScmRights(rights) = part {
                        fds.extend(rights);
                    }
                }
                return Ok((message.bytes, fds));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A report as a line.
pub(super) fn line(report: &Report) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(report).map_err(io::Error::other)?;
    line.push(b'\n');
    Ok(line)
}

/// Sends one report.
pub(super) fn report(socket: impl AsFd, report: &Report) -> io::Result<()> {
    send(socket, &line(report)?, &[])
}

/// The first report of a helper, and the descriptors that come with it; blocks.
pub(super) fn first_report(socket: impl AsFd) -> io::Result<(Report, Vec<OwnedFd>)> {
    let mut buffer = [0; 4096];
    let (count, fds) = receive(socket, &mut buffer)?;
    let mut received = buffer[..count].to_vec();
    match take_report(&mut received) {
        Some(report) => Ok((report?, fds)),
        None => Err(io::Error::other("it ended early")),
    }
}

/// Takes the first whole line out of what was received.
pub(super) fn take_report(received: &mut Vec<u8>) -> Option<io::Result<Report>> {
    let end = received.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = received.drain(..=end).collect();
    Some(serde_json::from_slice(&line).map_err(io::Error::other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_and_what_follows_is_left() {
        let limits = Limits { memory_bytes: 1, total_memory_bytes: 8, pids: Some(2), file_bytes: 3, open_files: 4 };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &limits).expect("write");
        bytes.extend_from_slice(b"rest");
        let mut from = bytes.as_slice();
        assert_eq!(read_frame::<Limits>(&mut from).expect("read"), limits);
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_frame_that_is_too_long_or_cut_is_an_error() {
        assert!(read_frame::<Limits>([0xff, 0, 0, 0].as_slice()).is_err());
        assert!(read_frame::<Limits>([0, 0, 0, 9, b'{'].as_slice()).is_err());
    }
}
