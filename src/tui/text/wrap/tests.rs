//! Tests of [`super`].

use proptest::prelude::*;

use super::*;

fn rows(text: &str, width: u16) -> Vec<String> {
    wrap(&Line::raw(text), width).iter().map(ToString::to_string).collect()
}

fn rows_with(text: &str, width: usize, first: &str, rest: &str, mode: Break) -> Vec<String> {
    let indent = Indent { first: vec![Span::raw(first.to_owned())], rest: vec![Span::raw(rest.to_owned())] };
    let mut out = Vec::new();
    wrap_spans(&[Span::raw(text)], width, &indent, mode, &mut out);
    out.iter().map(ToString::to_string).collect()
}

#[test]
fn words_move_to_the_next_row_whole() {
    assert_eq!(rows("the quick brown fox", 10), ["the quick", "brown fox"]);
    assert_eq!(rows("the quick  ", 9), ["the quick"]);
    assert_eq!(rows("", 9), [""]);
    assert_eq!(rows("   ", 2), [""]);
}

#[test]
fn a_word_without_breaks_is_cut() {
    assert_eq!(rows("see aaaaaaaaaaaa now", 6), ["see", "aaaaaa", "aaaaaa", "now"]);
}

#[test]
fn paths_and_compounds_break_after_their_marks() {
    assert_eq!(rows("src/tui/text/wrap.rs", 10), ["src/tui/", "text/", "wrap.rs"]);
    assert_eq!(rows("well-known case", 6), ["well-", "known", "case"]);
    assert_eq!(rows("cargo run --demo now", 12), ["cargo run", "--demo now"]);
}

#[test]
fn wide_characters_need_no_spaces_and_keep_their_punctuation() {
    assert_eq!(rows("日本語のテキスト", 6), ["日本語", "のテキ", "スト"]);
    assert_eq!(rows("日本語。次", 6), ["日本", "語。次"]);
    assert_eq!(rows("これは「引用」です", 8), ["これは", "「引用」", "です"]);
    assert_eq!(rows("ab日本", 3), ["ab", "日", "本"]);
}

#[test]
fn joined_emoji_are_never_cut() {
    let family = "👩\u{200d}👩\u{200d}👧";
    assert_eq!(rows(&family.repeat(3), 4), [family.repeat(2), family.to_owned()]);
    assert_eq!(rows("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
}

#[test]
fn one_cell_is_enough_not_to_fail() {
    assert_eq!(rows("a日b", 1), ["a", "?", "b"]);
    assert_eq!(rows("日本", 0), ["?", "?"]);
}

#[test]
fn further_rows_hang_under_the_text() {
    assert_eq!(rows_with("one two three", 9, "• ", "  ", Break::Words), ["• one two", "  three"]);
    assert_eq!(rows_with("a\nb", 9, "> ", "> ", Break::Words), ["> a", "> b"]);
    // An indent never takes the whole row.
    assert_eq!(rows_with("abc", 3, "          ", "          ", Break::Words), ["  a", "  b", "  c"]);
}

#[test]
fn code_keeps_its_spaces_and_breaks_anywhere() {
    assert_eq!(rows_with("let  x = 1;", 6, "", "", Break::Cells), ["let  x", " = 1;"]);
}

#[test]
fn styles_survive_the_break() {
    use ratatui::style::Stylize as _;
    let line = Line::from(vec!["aa ".into(), "bb cc".bold()]);
    let rows = wrap(&line, 5);
    assert_eq!(rows[0].spans, vec!["aa ".into(), Span::from("bb").bold()]);
    assert_eq!(rows[1].spans, vec![Span::from("cc").bold()]);
}

#[test]
fn tabs_go_to_the_next_stop() {
    assert_eq!(expand_tabs("a\tb", 4, 0), "a   b");
    assert_eq!(expand_tabs("日\tb\n\tc", 4, 0), "日  b\n    c");
    assert_eq!(expand_tabs("\tx", 8, 2), "      x");
}

proptest! {
    #[test]
    fn no_row_is_wider_than_the_screen_and_nothing_is_lost(
        text in "([a-z]{0,12}|[ \\-/]{0,3}|日本|語、|「字|👩\u{200d}👩\u{200d}👧|e\u{301}|🏳\u{fe0f}\u{200d}🌈|کا){0,24}",
        width in 1usize..30,
        indent in 0usize..12,
        words in any::<bool>(),
    ) {
        let mode = if words { Break::Words } else { Break::Cells };
        let pad = " ".repeat(indent);
        let shown = rows_with(&text, width, &pad, &pad, mode);
        prop_assert!(!shown.is_empty());
        for row in &shown {
            prop_assert!(width_of(row) <= width, "{:?} in {:?}", row, shown);
            prop_assert!(row.width() <= width, "{:?} in {:?}", row, shown);
        }
        if width >= 6 {
            let without_spaces = |text: &str| text.replace(' ', "");
            prop_assert_eq!(without_spaces(&shown.concat()), without_spaces(&text));
        }
    }
}
