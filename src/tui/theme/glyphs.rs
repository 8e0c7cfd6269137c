//! The glyphs: one set for terminals with Unicode, one of ASCII.

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
    /// Heights within a cell, from none to all of it.
    pub levels: &'static [&'static str],
    /// The snapshot graph.
    pub graph: GraphGlyphs,
    /// Tables.
    pub table: TableGlyphs,
}

pub(super) static UNICODE: Glyphs = Glyphs {
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
    levels: &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    graph: GraphGlyphs { vertical: "│", right: "├", corner_down: "╮", corner_up: "╯", line: "─" },
    table: TableGlyphs { vertical: "│", horizontal: "─", cross: "┼" },
};

pub(super) static ASCII: Glyphs = Glyphs {
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
    levels: &[" ", "_", "="],
    graph: GraphGlyphs { vertical: "|", right: "|", corner_down: "\\", corner_up: "/", line: "-" },
    table: TableGlyphs { vertical: "|", horizontal: "-", cross: "+" },
};
