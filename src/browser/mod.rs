//! The browser of a session: Chromium, Chrome or Edge in a sandbox of its own, driven over the DevTools protocol.
//!
//! ```text
//! tool call ── Browser ──┬─ tabs: go, wait until quiet, look, act        one call at a time
//!                        │    page: snapshot -> Markdown and numbered elements (pure)
//!                        └─ watch: takes events at once, also between calls: dialogs, new tabs, downloads, crashes
//!                             connection: one socket to the browser's debugging pipe; no port that others could drive
//! ```
//!
//! Where none is installed, `plain` fetches pages without one and gives the same form of answer.
//!
//! The browser reads the workspace, so that files can be given to pages, and writes nothing in it: what it downloads is
//! copied there by okcvm ([`Browser::call`]). All that it tells is untrusted, as are the pages.

mod act;
mod citations;
mod connection;
mod events;
mod files;
mod go;
mod keys;
mod look;
mod page;
mod pass;
mod place;
mod plain;
mod process;
mod program;
mod running;
mod session;
mod stage;
mod state;
mod tabs;
mod watch;

pub use citations::{Citation, Citations};
pub use plain::{PageTask, internal_main, parse_page};
pub use program::{LazyProgram, Missing, Program, find};
pub use session::{Action, Browser, Place, Seen, Surroundings};
pub use stage::{Clip, Give, Given, Scenery, Stage};

/// Whether an answer is the session's proxy's own, by its `Proxy-Status`. That of others is taken off what comes through the
/// proxy in the clear; what is encrypted, and servers of the session's own, may say what they like.
fn is_of_proxy(url: &reqwest::Url, status: &str) -> bool {
    let near = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    url.scheme() == "http" && !near && status.starts_with("okcvm;")
}

/// Why a call to the browser gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// It did not come up.
    #[error("the browser did not start: {0}")]
    Start(String),
    /// It, or the page, has ended.
    #[error("{0}")]
    Gone(String),
    /// It did not answer in time.
    #[error("{0}")]
    Slow(String),
    /// The page did not load.
    #[error("{0}")]
    NotLoaded(String),
    /// The call cannot be done on this page.
    #[error("{0}")]
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::is_of_proxy;

    #[test]
    fn only_what_came_through_the_proxy_in_the_clear_can_be_its_own() {
        let own = |url: &str| is_of_proxy(&url.parse().expect("an address"), "okcvm; error=http_request_denied");
        assert!(own("http://example.com/") && own("http://10.0.0.1/x") && own("http://169.254.169.254/"));
        for other in
            ["https://example.com/", "http://localhost:1/", "http://a.localhost/", "http://127.0.0.2/", "http://[::1]/"]
        {
            assert!(!own(other), "{other}");
        }
        assert!(!is_of_proxy(&"http://example.com/".parse().expect("an address"), "other; okcvm;"));
    }
}
