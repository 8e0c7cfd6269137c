//! The only maker of styles: the terminal's own sixteen colours, or none at all.
//!
//! Colour says state and is always doubled by a glyph or a word, so a screen reads the same without it. True colours
//! are not used: the terminal's own sixteen fit whatever background the user has chosen.

use ratatui::style::{Color, Modifier, Style};

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

/// Glyphs of the snapshot graph.
#[derive(Debug, PartialEq, Eq)]
pub struct GraphGlyphs {
    /// A branch that goes on.
    pub vertical: &'static str,
    /// A branch that has another one at its right.
    pub right: &'static str,
    /// The corner where a branch begins.
    pub corner_down: &'static str,
    /// The corner where a branch joins.
    pub corner_up: &'static str,
    /// The line between a branch and its corner.
    pub line: &'static str,
}

/// Glyphs of tables in replies.
#[derive(Debug, PartialEq, Eq)]
pub struct TableGlyphs {
    /// Between columns.
    pub vertical: &'static str,
    /// Under the heading.
    pub horizontal: &'static str,
    /// Where both cross.
    pub cross: &'static str,
}

/// Every glyph that is not a letter. Each is one cell wide unless it says otherwise.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Done.
    pub done: &'static str,
    /// Failed.
    pub failed: &'static str,
    /// Waiting for the user.
    pub waiting: &'static str,
    /// Stopped by the user.
    pub cancelled: &'static str,
    /// Not begun.
    pub pending: &'static str,
    /// Something folded.
    pub folded: &'static str,
    /// Something unfolded.
    pub unfolded: &'static str,
    /// The head of the session.
    pub head: &'static str,
    /// A node of the session.
    pub node: &'static str,
    /// A mark that the user set.
    pub marked: &'static str,
    /// Before a number of added things.
    pub added: &'static str,
    /// Before a number of removed things.
    pub removed: &'static str,
    /// Before a number of changed things.
    pub changed: &'static str,
    /// Before an item of a list.
    pub bullet: &'static str,
    /// Before quoted text and between panes.
    pub vertical: &'static str,
    /// Between rows of panes, and rules.
    pub horizontal: &'static str,
    /// Instead of what does not fit.
    pub ellipsis: &'static str,
    /// Between parts of a line, spaces included.
    pub separator: &'static str,
    /// Before the composer's first line.
    pub prompt: &'static str,
    /// Before a number of tokens that were sent.
    pub up: &'static str,
    /// Before a number of tokens that came back.
    pub down: &'static str,
    /// The spinner's four frames.
    pub spinner: [&'static str; 4],
    /// The snapshot graph.
    pub graph: GraphGlyphs,
    /// Tables.
    pub table: TableGlyphs,
}

static UNICODE: Glyphs = Glyphs {
    done: "✓",
    failed: "✗",
    waiting: "?",
    cancelled: "⊘",
    pending: "○",
    folded: "▸",
    unfolded: "▾",
    head: "●",
    node: "○",
    marked: "◆",
    added: "+",
    removed: "−",
    changed: "~",
    bullet: "•",
    vertical: "│",
    horizontal: "─",
    ellipsis: "…",
    separator: " · ",
    prompt: ">",
    up: "↑",
    down: "↓",
    spinner: ["◐", "◓", "◑", "◒"],
    graph: GraphGlyphs { vertical: "│", right: "├", corner_down: "╮", corner_up: "╯", line: "─" },
    table: TableGlyphs { vertical: "│", horizontal: "─", cross: "┼" },
};

static ASCII: Glyphs = Glyphs {
    done: "+",
    failed: "x",
    waiting: "?",
    cancelled: "-",
    pending: "o",
    folded: ">",
    unfolded: "v",
    head: "@",
    node: "o",
    marked: "*",
    added: "+",
    removed: "-",
    changed: "~",
    bullet: "*",
    vertical: "|",
    horizontal: "-",
    ellipsis: "...",
    separator: " | ",
    prompt: ">",
    up: "^",
    down: "v",
    spinner: ["*", "+", "*", "x"],
    graph: GraphGlyphs { vertical: "|", right: "|", corner_down: "\\", corner_up: "/", line: "-" },
    table: TableGlyphs { vertical: "|", horizontal: "-", cross: "+" },
};

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
