//! The rows of the timeline.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use super::super::list::row;
use super::{SnapshotsState, graph};
use crate::protocol::{NodeKind, NodeSummary};
use crate::support::clock;
use crate::tui::pane::DrawContext;
use crate::tui::text::wrap::{spans_width, width_of};
use crate::tui::theme::Theme;

impl SnapshotsState {
    pub(super) fn now_row(&self, graph_width: usize, width: usize, theme: Theme) -> Line<'static> {
        let words = match (self.changed_since_head, self.head()) {
            (Some(0), Some(head)) => format!("no changes since {}", head.id.short()),
            (Some(1), Some(head)) => format!("1 file changed since {}", head.id.short()),
            (Some(count), Some(head)) => format!("{count} files changed since {}", head.id.short()),
            _ => "not compared while a turn is running".to_owned(),
        };
        let gap = " ".repeat(graph_width);
        let left = vec![
            Span::raw("  "),
            Span::styled(theme.glyphs().node, theme.dim()),
            Span::raw(gap),
            Span::styled(format!("{:<9}", "now"), theme.strong()),
            Span::styled(words, if self.changed_since_head == Some(0) { theme.dim() } else { theme.text() }),
        ];
        row(left, Vec::new(), width, theme)
    }

    pub(super) fn node_row(
        &self,
        node: &NodeSummary,
        cells: &[graph::Cell],
        graph_width: usize,
        columns: &Columns,
        width: usize,
        cx: &DrawContext<'_>,
    ) -> Line<'static> {
        let theme = cx.theme;
        let glyphs = theme.glyphs();
        let (before, after) = graph::text(cells, graph_width, theme);
        let (glyph, glyph_style) = match node {
            _ if node.failed.is_some() => (glyphs.failed, theme.error()),
            _ if node.head => (glyphs.head, theme.ok()),
            _ => (glyphs.node, theme.text()),
        };
        let mark = if self.marked.contains(&node.id) { glyphs.marked } else { " " };
        let mut left = vec![
            Span::raw(" "),
            Span::styled(mark, theme.hint()),
            Span::styled(before, theme.dim()),
            Span::styled(glyph, glyph_style),
            Span::styled(after, theme.dim()),
            Span::styled(node.id.short().to_owned(), theme.hint()),
            Span::raw(" "),
        ];
        for name in &node.branches {
            left.push(Span::styled(format!("[{name}] "), theme.agent()));
        }
        match &node.failed {
            Some(why) => left.push(Span::styled(format!("not captured: {why}"), theme.error())),
            None => left.push(Span::styled(words_of(node), if node.head { theme.strong() } else { theme.text() })),
        }
        row(left, columns.right(node, width, cx), width, theme)
    }
}

/// Widths of what stands at the right of the rows.
pub(super) struct Columns {
    time: usize,
    counts: usize,
    tag: usize,
}

impl Columns {
    pub(super) fn of(nodes: &[&NodeSummary], cx: &DrawContext<'_>) -> Self {
        let widest = |width: &dyn Fn(&NodeSummary) -> usize| nodes.iter().map(|node| width(node)).max().unwrap_or(0);
        Self {
            time: widest(&|node| width_of(&time_of(node, cx))),
            counts: widest(&|node| spans_width(&counts_of(node, cx.theme))),
            tag: widest(&|node| width_of(tag_of(node))),
        }
    }

    /// Time, counts and tag; on narrow screens the time and the tag, then only the time.
    fn right(&self, node: &NodeSummary, width: usize, cx: &DrawContext<'_>) -> Vec<Span<'static>> {
        let time = time_of(node, cx);
        let pad = |cells: usize| Span::raw(" ".repeat(cells));
        let mut spans = vec![pad(1 + self.time.saturating_sub(width_of(&time))), Span::styled(time, cx.theme.dim())];
        if width >= 56 && self.counts > 0 {
            let counts = counts_of(node, cx.theme);
            let gap = self.counts.saturating_sub(spans_width(&counts));
            spans.push(pad(2));
            spans.extend(counts);
            spans.push(pad(gap));
        }
        if width >= 44 && self.tag > 0 {
            let tag = tag_of(node);
            spans.push(pad(2));
            spans.push(Span::styled(tag, cx.theme.ok()));
            spans.push(pad(self.tag - width_of(tag)));
        }
        spans
    }
}

fn tag_of(node: &NodeSummary) -> &'static str {
    if node.head { "head" } else { "" }
}

fn time_of(node: &NodeSummary, cx: &DrawContext<'_>) -> String {
    match node.time.parse::<Timestamp>() {
        Ok(then) => clock::ago(&then.to_zoned(cx.wall.time_zone().clone()), cx.wall),
        Err(_) => "?".to_owned(),
    }
}

fn counts_of(node: &NodeSummary, theme: Theme) -> Vec<Span<'static>> {
    let glyphs = theme.glyphs();
    let parts = [
        (glyphs.added, node.added, theme.added()),
        (glyphs.changed, node.modified, theme.waiting()),
        (glyphs.removed, node.removed, theme.removed()),
    ];
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (glyph, count, style) in parts {
        if count > 0 {
            let gap = if spans.is_empty() { "" } else { " " };
            spans.push(Span::styled(format!("{gap}{glyph}{count}"), style));
        }
    }
    spans
}

/// What a node is, in words: its label, with the kind in front where the label alone does not say it.
pub(super) fn words_of(node: &NodeSummary) -> String {
    let kind = match node.kind {
        NodeKind::Start => "start",
        NodeKind::Turn => "",
        NodeKind::Manual => "changed by hand",
        NodeKind::Named => "named",
        NodeKind::BeforeRestore => "before rollback",
        NodeKind::Restore => "rollback",
        NodeKind::Interrupted => "interrupted",
        NodeKind::Crash => "crashed",
    };
    let label = node.label.trim();
    if label.is_empty() || label == node.kind.as_str() {
        return if kind.is_empty() { "turn".to_owned() } else { kind.to_owned() };
    }
    let says_it = label.to_lowercase().starts_with(kind);
    if kind.is_empty() || says_it { label.to_owned() } else { format!("{kind}: {label}") }
}
