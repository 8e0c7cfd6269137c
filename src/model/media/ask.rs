//! One request whose answer is sound.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use super::kept::Part;
use super::sound::{self, Bare, SoundFormat};
use super::{Progress, Tell};
use crate::config::schema::Endpoint;
use crate::model::openai::{Attempts, Connection, Failure, WHOLE_REPLY_FACTOR};
use crate::model::{ModelError, Timing};

/// What an endpoint sends that sent another format than was asked for.
pub(super) const OTHER_KIND: &str = "a file of another kind";
/// Bytes of one answer.
const LONGEST_ANSWER: usize = 64 << 20;
/// Rate of the bare samples that are asked for: the highest that is open to every account.
const BARE_RATE: u32 = 24_000;
/// Bare samples of speech.
pub(super) const BARE: Bare = Bare { rate: BARE_RATE, channels: 1 };
/// Headers in which ElevenLabs tells what a request cost.
const COSTS: [&str; 2] = ["character-cost", "x-character-count"];
/// Nothing costs more characters.
const HIGHEST_COST: u64 = 1_000_000_000;

/// A request that is being made.
pub(super) struct SoundRequest<'a> {
    pub(super) connection: &'a Connection,
    pub(super) endpoint: &'a Endpoint,
    pub(super) operation: &'a str,
    pub(super) body: String,
    pub(super) format: SoundFormat,
    /// What the samples are where the answer has bare ones in place of WAV.
    pub(super) bare: Option<Bare>,
}

/// What came.
pub(super) struct Came {
    pub(super) bytes: Vec<u8>,
    /// Characters that were charged, where that is told.
    pub(super) cost: Option<u64>,
}

impl SoundRequest<'_> {
    /// Sends it until there is an answer or nothing more can be done.
    pub(super) async fn send(&self, tell: Tell<'_>) -> Result<Came, ModelError> {
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries).paid();
        loop {
            let (after, reason) = match self.attempt(tell).await {
                Ok(came) => return Ok(came),
                Err(failure) => attempts.failed(failure)?,
            };
            tell(Progress::Waiting { after, reason });
            tokio::time::sleep(after).await;
        }
    }

    async fn attempt(&self, tell: Tell<'_>) -> Result<Came, Failure> {
        let (connection, shown) = (self.connection, self.connection.shown_url(self.operation));
        // Some say nothing before all of it is made.
        let silence: Duration = connection.timing().idle.saturating_mul(WHOLE_REPLY_FACTOR);
        let body = self.body.clone().into_bytes();
        let response = connection.post(self.operation, body, "*/*", silence).await?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::trim);
        let cost = COSTS.iter().find_map(|name| header(name)?.parse().ok()).filter(|cost| *cost <= HIGHEST_COST);
        // What calls itself text is none of the samples, which have no mark of their own.
        let bare = self.bare.filter(|_| !header(CONTENT_TYPE.as_str()).is_some_and(is_text));
        let mut came = |bytes| tell(Progress::Received(bytes));
        let bytes = connection.body_within(&shown, response, LONGEST_ANSWER, silence, &mut came).await?;
        let Some(other) = sound::other_than(self.format, bare, &bytes) else { return Ok(Came { bytes, cost }) };
        Err(if other.is_empty() {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]);
            let expected = match self.format {
                SoundFormat::Mp3 => "sound in MP3",
                SoundFormat::Wav => "sound in WAV",
            };
            connection.not_understood_from(shown, expected, &start).into()
        } else {
            let why = format!("{} was asked for, {other} came", self.format.name());
            ModelError::Unusable { url: shown, what: OTHER_KIND, why }.into()
        })
    }

    /// The whole file of what came.
    pub(super) async fn joined(&self, parts: Vec<Part>) -> Result<sound::Sound, ModelError> {
        let (format, bare) = (self.format, self.bare);
        // Parts of an hour of speech are looked through byte by byte.
        let joined = tokio::task::spawn_blocking(move || sound::joined(format, &parts, bare)).await;
        joined.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| {
            let url = self.connection.shown_url(self.operation);
            ModelError::Unusable { url, what: "sound that cannot be used", why }
        })
    }
}

/// Whether a content type is one of texts.
fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml")
}

/// How ElevenLabs calls a format.
pub(super) fn elevenlabs_format(format: SoundFormat) -> String {
    match format {
        SoundFormat::Mp3 => "mp3_44100_128".to_owned(),
        SoundFormat::Wav => format!("pcm_{BARE_RATE}"),
    }
}

/// A connection to ElevenLabs: the key in its own header, the base URL with or without the version.
pub(super) fn elevenlabs(endpoint: &Endpoint) -> Result<Connection, ModelError> {
    let base = endpoint.base_url.trim().trim_end_matches('/');
    let base = ["/text-to-speech", "/sound-generation"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(base);
    let base_url = base.strip_suffix("/v1").unwrap_or(base).to_owned();
    let endpoint = Endpoint { base_url, ..endpoint.clone() };
    let header = reqwest::header::HeaderName::from_static("xi-api-key");
    Connection::keyed(&endpoint, Timing::of(&endpoint), (header, ""))
}
