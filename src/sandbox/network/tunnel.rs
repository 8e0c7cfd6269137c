//! `CONNECT`: bytes in both directions, unread.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response, StatusCode, Uri, upgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use super::Family;
use super::reach::{NotReached, Reached};
use super::upstream::UpstreamProxy;
use super::visit::{Answer, Refused, Visit};
use crate::support::host::Place;

/// For each direction of a tunnel.
const BUFFER: usize = 16 << 10;

/// Anything that carries bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens the way to a place and answers; what the tool sends after the answer goes there.
pub(super) async fn open(visit: Visit, family: Family, request: Request<Incoming>) -> Result<Answer, Refused> {
    let asked = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let place = Place::parse(&asked)
        .map_err(|error| Refused::Request(format!("CONNECT needs a host and a port, and what came {error}")))?;
    let Reached { stream, through, claim } = visit.network.reach(family, &place, true).await?;
    let mut far: Box<dyn Stream> = match through {
        None => Box::new(stream),
        Some(proxy) => Box::new(through_proxy(&visit, stream, &proxy, &place).await?),
    };
    let task = visit.clone();
    task.spawn(async move {
        // Ready as soon as the answer below has been sent.
        let near = match upgrade::on(request).await {
            Ok(near) => near,
            Err(error) => return tracing::debug!(%error, "a tunnel was not taken"),
        };
        let mut near = TokioIo::new(near);
        let copying = async {
            // Passes on the end of one direction and goes on with the other.
            match copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER, BUFFER).await {
                Ok((sent, received)) => tracing::debug!(%place, sent, received, "a tunnel ended"),
                Err(error) => tracing::debug!(%place, %error, "a tunnel broke"),
            }
        };
        visit.network.while_admitted(&claim, copying).await;
    });
    Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()))
}

/// Asks the user's own proxy for the way on.
async fn through_proxy(
    visit: &Visit,
    stream: impl Stream + 'static,
    proxy: &UpstreamProxy,
    place: &Place,
) -> Result<TokioIo<upgrade::Upgraded>, NotReached> {
    let failed = |what: String| NotReached::Failed(format!("the proxy of okcvm's own environment {what}"));
    let broke = |error: &dyn std::fmt::Display| failed(format!("broke off: {error}"));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(visit.network.0.limits.header_bytes)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broke(&error))?;
    visit.clone().spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "the connection to the user's own proxy ended");
        }
    });
    let authority = place.to_string();
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(authority.as_str()).map_err(|error| failed(error.to_string()))?;
    request.headers_mut().insert(HOST, HeaderValue::try_from(authority).map_err(|error| failed(error.to_string()))?);
    if let Some(authorization) = &proxy.authorization {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    let waiting = visit.network.0.limits.connect;
    let answer = match tokio::time::timeout(waiting, sender.send_request(request)).await {
        Ok(answer) => answer.map_err(|error| broke(&error))?,
        Err(_) => return Err(NotReached::TimedOut("the proxy of okcvm's own environment does not answer".to_owned())),
    };
    match answer.status() {
        status if status.is_success() => upgrade::on(answer).await.map(TokioIo::new).map_err(|error| broke(&error)),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(failed("does not take the name and password given there".to_owned()))
        }
        status => Err(failed(format!("refuses {place}: {status}"))),
    }
}
