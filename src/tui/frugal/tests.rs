//! Tests of the frugal writer: bytes in, screen out.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::*;
use crate::tui::output::MemorySink;

/// Draws lines and returns the bytes that it took.
fn draw(terminal: &mut Terminal<FrugalBackend<MemorySink>>, lines: &[Line<'static>]) -> Vec<u8> {
    let before = terminal.backend().sink().bytes().len();
    terminal
        .draw(|frame| {
            let area = frame.area();
            for (y, line) in lines.iter().enumerate().take(usize::from(area.height)) {
                frame.render_widget(line, Rect { y: y as u16, height: 1, ..area });
            }
            frame.set_cursor_position((1, 1));
        })
        .expect("draw");
    terminal.backend().sink().bytes()[before..].to_vec()
}

fn terminal(width: u16, height: u16) -> Terminal<FrugalBackend<MemorySink>> {
    Terminal::new(FrugalBackend::new(MemorySink::new(width, height)).expect("backend")).expect("terminal")
}

fn parser(width: u16, height: u16) -> vt100::Parser {
    let size = |n: u16| n.try_into().expect("not empty");
    vt100::Parser::new(size(height), size(width), 0)
}

/// What a terminal shows after all bytes.
fn screen(terminal: &Terminal<FrugalBackend<MemorySink>>) -> vt100::Parser {
    let sink = terminal.backend().sink();
    let size = sink.size().expect("size");
    let mut vt = parser(size.width, size.height);
    vt.process(&sink.bytes());
    vt
}

fn rows(parser: &vt100::Parser, width: u16) -> Vec<String> {
    parser.screen().rows(0, width).map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn an_unchanged_frame_costs_nothing() {
    let mut terminal = terminal(20, 4);
    let lines = [Line::raw("one"), Line::raw("two")];
    assert!(!draw(&mut terminal, &lines).is_empty());
    assert_eq!(draw(&mut terminal, &lines), b"");
}

#[test]
fn one_more_word_costs_that_word() {
    let mut terminal = terminal(40, 4);
    draw(&mut terminal, &[Line::raw("some text")]);
    let bytes = draw(&mut terminal, &[Line::raw("some text more")]);
    assert_eq!(String::from_utf8_lossy(&bytes), "\x1b[1;11Hmore\x1b[2;2H");
}

#[test]
fn moving_up_by_a_line_scrolls_instead_of_writing_everything_again() {
    let mut terminal = terminal(60, 12);
    let text = |from: usize| -> Vec<Line<'static>> {
        let mut lines: Vec<_> =
            (from..from + 10).map(|n| Line::raw(format!("line {n} {}", "words ".repeat(1 + n * 7 % 8)))).collect();
        lines.push(Line::raw("-".repeat(60)));
        lines.push(Line::raw("> prompt"));
        lines
    };
    draw(&mut terminal, &text(0));
    let bytes = draw(&mut terminal, &text(1));
    assert!(bytes.len() < 120, "{}: {:?}", bytes.len(), String::from_utf8_lossy(&bytes));
    let seen = rows(&screen(&terminal), 60);
    assert!(seen[0].starts_with("line 1 ") && seen[9].starts_with("line 10 "), "{seen:?}");
    assert_eq!((seen[10].as_str(), seen[11].as_str()), ("-".repeat(60).as_str(), "> prompt"));
    // And down again.
    let bytes = draw(&mut terminal, &text(0));
    assert!(bytes.len() < 120, "{}", bytes.len());
    let seen = rows(&screen(&terminal), 60);
    assert!(seen[0].starts_with("line 0 ") && seen[9].starts_with("line 9 "), "{seen:?}");
}

#[test]
fn wide_glyphs_are_replaced_whole() {
    let mut terminal = terminal(10, 2);
    draw(&mut terminal, &[Line::raw("日本語")]);
    draw(&mut terminal, &[Line::raw("a本b")]);
    assert_eq!(rows(&screen(&terminal), 10)[0], "a本b");
    draw(&mut terminal, &[Line::raw("x日y")]);
    assert_eq!(rows(&screen(&terminal), 10)[0], "x日y");
}

#[test]
fn a_resize_draws_everything_again() {
    let mut terminal = terminal(10, 3);
    draw(&mut terminal, &[Line::raw("hello")]);
    terminal.backend().sink().resize(6, 2);
    draw(&mut terminal, &[Line::raw("hello")]);
    let sink = terminal.backend().sink();
    let bytes = sink.bytes();
    let from = bytes.windows(4).rposition(|w| w == b"\x1b[2J").expect("cleared");
    let mut vt = parser(6, 2);
    vt.process(&bytes[from..]);
    assert_eq!(rows(&vt, 6)[0], "hello");
}

/// How a cell looks: a blank that was written and one that never was look the same.
fn look(parser: &vt100::Parser, x: u16, y: u16) -> String {
    let Some(cell) = parser.screen().cell(y, x) else { return "outside".to_owned() };
    let blank = cell.contents().trim().is_empty() && !cell.is_wide_continuation();
    match (blank, cell.inverse()) {
        (true, false) => String::new(),
        (true, true) => format!("inverse {:?}", cell.fgcolor()),
        _ => format!(
            "{:?} {} {:?} {:?} {} {} {}",
            cell.contents(),
            cell.is_wide_continuation(),
            cell.fgcolor(),
            cell.bgcolor(),
            cell.bold(),
            cell.dim(),
            cell.inverse()
        ),
    }
}

/// Lines of styled pieces, with wide glyphs and blanks.
fn any_lines() -> impl Strategy<Value = Vec<Line<'static>>> {
    let piece = ("[a-c ]{0,6}|日本|é|─{1,4}|👩\u{200d}👧", 0u8..6).prop_map(|(text, style)| {
        let style = match style {
            0 => Style::new().fg(Color::Red),
            1 => Style::new().add_modifier(Modifier::BOLD),
            2 => Style::new().add_modifier(Modifier::REVERSED).fg(Color::Cyan),
            3 => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new(),
        };
        Span::styled(text, style)
    });
    prop::collection::vec(prop::collection::vec(piece, 0..4).prop_map(Line::from), 0..9)
}

