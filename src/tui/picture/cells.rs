//! Pictures as cells: a half block has two pixels, the upper one in the letter's colour, the lower one behind it.

use image::{Rgba, RgbaImage};
use ratatui::layout::Size;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::mark;

/// The upper half of a cell.
const UPPER_HALF: &str = "\u{2580}";

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Sixteen.
    Sixteen,
    /// A table of 256.
    #[default]
    Table,
    /// All.
    True,
}

impl Depth {
    /// What the environment tells of it.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).unwrap_or_default().to_ascii_lowercase();
        let (colour, term) = (value("COLORTERM"), value("TERM"));
        if matches!(colour.as_str(), "truecolor" | "24bit")
            || ["-direct", "kitty", "ghostty", "foot", "wezterm", "alacritty"].iter().any(|part| term.contains(part))
        {
            Self::True
        } else if term.contains("256") || term.starts_with("xterm") || term.starts_with("tmux") {
            Self::Table
        } else {
            Self::Sixteen
        }
    }

    fn colour(self, Rgba([r, g, b, _]): Rgba<u8>) -> Color {
        match self {
            Self::True => Color::Rgb(r, g, b),
            Self::Table => Color::Indexed(nearest_of_table(r, g, b)),
            Self::Sixteen => nearest_of_sixteen(r, g, b),
        }
    }
}

/// How many cells a picture takes within `room`. `cell` is the size of a cell in pixels. A small picture grows until a
/// pixel of it is half a cell, and no further.
pub(super) fn fit(width: u32, height: u32, room: Size, cell: (u16, u16)) -> Size {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (cell_width, cell_height) = (f64::from(cell.0.max(1)), f64::from(cell.1.max(1)));
    let most = (f64::from(room.width) * cell_width / width).min(f64::from(room.height) * cell_height / height);
    let scale = most.min(cell_width);
    let columns = (width * scale / cell_width).round().clamp(1.0, f64::from(room.width.max(1)));
    let rows = (height * scale / cell_height).round().clamp(1.0, f64::from(room.height.max(1)));
    Size { width: columns as u16, height: rows as u16 }
}

/// The rows of a picture that has a column of pixels for each cell and two rows for each row of cells. With a `slot`
/// its cells say where they belong, so that the terminal's own pictures can be put over them.
pub(super) fn rows(pixels: &RgbaImage, depth: Depth, slot: Option<u8>) -> Vec<Line<'static>> {
    let row = |y: u32| {
        let cell = |x: u32| {
            let (upper, lower) = (pixels.get_pixel(x, 2 * y), pixels.get_pixel(x, 2 * y + 1));
            let style = Style::new().fg(depth.colour(*upper)).bg(depth.colour(*lower));
            match slot {
                Some(slot) => Span::styled(UPPER_HALF, style.underline_color(mark::of(slot, x as u8, y as u8))),
                None => Span::styled(UPPER_HALF, style),
            }
        };
        (0..pixels.width()).map(cell).collect::<Vec<_>>()
    };
    // Neighbours of one colour are one span where nothing tells them apart.
    (0..pixels.height() / 2).map(|y| Line::from(joined(row(y)))).collect()
}

fn joined(spans: Vec<Span<'static>>) -> Vec<Span<'static>> {
    let mut out: Vec<Span<'static>> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if last.style == span.style => last.content.to_mut().push_str(&span.content),
            _ => out.push(span),
        }
    }
    out
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    2 * square(a.0, b.0) + 4 * square(a.1, b.1) + 3 * square(a.2, b.2)
}

fn nearest_of_table(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |value: u8| (0..6).min_by_key(|at| STEPS[*at].abs_diff(value)).unwrap_or(0);
    let steps = [step(r), step(g), step(b)];
    let cube = (16 + 36 * steps[0] + 6 * steps[1] + steps[2], (STEPS[steps[0]], STEPS[steps[1]], STEPS[steps[2]]));
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let level = usize::from(mean.saturating_sub(3) / 10).min(23);
    let value = (8 + 10 * level) as u8;
    let grey = (232 + level, (value, value, value));
    let nearest = if distance(grey.1, (r, g, b)) < distance(cube.1, (r, g, b)) { grey.0 } else { cube.0 };
    nearest as u8
}

