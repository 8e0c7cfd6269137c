//! The columns of the graph: one lane for each line of descent.
//!
//! Nodes come newest first. A lane waits for the parent of the node drawn last in it; where several lanes wait for the
//! same node, they join at its row:
//!
//! ```text
//! ●      8f3a21c0            lane 0 waits for 1c99
//! │ ○    77aa10de            a tip of its own: lane 1 begins, and waits for 1c99 too
//! ○ │    51be09aa
//! ○─╯    1c99d2f7            both lanes end here
//! ```
//!
//! A lane begins with its node's own glyph; a line that comes down from its neighbour would say that one descends
//! from the other.

use crate::protocol::{NodeId, NodeSummary};
use crate::tui::theme::Theme;

/// Lanes that are drawn; further ones would leave no room for the words.
const MOST_LANES: usize = 8;

/// What stands in one cell pair of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Empty,
    /// A lane that passes.
    Lane,
    /// The node of the row.
    Node,
    /// A lane that ends here and joins the node.
    Join,
}

/// The cells of each node's row.
pub(super) fn rows(nodes: &[&NodeSummary]) -> Vec<Vec<Cell>> {
    let mut lanes: Vec<Option<&NodeId>> = Vec::new();
    let mut out = Vec::with_capacity(nodes.len());
    for node in nodes {
        let waiting: Vec<usize> = (0..lanes.len()).filter(|lane| lanes[*lane] == Some(&node.id)).collect();
        let own = match waiting.first() {
            Some(lane) => *lane,
            None => lanes.iter().position(Option::is_none).unwrap_or_else(|| {
                lanes.push(None);
                lanes.len() - 1
            }),
        };
        let cells = (0..lanes.len())
            .map(|lane| match lanes[lane] {
                _ if lane == own => Cell::Node,
                Some(_) if waiting.contains(&lane) => Cell::Join,
                Some(_) => Cell::Lane,
                None => Cell::Empty,
            })
            .collect();
        out.push(cells);
        for lane in waiting {
            lanes[lane] = None;
        }
        lanes[own] = node.parent.as_ref();
        while lanes.last().is_some_and(Option::is_none) {
            lanes.pop();
        }
    }
    out
}

/// The widest row, in cells of the screen.
pub(super) fn width(rows: &[Vec<Cell>]) -> usize {
    rows.iter().map(Vec::len).max().unwrap_or(1).clamp(1, MOST_LANES) * 2 - 1
}

/// A row as text before, at and after its node, padded to `width`.
pub(super) fn text(cells: &[Cell], width: usize, theme: Theme) -> (String, String) {
    let graph = &theme.glyphs().graph;
    let node = cells.iter().position(|cell| *cell == Cell::Node).unwrap_or(0).min(MOST_LANES - 1);
    let last_join = cells.iter().rposition(|cell| *cell == Cell::Join);
    let (mut before, mut after) = (String::new(), String::new());
    for (lane, cell) in cells.iter().enumerate().take(MOST_LANES) {
        let joined = last_join.is_some_and(|last| lane >= node && lane < last);
        let glyph = match cell {
            _ if lane == node => "",
            Cell::Lane | Cell::Node => graph.vertical,
            Cell::Join => graph.corner_up,
            Cell::Empty if joined => graph.line,
            Cell::Empty => " ",
        };
        let out = if lane < node { &mut before } else { &mut after };
        out.push_str(glyph);
        out.push_str(if joined { graph.line } else { " " });
    }
    let used = before.chars().count() + 1 + after.chars().count();
    // The last lane's own gap is not counted in the width.
    let missing = (width + 1).saturating_sub(used);
    after.push_str(&" ".repeat(missing));
    (before, after)
}
