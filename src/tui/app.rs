//! The screen's state and its one transition: `update(message) -> effects`.
//!
//! Nothing here reads a clock, a file or the terminal: the loop ([`mod@super::run`]) tells the time with each message and
//! performs the effects. So every behaviour of the screen can be tested by feeding messages.

use jiff::Zoned;

use crate::protocol::{Event, Op, Phase, TurnOutcome};
use crate::support::{sanitize, truncate};

use super::action::{Action, Scope};
use super::activity::{Activity, Running};
use super::effect::UiEffect;
use super::keymap::Keymap;
use super::layout::Layout;
use super::pane::apply::ApplyView;
use super::pane::attachments::Attachments;
use super::pane::cell::NoticeKind;
use super::pane::chat::ChatState;
use super::pane::completion::Completion;
use super::pane::composer::Composer;
use super::pane::preview::PreviewState;
use super::pane::snapshots::SnapshotsState;
use super::pane::todo::TodoState;
use super::pane::trace::TraceState;
use super::pane::viewer::Viewer;
use super::pane::{Pane, PaneId};
use super::picture::Pictures;
use super::slash::{self, SlashRow};
use super::theme::Theme;
use super::voice::VoiceState;
use super::{Exit, TuiError};

mod bring;
mod command;
mod files;
mod kernel;
mod key;
mod msg;
mod net;
mod place;
mod preview;
mod python;
mod voice;

pub use msg::{AppOptions, Focus, Modal, Msg, Queued, Session, Tokens};

/// How long a notice stays while a turn runs; while idle it stays until the next key.
const NOTICE_MS: u64 = 4_000;
/// How long the engine may take to close before the screen leaves without it.
const CLOSE_MS: u64 = 20_000;

/// The state of the whole screen.
#[derive(Debug)]
pub struct App {
    /// Colours and glyphs.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// Whether the model is the scripted one.
    pub demo: bool,
    /// Size of the model's context in tokens.
    pub context_window: Option<u64>,
    /// The session.
    pub session: Session,
    /// Tokens so far.
    pub tokens: Tokens,
    /// What the machine is doing.
    pub activity: Activity,
    /// The conversation.
    pub chat: ChatState,
    /// The tool calls.
    pub trace: TraceState,
    /// The pictures that chat and trace show.
    pub pictures: Pictures,
    /// The snapshots.
    pub snapshots: SnapshotsState,
    /// The todo list.
    pub todo: TodoState,
    /// What was made.
    pub preview: PreviewState,
    /// The composer.
    pub composer: Composer,
    /// What has the focus.
    pub focus: Focus,
    /// What is drawn over everything.
    pub modal: Option<Modal>,
    /// Files that go along with the next message.
    pub attachments: Attachments,
    /// Names for what is typed after an `@`.
    pub completion: Completion,
    /// Files that took the place of their paths just now.
    dropped: Option<files::Dropped>,
    /// A patch for the project that was asked for.
    bringing: bring::Bringing,
    /// Numbers of the looks at files that are to be attached which have not ended.
    looks: Vec<u64>,
    /// The number of the latest one.
    latest_look: u64,
    /// What went along with the message that the engine has not taken yet.
    sent: Option<Queued>,
    /// A message that waits for the end of the turn.
    pub queued: Option<Queued>,
    /// Where everything is.
    pub layout: Layout,
    /// Milliseconds since the start.
    pub now_ms: u64,
    /// The time of day.
    pub wall: Zoned,
    /// Speech that is being recorded or understood.
    pub voice: VoiceState,
    /// Which suggestion of the slash commands is chosen.
    pub suggestion: usize,
    /// The suggestions were closed; typing opens them again.
    hidden: bool,
    voice_number: u32,
    /// The file that is being understood, as it was named.
    transcribed: Option<String>,
    notice: Option<(String, u64)>,
    shown: PaneId,
    zoomed: Option<PaneId>,
    turn_started: bool,
    /// Whether the user asked for the Python of the notebook; what is told of it then stays in the chat.
    asked_for_python: bool,
    last_cancel: Option<(u64, bool)>,
    last_escape: Option<u64>,
    closing: Option<(Exit, u64)>,
    engine_ended: bool,
}

