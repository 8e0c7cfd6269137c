//! SearXNG, and searx, which speaks the same: `GET /search?format=json` of any instance.

use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{list, plain, text};
use super::{Hit, Picture, Provider, SearchError};

pub(super) const NAME: &str = "SearXNG";

pub(super) struct Searxng(pub(super) Connection);

impl Searxng {
    async fn ask(&self, query: &str, category: &'static str) -> Result<Value, SearchError> {
        let query = vec![("q", query.to_owned()), ("format", "json".to_owned()), ("categories", category.to_owned())];
        let request = Request::get("search", query).with_key("authorization", "Bearer ");
        let answer = self.0.json(request).await?;
        // An instance whose engines are all shut out answers with an empty list, which is no empty answer.
        if list(&answer, "/results").next().is_none() {
            let reasons: Vec<String> = list(&answer, "/unresponsive_engines")
                .filter_map(|engine| {
                    let name = engine.get(0)?.as_str()?;
                    let reason = engine.get(1).and_then(Value::as_str).unwrap_or("no answer");
                    Some(format!("{name}: {reason}"))
                })
                .collect();
            if !reasons.is_empty() {
                let why = format!("none of its engines answered ({})", reasons.join(", "));
                return Err(SearchError::Failed { provider: NAME, why });
            }
        }
        Ok(answer)
    }
}

impl Provider for Searxng {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let answer = self.ask(query, "general").await?;
            let hit = |value: &Value| {
                Some(Hit {
                    title: plain(&text(value, "title").unwrap_or_default()),
                    url: text(value, "url")?,
                    snippet: plain(&text(value, "content").unwrap_or_default()),
                    date: text(value, "publishedDate"),
                })
            };
            Ok(list(&answer, "/results").filter_map(hit).collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, _count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let answer = self.ask(query, "images").await?;
            let picture = |value: &Value| {
                let url = text(value, "img_src").or_else(|| text(value, "thumbnail_src"))?;
                // Some engines leave out the scheme.
                let url = if url.starts_with("//") { format!("https:{url}") } else { url };
                let resolution = text(value, "resolution").or_else(|| text(value, "img_format")).unwrap_or_default();
                Some(Picture {
                    title: plain(&text(value, "title").unwrap_or_default()),
                    url,
                    page: text(value, "url"),
                    size: size_of(&resolution),
                })
            };
            Ok(list(&answer, "/results").filter_map(picture).collect())
        })
    }
}

/// `1024 x 768`, in the spellings that engines have.
fn size_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let (width, height) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}
