//! Who gets which cells. Pure: sizes in, rectangles out.
//!
//! From 120 columns chat, trace and snapshots stand side by side, from 200 todo list and preview join them; below 120 one pane
//! is shown. When rows are few, the title row and the hints go first, then the rule and the activity; the composer and
//! the last rows of the pane stay.

use ratatui::layout::{Rect, Size};

use super::pane::PaneId;

/// Columns from which three panes are shown.
pub const THREE_PANES: u16 = 120;
/// Columns from which the third column is shown.
pub const THREE_COLUMNS: u16 = 200;

/// A pane's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PanePlace {
    /// Which pane.
    pub pane: PaneId,
    /// Its title row; empty where there is none.
    pub title: Rect,
    /// Its content.
    pub body: Rect,
}

/// The places of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The screen.
    pub area: Rect,
    /// The status row at the top; empty where there is none.
    pub status: Rect,
    /// The panes, in the order of the focus.
    pub panes: Vec<PanePlace>,
    /// Vertical lines between panes, one column wide.
    pub verticals: Vec<Rect>,
    /// Horizontal lines between panes, one row high.
    pub horizontals: Vec<Rect>,
    /// What the machine is doing.
    pub activity: Rect,
    /// The composer.
    pub composer: Rect,
    /// The keys that matter, at the bottom.
    pub hints: Rect,
    /// The rows of all panes together, for what is drawn over them.
    pub body: Rect,
    /// Whether several panes are shown.
    pub wide: bool,
}

/// Width above which a box has a line at either side.
pub const FRAMED: u16 = 20;

/// A centred area of at most this size.
pub fn centred(within: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(within.width), height.min(within.height));
    Rect { x: within.x + (within.width - width) / 2, y: within.y + (within.height - height) / 2, width, height }
}

/// The box of a dialog whose content would like to have so many rows.
pub fn dialog(screen: Rect, rows: u16) -> Rect {
    centred(screen, 100, rows.saturating_add(2))
}

/// The inside of a box, between its lines.
pub fn inside(area: Rect) -> Rect {
    let side = u16::from(area.width > 4) + u16::from(area.width > FRAMED);
    let last = u16::from(area.height > 3);
    Rect {
        x: area.x + side,
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(2 * side),
        height: area.height.saturating_sub(1 + last),
    }
}

/// Places everything. `shown` is the pane of the narrow layout, `zoomed` the one that has the whole body.
pub fn compute(size: Size, shown: PaneId, zoomed: Option<PaneId>, composer_rows: u16) -> Layout {
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let wide = size.width >= THREE_PANES && zoomed.is_none();
    let height = size.height;
    let status_rows = u16::from(height >= 14);
    let hint_rows = u16::from(height >= 14);
    let composer_rows = composer_rows.clamp(1, (height / 3).max(1)).min(height);
    let mut left = height.saturating_sub(status_rows + hint_rows + composer_rows);
    let rule_rows = u16::from(left >= 7);
    left -= rule_rows;
    let activity_rows = u16::from(left >= 4);
    left -= activity_rows;

    let row = |y: u16, height: u16, x: u16, width: u16| Rect { x, y, width, height };
    let status = row(0, status_rows, 0, size.width);
    let hints = row(height - hint_rows, hint_rows, 0, size.width);
    let below = rule_rows + activity_rows + composer_rows;

    let chat_width = if !wide {
        size.width
    } else if size.width >= THREE_COLUMNS {
        size.width * 45 / 100
    } else {
        size.width * 52 / 100
    };
    let top = status_rows;
    let activity = row(top + left, activity_rows, 0, chat_width);
    let rule = row(top + left + activity_rows, rule_rows, 0, chat_width);
    let composer = row(top + left + activity_rows + rule_rows, composer_rows, 0, chat_width);
    let mut layout = Layout {
        area,
        status,
        panes: Vec::new(),
        verticals: Vec::new(),
        horizontals: vec![rule],
        activity,
        composer,
        hints,
        body: row(top, left, 0, size.width),
        wide,
    };
    if !wide {
        let pane = zoomed.unwrap_or(shown);
        // The chat is known by its look.
        let titled = pane != PaneId::Chat && left >= 4;
        layout.panes.push(place(pane, row(top, left, 0, size.width), titled));
        return layout;
    }
    layout.panes.push(place(PaneId::Chat, row(top, left, 0, chat_width), true));
    let full = left + below;
    layout.verticals.push(row(top, full, chat_width, 1));
    let right = chat_width + 1;
    let third_column = size.width >= THREE_COLUMNS;
    let right_width = if third_column { size.width * 33 / 100 } else { size.width - right };
    // The last cell stays empty, so that numbers touch neither a line nor the edge.
    let inset = |pane: PaneId, area: Rect| {
        let whole = place(pane, area, true);
        PanePlace { body: Rect { width: whole.body.width.saturating_sub(1), ..whole.body }, ..whole }
    };
    let trace_rows = (full * 55 / 100).max(3).min(full.saturating_sub(2));
    layout.panes.push(inset(PaneId::Trace, row(top, trace_rows, right, right_width)));
    layout.horizontals.push(row(top + trace_rows, 1, right, right_width));
    let rest = full.saturating_sub(trace_rows + 1);
    layout.panes.push(inset(PaneId::Snapshots, row(top + trace_rows + 1, rest, right, right_width)));
    if third_column {
        let third = right + right_width;
        layout.verticals.push(row(top, full, third, 1));
        let (left, width) = (third + 1, size.width - third - 1);
        let todo_rows = (full * 35 / 100).max(3).min(full.saturating_sub(2));
        layout.panes.push(place(PaneId::Todo, row(top, todo_rows, left, width), true));
        layout.horizontals.push(row(top + todo_rows, 1, left, width));
        let rest = full.saturating_sub(todo_rows + 1);
        layout.panes.push(inset(PaneId::Preview, row(top + todo_rows + 1, rest, left, width)));
    }
    layout.body.height = full;
    layout
}

