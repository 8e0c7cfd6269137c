//! Why a text was not found: the place that is most like it, and what differs there.

mod long_line;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::support::truncate;

/// How long is searched for a place that is only similar.
const TIME_LIMIT: Duration = Duration::from_millis(300);
/// Lines of the place that are shown.
const MAX_SHOWN: usize = 12;
/// Characters of a line that are compared and shown.
const MAX_LINE: usize = 200;
/// Bytes of the file and of the text that was wanted in which differences are looked for; time ends it sooner.
const MAX_SEARCHED: usize = 4 << 20;
/// Lines of a place by which the most similar one is chosen.
const MAX_COMPARED: usize = 100;
/// Lines that are compared between two looks at the clock.
const STEP: usize = 256;
/// A line this similar may be the one that was meant.
const SIMILAR: f64 = 0.5;

/// One way in which texts differ that people do not see.
struct Way {
    /// What is told of it.
    what: &'static str,
    /// Takes the difference away.
    folded: fn(&str) -> String,
}

const WAYS: [Way; 4] = [
    Way { what: "spaces or tabs", folded: |line| line.split_whitespace().collect::<Vec<_>>().join(" ") },
    Way { what: "the form of quotes, dashes or dots", folded: plain },
    Way { what: "upper and lower case", folded: str::to_lowercase },
    Way { what: "backslashes", folded: |line| line.replace('\\', "") },
];

/// What is told of a text that does not occur.
pub(super) fn told(shown: &str, content: &str, wanted: &str, cancel: &CancellationToken) -> String {
    let mut message = format!("old_string does not occur in {shown}.");
    if wanted.lines().all(starts_with_number) {
        message.push_str(" It looks as if it holds the line numbers that reading shows: leave them and the tab out.");
        return message;
    }
    if let Some(why) = escaped(content, wanted) {
        message.push_str(why);
        return message;
    }
    let content = truncate_bytes(content, MAX_SEARCHED);
    let lines: Vec<&str> = content.lines().collect();
    let searched: Vec<&str> = wanted.lines().collect();
    let begin = searched.iter().take_while(|line| line.trim().is_empty()).count();
    let end = searched.len() - searched.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let Some(searched) = searched.get(begin..end).filter(|lines| !lines.is_empty()) else {
        message.push_str(" It holds nothing but blanks; take in some of the text around them.");
        return message;
    };
    // Writing to a String cannot fail.
    if let Some((at, ways)) = folded_place(&lines, searched, &mut Clock::new(cancel)) {
        let _ = write!(
            message,
            " {} differ{} from it only in {}",
            named(at, searched.len()),
            s(searched),
            ways.join(" and ")
        );
        let _ = match spaces(lines[at], searched[0]) {
            Some(spaces) if ways == [WAYS[0].what] => write!(message, " ({spaces}):"),
            _ => write!(message, ":"),
        };
        message.push_str(&excerpt(&lines, at, searched.len()));
    } else if let Some((at, same)) = similar_place(&lines, searched, &mut Clock::new(cancel)) {
        let _ = write!(message, " The most similar place is {}:", named(at, searched.len()).to_lowercase());
        message.push_str(&excerpt(&lines, at, searched.len()));
        if let Some((line, wanted)) = same {
            let _ = write!(
                message,
                "\nIt differs first in line {}, where old_string has {:?}",
                line + 1,
                truncate::prefix(wanted, MAX_LINE)
            );
        }
    } else if let Some((at, from, part)) = long_line::place(&lines, searched, &mut Clock::new(cancel)) {
        let _ = write!(
            message,
            " The most similar place is in line {}, which is long, from its character {from} on:\n{part}",
            at + 1
        );
    }
    message
}

/// Ends a search by time or because nobody waits for it any more.
struct Clock<'c> {
    end: Instant,
    cancel: &'c CancellationToken,
    work: usize,
    over: bool,
}

impl<'c> Clock<'c> {
    fn new(cancel: &'c CancellationToken) -> Self {
        Self { end: Instant::now() + TIME_LIMIT, cancel, work: 0, over: false }
    }

    /// Counts so many bytes that were looked at; whether it is time to stop.
    fn is_over(&mut self, bytes: usize) -> bool {
        // A line costs something whatever its length.
        self.work += 1 + bytes / MAX_LINE;
        if self.work >= STEP {
            self.work = 0;
            self.over |= Instant::now() > self.end || self.cancel.is_cancelled();
        }
        self.over
    }
}

/// At most so many bytes of a text, whole characters only.
fn truncate_bytes(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn s(lines: &[&str]) -> &'static str {
    if lines.len() == 1 { "s" } else { "" }
}

fn named(at: usize, count: usize) -> String {
    if count == 1 { format!("Line {}", at + 1) } else { format!("Lines {} to {}", at + 1, at + count) }
}

