//! The one sanitizer between untrusted text and the terminal.
//!
//! Model text, tool output, file names, page titles, addresses, error messages and labels pass through here before
//! any screen, log viewer or plain output. What comes out holds no control character but `\n` and `\t` ([`text`]) or
//! none at all ([`line()`]), no escape sequence, and no character that hides or reorders others.
//!
//! Rules (ECMA-48 for the sequences):
//! - string sequences (OSC, DCS, APC, PM, SOS) are dropped whole when they are terminated; an unterminated one loses
//!   only its introducer, so that it cannot swallow what follows;
//! - control sequences (CSI) and two-character escapes are dropped;
//! - C1 controls become U+FFFD, C0 controls (but `\n`, `\t`) and DEL become control pictures, `\r\n` becomes `\n`;
//! - bidirectional and zero-width controls, tag characters and the like are written out as `<U+202E>`.

use std::fmt::Write as _;

/// Cleans text that may have several lines.
pub fn text(input: &str) -> String {
    clean(input, true)
}

/// Cleans text for a single line: line breaks and tabs become spaces.
pub fn line(input: &str) -> String {
    clean(input, false)
}

fn clean(input: &str, multi_line: bool) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    let mut strings = Strings::default();
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\u{1b}' => after_escape(after, &mut strings),
            '\r' => {
                if !after.starts_with('\n') {
                    out.push('\u{240d}');
                }
                after
            }
            '\n' | '\t' => {
                out.push(if multi_line { c } else { ' ' });
                after
            }
            // Eight-bit introducers work like their two-character forms; the introducer itself stays visible.
            '\u{80}'..='\u{9f}' => {
                out.push('\u{fffd}');
                match c {
                    '\u{9b}' => after_csi(after),
                    '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => strings.after(after),
                    _ => after,
                }
            }
            '\0'..='\u{1f}' => {
                // Control pictures U+2400.. stand in the order of the controls.
                out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'));
                after
            }
            '\u{7f}' => {
                out.push('\u{2421}');
                after
            }
            c if hides(c, after, &out) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "<U+{:04X}>", c as u32);
                after
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// What follows an escape sequence whose ESC has just been taken.
fn after_escape<'a>(rest: &'a str, strings: &mut Strings) -> &'a str {
    let mut chars = rest.chars();
    match chars.next() {
        Some('[') => after_csi(chars.as_str()),
        Some(']' | 'P' | 'X' | '^' | '_') => strings.after(chars.as_str()),
        // nF sequences: intermediates, then a final byte.
        Some(' '..='/') => {
            let tail = chars.as_str().trim_start_matches(|c| (' '..='/').contains(&c));
            let mut tail_chars = tail.chars();
            match tail_chars.next() {
                Some('0'..='~') => tail_chars.as_str(),
                _ => tail,
            }
        }
        Some('0'..='~') => chars.as_str(),
        _ => rest,
    }
}

/// What follows a control sequence whose introducer has been taken. A malformed one ends at the first character that
/// cannot belong to it, which is kept.
fn after_csi(rest: &str) -> &str {
    let tail = rest.trim_start_matches(|c| ('0'..='?').contains(&c)).trim_start_matches(|c| (' '..='/').contains(&c));
    let mut chars = tail.chars();
    match chars.next() {
        Some('@'..='~') => chars.as_str(),
        _ => tail,
    }
}

/// The string sequences of one text. Where no terminator follows one introducer, none follows those behind it: the
/// text is searched in vain once, however many introducers it holds.
#[derive(Debug, Default)]
struct Strings {
    none_ends: bool,
}

impl Strings {
    /// What follows a string sequence whose introducer has been taken: all of it is dropped if a terminator (BEL, ST,
    /// eight-bit ST) comes, nothing otherwise.
    fn after<'a>(&mut self, rest: &'a str) -> &'a str {
        if self.none_ends {
            return rest;
        }
        for (index, c) in rest.char_indices() {
            match c {
                '\u{7}' | '\u{9c}' => return &rest[index + c.len_utf8()..],
                '\u{1b}' if rest[index + 1..].starts_with('\\') => return &rest[index + 2..],
                _ => {}
            }
        }
        self.none_ends = true;
        rest
    }
}

