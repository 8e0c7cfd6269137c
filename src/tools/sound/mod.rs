//! Recordings for the screen: how long they are, and how loud from moment to moment. Runs in the process without rights.
//!
//! WAV is read sample by sample. Of MP3 no sample is decoded: each frame says how long it is, and how loud its parts are
//! before they are shaped, which is enough to be drawn.

mod mp3;

use std::io::Cursor;

use serde::{Deserialize, Serialize};

/// Moments of which the loudness is told at most.
const MOMENTS: usize = 400;
/// Frames of sound that are one moment at least, so that a long recording costs no memory.
const SHORTEST: usize = 64;

/// What is told of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    /// Its format, such as `WAV, 16 bit`.
    pub format: String,
    /// Its length.
    pub millis: u64,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// How loud it is from beginning to end; the loudest moment has 255.
    pub loudness: Vec<u8>,
}

/// Whether these are the first bytes of a recording that can be read here.
pub(super) fn is_sound(start: &[u8]) -> bool {
    is_wav(start) || start.starts_with(b"ID3") || mp3::begins(start)
}

fn is_wav(start: &[u8]) -> bool {
    start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WAVE")
}

/// The work of the process.
pub(super) fn heard(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let sound = if is_wav(bytes) { wav(bytes)? } else { mp3::read(bytes)? };
    serde_json::to_vec(&sound).map_err(|error| error.to_string())
}

fn wav(bytes: &[u8]) -> Result<Sound, String> {
    let mended = with_size(bytes);
    let mut reader =
        hound::WavReader::new(Cursor::new(&mended)).map_err(|error| format!("this WAV is damaged: {error}"))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let moment = (spec.sample_rate as usize / 200).max(SHORTEST) * channels;
    let (format, peaks, samples) = match spec.sample_format {
        hound::SampleFormat::Float => {
            let (peaks, samples) = peaks(reader.samples::<f32>().map_while(Result::ok), moment);
            ("float".to_owned(), peaks, samples)
        }
        hound::SampleFormat::Int => {
            let full = 2f32.powi(i32::from(spec.bits_per_sample.clamp(1, 32)) - 1);
            let values = reader.samples::<i32>().map_while(Result::ok).map(|value| value as f32 / full);
            let (peaks, samples) = peaks(values, moment);
            (format!("{} bit", spec.bits_per_sample), peaks, samples)
        }
    };
    let rate = spec.sample_rate.max(1);
    Ok(Sound {
        format: format!("WAV, {format}"),
        millis: (samples / channels) as u64 * 1000 / u64::from(rate),
        rate,
        channels: spec.channels,
        loudness: moments(&peaks),
    })
}

/// A program that writes as it goes leaves the size of the samples open, and a file that was cut has more of it than is
/// there; the reader takes neither.
fn with_size(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let rest = bytes.len() - at - 8;
        if &head[..4] == b"data" {
            if size == 0 || size > rest {
                // Whole samples of any kind: 96 can be divided by the sizes of all.
                let size = u32::try_from(rest - rest % 96).unwrap_or_default();
                out[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
            }
            break;
        }
        if size > rest {
            break;
        }
        at += 8 + size + size % 2;
    }
    out
}

/// The loudest sample of each `moment` of them, and how many there are.
fn peaks(samples: impl Iterator<Item = f32>, moment: usize) -> (Vec<f32>, usize) {
    let (mut peaks, mut count) = (Vec::new(), 0);
    for sample in samples {
        if count % moment == 0 {
            peaks.push(0.0);
        }
        count += 1;
        if let Some(peak) = peaks.last_mut() {
            *peak = sample.abs().max(*peak);
        }
    }
    (peaks, count)
}

/// As many moments as are told, the loudest of all with 255.
fn moments(peaks: &[f32]) -> Vec<u8> {
    let most = peaks.iter().copied().filter(|peak| peak.is_finite()).fold(0.0, f32::max);
    let each = peaks.len().div_ceil(MOMENTS).max(1);
    let loudest = |part: &[f32]| part.iter().copied().filter(|peak| peak.is_finite()).fold(0.0, f32::max);
    let level = |peak: f32| if most > 0.0 { (peak / most * 255.0).round() as u8 } else { 0 };
    peaks.chunks(each).map(|part| level(loudest(part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of silence and a second of a tone.
    fn recording() -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut out = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut out, spec).expect("writer");
        for n in 0..16_000 {
            let value = if n < 8000 { 0.0 } else { (n as f32 * 0.3).sin() * 9000.0 };
            for _ in 0..2 {
                writer.write_sample(value as i16).expect("sample");
            }
        }
        writer.finalize().expect("end");
        out.into_inner()
    }

    fn told(bytes: &[u8]) -> Sound {
        serde_json::from_slice(&heard(bytes).expect("heard")).expect("JSON")
    }

    #[test]
    fn a_wav_tells_its_length_and_where_it_is_loud() {
        let bytes = recording();
        assert!(is_sound(&bytes));
        let sound = told(&bytes);
        assert_eq!((sound.format.as_str(), sound.millis, sound.rate, sound.channels), ("WAV, 16 bit", 2000, 8000, 2));
        let half = sound.loudness.len() / 2;
        assert!(sound.loudness.len() <= MOMENTS && half > 50, "{}", sound.loudness.len());
        assert!(sound.loudness[..half - 2].iter().all(|level| *level == 0));
        assert!(sound.loudness[half + 2..].iter().all(|level| *level > 200), "{:?}", sound.loudness);
    }

    #[test]
    fn a_wav_whose_size_was_left_open_or_that_was_cut_is_read_as_far_as_it_goes() {
        let whole = recording();
        for size in [0u32, u32::MAX] {
            let mut open = whole.clone();
            open[40..44].copy_from_slice(&size.to_le_bytes());
            assert!((1990..=2000).contains(&told(&open).millis), "{size}");
        }
        let cut = &whole[..whole.len() / 2];
        assert!((900..=1000).contains(&told(cut).millis), "{}", told(cut).millis);
        for end in 0..60 {
            // Whatever is told of it, it is told.
            let _ = heard(&whole[..end]);
        }
    }
}
