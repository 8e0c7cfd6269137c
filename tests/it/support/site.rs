//! A web site on loopback for the browser: each request is answered by a function of the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub enum Answer {
    /// A page.
    Html(String),
    /// Anything: status line, headers, body.
    Full(&'static str, Vec<(&'static str, String)>, Vec<u8>),
    /// Headers, and then this again and again until the client goes.
    Endless(Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, until the client goes.
    Silent,
}

/// A site that runs until the test ends.
pub struct Site {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    served: Arc<AtomicUsize>,
}

impl Site {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        let served: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log, count) = (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&count));
                std::thread::spawn(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    // A client that goes away in the middle is none of our business.
                    let _ = serve(stream, &*answer, &log);
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, asked, served }
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("lock").clone()
    }

    /// How many requests are being answered.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// The address of a path, as tools reach this machine.
    pub fn url(&self, path: &str) -> String {
        format!("http://host.okcvm.internal:{}{path}", self.address.port())
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Asked) -> Answer, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    lines.read_exact(&mut body)?;
    let asked = Asked { method, path, headers, body };
    log.lock().expect("lock").push(asked.clone());
    let mut out = stream;
    let head = |status: &str, headers: &[(&str, String)]| {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n")
    };
    match answer(&asked) {
        Answer::Html(text) => {
            let kind = [("Content-Type", "text/html; charset=utf-8".to_owned())];
            write!(out, "{}Content-Length: {}\r\n\r\n{text}", head("200 OK", &kind), text.len())
        }
        Answer::Full(status, headers, body) => {
            write!(out, "{}Content-Length: {}\r\n\r\n", head(status, &headers), body.len())?;
            out.write_all(&body)
        }
        Answer::Endless(headers, part) => {
            write!(out, "{}\r\n", head("200 OK", &headers))?;
            loop {
                out.write_all(&part)?;
                std::thread::park_timeout(std::time::Duration::from_millis(2));
            }
        }
        Answer::Silent => {
            let mut rest = [0; 64];
            while lines.read(&mut rest)? > 0 {}
            Ok(())
        }
    }
}
