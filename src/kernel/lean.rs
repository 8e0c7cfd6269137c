//! Reads what a kernel tells without building what nobody looks at: a message of a few megabytes may be a tree that
//! takes a gigabyte.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Kinds of pictures and texts that are looked at; others are dropped at once.
const KINDS: [&str; 9] = [
    "text/plain",
    "text/markdown",
    "text/html",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/svg+xml",
];
/// Entries of a list that are kept.
const MOST: usize = 1000;

/// The texts of something that is shown, by their kinds.
#[derive(Debug, Default)]
pub(super) struct Data(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("texts by their kinds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        while let Some(kind) = map.next_key::<String>()? {
            if !KINDS.contains(&kind.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else if let Words(Some(text)) = map.next_value()? {
                data.0.insert(kind, text);
            }
        }
        Ok(data)
    }
}

/// A text, in one or as a list of lines; nothing when it is something else.
struct Words(Option<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(Words(Some(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Words, E> {
        Ok(Words(Some(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut text = String::new();
        while let Some(Words(line)) = list.next_element()? {
            text.push_str(&line.unwrap_or_default());
        }
        Ok(Words(Some(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Words(None))
    }

    fn visit_unit<E>(self) -> Result<Words, E> {
        Ok(Words(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Words, E> {
        Ok(Words(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Words, E> {
        Ok(Words(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Words, E> {
        Ok(Words(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Words, E> {
        Ok(Words(None))
    }
}

/// A list of which so many entries are kept, and the last in any case.
#[derive(Debug)]
pub(super) struct Few<T>(pub(super) Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FewVisitor<T> {
    type Value = Few<T>;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
        let mut kept = Vec::new();
        while let Some(entry) = list.next_element()? {
            if kept.len() >= MOST {
                kept.pop();
            }
            kept.push(entry);
        }
        Ok(Few(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_known_kinds_are_kept() {
        let told = r#"{"text/plain": ["a", 1, {"b": [2]}, null, "c"], "image/png": {"d": {}}, "text/html": -1.5,
            "application/json": [{"a": [0]}, true], "text/latex": "e"}"#;
        let Data(data) = serde_json::from_str(told).expect("data");
        let texts: Vec<_> = data.iter().map(|(kind, text)| (kind.as_str(), text.as_str())).collect();
        assert_eq!(texts, [("text/latex", "e"), ("text/plain", "ac")]);
        assert!(serde_json::from_str::<Data>("[]").is_err());
    }

    #[test]
    fn a_long_list_keeps_its_beginning_and_its_last_entry() {
        let told = serde_json::to_string(&(0..5000).collect::<Vec<u32>>()).expect("list");
        let Few(kept) = serde_json::from_str::<Few<u32>>(&told).expect("few");
        assert_eq!((kept.len(), kept.first(), kept.last()), (MOST, Some(&0), Some(&4999)));
    }
}
