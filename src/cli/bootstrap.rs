//! The composition root: configuration, session, sandbox, tools, model and engine are put together here and nowhere
//! else.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::browser::LazyProgram;
use crate::cli::args::GlobalArgs;
use crate::cli::config_command;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::config::schema::{NetworkMode, SandboxBackend, SandboxSection};
use crate::config::{self, ConfigError, Flags, LoadOptions, Loaded, Problem};
use crate::demo::{self, DemoOptions, DemoServer};
use crate::kernel::python::{LazyPython, PythonSearch};
use crate::logging;
use crate::model::{ChatModel, OpenAiChat};
use crate::protocol::SessionId;
use crate::sandbox::{Chooser, LazySandbox};
use crate::session::{self, SessionFolder};
use crate::spec::Bundle;
use crate::support::clock::{Clock as _, SystemClock};
use crate::support::sanitize;
use crate::support::secret::Redactor;
use crate::tools::Online;
use crate::vm::{Announce, EngineParts, OpenSession, SessionOptions};

/// Who holds the session of a screen.
pub const SCREEN: &str = "okcvm";

/// Whether a command talks to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// It does: a key that cannot be found is an error.
    Needed,
    /// It does not: a key that cannot be found is a warning.
    NotNeeded,
}

/// What every command starts from.
#[derive(Debug)]
pub struct Setup {
    /// The configuration with the source of each value.
    pub loaded: Loaded,
    /// How it was loaded.
    pub options: LoadOptions,
    /// Takes the configured keys out of texts.
    pub redactor: Redactor,
}

/// Which session a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A new one.
    New,
    /// An id, a unique beginning of one, or `last`.
    Existing(String),
    /// The latest, or a new one where there is none.
    LatestOrNew,
}

/// How the configuration is to be loaded for these arguments.
pub fn load_options(global: &GlobalArgs) -> Result<LoadOptions, Failure> {
    let flags = Flags {
        data_dir: global.data_dir.clone(),
        spec_dir: global.spec_dir.clone(),
        model: global.model.clone(),
        sandbox: global.sandbox.map(|mode| mode.as_str().to_owned()),
        network: global.network.map(|mode| mode.as_str().to_owned()),
    };
    let options = LoadOptions::of_process(global.config.clone(), flags)
        .map_err(|error| Failure::new(format!("cannot tell the current directory: {error}")))?;
    if let Some(folder) = &global.data_dir
        && options.cwd.join(folder).to_str().is_none()
    {
        // Paths stand in records and in the arguments of the sandbox, which are text.
        return Err(Failure::usage(format!("--data-dir: {} is not a path in UTF-8", folder.display()))
            .hint("Name a folder whose whole path is UTF-8 text."));
    }
    Ok(options)
}

impl Setup {
    /// Loads the configuration and starts the log. All problems are printed at once (exit code 2).
    pub fn load(global: &GlobalArgs, keys: Keys) -> Result<Self, Failure> {
        let options = load_options(global)?;
        Self::from_options(options, keys)
    }

    /// The same for options that are there already.
    pub fn from_options(options: LoadOptions, keys: Keys) -> Result<Self, Failure> {
        let loaded = match keys {
            Keys::Needed => config::load(&options),
            Keys::NotNeeded => config::load_keyless(&options),
        };
        let loaded = loaded.map_err(|error| configuration_failure(&error))?;
        Self::started(loaded, options)
    }

    /// For the screen, which can mend what it finds: keys that are named and not set come back as problems.
    pub fn for_screen(options: LoadOptions) -> Result<(Self, Vec<Problem>), Failure> {
        let error = match config::load(&options) {
            Ok(loaded) => return Ok((Self::started(loaded, options)?, Vec::new())),
            Err(error) => error,
        };
        let problems = error.problems();
        let Ok(mut loaded) = config::load_keyless(&options) else {
            let failure = configuration_failure(&error);
            if let Some(file) = problems.iter().find_map(|problem| problem.file.as_ref()) {
                let file = sanitize::line(&file.display().to_string());
                let mut err = output::err();
                writeln!(
                    err,
                    "hint: Mend {file} and start again, or move it away: okcvm then opens the setup screen."
                )?;
            }
            return Err(failure);
        };
        loaded.warnings.retain(|warning| !problems.contains(warning));
        Ok((Self::started(loaded, options)?, problems))
    }

    fn started(loaded: Loaded, options: LoadOptions) -> Result<Self, Failure> {
        config_command::warn(&loaded.warnings, &mut output::err())?;
        let redactor = Redactor::new(loaded.secrets.iter().cloned());
        let filter = options.env.get("OKCVM_LOG").map(String::as_str);
        if let Err(error) = logging::start(&loaded.paths.log_dir, filter, &redactor) {
            let mut err = output::err();
            let folder = sanitize::line(&loaded.paths.log_dir.display().to_string());
            writeln!(err, "warning: no log is written: {folder}: {error}")?;
        }
        Ok(Self { loaded, options, redactor })
    }

