//! The voices that an endpoint has. ElevenLabs lists them, and so do some servers that speak as OpenAI; OpenAI itself only
//! documents them.

use std::time::Duration;

use serde_json::Value;

use super::speech::{Dialect, Speaker};
use super::{Progress, Tell, json};
use crate::model::ModelError;
use crate::model::openai::{Attempts, Failure};
use crate::support::truncate;

/// Voices that are taken from a list.
const MOST: usize = 500;
/// Pages of a list that are read.
const MOST_PAGES: usize = 10;
/// Bytes of a page of a list, and the values in it that are read.
const LONGEST_LIST: usize = 4 << 20;
const MOST_VALUES: usize = 200_000;
/// Characters of what a list says of a voice, one thing each.
const LONGEST_FIELD: usize = 200;
/// Languages of a voice that are looked at.
const MOST_LANGUAGES: usize = 20;
/// Characters of a name that others are likened to.
const LONGEST_WANTED: usize = 100;
/// How long a list may take that is only asked for to help with an error.
const SOON: Duration = Duration::from_secs(10);
/// Near voices that are named.
const MOST_NEAR: usize = 5;
/// How alike two names have to be.
const NEAR: f64 = 0.75;
/// The host that answers no question for voices.
const OPENAI_HOST: &str = "api.openai.com";
/// What OpenAI documents for its older models, `tts-1` and `tts-1-hd`.
const OLDER: [&str; 9] = ["alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer"];
/// What it documents for newer ones besides.
const NEWER: [&str; 4] = ["ballad", "cedar", "marin", "verse"];

/// A voice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voice {
    /// What requests name it by.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What it speaks, where that is known.
    pub language: String,
    /// How it sounds, where that is known.
    pub description: String,
}

/// The voices of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voices {
    /// The voices.
    pub list: Vec<Voice>,
    /// Whether the endpoint itself lists them; else they are those that OpenAI documents for its models.
    pub listed: bool,
    /// Whether there are more.
    pub more: bool,
}

impl Voices {
    /// The voices most like a name, the nearest first.
    pub fn near(&self, wanted: &str) -> Vec<&Voice> {
        let wanted = truncate::prefix(wanted, LONGEST_WANTED).to_lowercase();
        let like = |name: &str| strsim::jaro_winkler(&wanted, &name.to_lowercase());
        let first_word = |name: &str| name.split([' ', '-']).next().unwrap_or_default().to_owned();
        let score = |voice: &Voice| like(&voice.id).max(like(&voice.name)).max(like(&first_word(&voice.name)));
        let mut scored: Vec<(f64, &Voice)> = self.list.iter().map(|voice| (score(voice), voice)).collect();
        scored.retain(|(score, _)| *score >= NEAR);
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        scored.into_iter().take(MOST_NEAR).map(|(_, voice)| voice).collect()
    }
}

impl Speaker {
    /// The voices that there are. Dropping the future ends the request.
    pub async fn voices(&self, tell: Tell<'_>) -> Result<Voices, ModelError> {
        self.voices_within(self.endpoint.max_retries, tell).await
    }

