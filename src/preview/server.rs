//! The server: one listener for all sites of a session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, uri::Authority};
use axum::middleware::map_response;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::services::ServeFile;
use url::Url;

use super::access::AccessLog;
use super::contents::{Contents, Found, Served};
use crate::protocol::{Deployment, SiteRequest};

/// Bytes of an address; longer ones are refused.
const LONGEST: usize = 8 << 10;
/// Connections at the same time.
const MOST_CONNECTIONS: usize = 100;
/// How long the head of a request may take, and how long a connection may stay without one.
const SLOWEST: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 15 });
/// Pause after a connection that could not be taken.
const RETRY: Duration = Duration::from_millis(100);

/// The part of a site's address that nobody can guess, with its six-digit id: `482913-<32 hexadecimal digits>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteName {
    id: String,
    token: String,
}

impl SiteName {
    /// A site of this id with a token of its own.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), token: uuid::Uuid::new_v4().simple().to_string() }
    }

    /// The name of a deployment; `None` where it holds what no name has.
    pub fn of(deployment: &Deployment) -> Option<Self> {
        format!("{}-{}", deployment.id, deployment.token).parse().ok()
    }

    /// The six digits.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.id, self.token)
    }
}

impl FromStr for SiteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, token) = text.split_once('-').ok_or("no site has such a name")?;
        let digits = id.len() == 6 && id.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits && hexadecimal {
            Ok(Self { id: id.to_owned(), token: token.to_owned() })
        } else {
            Err("no site has such a name".to_owned())
        }
    }
}

/// The sites of a session. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Preview(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sites: RwLock<HashMap<SiteName, Arc<Contents>>>,
    /// Hosts that are this machine's beside the loopback ones, in lower case, each with its port; none for the usual one.
    hosts: RwLock<Vec<(String, Option<u16>)>>,
    log: AccessLog,
}

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub struct PreviewServer {
    port: u16,
    end: CancellationToken,
}

