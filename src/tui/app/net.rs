//! `/net`: what the tools may reach, shown and changed for this run.

use crate::protocol::{NetworkChange, NetworkState, Op};
use crate::support::sanitize;
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::NoticeKind;

use super::App;

/// What has to be said for the one mode that takes a wall away.
const CONFIRMED: &str = "host without isolation";

impl App {
    /// Does what follows `/net`.
    pub(super) fn net(&mut self, argument: &str) -> Vec<UiEffect> {
        match change(argument) {
            Ok(change) => vec![UiEffect::Send(Op::Network(change))],
            Err(why) => {
                // In the chat, where it wraps: what has to be typed must be seen whole.
                self.chat.notice(NoticeKind::Warning, &why);
                Vec::new()
            }
        }
    }

    /// The network was asked for or changed: told in the chat, and the status row follows.
    pub(super) fn on_network(&mut self, state: &NetworkState) {
        let mut words = words(state);
        if self.session.network != state.mode {
            words.push_str(". The sandbox starts anew with the next command; background jobs end then");
        }
        self.session.network = sanitize::line(&state.mode);
        let kind = if state.mode == "host" { NoticeKind::Warning } else { NoticeKind::Done };
        self.chat.notice(kind, &words);
    }
}

fn change(argument: &str) -> Result<NetworkChange, String> {
    let (word, rest) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let rest = rest.trim();
    let host = |make: fn(String) -> NetworkChange| match rest {
        "" => Err(format!("/net {word} needs a host, such as example.com, *.example.com or example.com:8443")),
        host => Ok(make(host.to_owned())),
    };
    match word {
        "" => Ok(NetworkChange::Show),
        "off" | "proxy" if rest.is_empty() => Ok(NetworkChange::Mode(word.to_owned())),
        "host" if argument.split_whitespace().eq(CONFIRMED.split(' ')) => Ok(NetworkChange::Mode(word.to_owned())),
        "host" => Err(format!("to give the tools this machine's own network, type: /net {CONFIRMED}")),
        "allow" => host(NetworkChange::Allow),
        "deny" => host(NetworkChange::Deny),
        _ => Err("after /net comes nothing, off, proxy, host, allow HOST or deny HOST".to_owned()),
    }
}

/// The network in one line.
fn words(state: &NetworkState) -> String {
    match state.mode.as_str() {
        "off" => return "network off: the tools reach nothing but their own loopback".to_owned(),
        "host" => return "network host: the tools reach all that this machine reaches, without isolation".to_owned(),
        _ => {}
    }
    let list = |words: &str, entries: &[String]| match entries {
        [] => String::new(),
        entries => format!("; {words} {}", entries.join(", ")),
    };
    let ports: Vec<String> = state.ports.iter().map(u16::to_string).collect();
    format!(
        "network {}: allow {}{}{}{}",
        state.mode,
        if state.allow.is_empty() { "nothing".to_owned() } else { state.allow.join(", ") },
        list("deny", &state.deny),
        list("ports", &ports),
        list("private", &state.private)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_command_is_a_change_or_is_explained() {
        let mode = |word: &str| Ok(NetworkChange::Mode(word.to_owned()));
        assert_eq!(change(""), Ok(NetworkChange::Show));
        assert_eq!(change("off"), mode("off"));
        assert_eq!(change("proxy"), mode("proxy"));
        assert_eq!(change("host  without isolation"), mode("host"));
        assert_eq!(change("allow  example.com"), Ok(NetworkChange::Allow("example.com".to_owned())));
        assert_eq!(change("deny *.example.com"), Ok(NetworkChange::Deny("*.example.com".to_owned())));
        assert!(change("host").is_err_and(|why| why.contains("/net host without isolation")));
        assert!(change("host yes").is_err() && change("off now").is_err());
        assert!(change("allow").is_err_and(|why| why.contains("needs a host")));
        assert!(change("nat").is_err_and(|why| why.contains("off, proxy, host")));
    }

    #[test]
    fn the_network_is_told_in_one_line() {
        let state = NetworkState {
            mode: "proxy".to_owned(),
            allow: vec!["*".to_owned()],
            deny: vec!["bad.test".to_owned()],
            ports: vec![80, 443],
            private: Vec::new(),
        };
        assert_eq!(words(&state), "network proxy: allow *; deny bad.test; ports 80, 443");
        assert!(
            words(&NetworkState { mode: "host".to_owned(), ..NetworkState::default() }).contains("without isolation")
        );
    }
}
