//! HTTP to one endpoint: the client made on first use, the key, addresses, and errors in words.
//!
//! The key goes out in one header, to the endpoint's own origin only: no redirect to another one is followed, and a
//! key that a server echoes is removed from every text.

use std::error::Error as _;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};

use super::Timing;
use super::fault::{excerpt, refusal};
use crate::config::schema::Endpoint;
use crate::model::ModelError;
use crate::support::retry_after::asked_wait;
use crate::support::secret::Redactor;

/// The longest reply.
pub(in crate::model) const LONGEST_REPLY: usize = 64 << 20;
/// How much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 << 10;
/// How many redirects inside the endpoint's origin are followed.
const MOST_REDIRECTS: usize = 3;

/// A failed request, and how long the server wants the next one to wait.
#[derive(Debug)]
pub(in crate::model) struct Failure {
    pub error: ModelError,
    pub asked: Option<Duration>,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self { error, asked: None }
    }
}

/// How a key goes out: in which header, and after which words.
pub(in crate::model) type KeyHeader = (HeaderName, &'static str);

/// As nearly everybody wants it.
const BEARER: KeyHeader = (AUTHORIZATION, "Bearer ");
/// Operations that people paste with the base URL, because documentations show whole addresses.
const OPERATIONS: [&str; 5] =
    ["/chat/completions", "/audio/transcriptions", "/images/generations", "/audio/speech", "/sound-generation"];

/// One endpoint as HTTP sees it.
pub(in crate::model) struct Connection {
    base: Url,
    key: Option<(HeaderName, HeaderValue)>,
    redactor: Redactor,
    timing: Timing,
    client: Arc<OnceLock<Result<Client, String>>>,
}

impl Connection {
    /// Checks address and key; connects nothing.
    pub(in crate::model) fn new(endpoint: &Endpoint, timing: Timing) -> Result<Self, ModelError> {
        Self::keyed(endpoint, timing, BEARER)
    }

    /// The same with the key in another header.
    pub(in crate::model) fn keyed(
        endpoint: &Endpoint,
        timing: Timing,
        (header, before): KeyHeader,
    ) -> Result<Self, ModelError> {
        let wrong = |field, problem: String| ModelError::Configuration { field, problem };
        let mut base = Url::parse(endpoint.base_url.trim())
            .map_err(|error| wrong("base_url", format!("is not a URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("base_url", "must begin with http:// or https://".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("base_url", "must not hold a user name or password; use api_key".to_owned()));
        }
        let path = base.path().trim_end_matches('/');
        let path = OPERATIONS.iter().find_map(|operation| path.strip_suffix(operation)).unwrap_or(path).to_owned();
        base.set_path(&path);
        base.set_fragment(None);
        let key = match endpoint.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty()) {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::from_str(&format!("{before}{key}")).map_err(|_| {
                    wrong("api_key", "holds characters that no key has (a line break or control character)".to_owned())
                })?;
                value.set_sensitive(true);
                Some((header, value))
            }
        };
        let redactor = Redactor::new(endpoint.api_key.clone());
        Ok(Self { base, key, redactor, timing, client: Arc::default() })
    }

    /// Waiting times.
    pub(in crate::model) fn timing(&self) -> Timing {
        self.timing
    }

    pub(in crate::model) fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// The address of an operation, which may have a query of its own.
    fn url(&self, operation: &str) -> Url {
        let (path, query) = operation.split_once('?').unwrap_or((operation, ""));
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            let before = url.query().map(|query| format!("{query}&")).unwrap_or_default();
            url.set_query(Some(&format!("{before}{query}")));
        }
        url
    }

    /// The base URL.
    pub(in crate::model) fn base(&self) -> &Url {
        &self.base
    }

    /// Adds the key to a request to this address if it is one of the endpoint's own origin.
    pub(in crate::model) fn authorized(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match &self.key {
            Some((header, value)) if url.origin() == self.base.origin() => {
                request.header(header.clone(), value.clone())
            }
            _ => request,
        }
    }

    /// The same for people: without the query, which may hold secrets.
    pub(in crate::model) fn shown_url(&self, operation: &str) -> String {
        let mut url = self.url(operation);
        url.set_query(None);
        url.to_string()
    }

    /// A text without the key.
    pub(in crate::model) fn clean(&self, text: impl Display) -> String {
        self.redactor.redact(&text.to_string()).into_owned()
    }

    /// Sends a chat request and waits for the head of a good answer.
    pub(in crate::model) async fn post(
        &self,
        operation: &str,
        body: Vec<u8>,
        accept: &'static str,
        silence: Duration,
    ) -> Result<Response, Failure> {
        let client = self.client().await?;
        let request = client.post(self.url(operation)).header(CONTENT_TYPE, "application/json");
        // Compressed streams arrive in lumps.
        let request = request.header(ACCEPT, accept).header(ACCEPT_ENCODING, "identity").body(body);
        self.send(operation, request, silence).await
    }

    /// Sends a form with a file and waits for the head of a good answer.
    pub(in crate::model) async fn post_form(
        &self,
        operation: &str,
        form: Form,
        silence: Duration,
    ) -> Result<Response, Failure> {
        let client = self.client().await?;
        let request = client.post(self.url(operation)).header(ACCEPT, "application/json").multipart(form);
        self.send(operation, request, silence).await
    }

    /// Fetches a whole body.
    pub(in crate::model) async fn get(&self, operation: &str) -> Result<Vec<u8>, Failure> {
        self.get_within(operation, LONGEST_REPLY).await
    }

    /// The same with a limit of its own.
    pub(in crate::model) async fn get_within(&self, operation: &str, limit: usize) -> Result<Vec<u8>, Failure> {
        let client = self.client().await?;
        let request = client.get(self.url(operation)).header(ACCEPT, "application/json");
        let idle = self.timing.idle;
        let response = self.send(operation, request, idle).await?;
        Ok(self.body_within(&self.shown_url(operation), response, limit, idle, |_| {}).await?)
    }

    /// The whole body of a good answer.
    pub(in crate::model) async fn body(&self, operation: &str, response: Response) -> Result<Vec<u8>, ModelError> {
        self.body_within(&self.shown_url(operation), response, LONGEST_REPLY, self.timing.idle, |_| {}).await
    }

    /// The same of any address, with a limit of its own. Some send the head at once and begin to work then, so the first
    /// bytes have their own time; `came` hears how many there are.
    pub(in crate::model) async fn body_within(
        &self,
        shown: &str,
        mut response: Response,
        limit: usize,
        first: Duration,
        mut came: impl FnMut(usize) + Send,
    ) -> Result<Vec<u8>, ModelError> {
        let url = || shown.to_owned();
        let mut body = Vec::new();
        loop {
            let silence = if body.is_empty() { first } else { self.timing.idle };
            match tokio::time::timeout(silence, response.chunk()).await {
                Err(_) => return Err(ModelError::Idle { url: url(), after: silence }),
                Ok(Err(error)) => {
                    return Err(ModelError::Broken { url: url(), reason: self.clean(deepest(&error)) });
                }
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            }
            if body.len() > limit {
                return Err(ModelError::TooLong { url: url(), limit });
            }
            came(body.len());
        }
    }

    async fn send(&self, operation: &str, request: RequestBuilder, silence: Duration) -> Result<Response, Failure> {
        let request = self.authorized(request, &self.base);
        // The client itself limits the time for a connection.
        let limit = self.timing.connect.saturating_add(silence);
        let response = match tokio::time::timeout(limit, request.send()).await {
            Err(_) => return Err(self.idle(operation, silence).into()),
            Ok(Err(error)) if error.is_connect() => return Err(self.no_connection(operation, &error).into()),
            Ok(Err(error)) => return Err(self.broken(operation, &error).into()),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        if let (true, Some(target)) = (status.is_redirection(), header(LOCATION.as_str())) {
            let mut target = self.url(operation).join(&target).map_or(target, |url| url.to_string());
            target.truncate(target.find(['?', '#']).unwrap_or(target.len()));
            return Err(ModelError::Redirected { url: self.shown_url(operation), target: self.clean(target) }.into());
        }
        self.succeeded(self.shown_url(operation), response).await
    }

    /// An answer that is none of success as the error that it is.
    pub(in crate::model) async fn succeeded(&self, url: String, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let asked = asked_wait(header, Timestamp::now());
        let (message, code) = refusal(&self.refusal_body(response).await);
        let (status, message) = (status.as_u16(), self.clean(message));
        let code = code.map(|code| self.clean(code));
        Err(Failure { error: ModelError::Status { url, status, message, code }, asked })
    }

    /// As much of a refusal as comes in good time; a part of it is better than nothing.
    async fn refusal_body(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        let limit = self.timing.idle.min(Duration::from_secs(10));
        while let Ok(Ok(Some(bytes))) = tokio::time::timeout(limit, response.chunk()).await {
            body.extend_from_slice(&bytes);
            if body.len() >= LONGEST_REFUSAL {
                body.truncate(LONGEST_REFUSAL);
                break;
            }
        }
        body
    }

    /// The HTTP client, made on first use and off the runtime's threads: loading trust roots takes a while.
    async fn client(&self) -> Result<Client, ModelError> {
        let made = if let Some(made) = self.client.get() {
            made.clone()
        } else {
            let (cell, base, connect) = (Arc::clone(&self.client), self.base.clone(), self.timing.connect);
            let made = tokio::task::spawn_blocking(move || cell.get_or_init(|| build(&base, connect)).clone());
            made.await.unwrap_or_else(|error| Err(error.to_string()))
        };
        made.map_err(|problem| ModelError::Configuration { field: "base_url", problem: self.clean(problem) })
    }

    fn no_connection(&self, operation: &str, error: &reqwest::Error) -> ModelError {
        self.not_connected(self.shown_url(operation), error)
    }

    /// No connection to an address.
    pub(in crate::model) fn not_connected(&self, url: String, error: &reqwest::Error) -> ModelError {
        let reason = if error.is_timeout() {
            format!("no answer within {} s", self.timing.connect.as_secs_f32())
        } else {
            deepest(error)
        };
        let passing = !reason.contains("certificate");
        ModelError::Connect { url, reason: self.clean(reason), passing }
    }

    /// The connection broke.
    pub(in crate::model) fn broken(&self, operation: &str, error: &reqwest::Error) -> ModelError {
        self.broken_because(operation, &deepest(error))
    }

    /// The reply broke off, in other ways than an error of the connection.
    pub(in crate::model) fn broken_because(&self, operation: &str, reason: &str) -> ModelError {
        ModelError::Broken { url: self.shown_url(operation), reason: self.clean(reason) }
    }

    /// Nothing came for too long.
    pub(in crate::model) fn idle(&self, operation: &str, after: Duration) -> ModelError {
        ModelError::Idle { url: self.shown_url(operation), after }
    }

    /// What came is not the protocol's.
    pub(in crate::model) fn not_understood(&self, operation: &str, expected: &'static str, text: &str) -> ModelError {
        self.not_understood_from(self.shown_url(operation), expected, text)
    }

    /// The same of any address.
    pub(in crate::model) fn not_understood_from(&self, url: String, expected: &'static str, text: &str) -> ModelError {
        ModelError::NotUnderstood { url, expected, excerpt: self.clean(excerpt(text)) }
    }
}

fn build(base: &Url, connect: Duration) -> Result<Client, String> {
    // reqwest takes the process-wide provider; where another part was faster, that one serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = Client::builder()
        .user_agent(concat!("okcvm/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .redirect(redirect::Policy::custom(same_origin));
    if is_loopback(base) {
        builder = builder.no_proxy();
        if base.scheme() == "http" {
            // No TLS ever: no trust roots to load.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build().map_err(|error| format!("cannot be used: {}", deepest(&error)))
}

/// Follows a redirect that keeps method, body and origin; the answer itself is returned for any other.
fn same_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps_method = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if keeps_method && same && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Whether the host is this machine.
pub(in crate::model) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The innermost cause: the outer ones only say that a request failed.
pub(in crate::model) fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.source().is_none() { "the request failed".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::secret::Secret;

    fn endpoint(base_url: &str, key: Option<&str>) -> Endpoint {
        Endpoint {
            model: "m".to_owned(),
            base_url: base_url.to_owned(),
            api_key: key.map(Secret::new),
            supports_streaming: true,
            connect_timeout_secs: 1,
            idle_timeout_secs: 1,
            max_retries: 0,
            context_window: None,
            vision: false,
        }
    }

    fn connection(base_url: &str, key: Option<&str>) -> Result<Connection, ModelError> {
        Connection::new(&endpoint(base_url, key), Timing::quick())
    }

    #[test]
    fn an_operation_is_added_to_the_base_url_however_it_ends() {
        for base in [
            "https://api.example.com/v1",
            " https://api.example.com/v1/ ",
            "https://api.example.com/v1/chat/completions",
        ] {
            let connection = connection(base, None).expect("connection");
            assert_eq!(connection.url("chat/completions").as_str(), "https://api.example.com/v1/chat/completions");
        }
        let connection = connection("https://h/openai?api-version=7", None).expect("connection");
        assert_eq!(connection.url("models").as_str(), "https://h/openai/models?api-version=7");
        assert_eq!(connection.shown_url("models"), "https://h/openai/models");
        assert_eq!(connection.url("a/b?c=d").as_str(), "https://h/openai/a/b?api-version=7&c=d");
        assert_eq!(connection.shown_url("a/b?c=d"), "https://h/openai/a/b");
    }

    #[test]
    fn what_can_never_work_is_refused_at_once_and_without_the_key() {
        for (base, key) in [
            ("api.example.com/v1", None),
            ("ftp://api.example.com", None),
            ("https://user:pw@api.example.com/v1", None),
            ("https://api.example.com/v1", Some("sk-secret\nsecond line")),
        ] {
            let error = connection(base, key).err().expect("an error");
            assert!(matches!(error, ModelError::Configuration { .. }), "{base}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("sk-secret") && !shown.contains("pw"), "{shown}");
        }
    }

    #[test]
    fn loopback_is_known_by_every_name() {
        for url in
            ["http://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80/v1", "http://[::1]:8", "http://a.localhost"]
        {
            assert!(is_loopback(&Url::parse(url).expect("url")), "{url}");
        }
        for url in ["http://localhost.example.com", "http://10.0.0.1", "http://[::2]"] {
            assert!(!is_loopback(&Url::parse(url).expect("url")), "{url}");
        }
    }
}
