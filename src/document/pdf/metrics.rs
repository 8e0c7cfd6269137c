//! Widths of the fonts that every reader of PDF has, and what the bytes of the symbol font mean.

/// Printable ASCII in Helvetica, in thousandths of the size.
const SANS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// Printable ASCII in Times.
const SERIF: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500,
    500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889,
    722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500,
    444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480,
    200, 480, 541,
];

/// How wide a character is in a font that the file does not describe.
pub(super) fn width(font: &str, c: char) -> f64 {
    if font.contains("courier") || font.contains("mono") {
        return 600.0;
    }
    let table = if font.contains("times") || font.contains("roman") || font.contains("serif") { &SERIF } else { &SANS };
    let at = (c as u32).checked_sub(32).map(|at| at as usize);
    f64::from(at.and_then(|at| table.get(at)).copied().unwrap_or(556))
}

/// Letters of the symbol font in the order of their bytes from 0x41.
const GREEK: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
const SMALL_GREEK: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";

/// What a byte means in the symbol font.
pub(super) fn symbol(byte: u8) -> Option<char> {
    let letter = |letters: &str, from: u8| letters.chars().nth(usize::from(byte - from));
    match byte {
        b'A'..=b'Z' => letter(GREEK, b'A'),
        b'a'..=b'z' => letter(SMALL_GREEK, b'a'),
        0x22 => Some('∀'),
        0x24 => Some('∃'),
        0x27 => Some('∋'),
        0x2a => Some('∗'),
        0x2d => Some('−'),
        0x40 => Some('≅'),
        0x5c => Some('∴'),
        0x5e => Some('⊥'),
        0x7e => Some('∼'),
        0x20..=0x7d => Some(char::from(byte)),
        0xa3 => Some('≤'),
        0xa5 => Some('∞'),
        0xac => Some('←'),
        0xad => Some('↑'),
        0xae => Some('→'),
        0xaf => Some('↓'),
        0xb0 => Some('°'),
        0xb1 => Some('±'),
        0xb3 => Some('≥'),
        0xb4 => Some('×'),
        0xb6 => Some('∂'),
        0xb7 => Some('•'),
        0xb8 => Some('÷'),
        0xb9 => Some('≠'),
        0xba => Some('≡'),
        0xbb => Some('≈'),
        0xbc => Some('…'),
        0xce => Some('∈'),
        0xd1 => Some('∇'),
        0xd5 => Some('∏'),
        0xd6 => Some('√'),
        0xd7 => Some('⋅'),
        0xe5 => Some('∑'),
        0xf2 => Some('∫'),
        _ => None,
    }
}
