//! The user's own proxy: where okcvm's environment names one, what the tools ask for goes through it. Its password
//! stays in this process; the tools see only okcvm's proxy.

use std::fmt;

use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Uri, http};
use hyper_util::client::proxy::matcher::Matcher;

use crate::support::host::Place;

/// The proxies of okcvm's own environment.
pub(super) struct Upstream {
    matcher: Matcher,
    /// Variables whose value names no proxy: nothing goes around a proxy that was wanted.
    unread: Unread,
}

#[derive(Default)]
struct Unread {
    http: Option<&'static str>,
    https: Option<&'static str>,
}

/// One of them, for one request.
pub(super) struct UpstreamProxy {
    /// Where it listens.
    pub(super) place: Place,
    /// For `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the addresses: there may be a password in one that could not be read.
        f.write_str("Upstream")
    }
}

impl Upstream {
    pub(super) fn of_environment(env: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let value = |name: &'static str| {
                env(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty()).map(|v| (name, v))
            };
            names.into_iter().find_map(value)
        };
        // A web server that runs a program sets HTTP_PROXY from a header of its request.
        let of_a_request = env("REQUEST_METHOD").is_some();
        let all = first(["ALL_PROXY", "all_proxy"]);
        let http = if of_a_request { first(["http_proxy", "http_proxy"]) } else { first(["HTTP_PROXY", "http_proxy"]) };
        let https = first(["HTTPS_PROXY", "https_proxy"]);
        let no = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
        let (http, https) = (http.or_else(|| all.clone()), https.or(all));
        let text =
            |found: &Option<(&'static str, String)>| found.as_ref().map(|(_, value)| value.clone()).unwrap_or_default();
        let matcher = Matcher::builder().http(text(&http)).https(text(&https)).no(no).build();
        let unread = |found: Option<(&'static str, String)>| {
            let (name, value) = found?;
            let alone = Matcher::builder().all(value).build();
            alone.intercept(&Uri::from_static("http://okcvm.invalid/")).is_none().then_some(name)
        };
        Self { matcher, unread: Unread { http: unread(http), https: unread(https) } }
    }

    /// The proxy for a place, if there is one. `Err` says why it cannot be used.
    pub(super) fn of(&self, place: &Place, secure: bool) -> Result<Option<UpstreamProxy>, String> {
        let broken = if secure { self.unread.https } else { self.unread.http };
        if let Some(name) = broken {
            return Err(format!("okcvm was started with a {name} that names no proxy"));
        }
        let scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
        let parts = Authority::try_from(place.to_string()).map_err(|error| error.to_string())?;
        let uri = http::Uri::builder().scheme(scheme).authority(parts).path_and_query("/").build();
        let Some(found) = self.matcher.intercept(&uri.map_err(|error| error.to_string())?) else { return Ok(None) };
        let kind = found.uri().scheme_str().unwrap_or_default();
        if kind != "http" {
            return Err(format!(
                "the proxy of okcvm's own environment is an {kind} proxy, and only http ones can be used"
            ));
        }
        let port = found.uri().port_u16().unwrap_or(80);
        let place = Place::parse(&format!("{}:{port}", found.uri().host().unwrap_or_default()))
            .map_err(|error| format!("the name of the proxy of okcvm's own environment {error}"))?;
        Ok(Some(UpstreamProxy { place, authorization: found.basic_auth().cloned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(pairs: &'static [(&'static str, &'static str)]) -> Upstream {
        Upstream::of_environment(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn shown(upstream: &Upstream, place: &str, secure: bool) -> String {
        match upstream.of(&Place::parse(place).expect("place"), secure) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(proxy)) => {
                let given = proxy.authorization.map(|value| format!(" {}", value.to_str().expect("text")));
                format!("{}{}", proxy.place, given.unwrap_or_default())
            }
            Err(error) => error,
        }
    }

    #[test]
    fn the_users_own_proxy_is_found_as_other_programs_find_it() {
        assert_eq!(shown(&upstream(&[]), "a.test:443", true), "direct");
        let both = upstream(&[
            ("HTTPS_PROXY", "http://me:s%40cret@Proxy.corp:8080/"),
            ("http_proxy", "proxy.corp"),
            ("no_proxy", "inner.test, 10.0.0.0/8"),
        ]);
        assert_eq!(shown(&both, "a.test:443", true), "proxy.corp:8080 Basic bWU6c0BjcmV0");
        assert_eq!(shown(&both, "a.test:80", false), "proxy.corp:80");
        assert_eq!(shown(&both, "www.inner.test:443", true), "direct");
        assert_eq!(shown(&both, "10.1.2.3:443", true), "direct");
        assert_eq!(shown(&both, "[2606::1]:443", true), "proxy.corp:8080 Basic bWU6c0BjcmV0");
        let all = upstream(&[("all_proxy", "http://p:1"), ("HTTP_PROXY", " ")]);
        assert_eq!(shown(&all, "a.test:80", false), "p:1");
        assert_eq!(
            shown(&upstream(&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")]), "a:80", false),
            "direct"
        );
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_and_not_gone_around() {
        let socks = upstream(&[("HTTPS_PROXY", "socks5://me:secret@p:1080")]);
        let told = shown(&socks, "a.test:443", true);
        assert!(told.contains("socks5") && !told.contains("secret"), "{told}");
        let odd = upstream(&[("HTTPS_PROXY", "ht!tp://me:secret@p:1080")]);
        let told = shown(&odd, "a.test:443", true);
        assert!(told.contains("HTTPS_PROXY") && !told.contains("secret"), "{told}");
        assert_eq!(shown(&odd, "a.test:80", false), "direct");
    }
}
