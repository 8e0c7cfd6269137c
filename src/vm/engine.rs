//! The actor of a session: one task that owns the log, the machine and the running work.
//!
//! ```text
//!   ops, urgent ops ──┐                       ┌── events
//!   model stream ─────┤   Machine::step       ├── records (before anything acts on them)
//!   tool tasks ───────┼──> effects, done in ──┼── requests to the model
//!   jobs on the disk ─┘    their order        └── tool tasks, jobs on the disk
//! ```
//!
//! Nothing here waits but `Engine::wake`: handlers are plain functions, so an interrupt is seen within
//! milliseconds whatever runs. What takes long runs elsewhere: tools in their own tasks, captures and rollbacks as
//! jobs on a blocking thread (`job`). While a job has the ledger, effects that need it wait in line and
//! so do the model and the tools behind them; interrupts do not: they cancel the turn's token and drop the stream at
//! once, and the machine catches up in order.
//!
//! Signals are not handled here: front ends turn them into ops.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::model::ChatModel;
use crate::protocol::{CallId, Event, Op, Phase, SessionId, TurnId};
use crate::session::{Record, SpillRef};
use crate::support::clock::Clock;
use crate::support::secret::{RedactedStream, Redactor};
use crate::tools::{DEPLOY, Toolbox};
use crate::workspace::Workspace;

use super::VmError;
use super::checkpoint::Ledger;
use super::effect::{Effect, Fact, Input};
use super::handle::{EnginePort, VmHandle};
use super::history::{History, facts};
use super::job::Desk;
use super::kernel::KernelWork;
use super::machine::Machine;
use super::reply::{ModelItem, ModelStream, next};
use super::resume::Resumed;
use super::tool_task::{self, ToolEvent};

/// What front ends are told of the surroundings.
#[derive(Debug, Clone, Default)]
pub struct Announce {
    /// The sandbox in words.
    pub sandbox: String,
    /// The network of the tools.
    pub network: String,
    /// The model's name.
    pub model: String,
}

/// Everything that an engine is made of.
pub struct EngineParts {
    /// The session on disk.
    pub ledger: Ledger,
    /// What opening it brought.
    pub resumed: Resumed,
    /// The session's files.
    pub workspace: Workspace,
    /// The tools.
    pub toolbox: Arc<Toolbox>,
    /// The model.
    pub model: Arc<dyn ChatModel>,
    /// The system prompt, not rendered.
    pub prompt: String,
    /// Requests to the model in one turn.
    pub max_rounds: u32,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Removes keys from everything that is written down or shown.
    pub redactor: Redactor,
    /// What front ends are told of the surroundings.
    pub announce: Announce,
}

/// Makes the engine of an open session, and the front end's handle to it. Reads the conversation from disk.
pub fn open(parts: EngineParts) -> Result<(VmHandle, Engine), VmError> {
    let (handle, port) = VmHandle::pair();
    Ok((handle, open_on(port, parts)?))
}

/// The same for a port whose handle a front end holds already: a screen is drawn before anything slow happens.
pub fn open_on(port: EnginePort, parts: EngineParts) -> Result<Engine, VmError> {
    let EngineParts { mut ledger, resumed, workspace, toolbox, model, prompt, max_rounds, clock, redactor, announce } =
        parts;
    let history = History::of(&facts(ledger.records()?, &ledger.folder().spill()));
    toolbox.restore_state(&resumed.state);
    let folder = ledger.folder();
    let place = Place {
        session: folder.id().clone(),
        mount: folder.mount(),
        host_path: folder.work(),
        title: folder.meta().title.clone(),
        project: folder.meta().project.as_ref().map(|project| project.dir.clone()),
    };
    let (tool_sender, tool_events) = mpsc::unbounded_channel();
    let notices = toolbox.listen();
    let today = clock.now().date();
    Ok(Engine {
        port,
        desk: Desk::new(ledger),
        resumed: Some(resumed),
        machine: Machine::new(max_rounds),
        history,
        work: VecDeque::new(),
        pending: VecDeque::new(),
        turn: None,
        stream: None,
        text: RedactedStream::new(redactor.clone()),
        reasoning: RedactedStream::new(redactor.clone()),
        tool_sender,
        tool_events,
        notices,
        kernel_work: None,
        stopping: false,
        shown: None,
        rest_until: None,
        today,
        place,
        workspace,
        toolbox,
        model,
        prompt,
        clock,
        redactor,
        announce,
    })
}

/// Where the session is and what it is called.
pub(super) struct Place {
    pub(super) session: SessionId,
    pub(super) mount: String,
    pub(super) host_path: PathBuf,
    pub(super) title: String,
    /// The project that it holds a copy of.
    pub(super) project: Option<PathBuf>,
}

