//! Pieces of XML: text that may come from anywhere, and lengths.

use std::fmt::Write as _;

use crate::slides::deck::{Area, Colour, Dash, Fill, Gradient, Line};

/// The declaration that every part begins with.
pub(super) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// The names that parts of a presentation use.
pub(super) const NAMES: &str = "xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
     xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
     xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\"";

/// A text as the content of an element or an attribute. What XML has no place for is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("    "),
            '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// Pixels as English metric units.
pub(super) fn emu(pixels: f64) -> i64 {
    (pixels.clamp(-20_000.0, 20_000.0) * 9525.0).round() as i64
}

/// Pixels as hundredths of a point.
pub(super) fn points(pixels: f64) -> i64 {
    (pixels * 75.0).round() as i64
}

/// A share as thousandths of a percent.
pub(super) fn share(part: f64) -> i64 {
    (part * 100_000.0).round() as i64
}

/// Degrees as sixty thousandths, from nothing to a whole turn.
pub(super) fn angle(degrees: f64) -> i64 {
    (degrees.rem_euclid(360.0) * 60_000.0).round() as i64 % 21_600_000
}

/// Where something lies, as an element of this name.
pub(super) fn place(name: &str, area: Area, turn: f64) -> String {
    let turn = if turn.abs() < 0.005 { String::new() } else { format!(" rot=\"{}\"", angle(turn)) };
    format!(
        "<{name}{turn}><a:off x=\"{}\" y=\"{}\"/><a:ext cx=\"{}\" cy=\"{}\"/></{name}>",
        emu(area.x),
        emu(area.y),
        emu(area.w).max(0),
        emu(area.h).max(0)
    )
}

pub(super) fn colour(colour: Colour) -> String {
    let [red, green, blue] = colour.rgb;
    let alpha = share(colour.alpha);
    if alpha >= 100_000 {
        return format!("<a:srgbClr val=\"{red:02X}{green:02X}{blue:02X}\"/>");
    }
    format!("<a:srgbClr val=\"{red:02X}{green:02X}{blue:02X}\"><a:alpha val=\"{}\"/></a:srgbClr>", alpha.max(0))
}

pub(super) fn fill(fill: Option<&Fill>) -> String {
    match fill {
        None => "<a:noFill/>".to_owned(),
        Some(Fill::Plain(plain)) => format!("<a:solidFill>{}</a:solidFill>", colour(*plain)),
        Some(Fill::Gradient(one)) => gradient(one),
    }
}

pub(super) fn gradient(gradient: &Gradient) -> String {
    let mut out = "<a:gradFill rotWithShape=\"1\"><a:gsLst>".to_owned();
    let mut last = 0;
    for (at, stop) in &gradient.stops {
        last = share(at.clamp(0.0, 100.0) / 100.0).max(last);
        let _ = write!(out, "<a:gs pos=\"{last}\">{}</a:gs>", colour(*stop));
    }
    out.push_str("</a:gsLst>");
    if gradient.radial {
        out.push_str(
            "<a:path path=\"circle\"><a:fillToRect l=\"50000\" t=\"50000\" r=\"50000\" b=\"50000\"/></a:path>",
        );
    } else {
        let _ = write!(out, "<a:lin ang=\"{}\" scaled=\"0\"/>", angle(gradient.angle - 90.0));
    }
    out + "</a:gradFill>"
}

/// A line as an element of this name.
pub(super) fn line(name: &str, line: Option<&Line>) -> String {
    let Some(line) = line else { return format!("<{name}><a:noFill/></{name}>") };
    let compound = if line.dash == Dash::Double { " cmpd=\"dbl\"" } else { "" };
    let dash = match line.dash {
        Dash::Dashed => "<a:prstDash val=\"dash\"/>",
        Dash::Dotted => "<a:prstDash val=\"sysDot\"/>",
        Dash::Solid | Dash::Double => "<a:prstDash val=\"solid\"/>",
    };
    format!(
        "<{name} w=\"{}\"{compound}><a:solidFill>{}</a:solidFill>{dash}<a:miter lim=\"800000\"/></{name}>",
        emu(line.width).max(0),
        colour(line.colour)
    )
}
