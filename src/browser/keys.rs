//! Keys as a keyboard sends them: pages ask which key it was, and some take only those that they know.

use std::borrow::Cow;

use serde_json::{Value, json};

/// The keys with two signs each, on a keyboard of the United States: the sign, the one with Shift, name and number.
const SIGNS: &[(char, char, &str, u32)] = &[
    ('`', '~', "Backquote", 192),
    ('-', '_', "Minus", 189),
    ('=', '+', "Equal", 187),
    ('[', '{', "BracketLeft", 219),
    (']', '}', "BracketRight", 221),
    ('\\', '|', "Backslash", 220),
    (';', ':', "Semicolon", 186),
    ('\'', '"', "Quote", 222),
    (',', '<', "Comma", 188),
    ('.', '>', "Period", 190),
    ('/', '?', "Slash", 191),
];
/// What stands over the digits from 0 on.
const OVER_DIGITS: &str = ")!@#$%^&*(";
/// How the protocol says that Shift is held.
const SHIFT: u32 = 8;

/// A key, and what it types.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// What a page calls it.
    name: Cow<'static, str>,
    /// Where it lies; empty for letters that this keyboard does not have.
    code: Cow<'static, str>,
    /// The number that older pages ask for.
    number: u32,
    /// What it types.
    text: Option<Cow<'static, str>>,
    shift: bool,
}

impl Key {
    pub(super) const ENTER: Self = Self::named("Enter", 13, Some("\r"));
    pub(super) const DELETE: Self = Self::named("Delete", 46, None);

    const fn named(name: &'static str, number: u32, text: Option<&'static str>) -> Self {
        let text = match text {
            Some(text) => Some(Cow::Borrowed(text)),
            None => None,
        };
        Self { name: Cow::Borrowed(name), code: Cow::Borrowed(name), number, text, shift: false }
    }

    /// The key that types a character.
    pub(super) fn of(c: char) -> Self {
        let (code, number, shift) = match c {
            ' ' => ("Space".into(), 32, false),
            'a'..='z' | 'A'..='Z' => {
                let large = c.to_ascii_uppercase();
                (format!("Key{large}").into(), u32::from(large), c == large)
            }
            '0'..='9' => (format!("Digit{c}").into(), u32::from(c), false),
            _ => {
                let digit = OVER_DIGITS.chars().zip('0'..='9').find(|(sign, _)| *sign == c);
                let sign = SIGNS.iter().find(|(sign, with_shift, ..)| [*sign, *with_shift].contains(&c));
                match (digit, sign) {
                    (Some((_, digit)), _) => (format!("Digit{digit}").into(), u32::from(digit), true),
                    (_, Some((_, with_shift, name, number))) => (Cow::Borrowed(*name), *number, c == *with_shift),
                    _ => ("".into(), 0, false),
                }
            }
        };
        let name = c.to_string();
        Self { text: Some(name.clone().into()), name: name.into(), code, number, shift }
    }

    /// That it goes down, and up again, for `Input.dispatchKeyEvent`.
    pub(super) fn events(&self) -> [Value; 2] {
        let Self { name, code, number, text, shift } = self;
        let modifiers = if *shift { SHIFT } else { 0 };
        let down = json!({
            "type": if text.is_some() { "keyDown" } else { "rawKeyDown" },
            "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers,
            "text": text.as_deref().unwrap_or_default(),
        });
        let up = json!({
            "type": "keyUp", "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers,
        });
        [down, up]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_typed_by_the_keys_that_a_keyboard_has_for_them() {
        let told = |c: char| {
            let Key { code, number, shift, .. } = Key::of(c);
            (code.into_owned(), number, shift)
        };
        assert_eq!(told('a'), ("KeyA".to_owned(), 65, false));
        assert_eq!(told('Z'), ("KeyZ".to_owned(), 90, true));
        assert_eq!(told('7'), ("Digit7".to_owned(), 55, false));
        assert_eq!(told('@'), ("Digit2".to_owned(), 50, true));
        assert_eq!(told('?'), ("Slash".to_owned(), 191, true));
        assert_eq!(told('世'), (String::new(), 0, false));
        assert_eq!(Key::of('世').text.as_deref(), Some("世"));
    }
}
