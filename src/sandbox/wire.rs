//! What okcvm and its two helpers (`__launch` outside, `__init` inside) tell each other, over one socket pair that is
//! the helpers' standard input. Frames go in, one line of JSON per report comes out.
//!
//! Standard input, because a descriptor that every program has needs no unsafe code to be picked up, and because the
//! main program then has nothing to hand down but its three standard streams.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The largest frame that is read.
const MAX_FRAME: usize = 4 << 20;

/// Asks the command to end (SIGTERM).
pub(super) const TERMINATE: u8 = b'T';

/// Ends everything inside.
pub(super) const END: u8 = b'K';

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
    /// Whether the host's network is shared.
    pub(super) share_net: bool,
    /// Whether bubblewrap knows `--disable-userns`.
    pub(super) disable_userns: bool,
    /// Whether processes may trace each other.
    pub(super) allow_ptrace: bool,
    /// Further host paths to show, read-only.
    pub(super) extra_ro: Vec<PathBuf>,
    /// The whole environment of the tools.
    pub(super) env: Vec<(String, String)>,
}

/// Resource limits of everything that runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) memory_bytes: u64,
    pub(super) pids: u64,
    pub(super) file_bytes: u64,
    pub(super) open_files: u64,
}

/// What `__init` does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    /// Run one command and end with it.
    Run { argv: Vec<String>, limits: Limits },
    /// Look whether the walls are where they should be.
    Probe { limits: Limits, own_network: bool, env_names: Vec<String> },
}

/// What `__init` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The command runs.
    Started,
    /// The command could not be started.
    Failed { reason: String },
    /// The command ended.
    Ended { code: Option<i32>, signal: Option<i32> },
    /// The probe is over; no wall is missing when the list is empty.
    Probed { missing: Vec<String> },
}

/// Standard input as a socket: read and written without any buffer, so that nothing of the next reader is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct ControlSocket;

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

/// Writes one report as a line.
pub(super) fn report(report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report).map_err(io::Error::other)?;
    line.push(b'\n');
    ControlSocket.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_and_what_follows_is_left() {
        let limits = Limits { memory_bytes: 1, pids: 2, file_bytes: 3, open_files: 4 };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Job::Run { argv: vec!["true".to_owned()], limits }).expect("write");
        bytes.extend_from_slice(b"rest");
        let mut from = bytes.as_slice();
        let job: Job = read_frame(&mut from).expect("read");
        assert!(matches!(job, Job::Run { argv, limits: read } if argv == ["true"] && read == limits));
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_frame_that_is_too_long_or_cut_is_an_error() {
        assert!(read_frame::<Job>([0xff, 0, 0, 0].as_slice()).is_err());
        assert!(read_frame::<Job>([0, 0, 0, 9, b'{'].as_slice()).is_err());
    }
}
