//! Pages that mean harm, and browsers that die.

use std::time::{Duration, Instant};

use okcvm::protocol::ToolStatus;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{machine_for, ok, wrong};
use crate::support::machine::{self, soon};
use crate::support::site::{Answer, Asked, Site};

/// A number of a session that no other run of these tests has at the same time: processes are known by its mount.
fn own_number(number: u64) -> u64 {
    u64::from(std::process::id()) << 16 | number
}

/// Processes of this machine's sandboxes whose command line holds a word. Those that a browser shuts in by itself do not see
/// the mount; their parents do.
fn inside(mount: &str, word: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    let sees = |pid: i32| std::fs::metadata(format!("/proc/{pid}/root{mount}")).is_ok();
    let parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<i32>().ok()
    };
    let belongs = |pid: &i32| std::iter::successors(Some(*pid), |pid| parent(*pid)).take(12).any(sees);
    let named = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    pids.filter(named).filter(belongs).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_mean_harm_come_to_an_end_and_reach_nothing() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/title" => Answer::Html("<title>\u{1b}]0;owned\u{7}\u{1b}[31mred</title>\u{1b}[2Jtext\u{202e}txet".to_owned()),
        "/alerts" => {
            Answer::Html("<title>Loop</title><p>before<script>for (;;) alert('again')</script><p>after".to_owned())
        }
        "/endless" => Answer::Endless(
            vec![("Content-Type", "text/html".to_owned())],
            b"<p>more and more and more and more</p>\n".to_vec(),
        ),
        "/silent" => Answer::Silent,
        "/forever" => Answer::Endless(
            vec![
                ("Content-Type", "application/octet-stream".to_owned()),
                ("Content-Disposition", "attachment; filename=big.bin".to_owned()),
            ],
            vec![7; 4096],
        ),
        "/links" => Answer::Html(
            "<title>Links</title><a href='file:///etc/passwd'>file</a> <a href='/to-file'>redirect</a> \
             <a href='http://169.254.169.254/latest/meta-data/'>meta</a><iframe src='file:///etc/passwd'></iframe>"
                .to_owned(),
        ),
        "/to-file" => Answer::Full("302 Found", vec![("Location", "file:///etc/passwd".to_owned())], Vec::new()),
        "/to-private" => Answer::Full("302 Found", vec![("Location", "http://10.0.0.1/".to_owned())], Vec::new()),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), own_number(0x511)) else { return };
    let page = machine.visit(&site.url("/title")).await;
    assert!(ok(&page).contains("red") && !page.output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", page.output);
    let page = machine.visit(&site.url("/alerts")).await;
    assert!(page.output.contains("more than 20 dialogs"), "{}", page.output);
    let began = Instant::now();
    let page = machine.visit(&site.url("/endless")).await;
    assert!(ok(&page).contains("still loads") && page.output.len() < 60_000, "{}", page.output);
    assert!(began.elapsed() < Duration::from_secs(60));
    let page = machine.visit(&site.url("/forever")).await;
    assert!(ok(&page).contains("big.bin is being downloaded"), "{}", page.output);
    let page = machine.visit(&site.url("/links")).await;
    let text = ok(&page).to_owned();
    assert!(!text.contains("root:"), "{text}");
    for words in ["link \"file\"", "link \"redirect\"", "link \"meta\""] {
        let number = super::index(&page, words);
        let clicked = machine
            .call("browser_click", json!({"element_index": number, "citation_id": 0, "url": site.url("/links")}))
            .await;
        assert!(!clicked.output.contains("root:"), "{words}: {}", clicked.output);
        machine.visit(&site.url("/links")).await;
    }
    let page = machine.visit(&site.url("/to-private")).await;
    assert!(wrong(&page).contains("the address was not reached"), "{}", page.output);
    assert!(page.output.contains("private address"), "{}", page.output);
    for address in ["file:///etc/passwd", "chrome://version", "view-source:http://a/", "javascript:alert(1)"] {
        let page = machine.visit(address).await;
        assert!(wrong(&page).contains("http:// and https:// only"), "{}", page.output);
    }
    let own = machine.work().with_file_name("browser");
    assert!(own.join("tmp/profile").exists());
    machine.toolbox.close().await;
    assert!(soon(|| inside(&machine.mount, "chrom").is_empty()), "nothing of the browser is left");
    assert!(!own.exists(), "nor of where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stopped_lets_nothing_load_on_and_a_download_leaves_its_page_usable() {
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/silent" => Answer::Silent,
        "/file" => {
            let name = ("Content-Disposition", "attachment; filename=a.bin".to_owned());
            Answer::Full("200 OK", vec![name], b"bytes".to_vec())
        }
        _ => Answer::Html("<title>Here</title><a href=/file>file</a> <button>idle</button>".to_owned()),
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), own_number(0x513)) else { return };
    ok(&machine.visit(&site.url("/")).await);
    let cancel = CancellationToken::new();
    let stop = async {
        let asked = async || {
            while !site.asked().iter().any(|asked| asked.path == "/silent") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asked()).await.expect("asked for");
        cancel.cancel();
    };
    let arguments = json!({"url": site.url("/silent"), "citation_id": 0});
    let (stopped, ()) = tokio::join!(machine.call_until("browser_visit", arguments, cancel.clone()), stop);
    assert_eq!(stopped.status, ToolStatus::Cancelled, "{}", stopped.output);
    assert!(soon(|| site.served() == 0), "it is not loaded any more");
    // A file in the place of a page: the page that is there is at rest as before.
    let page = machine.visit(&site.url("/")).await;
    let page = machine.click(&page, "link \"file\"").await;
    assert!(ok(&page).contains("downloads/a.bin"), "{}", page.output);
    let page = machine.click(&page, "\"idle\"").await;
    assert!(ok(&page).contains("clicked") && !page.output.contains("still loads"), "{}", page.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_dies_is_told_and_the_next_call_has_a_fresh_one() {
    let site = Site::start(|_: &Asked| Answer::Html("<title>Here</title><p>still here".to_owned()));
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), own_number(0x512)) else { return };
    ok(&machine.visit(&site.url("/")).await);
    let renderers = inside(&machine.mount, "--type=renderer");
    assert!(!renderers.is_empty());
    for pid in renderers {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("pid"), rustix::process::Signal::KILL)
            .expect("kill");
    }
    // Of a page that crashed a look tells so, and a visit loads it anew.
    let looked = machine.call("browser_state", json!({})).await;
    assert!(wrong(&looked).contains("the page crashed; visit it again"), "{}", looked.output);
    let page = machine.visit(&site.url("/")).await;
    assert!(ok(&page).contains("still here"), "{}", page.output);
    for pid in inside(&machine.mount, "--remote-debugging-pipe") {
        // Some are gone with the first.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).expect("pid"),
            rustix::process::Signal::KILL,
        );
    }
    let mut page = machine.visit(&site.url("/")).await;
    if page.status == ToolStatus::Error {
        // It ended under the call.
        assert!(page.output.contains("next call starts a fresh one"), "{}", page.output);
        page = machine.visit(&site.url("/")).await;
    }
    assert!(ok(&page).contains("still here") && page.output.contains("this is a fresh one"), "{}", page.output);
    let before = inside(&machine.mount, "--remote-debugging-pipe").len();
    for round in 0..20 {
        ok(&machine.visit(&site.url(&format!("/{round}"))).await);
    }
    let tabs = inside(&machine.mount, "--type=renderer").len();
    assert!(before > 0 && tabs <= 16, "{tabs} renderers for 8 tabs");
    machine.toolbox.close().await;
    assert!(soon(|| inside(&machine.mount, "chrom").is_empty()), "nothing of the browser is left");
}
