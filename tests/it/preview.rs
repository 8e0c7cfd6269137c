//! The preview in a real terminal: what was made is listed, looked at, saved, and taken back by a rollback.

use std::path::PathBuf;
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use okcvm::config::SnapshotSection;
use okcvm::protocol::{
    Artifact, ArtifactKind, CallId, KEPT_PICTURE, SessionId, ToolReply, ToolStatus, TurnId, TurnOutcome,
};
use okcvm::session::{Record, SessionFolder, SessionLock, blob};
use okcvm::support::clock::SystemClock;
use okcvm::vm::{CloseTurn, Ledger, LedgerOptions};
use serde_json::json;

use super::support::endpoint::{Answer, FakeEndpoint};
use super::support::{Terminal, TestHome, needs_browser, needs_bubblewrap};

const F7: &str = "\x1b[18~";

fn write(id: &str, path: &str, content: &str) -> Answer {
    Answer::calls(&[(id, "mshtools-write_file", json!({"file_path": path, "content": content}))])
}

fn home_for(endpoint: &FakeEndpoint) -> TestHome {
    let home = TestHome::new();
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\n",
        endpoint.base_url()
    ));
    home
}

/// The workspace of the only session.
fn work(home: &TestHome) -> PathBuf {
    let mut folders = std::fs::read_dir(home.sessions()).expect("sessions").map(|entry| entry.expect("entry").path());
    folders.find(|path| path.join("session.json").exists()).expect("a session").join("work")
}

/// Two seconds of a tone, as a shell would leave it.
fn tone() -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut out = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut out, spec).expect("writer");
    for n in 0..16_000i32 {
        writer.write_sample(((n % 40 - 20) * 400) as i16).expect("sample");
    }
    writer.finalize().expect("end");
    out.into_inner()
}

