//! What may be reached: pure rules over names, ports and addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::Family;
use crate::config::schema::{NetworkMode, NetworkSection};
use crate::protocol::{NetworkChange, NetworkState};
use crate::support::address;
use crate::support::host::{Host, HostPattern, Place};

/// Under this name the proxy reaches the loopback of the user's machine, as far as `allow_private` names it: tools
/// talk to `127.0.0.1` itself without the proxy, and find their own.
pub const HOST_NAME: &str = "host.okcvm.internal";
/// The name under which the browser is asked for its token, so that it shows it from then on.
pub const HELLO_NAME: &str = "browser.okcvm.internal";

/// The policy as it is now.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    mode: NetworkMode,
    shell: Option<NetworkMode>,
    allow: Vec<HostPattern>,
    deny: Vec<HostPattern>,
    ports: Vec<u16>,
    private: Vec<Place>,
    /// An entry that cannot be read, which admits nothing at all.
    broken: Option<String>,
}

/// Why a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// By its name; its addresses have to be public.
    ByName,
    /// By its name and port, wherever that leads.
    AnyAddress,
    /// Because the user named that port of the machine's own loopback.
    Loopback,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no network through the proxy.
    Mode(NetworkMode),
    /// The configuration cannot be read.
    Broken(String),
    /// No entry admits the host.
    Host(Host),
    /// An entry refuses the host.
    Denied(Host),
    /// The host is admitted, the port is not.
    Port(Place),
    /// The host is, or leads to, an address that is not public.
    Private {
        /// What was asked for.
        place: Place,
        /// Where it leads, where that is not its name.
        address: Option<IpAddr>,
        /// What kind of address that is.
        kind: &'static str,
    },
    /// A cloud's metadata service.
    Metadata(Host),
}

impl Policy {
    /// The policy of a configuration. An entry that cannot be read closes everything, because it may be one that denies.
    pub(super) fn new(section: &NetworkSection) -> Self {
        let mut broken = None;
        let mut note = |entry: &str, error: String| {
            broken.get_or_insert_with(|| format!("the entry {entry:?} {error}"));
        };
        let mut patterns = |list: &[String]| {
            let read = |entry: &String| HostPattern::parse(entry).map_err(|error| note(entry, error)).ok();
            list.iter().filter_map(read).collect::<Vec<_>>()
        };
        let (allow, deny) = (patterns(&section.allow), patterns(&section.deny));
        let place = |entry: &String| Place::parse(entry).map_err(|error| note(entry, error)).ok();
        let private = section.allow_private.iter().filter_map(place).collect();
        let (mode, shell, ports) = (section.mode, section.shell, section.allow_ports.clone());
        Self { mode, shell, allow, deny, ports, private, broken }
    }

    /// The mode of a family of tools.
    pub(super) fn mode(&self, family: Family) -> NetworkMode {
        match family {
            Family::Shell => self.shell.unwrap_or(self.mode),
            Family::Browser => self.mode,
        }
    }

    /// The policy in words. The mode is that of commands.
    pub(super) fn state(&self) -> NetworkState {
        let words = |list: &[HostPattern]| list.iter().map(HostPattern::to_string).collect();
        NetworkState {
            mode: self.mode(Family::Shell).as_str().to_owned(),
            allow: words(&self.allow),
            deny: words(&self.deny),
            ports: self.ports.clone(),
            private: self.private.iter().map(Place::to_string).collect(),
        }
    }

