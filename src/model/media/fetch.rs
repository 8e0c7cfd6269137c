//! A picture that an endpoint only names: fetched from where it says, with a wall before everything that is not public.
//!
//! The address comes from the endpoint, so it may lead anywhere. It has to be http or https; every address of its host
//! has to be public, and the connection goes to the very ones that were judged. Only the endpoint itself may be private,
//! and other ports of the very machine that it runs on. The key goes along to the endpoint's own origin and nowhere else, redirects included.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, LOCATION};
use reqwest::{Client, Url, redirect};

use super::{Progress, Tell};
use crate::model::ModelError;
use crate::model::openai::{Connection, Failure, deepest, excerpt, is_loopback};
use crate::support::address;
use crate::support::host::Host;

/// Bytes of a picture.
pub(super) const LARGEST_PICTURE: usize = 32 << 20;
/// Bytes of an address.
const LONGEST_ADDRESS: usize = 8 << 10;
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// For the addresses of a name.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Bytes that begin as a picture does.
pub(super) fn picture(connection: &Connection, url: String, bytes: Vec<u8>) -> Result<Vec<u8>, ModelError> {
    let known = infer::get(&bytes).is_some_and(|kind| kind.matcher_type() == infer::MatcherType::Image);
    if known {
        return Ok(bytes);
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]);
    Err(connection.not_understood_from(url, "a picture", &start))
}

/// The picture at an address that the endpoint gave as the answer to an operation. `own` is the machine that answered.
pub(super) async fn fetch(
    connection: &Connection,
    operation: &str,
    address: &str,
    own: Option<IpAddr>,
    tell: Tell<'_>,
) -> Result<Vec<u8>, Failure> {
    let refused = |target: &str, why: String| {
        let target = connection.clean(target.split(['?', '#']).next().unwrap_or_default());
        ModelError::NotFetched { url: connection.shown_url(operation), target, why }
    };
    if address.len() > LONGEST_ADDRESS {
        return Err(refused("a very long address", format!("it has {} bytes", address.len())).into());
    }
    // Some name only a path of their own.
    let mut url = Url::parse(address)
        .or_else(|_| connection.base().join(address))
        .map_err(|error| refused(&excerpt(address), error.to_string()))?;
    for _ in 0..=MOST_REDIRECTS {
        let shown = shown(&url);
        let pinned = judged(connection, &url, own).await.map_err(|why| refused(&shown, why))?;
        let client = client(connection, &url, pinned).await.map_err(|why| refused(&shown, why))?;
        let request = client.get(url.clone()).header(ACCEPT, "image/*").header(ACCEPT_ENCODING, "identity");
        let request = connection.authorized(request, &url);
        let idle = connection.timing().idle;
        let response = match tokio::time::timeout(idle, request.send()).await {
            Err(_) => return Err(ModelError::Idle { url: shown, after: idle }.into()),
            Ok(Err(error)) if error.is_connect() => return Err(connection.not_connected(shown, &error).into()),
            Ok(Err(error)) if error.is_builder() => return Err(refused(&shown, deepest(&error)).into()),
            Ok(Err(error)) => {
                return Err(ModelError::Broken { url: shown, reason: connection.clean(deepest(&error)) }.into());
            }
            Ok(Ok(response)) => response,
        };
        if response.status().is_redirection()
            && let Some(next) = response.headers().get(LOCATION).and_then(|target| url.join(target.to_str().ok()?).ok())
        {
            if next.as_str().len() > LONGEST_ADDRESS {
                return Err(refused("a very long address", format!("it has {} bytes", next.as_str().len())).into());
            }
            url = next;
            continue;
        }
        let response = connection.succeeded(shown.clone(), response).await?;
        let came = |bytes| tell(Progress::Received(bytes));
        let bytes = connection.body_within(&shown, response, LARGEST_PICTURE, idle, came).await?;
        return Ok(picture(connection, shown, bytes)?);
    }
    Err(refused(&shown(&url), format!("it redirects more than {MOST_REDIRECTS} times")).into())
}

/// An address without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // They fail for addresses that have no host, which have no user either.
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

