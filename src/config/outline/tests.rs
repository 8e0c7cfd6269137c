//! The layout of files as people write them.

use super::*;

const TEXT: &str = "\
# head
---
chat:
  model: kimi # mine
  base_url: \"http://x # no comment\"   # yes
  'api_key': 'it''s'
  note: |
    model: not a key

    more
  long: one
    two

media: # empty so far

sandbox:
    env_pass:
    - TZ
    - LANG # two
    limits: {pids: 5, file_mb: 6}
    extra_ro: [
      /a,
      \"/b]\" ]
last:
  below
";

fn slice<'a>(text: &'a str, outline: &Outline, path: &str) -> &'a str {
    let entry = outline.entry(path).expect("entry");
    let line = text.split('\n').nth(entry.line).expect("line");
    match entry.shape {
        Shape::Scalar { start, end, .. } | Shape::Flow { start, end } => &line[start..end],
        _ => "",
    }
}

#[test]
fn every_key_is_found_with_its_line_and_its_bytes() {
    let outline = Outline::of(TEXT);
    assert_eq!(outline.obstacle, None);
    let rows: Vec<_> = outline.entries.iter().map(|e| (e.path.as_str(), e.line + 1, e.last_line + 1)).collect();
    assert_eq!(
        rows,
        [
            ("chat", 3, 12),
            ("chat.model", 4, 4),
            ("chat.base_url", 5, 5),
            ("chat.api_key", 6, 6),
            ("chat.note", 7, 10),
            ("chat.long", 11, 12),
            ("media", 14, 14),
            ("sandbox", 16, 23),
            ("sandbox.env_pass", 17, 19),
            ("sandbox.limits", 20, 20),
            ("sandbox.extra_ro", 21, 23),
            ("last", 24, 25),
        ]
    );
    assert_eq!(slice(TEXT, &outline, "chat.model"), "kimi");
    assert_eq!(slice(TEXT, &outline, "chat.base_url"), "\"http://x # no comment\"");
    assert_eq!(slice(TEXT, &outline, "chat.api_key"), "'it''s'");
    assert_eq!(slice(TEXT, &outline, "sandbox.limits"), "{pids: 5, file_mb: 6}");
    let shape = |path: &str| outline.entry(path).map(|entry| entry.shape);
    assert_eq!(shape("media"), Some(Shape::Empty));
    assert_eq!(shape("sandbox.env_pass"), Some(Shape::Items));
    assert_eq!(shape("last"), Some(Shape::Long));
}

#[test]
fn a_line_is_told_for_items_and_for_what_is_inside_flow_style() {
    let outline = Outline::of(TEXT);
    assert_eq!(outline.line_of("sandbox.env_pass[1]"), Some(19));
    assert_eq!(outline.line_of("sandbox.env_pass[7]"), Some(17));
    assert_eq!(outline.line_of("sandbox.limits.pids"), Some(20));
    assert_eq!(outline.line_of("chat.nowhere"), Some(3));
    assert_eq!(outline.line_of("nowhere"), None);
}

#[test]
fn what_cannot_be_edited_by_lines_is_named() {
    let rows = [
        ("{chat: {model: x}}\n", 0, "flow style"),
        ("chat:\n\tmodel: x\n", 1, "a tab in the indentation"),
        ("a: &x 1\nb: *x\n", 0, "an anchor, an alias or a tag"),
        ("a: !!str 1\n", 0, "an anchor, an alias or a tag"),
        ("a: 1\n---\nb: 1\n", 1, "a directive or a second document"),
        ("%YAML 1.2\n---\na: 1\n", 0, "a directive or a second document"),
        ("- a\n", 0, "a list where a key is expected"),
        ("? a\n: b\n", 0, "a line that is neither key nor list"),
        ("a: \"open\n", 0, "a quote or bracket that is not closed"),
        ("a: 1\n   b: 2\n  c: 3\n", 2, ""),
        ("a: 1\rb: 2\n", 0, "a line break that is neither LF nor CRLF"),
    ];
    for (text, line, what) in rows {
        let obstacle = Outline::of(text).obstacle;
        if what.is_empty() {
            // Not valid YAML; nothing is asked of the layout but that it comes to an end.
            continue;
        }
        assert_eq!(obstacle, Some(Obstacle { line, what }), "{text:?}");
    }
}

#[test]
fn keys_after_an_anchor_still_have_lines() {
    let outline = Outline::of("base: &b\n  model: x\nchat: *b\nui:\n  ascii: true\n");
    assert_eq!(outline.line_of("base.model"), Some(2));
    assert_eq!(outline.line_of("ui.ascii"), Some(5));
}

#[test]
fn a_key_that_stands_twice_is_found_twice() {
    assert_eq!(Outline::of("a: 1\nb:\n  c: 1\n  c: 2\n").second_line_of("b.c"), Some(4));
}

#[test]
fn crlf_is_no_part_of_a_value() {
    let text = "a: x\r\nb:\r\n  c: \"y\"\r\n";
    let outline = Outline::of(text);
    assert_eq!(outline.obstacle, None);
    assert_eq!(slice(text, &outline, "a"), "x");
    assert_eq!(slice(text, &outline, "b.c"), "\"y\"");
}

#[test]
fn any_number_of_anchors_is_read_in_a_loop() {
    let text = format!("a: {}x\nb: *c\nd: & * \n", "& ".repeat(300_000));
    let outline = Outline::of(&text);
    let shapes: Vec<Shape> = outline.entries.iter().map(|entry| entry.shape).collect();
    assert_eq!(shapes, [Shape::Long, Shape::Long, Shape::Long]);
    assert!(outline.obstacle.is_some());
}