impl PreviewServer {
    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PreviewServer {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Preview {
    /// Shows a site under its name, in the place of what was there.
    pub fn show(&self, name: SiteName, contents: Contents) {
        self.0.sites.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(contents));
    }

    /// Shows these sites and no other.
    pub fn show_only(&self, sites: HashMap<SiteName, Arc<Contents>>) {
        *self.0.sites.write().unwrap_or_else(PoisonError::into_inner) = sites;
    }

    /// The files that a site shows.
    pub fn contents(&self, name: &SiteName) -> Option<Arc<Contents>> {
        self.0.sites.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Takes requests for the host of this address too, such as that of a proxy before it.
    pub fn also_known_as(&self, url: &Url) {
        if let Some(host) = url.host_str() {
            let known = (host.to_ascii_lowercase(), url.port());
            self.0.hosts.write().unwrap_or_else(PoisonError::into_inner).push(known);
        }
    }

    /// Requests so far.
    pub fn log(&self) -> &AccessLog {
        &self.0.log
    }

    /// Serves on a listener until the server is dropped. Within a Tokio runtime.
    pub fn serve(&self, listener: TcpListener) -> io::Result<PreviewServer> {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let end = CancellationToken::new();
        let pages = CompressionLayer::new().compress_when(Texts);
        let app = Router::new().fallback(answer).with_state(self.clone()).layer(pages).layer(map_response(weakened));
        tokio::spawn(accept(listener, app, end.clone()));
        Ok(PreviewServer { port, end })
    }

    /// Whether a request is meant for this machine: a page elsewhere whose name leads here sends its own.
    fn is_host(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(HOST).iter();
        let (Some(host), None) = (given.next().and_then(|host| host.to_str().ok()), given.next()) else { return false };
        let Ok(authority) = Authority::try_from(host) else { return false };
        if host.contains('@') {
            return false;
        }
        let near = matches!(authority.host().to_ascii_lowercase().as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let known = self.0.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let port = authority.port_u16();
        let same = |(name, usual): &(String, Option<u16>)| {
            // A proxy may name the port that its scheme has anyway.
            let port = port.filter(|port| usual.is_some() || !matches!(port, 80 | 443));
            name.eq_ignore_ascii_case(authority.host()) && *usual == port
        };
        near || known.iter().any(same)
    }

    fn site(&self, name: &str) -> Option<(SiteName, Arc<Contents>)> {
        let name: SiteName = name.parse().ok()?;
        let contents = self.contents(&name)?;
        Some((name, contents))
    }
}

/// Takes connections until the end. Whoever holds one without asking anything is let go, and no more are held than the
/// process can spare: the engine writes its log with the same descriptors.
async fn accept(listener: tokio::net::TcpListener, app: Router, end: CancellationToken) {
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let taken = async {
            let place = Arc::clone(&free).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            taken = taken => match taken {
                Some(taken) => taken,
                None => return,
            },
            () = end.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, most likely, which passes.
                tracing::debug!(%error, "a connection to the deployed sites was not taken");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        // Head and body are sent apart; without this the second waits for the other side's word, 40 ms long.
        let _ = stream.set_nodelay(true);
        let (app, end) = (app.clone(), end.clone());
        tokio::spawn(async move {
            let _place = place;
            let service =
                service_fn(move |request: hyper::Request<Incoming>| app.clone().oneshot(request.map(Body::new)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(SLOWEST)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // Broken off, as browsers do.
                _ = connection => {}
                () = end.cancelled() => {}
            }
        });
    }
}

/// What is worth being packed: texts that are not small.
#[derive(Debug, Clone, Copy)]
struct Texts;

impl Predicate for Texts {
    fn should_compress<B: HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let text =
            kind.starts_with("text/") || ["json", "javascript", "xml", "wasm"].iter().any(|word| kind.ends_with(word));
        text && SizeAbove::default().should_compress(response)
    }
}

/// What is packed on its way is not byte for byte what the tag names (RFC 9110, section 8.8.3.3).
async fn weakened(mut response: Response) -> Response {
    let packed = response.headers().contains_key(CONTENT_ENCODING);
    if packed
        && let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok())
        && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
    {
        response.headers_mut().insert(ETAG, weak);
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// A path as logs may hold it: the token of a site, be it one of before, is nobody's to read.
fn without_token(path: &str) -> String {
    let whole = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = whole.split_once('/').unwrap_or((whole, ""));
    match first.parse::<SiteName>() {
        Ok(name) => format!("/{}-.../{rest}", name.id()),
        Err(_) => path.to_owned(),
    }
}

async fn answer(State(preview): State<Preview>, request: Request) -> Result<Response, Infallible> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut access = SiteRequest { site: None, method: method.to_string(), path: without_token(&path), status: 0 };
    let mut response = answered(&preview, request, &path, &mut access).await;
    access.status = response.status().as_u16();
    preview.0.log.add(access);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address holds what nobody may guess.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Nor may pages elsewhere load or frame what lies here, should they know it.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'self'"));
    Ok(response)
}

/// What is answered, without a word in the log.
pub(super) async fn answered(preview: &Preview, request: Request, path: &str, access: &mut SiteRequest) -> Response {
    if !preview.is_host(request.headers()) {
        let words = "this host is not served here; workspace.preview_base_url names the one of a proxy\n";
        return plain(StatusCode::MISDIRECTED_REQUEST, words);
    }
    if path.len() > LONGEST {
        return plain(StatusCode::URI_TOO_LONG, "the address is too long\n");
    }
    let whole = path.strip_prefix('/').unwrap_or(path);
    let (name, rest) = whole.split_once('/').map_or((whole, None), |(name, rest)| (name, Some(rest)));
    let Some((name, contents)) = preview.site(name) else {
        return plain(StatusCode::NOT_FOUND, "there is no such site\n");
    };
    access.site = Some(name.id().to_owned());
    access.path = format!("/{}", rest.unwrap_or_default());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    // The site itself without its slash, as people type it.
    let query = request.uri().query().map(ToOwned::to_owned);
    let Some(rest) = rest else { return redirect(&name.to_string(), query.as_deref()) };
    let Ok(decoded) = percent_decode_str(rest).decode_utf8() else {
        return missing(&contents, request).await;
    };
    match contents.find(&decoded) {
        Found::File(file, served) => send(&contents, file, served, request).await,
        Found::Folder => redirect(rest.rsplit('/').next().unwrap_or_default(), query.as_deref()),
        Found::Nothing => missing(&contents, request).await,
    }
}

/// Sends a file, whole or a part of it (RFC 9110, sections 13 and 14).
async fn send(contents: &Contents, name: &str, served: &Served, mut request: Request) -> Response {
    let headers = request.headers_mut();
    let matches = |value: &HeaderValue| {
        let tags = value.to_str().unwrap_or_default();
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == served.tag)
    };
    if headers.get_all(IF_NONE_MATCH).iter().any(matches) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        tagged(&mut response, served);
        return response;
    }
    if headers.contains_key(IF_MATCH) && !headers.get_all(IF_MATCH).iter().any(matches) {
        return plain(StatusCode::PRECONDITION_FAILED, "the file is another one by now\n");
    }
    // A part of what was is no part of what is.
    if headers.get(IF_RANGE).is_some_and(|value| value.as_bytes() != served.tag.as_bytes()) {
        headers.remove(RANGE);
    }
    // Several parts at once need not be answered as such.
    if headers.get(RANGE).is_some_and(|value| value.as_bytes().contains(&b',')) {
        headers.remove(RANGE);
    }
    // Times of the copy say nothing of the content; the tags do.
    for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE] {
        headers.remove(name);
    }
    let sent = ServeFile::new(contents.folder().join(name)).oneshot(request).await;
    let mut response = match sent {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        return plain(StatusCode::NOT_FOUND, "the copy of this file is gone; load the page again\n");
    }
    tagged(&mut response, served);
    response
}

fn tagged(response: &mut Response, served: &Served) {
    let headers = response.headers_mut();
    headers.remove(LAST_MODIFIED);
    if let Ok(tag) = HeaderValue::try_from(&served.tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Browsers guess otherwise.
    let text = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = text.starts_with("text/") || matches!(text, "application/javascript" | "application/json");
    if is_text && served.utf8 && !text.contains("charset") {
        let with = format!("{text}; charset=utf-8");
        if let Ok(with) = HeaderValue::try_from(with) {
            headers.insert(CONTENT_TYPE, with);
        }
    }
}

/// The site's own page for what is not there, or a line.
async fn missing(contents: &Contents, mut request: Request) -> Response {
    if let Found::File(name, served) = contents.find("404.html") {
        request.headers_mut().clear();
        let mut response = send(contents, name, served, request).await;
        response.headers_mut().remove(ETAG);
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    plain(StatusCode::NOT_FOUND, "this site has no such page\n")
}

/// To the same name with a slash behind it.
fn redirect(name: &str, query: Option<&str>) -> Response {
    let mut response = plain(StatusCode::PERMANENT_REDIRECT, "");
    // Relative to what was asked for, so that it holds behind any proxy.
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(place) = HeaderValue::try_from(format!("./{name}/{query}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
