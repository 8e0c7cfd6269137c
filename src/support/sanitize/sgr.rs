//! Colours and attributes of a program's output, read from its SGR sequences (ECMA-48, ITU T.416). Data only: what a
//! screen makes of them is its own affair.

/// A colour as a program names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Colour {
    /// One of the terminal's own, 0 to 15.
    Sixteen(u8),
    /// One of the table of 256.
    Table(u8),
    /// Red, green, blue.
    True(u8, u8, u8),
}

/// How text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a terminal's attributes are that many switches")]
pub struct Look {
    /// Colour of the letters, unless it is the terminal's.
    pub fg: Option<Colour>,
    /// Colour behind them, unless it is the terminal's.
    pub bg: Option<Colour>,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Colours exchanged.
    pub reverse: bool,
    /// Struck out.
    pub strike: bool,
}

impl Look {
    /// Takes the parameters of one SGR sequence. What is not known, or would hide text (concealed, blinking), is ignored.
    pub fn apply(&mut self, parameters: &str) {
        let mut fields = parameters.split(';');
        while let Some(field) = fields.next() {
            let mut parts = field.split(':');
            let number = number(parts.next());
            match number {
                Some(0) => *self = Self::default(),
                Some(1) => self.bold = true,
                Some(2) => self.dim = true,
                Some(3) => self.italic = true,
                // `4:0` is none, `4:3` a curly line.
                Some(4) => self.underline = parts.next() != Some("0"),
                Some(21) => self.underline = true,
                Some(7) => self.reverse = true,
                Some(9) => self.strike = true,
                Some(22) => (self.bold, self.dim) = (false, false),
                Some(23) => self.italic = false,
                Some(24) => self.underline = false,
                Some(27) => self.reverse = false,
                Some(29) => self.strike = false,
                Some(n @ 30..=37) => self.fg = Some(Colour::Sixteen((n - 30) as u8)),
                Some(n @ 90..=97) => self.fg = Some(Colour::Sixteen((n - 82) as u8)),
                Some(n @ 40..=47) => self.bg = Some(Colour::Sixteen((n - 40) as u8)),
                Some(n @ 100..=107) => self.bg = Some(Colour::Sixteen((n - 92) as u8)),
                Some(39) => self.fg = None,
                Some(49) => self.bg = None,
                Some(n @ (38 | 48)) => {
                    let rest: Vec<&str> = parts.collect();
                    let colour = if rest.is_empty() { extended(&mut fields) } else { of_parts(&rest) };
                    if let Some(colour) = colour {
                        *(if n == 38 { &mut self.fg } else { &mut self.bg }) = Some(colour);
                    }
                }
                _ => {}
            }
        }
    }
}

/// A parameter; an empty one is nought.
fn number(text: Option<&str>) -> Option<u32> {
    match text? {
        "" => Some(0),
        text => text.parse().ok(),
    }
}

fn byte(text: Option<&str>) -> Option<u8> {
    u8::try_from(number(text)?).ok()
}

/// `5;N` or `2;R;G;B`, as most programs write it.
fn extended<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Colour> {
    match number(fields.next())? {
        5 => byte(fields.next()).map(table),
        2 => {
            let (r, g, b) = (byte(fields.next()), byte(fields.next()), byte(fields.next()));
            Some(Colour::True(r?, g?, b?))
        }
        _ => None,
    }
}

/// `5:N`, `2:R:G:B`, or `2:SPACE:R:G:B` as the standard has it.
fn of_parts(parts: &[&str]) -> Option<Colour> {
    match parts {
        ["5", n, ..] => byte(Some(n)).map(table),
        ["2", r, g, b] | ["2", _, r, g, b, ..] => Some(Colour::True(byte(Some(r))?, byte(Some(g))?, byte(Some(b))?)),
        _ => None,
    }
}

/// The first sixteen of the table are the terminal's own.
fn table(number: u8) -> Colour {
    if number < 16 { Colour::Sixteen(number) } else { Colour::Table(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sequences: &[&str]) -> Look {
        let mut look = Look::default();
        for parameters in sequences {
            look.apply(parameters);
        }
        look
    }

    #[test]
    fn every_way_to_name_a_colour_is_read() {
        let fg = |colour| Look { fg: Some(colour), ..Look::default() };
        let bg = |colour| Look { bg: Some(colour), ..Look::default() };
        let rows = [
            ("31", fg(Colour::Sixteen(1))),
            ("97", fg(Colour::Sixteen(15))),
            ("44", bg(Colour::Sixteen(4))),
            ("100", bg(Colour::Sixteen(8))),
            ("38;5;9", fg(Colour::Sixteen(9))),
            ("48;5;200", bg(Colour::Table(200))),
            ("38;2;1;2;3", fg(Colour::True(1, 2, 3))),
            ("38:2:1:2:3", fg(Colour::True(1, 2, 3))),
            ("48:2::1:2:3", bg(Colour::True(1, 2, 3))),
            ("38:5:77", fg(Colour::Table(77))),
        ];
        for (parameters, expected) in rows {
            assert_eq!(after(&[parameters]), expected, "{parameters}");
        }
    }

    #[test]
    fn attributes_come_and_go() {
        let all = after(&["1;2;3;4;7;9"]);
        assert!(all.bold && all.dim && all.italic && all.underline && all.reverse && all.strike);
        assert_eq!(after(&["1;2;3;4;7;9;31", "22;23;24;27;29;39"]), Look::default());
        assert_eq!(after(&["1;31", ""]), Look::default());
        assert_eq!(after(&["4:3"]), Look { underline: true, ..Look::default() });
        assert_eq!(after(&["4", "4:0"]), Look::default());
    }

    #[test]
    fn nonsense_changes_nothing() {
        for parameters in ["8", "5", "38", "38;5", "38;5;256", "38;2;1;2", "99999999999", "48:7:1", "38:5"] {
            let look = after(&[parameters]);
            assert!(look.fg.is_none() && look.bg.is_none() && !look.bold, "{parameters}: {look:?}");
        }
        // What follows is still read.
        assert_eq!(after(&["8;31"]).fg, Some(Colour::Sixteen(1)));
    }
}
