//! Finds the band of rows that is best scrolled instead of written again.

use super::Glyph;

/// A band of rows to scroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    /// First row.
    pub(super) top: usize,
    /// The row after the last.
    pub(super) bottom: usize,
    /// By how many rows.
    pub(super) by: usize,
    /// Whether the text moves up.
    pub(super) up: bool,
}

/// Farthest scroll that is looked for. Farther ones are jumps of a person, and rare.
const FARTHEST: usize = 12;
/// Cells of a row's beginning by which it is recognised.
const HEAD: usize = 24;
/// Cells that a scroll must save to be worth its own sequences (about twenty bytes).
const WORTH: i64 = 32;

/// The best band, if one is worth it.
pub(super) fn find(shown: &[Glyph], target: &[Glyph], width: usize) -> Option<Band> {
    if width == 0 {
        return None;
    }
    let height = target.len() / width;
    let differing = |a: usize, b: usize| -> i64 {
        let (left, right) = (&target[a * width..(a + 1) * width], &shown[b * width..(b + 1) * width]);
        left.iter().zip(right).filter(|(l, r)| l != r).count() as i64
    };
    let filled: Vec<i64> = (0..height)
        .map(|y| target[y * width..(y + 1) * width].iter().filter(|glyph| !glyph.is_blank()).count() as i64)
        .collect();
    let now: Vec<i64> = (0..height).map(|y| differing(y, y)).collect();
    if now.iter().sum::<i64>() <= WORTH {
        return None;
    }
    let mut best: Option<(i64, Band)> = None;
    for by in 1..=FARTHEST.min(height.saturating_sub(1)) {
        for up in [true, false] {
            if !plausible(shown, target, width, by, up) {
                continue;
            }
            // Rows y of the target that would come from rows y + by (up) or y - by (down) of what is shown.
            let (first, last) = if up { (0, height - by) } else { (by, height) };
            // The best run of such rows (Kadane), by cells saved.
            let mut run = first;
            let mut sum = 0;
            for y in first..last {
                let from = if up { y + by } else { y - by };
                sum += now[y] - differing(y, from);
                if sum <= 0 {
                    run = y + 1;
                    sum = 0;
                    continue;
                }
                // Rows that scroll in are blank and must be written whole.
                let (top, bottom, fresh) =
                    if up { (run, y + 1 + by, y + 1..y + 1 + by) } else { (run - by, y + 1, run - by..run) };
                let cost: i64 = fresh.map(|y| filled[y] - now[y]).sum();
                let saved = sum - cost;
                if saved > WORTH && best.as_ref().is_none_or(|(most, _)| saved > *most) {
                    best = Some((saved, Band { top, bottom, by, up }));
                }
            }
        }
    }
    best.map(|(_, band)| band)
}

/// Whether the beginnings of at least two rows with text stand that far from where they were: a cheap look before the
/// costs are counted.
fn plausible(shown: &[Glyph], target: &[Glyph], width: usize, by: usize, up: bool) -> bool {
    let height = target.len() / width;
    let head = width.min(HEAD);
    let matches = (0..height - by).filter(|y| {
        let (to, from) = if up { (*y, y + by) } else { (y + by, *y) };
        let (to, from) = (to * width, from * width);
        let words = &target[to..to + head];
        words == &shown[from..from + head] && words.iter().any(|glyph| !glyph.is_blank())
    });
    matches.take(2).count() == 2
}
