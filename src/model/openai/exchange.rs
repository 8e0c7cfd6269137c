//! One request from its first attempt to a whole reply: sends, reads, waits, sends again.
//!
//! A reply is over by what it contains. `[DONE]` or a reason for the end close it; where neither came, an end of the
//! body that HTTP itself marks is believed as long as no call waits for the rest of its arguments. Everything else is
//! a broken connection, and the request is sent again: no tool has run before the reply is handed out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use reqwest::{Response, Version};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::Timing;
use super::assemble::Assembler;
use super::client::{Connection, Failure, LONGEST_REPLY};
use super::fault::{Fault, looks_like_html};
use super::sse::FrameDecoder;
use super::wire::{self, WireOptions};
use crate::config::schema::Endpoint;
use crate::model::retry::{Backoff, LONGEST_ASKED};
use crate::model::{ChatRequest, ModelError, ModelEvent, Reply};
use crate::protocol::Message;

/// The operation of every chat request.
const CHAT: &str = "chat/completions";
/// After a reason for the end, how long token counts and `[DONE]` may still take.
const EPILOGUE: Duration = Duration::from_secs(5);
/// An endpoint that does not stream is silent until the whole reply is made: so many idle timeouts.
pub(in crate::model) const WHOLE_REPLY_FACTOR: u32 = 10;
/// How much of a web page is read.
const PAGE_START: usize = 16 << 10;

type Out = UnboundedSender<Result<ModelEvent, ModelError>>;

/// What is kept of an endpoint between requests.
pub(super) struct Exchange {
    connection: Connection,
    endpoint: Endpoint,
    /// The endpoint refused `stream_options`.
    refuses_usage: AtomicBool,
    /// The endpoint names its reasoning `reasoning_content`, so it wants it back (see `wire`).
    names_reasoning_content: AtomicBool,
}

impl Exchange {
    pub(super) fn new(connection: Connection, endpoint: Endpoint) -> Self {
        Self {
            connection,
            endpoint,
            refuses_usage: AtomicBool::new(false),
            names_reasoning_content: AtomicBool::new(false),
        }
    }

    pub(super) fn set_timing(&mut self, timing: Timing) {
        self.connection.set_timing(timing);
    }

