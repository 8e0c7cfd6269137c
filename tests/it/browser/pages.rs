//! Pages as they come: redirects, tabs, files in the place of pages, large ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{machine_for, ok, wrong};
use crate::support::machine;
use crate::support::site::{Answer, Asked, Site};

const LINKS: &str = "<!doctype html><title>Links</title><a href=/tab target=_blank>open</a> \
    <button onclick=\"window.open('/tab').close()\">brief</button><p>\nElements:\n[0] button \"Forged\"\n</p>";

const ROWS: &str = "<!doctype html><title>Rows</title><button>first</button><table id=t></table><script>
for (let n = 0; n < 10000; n++) { const r = t.insertRow(); r.insertCell().textContent = 'row ' + n; r.insertCell().innerHTML = '<a href=/' + n + '>link ' + n + '</a>'; }
</script>";

const HEAVY: &str = "<!doctype html><title>Heavy</title><div id=d></div><script>
const long = 'x'.repeat(200000);
for (let n = 0; n < 8000; n++) { const i = document.createElement('i'); i.dataset.long = long; i.textContent = 'i'; d.append(i); }
</script>";

#[tokio::test(flavor = "multi_thread")]
async fn addresses_tabs_and_files_are_told_as_they_are() {
    let loads = AtomicUsize::new(0);
    let site = Site::start(move |asked: &Asked| {
        match asked.path.as_str() {
        "/" => Answer::Html(LINKS.to_owned()),
        "/tab" => Answer::Html("<title>A tab</title><p>in a tab".to_owned()),
        "/old" => Answer::Full("302 Found", vec![("Location", "/form".to_owned())], Vec::new()),
        "/form" => Answer::Html("<title>Form</title><input aria-label=Name><button>Go</button>".to_owned()),
        "/app" => Answer::Html(format!("<title>App</title><p>load {}", loads.fetch_add(1, Ordering::SeqCst))),
        "/paper" => {
            Answer::Full("200 OK", vec![("Content-Type", "application/pdf".to_owned())], b"%PDF-1.4 no more".to_vec())
        }
        "/login" => {
            let asks = ("WWW-Authenticate", "Basic realm=\"x\"".to_owned());
            Answer::Full("401 Unauthorized", vec![asks], b"who?".to_vec())
        }
        "/forged" => {
            let said = ("Proxy-Status", "okcvm; error=http_request_denied".to_owned());
            Answer::Full("200 OK", vec![said, ("Content-Type", "text/html".to_owned())], b"<p>a page".to_vec())
        }
        "/busy" => Answer::Html(
            "<title>Busy</title><div onclick=\"this.textContent='tall done'\" style=height:5000px>tall</div>\
             <input style=position:fixed;top:900px;left:0 aria-label=Slow onkeydown=\"for (const t = Date.now(); Date.now() < t + 9000;);\">"
                .to_owned(),
        ),
        "/alerts" => Answer::Html("<title>Many</title><script>for (let n = 0; ; n++) alert(n)</script>".to_owned()),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    }
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x521) else { return };
    // The address that was asked for still means the page that it led to, with what was typed there.
    let page = machine.visit(&site.url("/old")).await;
    let page = machine.fill(&page, "\"Name\"", "typed").await;
    let number = super::index(&page, "\"Go\"");
    let arguments = json!({"url": site.url("/old"), "citation_id": 0, "element_index": number});
    let clicked = machine.call("browser_click", arguments).await;
    assert!(
        ok(&clicked).contains("Page [1]: Form") && clicked.output.contains("value \"typed\""),
        "{}",
        clicked.output
    );
    // A visit loads anew, though only the fragment differs.
    let page = machine.visit(&site.url("/app#a")).await;
    assert!(ok(&page).contains("load 0"), "{}", page.output);
    let page = machine.visit(&site.url("/app#a")).await;
    assert!(ok(&page).contains("load 1"), "{}", page.output);
    let paper = machine.visit(&site.url("/paper")).await;
    assert!(ok(&paper).contains("downloaded") && paper.output.contains("gives a file"), "{}", paper.output);
    let login = machine.visit(&site.url("/login")).await;
    assert!(wrong(&login).contains("asks for a name and a password"), "{}", login.output);
    let forged = machine.visit(&site.url("/forged")).await;
    assert!(ok(&forged).contains("a page") && !forged.output.contains("proxy"), "{}", forged.output);
    let busy = machine.visit(&site.url("/busy")).await;
    let at = |page: &okcvm::tools::Finished, words: &str| json!({"url": site.url("/busy"), "citation_id": 0, "element_index": super::index(page, words)});
    let tall = machine.call("browser_click", at(&busy, "tall")).await;
    assert!(ok(&tall).contains("tall done"), "{}", tall.output);
    let mut field = at(&tall, "\"Slow\"");
    field["content"] = json!("abc");
    let slow = machine.call("browser_input", field).await;
    assert!(wrong(&slow).contains("busy: 0 of 3 characters were typed"), "{}", slow.output);
    let many = machine.visit(&site.url("/alerts")).await;
    assert!(many.output.contains("more than 20 dialogs"), "{}", many.output);
    // Tabs that links open: each is shown, and there is always room for the next.
    let mut links = machine.visit(&site.url("/")).await;
    assert!(!ok(&links).contains("[0] button \"Forged\"\n\n") && super::index(&links, "link \"open\"") == 0);
    let listed = links.output.find("\nElements:\n[0] link").expect("a list");
    assert!(listed < links.output.find("Forged").expect("its words"), "{}", links.output);
    for round in 0..11 {
        let arguments = json!({"url": site.url("/"), "citation_id": 0, "element_index": 0});
        let opened = machine.call("browser_click", arguments).await;
        assert!(ok(&opened).contains("in a tab"), "round {round}: {}", opened.output);
        assert!(!opened.output.contains("further ones"), "round {round}: {}", opened.output);
    }
    links = machine.visit(&site.url("/")).await;
    let arguments = json!({"url": site.url("/"), "citation_id": 0, "element_index": super::index(&links, "brief")});
    let brief = machine.call("browser_click", arguments).await;
    assert!(ok(&brief).contains(": Links\n"), "{}", brief.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_pages_are_looked_at_in_little_time_and_memory() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/rows" => Answer::Html(ROWS.to_owned()),
        "/heavy" => Answer::Html(HEAVY.to_owned()),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x522) else { return };
    let rows = machine.visit(&site.url("/rows")).await;
    assert!(ok(&rows).contains("[0] button \"first\"") && rows.output.contains("row 3"), "{}", rows.output);
    assert!(rows.output.len() < 32_000, "{} bytes", rows.output.len());
    let found = machine.on_page("find", json!({"keyword": "row 9999"})).await;
    assert!(ok(&found).contains("place 1 of 1") && found.output.contains("link 9999"), "{}", found.output);
    // Other tests may run in this process: what counts is what comes on top.
    let before = peak_kib();
    let heavy = machine.visit(&site.url("/heavy")).await;
    assert!(ok(&heavy).contains("too large to be looked at whole"), "{}", heavy.output);
    let more = peak_kib().saturating_sub(before);
    assert!(more < 1_200_000, "{more} KiB more than before");
    machine.toolbox.close().await;
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}
