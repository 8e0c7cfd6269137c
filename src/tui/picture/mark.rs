//! Which picture a cell of the screen belongs to.
//!
//! As with links, a number travels in the cell's underline colour, which the screen uses for nothing else: the slot of
//! the picture, and the cell's column and row in it. What is drawn over the picture has no such number or another
//! letter, so what is still to be seen of the picture can be read from the screen itself.

use ratatui::buffer::Cell;
use ratatui::style::Color;

/// Pictures that can be told apart.
pub(super) const SLOTS: usize = 128;

/// Where a cell belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The picture.
    pub slot: u8,
    /// Column within it.
    pub column: u8,
    /// Row within it.
    pub row: u8,
}

/// The number of a cell, as a colour; the highest bit tells it from those of links.
pub(super) fn of(slot: u8, column: u8, row: u8) -> Color {
    Color::Rgb(0x80 | (slot & 0x7f), row, column)
}

/// Where a cell belongs, if it shows a part of a picture.
pub fn read(cell: &Cell) -> Option<Mark> {
    match cell.underline_color {
        Color::Rgb(first, row, column) if first & 0x80 != 0 && cell.symbol() == "\u{2580}" => {
            Some(Mark { slot: first & 0x7f, column, row })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::text::link;

    #[test]
    fn marks_are_read_back_and_are_no_links() {
        let mut cell = Cell::new("\u{2580}");
        cell.underline_color = of(127, 255, 3);
        assert_eq!(read(&cell), Some(Mark { slot: 127, column: 255, row: 3 }));
        assert_eq!(link::number_in(cell.underline_color), 0);
        // Something was drawn over it.
        cell.set_symbol("x");
        assert_eq!(read(&cell), None);
        assert_eq!(read(&Cell::EMPTY), None);
        assert_eq!(link::number_in(of(0, 0, 0)), 0);
    }
}