    /// Sends the request until a reply is whole or nothing more can be done; everything goes out as events.
    pub(super) async fn run(&self, request: &ChatRequest, out: &Out) {
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries);
        loop {
            let mut shown = false;
            let failure = match self.attempt(request, out, &mut shown).await {
                Ok(reply) => {
                    drop(out.send(Ok(ModelEvent::Finished(reply))));
                    return;
                }
                Err(failure) => failure,
            };
            if self.learn_to_leave_usage_out(&failure.error) {
                continue;
            }
            match attempts.failed(failure) {
                Err(error) => {
                    let blamed = self.endpoint.vision
                        && pictures(&request.messages).is_some_and(|new| error.may_mean_pictures(new));
                    let error = if blamed { ModelError::PicturesRefused(Box::new(error)) } else { error };
                    drop(out.send(Err(error)));
                    return;
                }
                Ok((after, reason)) => {
                    if shown {
                        drop(out.send(Ok(ModelEvent::Restarted { reason: reason.clone() })));
                    }
                    drop(out.send(Ok(ModelEvent::Retrying { after, attempt: attempts.failed + 1, reason })));
                    tokio::time::sleep(after).await;
                }
            }
        }
    }

    /// Whether the refusal is about `stream_options`, which old servers do not know; they are left out from now on.
    fn learn_to_leave_usage_out(&self, error: &ModelError) -> bool {
        let ModelError::Status { status: 400 | 422, message, .. } = error else { return false };
        let named = message.contains("stream_options") || message.contains("include_usage");
        named && self.endpoint.supports_streaming && !self.refuses_usage.swap(true, Ordering::Relaxed)
    }

    /// One attempt. `shown` tells whether text or reasoning went out.
    async fn attempt(&self, request: &ChatRequest, out: &Out, shown: &mut bool) -> Result<Reply, Failure> {
        let stream = self.endpoint.supports_streaming;
        let options = WireOptions {
            model: &self.endpoint.model,
            stream,
            include_usage: !self.refuses_usage.load(Ordering::Relaxed),
            vision: self.endpoint.vision,
            reasoning_content: self.names_reasoning_content.load(Ordering::Relaxed),
        };
        let idle = self.connection.timing().idle;
        let silence = if stream { idle } else { idle.saturating_mul(WHOLE_REPLY_FACTOR) };
        let accept = if stream { "text/event-stream" } else { "application/json" };
        let response = self.connection.post(CHAT, wire::body(request, options), accept, silence).await?;
        let mut reader = Reader {
            connection: &self.connection,
            assembler: Assembler::new(&Uuid::new_v4().simple().to_string()[..8]),
            kind: Kind::Unknown(Vec::new()),
            out,
            shown,
        };
        reader.read(response, silence).await?;
        let assembler = reader.assembler;
        if assembler.names_reasoning_content() {
            self.names_reasoning_content.store(true, Ordering::Relaxed);
        }
        if let Some(tokens) = assembler.tokens() {
            let super::assemble::Tokens { input, output, cached } = tokens;
            drop(out.send(Ok(ModelEvent::Usage { input, output, cached })));
        }
        let reply = assembler.finish();
        if reply.text.trim().is_empty() && reply.tool_calls.is_empty() {
            let (url, finish_reason) = (self.connection.shown_url(CHAT), reply.finish_reason);
            return Err(
                ModelError::EmptyReply { url, finish_reason: finish_reason.map(|r| self.connection.clean(r)) }.into()
            );
        }
        Ok(reply)
    }
}

/// Whether there are pictures in a conversation, and whether the endpoint has not answered since they came.
fn pictures(messages: &[Message]) -> Option<bool> {
    let has = |message: &Message| matches!(message, Message::Tool(reply) if !reply.images.is_empty());
    let last = messages.iter().rposition(has)?;
    Some(!messages[last..].iter().any(|message| matches!(message, Message::Assistant { .. })))
}

/// The attempts of a request that is sent until it succeeds.
pub(in crate::model) struct Attempts {
    backoff: Backoff,
    max_retries: u32,
    failed: u32,
    /// Whether each may cost something.
    paid: bool,
    /// A status that may pass here, though it does not elsewhere.
    passing: Option<u16>,
}

impl Attempts {
    /// For a request that costs nothing, or that changes nothing when it is made twice.
    pub(in crate::model) fn new(timing: Timing, max_retries: u32) -> Self {
        let backoff = Backoff { first: timing.first_wait, longest: timing.longest_wait };
        Self { backoff, max_retries, failed: 0, paid: false, passing: None }
    }

    /// For one that is paid for: it is not repeated where the endpoint may have charged it already. A refusal, and a
    /// connection that did not come about, charge nothing.
    pub(in crate::model) fn paid(self) -> Self {
        Self { paid: true, ..self }
    }

    /// For one that may succeed later after this refusal too.
    pub(in crate::model) fn passing(self, status: u16) -> Self {
        Self { passing: Some(status), ..self }
    }

    /// How long to wait before the next and why, or the error that ends it.
    pub(in crate::model) fn failed(&mut self, failure: Failure) -> Result<(Duration, String), ModelError> {
        self.failed += 1;
        tracing::debug!(error = %failure.error, failed = self.failed, "a request failed");
        if self.paid && failure.error.may_be_charged() {
            return Err(failure.error);
        }
        let passing = failure.error.is_passing() || (self.passing.is_some() && failure.error.status() == self.passing);
        after_failure(failure, passing, self.failed, self.backoff, self.max_retries)
    }
}

