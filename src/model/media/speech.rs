//! Speech from text: `POST {base_url}/audio/speech` as OpenAI and most others have it, or `POST
//! v1/text-to-speech/VOICE` of ElevenLabs. A long text goes out in parts.

use serde_json::json;

use super::ask::{SoundRequest, elevenlabs, elevenlabs_format};
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
    /// Characters that were charged, where that is told.
    pub cost: Option<u64>,
}

/// A client for speech. Nothing is connected before the first request.
pub struct Speaker {
    pub(super) connection: Connection,
    pub(super) endpoint: Endpoint,
    pub(super) dialect: Dialect,
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
        Ok(Self { connection, endpoint, dialect })
    }

    /// Whether a voice can have this id. Ids of ElevenLabs go into an address.
    pub fn can_have(&self, voice: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let any = |c: char| !c.is_control();
        let fits: &dyn Fn(char) -> bool = if self.dialect == Dialect::ElevenLabs { &plain } else { &any };
        (1..=100).contains(&voice.chars().count()) && voice.chars().all(fits)
    }

    /// Has a text spoken. Dropping the future ends the request.
    pub async fn speak(
        &self,
        text: &str,
        voice: &str,
        format: SoundFormat,
        tell: Tell<'_>,
    ) -> Result<Spoken, ModelError> {
        let parts: Vec<&str> = split(text, self.limit(), self.weight()).into_iter().map(str::trim).collect();
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let operation = self.operation(voice, format);
        let mut request = SoundRequest {
            connection: &self.connection,
            endpoint: &self.endpoint,
            operation: &operation,
            body: String::new(),
            format,
            bare: self.dialect == Dialect::ElevenLabs && format == SoundFormat::Wav,
        };
        tell(Progress::asking(&self.endpoint.model, &self.connection));
        let (mut came, mut bytes, mut cost) = (Vec::new(), 0, None);
        for (index, part) in parts.iter().enumerate() {
            tell(Progress::Part { number: index + 1, of: parts.len() });
            request.body = self.body(part, voice, format);
            let part = request.send(tell).await?;
            bytes += part.bytes.len();
            if bytes > LONGEST {
                return Err(ModelError::TooLong { url: self.connection.shown_url(&operation), limit: LONGEST });
            }
            if let Some(more) = part.cost {
                *cost.get_or_insert(0) += more;
            }
            came.push(part.bytes);
        }
        Ok(Spoken { sound: request.joined(came).await?, parts: parts.len(), cost })
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

    /// How much goes into one request.
    fn limit(&self) -> usize {
        match self.dialect {
            Dialect::OpenAi => OPENAI_LIMIT,
            Dialect::ElevenLabs => {
                let fits = |(name, _): &&(&str, usize)| self.endpoint.model.starts_with(name);
                ELEVENLABS_LIMITS.iter().find(fits).map_or(OPENAI_LIMIT, |(_, limit)| *limit)
            }
        }
    }

    /// How much one character takes of it. Newer models of OpenAI's have a limit of 2,000 tokens beside that of
    /// characters, and most characters beyond ASCII are a token each.
    fn weight(&self) -> fn(char) -> usize {
        match self.dialect {
            Dialect::OpenAi => |c| if c.is_ascii() { 1 } else { 2 },
            Dialect::ElevenLabs => |_| 1,
        }
    }
}
