//! Whether a packed stream is what was packed: readers of PDF are lenient and take what a damaged one unpacks to.

use flate2::{Decompress, FlushDecompress, Status};
use lopdf::Stream;

/// Bytes that are unpacked at once.
const PIECE: usize = 64 * 1024;
/// Bytes before the packed ones, and those of the checksum after them.
const HEAD: usize = 2;
const SUM: usize = 4;

/// Whether a stream that is packed in the usual way ends as it should and has the right checksum. Others are taken for
/// sound, and so is a stream whose checksum was left out: some writers do that. It is read up to a limit.
pub(super) fn is_sound(stream: &Stream, most: usize) -> bool {
    let packed = stream.filters().is_ok_and(|filters| matches!(filters.first(), Some(&(b"FlateDecode" | b"Fl"))));
    !packed || stream.content.len() <= HEAD || has_right_sum(&stream.content, most)
}

fn has_right_sum(bytes: &[u8], most: usize) -> bool {
    let mut unpacker = Decompress::new(false);
    let mut piece = Vec::with_capacity(PIECE);
    let mut sum = Adler::default();
    loop {
        let used = HEAD + unpacker.total_in() as usize;
        let before = unpacker.total_out();
        piece.clear();
        let status = unpacker.decompress_vec(bytes.get(used..).unwrap_or_default(), &mut piece, FlushDecompress::None);
        sum.add(&piece);
        match status {
            Ok(Status::StreamEnd) => {
                let end = HEAD + unpacker.total_in() as usize;
                let told = bytes.get(end..end + SUM).and_then(|told| told.try_into().ok()).map(u32::from_be_bytes);
                return told.is_none_or(|told| told == sum.value());
            }
            Ok(_) if unpacker.total_out() as usize > most => return true,
            // It goes on for ever without an end: the input is used up.
            Ok(_) if unpacker.total_out() == before && HEAD + unpacker.total_in() as usize == used => return false,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The checksum of zlib.
struct Adler(u32, u32);

impl Default for Adler {
    fn default() -> Self {
        Self(1, 0)
    }
}

impl Adler {
    fn add(&mut self, bytes: &[u8]) {
        // So many bytes fit into the sums before they have to be made smaller.
        for bytes in bytes.chunks(5_552) {
            for byte in bytes {
                self.0 += u32::from(*byte);
                self.1 += self.0;
            }
            self.0 %= 65_521;
            self.1 %= 65_521;
        }
    }

    fn value(&self) -> u32 {
        self.1 << 16 | self.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use lopdf::dictionary;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(text).expect("packed");
        packer.finish().expect("packed")
    }

    fn is_sound(content: &[u8]) -> bool {
        super::is_sound(&Stream::new(dictionary! { "Filter" => "FlateDecode" }, content.to_vec()), 1 << 20)
    }

    #[test]
    fn a_byte_that_is_not_the_one_that_was_written_is_seen_wherever_it_stands() {
        let text: Vec<String> = (0..4_000).map(|n| format!("row {} of {n}", n * n)).collect();
        let text = text.join("\n");
        let whole = packed(text.as_bytes());
        assert!(is_sound(&whole) && is_sound(&packed(b"")) && is_sound(b""));
        // Blanks after it and a checksum that is not there are the ways of some writers.
        assert!(is_sound(&[&whole[..], b"\r\n"].concat()) && is_sound(&whole[..whole.len() - 4]));
        for at in (2..whole.len()).step_by(whole.len() / 50) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(!is_sound(&damaged), "byte {at} of {}", whole.len());
        }
        assert!(!is_sound(&whole[..whole.len() / 2]));
        let plain = Stream::new(lopdf::Dictionary::new(), b"BT ET".to_vec());
        assert!(super::is_sound(&plain, 1 << 20));
    }
}
