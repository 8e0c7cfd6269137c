//! Keys from bytes, as crossterm reads them, for the moment in which the terminal's answers are read beside them.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Input;

/// What a paste begins and ends with.
pub(super) const PASTE: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";
/// The longest sequence of a key.
const LONGEST: usize = 32;

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// More bytes are needed.
    Incomplete,
    /// An input, or nothing that means anything, and the bytes that it takes.
    Input(Option<Input>, usize),
}

/// Reads the first input of `bytes`, which must not be empty.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    match bytes {
        [0x1b] | [0x1b, b'O'] => Decoded::Incomplete,
        [0x1b, b'[', ..] => control(bytes),
        [0x1b, b'O', letter, ..] => {
            Decoded::Input(letter_key(*letter).map(|code| pressed(code, KeyModifiers::NONE)), 3)
        }
        [0x1b, 0x1b, ..] => Decoded::Input(Some(pressed(KeyCode::Esc, KeyModifiers::NONE)), 1),
        [0x1b, rest @ ..] => match decode(rest) {
            Decoded::Input(Some(Input::Key(key)), length) => {
                Decoded::Input(Some(pressed(key.code, key.modifiers | KeyModifiers::ALT)), length + 1)
            }
            Decoded::Input(other, length) => Decoded::Input(other, length + 1),
            Decoded::Incomplete => Decoded::Incomplete,
        },
        [byte, ..] if byte.is_ascii() => Decoded::Input(decode_alone(*byte), 1),
        bytes => letter(bytes),
    }
}

/// One byte that begins no sequence.
pub(super) fn decode_alone(byte: u8) -> Option<Input> {
    let none = KeyModifiers::NONE;
    let control = |c: u8| pressed(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    Some(match byte {
        b'\r' => pressed(KeyCode::Enter, none),
        b'\t' => pressed(KeyCode::Tab, none),
        0x7f => pressed(KeyCode::Backspace, none),
        0x1b => pressed(KeyCode::Esc, none),
        0 => control(b' '),
        1..=0x1a => control(byte - 1 + b'a'),
        0x1c..=0x1f => control(byte - 0x1c + b'4'),
        0x20..=0x7e => character(char::from(byte)),
        _ => return None,
    })
}

fn character(c: char) -> Input {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    pressed(KeyCode::Char(c), shift)
}

fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

fn letter(bytes: &[u8]) -> Decoded {
    let head = &bytes[..bytes.len().min(4)];
    match std::str::from_utf8(head) {
        Ok(text) => first(text),
        Err(error) if error.valid_up_to() > 0 => {
            first(std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or("?"))
        }
        Err(error) if error.error_len().is_none() => Decoded::Incomplete,
        // No text in any encoding that is read here.
        Err(_) => Decoded::Input(None, 1),
    }
}

fn first(text: &str) -> Decoded {
    match text.chars().next() {
        Some(c) => Decoded::Input(Some(character(c)), c.len_utf8()),
        None => Decoded::Incomplete,
    }
}

/// `CSI` and what follows it.
fn control(bytes: &[u8]) -> Decoded {
    if bytes.starts_with(PASTE) {
        let body = &bytes[PASTE.len()..];
        return match body.windows(PASTE_END.len()).position(|part| part == PASTE_END) {
            None => Decoded::Incomplete,
            Some(end) => {
                let text = String::from_utf8_lossy(&body[..end]).into_owned();
                Decoded::Input(Some(Input::Paste(text)), PASTE.len() + end + PASTE_END.len())
            }
        };
    }
    let Some(end) = bytes[2..].iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return if bytes.len() > LONGEST { Decoded::Input(None, bytes.len()) } else { Decoded::Incomplete };
    };
    let parameters = std::str::from_utf8(&bytes[2..2 + end]).unwrap_or_default();
    let mut numbers = parameters.split(';').map(|number| number.parse::<u8>().ok());
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    let modifiers = modifiers(second.unwrap_or(1));
    let input = match bytes[2 + end] {
        b'Z' => Some(pressed(KeyCode::BackTab, KeyModifiers::SHIFT)),
        b'~' => first.and_then(numbered).map(|code| pressed(code, modifiers)),
        other => letter_key(other).map(|code| pressed(code, modifiers)),
    };
    Decoded::Input(input, end + 3)
}

/// Shift is 1, Alt 2, Control 4, and all together begin at 1.
fn modifiers(number: u8) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let held = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    held.into_iter().filter(|(bit, _)| bits & bit != 0).fold(KeyModifiers::NONE, |all, (_, one)| all | one)
}

fn letter_key(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    })
}

fn numbered(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23..=26 => KeyCode::F(number - 12),
        28..=29 => KeyCode::F(number - 15),
        31..=34 => KeyCode::F(number - 17),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_crossterm_reads_them() {
        let (none, shift) = (KeyModifiers::NONE, KeyModifiers::SHIFT);
        let (alt, control) = (KeyModifiers::ALT, KeyModifiers::CONTROL);
        let rows: &[(&[u8], KeyCode, KeyModifiers)] = &[
            (b"a", KeyCode::Char('a'), none),
            (b"A", KeyCode::Char('A'), shift),
            ("ü".as_bytes(), KeyCode::Char('ü'), none),
            ("世".as_bytes(), KeyCode::Char('世'), none),
            (b"\r", KeyCode::Enter, none),
            (b"\n", KeyCode::Char('j'), control),
            (b"\t", KeyCode::Tab, none),
            (b"\x7f", KeyCode::Backspace, none),
            (b"\x03", KeyCode::Char('c'), control),
            (b"\x00", KeyCode::Char(' '), control),
            (b"\x1f", KeyCode::Char('7'), control),
            (b"\x1bb", KeyCode::Char('b'), alt),
            (b"\x1b\r", KeyCode::Enter, alt),
            (b"\x1b[A", KeyCode::Up, none),
            (b"\x1b[1;5D", KeyCode::Left, control),
            (b"\x1b[Z", KeyCode::BackTab, shift),
            (b"\x1bOP", KeyCode::F(1), none),
            (b"\x1b[17~", KeyCode::F(6), none),
            (b"\x1b[24;2~", KeyCode::F(12), shift),
            (b"\x1b[5~", KeyCode::PageUp, none),
            (b"\x1b[H", KeyCode::Home, none),
        ];
        for (bytes, code, modifiers) in rows {
            let expected = Decoded::Input(Some(pressed(*code, *modifiers)), bytes.len());
            assert_eq!(decode(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
            for cut in 1..bytes.len() {
                let part = decode(&bytes[..cut]);
                let known = part == Decoded::Incomplete || (bytes[0] == 0x1b && cut > 1);
                assert!(known, "{bytes:?} {cut} {part:?}");
            }
        }
    }

    #[test]
    fn what_means_nothing_is_left_out() {
        assert_eq!(decode(b"\x1b[I"), Decoded::Input(None, 3));
        assert_eq!(decode(b"\x1b[99~x"), Decoded::Input(None, 5));
        assert_eq!(decode(b"\xffx"), Decoded::Input(None, 1));
        let endless = [b"\x1b[".as_slice(), &[b'1'; 64]].concat();
        assert_eq!(decode(&endless), Decoded::Input(None, endless.len()));
    }
}
