//! Pictures on the screen: half blocks everywhere, the terminal's own where it has them, words where there is neither.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use image::{Rgba, RgbaImage};
use okcvm::protocol::{CallId, Event, Message, ToolStatus, TurnId, TurnOutcome};
use okcvm::tui::TuiOptions;
use okcvm::tui::picture::{Depth, PictureFile, PictureFiles, PicturePlan, Protocol, Stamp};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::json;

use super::hostile::strict::{Writer, faults};
use super::keys::Bench;

const MOUNT: &str = "/mnt/okcvm-0000000000000007";

/// Files whose red is told by `shade`; `torn.png` is damaged and every other name is there.
fn files(shade: Arc<AtomicU8>) -> PictureFiles {
    PictureFiles::new(move |path, known, wanted| {
        let shade = shade.load(Ordering::SeqCst);
        let stamp = Stamp { modified: None, bytes: u64::from(shade) };
        match path.rsplit('/').next() {
            _ if known == Some(stamp) => Ok(PictureFile::Unchanged),
            Some("torn.png") => Err("it is damaged".to_owned()),
            _ => {
                let paint = |x: u32, y: u32| Rgba([shade, (x % 256) as u8, (y % 256) as u8, 255]);
                let pixels = RgbaImage::from_fn(wanted.width.min(320), wanted.height.min(240), paint);
                Ok(PictureFile::Read { stamp, size: (320, 240), pixels })
            }
        }
    })
}

fn blocks(options: &mut TuiOptions) {
    options.no_color = false;
    options.picture_files = files(Arc::new(AtomicU8::new(200)));
    options.picture_plan = PicturePlan { drawn: true, depth: Depth::True, fixed: None, question: None };
}

fn graphics(protocol: Protocol) -> impl FnOnce(&mut TuiOptions) {
    move |options| {
        blocks(options);
        options.picture_plan.fixed = Some(protocol);
    }
}

/// A turn in which a call makes these pictures.
fn made(bench: &mut Bench, id: &str, names: &[&str]) {
    let call = CallId(id.to_owned());
    let tool = "mshtools-ipython".to_owned();
    bench.tell(Event::ToolStarted { call: call.clone(), tool: tool.clone(), arguments: json!({"code": "plot()"}) });
    let (status, output) = (ToolStatus::Ok, "made".to_owned());
    bench.tell(Event::ToolFinished { call: call.clone(), tool, status, duration_ms: 9, output });
    let pictures = names.iter().map(|name| format!("{MOUNT}/output/{name}")).collect();
    bench.tell(Event::ToolDetail { call, spill: None, diff: None, pictures });
}

async fn with_pictures(change: impl FnOnce(&mut TuiOptions), names: &[&str]) -> Bench {
    let mut bench = Bench::start_with(change).await;
    bench.tell(Event::TurnStarted { turn: TurnId::now() });
    made(&mut bench, "a", names);
    let (turn, outcome) = (TurnId::now(), TurnOutcome::Completed);
    bench.tell(Event::TurnEnded { turn, outcome, reply: "There it is.".to_owned() });
    bench
}

/// From the composer to the pictures, above the reply.
async fn walk_to_it(bench: &mut Bench) {
    bench.press(KeyCode::F(2));
    bench.wait_for("y copy").await;
    bench.press(KeyCode::Char('k'));
}

fn halves(text: &str) -> usize {
    text.chars().filter(|c| *c == '\u{2580}').count()
}

fn rows_of_halves(text: &str) -> usize {
    text.lines().filter(|line| line.contains('\u{2580}')).count()
}

fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| window == &part).count()
}

fn assert_clean(bench: &Bench) {
    let bytes = bench.sink.bytes();
    let body = bytes.strip_prefix(b"\x1b[?1049h\x1b[?2004h\x1b[?1007s\x1b[?1007l").expect("the beginning");
    assert_eq!(faults(Writer::Frames, body), Vec::<String>::new());
}

