//! Sound effects: `POST v1/sound-generation` of ElevenLabs.

use serde_json::json;

use super::ask::{BARE, SoundRequest, elevenlabs, elevenlabs_format};
use super::kept::Part;
use super::sound::{Bare, Sound, SoundFormat};
use super::{Progress, Tell};
use crate::config::schema::Endpoint;
use crate::model::ModelError;
use crate::model::openai::Connection;

const OPERATION: &str = "v1/sound-generation";
/// How closely the sound follows the description, from 0 to 1: what the API itself takes where nothing is said.
const INFLUENCE: f64 = 0.3;

/// A sound that was made, and the characters that were charged where that is told.
pub type MadeSound = (Sound, Option<u64>);

/// A client for sound effects. Nothing is connected before the first request.
pub struct EffectMaker {
    connection: Connection,
    endpoint: Endpoint,
}

impl EffectMaker {
    /// A client for that endpoint; fails where base URL or key can never work.
    pub fn new(endpoint: Endpoint) -> Result<Self, ModelError> {
        Ok(Self { connection: elevenlabs(&endpoint)?, endpoint })
    }

    /// Has a sound made that lasts so many seconds. Dropping the future ends the request.
    pub async fn make(
        &self,
        description: &str,
        seconds: f64,
        format: SoundFormat,
        tell: Tell<'_>,
    ) -> Result<MadeSound, ModelError> {
        tell(Progress::asking(&self.endpoint.model, &self.connection));
        let body = json!({
            "text": description,
            "duration_seconds": seconds,
            "prompt_influence": INFLUENCE,
            "model_id": self.endpoint.model,
        });
        let mut request = SoundRequest {
            connection: &self.connection,
            endpoint: &self.endpoint,
            operation: &format!("{OPERATION}?output_format={}", elevenlabs_format(format)),
            body: body.to_string(),
            format,
            bare: (format == SoundFormat::Wav).then_some(BARE),
        };
        let came = request.send(tell).await?;
        request.bare = request.bare.map(|bare| Bare { channels: channels(&came.bytes, bare, seconds), ..bare });
        Ok((request.joined(vec![Part::new(came.bytes)]).await?, came.cost))
    }

    /// What to do next about an error of [`EffectMaker::make`], as a sentence.
    pub fn hint(error: &ModelError) -> Option<String> {
        super::hint(error, "media.sound_effects", "sound effects", OPERATION)
    }
}

/// How many channels samples have that should sound so long. The documentation names one, and two come: played as one,
/// they would take twice as long and sound an octave too low.
fn channels(bytes: &[u8], one: Bare, seconds: f64) -> u16 {
    let of_one = f64::from(one.rate) * 2.0 * seconds;
    if bytes.len() as f64 > 1.5 * of_one { 2 } else { 1 }
}
