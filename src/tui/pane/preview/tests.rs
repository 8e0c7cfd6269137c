//! The preview with things of every kind, without a disk.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::super::testing::{context, draw, screens};
use super::*;
use crate::protocol::SessionId;
use crate::tui::picture::{Depth, PictureFile, PictureFiles, Stamp as PictureStamp};
use crate::tui::preview::{Listing, PreviewSource, Recording, Subject};

const MOUNT: &str = "/mnt/okcvm-0123456789abcdef/";

/// Files by their paths, and what was asked of them.
#[derive(Default)]
struct Fake {
    gone: Vec<String>,
    others: Vec<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

fn file(bytes: u64, minutes: u64) -> FileState {
    let now: jiff::Timestamp = "2026-11-22T12:00:00Z".parse().expect("a time");
    FileState::File { bytes, modified: Some(SystemTime::from(now) - Duration::from_secs(60 * minutes)) }
}

impl PreviewSource for Fake {
    fn list(&self, paths: &[String]) -> Listing {
        self.asked.lock().expect("lock").push(format!("list {}", paths.len()));
        let state = |(at, path): (usize, &String)| {
            if self.gone.contains(path) { FileState::Gone } else { file(1024 << at, at as u64 + 1) }
        };
        Listing {
            states: paths.iter().enumerate().map(state).collect(),
            others: self.others.iter().map(|path| (path.clone(), file(77, 90))).collect(),
        }
    }

