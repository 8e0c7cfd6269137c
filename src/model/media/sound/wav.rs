//! WAV: samples in a RIFF file. Sizes in what comes may be wrong: a server that streams does not know them beforehand.

use std::time::Duration;

use super::{Bare, Sound};

/// A size from here on is what servers write that do not know it: nothing as long is ever taken.
const UNKNOWN_FROM: u32 = 64 << 20;
/// Bytes of the head of a chunk: its name and its size.
const CHUNK: usize = 8;
/// Samples as whole numbers.
const PCM: u16 = 1;

/// Whether bytes begin as such a file does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE")
}

/// The chunks of a file that matter.
struct Parsed<'a> {
    /// What the samples are.
    format: &'a [u8],
    samples: &'a [u8],
    /// Whether the file says that it has more than came.
    short: bool,
}

impl Parsed<'_> {
    fn number16(&self, at: usize) -> u16 {
        self.format.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes of one moment of sound, all channels together.
    fn block(&self) -> usize {
        usize::from(self.number16(12))
    }

    /// Bytes of one second.
    fn second(&self) -> u64 {
        let rate =
            self.format.get(4..8).map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        u64::from(rate) * self.block() as u64
    }
}

/// One file of several. `bare` says what parts are that are no files.
pub(super) fn joined<B: AsRef<[u8]>>(parts: &[B], bare: Option<Bare>) -> Result<Sound, String> {
    let format = bare.map(format_of_bare).unwrap_or_default();
    let mut files = Vec::new();
    for part in parts {
        let part = part.as_ref();
        files.push(match bare {
            Some(_) if !begins(part) => Parsed { format: &format, samples: part, short: false },
            _ => parsed(part)?,
        });
    }
    let Some(first) = files.first() else { return Err("there is no sound in it".to_owned()) };
    let (format, block, second) = (first.format, first.block(), first.second());
    if block == 0 || second == 0 {
        return Err("its head says nothing of what its samples are".to_owned());
    }
    if files.iter().any(|file| file.format != format) {
        return Err("its parts differ in rate, channels or bits".to_owned());
    }
    // A sample that was cut in two would shift all that follow.
    let whole = |file: &Parsed<'_>| file.samples.len() / block * block;
    let length: usize = files.iter().map(whole).sum();
    let size = u32::try_from(length + format.len() + 64).map_err(|_| "it is too long for a WAV file".to_owned())? - 64;
    if length == 0 {
        return Err("there is no sound in it".to_owned());
    }
    let padding = length % 2;
    let mut bytes = Vec::with_capacity(length + 64);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(size + 4 + 2 * CHUNK as u32 + padding as u32).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&(format.len() as u32).to_le_bytes());
    bytes.extend_from_slice(format);
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    for file in &files {
        bytes.extend_from_slice(&file.samples[..whole(file)]);
    }
    bytes.resize(bytes.len() + padding, 0);
    let short = files.iter().any(|file| file.short);
    Ok(Sound { bytes, length: Duration::from_secs_f64(length as f64 / second as f64), short })
}

/// Format and samples of a file.
fn parsed(bytes: &[u8]) -> Result<Parsed<'_>, String> {
    if !begins(bytes) {
        return Err("a part of it is no WAV file".to_owned());
    }
    let mut at = 12;
    let mut format = None;
    while let Some(head) = bytes.get(at..at + CHUNK) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let rest = &bytes[at + CHUNK..];
        if &head[..4] == b"data" {
            let Some(format) = format else { return Err("its samples come before their format".to_owned()) };
            let known = Some(size as usize).filter(|_| size > 0 && size < UNKNOWN_FROM);
            // HTTP itself tells where an answer is cut off, so all that can have come is here, and it is paid for.
            let samples = known.and_then(|size| rest.get(..size)).unwrap_or(rest);
            return Ok(Parsed { format, samples, short: known.is_some_and(|size| size > rest.len()) });
        }
        let Some(content) = rest.get(..size as usize) else { break };
        if &head[..4] == b"fmt " {
            // An even number of bytes, of which sixteen are always there.
            if content.len() < 16 || content.len() > 64 || !content.len().is_multiple_of(2) {
                return Err("its format is none of WAV".to_owned());
            }
            format = Some(content);
        }
        // Chunks of an odd length are filled up.
        at += CHUNK + content.len() + content.len() % 2;
    }
    Err("there are no samples in it".to_owned())
}

