//! What the model is told of the network: before a command in the tool's description, after it in a last line.

use crate::config::schema::NetworkMode;
use crate::protocol::{NetworkState, ToolStatus};
use crate::sandbox::network::{Family, HOST_NAME, Network, RefusedRequest};

/// Refused requests that a last line names.
const MOST_NAMED: usize = 5;
/// Entries of a list that the description names.
const MOST_ENTRIES: usize = 40;

/// Words of programs that found no way to a host.
const NO_WAY: [&str; 16] = [
    "Could not resolve host",
    "Couldn't resolve host",
    "Could not resolve hostname",
    "could not resolve",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Name or service not known",
    "nodename nor servname",
    "failed to lookup address",
    "unable to resolve host",
    "Network is unreachable",
    "network is unreachable",
    "ssh: connect to host",
    "getaddrinfo",
    "EAI_AGAIN",
    "ENETUNREACH",
];

/// A paragraph for the description of tools that run commands.
pub(super) fn description(network: &Network) -> String {
    match network.mode(Family::Shell) {
        NetworkMode::Off => "Commands have no network but their own loopback: nothing can be fetched. The user can \
                             change that with /net proxy."
            .to_owned(),
        NetworkMode::Host => {
            "Commands have the network of the user's machine, with everything that listens on it.".to_owned()
        }
        NetworkMode::Proxy => through_proxy(&network.state()),
    }
}

fn through_proxy(state: &NetworkState) -> String {
    let list = |entries: &[String]| {
        let named = entries.iter().take(MOST_ENTRIES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = entries.len().saturating_sub(MOST_ENTRIES);
        if more == 0 { named } else { format!("{named} and {more} more") }
    };
    let ports: Vec<String> = state.ports.iter().map(u16::to_string).collect();
    let hosts = if state.allow.iter().any(|entry| entry == "*") {
        "Every public host is allowed".to_owned()
    } else if state.allow.is_empty() {
        "No host is allowed".to_owned()
    } else {
        format!("Allowed hosts: {}", list(&state.allow))
    };
    let part = |before: &str, entries: &[String]| match entries {
        [] => String::new(),
        entries => format!(", {before} {}", list(entries)),
    };
    let ports = if state.allow.is_empty() { String::new() } else { part("on ports", &ports) };
    let own = |place: &&String| ["127.0.0.1:", "localhost:"].iter().any(|start| place.starts_with(start));
    let number = state.private.iter().find(own).and_then(|place| place.rsplit(':').next());
    let machine = number.map(|port| format!(" (the user's machine is {HOST_NAME}, as in http://{HOST_NAME}:{port}/)"));
    format!(
        "Commands reach the network by http and https only, through the proxy that HTTP_PROXY and HTTPS_PROXY name; most \
         programs use it by themselves. ssh and whatever ignores these variables cannot connect: use https addresses for \
         git. {hosts}{ports}{}. Private addresses are refused{}{}. 127.0.0.1 is the machine of these commands. The user \
         can allow a host with /net allow HOST.",
        part("but not", &state.deny),
        part("except", &state.private),
        machine.unwrap_or_default()
    )
}

/// Lines for the end of a command's output: what was refused while it ran, and what to do where it found no way.
/// `mentions` tells whether the output holds one of some words.
pub(super) fn after(network: &Network, status: ToolStatus, mentions: impl Fn(&[&str]) -> bool) -> Option<String> {
    let refused = network.refused();
    if !refused.is_empty() {
        return Some(refusals(&refused));
    }
    if status != ToolStatus::Error || !mentions(&NO_WAY) {
        return None;
    }
    match network.mode(Family::Shell) {
        NetworkMode::Off => Some(
            "[network: commands have none but their own loopback. The user can change that with /net proxy.]"
                .to_owned(),
        ),
        NetworkMode::Proxy => Some(
            "[network: only http and https work, through the proxy that HTTP_PROXY and HTTPS_PROXY name. Use https in \
             place of ssh or git, and tell programs that ignore these variables to use the proxy.]"
                .to_owned(),
        ),
        NetworkMode::Host => None,
    }
}

fn refusals(refused: &[RefusedRequest]) -> String {
    let named: Vec<String> = refused
        .iter()
        .take(MOST_NAMED)
        .map(|RefusedRequest { host, port, reason }| format!("{host}:{port} refused: {reason}"))
        .collect();
    let more = match refused.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("[network: {}{more}. The user can change that; /net shows and sets what is allowed.]", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::NetworkSection;
    use crate::sandbox::Notices;

    fn network(change: impl FnOnce(&mut NetworkSection)) -> Network {
        let mut section = NetworkSection::default();
        change(&mut section);
        Network::new(&section, Notices::default(), |_| None)
    }

    #[test]
    fn the_description_is_the_network_as_it_is() {
        let text = description(&network(|_| {}));
        assert!(
            text.contains("Every public host is allowed, on ports 80, 443. Private addresses are refused. "),
            "{text}"
        );
        let text = description(&network(|section| {
            section.allow = vec!["pypi.org".to_owned(), "*.test".to_owned()];
            section.deny = vec!["bad.test".to_owned()];
            section.allow_private = vec!["10.0.0.1:80".to_owned(), "127.0.0.1:8080".to_owned()];
        }));
        assert!(text.contains("Allowed hosts: pypi.org, *.test, on ports 80, 443, but not bad.test."), "{text}");
        assert!(
            text.contains("except 10.0.0.1:80, 127.0.0.1:8080 (the user's machine is host.okcvm.internal"),
            "{text}"
        );
        assert!(text.contains("http://host.okcvm.internal:8080/"), "{text}");
        let text = description(&network(|section| section.allow = Vec::new()));
        assert!(text.contains("No host is allowed. "), "{text}");
        assert!(description(&network(|section| section.mode = NetworkMode::Off)).contains("/net proxy"));
        assert!(description(&network(|section| section.mode = NetworkMode::Host)).contains("user's machine"));
    }

    #[test]
    fn a_command_that_found_no_way_is_told_how_the_network_is() {
        let says = |text: &'static str| move |words: &[&str]| words.iter().any(|word| text.contains(word));
        let off = network(|section| section.mode = NetworkMode::Off);
        let proxy = network(|_| {});
        let host = network(|section| section.mode = NetworkMode::Host);
        let curl = "curl: (6) Could not resolve host: example.com";
        let told = |network: &Network, text: &'static str| after(network, ToolStatus::Error, says(text));
        assert!(told(&off, curl).expect("a line").contains("/net proxy"));
        assert!(told(&proxy, curl).expect("a line").contains("HTTPS_PROXY"));
        assert!(told(&proxy, "ssh: connect to host github.com port 22: Network is unreachable").is_some());
        assert_eq!(told(&host, curl), None);
        assert_eq!(told(&proxy, "no such file"), None);
        assert_eq!(after(&proxy, ToolStatus::Ok, says(curl)), None);
    }

    #[test]
    fn refused_requests_are_named_and_counted() {
        let refused =
            |host: &str| RefusedRequest { host: host.to_owned(), port: 443, reason: "not allowed".to_owned() };
        let all: Vec<_> = (1..=7).map(|number| refused(&format!("a{number}.test"))).collect();
        assert_eq!(
            refusals(&all[..1]),
            "[network: a1.test:443 refused: not allowed. The user can change that; /net shows and sets what is allowed.]"
        );
        let told = refusals(&all);
        assert!(told.contains("a5.test:443") && !told.contains("a6.test") && told.contains("; and 2 more."), "{told}");
    }
}
