//! Keys that never print themselves, and their removal from texts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in a text where a key stood.
pub const REMOVED: &str = "[key removed]";

/// Keys shorter than this are not searched for: they would match ordinary words.
const SHORTEST: usize = 6;

/// A key. Printing it, in any way, tells only that it is there; its memory is cleared on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(SecretString::from(key.into()))
    }

    /// The key itself, for the header of a request and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[set]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[set]")
    }
}

/// Replaces every configured key in texts on their way to records, events, logs and panics.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[Secret]>);

impl Redactor {
    /// A redactor for these keys.
    pub fn new(keys: impl IntoIterator<Item = Secret>) -> Self {
        let mut keys: Vec<Secret> = keys.into_iter().filter(|key| key.expose().trim().len() >= SHORTEST).collect();
        // Longest first: a key that contains another must go whole.
        keys.sort_by_key(|key| std::cmp::Reverse(key.expose().len()));
        Self(keys.into())
    }

    /// One that removes the keys of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let new = other.0.iter().filter(|key| !self.0.iter().any(|known| known.expose() == key.expose()));
        Self::new(self.0.iter().chain(new).cloned())
    }

    /// The text without the keys; borrowed when none occurs.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for key in self.0.iter() {
            let key = key.expose().trim();
            if clean.contains(key) {
                clean = Cow::Owned(clean.replace(key, REMOVED));
            }
        }
        clean
    }

    /// Redacts every string inside a JSON value, object keys included.
    pub fn redact_json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::Object(fields) => {
                let entries = std::mem::take(fields);
                for (name, mut field) in entries {
                    self.redact_json(&mut field);
                    fields.insert(self.redact(&name).into_owned(), field);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// How many bytes at the end of `text` may be the beginning of a key whose rest is still to come.
    fn open_end(&self, text: &str) -> usize {
        let longest = |key: &str| {
            let most = key.len().min(text.len() + 1) - 1;
            (1..=most).rev().find(|length| key.is_char_boundary(*length) && text.ends_with(&key[..*length]))
        };
        self.0.iter().filter_map(|key| longest(key.expose().trim())).max().unwrap_or(0)
    }

    /// Whether any key occurs in the bytes.
    pub fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|key| {
            let key = key.expose().trim().as_bytes();
            bytes.windows(key.len()).any(|window| window == key)
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} keys)", self.0.len())
    }
}

/// Redacts a text that comes in pieces: a key that is cut in two between pieces must go as well. Only an ending that
/// may be the beginning of a key is held back until the next piece.
#[derive(Debug, Default)]
pub struct RedactedStream {
    redactor: Redactor,
    held: String,
}

impl RedactedStream {
    /// A stream from which these keys are removed.
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, held: String::new() }
    }

    /// Another stream from which the same keys are removed.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.redactor.clone())
    }

    /// Takes a piece; returns what may be shown now.
    pub fn push(&mut self, piece: &str) -> String {
        if self.redactor.0.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let clean = self.redactor.redact(&self.held).into_owned();
        let shown = clean.len() - self.redactor.open_end(&clean);
        self.held.clear();
        self.held.push_str(&clean[shown..]);
        clean[..shown].to_owned()
    }

    /// What was held back: the text ended, so it was no key.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_prints_itself() {
        let key = Secret::new("sk-very-secret");
        assert_eq!(format!("{key} {key:?}"), "[set] [set]");
    }

    #[test]
    fn every_occurrence_goes_and_the_longer_key_goes_whole() {
        let redactor = Redactor::new([Secret::new("sk-secret"), Secret::new("sk-secret-long"), Secret::new("abc")]);
        assert_eq!(
            redactor.redact("abc sk-secret sk-secret-long sk-secret"),
            "abc [key removed] [key removed] [key removed]"
        );
        assert!(matches!(redactor.redact("nothing"), Cow::Borrowed("nothing")));
        let both = redactor.and(&Redactor::new([Secret::new("sk-secret"), Secret::new("sk-later")]));
        assert_eq!(both.redact("sk-secret-long sk-later"), "[key removed] [key removed]");
        assert_eq!(both.0.len(), 3);
        assert!(redactor.occurs_in(b"\xffsk-secret\x00"));
        assert!(!redactor.occurs_in(b"abc"));
    }

    #[test]
    fn a_key_that_is_cut_anywhere_goes_as_well() {
        let redactor = Redactor::new([Secret::new("sk-secret-long")]);
        let text = "one sk-secret-long two sk-secret three sk-";
        for size in 1..text.len() {
            let mut stream = RedactedStream::new(redactor.clone());
            let mut shown = String::new();
            for piece in text.as_bytes().chunks(size) {
                shown.push_str(&stream.push(std::str::from_utf8(piece).expect("ASCII")));
                assert!(!shown.contains("sk-secret-long"));
            }
            shown.push_str(&stream.finish());
            assert_eq!(shown, "one [key removed] two sk-secret three sk-", "pieces of {size}");
        }
        let mut stream = RedactedStream::new(redactor);
        assert_eq!(stream.push("nothing is held back"), "nothing is held back");
        assert_eq!(stream.push("\u{e9}\u{e9}s"), "\u{e9}\u{e9}");
    }

    #[test]
    fn json_is_redacted_at_every_depth() {
        let redactor = Redactor::new([Secret::new("sk-secret")]);
        let mut value = serde_json::json!({"a": ["sk-secret", {"sk-secret": "x sk-secret"}], "n": 1});
        redactor.redact_json(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["[key removed]", {"[key removed]": "x [key removed]"}], "n": 1}));
    }
}
