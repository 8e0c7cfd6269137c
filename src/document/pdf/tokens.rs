//! Content streams and character maps as tokens. Both are PostScript-like; what makes no sense is skipped.

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Name(Vec<u8>),
    Text(Vec<u8>),
    ArrayStart,
    ArrayEnd,
    DictStart,
    DictEnd,
    Operator(Vec<u8>),
}

/// Tokens of a stream.
pub(super) struct Tokens<'b> {
    bytes: &'b [u8],
    at: usize,
}

fn is_space(b: u8) -> bool {
    matches!(b, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_delimiter(b: u8) -> bool {
    matches!(b, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'b> Tokens<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn word(&mut self) -> &'b [u8] {
        let from = self.at;
        while self.peek().is_some_and(|b| !is_space(b) && !is_delimiter(b)) {
            self.at += 1;
        }
        &self.bytes[from..self.at]
    }

    /// Skips the data of an inline picture, up to its end mark.
    pub(super) fn skip_picture(&mut self) {
        let rest = &self.bytes[self.at..];
        let found = rest
            .windows(4)
            .position(|w| is_space(w[0]) && w[1] == b'E' && w[2] == b'I' && (is_space(w[3]) || w[3] == b'Q'));
        self.at = found.map_or(self.bytes.len(), |at| self.at + at + 3);
    }

    fn name(&mut self) -> Token {
        let mut name = Vec::new();
        let word = self.word();
        let mut rest = word;
        while let Some((first, after)) = rest.split_first() {
            let hex =
                after.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
            if let Some(byte) = hex.filter(|_| *first == b'#') {
                name.push(byte);
                rest = &after[2..];
            } else {
                name.push(*first);
                rest = after;
            }
        }
        Token::Name(name)
    }

    fn literal(&mut self) -> Token {
        let mut text = Vec::new();
        let mut depth = 1;
        while let Some(b) = self.peek() {
            self.at += 1;
            match b {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'\\' => {
                    let Some(next) = self.peek() else { break };
                    self.at += 1;
                    match next {
                        b'n' => text.push(b'\n'),
                        b'r' => text.push(b'\r'),
                        b't' => text.push(b'\t'),
                        b'b' => text.push(8),
                        b'f' => text.push(12),
                        b'\r' => {
                            if self.peek() == Some(b'\n') {
                                self.at += 1;
                            }
                        }
                        b'\n' => {}
                        b'0'..=b'7' => {
                            let mut code = u32::from(next - b'0');
                            for _ in 0..2 {
                                if let Some(digit @ b'0'..=b'7') = self.peek() {
                                    code = code * 8 + u32::from(digit - b'0');
                                    self.at += 1;
                                }
                            }
                            text.push(code as u8);
                        }
                        other => text.push(other),
                    }
                    continue;
                }
                _ => {}
            }
            text.push(b);
        }
        Token::Text(text)
    }

    fn hexadecimal(&mut self) -> Token {
        let mut digits = Vec::new();
        while let Some(b) = self.peek() {
            self.at += 1;
            match (b as char).to_digit(16) {
                Some(digit) => digits.push(digit as u8),
                None if b == b'>' => break,
                None => {}
            }
        }
        Token::Text(digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect())
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let b = self.peek()?;
            match b {
                b if is_space(b) => self.at += 1,
                b'%' => {
                    while self.peek().is_some_and(|b| b != b'\n' && b != b'\r') {
                        self.at += 1;
                    }
                }
                b'/' => {
                    self.at += 1;
                    return Some(self.name());
                }
                b'(' => {
                    self.at += 1;
                    return Some(self.literal());
                }
                b'<' | b'>' => {
                    self.at += 1;
                    if self.peek() == Some(b) {
                        self.at += 1;
                        return Some(if b == b'<' { Token::DictStart } else { Token::DictEnd });
                    }
                    if b == b'<' {
                        return Some(self.hexadecimal());
                    }
                }
                b'[' | b']' => {
                    self.at += 1;
                    return Some(if b == b'[' { Token::ArrayStart } else { Token::ArrayEnd });
                }
                b'{' | b'}' | b')' => self.at += 1,
                _ => {
                    let word = self.word();
                    return Some(number(word).map_or_else(|| Token::Operator(word.to_vec()), Token::Number));
                }
            }
        }
    }
}

/// A number, also in the odd spellings that are met: `--5`, `1.2.3`, `5-3`.
fn number(word: &[u8]) -> Option<f64> {
    if !matches!(word.first()?, b'0'..=b'9' | b'+' | b'-' | b'.') {
        return None;
    }
    let text = std::str::from_utf8(word).ok()?;
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let start = text.trim_start_matches(['+', '-']);
    let mut dots = 0;
    let digits: String = start
        .chars()
        .take_while(|c| {
            dots += usize::from(*c == '.');
            c.is_ascii_digit() || (*c == '.' && dots < 2)
        })
        .collect();
    let value: f64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}
