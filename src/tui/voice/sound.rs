//! Samples as a recorder writes them: raw, or behind the head of a WAV file.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

/// Samples a second that recorders are asked for.
pub const RATE: u32 = 16_000;
/// The longest head of a WAV file.
const LONGEST_HEAD: usize = 64 * 1024;

/// What was recorded: one channel of 16 bits.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Bytes that are no whole sample, or no whole head yet.
    rest: Vec<u8>,
    head: Head,
    taken: Vec<i16>,
    rate: u32,
    channels: u16,
    /// Samples of the frame that is not whole, for recordings of several channels.
    frame: Vec<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Unknown,
    Read,
}

impl Default for Samples {
    fn default() -> Self {
        Self { rest: Vec::new(), head: Head::Unknown, taken: Vec::new(), rate: RATE, channels: 1, frame: Vec::new() }
    }
}

impl Samples {
    /// Takes bytes as they come. The error is a part of a sentence.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.rest.extend_from_slice(bytes);
        if self.head == Head::Unknown {
            match self.read_head()? {
                None => return Ok(()),
                Some(length) => {
                    self.rest.drain(..length);
                    self.head = Head::Read;
                }
            }
        }
        let whole = self.rest.len() / 2 * 2;
        for pair in self.rest[..whole].chunks_exact(2) {
            self.frame.push(i16::from_le_bytes([pair[0], pair[1]]));
            if self.frame.len() == usize::from(self.channels) {
                let sum: i32 = self.frame.iter().map(|sample| i32::from(*sample)).sum();
                self.taken.push((sum / i32::from(self.channels)) as i16);
                self.frame.clear();
            }
        }
        self.rest.drain(..whole);
        Ok(())
    }

    /// The length of the head, once it is whole; nought for raw samples.
    fn read_head(&mut self) -> Result<Option<usize>, String> {
        let bytes = &self.rest;
        if bytes.len() < 12 {
            let begins = bytes.iter().zip(b"RIFF").all(|(byte, own)| byte == own);
            return Ok(if begins { None } else { Some(0) });
        }
        if !bytes.starts_with(b"RIFF") || &bytes[8..12] != b"WAVE" {
            return Ok(Some(0));
        }
        let mut at = 12;
        while let Some(head) = bytes.get(at..at + 8) {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            if &head[..4] == b"data" {
                return Ok(Some(at + 8));
            }
            if &head[..4] == b"fmt " {
                let Some(format) = bytes.get(at + 8..at + 24) else { return Ok(None) };
                let number = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
                let rate = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
                let (kind, channels, bits) = (number(0), number(2), number(14));
                // 0xfffe is the long form of the same.
                if !matches!(kind, 1 | 0xfffe) || bits != 16 || !(1..=8).contains(&channels) || rate == 0 {
                    return Err(format!("it writes WAV of {bits} bits in format {kind}; 16 bits of PCM are needed"));
                }
                (self.rate, self.channels) = (rate, channels);
            }
            at = at.saturating_add(8).saturating_add(size).saturating_add(size % 2);
        }
        if bytes.len() > LONGEST_HEAD { Err("it writes a WAV file without samples".to_owned()) } else { Ok(None) }
    }

    /// Samples so far.
    pub fn count(&self) -> usize {
        self.taken.len()
    }

    /// Seconds so far.
    pub fn seconds(&self) -> u64 {
        self.taken.len() as u64 / u64::from(self.rate)
    }

    /// The loudest of the samples from that one on.
    pub fn peak(&self, from: usize) -> u16 {
        self.taken.iter().skip(from).map(|sample| sample.unsigned_abs()).max().unwrap_or(0).min(i16::MAX.unsigned_abs())
    }

    /// As a WAV file in memory.
    pub fn wav(&self) -> Result<Vec<u8>, String> {
        let spec =
            WavSpec { channels: 1, sample_rate: self.rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut file = Cursor::new(Vec::with_capacity(44 + 2 * self.taken.len()));
        let written = WavWriter::new(&mut file, spec).and_then(|mut writer| {
            for sample in &self.taken {
                writer.write_sample(*sample)?;
            }
            writer.finalize()
        });
        written.map(|()| file.into_inner()).map_err(|error| format!("no WAV file can be made of it: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn raw_samples_come_in_any_pieces() {
        let all = bytes(&[1, -2, 300, i16::MIN]);
        for cut in 0..=all.len() {
            let mut samples = Samples::default();
            samples.push(&all[..cut]).expect("taken");
            samples.push(&all[cut..]).expect("taken");
            assert_eq!((samples.taken.as_slice(), samples.peak(0)), (&[1, -2, 300, i16::MIN][..], 32_767), "{cut}");
        }
    }

    #[test]
    fn the_head_of_a_wav_file_is_read_and_channels_become_one() {
        let mut file = Cursor::new(Vec::new());
        let spec = WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(&mut file, spec).expect("writer");
        for sample in [10i16, 20, -4, -8] {
            writer.write_sample(sample).expect("sample");
        }
        writer.finalize().expect("written");
        let file = file.into_inner();
        for cut in [0, 3, 20, 43, 45, file.len()] {
            let mut samples = Samples::default();
            samples.push(&file[..cut]).expect("taken");
            samples.push(&file[cut..]).expect("taken");
            assert_eq!((samples.taken.as_slice(), samples.rate), (&[15, -6][..], 8_000), "{cut}");
        }
    }

    #[test]
    fn what_is_recorded_becomes_a_wav_file() {
        let mut samples = Samples::default();
        samples.push(&bytes(&vec![5; 32_000])).expect("taken");
        assert_eq!((samples.count(), samples.seconds()), (32_000, 2));
        let wav = samples.wav().expect("wav");
        let mut reader = hound::WavReader::new(Cursor::new(wav)).expect("wav");
        assert_eq!((reader.spec().sample_rate, reader.samples::<i16>().filter_map(Result::ok).count()), (RATE, 32_000));
    }

    #[test]
    fn other_formats_say_so() {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0".to_vec();
        file.extend_from_slice(&[0; 10]);
        file.extend_from_slice(&32u16.to_le_bytes());
        let error = Samples::default().push(&file).expect_err("floats");
        assert!(error.contains("32 bits in format 3"), "{error}");
    }
}