    /// Whether a family of tools may ask for a place at all. Its addresses are judged by [`Self::admits_address`].
    pub(super) fn admit(&self, family: Family, place: &Place) -> Result<Admission, Refusal> {
        match self.mode(family) {
            NetworkMode::Proxy => {}
            mode => return Err(Refusal::Mode(mode)),
        }
        if let Some(broken) = &self.broken {
            return Err(Refusal::Broken(broken.clone()));
        }
        let host = &place.host;
        if self.denies(host, place.port) {
            return Err(Refusal::Denied(host.clone()));
        }
        if self.private.contains(place) {
            return Ok(Admission::AnyAddress);
        }
        if let Some(name) = host.name() {
            if name == HOST_NAME {
                return if self.names_loopback(place.port) { Ok(Admission::Loopback) } else { Err(loopback(place)) };
            }
            if address::is_metadata_name(name) {
                return Err(Refusal::Metadata(host.clone()));
            }
            if address::is_loopback_name(name) {
                return Err(loopback(place));
            }
        }
        let mut meant = self.allow.iter().filter(|pattern| pattern.means(host)).peekable();
        if meant.peek().is_none() {
            return Err(Refusal::Host(host.clone()));
        }
        let at_port = |pattern: &HostPattern| match pattern.port {
            Some(port) => port == place.port,
            None => self.ports.contains(&place.port),
        };
        if !meant.any(at_port) {
            return Err(Refusal::Port(place.clone()));
        }
        if let Host::Address(address) = host {
            self.admits_address(Admission::ByName, place, *address)?;
        }
        Ok(Admission::ByName)
    }

    /// Whether an admitted place may be reached under this address.
    pub(super) fn admits_address(&self, admission: Admission, place: &Place, address: IpAddr) -> Result<(), Refusal> {
        let found = Place { host: Host::Address(address), port: place.port };
        if self.denies(&found.host, place.port) {
            return Err(Refusal::Denied(place.host.clone()));
        }
        if admission != Admission::ByName || self.private.contains(&found) {
            return Ok(());
        }
        let own = || address::is_of_this_machine(address).then_some("address of this machine");
        match address::not_public(address).or_else(own) {
            None => Ok(()),
            Some(kind) => {
                let address = (place.host != found.host).then_some(address);
                Err(Refusal::Private { place: place.clone(), address, kind })
            }
        }
    }

    fn denies(&self, host: &Host, port: u16) -> bool {
        let here = |pattern: &HostPattern| pattern.means(host) && pattern.port.is_none_or(|only| only == port);
        self.deny.iter().any(here)
    }

    /// Whether the user named this port of the machine's own loopback.
    fn names_loopback(&self, port: u16) -> bool {
        let own = |host: &Host| match host {
            Host::Address(address) => *address == IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Name(name) => name == "localhost",
        };
        self.private.iter().any(|place| place.port == port && own(&place.host))
    }

    /// Makes a change. `Err` says why it cannot be made.
    pub(super) fn change(&mut self, change: &NetworkChange) -> Result<(), String> {
        match change {
            NetworkChange::Show => Ok(()),
            NetworkChange::Mode(word) => {
                let modes = [NetworkMode::Off, NetworkMode::Proxy, NetworkMode::Host];
                let mode = modes.into_iter().find(|mode| mode.as_str() == word.trim());
                self.mode = mode.ok_or_else(|| format!("{word:?} is no network mode: it is off, proxy or host"))?;
                self.shell = None;
                Ok(())
            }
            NetworkChange::Allow(text) => self.allow(text.trim()),
            NetworkChange::Deny(text) => {
                let pattern = read(text.trim())?;
                self.allow.retain(|known| *known != pattern);
                let place = place_of(&pattern);
                self.private.retain(|known| Some(known) != place.as_ref());
                if !self.deny.contains(&pattern) {
                    self.deny.push(pattern);
                }
                Ok(())
            }
        }
    }

