//! Long texts and pictures of records, moved out of the line into files named by their SHA-256.
//!
//! A record's line is at most 256 KiB, so that a log can be read line by line and a commit's `turn.jsonl` stays small.
//! What is longer becomes `{"$blob": "<sha256>", "bytes": n, "as": "text" | "base64"}` in its place, on the level of
//! JSON, so that no kind of record has to know of it.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::support::atomic_file;
pub use crate::support::hash::{is_hash, sha256};

/// Longest line of a record, in bytes.
pub const MAX_RECORD: usize = 256 * 1024;
/// Strings from this length on are candidates for moving out, in bytes.
const MIN_TEXT: usize = 4 * 1024;
/// Pictures from this length on are moved out even where the line would fit.
const MIN_PICTURE: usize = 1024;
const KEY: &str = "$blob";

/// The folder that blobs are written to.
#[derive(Debug, Clone)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// Blobs lie in `folder`, which is made when the first one is written.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Writes a blob, synced, and gives its hash. One that is there already is left alone.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let hash = sha256(bytes);
        let path = self.0.join(&hash);
        if std::fs::symlink_metadata(&path).is_ok_and(|data| data.is_file() && data.len() == bytes.len() as u64) {
            return Ok(hash);
        }
        std::fs::create_dir_all(&self.0)?;
        atomic_file::write(&path, bytes, 0o600)?;
        Ok(hash)
    }

    /// Reads a blob; `None` where it is missing or its content does not have that hash.
    pub fn get(&self, hash: &str) -> Option<Vec<u8>> {
        if !is_hash(hash) {
            return None;
        }
        std::fs::read(self.0.join(hash)).ok().filter(|bytes| sha256(bytes) == hash)
    }

    /// Where a blob lies.
    pub fn path(&self, hash: &str) -> PathBuf {
        self.0.join(hash)
    }
}