    fn read(&self, subject: &Subject, cancel: &CancellationToken) -> Content {
        let path = subject.path.clone().unwrap_or_default();
        self.asked.lock().expect("lock").push(format!("read {}", path.rsplit('/').next().unwrap_or_default()));
        let text = |text: &str, markdown| Content::Text {
            text: text.to_owned(),
            markdown,
            summary: "PDF, 2 pages".to_owned(),
            notes: vec!["page 2 is a scan".to_owned()],
        };
        match path.rsplit_once('.').map(|(_, end)| end) {
            _ if cancel.is_cancelled() => Content::Words("cancelled".to_owned()),
            Some("wav") => Content::Recording(Recording {
                format: "WAV, 16 bit".to_owned(),
                millis: 12_300,
                rate: 44_100,
                channels: 2,
                loudness: (0..200u16).map(|n| ((n * 5 % 256) as u8).max(1)).collect(),
            }),
            Some("pdf") => {
                text("# Report\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nIt went **well**.\x1b]0;title\x07", true)
            }
            Some("bin") => Content::Words("It is binary data.".to_owned()),
            _ if subject.url.is_some() => Content::Sheets(vec![
                Sheet { label: "desktop".to_owned(), picture: "page:1280".to_owned() },
                Sheet { label: "phone".to_owned(), picture: "page:390".to_owned() },
            ]),
            _ => text("first\n\tsecond", false),
        }
    }
}

/// Every picture is this one.
fn pictures() -> Pictures {
    let files = PictureFiles::new(|_, _, _| {
        let stamp = PictureStamp { modified: None, bytes: 9 };
        Ok(PictureFile::Read { stamp, size: (320, 180), pixels: image::RgbaImage::new(320, 180) })
    });
    Pictures::new(files, true, Depth::default())
}

fn at(name: &str) -> String {
    format!("{MOUNT}output/{name}")
}

fn deck() -> Artifact {
    let pages = (0..6).map(|n| format!("picture:{}", crate::support::hash::sha256(&[n]))).collect();
    Artifact::at(ArtifactKind::Slides, at("deck.pptx")).titled("Quarter in review").with_pages(pages)
}

fn pane_of(fake: Fake, artifacts: &[Artifact]) -> PreviewState {
    let mut pane = PreviewState::new(PreviewFiles::new(fake), pictures());
    pane.apply(
        &Event::SessionStarted {
            session: SessionId::from_random(1),
            mount: MOUNT.to_owned(),
            host_path: "/tmp/x".into(),
            sandbox: String::new(),
            network: String::new(),
            model: String::new(),
            title: String::new(),
        },
        0,
    );
    pane.apply(&Event::Artifacts { artifacts: artifacts.to_vec() }, 0);
    pane
}

/// Draws until there is nothing more to be done.
fn settle(pane: &mut PreviewState, width: u16, height: u16) -> String {
    for _ in 0..50 {
        pane.begin_frame();
        pane.pictures.begin_frame();
        let shown = draw(pane, width, height);
        let (job, picture) = (pane.next_job(), pane.pictures.next_job());
        if job.is_none() && picture.is_none() {
            return shown;
        }
        if let Some(job) = job {
            pane.answered(job());
        }
        if let Some(picture) = picture {
            picture();
        }
    }
    panic!("it never rests");
}

fn everything() -> PreviewState {
    let fake = Fake { gone: vec![at("old.txt")], others: vec![at("shell/made.bin")], ..Fake::default() };
    pane_of(
        fake,
        &[
            Artifact::at(ArtifactKind::File, at("old.txt")),
            Artifact::at(ArtifactKind::File, at("report.pdf")),
            Artifact::at(ArtifactKind::Audio, at("speech.wav")),
            Artifact::at(ArtifactKind::Image, at("plot.png")),
            Artifact::page("http://127.0.0.1:4000/site/").made_of(format!("{MOUNT}output/site")).titled("My site"),
            deck(),
            Artifact::at(ArtifactKind::Image, at("plot.png")),
        ],
    )
}

#[test]
fn an_empty_preview_says_what_will_appear() {
    insta::assert_snapshot!(screens(|| pane_of(Fake::default(), &[])));
}

#[test]
fn the_latest_stands_first_and_a_later_version_replaces_the_earlier() {
    let mut out = String::new();
    for (width, height) in [(40, 12), (80, 22), (66, 44)] {
        use std::fmt::Write as _;
        writeln!(out, "---- {width}x{height}\n{}", settle(&mut everything(), width, height)).expect("a string");
    }
    insta::assert_snapshot!(out);
}

#[test]
fn slides_are_walked_through_and_opened_with_their_numbers() {
    let mut pane = pane_of(Fake::default(), &[deck()]);
    let shown = settle(&mut pane, 80, 30);
    assert!(shown.contains("slide 1 of 6") && shown.contains("Quarter in review"), "{shown}");
    assert!(pane.action(Action::NextPage).is_empty());
    pane.action(Action::NextPage);
    pane.action(Action::PreviousPage);
    let [UiEffect::ShowPictures { paths, labels, at }] = &pane.action(Action::Open)[..] else { panic!("no pictures") };
    assert_eq!((paths.len(), *at, labels[1].as_str()), (6, 1, "Quarter in review, slide 2 of 6"));
    for _ in 0..20 {
        pane.action(Action::NextPage);
    }
    assert!(settle(&mut pane, 40, 12).contains("slide 6 of 6"), "{}", settle(&mut pane, 40, 12));
}

#[test]
fn a_recording_is_a_wave_with_its_length() {
    let mut pane = pane_of(Fake::default(), &[Artifact::at(ArtifactKind::Audio, at("speech.wav"))]);
    insta::assert_snapshot!(settle(&mut pane, 60, 14));
}

#[test]
fn documents_are_drawn_as_replies_are_and_opened_whole() {
    let mut pane = pane_of(Fake::default(), &[Artifact::at(ArtifactKind::File, at("report.pdf"))]);
    insta::assert_snapshot!(settle(&mut pane, 60, 16));
    let [UiEffect::View { title, source: ViewSource::Markdown(text) }] = &pane.action(Action::Open)[..] else {
        panic!("no document")
    };
    assert_eq!(title, "output/report.pdf");
    assert!(text.contains("# Report") && !text.contains('\x1b'), "{text:?}");
}

#[test]
fn nothing_is_found_out_while_nobody_looks_and_what_nobody_wants_is_given_up() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let fake = Fake { asked: Arc::clone(&asked), ..Fake::default() };
    let names = [at("a.pdf"), at("b.wav")].map(|path| Artifact::at(ArtifactKind::File, path));
    let mut pane = pane_of(fake, &names);
    assert!(pane.next_job().is_none(), "it is on no screen");
    draw(&mut pane, 80, 24);
    let list = pane.next_job().expect("the listing");
    assert!(pane.next_job().is_none(), "one at a time");
    pane.answered(list());
    draw(&mut pane, 80, 24);
    let read = pane.next_job().expect("the first thing");
    pane.action(Action::Down);
    draw(&mut pane, 80, 24);
    assert!(pane.next_job().is_none(), "the first one has not ended yet");
    let answer = read();
    assert!(matches!(&answer, Answer::Read(_, Content::Words(words)) if words == "cancelled"), "{answer:?}");
    pane.answered(answer);
    settle(&mut pane, 80, 24);
    assert_eq!(*asked.lock().expect("lock"), ["list 2", "read b.wav", "read a.pdf"]);
    settle(&mut pane, 80, 24);
    assert_eq!(asked.lock().expect("lock").len(), 3, "what is known is not asked for again");
    pane.begin_frame();
    pane.apply(&Event::Artifact(deck()), 0);
    assert!(pane.next_job().is_none(), "it has left the screen");
}

