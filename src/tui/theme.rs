//! The only maker of styles: the terminal's own sixteen colours, or none at all.
//!
//! Colour says state and is always doubled by a glyph or a word, so a screen reads the same without it. True colours
//! are not used: the terminal's own sixteen fit whatever background the user has chosen.

use ratatui::style::{Color, Modifier, Style};

use crate::support::sanitize::sgr::{Colour, Look};

mod glyphs;

use glyphs::{ASCII, UNICODE};
pub use glyphs::{Glyphs, GraphGlyphs, TableGlyphs};

/// Which colours and glyphs the screen may use. Small and `Copy`, so that it can be part of a cache's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Theme {
    colours: bool,
    ascii: bool,
}

/// What a piece of source code is, for highlighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// A comment.
    Comment,
    /// A keyword.
    Keyword,
    /// A string or character literal.
    String,
    /// A number or another constant.
    Number,
    /// The name of a type.
    Type,
    /// The name of a function.
    Function,
    /// Anything else.
    Plain,
}

impl Theme {
    /// A theme with or without colours, with or without glyphs beyond ASCII.
    pub const fn new(colours: bool, ascii: bool) -> Self {
        Self { colours, ascii }
    }

    /// Whether colours are used.
    pub const fn has_colours(self) -> bool {
        self.colours
    }

    /// Whether glyphs are ASCII only.
    pub const fn is_ascii(self) -> bool {
        self.ascii
    }

    /// The glyphs.
    pub fn glyphs(self) -> &'static Glyphs {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Content.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Secondary content.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The one thing that is current.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Done.
    pub fn ok(self) -> Style {
        self.colour(Color::Green)
    }

    /// Failed.
    pub fn error(self) -> Style {
        self.colour(Color::Red)
    }

    /// Something that must be seen, such as a missing sandbox.
    pub fn alarm(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Waiting for the user, or for a retry.
    pub fn waiting(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// What can be acted on.
    pub fn hint(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// The agent.
    pub fn agent(self) -> Style {
        self.colour(Color::Magenta)
    }

    /// A heading.
    pub fn heading(self) -> Style {
        self.strong()
    }

    /// Emphasis in a reply.
    pub fn emphasis(self) -> Style {
        Style::new().add_modifier(Modifier::ITALIC)
    }

    /// A link.
    pub fn link(self) -> Style {
        self.hint().add_modifier(Modifier::UNDERLINED)
    }

    /// Code within a line.
    pub fn code(self) -> Style {
        self.hint()
    }

    /// An added line of a difference.
    pub fn added(self) -> Style {
        self.ok()
    }

    /// A removed line of a difference.
    pub fn removed(self) -> Style {
        self.error()
    }

    /// The row under the selection of the focused pane.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The row under the selection of another pane.
    pub fn selected_idle(self) -> Style {
        self.strong()
    }

    /// A place that a search has found.
    pub fn found(self) -> Style {
        self.waiting().add_modifier(Modifier::REVERSED)
    }

    /// What a program has printed, as it wants it, as far as it can be read: letters of the colour behind them are shown.
    pub fn program(self, look: Look) -> Style {
        let mut style = Style::new();
        let switches = [
            (look.bold, Modifier::BOLD),
            (look.dim, Modifier::DIM),
            (look.italic, Modifier::ITALIC),
            (look.underline, Modifier::UNDERLINED),
            (look.reverse, Modifier::REVERSED),
            (look.strike, Modifier::CROSSED_OUT),
        ];
        for (_, modifier) in switches.into_iter().filter(|(on, _)| *on) {
            style = style.add_modifier(modifier);
        }
        if self.colours && look.fg != look.bg {
            style.fg = look.fg.map(colour_of);
            style.bg = look.bg.map(colour_of);
        }
        style
    }

    /// A piece of source code.
    pub fn syntax(self, what: Syntax) -> Style {
        match what {
            Syntax::Comment => self.dim(),
            Syntax::Keyword => self.colour(Color::Magenta),
            Syntax::String => self.colour(Color::Green),
            Syntax::Number => self.colour(Color::Yellow),
            Syntax::Type => self.colour(Color::Cyan),
            Syntax::Function => self.colour(Color::Blue),
            Syntax::Plain => self.text(),
        }
    }
}

fn colour_of(colour: Colour) -> Color {
    const OWN: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    match colour {
        Colour::Sixteen(number) => OWN[usize::from(number % 16)],
        Colour::Table(number) => Color::Indexed(number),
        Colour::True(r, g, b) => Color::Rgb(r, g, b),
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::new(true, false)
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn without_colours_no_style_has_one() {
        let theme = Theme::new(false, false);
        let styles = [
            theme.ok(),
            theme.error(),
            theme.alarm(),
            theme.waiting(),
            theme.hint(),
            theme.agent(),
            theme.link(),
            theme.code(),
            theme.added(),
            theme.removed(),
            theme.selected(),
            theme.found(),
            theme.syntax(Syntax::Keyword),
        ];
        for style in styles {
            assert!(style.fg.is_none() && style.bg.is_none(), "{style:?}");
        }
    }

    #[test]
    fn the_ascii_set_is_ascii_and_glyphs_are_one_cell_wide() {
        for theme in [Theme::new(true, false), Theme::new(true, true)] {
            let g = theme.glyphs();
            let single = [
                g.done,
                g.failed,
                g.waiting,
                g.cancelled,
                g.pending,
                g.folded,
                g.unfolded,
                g.head,
                g.node,
                g.marked,
                g.added,
                g.removed,
                g.changed,
                g.bullet,
                g.vertical,
                g.horizontal,
                g.prompt,
                g.up,
                g.down,
            ];
            for glyph in single.into_iter().chain(g.spinner) {
                assert_eq!(glyph.width(), 1, "{glyph}");
                assert!(!theme.is_ascii() || glyph.is_ascii(), "{glyph}");
            }
        }
        assert!(ASCII.ellipsis.is_ascii() && ASCII.separator.is_ascii());
    }
}
