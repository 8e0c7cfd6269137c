//! Search against servers of the shapes that providers have: what is asked, how answers are read, and what is told of limits,
//! refusals, errors and pages in place of JSON.

use std::path::Path;

use okcvm::config::schema::{DataSection, SandboxBackend, SandboxSection, SearchProvider, SearchSection};
use okcvm::protocol::ToolStatus;
use okcvm::support::secret::Secret;
use okcvm::tools::{Finished, Online};
use serde_json::{Value, json};

use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

/// A machine without a sandbox whose search and data go to this site.
pub(super) fn machine_of(folder: &Path, search: &SearchSection, site: &Site) -> Machine {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let data = DataSection { yahoo_base_url: Some(format!("http://{}", site.address)) };
    let sandbox = machine::choose(&section, &folder.join("cache")).expect("none is needed");
    Machine::online(folder, &sandbox, Online::new(search, &data))
}

fn section(provider: SearchProvider, site: &Site) -> SearchSection {
    SearchSection {
        provider,
        base_url: Some(format!("http://{}", site.address)),
        api_key: Some(Secret::new("the-key")),
    }
}

pub(super) fn json_answer(value: &Value) -> Answer {
    Answer::Full("200 OK", vec![("Content-Type", "application/json".to_owned())], value.to_string().into_bytes())
}

pub(super) fn ok(ran: &Finished) -> &str {
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    &ran.output
}

pub(super) fn wrong(ran: &Finished) -> &str {
    assert_eq!(ran.status, ToolStatus::Error, "{}", ran.output);
    &ran.output
}

/// What each provider answers to a query for pages and for pictures, in its own shape.
fn shaped(provider: SearchProvider, asked: &Asked) -> Answer {
    let pictures = asked.path.contains("images") || asked.path.contains("i.js");
    let value = match provider {
        SearchProvider::Searxng if pictures => json!({"results": [{
            "title": "A <b>cat</b>", "url": "http://page.test/", "img_src": "//img.test/cat.png", "resolution": "640 x 480",
        }]}),
        SearchProvider::Searxng => json!({"results": [
            {"title": "One", "url": "http://one.test/", "content": "first &amp; best", "publishedDate": "2024-05-01T00:00:00"},
            {"title": "Again", "url": "https://www.one.test/#x", "content": "the same"},
        ]}),
        SearchProvider::Brave if pictures => json!({"results": [{
            "title": "A cat", "url": "http://page.test/", "properties": {"url": "https://img.test/cat.png", "width": 640, "height": 480},
        }]}),
        SearchProvider::Brave => json!({"web": {"results": [
            {"title": "One", "url": "http://one.test/", "description": "first &amp; best", "page_age": "2024-05-01T00:00:00"},
        ]}}),
        SearchProvider::Tavily if String::from_utf8_lossy(&asked.body).contains("include_images") => {
            json!({"results": [], "images": [{"url": "https://img.test/cat.png", "description": "A cat"}]})
        }
        SearchProvider::Tavily => json!({"results": [
            {"title": "One", "url": "http://one.test/", "content": "first & best", "published_date": "2024-05-01"},
        ]}),
        SearchProvider::Serper if pictures => json!({"images": [{
            "title": "A cat", "imageUrl": "https://img.test/cat.png", "imageWidth": 640, "imageHeight": 480, "link": "http://page.test/",
        }]}),
        SearchProvider::Serper => json!({"organic": [
            {"title": "One", "link": "http://one.test/", "snippet": "first & best", "date": "1 May 2024", "position": 1},
        ]}),
        SearchProvider::Bing if pictures => json!({"value": [{
            "name": "A cat", "contentUrl": "https://img.test/cat.png", "width": 640, "height": 480, "hostPageUrl": "http://page.test/",
        }]}),
        SearchProvider::Bing => json!({"webPages": {"value": [
            {"name": "One", "url": "http://one.test/", "snippet": "first & best", "datePublished": "2024-05-01"},
        ]}}),
        SearchProvider::Duckduckgo if asked.path.starts_with("/i.js") => json!({"results": [{
            "title": "A cat", "image": "https://img.test/cat.png", "width": 640, "height": 480, "url": "http://page.test/",
        }]}),
        SearchProvider::Duckduckgo if pictures => return Answer::Html("<script>vqd=\"4-77\"</script>".to_owned()),
        SearchProvider::Duckduckgo => {
            return Answer::Html(
                "<div class=results><div class='result'><a class=result__a \
                 href='//duckduckgo.com/l/?uddg=http%3A%2F%2Fone.test%2F&amp;rut=1'>One</a>\
                 <a class=result__snippet href=x>first &amp; best</a></div></div>"
                    .to_owned(),
            );
        }
    };
    json_answer(&value)
}

