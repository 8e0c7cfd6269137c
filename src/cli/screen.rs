//! `okcvm` without a command: the terminal application, with the setup screen before it where nothing is configured.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;

use super::args::{GlobalArgs, ScreenArgs};
use super::bootstrap::{Choice, Keys, SCREEN, Setup, load_options, runtime};
use super::project::{From, Made};
use super::report::{Failure, Outcome};
use super::sandbox_choice::{self, Settled};
use super::setup_services;
use super::shots::Shots;
use super::transcribe;
use super::{pictures, previews};
use crate::config::schema::{ColourMode, LinkMode};
use crate::model::ChatModel;
use crate::protocol::{Event, Op, Phase};
use crate::sandbox::LazySandbox;
use crate::session::{self, LockError, SessionFolder, SessionLock};
use crate::support::clock::SystemClock;
use crate::tui::pane::sessions::{self, Picked, SessionChoice};
use crate::tui::pane::setup::{self, SetupOutcome};
use crate::tui::picture::{PictureFiles, PicturePlan};
use crate::tui::preview::PreviewFiles;
use crate::tui::remote::SshPlace;
use crate::tui::text::link;
use crate::tui::{self, Draft, Exit, TuiOptions};
use crate::vm::{self, EnginePort, VmHandle};

/// Runs the application until the user leaves it.
pub fn run(global: &GlobalArgs, args: ScreenArgs) -> Outcome {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage("the screen needs a terminal on standard input and output")
            .hint("`okcvm exec PROMPT` runs one turn without a screen."));
    }
    if std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Err(Failure::usage("the screen needs a terminal that can place its cursor; TERM is dumb")
            .hint("`okcvm exec PROMPT` runs one turn without a screen."));
    }
    let runtime = runtime()?;
    let code = runtime.block_on(application(global, args));
    // A tool that hangs in the kernel must not hold the shell prompt back.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    code
}

async fn application(global: &GlobalArgs, args: ScreenArgs) -> Outcome {
    let mut demo = args.demo;
    let mut prompt = args.prompt;
    let mut from = args.from.map(|dir| From::new(dir, args.all, None));
    if let Some(from) = &from {
        from.check()?;
    }
    let mut choice = match (args.continue_latest, args.resume) {
        (true, _) => Some(Choice::Existing("last".to_owned())),
        (false, Some(query)) if query.is_empty() => None,
        (false, Some(query)) => Some(Choice::Existing(query)),
        (false, None) => Some(Choice::New),
    };
    let mut wants_setup = false;
    let mut made = None;
    let mut agreed = None;
    let draft = Draft::default();
    loop {
        let loading = load_options(global)?;
        let (mut setup, unset) = if demo || wants_setup {
            (Setup::from_options(loading, Keys::NotNeeded)?, Vec::new())
        } else {
            Setup::for_screen(loading)?
        };
        if wants_setup || !unset.is_empty() || (!demo && setup.loaded.config.chat.is_none()) {
            let setup = Arc::new(setup);
            let problem = (!unset.is_empty()).then(|| setup_services::told(&unset));
            let theme = options(&setup, false, None, &draft).theme();
            let services = setup_services::services(&setup, theme, wants_setup, problem);
            match setup::run(services).await.map_err(|error| Failure::from_error(&error))? {
                SetupOutcome::Saved => demo = false,
                SetupOutcome::Demo => demo = true,
                SetupOutcome::Signal(number) => return Ok(u8::try_from(128 + number).unwrap_or(1)),
                // Left from inside a session: back to it. Left at the first start: out.
                SetupOutcome::Quit if wants_setup => {}
                SetupOutcome::Quit => return Ok(0),
            }
            wants_setup = false;
            continue;
        }
        if !demo {
            setup.settle_keys()?;
        }
        let which = match choice.take() {
            Some(which) => which,
            None => match pick(&setup).await? {
                Picked::Session(id) => Choice::Existing(id),
                Picked::Quit => return Ok(0),
                Picked::Signal(number) => return Ok(u8::try_from(128 + number).unwrap_or(1)),
            },
        };
        // Before a session is made for it. With a cached probe this costs a file read; the first start of a boot pays for
        // the probe.
        let theme = options(&setup, false, None, &draft).theme();
        let sandbox = match sandbox_choice::settle(&mut setup, &mut agreed, theme).await? {
            Settled::Sandbox(sandbox) => sandbox,
            Settled::Left(code) => return Ok(code),
        };
        let setup = Arc::new(setup);
        let start = match from.take() {
            Some(from) => {
                setup.confirm_new(&setup.loaded.paths.sessions_dir)?;
                Start::Copy(From { owner: sandbox.tool_owner(), ..from })
            }
            None => Start::Folder(setup.session(&which)?),
        };
        let (id, root) = match &start {
            Start::Folder(folder) => (folder.id().clone(), folder.root().to_path_buf()),
            Start::Copy(from) => (from.id.clone(), setup.loaded.paths.sessions_dir.join(from.id.as_str())),
        };
        if which == Choice::New {
            made = Some(id.clone());
        }
        let exit = session(&setup, start, sandbox, demo, options(&setup, demo, prompt.take(), &draft)).await?;
        if exit != Exit::Setup && made == Some(id.clone()) && untouched(&root) {
            // Nothing was said or made: an empty session would only stand in the way of `--continue`.
            if let Err(error) = std::fs::remove_dir_all(&root) {
                tracing::warn!(%error, root = %root.display(), "cannot remove an empty session");
            }
        }
        match exit {
            Exit::Quit => return Ok(0),
            Exit::Interrupted => return Ok(130),
            Exit::Signal(number) => return Ok(u8::try_from(128 + number).unwrap_or(1)),
            Exit::Setup => {
                choice = Some(Choice::Existing(id.as_str().to_owned()));
                wants_setup = true;
            }
        }
    }
}

