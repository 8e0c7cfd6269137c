//! Brave Search API: `GET /res/v1/web/search`, the key as `X-Subscription-Token`.

use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{list, plain, size, text};
use super::{Hit, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Brave Search";
pub(super) const BASE: &str = "https://api.search.brave.com";
/// The most that one request may ask for.
const MOST_HITS: &str = "20";
const MOST_PICTURES: usize = 100;

pub(super) struct Brave(pub(super) Connection);

impl Brave {
    async fn ask(&self, path: &'static str, query: &str, count: String) -> Result<Value, SearchError> {
        let query = vec![("q", query.to_owned()), ("count", count)];
        self.0.json(Request::get(path, query).with_key("x-subscription-token", "")).await
    }
}

impl Provider for Brave {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let answer = self.ask("res/v1/web/search", query, MOST_HITS.to_owned()).await?;
            let hit = |value: &Value| {
                Some(Hit {
                    title: plain(&text(value, "title").unwrap_or_default()),
                    url: text(value, "url")?,
                    snippet: plain(&text(value, "description").unwrap_or_default()),
                    date: text(value, "page_age").or_else(|| text(value, "age")),
                })
            };
            Ok(list(&answer, "/web/results").filter_map(hit).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let count = count.clamp(1, MOST_PICTURES).to_string();
            let answer = self.ask("res/v1/images/search", query, count).await?;
            let picture = |value: &Value| {
                let own = value.get("properties").unwrap_or(&Value::Null);
                let thumbnail = value.get("thumbnail").unwrap_or(&Value::Null);
                Some(Picture {
                    title: plain(&text(value, "title").unwrap_or_default()),
                    url: text(own, "url").or_else(|| text(thumbnail, "src"))?,
                    page: text(value, "url"),
                    size: size(own, "width", "height"),
                })
            };
            Ok(list(&answer, "/results").filter_map(picture).collect())
        })
    }
}
