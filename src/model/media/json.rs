//! JSON of a server, read with bounds: a few bytes of text can become a hundred times as many in memory, and reading
//! them takes a while. So only so many values are kept, and none are read on a thread that others wait for.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Bytes of an answer that are kept to show how it begins.
const START: usize = 16 << 10;

/// The first so many values of a JSON text, in the order of the text; the others are passed over. `None` for what is no
/// JSON.
pub(super) fn parsed(text: &[u8], most: usize) -> Option<Value> {
    let left = Cell::new(most);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Bounded(&left).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// How an answer begins, for people.
pub(super) fn start(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(START)]).into_owned()
}

/// Keeps values as long as there is room for them.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    fn is_full(self) -> bool {
        self.0.get() == 0
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.0.set(self.0.get().saturating_sub(1));
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while !self.is_full() {
            let Some(value) = list.next_element_seed(self)? else { return Ok(Value::Array(values)) };
            values.push(value);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = serde_json::Map::new();
        while !self.is_full() {
            let Some(name) = object.next_key::<String>()? else { return Ok(Value::Object(values)) };
            values.insert(name, object.next_value_seed(self)?);
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_read_as_it_is_and_no_more_of_it_than_there_is_room_for() {
        let value = json!({"a": [1, -2, 0.5, "x\n\u{fc}", null, true], "b": {"c": {}}});
        assert_eq!(parsed(value.to_string().as_bytes(), 100), Some(value));
        assert_eq!(parsed(b"[[1, 2], [3, 4], 5]", 4), Some(json!([[1, 2]])));
        assert_eq!(parsed(b"[[1, 2], [3, 4], 5]", 5), Some(json!([[1, 2], []])));
        assert_eq!(parsed(br#"{"a": 1, "b": {"c": 2}, "d": 3}"#, 3), Some(json!({"a": 1, "b": {}})));
        for wrong in [&b""[..], b"[1", b"[1] 2", b"{\"a\"", b"no", b"[0, x]", b"\xff"] {
            assert_eq!(parsed(wrong, 2), None, "{wrong:?}");
        }
        assert_eq!(parsed("[".repeat(100_000).as_bytes(), 1_000_000), None);
    }
}