#[tokio::test]
async fn a_picture_stands_below_the_work_that_made_it_and_folds() {
    let mut bench = with_pictures(blocks, &["plot.png"]).await;
    let screen = bench.wait_until("the picture", |screen| halves(screen) > 100).await;
    assert!(screen.contains("plot.png") && screen.contains("320x240"), "{screen}");
    assert!((5..=14).contains(&rows_of_halves(&screen)), "{screen}");
    // Up to it, folded and unfolded.
    walk_to_it(&mut bench).await;
    bench.press(KeyCode::Char('f'));
    let screen = bench.wait_until("it folded", |screen| halves(screen) == 0).await;
    assert!(screen.contains("1 picture") && screen.contains("plot.png"), "{screen}");
    bench.press(KeyCode::Char('f'));
    bench.wait_until("it unfolded", |screen| halves(screen) > 100).await;
    assert_clean(&bench);
}

#[tokio::test]
async fn pictures_open_over_all_panes_and_the_next_one_follows() {
    let mut bench = with_pictures(blocks, &["one.png", "two.png"]).await;
    let screen = bench.wait_until("both", |screen| screen.matches("320x240").count() == 2).await;
    assert!(screen.lines().any(|line| line.contains("one.png") && line.contains("two.png")), "beside: {screen}");
    walk_to_it(&mut bench).await;
    bench.press(KeyCode::Enter);
    let screen =
        bench.wait_until("the viewer", |screen| screen.contains("1 of 2") && rows_of_halves(screen) > 15).await;
    assert!(screen.contains("one.png"), "{screen}");
    bench.press(KeyCode::Right);
    bench.wait_until("the next", |screen| screen.contains("2 of 2") && screen.contains("two.png")).await;
    bench.press(KeyCode::Right);
    bench.press(KeyCode::Left);
    bench.wait_for("1 of 2").await;
    bench.press(KeyCode::Esc);
    bench.wait_until("the chat", |screen| !screen.contains("1 of 2") && screen.contains("OK Computer")).await;
}

#[tokio::test]
async fn the_trace_shows_the_pictures_of_a_call() {
    let mut bench = with_pictures(blocks, &["plot.png"]).await;
    bench.press(KeyCode::F(3));
    bench.wait_for("ipython").await;
    bench.press(KeyCode::Enter);
    let screen = bench.wait_until("the picture", |screen| screen.contains("Pictures") && halves(screen) > 50).await;
    assert!(screen.contains("plot.png"), "{screen}");
    bench.press(KeyCode::Char('o'));
    bench.wait_until("the viewer", |screen| screen.contains("1 of 1") && rows_of_halves(screen) > 15).await;
}

#[tokio::test]
async fn a_picture_that_is_made_again_is_shown_where_it_was_made_last() {
    let shade = Arc::new(AtomicU8::new(200));
    let files = files(Arc::clone(&shade));
    let change = |options: &mut TuiOptions| {
        blocks(options);
        options.picture_files = files;
    };
    let mut bench = with_pictures(change, &["plot.png"]).await;
    bench.wait_until("the picture", |screen| halves(screen) > 100).await;
    assert!(count(&bench.sink.bytes(), b"38;2;200;") > 10);
    shade.store(90, Ordering::SeqCst);
    bench.tell(Event::TurnStarted { turn: TurnId::now() });
    made(&mut bench, "b", &["plot.png"]);
    let screen = bench.wait_until("the new one", |screen| screen.contains("made again below")).await;
    assert_eq!(screen.matches("320x240").count(), 1, "{screen}");
    let sink = bench.sink.clone();
    bench.wait_until("its colours", |_| count(&sink.bytes(), b"38;2;90;") > 10).await;
}

#[tokio::test]
async fn after_a_resume_the_pictures_are_with_their_calls_again() {
    let mut bench = Bench::start_with(blocks).await;
    let call = CallId("old".to_owned());
    let asked =
        okcvm::protocol::ToolCall { id: call.clone(), name: "mshtools-ipython".to_owned(), arguments: "{}".to_owned() };
    let messages = vec![
        Message::User { text: "Plot it".to_owned(), attachments: vec![] },
        Message::Assistant { text: String::new(), reasoning: None, tool_calls: vec![asked] },
        Message::Assistant { text: "The plot is done.".to_owned(), reasoning: None, tool_calls: vec![] },
    ];
    bench.tell(Event::ConversationReplaced { messages, todos: vec![] });
    let pictures = vec![format!("{MOUNT}/plot.png")];
    bench.tell(Event::ToolDetail { call, spill: None, diff: None, pictures });
    let screen = bench.wait_until("the picture", |screen| halves(screen) > 100).await;
    let picture = screen.find("plot.png").expect("caption");
    assert!(picture < screen.find("The plot is done.").expect("reply"), "{screen}");
}

