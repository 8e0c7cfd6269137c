//! Parts of a speech that did not come about as a whole. They are paid for, so the next call for the same takes them from
//! here.

use std::sync::{Arc, Mutex, PoisonError};

use super::sound::SoundFormat;
use crate::support::hash::sha256;

/// The sound of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part(Arc<Vec<u8>>);

impl Part {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What a part is known by.
pub(super) fn key(voice: &str, format: SoundFormat, text: &str) -> String {
    sha256(format!("{voice}\0{}\0{text}", format.name()).as_bytes())
}

/// The parts that are kept, the oldest first.
pub(super) struct Kept {
    parts: Mutex<Vec<(String, Part)>>,
    /// Bytes of all together.
    most: usize,
}

impl Kept {
    pub(super) fn new(most: usize) -> Self {
        Self { parts: Mutex::default(), most }
    }

    /// The part of that key.
    pub(super) fn get(&self, key: &str) -> Option<Part> {
        self.with(|parts| parts.iter().find(|(known, _)| known == key).map(|(_, part)| part.clone()))
    }

    /// Keeps a part; the oldest make room for it.
    pub(super) fn put(&self, key: String, part: Part) {
        self.with(|parts| {
            parts.retain(|(known, _)| *known != key);
            parts.push((key, part));
            let mut bytes: usize = parts.iter().map(|(_, part)| part.0.len()).sum();
            while bytes > self.most {
                bytes -= parts.remove(0).1.0.len();
            }
        });
    }

    /// Lets go of parts that are needed no more.
    pub(super) fn forget(&self, keys: &[String]) {
        self.with(|parts| parts.retain(|(known, _)| !keys.contains(known)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(String, Part)>) -> T) -> T {
        work(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_until_they_are_forgotten_or_others_need_their_room() {
        let kept = Kept::new(10);
        for (name, size) in [("a", 4), ("b", 4), ("a", 5), ("c", 4)] {
            kept.put(name.to_owned(), Part::new(vec![0; size]));
        }
        let sizes = |kept: &Kept| ["a", "b", "c"].map(|name| kept.get(name).map(|part| part.as_ref().len()));
        assert_eq!(sizes(&kept), [Some(5), None, Some(4)]);
        kept.forget(&["a".to_owned()]);
        assert_eq!(sizes(&kept), [None, None, Some(4)]);
        kept.put("b".to_owned(), Part::new(vec![0; 11]));
        assert_eq!(sizes(&kept), [None, None, None]);
        assert_ne!(key("a", SoundFormat::Mp3, "b"), key("a", SoundFormat::Wav, "b"));
    }
}
