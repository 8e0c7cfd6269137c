//! Bing Web Search API v7 and whoever speaks the same: `GET /v7.0/search`, the key as `Ocp-Apim-Subscription-Key`.

use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{list, plain, size, text};
use super::{Hit, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Bing";
pub(super) const BASE: &str = "https://api.bing.microsoft.com";
const KEY: &str = "ocp-apim-subscription-key";

pub(super) struct Bing(pub(super) Connection);

impl Provider for Bing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let query =
                vec![("q", query.to_owned()), ("count", "20".to_owned()), ("responseFilter", "Webpages".to_owned())];
            let answer = self.0.json(Request::get("v7.0/search", query).with_key(KEY, "")).await?;
            let hit = |value: &Value| {
                Some(Hit {
                    title: plain(&text(value, "name").unwrap_or_default()),
                    url: text(value, "url")?,
                    snippet: plain(&text(value, "snippet").unwrap_or_default()),
                    date: text(value, "datePublished").or_else(|| text(value, "dateLastCrawled")),
                })
            };
            Ok(list(&answer, "/webPages/value").filter_map(hit).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let query = vec![("q", query.to_owned()), ("count", count.clamp(1, 150).to_string())];
            let answer = self.0.json(Request::get("v7.0/images/search", query).with_key(KEY, "")).await?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: plain(&text(value, "name").unwrap_or_default()),
                    url: text(value, "contentUrl")?,
                    page: text(value, "hostPageUrl"),
                    size: size(value, "width", "height"),
                })
            };
            Ok(list(&answer, "/value").filter_map(picture).collect())
        })
    }
}
