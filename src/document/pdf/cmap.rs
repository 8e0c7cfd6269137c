//! Character maps: codes of a font to Unicode, or to the numbers of its glyphs.

use std::collections::HashMap;

use super::tokens::{Token, Tokens};

/// Entries that one map may have.
const MOST_ENTRIES: usize = 200_000;

/// A map from codes.
#[derive(Debug, Default)]
pub(super) struct CMap {
    /// Codes of each length with their text, for maps to Unicode.
    texts: HashMap<(usize, u32), String>,
    /// Ranges of codes and their first glyph, for maps to glyphs.
    glyphs: Vec<(u32, u32, u32)>,
    /// Lengths of codes: bytes, lowest, highest.
    spaces: Vec<(usize, u32, u32)>,
}

fn code(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |code, byte| code << 8 | u32::from(*byte))
}

fn unicode(bytes: &[u8]) -> String {
    if bytes.len() == 1 {
        return char::from(bytes[0]).to_string();
    }
    let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// The text after that one by so many.
fn shifted(bytes: &[u8], by: u32) -> String {
    let mut bytes = bytes.to_vec();
    let mut carry = by;
    for byte in bytes.iter_mut().rev() {
        let sum = u32::from(*byte) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    unicode(&bytes)
}

impl CMap {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        let mut values: Vec<Token> = Vec::new();
        for token in Tokens::new(bytes) {
            let Token::Operator(name) = &token else {
                if values.len() < 4 * MOST_ENTRIES {
                    values.push(token);
                }
                continue;
            };
            match name.as_slice() {
                b"endcodespacerange" => {
                    for pair in values.chunks_exact(2) {
                        if let [Token::Text(low), Token::Text(high)] = pair {
                            map.spaces.push((low.len().clamp(1, 4), code(low), code(high)));
                        }
                    }
                }
                b"endbfchar" => {
                    for pair in values.chunks_exact(2) {
                        if let [Token::Text(from), Token::Text(to)] = pair {
                            map.add(from.len(), code(from), unicode(to));
                        }
                    }
                }
                b"endbfrange" => map.ranges(&values),
                b"endcidrange" => {
                    for range in values.chunks_exact(3) {
                        if let [Token::Text(low), Token::Text(high), Token::Number(glyph)] = range {
                            map.glyphs.push((code(low), code(high), *glyph as u32));
                        }
                    }
                }
                b"endcidchar" => {
                    for pair in values.chunks_exact(2) {
                        if let [Token::Text(from), Token::Number(glyph)] = pair {
                            map.glyphs.push((code(from), code(from), *glyph as u32));
                        }
                    }
                }
                _ => {}
            }
            values.clear();
        }
        map.glyphs.truncate(MOST_ENTRIES);
        map
    }

    fn ranges(&mut self, values: &[Token]) {
        let mut at = 0;
        while let Some([Token::Text(low), Token::Text(high)]) = values.get(at..at + 2) {
            let (length, low, high) = (low.len(), code(low), code(high));
            match values.get(at + 2) {
                Some(Token::Text(to)) => {
                    for number in 0..=high.saturating_sub(low).min(0xffff) {
                        self.add(length, low + number, shifted(to, number));
                    }
                    at += 3;
                }
                Some(Token::ArrayStart) => {
                    at += 3;
                    let mut number = 0;
                    while let Some(Token::Text(to)) = values.get(at) {
                        self.add(length, low.saturating_add(number), unicode(to));
                        number += 1;
                        at += 1;
                    }
                    at += 1;
                }
                _ => return,
            }
        }
    }

    fn add(&mut self, length: usize, code: u32, text: String) {
        if self.texts.len() < MOST_ENTRIES {
            self.texts.insert((length.clamp(1, 4), code), text);
        }
    }

    /// The text of a code.
    pub(super) fn text(&self, length: usize, code: u32) -> Option<&str> {
        // Some writers give maps for one byte with codes of two, and the other way round.
        [length, 2, 1].into_iter().find_map(|length| self.texts.get(&(length, code))).map(String::as_str)
    }

    /// The glyph of a code.
    pub(super) fn glyph(&self, code: u32) -> Option<u32> {
        let (low, _, first) = self.glyphs.iter().find(|(low, high, _)| (*low..=*high).contains(&code))?;
        Some(first.saturating_add(code - low))
    }

    /// How many bytes the next code has.
    pub(super) fn length(&self, bytes: &[u8]) -> Option<usize> {
        (1..=4.min(bytes.len())).find(|length| {
            let code = code(&bytes[..*length]);
            self.spaces.iter().any(|(l, low, high)| l == length && (*low..=*high).contains(&code))
        })
    }
}
