//! Files of sound: what came is looked at, and parts are joined to one file that players take for one.

mod mp3;
mod wav;

use std::time::Duration;

/// A format in which sounds are asked for and saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundFormat {
    /// MPEG audio, layer III.
    Mp3,
    /// PCM in a RIFF file.
    Wav,
}

impl SoundFormat {
    /// The format that goes with an ending of file names.
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending {
            "mp3" => Some(Self::Mp3),
            "wav" => Some(Self::Wav),
            _ => None,
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "MP3",
            Self::Wav => "WAV",
        }
    }
}

/// A file of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// How long it sounds.
    pub length: Duration,
}

/// Makes one file of what came in parts. `raw` is the rate of samples where the parts are no files but bare samples of 16
/// bits and one channel. The error is a phrase about what came.
pub(super) fn joined(format: SoundFormat, parts: &[Vec<u8>], raw: Option<u32>) -> Result<Sound, String> {
    match format {
        SoundFormat::Mp3 => mp3::joined(parts),
        SoundFormat::Wav => wav::joined(parts, raw),
    }
}

/// What the bytes of a part are, where they are not what was asked for: for people. `None` where they may be right.
pub(super) fn other_than(format: SoundFormat, raw: bool, bytes: &[u8]) -> Option<String> {
    let is_mp3 = mp3::begins(bytes);
    let is_wav = wav::begins(bytes);
    match format {
        SoundFormat::Mp3 if is_mp3 => return None,
        SoundFormat::Wav if is_wav => return None,
        // Bare samples begin with anything, but hardly as frames of MP3 or as text.
        SoundFormat::Wav if raw && !is_mp3 && !is_text(bytes) => return None,
        _ => {}
    }
    let known = infer::get(bytes).filter(|kind| kind.matcher_type() != infer::MatcherType::Text);
    let what = match known {
        _ if is_wav => "WAV".to_owned(),
        _ if is_mp3 => "MP3".to_owned(),
        Some(kind) => kind.mime_type().to_owned(),
        None => String::new(),
    };
    Some(what)
}

/// Whether bytes begin as JSON or a web page does.
fn is_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, None | Some(b'{' | b'[' | b'<'))
        && std::str::from_utf8(start).is_ok_and(|text| !text.contains('\0'))
}
