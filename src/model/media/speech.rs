//! Speech from text: `POST {base_url}/audio/speech` as OpenAI and most others have it, or `POST
//! v1/text-to-speech/VOICE` of ElevenLabs. A long text goes out in parts.

use serde_json::json;
use unicode_width::UnicodeWidthChar as _;

use super::ask::{BARE, SoundRequest, elevenlabs, elevenlabs_format};
use super::kept::{self, Kept, Part};
use super::sound::{Sound, SoundFormat};
use super::split::split;
use super::{Progress, Tell};
use crate::config::schema::{Endpoint, SpeechProvider};
use crate::model::openai::Connection;
use crate::model::{ModelError, Timing};

const OPENAI: &str = "audio/speech";
const ELEVENLABS: &str = "v1/text-to-speech";
/// Characters of one request to an API like OpenAI's.
const OPENAI_LIMIT: usize = 4_096;
/// Characters of one request to the models of ElevenLabs, by how their names begin; the first that fits counts.
const ELEVENLABS_LIMITS: [(&str, usize); 6] = [
    ("eleven_flash_v2_5", 40_000),
    ("eleven_turbo_v2_5", 40_000),
    ("eleven_flash_v2", 30_000),
    ("eleven_turbo_v2", 30_000),
    ("eleven_multilingual_v2", 10_000),
    // Version 3, and whatever is not known here.
    ("", 3_000),
];
/// Bytes of the whole speech.
const LONGEST: usize = 256 << 20;
/// Letters that are spoken in a second.
const PACE: usize = 15;
/// Letters of which the sound fits into one answer, however slowly a voice speaks.
const MOST_OF_WAV: usize = 10_000;
const MOST_OF_MP3: usize = 20_000;
/// Bytes of a second of sound as it is asked for.
const SECOND_OF_WAV: usize = 48_000;
const SECOND_OF_MP3: usize = 16_000;

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    ElevenLabs,
}

/// Speech that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The file.
    pub sound: Sound,
    /// In how many parts it was spoken.
    pub parts: usize,
    /// How many of them were made for an earlier call that failed.
    pub kept: usize,
    /// Characters that were charged, where that is told.
    pub cost: Option<u64>,
}

/// A client for speech. Nothing is connected before the first request.
pub struct Speaker {
    pub(super) connection: Connection,
    pub(super) endpoint: Endpoint,
    pub(super) dialect: Dialect,
    kept: Kept,
}