/// Whether a character is to be written out. Joiners and variation selectors are needed by emoji and by several
/// scripts: they stay between two letters or pictures, and show anywhere else.
fn hides(c: char, after: &str, before: &str) -> bool {
    let left = before.chars().next_back();
    let right = after.chars().next();
    let joinable = |c: Option<char>| {
        c.is_some_and(|c| !c.is_ascii() && !c.is_whitespace() && !c.is_control() && !is_joiner(c) && !always_hidden(c))
    };
    match c {
        '\u{200c}' | '\u{200d}' => {
            // A variation selector may stand before a joiner, as in the rainbow flag.
            let left_ok = joinable(left) || left.is_some_and(is_selector);
            !(left_ok && joinable(right) && !right.is_some_and(is_selector))
        }
        c if is_selector(c) => !left.is_some_and(|c| !c.is_whitespace() && !is_joiner(c) && !is_selector(c)),
        c => always_hidden(c),
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_selector(c: char) -> bool {
    ('\u{fe00}'..='\u{fe0f}').contains(&c)
}

/// Characters that are invisible or change the order of others, wherever they stand.
fn always_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_sequences_vanish() {
        let rows = [
            ("a\x1b]52;c;ZWNobyBwd24=\x07b", "ab"),
            ("\x1b]0;pwned\x07\x1b]2;pwned\x1b\\x", "x"),
            ("\x1b[2J\x1b[H\x1b[?1049l\x1b[?25lx", "x"),
            ("\x1b_Ga=T,f=100,t=f;L2V0Yy9wYXNzd2Q=\x1b\\x", "x"),
            ("\x1b[?1000h\x1b[>1ux", "x"),
            ("\x1b(0\x1bc\x1b=x", "x"),
            ("\u{9b}31mx\u{9d}52;c;aGk=\u{9c}y", "\u{fffd}x\u{fffd}y"),
            ("safe\rEVIL\x08\x08\x0b\x0c\x00\x7f", "safe␍EVIL␈␈␋␌␀␡"),
            ("one\r\ntwo\n\tthree", "one\ntwo\n\tthree"),
            ("\u{202e}gnp.exe\u{2066}x\u{2069}\u{200b}", "<U+202E>gnp.exe<U+2066>x<U+2069><U+200B>"),
            ("\u{e0041}x", "<U+E0041>x"),
            ("\x1b", ""),
            ("\x1b[", ""),
            ("\x1b[31\nx", "\nx"),
        ];
        for (hostile, expected) in rows {
            assert_eq!(text(hostile), expected, "{hostile:?}");
        }
    }

    #[test]
    fn an_unterminated_string_swallows_nothing() {
        assert_eq!(text("\x1b]52;c;AAAA and more"), "52;c;AAAA and more");
    }

    #[test]
    fn a_million_unterminated_strings_are_searched_once() {
        // Searched for each of them, this takes a quarter of an hour.
        let hostile = "\x1b]x".repeat(1 << 20);
        assert_eq!(text(&hostile), "x".repeat(1 << 20));
        assert_eq!(text("\x1b]0;a\x07b\x1b]0;c\x07d\x1b]e\u{9d}f"), "bd".to_owned() + "e\u{fffd}f");
    }

    #[test]
    fn emoji_sequences_and_scripts_with_joiners_survive() {
        for kept in ["👩‍👩‍👧", "❤️", "🏳️‍🌈", "می‌خواهم", "क्‍ष", "日本語 text"]
        {
            assert_eq!(text(kept), kept);
        }
        assert_eq!(text("a\u{200d}b"), "a<U+200D>b");
        // A joiner kept for what comes behind it must not lose its reason when that is made visible.
        let clean = text("⭶\u{200d}\u{202a}");
        assert_eq!(text(&clean), clean);
    }

    #[test]
    fn a_line_has_no_breaks() {
        assert_eq!(line("a\nb\tc\r\nd"), "a b c d");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_comes_out(input in "(\\PC|[\\x00-\\x1f\\x7f-\\u{9f}]|\\x1b[\\[\\]P_^X]|[\u{200b}-\u{202f}]){0,60}") {
            let clean = text(&input);
            for c in clean.chars() {
                prop_assert!(c == '\n' || c == '\t' || !c.is_control(), "{:?} in {:?}", c, clean);
                let reorders = ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
                prop_assert!(!reorders, "bidirectional or zero-width");
            }
            // Cleaning twice changes nothing more.
            prop_assert_eq!(text(&clean), clean);
        }
    }
}
