//! The `.env` format: one `NAME=value` a line, with comments, quotes and an optional `export`.
//!
//! Nothing is expanded: `$HOME` stays `$HOME`, so that a file of a folder can learn nothing of the environment. A value
//! in double quotes knows `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; one in single quotes is taken as it stands; one without
//! ends before a `#` that follows a space.

use std::collections::BTreeMap;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub name: String,
    pub value: String,
    /// From 1.
    pub line: usize,
}

/// A line that is no assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub line: usize,
    /// The name, as far as one can be seen.
    pub name: String,
    pub message: &'static str,
}

/// Reads a file; of a name that is set twice, the later one counts, as in a shell.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<Fault>) {
    let (mut assignments, mut faults) = (BTreeMap::new(), Vec::new());
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let body = raw.trim();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let body =
            body.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(body).trim_start();
        let Some((name, rest)) = body.split_once('=') else {
            faults.push(Fault { line, name: String::new(), message: "is not of the form NAME=value" });
            continue;
        };
        let name = name.trim_end().to_owned();
        if !is_variable_name(&name) {
            faults.push(Fault { line, name: String::new(), message: "has no valid name before the equals sign" });
            continue;
        }
        match value(rest.trim_start()) {
            Ok(value) => {
                assignments.insert(name.clone(), Assignment { name, value, line });
            }
            Err(message) => faults.push(Fault { line, name, message }),
        }
    }
    let mut assignments: Vec<Assignment> = assignments.into_values().collect();
    assignments.sort_by_key(|assignment| assignment.line);
    (assignments, faults)
}

/// Whether a text can name an environment variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn value(text: &str) -> Result<String, &'static str> {
    let (value, tail) = match text.chars().next() {
        Some('\'') => {
            let inner = &text[1..];
            let end = inner.find('\'').ok_or("has a quote that is not closed on its line")?;
            (inner[..end].to_owned(), &inner[end + 1..])
        }
        Some('"') => double_quoted(&text[1..])?,
        Some('#') => (String::new(), ""),
        _ => {
            let end = [" #", "\t#"].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
            (text[..end].trim_end().to_owned(), "")
        }
    };
    let tail = tail.trim_start();
    if tail.is_empty() || tail.starts_with('#') { Ok(value) } else { Err("has text after the closing quote") }
}

fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("has a quote that is not closed on its line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_export_are_understood() {
        let text = "\u{feff}# head\nA=1\n  export B = two words  # note\nC='a # b \\n $A'\nD=\"x\\ty \\\"q\\\" \\$A \\z\" # n\n\
                    E=\nF=a#b\nexported=yes\r\nA=2\nG= # only a comment\n";
        let (found, faults) = parse(text);
        assert_eq!(faults, []);
        let rows: Vec<_> = found.iter().map(|a| (a.name.as_str(), a.value.as_str(), a.line)).collect();
        assert_eq!(
            rows,
            [
                ("B", "two words", 3),
                ("C", "a # b \\n $A", 4),
                ("D", "x\ty \"q\" $A \\z", 5),
                ("E", "", 6),
                ("F", "a#b", 7),
                ("exported", "yes", 8),
                ("A", "2", 9),
                ("G", "", 10),
            ]
        );
    }

    #[test]
    fn faults_name_the_line_and_never_the_value() {
        let (found, faults) = parse("hello\n1A=x\nB=\"sk-open\nC='x' y\nD=ok\n");
        assert_eq!(found.len(), 1);
        let rows: Vec<_> = faults.iter().map(|f| (f.line, f.name.as_str(), f.message)).collect();
        assert_eq!(
            rows,
            [
                (1, "", "is not of the form NAME=value"),
                (2, "", "has no valid name before the equals sign"),
                (3, "B", "has a quote that is not closed on its line"),
                (4, "C", "has text after the closing quote"),
            ]
        );
    }
}