    /// The voices that can be had soon; none where that fails.
    pub async fn voices_at_hand(&self) -> Voices {
        let voices = tokio::time::timeout(SOON, self.voices_within(0, &mut |_| {})).await;
        voices.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn voices_within(&self, retries: u32, tell: Tell<'_>) -> Result<Voices, ModelError> {
        tell(Progress::asking(&self.endpoint.model, &self.connection));
        if self.dialect == Dialect::ElevenLabs {
            return self.listed("v1/voices", retries, tell).await;
        }
        if self.connection.base().host_str() == Some(OPENAI_HOST) {
            return Ok(self.documented());
        }
        match self.listed("audio/voices", retries, tell).await {
            Ok(voices) if !voices.list.is_empty() => return Ok(voices),
            // Most servers know no such request, and say so in many ways.
            Ok(_) | Err(ModelError::NotUnderstood { .. } | ModelError::Redirected { .. }) => {}
            Err(error) if matches!(error.status(), Some(404 | 405 | 422 | 501)) => {}
            Err(error) => return Err(error),
        }
        match self.listed("voices", retries, tell).await {
            Ok(voices) if !voices.list.is_empty() => Ok(voices),
            _ => Ok(self.documented()),
        }
    }

    /// Whether an error may mean that the endpoint has no such voice.
    pub fn may_mean_voice(&self, error: &ModelError) -> bool {
        let ModelError::Status { status: 400 | 404 | 422, message, code, .. } = error.root() else { return false };
        format!("{message} {}", code.as_deref().unwrap_or_default()).to_lowercase().contains("voice")
    }

    /// The voices of OpenAI's models, which other servers have as well; none for another model.
    fn documented(&self) -> Voices {
        let model = self.endpoint.model.as_str();
        let names = match model {
            _ if model.starts_with("tts-1") => OLDER.to_vec(),
            _ if model.contains("gpt-") => [&OLDER[..], &NEWER].concat(),
            _ => Vec::new(),
        };
        let mut list: Vec<Voice> =
            names.iter().map(|name| Voice { id: (*name).to_owned(), ..Voice::default() }).collect();
        list.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        Voices { list, listed: false, more: false }
    }

    async fn listed(&self, operation: &str, retries: u32, tell: Tell<'_>) -> Result<Voices, ModelError> {
        let mut voices = Voices { listed: true, ..Voices::default() };
        let mut page = operation.to_owned();
        for _ in 0..MOST_PAGES {
            let answer = self.asked(&page, retries, tell).await?;
            // A list of objects or of names, alone or in an object.
            let list = [&answer["voices"], &answer["data"], &answer].into_iter().find_map(Value::as_array);
            let Some(list) = list else {
                return Err(self.connection.not_understood(operation, "a list of voices", &answer.to_string()));
            };
            for item in list {
                // Or a list of models with the voices of each.
                match item["voices"].as_array() {
                    Some(own) if item["model"].as_str().is_none_or(|model| model == self.endpoint.model) => {
                        voices.list.extend(own.iter().filter_map(|voice| self.voice(voice)));
                    }
                    Some(_) => {}
                    None => voices.list.extend(self.voice(item)),
                }
            }
            voices.more = voices.list.len() > MOST;
            voices.list.truncate(MOST);
            let token = answer["next_page_token"].as_str().filter(|_| answer["has_more"] == true);
            let Some(token) = token.filter(|_| !voices.more) else { return Ok(voices) };
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("page_size", "100")
                .append_pair("next_page_token", token)
                .finish();
            page = format!("{operation}?{query}");
        }
        voices.more = true;
        Ok(voices)
    }

    async fn asked(&self, operation: &str, retries: u32, tell: Tell<'_>) -> Result<Value, ModelError> {
        let mut attempts = Attempts::new(self.connection.timing(), retries);
        loop {
            match self.asked_once(operation).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    let (after, reason) = attempts.failed(failure)?;
                    tell(Progress::Waiting { after, reason });
                    tokio::time::sleep(after).await;
                }
            }
        }
    }

    async fn asked_once(&self, operation: &str) -> Result<Value, Failure> {
        let body = self.connection.get_within(operation, LONGEST_LIST).await?;
        let read =
            tokio::task::spawn_blocking(move || json::parsed(&body, MOST_VALUES).ok_or_else(|| json::start(&body)));
        let read = read.await.map_err(|error| self.connection.broken_because(operation, &error.to_string()))?;
        read.map_err(|start| self.connection.not_understood(operation, "a list of voices", &start).into())
    }

    fn voice(&self, voice: &Value) -> Option<Voice> {
        let text = |value: &Value| {
            let text = value.as_str().map(str::trim).filter(|text| !text.is_empty())?;
            Some(truncate::prefix(text, LONGEST_FIELD).to_owned())
        };
        let field = |names: &[&str]| names.iter().find_map(|name| text(&voice[*name]));
        let label = |name: &str| text(&voice["labels"][name]);
        let id = text(voice).or_else(|| field(&["voice_id", "id", "voice", "name"])).filter(|id| self.can_have(id))?;
        let verified = voice["verified_languages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let verified = &verified[..verified.len().min(MOST_LANGUAGES)];
        let mut spoken: Vec<String> = Vec::new();
        let named = field(&["language", "lang", "locale"]).or_else(|| label("language"));
        for language in named.into_iter().chain(verified.iter().filter_map(|known| text(&known["language"]))) {
            if !spoken.contains(&language) {
                spoken.push(language);
            }
        }
        let kind =
            ["accent", "gender", "age", "descriptive", "description", "use_case"].iter().filter_map(|name| label(name));
        let kind = kind.chain(field(&["gender"])).collect::<Vec<_>>().join(", ");
        let about = field(&["description"]).unwrap_or_default();
        let parts: Vec<String> = [kind, about].into_iter().filter(|part| !part.is_empty()).collect();
        let name = field(&["name"]).filter(|name| *name != id).unwrap_or_default();
        Some(Voice { id, name, language: spoken.join(", "), description: parts.join("; ") })
    }
}
