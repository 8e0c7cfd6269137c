//! Requests to a provider: with limits, without redirects to others, and with errors in words. The key goes into one
//! header and into nothing else.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use serde_json::Value;

use super::SearchError;
use crate::support::secret::{Redactor, Secret};
use crate::support::{sanitize, truncate};

/// For a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(25);
/// Bytes of an answer.
const MOST: usize = 8 << 20;
/// Redirects that are followed, all to the same host.
const MOST_REDIRECTS: usize = 4;
/// Characters of a provider's own words that are told.
const MOST_WORDS: usize = 200;

/// A provider as HTTP sees it.
pub(super) struct Connection {
    pub(super) provider: &'static str,
    base: Url,
    key: Option<Secret>,
    redactor: Redactor,
    client: Arc<OnceLock<Result<Client, String>>>,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A request that is being made.
pub(super) struct Request {
    pub(super) method: Method,
    /// Below the base.
    pub(super) path: &'static str,
    pub(super) query: Vec<(&'static str, String)>,
    /// The header that carries the key, and what stands before it.
    pub(super) key: Option<(&'static str, &'static str)>,
    pub(super) body: Option<Body>,
    pub(super) accept: &'static str,
}

/// What a request carries.
pub(super) enum Body {
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

impl Request {
    /// Fetches JSON.
    pub(super) fn get(path: &'static str, query: Vec<(&'static str, String)>) -> Self {
        Self { method: Method::GET, path, query, key: None, body: None, accept: "application/json" }
    }

    /// Sends JSON and wants some back.
    pub(super) fn post(path: &'static str, body: Value) -> Self {
        let body = Some(Body::Json(body));
        Self { method: Method::POST, path, query: Vec::new(), key: None, body, accept: "application/json" }
    }

    /// With the key in this header, after these words.
    pub(super) fn with_key(self, header: &'static str, before: &'static str) -> Self {
        Self { key: Some((header, before)), ..self }
    }
}

impl Connection {
    /// Checks the address; connects nothing.
    pub(super) fn new(provider: &'static str, base: &str, key: Option<&Secret>) -> Result<Self, SearchError> {
        let refused = |why: String| SearchError::Refused { provider, why };
        let base = Url::parse(base.trim()).map_err(|error| refused(format!("search.base_url is no URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(refused("search.base_url must begin with http:// or https://".to_owned()));
        }
        let redactor = Redactor::new(key.cloned());
        Ok(Self { provider, base, key: key.cloned(), redactor, client: Arc::default() })
    }

    /// The same provider once more.
    pub(super) fn again(&self) -> Result<Self, SearchError> {
        Self::new(self.provider, self.base.as_str(), self.key.as_ref())
    }

    fn failed(&self, why: impl std::fmt::Display) -> SearchError {
        let why = self.redactor.redact(&why.to_string()).into_owned();
        SearchError::Failed { provider: self.provider, why: sanitize::line(truncate::prefix(&why, 2 * MOST_WORDS)) }
    }

    async fn client(&self) -> Result<Client, SearchError> {
        let cell = Arc::clone(&self.client);
        // TLS roots take a while.
        let made = tokio::task::spawn_blocking(move || {
            cell.get_or_init(|| {
                // Only the first in this process is kept, and all are the same.
                drop(rustls::crypto::ring::default_provider().install_default());
                let same_host = redirect::Policy::custom(|attempt| {
                    let same =
                        attempt.previous().first().is_some_and(|first| first.host_str() == attempt.url().host_str());
                    if same && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
                });
                Client::builder()
                    .connect_timeout(CONNECT)
                    .timeout(ANSWER)
                    .redirect(same_host)
                    .user_agent(concat!("okcvm/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .map_err(|error| error.to_string())
            })
            .clone()
        });
        made.await.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, SearchError> {
        let client = self.client().await?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut sent = client.request(request.method, url).header("Accept", request.accept);
        if let (Some((header, before)), Some(key)) = (request.key, &self.key) {
            let value = HeaderValue::from_str(&format!("{before}{}", key.expose()));
            let mut value = value.map_err(|_| SearchError::Refused {
                provider: self.provider,
                why: "search.api_key holds characters that no key has".to_owned(),
            })?;
            value.set_sensitive(true);
            sent = sent.header(HeaderName::from_static(header), value);
        }
        sent = match request.body {
            None => sent,
            Some(Body::Json(body)) => sent.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            Some(Body::Form(fields)) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(&fields);
                sent.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish())
            }
        };
        let mut answer = sent.send().await.map_err(|error| self.failed(words(&error)))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.failed(words(&error)))? {
            if body.len() + part.len() > MOST {
                return Err(self.failed(format!("it sent more than {} MiB", MOST >> 20)));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, headers, body })
    }

    /// Sends a request and reads JSON; what is no success is an error.
    pub(super) async fn json(&self, request: Request) -> Result<Value, SearchError> {
        let answer = self.send(request).await?;
        self.succeeded(&answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let text = String::from_utf8_lossy(&answer.body);
            let is_html = text.trim_start().starts_with('<');
            self.failed(if is_html {
                "it sent a web page in place of JSON; is search.base_url right, and is its JSON answer switched on?"
                    .to_owned()
            } else {
                format!("its answer is no JSON: {error}")
            })
        })
    }

    /// Whether an answer is one.
    pub(super) fn succeeded(&self, answer: &Answer) -> Result<(), SearchError> {
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let after = || {
            let seconds = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds))
        };
        let said = said(&answer.body);
        let why = if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") };
        let why = self.redactor.redact(&why).into_owned();
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => SearchError::Limited { provider: self.provider, after: after() },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.key.is_none() => SearchError::Refused {
                provider: self.provider,
                why: format!("{why}; it may need a key: set search.api_key or search.api_key_env"),
            },
            _ if status.is_client_error() => SearchError::Refused { provider: self.provider, why },
            _ => self.failed(why),
        })
    }
}

/// What a refusal says, in one line.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]).into_owned();
    let named = serde_json::from_str::<Value>(&text).ok().and_then(|value| {
        let places = ["/error/message", "/message", "/error", "/detail/error", "/detail", "/error/detail"];
        places.iter().find_map(|place| value.pointer(place)?.as_str().map(ToOwned::to_owned))
    });
    let text = match named {
        Some(named) => named,
        None if text.trim_start().starts_with('<') => String::new(),
        None => text,
    };
    sanitize::line(truncate::prefix(text.trim(), MOST_WORDS))
}

fn words(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    if error.is_timeout() {
        return format!("nothing came within {} s", ANSWER.as_secs());
    }
    // The outer words repeat the address, whose query may be private; the innermost say what happened.
    let mut inner = error.source();
    let mut text = if error.is_connect() { "no connection" } else { "the request failed" }.to_owned();
    while let Some(cause) = inner {
        text = cause.to_string();
        inner = cause.source();
    }
    text
}