/// Whether the locale says that the terminal shows no UTF-8. Where nothing is said, it very likely does.
fn ascii_locale(env: &BTreeMap<String, String>) -> bool {
    let said =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| env.get(name)).find(|text| !text.is_empty());
    said.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// Whether the environment asks for no colours: `NO_COLOR` (no-color.org: set and not empty), or a terminal without.
fn no_colour(env: &BTreeMap<String, String>) -> bool {
    let variable = |name: &str| env.get(name).map_or("", String::as_str);
    !variable("NO_COLOR").is_empty() || matches!(variable("TERM"), "" | "dumb" | "vt100" | "vt220")
}

async fn pick(setup: &Setup) -> Result<Picked, Failure> {
    let rows = session::list(&setup.loaded.paths.sessions_dir).map_err(|error| Failure::from_error(&error))?;
    if rows.is_empty() {
        return Err(Failure::new("there is no session to resume").hint("`okcvm` starts one."));
    }
    let rows = rows
        .into_iter()
        .map(|row| SessionChoice {
            id: row.meta.id.as_str().to_owned(),
            title: row.meta.title.clone(),
            time: super::session::moment(row.last_activity),
            holder: holder(&row.root),
        })
        .collect();
    sessions::pick(rows, options(setup, false, None, &Draft::default()).theme(), jiff::Zoned::now())
        .await
        .map_err(|error| Failure::from_error(&error))
}

/// Who has a session open, if anybody.
fn holder(root: &Path) -> Option<String> {
    let folder = SessionFolder::open(root).ok()?;
    match SessionLock::acquire(&folder, "okcvm") {
        Err(LockError::Held { holder }) => Some(holder),
        _ => None,
    }
}

/// How the screen is to be.
fn options(setup: &Setup, demo: bool, first_prompt: Option<String>, draft: &Draft) -> TuiOptions {
    let mut ui = setup.loaded.config.ui.clone();
    ui.ascii = ui.ascii || ascii_locale(&setup.options.env);
    let no_color = no_colour(&setup.options.env);
    let colours = match ui.colour {
        ColourMode::Auto => !no_color,
        ColourMode::Always => true,
        ColourMode::Never => false,
    };
    TuiOptions {
        draft: Arc::clone(draft),
        no_color,
        links: match ui.links {
            LinkMode::Auto => link::supported(|name| setup.options.env.get(name).cloned()),
            LinkMode::Always => true,
            LinkMode::Never => false,
        },
        picture_plan: PicturePlan::new(ui.pictures, colours && !ui.ascii, |name| setup.options.env.get(name).cloned()),
        picture_files: PictureFiles::none(),
        ssh: SshPlace::of(|name| setup.options.env.get(name).cloned()),
        preview_files: PreviewFiles::none(),
        voice: transcribe::services(setup),
        first_prompt,
        demo,
        context_window: if demo {
            None
        } else {
            setup.loaded.config.chat.as_ref().and_then(|chat| chat.context_window)
        },
        clock: Arc::new(SystemClock),
        ui,
        history_file: Some(setup.loaded.paths.state_dir.join("history.jsonl")),
    }
}

/// What a screen starts with.
enum Start {
    /// A session that is there.
    Folder(SessionFolder),
    /// One that is made of a project, behind the screen.
    Copy(From),
}

