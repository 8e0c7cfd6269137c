//! Output on its way out: clipped, kept whole, cleaned, alive.

use super::*;
use crate::support::secret::Secret;

fn capture(folder: &Path) -> Capture {
    Capture::new(Redactor::default(), folder, None)
}

#[test]
fn a_text_that_fits_is_left_alone_and_makes_no_file() {
    let folder = tempfile::tempdir().expect("folder");
    let text = "世".repeat(OUTPUT_LIMIT);
    let clipped = capture(folder.path()).finish(&text, "");
    assert_eq!(clipped.text, text);
    assert!(clipped.spill.is_none());
    assert_eq!(capture(folder.path()).finish("a", "[exit code 1]").text, "a\n[exit code 1]");
    assert_eq!(capture(folder.path()).finish("", "[exit code 1]").text, "[exit code 1]");
    assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0);
}

#[test]
fn a_long_text_is_clipped_with_its_footer_and_kept_whole() {
    let folder = tempfile::tempdir().expect("folder");
    for (pieces, size) in [(1, 30_000), (300, 100), (30_000, 1), (1, OUTPUT_LIMIT - 3), (5, 2_001)] {
        let mut capture = capture(folder.path());
        let mut whole = String::new();
        for index in 0..pieces {
            let piece = if index % 2 == 0 { "é".repeat(size) } else { "x".repeat(size) };
            whole.push_str(&piece);
            assert!(capture.push_live(&piece));
        }
        let clipped = capture.finish("END", "[exit code 7]");
        whole.push_str("END");
        assert!(clipped.text.chars().count() <= OUTPUT_LIMIT, "{}", clipped.text.chars().count());
        assert!(clipped.text.starts_with('é') && clipped.text.ends_with("END\n[exit code 7]"), "{pieces}");
        assert!(clipped.text.contains("characters left out"));
        let spill = clipped.spill.expect("spill");
        assert_eq!(std::fs::read_to_string(&spill.path).expect("read"), whole);
        assert_eq!(spill.bytes, whole.len() as u64);
        assert_eq!(spill.sha256, hex(&Sha256::digest(whole.as_bytes())));
    }
}

#[test]
fn the_characters_left_out_are_counted_right() {
    let folder = tempfile::tempdir().expect("folder");
    let text: String = (0..30_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let clipped = capture(folder.path()).finish(&text, "").text;
    let (front, rest) = clipped.split_once("\n[... ").expect("mark");
    let (missing, back) = rest.split_once(" characters left out ...]\n").expect("mark");
    let missing: usize = missing.parse().expect("number");
    assert_eq!(front.len() + missing + back.len(), text.len());
    assert!(text.starts_with(front) && text.ends_with(back));
}

#[test]
fn keys_go_from_live_output_result_and_file_even_when_cut_in_two() {
    let folder = tempfile::tempdir().expect("folder");
    let (live, mut shown) = mpsc::unbounded_channel();
    let redactor = Redactor::new([Secret::new("sk-very-secret-key")]);
    let mut capture = Capture::new(redactor, folder.path(), Some(live));
    capture.push_live(&"x".repeat(20_000));
    for piece in ["a sk-very-", "secret-", "key b"] {
        capture.push_live(piece);
    }
    let clipped = capture.finish("", "");
    let mut all = clipped.text.clone();
    all.push_str(&std::fs::read_to_string(clipped.spill.expect("spill").path).expect("read"));
    while let Ok(piece) = shown.try_recv() {
        all.push_str(&piece);
    }
    assert!(!all.contains("very-secret") && all.matches("[key removed]").count() == 3, "{}", all.len());
}

#[test]
fn live_output_has_an_end() {
    let folder = tempfile::tempdir().expect("folder");
    let (live, mut shown) = mpsc::unbounded_channel();
    let mut capture = Capture::new(Redactor::default(), folder.path(), Some(live));
    for _ in 0..40 {
        capture.push_live(&"x".repeat(64 << 10));
    }
    drop(capture);
    let mut bytes = 0;
    while let Ok(piece) = shown.try_recv() {
        bytes += piece.len();
    }
    assert!(bytes <= LIVE_LIMIT + 100, "{bytes}");
}

#[test]
fn what_is_not_shown_is_a_sign_of_life() {
    let folder = tempfile::tempdir().expect("folder");
    let (live, mut shown) = mpsc::unbounded_channel();
    let mut capture = Capture::new(Redactor::default(), folder.path(), Some(live));
    capture.push_live(&"x".repeat(2 * LIVE_LIMIT));
    while shown.try_recv().is_ok() {}
    let long_ago = Instant::now().checked_sub(2 * ALIVE);
    assert!(long_ago.is_some());
    capture.heard = long_ago;
    for _ in 0..100 {
        capture.push_live("more");
    }
    let heard = || shown.try_recv().ok();
    let signs: Vec<String> = std::iter::from_fn(heard).collect();
    assert!(signs.first().is_some_and(String::is_empty) && signs.iter().all(String::is_empty), "{signs:?}");
    assert!(signs.len() < 50, "not for each piece: {}", signs.len());
}
