//! An address as a QR code of half blocks, for a phone's camera.

use qrcode::{Color as Module, EcLevel, QrCode};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

/// Light modules around the code. The standard (ISO/IEC 18004) wants four; readers do with two, and rows are scarce.
const QUIET: usize = 2;

/// The rows of the code for an address, dark on light whatever the theme; `None` where it is too long for a code.
pub fn lines(address: &str) -> Option<Vec<Line<'static>>> {
    let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let modules = code.into_colors();
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && modules[(y - QUIET) * width + (x - QUIET)] == Module::Dark
    };
    let colour = |dark: bool| if dark { Color::Black } else { Color::White };
    let rows = (0..side).step_by(2).map(|y| {
        let cells = (0..side).map(|x| {
            // The upper half is the foreground, the lower one the background.
            let style = Style::new().fg(colour(dark(x, y))).bg(colour(dark(x, y + 1)));
            Span::styled("▀", style)
        });
        Line::from(cells.collect::<Vec<_>>())
    });
    Some(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_fits_into_a_small_terminal() {
        let address = "http://127.0.0.1:20123/482913-0123456789abcdef0123456789abcdef/";
        let lines = lines(address).expect("a code");
        assert!(lines.len() <= 20 && lines[0].width() <= 40, "{} rows, {} columns", lines.len(), lines[0].width());
        // The corner of a finder pattern: a light frame, then a dark one.
        let spans = &lines[1].spans;
        assert_eq!(spans[1].style.fg, Some(Color::White));
        assert_eq!((spans[2].style.fg, spans[2].style.bg), (Some(Color::Black), Some(Color::Black)));
        assert!(super::lines(&"x".repeat(5_000)).is_none());
    }
}