/// What belongs to the open turn and is no business of the machine.
pub(super) struct OpenTurn {
    pub(super) id: TurnId,
    /// Parent of every tool's token.
    pub(super) token: CancellationToken,
    tools: HashMap<CallId, (CancellationToken, AbortOnDropHandle<()>)>,
    /// Nothing can be written down any more.
    pub(super) disk_failed: bool,
}

impl OpenTurn {
    pub(super) fn new(id: TurnId) -> Self {
        Self { id, token: CancellationToken::new(), tools: HashMap::new(), disk_failed: false }
    }
}

/// The engine of one session. [`open`] makes it, [`Engine::run`] is its life.
pub struct Engine {
    pub(super) port: EnginePort,
    pub(super) desk: Desk,
    pub(super) resumed: Option<Resumed>,
    pub(super) machine: Machine,
    pub(super) history: History,
    /// What the machine wants and is not done yet.
    work: VecDeque<Effect>,
    /// Ops that were not looked at, or wait for the ledger.
    pub(super) pending: VecDeque<Op>,
    pub(super) turn: Option<OpenTurn>,
    pub(super) stream: Option<ModelStream>,
    pub(super) text: RedactedStream,
    pub(super) reasoning: RedactedStream,
    tool_sender: mpsc::UnboundedSender<ToolEvent>,
    tool_events: mpsc::UnboundedReceiver<ToolEvent>,
    /// What happens in the machine besides calls.
    notices: mpsc::UnboundedReceiver<Event>,
    /// A change of the kernel that the user asked for.
    pub(super) kernel_work: Option<KernelWork>,
    /// The engine ends as soon as nothing is open.
    pub(super) stopping: bool,
    /// The phase that front ends know.
    pub(super) shown: Option<Phase>,
    /// When the store may be packed.
    pub(super) rest_until: Option<Instant>,
    /// The date of the turn.
    pub(super) today: Date,
    pub(super) place: Place,
    pub(super) workspace: Workspace,
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) model: Arc<dyn ChatModel>,
    pub(super) prompt: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) redactor: Redactor,
    pub(super) announce: Announce,
}

impl Engine {
    /// Takes ops that came before there was an engine, in their order.
    pub fn take_first(&mut self, ops: Vec<Op>) {
        for op in ops {
            self.take_op(op);
        }
    }
}

/// What woke the actor.
enum Wake {
    Urgent(Op),
    Op(Op),
    /// Nobody listens any more.
    Gone,
    Job(Box<dyn FnOnce(&mut Engine) + Send>),
    Tool(ToolEvent),
    Notice(Event),
    Model(Option<ModelItem>),
    Rested,
}

impl Engine {
    /// Serves the session until [`Op::Shutdown`], or until every handle is gone. The last event is [`Event::Closed`].
    pub async fn run(mut self) {
        self.begin();
        loop {
            self.pump();
            if self.is_over() {
                break;
            }
            match self.wake().await {
                Wake::Urgent(op) | Wake::Op(op) => self.take_op(op),
                Wake::Gone => self.take_op(Op::Shutdown),
                Wake::Job(then) => {
                    then(&mut self);
                    self.perform();
                }
                Wake::Tool(event) => self.tool_event(event),
                Wake::Notice(event) => self.emit(event),
                Wake::Model(item) => self.model_item(item),
                Wake::Rested => self.pack(),
            }
        }
        // Nothing of the session goes on without it.
        self.toolbox.close().await;
        self.emit(Event::Closed);
    }

    async fn wake(&mut self) -> Wake {
        let Self { port, desk, work, stream, tool_events, notices, stopping, rest_until, .. } = self;
        let calm = work.is_empty();
        let resting = calm && !desk.is_busy();
        tokio::select! {
            biased;
            Some(op) = port.urgent.recv() => Wake::Urgent(op),
            op = port.ops.recv(), if !*stopping => op.map_or(Wake::Gone, Wake::Op),
            () = port.events.closed(), if !*stopping => Wake::Gone,
            then = desk.finished(), if desk.is_busy() => match then {
                Ok(then) => Wake::Job(then),
                // Only a runtime that shuts down takes a job away.
                Err(_) => Wake::Gone,
            },
            Some(event) = notices.recv() => Wake::Notice(event),
            Some(event) = tool_events.recv(), if calm => Wake::Tool(event),
            item = next(stream), if calm && stream.is_some() => Wake::Model(item),
            () = tokio::time::sleep_until(rest_until.unwrap_or_else(Instant::now)), if resting && rest_until.is_some() => Wake::Rested,
        }
    }

    fn is_over(&self) -> bool {
        self.stopping && self.turn.is_none() && !self.machine.is_busy() && !self.desk.is_busy() && self.work.is_empty()
    }

    /// Tells the machine what happened and does what it wants.
    pub(super) fn feed(&mut self, input: Input) {
        let effects = self.machine.step(input);
        self.work.extend(effects);
        self.perform();
    }

