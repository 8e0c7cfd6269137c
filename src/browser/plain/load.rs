//! Going to an address: redirects, cookies, and what came of it: a page, a file, or nothing.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Plain;
use super::document::Page;
use super::fetch::{Answered, Asked, Fetcher};
use super::parse::{PageTask, Parsed};
use crate::browser::session::Surroundings;
use crate::browser::{BrowserError, page};
use crate::sandbox::Encoded;
use crate::support::encoding::Form;

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 20;
/// Times that pages may lead on by themselves.
const MOST_REFRESHES: usize = 5;
/// A page that wants to be left within so many seconds is left at once.
const SOON: f64 = 5.0;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a page may take to be read.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    Page(Box<Page>),
    File(File),
    /// An answer that leaves the page as it is.
    Nothing,
}

/// A file that is no page.
#[derive(Debug)]
pub(super) struct File {
    pub(super) url: Url,
    /// As the server proposes it.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Why it is not whole.
    pub(super) cut: Option<String>,
}

/// How an answer is shown.
enum Shown {
    Html,
    Text,
    File,
}

impl Asked {
    /// A page is wanted.
    pub(super) fn get(url: Url) -> Self {
        Self { method: "GET", url, headers: Vec::new(), body: Vec::new() }
    }
}

impl Plain {
    /// Makes a request and follows where it leads. `from` is the page that it was made on.
    pub(super) async fn load(
        &mut self,
        surroundings: &Surroundings,
        asked: Asked,
        from: Option<Url>,
    ) -> Result<Came, BrowserError> {
        let url = asked.url.clone();
        let limit = tokio::time::timeout(LIMIT, self.follow(surroundings, asked, from));
        limit.await.unwrap_or_else(|_| {
            Err(BrowserError::NotLoaded(format!("{url} did not load within {} s", LIMIT.as_secs())))
        })
    }

    async fn follow(
        &mut self,
        surroundings: &Surroundings,
        mut asked: Asked,
        mut from: Option<Url>,
    ) -> Result<Came, BrowserError> {
        let mut fetcher = Fetcher::start(&self.sandbox, &self.folders).await?;
        let (mut redirects, mut refreshes) = (0, 0);
        loop {
            let answered = self.ask(&mut fetcher, &asked, from.as_ref()).await?;
            if let Some(next) = redirect(&asked, &answered)? {
                redirects += 1;
                if redirects > MOST_REDIRECTS {
                    let text = format!("{} did not load: it leads in a circle of redirects", asked.url);
                    return Err(BrowserError::NotLoaded(text));
                }
                if answered.cut.is_some() {
                    fetcher = Fetcher::start(&self.sandbox, &self.folders).await?;
                }
                asked = next;
                continue;
            }
            if matches!(answered.status, 204 | 205) {
                return Ok(Came::Nothing);
            }
            let (shown, charset) = shown(&answered);
            if matches!(shown, Shown::File) {
                let name = file_name(&answered, &asked.url);
                return Ok(Came::File(File { url: asked.url, name, bytes: answered.body, cut: answered.cut }));
            }
            let Answered { status, headers, body, cut } = answered;
            let task = PageTask { charset, plain: matches!(shown, Shown::Text) };
            let mut parsed = read(surroundings, &task, body, &asked.url).await?;
            let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("refresh"));
            let refresh = header.and_then(|(_, value)| super::parse::refresh(value)).or(parsed.refresh.take());
            if let Some((seconds, address)) = &refresh
                && *seconds <= SOON
                && refreshes < MOST_REFRESHES
                && let Some(next) = asked.url.join(address).ok().filter(|next| is_web(next) && *next != asked.url)
            {
                refreshes += 1;
                from = Some(asked.url);
                asked = Asked::get(next);
                if cut.is_some() {
                    fetcher = Fetcher::start(&self.sandbox, &self.folders).await?;
                }
                continue;
            }
            if parsed.title.is_empty() && task.plain {
                parsed.title = file_name_of(&asked.url);
            }
            let url = asked.url.clone();
            let page = tokio::task::spawn_blocking(move || Page::new(url, status, parsed)).await;
            let mut page =
                page.map_err(|error| BrowserError::NotLoaded(format!("{} could not be read: {error}", asked.url)))?;
            page.told.extend(cut.map(|why| format!("the page was cut off: {why}")));
            if let Some((seconds, address)) = refresh {
                page.told
                    .push(format!("the page wants to go on to {address} after {seconds} s; visit that if you want to"));
            }
            return Ok(Came::Page(Box::new(page)));
        }
    }

    /// One request, with cookies.
    async fn ask(
        &mut self,
        fetcher: &mut Fetcher,
        asked: &Asked,
        from: Option<&Url>,
    ) -> Result<Answered, BrowserError> {
        let mut sent = asked.clone();
        sent.url.set_fragment(None);
        sent.headers.extend([
            (
                "user-agent",
                concat!("Mozilla/5.0 (compatible; okcvm/", env!("CARGO_PKG_VERSION"), "; no scripts)").to_owned(),
            ),
            ("accept", "text/html,application/xhtml+xml,text/*;q=0.9,*/*;q=0.8".to_owned()),
            ("accept-language", "en-US,en;q=0.8,*;q=0.5".to_owned()),
        ]);
        sent.headers.extend(from.and_then(|from| referrer(from, &asked.url)).map(|from| ("referer", from)));
        if asked.method != "GET"
            && let Some(from) = from
        {
            sent.headers.push(("origin", from.origin().ascii_serialization()));
        }
        sent.headers.extend(self.cookies.header(&asked.url, Timestamp::now()).map(|cookies| ("cookie", cookies)));
        let answered = fetcher.fetch(&sent).await?;
        if answered.header("proxy-status").is_some_and(|status| super::super::is_of_proxy(&asked.url, status)) {
            // The session's proxy answered instead of the server, and says why.
            let why = page::line(&String::from_utf8_lossy(&answered.body), 500);
            return Err(BrowserError::NotLoaded(format!("{} did not load: {why}", asked.url)));
        }
        for (_, value) in answered.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            self.cookies.set(&asked.url, value, Timestamp::now());
        }
        Ok(answered)
    }
}

