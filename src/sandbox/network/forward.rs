//! Plain http: a request is read, cleaned and sent on over a connection of its own, so that nothing that follows it can
//! be taken for part of another.

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use hyper::{Request, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;

use super::Family;
use super::reach::{NotReached, Reached};
use super::upstream::UpstreamProxy;
use super::visit::{Answer, Refused, Visit};
use crate::support::host::Place;

/// Headers that speak of one connection only. Whether a proxy answers instead of the server is this proxy's to say.
const OF_THE_CONNECTION: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    super::PROXY_STATUS,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Sends a request on and hands back what comes.
pub(super) async fn forward(visit: Visit, family: Family, mut request: Request<Incoming>) -> Result<Answer, Refused> {
    let place = place_of(request.uri())?;
    if asks_for_websocket(request.headers()) {
        let advice = "a WebSocket needs a tunnel: open it with CONNECT, as for wss";
        return Err(Refused::Unsupported(advice.to_owned()));
    }
    let Reached { stream, through, claim } = visit.network.reach(family, &place, false).await?;
    let broke = |error: hyper::Error| {
        let text = format!("{place} broke off: {error}");
        Refused::Place(if timed_out(&error) { NotReached::TimedOut(text) } else { NotReached::Failed(text) })
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(visit.network.0.limits.header_bytes)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let driver = visit.clone();
    driver.spawn(async move {
        let connection = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a host ended");
            }
        };
        visit.network.while_admitted(&claim, connection).await;
    });
    prepare(&mut request, &place, through.as_ref())?;
    let mut answer = sender.send_request(request).await.map_err(broke)?;
    match (answer.status(), &through) {
        (StatusCode::SWITCHING_PROTOCOLS, _) => {
            return Err(NotReached::Failed(format!("{place} changed the protocol without being asked")).into());
        }
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => {
            let text = "the proxy of okcvm's own environment does not take the name and password given there";
            return Err(NotReached::Failed(text.to_owned()).into());
        }
        _ => {}
    }
    // Where both were there, the length counted for nothing, and is not to count for the next reader.
    if answer.headers().contains_key(TRANSFER_ENCODING) {
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    clean(answer.headers_mut());
    *answer.version_mut() = Version::HTTP_11;
    Ok(answer.map(http_body_util::BodyExt::boxed))
}

/// The place of an absolute address, `http://host:port/path`.
fn place_of(uri: &Uri) -> Result<Place, Refused> {
    let wrong = |what: &str| Err(Refused::Request(what.to_owned()));
    let Some(authority) = uri.authority() else {
        return wrong("this is a proxy for http and https, and the request names no host before its path");
    };
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return wrong("https goes through CONNECT"),
        _ => return wrong("only http and https are known here"),
    }
    let text = authority.as_str();
    if text.contains('@') {
        return wrong("the address holds a user name; send it as a header");
    }
    let with_port = match authority.port() {
        Some(_) => text.to_owned(),
        None => format!("{}:80", text.trim_end_matches(':')),
    };
    Place::parse(&with_port).map_err(|error| Refused::Request(format!("the host of the address {error}")))
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let asks = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"websocket");
    headers.get_all(UPGRADE).iter().any(asks)
}

/// Makes the request that goes on: in origin form, with the host that was judged and nothing of this connection. For
/// the user's own proxy it keeps the absolute form.
fn prepare(request: &mut Request<Incoming>, place: &Place, through: Option<&UpstreamProxy>) -> Result<(), Refused> {
    let authority = if place.port == 80 { place.host.to_string() } else { place.to_string() };
    let mut parts = Parts::default();
    parts.path_and_query =
        Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    if through.is_some() {
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Authority::try_from(authority.as_str()).ok();
    }
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| Refused::Request(error.to_string()))?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    clean(headers);
    // The length is written anew from the body; the answer to `Expect` was given by this proxy.
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    let host = HeaderValue::try_from(authority).map_err(|error| Refused::Request(error.to_string()))?;
    headers.insert(HOST, host);
    if let Some(authorization) = through.and_then(|proxy| proxy.authorization.clone()) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    Ok(())
}

/// Takes away what speaks of one connection only, and what `Connection` names.
fn clean(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named.iter().chain(&OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

fn timed_out(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}
