//! Names of hosts as people and programs write them. Here, because the check of the configuration and the proxy must
//! read them alike: a name that one of them takes for another is a hole.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest name that DNS knows.
const LONGEST: usize = 253;

/// A host, in its one canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name: lower case, ASCII, no dot at its end.
    Name(String),
    /// An address, however it was written: `0x7f000001` is `127.0.0.1`.
    Address(IpAddr),
}

impl Host {
    /// Reads one as browsers do, so that every odd spelling of an address becomes that address. `Err` says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if let Some(odd) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "%@/\\?#".contains(*c)) {
            return Err(format!("holds {odd:?}, which no host has"));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(Self::Address(IpAddr::V6(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        match url::Host::parse(name) {
            Ok(url::Host::Ipv4(address)) => Ok(Self::Address(IpAddr::V4(address))),
            Ok(url::Host::Ipv6(address)) => Ok(Self::Address(IpAddr::V6(address))),
            Ok(url::Host::Domain(name)) => {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
                let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(fits);
                if name.len() <= LONGEST && name.split('.').all(label) {
                    Ok(Self::Name(name))
                } else {
                    Err("is not the name of a host".to_owned())
                }
            }
            Err(error) => Err(format!("is not the name of a host: {error}")),
        }
    }

    /// The name, where it is no address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// One host at one port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: u16,
}

impl Place {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match split_port(text)? {
            (host, Some(port)) => Ok(Self { host: Host::parse(host)?, port }),
            (_, None) => Err("has no port".to_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Which hosts a pattern means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Any,
    /// All names below this one, which is not meant itself.
    Below(String),
    One(Host),
}

/// Hosts that a user admits or refuses: `*`, `*.name` (the names below it), a name or an address; each may end with
/// `:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    which: Which,
    /// The one port that is meant; `None` names none.
    pub port: Option<u16>,
}

impl HostPattern {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("is an address of the web; write only the name of the host".to_owned());
        }
        let (host, port) = split_port(text)?;
        let which = match host.strip_prefix('*') {
            Some("") => Which::Any,
            Some(rest) => match rest.strip_prefix('.').map(Host::parse) {
                Some(Ok(Host::Name(name))) => Which::Below(name),
                Some(Err(error)) => return Err(error),
                _ => return Err("has a * that is not before a dot and a name".to_owned()),
            },
            None if host.contains('*') => return Err("has a * that is not at its beginning".to_owned()),
            None => Which::One(Host::parse(host)?),
        };
        Ok(Self { which, port })
    }

    /// Whether it means this host, whatever the port.
    pub fn means(&self, host: &Host) -> bool {
        match (&self.which, host) {
            (Which::Any, _) => true,
            (Which::One(one), host) => one == host,
            (Which::Below(above), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Which::Below(_), Host::Address(_)) => false,
        }
    }

    /// The single host that it means, where it means just one.
    pub fn host(&self) -> Option<&Host> {
        match &self.which {
            Which::One(host) => Some(host),
            Which::Any | Which::Below(_) => None,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Any => f.write_str("*")?,
            Which::Below(name) => write!(f, "*.{name}")?,
            Which::One(host) => write!(f, "{host}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Takes the port off the end. An IPv6 address needs its brackets when a port follows.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let after_brackets = text.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = text[after_brackets..].find(':').map(|at| at + after_brackets) else {
        return Ok((text, None));
    };
    if after_brackets == 0 && text[colon + 1..].contains(':') {
        return Ok((text, None));
    }
    let digits = &text[colon + 1..];
    let port = digits.parse::<u16>().ok().filter(|port| *port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let wrong = || "has a port that is no number from 1 to 65535".to_owned();
    port.map(|port| (&text[..colon], Some(port))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, expected) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("EXAMPLE。com", "example.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("１２７.０.０.１", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("[0:0::FFFF:7f00:1]", "[::ffff:127.0.0.1]"),
            ("my_host", "my_host"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a\nb",
            "user@host",
            "a/b",
            "a%2eb",
            "[fe80::1%eth0]",
            "[::1",
            "a:b",
            "1.2.3.4.5",
            "999.1.1.1",
            "0x100000000",
            "*",
            "a*b",
            "[example.com]",
        ] {
            assert!(Host::parse(wrong).is_err(), "{wrong}: {:?}", Host::parse(wrong));
        }
        assert!(Host::parse(&"a.".repeat(200)).is_err());
        assert!(Host::parse(&"a".repeat(64)).is_err());
    }

    #[test]
    fn a_pattern_means_the_hosts_that_it_names() {
        for (pattern, host, expected) in [
            ("*", "example.com", true),
            ("*", "1.1.1.1", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "b.a.Example.com.", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "notexample.com", false),
            ("*.example.com", "example.com.evil.org", false),
            ("EXAMPLE.com.", "example.com", true),
            ("example.com", "www.example.com", false),
            ("example.com:8443", "example.com", true),
            ("[::1]:80", "::1", true),
            ("0x7f000001", "127.0.0.1", true),
            ("*.1", "0.0.0.1", false),
        ] {
            let host = Host::parse(host).expect("host");
            let means = HostPattern::parse(pattern).is_ok_and(|pattern| pattern.means(&host));
            assert_eq!(means, expected, "{pattern} {host}");
        }
        for (text, expected) in
            [("*:81", "*:81"), ("*.A.b:8443", "*.a.b:8443"), ("::1", "[::1]"), ("[::1]:80", "[::1]:80")]
        {
            assert_eq!(HostPattern::parse(text).expect(text).to_string(), expected);
        }
        for wrong in
            ["", "**", "*a", "a.*.b", "*.", "https://a.b", "a:0", "a:65536", "a:", "a:+1", "a: 1", "a:b", "*.*.a"]
        {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}: {:?}", HostPattern::parse(wrong));
        }
        assert_eq!(Place::parse("pypi.corp:443").expect("place").to_string(), "pypi.corp:443");
        assert_eq!(Place::parse("pypi.corp"), Err("has no port".to_owned()));
        assert!(Place::parse("*:443").is_err() && Place::parse("::1").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read_the_same(text in "\\PC{0,20}|[a-z0-9.*:\\[\\]]{0,20}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host));
            }
            if let Ok(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
            }
        }

        #[test]
        fn every_spelling_of_an_address_is_that_address(bits: u32) {
            let address = std::net::Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = address.octets();
            let low = u16::from_be_bytes([c, d]);
            for text in [
                format!("{a}.{b}.{c}.{d}"),
                format!("{bits}"),
                format!("{bits:#x}"),
                format!("0{bits:o}"),
                format!("{a:#X}.0{b:o}.{c}.{d}."),
                format!("{a}.{b}.{low}"),
            ] {
                prop_assert_eq!(Host::parse(&text), Ok(Host::Address(IpAddr::V4(address))), "{}", text);
            }
        }
    }
}