impl App {
    /// An application that has heard nothing yet.
    pub fn new(options: &AppOptions, wall: Zoned) -> Result<Self, TuiError> {
        let keymap = Keymap::load(&options.keys)?;
        let help = keymap.chord(Action::Help).map_or_else(|| "/help".to_owned(), |chord| chord.to_string());
        Ok(Self {
            theme: options.theme,
            demo: options.demo,
            context_window: options.context_window,
            session: Session::default(),
            tokens: Tokens::default(),
            activity: Activity::default(),
            chat: ChatState::new(help, options.pictures.clone(), options.ssh.clone()),
            trace: TraceState::showing(options.pictures.clone()),
            pictures: options.pictures.clone(),
            snapshots: SnapshotsState::new(),
            todo: TodoState::new(),
            preview: PreviewState::new(options.previews.clone(), options.pictures.clone()),
            composer: Composer::new(),
            focus: Focus::Composer,
            modal: None,
            attachments: Attachments::default(),
            completion: Completion::default(),
            dropped: None,
            bringing: bring::Bringing::default(),
            looks: Vec::new(),
            latest_look: 0,
            sent: None,
            queued: None,
            layout: Layout::default(),
            now_ms: 0,
            wall,
            voice: VoiceState::Off,
            suggestion: 0,
            hidden: false,
            voice_number: 0,
            transcribed: None,
            notice: None,
            shown: PaneId::Chat,
            zoomed: None,
            turn_started: false,
            asked_for_python: false,
            last_cancel: None,
            last_escape: None,
            closing: None,
            engine_ended: false,
            keymap,
        })
    }

    /// Tells the time; to be called before [`App::update`] and before a frame.
    pub fn set_time(&mut self, now_ms: u64, wall: Zoned) {
        self.now_ms = now_ms;
        self.wall = wall;
    }

    /// Takes a message and says what is to be done.
    pub fn update(&mut self, msg: Msg) -> Vec<UiEffect> {
        let effects = self.take(msg);
        for effect in &effects {
            if let UiEffect::Send(op) = effect {
                self.chat.asked(op);
            }
        }
        effects
    }

    fn take(&mut self, msg: Msg) -> Vec<UiEffect> {
        match msg {
            Msg::Key(key) => self.on_key(key),
            Msg::Paste(text) => self.on_paste(&text),
            Msg::Engine(event) => self.on_event(&event),
            Msg::EngineEnded => self.on_engine_ended(),
            Msg::Signal(signal) => self.on_signal(signal),
            // As when the terminal's hang-up had been told by its signal.
            Msg::TerminalGone => self.begin_exit(Exit::Signal(1)),
            Msg::Tick => self.on_tick(),
            Msg::History(entries) => {
                self.composer.load_history(entries);
                Vec::new()
            }
            Msg::Edited(text) => {
                self.composer.set_text(text.trim_end());
                Vec::new()
            }
            Msg::View(title, text) => {
                self.modal = Some(Modal::Viewer(Viewer::of_text(sanitize::line(&title), &sanitize::text(&text))));
                Vec::new()
            }
            Msg::PictureMade => Vec::new(),
            Msg::Previewed(answer) => {
                self.preview.answered(answer);
                Vec::new()
            }
            Msg::Voice(number, event) => {
                self.on_voice(number, event);
                Vec::new()
            }
            Msg::NotCopied(text, what) => vec![UiEffect::CopyThrough { text, what }],
            Msg::NotSent(op, why) => self.on_not_sent(&op, &why),
            Msg::Notice(text) => {
                self.say(&text);
                Vec::new()
            }
            Msg::Attached(look, found) => self.attached(look, found),
            Msg::AttachedNamed(look, found, missing) => self.attached_named(look, found, &missing),
            Msg::Dropped(text, found) => {
                self.dropped(text, found);
                Vec::new()
            }
            Msg::PathFound(found) => self.path_found(found),
            Msg::Completed(answer) => {
                self.completion.answered(answer);
                Vec::new()
            }
        }
    }

