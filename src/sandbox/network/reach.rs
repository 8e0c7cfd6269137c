//! From a place that was asked for to a connection: looks its addresses up, judges every one of them, and connects to
//! the very address that was judged. Nothing is looked up twice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::idle::Idle;
use super::rules::{Admission, Policy, Refusal};
use super::upstream::UpstreamProxy;
use super::{Family, Network};
use crate::support::host::{Host, Place};

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Looks up names.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of a name.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// As the system does it.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// A connection, and what it was made for.
pub(super) struct Reached {
    /// To the place, or to the user's own proxy.
    pub(super) stream: Idle<TcpStream>,
    /// That proxy, where the connection leads to one.
    pub(super) through: Option<UpstreamProxy>,
    /// What the policy has to admit for as long as it lasts.
    pub(super) claim: Claim,
}

/// What was asked for and where it was found to lead.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    family: Family,
    place: Place,
    addresses: Vec<IpAddr>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotReached {
    /// The policy refuses it.
    Refused(Refusal),
    /// It was allowed and did not come about.
    Failed(String),
    /// It was allowed and took too long.
    TimedOut(String),
}

impl Claim {
    /// Whether a policy admits it.
    fn holds(&self, policy: &Policy) -> Result<(), Refusal> {
        let admission = policy.admit(self.family, &self.place)?;
        self.addresses.iter().try_for_each(|address| policy.admits_address(admission, &self.place, *address))
    }
}

impl Network {
    /// Connects to a place for a family of tools, if the policy admits it; what came of it is told.
    pub(super) async fn reach(&self, family: Family, place: &Place, secure: bool) -> Result<Reached, NotReached> {
        let judged = self.judge(family, place, secure).await;
        let refusal = match &judged {
            Err(NotReached::Refused(refusal)) => Some(refusal),
            _ => None,
        };
        self.0.requests.note(&place.host.to_string(), place.port, refusal);
        let (claim, through) = judged?;
        let stream = match &through {
            None => self.connect(place, &claim.addresses).await?,
            Some(proxy) => {
                let addresses = self.look_up(&proxy.place.host).await.map_err(|error| {
                    tracing::warn!(proxy = %proxy.place, %error, "the user's own proxy has no address");
                    NotReached::Failed("the proxy of okcvm's own environment was not found".to_owned())
                })?;
                self.connect(&proxy.place, &addresses).await?
            }
        };
        Ok(Reached { stream: Idle::new(stream, self.0.limits.idle), through, claim })
    }

    /// The addresses of a place, each of them admitted.
    async fn judge(
        &self,
        family: Family,
        place: &Place,
        secure: bool,
    ) -> Result<(Claim, Option<UpstreamProxy>), NotReached> {
        let policy = self.policy();
        let admission = policy.admit(family, place).map_err(NotReached::Refused)?;
        let through = match admission {
            // The user's own proxy has another loopback.
            Admission::Loopback => None,
            _ => self.0.upstream.of(place, secure).map_err(NotReached::Failed)?,
        };
        let addresses = match (admission, self.look_up_admitted(admission, &place.host).await) {
            (_, Ok(addresses)) => addresses,
            // Behind such a proxy names often cannot be looked up; then it decides where they lead.
            (_, Err(_)) if through.is_some() => Vec::new(),
            (_, Err(error)) => {
                return Err(NotReached::Failed(format!("{} was not found: {error}", place.host)));
            }
        };
        let claim = Claim { family, place: place.clone(), addresses };
        claim.holds(&policy).map_err(NotReached::Refused)?;
        Ok((claim, through))
    }

    async fn look_up_admitted(&self, admission: Admission, host: &Host) -> io::Result<Vec<IpAddr>> {
        match admission {
            Admission::Loopback => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
            Admission::ByName | Admission::AnyAddress => self.look_up(host).await,
        }
    }

    async fn look_up(&self, host: &Host) -> io::Result<Vec<IpAddr>> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let mut found = timeout(self.0.limits.resolve, self.0.resolver.addresses(name)).await??;
        if found.is_empty() {
            return Err(io::Error::other("it has no address"));
        }
        let mut known = std::collections::HashSet::new();
        found.retain(|address| known.insert(*address));
        Ok(found)
    }

    /// Connects to the first address that answers.
    async fn connect(&self, place: &Place, addresses: &[IpAddr]) -> Result<TcpStream, NotReached> {
        let mut last = NotReached::Failed(format!("{place} has no address"));
        for address in addresses.iter().take(MOST_ADDRESSES) {
            let connecting = TcpStream::connect(SocketAddr::new(*address, place.port));
            last = match timeout(self.0.limits.connect, connecting).await {
                Ok(Ok(stream)) => {
                    // Answers of a few bytes are not to wait for more.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY");
                    }
                    return Ok(stream);
                }
                Ok(Err(error)) => NotReached::Failed(format!("{place} cannot be reached: {error}")),
                Err(_) => NotReached::TimedOut(format!("{place} does not answer")),
            };
        }
        Err(last)
    }

    /// Runs something that uses a connection until it ends, or until the policy no longer admits what the connection
    /// is for.
    pub(super) async fn while_admitted(&self, claim: &Claim, running: impl Future<Output = ()>) {
        let mut changes = self.0.policy.subscribe();
        let refused = async {
            loop {
                if claim.holds(&changes.borrow_and_update().clone()).is_err() {
                    return;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = running => {}
            () = refused => tracing::info!(place = %claim.place, "a connection ended, because the policy was changed"),
        }
    }
}
