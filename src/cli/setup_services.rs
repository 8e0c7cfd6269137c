//! What the setup screen is given: the present values, and closures that really ask an endpoint.
//!
//! The screen knows no model client; it hands over a [`Trial`] and gets models or one answer back.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use super::bootstrap::Setup;
use crate::config::{self, Endpoint, Problem};
use crate::model::{self, ModelError};
use crate::support::sanitize;
use crate::support::secret::Secret;
use crate::tui::pane::setup::{SetupServices, Trial, TrialError, TrialKey};
use crate::tui::theme::Theme;

/// The one short question of the connection test.
const QUESTION: &str = "Reply with the single word: ready";
/// A list of models or an answer that takes longer is told as too slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The services of a setup screen over this configuration.
///
/// `problem` is why the screen opens though something is configured; `in_session` says where leaving it leads to.
pub fn services(setup: &Arc<Setup>, theme: Theme, in_session: bool, problem: Option<String>) -> SetupServices {
    let for_variable = Arc::clone(setup);
    let for_models = Arc::clone(setup);
    let for_question = Arc::clone(setup);
    let for_text = Arc::clone(setup);
    SetupServices {
        config_file: setup.loaded.paths.config_file.clone(),
        values: setup.loaded.values.clone(),
        theme,
        in_session,
        problem,
        check: Arc::new(move |text| {
            config::check_text(&for_text.options, text).map_err(|error| told(&error.problems()))
        }),
        has_variable: Arc::new(move |name| variable(&for_variable, name).is_some()),
        list_models: Arc::new(move |trial| {
            let endpoint = endpoint(&for_models, &trial);
            async move { patient(model::list_models(&endpoint?)).await }.boxed()
        }),
        ask: Arc::new(move |trial| {
            let endpoint = endpoint(&for_question, &trial);
            async move { patient(model::ask_once(&endpoint?, QUESTION)).await }.boxed()
        }),
    }
}

/// Problems of a configuration in words, with what to do about the first.
pub fn told(problems: &[Problem]) -> String {
    let mut words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    words.extend(problems.first().and_then(|problem| problem.hint.clone()));
    sanitize::text(&words.join("\n"))
}

/// As loading looks it up.
fn variable(setup: &Setup, name: &str) -> Option<Secret> {
    config::key_variable(&setup.options, &setup.loaded.paths.config_file, name)
}

/// The endpoint that a trial describes, with its key looked up.
fn endpoint(setup: &Setup, trial: &Trial) -> Result<Endpoint, TrialError> {
    let config = &setup.loaded.config;
    let present = match trial.endpoint {
        "chat" => config.chat.as_ref(),
        "media.image" => config.media.image.as_ref(),
        "media.speech" => config.media.speech.as_ref(),
        "media.sound_effects" => config.media.sound_effects.as_ref(),
        "media.asr" => config.media.asr.as_ref(),
        _ => None,
    };
    let api_key = match &trial.key {
        TrialKey::None => None,
        TrialKey::Typed(key) => Some(key.clone()),
        TrialKey::Variable(name) => Some(variable(setup, name).ok_or_else(|| TrialError {
            message: format!("{name} is set neither in the environment nor in the .env beside the config file"),
            hint: Some("Set it before okcvm starts, or type the key.".to_owned()),
        })?),
        // Only ever for the address that it is configured with: a key does not follow a changed URL.
        TrialKey::Present => {
            present.filter(|present| present.base_url == trial.base_url).and_then(|present| present.api_key.clone())
        }
    };
    Ok(Endpoint {
        model: trial.model.clone(),
        base_url: trial.base_url.clone(),
        api_key,
        supports_streaming: trial.streaming,
        connect_timeout_secs: present.map_or(10, |present| present.connect_timeout_secs),
        idle_timeout_secs: present.map_or(60, |present| present.idle_timeout_secs),
        max_retries: 0,
        context_window: None,
        vision: false,
    })
}

/// A hint for the one who is in the setup screen already.
fn here(hint: &str) -> String {
    hint.replace("/setup changes it, ", "")
}

async fn patient<T>(asked: impl Future<Output = Result<T, ModelError>>) -> Result<T, TrialError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer
            .map_err(|error| TrialError { message: error.to_string(), hint: error.hint().map(|hint| here(&hint)) }),
        Err(_) => Err(TrialError {
            message: format!("no answer within {} s", PATIENCE.as_secs()),
            hint: Some("Check the base URL, and whether the server is up.".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_in_the_setup_is_sent_to_the_setup() {
        let hint = here("Check the key of the chat endpoint: /setup changes it, `okcvm config show` tells the rest.");
        assert_eq!(hint, "Check the key of the chat endpoint: `okcvm config show` tells the rest.");
    }
}
