//! Tavily: `POST /search` with a JSON body, the key as a bearer token. Pictures come along with pages.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::http::{Connection, Request};
use super::value::{list, text};
use super::{Hit, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Tavily";
pub(super) const BASE: &str = "https://api.tavily.com";

pub(super) struct Tavily(pub(super) Connection);

impl Tavily {
    async fn ask(&self, body: Value) -> Result<Value, SearchError> {
        self.0.json(Request::post("search", body).with_key("authorization", "Bearer ")).await
    }
}

impl Provider for Tavily {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let answer = self.ask(json!({"query": query, "max_results": 15})).await?;
            let hit = |value: &Value| {
                Some(Hit {
                    title: text(value, "title").unwrap_or_default(),
                    url: text(value, "url")?,
                    snippet: text(value, "content").unwrap_or_default(),
                    date: text(value, "published_date"),
                })
            };
            Ok(list(&answer, "/results").filter_map(hit).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, _count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let wanted = json!({
                "query": query, "max_results": 1, "include_images": true, "include_image_descriptions": true,
            });
            let answer = self.ask(wanted).await?;
            let picture = |value: &Value| match value {
                Value::String(url) => Some(Picture { url: url.clone(), ..Picture::default() }),
                value => Some(Picture {
                    title: text(value, "description").unwrap_or_default(),
                    url: text(value, "url")?,
                    ..Picture::default()
                }),
            };
            Ok(list(&answer, "/images").filter_map(picture).collect())
        })
    }
}
