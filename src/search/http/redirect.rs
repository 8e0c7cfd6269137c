//! Which redirects are followed: those that stay with the server that was asked, for the next one would get the key.

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode, Url};

use super::request::Answer;

/// Where an answer sends, if it does.
pub(super) fn target(answer: &Answer) -> Option<Url> {
    let location = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection())?;
    answer.url.join(location.to_str().ok()?).ok()
}

/// The same where the request may be sent there as it is, with its key and its body.
pub(super) fn followed(answer: &Answer, method: &Method) -> Option<Url> {
    // "See other" asks for a GET; all else are answered by the same request once more.
    let repeats = answer.status != StatusCode::SEE_OTHER || *method == Method::GET;
    target(answer).filter(|next| repeats && same_server(&answer.url, next))
}

/// Whether it is the same server, or its encrypted side.
fn same_server(from: &Url, to: &Url) -> bool {
    let encrypted = from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    let same = from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    from.host_str() == to.host_str() && (same || encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_server_and_its_encrypted_side_are_the_same() {
        let same = |from: &str, to: &str| same_server(&from.parse().expect("URL"), &to.parse().expect("URL"));
        assert!(same("https://a.test/x", "https://a.test:443/y"));
        assert!(same("http://a.test/", "https://a.test/"));
        assert!(same("http://a.test:8080/", "http://a.test:8080/x"));
        for (from, to) in [
            ("https://a.test/", "http://a.test/"),
            ("https://a.test/", "https://www.a.test/"),
            ("https://a.test/", "https://a.test:8443/"),
            ("http://a.test:8080/", "https://a.test/"),
            ("http://a.test/", "ftp://a.test/"),
        ] {
            assert!(!same(from, to), "{from} to {to}");
        }
    }
}
