//! Text of bytes that come in pieces.

/// Makes text of bytes that come in pieces: a character that is cut in two waits for its rest; what is no UTF-8
/// becomes U+FFFD.
#[derive(Debug, Default)]
pub struct Utf8Stream(Vec<u8>);

impl Utf8Stream {
    /// The text of these bytes and of what was held back, but for a character that is still cut.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.0);
        let mut out = String::with_capacity(held.len());
        let mut rest = held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    return out;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    out.push_str(&String::from_utf8_lossy(good));
                    let Some(length) = error.error_len() else {
                        self.0 = bad.to_vec();
                        return out;
                    };
                    out.push('\u{fffd}');
                    rest = &bad[length..];
                }
            }
        }
    }

    /// A character that never came to its end.
    pub fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.0).is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_waits_for_its_rest() {
        let bytes = "a世\u{1f600}é".as_bytes();
        for size in 1..bytes.len() {
            let mut stream = Utf8Stream::default();
            let mut out: String = bytes.chunks(size).map(|piece| stream.push(piece)).collect();
            out.push_str(stream.finish());
            assert_eq!(out, "a世\u{1f600}é");
        }
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(b"a\xffb\xe4"), "a\u{fffd}b");
        assert_eq!(stream.finish(), "\u{fffd}");
    }
}
