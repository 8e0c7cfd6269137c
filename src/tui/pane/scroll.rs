//! Scrolling through items of different heights without knowing the heights of all of them.
//!
//! A position is an item and a row in it. Only the items between the old and the new position are asked for their
//! height, so a long conversation costs no more than a short one.

/// The row at the top of the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Anchor {
    /// Index of the item.
    pub item: usize,
    /// Row in the item.
    pub row: usize,
}

/// The position that shows the last row at the bottom of an area of `height` rows; the beginning if all fits.
pub fn end(height: usize, items: usize, mut rows: impl FnMut(usize) -> usize) -> Anchor {
    let mut left = height;
    for item in (0..items).rev() {
        let own = rows(item);
        if own >= left {
            return Anchor { item, row: own - left };
        }
        left -= own;
    }
    Anchor::default()
}

/// The position `by` rows further up.
pub fn up(from: Anchor, by: usize, mut rows: impl FnMut(usize) -> usize) -> Anchor {
    let mut at = from;
    let mut left = by;
    loop {
        if at.row >= left {
            at.row -= left;
            return at;
        }
        left -= at.row;
        if at.item == 0 {
            return Anchor::default();
        }
        at.item -= 1;
        at.row = rows(at.item);
    }
}

/// The position `by` rows further down, at most `limit`.
pub fn down(from: Anchor, by: usize, limit: Anchor, mut rows: impl FnMut(usize) -> usize) -> Anchor {
    let mut at = from;
    let mut left = by;
    while at < limit {
        let own = rows(at.item);
        if at.row + left < own {
            at.row += left;
            break;
        }
        left -= own.saturating_sub(at.row).min(left);
        at = Anchor { item: at.item + 1, row: 0 };
    }
    at.min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_move_over_items() {
        let heights = [3, 1, 5, 2];
        let rows = |item: usize| heights[item];
        let at = |item, row| Anchor { item, row };
        let last = end(4, 4, rows);
        assert_eq!(last, at(2, 3));
        assert_eq!(end(11, 4, rows), at(0, 0));
        assert_eq!(end(100, 4, rows), at(0, 0));
        assert_eq!(up(last, 4, rows), at(1, 0));
        assert_eq!(up(last, 100, rows), at(0, 0));
        assert_eq!(down(at(0, 0), 3, last, rows), at(1, 0));
        assert_eq!(down(at(0, 2), 3, last, rows), at(2, 1));
        assert_eq!(down(at(0, 0), 100, last, rows), last);
    }
}
