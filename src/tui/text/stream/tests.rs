//! Tests of [`super`].

use proptest::prelude::*;

use super::super::markdown;
use super::*;

const PLAIN: Theme = Theme::new(false, false);

fn texts(lines: &[Line<'_>]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// Pushes the text in pieces of these lengths, asking for lines after each, as a screen does.
fn streamed(text: &str, pieces: &[usize], width: u16) -> Vec<Line<'static>> {
    let mut markdown = StreamedMarkdown::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut lengths = pieces.iter().copied().cycle();
    while at < chars.len() {
        let length = lengths.next().unwrap_or(1).max(1).min(chars.len() - at);
        let piece: String = chars[at..at + length].iter().collect();
        at += length;
        let settled = texts(markdown.lines(width, PLAIN)).into_iter().take(markdown.settled());
        let settled: Vec<String> = settled.collect();
        markdown.push(&piece);
        let now = texts(markdown.lines(width, PLAIN));
        if !text.contains("]:") {
            assert!(now.starts_with(&settled), "settled lines changed:\n{settled:#?}\n{now:#?}");
        }
    }
    markdown.finish();
    markdown.lines(width, PLAIN).to_vec()
}

#[test]
fn an_unfinished_number_does_not_close_a_list() {
    let text = "1. one\n\n2. two\n\n3. three\n\nend\n";
    assert_eq!(streamed(text, &[1], 40), markdown::render(text, 40, PLAIN));
}

#[test]
fn an_open_fence_grows_line_by_line_and_hides_the_mark_that_may_close_it() {
    let mut markdown = StreamedMarkdown::new();
    markdown.push("Run:\n\n```sh\necho a\nec");
    assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  ec"]);
    markdown.push("ho b\n``");
    assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  echo b"]);
    markdown.push("`\nDone");
    assert_eq!(texts(markdown.lines(20, PLAIN)), ["Run:", "", "  sh", "  echo a", "  echo b", "", "Done"]);
}

#[test]
fn a_definition_that_comes_last_reaches_the_links_before_it() {
    let text = "See [the book][b].\n\nMore.\n\n[b]: https://example.com/book\n";
    let lines = streamed(text, &[3], 60);
    assert_eq!(texts(&lines)[0], "See the book (https://example.com/book).");
    assert_eq!(lines, markdown::render(text, 60, PLAIN));
}

#[test]
fn another_width_gives_the_lines_of_that_width() {
    let text = "# One\n\ntwo three four\n\n```\nfive six seven\n```\n\n| a | b |\n|---|---|\n| c | d |\n";
    let mut markdown = StreamedMarkdown::new();
    markdown.push(text);
    for width in [40, 8, 20] {
        assert_eq!(texts(markdown.lines(width, PLAIN)), texts(&markdown::render(text, width, PLAIN)));
    }
    markdown.finish();
    for width in [9, 40] {
        assert_eq!(markdown.lines(width, PLAIN), markdown::render(text, width, PLAIN));
    }
}

#[test]
fn colours_come_later_and_change_no_text() {
    let theme = Theme::new(true, false);
    let code = "fn streamed_once() { let x = 41; }";
    let mut markdown = StreamedMarkdown::new();
    markdown.push(&format!("```rust\n{code}\n```\n\nafter\n"));
    markdown.finish();
    let before = markdown.lines(60, theme).to_vec();
    highlight::tests::wait_for("rust", code);
    let revision = markdown.revision();
    let after = markdown.lines(60, theme).to_vec();
    assert_eq!(texts(&before), texts(&after));
    assert!(after[1].spans.len() > 3, "{:?}", after[1]);
    // Whether the first call already had the colours depends on the other thread.
    assert!(before == after || markdown.revision() > revision);
    assert!(!markdown.is_stale());
}

#[test]
fn a_huge_tail_is_not_rendered_at_every_call() {
    let mut markdown = StreamedMarkdown::new();
    let mut text = String::from("| a | b |\n|---|---|\n");
    markdown.push(&text);
    let mut renders = 0;
    let mut height = markdown.lines(40, PLAIN).len();
    for row in 0..2_000 {
        let row = format!("| {row} | some words here |\n");
        text.push_str(&row);
        markdown.push(&row);
        let now = markdown.lines(40, PLAIN).len();
        renders += usize::from(now != height);
        height = now;
    }
    assert!(renders < 400, "{renders}");
    markdown.finish();
    assert_eq!(markdown.lines(40, PLAIN), markdown::render(&text, 40, PLAIN));
}

#[test]
fn sequences_that_are_cut_are_cleaned_as_if_they_were_whole() {
    for text in [
        "a\x1b]52;c;ZWNobyBwd24=\x07b",
        "a\x1b[31mred\x1b[0m\r\nb",
        "\x1b]0;t\x1b\\x",
        "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 🏳\u{fe0f}\u{200d}🌈",
        "\u{9b}31mx\u{9d}52;c;aGk=\u{9c}y",
        "\x1b(0\x1bc\x1b=x",
        "a\u{200d}b\rc",
    ] {
        let mut stream = CleanStream::default();
        let mut out: String = text.chars().map(|c| stream.push(&c.to_string())).collect();
        out.push_str(&stream.finish());
        assert_eq!(out, sanitize::text(text), "{text:?}");
    }
}

#[test]
fn a_sequence_without_end_is_let_go() {
    let mut stream = CleanStream::default();
    let mut out = stream.push("\x1b]52;");
    for _ in 0..3 {
        out.push_str(&stream.push(&"x".repeat(2_000)));
    }
    assert!(out.len() > 4_000, "{}", out.len());
}

#[test]
fn a_reference_before_an_open_fence_is_as_in_one_go() {
    let text = "\n[r]: /u\n- \n````\n\n\n````\n";
    assert_eq!(texts(&streamed(text, &[1], 1)), texts(&markdown::render(text, 1, PLAIN)));
}

fn markdown_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        "[a-z]{1,8} ",
        "(#{1,4} |- |\\* |\\+ |[0-9]{1,2}\\. |> |    |  |- \\[x\\] |\t)",
        "(```|~~~|````)(rust|py)?\n",
        "\\| a \\| b \\|\n\\|---\\|:-:\\|\n\\| c \\| dd \\|\n",
        "(\\*\\*|\\*|_|`|~~|<b>|<div>|<!-- |-->|---|===|\\\\)",
        "(\\[x\\]\\(http://e\\.x\\)|!\\[p\\]\\(q\\)|<http://e\\.x>|&#27;|&amp;|日本|👩\u{200d}👧)",
        "\n(\\[\\^1\\]: note|\\[r\\]: /u|\\[r\\]|\\[\\^1\\])\n",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn a_streamed_text_equals_one_that_was_rendered_in_one_go(
        text in markdown_text(),
        pieces in proptest::collection::vec(1usize..9, 1..12),
        width in 1u16..50,
    ) {
        let lines = streamed(&text, &pieces, width);
        let whole = markdown::render(&text, width, PLAIN);
        prop_assert_eq!(texts(&lines), texts(&whole));
        prop_assert_eq!(&lines, &whole);
        for line in &lines {
            prop_assert!(super::super::wrap::spans_width(&line.spans) <= usize::from(width), "{:?}", line);
        }
    }
}