    /// A key of one layer would go to the base URL of another: ask on a terminal, stop elsewhere.
    pub fn settle_keys(&mut self) -> Result<(), Failure> {
        for question in self.loaded.asks.clone() {
            let interactive = io::stdin().is_terminal() && io::stderr().is_terminal();
            let asked = question.to_string();
            if !interactive || !ask(&format!("{asked}\nSend it?"))? {
                return Err(Failure::usage(asked).hint(question.hint()));
            }
            self.loaded.allow_key(&question);
        }
        // A key that was held back until now is searched for as well.
        self.redactor = Redactor::new(self.loaded.secrets.iter().cloned());
        logging::also_remove(&self.redactor);
        Ok(())
    }

    /// Finds or makes the session.
    pub fn session(&self, choice: &Choice) -> Result<SessionFolder, Failure> {
        let sessions = &self.loaded.paths.sessions_dir;
        match choice {
            Choice::New => self.new_session(sessions),
            Choice::Existing(query) => session::find(sessions, query).map_err(|error| {
                Failure::from_error(&error).hint("`okcvm session list` shows the sessions that are there.")
            }),
            Choice::LatestOrNew => {
                let any = session::list(sessions).map_err(|error| Failure::from_error(&error))?;
                if any.is_empty() {
                    return self.new_session(sessions);
                }
                session::find(sessions, "last").map_err(|error| Failure::from_error(&error))
            }
        }
    }

    fn new_session(&self, sessions: &Path) -> Result<SessionFolder, Failure> {
        self.confirm_new(sessions)?;
        SessionFolder::create(sessions, &SessionId::random(), &SystemClock.now())
            .map_err(|error| Failure::from_error(&error).hint("`--data-dir DIR` keeps sessions in another folder."))
    }

    /// Asks before a session is made, where that is wished for.
    pub fn confirm_new(&self, sessions: &Path) -> Result<(), Failure> {
        if self.loaded.config.workspace.confirm_on_start {
            let question = format!("Make a new session in {}?", sessions.display());
            if !io::stdin().is_terminal() || !ask(&question)? {
                return Err(Failure::new("no session was made").hint(
                    "workspace.confirm_on_start is set: say yes on a terminal, or name a session that is there.",
                ));
            }
        }
        Ok(())
    }

    /// The sandbox, not chosen yet: choosing may run a probe.
    pub fn sandbox(&self) -> LazySandbox {
        LazySandbox::from_chooser(chooser(&self.loaded))
    }

    /// Whom the tools ask; nothing is connected.
    pub fn online(&self) -> Online {
        let config = &self.loaded.config;
        Online::new(&config.search, &config.data, &config.media)
    }

    /// Where copies of deployed websites lie.
    pub fn shelf_folder(&self) -> PathBuf {
        self.loaded.paths.data_dir.join("deployments")
    }

    /// The browser, not looked for yet.
    pub fn browser(&self) -> LazyProgram {
        browser(&self.loaded)
    }

    /// The Python of the notebook, not looked for yet.
    pub fn python(&self) -> LazyPython {
        python(&self.options, &self.loaded)
    }

    /// The prompt and manifest in use.
    pub fn bundle(&self) -> Result<Arc<Bundle>, Failure> {
        match &self.loaded.config.spec.dir {
            None => Ok(Arc::new(Bundle::embedded().clone())),
            Some(dir) => Bundle::load(dir).map(Arc::new).map_err(|error| {
                Failure { code: 2, ..Failure::from_error(&error) }
                    .hint(format!("`okcvm spec check {}` says what does not fit.", dir.display()))
            }),
        }
    }

    /// Locks a session and opens its machine: files, tools, log and store. Nothing runs yet. Blocks.
    pub fn open(&self, folder: SessionFolder, sandbox: LazySandbox, holder: &str) -> Result<OpenSession, Failure> {
        let options = SessionOptions {
            snapshots: self.loaded.config.snapshots.clone(),
            project: self.loaded.config.project.clone(),
            bundle: self.bundle()?,
            redactor: self.redactor.clone(),
            holder: holder.to_owned(),
            interactive: holder == SCREEN,
            python: self.python(),
            browser: self.browser(),
            online: self.online(),
            deployments: Some(self.shelf_folder()),
            preview_base_url: self.loaded.config.workspace.preview_base_url.clone(),
            ..SessionOptions::new(sandbox)
        };
        OpenSession::open(folder, &options).map_err(|error| Failure::from_error(&error).maybe_hint(error.hint()))
    }

