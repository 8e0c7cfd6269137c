//! Long texts shortened in ways that keep what matters.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Keeps the beginning and the end of `text` when it has more than `limit` characters (Unicode scalar values).
///
/// Returns `None` when it fits. The middle is replaced by one line that says how many characters are missing; that
/// line counts towards the limit.
pub fn head_tail(text: &str, limit: usize) -> Option<String> {
    // Most texts are short: a text of n bytes has at most n characters.
    if text.len() <= limit {
        return None;
    }
    let total = text.chars().count();
    if total <= limit {
        return None;
    }
    let room = limit.saturating_sub(64);
    let head_chars = room.div_ceil(2);
    let tail_chars = room - head_chars;
    let head_end = nth_char(text, head_chars);
    let tail_start = nth_char(text, total - tail_chars);
    let missing = total - head_chars - tail_chars;
    Some(format!("{}\n[... {missing} characters left out ...]\n{}", &text[..head_end], &text[tail_start..]))
}

/// The longest prefix of at most `limit` characters.
pub fn prefix(text: &str, limit: usize) -> &str {
    &text[..nth_char(text, limit)]
}

/// Cuts a text down to its last bytes, at most so many and whole characters only; how many went.
pub fn keep_end(text: &mut String, limit: usize) -> usize {
    let mut cut = text.len().saturating_sub(limit);
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text.drain(..cut);
    cut
}

/// Shortens to at most `width` terminal cells, whole graphemes only, with `ellipsis` at the end when something is
/// missing.
pub fn cells(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = grapheme.width();
        if used + next > room {
            break;
        }
        used += next;
        kept.push_str(grapheme);
    }
    if ellipsis.width() <= width {
        kept.push_str(ellipsis);
    }
    kept
}

/// As [`cells`], but it is the beginning that goes, as with paths.
pub fn tail_cells(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    let mut from = text.len();
    for (at, _) in text.grapheme_indices(true).rev() {
        if text[at..].width() > room {
            break;
        }
        from = at;
    }
    if ellipsis.width() <= width { format!("{ellipsis}{}", &text[from..]) } else { text[from..].to_owned() }
}

/// A size for people: `812 B`, `1.2 KiB`, `3.4 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Byte index of the `n`th character, or the length.
fn nth_char(text: &str, n: usize) -> usize {
    text.char_indices().nth(n).map_or(text.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_goes_where_the_end_matters() {
        assert_eq!(tail_cells("output/word-count.txt", 10, "…"), "…count.txt");
        assert_eq!(tail_cells("写真/日付.png", 7, "…"), "…付.png");
        assert_eq!((tail_cells("abc", 3, "…"), tail_cells("abcd", 0, "…")), ("abc".to_owned(), String::new()));
    }

    #[test]
    fn a_text_that_fits_is_left_alone() {
        assert_eq!(head_tail("short", 10), None);
        // Ten characters of three bytes each: longer than the limit in bytes, not in characters.
        assert_eq!(head_tail(&"世".repeat(10), 10), None);
    }

    #[test]
    fn head_and_tail_are_kept_and_the_limit_holds() {
        let text = format!("BEGIN{}END", "世x".repeat(20_000));
        let clipped = head_tail(&text, 10_000).expect("clipped");
        assert!(clipped.chars().count() <= 10_000, "{}", clipped.chars().count());
        assert!(clipped.starts_with("BEGIN") && clipped.ends_with("END"));
        assert!(clipped.contains("characters left out"));
    }

    #[test]
    fn cells_count_wide_characters_twice() {
        assert_eq!(cells("日本語テキスト", 7, "…"), "日本語…");
        assert_eq!(cells("abc", 3, "…"), "abc");
        assert_eq!(cells("abcd", 3, "…"), "ab…");
        assert_eq!(cells("abcd", 0, "…"), "");
    }

    #[test]
    fn sizes_have_one_decimal_and_a_unit() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }
}
