//! The slides tool: decks of many styles through a real browser and back, pages that mean harm, and no browser at all.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use okcvm::config::schema::SandboxSection;
use okcvm::protocol::{ArtifactKind, ToolStatus};
use okcvm::tools::Finished;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::machine::{self, Machine};
use crate::support::{needs_browser, skip_or_fail};

/// A machine with a browser; says SKIPPED where there is none.
fn machine_in(folder: &Path) -> Option<Machine> {
    if !needs_browser() {
        return None;
    }
    match machine::choose(&SandboxSection::default(), &folder.join("state")) {
        Ok(sandbox) => Some(Machine::create(folder, 1, &sandbox)),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

fn put(machine: &Machine, name: &str, content: &[u8]) {
    let place = machine.work().join(name);
    std::fs::create_dir_all(place.parent().expect("parent")).expect("folder");
    std::fs::write(place, content).expect("file");
}

fn ok(finished: &Finished) -> &str {
    assert_eq!(finished.status, ToolStatus::Ok, "{}", finished.output);
    &finished.output
}

/// A part of the deck that a call wrote.
fn part(finished: &Finished, name: &str) -> Option<String> {
    let place = finished.artifacts[0].host_path.clone().expect("a place");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(place).expect("the deck")).expect("an archive");
    let mut text = String::new();
    archive.by_name(name).ok()?.read_to_string(&mut text).expect("text");
    Some(text)
}

fn slide(finished: &Finished, number: usize) -> String {
    part(finished, &format!("ppt/slides/slide{number}.xml")).unwrap_or_else(|| panic!("no slide {number}"))
}

/// What the runs of a slide say, without white space.
fn words(xml: &str) -> String {
    let mut text = String::new();
    for piece in xml.split("<a:t>").skip(1) {
        text.push_str(piece.split("</a:t>").next().unwrap_or_default());
    }
    let text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.split_whitespace().collect()
}

/// The share of a slide that pictures cover, where none lies over another.
fn pictured(xml: &str) -> f64 {
    let number = |text: &str, name: &str| -> f64 {
        let rest = text.split(&format!(" {name}=\"")).nth(1).unwrap_or("0");
        rest.split('"').next().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let areas = xml.split("<p:pic>").skip(1).map(|pic| {
        let extent = pic.split("<a:ext cx").nth(1).map(|rest| format!(" cx{rest}")).unwrap_or_default();
        number(&extent, "cx") * number(&extent, "cy")
    });
    areas.sum::<f64>() / (9_753_600.0 * 5_486_400.0)
}

/// A deck, its slides, and words of single slides that have to be there as text.
type Expected = (&'static str, usize, &'static [(usize, &'static str)]);

#[tokio::test]
async fn decks_of_many_styles_come_out_as_native_text() {
    let folder = machine::folder();
    let Some(machine) = machine_in(folder.path()) else { return };
    let decks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decks");
    let expected: [Expected; 11] = [
        ("d01", 8, &[(1, "explains itself")]),
        ("d02", 7, &[(3, "Income statement by division"), (3, "482.2")]),
        ("d03", 6, &[(1, "PRODUCT STRATEGY")]),
        ("d04", 6, &[(6, "Vote today"), (6, "Ask again")]),
        ("d05", 6, &[(2, "目录"), (3, "+2.6%")]),
        ("d06", 7, &[(1, "Slow Roads")]),
        ("d07", 6, &[(1, "City Bikes")]),
        ("d08", 7, &[(3, "A heat budget"), (4, "print(\"ice on day\", day)")]),
        ("d09", 7, &[(3, "It began with a sign")]),
        ("d10", 6, &[(3, "Nobody had the pager")]),
        ("six", 6, &[(4, "29,585")]),
    ];
    for (name, count, texts) in expected {
        for file in std::fs::read_dir(decks.join(name)).expect("a deck") {
            let file = file.expect("file").path();
            let files: Vec<_> = if file.is_dir() {
                std::fs::read_dir(&file).expect("folder").map(|inner| inner.expect("file").path()).collect()
            } else {
                vec![file]
            };
            for file in files {
                let relative = file.strip_prefix(&decks).expect("inside").to_str().expect("UTF-8").to_owned();
                put(&machine, &relative, &std::fs::read(&file).expect("content"));
            }
        }
        let made = machine.call("slides_generator", json!({"file_path": format!("{name}/index.html")})).await;
        let said = ok(&made);
        assert!(said.contains(&format!(": {count} slides.")), "{name}: {said}");
        assert_eq!(made.artifacts[0].kind, ArtifactKind::Slides);
        assert_eq!(made.artifacts[0].pages.len(), count, "{name}");
        assert!(!made.images.is_empty(), "{name} has no picture of all slides");
        for (number, text) in texts {
            let text: String = text.split_whitespace().collect();
            let found = words(&slide(&made, *number));
            assert!(found.contains(&text), "{name}, slide {number}: {text:?} is not in {found:?}");
        }
        // Only these have pictures of their own.
        if ["d02", "d03", "d05", "d08"].contains(&name) {
            for number in 1..=count {
                let share = pictured(&slide(&made, number));
                assert!(share <= 0.1, "{name}, slide {number}: {share} of it is picture");
            }
        }
    }
}

#[tokio::test]
async fn layers_and_applied_classes_become_colours_places_and_sizes() {
    let folder = machine::folder();
    let Some(machine) = machine_in(folder.path()) else { return };
    let html = r#"<html><head><title>Applied: one</title>
        <style type="text/tailwindcss">@layer components { .card { @apply absolute left-[100px] top-[200px] w-[300px] h-[100px] bg-[#123456] rounded-lg; } }
        .big { @apply text-[40px] leading-none font-bold text-[#abcdef] no-such-class; }</style></head><body>
        <div class="ppt-slide" data-notes="Speak &amp; wait"><div class="card"></div><h1 class="big absolute left-[64px] top-[48px]">Big words</h1></div>
        </body></html>"#;
    let made = machine.call("slides_generator", json!({"content": html})).await;
    let said = ok(&made);
    assert!(said.contains("output/Applied-one.pptx: 1 slide."), "{said}");
    assert!(said.contains("no-such-class"), "{said}");
    let xml = slide(&made, 1);
    let emu = |pixels: i64| pixels * 9525;
    let place =
        format!("<a:off x=\"{}\" y=\"{}\"/><a:ext cx=\"{}\" cy=\"{}\"/>", emu(100), emu(200), emu(300), emu(100));
    assert!(xml.contains(&place) && xml.contains("123456") && xml.contains("roundRect"), "{xml}");
    assert!(xml.contains("sz=\"3000\"") && xml.contains("b=\"1\"") && xml.contains("ABCDEF"), "{xml}");
    assert!(xml.contains("type=\"title\"") && xml.contains(&format!("<a:off x=\"{}\"", emu(64))), "{xml}");
    let notes = part(&made, "ppt/notesSlides/notesSlide1.xml").expect("notes");
    assert!(notes.contains("Speak &amp; wait"), "{notes}");
}

#[tokio::test]
async fn a_deck_takes_the_place_of_its_own_former_self_only() {
    let folder = machine::folder();
    let Some(machine) = machine_in(folder.path()) else { return };
    let page = |words: &str| format!("<title>Plan</title><div class=ppt-slide><p>{words}</p></div>");
    put(&machine, "output/plan.pptx", b"somebody's own");
    put(&machine, "plan.html", page("first").as_bytes());
    let first = machine.call("slides_generator", json!({"file_path": "plan.html"})).await;
    assert!(ok(&first).contains("output/plan-2.pptx"), "{}", first.output);
    put(&machine, "plan.html", page("second").as_bytes());
    let second = machine.call("slides_generator", json!({"file_path": "plan.html"})).await;
    assert!(ok(&second).contains("output/plan-2.pptx (in place of"), "{}", second.output);
    assert_eq!(words(&slide(&second, 1)), "second");
    assert_eq!(std::fs::read(machine.work().join("output/plan.pptx")).expect("file"), b"somebody's own");
}

#[tokio::test]
async fn pages_that_mean_harm_give_slides_or_a_reason() {
    let folder = machine::folder();
    let Some(machine) = machine_in(folder.path()) else { return };
    std::fs::write(machine.root.join("secret.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>")
        .expect("a file outside");
    let many = "<i>x</i>".repeat(50_000);
    let pages = [
        ("many", format!("<div class=ppt-slide><p>first</p>{many}</div>"), "first"),
        ("throws", "<script>throw new Error('no')</script><div class=ppt-slide><p>still here</p></div>".to_owned(), "stillhere"),
        (
            "redefines",
            "<div class=ppt-slide><p>true words</p></div><script>JSON.stringify = () => '{}'; Array.prototype.map = null; \
             Element.prototype.getBoundingClientRect = () => { throw 1 }; Range.prototype.getClientRects = () => []; \
             document.querySelectorAll = () => []; Object.defineProperty(window, 'tailwind', {get() { throw 2 }})</script>"
                .to_owned(),
            "truewords",
        ),
        ("asks", "<div class=ppt-slide><p>asked</p></div><script>for (;;) { if (!confirm('x')) break } alert(1)</script>".to_owned(), "asked"),
        (
            "reaches",
            "<div class=ppt-slide><p>inside</p><img src='../../secret.svg' width=50 height=50><img src='file:///etc/passwd'>\
             <img src='/etc/hostname' width=50 height=50><a href='../../../etc/passwd'>a link</a><iframe src='file:///etc/passwd'></iframe></div>"
                .to_owned(),
            "inside",
        ),
        ("controls", "<div class=ppt-slide data-notes='a\u{1}b'><p>be\u{0}fore\u{b}after&#1;</p></div>".to_owned(), "fore"),
    ];
    for (name, html, expected) in pages {
        let made = machine.call("slides_generator", json!({"content": html})).await;
        let said = ok(&made).to_owned();
        let xml = slide(&made, 1);
        assert!(words(&xml).contains(expected), "{name}: {said}\n{}", words(&xml));
        assert!(!xml.contains("hlinkClick") && !xml.contains("root:"), "{name}");
        assert!(!said.contains("okcvm.invalid"), "{name}: {said}");
    }
    let none = machine.call("slides_generator", json!({"content": "<p>no slides</p>"})).await;
    assert!(none.status == ToolStatus::Error && none.output.contains("ppt-slide"), "{}", none.output);
    let outside = machine.call("slides_generator", json!({"file_path": "/etc/passwd"})).await;
    assert!(
        outside.status == ToolStatus::Error && outside.output.contains("path outside workspace"),
        "{}",
        outside.output
    );
}

#[tokio::test]
async fn a_script_without_end_is_stopped_and_a_call_too() {
    let folder = machine::folder();
    let Some(machine) = machine_in(folder.path()) else { return };
    let html = "<div class=ppt-slide><p>shown</p></div><script>for (;;) {}</script>";
    let cancel = CancellationToken::new();
    let call = machine.call_until("slides_generator", json!({"content": html}), cancel.clone());
    tokio::pin!(call);
    assert!(tokio::time::timeout(Duration::from_secs(3), &mut call).await.is_err(), "the call ended by itself");
    cancel.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(5), call).await.expect("a stopped call");
    assert_eq!(stopped.status, ToolStatus::Cancelled);
    // The browser serves the next one.
    let next = machine.call("slides_generator", json!({"content": "<div class=ppt-slide><p>next</p></div>"})).await;
    assert!(words(&slide(&next, 1)).contains("next"), "{}", ok(&next));
    let whole = machine.call("slides_generator", json!({"content": html})).await;
    assert!(words(&slide(&whole, 1)).contains("shown"), "{}", ok(&whole));
}

#[tokio::test]
async fn without_a_browser_the_markup_is_laid_out_and_that_is_told() {
    let folder = machine::folder();
    let sandbox = match machine::choose(&SandboxSection::default(), &folder.path().join("state")) {
        Ok(sandbox) => sandbox,
        Err(why) => return skip_or_fail(&why.reason),
    };
    let machine = Machine::without_browser(folder.path(), 1, &sandbox);
    let html = "<title>Plain</title><div class='ppt-slide' data-notes='note'><h1>Head</h1><ul><li>one</li><li>two</li></ul></div>";
    let made = machine.call("slides_generator", json!({"content": html})).await;
    assert!(ok(&made).contains("from the markup alone"), "{}", made.output);
    assert_eq!(words(&slide(&made, 1)), "Headonetwo");
    assert!(slide(&made, 1).contains("<a:buChar"));
    assert!(made.artifacts[0].pages.is_empty() && made.images.is_empty());
}
