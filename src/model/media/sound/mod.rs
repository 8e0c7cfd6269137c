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
    /// Whether the head of a part promised more than came.
    pub short: bool,
}

/// What samples of 16 bits are that come without a file around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bare {
    /// Samples a second of each channel.
    pub(super) rate: u32,
    pub(super) channels: u16,
}

impl Bare {
    /// Bytes of one second.
    fn second(self) -> u32 {
        self.rate * u32::from(self.channels) * 2
    }
}

/// Bare samples for less than one so-manieth of a second are no sound.
const SHORTEST_BARE: usize = 10;

/// Makes one file of what came in parts. `bare` is what the samples are where the parts are no files. The error is a
/// phrase about what came.
pub(super) fn joined<B: AsRef<[u8]>>(format: SoundFormat, parts: &[B], bare: Option<Bare>) -> Result<Sound, String> {
    match format {
        SoundFormat::Mp3 => mp3::joined(parts),
        SoundFormat::Wav => wav::joined(parts, bare),
    }
}

/// What the bytes of a part are, where they are not what was asked for: for people. `None` where they may be right.
pub(super) fn other_than(format: SoundFormat, bare: Option<Bare>, bytes: &[u8]) -> Option<String> {
    let is_mp3 = mp3::begins(bytes);
    let is_wav = wav::begins(bytes);
    // Bare samples begin with anything, but hardly as frames of MP3; and they are no text.
    let is_bare = |bare: Bare| {
        !is_mp3 && bytes.len() >= bare.second() as usize / SHORTEST_BARE && !is_marked(bytes) && !is_text(bytes)
    };
    match format {
        SoundFormat::Mp3 if is_mp3 => return None,
        SoundFormat::Wav if is_wav || bare.is_some_and(is_bare) => return None,
        _ => {}
    }
    let known = infer::get(bytes).filter(|kind| kind.matcher_type() != infer::MatcherType::Text);
    let what = match known {
        _ if is_wav => SoundFormat::Wav.name().to_owned(),
        _ if is_mp3 => SoundFormat::Mp3.name().to_owned(),
        Some(kind) => kind.mime_type().to_owned(),
        None => String::new(),
    };
    Some(what)
}

/// Whether bytes begin as JSON or a web page does, and are text as far as that can be seen at once.
fn is_marked(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(256)];
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    // The last character may be cut in two.
    let text = match std::str::from_utf8(start) {
        Ok(_) => start,
        Err(error) if error.error_len().is_none() => &start[..error.valid_up_to()],
        Err(_) => return false,
    };
    matches!(first, None | Some(b'{' | b'[' | b'<')) && !text.iter().any(|byte| is_control(*byte))
}

/// Whether bytes are text from the first to the last.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| is_control(*byte)) && std::str::from_utf8(bytes).is_ok()
}

/// Whether a byte stands in no text. Samples are full of them: every soft one has a byte of zeros or near to it.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x1b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Bare = Bare { rate: 24_000, channels: 1 };

    #[test]
    fn texts_are_no_samples_however_they_begin_and_wherever_they_are_cut() {
        let other = |bytes: &[u8]| other_than(SoundFormat::Wav, Some(MONO), bytes);
        let umlaut =
            |before: usize| format!("{{\"error\":\"{}\u{fc}berschritten\"}}{}", "x".repeat(before), " ".repeat(9_000));
        for before in 40..60 {
            assert!(other(umlaut(before).as_bytes()).is_some(), "{before}");
        }
        assert!(other("upstream timed out ".repeat(1_000).as_bytes()).is_some());
        // Too few to be heard.
        assert!(other(&[5, 0].repeat(2_399)).is_some());
        assert!(other(&[5, 0].repeat(2_400)).is_none());
        assert!(other(&[0, 0].repeat(24_000)).is_none());
    }
}
