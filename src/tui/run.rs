//! The loop: waits for whatever comes first, takes everything that is there, draws once.
//!
//! It waits for nothing else: files are read and written by tasks, frames are written by a thread, the engine is asked
//! by messages. While nothing happens and nothing moves on the screen, it does not wake up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;

use crate::support::clock::Clock;
use crate::support::host_command::{self, HostCommand};
use crate::support::sanitize;
use crate::vm::VmHandle;

use super::action::Scope;
use super::app::{App, AppOptions, Msg};
use super::clipboard::{self, Route};
use super::effect::{UiEffect, ViewSource};
use super::frame::{FrameClock, Urgency};
use super::input::{EventSource, Input, TerminalSource};
use super::output::Sink;
use super::picture::{Graphics, Pictures};
use super::terminal::Screen;
use super::text::highlight;
use super::{Exit, TuiError, TuiOptions, attach, complete, history, view};

mod outside;
mod pictures;
mod signals;
mod voice;

pub use signals::Signals;
use voice::VoiceTask;

/// Events that are taken before the keys are looked at again.
const EVENTS_AT_ONCE: usize = 4096;
/// Bytes of a file that the viewer shows: this much of its beginning and of its end.
const VIEW_HALF: usize = 512 * 1024;

/// Runs the application in the terminal until it is left.
pub async fn run(handle: VmHandle, options: TuiOptions) -> Result<Exit, TuiError> {
    let signals = Signals::listen().map_err(TuiError::Terminal)?;
    let app = new_app(&options)?;
    let screen = Screen::open()?.links(options.links);
    let asks = options.picture_plan.question.is_some();
    let source = if asks { TerminalSource::asking() } else { TerminalSource::new() };
    Loop::new(handle, app, options, screen, source, signals).run().await
}

/// Runs it with a screen and keys of a test.
pub async fn run_with<S: Sink, E: EventSource>(
    handle: VmHandle,
    options: TuiOptions,
    screen: Screen<S>,
    source: E,
    signals: Signals,
) -> Result<Exit, TuiError> {
    let app = new_app(&options)?;
    Loop::new(handle, app, options, screen, source, signals).run().await
}

fn new_app(options: &TuiOptions) -> Result<App, TuiError> {
    let app_options = AppOptions {
        theme: options.theme(),
        keys: options.ui.keys.clone(),
        demo: options.demo,
        context_window: options.context_window,
        ssh: options.ssh.clone(),
        pictures: Pictures::new(options.picture_files.clone(), options.picture_plan.drawn, options.picture_plan.depth),
        previews: options.preview_files.clone(),
    };
    App::new(&app_options, options.clock.now())
}

struct Loop<S: Sink, E> {
    handle: VmHandle,
    app: App,
    options: TuiOptions,
    screen: Screen<S>,
    source: E,
    signals: Signals,
    clock: Arc<dyn Clock>,
    began: Instant,
    frames: FrameClock,
    jobs: (mpsc::UnboundedSender<Msg>, mpsc::UnboundedReceiver<Msg>),
    /// What the terminal has turned out to take.
    graphics: Option<Graphics>,
    /// Speech that is being recorded or understood.
    voice: Option<VoiceTask>,
    engine_open: bool,
    input_open: bool,
    /// The terminal takes nothing any more.
    blind: bool,
}

