//! Brings what a command writes and what its reaper tells into one order.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

use super::child::{Step, Stream};
use super::process::Exit;
use super::wire::{self, Report};

/// Bytes of one read.
const READ: usize = 32 << 10;
/// Bytes that are taken from a terminal whose command has ended, at most.
const LAST: usize = 64 << 10;

/// The reports of a reaper, from its socket.
pub(super) struct Reports {
    pub(super) socket: Arc<UnixStream>,
    pub(super) received: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
}

impl Reports {
    /// The next one; `None` when the socket is closed, or when what comes is none.
    pub(super) async fn next(&mut self) -> Option<Report> {
        loop {
            if let Some(report) = wire::take_report(&mut self.received) {
                return report.ok();
            }
            if self.received.len() as u64 > wire::MAX_REPORTS {
                return None;
            }
            self.socket.readable().await.ok()?;
            let mut buffer = [0; 4096];
            let read =
                self.socket.try_io(tokio::io::Interest::READABLE, || wire::receive(self.socket.as_ref(), &mut buffer));
            match read {
                Ok((0, _)) => return None,
                Ok((count, fds)) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    self.fds.extend(fds);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }
}

/// A stream that is read as long as somebody holds its other end.
pub(super) struct Tap {
    stream: Stream,
    fd: Option<Receiver>,
}

impl Tap {
    pub(super) fn open(stream: Stream, fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        // Unchecked, because a terminal is no pipe; it is waited for and read in the same way.
        Ok(Self { stream, fd: Some(Receiver::from_owned_fd_unchecked(fd)?) })
    }

    /// The next bytes. Never comes back once the stream is at its end.
    async fn read(&mut self) -> Vec<u8> {
        loop {
            let Some(fd) = &self.fd else { return std::future::pending().await };
            if fd.readable().await.is_err() {
                self.fd = None;
                continue;
            }
            match read_some(|buffer| fd.try_read(buffer), READ) {
                Some(bytes) if bytes.is_empty() => self.fd = None,
                Some(bytes) => return bytes,
                None => {}
            }
        }
    }

    /// What lies ready now: whoever holds the other end may go on writing for ever.
    fn rest(&mut self) -> Vec<u8> {
        let Some(fd) = &self.fd else { return Vec::new() };
        let mut left = match self.stream {
            Stream::Terminal => LAST,
            Stream::Out | Stream::Err => rustix::io::ioctl_fionread(fd).unwrap_or(0) as usize,
        };
        let mut all = Vec::new();
        while left > 0 {
            // Past tokio, which only reads where it was told before that there is something.
            let read = |buffer: &mut [u8]| Ok(rustix::io::read(fd, buffer)?);
            match read_some(read, left.min(READ)) {
                Some(bytes) if !bytes.is_empty() => {
                    left -= bytes.len();
                    all.extend(bytes);
                }
                _ => break,
            }
        }
        all
    }
}

/// What can be read now: `None` when that is nothing yet, empty at the end.
fn read_some(read: impl Fn(&mut [u8]) -> io::Result<usize>, most: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; most];
    loop {
        match read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Some(buffer);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            // A terminal whose other side is closed says EIO.
            Err(_) => return Some(Vec::new()),
        }
    }
}

/// Brings output and reports into one order: the end is told after all that was written before it.
pub(super) async fn drive(mut taps: Vec<Tap>, mut reports: mpsc::UnboundedReceiver<Report>, to: mpsc::Sender<Step>) {
    let mut ended = false;
    loop {
        let step = {
            let reads = taps.iter_mut().map(|tap| {
                let stream = tap.stream;
                Box::pin(async move { Step::Output(stream, tap.read().await) })
            });
            // There is at least one: select_all takes none for an error.
            let reads = futures::future::select_all(reads);
            tokio::select! {
                biased;
                report = reports.recv() => report.map(heard),
                (step, _, _) = reads => Some(Some(step)),
                () = to.closed() => return,
            }
        };
        let steps = match step {
            Some(Some(step @ Step::Ended { .. })) => {
                ended = true;
                last_words(&mut taps, step)
            }
            Some(Some(step)) => vec![step],
            Some(None) => Vec::new(),
            None if ended => last_words(&mut taps, Step::Gone),
            None => {
                let mut steps = last_words(&mut taps, Step::Ended { exit: Exit::UNKNOWN, others: false });
                steps.push(Step::Gone);
                steps
            }
        };
        for step in steps {
            let over = step == Step::Gone;
            if to.send(step).await.is_err() || over {
                return;
            }
        }
    }
}

fn last_words(taps: &mut [Tap], last: Step) -> Vec<Step> {
    let mut steps: Vec<Step> = taps
        .iter_mut()
        .map(|tap| (tap.stream, tap.rest()))
        .filter(|(_, bytes)| !bytes.is_empty())
        .map(|(stream, bytes)| Step::Output(stream, bytes))
        .collect();
    steps.push(last);
    steps
}

/// A report as a step; `None` where it is none.
fn heard(report: Report) -> Option<Step> {
    Some(match report {
        Report::Reading { reading, hidden } => Step::Reading { reading, hidden },
        Report::Memory { largest, total } => Step::Memory { largest, total },
        Report::Ended { code, signal, others } => Step::Ended { exit: Exit { code, signal }, others },
        Report::Left { processes, ports } => Step::Left { processes, ports },
        Report::Frozen(all) => Step::Frozen(all),
        Report::Started | Report::Failed { .. } | Report::Probed { .. } => return None,
    })
}
