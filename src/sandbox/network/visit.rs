//! One connection of a tool to the proxy, and the texts that it may be answered with.

use std::sync::Arc;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::reach::NotReached;
use super::{Network, PROXY_STATUS};

/// What the proxy answers.
pub(super) type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// One connection of a tool: what its requests, and what outlives them, need.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) network: Network,
    pub(super) stop: CancellationToken,
    /// Counts this connection for as long as anything of it is left.
    pub(super) slot: Arc<OwnedSemaphorePermit>,
}

impl Visit {
    /// Runs something of this connection on its own, until the proxy ends.
    pub(super) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(async move {
            let Self { stop, slot: _slot, .. } = self;
            stop.run_until_cancelled(task).await;
        });
    }
}

/// Why a request has no other answer than a text.
#[derive(Debug)]
pub(super) enum Refused {
    /// The request itself is no good.
    Request(String),
    /// It asks for what no proxy of this kind does.
    Unsupported(String),
    /// Its place was not reached.
    Place(NotReached),
}

impl From<NotReached> for Refused {
    fn from(why: NotReached) -> Self {
        Self::Place(why)
    }
}

impl Refused {
    pub(super) fn into_answer(self) -> Answer {
        let (status, error, text) = match self {
            Self::Request(why) => {
                let text = format!("the okcvm proxy does not understand this: {why}");
                (StatusCode::BAD_REQUEST, "okcvm; error=http_request_error", text)
            }
            Self::Unsupported(why) => {
                let text = format!("the okcvm proxy does not do this: {why}");
                (StatusCode::NOT_IMPLEMENTED, "okcvm; error=http_request_error", text)
            }
            Self::Place(NotReached::Refused(refusal)) => {
                (StatusCode::FORBIDDEN, "okcvm; error=http_request_denied", refusal.text())
            }
            Self::Place(NotReached::Failed(why)) => {
                (StatusCode::BAD_GATEWAY, "okcvm; error=destination_unavailable", format!("the okcvm proxy: {why}"))
            }
            Self::Place(NotReached::TimedOut(why)) => {
                (StatusCode::GATEWAY_TIMEOUT, "okcvm; error=connection_timeout", format!("the okcvm proxy: {why}"))
            }
        };
        let mut answer = Response::new(Full::new(Bytes::from(text + "\n")).map_err(|never| match never {}).boxed());
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer.headers_mut().insert(PROXY_STATUS, HeaderValue::from_static(error));
        answer
    }
}