/// One session on the screen.
async fn session(
    setup: &Arc<Setup>,
    start: Start,
    sandbox: LazySandbox,
    demo: bool,
    options: TuiOptions,
) -> Result<Exit, Failure> {
    let (root, mount) = match &start {
        Start::Folder(folder) => (folder.root().to_owned(), folder.mount()),
        Start::Copy(from) => (setup.loaded.paths.sessions_dir.join(from.id.as_str()), from.id.mount()),
    };
    let (tools, shots) = (previews::Tools::default(), Shots::default());
    let preview_files = previews::files(root.join("work"), mount.clone(), &sandbox, &tools, &shots);
    let picture_files = pictures::files(root.join("work"), root.join("spill"), mount, &sandbox, &shots);
    let options = TuiOptions { picture_files, preview_files, ..options };
    let (model, server) = setup.model(demo).await?;
    // The screen gets its handle first and draws; log and store are opened behind it.
    let (handle, port) = VmHandle::pair();
    let mut engine = tokio::spawn(engine(port, Arc::clone(setup), start, sandbox, model, tools));
    let mut screen = Box::pin(tui::run(handle, options));
    let mut ended = None;
    let exit = loop {
        tokio::select! {
            exit = &mut screen => break exit,
            result = &mut engine, if ended.is_none() => {
                // A session that cannot be opened has nothing to show: the screen is left, and why is told.
                if matches!(result, Ok(Err(_))) {
                    drop(screen);
                    return result.unwrap_or(Ok(())).map(|()| Exit::Quit);
                }
                ended = Some(result);
            }
        }
    };
    let ended = match ended {
        Some(ended) => ended,
        None => engine.await,
    };
    drop(server);
    // Why a session could not be opened says more than that the engine is gone.
    ended.map_err(|error| Failure::new(format!("the engine ended badly: {error}")))??;
    exit.map_err(|error| Failure::from_error(&error))
}

/// Opens the session behind the screen and runs its engine to the end.
async fn engine(
    mut port: EnginePort,
    setup: Arc<Setup>,
    start: Start,
    sandbox: LazySandbox,
    model: Arc<dyn ChatModel>,
    tools: previews::Tools,
) -> Result<(), Failure> {
    let (folder, done, left_out, said) = match start {
        Start::Folder(folder) => (folder, None, None, Vec::new()),
        Start::Copy(from) => {
            let (made, said) = copy(&mut port, &setup, from).await?;
            // What is said from here on waits for the engine, as in a session that is opened.
            let _ = port.events.send(Event::PhaseChanged(Phase::Idle));
            let done = format!("{}; /apply shows what changes here and brings it back there", made.words);
            (made.folder, Some(done), made.left_out, said)
        }
    };
    let opened = tokio::task::spawn_blocking(move || {
        let mut session = setup.open(folder, sandbox.clone(), SCREEN)?;
        // Nobody else fills it.
        let _ = tools.set(Arc::downgrade(&session.toolbox));
        session.resumed.warnings.extend(left_out);
        session.resumed.done = done;
        let parts = setup.parts(session, &sandbox, model)?;
        vm::open_on(port, parts).map_err(|error| Failure::from_error(&error))
    });
    let mut engine =
        opened.await.map_err(|error| Failure::new(format!("opening the session ended badly: {error}")))??;
    engine.take_first(said);
    engine.run().await;
    Ok(())
}

/// Makes the session that holds a copy of the project while the screen is there already. Esc and leaving stop it; what
/// is said meanwhile is kept for the engine.
async fn copy(port: &mut EnginePort, setup: &Arc<Setup>, from: From) -> Result<(Made, Vec<Op>), Failure> {
    let stopped = Arc::clone(&from.stopped);
    let stop = || stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    let (setup, events) = (Arc::clone(setup), port.events.clone());
    let mut making = tokio::task::spawn_blocking(move || {
        let mut told = None;
        from.make(&setup, &mut |files, of| {
            // A screen has a hundred steps at most to draw.
            let percent = (of > 0).then(|| files * 100 / of);
            if percent.is_none() || told != percent {
                told = percent;
                // A screen that is gone is noticed below.
                let _ = events.send(Event::PhaseChanged(Phase::Copying { files, of }));
            }
        })
    });
    let mut said = Vec::new();
    let mut open = true;
    loop {
        tokio::select! {
            made = &mut making => {
                let made = made.map_err(|error| Failure::new(format!("copying the project ended badly: {error}")))??;
                return Ok((made, said));
            }
            op = port.urgent.recv(), if open => match op {
                Some(Op::Interrupt) => stop(),
                Some(_) => {}
                None => {
                    open = false;
                    stop();
                }
            },
            op = port.ops.recv(), if open => match op {
                Some(Op::Shutdown) => stop(),
                Some(op) => said.push(op),
                None => {
                    open = false;
                    stop();
                }
            },
        }
    }
}

/// Whether nothing was said, called or made in a session: its log holds the first node only and its workspace no file.
fn untouched(root: &Path) -> bool {
    let Ok(folder) = SessionFolder::open(root) else {
        return false;
    };
    let Ok(bytes) = std::fs::read(folder.log_file()) else {
        return false;
    };
    let (lines, damaged) = session::store::read_lines(&bytes);
    let only_start = damaged == 0 && lines.iter().all(|line| line.kind == "node") && lines.len() <= 1;
    only_start && holds_no_file(&folder.work(), 0)
}

/// Whether there is no file in a folder, at most two folders deep; a deeper tree counts as something.
fn holds_no_file(folder: &Path, depth: usize) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().all(|entry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_folder && depth < 2 && holds_no_file(&entry.path(), depth + 1)
    })
}