impl<S: Sink, E: EventSource> Loop<S, E> {
    fn new(handle: VmHandle, app: App, options: TuiOptions, screen: Screen<S>, source: E, signals: Signals) -> Self {
        let screen = screen.pictures(app.pictures.clone());
        Self {
            handle,
            app,
            clock: Arc::clone(&options.clock),
            options,
            screen,
            source,
            signals,
            began: Instant::now(),
            frames: FrameClock::default(),
            jobs: mpsc::unbounded_channel(),
            graphics: None,
            voice: None,
            engine_open: true,
            input_open: true,
            blind: false,
        }
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    async fn run(mut self) -> Result<Exit, TuiError> {
        let draft = self.options.draft.lock().map(|mut draft| std::mem::take(&mut *draft)).unwrap_or_default();
        let looks = self.app.go_on_with(&draft);
        self.tell_time();
        self.frames.request(Urgency::AtOnce);
        self.fit_pictures(None);
        self.draw();
        // The first frame is out; now what may be slow.
        self.ask_terminal();
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        highlight::on_ready(move || waker.notify_one());
        if let Some(file) = self.options.history_file.clone() {
            self.job(move || Msg::History(history::read(&file)));
        }
        if let Some(exit) = self.perform(looks).await? {
            return Ok(exit);
        }
        if let Some(prompt) = self.options.first_prompt.take() {
            let effects = self.app.message(prompt.trim());
            if let Some(exit) = self.perform(effects).await? {
                return Ok(exit);
            }
        }
        loop {
            // Looked at first: a frame that gets through meanwhile must not leave the next one without anybody to wake it.
            let waits_for_screen = self.frames.wants() && self.screen.busy();
            let settles = self.screen.settles_at().map(|at| at.duration_since(self.began).as_millis() as u64 + 1);
            let tick = [self.app.next_tick(), self.frame_due(), settles].into_iter().flatten().min();
            let deadline = tick.map(|at| tokio::time::Instant::from_std(self.began + Duration::from_millis(at)));
            // While a frame is about to be drawn, what comes in meanwhile is taken together, just before it.
            let listens = self.engine_open && self.frame_due().is_none();
            let mut messages = Vec::new();
            tokio::select! {
                biased;
                signal = self.signals.next() => messages.push((Msg::Signal(signal), Urgency::AtOnce)),
                input = self.source.next(), if self.input_open => self.take_inputs(input, &mut messages).await,
                Some(msg) = self.jobs.1.recv() => messages.push((msg, Urgency::AtOnce)),
                () = wake.notified() => self.frames.request(Urgency::Paced),
                event = self.handle.next_event(), if listens => {
                    self.engine_open = event.is_some();
                    let ended = (Msg::EngineEnded, Urgency::AtOnce);
                    messages.push(event.map_or(ended, |event| (Msg::Engine(event), Urgency::Paced)));
                }
                () = self.screen.drained(), if waits_for_screen => {}
                () = sleep(deadline), if deadline.is_some() => messages.push((Msg::Tick, Urgency::Paced)),
            }
            self.take_events(&mut messages);
            self.tell_time();
            for (msg, urgency) in messages {
                // A tick is a message only for what moves by itself.
                if !matches!(msg, Msg::Tick) || self.app.next_tick().is_some() || settles.is_some() {
                    self.frames.request(urgency);
                }
                let effects = self.app.update(msg);
                if let Some(exit) = self.perform(effects).await? {
                    return Ok(exit);
                }
            }
            if self.frame_due().is_some_and(|due| due <= self.now_ms()) {
                self.draw();
            }
        }
    }

    fn tell_time(&mut self) {
        let (now, wall) = (self.now_ms(), self.clock.now());
        self.app.set_time(now, wall);
    }

    fn frame_due(&self) -> Option<u64> {
        // A frame for a screen that is still busy with the last one would only wait there.
        if self.blind || self.screen.busy() { None } else { self.frames.due(self.now_ms()) }
    }

    fn draw(&mut self) {
        self.tell_time();
        let drawn = self.screen.draw(&mut self.app, App::prepare, view::draw);
        if drawn.is_err() {
            self.terminal_gone();
        }
        self.frames.drawn(self.now_ms());
        self.make_pictures();
        if let Some(job) = self.app.preview.next_job() {
            self.job(move || Msg::Previewed(job()));
        }
    }

    /// The engine still has to close the turn; nothing is drawn any more.
    fn terminal_gone(&mut self) {
        if !std::mem::replace(&mut self.blind, true) {
            self.input_open = false;
            let _ = self.jobs.0.send(Msg::TerminalGone);
        }
    }

    /// Takes the events that are there already.
    fn take_events(&mut self, messages: &mut Vec<(Msg, Urgency)>) {
        while self.engine_open && messages.len() < EVENTS_AT_ONCE {
            let Some(event) = self.handle.try_event() else { break };
            messages.push((Msg::Engine(event), Urgency::Paced));
        }
    }

    /// Takes this input and all that are there already.
    async fn take_inputs(&mut self, first: Input, messages: &mut Vec<(Msg, Urgency)>) {
        let mut inputs = vec![first];
        while inputs.last() != Some(&Input::Ended) {
            // Polled once: what is not there yet is waited for by the loop.
            let next = std::pin::pin!(self.source.next());
            match futures::poll!(next) {
                std::task::Poll::Ready(input) => inputs.push(input),
                std::task::Poll::Pending => break,
            }
        }
        for input in super::input::mend_pastes(inputs, self.app.scope() == Scope::Composer) {
            match input {
                Input::Key(key) => messages.push((Msg::Key(key), Urgency::AtOnce)),
                Input::Paste(text) => messages.push((Msg::Paste(text), Urgency::AtOnce)),
                Input::Resize => {
                    self.fit_pictures(None);
                    self.frames.request(Urgency::AtOnce);
                }
                Input::Answer(answer) => {
                    self.fit_pictures(Some(&answer));
                    self.frames.request(Urgency::Paced);
                }
                Input::Ended => self.terminal_gone(),
            }
        }
    }

    async fn perform(&mut self, effects: Vec<UiEffect>) -> Result<Option<Exit>, TuiError> {
        for effect in effects {
            match effect {
                UiEffect::Send(op) => {
                    if let Err(error) = self.handle.send(op.clone()) {
                        let _ = self.jobs.0.send(Msg::NotSent(op, error.to_string()));
                    }
                }
                UiEffect::Copy { text, what } => self.copy(text, what),
                UiEffect::CopyThrough { text, what } => self.copy_through(&text, &what),
                UiEffect::OpenPager(file) => {
                    if let Some(pager) = host_command::pager() {
                        self.outside(&pager, &file).await?;
                    }
                }
                UiEffect::Edit(text) => self.edit(&text).await?,
                UiEffect::View { title, source: ViewSource::File(file) } => {
                    self.job(move || match read_for_view(&file) {
                        Ok(text) => Msg::View(title, text),
                        Err(error) => Msg::Notice(format!("cannot read {}: {error}", file.display())),
                    });
                }
                UiEffect::OpenOutside(target) => self.open_outside(target),
                UiEffect::View { title, source: ViewSource::Text(text) | ViewSource::Markdown(text) } => {
                    let _ = self.jobs.0.send(Msg::View(title, text));
                }
                UiEffect::Attach(look, paths) => {
                    self.job(move || Msg::Attached(look, paths.iter().map(|path| attach::examine(path)).collect()));
                }
                UiEffect::AttachNamed(look, named) => self.job(move || {
                    let mut found = Vec::new();
                    let mut missing = Vec::new();
                    for typed in named {
                        match complete::find(&typed) {
                            Some((typed, path)) => found.push((typed, attach::examine(&path))),
                            None => missing.push(typed),
                        }
                    }
                    Msg::AttachedNamed(look, found, missing)
                }),
                UiEffect::FindPath(paths) => self.job(move || {
                    let there = paths.iter().find(|path| path.symlink_metadata().is_ok()).cloned();
                    Msg::PathFound(there.ok_or_else(|| paths.into_iter().next_back().unwrap_or_default()))
                }),
                UiEffect::Dropped { text, readings } => {
                    self.job(move || Msg::Dropped(text, attach::dropped(&readings)));
                }
                UiEffect::Complete(query) => self.job(move || Msg::Completed(complete::answer(query))),
                UiEffect::Remember(text) => {
                    if let Some(file) = self.options.history_file.clone() {
                        tokio::task::spawn_blocking(move || {
                            if let Err(error) = history::append(&file, &text) {
                                tracing::warn!(%error, file = %file.display(), "the history was not written");
                            }
                        });
                    }
                }
                UiEffect::Redraw => {
                    self.screen.forget();
                    self.frames.request(Urgency::AtOnce);
                }
                UiEffect::Voice(number, wish) => self.voice(number, wish),
                UiEffect::Suspend => self.stop_here().await?,
                UiEffect::Quit(exit) => {
                    if let Ok(mut draft) = self.options.draft.lock() {
                        *draft = self.app.unsent();
                    }
                    return Ok(Some(exit));
                }
                // The application has performed these itself.
                UiEffect::ShowPictures { .. }
                | UiEffect::Notice(_)
                | UiEffect::TypeInto { .. }
                | UiEffect::Focus(_)
                | UiEffect::CopyHostPath(_)
                | UiEffect::Command { .. }
                | UiEffect::Leave => {}
            }
        }
        Ok(None)
    }

    /// Does something that may wait for the disk, on a thread of its own.
    fn job(&self, work: impl FnOnce() -> Msg + Send + 'static) {
        let jobs = self.jobs.0.clone();
        tokio::task::spawn_blocking(move || {
            // Nobody listens any more when the application has been left meanwhile.
            let _ = jobs.send(work());
        });
    }

    fn copy(&mut self, text: String, what: String) {
        if text.len() > clipboard::LONGEST {
            let _ = self.jobs.0.send(Msg::Notice(format!(
                "not copied: {what} has {} bytes, terminals take {}",
                text.len(),
                clipboard::LONGEST
            )));
            return;
        }
        let tmux = HostCommand::parse("tmux load-buffer -w -");
        if let (Route::Tmux, Some(tmux)) = (clipboard_route(), tmux) {
            let jobs = self.jobs.0.clone();
            tokio::spawn(async move {
                let msg = match tmux.feed(text.as_bytes()).await {
                    Ok(()) => Msg::Notice(copied(&text, &what, "to tmux, which passes it on")),
                    Err(_) => Msg::NotCopied(text, what),
                };
                let _ = jobs.send(msg);
            });
        } else {
            self.copy_through(&text, &what);
        }
    }

    fn copy_through(&mut self, text: &str, what: &str) {
        let route = clipboard_route();
        if self.screen.write(route.sequence(text)).is_ok() {
            let _ = self.jobs.0.send(Msg::Notice(copied(text, what, route.words())));
        }
    }
}

fn clipboard_route() -> Route {
    Route::detect(|name| std::env::var(name).ok())
}

fn copied(text: &str, what: &str, way: &str) -> String {
    format!("copied {what}, {} characters, {way}", text.chars().count())
}

async fn sleep(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Beginning and end of a file, clean.
fn read_for_view(file: &PathBuf) -> std::io::Result<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(file)?;
    let size = file.metadata()?.len();
    let half = VIEW_HALF as u64;
    let mut bytes = Vec::new();
    if size <= 2 * half {
        file.read_to_end(&mut bytes)?;
        return Ok(sanitize::text(&String::from_utf8_lossy(&bytes)));
    }
    (&mut file).take(half).read_to_end(&mut bytes)?;
    let head = sanitize::text(&String::from_utf8_lossy(&bytes));
    bytes.clear();
    file.seek(SeekFrom::Start(size - half))?;
    file.take(half).read_to_end(&mut bytes)?;
    let tail = sanitize::text(&String::from_utf8_lossy(&bytes));
    Ok(format!("{head}\n[... {} bytes left out; o opens the whole in the pager ...]\n{tail}", size - 2 * half))
}
