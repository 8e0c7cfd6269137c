//! The variables that lead programs to the proxy.

use std::net::SocketAddr;

use crate::support::secret::Secret;

/// What programs reach without the proxy: the loopback of their own network.
const DIRECT: &str = "localhost,127.0.0.1,::1";

/// The variables for a proxy at this address. Both spellings, because curl and wget know only the small `http_proxy`
/// and others only the large one. No `ALL_PROXY`: programs that obey it try SOCKS or raw TCP. git, pip, npm, cargo,
/// gem and Go read these; Node.js itself wants to be told so.
pub(super) fn variables(proxy: SocketAddr, token: Option<(&str, &Secret)>) -> Vec<(String, String)> {
    let address = match token {
        None => format!("http://{proxy}"),
        Some((name, token)) => format!("http://{name}:{}@{proxy}", token.expose()),
    };
    let both =
        |name: &str, value: &str| [(name.to_owned(), value.to_owned()), (name.to_ascii_lowercase(), value.to_owned())];
    let pairs = [("HTTP_PROXY", address.as_str()), ("HTTPS_PROXY", &address), ("NO_PROXY", DIRECT)];
    let mut variables: Vec<_> = pairs.into_iter().flat_map(|(name, value)| both(name, value)).collect();
    variables.push(("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned()));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_led_to_the_proxy_and_to_their_own_loopback() {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 3128));
        let shell = variables(proxy, None);
        let value = |name: &str| shell.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            assert_eq!(value(name), Some("http://127.0.0.1:3128"), "{name}");
        }
        assert_eq!((value("NO_PROXY"), value("no_proxy")), (Some(DIRECT), Some(DIRECT)));
        assert!(!shell.iter().any(|(name, _)| name.eq_ignore_ascii_case("ALL_PROXY")));
        let browser = variables(proxy, Some(("browser", &Secret::new("t0ken"))));
        assert_eq!(browser[0].1, "http://browser:t0ken@127.0.0.1:3128");
    }
}
