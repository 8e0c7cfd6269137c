//! What is written, recalled and laid aside.

use super::*;

fn press(composer: &mut Composer, code: KeyCode) {
    composer.key(KeyEvent::new(code, KeyModifiers::NONE));
}

#[test]
fn a_large_paste_is_one_token_and_is_sent_whole() {
    let mut composer = Composer::new();
    let paste = (1..=214).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\r");
    composer.paste("see: ");
    composer.paste(&paste);
    assert_eq!(composer.text(), "see: [pasted 214 lines]");
    composer.paste(&paste);
    assert_eq!(composer.text(), "see: [pasted 214 lines][pasted 214 lines, 2]");
    press(&mut composer, KeyCode::Backspace);
    assert_eq!(composer.text(), "see: [pasted 214 lines]");
    assert_eq!(composer.take(), format!("see: {}", paste.replace('\r', "\n")));
    assert!(composer.is_empty());
}

#[test]
fn the_keys_of_the_help_edit_the_line() {
    let mut composer = Composer::new();
    let chord = |composer: &mut Composer, c: char, modifiers| composer.key(KeyEvent::new(KeyCode::Char(c), modifiers));
    let (ctrl, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
    composer.paste("one two three");
    chord(&mut composer, 'b', alt);
    chord(&mut composer, 'u', ctrl);
    assert_eq!(composer.text(), "three");
    chord(&mut composer, '_', ctrl);
    assert_eq!(composer.text(), "one two three");
    chord(&mut composer, 'a', ctrl);
    chord(&mut composer, 'd', alt);
    assert_eq!(composer.text(), " two three");
    chord(&mut composer, 'f', alt);
    chord(&mut composer, 'k', ctrl);
    chord(&mut composer, 'e', ctrl);
    chord(&mut composer, 'y', ctrl);
    chord(&mut composer, 'w', ctrl);
    let once = composer.text();
    assert!(once.len() < " two three".len() && !once.is_empty(), "{once:?}");
}

#[test]
fn what_is_cleared_or_laid_aside_comes_back() {
    let mut composer = Composer::new();
    composer.paste("a draft");
    composer.put_away();
    assert!(composer.is_empty() && composer.up());
    assert_eq!(composer.text(), "a draft");
    composer.set_text("");
    composer.paste(&"line\n".repeat(20));
    let token = composer.text();
    composer.lay_aside();
    composer.set_text("/rename x");
    composer.take();
    composer.take_up();
    assert_eq!(composer.text(), token);
    assert!(composer.expanded().starts_with("line\nline"));
}

#[test]
fn a_small_paste_stays_as_it_is() {
    let mut composer = Composer::new();
    composer.paste("one\r\ntwo\x1b[31m");
    assert_eq!(composer.text(), "one\ntwo");
}

#[test]
fn a_name_goes_on_behind_an_escaped_blank() {
    let mut composer = Composer::new();
    composer.paste("see @/a/sp\\ dir/x");
    assert_eq!(composer.token().as_deref(), Some("/a/sp\\ dir/x"));
    composer.replace_token("x.txt ");
    assert_eq!(composer.text(), "see x.txt ");
    composer.set_text("see @/a/sp dir");
    assert_eq!(composer.token(), None);
}

#[test]
fn the_history_is_walked_at_the_edges_and_the_draft_comes_back() {
    let mut composer = Composer::new();
    composer.load_history(vec!["first".to_owned(), "second\nline".to_owned()]);
    composer.paste("draft");
    assert!(composer.up());
    assert_eq!(composer.text(), "second\nline");
    assert!(!composer.up(), "moves within the message");
    assert!(composer.up());
    assert_eq!(composer.text(), "first");
    assert!(!composer.up());
    composer.down();
    composer.down();
    assert_eq!(composer.text(), "draft");
}

#[test]
fn the_history_is_searched() {
    let mut composer = Composer::new();
    composer.load_history(["make a site", "draw a plot", "make a game"].map(str::to_owned).to_vec());
    composer.search();
    for c in "make".chars() {
        composer.search_key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), false);
    }
    assert_eq!(composer.matches(), ["make a game", "make a site"]);
    composer.search_key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL), true);
    composer.search_key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), false);
    assert_eq!(composer.text(), "make a site");
    assert!(!composer.is_searching());
}

#[test]
fn long_lines_take_more_rows() {
    let mut composer = Composer::new();
    assert_eq!(composer.rows(13), 1);
    composer.paste("twelve letters or more");
    assert_eq!(composer.rows(13), 3);
    assert_eq!(composer.rows(80), 1);
    composer.newline();
    assert_eq!(composer.rows(80), 2);
    assert!(composer.rows(1) > 2);
}
