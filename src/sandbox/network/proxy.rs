//! The proxy itself: takes connections and reads requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::idle::Idle;
use super::visit::{Answer, Refused, Visit};
use super::{Family, HELLO_NAME, Limits, Network, forward, tunnel};

/// More than an upstream that is idle may take, so that its end can still be told.
const LONGER: Duration = Duration::from_secs(5);
/// Headers of one request.
const MOST_HEADERS: usize = 200;

/// A proxy that runs. When it drops, the listener and all connections are closed.
#[derive(Debug)]
pub struct ProxyGuard(#[expect(dead_code, reason = "it is there to be dropped")] DropGuard);

pub(super) fn serve(network: Network, listener: std::net::TcpListener) -> io::Result<ProxyGuard> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let stop = CancellationToken::new();
    let ended = stop.clone();
    tokio::spawn(async move { ended.clone().run_until_cancelled_owned(accept(network, listener, ended)).await });
    Ok(ProxyGuard(stop.drop_guard()))
}

async fn accept(network: Network, listener: TcpListener, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(network.0.limits.connections));
    loop {
        // Nobody closes the semaphore.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let visit = Visit { network: network.clone(), stop: stop.clone(), slot: Arc::new(slot) };
                visit.clone().spawn(attend(visit, stream));
            }
            Err(error) => {
                tracing::warn!(%error, "the proxy cannot take a connection");
                // Out of descriptors, most likely: they come back when connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn attend(visit: Visit, stream: TcpStream) {
    let Limits { header_bytes, header, idle, .. } = visit.network.0.limits.clone();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let stream = TokioIo::new(Idle::new(stream, idle + LONGER));
    let service = service_fn(move |request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(answer(visit, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(header_bytes)
        .max_headers(MOST_HEADERS)
        // A client that closes wants nothing more, and neither does the server that was asked for it.
        .half_close(false)
        .serve_connection(stream, service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the proxy ended");
    }
}

async fn answer(visit: Visit, request: Request<Incoming>) -> Answer {
    let family = visit.network.family(request.headers());
    if request.uri().host() == Some(HELLO_NAME) {
        return hello(family);
    }
    let answered = if request.method() == Method::CONNECT {
        tunnel::open(visit, family, request).await
    } else {
        forward::forward(visit, family, request).await
    };
    answered.unwrap_or_else(Refused::into_answer)
}

/// Asks whoever is no browser yet for the token, by which one becomes the browser.
fn hello(family: Family) -> Answer {
    let (status, told) = match family {
        Family::Browser => (StatusCode::NO_CONTENT, None),
        Family::Shell => (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some("Basic realm=\"okcvm\"")),
    };
    let mut answer = Answer::new(Empty::new().map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    if let Some(told) = told {
        answer.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static(told));
    }
    answer
}

impl Network {
    /// Whose request it is. A wrong token is as good as none: it only ever leads to the commands' own rules.
    fn family(&self, headers: &HeaderMap) -> Family {
        let given = || {
            let value = headers.get(PROXY_AUTHORIZATION)?.to_str().ok()?;
            let (scheme, encoded) = value.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("basic") {
                return None;
            }
            String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()
        };
        let wanted = self.token(Family::Browser).map(|(name, token)| format!("{name}:{}", token.expose()));
        match (given(), wanted) {
            (Some(given), Some(wanted)) if same(given.as_bytes(), wanted.as_bytes()) => Family::Browser,
            _ => Family::Shell,
        }
    }
}

/// Whether two texts are the same; the time tells nothing but their length.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}
