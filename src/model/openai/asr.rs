//! Text from speech: `POST {base_url}/audio/transcriptions`, a form with a file.

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use super::Timing;
use super::client::{Connection, Failure};
use super::exchange::{Attempts, WHOLE_REPLY_FACTOR};
use crate::config::schema::Endpoint;
use crate::model::{ModelError, hint};

const OPERATION: &str = "audio/transcriptions";
/// Bytes of the largest recording: what the endpoints in use take.
pub const LARGEST_RECORDING: u64 = 25 << 20;

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// A file name; its ending tells endpoints the format.
    pub name: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl Recording {
    /// The media type that goes with the name.
    fn media_type(&self) -> &'static str {
        let ending = self.name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending.to_ascii_lowercase().as_str() {
            "wav" => "audio/wav",
            "mp3" | "mpga" => "audio/mpeg",
            "m4a" | "mp4" => "audio/mp4",
            "ogg" | "oga" | "opus" => "audio/ogg",
            "flac" => "audio/flac",
            "webm" => "audio/webm",
            _ => "application/octet-stream",
        }
    }
}

/// A client for speech recognition. Nothing is connected before the first request.
pub struct Transcriber {
    connection: Connection,
    endpoint: Endpoint,
}

impl Transcriber {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint) -> Result<Self, ModelError> {
        let connection = Connection::new(&endpoint, Timing::of(&endpoint))?;
        Ok(Self { connection, endpoint })
    }

    /// The same with other waiting times.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.connection.set_timing(timing);
        self
    }

    /// The text of a recording. Dropping the future ends the request.
    pub async fn transcribe(&self, recording: &Recording) -> Result<String, ModelError> {
        if recording.bytes.is_empty() {
            return Err(ModelError::Recording("the recording is empty".to_owned()));
        }
        if recording.bytes.len() as u64 > LARGEST_RECORDING {
            let (has, most) = (recording.bytes.len() >> 20, LARGEST_RECORDING >> 20);
            return Err(ModelError::Recording(format!("the recording has {has} MiB, endpoints take {most}")));
        }
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries);
        loop {
            let failure = match self.attempt(recording).await {
                Ok(text) => return Ok(text),
                Err(failure) => failure,
            };
            let (wait, _) = attempts.failed(failure)?;
            tokio::time::sleep(wait).await;
        }
    }

    /// What to do next about an error of [`Transcriber::transcribe`], as a sentence.
    pub fn hint(error: &ModelError) -> Option<String> {
        match error.status() {
            Some(413) => Some("The endpoint takes no recording of this size: send a shorter one.".to_owned()),
            Some(400 | 415 | 422) => {
                Some("The endpoint does not accept this recording: check media.asr.model and the format.".to_owned())
            }
            _ => hint::elsewhere(error, "media.asr", "speech recognition", OPERATION),
        }
    }

    async fn attempt(&self, recording: &Recording) -> Result<String, Failure> {
        let part = Part::bytes(recording.bytes.clone()).file_name(recording.name.clone());
        let part = part.mime_str(recording.media_type()).map_err(|error| {
            // The types are all known; this says so rather than to panic.
            ModelError::Recording(format!("the form cannot be made: {error}"))
        })?;
        let form =
            Form::new().text("model", self.endpoint.model.clone()).text("response_format", "json").part("file", part);
        // Nothing comes until the whole recording is understood.
        let silence = self.connection.timing().idle.saturating_mul(WHOLE_REPLY_FACTOR);
        let response = self.connection.post_form(OPERATION, form, silence).await?;
        let body = self.connection.body(OPERATION, response).await?;
        let text = String::from_utf8_lossy(&body);
        let expected = "a transcription";
        let value: Value =
            serde_json::from_str(&text).map_err(|_| self.connection.not_understood(OPERATION, expected, &text))?;
        match value["text"].as_str() {
            Some(text) => Ok(self.connection.clean(text.trim())),
            None => Err(self.connection.not_understood(OPERATION, expected, &value.to_string()).into()),
        }
    }
}
