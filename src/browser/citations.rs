//! Numbers for addresses: of pages that are open, and of what a search has found. A call may name a page by its number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Addresses that are remembered; the oldest go first.
const MOST: usize = 2_000;

/// The numbers of one session. They are never given twice, so that an old one does not come to mean another page.
#[derive(Debug, Default)]
pub struct Citations(Mutex<List>);

/// What is saved of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct List {
    version: u32,
    /// The number that was given last; the first is 1, since callers who mean none say 0.
    last: u32,
    known: Vec<Citation>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Its number.
    pub id: u32,
    /// The address, as it was last.
    pub url: String,
    /// The title, as far as it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

impl List {
    fn add(&mut self, url: &str, title: &str) -> u32 {
        self.last += 1;
        self.known.push(Citation { id: self.last, url: url.to_owned(), title: title.to_owned() });
        if self.known.len() > MOST {
            self.known.remove(0);
        }
        self.last
    }
}

impl Citations {
    /// The number of an address: the one that it has, or else a new one.
    pub fn of(&self, url: &str, title: &str) -> u32 {
        let mut list = self.lock();
        if let Some(known) = list.known.iter_mut().find(|known| known.url == url) {
            if !title.is_empty() {
                title.clone_into(&mut known.title);
            }
            return known.id;
        }
        list.add(url, title)
    }

    /// A new number for a page whose address may have one already.
    pub(super) fn fresh(&self, url: &str) -> u32 {
        self.lock().add(url, "")
    }

    /// What a number means.
    pub fn get(&self, id: u32) -> Option<Citation> {
        self.lock().known.iter().find(|known| known.id == id).cloned()
    }

    /// What is said of a number that means nothing, where these are open.
    pub(super) fn unknown(&self, id: u32, open: &[u32]) -> String {
        let line = |id: &u32| {
            let known = self.get(*id).unwrap_or_else(|| Citation { id: *id, url: String::new(), title: String::new() });
            format!("[{}] {} {}", known.id, super::page::line(&known.url, 300), known.title)
        };
        let open: Vec<String> = open.iter().map(line).collect();
        if open.is_empty() {
            format!("there is no page {id}, and none is open; give a url")
        } else {
            format!("there is no page {id}; open pages are:\n{}", open.join("\n"))
        }
    }

    /// A page is at another address now.
    pub fn moved(&self, id: u32, url: &str, title: &str) {
        let mut list = self.lock();
        if let Some(known) = list.known.iter_mut().find(|known| known.id == id) {
            url.clone_into(&mut known.url);
            title.clone_into(&mut known.title);
        }
    }

    /// All of it as JSON.
    pub fn save(&self) -> Vec<u8> {
        // Numbers and texts always serialize.
        serde_json::to_vec_pretty(&List { version: 1, ..self.lock().clone() }).unwrap_or_default()
    }

    /// Replaces all by what was saved; by nothing where that cannot be read.
    pub fn load(&self, saved: Option<&[u8]>) {
        *self.lock() = saved.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_number_and_a_number_is_never_given_again() {
        let citations = Citations::default();
        assert_eq!((citations.of("http://a/", "A"), citations.of("http://b/", "")), (1, 2));
        assert_eq!(citations.of("http://a/", ""), 1);
        assert_eq!(citations.get(1).map(|known| known.title), Some("A".to_owned()));
        citations.moved(2, "http://c/", "C");
        assert_eq!((citations.of("http://b/", ""), citations.of("http://c/", "")), (3, 2));
        let other = Citations::default();
        other.load(Some(&citations.save()));
        assert_eq!(other.of("http://new/", ""), 4);
        other.load(None);
        assert_eq!(other.get(1), None);
    }
}