/// Moves pictures, and as many long texts as needed, out of a record until its line fits.
pub fn move_out(record: &mut Value, blobs: &BlobFolder) -> io::Result<()> {
    let mut failure = None;
    visit_strings(record, &mut |key, text| {
        if key != Some("base64") || text.len() < MIN_PICTURE || failure.is_some() {
            return None;
        }
        replacement(text, blobs).map_err(|error| failure = Some(error)).ok()
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let mut least = MAX_RECORD / 4;
    while record.to_string().len() > MAX_RECORD {
        let mut failure = None;
        visit_strings(record, &mut |_, text| {
            if text.len() < least || failure.is_some() {
                return None;
            }
            replacement(text, blobs).map_err(|error| failure = Some(error)).ok()
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if least <= MIN_TEXT {
            break;
        }
        least /= 4;
    }
    // Very many short texts: the whole record becomes one blob, under its kind.
    if record.to_string().len() > MAX_RECORD {
        let kind = record.get("kind").cloned().unwrap_or(Value::Null);
        let body = replacement(&record.to_string(), blobs)?;
        *record = json!({ "kind": kind, "whole": body });
    }
    Ok(())
}

/// Brings back what [`move_out`] moved. A blob that is missing leaves a line that says so.
pub fn bring_back(record: &mut Value, get: &dyn Fn(&str) -> Option<Vec<u8>>) {
    let whole = record.get("whole").and_then(|body| resolve(body, get)).and_then(|body| match body {
        Value::String(text) => serde_json::from_str(&text).ok(),
        _ => None,
    });
    if let Some(whole) = whole {
        *record = whole;
    }
    bring_back_inside(record, get);
}

fn bring_back_inside(value: &mut Value, get: &dyn Fn(&str) -> Option<Vec<u8>>) {
    if let Some(found) = resolve(value, get) {
        *value = found;
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| bring_back_inside(item, get)),
        Value::Object(fields) => fields.values_mut().for_each(|field| bring_back_inside(field, get)),
        _ => {}
    }
}

/// The hashes of all blobs that a record's line refers to.
pub fn references(record: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(record, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => match reference(fields) {
            Some(hash) => found.push(hash.to_owned()),
            None => fields.values().for_each(|field| collect(field, found)),
        },
        _ => {}
    }
}

fn reference(fields: &Map<String, Value>) -> Option<&str> {
    let hash = fields.get(KEY)?.as_str()?;
    (is_hash(hash) && fields.len() == 3).then_some(hash)
}

fn resolve(value: &Value, get: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Value> {
    let fields = value.as_object()?;
    let hash = reference(fields)?;
    let Some(bytes) = get(hash) else {
        return Some(Value::String(format!("[this text is missing: blob {hash}]")));
    };
    Some(Value::String(match fields.get("as").and_then(Value::as_str) {
        Some("base64") => STANDARD.encode(&bytes),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }))
}

fn replacement(text: &str, blobs: &BlobFolder) -> io::Result<Value> {
    // Pictures are kept as the bytes that they are, where that can be undone exactly.
    let picture = STANDARD.decode(text).ok().filter(|bytes| STANDARD.encode(bytes) == text);
    let (bytes, form) = match &picture {
        Some(bytes) => (bytes.as_slice(), "base64"),
        None => (text.as_bytes(), "text"),
    };
    let hash = blobs.put(bytes)?;
    Ok(json!({ KEY: hash, "bytes": bytes.len(), "as": form }))
}

fn visit_strings(value: &mut Value, replace: &mut dyn FnMut(Option<&str>, &str) -> Option<Value>) {
    fn walk(value: &mut Value, key: Option<&str>, replace: &mut dyn FnMut(Option<&str>, &str) -> Option<Value>) {
        match value {
            Value::String(text) => *value = replace(key, text).unwrap_or_else(|| Value::String(std::mem::take(text))),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, key, replace)),
            Value::Object(fields) if reference(fields).is_none() => {
                fields.iter_mut().for_each(|(name, field)| walk(field, Some(name), replace));
            }
            _ => {}
        }
    }
    walk(value, None, replace);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &Value) -> (Value, Value) {
        let dir = tempfile::tempdir().expect("folder");
        let blobs = BlobFolder::new(&dir.path().join("spill"));
        let mut moved = value.clone();
        move_out(&mut moved, &blobs).expect("move out");
        let mut back = moved.clone();
        bring_back(&mut back, &|hash| blobs.get(hash));
        (moved, back)
    }

    #[test]
    fn a_short_record_stays_as_it_is() {
        let value = json!({"kind": "note", "text": "short", "n": [1, 2]});
        let (moved, back) = round_trip(&value);
        assert_eq!(moved, value);
        assert_eq!(back, value);
    }

    #[test]
    fn long_texts_and_pictures_move_out_and_come_back() {
        let picture = STANDARD.encode(vec![7u8; 9000]);
        let value = json!({
            "kind": "tool_finished",
            "output": "ü".repeat(400_000),
            "images": [{"media_type": "image/png", "base64": picture}],
            "short": "stays",
        });
        let (moved, back) = round_trip(&value);
        assert!(moved.to_string().len() < 1000, "{}", moved.to_string().len());
        assert_eq!(moved["images"][0]["base64"]["bytes"], 9000);
        assert_eq!(references(&moved).len(), 2);
        assert_eq!(back, value);
    }

    #[test]
    fn a_record_of_very_many_short_texts_moves_out_whole() {
        let value = json!({"kind": "state", "name": "read", "value": vec!["x".repeat(100); 5000]});
        let (moved, back) = round_trip(&value);
        assert!(moved.to_string().len() < MAX_RECORD);
        assert_eq!(moved["kind"], "state");
        assert_eq!(back, value);
    }

    #[test]
    fn a_missing_blob_leaves_a_line_that_says_so() {
        let mut value = json!({"kind": "note", "text": {KEY: "0".repeat(64), "bytes": 5, "as": "text"}});
        bring_back(&mut value, &|_| None);
        assert!(value["text"].as_str().expect("text").contains("missing"));
    }
}
