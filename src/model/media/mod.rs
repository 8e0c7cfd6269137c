//! Pictures, speech and sounds from endpoints that make them.
//!
//! | what | request |
//! | --- | --- |
//! | [`PictureMaker`] | `POST images/generations`, as OpenAI has it |
//! | [`Speaker`] | `POST audio/speech`, or `POST v1/text-to-speech/VOICE` of ElevenLabs |
//! | [`EffectMaker`] | `POST v1/sound-generation` of ElevenLabs |
//!
//! What is made is paid for: a request is sent again after a refusal that may pass (429, 5xx) and where no connection came
//! about, and never where the endpoint may have done and charged it already: when the answer broke off, took too long, or
//! was lost by a gateway (502, 504, 52x). What comes is bounded, and looked at before it is believed to be what it should be.

mod ask;
mod effects;
mod fetch;
mod json;
mod kept;
mod picture;
mod sound;
mod speech;
mod split;
mod voices;

use std::time::Duration;

pub use effects::{EffectMaker, MadeSound};
pub use picture::{MadePicture, PictureMaker};
pub use sound::{Sound, SoundFormat};
pub use speech::{Speaker, Spoken};
pub use voices::{Voice, Voices};

use super::ModelError;
use super::openai::Connection;

/// What happens while something is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A request goes out.
    Asking {
        /// The model.
        model: String,
        /// The host of the endpoint.
        host: String,
    },
    /// One of several parts is asked for.
    Part {
        /// Which, from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// So many characters were charged for what has just come.
    Charged(u64),
    /// So many bytes of an answer have come.
    Received(usize),
    /// A request has failed and will be sent again.
    Waiting {
        /// After this long.
        after: Duration,
        /// Why.
        reason: String,
    },
}

impl Progress {
    fn asking(model: &str, connection: &Connection) -> Self {
        let host = connection.base().host_str().unwrap_or_default().to_owned();
        Self::Asking { model: model.to_owned(), host }
    }
}

/// Who is told of it.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// What the media tools have to say of an error: what happened, and what to do next.
fn hint(error: &ModelError, block: &str, title: &str, operation: &str) -> Option<String> {
    let (status, code) = match error.root() {
        ModelError::Status { status, code, .. } => (Some(*status), code.as_deref()),
        ModelError::InReply { status, code, .. } => (*status, code.as_deref()),
        _ => (None, None),
    };
    if code.is_some_and(|code| code.contains("paid_plan")) {
        return Some("The plan of the account does not have this: choose another voice or format.".to_owned());
    }
    if error.is_out_of_credit() {
        return super::hint::elsewhere(error, block, title, operation);
    }
    if code.is_some_and(|code| code.contains("moderation") || code.contains("content_policy")) {
        return Some(
            "The rules of the provider are against it: describe something else, or in other words.".to_owned(),
        );
    }
    Some(match (status, error.root()) {
        (Some(400 | 413 | 415 | 422), _) => {
            format!(
                "The endpoint does not accept this request: ask for less or in other words, or check {block}.model."
            )
        }
        (_, ModelError::PictureLost(_)) => format!(
            "Asking again makes another one, and may be charged again. If it stays so, its place cannot be reached from here \
             or holds pictures only briefly: choose a {block}.model that sends the picture itself."
        ),
        (_, ModelError::Unusable { what: ask::OTHER_KIND, why, .. }) if why.ends_with(", WAV came") => {
            "The endpoint makes nothing else, and may have charged it: ask again with an output path that ends in .wav."
                .to_owned()
        }
        (_, ModelError::Unusable { what: ask::OTHER_KIND, why, .. }) if why.ends_with(", MP3 came") => {
            "The endpoint makes nothing else, and may have charged it: ask again with an output path that ends in .mp3."
                .to_owned()
        }
        (_, ModelError::TooLong { .. }) => "The endpoint may have charged it. Ask for less in one call.".to_owned(),
        (_, error) if error.may_be_charged() => format!(
            "It is not asked again by itself, because the endpoint may have made and charged it. If it needs longer, raise \
             {block}.idle_timeout_secs."
        ),
        (_, ModelError::NotUnderstood { .. } | ModelError::Unusable { .. }) => {
            format!("Check {block}.base_url and {block}.model: the endpoint may be one of another kind.")
        }
        _ => return super::hint::elsewhere(error, block, title, operation),
    })
}
