//! Search against servers of the shapes that providers have: what is asked, and how answers are read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use okcvm::config::schema::{DataSection, MediaSection, SandboxBackend, SandboxSection, SearchProvider, SearchSection};
use okcvm::protocol::ToolStatus;
use okcvm::support::secret::Secret;
use okcvm::tools::{Finished, Online};
use serde_json::{Value, json};

use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

pub(super) const KEY: &str = "key-of-the-user-4711";

/// A machine without a sandbox whose search and data go to this site.
pub(super) fn machine_of(folder: &Path, search: &SearchSection, site: &Site) -> Machine {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let data = DataSection { yahoo_base_url: Some(format!("http://{}", site.address)) };
    let sandbox = machine::choose(&section, &folder.join("cache")).expect("none is needed");
    Machine::online(folder, &sandbox, Online::new(search, &data, &MediaSection::default()))
}

pub(super) fn section(provider: SearchProvider, site: &Site) -> SearchSection {
    SearchSection { provider, base_url: Some(format!("http://{}", site.address)), api_key: Some(Secret::new(KEY)) }
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

/// Pictures of cats with these numbers, as one provider writes them.
fn cats(numbers: std::ops::RangeInclusive<u32>, one: impl Fn(String, String) -> Value) -> Value {
    numbers.map(|number| one(format!("A cat <{number}>"), format!("https://img.test/cat-{number}.png"))).collect()
}

/// What each provider answers to a query for pages and for pictures, in its own shape. There are five pictures; SearXNG has
/// five on each of its pages.
fn shaped(provider: SearchProvider, asked: &Asked) -> Answer {
    let pictures = asked.path.contains("images") || asked.path.contains("i.js");
    let value = match provider {
        SearchProvider::Searxng if pictures => {
            let page = asked.path.split_once("pageno=").map_or(1, |(_, page)| page.parse().expect("a number"));
            json!({"results": cats(5 * page - 4..=5 * page, |title, url| json!({
                "title": title, "url": "http://page.test/", "img_src": url.trim_start_matches("https:"), "resolution": "4K 640x480",
            }))})
        }
        SearchProvider::Searxng => json!({"results": [
            {"title": "Vec<String> & more", "url": "http://one.test/", "content": "first <script> & best", "publishedDate": "2024-05-01T00:00:00"},
            {"title": "Again", "url": "https://www.one.test/#x", "content": "the same"},
            {"title": "No page", "url": "javascript:alert(1)"},
        ]}),
        SearchProvider::Brave if pictures => json!({"results": cats(1..=5, |title, url| json!({
            "title": title.replace('<', "&lt;"), "url": "http://page.test/", "properties": {"url": url, "width": 640, "height": 480},
        }))}),
        SearchProvider::Brave => json!({"web": {"results": [
            {"title": "Vec&lt;String&gt; &amp; <strong>more</strong>", "url": "http://one.test/",
                "description": "first &lt;script&gt; &amp; <strong>best</strong>", "page_age": "2024-05-01T00:00:00"},
        ]}}),
        SearchProvider::Tavily if String::from_utf8_lossy(&asked.body).contains("include_images") => {
            json!({"results": [], "images": cats(1..=5, |title, url| json!({"url": url, "description": title}))})
        }
        SearchProvider::Tavily => json!({"results": [
            {"title": "Vec<String> & more", "url": "http://one.test/", "content": "first <script> & best", "published_date": "2024-05-01"},
        ]}),
        SearchProvider::Serper if pictures => json!({"images": cats(1..=5, |title, url| json!({
            "title": title, "imageUrl": url, "imageWidth": 640, "imageHeight": 480, "link": "http://page.test/",
        }))}),
        SearchProvider::Serper => json!({"organic": [
            {"title": "Vec<String> & more", "link": "http://one.test/", "snippet": "first <script> & best", "date": "1 May 2024", "position": 1},
        ]}),
        SearchProvider::Bing if pictures => json!({"value": cats(1..=5, |title, url| json!({
            "name": title, "contentUrl": url, "width": 640, "height": 480, "hostPageUrl": "http://page.test/",
        }))}),
        SearchProvider::Bing => json!({"webPages": {"value": [
            {"name": "Vec<String> & more", "url": "http://one.test/", "snippet": "first <script> & best", "datePublished": "2024-05-01",
                "dateLastCrawled": "2025-01-01"},
        ]}}),
        SearchProvider::Duckduckgo if asked.path.starts_with("/i.js") => {
            json!({"results": cats(1..=5, |title, url| json!({
                "title": title, "image": url, "width": 640, "height": 480, "url": "http://page.test/",
            }))})
        }
        SearchProvider::Duckduckgo if pictures => return Answer::Html("<script>vqd=\"4-77\"</script>".to_owned()),
        SearchProvider::Duckduckgo => {
            return Answer::Html(
                "<div class=results><div class='result'><a class=result__a \
                 href='//duckduckgo.com/l/?uddg=http%3A%2F%2Fone.test%2F&amp;rut=1'>Vec&lt;String&gt; &amp; <b>more</b></a>\
                 <a class=result__snippet href=x>first &lt;script&gt; &amp; best, anomaly.js</a></div></div>"
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
        assert!(text.contains("[1] Vec<String> & more\nhttp://one.test/\n"), "{provider:?}: {text}");
        assert!(text.contains("first <script> & best"), "{provider:?}: {text}");
        assert!(provider == SearchProvider::Duckduckgo || text.contains("2024"), "{provider:?}: {text}");
        assert!(!text.contains("2025") && !text.contains("javascript"), "{provider:?}: {text}");
        let asked = site.asked();
        let [first] = &asked[..] else { panic!("{provider:?}: {asked:?}") };
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
        let wanted = (provider != SearchProvider::Duckduckgo).then_some(KEY);
        assert_eq!(sent, wanted, "{provider:?}");
        let body = String::from_utf8_lossy(&first.body).into_owned();
        match provider {
            SearchProvider::Tavily => assert!(body.contains(r#""query":"two words & more""#), "{body}"),
            SearchProvider::Serper => assert!(body.contains(r#""q":"two words & more""#), "{body}"),
            SearchProvider::Duckduckgo => {
                assert_eq!(body, "q=two+words+%26+more&b=&kl=wt-wt");
                assert_eq!(first.header("referer"), Some(format!("http://{}/", site.address).as_str()));
            }
            _ => assert!(body.is_empty()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_pictures_come_as_are_wanted_and_fewer_are_told() {
    for provider in ALL {
        let site = Site::start(move |asked: &Asked| shaped(provider, asked));
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(provider, &site), &site);
        let ran = machine.call("image_search", json!({"queries": ["a cat"], "total_count": 3})).await;
        let text = ok(&ran);
        assert!(text.starts_with("Found 3 pictures with "), "{provider:?}: {text}");
        assert!(text.contains("A cat <3>") && text.contains("\n  https://img.test/cat-3.png"), "{provider:?}: {text}");
        assert!(!text.contains("cat-4") && !text.contains("no more than these"), "{provider:?}: {text}");
        let sized = provider != SearchProvider::Tavily;
        assert_eq!(
            text.contains("640 x 480\n") && text.contains("on http://page.test/"),
            sized,
            "{provider:?}: {text}"
        );
        let asked = site.asked();
        let last = asked.last().expect("a request");
        let body = String::from_utf8_lossy(&last.body).into_owned();
        let (path, said) = match provider {
            SearchProvider::Searxng => ("/search?q=a+cat&format=json&categories=images", ""),
            SearchProvider::Brave => ("/res/v1/images/search?q=a+cat&count=3", ""),
            SearchProvider::Tavily => ("/search", r#""max_results":3"#),
            SearchProvider::Serper => ("/images", r#""num":3"#),
            SearchProvider::Bing => ("/v7.0/images/search?q=a+cat&count=3", ""),
            SearchProvider::Duckduckgo => ("/i.js?l=wt-wt&o=json&q=a+cat&vqd=4-77&p=1", ""),
        };
        assert!(last.path == path && body.contains(said), "{provider:?}: {} {body}", last.path);
        let own = format!("http://{}/", site.address);
        let referer = (provider == SearchProvider::Duckduckgo).then_some(own.as_str());
        assert_eq!(last.header("referer"), referer, "{provider:?}");
        let ran = machine.call("image_search", json!({"queries": ["a cat"], "total_count": 100})).await;
        let text = ok(&ran);
        let most = if provider == SearchProvider::Searxng { 15 } else { 5 };
        assert!(text.starts_with(&format!("Found {most} pictures with ")), "{provider:?}: {text}");
        assert!(text.contains("\n100 were wanted; ") && text.contains(" gave no more than these.\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_knows_beside_its_pages_is_told_as_well() {
    let rows = [
        (
            SearchProvider::Searxng,
            json!({"results": [], "answers": ["4", {"answer": "four", "url": null}], "infoboxes": [
                {"infobox": "Four", "id": "https://four.test/id", "content": "A number", "urls": [{"title": "x", "url": "https://four.test/"}]}],
                "unresponsive_engines": [["google", "CAPTCHA"]]}),
            vec![
                "1 page found",
                "SearXNG answers \"2+2\": 4\n",
                "answers \"2+2\": four\n",
                "[1] Four\nhttps://four.test/\nA number",
            ],
        ),
        (
            SearchProvider::Serper,
            json!({"answerBox": {"answer": "four"}, "organic": [], "topStories": [
                {"title": "Four today", "link": "https://news.test/", "date": "1 hour ago"}],
                "knowledgeGraph": {"title": "Four", "description": "A number", "descriptionLink": "https://four.test/"}}),
            vec![
                "2 pages found",
                "Serper answers \"2+2\": four\n",
                "Four\nhttps://four.test/",
                "https://news.test/\n1 hour ago",
            ],
        ),
        (
            SearchProvider::Brave,
            json!({"news": {"results": [{"title": "N", "url": "https://n.test/", "description": "news"}]},
                "discussions": {"results": [{"title": "D", "url": "https://d.test/", "description": "talk"}]},
                "faq": {"results": [{"question": "How much?", "answer": "Four", "url": "https://q.test/"}]}}),
            vec!["3 pages found", "https://n.test/\nnews", "https://d.test/\ntalk", "How much?\nhttps://q.test/\nFour"],
        ),
    ];
    for (provider, value, words) in rows {
        let site = Site::start(move |_: &Asked| json_answer(&value));
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(provider, &site), &site);
        let ran = machine.call("web_search", json!({"queries": ["2+2"]})).await;
        for word in words {
            assert!(ok(&ran).contains(word), "{provider:?} {word}: {}", ran.output);
        }
        assert!(!ran.output.contains("no page was found"), "{}", ran.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_asked_a_few_queries_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let site = Site::start(move |asked: &Asked| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Long enough for all that would come at the same time.
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end && seen.load(Ordering::SeqCst) <= 2 {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        counted.fetch_sub(1, Ordering::SeqCst);
        shaped(SearchProvider::Duckduckgo, asked)
    });
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &section(SearchProvider::Duckduckgo, &site), &site);
    let queries: Vec<String> = (0..6).map(|number| format!("query {number}")).collect();
    ok(&machine.call("web_search", json!({"queries": queries})).await);
    assert_eq!((site.asked().len(), most.load(Ordering::SeqCst)), (6, 2));
}
