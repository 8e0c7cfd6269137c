//! Identifiers as newtypes, so that a turn can never be taken for a node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identifier that does not have the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has the wrong form: {value:?} (expected {expected})")]
pub struct IdError {
    /// What was to be parsed.
    pub what: &'static str,
    /// What stood there instead.
    pub value: String,
    /// The expected form, in words.
    pub expected: &'static str,
}

/// A session: `okcvm-` and sixteen lower-case hexadecimal digits. Also the name of its folder and of its mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// The id for sixteen hexadecimal digits of randomness.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("okcvm-{bits:016x}"))
    }

    /// A new random id.
    pub fn random() -> Self {
        let bytes = Uuid::new_v4().into_bytes();
        let mut bits = 0u64;
        for byte in &bytes[8..] {
            bits = (bits << 8) | u64::from(*byte);
        }
        // Bytes 8.. of a version 4 UUID hold two fixed bits; the first half supplies random ones in their place.
        let mut high = 0u64;
        for byte in &bytes[..4] {
            high = (high << 8) | u64::from(*byte);
        }
        Self::from_random(bits ^ (high << 32))
    }

    /// The whole id, such as `okcvm-0123456789abcdef`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The sixteen digits after the prefix.
    pub fn digits(&self) -> &str {
        &self.0["okcvm-".len()..]
    }

    /// The path of the mount as every tool sees it, without a trailing slash: `/mnt/okcvm-0123456789abcdef`.
    pub fn mount(&self) -> String {
        format!("/mnt/{}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong =
            || IdError { what: "session id", value: text.to_owned(), expected: "okcvm- and 16 hexadecimal digits" };
        let digits = text.strip_prefix("okcvm-").ok_or_else(wrong)?;
        let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if plain { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for SessionId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A turn: a UUID of version 7 (RFC 9562), made at submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TurnId(pub Uuid);

impl TurnId {
    /// A new id that sorts after the earlier ones.
    pub fn now() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A tool call, by the id that the model gave it (made unique within the turn by the engine).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub String);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node of the session's graph: the forty hexadecimal digits of its commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

impl NodeId {
    /// The eight digits that people are shown.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// All forty digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError { what: "snapshot id", value: text.to_owned(), expected: "40 hexadecimal digits" })
        }
    }
}

impl TryFrom<String> for NodeId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_session_id_parses_back() {
        let id = SessionId::random();
        assert_eq!(id.as_str().parse::<SessionId>().as_ref(), Ok(&id));
        assert_eq!(id.mount(), format!("/mnt/{id}"));
        assert_eq!(id.digits().len(), 16);
    }

    #[test]
    fn ids_of_the_wrong_form_are_refused() {
        for bad in ["", "okcvm-", "okcvm-0123456789ABCDEF", "okcvm-0123456789abcde/", "../okcvm-0123456789abcdef"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
        for bad in ["", "head", "8f3a21c0", "zz8f3a21c0zz8f3a21c0zz8f3a21c0zz8f3a21c0"] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