/// How long to wait and why, or the error that ends it.
fn after_failure(
    failure: Failure,
    passing: bool,
    failed: u32,
    backoff: Backoff,
    max_retries: u32,
) -> Result<(Duration, String), ModelError> {
    let Failure { error, asked } = failure;
    if !passing {
        return Err(error);
    }
    if let Some(wait) = asked.filter(|wait| *wait > LONGEST_ASKED)
        && let ModelError::Status { url, status, message, .. } = error
    {
        return Err(ModelError::WaitTooLong { url, status, wait, message });
    }
    if failed > max_retries {
        return Err(if failed == 1 { error } else { ModelError::GaveUp { attempts: failed, last: Box::new(error) } });
    }
    Ok((backoff.wait_at_least(failed, asked), error.to_string()))
}

/// What a body turns out to be. Headers are not asked: endpoints send streams as `text/plain`, errors and whole
/// replies as `text/event-stream`.
enum Kind {
    /// Nothing but white space came yet.
    Unknown(Vec<u8>),
    /// Server-sent events.
    Events(FrameDecoder),
    /// One JSON object.
    Json(Vec<u8>),
    /// A web page.
    Page(Vec<u8>),
}

/// Reads one answer.
struct Reader<'a> {
    connection: &'a Connection,
    assembler: Assembler,
    kind: Kind,
    out: &'a Out,
    shown: &'a mut bool,
}

