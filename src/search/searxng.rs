//! SearXNG, and searx, which speaks the same: `GET /search?format=json` of any instance.

use futures::future::BoxFuture;
use reqwest::StatusCode;
use serde_json::Value;

use super::http::{Connection, Request};
use super::value::{address, hit, list, text};
use super::{Hit, Pages, Picture, Provider, SearchError};

pub(super) const NAME: &str = "SearXNG";
/// Pages of pictures that one query may take.
const MOST_PAGES: usize = 3;

pub(super) struct Searxng(pub(super) Connection);

impl Searxng {
    async fn ask(&self, query: &str, category: &'static str, page: usize) -> Result<Value, SearchError> {
        let mut query =
            vec![("q", query.to_owned()), ("format", "json".to_owned()), ("categories", category.to_owned())];
        if page > 1 {
            query.push(("pageno", page.to_string()));
        }
        let answer = self.0.send(Request::get("search", query).with_key("authorization", "Bearer ")).await?;
        if answer.status == StatusCode::FORBIDDEN {
            let why = "status 403: an instance answers so when it gives no JSON; its settings.yml must name json under \
                       search.formats";
            return Err(SearchError::Refused { provider: NAME, why: why.to_owned() });
        }
        if answer.status == StatusCode::NOT_FOUND {
            let why = "status 404: no instance is there; search.base_url must be the address of its start page, without \
                       /search";
            return Err(SearchError::Refused { provider: NAME, why: why.to_owned() });
        }
        self.0.read(&answer)
    }
}

/// An instance whose engines are shut out answers with nothing, which is no empty answer. How many others it has that
/// looked and found nothing, it does not tell.
fn shut_out(answer: &Value) -> Option<SearchError> {
    let reasons: Vec<String> = list(answer, "/unresponsive_engines")
        .filter_map(|engine| {
            let name = engine.get(0)?.as_str()?;
            let reason = engine.get(1).and_then(Value::as_str).unwrap_or("no answer");
            Some(format!("{name}: {reason}"))
        })
        .collect();
    let why = format!("nothing was found, and these of its engines failed: {}", reasons.join(", "));
    (!reasons.is_empty()).then_some(SearchError::Failed { provider: NAME, why })
}

impl Provider for Searxng {
    fn name(&self) -> &'static str {
        NAME
    }

    fn web<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Result<Pages, SearchError>> {
        Box::pin(async move {
            let answer = self.ask(query, "general", 1).await?;
            let page = |value: &Value| {
                Some(Hit { date: text(value, "publishedDate"), ..hit(value, "title", "url", "content")? })
            };
            // What it knows about the subject as a whole stands apart, with links of its own.
            let about = |value: &Value| {
                let url = list(value, "/urls").find_map(|link| address(link, "url")).or_else(|| address(value, "id"));
                Some(Hit {
                    title: text(value, "infobox").unwrap_or_default(),
                    url: url?,
                    snippet: text(value, "content").unwrap_or_default(),
                    date: None,
                })
            };
            // Old instances give bare texts.
            let said = |value: &Value| text(value, "answer").or_else(|| value.as_str().map(ToOwned::to_owned));
            let hits = list(&answer, "/infoboxes").filter_map(about);
            let pages = Pages {
                hits: hits.chain(list(&answer, "/results").filter_map(page)).collect(),
                answers: list(&answer, "/answers").filter_map(said).collect(),
            };
            if pages.is_empty() { shut_out(&answer).map_or(Ok(pages), Err) } else { Ok(pages) }
        })
    }

    fn pictures<'a>(&'a self, query: &'a str, count: usize) -> BoxFuture<'a, Result<Vec<Picture>, SearchError>> {
        Box::pin(async move {
            let picture = |value: &Value| {
                let resolution = text(value, "resolution").or_else(|| text(value, "img_format")).unwrap_or_default();
                Some(Picture {
                    title: text(value, "title").unwrap_or_default(),
                    url: address(value, "img_src").or_else(|| address(value, "thumbnail_src"))?,
                    page: address(value, "url"),
                    size: size_of(&resolution),
                })
            };
            let mut pictures: Vec<Picture> = Vec::new();
            for page in 1..=MOST_PAGES {
                let answer = match self.ask(query, "images", page).await {
                    Ok(answer) => answer,
                    Err(error) if page == 1 => return Err(error),
                    // What came before is worth more.
                    Err(_) => break,
                };
                let before = pictures.len();
                for picture in list(&answer, "/results").filter_map(picture) {
                    if pictures.iter().all(|known| known.url != picture.url) {
                        pictures.push(picture);
                    }
                }
                if pictures.is_empty() {
                    return shut_out(&answer).map_or(Ok(pictures), Err);
                }
                if pictures.len() >= count || pictures.len() == before {
                    break;
                }
            }
            Ok(pictures)
        })
    }
}

/// `1024 x 768`, in the spellings that engines have: the first two numbers with a cross between them.
fn size_of(text: &str) -> Option<(u32, u32)> {
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number > 0);
    text.char_indices().filter(|(_, c)| matches!(c, 'x' | 'X' | '×' | '*')).find_map(|(at, cross)| {
        let (before, after) = (text[..at].trim_end(), text[at + cross.len_utf8()..].trim_start());
        let first = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let last = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        Some((number(&before[first..])?, number(&after[..last])?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_engines_write_them() {
        assert_eq!(size_of("1024 x 768"), Some((1024, 768)));
        assert_eq!(size_of("4K 3840x2160"), Some((3840, 2160)));
        assert_eq!(size_of("800×600 px, 4x"), Some((800, 600)));
        for none in ["", "4K", "jpeg", "0x0", "x 5", "99999999999x1"] {
            assert_eq!(size_of(none), None, "{none}");
        }
    }
}
