//! HTTP for the script: loopback only, with a key that nobody else has, at the pace of a real model.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::scene::Scene;
use super::script::next_step;
use super::wire::{self, MODEL, Paced};
use crate::model::Endpoint;
use crate::support::secret::Secret;

/// Pictures of a conversation may be in the request.
const LONGEST_REQUEST: usize = 64 << 20;
/// Before its first token a model reads the request.
const FIRST_TOKEN: Duration = Duration::from_millis(350);

/// How the demo behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// How fast it speaks; 0 is at once.
    pub tokens_per_second: u32,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { tokens_per_second: 120 }
    }
}

impl DemoOptions {
    /// The options for the value of `OKCVM_DEMO_SPEED`: tokens a second, 0 for at once. What is no number is ignored.
    pub fn from_env_value(value: Option<&str>) -> Self {
        value
            .and_then(|text| text.trim().parse().ok())
            .map_or_else(Self::default, |speed| Self { tokens_per_second: speed })
    }
}

/// A running demo endpoint. Stops on drop, replies in the middle included.
pub struct DemoServer {
    /// Where it listens, such as `http://127.0.0.1:4711/v1`.
    pub base_url: String,
    key: Secret,
    _stop: DropGuard,
}

impl DemoServer {
    /// A configuration that leads to it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            model: MODEL.to_owned(),
            base_url: self.base_url.clone(),
            api_key: Some(self.key.clone()),
            supports_streaming: true,
            connect_timeout_secs: 5,
            idle_timeout_secs: 30,
            max_retries: 1,
            context_window: Some(128_000),
            vision: false,
        }
    }
}

struct Demo {
    options: DemoOptions,
    authorization: String,
    stop: CancellationToken,
}

/// Starts the demo endpoint with its usual pace.
pub async fn serve() -> io::Result<DemoServer> {
    serve_with(DemoOptions::default()).await
}

/// Starts the demo endpoint.
pub async fn serve_with(options: DemoOptions) -> io::Result<DemoServer> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    // Any process of this machine can connect; only the one that has the key is answered.
    let key = format!("demo-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let stop = CancellationToken::new();
    let demo = Arc::new(Demo { options, authorization: format!("Bearer {key}"), stop: stop.clone() });
    let app = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
        .with_state(demo);
    let ended = stop.clone();
    tokio::spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(ended.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::warn!(%error, "the demo endpoint ended");
        }
    });
    Ok(DemoServer { base_url, key: Secret::new(key), _stop: stop.drop_guard() })
}

impl Demo {
    fn refuse(&self, headers: &HeaderMap) -> Option<Response> {
        let given = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
        let wanted = self.authorization.as_bytes();
        // Every byte is looked at, so that the time tells nothing.
        let differs = given.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
        let known = given.len() == wanted.len() && differs == 0;
        (!known).then(|| error(StatusCode::UNAUTHORIZED, "this endpoint serves the okcvm that started it"))
    }
}

fn error(status: StatusCode, message: &str) -> Response {
    json_response(status, &json!({"error": {"message": message, "type": "demo_error"}}))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn models(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = demo.refuse(&headers) {
        return refusal;
    }
    json_response(
        StatusCode::OK,
        &json!({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "okcvm"}]}),
    )
}

async fn chat(State(demo): State<Arc<Demo>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    if let Some(refusal) = demo.refuse(&headers) {
        return refusal;
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "the request is not JSON");
    };
    let scene = Scene::read(&request);
    let step = next_step(&scene);
    if request["stream"] != true {
        return json_response(StatusCode::OK, &wire::body(&scene, &step, body.len()));
    }
    let with_usage = request["stream_options"]["include_usage"] == true;
    let frames = wire::frames(&scene, &step, body.len(), with_usage);
    let stream = paced(frames, demo.options.tokens_per_second).take_until(demo.stop.clone().cancelled_owned());
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

/// The frames, each when its time has come. The pace is kept against the clock, so that late wakes do not add up.
fn paced(frames: Vec<Paced>, speed: u32) -> impl stream::Stream<Item = Result<String, Infallible>> {
    let begin = Instant::now() + if speed == 0 { Duration::ZERO } else { FIRST_TOKEN };
    let mut due = begin;
    let timed = frames.into_iter().map(move |Paced { frame, tokens }| {
        if speed > 0 {
            due += Duration::from_secs(u64::from(tokens)) / speed;
        }
        (frame, due)
    });
    stream::iter(timed).then(move |(frame, due)| async move {
        if speed > 0 {
            tokio::time::sleep_until(due).await;
        }
        Ok(frame)
    })
}