#[tokio::test]
async fn what_cannot_be_shown_says_why() {
    let mut bench = with_pictures(blocks, &["torn.png"]).await;
    bench.wait_for("torn.png").await;
    bench.wait_for("not shown: it is damaged").await;
}

#[tokio::test]
async fn without_colours_a_picture_is_a_line_with_name_and_size() {
    let words = |options: &mut TuiOptions| {
        options.picture_files = files(Arc::new(AtomicU8::new(77)));
    };
    let mut bench = with_pictures(words, &["plot.png"]).await;
    let screen = bench.wait_until("the size", |screen| screen.contains("320x240, 77 B")).await;
    assert_eq!(halves(&screen), 0, "{screen}");
    assert_clean(&bench);
}

#[tokio::test]
async fn kitty_gets_a_picture_once_and_is_told_where_it_is() {
    let mut bench = with_pictures(graphics(Protocol::Kitty), &["plot.png"]).await;
    let sink = bench.sink.clone();
    bench.wait_until("a placement", |_| count(&sink.bytes(), b"\x1b_Ga=p,") == 1).await;
    // The half blocks stand below it.
    assert!(halves(&bench.text()) > 100);
    // The palette covers a part: what is left of it is placed anew.
    bench.chord(KeyCode::Char('p'), KeyModifiers::CONTROL);
    bench.wait_for("Commands").await;
    bench.wait_until("it moved", |_| count(&sink.bytes(), b"\x1b_Ga=d,d=i,") == 1).await;
    let before = count(&sink.bytes(), b"\x1b_Ga=p,");
    bench.press(KeyCode::Esc);
    bench.wait_until("it is back", |_| count(&sink.bytes(), b"\x1b_Ga=p,") > before).await;
    assert_eq!(count(&sink.bytes(), b"\x1b_Ga=t,"), 1, "sent once");
    // Whatever has happened to the terminal: everything again.
    bench.chord(KeyCode::Char('l'), KeyModifiers::CONTROL);
    bench.wait_until("it is sent again", |_| count(&sink.bytes(), b"\x1b_Ga=t,") == 2).await;
    assert_clean(&bench);
}

#[tokio::test]
async fn sixels_come_when_the_picture_is_still_and_go_when_something_covers_it() {
    for (protocol, start) in [(Protocol::Sixel, &b"\x1bP0;1;0q"[..]), (Protocol::Iterm, &b"\x1b]1337;File="[..])] {
        let mut bench = with_pictures(graphics(protocol), &["plot.png"]).await;
        let sink = bench.sink.clone();
        bench.wait_until("the picture", |_| count(&sink.bytes(), start) == 1).await;
        let before = sink.bytes().len();
        // The trace in its place: its cells are written anew, which takes the picture away.
        bench.press(KeyCode::F(3));
        bench.wait_until("the trace", |screen| screen.contains("ipython") && halves(screen) == 0).await;
        let after = sink.bytes()[before..].to_vec();
        assert_eq!(count(&after, start), 0);
        bench.press(KeyCode::Esc);
        bench.wait_until("it is back", |_| count(&sink.bytes(), start) == 2).await;
        assert_clean(&bench);
    }
}

#[tokio::test]
async fn a_still_screen_with_a_picture_writes_nothing() {
    let mut bench = with_pictures(graphics(Protocol::Sixel), &["plot.png"]).await;
    let sink = bench.sink.clone();
    bench.wait_until("the picture", |_| count(&sink.bytes(), b"\x1bP0;1;0q") == 1).await;
    let before = sink.bytes().len();
    // A key that changes one cell far from the picture leaves it alone.
    bench.press(KeyCode::Char('x'));
    bench.wait_until("the letter", |_| sink.bytes().len() > before).await;
    let after = sink.bytes()[before..].to_vec();
    assert!(after.len() < 200 && count(&after, b"\x1bP") == 0, "{:?}", String::from_utf8_lossy(&after));
}
