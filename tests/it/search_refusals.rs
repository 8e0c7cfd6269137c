//! What is told of a search that has no answer: limits, refusals, errors, redirects, pages in place of JSON, and calls that
//! are stopped.

use std::sync::atomic::{AtomicUsize, Ordering};

use okcvm::config::schema::SearchProvider;
use okcvm::protocol::ToolStatus;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::search::{KEY, json_answer, machine_of, ok, section, wrong};
use crate::support::machine;
use crate::support::site::{Answer, Asked, Site};

fn full(status: &'static str, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer::Full(status, headers, body.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_refusals_errors_and_empty_answers_are_told_as_what_they_are() {
    let site = Site::start(|asked: &Asked| {
        let has = |word: &str| asked.path.contains(word);
        let text = |status, body: &str| full(status, &[("Retry-After", "7")], body);
        match () {
            () if has("limited") => text("429 Too Many Requests", "slow down"),
            () if has("refused") => text("401 Unauthorized", &format!(r#"{{"message": "bad key {KEY}"}}"#)),
            // The border of what is told runs through the key.
            () if has("long") => text("400 Bad Request", &format!("{} {KEY}", "a".repeat(190))),
            () if has("closed") => text("403 Forbidden", "<h1>Forbidden</h1>"),
            () if has("missing") => text("404 Not Found", "<h1>Not Found</h1>"),
            () if has("broken") => text("500 Internal Server Error", "<html>oops</html>"),
            () if has("page") => Answer::Html("<!doctype html><p>Welcome".to_owned()),
            () if has("half") => text("200 OK", r#"{"results": ["#),
            () if has("shut") => json_answer(&json!({"results": [], "unresponsive_engines": [["google", "CAPTCHA"]]})),
            () if has("away") => full("302 Found", &[("Location", "http://127.0.0.2:9/x?q=away")], ""),
            () if has("circle") => full("302 Found", &[("Location", "/search?q=circle")], ""),
            () if has("flood") => Answer::Endless(Vec::new(), vec![b' '; 1 << 20]),
            () if has("good") => json_answer(&json!({"results": [{"title": "G\u{1b}[31m", "url": "http://g.test/"}]})),
            () => json_answer(&json!({"results": []})),
        }
    });
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &section(SearchProvider::Searxng, &site), &site);
    for (query, words) in [
        ("limited", "limits how often it is asked; it wants to be left alone for 7 s (slow down)"),
        ("refused", "refused the request: status 401 Unauthorized: bad key"),
        ("missing", "search.base_url must be the address of its start page, without /search"),
        ("broken", "did not answer: status 500"),
        ("page", "a web page in place of JSON"),
        ("half", "its answer is no JSON"),
        ("shut", "nothing was found, and these of its engines failed: google: CAPTCHA"),
        ("long", "status 400 Bad Request: aaaa"),
        ("closed", "it gives no JSON; its settings.yml must name json under search.formats"),
        ("away", "status 302 Found; it sends to http://127.0.0.2:9/x, and search.base_url may name that address"),
        ("circle", "it redirects more than 4 times"),
        ("flood", "it sent more than 8 MiB"),
    ] {
        let ran = machine.call("web_search", json!({"queries": [query]})).await;
        let text = wrong(&ran);
        assert!(text.starts_with("The search failed: no answer from SearXNG.\n"), "{query}: {text}");
        assert!(text.contains(words) && !text.contains(&KEY[..6]), "{query}: {text}");
        assert!(!text.contains("no page was found"), "{text}");
        let ran = machine.call("image_search", json!({"queries": [query]})).await;
        assert!(wrong(&ran).starts_with("Found no pictures: no answer from SearXNG.\n"), "{query}: {}", ran.output);
        assert!(ran.output.contains(words), "{query}: {}", ran.output);
    }
    let ran = machine.call("web_search", json!({"queries": ["nothing", "good", "limited", "good"]})).await;
    let text = ok(&ran);
    assert!(
        text.starts_with(
            "1 page found by SearXNG; 1 of 3 queries has no answer.\nFor \"nothing\" no page was found.\n"
        ),
        "{text}"
    );
    assert!(text.contains("For \"limited\" nothing is known: ") && text.contains("(found for \"good\")"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    for arguments in [json!({"queries": []}), json!({"queries": [" "]}), json!({"queries": many})] {
        wrong(&machine.call("web_search", arguments).await);
    }
    wrong(&machine.call("image_search", json!({"queries": ["x"], "total_count": 0})).await);
    // A port at which nobody listens any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let mut nobody = section(SearchProvider::Searxng, &site);
    nobody.base_url = Some(format!("http://user:{KEY}@{closed}"));
    let machine = machine_of(&folder.path().join("nobody"), &nobody, &site);
    let ran = machine.call("web_search", json!({"queries": ["cats"]})).await;
    let words = format!("did not answer: no connection to http://{closed}: ");
    assert!(wrong(&ran).contains(&words) && !ran.output.contains(KEY), "{}", ran.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_each_provider_are_told_in_its_own_words() {
    let challenge = r#"<form id="challenge-form" action="//duckduckgo.com/anomaly.js?sv=html">"#;
    let rows = [
        (
            SearchProvider::Brave,
            "429 Too Many Requests",
            r#"{"type": "ErrorResponse", "error": {"code": "RATE_LIMITED", "detail": "Request rate limit exceeded for plan."}}"#,
            "Brave Search limits how often it is asked (Request rate limit exceeded for plan.)",
        ),
        (
            SearchProvider::Brave,
            "422 Unprocessable Entity",
            r#"{"error": {"code": "SUBSCRIPTION_TOKEN_INVALID", "detail": "The provided subscription token is invalid."}}"#,
            "refused the request: status 422 Unprocessable Entity: The provided subscription token is invalid.",
        ),
        (
            SearchProvider::Tavily,
            "401 Unauthorized",
            r#"{"detail": {"error": "Unauthorized: missing or invalid API key."}}"#,
            "Tavily refused the request: status 401 Unauthorized: Unauthorized: missing or invalid API key.",
        ),
        (
            SearchProvider::Tavily,
            "432 Plan Limit",
            r#"{"detail": {"error": "This request exceeds your plan's set usage limit."}}"#,
            "Tavily limits how often it is asked (This request exceeds your plan's set usage limit.)",
        ),
        (
            SearchProvider::Serper,
            "400 Bad Request",
            r#"{"message": "Not enough credits", "statusCode": 400}"#,
            "Serper refused the request: status 400 Bad Request: Not enough credits",
        ),
        (
            SearchProvider::Bing,
            "401 Unauthorized",
            r#"{"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}"#,
            "Bing refused the request: status 401 Unauthorized: Access denied due to invalid subscription key.",
        ),
        (
            SearchProvider::Duckduckgo,
            "202 Accepted",
            challenge,
            "DuckDuckGo limits how often it is asked (it asks whether one is a person)",
        ),
        (SearchProvider::Duckduckgo, "200 OK", challenge, "(it asks whether one is a person)"),
        (SearchProvider::Duckduckgo, "403 Forbidden", "", "DuckDuckGo refused the request: status 403 Forbidden."),
    ];
    for (provider, status, body, words) in rows {
        let site = Site::start(move |_: &Asked| full(status, &[], body));
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(provider, &site), &site);
        for tool in ["web_search", "image_search"] {
            let ran = machine.call(tool, json!({"queries": ["x"]})).await;
            assert!(wrong(&ran).contains(words), "{provider:?} {tool}: {}", ran.output);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_duckduckgo_gives_to_browsers_only_are_no_limit() {
    for (page, words) in [
        ("<script>vqd=\"4-77\"</script>", "it does not give pictures to programs; another search.provider does"),
        ("<p>Welcome", "its page holds no token for pictures"),
    ] {
        let site = Site::start(move |asked: &Asked| {
            if asked.path.starts_with("/i.js") {
                full("403 Forbidden", &[], "If this persists")
            } else {
                Answer::Html(page.to_owned())
            }
        });
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(SearchProvider::Duckduckgo, &site), &site);
        let ran = machine.call("image_search", json!({"queries": ["x"]})).await;
        assert!(wrong(&ran).contains(words) && !ran.output.contains("limits"), "{}", ran.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_follows_no_redirect_to_another_server() {
    for provider in [SearchProvider::Brave, SearchProvider::Serper, SearchProvider::Bing, SearchProvider::Tavily] {
        let other = Site::start(|_: &Asked| json_answer(&json!({})));
        let target = format!("http://{}", other.address);
        let location = target.clone();
        let site = Site::start(move |asked: &Asked| {
            if asked.path.contains("moved") {
                // Nothing to be found, but an answer.
                json_answer(&json!({}))
            } else if asked.path.contains("stay") || String::from_utf8_lossy(&asked.body).contains("stay") {
                full("301 Moved Permanently", &[("Location", "/moved")], "")
            } else {
                full("307 Temporary Redirect", &[("Location", &format!("{location}/moved"))], "")
            }
        });
        let folder = machine::folder();
        let machine = machine_of(folder.path(), &section(provider, &site), &site);
        let ran = machine.call("web_search", json!({"queries": ["go"]})).await;
        assert!(wrong(&ran).contains(&format!("it sends to {target}/moved")), "{provider:?}: {}", ran.output);
        assert!(other.asked().is_empty(), "{provider:?}: {:?}", other.asked());
        ok(&machine.call("web_search", json!({"queries": ["stay"]})).await);
        let asked = site.asked();
        let [_, first, second] = &asked[..] else { panic!("{provider:?}: {asked:?}") };
        assert_eq!((&first.method, &first.body), (&second.method, &second.body), "{provider:?}");
        assert!(second.headers.iter().any(|(_, value)| value.ends_with(KEY)), "{provider:?}: {second:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_limit_is_waited_for_and_a_long_one_ends_the_asking() {
    let limits = AtomicUsize::new(0);
    let site = Site::start(move |asked: &Asked| {
        let soon =
            [("X-RateLimit-Limit", "1, 2000"), ("X-RateLimit-Remaining", "0, 9"), ("X-RateLimit-Reset", "1, 99999")];
        if asked.path.contains("for-ever") {
            return full("429 Too Many Requests", &[("Retry-After", "3600")], "");
        }
        match limits.fetch_add(1, Ordering::SeqCst) {
            0 => full("429 Too Many Requests", &soon, ""),
            _ => json_answer(
                &json!({"web": {"results": [{"title": "T", "url": format!("http://x.test{}", asked.path)}]}}),
            ),
        }
    });
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &section(SearchProvider::Brave, &site), &site);
    let ran = machine.call("web_search", json!({"queries": ["once"]})).await;
    assert!(ok(&ran).starts_with("1 page found by Brave Search.\n"), "{}", ran.output);
    assert_eq!(site.asked().len(), 2);
    let queries: Vec<String> = (0..10).map(|number| format!("for-ever {number}")).collect();
    let ran = machine.call("web_search", json!({"queries": queries})).await;
    let told = wrong(&ran).matches("it wants to be left alone for 3600 s").count();
    assert_eq!(told, 10, "{}", ran.output);
    let asked = site.asked().len() - 2;
    assert!((1..=3).contains(&asked), "{asked} requests to one that wants none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_stopped_ends_at_once_and_lets_go_of_the_provider() {
    let site = Site::start(|_: &Asked| Answer::Silent);
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &section(SearchProvider::Searxng, &site), &site);
    for tool in ["web_search", "image_search"] {
        let cancel = CancellationToken::new();
        let stop = async {
            while site.served() == 0 {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let call = machine.call_until(tool, json!({"queries": ["x"]}), cancel.clone());
        let (ran, ()) = tokio::join!(call, stop);
        assert_eq!(ran.status, ToolStatus::Cancelled, "{}", ran.output);
        assert!(machine::soon(|| site.served() == 0), "the request goes on");
    }
}
