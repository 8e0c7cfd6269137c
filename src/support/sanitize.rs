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
//! - bidirectional and zero-width controls, tag characters and the like are written out as `<U+202E>`;
//! - of the marks on one letter (accents and the like) the first few stay, so that none climbs over other lines.
//!
//! Colours of a program's output are the one thing that [`coloured`] reads out of its sequences. They come out as data
//! beside the clean text; a screen makes its own styles of them.

use std::fmt::Write as _;

pub mod sgr;

use sgr::Look;

/// Marks that one letter may carry; scripts that stack them need two or three.
const MOST_MARKS: usize = 8;

/// Cleans text that may have several lines.
pub fn text(input: &str) -> String {
    clean(input, true, |_, _| ())
}

/// Cleans text for a single line: line breaks and tabs become spaces.
pub fn line(input: &str) -> String {
    clean(input, false, |_, _| ())
}

/// The content of files, where whoever reads it decides about it: nothing is dropped, not even what is in sequences. Each
/// control becomes its picture, and what hides or reorders other characters is written out. Lines and tabs stay.
pub fn visible(input: &str) -> String {
    let mut out = String::with_capacity(input.len());
    let mut marks = 0;
    for (at, c) in input.char_indices() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        match c {
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            c if ('\u{80}'..='\u{9f}').contains(&c)
                || marks > MOST_MARKS
                || hides(c, &input[at + c.len_utf8()..], &out) =>
            {
                // Writing to a String cannot fail.
                let _ = write!(out, "<U+{:04X}>", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// JSON that a terminal may show: what it could take for a command, or what reorders text, is written as an escape,
/// which means the same to every reader. C0 controls are escaped by every writer of JSON already.
pub fn json(input: &str) -> String {
    let mut out = String::with_capacity(input.len());
    for c in input.chars() {
        if ('\u{7f}'..='\u{9f}').contains(&c) || always_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Clean text, and where its looks change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coloured {
    /// The text, as [`text`] gives it.
    pub text: String,
    /// From which byte of it on which look holds, in order.
    pub looks: Vec<(usize, Look)>,
    /// Where its pictures of carriage returns stand for real ones.
    pub returns: Vec<usize>,
}

/// Cleans a program's output and reads its colours. `look` holds at the beginning, and afterwards what holds at the end.
pub fn coloured(input: &str, look: &mut Look) -> Coloured {
    let mut looks: Vec<(usize, Look)> = Vec::new();
    if *look != Look::default() {
        looks.push((0, *look));
    }
    let mut returns = Vec::new();
    let text = clean(input, true, |at, seen| {
        let Seen::Colours(parameters) = seen else { return returns.push(at) };
        look.apply(parameters);
        looks.pop_if(|(last, _)| *last == at);
        if looks.last().map_or(Look::default(), |(_, last)| *last) != *look {
            looks.push((at, *look));
        }
    });
    Coloured { text, looks, returns }
}

/// What is told about the input beside its clean text.
enum Seen<'a> {
    /// An SGR sequence with these parameters.
    Colours(&'a str),
    /// A lone carriage return.
    Return,
}

/// `seen` is told what stood at which byte of the clean text.
fn clean(input: &str, multi_line: bool, mut seen: impl FnMut(usize, Seen<'_>)) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    let mut strings = Strings::default();
    let mut marks = 0;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if is_mark(c) {
            marks += 1;
            if marks > MOST_MARKS {
                rest = after;
                continue;
            }
        } else {
            marks = 0;
        }
        rest = match c {
            '\u{1b}' => {
                if let Some(parameters) = sgr(after) {
                    seen(out.len(), Seen::Colours(parameters));
                }
                after_escape(after, &mut strings)
            }
            '\r' => {
                if !after.starts_with('\n') {
                    seen(out.len(), Seen::Return);
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

/// The parameters of the SGR sequence whose ESC has just been taken, if it is one.
fn sgr(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('[')?;
    let end = rest.find(|c: char| !matches!(c, '0'..=';'))?;
    rest[end..].starts_with('m').then(|| &rest[..end])
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

/// Marks that stand on the letter before them, as far as they are used to stack them up.
pub fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{489}'
            | '\u{591}'..='\u{5bd}'
            | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}'
            | '\u{6d6}'..='\u{6dc}'
            | '\u{e34}'..='\u{e3a}'
            | '\u{e47}'..='\u{e4e}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{302a}'..='\u{302f}'
            | '\u{3099}'
            | '\u{309a}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_selector(c: char) -> bool {
    ('\u{fe00}'..='\u{fe0f}').contains(&c)
}

/// Characters that are invisible or change the order of others, wherever they stand.
pub fn always_hidden(c: char) -> bool {
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
mod tests;
