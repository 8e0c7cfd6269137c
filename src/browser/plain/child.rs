//! `okcvm __fetch`: makes requests inside the session's sandbox, on its network and through its proxy, one after the other.
//! It follows no redirect and keeps nothing: what its answers mean is decided by okcvm.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use rustix::process::DumpableBehavior;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::wire::{self, Head, Request};

/// For a connection; the one who asks waits for the answer with limits of its own.
const CONNECT: Duration = Duration::from_secs(10);
/// Exit code when it could not do its work.
const FAILED: u8 = 126;

/// The whole life of the process.
pub(super) fn main() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is a pipe that okcvm reads.
            let _ = writeln!(io::stderr(), "okcvm fetch: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn live() -> io::Result<()> {
    // Requests carry what was typed into forms.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { serve(UnixStream::from_std(socket)?).await })
}

async fn serve(mut socket: UnixStream) -> io::Result<()> {
    // For addresses with and without TLS: reading the system's certificates takes longer than most answers.
    let (mut secure, mut open) = (None, None);
    loop {
        let request: Request = match wire::read_head(&mut socket).await {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut body = vec![0; request.body as usize];
        socket.read_exact(&mut body).await?;
        let kept = if request.url.starts_with("https:") { &mut secure } else { &mut open };
        let client = match kept {
            Some(client) => client,
            None => kept.insert(client(request.url.starts_with("https:"))?),
        };
        answer(client, request, body, &mut socket).await?;
    }
}

fn client(secure: bool) -> io::Result<Client> {
    // There is none before this in the process.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true);
    let builder = if secure { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(io::Error::other)
}

/// Makes one request and tells what comes. An error is one of the socket only.
async fn answer(client: &Client, request: Request, body: Vec<u8>, socket: &mut UnixStream) -> io::Result<()> {
    let mut answer = match send(client, request, body).await {
        Ok(answer) => answer,
        Err(why) => return wire::write_head(socket, &Head::Failed(why)).await,
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    wire::write_head(socket, &Head::Answer { status: answer.status().as_u16(), headers }).await?;
    loop {
        match answer.chunk().await {
            Ok(Some(part)) => wire::write_part(socket, &part).await?,
            Ok(None) => return wire::write_end(socket, None).await,
            Err(error) => return wire::write_end(socket, Some(&words(&error))).await,
        }
    }
}

async fn send(client: &Client, request: Request, body: Vec<u8>) -> Result<reqwest::Response, String> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let url = Url::parse(&request.url).map_err(|error| format!("the address is not valid: {error}"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
    }
    let mut sent = client.request(method.clone(), url).headers(headers);
    if method != Method::GET {
        sent = sent.body(body);
    }
    sent.send().await.map_err(|error| words(&error))
}

/// What went wrong, in words for people.
fn words(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut texts = Vec::new();
    let mut inner = error.source();
    while let Some(cause) = inner {
        texts.push(cause.to_string());
        inner = cause.source();
    }
    let all = texts.join(": ").to_ascii_lowercase();
    // The outer words repeat the address; the innermost say what happened.
    let last = texts.last().cloned().unwrap_or_else(|| error.to_string());
    let said = [
        ("tunnel error", "the network policy does not admit it, or the host was not reached"),
        ("connection refused", "nothing listens there"),
        ("dns error", "there is no host of that name, or it cannot be looked up from here"),
        ("certificate", "its certificate is not valid"),
        ("connection reset", "the server ended the connection without an answer"),
        ("incomplete message", "the server ended the connection without an answer"),
        ("unreachable", "there is no way to that address from here"),
    ];
    if error.is_timeout() {
        return "the server did not answer".to_owned();
    }
    match said.iter().find(|(known, _)| all.contains(known)) {
        Some((_, words)) => format!("{words} ({last})"),
        None => last,
    }
}
