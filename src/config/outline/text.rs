//! Keys, quotes and line breaks in the text of one or more lines.

/// Where text has a line break that YAML knows and `split('\n')` does not.
pub(super) fn odd_break(text: &str) -> Option<usize> {
    let lone_return = text.match_indices('\r').map(|(at, _)| at).find(|at| !text[at + 1..].starts_with('\n'));
    let unicode = text.find(['\u{85}', '\u{2028}', '\u{2029}']);
    lone_return.into_iter().chain(unicode).min()
}

/// The key at the beginning of a line, and the bytes up to and including its colon.
pub(super) fn key(body: &str) -> Option<(String, usize)> {
    let colon_at = |at: usize| {
        let rest = &body[at..];
        let colon = rest.len() - rest.trim_start_matches(' ').len();
        let after = rest[colon..].strip_prefix(':')?;
        (after.is_empty() || after.starts_with([' ', '\t'])).then_some(at + colon + 1)
    };
    if body.starts_with(['"', '\'']) {
        let (_, end) = closed(&[body], 0, 0)?;
        let name = serde_yaml::from_str::<String>(&body[..end]).ok()?;
        return Some((name, colon_at(end)?));
    }
    if body.starts_with(['{', '}', '[', ']', ',', '&', '*', '!', '|', '>', '%', '@', '`', '#'])
        || body.starts_with("? ")
    {
        return None;
    }
    let mut from = 0;
    while let Some(found) = body[from..].find(':') {
        let colon = from + found;
        if body[..colon].contains(" #") {
            return None;
        }
        if let Some(after) = colon_at(colon) {
            return Some((body[..colon].trim_end().to_owned(), after));
        }
        from = colon + 1;
    }
    None
}

/// Where the quote or bracket that opens at a byte of a line is closed: the line, and the byte after it.
pub(super) fn closed(lines: &[&str], at: usize, start: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    for (index, line) in lines.iter().enumerate().skip(at) {
        let from = if index == at { start } else { 0 };
        let mut before = ' ';
        let mut chars = line[from..].char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            match quote {
                Some('"') if c == '\\' => {
                    chars.next();
                }
                Some('\'') if c == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                    chars.next();
                }
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None => match c {
                    // Inside flow style a quote opens only where a value may begin.
                    '"' | '\'' if depth == 0 || matches!(before, ' ' | '\t' | ',' | '[' | '{' | ':') => quote = Some(c),
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth = depth.checked_sub(1)?,
                    '#' if matches!(before, ' ' | '\t') => break,
                    _ => {}
                },
            }
            if depth == 0 && quote.is_none() {
                return Some((index, from + offset + c.len_utf8()));
            }
            before = c;
        }
    }
    None
}
