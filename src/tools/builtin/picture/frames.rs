//! How many pictures a file holds, of which only the first is decoded: counted by the blocks of the file, nothing is
//! unpacked. Runs in the process without rights.

use image::ImageFormat;

/// Pages of a TIFF that are counted: each points to the next, and may point back.
const MOST_PAGES: usize = 10_000;

/// The frames of an animation or the pages of a scan; 1 where there is nothing to count.
pub(super) fn count(bytes: &[u8], format: ImageFormat) -> usize {
    let counted = match format {
        ImageFormat::Gif => gif(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Tiff => tiff(bytes),
        _ => None,
    };
    counted.unwrap_or(1).max(1)
}

/// Frames that are there, also of a file that is cut.
fn gif(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    loop {
        match bytes.get(at) {
            // A picture: its place, its colours, the size of its codes.
            Some(0x2c) => {
                frames += 1;
                let Some(flags) = bytes.get(at + 9) else { return Some(frames) };
                at += 11 + table(*flags);
            }
            // An extension and its kind.
            Some(0x21) => at += 2,
            _ => return Some(frames),
        }
        // What follows both: pieces with their lengths, an empty one at the end.
        while let Some(length @ 1..) = bytes.get(at).copied() {
            at += 1 + usize::from(length);
        }
        at += 1;
    }
}

/// What an animated PNG says of itself before its first picture.
fn png(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        match bytes.get(at + 4..at + 8)? {
            b"acTL" => return Some(u32::from_be_bytes(bytes.get(at + 8..at + 12)?.try_into().ok()?) as usize),
            b"IDAT" | b"IEND" => return None,
            _ => at = at.checked_add(length)?.checked_add(12)?,
        }
    }
}

fn webp(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut frames) = (12_usize, 0);
    while let (Some(name), Some(length)) = (bytes.get(at..at + 4), bytes.get(at + 4..at + 8)) {
        frames += usize::from(name == b"ANMF");
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        // Pieces of an odd length are filled up.
        at = at.checked_add(8)?.checked_add(length)?.checked_add(length % 2)?;
    }
    Some(frames)
}

fn tiff(bytes: &[u8]) -> Option<usize> {
    let little = bytes.starts_with(b"II");
    let short = |at: usize| {
        let bytes: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(usize::from(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }))
    };
    let long = |at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let (mut at, mut pages) = (long(4)?, 0);
    while at > 0 && pages < MOST_PAGES {
        let Some(fields) = short(at) else { break };
        pages += 1;
        let Some(next) = long(at + 2 + 12 * fields) else { break };
        at = next;
    }
    Some(pages)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::gif::GifEncoder;
    use image::{Frame, RgbImage, RgbaImage};

    use super::*;

    fn file(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        RgbImage::new(4, 3).write_to(&mut Cursor::new(&mut bytes), format).expect("encoded");
        bytes
    }

    fn animation(frames: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.encode_frames((0..frames).map(|_| Frame::new(RgbaImage::new(30, 20)))).expect("encoded");
        drop(encoder);
        bytes
    }

    #[test]
    fn one_picture_is_one() {
        for format in [ImageFormat::Gif, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Jpeg] {
            assert_eq!(count(&file(format), format), 1, "{format:?}");
        }
    }

    #[test]
    fn frames_and_pages_are_counted() {
        for frames in [2, 7] {
            assert_eq!(count(&animation(frames), ImageFormat::Gif), frames);
        }
        let png = file(ImageFormat::Png);
        let animated = [&png[..33], b"\0\0\0\x08acTL\0\0\0\x05\0\0\0\0????", &png[33..]].concat();
        assert_eq!(count(&animated, ImageFormat::Png), 5);
        let webp = [&b"RIFF\0\0\0\0WEBP"[..], b"VP8X\x01\0\0\0x\0", b"ANMF\x02\0\0\0xx", b"ANMF\x02\0\0\0xx"].concat();
        assert_eq!(count(&webp, ImageFormat::WebP), 2);
        let pages = b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0\0\0\0";
        assert_eq!(count(pages, ImageFormat::Tiff), 2);
        let pages = b"MM\0*\0\0\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0";
        assert_eq!(count(pages, ImageFormat::Tiff), 2);
        let endless = b"II*\0\x08\0\0\0\0\0\x08\0\0\0";
        assert_eq!(count(endless, ImageFormat::Tiff), MOST_PAGES);
    }

    #[test]
    fn what_is_cut_or_made_up_ends() {
        let whole = animation(3);
        for end in 0..whole.len() {
            assert!((1..=3).contains(&count(&whole[..end], ImageFormat::Gif)));
        }
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
            for length in 0..60 {
                for byte in [0, 0xff, b'I'] {
                    assert!(count(&vec![byte; length], format) >= 1);
                }
            }
        }
    }
}
