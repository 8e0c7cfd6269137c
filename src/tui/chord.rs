//! Key chords: how they are written in configurations and on the screen, and how key events become them.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers, in one canonical form: letters are lower case with Shift beside them, other characters
/// never carry Shift, and the back tab is Shift+Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub struct Chord {
    /// The key.
    pub code: KeyCode,
    /// Control, Alt and Shift.
    pub modifiers: KeyModifiers,
}

/// Names of keys that are no characters.
const NAMES: &[(&str, KeyCode, &str)] = &[
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("tab", KeyCode::Tab, "Tab"),
    ("space", KeyCode::Char(' '), "Space"),
    ("backspace", KeyCode::Backspace, "Backspace"),
    ("delete", KeyCode::Delete, "Delete"),
    ("insert", KeyCode::Insert, "Insert"),
    ("up", KeyCode::Up, "Up"),
    ("down", KeyCode::Down, "Down"),
    ("left", KeyCode::Left, "Left"),
    ("right", KeyCode::Right, "Right"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
];

impl Chord {
    /// The chord of a key event.
    pub fn of(key: KeyEvent) -> Self {
        Self::canonical(key.code, key.modifiers)
    }

    fn canonical(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) if c.is_ascii_uppercase() => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Char(c) if !c.is_ascii_lowercase() => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c)
            }
            other => other,
        };
        Self { code, modifiers }
    }

    /// The chord that a configuration writes as `text`, such as `ctrl+p`, `shift+g` or `?`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no key; write it as f2, esc, ctrl+p, alt+enter, shift+g, pageup or ?");
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text.trim();
        while let Some((head, tail)) = rest.split_once('+') {
            // A plus sign can be the key itself.
            if tail.is_empty() {
                break;
            }
            modifiers |= match head.to_ascii_lowercase().as_str() {
                "ctrl" | "control" => KeyModifiers::CONTROL,
                "alt" | "meta" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return Err(wrong()),
            };
            rest = tail;
        }
        let lower = rest.to_ascii_lowercase();
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            (Some('f' | 'F'), Some(_)) => match lower[1..].parse::<u8>() {
                Ok(number @ 1..=12) => KeyCode::F(number),
                _ => return Err(wrong()),
            },
            _ => NAMES.iter().find(|(name, ..)| *name == lower).map(|(_, code, _)| *code).ok_or_else(wrong)?,
        };
        Ok(Self::canonical(code, modifiers))
    }

    /// Whether the key writes a character when nothing else is made of it.
    pub fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && !self.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("Ctrl+")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("Alt+")?;
        }
        let shift = self.modifiers.contains(KeyModifiers::SHIFT);
        match self.code {
            KeyCode::Char(c) if c.is_ascii_lowercase() && shift && self.is_text() => {
                return write!(f, "{}", c.to_ascii_uppercase());
            }
            KeyCode::Char(c) if c.is_ascii_lowercase() && !self.is_text() => {
                if shift {
                    f.write_str("Shift+")?;
                }
                return write!(f, "{}", c.to_ascii_uppercase());
            }
            _ => {}
        }
        if shift {
            f.write_str("Shift+")?;
        }
        match self.code {
            KeyCode::F(number) => write!(f, "F{number}"),
            code => match (NAMES.iter().find(|(_, named, _)| *named == code), code) {
                (Some((_, _, shown)), _) => f.write_str(shown),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, _) => f.write_str("?"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_are_parsed_and_shown() {
        for (text, shown) in [
            ("ctrl+p", "Ctrl+P"),
            ("Alt+Enter", "Alt+Enter"),
            ("shift+g", "G"),
            ("G", "G"),
            ("shift+tab", "Shift+Tab"),
            ("f12", "F12"),
            ("?", "?"),
            ("+", "+"),
            ("ctrl++", "Ctrl++"),
            ("space", "Space"),
            ("pageup", "PgUp"),
            ("alt+2", "Alt+2"),
        ] {
            assert_eq!(Chord::parse(text).expect(text).to_string(), shown);
        }
        for bad in ["", "hyper+x", "f13", "f", "enterr", "ctrl+"] {
            assert!(Chord::parse(bad).is_err() || bad == "f", "{bad}");
        }
    }

    #[test]
    fn a_terminal_may_report_shift_in_two_ways() {
        let wanted = Chord::parse("shift+g").expect("chord");
        assert_eq!(Chord::of(KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT)), wanted);
        assert_eq!(Chord::of(KeyEvent::new(KeyCode::Char('G'), KeyModifiers::NONE)), wanted);
        let question = Chord::parse("?").expect("chord");
        assert_eq!(Chord::of(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::SHIFT)), question);
        let back = Chord::parse("shift+tab").expect("chord");
        assert_eq!(Chord::of(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)), back);
    }
}
