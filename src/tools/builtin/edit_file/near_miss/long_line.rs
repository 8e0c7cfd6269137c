//! A place within a long line, such as all of a minified file: lines as a whole say nothing there.

use super::{Clock, MAX_LINE, SIMILAR};

/// Words by which a place is looked for.
const MAX_WORDS: usize = 3;

/// The place within a long line that is most like one short line: the line, the number of its first character there, and
/// what stands there. It has to have one of the longest words of what was wanted.
pub(super) fn place(lines: &[&str], wanted: &[&str], clock: &mut Clock<'_>) -> Option<(usize, usize, String)> {
    let [wanted] = wanted else { return None };
    let wanted = wanted.trim();
    let size = wanted.chars().count();
    let mut words: Vec<&str> = wanted.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.truncate(MAX_WORDS);
    if size > MAX_LINE || words.is_empty() {
        return None;
    }
    let mut best: Option<(f64, usize, usize, String)> = None;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.len() > 3 * wanted.len() + 8) {
        for word in &words {
            // As many characters before it as stand before it in what was wanted.
            let before = wanted.find(word).map_or(0, |at| wanted[..at].chars().count());
            for (found, _) in line.match_indices(word) {
                if clock.is_over(wanted.len()) {
                    break;
                }
                let from = line[..found].char_indices().rev().take(before).last().map_or(found, |(at, _)| at);
                let part: String = line[from..].chars().take(size).collect();
                let score = strsim::normalized_levenshtein(wanted, &part);
                if score > SIMILAR && best.as_ref().is_none_or(|(most, ..)| score > *most) {
                    best = Some((score, index, from, part));
                }
            }
        }
        if clock.is_over(line.len()) {
            break;
        }
    }
    best.map(|(_, index, from, part)| (index, lines[index][..from].chars().count() + 1, part))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio_util::sync::CancellationToken;

    #[test]
    fn a_short_text_is_found_in_a_long_line_where_it_is_similar() {
        let items: Vec<String> = (0..3_000).map(|n| format!("{{\"name\": \"item{n}\", \"price\": {n}.5}},")).collect();
        let content = format!("{{\n[{}]\n}}\n", items.concat());
        let told = |wanted: &str| super::super::told("/mnt/a", &content, wanted, &CancellationToken::new());
        let message = told("\"item2001\", \"price\": 7.5}");
        let from = content.lines().nth(1).and_then(|line| line.find("\"item2001\"")).expect("there") + 1;
        assert!(
            message
                .contains(&format!("in line 2, which is long, from its character {from} on:\n\"item2001\", \"price\"")),
            "{message}"
        );
        assert_eq!(told("nothing of the kind is in there"), "old_string does not occur in /mnt/a.");
        let begin = Instant::now();
        let content = "word ".repeat(800_000);
        let never = CancellationToken::new();
        let message = super::super::told("/mnt/a", &content, &format!("word {}", "other ".repeat(25)), &never);
        assert!(begin.elapsed() < Duration::from_secs(20) && message.contains("does not occur"), "{message}");
    }
}
