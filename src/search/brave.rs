//! Brave Search API: `GET /res/v1/web/search`, the key as `X-Subscription-Token`.

use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{address, hit, list, size, text};
use super::{Hit, Pages, Picture, Provider, SearchError};
use crate::document::html::text_of;

pub(super) const NAME: &str = "Brave Search";
pub(super) const BASE: &str = "https://api.search.brave.com";
/// The most that one request may ask for.
const MOST_HITS: &str = "20";
const MOST_PICTURES: usize = 100;
/// Words of a query; with more it is an error there too, but one that does not say why.
const MOST_WORDS: usize = 50;

pub(super) struct Brave(pub(super) Connection);

impl Brave {
    async fn ask(&self, path: &'static str, query: &str, count: String) -> Result<Value, SearchError> {
        let words = query.split_whitespace().count();
        if words > MOST_WORDS {
            let why = format!("a query may have {MOST_WORDS} words, and this one has {words}");
            return Err(SearchError::Refused { provider: NAME, why });
        }
        let query = vec![("q", query.to_owned()), ("count", count)];
        self.0.json(Request::get(path, query).with_key("x-subscription-token", "")).await
    }
}

impl Provider for Brave {
    fn name(&self) -> &'static str {
        NAME
    }

    fn at_once(&self) -> usize {
        // Some plans allow one request in a second.
        3
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let answer = self.ask("res/v1/web/search", query, MOST_HITS.to_owned()).await?;
            let of = |title: &'static str, snippet: &'static str| {
                move |value: &Value| {
                    let found = hit(value, title, "url", snippet)?;
                    Some(Hit {
                        // What matches stands in bold.
                        title: text_of(&found.title),
                        snippet: text_of(&found.snippet),
                        date: text(value, "page_age").or_else(|| text(value, "age")),
                        ..found
                    })
                }
            };
            let web = list(&answer, "/web/results").filter_map(of("title", "description"));
            let news = list(&answer, "/news/results").filter_map(of("title", "description"));
            let talk = list(&answer, "/discussions/results").filter_map(of("title", "description"));
            let questions = list(&answer, "/faq/results").filter_map(of("question", "answer"));
            Ok(web.chain(news).chain(talk).chain(questions).collect())
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
                    title: text_of(&text(value, "title").unwrap_or_default()),
                    url: address(own, "url").or_else(|| address(thumbnail, "src"))?,
                    page: address(value, "url"),
                    size: size(own, "width", "height"),
                })
            };
            Ok(list(&answer, "/results").filter_map(picture).collect())
        })
    }
}
