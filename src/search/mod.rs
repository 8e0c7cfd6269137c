//! Searching the web: providers behind one trait, and the answers of several queries made one.
//!
//! ```text
//! queries ─┬─ Provider (a few side by side) ─┐
//!          └─ ...                            ├─ merged by address, each once ─ hits
//! ```
//!
//! What comes from a provider is untrusted text. A limit, a refusal and an empty answer are three different things, and
//! are told as such.

mod bing;
mod brave;
mod duckduckgo;
mod each;
mod http;
mod merge;
mod searxng;
mod serper;
mod tavily;
mod value;

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::future::BoxFuture;

use crate::config::schema::{SearchProvider, SearchSection};
use http::Connection;

pub use each::ask_each;
pub use merge::{merged, merged_pictures};

/// One thing that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hit {
    /// Its title.
    pub title: String,
    /// Its address.
    pub url: String,
    /// Words of the page, or about it.
    pub snippet: String,
    /// When it was published, as the provider says it.
    pub date: Option<String>,
}

/// What was found for one query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// The pages.
    pub hits: Vec<Hit>,
    /// Texts that answer the query at once, such as the result of a sum, and that no page may say.
    pub answers: Vec<String>,
}

impl Pages {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty() && self.answers.is_empty()
    }
}

impl FromIterator<Hit> for Pages {
    fn from_iter<I: IntoIterator<Item = Hit>>(hits: I) -> Self {
        Self { hits: hits.into_iter().collect(), answers: Vec::new() }
    }
}

/// One picture that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Its title.
    pub title: String,
    /// The address of the picture itself.
    pub url: String,
    /// The page that shows it.
    pub page: Option<String>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// It wants fewer requests.
    #[error("{provider} limits how often it is asked{}{}", wait(*.after), words(said))]
    Limited {
        /// Who.
        provider: &'static str,
        /// How long it wants to be left alone, where it says so.
        after: Option<Duration>,
        /// Its words, where it has some.
        said: String,
    },
    /// It does not take the key, or needs one.
    #[error("{provider} refused the request: {why}")]
    Refused {
        /// Who.
        provider: &'static str,
        /// Its words.
        why: String,
    },
    /// It failed, was not reached, or was not understood.
    #[error("{provider} did not answer: {why}")]
    Failed {
        /// Who.
        provider: &'static str,
        /// What happened.
        why: String,
    },
}

fn wait(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!("; it wants to be left alone for {} s", after.as_secs_f64().ceil()))
}

fn words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

/// Somebody who searches.
pub trait Provider: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// How many queries it is asked at a time.
    fn at_once(&self) -> usize {
        5
    }

    /// Searches for pages.
    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>>;

    /// Searches for pictures, about so many.
    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>>;
}

/// The provider that the configuration names. Nothing is connected yet.
pub fn provider(section: &SearchSection) -> Result<Box<dyn Provider>, SearchError> {
    let refused = |provider, why: &str| SearchError::Refused { provider, why: why.to_owned() };
    let keyless = |provider| match (&section.api_key, &section.base_url) {
        (None, None) => Err(refused(provider, "it needs a key; set search.api_key or search.api_key_env")),
        // Another address may be one of those that need none.
        _ => Ok(()),
    };
    let connection = |name, usual: &str| {
        Connection::new(name, section.base_url.as_deref().unwrap_or(usual), section.api_key.as_ref())
    };
    let keyed = |name, usual: &str| keyless(name).and_then(|()| connection(name, usual));
    Ok(match (section.provider, &section.base_url) {
        (SearchProvider::Duckduckgo, base) => {
            let web = connection(duckduckgo::NAME, duckduckgo::BASE)?;
            Box::new(duckduckgo::DuckDuckGo::new(web, base.is_some()))
        }
        (SearchProvider::Searxng, None) => {
            return Err(refused(searxng::NAME, "search.base_url is not set; give the address of an instance"));
        }
        (SearchProvider::Searxng, Some(base)) => Box::new(searxng::Searxng(connection(searxng::NAME, base)?)),
        (SearchProvider::Brave, _) => Box::new(brave::Brave(keyed(brave::NAME, brave::BASE)?)),
        (SearchProvider::Tavily, _) => Box::new(tavily::Tavily(keyed(tavily::NAME, tavily::BASE)?)),
        (SearchProvider::Serper, _) => Box::new(serper::Serper(keyed(serper::NAME, serper::BASE)?)),
        (SearchProvider::Bing, None) => {
            let why = "search.base_url is not set; Microsoft ended its own service in August 2025, so give the address of \
                       one that speaks the same";
            return Err(refused(bing::NAME, why));
        }
        (SearchProvider::Bing, Some(base)) => Box::new(bing::Bing(connection(bing::NAME, base)?)),
    })
}