/// Whether it is an address of the web.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some()
}

/// What a page tells another one of where a reader comes from: all to its own kind, no more than the host to others, nothing
/// where it could be read on the way.
fn referrer(from: &Url, to: &Url) -> Option<String> {
    if from.origin() == to.origin() {
        let mut from = from.clone();
        from.set_fragment(None);
        // Where there was none, there is none.
        let _ = from.set_username("").and_then(|()| from.set_password(None));
        return Some(from.to_string());
    }
    (from.scheme() == "http" || to.scheme() == "https").then(|| format!("{}/", from.origin().ascii_serialization()))
}

/// The request that an answer leads on to.
fn redirect(asked: &Asked, answered: &Answered) -> Result<Option<Asked>, BrowserError> {
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (answered.status, answered.header("location")) else {
        return Ok(None);
    };
    let refused = |why: &str| {
        let location = page::line(location, 200);
        BrowserError::NotLoaded(format!("{} did not load: it leads to {location}, {why}", asked.url))
    };
    let mut url = asked.url.join(location.trim()).map_err(|_| refused("which is no address"))?;
    if !is_web(&url) {
        return Err(refused("and only http:// and https:// are opened"));
    }
    if url.fragment().is_none() {
        url.set_fragment(asked.url.fragment());
    }
    let again = matches!(answered.status, 307 | 308) || asked.method == "GET";
    Ok(Some(if again { Asked { url, ..asked.clone() } } else { Asked::get(url) }))
}

/// How an answer is to be shown, and the encoding that it names.
fn shown(answered: &Answered) -> (Shown, Option<String>) {
    let header = answered.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let (kind, rest) = header.split_once(';').unwrap_or((&header, ""));
    let charset = rest.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    let charset = charset.map(|label| label.trim_matches(['"', '\'', ' ']).to_owned());
    let attached = answered.header("content-disposition").unwrap_or_default().trim().to_ascii_lowercase();
    if attached.starts_with("attachment") {
        return (Shown::File, charset);
    }
    let body = &answered.body;
    let is_text = || body.is_empty() || Form::of(body, answered.cut.is_none()).is_some();
    let text = |kind: &str| {
        let (group, name) = kind.split_once('/').unwrap_or((kind, ""));
        let spoken =
            ["json", "xml", "javascript", "ecmascript", "yaml", "x-yaml", "toml", "ndjson", "x-ndjson", "sql", "x-sh"];
        group == "text"
            || (group == "application" && (spoken.contains(&name) || name.ends_with("+json") || name.ends_with("+xml")))
    };
    let shown = match kind.trim() {
        "text/html" | "application/xhtml+xml" => Shown::Html,
        "" if looks_like_html(body) => Shown::Html,
        kind if (kind.is_empty() || text(kind)) && is_text() => Shown::Text,
        _ => Shown::File,
    };
    (shown, charset)
}

