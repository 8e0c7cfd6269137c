//! The network that all sandboxes of a session share: with loopback only, and a listener for okcvm's proxy.
//!
//! A short-lived bubblewrap makes it; `okcvm __network` inside opens the namespaces and the listener, hands them out over
//! its socket, and goes. The network lives as long as okcvm holds them. Nothing of the proxy runs inside: the
//! listener belongs to the network in which it was made, wherever it is used.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::Signal;

use super::init;
use super::process::{self, Killer, start_blocking};
use super::wire::{self, ControlSocket, PROXY_PORT, Plan, Report};

/// How long making it may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Exit code when it was not made.
const FAILED: u8 = 126;

/// Where tools find the proxy.
pub(super) const PROXY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, PROXY_PORT));

/// The namespaces of a network. Its listener is taken out by whoever serves it.
#[derive(Debug)]
pub(super) struct SharedNetwork {
    user: OwnedFd,
    network: OwnedFd,
    pub(super) listener: Option<TcpListener>,
}

impl SharedNetwork {
    /// Makes one. Blocks for some milliseconds. `Err` is what was said instead.
    pub(super) fn make(command: std::process::Command, control: &UnixStream, plan: &Plan) -> Result<Self, String> {
        converse(command, control, plan, |fds| {
            let [user, network, listener] = fds.try_into().ok()?;
            Some(Self { user, network, listener: Some(TcpListener::from(listener)) })
        })
    }

    /// Makes a listener on this network's loopback. Blocks for some milliseconds. `Err` is what was said instead.
    pub(super) fn listen(
        &self,
        mut command: std::process::Command,
        control: &UnixStream,
        plan: &Plan,
    ) -> Result<TcpListener, String> {
        hand_over(&mut command, self).map_err(|error| error.to_string())?;
        converse(command, control, plan, |fds| {
            let [listener] = fds.try_into().ok()?;
            Some(TcpListener::from(listener))
        })
    }
}

/// Starts a helper, tells it the plan and takes what it opens. `Err` is what was said instead.
fn converse<T>(
    command: std::process::Command,
    control: &UnixStream,
    plan: &Plan,
    take: impl FnOnce(Vec<OwnedFd>) -> Option<T>,
) -> Result<T, String> {
    let mut child = start_blocking(command).map_err(|error| error.to_string())?;
    let killer = Killer::new(&child);
    let stderr = child.stderr.take();
    let outcome = given(control, plan, take);
    if outcome.is_err() {
        killer.signal(Signal::KILL);
    }
    killer.reap(&mut child);
    outcome.map_err(|error| {
        let said = process::said(stderr);
        if said.is_empty() { format!("no network for the tools: {error}") } else { said }
    })
}

fn given<T>(control: &UnixStream, plan: &Plan, take: impl FnOnce(Vec<OwnedFd>) -> Option<T>) -> io::Result<T> {
    control.set_write_timeout(Some(LIMIT))?;
    control.set_read_timeout(Some(LIMIT))?;
    wire::write_frame(control, plan)?;
    match wire::first_report(control)? {
        (Report::Started, fds) => take(fds).ok_or_else(|| io::Error::other("it opened something else")),
        (Report::Failed { reason }, _) => Err(io::Error::other(reason)),
        _ => Err(io::Error::other("it said something else")),
    }
}

/// The helper that makes a listener, once it is in the network: hands it out and ends.
pub(super) fn hand_out_listener(port: u16) -> io::Result<std::convert::Infallible> {
    let listener = init::listener(port)?;
    wire::send(ControlSocket, &wire::line(&Report::Started)?, &[listener.as_fd()])?;
    std::process::exit(0);
}

/// `okcvm __network`: the whole life of the process.
pub(super) fn main() -> ExitCode {
    let outcome = hand_out();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be left to hear it.
            let _ = wire::report(ControlSocket, &Report::Failed { reason: error.to_string() });
            ExitCode::from(FAILED)
        }
    }
}

fn hand_out() -> io::Result<()> {
    let user = File::open("/proc/self/ns/user")?;
    let network = File::open("/proc/self/ns/net")?;
    let listener = init::listener(PROXY_PORT)?;
    let started = wire::line(&Report::Started)?;
    wire::send(ControlSocket, &started, &[user.as_fd(), network.as_fd(), listener.as_fd()])
}

/// Hands the namespaces to a program that is about to start, at their agreed numbers.
pub(super) fn hand_over(command: &mut std::process::Command, shared: &SharedNetwork) -> io::Result<()> {
    let mapping = |fd: &OwnedFd, child_fd| Ok::<_, io::Error>(FdMapping { parent_fd: fd.try_clone()?, child_fd });
    let mappings =
        vec![mapping(&shared.user, wire::USER_NAMESPACE)?, mapping(&shared.network, wire::NETWORK_NAMESPACE)?];
    command.fd_mappings(mappings).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(())
}