const ALL: [SearchProvider; 6] = [
    SearchProvider::Searxng,
    SearchProvider::Brave,
    SearchProvider::Tavily,
    SearchProvider::Serper,
    SearchProvider::Bing,
    SearchProvider::Duckduckgo,
];

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_is_asked_as_it_wants_and_its_answers_are_read() {
    for provider in ALL {
        let site = Site::start(move |asked: &Asked| shaped(provider, asked));
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(provider, &site), &site);
        let ran = machine.call("web_search", json!({"queries": ["two words & more"]})).await;
        let text = ok(&ran);
        assert!(text.starts_with("1 page found by "), "{provider:?}: {text}");
        assert!(text.contains("[1] One\nhttp://one.test/\n") && text.contains("first & best"), "{provider:?}: {text}");
        assert!(provider == SearchProvider::Duckduckgo || text.contains("2024"), "{provider:?}: {text}");
        let ran = machine.call("image_search", json!({"queries": ["a cat"], "total_count": 3})).await;
        let text = ok(&ran);
        assert!(text.starts_with("Found 1 picture with "), "{provider:?}: {text}");
        assert!(text.contains("A cat") && text.contains("https://img.test/cat.png"), "{provider:?}: {text}");
        let sized = provider != SearchProvider::Tavily;
        assert_eq!(
            text.contains("640 x 480\n") && text.contains("on http://page.test/"),
            sized,
            "{provider:?}: {text}"
        );
        let first = site.asked().into_iter().next().expect("a request");
        let (method, path, key) = match provider {
            SearchProvider::Searxng => {
                ("GET", "/search?q=two+words+%26+more&format=json&categories=general", "authorization")
            }
            SearchProvider::Brave => {
                ("GET", "/res/v1/web/search?q=two+words+%26+more&count=20", "x-subscription-token")
            }
            SearchProvider::Tavily => ("POST", "/search", "authorization"),
            SearchProvider::Serper => ("POST", "/search", "x-api-key"),
            SearchProvider::Bing => (
                "GET",
                "/v7.0/search?q=two+words+%26+more&count=20&responseFilter=Webpages",
                "ocp-apim-subscription-key",
            ),
            SearchProvider::Duckduckgo => ("POST", "/html/", "none"),
        };
        assert_eq!((first.method.as_str(), first.path.as_str()), (method, path), "{provider:?}");
        let sent = first.header(key).map(|value| value.trim_start_matches("Bearer "));
        let wanted = (provider != SearchProvider::Duckduckgo).then_some("the-key");
        assert_eq!(sent, wanted, "{provider:?}");
        let body = String::from_utf8_lossy(&first.body).into_owned();
        match provider {
            SearchProvider::Tavily => assert!(body.contains(r#""query":"two words & more""#), "{body}"),
            SearchProvider::Serper => assert!(body.contains(r#""q":"two words & more""#), "{body}"),
            SearchProvider::Duckduckgo => assert_eq!(body, "q=two+words+%26+more&kl=wt-wt"),
            _ => assert!(body.is_empty()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_refusals_errors_and_empty_answers_are_told_as_what_they_are() {
    let site = Site::start(|asked: &Asked| {
        let has = |word: &str| asked.path.contains(word);
        let text = |status, body: &str| Answer::Full(status, vec![("Retry-After", "7".to_owned())], body.into());
        match () {
            () if has("limited") => text("429 Too Many Requests", "slow down"),
            () if has("refused") => text("401 Unauthorized", r#"{"message": "bad key the-key"}"#),
            () if has("broken") => text("500 Internal Server Error", "<html>oops</html>"),
            () if has("page") => Answer::Html("<!doctype html><p>Welcome".to_owned()),
            () if has("half") => text("200 OK", r#"{"results": ["#),
            () if has("shut") => json_answer(&json!({"results": [], "unresponsive_engines": [["google", "CAPTCHA"]]})),
            () if has("away") => {
                Answer::Full("302 Found", vec![("Location", "http://127.0.0.2:9/".to_owned())], Vec::new())
            }
            () if has("good") => json_answer(&json!({"results": [{"title": "G\u{1b}[31m", "url": "http://g.test/"}]})),
            () => json_answer(&json!({"results": []})),
        }
    });
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &section(SearchProvider::Searxng, &site), &site);
    for (query, words) in [
        ("limited", "limits how often it is asked; it wants to be left alone for 7 s"),
        ("refused", "refused the request: status 401 Unauthorized: bad key"),
        ("broken", "did not answer: status 500"),
        ("page", "a web page in place of JSON"),
        ("half", "its answer is no JSON"),
        ("shut", "none of its engines answered (google: CAPTCHA)"),
        ("away", "status 302"),
    ] {
        let ran = machine.call("web_search", json!({"queries": [query]})).await;
        let text = wrong(&ran);
        assert!(text.contains(words) && !text.contains("the-key"), "{query}: {text}");
        assert!(!text.contains("no page was found"), "{text}");
    }
    let ran = machine.call("web_search", json!({"queries": ["nothing", "good", "limited", "good"]})).await;
    let text = ok(&ran);
    assert!(text.starts_with("1 page found by SearXNG.\nFor \"nothing\" no page was found.\n"), "{text}");
    assert!(text.contains("For \"limited\" nothing is known: ") && text.contains("(found for \"good\")"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    for arguments in [json!({"queries": []}), json!({"queries": [" "]}), json!({"queries": many})] {
        wrong(&machine.call("web_search", arguments).await);
    }
    wrong(&machine.call("image_search", json!({"queries": ["x"], "total_count": 0})).await);
}
