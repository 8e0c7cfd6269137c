//! A proxy, a resolver with a table, and servers that say what they were sent.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::config::schema::NetworkSection;
use crate::protocol::Event;
use crate::sandbox::Notices;
use crate::sandbox::network::reach::Resolve;
use crate::sandbox::network::upstream::Upstream;
use crate::sandbox::network::{Limits, Network, ProxyGuard};

/// For anything that a test waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers from a table; each name may have several answers, one for each time it is asked.
#[derive(Clone, Default)]
pub(super) struct Table {
    answers: Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>,
    pub(super) asked: Arc<AtomicUsize>,
}

impl Table {
    pub(super) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().expect("address")).collect();
        self.answers.lock().expect("table").insert(name.to_owned(), answers.iter().map(parse).collect());
        self
    }
}

impl Resolve for Table {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("table");
        let found = answers.get_mut(name).map(|left| if left.len() > 1 { left.remove(0) } else { left[0].clone() });
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

pub(super) struct World {
    pub(super) network: Network,
    pub(super) proxy: SocketAddr,
    pub(super) heard: tokio::sync::mpsc::UnboundedReceiver<Event>,
    pub(super) guard: Option<ProxyGuard>,
}

/// What a world is made of.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) section: NetworkSection,
    pub(super) table: Table,
    pub(super) limits: Limits,
    pub(super) env: Vec<(&'static str, String)>,
}

impl Plan {
    /// Admits these private places besides everything public.
    pub(super) fn private(places: &[String]) -> Self {
        let section = NetworkSection { allow_private: places.to_vec(), ..NetworkSection::default() };
        Self { section, ..Self::default() }
    }

    pub(super) fn start(self) -> World {
        let notices = Notices::default();
        let heard = notices.listen();
        let env = self.env;
        let find = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let upstream = Upstream::of_environment(find);
        let network = Network::with(&self.section, notices, upstream, Box::new(self.table), self.limits);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
        let proxy = listener.local_addr().expect("address");
        let guard = Some(network.serve(listener).expect("proxy"));
        World { network, proxy, heard, guard }
    }
}

impl World {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy).await.expect("the proxy listens")
    }

    /// Sends a text and gives back everything that comes until the end.
    pub(super) async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("sent");
        rest(&mut stream).await
    }

    /// `CONNECT`, and the head of the answer; the stream is then the tunnel.
    pub(super) async fn tunnel(&self, place: &str) -> (TcpStream, String) {
        let mut stream = self.connect().await;
        stream.write_all(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).await.expect("sent");
        let head = head(&mut stream).await;
        (stream, head)
    }

    /// The requests that were told so far: `host:port yes` or `host:port reason`.
    pub(super) fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(event) = self.heard.try_recv() {
            if let Event::NetworkRequest { host, port, allowed, reason } = event {
                assert_eq!(allowed, reason.is_none());
                told.push(format!("{host}:{port} {}", reason.unwrap_or_else(|| "yes".to_owned())));
            }
        }
        told
    }
}

/// Everything until the end; an end that is not clean counts as one.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        loop {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(count) => all.extend_from_slice(&piece[..count]),
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no end"));
    String::from_utf8_lossy(&all).into_owned()
}

/// The head of a request or answer.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !all.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => all.push(byte[0]),
                _ => break,
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("a head");
    String::from_utf8_lossy(&all).into_owned()
}

/// A server that gives each connection to a function and counts them.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) taken: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, taken }
    }

    /// Answers every request with its own head as the body, and closes.
    pub(super) async fn mirror() -> Self {
        Self::start(|mut stream| async move {
            let told = head(&mut stream).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 9\r\n\
                 Proxy-Authenticate: Basic\r\nX-Kept: 1\r\n\r\n{told}",
                told.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await
    }

    /// Sends back whatever comes, and ends when the other side does.
    pub(super) async fn echo() -> Self {
        Self::start(|stream| async move {
            let (mut from, mut to) = stream.into_split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        })
        .await
    }

    /// Takes connections and says nothing.
    pub(super) async fn silent() -> Self {
        Self::start(|mut stream| async move {
            let _ = rest(&mut stream).await;
        })
        .await
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn place(&self) -> String {
        self.address.to_string()
    }
}
