//! Writes single YAML values so that every reader takes them for what they are.

use std::fmt::Write as _;

use serde_yaml::Value;

/// Words that are no text to readers of older YAML.
const OLD_WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "null", "~"];

/// A value for the end of a line, in the quotes that stood there before where that is possible.
pub(super) fn scalar(value: &Value, quote: Option<char>) -> String {
    match value {
        Value::String(text) => match quote {
            Some('\'') if text.chars().all(is_plain) => format!("'{}'", text.replace('\'', "''")),
            None if may_stand_bare(text) => text.clone(),
            _ => double_quoted(text),
        },
        Value::Sequence(items) => {
            let item = |item: &Value| item.as_str().map_or_else(|| scalar(item, None), in_line);
            let items: Vec<_> = items.iter().map(item).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(_) => "{}".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Tagged(_) => "null".to_owned(),
    }
}

/// A text that may stand inside brackets or before a colon.
pub(super) fn in_line(text: &str) -> String {
    let simple = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'));
    if simple && may_stand_bare(text) { text.to_owned() } else { double_quoted(text) }
}

/// Whether a text needs no quotes: asked of the parser itself, with a comment behind it.
fn may_stand_bare(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '~' | '$'));
    if !starts_well || !text.chars().all(is_plain) || OLD_WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return false;
    }
    let parsed = serde_yaml::from_str::<Value>(&format!("a: {text} # comment\n"));
    parsed.is_ok_and(|value| value.get("a").and_then(Value::as_str) == Some(text))
}

/// Whether a character may stand in YAML as it is, on one line, and be seen there.
fn is_plain(c: char) -> bool {
    let hidden = matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    !c.is_control() && !hidden && !('\u{200b}'..='\u{200f}').contains(&c) && !('\u{202a}'..='\u{202e}').contains(&c)
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_plain(c) => out.push(c),
            // Writing to a String cannot fail.
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_are_kept_and_added_only_where_needed() {
        let rows = [
            ("kimi-k2", None, "kimi-k2"),
            ("https://x/v1", None, "https://x/v1"),
            ("kimi-k2", Some('"'), "\"kimi-k2\""),
            ("it's", Some('\''), "'it''s'"),
            ("a: b", None, "\"a: b\""),
            ("a #b", None, "\"a #b\""),
            ("4.5", None, "\"4.5\""),
            ("true", None, "\"true\""),
            ("off", None, "\"off\""),
            ("two\nlines", Some('\''), "\"two\\nlines\""),
            ("", None, "\"\""),
            ("模型", None, "模型"),
            ("-x", None, "\"-x\""),
        ];
        for (text, quote, expected) in rows {
            assert_eq!(scalar(&Value::from(text), quote), expected);
        }
        assert_eq!(scalar(&Value::from(vec!["TZ", "a b", "/x"]), None), "[TZ, \"a b\", /x]");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>(), quote in prop::option::of(prop::sample::select(vec!['\'', '"']))) {
            let written = scalar(&Value::from(text.as_str()), quote);
            let read: Value = serde_yaml::from_str(&format!("a: {written} # comment\nb: 1\n")).expect("valid YAML");
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
        }
    }
}