fn looks_like_html(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(512)]).trim_start().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<title", "<body"].iter().any(|begin| start.starts_with(begin))
}

/// Has a page read in a process that can do nothing else.
async fn read(surroundings: &Surroundings, task: &PageTask, body: Vec<u8>, url: &Url) -> Result<Parsed, BrowserError> {
    let failed = |why: &dyn std::fmt::Display| {
        BrowserError::NotLoaded(format!("{url} could not be read: {}", page::line(&why.to_string(), 300)))
    };
    let task = serde_json::json!({"page": task}).to_string();
    let decoder = surroundings.decoder.clone().with_time_limit(READ_LIMIT);
    // Whoever no longer waits drops all of this.
    let read = decoder.run(&task, Encoded::Bytes(body), &CancellationToken::new()).await;
    serde_json::from_slice(&read.map_err(|error| failed(&error))?).map_err(|error| failed(&error))
}

/// The name that a server proposes for a file.
fn file_name(answered: &Answered, url: &Url) -> String {
    let header = answered.header("content-disposition").unwrap_or_default();
    let parameter = |wanted: &str| {
        header.split(';').skip(1).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let encoded = || Some(percent_decoded(parameter("filename*")?.splitn(3, '\'').nth(2)?));
    encoded().or_else(|| parameter("filename")).unwrap_or_else(|| file_name_of(url))
}

fn file_name_of(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    percent_decoded(last)
}

/// `%20` as what it stands for.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answered { status, headers, body: body.to_vec(), cut: None }
    }

    #[test]
    fn what_is_no_page_and_no_text_is_a_file() {
        let of = |kind: &str, body: &[u8]| shown(&answered(200, &[("Content-Type", kind)], body)).0;
        assert!(matches!(of("text/html; charset=utf-8", b"x"), Shown::Html));
        assert!(matches!(of("application/ld+json", b"{}"), Shown::Text));
        assert!(matches!(of("text/plain", b"\x00\x01\x02\xff\xfe"), Shown::File));
        assert!(matches!(of("application/pdf", b"%PDF"), Shown::File));
        assert!(matches!(of("image/png", b"x"), Shown::File));
        let sniffed = shown(&answered(200, &[], b" <!DOCTYPE html><p>x")).0;
        assert!(matches!(sniffed, Shown::Html));
        let attached = answered(200, &[("content-type", "text/html"), ("content-disposition", "attachment")], b"x");
        assert!(matches!(shown(&attached).0, Shown::File));
    }

    #[test]
    fn a_redirect_keeps_its_method_where_it_says_so_and_stays_in_the_web() {
        let url = Url::parse("http://a.test/x#part").expect("address");
        let post = Asked { method: "POST", body: b"b".to_vec(), ..Asked::get(url) };
        let to = |status, location| redirect(&post, &answered(status, &[("Location", location)], b""));
        let next = to(302, "/y").expect("fits").expect("leads on");
        assert_eq!((next.method, next.url.as_str(), next.body.len()), ("GET", "http://a.test/y#part", 0));
        let next = to(307, "//b.test/").expect("fits").expect("leads on");
        assert_eq!((next.method, next.url.host_str(), next.body.len()), ("POST", Some("b.test"), 1));
        assert!(to(302, "file:///etc/passwd").is_err());
        assert!(to(200, "/y").expect("fits").is_none());
    }

    #[test]
    fn names_of_files_are_those_that_servers_propose() {
        let url = Url::parse("http://a.test/d/r%C3%A9sum%C3%A9.pdf?x=1").expect("address");
        let name = |header| file_name(&answered(200, &[("content-disposition", header)], b""), &url);
        assert_eq!(name("attachment"), "résumé.pdf");
        assert_eq!(name("attachment; filename=\"a b.csv\""), "a b.csv");
        assert_eq!(name("attachment; filename=x.csv; filename*=UTF-8''%e4%b8%ad.csv"), "中.csv");
        assert_eq!(percent_decoded("100%"), "100%");
    }

    #[test]
    fn a_page_elsewhere_learns_no_more_than_the_host() {
        let from = Url::parse("https://a.test/secret?q=1#x").expect("address");
        let to = |to: &str| referrer(&from, &Url::parse(to).expect("address"));
        assert_eq!(to("https://a.test/y"), Some("https://a.test/secret?q=1".to_owned()));
        assert_eq!(to("https://b.test/"), Some("https://a.test/".to_owned()));
        assert_eq!(to("http://b.test/"), None);
    }
}