/// The addresses that a host may be reached under; `None` where nothing is to be judged. The error is a phrase.
async fn judged(connection: &Connection, url: &Url, own: Option<IpAddr>) -> Result<Option<Vec<SocketAddr>>, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is neither http nor https", url.scheme()));
    }
    let text = url.host_str().unwrap_or_default();
    let base = connection.base();
    if base.origin() == url.origin() || (is_loopback(base) && is_loopback(url)) {
        return Ok(None);
    }
    let is_base = base.host_str() == Some(text);
    let host = Host::parse(text).map_err(|why| format!("its host {why}"))?;
    let public = |address: IpAddr| {
        // What the user has set up, at another port. A name counts only for the machine that it has just led to: else it
        // could lead anywhere inside.
        if is_base && (own == Some(address) || matches!(host, Host::Address(_))) {
            return Ok(());
        }
        let own = || address::is_of_this_machine(address).then_some("address of this machine");
        match address::not_public(address).or_else(own) {
            Some(kind) => Err(format!("{address} is a {kind}")),
            None => Ok(()),
        }
    };
    let name = match &host {
        Host::Address(address) => return public(*address).map(|()| None),
        Host::Name(name) => name,
    };
    if address::is_metadata_name(name) || address::is_loopback_name(name) {
        return Err(format!("{name} is no public host"));
    }
    // Behind a proxy names often cannot be looked up: that is left to it, and without one nothing is reached.
    let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((name.as_str(), 0))).await;
    let found: Vec<SocketAddr> = found.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
    found.iter().try_for_each(|found| public(found.ip()))?;
    Ok(Some(found))
}

/// A client that follows nothing by itself and knows the addresses of the host.
async fn client(connection: &Connection, url: &Url, pinned: Option<Vec<SocketAddr>>) -> Result<Client, String> {
    let (connect, host) = (connection.timing().connect, url.host_str().unwrap_or_default().to_owned());
    let local = is_loopback(url);
    // Loading trust roots takes a while.
    let made = tokio::task::spawn_blocking(move || {
        let mut builder = Client::builder()
            .user_agent(concat!("okcvm/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .redirect(redirect::Policy::none());
        if local {
            builder = builder.no_proxy();
        }
        if let Some(pinned) = pinned {
            builder = builder.resolve_to_addrs(&host, &pinned);
        }
        builder.build().map_err(|error| deepest(&error))
    });
    made.await.map_err(|error| error.to_string())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::Endpoint;
    use crate::model::Timing;

    #[tokio::test]
    async fn only_the_endpoint_itself_may_be_private_and_its_name_leads_nowhere_else() {
        let may = async |base: &str, url: &str, own: Option<&str>| {
            let endpoint = Endpoint {
                model: "m".to_owned(),
                base_url: base.to_owned(),
                api_key: None,
                supports_streaming: true,
                connect_timeout_secs: 1,
                idle_timeout_secs: 1,
                max_retries: 0,
                context_window: None,
                vision: false,
            };
            let connection = Connection::new(&endpoint, Timing::of(&endpoint)).expect("connection");
            let own = own.map(|own| own.parse().expect("address"));
            judged(&connection, &Url::parse(url).expect("url"), own).await.is_ok()
        };
        assert!(may("http://10.0.0.1/v1", "http://10.0.0.1/a.png", None).await);
        assert!(may("http://10.0.0.1/v1", "http://10.0.0.1:9000/a.png", None).await);
        assert!(!may("http://10.0.0.1/v1", "http://10.0.0.2/a.png", None).await);
        assert!(may("http://127.0.0.1:1/v1", "http://127.0.0.1:9/a.png", None).await);
        // The name of this machine leads to one of its own addresses.
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let found = tokio::net::lookup_host((name.as_str(), 0)).await.ok().and_then(|mut found| found.next());
        let Some(found) = found.filter(|_| !name.starts_with("localhost")) else { return };
        let (base, other) = (format!("http://{name}:1/v1"), format!("http://{name}:9/a.png"));
        assert!(may(&base, &base, None).await);
        assert!(!may(&base, &other, None).await);
        assert!(may(&base, &other, Some(&found.ip().to_string())).await);
    }
}