impl Speaker {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint, provider: SpeechProvider) -> Result<Self, ModelError> {
        let openai = Connection::new(&endpoint, Timing::of(&endpoint))?;
        let host = openai.base().host_str().unwrap_or_default();
        let by_host = host == "elevenlabs.io" || host.ends_with(".elevenlabs.io");
        let dialect = match provider {
            SpeechProvider::Auto if by_host => Dialect::ElevenLabs,
            SpeechProvider::Elevenlabs => Dialect::ElevenLabs,
            SpeechProvider::Auto | SpeechProvider::Openai => Dialect::OpenAi,
        };
        let connection = match dialect {
            Dialect::OpenAi => openai,
            Dialect::ElevenLabs => elevenlabs(&endpoint)?,
        };
        Ok(Self { connection, endpoint, dialect, kept: Kept::new(LONGEST) })
    }

    /// Whether a voice can have this id. Ids of ElevenLabs go into an address.
    pub fn can_have(&self, voice: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let any = |c: char| !c.is_control();
        let fits: &dyn Fn(char) -> bool = if self.dialect == Dialect::ElevenLabs { &plain } else { &any };
        (1..=100).contains(&voice.chars().count()) && voice.chars().all(fits)
    }

    /// Why a text is too long for one file of that format, as a phrase; told before anything is paid.
    pub fn too_long(text: &str, format: SoundFormat) -> Option<String> {
        let seconds = text.chars().map(letters).sum::<usize>() / PACE;
        let a_second = match format {
            SoundFormat::Mp3 => SECOND_OF_MP3,
            SoundFormat::Wav => SECOND_OF_WAV,
        };
        let other = match format {
            SoundFormat::Mp3 => "",
            SoundFormat::Wav => ", or choose an output path that ends in .mp3",
        };
        (seconds.saturating_mul(a_second) > LONGEST).then(|| {
            let minutes = seconds / 60;
            format!(
                "text is about {minutes} minutes of speech, too much for one {} file: shorten it{other}",
                format.name()
            )
        })
    }

    /// Has a text spoken. Dropping the future ends the request; the parts that came until then are kept for the next call
    /// for the same, and so they are after an error.
    pub async fn speak(
        &self,
        text: &str,
        voice: &str,
        format: SoundFormat,
        tell: Tell<'_>,
    ) -> Result<Spoken, ModelError> {
        let parts: Vec<&str> =
            split(text, self.limit(format).0, self.limit(format).1).into_iter().map(str::trim).collect();
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let operation = self.operation(voice, format);
        let mut request = SoundRequest {
            connection: &self.connection,
            endpoint: &self.endpoint,
            operation: &operation,
            body: String::new(),
            format,
            bare: (self.dialect == Dialect::ElevenLabs && format == SoundFormat::Wav).then_some(BARE),
        };
        tell(Progress::asking(&self.endpoint.model, &self.connection));
        let keys: Vec<String> = parts.iter().map(|part| kept::key(voice, format, part)).collect();
        let before: Vec<Option<Part>> = keys.iter().map(|key| self.kept.get(key)).collect();
        let kept = before.iter().flatten().count();
        let (mut came, mut bytes, mut cost) = (Vec::new(), 0, None);
        for (index, ((part, key), before)) in parts.iter().zip(&keys).zip(before).enumerate() {
            tell(Progress::Part { number: index + 1, of: parts.len() });
            let part = if let Some(part) = before {
                part
            } else {
                request.body = self.body(part, voice, format);
                let made = request.send(tell).await?;
                if let Some(more) = made.cost {
                    tell(Progress::Charged(more));
                    cost = Some(cost.unwrap_or(0_u64).saturating_add(more));
                }
                let part = Part::new(made.bytes);
                if parts.len() > 1 {
                    self.kept.put(key.clone(), part.clone());
                }
                part
            };
            bytes += part.as_ref().len();
            if bytes > LONGEST {
                return Err(ModelError::TooLong { url: self.connection.shown_url(&operation), limit: LONGEST });
            }
            came.push(part);
        }
        let joined = request.joined(came).await;
        // What cannot be joined now cannot be joined later either.
        self.kept.forget(&keys);
        Ok(Spoken { sound: joined?, parts: parts.len(), kept, cost })
    }

    /// What to do next about an error of [`Speaker::speak`] or [`Speaker::voices`], as a sentence.
    pub fn hint(&self, error: &ModelError) -> Option<String> {
        let operation = match self.dialect {
            Dialect::OpenAi => OPENAI,
            Dialect::ElevenLabs => ELEVENLABS,
        };
        super::hint(error, "media.speech", "speech", operation)
    }

    fn operation(&self, voice: &str, format: SoundFormat) -> String {
        match self.dialect {
            Dialect::OpenAi => OPENAI.to_owned(),
            Dialect::ElevenLabs => format!("{ELEVENLABS}/{voice}?output_format={}", elevenlabs_format(format)),
        }
    }

    fn body(&self, text: &str, voice: &str, format: SoundFormat) -> String {
        let model = &self.endpoint.model;
        match self.dialect {
            Dialect::OpenAi => {
                let format = format.name().to_ascii_lowercase();
                json!({"model": model, "input": text, "voice": voice, "response_format": format}).to_string()
            }
            Dialect::ElevenLabs => json!({"text": text, "model_id": model}).to_string(),
        }
    }

    /// How much goes into one request, and how much of it a character takes: as much as the API takes, and no more than
    /// has room in one answer when it is spoken.
    fn limit(&self, format: SoundFormat) -> (usize, fn(char) -> usize) {
        if self.dialect == Dialect::OpenAi {
            // Newer models have a limit of 2,000 tokens beside that of characters, and most characters beyond ASCII are
            // a token each.
            return (OPENAI_LIMIT, |c| if c.is_ascii() { 1 } else { 2 });
        }
        let fits = |(name, _): &&(&str, usize)| self.endpoint.model.starts_with(name);
        let limit = ELEVENLABS_LIMITS.iter().find(fits).map_or(OPENAI_LIMIT, |(_, limit)| *limit);
        let most = match format {
            SoundFormat::Mp3 => MOST_OF_MP3,
            SoundFormat::Wav => MOST_OF_WAV,
        };
        if limit * letters('\u{4e2d}') <= most { (limit, |_| 1) } else { (limit.min(most), letters) }
    }
}

/// How many letters a character counts for by the time that it takes to be spoken: those of Chinese, Japanese and Korean
/// are syllables or words.
fn letters(c: char) -> usize {
    if c.width() == Some(2) { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_into_no_file_is_known_before_it_is_paid_for() {
        let chinese = "\u{4e2d}".repeat(50_000);
        let why = Speaker::too_long(&chinese, SoundFormat::Wav).expect("too long");
        assert!(why.contains("166 minutes") && why.contains("ends in .mp3"), "{why}");
        assert_eq!(Speaker::too_long(&chinese, SoundFormat::Mp3), None);
        assert_eq!(Speaker::too_long(&"x".repeat(50_000), SoundFormat::Wav), None);
    }
}
