//! MP3: frames one after the other. What stands around them, such as titles and tables of contents, belongs to a whole
//! file and is left out where parts become one.

use std::time::Duration;

use super::Sound;

/// Kilobits a second by the number in the head of a frame, for version 1 and for the versions of half its rates and less.
const BITRATES: [[u32; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Samples a second of version 1; version 2 has half of them, version 2.5 a quarter.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// Bytes of a title at the end of a file.
const OLD_TITLE: usize = 128;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    /// Bytes, the head included.
    size: usize,
    rate: u32,
    samples: u32,
    mono: bool,
    version: u8,
}

/// Reads the four bytes that a frame begins with.
fn frame(bytes: &[u8]) -> Option<Frame> {
    let [first, second, third, fourth] = *bytes.first_chunk::<4>()?;
    // Eleven bits of ones, a version that is known, layer III.
    if first != 0xff || second & 0xe0 != 0xe0 || second & 0x18 == 0x08 || second & 0x06 != 0x02 {
        return None;
    }
    let version = second >> 3 & 3;
    let (is_first, divisor) = match version {
        3 => (true, 1),
        2 => (false, 2),
        _ => (false, 4),
    };
    let bits = *BITRATES[usize::from(!is_first)].get(usize::from(third >> 4)).filter(|bits| **bits > 0)?;
    let rate = RATES.get(usize::from(third >> 2 & 3))? / divisor;
    let samples = if is_first { 1_152 } else { 576 };
    let padding = usize::from(third >> 1 & 1);
    let size = (samples / 8 * bits * 1_000 / rate) as usize + padding;
    Some(Frame { size, rate, samples, mono: fourth >> 6 == 3, version })
}

/// Whether bytes begin as such a file does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let sound = without_title(bytes);
    let Some(first) = frame(sound) else { return sound.len() < bytes.len() };
    // Four bytes are few: a second frame is looked for where there is room for one.
    let Some(rest) = sound.get(first.size..) else { return false };
    rest.len() < 4 || frame(rest).is_some() || is_old_title(rest)
}

/// The bytes after the titles (ID3v2) at the beginning.
fn without_title(mut bytes: &[u8]) -> &[u8] {
    while let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) = bytes.first_chunk::<10>() {
        if size.iter().any(|byte| *byte > 127) {
            break;
        }
        let size = size.iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        bytes = bytes.get(10 + size + footer..).unwrap_or_default();
    }
    bytes
}

fn is_old_title(bytes: &[u8]) -> bool {
    bytes.starts_with(b"TAG") || bytes.starts_with(b"APETAGEX")
}

