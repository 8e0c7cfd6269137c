//! The browser tools on a machine without a browser: pages over plain HTTP, links and forms, and servers that mean harm.

use std::path::Path;

use okcvm::config::schema::{NetworkSection, SandboxBackend, SandboxSection};
use okcvm::protocol::{NetworkChange, ToolStatus};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{FORM, ok, wrong};
use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};
use crate::support::skip_or_fail;

/// A machine without a browser that may reach a site of the test.
fn machine_for(site: &Site, folder: &Path, number: u64, backend: SandboxBackend) -> Option<Machine> {
    let private = vec![site.address.to_string()];
    let network = NetworkSection { allow_private: private, ..NetworkSection::default() };
    let section = SandboxSection { network, backend, ..SandboxSection::default() };
    match machine::choose(&section, &folder.join("state")) {
        Ok(sandbox) => Some(Machine::without_browser(folder, number, &sandbox)),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

fn text_answer(status: &'static str, kind: &str, body: &[u8]) -> Answer {
    Answer::Full(status, vec![("Content-Type", kind.to_owned())], body.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_read_scrolled_searched_and_left_by_its_links() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/" => {
            let lines: String = (1..=500).map(|line| format!("<p>line {line}</p>")).collect();
            Answer::Html(format!(
                "<title>Long</title><base href='/deep/'><nav><a href=next>next</a> <a href='/#end'>end</a> \
                 <a href='javascript:go()'>script</a> <a href='/#' onclick='go()'>hash</a> <a href='mailto:a@b.test'>mail</a></nav>\
                 <noscript>needs no scripts</noscript><script>document.write('not run')</script>{lines}\
                 <h2 id=end>The end</h2><p hidden>not to be seen</p><a target=_blank href=/other>other</a>"
            ))
        }
        "/deep/next" => Answer::Html("<title>Next</title><meta http-equiv=refresh content='0; url=/last'>".to_owned()),
        "/last" => Answer::Html("<title>Last</title><p>the last page".to_owned()),
        "/other" => Answer::Html("<title>Other</title><p>the other page".to_owned()),
        _ => text_answer("404 Not Found", "text/plain", b"nothing here"),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x531, SandboxBackend::Auto) else { return };
    let page = machine.visit(&site.url("/")).await;
    let text = ok(&page);
    assert!(text.starts_with("* fetched without a browser"), "{text}");
    assert!(text.contains("Page [1]: Long\n") && text.contains("next[0]"), "{text}");
    assert!(text.contains("needs no scripts") && !text.contains("not run") && text.contains("line 100"), "{text}");
    assert!(!text.contains("line 400") && text.contains("Pixels 0 to 2400 of "), "{text}");
    assert!(text.contains("elements outside of the window: 1 below"), "{text}");
    assert!(page.images.is_empty());
    let found = machine.on_page("find", json!({"keyword": "LINE 4", "skip": 2})).await;
    assert!(ok(&found).contains("place 3 of 111") && found.output.contains("line 41"), "{}", found.output);
    let found = machine.on_page("find", json!({"keyword": "line 300"})).await;
    assert!(ok(&found).contains("line 280") && !found.output.contains("line 100"), "{}", found.output);
    let none = machine.on_page("find", json!({"keyword": "not to be seen"})).await;
    assert!(wrong(&none).contains("does not stand on this page"), "{}", none.output);
    let down = machine.on_page("scroll_down", json!({"scroll_amount": 1_000_000})).await;
    assert!(ok(&down).contains("## The end") && down.output.contains("scrolled down by"), "{}", down.output);
    let down = machine.on_page("scroll_down", json!({"scroll_amount": 100})).await;
    assert!(ok(&down).contains("end of the page"), "{}", down.output);
    let other = machine.click(&down, "link \"other\"").await;
    assert!(
        ok(&other).contains("the other page") && other.output.contains("Other open pages:\n[1] "),
        "{}",
        other.output
    );
    let page = machine.on_page("scroll_up", json!({"scroll_amount": 1_000_000})).await;
    let mut script = page;
    for words in ["link \"script\"", "link \"hash\""] {
        script = machine.click(&script, words).await;
        assert!(wrong(&script).contains("by scripts only"), "{}", script.output);
    }
    let mail = machine.click(&script, "link \"mail\"").await;
    assert!(wrong(&mail).contains("only http:// and https:// are opened"), "{}", mail.output);
    let end = machine.click(&mail, "link \"end\"").await;
    assert!(ok(&end).contains("## The end") && end.output.contains("#end\n"), "{}", end.output);
    let page = machine.on_page("scroll_up", json!({"scroll_amount": 1_000_000})).await;
    let last = machine.click(&page, "link \"next\"").await;
    assert!(ok(&last).contains("Page [1]: Last\n") && last.output.contains("the last page"), "{}", last.output);
    let state = machine.call("browser_state", json!({})).await;
    assert!(ok(&state).contains("the last page"), "{}", state.output);
    let missing = machine.visit(&site.url("/nowhere")).await;
    assert!(ok(&missing).contains("status 404") && missing.output.contains("nothing here"), "{}", missing.output);
    let unknown = machine.on_page("visit", json!({"citation_id": 99})).await;
    assert!(wrong(&unknown).contains("there is no page 99; open pages are:\n["), "{}", unknown.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_filled_in_and_sent_without_a_browser() {
    let site = Site::start(|asked: &Asked| {
        match (asked.method.as_str(), asked.path.split('?').next()) {
        (_, Some("/")) => Answer::Html(FORM.to_owned()),
        (_, Some("/search")) => Answer::Html(
            "<title>Search</title><form action=/found><input name=q aria-label=Query><input type=hidden name=h value=1>\
             <select name=many multiple aria-label=Many><option>a<option>b<option>c</select><input type=submit name=go value=Go>\
             <input required aria-label=Must></form>"
                .to_owned(),
        ),
        (_, Some("/found")) => Answer::Html(format!("<title>Found</title><p>asked {}", asked.path)),
        ("POST", Some("/sent")) => Answer::Html("<title>Sent</title><p>Thank you.".to_owned()),
        _ => text_answer("404 Not Found", "text/plain", b"nothing here"),
    }
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x532, SandboxBackend::Auto) else { return };
    std::fs::write(machine.work().join("a.txt"), "the first file").expect("file");
    let page = machine.visit(&site.url("/")).await;
    let text = ok(&page);
    assert!(text.contains("# Order") && text.contains("our terms[0]"), "{text}");
    assert!(text.contains("textbox \"Name\"\n") && text.contains("options: Germany | 日本"), "{text}");
    let mut page = machine.fill_order(page).await;
    for (field, content, why) in [
        ("date", "tomorrow", "YYYY-MM-DD"),
        ("combobox", "France", "no option \"France\"; its options are: Germany | 日本"),
        ("spinbutton", "many", "numbers only"),
        ("\"Note\"", "text", "page's scripts"),
        ("file", "/etc/passwd", ""),
    ] {
        page = machine.fill(&page, field, content).await;
        assert!(wrong(&page).contains(why), "{field}: {}", page.output);
    }
    let bad = machine.click(&page, "Not yet").await;
    assert!(wrong(&bad).contains("is disabled"), "{}", bad.output);
    let post = machine.send_order(&bad, &site).await;
    assert_eq!(post.header("referer"), Some(site.url("/").as_str()));

    let page = machine.visit(&site.url("/search")).await;
    let with = |arguments: serde_json::Value| {
        let mut arguments = arguments;
        arguments["url"] = json!(site.url("/search"));
        arguments["citation_id"] = json!(0);
        arguments
    };
    let query = super::index(&page, "\"Query\"");
    let empty = machine.call("browser_input", with(json!({"element_index": query, "content": "a\n"}))).await;
    assert!(wrong(&empty).contains("\"Must\" is required"), "{}", empty.output);
    for (field, content) in [("\"Must\"", "x"), ("\"Many\"", "c\na")] {
        let index = super::index(&page, field);
        ok(&machine.call("browser_input", with(json!({"element_index": index, "content": content}))).await);
    }
    let found = machine.call("browser_input", with(json!({"element_index": query, "content": "a b&c\n"}))).await;
    assert!(ok(&found).contains("asked /found?q=a+b%26c&h=1&many=a&many=c&go=Go"), "{}", found.output);
    machine.toolbox.close().await;
}

/// Sets a cookie for those who log in, and asks for it.
fn shop(asked: &Asked) -> Answer {
    let cookie = asked.header("cookie").unwrap_or_default().to_owned();
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/login") if asked.body == b"user=me&word=secret" => Answer::Full(
            "303 See Other",
            vec![("Location", "/home".to_owned()), ("Set-Cookie", "id=42; Path=/; HttpOnly".to_owned())],
            Vec::new(),
        ),
        (_, "/home") if cookie == "id=42" => Answer::Html("<title>Home</title><p>welcome back".to_owned()),
        _ => Answer::Html(
            "<title>Log in</title><form method=post action=/login><input name=user><input type=password name=word>\
             <button>Log in</button></form>"
                .to_owned(),
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_kept_and_the_sessions_own_server_is_reached() {
    let site = Site::start(shop);
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x533, SandboxBackend::Auto) else { return };
    let page = machine.visit(&site.url("/home")).await;
    let page = machine.fill(&page, "textbox", "me").await;
    let page = machine.fill(&page, "password", "secret").await;
    let home = machine.click(&page, "button \"Log in\"").await;
    assert!(ok(&home).contains("welcome back"), "{}", home.output);
    let again = machine.visit(&site.url("/home")).await;
    assert!(ok(&again).contains("welcome back"), "{}", again.output);
    let served = machine
        .shell("mkdir -p s && echo '<title>Own</title><p>served inside' > s/index.html && (cd s && python3 -m http.server 8123 >/dev/null 2>&1 &) ; \
                until curl -s localhost:8123 >/dev/null; do sleep 0.05; done")
        .await;
    assert_eq!(served.status, ToolStatus::Ok, "{}", served.output);
    let own = machine.visit("http://localhost:8123/").await;
    assert!(ok(&own).contains("served inside"), "{}", own.output);
    machine.toolbox.network(&NetworkChange::Mode("off".to_owned())).expect("changed");
    let own = machine.visit("http://localhost:8123/").await;
    assert!(ok(&own).contains("served inside"), "{}", own.output);
    let out = machine.visit(&site.url("/")).await;
    assert!(!out.output.contains("welcome back") && !out.output.contains("Log in"), "{}", out.output);
    assert_eq!(out.status, ToolStatus::Error, "{}", out.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_page_is_kept_and_what_means_harm_is_bounded() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/to-private" => Answer::Full("302 Found", vec![("Location", "http://10.0.0.1/".to_owned())], Vec::new()),
        "/to-file" => Answer::Full("302 Found", vec![("Location", "file:///etc/passwd".to_owned())], Vec::new()),
        "/circle" => Answer::Full("302 Found", vec![("Location", "/circle".to_owned())], Vec::new()),
        "/refresh" => {
            Answer::Html("<title>Again</title><meta http-equiv=refresh content='0; url=/refresh?x'>".to_owned())
        }
        "/refresh?x" => {
            Answer::Html("<title>Again</title><meta http-equiv=refresh content='0; url=/refresh'>".to_owned())
        }
        "/endless" => Answer::Endless(
            vec![("Content-Type", "text/html".to_owned())],
            b"<p>more and more and more and more</p>\n".repeat(4_000),
        ),
        "/forever" => Answer::Endless(vec![("Content-Type", "application/zip".to_owned())], vec![7; 1 << 20]),
        "/deep" => Answer::Html("<title>Deep</title>".to_owned() + &"<div><b><i>".repeat(100_000) + "bottom"),
        "/title" => Answer::Html("<title>\u{1b}]0;owned\u{7}\u{1b}[31mred</title>\u{1b}[2Jtext\u{202e}txet".to_owned()),
        "/gbk" => {
            text_answer("200 OK", "text/html; charset=gbk", b"<title>\xd6\xd0\xce\xc4</title><p>\xd6\xd0\xce\xc4")
        }
        "/liar" => text_answer("200 OK", "text/html; charset=iso-8859-1", "<p>中文 is UTF-8".as_bytes()),
        "/data.csv" => Answer::Full(
            "200 OK",
            vec![
                ("Content-Type", "text/csv".to_owned()),
                ("Content-Disposition", "attachment; filename=\"../../data.csv\"".to_owned()),
            ],
            b"a,b\n1,2\n".to_vec(),
        ),
        "/picture" => text_answer("200 OK", "image/png", b"\x89PNG\r\n\x1a\n"),
        "/plain.txt" => text_answer("200 OK", "text/plain", b"first\n  <b>second</b>\n"),
        _ => text_answer("404 Not Found", "text/plain", b""),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x534, SandboxBackend::Auto) else { return };
    let page = machine.visit(&site.url("/to-private")).await;
    assert!(wrong(&page).contains("private address"), "{}", page.output);
    let page = machine.visit(&site.url("/to-file")).await;
    assert!(wrong(&page).contains("only http:// and https://") && !page.output.contains("root:"), "{}", page.output);
    let page = machine.visit(&site.url("/circle")).await;
    assert!(wrong(&page).contains("in a circle of redirects"), "{}", page.output);
    assert_eq!(site.asked().iter().filter(|asked| asked.path == "/circle").count(), 21);
    let page = machine.visit(&site.url("/refresh")).await;
    assert!(ok(&page).contains("wants to go on to"), "{}", page.output);
    let page = machine.visit(&site.url("/endless")).await;
    assert!(ok(&page).contains("cut off: it has more than 10 MiB") && page.output.len() < 60_000, "{}", page.output);
    let page = machine.visit(&site.url("/forever")).await;
    assert!(ok(&page).contains("was not kept: it has more than 10 MiB"), "{}", page.output);
    let page = machine.visit(&site.url("/deep")).await;
    assert!(page.output.contains("Deep") || page.output.contains("could not be read"), "{}", page.output);
    let page = machine.visit(&site.url("/title")).await;
    assert!(ok(&page).contains("red") && !page.output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", page.output);
    for path in ["/gbk", "/liar"] {
        let page = machine.visit(&site.url(path)).await;
        assert!(ok(&page).contains("中文"), "{}", page.output);
    }
    let page = machine.visit(&site.url("/data.csv")).await;
    let saved = format!("{}/downloads/_.._data.csv", machine.mount);
    assert!(ok(&page).contains(&format!("downloaded {saved}")), "{}", page.output);
    assert_eq!(std::fs::read_to_string(machine.work().join("downloads/_.._data.csv")).expect("file"), "a,b\n1,2\n");
    assert_eq!(page.artifacts.len(), 1);
    let page = machine.visit(&site.url("/picture")).await;
    assert!(ok(&page).contains("downloads/picture"), "{}", page.output);
    let page = machine.visit(&site.url("/plain.txt")).await;
    assert!(ok(&page).contains("first\n  <b>second</b>"), "{}", page.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stopped_leaves_the_page_of_before_with_what_stands_in_it() {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let site = Site::start(move |asked: &Asked| {
        if asked.path == "/" {
            let page = "<title>Before</title><form><input name=q></form><a href=/silent>wait</a>";
            return Answer::Html(page.to_owned());
        }
        stop.cancel();
        Answer::Silent
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x537, SandboxBackend::Auto) else { return };
    let page = machine.visit(&site.url("/")).await;
    let page = machine.fill(&page, "textbox", "typed before").await;
    let wait = json!({"element_index": super::index(&page, "\"wait\""), "url": "", "citation_id": 1});
    let stopped = machine.call_until("browser_click", wait, cancel).await;
    assert_eq!(stopped.status, ToolStatus::Cancelled, "{}", stopped.output);
    let state = machine.call("browser_state", json!({})).await;
    assert!(ok(&state).contains("Page [1]: Before") && state.output.contains("typed before"), "{}", state.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read_with_every_backend() {
    let site = Site::start(|_: &Asked| Answer::Html("<title>Here</title><p>as everywhere".to_owned()));
    for (number, backend) in [(0x535, SandboxBackend::Landlock), (0x536, SandboxBackend::Off)] {
        let folder = machine::folder();
        let Some(machine) = machine_for(&site, folder.path(), number, backend) else { continue };
        // Without walls there is no name for the host other than its own.
        let url = match backend {
            SandboxBackend::Off => format!("http://{}/", site.address),
            _ => site.url("/"),
        };
        let page = machine.visit(&url).await;
        assert!(ok(&page).contains("as everywhere"), "{backend:?}: {}", page.output);
        machine.toolbox.close().await;
    }
}
