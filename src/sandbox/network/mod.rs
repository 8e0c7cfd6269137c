//! The network of the tools: a policy that the user sets, and a proxy that holds to it.
//!
//! ```text
//! program in the sandbox ── 127.0.0.1:3128 of its own network ── proxy, in okcvm's process ── the host that was asked for
//!   HTTP_PROXY, HTTPS_PROXY        the only way out                names, ports, every address   (or the user's own proxy)
//! ```
//!
//! The proxy decides by the name that it is asked for and by the addresses that this name leads to, looks them up
//! itself, and connects to the very address that it has judged. What a program writes inside (`Host`, SNI) counts for
//! nothing. It opens no TLS and adds no credentials: a program talks to the host itself.

mod environment;
mod forward;
mod idle;
mod proxy;
mod reach;
mod requests;
mod rules;
mod tunnel;
mod upstream;
mod visit;

#[cfg(test)]
mod tests;

pub use proxy::ProxyGuard;
pub use requests::RefusedRequest;
pub use rules::{HELLO_NAME, HOST_NAME};

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use tokio::sync::watch;

use self::reach::{Resolve, SystemResolver};
use self::requests::Requests;
use self::rules::Policy;
use self::upstream::Upstream;
use super::Notices;
use crate::config::schema::{NetworkMode, NetworkSection};
use crate::protocol::{NetworkChange, NetworkState};
use crate::support::secret::Secret;

/// Tells that the proxy answers itself and not the server that was asked (RFC 9209).
pub(super) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Which tools ask. All of a session's tools share one loopback, so a family other than the commands shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Commands, and whatever shows no token or a wrong one.
    Shell,
    /// The browser.
    Browser,
}

/// What the proxy does not exceed.
#[derive(Debug, Clone)]
struct Limits {
    /// Connections at a time; each may need two descriptors. Further ones wait.
    connections: usize,
    /// A request's line and headers.
    header_bytes: usize,
    /// For a request's line and headers to come, and for the next one on a connection.
    header: Duration,
    /// For the addresses of a name.
    resolve: Duration,
    /// For a connection to one address.
    connect: Duration,
    /// Without a byte in either direction.
    idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 192,
            header_bytes: 64 << 10,
            header: Duration::from_secs(10),
            resolve: Duration::from_secs(15),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(600),
        }
    }
}

/// The network of one session's tools. Cheap to clone; all clones have the same policy.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    policy: watch::Sender<Arc<Policy>>,
    requests: Requests,
    upstream: Upstream,
    resolver: Box<dyn Resolve>,
    browser_token: Secret,
    limits: Limits,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Network").field(&self.0.policy.borrow()).finish()
    }
}

impl Network {
    /// The network of a configuration. `env` is okcvm's own environment: a proxy that the user has set there is used,
    /// and tools do not learn of it.
    pub fn new(section: &NetworkSection, notices: Notices, env: impl Fn(&str) -> Option<String>) -> Self {
        Self::with(section, notices, Upstream::of_environment(env), Box::new(SystemResolver), Limits::default())
    }

    fn with(
        section: &NetworkSection,
        notices: Notices,
        upstream: Upstream,
        resolver: Box<dyn Resolve>,
        limits: Limits,
    ) -> Self {
        let token = || uuid::Uuid::new_v4().simple();
        Self(Arc::new(Inner {
            policy: watch::Sender::new(Arc::new(Policy::new(section))),
            requests: Requests::new(notices),
            upstream,
            resolver,
            browser_token: Secret::new(format!("{}{}", token(), token())),
            limits,
        }))
    }

    /// The mode of a family of tools as it is now. Where it is `proxy`, the sandbox has a network of its own and
    /// [`Self::serve`] is the way out of it.
    pub fn mode(&self, family: Family) -> NetworkMode {
        self.0.policy.borrow().mode(family)
    }

    /// The policy as it is now; the mode is that of commands.
    pub fn state(&self) -> NetworkState {
        self.0.policy.borrow().state()
    }

    /// Makes a change for the rest of this run and tells how the policy is then. It holds at once: connections that
    /// it no longer admits end. `Err` says why the change cannot be made.
    pub fn change(&self, change: &NetworkChange) -> Result<NetworkState, String> {
        let mut outcome = Ok(());
        self.0.policy.send_if_modified(|policy| {
            let mut next = Policy::clone(policy);
            outcome = next.change(change);
            let made = outcome.is_ok() && *change != NetworkChange::Show;
            if made {
                *policy = Arc::new(next);
            }
            made
        });
        outcome.map(|()| self.state())
    }

    /// Serves the proxy on a listener, until the guard drops: then it closes the listener and every connection. Needs a
    /// running tokio runtime.
    pub fn serve(&self, listener: TcpListener) -> io::Result<ProxyGuard> {
        proxy::serve(self.clone(), listener)
    }

    /// The variables that lead a family's programs to the proxy at this address; none where its mode is another.
    pub fn environment(&self, family: Family, proxy: SocketAddr) -> Vec<(String, String)> {
        match self.mode(family) {
            NetworkMode::Proxy => environment::variables(proxy, self.token(family)),
            NetworkMode::Off | NetworkMode::Host => Vec::new(),
        }
    }

    /// Begins a tool call: what is asked for from now on is told anew, once for each host, port and answer.
    pub fn begin_call(&self) {
        self.0.requests.begin_call();
    }

    /// The requests that were refused since the call began, each once.
    pub fn refused(&self) -> Vec<RefusedRequest> {
        self.0.requests.refused()
    }

    /// What a family shows to the proxy: a name and a token; none where it shows nothing, or needs no proxy.
    pub fn credentials(&self, family: Family) -> Option<(&'static str, &Secret)> {
        (self.mode(family) == NetworkMode::Proxy).then(|| self.token(family)).flatten()
    }

    fn token(&self, family: Family) -> Option<(&'static str, &Secret)> {
        match family {
            Family::Shell => None,
            Family::Browser => Some(("browser", &self.0.browser_token)),
        }
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.borrow())
    }
}
