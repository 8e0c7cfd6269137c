//! What servers say when they refuse, read from whatever shape they say it in.

use serde_json::Value;

use crate::support::sanitize;

/// How many characters of a server's own words are kept.
const LONGEST_MESSAGE: usize = 600;
/// How many characters show how an answer that is not understood begins.
const LONGEST_EXCERPT: usize = 160;

/// Why a frame or a body is no part of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is an error object.
    Reported {
        /// The server's words.
        message: String,
        /// The HTTP status that the object names, if it names one.
        status: Option<u16>,
        /// The server's name for the error.
        code: Option<String>,
    },
    /// It is no JSON of this protocol; this is how it begins.
    NotUnderstood(String),
}

/// Reads an error object, or a bare string.
pub(in crate::model) fn error_object(error: &Value) -> Fault {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (400..600).contains(n));
    let status = ["code", "status", "status_code"].iter().find_map(|name| {
        let value = &error[*name];
        number(value).or_else(|| value.as_str().and_then(|text| number(&text.parse::<u64>().ok()?.into())))
    });
    let name = |field: &&str| error[*field].as_str().filter(|name| name.parse::<u64>().is_err());
    let code = ["code", "type", "status"].iter().find_map(name).or(error["detail"]["status"].as_str());
    let code = code.map(str::to_owned);
    Fault::Reported { message: words_of(error), status, code }
}

/// The words in a JSON error of any of the known shapes.
fn words_of(error: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let known = text(error)
        .or_else(|| text(&error["message"]))
        .or_else(|| text(&error["error"]["message"]))
        .or_else(|| text(&error["error"]))
        .or_else(|| text(&error["detail"]))
        .or_else(|| text(&error["detail"]["message"]))
        .or_else(|| text(&error["detail"][0]["msg"]))
        .or_else(|| text(&error["errors"][0]["message"]))
        .or_else(|| text(&error["msg"]));
    // OpenRouter wraps what its provider said.
    let raw = text(&error["metadata"]["raw"]);
    let message = match (known, raw) {
        (Some(known), Some(raw)) => format!("{known}: {raw}"),
        (Some(words), None) | (None, Some(words)) => words,
        (None, None) => error.to_string(),
    };
    shorten(&message, LONGEST_MESSAGE)
}

/// Message and code of the body of an answer that is not 200.
pub(in crate::model) fn refusal(body: &[u8]) -> (String, Option<String>) {
    let text = String::from_utf8_lossy(body);
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        // Gemini puts the object into an array.
        let value = value.get(0).unwrap_or(&value);
        let inner = value.get("error").filter(|error| error.is_object()).unwrap_or(value);
        let Fault::Reported { message, code, .. } = error_object(inner) else { return (String::new(), None) };
        return (message, code);
    }
    let message = if looks_like_html(body) { page_words(&text) } else { shorten(&text, LONGEST_MESSAGE) };
    (if message.is_empty() { "no further words".to_owned() } else { message }, None)
}

/// Whether bytes begin like a web page.
pub(super) fn looks_like_html(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

/// How a text begins, on one line.
pub(in crate::model) fn excerpt(text: &str) -> String {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    let shown = if start.starts_with('<') {
        let words = page_words(text);
        if words.is_empty() {
            "a web page came instead".to_owned()
        } else {
            format!("a web page came instead: {words}")
        }
    } else {
        shorten(text, LONGEST_EXCERPT)
    };
    if shown.is_empty() { "nothing came".to_owned() } else { shown }
}

/// The visible words of a web page, cheaply: tags, scripts and styles are left out.
fn page_words(html: &str) -> String {
    let mut words = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        words.push_str(&rest[..open]);
        words.push(' ');
        let tag = &rest[open..];
        let lower: String = tag.chars().take(8).collect::<String>().to_ascii_lowercase();
        let close = ["script", "style"].iter().find(|name| lower[1..].starts_with(**name));
        let skipped = close.and_then(|name| tag.find(&format!("</{name}"))).unwrap_or(0);
        let Some(end) = tag[skipped..].find('>') else { return shorten(&words, LONGEST_EXCERPT) };
        rest = &tag[skipped + end + 1..];
    }
    words.push_str(rest);
    shorten(&words, LONGEST_EXCERPT)
}

/// One line of at most so many characters, sequences for terminals and control characters left out.
fn shorten(text: &str, limit: usize) -> String {
    // As a whole: without its ESC what follows would stay, as letters.
    let text = sanitize::text(text);
    let mut short = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
        if short.len() > limit * 4 {
            break;
        }
    }
    if short.chars().count() > limit {
        short = short.chars().take(limit - 1).collect();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_found_in_every_known_shape() {
        for (body, words) in [
            (r#"{"error": {"message": "no such model", "type": "invalid_request_error"}}"#, "no such model"),
            (r#"{"error": "no such model"}"#, "no such model"),
            (r#"{"message": "no such model"}"#, "no such model"),
            (r#"{"detail": "no such model"}"#, "no such model"),
            (r#"{"detail": {"status": "quota_exceeded", "message": "no such model"}}"#, "no such model"),
            (r#"{"detail": [{"loc": ["body"], "msg": "no such model"}]}"#, "no such model"),
            (r#"[{"error": {"code": 400, "message": "no such model"}}]"#, "no such model"),
            ("no such\n\tmodel\n", "no such model"),
            ("<html><style>a{}</style><title>502</title><b>Bad Gateway</b></html>", "502 Bad Gateway"),
            ("", "no further words"),
            ("<html", "no further words"),
        ] {
            assert_eq!(refusal(body.as_bytes()).0, words, "{body}");
        }
    }

    #[test]
    fn codes_are_names_and_statuses_are_numbers() {
        let read = |text: &str| error_object(&serde_json::from_str(text).expect("json"));
        let reported = |status, code: Option<&str>| Fault::Reported {
            message: "m".to_owned(),
            status,
            code: code.map(str::to_owned),
        };
        assert_eq!(read(r#"{"message": "m", "code": 429}"#), reported(Some(429), None));
        assert_eq!(read(r#"{"message": "m", "code": "502"}"#), reported(Some(502), None));
        assert_eq!(read(r#"{"message": "m", "code": "502", "type": "x"}"#), reported(Some(502), Some("x")));
        assert_eq!(
            read(r#"{"message": "m", "code": null, "type": "server_error"}"#),
            reported(None, Some("server_error"))
        );
        assert_eq!(read(r#"{"message": "m", "code": 7}"#), reported(None, None));
    }

    #[test]
    fn words_of_any_length_end_on_one_short_line() {
        let long = "世界 ".repeat(10_000);
        let (message, _) = refusal(long.as_bytes());
        assert_eq!(message.chars().count(), LONGEST_MESSAGE);
        assert!(message.ends_with('…'));
    }
}
