//! MPEG audio layer III, read frame by frame without decoding a sample.
//!
//! A frame's header says how many samples it has. Its side information holds for each part of a channel the step with
//! which its spectrum is scaled, `global_gain`: four steps are a factor of two. A part without any coded value is silent.

use super::{Sound, moments};

/// Kilobits a second by their number in the header; nought is what no frame of ours has.
const RATES_V1: [u32; 16] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0];
const RATES_V2: [u32; 16] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0];
/// Samples a second of version 1; version 2 has half of them, 2.5 a quarter.
const SAMPLES: [u32; 3] = [44_100, 48_000, 32_000];
/// Bytes that are looked through for the next frame where one is damaged.
const MOST_SKIPPED: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    /// Whether it is of version 1.
    first: bool,
    mono: bool,
    checked: bool,
    rate: u32,
    /// Bytes, header included.
    length: usize,
}

impl Frame {
    fn of(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d] = *bytes.first_chunk::<4>()?;
        // Eleven bits in step, and layer III.
        if a != 0xff || b & 0xe0 != 0xe0 || (b >> 1) & 3 != 1 {
            return None;
        }
        let version = (b >> 3) & 3;
        let first = version == 3;
        let halved = match version {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let rate = SAMPLES.get(usize::from((c >> 2) & 3))? >> halved;
        let kilobits = if first { RATES_V1 } else { RATES_V2 }[usize::from(c >> 4)];
        if kilobits == 0 {
            return None;
        }
        let padding = usize::from((c >> 1) & 1);
        let factor = if first { 144_000 } else { 72_000 };
        let length = (factor * kilobits / rate) as usize + padding;
        Some(Self { first, mono: d >> 6 == 3, checked: b & 1 == 0, rate, length })
    }

    fn samples(self) -> u64 {
        if self.first { 1152 } else { 576 }
    }

    fn channels(self) -> usize {
        if self.mono { 1 } else { 2 }
    }

    /// Where the side information begins.
    fn side(self) -> usize {
        4 + if self.checked { 2 } else { 0 }
    }

    /// Its bytes of side information.
    fn side_length(self) -> usize {
        match (self.first, self.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }

    /// Whether it only tells of the others: some encoders put such a one first.
    fn is_index(self, bytes: &[u8]) -> bool {
        let at = self.side() + self.side_length();
        matches!(bytes.get(at..at + 4), Some(b"Xing" | b"Info")) || matches!(bytes.get(36..40), Some(b"VBRI"))
    }

    /// How loud each of its parts is, in time.
    fn loudness(self, bytes: &[u8]) -> Vec<f32> {
        let Some(side) = bytes.get(self.side()..self.side() + self.side_length()) else { return Vec::new() };
        let channels = self.channels();
        // What stands before the parts, and how long each of them is.
        let (mut at, part, parts) = match (self.first, self.mono) {
            (true, true) => (9 + 5 + 4, 59, 2),
            (true, false) => (9 + 3 + 8, 59, 2),
            (false, true) => (8 + 1, 63, 1),
            (false, false) => (8 + 2, 63, 1),
        };
        let mut out = Vec::new();
        for _ in 0..parts {
            let mut loudest = 0f32;
            for _ in 0..channels {
                let (length, values, gain) = (bits(side, at, 12), bits(side, at + 12, 9), bits(side, at + 21, 8));
                if length > 0 && values > 0 {
                    loudest = loudest.max(2f32.powf((gain as f32 - 210.0) / 4.0));
                }
                at += part;
            }
            out.push(loudest);
        }
        out
    }
}

fn bits(bytes: &[u8], from: usize, count: usize) -> u32 {
    (from..from + count).fold(0, |value, bit| {
        let byte = bytes.get(bit / 8).copied().unwrap_or_default();
        value << 1 | u32::from(byte >> (7 - bit % 8) & 1)
    })
}

/// Whether two frames stand at the beginning.
pub(super) fn begins(start: &[u8]) -> bool {
    Frame::of(start).is_some_and(|frame| start.get(frame.length..).and_then(Frame::of).is_some())
}

/// Where the sound begins: behind the tags.
fn behind_tags(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 10).filter(|head| head.starts_with(b"ID3")) {
        let size = head[6..10].iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7f));
        at += 10 + size + if head[5] & 0x10 != 0 { 10 } else { 0 };
    }
    at
}