fn starts_with_number(line: &str) -> bool {
    line.split_once('\t').is_some_and(|(number, _)| {
        let number = number.trim_start();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Line breaks and tabs that were written out as a backslash and a letter, on one side only.
fn escaped(content: &str, wanted: &str) -> Option<&'static str> {
    let open = |text: &str| text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"");
    if open(wanted) != wanted && content.contains(&open(wanted)) {
        return Some(
            " It holds \\n, \\t or \\\" written out as a backslash and a letter, where the file has the characters \
             themselves: escape them once less.",
        );
    }
    let shut = wanted.replace('\n', "\\n").replace('\t', "\\t");
    (shut != wanted && content.contains(&shut)).then_some(
        " The file has \\n or \\t written out as a backslash and a letter there, where old_string has the characters \
         themselves: escape them once more.",
    )
}

/// Letters that look the same, as one.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{2018}'
            | '\u{2019}'
            | '\u{201a}'
            | '\u{2032}'
            | '`'
            | '"'
            | '\u{201c}'..='\u{201e}'
            | '\u{2033}'
            | '«'
            | '»' => out.push('\''),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
            '\u{2026}' => out.push_str("..."),
            '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' => out.push(' '),
            '\u{200b}' | '\u{feff}' | '\u{ad}' => {}
            c => out.push(c),
        }
    }
    out
}

/// The first place that is the same when differences of some kinds are taken away, and the fewest kinds that do.
fn folded_place(lines: &[&str], wanted: &[&str], clock: &mut Clock<'_>) -> Option<(usize, Vec<&'static str>)> {
    // One kind before two, two before all.
    let mut sets: Vec<u32> = (1..1 << WAYS.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    // All of them first: most texts are in no such place.
    sets.insert(0, (1 << WAYS.len()) - 1);
    let mut found = None;
    for set in sets {
        let ways: Vec<&Way> =
            WAYS.iter().enumerate().filter(|(bit, _)| set & 1 << bit != 0).map(|(_, way)| way).collect();
        let fold = |line: &str| ways.iter().fold(line.to_owned(), |line, way| (way.folded)(&line));
        let wanted: Vec<String> = wanted.iter().map(|line| fold(line)).collect();
        let place = find(lines, &wanted, &fold, clock);
        match (place, &found) {
            (None, None) => return None,
            (Some(at), None) => found = Some((at, ways.iter().map(|way| way.what).collect())),
            (Some(at), Some(_)) => return Some((at, ways.iter().map(|way| way.what).collect())),
            (None, Some(_)) => {}
        }
        if clock.over {
            break;
        }
    }
    found
}

/// Where the folded lines occur: the first may begin within a line, the last may end in one.
fn find(lines: &[&str], wanted: &[String], fold: &dyn Fn(&str) -> String, clock: &mut Clock<'_>) -> Option<usize> {
    let (first, last) = (wanted.first()?, wanted.last()?);
    // Each line is folded once: many places may begin alike.
    let mut folded = Vec::with_capacity(lines.len());
    for line in lines {
        if clock.is_over(line.len()) {
            return None;
        }
        folded.push(fold(line));
    }
    for at in 0..(lines.len() + 1).saturating_sub(wanted.len()) {
        let head = &folded[at];
        if clock.is_over(head.len()) {
            return None;
        }
        let mut same = |(one, other): (&String, &String)| !clock.is_over(one.len()) && one == other;
        let fits = match wanted {
            [only] => head.contains(only),
            _ => {
                head.ends_with(first)
                    && wanted[1..wanted.len() - 1].iter().zip(&folded[at + 1..]).all(&mut same)
                    && folded[at + wanted.len() - 1].starts_with(last)
            }
        };
        if fits {
            return Some(at);
        }
    }
    None
}

/// A difference in blanks that can be said in a few words.
fn spaces(there: &str, wanted: &str) -> Option<String> {
    let indent = |line: &str| line.chars().take_while(|c| c.is_whitespace()).collect::<String>();
    let (there_indent, wanted_indent) = (indent(there), indent(wanted));
    let name = |indent: &str| match (indent.matches('\t').count(), indent.matches(' ').count()) {
        (0, 0) => "none".to_owned(),
        (tabs, 0) => format!("{tabs} tab{}", if tabs == 1 { "" } else { "s" }),
        (0, spaces) => format!("{spaces} space{}", if spaces == 1 { "" } else { "s" }),
        (tabs, spaces) => format!("{tabs} tabs and {spaces} spaces"),
    };
    if there_indent != wanted_indent {
        return Some(format!(
            "indentation: {} in the file, {} in old_string",
            name(&there_indent),
            name(&wanted_indent)
        ));
    }
    (there.trim_end() == wanted.trim_end() && there != wanted).then(|| "blanks at the end of the line".to_owned())
}

/// A difference: the number of the line, and the line that was wanted there.
type Difference<'a> = Option<(usize, &'a str)>;