fn nearest_of_sixteen(r: u8, g: u8, b: u8) -> Color {
    const COLOURS: [(Color, (u8, u8, u8)); 16] = [
        (Color::Black, (0, 0, 0)),
        (Color::Red, (205, 0, 0)),
        (Color::Green, (0, 205, 0)),
        (Color::Yellow, (205, 205, 0)),
        (Color::Blue, (0, 0, 238)),
        (Color::Magenta, (205, 0, 205)),
        (Color::Cyan, (0, 205, 205)),
        (Color::Gray, (229, 229, 229)),
        (Color::DarkGray, (127, 127, 127)),
        (Color::LightRed, (255, 0, 0)),
        (Color::LightGreen, (0, 255, 0)),
        (Color::LightYellow, (255, 255, 0)),
        (Color::LightBlue, (92, 92, 255)),
        (Color::LightMagenta, (255, 0, 255)),
        (Color::LightCyan, (0, 255, 255)),
        (Color::White, (255, 255, 255)),
    ];
    COLOURS.iter().min_by_key(|(_, own)| distance(*own, (r, g, b))).map_or(Color::Gray, |(colour, _)| *colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(width: u16, height: u16) -> Size {
        Size { width, height }
    }

    #[test]
    fn a_picture_keeps_its_shape_within_its_room() {
        // Cells are twice as high as wide: a square takes twice as many columns as rows.
        assert_eq!(fit(640, 640, room(80, 10), (10, 20)), room(20, 10));
        assert_eq!(fit(640, 480, room(30, 100), (10, 20)), room(30, 11));
        assert_eq!(fit(10_000, 1, room(80, 10), (10, 20)), room(80, 1));
        assert_eq!(fit(1, 10_000, room(80, 10), (10, 20)), room(1, 10));
        assert_eq!(fit(16, 16, room(80, 20), (10, 20)), room(16, 8), "an icon grows to a pixel for half a cell");
        assert_eq!(fit(5, 5, room(0, 0), (10, 20)), room(1, 1));
    }

    #[test]
    fn two_pixels_share_a_cell() {
        let mut pixels = RgbaImage::from_pixel(2, 2, Rgba([255, 0, 0, 255]));
        pixels.put_pixel(1, 1, Rgba([0, 0, 255, 255]));
        let lines = rows(&pixels, Depth::True, None);
        assert_eq!(lines.len(), 1);
        let styles: Vec<_> = lines[0].spans.iter().map(|span| (span.style.fg, span.style.bg)).collect();
        let (red, blue) = (Some(Color::Rgb(255, 0, 0)), Some(Color::Rgb(0, 0, 255)));
        assert_eq!(styles, [(red, red), (red, blue)]);
        let plain = RgbaImage::from_pixel(9, 4, Rgba([1, 2, 3, 255]));
        let lines = rows(&plain, Depth::True, None);
        assert_eq!((lines.len(), lines[0].spans.len(), lines[0].width()), (2, 1, 9));
    }

    #[test]
    fn colours_are_the_nearest_that_the_terminal_has() {
        assert_eq!(Depth::Table.colour(Rgba([255, 0, 0, 255])), Color::Indexed(196));
        assert_eq!(Depth::Table.colour(Rgba([128, 128, 128, 255])), Color::Indexed(244));
        assert_eq!(Depth::Sixteen.colour(Rgba([250, 250, 250, 255])), Color::White);
        let with = |set: &'static [(&str, &str)]| {
            Depth::detect(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(with(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(with(&[("TERM", "xterm-kitty")]), Depth::True);
        assert_eq!(with(&[("TERM", "screen-256color")]), Depth::Table);
        assert_eq!(with(&[("TERM", "linux")]), Depth::Sixteen);
    }
}