pub(super) fn read(bytes: &[u8]) -> Result<Sound, String> {
    let mut at = behind_tags(bytes).min(bytes.len());
    let (mut samples, mut skipped) = (0u64, 0);
    let mut first: Option<Frame> = None;
    let mut loudness = Vec::new();
    while at < bytes.len() && skipped < MOST_SKIPPED {
        let rest = &bytes[at..];
        let fits = |frame: &Frame| first.is_none_or(|first| (first.first, first.rate) == (frame.first, frame.rate));
        // Any two bytes may look like a header; where one was looked for, the next has to follow it.
        let follows = |frame: &Frame| {
            let next = rest.get(frame.length..).unwrap_or_default();
            (skipped == 0 && first.is_some()) || next.len() < 4 || Frame::of(next).is_some()
        };
        let Some(frame) = Frame::of(rest).filter(fits).filter(follows) else {
            skipped += 1;
            at += 1;
            continue;
        };
        if !(first.is_none() && frame.is_index(rest)) {
            samples += frame.samples();
            loudness.extend(frame.loudness(rest));
        }
        first.get_or_insert(frame);
        skipped = 0;
        at += frame.length.max(4);
    }
    let Some(frame) = first else { return Err("it holds no frame of MPEG audio layer III".to_owned()) };
    Ok(Sound {
        format: "MP3".to_owned(),
        millis: samples * 1000 / u64::from(frame.rate),
        rate: frame.rate,
        channels: frame.channels() as u16,
        loudness: moments(&loudness),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of version 1, 128 kbit/s at 44.1 kHz in mono, both parts with this gain.
    fn frame(gain: u8) -> Vec<u8> {
        let mut frame = vec![0u8; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc0]);
        let mut set = |from: usize, count: usize, value: u32| {
            for bit in 0..count {
                let at = from + bit;
                frame[4 + at / 8] |= ((value >> (count - 1 - bit) & 1) as u8) << (7 - at % 8);
            }
        };
        for part in [18, 18 + 59] {
            set(part, 12, if gain > 0 { 100 } else { 0 });
            set(part + 12, 9, u32::from(gain > 0));
            set(part + 21, 8, u32::from(gain));
        }
        frame
    }

    fn file(gains: &[u8]) -> Vec<u8> {
        let mut file = b"ID3\x04\0\0\0\0\0\x05tags!".to_vec();
        for gain in gains {
            file.extend(frame(*gain));
        }
        file
    }

    #[test]
    fn the_length_is_that_of_all_frames_and_the_loudness_that_of_their_steps() {
        let gains: Vec<u8> = [0; 50].into_iter().chain([200; 50]).chain([196; 50]).collect();
        let sound = read(&file(&gains)).expect("read");
        assert_eq!((sound.millis, sound.rate, sound.channels), (150 * 1152 * 1000 / 44_100, 44_100, 1));
        assert_eq!(sound.loudness.len(), 300);
        assert!(sound.loudness[..100].iter().all(|level| *level == 0));
        assert!(sound.loudness[100..200].iter().all(|level| *level == 255));
        // Four steps less are half.
        assert!(sound.loudness[200..].iter().all(|level| *level == 128), "{:?}", &sound.loudness[200..]);
    }

    #[test]
    fn a_damaged_frame_is_passed_over_and_an_index_is_no_sound() {
        let mut bytes = file(&[200; 20]);
        bytes[15 + 5 * 417] = 0;
        let sound = read(&bytes).expect("read");
        assert_eq!(sound.millis, 19 * 1152 * 1000 / 44_100);
        let mut index = frame(0);
        index[4 + 17..4 + 21].copy_from_slice(b"Xing");
        let with_index: Vec<u8> = index.into_iter().chain(file(&[200; 20]).split_off(15)).collect();
        assert_eq!(read(&with_index).expect("read").millis, 20 * 1152 * 1000 / 44_100);
    }

    #[test]
    fn nonsense_is_an_answer_and_never_a_crash() {
        assert!(read(b"").is_err() && read(b"ID3").is_err() && read(&[0xff; 3000]).is_err());
        let whole = file(&[200; 4]);
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
        assert!(begins(&file(&[200; 3])[15..]) && !begins(&frame(200)));
    }
}
