//! Endpoints that speak the OpenAI-compatible `/chat/completions`.
//!
//! ```text
//! ChatRequest -> wire (body) -> client (HTTP) -> sse (frames) -> assemble (reply) -> ModelEvent
//!                               exchange: sends, reads, waits, sends again
//! ```

mod asr;
mod assemble;
mod calls;
mod client;
mod exchange;
mod fault;
mod sse;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;
use tokio::sync::mpsc;

pub use asr::{LARGEST_RECORDING, Recording, Transcriber};
pub use assemble::Assembler;
pub(super) use client::{Connection, Failure, deepest, is_loopback};
pub(super) use exchange::{Attempts, WHOLE_REPLY_FACTOR};
pub use fault::Fault;
pub(super) use fault::{error_object, excerpt};
pub use sse::{Frame, FrameDecoder};

use super::{ChatModel, ChatRequest, ModelError, ModelEvent};
use crate::config::schema::Endpoint;
use crate::protocol::Message;
use exchange::Exchange;

/// How long the client waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte of a reply.
    pub idle: Duration,
    /// At most this long before the second attempt; the limit doubles with each further one.
    pub first_wait: Duration,
    /// At most this long before any attempt, unless the server asks for more.
    pub longest_wait: Duration,
}

impl Timing {
    /// As the configuration says; zero seconds are no limit.
    pub fn of(endpoint: &Endpoint) -> Self {
        let limit = |seconds: u64| Duration::from_secs(if seconds == 0 { 24 * 3600 } else { seconds });
        Self {
            connect: limit(endpoint.connect_timeout_secs),
            idle: limit(endpoint.idle_timeout_secs),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
        }
    }

    /// Waits of milliseconds between attempts, for tests.
    pub fn quick() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(20),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
        }
    }
}

/// A model behind an OpenAI-compatible endpoint. Nothing is connected, and no TLS set up, before the first request.
pub struct OpenAiChat {
    name: String,
    exchange: Arc<Exchange>,
}

impl OpenAiChat {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint) -> Result<Self, ModelError> {
        let connection = Connection::new(&endpoint, Timing::of(&endpoint))?;
        Ok(Self { name: endpoint.model.clone(), exchange: Arc::new(Exchange::new(connection, endpoint)) })
    }

    /// The same with other waiting times. To be called before the first request.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        if let Some(exchange) = Arc::get_mut(&mut self.exchange) {
            exchange.set_timing(timing);
        }
        self
    }
}

impl ChatModel for OpenAiChat {
    fn name(&self) -> &str {
        &self.name
    }

    fn stream(&self, request: ChatRequest) -> BoxStream<'static, Result<ModelEvent, ModelError>> {
        let (out, mut events) = mpsc::unbounded_channel();
        let exchange = Arc::clone(&self.exchange);
        let work = async move { exchange.run(&request, &out).await };
        // The work runs inside the stream's own poll: dropping the stream drops the connection, and no task is left.
        let mut work: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = Some(Box::pin(work));
        stream::poll_fn(move |cx| {
            loop {
                if let Poll::Ready(Some(event)) = events.poll_recv(cx) {
                    return Poll::Ready(Some(event));
                }
                let Some(running) = &mut work else { return Poll::Ready(None) };
                if running.as_mut().poll(cx).is_ready() {
                    work = None;
                } else if events.is_empty() {
                    return Poll::Pending;
                }
            }
        })
        .boxed()
    }
}

/// The names of the endpoint's models, sorted. One attempt.
pub async fn list_models(endpoint: &Endpoint) -> Result<Vec<String>, ModelError> {
    let connection = Connection::new(endpoint, Timing::of(endpoint))?;
    let body = connection.get("models").await.map_err(|failure| failure.error)?;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|_| connection.not_understood("models", "a list of models", &String::from_utf8_lossy(&body)))?;
    // `data` by the protocol, `models` at some gateways, a bare array at others.
    let list = [&value["data"], &value["models"], &value].into_iter().find_map(Value::as_array);
    let Some(list) = list else {
        return Err(connection.not_understood("models", "a list of models", &value.to_string()));
    };
    let name = |entry: &Value| {
        let field = ["id", "name", "model"].iter().find_map(|field| entry[*field].as_str());
        field.or(entry.as_str()).map(str::to_owned)
    };
    let mut names: Vec<String> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Asks one question, in the way that a session would, and returns the answer's text. One attempt.
pub async fn ask_once(endpoint: &Endpoint, question: &str) -> Result<String, ModelError> {
    let model = OpenAiChat::new(Endpoint { max_retries: 0, ..endpoint.clone() })?;
    let message = Message::User { text: question.to_owned(), attachments: Vec::new() };
    let mut events = model.stream(ChatRequest { messages: vec![message], tools: Vec::new() });
    let mut answer = String::new();
    while let Some(event) = events.next().await {
        if let ModelEvent::Finished(reply) = event? {
            answer = reply.text;
        }
    }
    Ok(answer)
}
