//! Asks `okcvm __fetch`, which runs in the browser's sandbox: so a request has the network that a command there has, and no
//! other. What comes from it is untrusted, and bounded here.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::wire::{self, Head, MODE, Part, Request};
use crate::browser::BrowserError;
use crate::sandbox::{Child, SandboxFolders, SandboxSession, Step};

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(15);
/// How long it may take for all of its answer.
const WHOLE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
pub(super) const MOST_BODY: usize = 10 << 20;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Why there is no more of the body, where some is missing.
    pub(super) cut: Option<String>,
}

impl Answered {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A process that makes requests, for as long as one call lasts.
#[derive(Debug)]
pub(super) struct Fetcher {
    child: Child,
    socket: UnixStream,
}

impl Fetcher {
    /// Starts one in this sandbox.
    pub(super) async fn start(sandbox: &SandboxSession, folders: &Arc<SandboxFolders>) -> Result<Self, BrowserError> {
        let refused = |error: &dyn std::fmt::Display| BrowserError::Start(error.to_string());
        let program = sandbox.sandbox().helper_inside(folders).ok_or_else(|| {
            refused(&"this program cannot be its own helper (it has to call okcvm::internal_main first of all)")
        })?;
        let argv = vec![program.to_string_lossy().into_owned(), MODE.to_owned()];
        let (child, socket) = sandbox.spawn_connected(argv).await.map_err(|error| refused(&error))?;
        let ready = socket.set_nonblocking(true).and_then(|()| UnixStream::from_std(socket));
        Ok(Self { child, socket: ready.map_err(|error| refused(&error))? })
    }

    /// Makes one request. After an answer that was cut off the process is of no more use.
    pub(super) async fn fetch(&mut self, asked: &Asked) -> Result<Answered, BrowserError> {
        let began = Instant::now();
        let failed = |why: &str| BrowserError::NotLoaded(format!("{} did not load: {why}", asked.url));
        let head = match timeout_at(began + ANSWER, self.ask(asked)).await {
            Ok(Ok(head)) => head,
            Ok(Err(error)) => {
                let words = self.words(&error).await;
                return Err(failed(&format!("the process that fetches has ended: {words}")));
            }
            Err(_) => return Err(failed(&format!("no answer within {} s", ANSWER.as_secs()))),
        };
        let (status, headers) = match head {
            Head::Answer { status, headers } => (status, headers),
            Head::Failed(why) => return Err(failed(&crate::browser::page::line(&why, 300))),
        };
        let mut answered = Answered { status, headers, ..Answered::default() };
        loop {
            match timeout_at(began + WHOLE, wire::read_part(&mut self.socket)).await {
                Ok(Ok(Part::Bytes(bytes))) => {
                    let room = MOST_BODY - answered.body.len();
                    answered.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    if bytes.len() > room {
                        answered.cut = Some(format!("it has more than {} MiB", MOST_BODY >> 20));
                    }
                }
                Ok(Ok(Part::End)) => return Ok(answered),
                Ok(Ok(Part::Broken(why))) => answered.cut = Some(crate::browser::page::line(&why, 200)),
                Ok(Err(error)) => answered.cut = Some(self.words(&error).await),
                Err(_) => answered.cut = Some(format!("it did not come to its end within {} s", WHOLE.as_secs())),
            }
            if answered.cut.is_some() {
                return Ok(answered);
            }
        }
    }

    async fn ask(&mut self, asked: &Asked) -> std::io::Result<Head> {
        let request = Request {
            method: asked.method.to_owned(),
            url: asked.url.to_string(),
            headers: asked.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            body: u32::try_from(asked.body.len()).map_err(std::io::Error::other)?,
        };
        wire::write_head(&mut self.socket, &request).await?;
        self.socket.write_all(&asked.body).await?;
        wire::read_head(&mut self.socket).await
    }

    /// The last words of a process that has ended; else what the socket says.
    async fn words(&mut self, error: &std::io::Error) -> String {
        let mut said = Vec::new();
        let end = Instant::now() + Duration::from_secs(1);
        while let Ok(step) = timeout_at(end, self.child.next()).await {
            match step {
                Step::Output(_, bytes) if said.len() < 4096 => said.extend_from_slice(&bytes),
                Step::Ended { .. } | Step::Gone => break,
                _ => {}
            }
        }
        let said = crate::browser::page::line(&String::from_utf8_lossy(&said), 300);
        if said.is_empty() { error.to_string() } else { said }
    }
}
