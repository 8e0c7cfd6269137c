//! The setup screen: which models to talk to, with which keys. It runs before any engine, in a loop of its own.
//!
//! ```text
//! start ── provider ── form: address, key, model ── review: the lines of the file that change ── chat
//!   │                    ├ list of the endpoint's models, type to filter
//!   │                    └ test: one short question, really asked
//!   ├── media: the same form for pictures, speech, sound effects, speech recognition
//!   └── demo
//! ```
//!
//! `state` decides, `draw` draws, and the loop here does what takes time. Nothing is written before its lines were
//! shown, and no key is ever drawn: typed ones are dots, and what the user's file holds is only known to be there.

mod draw;
mod fields;
mod form;
mod picker;
mod review;
mod state;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use self::state::{Job, Next, SetupState};
use crate::config::ShownValue;
use crate::support::sanitize;
use crate::support::secret::{Redactor, Secret};
use crate::tui::TuiError;
use crate::tui::input::{EventSource, Input, TerminalSource};
use crate::tui::output::Sink;
use crate::tui::run::Signals;
use crate::tui::terminal::Screen;
use crate::tui::theme::Theme;

/// How often the seconds of a running test move.
const TICK: Duration = Duration::from_millis(250);

/// How the setup screen was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupOutcome {
    /// Something was saved: the configuration is to be read again.
    Saved,
    /// The user wants the offline demo.
    Demo,
    /// The user left.
    Quit,
    /// A signal ended it: exit code 128 and the signal's number.
    Signal(i32),
}

/// An endpoint as it stands in the form, to be tried out.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its block in the configuration: `chat`, `media.image`.
    pub endpoint: &'static str,
    /// The model; empty when only the list of models is asked for.
    pub model: String,
    /// The base URL.
    pub base_url: String,
    /// The key.
    pub key: TrialKey,
    /// Whether its replies are streamed.
    pub streaming: bool,
}

/// The key of a [`Trial`].
#[derive(Debug, Clone)]
pub enum TrialKey {
    /// None.
    None,
    /// One that was typed.
    Typed(Secret),
    /// The one in the environment variable of this name.
    Variable(String),
    /// The one that is configured for this endpoint now. Only asked for with the base URL that it is configured with.
    Present,
}

/// Why a trial failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialError {
    /// What and where, with the server's own words.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl TrialError {
    /// Fit for the screen, without the keys.
    fn clean(&self, redactor: &Redactor) -> Self {
        let clean = |text: &str| sanitize::text(&redactor.redact(text));
        Self { message: clean(&self.message), hint: self.hint.as_deref().map(clean) }
    }
}

/// Asks an endpoint for its models.
pub type ListModels = dyn Fn(Trial) -> BoxFuture<'static, Result<Vec<String>, TrialError>> + Send + Sync;
/// Asks a model one short question and gives its answer. Dropping the future cancels it.
pub type Ask = dyn Fn(Trial) -> BoxFuture<'static, Result<String, TrialError>> + Send + Sync;

/// Whether the config file could be loaded with a text in it, or why not.
pub type CheckText = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// What the setup screen is given; what it cannot do itself comes as closures.
#[derive(Clone)]
pub struct SetupServices {
    /// The file that is edited.
    pub config_file: PathBuf,
    /// The present values with their sources; keys are only marked as set.
    pub values: Vec<ShownValue>,
    /// Colours and glyphs.
    pub theme: Theme,
    /// Whether leaving leads back to a session.
    pub in_session: bool,
    /// Why the screen opens although something is configured.
    pub problem: Option<String>,
    /// Whether the config file could be loaded with this text in it, or why not.
    pub check: Arc<CheckText>,
    /// Whether the environment or the `.env` beside the config file has a variable of this name that is not empty.
    pub has_variable: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Asks for the models.
    pub list_models: Arc<ListModels>,
    /// Asks one question.
    pub ask: Arc<Ask>,
}

impl fmt::Debug for SetupServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupServices").field("config_file", &self.config_file).finish_non_exhaustive()
    }
}

/// Runs the setup screen in the terminal.
pub async fn run(services: SetupServices) -> Result<SetupOutcome, TuiError> {
    let signals = Signals::listen().map_err(TuiError::Terminal)?;
    let screen = Screen::open()?;
    run_with(services, screen, TerminalSource::new(), signals).await
}

/// What a job came to.
enum Done {
    Models(Result<Vec<String>, TrialError>),
    Asked(Result<String, TrialError>),
}

/// Runs it with a screen and keys of a test.
pub async fn run_with<S: Sink, E: EventSource>(
    services: SetupServices,
    mut screen: Screen<S>,
    mut source: E,
    mut signals: Signals,
) -> Result<SetupOutcome, TuiError> {
    let began = Instant::now();
    let mut state = SetupState::new(&services);
    let mut job: Option<BoxFuture<'static, Done>> = None;
    loop {
        state.now_ms = began.elapsed().as_millis() as u64;
        if !screen.busy() {
            screen.draw(&mut state, draw::prepare, draw::draw)?;
        }
        let next = tokio::select! {
            input = source.next() => match input {
                Input::Key(key) => state.key(key),
                Input::Paste(text) => {
                    state.paste(&text);
                    Next::Stay
                }
                Input::Resize | Input::Answer(_) => Next::Stay,
                Input::Ended => Next::End(SetupOutcome::Signal(1)),
            },
            done = running(&mut job) => {
                job = None;
                match done {
                    Done::Models(found) => state.models(found),
                    Done::Asked(answer) => state.asked(answer),
                }
                Next::Stay
            }
            signal = signals.next() => Next::End(SetupOutcome::Signal(signal)),
            () = screen.drained(), if screen.busy() => Next::Stay,
            () = tokio::time::sleep(TICK), if job.is_some() => Next::Stay,
        };
        match next {
            Next::Stay => {}
            // The job before is dropped, which cancels it.
            Next::Start(Job::Models(trial)) => job = Some((services.list_models)(trial).map(Done::Models).boxed()),
            Next::Start(Job::Ask(trial)) => job = Some((services.ask)(trial).map(Done::Asked).boxed()),
            Next::Cancel => job = None,
            Next::End(outcome) => return Ok(outcome),
        }
    }
}

/// The job's result; never, when there is none.
async fn running(job: &mut Option<BoxFuture<'static, Done>>) -> Done {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