    /// One line of news above the composer.
    pub fn say(&mut self, text: &str) {
        self.notice = Some((sanitize::line(text), self.now_ms));
    }

    /// The news that is shown now.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(text, _)| text.as_str())
    }

    /// Whether the application is on its way out.
    pub fn is_leaving(&self) -> bool {
        self.closing.is_some()
    }

    /// The running call, for the activity.
    pub fn running(&self) -> Option<Running> {
        let call = self.trace.current(self.now_ms)?;
        let words = if call.waiting {
            let key = self.keymap.chord(Action::Answer).filter(|_| !matches!(self.modal, Some(Modal::TypeIn(_))));
            let separator = self.theme.glyphs().separator;
            let how = key.map_or_else(String::new, |key| format!("{separator}{key} types"));
            match call.last_words {
                Some(question) => {
                    let ellipsis = self.theme.glyphs().ellipsis;
                    // The end of a question says most.
                    let room =
                        usize::from(self.layout.activity.width).saturating_sub(super::text::wrap::width_of(&how) + 18);
                    format!("{}{how}", truncate::tail_cells(&question, room.max(12), ellipsis))
                }
                None => format!("{} waits for input{how}", call.tool),
            }
        } else {
            format!("{} {}", call.tool, call.summary)
        };
        Some(Running { words, elapsed_ms: call.elapsed_ms, waiting: call.waiting })
    }

    /// The commands that begin like what is typed, unless they were closed.
    pub fn suggestions(&self) -> Vec<&'static SlashRow> {
        if self.hidden { Vec::new() } else { slash::suggestions(&self.composer.text()) }
    }

    /// When something on the screen changes without any message: the spinner (four times a second), or a deadline.
    pub fn next_tick(&self) -> Option<u64> {
        let deadline = self.closing.map(|(_, since)| since + CLOSE_MS);
        let moving = self.activity.is_busy() || self.voice.is_on() || self.is_leaving() || self.trace.animated();
        let frame = moving.then(|| (self.now_ms / 250 + 1) * 250);
        // The age of background jobs is told in minutes.
        let minute = (self.trace.jobs() > 0).then(|| (self.now_ms / 60_000 + 1) * 60_000);
        let look = match &self.modal {
            Some(Modal::Apply(view)) => view.ready_at(),
            _ => None,
        };
        [deadline, frame, minute, look].into_iter().flatten().min()
    }

    /// A pane by its name.
    pub fn pane(&self, pane: PaneId) -> &dyn Pane {
        match pane {
            PaneId::Chat => &self.chat,
            PaneId::Trace => &self.trace,
            PaneId::Snapshots => &self.snapshots,
            PaneId::Todo => &self.todo,
            PaneId::Preview => &self.preview,
        }
    }

    fn pane_mut(&mut self, pane: PaneId) -> &mut dyn Pane {
        match pane {
            PaneId::Chat => &mut self.chat,
            PaneId::Trace => &mut self.trace,
            PaneId::Snapshots => &mut self.snapshots,
            PaneId::Todo => &mut self.todo,
            PaneId::Preview => &mut self.preview,
        }
    }

    /// The pane that has a dialog open.
    pub fn dialog(&self) -> Option<PaneId> {
        PaneId::ALL.into_iter().find(|pane| self.pane(*pane).overlay().is_some())
    }

    /// Where keys are looked up now.
    pub fn scope(&self) -> Scope {
        match (&self.modal, self.dialog(), self.focus) {
            (Some(Modal::Palette(_) | Modal::TypeIn(_)), ..) => Scope::Text,
            (Some(Modal::Picture(_)), ..) => Scope::Dialog,
            (Some(Modal::Viewer(viewer) | Modal::Apply(ApplyView { viewer, .. })), ..) => {
                if viewer.is_typing() {
                    Scope::Text
                } else {
                    Scope::Dialog
                }
            }
            (None, Some(pane), _) | (None, None, Focus::Pane(pane)) => self.pane(pane).scope(),
            (None, None, Focus::Composer) if self.composer.is_searching() => Scope::Text,
            (None, None, Focus::Composer) => Scope::Composer,
        }
    }

    fn on_event(&mut self, event: &Event) -> Vec<UiEffect> {
        let now = self.now_ms;
        self.activity.apply(event, now);
        for pane in PaneId::ALL {
            self.pane_mut(pane).apply(event, now);
        }
        if matches!(&self.modal, Some(Modal::TypeIn(line)) if !self.trace.is_running(line.call())) {
            self.modal = None;
        }
        if matches!(event, Event::ToolFinished { .. } | Event::Restored(_) | Event::ConversationReplaced { .. }) {
            self.pictures.check_files();
        }
        match event {
            Event::SessionStarted { session, mount, host_path, sandbox, network, model, title } => {
                self.session = Session {
                    id: session.as_str().to_owned(),
                    title: sanitize::line(title),
                    mount: sanitize::line(mount),
                    host_path: host_path.clone(),
                    sandbox: sanitize::line(sandbox),
                    network: sanitize::line(network),
                    model: sanitize::line(model),
                };
            }
            Event::Network(state) => self.on_network(state),
            Event::Python(state) => self.on_python(state),
            Event::Done { message } => self.chat.notice(NoticeKind::Done, message),
            Event::Usage { input, output, .. } => {
                self.tokens.input += input;
                self.tokens.output += output;
                self.tokens.context = input + output;
            }
            Event::TurnStarted { .. } => {
                self.bringing.forget();
                self.sent = None;
                self.turn_started = true;
                // Esc was quicker than the turn's beginning: interrupts overtake, so the first may have met no turn.
                if self.activity.is_closing() {
                    return vec![UiEffect::Send(Op::Interrupt)];
                }
            }
            Event::Error { .. } if !self.turn_started && !self.activity.is_closing() => {
                self.activity.refused();
                self.give_back();
            }
            Event::TurnEnded { outcome, .. } => {
                self.turn_started = false;
                if *outcome == TurnOutcome::Failed {
                    self.take_back_queued();
                }
            }
            Event::SnapshotTaken { snapshot, label, .. } if !self.activity.is_busy() => {
                self.say(&format!("snapshot {} taken: {label}", snapshot.short()));
            }
            Event::PhaseChanged(Phase::Idle) => {
                if let Some(queued) = self.queued.take_if(|queued| queued.waits_for.is_empty()) {
                    return self.send_message(queued);
                }
            }
            Event::Closed => return self.on_engine_ended(),
            event => self.on_files(event),
        }
        Vec::new()
    }

    fn on_engine_ended(&mut self) -> Vec<UiEffect> {
        self.engine_ended = true;
        self.activity.refused();
        match self.closing {
            Some((exit, _)) => vec![UiEffect::Quit(exit)],
            None => Vec::new(),
        }
    }

    /// Whether the engine ended although nobody asked for it.
    pub fn lost_the_engine(&self) -> bool {
        self.engine_ended && self.closing.is_none()
    }

    fn on_signal(&mut self, signal: i32) -> Vec<UiEffect> {
        // An interrupt from outside is the key from inside.
        if signal == 2 { self.cancel() } else { self.begin_exit(Exit::Signal(signal)) }
    }

    fn on_tick(&mut self) -> Vec<UiEffect> {
        if self.activity.is_busy() && self.notice.as_ref().is_some_and(|(_, at)| self.now_ms > at + NOTICE_MS) {
            self.notice = None;
        }
        match self.closing {
            Some((exit, since)) if self.now_ms >= since + CLOSE_MS => vec![UiEffect::Quit(exit)],
            _ => Vec::new(),
        }
    }

    fn on_not_sent(&mut self, op: &Op, why: &str) -> Vec<UiEffect> {
        if let Op::Submit { text, .. } = op {
            self.activity.refused();
            self.chat.notice(NoticeKind::Warning, &format!("not sent: {why}"));
            self.give_back();
            if self.composer.is_empty() {
                self.composer.set_text(text);
            }
        } else if *op == Op::Shutdown {
            return self.on_engine_ended();
        } else {
            self.say(why);
        }
        Vec::new()
    }
}
