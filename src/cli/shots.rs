//! Pictures of pages that were made for the screen, kept in memory for as long as they are among the latest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::support::hash;
use crate::tools::WINDOWS;
use crate::tui::preview::Sheet;

/// How screens name such a picture: this, and the SHA-256 of its bytes.
pub(super) const SHOT: &str = "page:";
/// Pages whose pictures are kept.
const MOST: usize = 16;

/// The pictures. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Shots(Arc<Mutex<VecDeque<Page>>>);

#[derive(Debug)]
struct Page {
    key: String,
    sheets: Vec<Sheet>,
    pictures: Vec<Arc<[u8]>>,
}

impl Shots {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pictures of a page: what it is known by tells one version of it from another.
    pub(super) fn get(&self, key: &str) -> Option<Vec<Sheet>> {
        self.lock().iter().find(|page| page.key == key).map(|page| page.sheets.clone())
    }

    /// Keeps the pictures of a page, one for each window.
    pub(super) fn keep(&self, key: String, pictures: Vec<Vec<u8>>) -> Vec<Sheet> {
        let sheet = |((label, (width, height)), bytes): (&(&str, (u32, u32)), &Vec<u8>)| Sheet {
            label: format!("{label}, {width}x{height}"),
            picture: format!("{SHOT}{}", hash::sha256(bytes)),
        };
        let sheets: Vec<Sheet> = WINDOWS.iter().zip(&pictures).map(sheet).collect();
        let mut pages = self.lock();
        pages.retain(|page| page.key != key);
        pages.push_back(Page { key, sheets: sheets.clone(), pictures: pictures.into_iter().map(Arc::from).collect() });
        if pages.len() > MOST {
            pages.pop_front();
        }
        sheets
    }

    /// The bytes of a picture by its name.
    pub(super) fn bytes(&self, name: &str) -> Option<Arc<[u8]>> {
        let pages = self.lock();
        let mut all = pages.iter().flat_map(|page| page.sheets.iter().zip(&page.pictures));
        all.find(|(sheet, _)| sheet.picture == name).map(|(_, bytes)| Arc::clone(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_pages_are_kept_each_in_its_latest_version() {
        let shots = Shots::default();
        let sheets = shots.keep("a".to_owned(), vec![b"wide".to_vec(), b"small".to_vec()]);
        let labels: Vec<&str> = sheets.iter().map(|sheet| sheet.label.as_str()).collect();
        assert_eq!(labels, ["desktop, 1280x800", "phone, 390x844"]);
        assert_eq!(shots.bytes(&sheets[1].picture).as_deref(), Some(&b"small"[..]));
        assert_eq!(shots.get("a"), Some(sheets.clone()));
        shots.keep("a".to_owned(), vec![b"other".to_vec()]);
        assert!(shots.bytes(&sheets[0].picture).is_none());
        for n in 0..MOST {
            shots.keep(n.to_string(), vec![b"x".to_vec()]);
        }
        assert!(shots.get("a").is_none() && shots.get("0").is_some());
    }
}
