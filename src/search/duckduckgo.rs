//! DuckDuckGo's page for browsers without scripts, which needs no key: `POST /html/`. Its pictures come as JSON for a token
//! that the ordinary page holds. Nobody has promised the form of either.

use futures::future::BoxFuture;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::http::{Answer, Body, Connection, Request};
use super::value::{address, list, size, text, web_address};
use super::{Hit, Pages, Picture, Provider, SearchError};
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

    /// The text of an answer, if it is one and no page that asks whether one is a person.
    fn page(connection: &Connection, answer: &Answer) -> Result<String, SearchError> {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == StatusCode::ACCEPTED || is_challenge(&body) {
            let said = "it asks whether one is a person".to_owned();
            return Err(SearchError::Limited { provider: NAME, after: None, said });
        }
        connection.succeeded(answer)?;
        Ok(body)
    }
}

fn failed(why: &str) -> SearchError {
    SearchError::Failed { provider: NAME, why: format!("{why}; another search.provider is more reliable") }
}

impl Provider for DuckDuckGo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn at_once(&self) -> usize {
        // Whoever asks more at a time is no person.
        2
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let form = vec![("q", plain_words(query)), ("b", String::new()), ("kl", "wt-wt".to_owned())];
            let request = Request {
                method: Method::POST,
                body: Some(Body::Form(form)),
                accept: "text/html",
                from_own_page: true,
                ..Request::get("html/", Vec::new())
            };
            let answer = self.web.send(request).await?;
            let page = Self::page(&self.web, &answer)?;
            let hits = hits(&page).ok_or_else(|| failed("its page has another form than is known"))?;
            Ok(hits.into_iter().collect())
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, _count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let connection = self.pictures.as_ref().map_err(Clone::clone)?;
            let query = plain_words(query);
            let wanted = vec![("q", query.clone()), ("iax", "images".to_owned()), ("ia", "images".to_owned())];
            let page = connection.send(Request { accept: "text/html", ..Request::get("", wanted) }).await?;
            let page = Self::page(connection, &page)?;
            let token = token(&page).ok_or_else(|| failed("its page holds no token for pictures"))?;
            let wanted = vec![
                ("l", "wt-wt".to_owned()),
                ("o", "json".to_owned()),
                ("q", query),
                ("vqd", token),
                ("p", "1".to_owned()),
            ];
            let answer = connection.send(Request { from_own_page: true, ..Request::get("i.js", wanted) }).await?;
            match answer.status {
                StatusCode::FORBIDDEN => {
                    let why = "it does not give pictures to programs; another search.provider does".to_owned();
                    return Err(SearchError::Refused { provider: NAME, why });
                }
                StatusCode::ACCEPTED => return Err(connection.limited(&answer)),
                _ => {}
            }
            let answer = connection.read(&answer)?;
            let picture = |value: &Value| {
                Some(Picture {
                    title: text(value, "title").unwrap_or_default(),
                    url: address(value, "image")?,
                    page: address(value, "url"),
                    size: size(value, "width", "height"),
                })
            };
            Ok(list(&answer, "/results").filter_map(picture).collect())
        })
    }
}

/// A query of which it takes nothing as an order: a word that begins with `!` leads to another site, and one that begins
/// with a backslash to the first hit.
fn plain_words(query: &str) -> String {
    let word = |word: &str| if word.starts_with(['!', '\\']) { format!("'{word}'") } else { word.to_owned() };
    query.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether a page is one that asks for a proof. What was searched for may hold any words, so it is attributes that count.
fn is_challenge(body: &str) -> bool {
    let mut found = false;
    pieces(body, |piece| {
        if let Piece::Start(_, attributes) = piece {
            let classes = attributes.get("class").unwrap_or_default();
            found |= attributes.get("id") == Some("challenge-form")
                || classes.split_whitespace().any(|class| class.starts_with("anomaly-modal"));
        }
    });
    found
}

/// The hits of a page; `None` where it is no page of hits.
fn hits(body: &str) -> Option<Vec<Hit>> {
    enum Inside {
        Nothing,
        Title,
        Snippet,
    }
    let mut hits: Vec<Hit> = Vec::new();
    // `open` is whether the last hit is the one of this result: one without an address has none.
    let (mut inside, mut known, mut advert, mut open) = (Inside::Nothing, false, false, false);
    pieces(body, |piece| match piece {
        Piece::Start(_, attributes) => {
            known |= attributes.has_class("results") || attributes.has_class("no-results");
            if attributes.has_class("result") {
                (advert, open) = (attributes.has_class("result--ad"), false);
            }
            if advert {
                return;
            }
            if attributes.has_class("result__a") {
                let url = attributes.get("href").and_then(target);
                open = url.is_some();
                if let Some(url) = url {
                    hits.push(Hit { url, ..Hit::default() });
                    inside = Inside::Title;
                }
            } else if attributes.has_class("result__snippet") && open {
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
    match url.path() {
        "/l/" => web_address(&url.query_pairs().find(|(name, _)| name == "uddg")?.1),
        // Adverts lead over a page of its own.
        "/y.js" => None,
        _ => web_address(url.as_str()),
    }
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

    #[test]
    fn the_words_of_a_result_without_an_address_go_to_no_other() {
        let page = r#"<div class=results><div class=result><a class=result__a href="https://one.test/">One</a>
            <a class=result__snippet>of one</a></div>
            <div class=result><a class=result__a href="/l/?rut=1">Two</a><a class=result__snippet>of two</a></div>
            <div class=result><a class=result__a href="javascript:x()">Three</a><a class=result__snippet>of three</a></div></div>"#;
        let hits = hits(page).expect("a page of hits");
        assert_eq!(hits.len(), 1, "{hits:?}");
        assert_eq!((hits[0].title.as_str(), hits[0].snippet.as_str()), ("One", "of one"));
    }

    #[test]
    fn orders_in_a_query_are_words_and_a_challenge_is_known_by_its_form() {
        assert_eq!(plain_words(r"rust  !g \first"), r"rust '!g' '\first'");
        assert!(is_challenge(r#"<form id="challenge-form" action="//duckduckgo.com/anomaly.js">"#));
        assert!(is_challenge(r#"<div class="anomaly-modal__title">Unfortunately"#));
        assert!(!is_challenge("<input value='anomaly.js challenge-form anomaly-modal'><p>anomaly-modal</p>"));
    }
}
