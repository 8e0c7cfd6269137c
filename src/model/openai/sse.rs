//! Server-sent events as the WHATWG HTML standard has them, from chunks that may be cut anywhere.
//!
//! Pure: bytes in, frames out. Lines end with LF, CR LF or a lone CR; a leading byte order mark is skipped; bytes that
//! are not UTF-8 become U+FFFD. One thing is more lenient than the standard, which throws away an event that no
//! blank line ends: [`FrameDecoder::end`] hands it out, and the caller decides by its content whether it is whole.
//! Why not a crate: those we tried either panic on a byte order mark or drop that last event.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The `event` field; empty when there was none.
    pub event: String,
    /// The `data` fields, joined with line feeds.
    pub data: String,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Turns chunks of a stream into frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The unfinished line.
    line: Vec<u8>,
    /// The byte before was a CR that ended a line, so that an LF now belongs to it.
    after_cr: bool,
    /// The first line was ended (only there a byte order mark may stand).
    begun: bool,
    event: String,
    data: String,
    has_data: bool,
}

impl FrameDecoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and appends every frame that they complete to `frames`.
    pub fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Frame>) {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(bytes);
                return;
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&bytes[..end], frames);
            } else {
                self.line.extend_from_slice(&bytes[..end]);
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, frames);
                // Keeps the buffer for the next line.
                self.line = line;
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// The event that the end of the stream cut off, if one had begun.
    pub fn end(mut self) -> Option<Frame> {
        let mut frames = Vec::new();
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, &mut frames);
        }
        self.take_line(b"", &mut frames);
        frames.pop()
    }

    fn take_line(&mut self, mut line: &[u8], frames: &mut Vec<Frame>) {
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            let frame = Frame { event: std::mem::take(&mut self.event), data: std::mem::take(&mut self.data) };
            if std::mem::take(&mut self.has_data) {
                frames.push(frame);
            }
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(&String::from_utf8_lossy(value));
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            // Comments (an empty name), `id`, `retry` and unknown fields.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut decoder = FrameDecoder::new();
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.push(chunk, &mut frames);
        }
        frames.extend(decoder.end());
        frames
    }

    fn data(chunks: &[&[u8]]) -> Vec<String> {
        all(chunks).into_iter().map(|frame| frame.data).collect()
    }

    #[test]
    fn lines_end_with_lf_crlf_or_cr() {
        for text in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            assert_eq!(data(&[text.as_bytes()]), ["a", "b"], "{text:?}");
        }
        assert_eq!(data(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n", b"\r\n"]), ["a", "b"]);
    }

    #[test]
    fn several_data_lines_are_one_frame_and_comments_are_none() {
        assert_eq!(data(&[b": OPENROUTER PROCESSING\n\n", b"data: {\ndata: }\n\n", b":\n\n"]), ["{\n}"]);
        assert_eq!(data(&[b"data\n\n", b"data:\n\n", b"data:  two\n\n"]), ["", "", " two"]);
    }

    #[test]
    fn the_event_field_names_one_frame_only() {
        let frames = all(&[b"event: error\nid: 3\nretry: 10\ndata: x\n\ndata: y\n\n"]);
        let names: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
        assert_eq!(names, ["error", ""]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_beginning_only() {
        assert_eq!(data(&[b"\xef", b"\xbb\xbfdata: a\n\n"]), ["a"]);
        assert_eq!(data(&[b"data: a\n\n\xef\xbb\xbfdata: b\n\n"]), ["a"]);
        assert_eq!(data(&[b"\xef\xbb\xbf\ndata: a\n\n"]), ["a"]);
    }

    #[test]
    fn a_frame_without_its_blank_line_is_handed_out_at_the_end() {
        assert_eq!(data(&[b"data: a\n\ndata: b"]), ["a", "b"]);
        assert_eq!(data(&[b"data: a\n"]), ["a"]);
        assert_eq!(data(&[b"event: x\n"]), Vec::<String>::new());
    }

    #[test]
    fn bytes_that_are_not_utf8_do_no_harm() {
        assert_eq!(data(&[b"data: \xff\xfe\n\n"]), ["\u{fffd}\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            pieces in proptest::collection::vec("(data: ?|event: |: |x|é|世|\u{feff}|\r|\n|\r\n|\n\n){0,6}", 0..12),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        ) {
            let bytes = pieces.concat().into_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&chunks), all(&[&bytes]));
        }
    }
}
