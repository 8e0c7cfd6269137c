//! HTTP to one endpoint: the client made on first use, the key, addresses, and errors in words.
//!
//! The key goes out in one header, to the endpoint's own origin only: no redirect to another one is followed, and a
//! key that a server echoes is removed from every text.

use std::error::Error as _;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::multipart::Form;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::Timing;
use super::fault::{excerpt, refusal};
use crate::config::schema::Endpoint;
use crate::model::ModelError;
use crate::support::retry_after::asked_wait;
use crate::support::secret::Redactor;

/// The longest reply.
pub(super) const LONGEST_REPLY: usize = 64 << 20;
/// How much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 << 10;
/// How many redirects inside the endpoint's origin are followed.
const MOST_REDIRECTS: usize = 3;

/// A failed request, and how long the server wants the next one to wait.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: ModelError,
    pub asked: Option<Duration>,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self { error, asked: None }
    }
}

/// One endpoint as HTTP sees it.
pub(super) struct Connection {
    base: Url,
    key: Option<HeaderValue>,
    redactor: Redactor,
    timing: Timing,
    client: Arc<OnceLock<Result<Client, String>>>,
}

impl Connection {
    /// Checks address and key; connects nothing.
    pub(super) fn new(endpoint: &Endpoint, timing: Timing) -> Result<Self, ModelError> {
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
        // People paste the whole address from the documentation.
        let known = ["/chat/completions", "/audio/transcriptions"];
        let path = known.iter().find_map(|operation| path.strip_suffix(operation)).unwrap_or(path).to_owned();
        base.set_path(&path);
        base.set_fragment(None);
        let key = match endpoint.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty()) {
            None => None,
            Some(key) => {
                let mut header = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                    wrong("api_key", "holds characters that no key has (a line break or control character)".to_owned())
                })?;
                header.set_sensitive(true);
                Some(header)
            }
        };
        let redactor = Redactor::new(endpoint.api_key.clone());
        Ok(Self { base, key, redactor, timing, client: Arc::default() })
    }

    /// Waiting times.
    pub(super) fn timing(&self) -> Timing {
        self.timing
    }

    pub(super) fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// The address of an operation.
    fn url(&self, operation: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{operation}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The same for people: without the query, which may hold secrets.
    pub(super) fn shown_url(&self, operation: &str) -> String {
        let mut url = self.url(operation);
        url.set_query(None);
        url.to_string()
    }

    /// A text without the key.
    pub(super) fn clean(&self, text: impl Display) -> String {
        self.redactor.redact(&text.to_string()).into_owned()
    }

    /// Sends a chat request and waits for the head of a good answer.
    pub(super) async fn post(
        &self,
        operation: &'static str,
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
    pub(super) async fn post_form(
        &self,
        operation: &'static str,
        form: Form,
        silence: Duration,
    ) -> Result<Response, Failure> {
        let client = self.client().await?;
        let request = client.post(self.url(operation)).header(ACCEPT, "application/json").multipart(form);
        self.send(operation, request, silence).await
    }

    /// Fetches a whole body.
    pub(super) async fn get(&self, operation: &'static str) -> Result<Vec<u8>, ModelError> {
        let client = self.client().await?;
        let request = client.get(self.url(operation)).header(ACCEPT, "application/json");
        let response = self.send(operation, request, self.timing.idle).await.map_err(|failure| failure.error)?;
        self.body(operation, response).await
    }

    /// The whole body of a good answer.
    pub(super) async fn body(&self, operation: &'static str, mut response: Response) -> Result<Vec<u8>, ModelError> {
        let mut body = Vec::new();
        loop {
            match tokio::time::timeout(self.timing.idle, response.chunk()).await {
                Err(_) => return Err(self.idle(operation, self.timing.idle)),
                Ok(Err(error)) => return Err(self.broken(operation, &error)),
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            }
            if body.len() > LONGEST_REPLY {
                return Err(ModelError::TooLong { url: self.shown_url(operation), limit: LONGEST_REPLY });
            }
        }
    }

    async fn send(
        &self,
        operation: &'static str,
        mut request: reqwest::RequestBuilder,
        silence: Duration,
    ) -> Result<Response, Failure> {
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        // The client itself limits the time for a connection.
        let limit = self.timing.connect.saturating_add(silence);
        let response = match tokio::time::timeout(limit, request.send()).await {
            Err(_) => return Err(self.idle(operation, silence).into()),
            Ok(Err(error)) if error.is_connect() => return Err(self.no_connection(operation, &error).into()),
            Ok(Err(error)) => return Err(self.broken(operation, &error).into()),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        if let (true, Some(target)) = (status.is_redirection(), header(LOCATION.as_str())) {
            let mut target = self.url(operation).join(&target).map_or(target, |url| url.to_string());
            target.truncate(target.find(['?', '#']).unwrap_or(target.len()));
            return Err(ModelError::Redirected { url: self.shown_url(operation), target: self.clean(target) }.into());
        }
        let asked = asked_wait(header, Timestamp::now());
        let (message, code) = refusal(&self.refusal_body(response).await);
        let (url, status) = (self.shown_url(operation), status.as_u16());
        Err(Failure { error: ModelError::Status { url, status, message: self.clean(message), code }, asked })
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
        let reason = if error.is_timeout() {
            format!("no answer within {} s", self.timing.connect.as_secs_f32())
        } else {
            deepest(error)
        };
        let passing = !reason.contains("certificate");
        ModelError::Connect { url: self.shown_url(operation), reason: self.clean(reason), passing }
    }

    /// The connection broke.
    pub(super) fn broken(&self, operation: &str, error: &reqwest::Error) -> ModelError {
        self.broken_because(operation, &deepest(error))
    }

    /// The reply broke off, in other ways than an error of the connection.
    pub(super) fn broken_because(&self, operation: &str, reason: &str) -> ModelError {
        ModelError::Broken { url: self.shown_url(operation), reason: self.clean(reason) }
    }

    /// Nothing came for too long.
    pub(super) fn idle(&self, operation: &str, after: Duration) -> ModelError {
        ModelError::Idle { url: self.shown_url(operation), after }
    }

    /// What came is not the protocol's.
    pub(super) fn not_understood(&self, operation: &str, expected: &'static str, text: &str) -> ModelError {
        ModelError::NotUnderstood { url: self.shown_url(operation), expected, excerpt: self.clean(excerpt(text)) }
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
fn deepest(error: &reqwest::Error) -> String {
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
