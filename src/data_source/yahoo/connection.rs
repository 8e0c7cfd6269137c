//! Requests to Yahoo Finance. Some of its addresses want a cookie and a word that belongs to it, the crumb: both are fetched
//! once, and once more when they are no longer taken.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE, SET_COOKIE, USER_AGENT};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::data_source::DataError;
use crate::support::{sanitize, truncate};

use super::NAME;

const BASE: &str = "https://query1.finance.yahoo.com";
/// Where the cookie comes from; the page itself is of no use.
const COOKIES: &str = "https://fc.yahoo.com";
/// Programs without such a name are answered with 429 at once.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const MOST: usize = 32 << 20;

pub(super) struct Connection {
    base: String,
    cookies: String,
    client: Arc<OnceLock<Result<Client, String>>>,
    /// What was given to us, as soon as it is needed.
    pass: Mutex<Option<Pass>>,
}

#[derive(Debug, Clone)]
struct Pass {
    cookie: String,
    crumb: String,
}

struct Answer {
    status: StatusCode,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Connection {
    pub(super) fn new(base: Option<&str>) -> Self {
        let whole = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            base: whole(base.unwrap_or(BASE)),
            cookies: whole(base.unwrap_or(COOKIES)),
            client: Arc::default(),
            pass: Mutex::default(),
        }
    }

    /// Fetches JSON. The parts of the path are joined, each but the first as one piece.
    pub(super) async fn json(&self, path: &[&str], query: &[(&str, String)], crumb: bool) -> Result<Value, DataError> {
        let mut url = Url::parse(&self.base).map_err(|error| failed(format!("data.yahoo_base_url: {error}")))?;
        {
            let mut parts =
                url.path_segments_mut().map_err(|()| failed("data.yahoo_base_url has no path".to_owned()))?;
            parts.pop_if_empty();
            let (first, rest) = path.split_first().unwrap_or((&"", &[]));
            parts.extend(first.split('/')).extend(rest);
        }
        url.query_pairs_mut().extend_pairs(query);
        let mut again = true;
        loop {
            let pass = if crumb { Some(self.pass().await?) } else { None };
            let mut asked = url.clone();
            if let Some(pass) = &pass {
                asked.query_pairs_mut().append_pair("crumb", &pass.crumb);
            }
            let answer = self.get(asked, pass.as_ref().map(|pass| pass.cookie.as_str())).await?;
            let stale = answer.status == StatusCode::UNAUTHORIZED || answer.status == StatusCode::FORBIDDEN;
            if crumb && stale && std::mem::take(&mut again) {
                *self.pass.lock().await = None;
                continue;
            }
            return read(&answer);
        }
    }

    /// Cookie and crumb; fetched where there are none.
    async fn pass(&self) -> Result<Pass, DataError> {
        let mut pass = self.pass.lock().await;
        if let Some(pass) = &*pass {
            return Ok(pass.clone());
        }
        let address = |text: String| Url::parse(&text).map_err(|error| failed(error.to_string()));
        // Whatever its status, it brings the cookie.
        let answer = self.get(address(format!("{}/", self.cookies))?, None).await?;
        let cookie = answer.cookies.join("; ");
        if cookie.is_empty() {
            return Err(failed("it gave no cookie, which the request for this data needs".to_owned()));
        }
        let answer = self.get(address(format!("{}/v1/test/getcrumb", self.base))?, Some(&cookie)).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(DataError::Limited(NAME));
        }
        let crumb = String::from_utf8_lossy(&answer.body).trim().to_owned();
        if !answer.status.is_success() || crumb.is_empty() || crumb.len() > 100 || crumb.contains(['<', '{', ' ']) {
            return Err(failed(format!(
                "it gave no crumb (status {}), which the request for this data needs",
                answer.status
            )));
        }
        let fresh = Pass { cookie, crumb };
        *pass = Some(fresh.clone());
        Ok(fresh)
    }

    async fn get(&self, url: Url, cookie: Option<&str>) -> Result<Answer, DataError> {
        let client = self.client().await?;
        let mut request = client.get(url).header(ACCEPT, "*/*").header(USER_AGENT, AGENT);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let words = |error: reqwest::Error| {
            use std::error::Error as _;
            if error.is_timeout() {
                return failed(format!("nothing came within {} s", ANSWER.as_secs()));
            }
            let mut text = error.without_url();
            let mut inner = text.source();
            let mut told = text.to_string();
            while let Some(cause) = inner {
                told = cause.to_string();
                inner = cause.source();
            }
            text = text.without_url();
            drop(text);
            failed(told)
        };
        let mut answer = request.send().await.map_err(words)?;
        let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| {
            let pair = value.to_str().ok()?.split(';').next()?.trim();
            pair.contains('=').then(|| pair.to_owned())
        });
        let (cookies, status) = (cookies.collect(), answer.status());
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(words)? {
            if body.len() + part.len() > MOST {
                return Err(failed(format!("it sent more than {} MiB", MOST >> 20)));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, cookies, body })
    }

    async fn client(&self) -> Result<Client, DataError> {
        let cell = Arc::clone(&self.client);
        let made = tokio::task::spawn_blocking(move || {
            cell.get_or_init(|| {
                // Only the first in this process is kept, and all are the same.
                drop(rustls::crypto::ring::default_provider().install_default());
                let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).build();
                client.map_err(|error| error.to_string())
            })
            .clone()
        });
        made.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
    }
}

fn failed(why: impl std::fmt::Display) -> DataError {
    DataError::Failed { source_name: NAME, why: sanitize::line(truncate::prefix(&why.to_string(), 400)) }
}

/// The JSON of a good answer. Yahoo wraps its own errors in answers of every status.
fn read(answer: &Answer) -> Result<Value, DataError> {
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(DataError::Limited(NAME));
    }
    let value: Result<Value, _> = serde_json::from_slice(&answer.body);
    let Ok(value) = value else {
        let html = String::from_utf8_lossy(&answer.body).trim_start().starts_with('<');
        let what = if html { "a web page" } else { "something" };
        return Err(failed(format!("it sent {what} in place of JSON (status {})", answer.status)));
    };
    let said = value.as_object().and_then(|object| {
        let inner = object.values().find_map(|inner| inner.get("error").filter(|error| !error.is_null()))?;
        inner.get("description").and_then(Value::as_str).map(ToOwned::to_owned)
    });
    let said = said.map(|said| sanitize::line(truncate::prefix(&said, 300)));
    match (answer.status, said) {
        (StatusCode::NOT_FOUND, said) => Err(DataError::Nothing(said.unwrap_or_else(|| {
            "Yahoo Finance has nothing under that symbol; the API search finds symbols".to_owned()
        }))),
        (status, None) if status.is_success() => Ok(value),
        (status, Some(said)) => Err(if status.is_success() { DataError::Nothing(said) } else { failed(said) }),
        (status, None) => Err(failed(format!("status {status}"))),
    }
}