proptest! {
    #[test]
    fn the_terminal_shows_what_was_drawn(frames in prop::collection::vec((any_lines(), 0usize..4), 1..8)) {
        let (width, height) = (17u16, 8u16);
        let mut terminal = terminal(width, height);
        let mut text: Vec<Line<'static>> = Vec::new();
        for (lines, drop) in frames {
            // Half of the frames are the one before, moved up and added to.
            if drop > 1 {
                text.drain(..drop.min(text.len()));
                text.extend(lines);
            } else {
                text = lines;
            }
            text.truncate(usize::from(height));
            draw(&mut terminal, &text);
            let mut fresh = self::terminal(width, height);
            draw(&mut fresh, &text);
            let (seen, expected) = (screen(&terminal), screen(&fresh));
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(look(&seen, x, y), look(&expected, x, y), "cell {} {}", x, y);
                }
            }
            prop_assert_eq!(seen.screen().cursor_position(), (1, 1));
        }
    }
}

#[test]
fn a_link_is_written_where_the_terminal_takes_links_and_closed_again() {
    use crate::tui::text::link;
    let style = link::styled(Style::new().add_modifier(Modifier::UNDERLINED), "https://example.com/frugal test");
    let rows = [
        Line::from(vec![Span::raw("see "), Span::styled("the docs", style), Span::raw(" there")]),
        Line::from(Span::styled("the docs", style)),
    ];
    let plain = draw(&mut terminal(40, 4), &rows);
    assert!(!plain.windows(4).any(|four| four == b"\x1b]8;"), "{:?}", String::from_utf8_lossy(&plain));

    let mut with = terminal(40, 4);
    with.backend_mut().set_links(true);
    let written = String::from_utf8(draw(&mut with, &rows)).expect("text");
    let open = "https://example.com/frugal%20test\x1b\\";
    assert_eq!((written.matches(open).count(), written.matches("\x1b]8;;\x1b\\").count()), (2, 2), "{written:?}");
    assert!(written.contains(&format!("{open}\x1b[4mthe docs\x1b]8;;")), "{written:?}");
    assert_eq!(screen(&with).screen().contents(), "see the docs there\nthe docs");
    // A frame that changes nothing writes nothing.
    assert!(draw(&mut with, &rows).is_empty());
}
