//! What the tests of the panes share: a context, and the screen as text.

use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::Zoned;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::{Rect, Size};

use super::{DrawContext, Pane};
use crate::tui::theme::Theme;

static WALL: LazyLock<Zoned> = LazyLock::new(|| "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time"));

/// A focused pane, ten seconds after the start.
pub(crate) fn context(theme: Theme) -> DrawContext<'static> {
    DrawContext { theme, focused: true, now_ms: 10_000, wall: &WALL }
}

/// The pane without colours, its title row first, its overlay (if any) below a line.
pub(crate) fn draw(pane: &mut impl Pane, width: u16, height: u16) -> String {
    draw_with(pane, width, height, Theme::new(false, false))
}

/// As [`draw`], with this theme.
pub(crate) fn draw_with(pane: &mut impl Pane, width: u16, height: u16, theme: Theme) -> String {
    let cx = context(theme);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    pane.prepare(Size { width, height: height.saturating_sub(1) }, &cx);
    let title = pane.title(&cx);
    terminal
        .draw(|frame| {
            let area = frame.area();
            let line = super::list::row(vec![title.left.into()], vec![title.right.into()], usize::from(width), theme);
            frame.buffer_mut().set_line(0, 0, &line, width);
            pane.draw(Rect { y: 1, height: area.height.saturating_sub(1), ..area }, &cx, frame);
        })
        .expect("a frame");
    let mut out = text_of(&terminal);
    if let Some(overlay) = pane.overlay() {
        let height = overlay.height.min(height.saturating_sub(2));
        let mut terminal = Terminal::new(TestBackend::new(width.saturating_sub(4), height)).expect("a test terminal");
        pane.prepare_overlay(Size { width: width.saturating_sub(4), height }, &cx);
        terminal.draw(|frame| pane.draw_overlay(frame.area(), &cx, frame)).expect("a frame");
        write!(out, "\n== {} ==\n{}", overlay.title, text_of(&terminal)).expect("a string");
    }
    out
}

/// The pane at the three sizes that every screen must fit.
pub(crate) fn screens<P: Pane>(make: impl Fn() -> P) -> String {
    let mut out = String::new();
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        writeln!(out, "---- {width}x{height}\n{}", draw(&mut make(), width, height)).expect("a string");
    }
    out
}

/// What a test terminal shows, without spaces and empty rows at the end.
pub(crate) fn text_of(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let mut rows: Vec<String> = (0..buffer.area.height)
        .map(|y| {
            let mut row = String::new();
            let mut x = 0;
            while x < buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                row.push_str(symbol);
                x += crate::tui::text::wrap::width_of(symbol).max(1) as u16;
            }
            row.trim_end().to_owned()
        })
        .collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows.join("\n")
}
