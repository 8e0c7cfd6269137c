//! Searching the web: providers behind one trait, and the answers of several queries made one.
//!
//! ```text
//! queries ─┬─ Provider (one request each, side by side) ─┐
//!          └─ ...                                         ├─ merged by address, each once ─ hits
//! ```
//!
//! What comes from a provider is untrusted text. A limit, a refusal and an empty answer are three different things, and
//! are told as such.

mod bing;
mod brave;
mod duckduckgo;
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
    #[error("{provider} limits how often it is asked{}", wait(*.after))]
    Limited {
        /// Who.
        provider: &'static str,
        /// How long it wants to be left alone, where it says so.
        after: Option<Duration>,
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
    /// It cannot do this.
    #[error("{provider} has no search for {what}; the user can choose another search.provider")]
    Lacks {
        /// Who.
        provider: &'static str,
        /// What was wanted.
        what: &'static str,
    },
}

fn wait(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!("; it wants to be left alone for {} s", after.as_secs()))
}

/// Somebody who searches.
pub trait Provider: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Searches for pages.
    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>>;

    /// Searches for pictures, about so many.
    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>>;
}

/// The provider that the configuration names. Nothing is connected yet.
pub fn provider(section: &SearchSection) -> Result<Box<dyn Provider>, SearchError> {
    let base = |usual: &str| section.base_url.clone().unwrap_or_else(|| usual.to_owned());
    let connection = |name, usual: &str| Connection::new(name, &base(usual), section.api_key.as_ref());
    let needs_key = !matches!(section.provider, SearchProvider::Duckduckgo | SearchProvider::Searxng);
    if needs_key && section.api_key.is_none() && section.base_url.is_none() {
        let name = match section.provider {
            SearchProvider::Brave => brave::NAME,
            SearchProvider::Tavily => tavily::NAME,
            SearchProvider::Serper => serper::NAME,
            _ => bing::NAME,
        };
        let why = "it needs a key; set search.api_key or search.api_key_env".to_owned();
        return Err(SearchError::Refused { provider: name, why });
    }
    Ok(match section.provider {
        SearchProvider::Duckduckgo => Box::new(duckduckgo::DuckDuckGo::new(
            connection(duckduckgo::NAME, duckduckgo::BASE)?,
            section.base_url.is_some(),
        )),
        SearchProvider::Searxng => {
            let refused = |why: &str| SearchError::Refused { provider: searxng::NAME, why: why.to_owned() };
            if section.base_url.is_none() {
                return Err(refused("search.base_url is not set; give the address of an instance"));
            }
            Box::new(searxng::Searxng(connection(searxng::NAME, "")?))
        }
        SearchProvider::Brave => Box::new(brave::Brave(connection(brave::NAME, brave::BASE)?)),
        SearchProvider::Tavily => Box::new(tavily::Tavily(connection(tavily::NAME, tavily::BASE)?)),
        SearchProvider::Serper => Box::new(serper::Serper(connection(serper::NAME, serper::BASE)?)),
        SearchProvider::Bing => Box::new(bing::Bing(connection(bing::NAME, bing::BASE)?)),
    })
}
