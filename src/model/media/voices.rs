//! The voices that an endpoint has. ElevenLabs lists them, and so do some servers that speak as OpenAI; OpenAI itself only
//! documents them.

use serde_json::Value;

use super::speech::{Dialect, Speaker};
use crate::model::ModelError;
use crate::model::openai::{Attempts, Failure};

/// Voices that are taken from a list.
const MOST: usize = 500;
/// Pages of a list that are read.
const MOST_PAGES: usize = 10;
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
        let wanted = wanted.to_lowercase();
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
    pub async fn voices(&self) -> Result<Voices, ModelError> {
        if self.dialect == Dialect::ElevenLabs {
            return self.listed("v1/voices").await;
        }
        if self.connection.base().host_str() == Some(OPENAI_HOST) {
            return Ok(self.documented());
        }
        match self.listed("audio/voices").await {
            Ok(voices) if !voices.list.is_empty() => Ok(voices),
            // Most servers know no such request, and say so in many ways.
            Ok(_) | Err(ModelError::NotUnderstood { .. } | ModelError::Redirected { .. }) => Ok(self.documented()),
            Err(error) if matches!(error.status(), Some(400 | 403..=405 | 422 | 501)) => Ok(self.documented()),
            Err(error) => Err(error),
        }
    }

    /// Whether an error may mean that the endpoint has no such voice.
    pub fn may_mean_voice(&self, error: &ModelError) -> bool {
        let ModelError::Status { status: 400 | 404 | 422, message, code, .. } = error.root() else { return false };
        format!("{message} {}", code.as_deref().unwrap_or_default()).to_lowercase().contains("voice")
    }

    fn documented(&self) -> Voices {
        let model = self.endpoint.model.as_str();
        let newer: &[&str] = if model.starts_with("tts-1") { &[] } else { &NEWER };
        let mut names = [&OLDER[..], newer].concat();
        names.sort_unstable();
        let voice = |name: &&str| Voice { id: (*name).to_owned(), ..Voice::default() };
        Voices { list: names.iter().map(voice).collect(), listed: false, more: false }
    }

    async fn listed(&self, operation: &str) -> Result<Voices, ModelError> {
        let mut voices = Voices { listed: true, ..Voices::default() };
        let mut page = operation.to_owned();
        for _ in 0..MOST_PAGES {
            let answer = self.asked(&page).await?;
            // A list of objects or of names, alone or in an object.
            let list = [&answer["voices"], &answer["data"], &answer].into_iter().find_map(Value::as_array);
            let Some(list) = list else {
                return Err(self.connection.not_understood(operation, "a list of voices", &answer.to_string()));
            };
            voices.list.extend(list.iter().filter_map(|voice| self.voice(voice)));
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

    async fn asked(&self, operation: &str) -> Result<Value, ModelError> {
        let mut attempts = Attempts::new(self.connection.timing(), self.endpoint.max_retries);
        loop {
            match self.asked_once(operation).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => tokio::time::sleep(attempts.failed(failure)?.0).await,
            }
        }
    }

    async fn asked_once(&self, operation: &str) -> Result<Value, Failure> {
        let body = self.connection.get(operation).await?;
        let text = String::from_utf8_lossy(&body);
        serde_json::from_str(&text)
            .map_err(|_| self.connection.not_understood(operation, "a list of voices", &text).into())
    }

    fn voice(&self, voice: &Value) -> Option<Voice> {
        let text = |value: &Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let field = |names: &[&str]| names.iter().find_map(|name| text(&voice[*name]));
        let label = |name: &str| text(&voice["labels"][name]);
        let id = text(voice).or_else(|| field(&["voice_id", "id", "voice", "name"])).filter(|id| self.can_have(id))?;
        let verified = voice["verified_languages"].as_array().map(Vec::as_slice).unwrap_or_default();
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
