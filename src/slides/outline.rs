//! What a deck says, slide by slide, for who made it.

use super::deck::{Deck, Kind, Slide};
use crate::support::truncate;

/// Lines of a slide that are told, and letters of each.
const MOST_LINES: usize = 6;
const MOST_LETTERS: usize = 90;

/// One slide in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlideOutline {
    /// Its title, or what is largest on it.
    pub title: String,
    /// What it says besides, shortened.
    pub lines: Vec<String>,
    /// How many lines were left out.
    pub more: usize,
    /// What did not come out as the page has it.
    pub told: Vec<String>,
}

/// The slides of a deck in words.
pub(super) fn of(deck: &Deck) -> Vec<SlideOutline> {
    deck.slides.iter().map(slide).collect()
}

fn slide(slide: &Slide) -> SlideOutline {
    let mut lines: Vec<(String, f64)> = Vec::new();
    for shape in &slide.shapes {
        match &shape.kind {
            Kind::Text(text) => {
                for one in &text.paragraphs {
                    let size = one.runs.iter().map(|run| run.style.size).fold(0.0, f64::max);
                    lines.push((line(&one.words()), size));
                }
            }
            Kind::Table(table) => {
                for row in 0..table.rows.len() {
                    let cells = table.cells.iter().filter(|cell| cell.row == row);
                    let cells: Vec<String> = cells
                        .map(|cell| cell.paragraphs.iter().map(|one| line(&one.words())).collect::<Vec<_>>().join(" "))
                        .collect();
                    lines.push((cells.join(" | "), 0.0));
                }
            }
            Kind::Form(_) | Kind::Picture(_) => {}
        }
    }
    lines.retain(|(text, _)| !text.is_empty());
    let title = if slide.title.is_empty() {
        let largest = lines.iter().max_by(|one, two| one.1.total_cmp(&two.1));
        largest.map(|(text, _)| text.clone()).unwrap_or_default()
    } else {
        line(&slide.title)
    };
    if let Some(at) = lines.iter().position(|(text, _)| *text == title) {
        lines.remove(at);
    }
    let more = lines.len().saturating_sub(MOST_LINES);
    let short = |text: &str| truncate::cells(text, MOST_LETTERS, "…");
    let lines = lines.iter().take(MOST_LINES).map(|(text, _)| short(text)).collect();
    SlideOutline { title: short(&title), lines, more, told: Vec::new() }
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