#[test]
fn what_was_made_is_listed_looked_at_saved_and_taken_back() {
    if !needs_bubblewrap() {
        return;
    }
    let endpoint = FakeEndpoint::start([
        write("a", "output/notes.md", "# First notes\n\nsome words\n"),
        Answer::text("one"),
        write("b", "output/table.csv", "name,count\notter,3\n"),
        Answer::text("two"),
    ]);
    let home = home_for(&endpoint);
    let mut terminal = Terminal::start(&home, &[], 80, 24);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys(F7);
    terminal.wait_for("What is made for you appears here");
    terminal.keys("\x1b");
    terminal.wait_gone("What is made for you");
    terminal.keys("make notes\r");
    terminal.wait_for("F7 preview 1");
    terminal.wait_for("F4 snapshots 2");
    terminal.keys("make a table\r");
    terminal.wait_for("F7 preview 2");
    terminal.wait_for("F4 snapshots 3");
    let work = work(&home);
    // Nobody told of this one.
    std::fs::write(work.join("output/tone.wav"), tone()).expect("recording");

    terminal.keys(F7);
    let shown = terminal.wait_for("output/tone.wav");
    let row = |name: &str| shown.lines().position(|line| line.contains(name)).expect("a row");
    assert!(row("output/table.csv") < row("output/notes.md"), "the latest first:\n{shown}");
    assert!(row("output/notes.md") < row("output/tone.wav"), "{shown}");
    // The table as the document reader has it.
    terminal.wait_until("the table", |screen| screen.contains("CSV table") && screen.contains("otter │"));
    terminal.keys("j");
    terminal.wait_until("the notes", |screen| screen.contains("some words"));
    terminal.keys("\r");
    terminal.wait_for("line 1 of 3");
    terminal.keys("\x1b");
    terminal.wait_for("Preview");
    terminal.keys("j");
    terminal.wait_for("2.0 s · WAV, 16 bit · mono · 8.0 kHz");

    // Saved under a name that is typed; what is there is replaced only when Enter says so again.
    let place = home.path().join("saved.md");
    std::fs::write(&place, "mine").expect("file");
    terminal.keys("k");
    terminal.wait_for("some words");
    terminal.keys("s");
    terminal.wait_for("now the place on this machine");
    terminal.keys(&format!("{}\r", place.display()));
    terminal.wait_for("is there already: Enter replaces it");
    assert_eq!(std::fs::read_to_string(&place).expect("file"), "mine");
    terminal.keys("\r");
    terminal.wait_for("saved ");
    assert_eq!(std::fs::read_to_string(&place).expect("file"), "# First notes\n\nsome words\n");

    // What was removed behind the back says so.
    std::fs::remove_file(work.join("output/notes.md")).expect("remove");
    terminal.keys(F7);
    terminal.wait_until("the missing file", |screen| {
        screen.lines().any(|line| line.contains("output/notes.md") && line.trim_end().ends_with("gone"))
    });
    terminal.keys("\x1b");
    terminal.wait_gone("Preview  ");

    // To the node of the first turn: the table was not made then.
    terminal.keys("/undo\r");
    terminal.wait_for("undone");
    terminal.keys(F7);
    terminal.wait_until("the list of then", |screen| {
        screen.contains("output/notes.md") && !screen.contains("output/table.csv")
    });
    terminal.keys("\x1b");
    terminal.wait_gone("Preview  ");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

fn picture(shade: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(64, 36, Rgb([shade, 40, 90])).write_to(&mut bytes, ImageFormat::Png).expect("picture");
    bytes.into_inner()
}

#[test]
fn slides_of_an_old_session_are_seen_again_page_by_page() {
    if !needs_bubblewrap() {
        return;
    }
    let endpoint = FakeEndpoint::start([]);
    let home = home_for(&endpoint);
    std::fs::create_dir_all(home.sessions()).expect("folder");
    let folder =
        SessionFolder::create(&home.sessions(), &SessionId::from_random(7), &jiff::Zoned::now()).expect("session");
    let spill = folder.spill();
    std::fs::create_dir_all(folder.work().join("output")).expect("folder");
    std::fs::write(folder.work().join("output/deck.pptx"), "deck").expect("file");
    let mount = folder.mount();
    let lock = SessionLock::acquire(&folder, "test").expect("lock");
    let options = LedgerOptions {
        snapshots: SnapshotSection::default(),
        owner: None,
        deployments: None,
        clock: Arc::new(SystemClock),
    };
    let (mut ledger, _) = Ledger::open(folder, lock, options).expect("open");
    let turn = TurnId::now();
    ledger.submit(turn, "make slides", &[], Vec::new()).expect("submit");
    std::fs::create_dir_all(&spill).expect("folder");
    let pages: Vec<String> = [200, 100]
        .map(|shade| {
            let bytes = picture(shade);
            let hash = blob::sha256(&bytes);
            std::fs::write(spill.join(&hash), bytes).expect("picture");
            format!("{KEPT_PICTURE}{hash}")
        })
        .into();
    let reply = ToolReply {
        call: CallId("c".to_owned()),
        tool: "mshtools-slides_generator".to_owned(),
        status: ToolStatus::Ok,
        output: "made".to_owned(),
        unfinished: false,
        images: Vec::new(),
    };
    let made = Artifact::at(ArtifactKind::Slides, format!("{mount}/output/deck.pptx"));
    ledger
        .append(&Record::ToolFinished {
            turn: Some(turn),
            reply,
            duration_ms: 1,
            spill: None,
            diff: None,
            pictures: Vec::new(),
            artifacts: vec![made.titled("A \x1b[31mred deck").with_pages(pages)],
        })
        .expect("append");
    ledger
        .close_turn(CloseTurn { turn, outcome: TurnOutcome::Completed, reply: "done".into(), state: Vec::new() })
        .expect("close");
    // Only the snapshot holds the pictures now.
    ledger.sweep_spill_to(false, 0);
    drop(ledger);
    assert_eq!(std::fs::read_dir(&spill).expect("list").count(), 0);

    let mut terminal = Terminal::start(&home, &["--continue"], 80, 24);
    terminal.wait_for("F7 preview 1");
    terminal.keys("/preview 1\r");
    terminal.wait_until("both slides", |screen| {
        screen.contains("A red deck") && screen.contains("slide 2 of 2") && screen.matches('▀').count() > 40
    });
    terminal.keys("n\r");
    terminal.wait_until("the second one", |screen| screen.contains("A red deck, slide 2 of 2 · 64x36"));
    terminal.keys("p");
    terminal.wait_until("the first one", |screen| screen.contains("A red deck, slide 1 of 2 · 64x36"));
    terminal.keys("\x1b");
    terminal.wait_for("Preview");
    terminal.keys("\x1b");
    terminal.wait_gone("Preview  ");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn a_deployed_page_is_seen_at_two_widths() {
    if !needs_bubblewrap() || !needs_browser() {
        return;
    }
    let page = "<!doctype html><title>Otters</title><style>body{background:#c04000}</style><h1>Otters</h1>";
    let endpoint = FakeEndpoint::start([
        write("a", "site/index.html", page),
        Answer::calls(&[("b", "mshtools-deploy_website", json!({"type": "static", "local_dir": "site"}))]),
        Answer::text("done"),
    ]);
    let home = home_for(&endpoint);
    let mut terminal = Terminal::start(&home, &[], 100, 30);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("make a site\r");
    terminal.wait_for("F4 snapshots 2");
    terminal.wait_for("F7 preview 1");
    terminal.keys(F7);
    terminal.wait_until("both pictures", |screen| {
        let labels = screen.contains("desktop, 1280x800") && screen.contains("phone, 390x844");
        labels && screen.matches('▀').count() > 100
    });
    // The colour of the page is that of the picture.
    let cell = |terminal: &mut Terminal| {
        let screen = terminal.parsed();
        (0..30u16).flat_map(|row| (0..100u16).map(move |column| (row, column))).any(|(row, column)| {
            let colour = screen.cell(row, column).map(vt100::Cell::bgcolor);
            matches!(colour, Some(vt100::Color::Rgb(red, green, blue)) if red > 150 && green < 100 && blue < 60)
                || matches!(colour, Some(vt100::Color::Idx(index)) if [166, 130, 202].contains(&index))
        })
    };
    assert!(cell(&mut terminal), "{}", terminal.screen());
    terminal.keys("\r");
    terminal.wait_for("Otters, desktop, 1280x800");
    terminal.keys("n");
    terminal.wait_for("Otters, phone, 390x844");
    terminal.keys("\x1b");
    terminal.wait_for("Preview");
    terminal.keys("\x1b");
    terminal.wait_gone("Preview  ");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn without_a_browser_a_deployed_page_is_its_text() {
    if !needs_bubblewrap() {
        return;
    }
    let endpoint = FakeEndpoint::start([
        write("a", "site/index.html", "<!doctype html><title>Otters</title><h1>Sea otters</h1><p>They float.</p>"),
        Answer::calls(&[("b", "mshtools-deploy_website", json!({"type": "static", "local_dir": "site"}))]),
        Answer::text("done"),
    ]);
    let home = home_for(&endpoint);
    home.write_config(&format!(
        "chat:\n  model: fake-model\n  base_url: {}\n  api_key: sk-fake-key-1234\nbrowser:\n  path: /nonexistent/browser\n",
        endpoint.base_url()
    ));
    let mut terminal = Terminal::start(&home, &[], 100, 30);
    terminal.wait_for("F4 snapshots 1");
    terminal.keys("make a site\r");
    terminal.wait_for("F4 snapshots 2");
    terminal.wait_for("F7 preview 1");
    terminal.keys(F7);
    terminal.wait_until("the text and why", |screen| {
        screen.contains("They float.") && screen.contains("note: its text only: ")
    });
    terminal.keys("\x1b");
    terminal.wait_gone("Preview  ");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}
