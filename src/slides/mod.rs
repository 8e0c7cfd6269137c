//! Slides: an HTML page whose `.ppt-slide` elements become the slides of a PPTX file.
//!
//! ```text
//! page ──┬─ a browser: look (load, Tailwind, measure, picture) ─> measured ─> compose, lines ─┬─> deck ─> write ─> bytes
//!        └─ none:      plain (titles, text, lists, tables in places of their own) ─────────────┘
//! ```
//!
//! Text stays text: what the browser laid out is measured and written as shapes at the same places. Only what has no native
//! form becomes a picture, and that of its box alone. The page, and all that it tells, is untrusted.

mod compose;
mod deck;
mod files;
mod lines;
mod look;
mod measured;
mod outline;
mod plain;
mod tailwind;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crate::browser::{Browser, BrowserError, Program, Surroundings};
use crate::workspace::{ConfinedPath, Workspace};
use compose::Pictures;
use deck::Deck;
use files::Files;
use look::Seen;
use measured::Item;
use tailwind::Version;

pub use outline::SlideOutline;
pub use write::is_own;

/// Bytes of a page.
pub const MOST_HTML: usize = 8 << 20;
/// How long the browser may take for a deck.
const LIMIT: Duration = Duration::from_secs(240);

/// A page that is to become slides.
#[derive(Debug)]
pub struct Source {
    /// The page.
    pub html: String,
    /// The files that it may refer to.
    pub workspace: Workspace,
    /// The folder that its addresses begin at.
    pub folder: ConfinedPath,
    /// What the deck is made of, so that it may be replaced when that changes.
    pub name: String,
}

/// A deck that was made.
#[derive(Debug, Default)]
pub struct Made {
    /// The PPTX file.
    pub bytes: Vec<u8>,
    /// The title of the page.
    pub title: String,
    /// What it was made of, as the source had it.
    pub source: String,
    /// Its slides in words.
    pub slides: Vec<SlideOutline>,
    /// What is to be known of the deck as a whole.
    pub told: Vec<String>,
    /// Each slide as JPEG, where a browser has shown it.
    pub pages: Vec<Vec<u8>>,
    /// Slides beside each other as JPEG.
    pub sheets: Vec<Vec<u8>>,
}

/// Why no deck was made.
#[derive(Debug, thiserror::Error)]
pub enum SlidesError {
    /// The page has no slides.
    #[error(
        "there is no element with the class ppt-slide: give each slide as <div class=\"ppt-slide\">, 1024 by 576 pixels"
    )]
    NoSlides,
    /// The browser did not get that far.
    #[error("{0}")]
    Browser(#[from] BrowserError),
    /// The file was not put together.
    #[error("the PPTX file was not put together: {0}")]
    Write(String),
}

/// Makes a deck with a browser.
pub async fn with_browser(
    source: Source,
    browser: &Browser,
    program: &Program,
    surroundings: &Surroundings,
) -> Result<Made, SlidesError> {
    let version = Version::of(&source.html);
    let (files, name) = (Arc::new(files_of(&source)?), source.name);
    let looked = look::look(browser, program, surroundings, Arc::clone(&files), version);
    let seen = tokio::time::timeout(LIMIT, looked).await.unwrap_or_else(|_| {
        Err(BrowserError::Slow(format!(
            "the page kept the browser busy for {} s; the call was given up",
            LIMIT.as_secs()
        )))
    })?;
    if seen.measured.slides.is_empty() {
        return Err(SlidesError::NoSlides);
    }
    tokio::task::spawn_blocking(move || composed(seen, &name))
        .await
        .map_err(|error| SlidesError::Write(error.to_string()))?
}

fn files_of(source: &Source) -> Result<Files, SlidesError> {
    Files::new(source.workspace.clone(), source.folder.clone(), &source.html)
        .ok_or_else(|| SlidesError::Write("the page's folder has no address".to_owned()))
}

fn composed(seen: Seen, name: &str) -> Result<Made, SlidesError> {
    let Seen { measured, files, shots, pages, sheets, mut told, failed } = seen;
    let deck = compose::compose(&measured, Pictures { files: &files, shots });
    let mut made = finished(&deck, name)?;
    for (outline, slide) in made.slides.iter_mut().zip(&measured.slides) {
        let pics = slide.items.iter().filter_map(|item| match item {
            Item::Pic(pic) if pic.id >= 0 && !pic.content => Some(format!("a picture instead of a shape: {}", pic.why)),
            Item::Pic(pic) if pic.id < 0 => Some(format!("left out, as it can only be a picture here: {}", pic.why)),
            _ => None,
        });
        for line in pics.chain(slide.told.iter().cloned()) {
            if !outline.told.contains(&line) && outline.told.len() < 10 {
                outline.told.push(line);
            }
        }
        let (right, below) = (slide.over.0.0, slide.over.1.0);
        if right > 2.0 || below > 2.0 {
            let mut parts = Vec::new();
            if right > 2.0 {
                parts.push(format!("{right:.0} pixels beyond its right edge"));
            }
            if below > 2.0 {
                parts.push(format!("{below:.0} pixels beyond its lower edge"));
            }
            outline.told.push(format!("what is on it reaches {}", parts.join(" and ")));
        }
    }
    told.extend(measured.told);
    if !measured.missing.is_empty() {
        told.push(format!(
            "fonts that are not installed here: {}; their text was measured and is written in the next font of its list",
            measured.missing.join(", ")
        ));
    }
    // What Tailwind would take from itself is no file.
    for address in failed.iter().filter(|address| !address.ends_with("/tailwindcss")) {
        told.push(format!("not loaded: {}", Files::shown(address)));
    }
    (made.told, made.pages, made.sheets) = (told, pages, sheets);
    Ok(made)
}

/// Makes a deck of what the markup says alone. Blocks.
pub fn without_browser(source: &Source) -> Result<Made, SlidesError> {
    let deck = plain::deck(&source.html, &files_of(source)?);
    if deck.slides.is_empty() {
        return Err(SlidesError::NoSlides);
    }
    finished(&deck, &source.name)
}

fn finished(deck: &Deck, name: &str) -> Result<Made, SlidesError> {
    let bytes = write::pptx(deck, name).map_err(|error| SlidesError::Write(error.to_string()))?;
    Ok(Made { bytes, title: deck.title.clone(), source: name.to_owned(), slides: outline::of(deck), ..Made::default() })
}
