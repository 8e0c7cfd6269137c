//! Serper: `POST /search` and `/images` with a JSON body, the key as `X-API-KEY`.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::http::{Connection, Request};
use super::value::{address, hit, list, size, text};
use super::{Hit, Pages, Picture, Provider, SearchError};

pub(super) const NAME: &str = "Serper";
pub(super) const BASE: &str = "https://google.serper.dev";

pub(super) struct Serper(pub(super) Connection);

impl Provider for Serper {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let request = Request::post("search", json!({"q": query, "num": 20})).with_key("x-api-key", "");
            let answer = self.0.json(request).await?;
            let page =
                |value: &Value| Some(Hit { date: text(value, "date"), ..hit(value, "title", "link", "snippet")? });
            let shown = answer.get("answerBox").unwrap_or(&Value::Null);
            let said = text(shown, "answer").or_else(|| text(shown, "snippet"));
            let named =
                answer.get("knowledgeGraph").and_then(|value| hit(value, "title", "descriptionLink", "description"));
            let hits = page(shown).into_iter().chain(list(&answer, "/organic").filter_map(page));
            let hits = hits.chain(named).chain(list(&answer, "/topStories").filter_map(page)).collect();
            Ok(Pages { hits, answers: said.into_iter().collect() })
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let wanted = json!({"q": query, "num": count.clamp(1, 100)});
            let answer = self.0.json(Request::post("images", wanted).with_key("x-api-key", "")).await?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: text(value, "title").unwrap_or_default(),
                    url: address(value, "imageUrl")?,
                    page: address(value, "link"),
                    size: size(value, "imageWidth", "imageHeight"),
                })
            };
            Ok(list(&answer, "/images").filter_map(picture).collect())
        })
    }
}
