//! What the screen costs: a frame of a long conversation, and a reply of 5,000 tokens from the first to the last.
//!
//! The bytes that such a reply writes at 80x24 are printed once; in a terminal they are counted by
//! `cargo run --release --example screen -- stream 5000 200`.
#![expect(clippy::print_stderr, reason = "the byte count is a figure of this bench")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Zoned;
use okcvm::protocol::{Event, Message, Phase, SessionId, TurnId, TurnOutcome};
use okcvm::tui::app::{App, AppOptions, Msg};
use okcvm::tui::output::MemorySink;
use okcvm::tui::terminal::Screen;
use okcvm::tui::theme::Theme;
use okcvm::tui::view;

const REPLY: &str = "Here is what I did:\n\n- the page, with **three** sections\n- a style for print\n\n\
```rust\nfn main() {\n    println!(\"hello\");\n}\n```\n\n| file | lines |\n| --- | ---: |\n| a | 1 |\n";

fn app() -> App {
    let options = AppOptions {
        theme: Theme::default(),
        keys: std::collections::BTreeMap::new(),
        demo: false,
        ssh: None,
        context_window: None,
        pictures: okcvm::tui::picture::Pictures::default(),
        previews: okcvm::tui::preview::PreviewFiles::none(),
    };
    let mut app = App::new(&options, wall()).expect("application");
    app.update(Msg::Engine(Event::SessionStarted {
        session: SessionId::from_random(7),
        mount: "/mnt/okcvm-0000000000000007/".to_owned(),
        host_path: "/work".into(),
        sandbox: "bubblewrap".to_owned(),
        network: "off".to_owned(),
        model: "model".to_owned(),
        title: "A bench".to_owned(),
    }));
    app
}

fn wall() -> Zoned {
    "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time")
}

fn screen(width: u16, height: u16) -> (Screen<MemorySink>, MemorySink) {
    let sink = MemorySink::new(width, height);
    (Screen::with_sink(sink.clone()).expect("screen"), sink)
}

/// Streams a reply of `tokens` words of five bytes, a frame for every `batch` of them, and gives back the bytes of the
/// text and those that were written.
fn stream(tokens: usize, batch: usize) -> (usize, usize) {
    let (mut app, (mut screen, sink)) = (app(), screen(80, 24));
    let turn = TurnId::now();
    app.update(Msg::Engine(Event::TurnStarted { turn }));
    app.update(Msg::Engine(Event::PhaseChanged(Phase::Streaming)));
    let mut text = 0;
    for token in 0..tokens {
        let word = if token % 60 == 59 { "end.\n\n" } else { "word " };
        text += word.len();
        // 200 tokens a second.
        app.set_time(token as u64 * 5, wall());
        app.update(Msg::Engine(Event::TextDelta { text: word.to_owned() }));
        if token % batch == 0 {
            screen.draw(&mut app, App::prepare, view::draw).expect("frame");
        }
    }
    app.update(Msg::Engine(Event::TurnEnded { turn, outcome: TurnOutcome::Completed, reply: String::new() }));
    screen.draw(&mut app, App::prepare, view::draw).expect("frame");
    (text, sink.bytes().len())
}

fn frames(criterion: &mut Criterion) {
    let messages: Vec<Message> = (0..500)
        .flat_map(|number| {
            [
                Message::User { text: format!("message {number}"), attachments: vec![] },
                Message::Assistant { text: REPLY.to_owned(), reasoning: None, tool_calls: vec![] },
            ]
        })
        .collect();
    for (width, height) in [(80, 24), (200, 50)] {
        let (mut app, (mut screen, _)) = (app(), screen(width, height));
        app.update(Msg::Engine(Event::ConversationReplaced { messages: messages.clone(), todos: vec![] }));
        screen.draw(&mut app, App::prepare, view::draw).expect("frame");
        criterion.bench_function(&format!("an unchanged frame of 500 turns at {width}x{height}"), |bencher| {
            bencher.iter(|| screen.draw(black_box(&mut app), App::prepare, view::draw));
        });
    }
    criterion.bench_function("the first frame of 500 turns at 80x24", |bencher| {
        bencher.iter_batched(
            || {
                let mut app = app();
                let event = Event::ConversationReplaced { messages: messages.clone(), todos: vec![] };
                app.update(Msg::Engine(event));
                (app, screen(80, 24).0)
            },
            |(mut app, mut screen)| screen.draw(&mut app, App::prepare, view::draw),
            BatchSize::SmallInput,
        );
    });
}

fn replies(criterion: &mut Criterion) {
    let (text, written) = stream(5_000, 7);
    eprintln!("5,000 tokens at 80x24: {text} bytes of text, {written} bytes written");
    let mut group = criterion.benchmark_group("stream");
    group.sample_size(10);
    // At 200 tokens a second and thirty frames a second, seven tokens stand in a frame.
    group.bench_function("5,000 tokens at 80x24, 30 frames a second", |bencher| bencher.iter(|| stream(5_000, 7)));
    group.finish();
}

criterion_group!(benches, frames, replies);
criterion_main!(benches);
