//! A long text in parts that can be spoken one after the other: cut where a speaker would pause.

use unicode_segmentation::UnicodeSegmentation as _;

/// Where a part may end, the best first.
const ENDS: [fn(&str, usize) -> bool; 4] = [paragraph, sentence, clause, word];
/// A part is at least one so-manieth of what fits, or a worse place for its end is taken.
const SHORTEST: usize = 3;

/// Cuts a text into parts of at most so much weight each. All of it is in the parts, in its order: nothing is lost and
/// nothing is added.
pub(super) fn split(text: &str, most: usize, weight: fn(char) -> usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, more) = rest.split_at(end_of_part(rest, most.max(1), weight));
        parts.push(part);
        rest = more;
    }
    parts
}

/// Where the first part of a text ends: never at its beginning.
fn end_of_part(text: &str, most: usize, weight: fn(char) -> usize) -> usize {
    let mut used = 0;
    let fits = text.char_indices().find(|(_, c)| {
        used += weight(*c);
        used > most
    });
    let Some((fits, _)) = fits else { return text.len() };
    // Between whole signs only: what a reader takes for one is not torn apart where it fits.
    let borders: Vec<usize> =
        text.grapheme_indices(true).map(|(at, _)| at).take_while(|at| *at <= fits).filter(|at| *at > 0).collect();
    let short = fits / SHORTEST;
    let best =
        ENDS.iter().find_map(|is_end| borders.iter().rev().copied().find(|at| *at >= short && is_end(text, *at)));
    let first = || text.chars().next().map_or(text.len(), char::len_utf8);
    best.or_else(|| borders.last().copied()).unwrap_or(if fits > 0 { fits } else { first() })
}

fn before(text: &str, at: usize) -> impl Iterator<Item = char> + '_ {
    text[..at].chars().rev()
}

/// After an empty line.
fn paragraph(text: &str, at: usize) -> bool {
    let mut breaks = before(text, at).take_while(|c| c.is_whitespace()).filter(|c| *c == '\n');
    breaks.nth(1).is_some() && !starts_blank(text, at)
}

/// After the sign that ends a sentence and what closes with it; in scripts with spaces, after the space too.
fn sentence(text: &str, at: usize) -> bool {
    if starts_blank(text, at) {
        return false;
    }
    let blank = before(text, at).next().is_some_and(char::is_whitespace);
    let closed =
        |c: &char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '」' | '』' | '）' | '»');
    match before(text, at).find(|c| !closed(c)) {
        Some('。' | '！' | '？' | '｡' | '．') => true,
        Some('.' | '!' | '?' | '…' | '؟' | '।' | '۔') => blank,
        _ => before(text, at).next() == Some('\n'),
    }
}

/// After a comma and its like.
fn clause(text: &str, at: usize) -> bool {
    if starts_blank(text, at) {
        return false;
    }
    let blank = before(text, at).next().is_some_and(char::is_whitespace);
    match before(text, at).find(|c| !c.is_whitespace()) {
        Some('，' | '、' | '；' | '：') => true,
        Some(',' | ';' | ':' | '،' | '–' | '—') => blank,
        _ => false,
    }
}

/// After a space.
fn word(text: &str, at: usize) -> bool {
    before(text, at).next().is_some_and(char::is_whitespace) && !starts_blank(text, at)
}

/// Spaces stay with what they follow.
fn starts_blank(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(_: char) -> usize {
        1
    }

    fn parts(text: &str, most: usize) -> Vec<&str> {
        split(text, most, plain)
    }

    #[test]
    fn a_text_is_cut_where_a_speaker_pauses() {
        assert_eq!(parts("One. Two. Three.", 100), ["One. Two. Three."]);
        assert_eq!(parts("One is here. Two is there. Three.", 28), ["One is here. Two is there. ", "Three."]);
        assert_eq!(parts("\"One?\" she said. Two.", 17), ["\"One?\" she said. ", "Two."]);
        assert_eq!(parts("一是一。二是二。三是三。", 9), ["一是一。二是二。", "三是三。"]);
        assert_eq!(parts("First one.\n\nSecond one. Third.", 24), ["First one.\n\n", "Second one. Third."]);
        assert_eq!(parts("a thing, another thing, more", 25), ["a thing, another thing, ", "more"]);
        assert_eq!(parts("version 3.14 is here", 11), ["version ", "3.14 is ", "here"]);
        assert_eq!(parts("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(parts("", 3), [""; 0]);
    }

    #[test]
    fn what_is_one_sign_to_a_reader_stays_whole_where_it_fits() {
        let family = "👨‍👩‍👧";
        assert_eq!(parts(&family.repeat(3), 6), [family; 3]);
        // And is cut where it does not.
        assert_eq!(parts(family, 2).concat(), family);
    }

    proptest! {
        #[test]
        fn no_character_is_lost_and_no_part_is_too_long(text in "\\PC{0,200}|[a-z .,\\n。！é👍🏽]{0,200}", most in 1_usize..40) {
            let weigh: fn(char) -> usize = |c| if c.is_ascii() { 1 } else { 2 };
            let parts = split(&text, most, weigh);
            prop_assert_eq!(parts.concat(), text.as_str());
            for part in parts {
                let weight: usize = part.chars().map(weigh).sum();
                // One sign alone may weigh more than all that fits.
                prop_assert!(!part.is_empty() && (weight <= most || part.chars().count() == 1), "{:?}", part);
            }
        }
    }
}