/// Whether a frame holds no sound but facts about the file.
fn is_about_the_file(frame: Frame, bytes: &[u8]) -> bool {
    let side = match (frame.version == 3, frame.mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    // Two bytes of a checksum may stand before it.
    let at = |offset: usize| bytes.get(offset..offset + 4);
    [4 + side, 6 + side].iter().any(|offset| matches!(at(*offset), Some(b"Xing" | b"Info"))) || at(36) == Some(b"VBRI")
}

/// One file of several. A single one stays as it came.
pub(super) fn joined<B: AsRef<[u8]>>(parts: &[B]) -> Result<Sound, String> {
    let mut sound = Vec::new();
    let mut length = 0.0;
    let mut kind: Option<Frame> = None;
    for part in parts {
        let mut rest = without_title(part.as_ref());
        let mut frames = 0_u64;
        // Whether something that is no frame stands before this place: then a head may be one by chance, and so may one
        // of another rate.
        let mut gap = true;
        while rest.len() >= 4 {
            let after = after_title(rest);
            if after.len() < rest.len() {
                (rest, gap) = (after, true);
                continue;
            }
            let head = frame(rest);
            let differs =
                |head: &Frame| kind.is_some_and(|kind| (kind.rate, kind.version) != (head.rate, head.version));
            let doubtful = gap || head.as_ref().is_some_and(differs);
            // A last frame may be cut off.
            let is_cut = |head: &Frame| rest.len() < head.size;
            if !doubtful && head.as_ref().is_some_and(is_cut) {
                break;
            }
            let sure = |head: &Frame| !doubtful || (!is_cut(head) && follows(&rest[head.size..]));
            let Some(head) = head.filter(sure) else {
                // What is no frame is passed over, to the next that is one.
                (rest, gap) = (&rest[1..], true);
                continue;
            };
            let (bytes, after) = rest.split_at(head.size);
            if (frames == 0 || gap) && is_about_the_file(head, bytes) {
                (rest, gap) = (after, false);
                continue;
            }
            if differs(&head) && parts.len() > 1 {
                if frames > 0 && gap {
                    rest = &rest[1..];
                    continue;
                }
                return Err("its parts differ in rate".to_owned());
            }
            kind.get_or_insert(head);
            (rest, gap) = (after, false);
            frames += 1;
            length += f64::from(head.samples) / f64::from(head.rate);
            sound.extend_from_slice(bytes);
        }
        if frames == 0 {
            return Err("there is no sound in a part of it".to_owned());
        }
    }
    if kind.is_none() {
        return Err("there is no sound in it".to_owned());
    }
    let bytes = match parts {
        [only] => only.as_ref().to_vec(),
        _ => sound,
    };
    Ok(Sound { bytes, length: Duration::from_secs_f64(length), short: false })
}

/// Whether bytes go on as they do after a frame.
fn follows(rest: &[u8]) -> bool {
    rest.len() < 4 || frame(rest).is_some() || after_title(rest).len() < rest.len() || is_old_title(rest)
}

/// The bytes after a title that stands here, in the middle too: some servers glue files together.
fn after_title(bytes: &[u8]) -> &[u8] {
    if bytes.starts_with(b"TAG") { bytes.get(OLD_TITLE..).unwrap_or_default() } else { without_title(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of 128 kbit/s at 44.1 kHz, version 1, stereo: 417 bytes.
    fn sounding(fill: u8) -> Vec<u8> {
        let mut frame = vec![fill; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        frame
    }

    fn table_of_contents() -> Vec<u8> {
        let mut frame = sounding(0);
        frame[36..40].copy_from_slice(b"Xing");
        frame
    }

    fn file(fills: &[u8]) -> Vec<u8> {
        let title = b"ID3\x04\0\0\0\0\0\x05hello".to_vec();
        let frames = fills.iter().flat_map(|fill| sounding(*fill)).collect();
        let mut old = vec![b' '; OLD_TITLE];
        old[..3].copy_from_slice(b"TAG");
        [title, table_of_contents(), frames, old].concat()
    }

    #[test]
    fn frames_have_the_sizes_that_their_heads_say() {
        let size = |bytes: [u8; 4]| frame(&bytes).map(|frame| (frame.size, frame.rate, frame.samples));
        assert_eq!(size([0xff, 0xfb, 0x90, 0x00]), Some((417, 44_100, 1_152)));
        assert_eq!(size([0xff, 0xfb, 0x92, 0x00]), Some((418, 44_100, 1_152)));
        // Version 2, 24 kHz, 160 kbit/s: what OpenAI sends; version 2.5, 8 kHz, 8 kbit/s.
        assert_eq!(size([0xff, 0xf3, 0xe4, 0xc4]), Some((480, 24_000, 576)));
        assert_eq!(size([0xff, 0xe3, 0x18, 0xc4]), Some((72, 8_000, 576)));
        for wrong in [[0xff, 0xff, 0x90, 0], [0xff, 0xfb, 0xf0, 0], [0xff, 0xfb, 0x0c, 0], [0xff, 0xd8, 0xff, 0xe0]] {
            assert_eq!(frame(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn parts_become_one_stream_without_titles_and_tables_in_between() {
        let sound = joined(&[file(&[1, 2]), file(&[3])]).expect("joined");
        assert_eq!(sound.bytes, [sounding(1), sounding(2), sounding(3)].concat());
        assert_eq!(sound.length.as_millis(), 3 * 1_152 * 1_000 / 44_100);
        let only = file(&[1, 2]);
        assert_eq!(joined(std::slice::from_ref(&only)).expect("joined").bytes, only);
        assert!(begins(&only) && begins(&sound.bytes) && !begins(b"\xff\xfb\x90\x00 is no sound at all"));
    }

    #[test]
    fn a_frame_that_is_cut_and_parts_that_differ_are_not_taken() {
        let mut cut = file(&[1, 2]);
        cut.truncate(10 + 5 + 2 * 417 + 100);
        assert_eq!(joined(&[cut, file(&[3])]).expect("joined").bytes, [sounding(1), sounding(3)].concat());
        // 48 kHz, of which a frame has 384 bytes.
        let mut other = sounding(1)[..384].to_vec();
        other[2] = 0x94;
        assert!(joined(&[file(&[1]), other]).expect_err("differs").contains("rate"));
        assert!(joined(&[b"no sound at all"]).expect_err("none").contains("no sound"));
        assert!(joined::<Vec<u8>>(&[]).is_err());
    }

    #[test]
    fn a_stray_head_neither_spoils_a_file_nor_ends_it() {
        // 48 kHz, version 1: a head that stands between two chunks by chance.
        let stray = [0xff, 0xfb, 0x94, 0x00, 1, 2, 3];
        let part = |stray: &[u8]| [sounding(1), sounding(2), stray.to_vec(), sounding(3), sounding(4)].concat();
        let all = [sounding(1), sounding(2), sounding(3), sounding(4), sounding(5)].concat();
        assert_eq!(joined(&[part(&stray), sounding(5)]).expect("joined").bytes, all);
        // One whose frame would reach over the end.
        let near_the_end = [sounding(1), sounding(1), vec![0, 0xff, 0xfb, 0xe0, 0x00], sounding(2)].concat();
        let both = [sounding(1), sounding(1), sounding(2), sounding(5)].concat();
        assert_eq!(joined(&[near_the_end, sounding(5)]).expect("joined").bytes, both);
        // Whole files that a server glued together, titles and all.
        let glued = [file(&[1, 2]), file(&[3])].concat();
        let sound = joined(&[glued, file(&[4])]).expect("joined");
        assert!([1, 2, 3, 4].iter().all(|fill| sound.bytes.windows(417).any(|window| window == sounding(*fill))));
        // A single file is never refused for a frame of another rate.
        let mut other = vec![0; 384];
        other[..4].copy_from_slice(&[0xff, 0xfb, 0x94, 0x00]);
        let only = [sounding(1), other, sounding(2)].concat();
        assert_eq!(joined(std::slice::from_ref(&only)).expect("joined").bytes, only);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = (joined(&[bytes.clone(), file(&[1])]), begins(&bytes));
            let _ = joined(&[[&sounding(1)[..], &bytes].concat()]);
        }
    }
}