/// The place that is most like the lines, and where it first differs.
fn similar_place<'a>(lines: &[&str], wanted: &[&'a str], clock: &mut Clock<'_>) -> Option<(usize, Difference<'a>)> {
    let short = |line: &'_ str| truncate::prefix(line.trim(), MAX_LINE).to_owned();
    // The longest line says most about the place.
    let (anchor, wanted_anchor) =
        wanted.iter().map(|line| short(line)).enumerate().max_by_key(|(_, line)| line.len())?;
    let mut best: Vec<(f64, usize)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if clock.is_over(0) {
            break;
        }
        let line = short(line);
        // Lines of very different length are not similar, whatever they hold.
        if line.is_empty() || line.len() > 3 * wanted_anchor.len() + 8 || wanted_anchor.len() > 3 * line.len() + 8 {
            continue;
        }
        let score = strsim::normalized_levenshtein(&wanted_anchor, &line);
        if score > SIMILAR {
            best.push((score, index));
        }
    }
    best.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    best.truncate(8);
    let of_all = |at: usize| {
        // The beginning says enough, and eight places are compared.
        let pairs = wanted.iter().zip(&lines[at..]).take(MAX_COMPARED);
        pairs.map(|(one, other)| strsim::normalized_levenshtein(&short(one), &short(other))).sum::<f64>()
    };
    let place = best
        .iter()
        .map(|(_, index)| index.saturating_sub(anchor))
        .map(|at| (of_all(at), at))
        .max_by(|left, right| left.0.total_cmp(&right.0).then(right.1.cmp(&left.1)))?
        .1;
    let difference = wanted.iter().enumerate().find(|(index, line)| {
        let there = lines.get(place + index).copied().unwrap_or_default();
        if wanted.len() == 1 { !there.contains(**line) } else { there != **line }
    });
    Some((place, difference.map(|(index, line)| (place + index, *line))))
}

/// The lines of the place, numbered as reading shows them.
fn excerpt(lines: &[&str], at: usize, count: usize) -> String {
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate().skip(at).take(count.min(MAX_SHOWN)) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{:>6}\t{}", index + 1, truncate::prefix(line, MAX_LINE));
    }
    if count > MAX_SHOWN {
        out.push_str("\n   ...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn main() {\n\tlet name = \u{201c}world\u{201d};\n\tprintln!(\"Hello,\\n {}\", name);\n}\n\nfn other() {\n    \
                        let total = items.iter().map(|item| item.price).sum::<f64>();\n    total\n}\n";

    fn miss(wanted: &str) -> String {
        assert!(!CODE.contains(wanted));
        told("/mnt/a", CODE, wanted, &CancellationToken::new())
    }

    #[test]
    fn differences_that_nobody_sees_are_named_with_the_place() {
        for (wanted, expected) in [
            (
                "    let name = \u{201c}world\u{201d};",
                "Line 2 differs from it only in spaces or tabs (indentation: 1 tab in the file, 4 spaces in old_string):\n     2\t\tlet name",
            ),
            ("let name = \"world\";", "only in the form of quotes"),
            ("FN MAIN() {", "Line 1 differs from it only in upper and lower case"),
            (
                "fn other()  {\n  let total = items.iter().map(|item| item.price).sum::<f64>();\n  total",
                "Lines 6 to 8 differ from it only in spaces or tabs",
            ),
            ("    let name = \"world\";", "only in spaces or tabs and the form of quotes"),
            ("fn main() {\\n\\tlet name", "escape them once less"),
            ("Hello,\n {}", "escape them once more"),
            ("     6\tfn other() {\n     7\t    let total", "line numbers"),
            ("  \n ", "nothing but blanks"),
        ] {
            let message = miss(wanted);
            assert!(message.contains(expected), "{wanted:?}: {message}");
        }
    }

    #[test]
    fn what_is_only_similar_is_shown_with_its_first_difference() {
        let message = miss("fn other() {\n    let sum = items.iter().map(|item| item.cost).sum::<f64>();\n    sum\n}");
        assert!(
            message.contains("The most similar place is lines 6 to 9:\n     6\tfn other() {\n     7\t    let total"),
            "{message}"
        );
        assert!(message.contains("differs first in line 7, where old_string has \"    let sum"), "{message}");
        let message = miss("let totals = items.iter().map(|i| i.price).sum::<f64>();");
        assert!(message.contains("The most similar place is line 7:"), "{message}");
        assert_eq!(miss("nothing of the kind is in there"), "old_string does not occur in /mnt/a.");
    }

    #[test]
    fn a_large_file_is_searched_for_a_short_time_only() {
        let content = "some line of text that is about as long as lines are, with a number 12345\n".repeat(200_000);
        let never = CancellationToken::new();
        let begin = Instant::now();
        let message = told(
            "/mnt/a",
            &content,
            "some other line that is about as long as lines are, with the number 99999",
            &never,
        );
        assert!(begin.elapsed() < Duration::from_secs(20) && message.contains("does not occur"), "{message}");
        // Every place begins as the wanted one does, for 5,000 lines.
        let (content, wanted) = ("a\n".repeat(200_000), format!("{}b", "a\n".repeat(5_000)));
        let begin = Instant::now();
        let message = told("/mnt/a", &content, &wanted, &never);
        assert!(begin.elapsed() < Duration::from_secs(20) && message.contains("does not occur"), "{message}");
    }
}