#[test]
fn a_rollback_takes_things_back() {
    let mut pane = everything();
    assert_eq!(pane.summary().as_deref(), Some("6"));
    pane.apply(&Event::ConversationReplaced { messages: Vec::new(), todos: Vec::new() }, 0);
    pane.apply(&Event::Artifacts { artifacts: vec![deck()] }, 0);
    assert_eq!(pane.summary().as_deref(), Some("1"));
    pane.apply(&Event::Artifact(Artifact::at(ArtifactKind::File, at("new.md"))), 0);
    assert_eq!(pane.summary().as_deref(), Some("2"));
}

#[test]
fn the_latest_thing_is_shown_unless_somebody_walks_through_the_list() {
    let mut pane = pane_of(Fake::default(), &[deck()]);
    pane.apply(&Event::Artifact(Artifact::at(ArtifactKind::File, at("a.md"))), 0);
    assert_eq!(pane.chosen().map(|thing| thing.name.as_str()), Some("output/a.md"));
    draw(&mut pane, 80, 24);
    pane.apply(&Event::Artifact(Artifact::at(ArtifactKind::File, at("b.md"))), 0);
    assert_eq!(pane.chosen().map(|thing| thing.name.as_str()), Some("output/a.md"), "it has the keys");
}

#[test]
fn what_is_gone_says_so_and_is_neither_saved_nor_opened() {
    let mut pane = pane_of(
        Fake { gone: vec![at("old.txt")], ..Fake::default() },
        &[Artifact::at(ArtifactKind::File, at("old.txt"))],
    );
    let shown = settle(&mut pane, 60, 12);
    assert!(shown.contains("gone") && shown.contains("rollback"), "{shown}");
    for action in [Action::Open, Action::Save, Action::OpenOutside] {
        assert!(matches!(&pane.action(action)[..], [UiEffect::Notice(_)]), "{action:?}");
    }
}

#[test]
fn places_are_copied_saved_and_opened_outside() {
    let mut pane = everything();
    settle(&mut pane, 80, 30);
    assert!(pane.select(3) && !pane.select(0) && !pane.select(99));
    let [UiEffect::Copy { text, .. }] = &pane.action(Action::Copy)[..] else { panic!("not copied") };
    assert_eq!(text, "http://127.0.0.1:4000/site/");
    assert_eq!(
        pane.action(Action::OpenOutside),
        [UiEffect::OpenOutside(Outside::Address("http://127.0.0.1:4000/site/".to_owned()))]
    );
    assert_eq!(
        pane.action(Action::Save),
        [UiEffect::Command { name: "save".to_owned(), argument: format!("{MOUNT}output/site") }]
    );
    for wrong in ["javascript:alert(1)", "file:///etc/passwd", "http://x/ y", "http://x/\u{1b}[31m", "-oops"] {
        let mut pane = pane_of(Fake::default(), &[Artifact::page(wrong)]);
        settle(&mut pane, 80, 30);
        assert!(matches!(&pane.action(Action::OpenOutside)[..], [UiEffect::Notice(_)]), "{wrong}");
    }
}

#[test]
fn hostile_names_and_texts_stay_text() {
    let hostile = "output/\u{1b}[2J\u{202e}gpj.exe\n\u{7}";
    let fake = Fake { others: vec![format!("{MOUNT}{hostile}x")], ..Fake::default() };
    let mut pane = pane_of(
        fake,
        &[
            Artifact::at(ArtifactKind::File, format!("{MOUNT}{hostile}")).titled(hostile),
            Artifact::page(format!("http://{hostile}")).titled(hostile),
            Artifact::at(ArtifactKind::Slides, "../../etc").with_pages(vec![hostile.to_owned()]),
        ],
    );
    for number in 1..=4 {
        assert!(pane.select(number));
        let shown = settle(&mut pane, 80, 24);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
        let cx = context(Theme::new(false, false));
        assert_eq!(pane.title(&cx).right, format!("{number} of 4"));
        for action in [Action::Open, Action::Copy, Action::Save, Action::OpenOutside] {
            for effect in pane.action(action) {
                if let UiEffect::Copy { text, .. } | UiEffect::Command { argument: text, .. } = effect {
                    assert!(!text.contains('\u{1b}'), "{text:?}");
                }
            }
        }
    }
}
