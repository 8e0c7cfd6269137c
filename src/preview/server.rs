//! The server: one listener for all sites of a session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, uri::Authority};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;
use tower_http::services::ServeFile;

use super::access::AccessLog;
use super::contents::{Contents, Found, Served};
use crate::protocol::{Deployment, SiteRequest};

/// Bytes of an address; longer ones are refused.
const LONGEST: usize = 8 << 10;

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
    /// Names of hosts that are this machine's beside the loopback ones, in lower case, with the port where it has one.
    hosts: RwLock<Vec<String>>,
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

    /// Takes requests for another host too, such as that of a proxy before it: `pages.example.com` or `host:8443`.
    pub fn also_known_as(&self, host: &str) {
        self.0.hosts.write().unwrap_or_else(PoisonError::into_inner).push(host.to_ascii_lowercase());
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
        let app = Router::new().fallback(answer).with_state(self.clone()).layer(CompressionLayer::new());
        let ended = end.clone();
        tokio::spawn(async move {
            let served = axum::serve(listener, app);
            tokio::select! {
                outcome = served => if let Err(error) = outcome {
                    tracing::warn!(%error, "the server of deployed sites ended");
                },
                () = ended.cancelled() => {}
            }
        });
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
        near || known.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    fn site(&self, name: &str) -> Option<(SiteName, Arc<Contents>)> {
        let name: SiteName = name.parse().ok()?;
        let contents = self.0.sites.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()?;
        Some((name, contents))
    }
}

async fn answer(State(preview): State<Preview>, request: Request) -> Result<Response, Infallible> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut access = SiteRequest { site: None, method: method.to_string(), path: path.clone(), status: 0 };
    let mut response = answered(&preview, request, &path, &mut access).await;
    access.status = response.status().as_u16();
    preview.0.log.add(access);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address holds what nobody may guess.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// What is answered, without a word in the log.
pub(super) async fn answered(preview: &Preview, request: Request, path: &str, access: &mut SiteRequest) -> Response {
    if !preview.is_host(request.headers()) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n");
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
    let Some(rest) = rest else { return redirect(&name.to_string()) };
    let Ok(decoded) = percent_decode_str(rest).decode_utf8() else {
        return missing(&contents, request).await;
    };
    match contents.find(&decoded) {
        Found::File(file, served) => send(&contents, file, served, request).await,
        Found::Folder => redirect(rest.rsplit('/').next().unwrap_or_default()),
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
        return plain(StatusCode::NOT_FOUND, "the copy of this file is gone; deploy the site again\n");
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
    // Whatever is text here is UTF-8, and browsers guess otherwise.
    let text = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = text.starts_with("text/") || matches!(text, "application/javascript" | "application/json");
    if is_text && !text.contains("charset") {
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
fn redirect(name: &str) -> Response {
    let mut response = plain(StatusCode::PERMANENT_REDIRECT, "");
    // Relative to what was asked for, so that it holds behind any proxy.
    if let Ok(place) = HeaderValue::try_from(format!("./{name}/")) {
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
