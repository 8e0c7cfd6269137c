//! Pictures: `POST {base_url}/images/generations`, answered in base64 or with an address.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Progress, Tell, fetch};
use crate::config::schema::Endpoint;
use crate::model::openai::{Attempts, Connection, Failure, WHOLE_REPLY_FACTOR, error_object};
use crate::model::{Fault, ModelError, Timing};

const OPERATION: &str = "images/generations";
const EXPECTED: &str = "a picture";
/// What is asked for; what comes may be larger or smaller.
const SIZE: &str = "1024x1024";
/// Bytes of an answer: a picture of the largest size in base64.
const LONGEST_ANSWER: usize = 2 * fetch::LARGEST_PICTURE;

/// A picture that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePicture {
    /// The bytes of its file, whose first ones are those of a picture.
    pub bytes: Vec<u8>,
    /// What it cost, as far as the endpoint tells.
    pub usage: Option<String>,
    /// The description that the endpoint made of the one it was given.
    pub revised: Option<String>,
}

/// A client for pictures. Nothing is connected before the first request.
pub struct PictureMaker {
    connection: Connection,
    endpoint: Endpoint,
}

impl PictureMaker {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint) -> Result<Self, ModelError> {
        let connection = Connection::new(&endpoint, Timing::of(&endpoint))?;
        Ok(Self { connection, endpoint })
    }

    /// Has a picture made. Dropping the future ends the request.
    pub async fn make(&self, description: &str, tell: Tell<'_>) -> Result<MadePicture, ModelError> {
        let body = json!({"model": self.endpoint.model, "prompt": description, "n": 1, "size": SIZE}).to_string();
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries).paid();
        let answer = loop {
            tell(Progress::asking(&self.endpoint.model, &self.connection));
            match self.ask(&body, tell).await {
                Ok(answer) => break answer,
                Err(failure) => {
                    let (after, reason) = attempts.failed(failure)?;
                    tell(Progress::Waiting { after, reason });
                    tokio::time::sleep(after).await;
                }
            }
        };
        let first = &answer["data"][0];
        let revised = first["revised_prompt"].as_str().map(|text| self.connection.clean(text));
        let bytes = match (first["b64_json"].as_str(), first["url"].as_str()) {
            (Some(packed), _) if !packed.is_empty() => self.unpacked(packed)?,
            (_, Some(packed)) if packed.starts_with("data:") => self.unpacked(packed)?,
            (_, Some(address)) => self.fetched(address, tell).await?,
            _ => return Err(self.connection.not_understood(OPERATION, EXPECTED, &answer.to_string())),
        };
        Ok(MadePicture { bytes, usage: usage(&answer["usage"]), revised })
    }

    /// What to do next about an error of [`PictureMaker::make`], as a sentence.
    pub fn hint(error: &ModelError) -> Option<String> {
        super::hint(error, "media.image", "image generation", OPERATION)
    }

    async fn ask(&self, body: &str, tell: Tell<'_>) -> Result<Value, Failure> {
        let connection = &self.connection;
        // Nothing comes until the whole picture is made.
        let silence = connection.timing().idle.saturating_mul(WHOLE_REPLY_FACTOR);
        let response = connection.post(OPERATION, body.as_bytes().to_vec(), "application/json", silence).await?;
        let shown = connection.shown_url(OPERATION);
        let came = |bytes| tell(Progress::Received(bytes));
        let body = connection.body_within(&shown, response, LONGEST_ANSWER, came).await?;
        let text = String::from_utf8_lossy(&body);
        let answer: Value =
            serde_json::from_str(&text).map_err(|_| connection.not_understood(OPERATION, EXPECTED, &text))?;
        if answer["error"].is_null() {
            return Ok(answer);
        }
        let Fault::Reported { message, status, code } = error_object(&answer["error"]) else {
            return Err(connection.not_understood(OPERATION, EXPECTED, &text).into());
        };
        let (message, code) = (connection.clean(message), code.map(|code| connection.clean(code)));
        Err(ModelError::InReply { url: shown, message, status, code }.into())
    }

    /// The bytes of a picture in base64, as such or as a `data:` address.
    fn unpacked(&self, packed: &str) -> Result<Vec<u8>, ModelError> {
        let packed = match packed.strip_prefix("data:") {
            Some(rest) => rest.split_once(',').map_or("", |(_, packed)| packed),
            None => packed,
        };
        let url = self.connection.shown_url(OPERATION);
        let packed: String = packed.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(packed).map_err(|error| ModelError::Unusable {
            url: url.clone(),
            what: "a picture whose base64 is cut off or damaged",
            why: error.to_string(),
        })?;
        fetch::picture(&self.connection, url, bytes)
    }

    async fn fetched(&self, address: &str, tell: Tell<'_>) -> Result<Vec<u8>, ModelError> {
        // The picture is made already; to fetch it twice costs nothing.
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries);
        loop {
            match fetch::fetch(&self.connection, OPERATION, address, tell).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => {
                    let (after, reason) = attempts.failed(failure)?;
                    tell(Progress::Waiting { after, reason });
                    tokio::time::sleep(after).await;
                }
            }
        }
    }
}

/// What an answer says of its cost.
fn usage(usage: &Value) -> Option<String> {
    let count = |name: &str| usage[name].as_u64();
    match (count("input_tokens"), count("output_tokens"), count("total_tokens")) {
        (Some(input), Some(output), _) => Some(format!("{input} tokens in, {output} out")),
        (_, _, Some(total)) => Some(format!("{total} tokens")),
        _ => None,
    }
}
