//! What text on the screen costs: one reply, whole and as it streams in.
//!
//! `cargo bench --bench text`. The budget for 5,000 tokens at 80 columns, drawn after every token, is well under one
//! second of CPU; a screen draws at most thirty times a second, so it does far less than this.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![expect(clippy::print_stderr, reason = "the size of the text belongs to its figures")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use okcvm::tui::text::stream::StreamedMarkdown;
use okcvm::tui::text::{diff, markdown};
use okcvm::tui::theme::Theme;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const THEME: Theme = Theme::new(true, false);

/// A reply of about 5,000 tokens: prose, lists, a table, code, CJK.
fn reply() -> String {
    let part = "## A heading\n\nSome prose with **bold words**, `code`, a [link](https://example.com/page) and enough \
                text to be wrapped on a screen of eighty columns, more than once. 日本語の文章も少しだけ入れる。\n\n\
                - first, a point\n- second, another one that is longer than a row of the screen can be and hangs\n  - \
                nested\n\n| Name | Count | Note |\n|---|--:|---|\n| Ada | 3 | wrote the first program |\n| Bob | 14 | \
                nothing |\n\n```rust\nfn main() {\n    let answer = 42; // of course\n    println!(\"{answer}\");\n}\n```\n\n";
    part.repeat(42)
}

/// Pieces of about four characters, as tokens are.
fn tokens(text: &str) -> Vec<String> {
    text.chars().collect::<Vec<_>>().chunks(4).map(|chunk| chunk.iter().collect()).collect()
}

fn text(criterion: &mut Criterion) {
    let reply = reply();
    let tokens = tokens(&reply);
    eprintln!("reply: {} bytes, {} tokens", reply.len(), tokens.len());
    let mut group = criterion.benchmark_group("text");
    group.sample_size(10);
    group.bench_function("markdown, whole", |bencher| {
        bencher.iter(|| black_box(markdown::render(&reply, 80, THEME)).len());
    });
    group.bench_function("markdown, streamed, lines after every token", |bencher| {
        bencher.iter(|| {
            let mut streamed = StreamedMarkdown::new();
            for token in &tokens {
                streamed.push(token);
                black_box(streamed.lines(80, THEME).len());
            }
            streamed.finish();
            streamed.lines(80, THEME).len()
        });
    });
    group.bench_function("markdown, streamed and drawn at 30 frames a second", |bencher| {
        bencher.iter(|| {
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a test terminal");
            let mut streamed = StreamedMarkdown::new();
            // 200 tokens a second at 30 frames a second.
            for frame in tokens.chunks(7) {
                for token in frame {
                    streamed.push(token);
                }
                let lines = streamed.lines(80, THEME);
                let last = &lines[lines.len().saturating_sub(24)..];
                terminal
                    .draw(|frame| {
                        for (line, y) in last.iter().zip(0..24) {
                            frame.buffer_mut().set_line(0, y, line, 80);
                        }
                    })
                    .expect("a frame");
            }
        });
    });
    group.bench_function("one endless fence, lines after every token", |bencher| {
        let code = format!("```rust\n{}", "let x = compute(1, 2, 3); // a comment\n".repeat(2_000));
        let tokens: Vec<String> = self::tokens(&code);
        bencher.iter(|| {
            let mut streamed = StreamedMarkdown::new();
            for token in &tokens {
                streamed.push(token);
                black_box(streamed.lines(80, THEME).len());
            }
        });
    });
    group.bench_function("one endless table, lines after every token", |bencher| {
        let table = format!("| a | b |\n|---|---|\n{}", "| some words | more of them here |\n".repeat(1_000));
        let tokens: Vec<String> = self::tokens(&table);
        bencher.iter(|| {
            let mut streamed = StreamedMarkdown::new();
            for token in &tokens {
                streamed.push(token);
                black_box(streamed.lines(80, THEME).len());
            }
        });
    });
    group.bench_function("a difference of 1,000 lines", |bencher| {
        let mut patch = "@@ -1,500 +1,500 @@\n".to_owned();
        for n in 0..500 {
            writeln!(patch, "-let value_{n} = old(1);\n+let value_{n} = new(1);").expect("a string");
        }
        bencher.iter(|| black_box(diff::lines(&patch, 160, THEME)).len());
    });
    group.finish();
}

criterion_group!(benches, text);
criterion_main!(benches);
