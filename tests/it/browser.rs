//! The browser tools against a real browser: pages as Markdown and numbers, actions, and pages that mean harm.

mod controls;
mod hostile;
mod others;
mod pages;
mod plain;

use std::path::Path;

use okcvm::config::schema::{NetworkSection, SandboxSection};
use okcvm::protocol::{Event, NetworkChange, ToolStatus};
use okcvm::tools::Finished;
use serde_json::{Value, json};

use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};
use crate::support::{needs_browser, skip_or_fail};

/// A machine with a browser that may reach a site of the test; says SKIPPED where there is none.
fn machine_for(site: &Site, folder: &Path, number: u64) -> Option<Machine> {
    if !needs_browser() {
        return None;
    }
    let private = vec![site.address.to_string()];
    let network = NetworkSection { allow_private: private, ..NetworkSection::default() };
    let section = SandboxSection { network, ..SandboxSection::default() };
    match machine::choose(&section, &folder.join("state")) {
        Ok(sandbox) => Some(Machine::create(folder, number, &sandbox)),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

impl Machine {
    async fn visit(&self, url: &str) -> Finished {
        self.call("browser_visit", json!({"url": url, "citation_id": 0})).await
    }

    /// Does something on the first page.
    async fn on_page(&self, tool: &str, mut arguments: Value) -> Finished {
        arguments["url"] = json!("");
        if arguments["citation_id"].is_null() {
            arguments["citation_id"] = json!(1);
        }
        self.call(&format!("browser_{tool}"), arguments).await
    }

    /// Clicks the element whose line in the list holds these words.
    async fn click(&self, page: &Finished, words: &str) -> Finished {
        self.on_page("click", json!({"element_index": index(page, words)})).await
    }

    /// Fills in the fields of an order, of every kind, and looks at what stands in them.
    async fn fill_order(&self, mut page: Finished) -> Finished {
        for (field, content) in [
            ("textbox \"Name\"", "Zoë 世界"),
            ("password", "hidden-word"),
            ("checkbox", "true"),
            ("radio \"Large\"", "on"),
            ("combobox", "日本"),
            ("date", "2024-02-29"),
            ("slider", "7"),
            ("spinbutton", "42"),
            ("\"Words\"", "two\nlines"),
            ("file", "a.txt"),
        ] {
            page = self.fill(&page, field, content).await;
            ok(&page);
        }
        let text = ok(&page);
        assert!(text.contains("value \"Zoë 世界\"") && !text.contains("hidden-word"), "{text}");
        assert!(text.contains("checkbox \"I agree\", checked"), "{text}");
        assert!(text.contains("radio \"Small\", not checked"), "{text}");
        page
    }

    /// Sends the order that was filled in; gives the request, in which each field stands.
    async fn send_order(&self, page: &Finished, site: &Site) -> Asked {
        let sent = self.click(page, "\"Send\"").await;
        assert!(ok(&sent).contains("Page [1]: Sent") && sent.output.contains("Thank you."), "{}", sent.output);
        let post = site.asked().into_iter().find(|asked| asked.method == "POST").expect("a request");
        let body = String::from_utf8_lossy(&post.body).into_owned();
        for (name, value) in [
            ("name", "Zoë 世界"),
            ("secret", "hidden-word"),
            ("agree", "on"),
            ("size", "l"),
            ("land", "jp"),
            ("day", "2024-02-29"),
            ("much", "7"),
            ("count", "42"),
            ("words", "two\r\nlines"),
        ] {
            assert!(body.contains(&format!("name=\"{name}\"\r\n\r\n{value}\r\n")), "{name} in {body}");
        }
        assert!(body.contains("filename=\"a.txt\"") && body.contains("the first file"), "{body}");
        post
    }

    async fn fill(&self, page: &Finished, words: &str, content: &str) -> Finished {
        self.on_page("input", json!({"element_index": index(page, words), "content": content})).await
    }
}

/// The number of an element in the newest list.
fn index(page: &Finished, words: &str) -> usize {
    let list = page.output.split_once("\nElements:\n").map(|(_, list)| list).unwrap_or_default();
    let line = list.lines().take_while(|line| line.starts_with('[')).find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no element {words:?} in\n{}", page.output));
    line[1..].split(']').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn ok(page: &Finished) -> &str {
    assert_eq!(page.status, ToolStatus::Ok, "{}", page.output);
    &page.output
}

fn wrong(page: &Finished) -> &str {
    assert_eq!(page.status, ToolStatus::Error, "{}", page.output);
    &page.output
}

const FORM: &str = r#"<!doctype html><title>A form</title><h1>Order</h1>
<p>Please read <a href="/terms.html">our terms</a>.</p>
<form action=/sent method=post enctype=multipart/form-data>
<label>Name <input name=name></label> <label>Secret <input name=secret type=password></label>
<label><input type=checkbox name=agree> I agree</label>
<label><input type=radio name=size value=s checked> Small</label> <label><input type=radio name=size value=l> Large</label>
<label>Land <select name=land><option value=de>Germany<option value=jp>日本</select></label>
<label>Day <input type=date name=day></label> <label>How much <input type=range name=much min=0 max=10 value=3></label>
<label>Count <input type=number name=count></label> <textarea name=words aria-label=Words></textarea>
<input type=file name=file aria-label=Upload multiple> <button disabled>Not yet</button> <button>Send</button></form>
<div contenteditable aria-label=Note>old</div>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_every_kind_of_field_is_filled_in_and_sent() {
    let site = Site::start(|asked: &Asked| match (asked.method.as_str(), asked.path.as_str()) {
        (_, "/") => Answer::Html(FORM.to_owned()),
        ("POST", "/sent") => Answer::Html("<title>Sent</title><p>Thank you.".to_owned()),
        _ => Answer::Full("404 Not Found", Vec::new(), b"nothing here".to_vec()),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x501) else { return };
    let mut facts = machine.toolbox.listen();
    std::fs::write(machine.work().join("a.txt"), "the first file").expect("file");
    let page = machine.visit(&site.url("/")).await;
    let text = ok(&page);
    assert!(text.starts_with("Page [1]: A form\n"), "{text}");
    assert!(text.contains("# Order") && text.contains("our terms[0]"), "{text}");
    assert!(text.contains("textbox \"Name\"\n") && text.contains("options: Germany | 日本"), "{text}");
    assert!(text.contains("\"Not yet\", disabled") && !text.contains("password \"Secret\", value"), "{text}");
    let page = machine.fill_order(page).await;
    let page = machine.fill(&page, "\"Note\"", "new text").await;
    ok(&page);
    let bad = machine.fill(&page, "date", "tomorrow").await;
    assert!(wrong(&bad).contains("YYYY-MM-DD"), "{}", bad.output);
    let bad = machine.fill(&bad, "combobox", "France").await;
    assert!(wrong(&bad).contains("no option \"France\"; its options are: Germany | 日本"), "{}", bad.output);
    let bad = machine.click(&bad, "Not yet").await;
    assert!(wrong(&bad).contains("is disabled"), "{}", bad.output);
    machine.send_order(&bad, &site).await;
    // The browser itself asks nobody about what is typed: of all that goes out the proxy tells. It may fetch a dictionary
    // for fields of text, which no switch that we know turns off.
    const DICTIONARIES: &str = "redirector.gvt1.com";
    let mut hosts: Vec<String> = Vec::new();
    while let Ok(event) = facts.try_recv() {
        if let Event::NetworkRequest { host, .. } = event
            && host != DICTIONARIES
            && !hosts.contains(&host)
        {
            hosts.push(host);
        }
    }
    assert_eq!(hosts, ["host.okcvm.internal"]);
    machine.toolbox.close().await;
}

const PARTS: &str = r#"<!doctype html><title>Parts</title><div id=shadow></div>
<iframe srcdoc="<button onclick=&quot;this.textContent='inner done'&quot;>inner</button>"></iframe>
<iframe src="http://127.0.0.1:PORT/frame"></iframe>
<button onclick="alert('hello there')">say</button> <button onclick="this.textContent=confirm('sure?')">ask</button>
<a href=/other target=_blank>other</a> <a href=/file>file</a>
<div onclick="this.textContent='heard'">listens</div>
<div style="position:fixed;left:0;top:1100px;width:400px;height:100px;background:#fff;z-index:9" id=veil>a veil</div>
<button style="position:absolute;left:10px;top:1120px">under</button>
<div style="height:4000px"></div><p>First needle.</p><div style="height:2000px"></div><p>Second <b>need</b>le.</p>
<script>const root = shadow.attachShadow({mode: 'closed'}); root.innerHTML = '<button>dark</button>';
root.querySelector('button').onclick = function () { this.textContent = 'dark done'; };</script>"#;

#[tokio::test(flavor = "multi_thread")]
async fn frames_shadows_dialogs_tabs_and_downloads_are_seen_and_used() {
    let site = Site::start(|asked: &Asked| {
        let port = asked.header("host").and_then(|host| host.rsplit(':').next()).unwrap_or_default().to_owned();
        match asked.path.as_str() {
            "/" => Answer::Html(PARTS.replace("PORT", &port).replace("127.0.0.1", "also.host.okcvm.internal")),
            "/other" => Answer::Html("<title>Other</title><h2>The other page</h2>".to_owned()),
            "/file" => {
                let name = ("Content-Disposition", "attachment; filename=\"../../data.csv\"".to_owned());
                Answer::Full("200 OK", vec![("Content-Type", "text/csv".to_owned()), name], b"a,b\n1,2\n".to_vec())
            }
            _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
        }
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x502) else { return };
    let page = machine.visit(&site.url("/")).await;
    assert!(ok(&page).contains("further") || page.output.contains("Pixels 0 to 1200"), "{}", page.output);
    let page = machine.click(&page, "\"dark\"").await;
    assert!(ok(&page).contains("dark done"), "{}", page.output);
    let page = machine.click(&page, "\"inner\"").await;
    assert!(ok(&page).contains("inner done"), "{}", page.output);
    let page = machine.click(&page, "\"say\"").await;
    assert!(ok(&page).contains("the page showed an alert: \"hello there\""), "{}", page.output);
    let page = machine.click(&page, "\"ask\"").await;
    assert!(
        ok(&page).contains("asked \"sure?\", and OK was answered") && page.output.contains("button \"true\""),
        "{}",
        page.output
    );
    let page = machine.click(&page, "clickable \"listens\"").await;
    assert!(ok(&page).contains("heard"), "{}", page.output);
    let page = machine.click(&page, "\"under\"").await;
    assert!(wrong(&page).contains("covered by div#veil \"a veil\""), "{}", page.output);
    let page = machine.click(&page, "link \"file\"").await;
    let saved = format!("{}/downloads/_.._data.csv", machine.mount);
    assert!(ok(&page).contains(&format!("downloaded {saved}")), "{}", page.output);
    assert_eq!(std::fs::read_to_string(machine.work().join("downloads/_.._data.csv")).expect("file"), "a,b\n1,2\n");
    assert_eq!(page.artifacts.len(), 1);
    let again = machine.visit(&site.url("/file")).await;
    assert!(ok(&again).contains("downloads/_.._data (2).csv"), "{}", again.output);
    let found = machine.on_page("find", json!({"keyword": "NEEDLE"})).await;
    assert!(ok(&found).contains("place 1 of 2") && found.output.contains("First needle."), "{}", found.output);
    let found = machine.on_page("find", json!({"keyword": "needle", "skip": 1})).await;
    assert!(ok(&found).contains("place 2 of 2") && found.output.contains("Second"), "{}", found.output);
    let none = machine.on_page("find", json!({"keyword": "needle", "skip": 2})).await;
    assert!(wrong(&none).contains("2 times"), "{}", none.output);
    let up = machine.on_page("scroll_up", json!({"scroll_amount": 100_000})).await;
    assert!(ok(&up).contains("scrolled up by") && up.output.contains("Pixels 0 to 1200"), "{}", up.output);
    let up = machine.on_page("scroll_up", json!({"scroll_amount": 10})).await;
    assert!(ok(&up).contains("beginning of the page"), "{}", up.output);
    let other = machine.click(&up, "link \"other\"").await;
    assert!(ok(&other).contains("The other page") && other.output.contains("opened a new tab"), "{}", other.output);
    assert!(other.output.contains("Other open pages:\n[1] "), "{}", other.output);
    let state = machine.call("browser_state", json!({})).await;
    assert!(ok(&state).contains("The other page"), "{}", state.output);
    let back = machine.on_page("scroll_down", json!({"scroll_amount": 300})).await;
    assert!(ok(&back).contains("Page [1]: Parts") && back.output.contains("scrolled down by 300"), "{}", back.output);
    assert_eq!(back.images.len(), 1, "a picture of the window");
    let unknown = machine.on_page("visit", json!({"citation_id": 99})).await;
    assert!(wrong(&unknown).contains("there is no page 99; open pages are:\n["), "{}", unknown.output);
    machine.toolbox.close().await;
}

/// Changes by itself: what comes late is waited for.
const LATE: &str = r"<!doctype html><title>Late</title><ul id=list></ul><button onclick=more()>more</button><script>
let page = 0;
async function more() {
    const items = await (await fetch('/items/' + page++)).json();
    for (const item of items) { const li = document.createElement('li'); li.textContent = item; list.append(li); }
}
more();
</script>";

#[tokio::test(flavor = "multi_thread")]
async fn what_scripts_fetch_is_waited_for_and_the_sessions_own_server_is_reached() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/" => Answer::Html(LATE.to_owned()),
        path => {
            // Slow enough to come after the page has loaded.
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            let items = format!("[\"one of {path}\", \"two of {path}\"]");
            Answer::Full("200 OK", vec![("Content-Type", "application/json".to_owned())], items.into_bytes())
        }
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x503) else { return };
    let page = machine.visit(&site.url("/")).await;
    assert!(ok(&page).contains("- two of /items/0"), "{}", page.output);
    let page = machine.click(&page, "\"more\"").await;
    assert!(ok(&page).contains("- two of /items/1"), "{}", page.output);
    let served = machine
        .shell("mkdir -p s && echo '<title>Own</title><p>served inside' > s/index.html && (cd s && python3 -m http.server 8123 >/dev/null 2>&1 &) ; \
                until curl -s localhost:8123 >/dev/null; do sleep 0.05; done")
        .await;
    assert_eq!(served.status, ToolStatus::Ok, "{}", served.output);
    let own = machine.visit("http://localhost:8123/").await;
    assert!(ok(&own).contains("served inside"), "{}", own.output);
    machine.toolbox.network(&NetworkChange::Mode("off".to_owned())).expect("changed");
    let own = machine.visit("http://localhost:8123/").await;
    assert!(ok(&own).contains("served inside") && own.output.contains("the network was changed"), "{}", own.output);
    let out = machine.visit(&site.url("/")).await;
    assert!(wrong(&out).contains("did not load"), "{}", out.output);
    machine.toolbox.close().await;
}
