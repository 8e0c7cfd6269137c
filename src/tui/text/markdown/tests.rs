//! Tests of [`super`].

use proptest::prelude::*;

use super::*;
use crate::tui::text::link;

fn shown(source: &str, width: u16) -> String {
    let lines = render(source, width, Theme::new(false, false));
    lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The style of the span that holds exactly this text.
fn style_of(source: &str, text: &str, theme: Theme) -> Style {
    let lines = render(source, 80, theme);
    let span = lines.iter().flat_map(|line| &line.spans).find(|span| span.content.trim() == text);
    span.unwrap_or_else(|| panic!("no span {text:?} in {lines:?}")).style
}

#[test]
fn headings_have_no_marks_and_their_levels_differ() {
    assert_eq!(shown("# One\n## Two\ntext\n### Three", 40), "One\n\nTwo\n\ntext\n\nThree");
    let theme = Theme::new(true, false);
    let style = |text| style_of("# One\n## Two\n### Three", text, theme).add_modifier;
    assert_eq!(style("One"), Modifier::BOLD | Modifier::UNDERLINED);
    assert_eq!(style("Two"), Modifier::BOLD);
    assert_eq!(style("Three"), Modifier::UNDERLINED);
}

#[test]
fn lists_nest_and_their_text_hangs() {
    let source = "- experience, newest first\n- skills\n  - as a compact grid of words\n    1. one\n    2. two\n- [x] done\n- [ ] open\n\n9. nine\n10. ten\n";
    insta::assert_snapshot!(shown(source, 24), @r"
    • experience, newest
      first
    • skills
      ◦ as a compact grid of
        words
        1. one
        2. two
    [x] done
    [ ] open

     9. nine
    10. ten
    ");
}

#[test]
fn a_loose_list_has_empty_lines_and_keeps_its_paragraphs_together() {
    insta::assert_snapshot!(shown("1. one\n\n   more\n\n2. two\n\n   ```\n   code\n   ```\n", 24), @r"
    1. one

       more

    2. two

         code
    ");
}

#[test]
fn quotes_have_a_bar_on_every_row() {
    insta::assert_snapshot!(shown("> one two three four\n>\n> - five\n> > six\n", 14), @r"
    │ one two
    │ three four
    │
    │ • five
    │
    │ │ six
    ");
}

#[test]
fn code_has_a_label_and_breaks_anywhere() {
    insta::assert_snapshot!(shown("```rust,ignore\nfn main() {\n\tprintln!(\"{}\", 1);\n}\n```\n\n    indented\n", 16), @r#"
      rust
      fn main() {
          println!("
      {}", 1);
      }

      indented
    "#);
}

#[test]
fn a_table_takes_its_natural_width_where_it_can() {
    let source = "| Name | Count | Note |\n|:--|--:|:-:|\n| Ada | 3 | **x** |\n| 日本 | 14 | a \\| b |\n";
    insta::assert_snapshot!(shown(source, 40), @r"
    Name │ Count │ Note
    ─────┼───────┼──────
    Ada  │     3 │   x
    日本 │    14 │ a | b
    ");
}

#[test]
fn a_table_wraps_its_cells_and_then_becomes_records() {
    let source =
        "| Name | What it does |\n|---|---|\n| Ada | wrote the first program<br>for a machine |\n| Bob | nothing |\n";
    insta::assert_snapshot!(shown(source, 24), @r"
    Name │ What it does
    ─────┼──────────────────
    Ada  │ wrote the first
         │ program
         │ for a machine
    Bob  │ nothing
    ");
    insta::assert_snapshot!(shown(source, 11), @r"
    Name: Ada
    What it
      does:
      wrote the
      first
      program
      for a
      machine

    Name: Bob
    What it
      does:
      nothing
    ");
}

#[test]
fn a_link_shows_its_address_unless_the_text_is_the_address() {
    assert_eq!(shown("[docs](https://e.x/a) end", 60), "docs (https://e.x/a) end");
    assert_eq!(shown("[https://e.x/](https://e.x)", 60), "https://e.x/");
    assert_eq!(
        shown("<https://e.x/a> <me@e.x> [top](#top) [](https://e.x)", 80),
        "https://e.x/a me@e.x top https://e.x"
    );
    assert_eq!(shown("[https://good.x](https://evil.x)", 60), "https://good.x (leads to evil.x: https://evil.x)");
    assert_eq!(shown("![a cat](cat.png) ![](dog.png)", 60), "[image: a cat] [image: dog.png]");
}

#[test]
fn emphasis_is_styled_and_code_keeps_its_marks_only_without_colours() {
    let source = "**bold** *slanted* ~~gone~~ `code`";
    let theme = Theme::new(true, false);
    assert_eq!(style_of(source, "bold", theme).add_modifier, Modifier::BOLD);
    assert_eq!(style_of(source, "slanted", theme).add_modifier, Modifier::ITALIC);
    assert!(style_of(source, "gone", theme).add_modifier.contains(Modifier::CROSSED_OUT));
    assert_eq!(style_of(source, "code", theme), theme.code());
    assert_eq!(shown(source, 40), "bold slanted gone `code`");
}

#[test]
fn html_footnotes_and_rules_are_shown() {
    let source = "a<br>b <kbd>x</kbd>\n\n<div>\n<p>text</p>\n</div>\n\nnote[^1]\n\n[^1]: the note\n\n---\n";
    insta::assert_snapshot!(shown(source, 20), @r"
    a
    b <kbd>x</kbd>

    <div>
    <p>text</p>
    </div>

    note[1]

    [1] the note

    ────────────────────
    ");
}

#[test]
fn lines_of_the_source_are_joined_with_a_space_only_where_the_script_has_spaces() {
    assert_eq!(shown("one\ntwo\n日本\n語", 40), "one two 日本語");
    assert_eq!(shown("one  \ntwo\\\nthree", 40), "one\ntwo\nthree");
}

#[test]
fn an_entity_cannot_smuggle_in_a_control_character() {
    assert_eq!(shown("a&#27;[2Jb &#x202e;c [x](http://e.x/&#27;]0;t&#7;y)", 80), "a[2Jb <U+202E>c x (http://e.x/y)");
}

#[test]
fn nesting_without_end_does_not_overflow_the_stack() {
    let quotes = format!("{}deep", "> ".repeat(5_000));
    assert!(shown(&quotes, 40).contains("deep"));
    let lists = format!("{}deep", "- ".repeat(5_000));
    assert!(shown(&lists, 40).contains("deep"));
    let emphasis = format!("{}deep", "*a **b ".repeat(5_000));
    assert!(shown(&emphasis, 40).contains("deep"));
}

#[test]
fn ascii_terminals_get_ascii() {
    let source = "- a\n  - b\n\n> q\n\n| a | b |\n|---|---|\n| c | d |\n\n---\n";
    let lines = render(source, 20, Theme::new(false, true));
    assert!(lines.iter().all(|line| line.to_string().is_ascii()), "{lines:?}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_screen(source in "(\\PC|[\n#>*`|~ \\-]){0,200}", width in 1u16..60) {
        for line in render(&source, width, Theme::new(true, false)) {
            prop_assert!(spans_width(&line.spans) <= usize::from(width), "{:?}", line);
        }
    }
}

#[test]
fn links_lead_to_checked_addresses_only() {
    let theme = Theme::new(true, false);
    let leads = |source: &str, text: &str| {
        style_of(source, text, theme).underline_color.and_then(|colour| link::address(link::number_in(colour)))
    };
    assert_eq!(leads("[docs](https://e.x/a%20b)", "docs").as_deref(), Some("https://e.x/a%20b"));
    assert_eq!(leads("[docs](https://e.x/a)", "https://e.x/a").as_deref(), Some("https://e.x/a"));
    assert_eq!(leads("<https://e.x/a>", "https://e.x/a").as_deref(), Some("https://e.x/a"));
    for other in ["javascript:alert(1)", "file:///etc/passwd", "me@e.x", "//e.x/a", "https://a@e.x"] {
        assert_eq!(leads(&format!("[docs]({other})"), "docs"), None, "{other}");
    }
    assert_eq!(
        shown("<https://good.com@evil.x/>", 80),
        "https://good.com@evil.x/ (leads to evil.x: https://good.com@evil.x/)"
    );
}
