//! Documents that were read lately, as Markdown, so that the next page of one costs nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::document::Converted;

/// Documents that are kept.
const MAX_KEPT: usize = 8;
/// Bytes of Markdown that are kept.
const MAX_BYTES: usize = 32 << 20;

/// The documents, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Conversions(Mutex<VecDeque<(String, Arc<Converted>)>>);

impl Conversions {
    /// The text of a document by its hash and kind.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Converted>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known == key)?;
        let entry = kept.remove(place)?;
        let found = Arc::clone(&entry.1);
        kept.push_back(entry);
        Some(found)
    }

    /// Keeps one, at the cost of those that were not read for longest.
    pub(crate) fn keep(&self, key: String, converted: &Arc<Converted>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != key);
        kept.push_back((key, Arc::clone(converted)));
        let bytes = |kept: &VecDeque<(String, Arc<Converted>)>| {
            kept.iter().map(|(_, converted)| converted.markdown.len()).sum::<usize>()
        };
        while kept.len() > MAX_KEPT || kept.len() > 1 && bytes(&kept) > MAX_BYTES {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_for_longest_goes_first() {
        let conversions = Conversions::default();
        let of = |bytes: usize| Arc::new(Converted { markdown: "x".repeat(bytes), ..Converted::default() });
        for n in 0..MAX_KEPT {
            conversions.keep(n.to_string(), &of(1));
        }
        assert!(conversions.get("0").is_some());
        conversions.keep("one more".to_owned(), &of(1));
        assert!(conversions.get("1").is_none() && conversions.get("0").is_some());
        conversions.keep("large".to_owned(), &of(MAX_BYTES));
        assert!(conversions.get("0").is_none() && conversions.get("large").is_some());
    }
}
