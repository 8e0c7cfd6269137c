//! Pages that others wrote, used as a model uses them: a list of things to do, a date picker, a feed that goes on.

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{machine_for, ok};
use crate::support::machine;
use crate::support::site::{Answer, Asked, Site};

/// The folder of a page under `tests/fixtures/sites`.
fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sites").join(name)
}

/// Answers with the files of a folder.
fn file(folder: &Path, asked: &Asked) -> Answer {
    let path = asked.path.trim_start_matches('/').split(['?', '#']).next().unwrap_or_default();
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "application/octet-stream",
    };
    match std::fs::read(folder.join(path)) {
        Ok(bytes) if inside => Answer::Full("200 OK", vec![("Content-Type", kind.to_owned())], bytes),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn things_to_do_are_added_ticked_and_cleared() {
    let folder = folder_of("todomvc");
    let site = Site::start(move |asked: &Asked| file(&folder, asked));
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x541) else { return };
    let page = machine.visit(&site.url("/")).await;
    let page = machine.fill(&page, "What needs to be done?", "Buy milk\n").await;
    let page = machine.fill(&page, "What needs to be done?", "Read a book\n").await;
    assert!(ok(&page).contains("**2** items left"), "{}", page.output);
    // The page names none of its boxes, but each stands in a row with words.
    assert!(page.output.contains("] checkbox \"Read a book\", not checked"), "{}", page.output);
    assert!(page.output.contains("] checkbox (#toggle-all), not checked"), "{}", page.output);
    let page = machine.click(&page, "checkbox \"Buy milk\"").await;
    assert!(ok(&page).contains("**1** item left"), "{}", page.output);
    assert!(page.output.contains("] checkbox \"Buy milk\", checked"), "{}", page.output);
    let page = machine.click(&page, "link \"Active\"").await;
    assert!(ok(&page).contains("Read a book") && !page.output.contains("Buy milk"), "{}", page.output);
    let page = machine.click(&page, "link \"All\"").await;
    let page = machine.click(&page, "button \"Clear completed").await;
    assert!(ok(&page).contains("Read a book") && !page.output.contains("Buy milk"), "{}", page.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_picked_in_a_calendar_that_a_page_draws_itself() {
    let folder = folder_of("flatpickr");
    let site = Site::start(move |asked: &Asked| file(&folder, asked));
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x542) else { return };
    let page = machine.visit(&site.url("/")).await;
    // The first night is chosen already.
    let page = machine.click(&page, "textbox \"Nights\"").await;
    let page = machine.fill(&page, "combobox \"Month\"", "February").await;
    // A week stands in a line, and the box of all days is nothing to click.
    let text = ok(&page);
    let week = |line: &str| line.starts_with("4[") && line.contains(" 10[") && !line.contains(" 11[");
    assert!(text.lines().any(week), "{text}");
    assert!(!text.contains("clickable \"28 29"), "{text}");
    let page = machine.click(&page, "\"February 29, 2024\"").await;
    assert!(ok(&page).contains("You stay 2024-01-15 to 2024-02-29."), "{}", page.output);
    assert!(page.output.contains("value \"2024-01-15 to 2024-02-29\""), "{}", page.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_scrolled_until_nothing_more_comes() {
    const PAGES: usize = 4;
    let folder = folder_of("infinite-scroll");
    let site = Site::start(move |asked: &Asked| {
        let page = asked.path.strip_prefix("/page-").and_then(|rest| rest.strip_suffix(".html")?.parse().ok());
        match page {
            None => file(&folder, asked),
            Some(page @ 2..=PAGES) => {
                let story = |number| format!("<article><h2>Story {number}</h2></article>");
                Answer::Html((page * 3 - 2..=page * 3).map(story).collect())
            }
            Some(_) => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
        }
    });
    let folder = machine::folder();
    let Some(machine) = machine_for(&site, folder.path(), 0x543) else { return };
    let page = machine.visit(&site.url("/")).await;
    assert!(ok(&page).contains("## Story 1\n") && !page.output.contains("Story 4"), "{}", page.output);
    let (mut seen, until) = (page.output.clone(), Instant::now() + Duration::from_secs(20));
    // What comes, comes a while after each end is reached.
    while !seen.contains("No more stories") {
        assert!(Instant::now() < until, "{seen}");
        let page = machine.on_page("scroll_down", json!({"scroll_amount": 600})).await;
        seen += ok(&page);
    }
    for story in 1..=PAGES * 3 {
        assert!(seen.contains(&format!("## Story {story}\n")), "story {story} in\n{seen}");
    }
    let found = machine.on_page("find", json!({"keyword": "Story 5"})).await;
    assert!(ok(&found).contains("place 1 of 1") && found.output.contains("## Story 5\n"), "{}", found.output);
    machine.toolbox.close().await;
}

#[test]
fn what_is_beside_the_pages_tells_where_they_come_from() {
    let folder = folder_of("");
    let told = std::fs::read_to_string(folder.join("README.md")).expect("README.md");
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                let name = path.strip_prefix(&folder).expect("inside").display().to_string();
                let licence = path.join("LICENSE").is_file() && told.contains(&format!("`{name}/LICENSE`"));
                assert!(next != folder || licence, "the licence of {name}");
                folders.push(path);
            } else {
                let size = path.metadata().expect("metadata").len();
                assert!(size < 80_000, "{} has {size} bytes", path.display());
            }
        }
    }
}