    /// Does what is in line, as far as the ledger is at hand.
    pub(super) fn perform(&mut self) {
        while let Some(effect) = self.work.front() {
            let needs_ledger = matches!(effect, Effect::Persist(_) | Effect::CloseTurn { .. });
            if needs_ledger && self.desk.is_busy() {
                return;
            }
            let Some(effect) = self.work.pop_front() else { return };
            match effect {
                Effect::Persist(fact) => self.persist(&fact),
                Effect::Emit(event) => self.emit(event),
                Effect::CallModel => self.call_model(),
                Effect::DropStream => self.stream = None,
                Effect::RunTool(call) => {
                    if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.disk_failed) {
                        let token = turn.token.child_token();
                        let (id, toolbox) = (call.id.clone(), Arc::clone(&self.toolbox));
                        let (redactor, sender) = (self.redactor.clone(), self.tool_sender.clone());
                        let task = tool_task::start(toolbox, call, token.clone(), redactor, sender);
                        turn.tools.insert(id, (token, task));
                    }
                }
                Effect::CancelTool(id) => {
                    if let Some((token, _)) = self.turn.as_ref().and_then(|turn| turn.tools.get(&id)) {
                        token.cancel();
                    }
                }
                Effect::AbandonTool(id) => {
                    if let Some(turn) = &mut self.turn {
                        turn.tools.remove(&id);
                    }
                }
                Effect::CloseTurn { turn, outcome, reply } => self.close_turn(turn, outcome, reply),
            }
        }
    }

    /// Writes a fact down, then remembers it. When that fails the turn ends: what cannot be written must not happen.
    fn persist(&mut self, fact: &Fact) {
        let disk_failed = self.turn.as_ref().is_none_or(|turn| turn.disk_failed);
        if !disk_failed && let Some(record) = self.record(fact) {
            let appended = self.desk.ledger().append(&record);
            if let Err(error) = appended {
                if let Some(turn) = &mut self.turn {
                    turn.disk_failed = true;
                    turn.token.cancel();
                }
                let effects = self.machine.step(Input::DiskFailed { message: error.to_string() });
                self.work.extend(effects);
            }
        }
        self.history.apply(fact);
        if let Fact::ToolFinished { reply, .. } = fact
            && reply.tool == DEPLOY
        {
            self.persist_sites();
        }
    }

    /// What was deployed has an address that the user may have already: it outlives a crash of the turn.
    fn persist_sites(&mut self) {
        let Some((name, bytes)) = self.toolbox.deployments().save() else { return };
        let port = self.toolbox.site_port();
        self.desk.ledger().keep_port(port);
        if let Ok(value) = serde_json::from_slice(&bytes) {
            let appended = self.desk.ledger().append(&Record::State { name, value });
            if let Err(error) = appended {
                tracing::warn!(%error, "the deployed websites were not written down");
            }
        }
    }

    fn record(&self, fact: &Fact) -> Option<Record> {
        let turn = self.turn.as_ref().map(|turn| turn.id);
        Some(match fact.clone() {
            Fact::Assistant { text, reasoning, tool_calls } => {
                Record::Assistant { turn, text, reasoning, tool_calls, model: self.model.name().to_owned() }
            }
            Fact::ToolStarted { call } => {
                Record::ToolStarted { turn, call: call.id, tool: call.name, arguments: call.arguments }
            }
            Fact::ToolFinished { reply, duration_ms, spill, diff, pictures, artifacts } => {
                let spill = spill.map(|spill| SpillRef { sha256: spill.sha256, bytes: spill.bytes });
                Record::ToolFinished { turn, reply, duration_ms, spill, diff, pictures, artifacts }
            }
            Fact::PicturesRefused => Record::PicturesRefused { turn },
            // The ledger writes these itself, with what belongs to them; the last belongs to no turn.
            Fact::TurnOpened { .. } | Fact::TurnClosed { .. } | Fact::KernelRestarted => return None,
        })
    }

    fn tool_event(&mut self, event: ToolEvent) {
        match event {
            ToolEvent::Output(call, chunk) => {
                let known = self.turn.as_ref().is_some_and(|turn| turn.tools.contains_key(&call));
                if known {
                    self.emit(Event::ToolOutput { call, chunk });
                }
            }
            ToolEvent::Finished(result) => {
                if let Some(turn) = &mut self.turn {
                    turn.tools.remove(&result.reply.call);
                }
                self.feed(Input::ToolFinished(*result));
            }
        }
    }

    /// Stops the turn at once; the machine catches up in order.
    pub(super) fn interrupt(&mut self) {
        self.stop_kernel_work();
        self.desk.stop();
        if let Some(turn) = &self.turn {
            turn.token.cancel();
            self.stream = None;
            self.feed(Input::Interrupted);
        }
    }
}
