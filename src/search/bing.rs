//! Whoever speaks as the Bing Web Search API v7 did: `GET /v7.0/search`, the key as `Ocp-Apim-Subscription-Key`. Microsoft
//! itself ended that service in August 2025, so that no address is known without one that is configured.

use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{address, hit, list, size, text};
use super::{Hit, Pages, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Bing";
const KEY: &str = "ocp-apim-subscription-key";

pub(super) struct Bing(pub(super) Connection);

impl Provider for Bing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let query =
                vec![("q", query.to_owned()), ("count", "20".to_owned()), ("responseFilter", "Webpages".to_owned())];
            let answer = self.0.json(Request::get("v7.0/search", query).with_key(KEY, "")).await?;
            let page = |value: &Value| {
                Some(Hit { date: text(value, "datePublished"), ..hit(value, "name", "url", "snippet")? })
            };
            Ok(list(&answer, "/webPages/value").filter_map(page).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let query = vec![("q", query.to_owned()), ("count", count.clamp(1, 150).to_string())];
            let answer = self.0.json(Request::get("v7.0/images/search", query).with_key(KEY, "")).await?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: text(value, "name").unwrap_or_default(),
                    url: address(value, "contentUrl")?,
                    page: address(value, "hostPageUrl"),
                    size: size(value, "width", "height"),
                })
            };
            Ok(list(&answer, "/value").filter_map(picture).collect())
        })
    }
}
