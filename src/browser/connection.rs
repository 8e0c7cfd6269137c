//! The DevTools protocol over the browser's debugging pipe: JSON messages, each ended by a NUL byte.
//!
//! Whoever calls waits for the answer with a limit; events go to one reader in their order. While nobody takes events
//! nothing is read, so that a page which makes too many has to wait.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::BrowserError;

/// Bytes of one message; a longer one ends the connection.
const MOST: usize = 128 << 20;
/// Events that wait.
const QUEUE: usize = 256;
/// How long an ordinary call may take.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// An event of the browser or of one of its pages.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) method: String,
    /// The page or frame that it comes from; none for the browser itself.
    pub(super) session: Option<String>,
    params: Box<RawValue>,
}

impl Event {
    /// What it tells; `None` where that has another form than expected.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.params.get()).ok()
    }
}

/// A connection. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    to: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: AtomicU64,
    /// `None` once the connection has ended.
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    ended: bool,
    each: HashMap<u64, oneshot::Sender<Answer>>,
}

type Answer = Result<Box<RawValue>, String>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a, P> {
    id: u64,
    method: &'a str,
    params: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Option<u64>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<Failure>,
    session_id: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
}

/// Takes a call out of those that wait, when nobody waits any more.
struct Call<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.waiting.lock().each.remove(&self.id);
    }
}

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Over this socket, with the events that come. It ends when the browser does.
    pub(super) fn open(socket: StdUnixStream) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        socket.set_nonblocking(true)?;
        let (from, into) = UnixStream::from_std(socket)?.into_split();
        let waiting: Arc<Waiting> = Arc::default();
        let (to, out) = mpsc::unbounded_channel();
        let (events, taken) = mpsc::channel(QUEUE);
        tokio::spawn(write(into, out));
        tokio::spawn(read(from, Arc::clone(&waiting), events));
        Ok((Self { to, waiting }, taken))
    }

    /// Sends a message without waiting for its answer.
    pub(super) fn post(&self, session: Option<&str>, method: &str, params: impl Serialize) {
        let id = self.waiting.next.fetch_add(1, Ordering::Relaxed);
        self.send(id, session, method, params);
    }

    /// Calls, and waits for the answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        session: Option<&str>,
        method: &str,
        params: impl Serialize,
    ) -> Result<T, BrowserError> {
        self.call_within(LIMIT, session, method, params).await
    }

    /// The same with a limit of its own.
    pub(super) async fn call_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        session: Option<&str>,
        method: &str,
        params: impl Serialize,
    ) -> Result<T, BrowserError> {
        let result = self.sent(limit, session, method, params).await?;
        serde_json::from_str(result.get()).map_err(|error| {
            BrowserError::Refused(format!("the browser's answer to {method} is not as expected: {error}"))
        })
    }

    /// Sends a message now, and gives what waits for its answer.
    pub(super) fn begin(
        &self,
        session: Option<&str>,
        method: &'static str,
        params: Value,
    ) -> impl Future<Output = Result<Box<RawValue>, BrowserError>> + Send + use<> {
        let (connection, sent) = (self.clone(), self.register());
        if let Ok((id, _)) = &sent {
            self.send(*id, session, method, params);
        }
        async move {
            let (id, answered) = sent?;
            let _call = Call { waiting: &connection.waiting, id };
            answer(LIMIT, method, answered).await
        }
    }

    async fn sent(
        &self,
        limit: Duration,
        session: Option<&str>,
        method: &str,
        params: impl Serialize,
    ) -> Result<Box<RawValue>, BrowserError> {
        let (id, answered) = self.register()?;
        let _call = Call { waiting: &self.waiting, id };
        self.send(id, session, method, params);
        answer(limit, method, answered).await
    }

    /// A number for a call, and where its answer comes.
    fn register(&self) -> Result<(u64, oneshot::Receiver<Answer>), BrowserError> {
        let id = self.waiting.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let mut calls = self.waiting.lock();
        if calls.ended {
            return Err(gone());
        }
        calls.each.insert(id, answer);
        Ok((id, answered))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.waiting.lock().ended
    }

    fn send(&self, id: u64, session: Option<&str>, method: &str, params: impl Serialize) {
        match serde_json::to_vec(&Request { id, method, params, session_id: session }) {
            Ok(mut bytes) => {
                bytes.push(0);
                // Nobody takes it when the browser has ended, and then all calls have ended too.
                let _ = self.to.send(bytes);
            }
            Err(error) => tracing::error!(%error, method, "a message to the browser cannot be written"),
        }
    }
}

async fn answer(
    limit: Duration,
    method: &str,
    answered: oneshot::Receiver<Answer>,
) -> Result<Box<RawValue>, BrowserError> {
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok(answer)) => answer.map_err(BrowserError::Refused),
        Ok(Err(_)) => Err(gone()),
        Err(_) => {
            let seconds = limit.as_secs();
            Err(BrowserError::Slow(format!("the page did not answer within {seconds} s ({method})")))
        }
    }
}

fn gone() -> BrowserError {
    BrowserError::Gone("the browser has ended".to_owned())
}

async fn write(mut into: OwnedWriteHalf, mut out: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = out.recv().await {
        if into.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Reads until the end, and then lets all go who wait.
async fn read(from: OwnedReadHalf, waiting: Arc<Waiting>, events: mpsc::Sender<Event>) {
    if let Err(error) = messages(from, &waiting, &events).await {
        tracing::debug!(%error, "the browser tells nothing more");
    }
    let mut calls = waiting.lock();
    calls.ended = true;
    calls.each.clear();
}

async fn messages(from: OwnedReadHalf, waiting: &Waiting, events: &mpsc::Sender<Event>) -> io::Result<()> {
    let mut from = BufReader::with_capacity(256 << 10, from);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        loop {
            let part = from.fill_buf().await?;
            if part.is_empty() {
                return Ok(());
            }
            let end = part.iter().position(|byte| *byte == 0);
            bytes.extend_from_slice(&part[..end.unwrap_or(part.len())]);
            let taken = end.map_or(part.len(), |end| end + 1);
            from.consume(taken);
            if bytes.len() > MOST {
                return Err(io::Error::other("a message is too long"));
            }
            if end.is_some() {
                break;
            }
        }
        let message: Message = match serde_json::from_slice(&bytes) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a message of the browser was not understood");
                continue;
            }
        };
        // A capture of a large page is not kept for the next message.
        bytes.shrink_to(1 << 20);
        if let Some(id) = message.id {
            let answer = match (message.result, message.error) {
                (_, Some(failure)) => Err(failure.message),
                (Some(result), None) => Ok(result),
                (None, None) => Err("an empty answer".to_owned()),
            };
            let call = waiting.lock().each.remove(&id);
            if let Some(call) = call {
                // Whoever called may have given up.
                let _ = call.send(answer);
            }
        } else if let (Some(method), Some(params)) = (message.method, message.params)
            && events.send(Event { method, session: message.session_id, params }).await.is_err()
        {
            return Ok(());
        }
    }
}