    fn allow(&mut self, text: &str) -> Result<(), String> {
        let pattern = read(text)?;
        let place = place_of(&pattern);
        let private = pattern.host().is_some_and(|host| match host {
            Host::Address(address) => address::not_public(*address).is_some(),
            Host::Name(name) => address::is_loopback_name(name),
        });
        if private && place.is_none() {
            return Err(format!("{pattern} is no public address: name its port as well, such as {pattern}:8080"));
        }
        if pattern.host().and_then(Host::name).is_some_and(address::is_metadata_name) {
            return Err(format!("{pattern} is a cloud's metadata service, which tools cannot reach"));
        }
        let left: Vec<_> = self.deny.iter().filter(|known| **known != pattern).cloned().collect();
        let above = |host: &Host| {
            left.iter().find(|deny| deny.means(host) && (deny.port.is_none() || deny.port == pattern.port))
        };
        if let Some(deny) = pattern.host().and_then(above) {
            return Err(format!("{pattern} is refused by the entry {deny}, and what refuses wins"));
        }
        self.deny = left;
        match place {
            Some(place) if private => {
                if !self.private.contains(&place) {
                    self.private.push(place);
                }
            }
            _ if self.allow.contains(&pattern) => {}
            _ => self.allow.push(pattern),
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<HostPattern, String> {
    HostPattern::parse(text).map_err(|error| format!("{text:?} {error}"))
}

fn place_of(pattern: &HostPattern) -> Option<Place> {
    Some(Place { host: pattern.host()?.clone(), port: pattern.port? })
}

fn loopback(place: &Place) -> Refusal {
    Refusal::Private { place: place.clone(), address: None, kind: "loopback address" }
}

fn with_article(kind: &str) -> String {
    format!("{} {kind}", if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

impl Refusal {
    /// A few words, for a list.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Mode(NetworkMode::Off) => "network off".to_owned(),
            Self::Mode(mode) => format!("network mode {}", mode.as_str()),
            Self::Broken(_) => "policy unreadable".to_owned(),
            Self::Host(_) => "not allowed".to_owned(),
            Self::Denied(_) => "denied".to_owned(),
            Self::Port(place) => format!("port {} not allowed", place.port),
            Self::Private { kind, .. } => (*kind).to_owned(),
            Self::Metadata(_) => "cloud metadata".to_owned(),
        }
    }

    /// What happened and what to do, for whoever asked.
    pub(super) fn text(&self) -> String {
        let what = match self {
            Self::Mode(NetworkMode::Off) => "the network is off. Ask the user to run /net proxy.".to_owned(),
            Self::Mode(_) => "tools have the host's own network now. Connect without the proxy.".to_owned(),
            Self::Broken(why) => format!("{why}, so nothing is allowed. Ask the user to run okcvm config check."),
            Self::Host(host) => format!("{host} is not allowed. Ask the user to run /net allow {host}."),
            Self::Denied(host) => {
                format!("{host} is denied by the user. Only the user can change that: /net allow {host}.")
            }
            Self::Port(place) => {
                format!("port {} of {} is not allowed. Ask the user to run /net allow {place}.", place.port, place.host)
            }
            Self::Private { place, address: None, kind: kind @ "loopback address" } => {
                let port = place.port;
                format!(
                    "{} here is {} of the user's machine, not of the sandbox. Connect to the sandbox's own \
                     127.0.0.1 without the proxy (NO_PROXY); for a service of the user's machine ask the user to run \
                     /net allow 127.0.0.1:{port} and use {HOST_NAME}:{port}.",
                    place.host,
                    with_article(kind)
                )
            }
            Self::Private { kind: "cloud metadata address", place, .. } => {
                format!("{} is a cloud's metadata service, which tools cannot reach.", place.host)
            }
            Self::Private { place, address: None, kind } => {
                format!("{} is {}. Ask the user to run /net allow {place}.", place.host, with_article(kind))
            }
            Self::Private { place, address: Some(address), kind } => {
                let found = Place { host: Host::Address(*address), port: place.port };
                let kind = with_article(kind);
                format!("{} leads to {}, {kind}. Ask the user to run /net allow {found}.", place.host, found.host)
            }
            Self::Metadata(host) => format!("{host} is a cloud's metadata service, which tools cannot reach."),
        };
        format!("blocked by the okcvm network policy: {what}")
    }
}

#[cfg(test)]
mod tests;
