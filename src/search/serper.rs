//! Serper: `POST /search` and `/images` with a JSON body, the key as `X-API-KEY`.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::http::{Connection, Request};
use super::value::{list, size, text};
use super::{Hit, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Serper";
pub(super) const BASE: &str = "https://google.serper.dev";

pub(super) struct Serper(pub(super) Connection);

impl Provider for Serper {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let request = Request::post("search", json!({"q": query, "num": 20})).with_key("x-api-key", "");
            let answer = self.0.json(request).await?;
            let hit = |value: &Value| {
                Some(Hit {
                    title: text(value, "title").unwrap_or_default(),
                    url: text(value, "link")?,
                    snippet: text(value, "snippet").unwrap_or_default(),
                    date: text(value, "date"),
                })
            };
            Ok(list(&answer, "/organic").filter_map(hit).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let wanted = json!({"q": query, "num": count.clamp(1, 100)});
            let answer = self.0.json(Request::post("images", wanted).with_key("x-api-key", "")).await?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: text(value, "title").unwrap_or_default(),
                    url: text(value, "imageUrl")?,
                    page: text(value, "link"),
                    size: size(value, "imageWidth", "imageHeight"),
                })
            };
            Ok(list(&answer, "/images").filter_map(picture).collect())
        })
    }
}
