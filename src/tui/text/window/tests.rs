//! Tests of [`super`].

use std::io::Write as _;

use super::*;

fn window(contents: &[u8]) -> (tempfile::NamedTempFile, FileWindow) {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(contents).expect("write");
    let window = FileWindow::open(file.path()).expect("open");
    (file, window)
}

fn texts(lines: &[WindowLine]) -> Vec<&str> {
    lines.iter().map(|line| line.line.text()).collect()
}

#[test]
fn lines_are_read_forwards_and_backwards() {
    let (_file, window) = window("one\ntwo\r\n\nfour \x1b[31m日本\nend".as_bytes());
    let lines = window.lines_from(0, 10).expect("read");
    assert_eq!(texts(&lines), ["one", "two", "", "four 日本", "end"]);
    let last = window.back(window.bytes(), 1).expect("read");
    assert_eq!(last, lines[4].start);
    assert_eq!(window.back(last, 2).expect("read"), lines[2].start);
    assert_eq!(window.back(last, 100).expect("read"), 0);
    assert_eq!(window.line_of(lines[3].start + 6).expect("read"), lines[3].start);
    assert!(window.lines_from(window.bytes(), 5).expect("read").is_empty());
}

#[test]
fn a_line_without_end_comes_in_pieces_and_no_character_is_cut() {
    let text = "日".repeat(PIECE);
    let (_file, window) = window(text.as_bytes());
    let mut joined = String::new();
    let mut at = 0;
    while at < window.bytes() {
        let lines = window.lines_from(at, 3).expect("read");
        joined.extend(lines.iter().map(|line| line.line.text()));
        at = lines.last().expect("progress").end;
    }
    assert_eq!(joined, text);
    let mut back = window.bytes();
    let mut steps = 0;
    while back > 0 {
        back = window.back(back, 1).expect("read");
        assert!(!window.lines_from(back, 1).expect("read")[0].line.text().contains('\u{fffd}'));
        steps += 1;
    }
    assert!(steps < 10, "{steps}");
}

#[test]
fn a_progress_line_shows_its_last_state() {
    let (_file, window) = window(b" 10%\r 50%\r100%\r\ndone\r");
    assert_eq!(texts(&window.lines_from(0, 9).expect("read")), ["100%", "done"]);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let (_file, window) = window(b"\xff\xfe\x00a\nb");
    assert_eq!(texts(&window.lines_from(0, 9).expect("read")), ["\u{fffd}\u{fffd}\u{2400}a", "b"]);
}

fn search_all(window: &FileWindow, text: &str, start: u64, backwards: bool) -> Found {
    let mut search = window.search(text, start, backwards).expect("search");
    for _ in 0..100 {
        match window.step(&mut search).expect("step") {
            Found::NotYet => {}
            found => return found,
        }
    }
    panic!("the search does not end");
}

#[test]
fn a_search_goes_both_ways_and_around_the_end() {
    let (_file, window) = window(b"alpha\nBeta\ngamma\nbeta two\nend\n");
    assert_eq!(search_all(&window, "beta", 0, false), Found::At(6));
    assert_eq!(search_all(&window, "BETA", 6, false), Found::At(17));
    assert_eq!(search_all(&window, "beta", 17, false), Found::At(6));
    assert_eq!(search_all(&window, "beta", 6, true), Found::At(17));
    assert_eq!(search_all(&window, "beta", 17, true), Found::At(6));
    assert_eq!(search_all(&window, "delta", 0, false), Found::Nowhere);
    assert_eq!(search_all(&window, "", 0, false), Found::Nowhere);
}

#[test]
fn a_match_across_two_steps_is_found() {
    let mut contents = vec![b'x'; SEARCH_STEP as usize - 3];
    contents.extend(b"needle\n");
    contents.extend(vec![b'y'; SEARCH_STEP as usize]);
    let (_file, window) = window(&contents);
    for backwards in [false, true] {
        assert!(matches!(search_all(&window, "needle", 0, backwards), Found::At(_)), "{backwards}");
    }
}
