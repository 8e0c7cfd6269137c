//! The terminal's pen: colours and attributes, written as the shortest SGR sequence.

use std::io::Write as _;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

use crate::tui::text::link;

/// Modifiers that change how a blank cell looks.
const SEEN_ON_BLANKS: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT).union(Modifier::SLOW_BLINK);

/// Colours and attributes of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
    /// Number of the address that the cell leads to (see `text::link`); nought for none.
    pub(super) link: u32,
}

/// Attributes: the modifier, the number that sets it, the number that takes it away.
const ATTRIBUTES: [(Modifier, u8, u8); 8] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

impl Pen {
    pub(super) const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty(), link: 0 };

    /// The pen of a cell, with its link where the terminal takes links.
    pub(super) fn of(cell: &Cell, links: bool) -> Self {
        let link = if links { link::number_in(cell.underline_color) } else { 0 };
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier, link }
    }

    /// The pen as far as it is seen on a blank cell.
    pub(super) fn for_blank(self) -> Self {
        let modifier = self.modifier & SEEN_ON_BLANKS;
        let fg = if modifier.is_empty() { Color::Reset } else { self.fg };
        let link = if modifier.is_empty() { 0 } else { self.link };
        Self { fg, bg: self.bg, modifier, link }
    }

    /// Writes what turns `before` into this pen; `None` is not known.
    pub(super) fn write_after(self, before: Option<Self>, out: &mut Vec<u8>) {
        if before.is_none_or(|before| before.link != self.link) {
            match link::address(self.link) {
                // Pieces of one link that stand apart, on rows of their own, belong together by their id.
                Some(address) => {
                    let _ = write!(out, "\x1b]8;id={};{address}\x1b\\", self.link);
                }
                None if before.is_some() => out.extend_from_slice(b"\x1b]8;;\x1b\\"),
                None => {}
            }
        }
        if before.is_some_and(|before| Self { link: self.link, ..before } == self) {
            return;
        }
        let fresh = self.after_plain();
        let params = match before {
            Some(before) => {
                let change = self.after(before);
                // A reset is one parameter more, except that a plain pen needs none at all.
                let reset = if fresh.is_empty() { 0 } else { fresh.len() + 2 };
                if change.len() <= reset { change } else { reset_and(&fresh) }
            }
            None => reset_and(&fresh),
        };
        let _ = write!(out, "\x1b[{params}m");
    }

    fn after_plain(self) -> String {
        self.after(Self::PLAIN)
    }

    fn after(self, before: Self) -> String {
        let mut params: Vec<String> = Vec::new();
        let mut left = before.modifier;
        let removed = before.modifier - self.modifier;
        for (modifier, _, off) in ATTRIBUTES {
            if removed.contains(modifier) && left.contains(modifier) {
                params.push(off.to_string());
                left.remove(modifier);
                if off == 22 {
                    // Bold and dim are taken away together.
                    left.remove(Modifier::BOLD | Modifier::DIM);
                }
            }
        }
        for (modifier, on, _) in ATTRIBUTES {
            if self.modifier.contains(modifier) && !left.contains(modifier) {
                params.push(on.to_string());
            }
        }
        if self.fg != before.fg {
            params.push(colour(self.fg, 0));
        }
        if self.bg != before.bg {
            params.push(colour(self.bg, 10));
        }
        params.join(";")
    }
}

fn reset_and(params: &str) -> String {
    if params.is_empty() { String::new() } else { format!("0;{params}") }
}

fn colour(colour: Color, offset: u8) -> String {
    match colour {
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", 38 + offset),
        Color::Indexed(index) => format!("{};5;{index}", 38 + offset),
        other => sixteen(other).map_or(39 + offset, |number| number + offset).to_string(),
    }
}

/// SGR number of one of the sixteen colours, for the foreground.
fn sixteen(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}
