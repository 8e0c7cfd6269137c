//! The cookies of a session's pages. After RFC 6265, as far as pages without scripts need it: a cookie goes back to where it
//! came from, and to hosts below a domain that it names.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use url::{Host, Url};

/// Cookies that are kept; the oldest go first.
const MOST: usize = 1_000;
/// Bytes of one.
const MOST_BYTES: usize = 4_096;

/// All of them. Nothing is written to disk.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug, Clone)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Whether hosts below that one get it too.
    below: bool,
    path: String,
    secure: bool,
    ends: Option<Timestamp>,
}

impl Cookies {
    /// Keeps what an answer from this address sets.
    pub(super) fn set(&mut self, url: &Url, header: &str, now: Timestamp) {
        let Some(cookie) = Cookie::of(url, header, now) else { return };
        let same = |known: &Cookie| known.name == cookie.name && known.host == cookie.host && known.path == cookie.path;
        self.0.retain(|known| !same(known) && known.lives(now));
        if cookie.lives(now) {
            self.0.push(cookie);
        }
        let beyond = self.0.len().saturating_sub(MOST);
        self.0.drain(..beyond);
    }

    /// What a request to this address carries; `None` where that is nothing.
    pub(super) fn header(&self, url: &Url, now: Timestamp) -> Option<String> {
        let host = url.host_str()?.to_ascii_lowercase();
        let mut sent: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.is_for(url, &host, now)).collect();
        // The longest path first, as servers expect it.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Cookie {
    fn of(url: &Url, header: &str, now: Timestamp) -> Option<Self> {
        let own = url.host_str()?.to_ascii_lowercase();
        let mut parts = header.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let odd = |text: &str| text.len() > MOST_BYTES || text.contains(char::is_control);
        if name.is_empty() || odd(name) || odd(value) {
            return None;
        }
        let path = url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            host: own.clone(),
            below: false,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            secure: false,
            ends: None,
        };
        let mut age = None;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if domain.is_empty() || domain == own {
                        cookie.below = !domain.is_empty() && !is_address(url);
                    } else if is_below(&own, &domain) && !is_address(url) && !is_shared(&domain) {
                        (cookie.host, cookie.below) = (domain, true);
                    } else {
                        return None;
                    }
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => {
                    if let Ok(seconds) = value.parse::<i64>() {
                        let lasts = SignedDuration::from_secs(seconds.clamp(-1, 400 * 24 * 3600));
                        age = Some(now.checked_add(lasts).unwrap_or(now));
                    }
                }
                "expires" => cookie.ends = date(value),
                _ => {}
            }
        }
        cookie.ends = age.or(cookie.ends);
        (!cookie.secure || is_safe(url)).then_some(cookie)
    }

    fn lives(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| ends > now)
    }

    fn is_for(&self, url: &Url, host: &str, now: Timestamp) -> bool {
        let below = || self.path.ends_with('/') || url.path()[self.path.len()..].starts_with('/');
        (host == self.host || (self.below && is_below(host, &self.host)))
            && url.path().starts_with(&self.path)
            && (url.path().len() == self.path.len() || below())
            && (!self.secure || is_safe(url))
            && self.lives(now)
    }
}

/// A moment as servers write it, with spaces or with dashes.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.replace('-', " ");
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether hosts of many owners lie below a domain, as below `com` and `co.uk`.
fn is_shared(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    match labels.as_slice() {
        [name, land] => land.len() == 2 && name.len() <= 3,
        labels => labels.len() < 2,
    }
}

fn is_address(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)))
}

/// Whether nobody on the way reads along: by TLS, or because there is no way.
fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    url.scheme() == "https" || loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("address")
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_path_and_not_to_others() {
        let now = Timestamp::UNIX_EPOCH;
        let mut cookies = Cookies::default();
        cookies.set(&url("http://shop.test/a/login"), "id=1; HttpOnly", now);
        cookies.set(&url("http://shop.test/"), "theme=dark; Path=/", now);
        let sent = |address: &str| cookies.header(&url(address), now);
        assert_eq!(sent("http://shop.test/a/x"), Some("id=1; theme=dark".to_owned()));
        assert_eq!(sent("http://shop.test/ab"), Some("theme=dark".to_owned()));
        assert_eq!(sent("http://www.shop.test/a/x"), None);
        assert_eq!(sent("http://other.test/a/x"), None);
    }

    #[test]
    fn a_domain_reaches_the_hosts_below_it_and_none_that_others_own() {
        let now = Timestamp::UNIX_EPOCH;
        let mut cookies = Cookies::default();
        let from = url("http://www.shop.test/");
        cookies.set(&from, "a=1; Domain=.shop.test", now);
        for wrong in ["b=1; Domain=test", "c=1; Domain=other.test", "d=1; Domain=xshop.test"] {
            cookies.set(&from, wrong, now);
        }
        cookies.set(&url("http://a.co.uk/"), "e=1; Domain=co.uk", now);
        assert_eq!(cookies.header(&url("http://api.shop.test/"), now), Some("a=1".to_owned()));
        assert_eq!(cookies.header(&url("http://other.test/"), now), None);
        assert_eq!(cookies.header(&url("http://b.co.uk/"), now), None);
    }

    #[test]
    fn what_has_expired_is_gone_and_what_is_secure_waits_for_tls() {
        let now = Timestamp::from_second(1_700_000_000).expect("moment");
        let mut cookies = Cookies::default();
        let from = url("https://a.test/");
        cookies.set(&from, "old=1; Expires=Wed, 21-Oct-2015 07:28:00 GMT", now);
        cookies.set(&from, "short=1; Max-Age=10; Expires=Wed, 21 Oct 2015 07:28:00 GMT", now);
        cookies.set(&from, "safe=1; Secure", now);
        assert_eq!(cookies.header(&from, now), Some("short=1; safe=1".to_owned()));
        assert_eq!(cookies.header(&url("http://a.test/"), now), Some("short=1".to_owned()));
        let later = now.checked_add(SignedDuration::from_secs(11)).expect("moment");
        assert_eq!(cookies.header(&from, later), Some("safe=1".to_owned()));
        cookies.set(&from, "safe=; Max-Age=0", later);
        assert_eq!(cookies.header(&from, later), None);
    }
}
