//! A scripted chat endpoint on loopback whose answers and faults a test decides.
//!
//! It writes bytes exactly as it is told and records every request. It runs on threads of its own instead of a
//! runtime, so that it serves async tests, plain tests and tests that start the binary alike. Pauses are [`Gate`]s
//! that a test opens, never sleeps.

#![allow(clippy::unwrap_used, reason = "a broken test endpoint must fail the test")]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use okcvm::config::schema::Endpoint;
use okcvm::support::secret::Secret;
use serde_json::{Value, json};
use tokio::sync::watch;

mod answer;
pub mod frame;
mod gate;

pub use answer::Answer;
use answer::{Framing, Step};
pub use gate::Gate;

/// How long a test waits for something that must happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// The key that [`FakeEndpoint::endpoint`] sends.
pub const FAKE_KEY: &str = "sk-fake-key-1234";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The JSON body; `Null` when there was none.
    pub body: Value,
    /// The body's bytes.
    pub raw: Vec<u8>,
}

impl Recorded {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The messages of a chat request.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The names of the offered tools.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect()
    }
}

type Logic = Box<dyn FnMut(&Recorded, usize) -> Option<Answer> + Send>;

struct Shared {
    logic: Mutex<Logic>,
    queue: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<Recorded>>,
    arrived: Condvar,
    count: watch::Sender<usize>,
    open: Mutex<Vec<TcpStream>>,
    /// Clients that left while an answer was being written.
    left: watch::Sender<usize>,
    ended: AtomicBool,
}

/// The endpoint. Stops, and cuts what is open, on drop.
pub struct FakeEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeEndpoint {
    /// Gives these answers in this order.
    pub fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let server = Self::serve(Box::new(|_, _| None));
        server.shared.queue.lock().unwrap().extend(script);
        server
    }

    /// Decides each answer by the request and by how many came before it.
    pub fn answering(mut logic: impl FnMut(&Recorded, usize) -> Answer + Send + 'static) -> Self {
        Self::serve(Box::new(move |request, n| Some(logic(request, n))))
    }

    fn serve(logic: Logic) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            logic: Mutex::new(logic),
            queue: Mutex::default(),
            requests: Mutex::default(),
            arrived: Condvar::new(),
            count: watch::Sender::new(0),
            open: Mutex::default(),
            left: watch::Sender::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if let Ok(copy) = stream.try_clone() {
                    accepting.open.lock().unwrap().push(copy);
                }
                let serving = Arc::clone(&accepting);
                thread::spawn(move || drop(serving.connection(&stream)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A configuration that leads here.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            model: "fake-model".to_owned(),
            base_url: self.base_url(),
            api_key: Some(Secret::new(FAKE_KEY)),
            supports_streaming: true,
            connect_timeout_secs: 5,
            idle_timeout_secs: 20,
            max_retries: 3,
            context_window: None,
            vision: true,
        }
    }

    /// One more answer at the end of the script.
    pub fn push(&self, answer: Answer) {
        self.shared.queue.lock().unwrap().push_back(answer);
    }

    /// What came in so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Blocks until `n` requests came in; fails the test after a deadline. Not for async tests: see
    /// [`Self::requests_at_least`].
    pub fn wait_requests(&self, n: usize) -> Vec<Recorded> {
        let until = Instant::now() + DEADLINE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.len() < n {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} requests came, {n} were expected", requests.len());
            requests = self.shared.arrived.wait_timeout(requests, left).unwrap().0;
        }
        requests.clone()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// Waits until a client leaves during a pause or a stall; fails the test after a deadline.
    pub async fn client_left(&self) {
        let mut left = self.shared.left.subscribe();
        let gone = tokio::time::timeout(DEADLINE, left.wait_for(|left| *left > 0)).await;
        assert!(gone.is_ok(), "the client stayed");
    }

    /// Waits until `n` requests came in; fails the test after a deadline.
    pub async fn requests_at_least(&self, n: usize) -> Vec<Recorded> {
        let mut count = self.shared.count.subscribe();
        let came = tokio::time::timeout(DEADLINE, count.wait_for(|count| *count >= n)).await;
        assert!(came.is_ok(), "{} requests came, {n} were expected", self.requests().len());
        self.requests()
    }
}

impl Drop for FakeEndpoint {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// Serves requests on one connection until it closes.
    fn connection(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader)? {
            let answer = {
                let mut requests = self.requests.lock().unwrap();
                let n = requests.len();
                requests.push(request.clone());
                let count = requests.len();
                drop(requests);
                let scripted = self.queue.lock().unwrap().pop_front();
                let answer = scripted.or_else(|| (self.logic.lock().unwrap())(&request, n));
                self.count.send_replace(count);
                self.arrived.notify_all();
                answer.unwrap_or_else(|| {
                    let message = format!("FakeEndpoint: no answer left for request {n}");
                    Answer::status(400, &json!({"error": {"message": message}}))
                })
            };
            if !self.write(stream, &answer)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes one answer; `false` when the connection is not to be used again.
    fn write(&self, mut stream: &TcpStream, answer: &Answer) -> io::Result<bool> {
        let mut steps = answer.steps.iter().peekable();
        while let Some(Step::Wait(gate)) = steps.peek() {
            self.pause(stream, gate);
            steps.next();
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        match answer.framing {
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            Framing::Length => write!(head, "Content-Length: {}\r\n\r\n", answer.written().len()).unwrap(),
            Framing::Close => head.push_str("Connection: close\r\n\r\n"),
        }
        stream.write_all(head.as_bytes())?;
        for step in steps {
            match step {
                Step::Write(bytes) if answer.framing == Framing::Chunked && !bytes.is_empty() => {
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(bytes);
                    chunk.extend_from_slice(b"\r\n");
                    stream.write_all(&chunk)?;
                }
                Step::Write(bytes) => stream.write_all(bytes)?,
                Step::Wait(gate) => self.pause(stream, gate),
                Step::Signal(gate) => gate.open(),
                Step::Drop => {
                    stream.shutdown(Shutdown::Both)?;
                    return Ok(false);
                }
                Step::Stall => {
                    self.pause(stream, &Gate::new());
                    return Ok(false);
                }
            }
        }
        match answer.framing {
            Framing::Chunked => stream.write_all(b"0\r\n\r\n")?,
            Framing::Length => {}
            Framing::Close => {
                stream.shutdown(Shutdown::Both)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Holds until the gate opens, the client leaves or the endpoint ends.
    fn pause(&self, stream: &TcpStream, gate: &Gate) {
        drop(stream.set_read_timeout(Some(Duration::from_millis(10))));
        let mut byte = [0];
        while !gate.is_open() && !self.ended.load(Ordering::SeqCst) {
            // Reads with a timeout tell when the client left; it has nothing to say while it waits.
            match stream.peek(&mut byte) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Ok(1..) => {}
                _ => {
                    self.left.send_modify(|left| *left += 1);
                    break;
                }
            }
        }
        drop(stream.set_read_timeout(None));
    }
}

/// Reads one request; `None` when the client closed the connection.
fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Recorded>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut raw = vec![0; length];
    reader.read_exact(&mut raw)?;
    let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    Ok(Some(Recorded { method, path, headers, body, raw }))
}