    /// The engine's parts for an open session and a model.
    pub fn parts(
        &self,
        session: OpenSession,
        sandbox: &LazySandbox,
        model: Arc<dyn ChatModel>,
    ) -> Result<EngineParts, Failure> {
        Ok(EngineParts {
            announce: Announce {
                sandbox: sandbox.label().to_owned(),
                network: sandbox.network().as_str().to_owned(),
                model: model.name().to_owned(),
            },
            ledger: session.ledger,
            resumed: session.resumed,
            workspace: session.workspace,
            toolbox: session.toolbox,
            model,
            prompt: self.bundle()?.system_prompt.clone(),
            max_rounds: self.loaded.config.engine.max_rounds,
            clock: Arc::new(SystemClock),
            redactor: self.redactor.clone(),
        })
    }

    /// The sandbox, chosen; the failure tells why there is none and what to do.
    pub async fn chosen_sandbox(&self) -> Result<LazySandbox, Failure> {
        let sandbox = self.sandbox();
        sandbox.warm().await;
        match sandbox.get() {
            // Less than was asked for is never taken, and a network is closed by a sandbox only.
            Ok(_) if !sandbox.is_confined() && sandbox.network_section().shell_mode() == NetworkMode::Off => {
                Err(Failure::usage(format!("there is no network off with sandbox {}", sandbox.label()))
                    .hint("Take a sandbox of okcvm's (`--sandbox auto`), or say `--network host`."))
            }
            Ok(_) => Ok(sandbox),
            Err(unavailable) => Err(Failure::new(unavailable.reason.clone()).hint(unavailable.hint.clone())),
        }
    }

    /// The model that the configuration names, or the demo's. The server, where there is one, lives as long as the
    /// second half of the result. Needs a running tokio runtime.
    pub async fn model(&self, demo: bool) -> Result<(Arc<dyn ChatModel>, Option<DemoServer>), Failure> {
        if demo {
            let speed = self.options.env.get("OKCVM_DEMO_SPEED").map(String::as_str);
            let server = demo::serve_with(DemoOptions::from_env_value(speed))
                .await
                .map_err(|error| Failure::new(format!("cannot start the demo model on 127.0.0.1: {error}")))?;
            let model = OpenAiChat::new(server.endpoint()).map_err(|error| Failure::from_error(&error))?;
            return Ok((Arc::new(model), Some(server)));
        }
        let endpoint = self.loaded.config.chat.clone().ok_or_else(|| {
            Failure::usage("no chat endpoint is configured").hint(format!(
                "Start `okcvm` for the setup screen, write {}, or try `--demo`.",
                self.loaded.paths.config_file.display()
            ))
        })?;
        let model = OpenAiChat::new(endpoint).map_err(|error| Failure::from_error(&error).maybe_hint(error.hint()))?;
        Ok((Arc::new(model), None))
    }
}

/// The browser that this configuration leads to, not looked for yet.
pub fn browser(loaded: &Loaded) -> LazyProgram {
    LazyProgram::of(&loaded.config.browser)
}

/// The Python of the notebook that this configuration leads to, not looked for yet.
pub fn python(options: &LoadOptions, loaded: &Loaded) -> LazyPython {
    LazyPython::new(PythonSearch {
        configured: loaded.config.python.path.clone(),
        path: options.env.get("PATH").map(Into::into),
        own: loaded.paths.data_dir.join("python"),
        cache_dir: loaded.paths.cache_dir.clone(),
    })
}

/// Chooses the sandbox, with the places that this configuration keeps private.
pub fn chooser(loaded: &Loaded) -> Chooser {
    chooser_of(loaded, loaded.config.sandbox.backend)
}

/// [`chooser`] for another backend than the configured one.
pub fn chooser_of(loaded: &Loaded, backend: SandboxBackend) -> Chooser {
    let paths = &loaded.paths;
    let dotenv = paths.config_file.with_file_name(".env");
    let private = [&paths.config_file, &dotenv, &paths.data_dir, &paths.sessions_dir, &paths.state_dir];
    let section = SandboxSection { backend, ..loaded.config.sandbox.clone() };
    Chooser::new(&section, &paths.cache_dir).private(private.map(Clone::clone))
}

/// The failure for a configuration that cannot be used: every problem is told (exit code 2).
fn configuration_failure(error: &ConfigError) -> Failure {
    let problems = error.problems();
    // The report is the message; an error of writing it changes nothing about the exit code.
    let _ = config_command::report(&problems, &mut output::err());
    Failure { message: String::new(), hints: Vec::new(), code: 2 }
}

/// Asks a question on the terminal; only `y` or `yes` is a yes.
pub fn ask(question: &str) -> Result<bool, Failure> {
    let mut err = output::err();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A runtime for the commands that need one: two workers are plenty, the work is waiting.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .thread_name("okcvm")
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))
}