impl Reader<'_> {
    /// Reads until the reply is whole.
    async fn read(&mut self, mut response: Response, silence: Duration) -> Result<(), ModelError> {
        let framed = response.version() >= Version::HTTP_2
            || response.headers().contains_key(TRANSFER_ENCODING)
            || response.headers().contains_key(CONTENT_LENGTH);
        let mut total = 0usize;
        let mut pace = Pace::default();
        loop {
            let whole = self.assembler.looks_whole();
            let limit = if whole { silence.min(EPILOGUE) } else { silence };
            let at_hand = match pace.began {
                Some(_) => timeout(Pace::HAND_OVER, response.chunk()).await.ok(),
                None => None,
            };
            let chunk = if let Some(chunk) = at_hand {
                Ok(chunk)
            } else {
                pace.rest().await;
                timeout(limit, response.chunk()).await
            };
            match chunk {
                Err(_) if whole => return Ok(()),
                Err(_) => return Err(self.connection.idle(CHAT, silence)),
                Ok(Err(_)) if self.assembler.has_finish_reason() => return Ok(()),
                Ok(Err(error)) => return Err(self.connection.broken(CHAT, &error)),
                Ok(Ok(None)) => return self.end(framed),
                Ok(Ok(Some(bytes))) => {
                    total += bytes.len();
                    if total > LONGEST_REPLY {
                        return Err(ModelError::TooLong { url: self.connection.shown_url(CHAT), limit: LONGEST_REPLY });
                    }
                    self.take(&bytes)?;
                    if *self.shown {
                        pace.begin();
                    }
                    if self.assembler.is_done() {
                        // Reads the last bytes aside, so that the connection can serve the next request.
                        tokio::spawn(async move { timeout(Duration::from_secs(1), drain(response)).await });
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        if let Kind::Unknown(begin) = &mut self.kind {
            begin.extend_from_slice(bytes);
            let Some(kind) = kind_of(begin) else { return Ok(()) };
            let begin = std::mem::take(begin);
            self.kind = kind;
            return self.take(&begin);
        }
        match &mut self.kind {
            Kind::Unknown(_) => Ok(()),
            Kind::Json(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Kind::Page(body) => {
                body.extend_from_slice(bytes);
                if body.len() < PAGE_START { Ok(()) } else { Err(self.page()) }
            }
            Kind::Events(decoder) => {
                let mut frames = Vec::new();
                decoder.push(bytes, &mut frames);
                for frame in frames {
                    let mut events = Vec::new();
                    let taken = self.assembler.frame(&frame, &mut events);
                    self.show(events);
                    taken.map_err(|fault| self.fault(fault))?;
                    if self.assembler.is_done() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// The body ended.
    fn end(&mut self, framed: bool) -> Result<(), ModelError> {
        match std::mem::replace(&mut self.kind, Kind::Unknown(Vec::new())) {
            Kind::Unknown(_) => {}
            Kind::Page(body) => {
                self.kind = Kind::Page(body);
                return Err(self.page());
            }
            Kind::Json(body) => {
                let mut events = Vec::new();
                let taken = self.assembler.body(&body, &mut events);
                self.show(events);
                return taken.map_err(|fault| match fault {
                    Fault::NotUnderstood(_) => {
                        self.connection.not_understood(CHAT, "a chat completion", &String::from_utf8_lossy(&body))
                    }
                    reported @ Fault::Reported { .. } => self.fault(reported),
                });
            }
            Kind::Events(decoder) => {
                if let Some(frame) = decoder.end() {
                    let mut events = Vec::new();
                    let taken = self.assembler.frame(&frame, &mut events);
                    self.show(events);
                    match taken {
                        Err(fault @ Fault::Reported { .. }) => return Err(self.fault(fault)),
                        Err(_) if !self.assembler.has_finish_reason() => return Err(self.cut_off()),
                        _ => {}
                    }
                }
            }
        }
        let over = self.assembler.is_done() || self.assembler.has_finish_reason();
        if over || (framed && self.assembler.calls_are_whole()) { Ok(()) } else { Err(self.cut_off()) }
    }

    fn show(&mut self, events: Vec<ModelEvent>) {
        for event in events {
            *self.shown = true;
            drop(self.out.send(Ok(event)));
        }
    }

    fn cut_off(&self) -> ModelError {
        self.connection.broken_because(CHAT, "it ended in the middle")
    }

    fn page(&self) -> ModelError {
        let Kind::Page(body) = &self.kind else { return self.cut_off() };
        self.connection.not_understood(CHAT, "a chat completion", &String::from_utf8_lossy(body))
    }

    fn fault(&self, fault: Fault) -> ModelError {
        match fault {
            Fault::Reported { message, status, code } => ModelError::InReply {
                url: self.connection.shown_url(CHAT),
                message: self.connection.clean(message),
                status,
                code: code.map(|code| self.connection.clean(code)),
            },
            Fault::NotUnderstood(excerpt) => {
                self.connection.broken_because(CHAT, &format!("a part of it is not JSON: {excerpt}"))
            }
        }
    }
}

/// Reads a stream as often as a screen shows it: what comes in between is taken together. Waking up for each token of a
/// quick model costs more than everything else that is done with it.
///
/// The first bytes after a pause are taken at once; only the ones behind them wait.
#[derive(Debug, Default)]
struct Pace {
    /// When the bytes came that this look began with; `None` before the reply shows anything.
    began: Option<Instant>,
}

impl Pace {
    /// Time between two looks: about a frame.
    const LOOK: Duration = Duration::from_millis(30);
    /// How long the connection may take to hand over what it has read.
    const HAND_OVER: Duration = Duration::from_millis(2);

    fn begin(&mut self) {
        self.began.get_or_insert_with(Instant::now);
    }

    /// Waits until the next look.
    async fn rest(&mut self) {
        if let Some(began) = self.began.take() {
            sleep_until(began + Self::LOOK).await;
        }
    }
}

/// What a body is, by its first bytes; `None` while that cannot be told.
fn kind_of(begin: &[u8]) -> Option<Kind> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    if BOM.starts_with(begin) {
        return None;
    }
    let text = begin.strip_prefix(BOM).unwrap_or(begin);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace())?;
    Some(match first {
        b'{' | b'[' => Kind::Json(Vec::new()),
        _ if looks_like_html(begin) => Kind::Page(Vec::new()),
        _ => Kind::Events(FrameDecoder::new()),
    })
}

async fn drain(mut response: Response) {
    let mut left = 64usize << 10;
    while let Ok(Some(bytes)) = response.chunk().await {
        left = left.saturating_sub(bytes.len());
        if left == 0 {
            return;
        }
    }
}
