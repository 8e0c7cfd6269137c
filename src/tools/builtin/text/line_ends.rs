//! Line ends: a model writes line feeds, the file keeps what it has, line by line.

use std::borrow::Cow;
use std::ops::Range;

/// Whether all lines end in CRLF.
pub(in crate::tools::builtin) fn is_crlf(text: &str) -> bool {
    let crlf = text.matches("\r\n").count();
    crlf > 0 && crlf == text.matches('\n').count()
}

/// The text with CRLF after each line.
pub(in crate::tools::builtin) fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Where a text occurs, whichever line ends it and the content have.
pub(in crate::tools::builtin) fn places(content: &str, wanted: &str) -> Vec<Range<usize>> {
    let exact = || content.match_indices(wanted).map(|(at, hit)| at..at + hit.len()).collect();
    if !wanted.contains('\n') || !content.contains("\r\n") {
        return exact();
    }
    let (plain, returns) = without_returns(content);
    let wanted = wanted.replace("\r\n", "\n");
    // A carriage return that was taken out moved everything after it by one.
    let original = |at: usize| at + returns.partition_point(|place| *place < at);
    let found: Vec<Range<usize>> =
        plain.match_indices(&*wanted).map(|(at, hit)| original(at)..original(at + hit.len())).collect();
    if found.is_empty() { exact() } else { found }
}

/// The content with line feeds only, and where in that the line feeds are before which a carriage return was.
fn without_returns(content: &str) -> (String, Vec<usize>) {
    let mut plain = String::with_capacity(content.len());
    let mut returns = Vec::new();
    for (index, line) in content.split("\r\n").enumerate() {
        if index > 0 {
            returns.push(plain.len());
            plain.push('\n');
        }
        plain.push_str(line);
    }
    (plain, returns)
}

/// What is to stand in a place, with the line ends of that place.
pub(in crate::tools::builtin) fn fitted<'a>(content: &str, place: &Range<usize>, new: &'a str) -> Cow<'a, str> {
    if !new.contains('\n') || !content.contains("\r\n") {
        return Cow::Borrowed(new);
    }
    let old = &content[place.clone()];
    let ends: Vec<&str> = old.split_inclusive('\n').filter_map(end_of).collect();
    // Of a place within one line: the end of that line, or of the one before.
    let line = content[place.end..].split_inclusive('\n').next().and_then(end_of);
    let before = || content[..place.start].split_inclusive('\n').next_back().and_then(end_of);
    let default = ends.last().copied().or(line).or_else(before).unwrap_or("\n");

    let body =
        |line: &str| line.strip_suffix('\n').map_or(line.to_owned(), |line| line.trim_end_matches('\r').to_owned());
    let old: Vec<String> = old.split_inclusive('\n').map(body).collect();
    let lines: Vec<&str> = new.split_inclusive('\n').collect();
    let same = |(one, other): &(&String, &&str)| **one == body(other);
    let front = old.iter().zip(&lines).take_while(same).count();
    let back = old.iter().rev().zip(lines.iter().rev()).take_while(same).count();
    let mut out = String::with_capacity(new.len() + lines.len());
    for (index, line) in lines.iter().enumerate() {
        out.push_str(&body(line));
        if line.ends_with('\n') {
            // Lines that stay keep their ends; what is new between them has those of what it replaces.
            let kept =
                if index >= front && lines.len() - index <= back { old.len() + index - lines.len() } else { index };
            out.push_str(ends.get(kept).copied().unwrap_or(default));
        }
    }
    Cow::Owned(out)
}

fn end_of(line: &str) -> Option<&'static str> {
    if line.ends_with("\r\n") { Some("\r\n") } else { line.ends_with('\n').then_some("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(content: &str, old: &str, new: &str) -> String {
        let places = places(content, old);
        let [place] = places.as_slice() else { panic!("{places:?} of {old:?} in {content:?}") };
        format!("{}{}{}", &content[..place.start], fitted(content, place, new), &content[place.end..])
    }

    #[test]
    fn each_line_keeps_its_end_and_new_lines_take_that_of_their_place() {
        for (content, old, new, expected) in [
            ("a\nb\n", "a\nb", "x\ny", "x\ny\n"),
            ("a\r\nb\r\nc\r\n", "a\nb", "1\n2\n3", "1\r\n2\r\n3\r\nc\r\n"),
            ("a\r\nb\nc\r\n", "a\nb\nc\n", "a\nB\nc\n", "a\r\nB\nc\r\n"),
            // One line goes: those around it keep theirs.
            ("a\r\nb\nc\nd\r\n", "a\nb\nc\nd\n", "a\nc\nd\n", "a\r\nc\nd\r\n"),
            ("a\r\nb\n", "b", "b1\nb2", "a\r\nb1\nb2\n"),
            ("a\r\nb\n", "a", "a1\na2", "a1\r\na2\r\nb\n"),
            ("a\r\nb", "b", "b\nc", "a\r\nb\r\nc"),
            // Written with its own line ends by the model.
            ("a\r\nb\r\n", "a\r\nb", "x\r\ny", "x\r\ny\r\n"),
            // A line end alone.
            ("a\r\nb\r\n", "a\n", "", "b\r\n"),
            ("a\r\nb\r\n", "\nb", "", "a\r\n"),
        ] {
            assert_eq!(edited(content, old, new), expected, "{content:?}: {old:?} -> {new:?}");
        }
    }

    #[test]
    fn a_place_is_found_behind_many_line_ends() {
        let content = "täxt\r\n".repeat(100) + "here\r\nthere\r\n" + &"x\r\n".repeat(9);
        let [place] = <[_; 1]>::try_from(places(&content, "here\nthere")).expect("one place");
        assert_eq!(&content[place], "here\r\nthere");
        assert_eq!(places("a\rb\r\n", "a\rb").first(), Some(&(0..3)));
    }
}
