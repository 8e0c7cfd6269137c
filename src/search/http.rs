//! Requests to a provider: with limits, without redirects to others, and with errors in words. The key goes into one
//! header and into nothing else.

mod limits;
mod redirect;
mod request;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, REFERER};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use super::SearchError;
use crate::support::secret::{Redactor, Secret};
use crate::support::{sanitize, truncate};

pub(super) use request::{Answer, Body, Request};

/// For a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// For a whole answer, redirects included.
const ANSWER: Duration = Duration::from_secs(25);
/// Bytes of an answer.
const MOST: usize = 8 << 20;
/// Redirects that are followed, all to the same server.
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
        SearchError::Failed { provider: self.provider, why: self.told(&why.to_string(), 2 * MOST_WORDS) }
    }

    /// Words of others, in one line. The key is looked for before they are cut, which could cut it too.
    fn told(&self, words: &str, most: usize) -> String {
        let line = sanitize::line(words.trim());
        truncate::prefix(&self.redactor.redact(&line), most).to_owned()
    }

    async fn client(&self) -> Result<Client, SearchError> {
        let cell = Arc::clone(&self.client);
        // TLS roots take a while.
        let made = tokio::task::spawn_blocking(move || {
            cell.get_or_init(|| {
                // Only the first in this process is kept, and all are the same.
                drop(rustls::crypto::ring::default_provider().install_default());
                Client::builder()
                    .connect_timeout(CONNECT)
                    .redirect(reqwest::redirect::Policy::none())
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
        let answer = tokio::time::timeout(ANSWER, self.redirected(&client, &request)).await;
        answer.map_err(|_| self.failed(format!("nothing came within {} s", ANSWER.as_secs())))?
    }

    async fn redirected(&self, client: &Client, request: &Request) -> Result<Answer, SearchError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.once(client, url, request).await?;
            match redirect::followed(&answer, &request.method) {
                Some(next) => url = next,
                None => return Ok(answer),
            }
        }
        Err(self.failed(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    async fn once(&self, client: &Client, url: Url, request: &Request) -> Result<Answer, SearchError> {
        let mut sent = client.request(request.method.clone(), url.clone()).header("Accept", request.accept);
        if request.from_own_page {
            sent = sent.header(REFERER, format!("{}/", url.origin().ascii_serialization()));
        }
        if let (Some((header, before)), Some(key)) = (request.key, &self.key) {
            let value = HeaderValue::from_str(&format!("{before}{}", key.expose()));
            let mut value = value.map_err(|_| SearchError::Refused {
                provider: self.provider,
                why: "search.api_key holds characters that no key has".to_owned(),
            })?;
            value.set_sensitive(true);
            sent = sent.header(HeaderName::from_static(header), value);
        }
        sent = match &request.body {
            None => sent,
            Some(Body::Json(body)) => sent.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            Some(Body::Form(fields)) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields);
                sent.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish())
            }
        };
        let mut answer = sent.send().await.map_err(|error| {
            let what = words(&error);
            let server = url.origin().ascii_serialization();
            self.failed(if error.is_connect() { format!("no connection to {server}: {what}") } else { what })
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.failed(words(&error)))? {
            if body.len() + part.len() > MOST {
                return Err(self.failed(format!("it sent more than {} MiB", MOST >> 20)));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, headers, body, url, takes_key: request.key.is_some() })
    }

    /// Sends a request and reads JSON; what is no success is an error.
    pub(super) async fn json(&self, request: Request) -> Result<Value, SearchError> {
        self.read(&self.send(request).await?)
    }

    /// The JSON of an answer; what is no success is an error.
    pub(super) fn read(&self, answer: &Answer) -> Result<Value, SearchError> {
        self.succeeded(answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let text = String::from_utf8_lossy(&answer.body);
            let is_html = text.trim_start().starts_with('<');
            self.failed(if is_html {
                "it sent a web page in place of JSON; is search.base_url right?".to_owned()
            } else {
                format!("its answer is no JSON: {error}")
            })
        })
    }

    /// Whether an answer is one.
    pub(super) fn succeeded(&self, answer: &Answer) -> Result<(), SearchError> {
        let (provider, status) = (self.provider, answer.status);
        if status.is_success() {
            return Ok(());
        }
        let why = match self.said(answer) {
            said if said.is_empty() => format!("status {status}"),
            said => format!("status {status}: {said}"),
        };
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => self.limited(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if answer.takes_key && self.key.is_none() => {
                let why = format!("{why}; it may need a key: set search.api_key or search.api_key_env");
                SearchError::Refused { provider, why }
            }
            _ if status.is_client_error() => SearchError::Refused { provider, why },
            _ => match redirect::target(answer) {
                Some(mut target) => {
                    // A query of its own may hold what was searched for.
                    target.set_query(None);
                    target.set_fragment(None);
                    self.failed(format!("{why}; it sends to {target}, and search.base_url may name that address"))
                }
                None => self.failed(why),
            },
        })
    }

    /// An answer that says that there were too many requests.
    pub(super) fn limited(&self, answer: &Answer) -> SearchError {
        let (provider, after) = (self.provider, limits::wait(&answer.headers));
        SearchError::Limited { provider, after, said: self.said(answer) }
    }

    /// What a refusal says, in one line.
    fn said(&self, answer: &Answer) -> String {
        let body = &answer.body;
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
        self.told(&text, MOST_WORDS)
    }
}

fn words(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    if error.is_timeout() {
        return format!("nothing within {} s", CONNECT.as_secs());
    }
    // The outer words repeat the address, whose query may be private; the innermost say what happened.
    let mut inner = error.source();
    let mut text = "the request failed".to_owned();
    while let Some(cause) = inner {
        text = cause.to_string();
        inner = cause.source();
    }
    text
}
