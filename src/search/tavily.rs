//! Tavily: `POST /search` with a JSON body, the key as a bearer token. Pictures come along with pages.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::http::{Connection, Request};
use super::value::{address, hit, list, text, web_address};
use super::{Hit, Pages, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Tavily";
pub(super) const BASE: &str = "https://api.tavily.com";
/// What the plan, or the sum that was set, allows is used up.
const USED_UP: [u16; 2] = [432, 433];

pub(super) struct Tavily(pub(super) Connection);

impl Tavily {
    async fn ask(&self, body: Value) -> Result<Value, SearchError> {
        let answer = self.0.send(Request::post("search", body).with_key("authorization", "Bearer ")).await?;
        if USED_UP.contains(&answer.status.as_u16()) {
            return Err(self.0.limited(&answer));
        }
        self.0.read(&answer)
    }
}

impl Provider for Tavily {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let answer = self.ask(json!({"query": query, "max_results": 15})).await?;
            let page = |value: &Value| {
                Some(Hit { date: text(value, "published_date"), ..hit(value, "title", "url", "content")? })
            };
            Ok(list(&answer, "/results").filter_map(page).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let wanted = json!({
                "query": query, "max_results": count.clamp(1, 20), "include_images": true,
                "include_image_descriptions": true,
            });
            let answer = self.ask(wanted).await?;
            let picture = |value: &Value| match value {
                Value::String(url) => Some(Picture { url: web_address(url)?, ..Picture::default() }),
                value => Some(Picture {
                    title: text(value, "description").unwrap_or_default(),
                    url: address(value, "url")?,
                    ..Picture::default()
                }),
            };
            Ok(list(&answer, "/images").filter_map(picture).collect())
        })
    }
}
