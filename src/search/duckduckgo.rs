//! DuckDuckGo's page for browsers without scripts, which needs no key: `POST /html/`. Its pictures come as JSON for a token
//! that the ordinary page holds. Nobody has promised the form of either.

use futures::future::BoxFuture;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::http::{Answer, Body, Connection, Request};
use super::value::{list, plain, size, text};
use super::{Hit, Picture, Provider, SearchError};
use crate::document::html::{Piece, pieces};

pub(super) const NAME: &str = "DuckDuckGo";
pub(super) const BASE: &str = "https://html.duckduckgo.com";
const PICTURES: &str = "https://duckduckgo.com";

pub(super) struct DuckDuckGo {
    web: Connection,
    pictures: Result<Connection, SearchError>,
}

impl DuckDuckGo {
    /// At this address; where it is one that the configuration names, pictures are asked for there as well.
    pub(super) fn new(web: Connection, configured: bool) -> Self {
        let pictures = if configured { web.again() } else { Connection::new(NAME, PICTURES, None) };
        Self { web, pictures }
    }

    /// Whether an answer is one, or a page that asks whether one is a person.
    fn checked(connection: &Connection, answer: &Answer) -> Result<String, SearchError> {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let asks = body.contains("anomaly-modal") || body.contains("anomaly.js");
        if asks || answer.status == StatusCode::ACCEPTED || answer.status == StatusCode::FORBIDDEN {
            return Err(SearchError::Limited { provider: NAME, after: None });
        }
        connection.succeeded(answer)?;
        Ok(body)
    }
}

impl Provider for DuckDuckGo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Vec<Hit>, SearchError>> {
        Box::pin(async move {
            let form = Body::Form(vec![("q", query.to_owned()), ("kl", "wt-wt".to_owned())]);
            let request = Request {
                method: Method::POST,
                body: Some(form),
                accept: "text/html",
                ..Request::get("html/", Vec::new())
            };
            let answer = self.web.send(request).await?;
            let body = Self::checked(&self.web, &answer)?;
            hits(&body).ok_or_else(|| SearchError::Failed {
                provider: NAME,
                why: "its page has another form than is known; another search.provider is more reliable".to_owned(),
            })
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, _count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let connection = self.pictures.as_ref().map_err(Clone::clone)?;
            let wanted = vec![("q", query.to_owned()), ("iax", "images".to_owned()), ("ia", "images".to_owned())];
            let page = connection.send(Request { accept: "text/html", ..Request::get("", wanted) }).await?;
            let page = Self::checked(connection, &page)?;
            let token = token(&page).ok_or(SearchError::Limited { provider: NAME, after: None })?;
            let wanted = vec![
                ("l", "wt-wt".to_owned()),
                ("o", "json".to_owned()),
                ("q", query.to_owned()),
                ("vqd", token),
                ("p", "1".to_owned()),
            ];
            let answer = connection.send(Request::get("i.js", wanted)).await?;
            let body = Self::checked(connection, &answer)?;
            let answer: Value = serde_json::from_str(&body).map_err(|error| SearchError::Failed {
                provider: NAME,
                why: format!("its answer is no JSON: {error}"),
            })?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: plain(&text(value, "title").unwrap_or_default()),
                    url: text(value, "image")?,
                    page: text(value, "url"),
                    size: size(value, "width", "height"),
                })
            };
            Ok(list(&answer, "/results").filter_map(picture).collect())
        })
    }
}

/// The hits of a page; `None` where it is no page of hits.
fn hits(body: &str) -> Option<Vec<Hit>> {
    enum Inside {
        Nothing,
        Title,
        Snippet,
    }
    let mut hits: Vec<Hit> = Vec::new();
    let (mut inside, mut known, mut advert) = (Inside::Nothing, false, false);
    pieces(body, |piece| match piece {
        Piece::Start(_, attributes) => {
            known |= attributes.has_class("results") || attributes.has_class("no-results");
            if attributes.has_class("result") {
                advert = attributes.has_class("result--ad");
            }
            if advert {
                return;
            }
            if attributes.has_class("result__a") {
                if let Some(url) = attributes.get("href").and_then(target) {
                    hits.push(Hit { url, ..Hit::default() });
                    inside = Inside::Title;
                }
            } else if attributes.has_class("result__snippet") {
                inside = Inside::Snippet;
            }
        }
        // Both are links, and what is bold in them is no link.
        Piece::End("a" | "div" | "td") => inside = Inside::Nothing,
        Piece::Text(text) => {
            if let Some(hit) = hits.last_mut() {
                match inside {
                    Inside::Title => hit.title.push_str(text),
                    Inside::Snippet => hit.snippet.push_str(text),
                    Inside::Nothing => {}
                }
            }
        }
        Piece::End(_) => {}
    });
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for hit in &mut hits {
        hit.title = one_line(&hit.title);
        hit.snippet = one_line(&hit.snippet);
    }
    (known || !hits.is_empty()).then_some(hits)
}

/// The address that a link of the page leads to in the end.
fn target(href: &str) -> Option<String> {
    let base = Url::parse(PICTURES).ok()?;
    let url = base.join(href).ok()?;
    if url.path() == "/l/" {
        return url.query_pairs().find(|(name, _)| name == "uddg").map(|(_, value)| value.into_owned());
    }
    // Adverts lead over a page of its own.
    (url.path() != "/y.js").then(|| url.into())
}

/// The token that its requests for JSON want.
fn token(page: &str) -> Option<String> {
    let rest = page.split_once("vqd=")?.1.trim_start_matches(['"', '\'']);
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    (!token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_read_from_its_page() {
        let page = r#"<div id="links" class="results"><div class="result results_links result--ad"><a class="result__a" href="/y.js?ad">Ad</a></div>
            <div class="result results_links"><h2 class="result__title"><a rel="nofollow" class="result__a"
            href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.com%2Fa%3Fb%3D1&amp;rut=x">An <b>example</b></a></h2>
            <a class="result__snippet" href="x">Some <b>words</b> &amp; more</a></div></div>"#;
        let expected = Hit {
            title: "An example".to_owned(),
            url: "https://example.com/a?b=1".to_owned(),
            snippet: "Some words & more".to_owned(),
            date: None,
        };
        assert_eq!(hits(page), Some(vec![expected]));
        assert_eq!(hits("<div class=results><div class=no-results>No results.</div></div>"), Some(Vec::new()));
        assert_eq!(hits("<html><body>Something else</body></html>"), None);
        assert_eq!(token("...vqd=\"4-12345\"&..."), Some("4-12345".to_owned()));
    }
}
