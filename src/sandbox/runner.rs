//! A running sandbox as okcvm sees it: the process of its backend, and the socket to its runner.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;

use super::child::{Child, NotStarted, Stream};
use super::netns::SharedNetwork;
use super::network::ProxyGuard;
use super::process::{self, Killer};
use super::usage::Account;
use super::wire::{self, Plan, Report, Task};
use super::{Exit, netns};

/// How long a sandbox may take to come up, on a machine with much to do.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A sandbox that runs. Dropping it ends it, and with it everything inside.
#[derive(Debug)]
pub(super) struct Runner {
    control: UnixStream,
    killer: Arc<Killer>,
    ended: watch::Receiver<Option<Exit>>,
    /// It was told to end, or does not answer any more.
    given_up: AtomicBool,
    /// Its own listener for the proxy, where the network is not a shared one.
    pub(super) listener: Option<TcpListener>,
    /// The proxy on that listener.
    pub(super) proxy: Option<ProxyGuard>,
    /// Where its commands find the proxy.
    pub(super) proxy_address: SocketAddr,
}

/// What is started: the program with okcvm's end of its standard input, and what it is told first.
pub(super) struct Start {
    pub(super) command: Command,
    pub(super) control: UnixStream,
    /// Missing where no helper comes between.
    pub(super) plan: Option<Plan>,
    pub(super) proxy_port: Option<u16>,
}

impl Runner {
    /// Starts a sandbox and waits until it takes commands.
    pub(super) async fn start(start: Start, shared: Option<&SharedNetwork>) -> Result<Self, NotStarted> {
        let Start { mut command, control, plan, proxy_port } = start;
        if let Some(shared) = shared {
            netns::hand_over(&mut command, shared)?;
        }
        let mut child = process::start(command).await.map_err(process::no_starter)??;
        let stderr = child.stderr.take();
        let killer = Arc::new(Killer::new(&child));
        let ended = killer.watch(child)?;
        // Less than the socket holds, so this does not wait; an error means that the helper has died, which is told below.
        if let Some(plan) = &plan {
            let _ = wire::write_frame(&control, plan);
        }
        let _ = wire::write_frame(&control, &Task::Serve { proxy_port });
        let first = tokio::task::spawn_blocking({
            let control = control.try_clone()?;
            move || {
                control.set_read_timeout(Some(START_LIMIT))?;
                wire::first_report(&control)
            }
        });
        let first = first.await.map_err(io::Error::other)?;
        let mut runner = Self {
            control,
            killer,
            ended,
            given_up: AtomicBool::new(false),
            listener: None,
            proxy: None,
            proxy_address: netns::PROXY,
        };
        match first {
            Ok((Report::Started, fds)) => {
                runner.listener = fds.into_iter().next().map(TcpListener::from);
                Ok(runner)
            }
            Ok((Report::Failed { reason }, _)) => Err(NotStarted::Sandbox(reason)),
            other => {
                runner.destroy();
                let said =
                    tokio::task::spawn_blocking(move || process::said(stderr)).await.map_err(io::Error::other)?;
                Err(NotStarted::Sandbox(match other {
                    Err(error) if said.is_empty() => error.to_string(),
                    _ => said,
                }))
            }
        }
    }

    /// Starts a command in it. Its standard input may be given; it is empty or a terminal otherwise.
    pub(super) async fn run(
        self: &Arc<Self>,
        command: &wire::Command,
        merged: bool,
        input: Option<BorrowedFd<'_>>,
        account: Account,
    ) -> Result<Child, NotStarted> {
        let (ours, theirs) = UnixStream::pair()?;
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from);
        let (out, out_in) = pipe()?;
        let mut streams = vec![(Stream::Out, out)];
        let err_in = if merged {
            out_in.try_clone()?
        } else {
            let (err, err_in) = pipe()?;
            streams.push((Stream::Err, err));
            err_in
        };
        let mut fds = vec![theirs.as_fd(), out_in.as_fd(), err_in.as_fd()];
        fds.extend(input);
        let sent = wire::send(&self.control, &[wire::COMMAND], &fds);
        sent.map_err(|error| self.lost(&error.to_string()))?;
        drop(fds);
        drop((theirs, out_in, err_in));
        // Less than the socket holds, so this does not wait; an error is told by the missing report.
        let _ = wire::write_frame(&ours, command);
        Child::of_reaper(ours, streams, Arc::clone(self), account).await
    }

    /// Whether it has ended, or is about to.
    pub(super) fn has_ended(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.ended.borrow().is_some()
    }

    /// What is said of a command that found it ended.
    pub(super) fn lost(&self, why: &str) -> NotStarted {
        self.given_up.store(true, Ordering::Relaxed);
        NotStarted::Lost(format!("the sandbox of the session has ended: {why}"))
    }

    /// Ends it from outside. Inside a sandbox all processes end with it.
    pub(super) fn destroy(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.killer.signal(Signal::KILL);
    }

    /// Ends it by closing its socket and waits for that; by force when it takes too long.
    pub(super) async fn close(&self, limit: Duration) {
        let _ = rustix::net::shutdown(&self.control, rustix::net::Shutdown::Both);
        let mut ended = self.ended.clone();
        if tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await.is_err() {
            self.destroy();
            let _ = tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await;
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.destroy();
    }
}
