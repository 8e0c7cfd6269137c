//! Pictures: `POST {base_url}/images/generations`, answered in base64 or with an address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Progress, Tell, fetch, json};
use crate::config::schema::Endpoint;
use crate::model::openai::{Attempts, Connection, Failure, WHOLE_REPLY_FACTOR, error_object};
use crate::model::{Fault, ModelError, Timing};

const OPERATION: &str = "images/generations";
const EXPECTED: &str = "a picture";
/// What is asked for; what comes may be larger or smaller.
const SIZE: &str = "1024x1024";
/// Bytes of an answer: a picture of the largest size in base64.
const LONGEST_ANSWER: usize = 2 * fetch::LARGEST_PICTURE;

/// Values of an answer that are read.
const MOST_VALUES: usize = 1_000;

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
    /// The endpoint refused `size`.
    refuses_size: AtomicBool,
}

impl PictureMaker {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint) -> Result<Self, ModelError> {
        let connection = Connection::new(&endpoint, Timing::of(&endpoint))?;
        Ok(Self { connection, endpoint, refuses_size: AtomicBool::new(false) })
    }

    /// Has a picture made. Dropping the future ends the request.
    pub async fn make(&self, description: &str, tell: Tell<'_>) -> Result<MadePicture, ModelError> {
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries).paid();
        let (answer, own) = loop {
            tell(Progress::asking(&self.endpoint.model, &self.connection));
            match self.ask(description, tell).await {
                Ok(answer) => break answer,
                Err(failure) if self.learn_to_leave_size_out(&failure.error) => {}
                Err(failure) => {
                    let (after, reason) = attempts.failed(failure)?;
                    tell(Progress::Waiting { after, reason });
                    tokio::time::sleep(after).await;
                }
            }
        };
        let bytes = match answer.given {
            Given::Bytes(bytes) => fetch::picture(&self.connection, self.connection.shown_url(OPERATION), bytes)?,
            Given::Damaged(why) => {
                let url = self.connection.shown_url(OPERATION);
                return Err(ModelError::Unusable { url, what: "a picture whose base64 is cut off or damaged", why });
            }
            Given::Address(address) => {
                self.fetched(&address, own, tell).await.map_err(|error| ModelError::PictureLost(Box::new(error)))?
            }
        };
        let revised = answer.revised.map(|text| self.connection.clean(text));
        Ok(MadePicture { bytes, usage: answer.usage, revised })
    }

    /// What to do next about an error of [`PictureMaker::make`], as a sentence.
    pub fn hint(error: &ModelError) -> Option<String> {
        super::hint(error, "media.image", "image generation", OPERATION)
    }

    /// Whether the refusal is about `size`, which some endpoints do not know; it is left out from now on. What comes is
    /// brought to its size anyway.
    fn learn_to_leave_size_out(&self, error: &ModelError) -> bool {
        let ModelError::Status { status: 400 | 422, message, .. } = error else { return false };
        message.to_lowercase().contains("size") && !self.refuses_size.swap(true, Ordering::Relaxed)
    }

    async fn ask(&self, description: &str, tell: Tell<'_>) -> Result<(Answer, Option<IpAddr>), Failure> {
        let connection = &self.connection;
        let mut body = json!({"model": self.endpoint.model, "prompt": description, "n": 1});
        if !self.refuses_size.load(Ordering::Relaxed) {
            body["size"] = SIZE.into();
        }
        // Nothing comes until the whole picture is made.
        let silence = connection.timing().idle.saturating_mul(WHOLE_REPLY_FACTOR);
        let body = body.to_string().into_bytes();
        let response = connection.post(OPERATION, body, "application/json", silence).await?;
        let own = response.remote_addr().map(|address| address.ip());
        let shown = connection.shown_url(OPERATION);
        let came = |bytes| tell(Progress::Received(bytes));
        let body = connection.body_within(&shown, response, LONGEST_ANSWER, silence, came).await?;
        let read = tokio::task::spawn_blocking(move || Answer::read(&body)).await;
        match read.map_err(|error| connection.broken_because(OPERATION, &error.to_string()))? {
            Ok(answer) => Ok((answer, own)),
            Err(Wrong::Unknown(start)) => Err(connection.not_understood(OPERATION, EXPECTED, &start).into()),
            Err(Wrong::Reported { message, status, code }) => {
                let (message, code) = (connection.clean(message), code.map(|code| connection.clean(code)));
                Err(ModelError::InReply { url: shown, message, status, code }.into())
            }
        }
    }

    async fn fetched(&self, address: &str, own: Option<IpAddr>, tell: Tell<'_>) -> Result<Vec<u8>, ModelError> {
        // The picture is made already; to fetch it twice costs nothing. It may not be in its place yet.
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries).passing(404);
        loop {
            match fetch::fetch(&self.connection, OPERATION, address, own, tell).await {
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

/// What an endpoint answered.
struct Answer {
    given: Given,
    usage: Option<String>,
    revised: Option<String>,
}

/// In what way it gives the picture.
enum Given {
    Bytes(Vec<u8>),
    /// In base64, and why that cannot be read.
    Damaged(String),
    Address(String),
}

/// Why an answer is none.
enum Wrong {
    /// It begins like this.
    Unknown(String),
    Reported {
        message: String,
        status: Option<u16>,
        code: Option<String>,
    },
}

impl Answer {
    /// Reads a whole body: JSON and base64 of many megabytes.
    fn read(body: &[u8]) -> Result<Self, Wrong> {
        let unknown = || Wrong::Unknown(json::start(body));
        let mut answer = json::parsed(body, MOST_VALUES).ok_or_else(unknown)?;
        if !answer["error"].is_null() {
            return Err(match error_object(&answer["error"]) {
                Fault::Reported { message, status, code } => Wrong::Reported { message, status, code },
                Fault::NotUnderstood(_) => unknown(),
            });
        }
        let usage = usage(&answer["usage"]);
        // Some have a list of their own beside or instead of that of OpenAI.
        let list = ["data", "images"].into_iter().find(|list| answer[*list][0].is_object()).ok_or_else(unknown)?;
        let first = &mut answer[list][0];
        let mut text = |name: &str| match first.get_mut(name).map(Value::take) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let given = match (text("b64_json"), text("url")) {
            (Some(packed), _) => Given::unpacked(&packed),
            (None, Some(packed)) if packed.starts_with("data:") => Given::unpacked(&packed),
            (None, Some(address)) => Given::Address(address),
            (None, None) => return Err(unknown()),
        };
        Ok(Self { given, usage, revised: text("revised_prompt") })
    }
}

impl Given {
    /// A picture in base64, as such or as a `data:` address.
    fn unpacked(packed: &str) -> Self {
        let packed = match packed.strip_prefix("data:") {
            Some(rest) => rest.split_once(',').map_or("", |(_, packed)| packed),
            None => packed,
        };
        let packed: String = packed.split_ascii_whitespace().collect();
        STANDARD.decode(packed).map_or_else(|error| Self::Damaged(error.to_string()), Self::Bytes)
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