/// What bare samples are, as a file says it.
fn format_of_bare(bare: Bare) -> Vec<u8> {
    let mut format = Vec::new();
    for number in [PCM, bare.channels] {
        format.extend_from_slice(&number.to_le_bytes());
    }
    for number in [bare.rate, bare.second()] {
        format.extend_from_slice(&number.to_le_bytes());
    }
    for number in [2 * bare.channels, 16] {
        format.extend_from_slice(&number.to_le_bytes());
    }
    format
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    const MONO: Bare = Bare { rate: 24_000, channels: 1 };

    /// A file as a server writes it: with a chunk that nobody needs, and a size that may be a lie.
    fn file(samples: &[u8], said: Option<u32>) -> Vec<u8> {
        let format = format_of_bare(MONO);
        let said = said.unwrap_or(samples.len() as u32).to_le_bytes();
        let format_size = (format.len() as u32).to_le_bytes();
        [b"RIFF\xff\xff\xff\xffWAVEfmt ", &format_size[..], &format, b"LIST\x03\0\0\0abc\0data", &said, samples]
            .concat()
    }

    fn samples(bytes: &[u8]) -> Vec<i16> {
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).expect("a file that another reads");
        assert_eq!((reader.spec().sample_rate, reader.spec().channels), (24_000, 1));
        reader.samples::<i16>().map(|sample| sample.expect("a sample")).collect()
    }

    #[test]
    fn sizes_that_nobody_knew_are_set_right() {
        for said in [None, Some(0), Some(u32::MAX), Some(0x7fff_ffff), Some(0x7fff_f000), Some(2_000_000_000)] {
            let sound = joined(&[file(&[1, 0, 2, 0], said), file(&[3, 0], said)], None).expect("joined");
            assert_eq!((samples(&sound.bytes), sound.short), (vec![1, 2, 3], false), "{said:?}");
            let size = u32::from_le_bytes(sound.bytes[4..8].try_into().expect("four"));
            assert_eq!(size as usize + 8, sound.bytes.len());
        }
    }

    #[test]
    fn bare_samples_become_a_file_and_a_half_one_is_left_out() {
        let sound = joined(&[vec![1, 0, 2], file(&[3, 0], None)], Some(MONO)).expect("joined");
        assert_eq!(samples(&sound.bytes), [1, 3]);
        let second = joined(&[vec![0; 48_000]], Some(MONO)).expect("joined");
        assert_eq!(second.length, Duration::from_secs(1));
        let stereo = joined(&[vec![7; 48_000]], Some(Bare { channels: 2, ..MONO })).expect("joined");
        assert_eq!(stereo.length, Duration::from_millis(500));
        let reader = hound::WavReader::new(Cursor::new(stereo.bytes)).expect("a file that another reads");
        assert_eq!((reader.spec().sample_rate, reader.spec().channels, reader.duration()), (24_000, 2, 12_000));
    }

    #[test]
    fn what_does_not_fit_together_says_so_and_what_is_short_is_kept() {
        let cut = joined(&[file(&[1, 0, 2, 0], Some(8))], None).expect("joined");
        assert_eq!((samples(&cut.bytes), cut.short), (vec![1, 2], true));
        let mut other = file(&[1, 0], None);
        other[24..28].copy_from_slice(&48_000_u32.to_le_bytes());
        assert!(joined(&[file(&[1, 0], None), other], None).expect_err("differs").contains("differ in rate"));
        assert!(joined(&[file(&[], Some(0))], None).expect_err("empty").contains("no sound"));
        assert!(joined(&[b"RIFFxxxxWAVE"], None).expect_err("empty").contains("no samples"));
        assert!(joined(&[b"ID3"], None).expect_err("MP3").contains("no WAV"));
    }

    proptest! {
        #[test]
        fn the_joined_file_holds_what_the_parts_held(parts in prop::collection::vec(prop::collection::vec(any::<i16>(), 1..50), 1..6)) {
            let bytes: Vec<Vec<u8>> =
                parts.iter().map(|part| file(&part.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>(), Some(u32::MAX))).collect();
            let sound = joined(&bytes, None).expect("joined");
            prop_assert_eq!(samples(&sound.bytes), parts.concat());
        }

        #[test]
        fn nothing_that_comes_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = joined(&[[b"RIFF\0\0\0\0WAVE", &bytes[..]].concat()], None);
            let _ = joined(&[bytes], Some(MONO));
        }
    }
}