fn place(pane: PaneId, area: Rect, titled: bool) -> PanePlace {
    let rows = u16::from(titled && area.height > 0);
    PanePlace {
        pane,
        title: Rect { height: rows, ..area },
        body: Rect { y: area.y + rows, height: area.height - rows, ..area },
    }
}

impl Layout {
    /// The place of a pane, if it is on the screen.
    pub fn place(&self, pane: PaneId) -> Option<&PanePlace> {
        self.panes.iter().find(|place| place.pane == pane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(width: u16, height: u16) -> Layout {
        compute(Size { width, height }, PaneId::Chat, None, 1)
    }

    #[test]
    fn three_panes_from_120_columns_five_from_200() {
        let panes = |width| at(width, 36).panes.iter().map(|place| place.pane).collect::<Vec<_>>();
        assert_eq!(panes(119), [PaneId::Chat]);
        assert_eq!(panes(120), [PaneId::Chat, PaneId::Trace, PaneId::Snapshots]);
        assert_eq!(panes(200), PaneId::ALL);
        let zoomed = compute(Size { width: 200, height: 50 }, PaneId::Chat, Some(PaneId::Trace), 1);
        assert_eq!(zoomed.panes.len(), 1);
    }

    #[test]
    fn few_rows_keep_the_composer_and_the_chat() {
        let small = at(40, 12);
        assert!(small.status.is_empty() && small.hints.is_empty());
        assert_eq!((small.panes[0].body.height, small.composer.height, small.activity.height), (9, 1, 1));
        let tiny = at(40, 3);
        assert_eq!((tiny.panes[0].body.height, tiny.composer.height), (2, 1));
        let normal = at(80, 24);
        assert!(!normal.status.is_empty() && !normal.hints.is_empty());
    }

    #[test]
    fn nothing_leaves_the_screen_or_overlaps_at_any_size() {
        for width in [1, 2, 3, 7, 20, 40, 80, 119, 120, 121, 199, 200, 300] {
            for height in 1..60 {
                for rows in [1, 3, 99] {
                    let layout = compute(Size { width, height }, PaneId::Trace, None, rows);
                    let mut all = vec![layout.status, layout.activity, layout.composer, layout.hints];
                    all.extend(&layout.verticals);
                    all.extend(&layout.horizontals);
                    all.extend(layout.panes.iter().flat_map(|place| [place.title, place.body]));
                    let mut taken = vec![false; usize::from(width) * usize::from(height)];
                    for rect in all {
                        assert!(rect.right() <= width && rect.bottom() <= height, "{rect:?} in {width}x{height}");
                        for position in rect.positions() {
                            let index = usize::from(position.y) * usize::from(width) + usize::from(position.x);
                            assert!(!std::mem::replace(&mut taken[index], true), "{rect:?} in {width}x{height}");
                        }
                    }
                    assert!(layout.composer.height >= 1);
                    let filled = taken.iter().all(|taken| *taken);
                    assert!(filled || width >= THREE_PANES, "{width}x{height} is not filled: {layout:?}");
                }
            }
        }
    }
}
