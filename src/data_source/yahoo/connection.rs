//! Requests to Yahoo Finance. Some of its addresses want a cookie and a word that belongs to it, the crumb: both are fetched
//! once, and once more when they are no longer taken.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE, USER_AGENT};
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::data_source::DataError;
use crate::support::{sanitize, truncate};

use super::NAME;

const BASE: &str = "https://query1.finance.yahoo.com";
/// Where the cookie comes from, whatever is answered; the second where blockers of adverts shut the first out.
const COOKIES: &[&str] = &["https://fc.yahoo.com", "https://finance.yahoo.com"];
/// Programs without such a name are answered with 429 at once.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const MOST: usize = 32 << 20;

pub(super) struct Connection {
    base: String,
    cookies: Vec<String>,
    client: Arc<OnceLock<Result<Client, String>>>,
    /// What was given to us, as soon as it is needed.
    pass: Mutex<Option<Pass>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pass {
    cookie: String,
    crumb: String,
}

struct Answer {
    status: StatusCode,
    cookies: Vec<String>,
    location: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// Where it sends, as the end of a phrase.
    fn leads_to(&self) -> String {
        let to = self.location.as_deref().and_then(|place| Url::parse(place).ok());
        match to.as_ref().and_then(Url::host_str) {
            Some(host) if host.contains("consent") => {
                format!(", it sends to {host}, which asks a person for consent")
            }
            Some(host) => format!(", it sends to {host}"),
            None => String::new(),
        }
    }
}

impl Connection {
    pub(super) fn new(base: Option<&str>) -> Self {
        let whole = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            base: whole(base.unwrap_or(BASE)),
            cookies: base.map_or_else(|| COOKIES.iter().map(|base| whole(base)).collect(), |base| vec![whole(base)]),
            client: Arc::default(),
            pass: Mutex::default(),
        }
    }

    /// Fetches JSON. The parts of the path are joined, each but the first as one piece.
    pub(super) async fn json(&self, path: &[&str], query: &[(&str, String)], crumb: bool) -> Result<Value, DataError> {
        let mut url = address(&self.base)?;
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
                // Another call may have a fresh one by now.
                self.pass.lock().await.take_if(|known| pass.as_ref() == Some(&*known));
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
        let cookie = self.cookie().await?;
        let answer = self.get(address(&format!("{}/v1/test/getcrumb", self.base))?, Some(&cookie)).await?;
        let crumb = String::from_utf8_lossy(&answer.body).trim().to_owned();
        if answer.status == StatusCode::TOO_MANY_REQUESTS || crumb.contains("Too Many Requests") {
            return Err(DataError::Limited(NAME));
        }
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

    /// A cookie from one of the places that give them.
    async fn cookie(&self) -> Result<String, DataError> {
        let mut why = failed("there is no place to get a cookie from");
        for place in &self.cookies {
            match self.get(address(&format!("{place}/"))?, None).await {
                Ok(answer) if !answer.cookies.is_empty() => return Ok(answer.cookies.join("; ")),
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => return Err(DataError::Limited(NAME)),
                Ok(answer) => {
                    why = failed(format!(
                        "{place} gave no cookie (status {}{}), which the request for this data needs",
                        answer.status,
                        answer.leads_to()
                    ));
                }
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn get(&self, url: Url, cookie: Option<&str>) -> Result<Answer, DataError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = self.client().await?;
        let mut request = client.get(url).header(ACCEPT, "*/*").header(USER_AGENT, AGENT);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let words = |error: reqwest::Error| {
            if error.is_timeout() && !error.is_connect() {
                return failed(format!("{host}: nothing came within {} s", ANSWER.as_secs()));
            }
            failed(format!("{host}: {}", innermost(&error.without_url())))
        };
        let mut answer = request.send().await.map_err(words)?;
        let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| {
            let pair = value.to_str().ok()?.split(';').next()?.trim();
            pair.contains('=').then(|| pair.to_owned())
        });
        let (cookies, status) = (cookies.collect(), answer.status());
        let location = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok()).map(ToOwned::to_owned);
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(words)? {
            if body.len() + part.len() > MOST {
                return Err(failed(format!("it sent more than {} MiB", MOST >> 20)));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, cookies, location, body })
    }

    async fn client(&self) -> Result<Client, DataError> {
        let cell = Arc::clone(&self.client);
        let made = tokio::task::spawn_blocking(move || {
            cell.get_or_init(|| {
                // Only the first in this process is kept, and all are the same.
                drop(rustls::crypto::ring::default_provider().install_default());
                // Cookies of other places are none of Yahoo's.
                let none = redirect::Policy::none();
                let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).redirect(none).build();
                client.map_err(|error| error.to_string())
            })
            .clone()
        });
        made.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
    }
}

fn address(text: &str) -> Result<Url, DataError> {
    Url::parse(text).map_err(|error| failed(format!("data.yahoo_base_url: {error}")))
}

/// What an error comes from in the end: the outer words say only that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn failed(why: impl std::fmt::Display) -> DataError {
    DataError::Failed { source_name: NAME, why: sanitize::line(truncate::prefix(&why.to_string(), 400)) }
}

/// The JSON of a good answer. Yahoo wraps its own errors in answers of every status.
fn read(answer: &Answer) -> Result<Value, DataError> {
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(DataError::Limited(NAME));
    }
    if answer.status.is_redirection() {
        return Err(failed(format!("status {}{}", answer.status, answer.leads_to())));
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
        (status, Some(said)) if status.is_success() => Err(DataError::Nothing(said)),
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some(said)) => Err(DataError::Call(said)),
        (_, Some(said)) => Err(failed(said)),
        (status, None) => Err(failed(format!("status {status}{}", answer.leads_to()))),
    }
}
