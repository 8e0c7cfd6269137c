//! A text of any encoding read as UTF-8, piece by piece.

use std::collections::VecDeque;
use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder};

use crate::support::encoding::Form;

/// Bytes that are read at once.
const PIECE: usize = 32 << 10;

/// Room in which the decoder gets on with its work.
const ROOM: usize = 32;

/// Reads UTF-8 whatever the source is written in. Meant to stand behind a buffer.
pub(in crate::tools::builtin) struct Utf8<R> {
    from: R,
    /// None where the bytes are UTF-8 already.
    decoder: Option<Decoder>,
    piece: Vec<u8>,
    /// What of the piece is used up.
    used: usize,
    ended: bool,
    done: bool,
    /// Characters for which the reader had no room.
    over: VecDeque<u8>,
}

impl<R: Read> Utf8<R> {
    /// Reads from the beginning of the file on; the byte order mark is left out.
    pub(in crate::tools::builtin) fn new(mut from: R, form: Form) -> io::Result<Self> {
        let mut mark = [0; 3];
        from.read_exact(&mut mark[..form.mark().len()])?;
        let decoder = (!form.is_utf8()).then(|| form.decoder());
        Ok(Self { from, decoder, piece: Vec::new(), used: 0, ended: false, done: false, over: VecDeque::new() })
    }

    /// Gives back where it reads from.
    pub(in crate::tools::builtin) fn into_inner(self) -> R {
        self.from
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return self.from.read(into) };
        let mut room = [0; ROOM];
        while self.over.is_empty() && !self.done {
            let narrow = into.len() < ROOM;
            let target = if narrow { &mut room[..] } else { &mut *into };
            let (result, used, written, _) = decoder.decode_to_utf8(&self.piece[self.used..], target, self.ended);
            self.used += used;
            if result == CoderResult::InputEmpty {
                self.done = self.ended;
                if !self.ended {
                    self.piece.resize(PIECE, 0);
                    let count = self.from.read(&mut self.piece)?;
                    self.piece.truncate(count);
                    (self.used, self.ended) = (0, count == 0);
                }
            }
            if narrow {
                self.over.extend(&room[..written]);
            } else if written > 0 {
                return Ok(written);
            }
        }
        self.over.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at a time, so that characters are cut everywhere.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(into.len()).min(3);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn characters_that_come_in_parts_are_whole_again() {
        let text = "第一行：今天的天气很好，我们去公园散步。\nzwei 𝄞\n";
        for mark in ["\u{feff}", ""] {
            let wide: Vec<u8> = format!("{mark}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
            let form = Form::of(&wide, true).expect("text");
            let mut read = String::new();
            Utf8::new(Slow(&wide), form).expect("mark").read_to_string(&mut read).expect("UTF-8");
            assert_eq!(read, text);
        }
        let (bytes, ..) = encoding_rs::GB18030.encode(text);
        let mut read = String::new();
        let form = Form::of(&bytes, true).expect("text");
        Utf8::new(Slow(&bytes), form).expect("no mark").read_to_string(&mut read).expect("UTF-8");
        assert_eq!(read, text);
    }
}
