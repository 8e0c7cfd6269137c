//! The loop of a turn as a pure state machine: no clock, no IO, no await.
//!
//! [`Machine::step`] takes one [`Input`] and returns what is to be done, in order. The actor in
//! [`engine`](super::engine) does it and feeds back what happened.
//!
//! ```text
//!          Submitted             Replied with calls
//!   Idle ------------> Asking ------------------------> Working
//!    ^                   | ^                               |
//!    |                   | +---- every call has a result --+
//!    |                   | Replied without calls           | Interrupted, fatal, going in circles
//!    |      Closed       v                                 v
//!    +--------------- Saving <---- no call runs ------- Stopping
//! ```
//!
//! Why pure: cancelling, failing disks and tools that end in any order are the hard part of an agent, and every
//! order of events can be tried here in microseconds.

use crate::protocol::{Event, Phase, TurnId, TurnOutcome};

use super::effect::{Effect, Fact, Input, PlannedCall};
use super::turn::{CallQueue, Turn, Verdict};

mod result;

pub(super) use result::cancelled;
use result::{abandon_all, finish, never_ran, started};

/// Where the turn stands.
#[derive(Debug)]
enum State {
    /// No turn is open.
    Idle,
    /// The model's reply is awaited or coming in.
    Asking(Turn),
    /// Calls of a reply wait or run.
    Working(Turn),
    /// The turn ends as soon as the running calls have stopped.
    Stopping(Turn, TurnOutcome),
    /// The snapshot is being taken.
    Saving,
}

/// The state machine of one session's turns.
#[derive(Debug)]
pub struct Machine {
    state: State,
    max_rounds: u32,
    phase: Phase,
}

impl Machine {
    /// A machine without an open turn, whose turns may send `max_rounds` requests to the model each.
    pub fn new(max_rounds: u32) -> Self {
        Self { state: State::Idle, max_rounds: max_rounds.max(1), phase: Phase::Idle }
    }

    /// Whether a turn is open, closing included.
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Whether the open turn is on its way out already.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Stopping(..) | State::Saving)
    }

    /// Takes in what happened; returns what is to be done, in order.
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => self.when_idle(&input, &mut out),
            State::Asking(turn) => self.when_asking(turn, input, &mut out),
            State::Working(turn) => self.when_working(turn, input, &mut out),
            State::Stopping(turn, outcome) => self.when_stopping(turn, outcome, input, &mut out),
            State::Saving => when_saving(input, &mut out),
        };
        out
    }

    fn when_idle(&mut self, input: &Input, out: &mut Vec<Effect>) -> State {
        match input {
            &Input::Submitted { turn } => {
                self.phase = Phase::Idle;
                out.push(Effect::Emit(Event::TurnStarted { turn }));
                self.ask(Turn::new(turn), out)
            }
            _ => State::Idle,
        }
    }

    fn when_asking(&mut self, mut turn: Turn, input: Input, out: &mut Vec<Effect>) -> State {
        match input {
            Input::Text(text) => {
                self.enter(Phase::Streaming, out);
                turn.text.push_str(&text);
                out.push(Effect::Emit(Event::TextDelta { text }));
                State::Asking(turn)
            }
            Input::Reasoning(text) => {
                self.enter(Phase::Reasoning, out);
                turn.reasoning.push_str(&text);
                out.push(Effect::Emit(Event::ReasoningDelta { text }));
                State::Asking(turn)
            }
            Input::Restarted { reason } => {
                turn.forget_partial();
                out.push(Effect::Emit(Event::ReplyRestarted { reason }));
                State::Asking(turn)
            }
            Input::Retrying { seconds, attempt, reason } => {
                let wait = if seconds == 0 { "now".to_owned() } else { format!("in {seconds} s") };
                let message = format!("the request to the model failed ({reason}); attempt {attempt} {wait}");
                // The phase first: it says of what kind the warning is.
                self.enter(Phase::Retrying { seconds, attempt, reason }, out);
                out.push(Effect::Emit(Event::Warning { message }));
                State::Asking(turn)
            }
            Input::Usage { input, output, cached } => {
                out.push(Effect::Emit(Event::Usage { input, output, cached }));
                State::Asking(turn)
            }
            Input::Replied { text, reasoning, calls } => self.replied(turn, text, reasoning, calls, out),
            Input::EmptyReply { message, hint } => self.empty_reply(turn, &message, hint, out),
            Input::PicturesRefused { message } => {
                if !turn.text.is_empty() || !turn.reasoning.is_empty() {
                    out.push(Effect::Emit(Event::ReplyRestarted { reason: message.clone() }));
                }
                turn.forget_partial();
                out.push(Effect::Persist(Fact::PicturesRefused));
                let message = format!("{message}; asking again without the pictures of this conversation");
                out.push(Effect::Emit(Event::Warning { message }));
                self.ask(turn, out)
            }
            Input::ModelFailed { message, hint } => {
                keep_partial(&turn, out);
                self.fail(&turn, message, hint, out)
            }
            Input::Interrupted => {
                out.push(Effect::DropStream);
                keep_partial(&turn, out);
                self.save(&turn, TurnOutcome::Interrupted, out)
            }
            Input::DiskFailed { message } => {
                out.push(Effect::DropStream);
                keep_partial(&turn, out);
                self.fail(&turn, message, Some(DISK_HINT.to_owned()), out)
            }
            Input::Submitted { .. } | Input::ToolFinished(_) | Input::EndCall(_) | Input::Closed => State::Asking(turn),
        }
    }

    fn replied(
        &mut self,
        mut turn: Turn,
        text: String,
        reasoning: Option<String>,
        calls: Vec<PlannedCall>,
        out: &mut Vec<Effect>,
    ) -> State {
        if text.trim().is_empty() && calls.is_empty() {
            let hint = "Send the message again, or choose another model.".to_owned();
            return self.empty_reply(turn, "the model's reply was empty", Some(hint), out);
        }
        // What was not streamed (an endpoint without streaming, a held back ending) is shown now.
        if let Some(rest) = reasoning.as_deref().and_then(|whole| whole.strip_prefix(turn.reasoning.as_str()))
            && !rest.is_empty()
        {
            out.push(Effect::Emit(Event::ReasoningDelta { text: rest.to_owned() }));
        }
        if let Some(rest) = text.strip_prefix(turn.text.as_str()).filter(|rest| !rest.is_empty()) {
            self.enter(Phase::Streaming, out);
            out.push(Effect::Emit(Event::TextDelta { text: rest.to_owned() }));
        }
        turn.forget_partial();
        turn.asked_again = false;
        turn.last_text.clone_from(&text);
        let tool_calls = calls.iter().map(|planned| planned.call.clone()).collect();
        out.push(Effect::Persist(Fact::Assistant { text, reasoning, tool_calls }));
        if calls.is_empty() {
            return self.save(&turn, TurnOutcome::Completed, out);
        }
        turn.calls = CallQueue::new(calls);
        self.enter(Phase::Tools, out);
        start_ready(&mut turn, out);
        State::Working(turn)
    }

    /// Some endpoints now and then reply with nothing at all. Asking again once usually helps; asking for ever costs
    /// money and shows nothing.
    fn empty_reply(&mut self, mut turn: Turn, message: &str, hint: Option<String>, out: &mut Vec<Effect>) -> State {
        turn.forget_partial();
        if turn.asked_again {
            return self.fail(&turn, format!("{message}, twice in a row"), hint, out);
        }
        turn.asked_again = true;
        out.push(Effect::Emit(Event::Warning { message: format!("{message}; asking again") }));
        self.ask(turn, out)
    }

    fn when_working(&mut self, mut turn: Turn, input: Input, out: &mut Vec<Effect>) -> State {
        match input {
            Input::ToolFinished(result) => {
                let fatal = result.fatal.clone();
                let Some(verdict) = finish(&mut turn, result, out) else { return State::Working(turn) };
                if let Some(message) = fatal {
                    return self.stop(turn, TurnOutcome::Failed, Some((message, None)), out);
                }
                if let Verdict::End(times) = verdict {
                    let message = format!(
                        "the model goes round in circles: the same call with the same result, {times} times in a row"
                    );
                    let hint = "Say what it should do instead; everything done so far is kept.".to_owned();
                    return self.stop(turn, TurnOutcome::Failed, Some((message, Some(hint))), out);
                }
                self.go_on(turn, out)
            }
            Input::Interrupted => self.stop(turn, TurnOutcome::Interrupted, None, out),
            Input::EndCall(id) => {
                match turn.calls.is_running(&id) {
                    Some(true) => out.push(Effect::CancelTool(id)),
                    Some(false) => {
                        if let Some(call) = turn.calls.finish(&id) {
                            never_ran(&call, "Not run: the user ended this call.", out);
                        }
                        return self.go_on(turn, out);
                    }
                    None => {}
                }
                State::Working(turn)
            }
            Input::DiskFailed { message } => {
                abandon_all(&mut turn, out);
                self.fail(&turn, message, Some(DISK_HINT.to_owned()), out)
            }
            // A late word of a stream that is over.
            _ => State::Working(turn),
        }
    }

    /// Starts what may start; asks the model again when every call has its result.
    fn go_on(&mut self, mut turn: Turn, out: &mut Vec<Effect>) -> State {
        if turn.calls.is_empty() {
            return self.ask(turn, out);
        }
        start_ready(&mut turn, out);
        State::Working(turn)
    }

    fn when_stopping(&mut self, mut turn: Turn, outcome: TurnOutcome, input: Input, out: &mut Vec<Effect>) -> State {
        match input {
            Input::ToolFinished(result) => {
                finish(&mut turn, result, out);
                if turn.calls.is_empty() { self.save(&turn, outcome, out) } else { State::Stopping(turn, outcome) }
            }
            Input::DiskFailed { message } => {
                abandon_all(&mut turn, out);
                self.fail(&turn, message, Some(DISK_HINT.to_owned()), out)
            }
            _ => State::Stopping(turn, outcome),
        }
    }

    /// Sends the conversation to the model, unless the turn has used up its requests.
    fn ask(&mut self, mut turn: Turn, out: &mut Vec<Effect>) -> State {
        if turn.rounds >= self.max_rounds {
            let message = format!("the turn used up its {} requests to the model", self.max_rounds);
            let hint = "Send a message such as \"go on\" to let it continue, or raise `engine.max_rounds`.".to_owned();
            return self.fail(&turn, message, Some(hint), out);
        }
        turn.rounds += 1;
        self.enter(Phase::Waiting, out);
        out.push(Effect::CallModel);
        State::Asking(turn)
    }

    /// Ends a turn whose calls may still run: those that wait never start, those that run are told to stop.
    fn stop(
        &mut self,
        mut turn: Turn,
        outcome: TurnOutcome,
        error: Option<(String, Option<String>)>,
        out: &mut Vec<Effect>,
    ) -> State {
        if let Some((message, hint)) = error {
            out.push(Effect::Emit(Event::Error { message, hint }));
        }
        self.enter(Phase::Closing, out);
        out.extend(turn.calls.running().into_iter().map(Effect::CancelTool));
        for call in turn.calls.take_waiting() {
            never_ran(&call, "Not run: the turn was stopped before this call began.", out);
        }
        if turn.calls.is_empty() { self.save(&turn, outcome, out) } else { State::Stopping(turn, outcome) }
    }

    fn fail(&mut self, turn: &Turn, message: String, hint: Option<String>, out: &mut Vec<Effect>) -> State {
        out.push(Effect::Emit(Event::Error { message, hint }));
        self.save(turn, TurnOutcome::Failed, out)
    }

    fn save(&mut self, turn: &Turn, outcome: TurnOutcome, out: &mut Vec<Effect>) -> State {
        self.enter(Phase::Closing, out);
        let reply = if turn.text.is_empty() { &turn.last_text } else { &turn.text };
        out.push(Effect::CloseTurn { turn: turn.id, outcome, reply: reply.clone() });
        State::Saving
    }

    fn enter(&mut self, phase: Phase, out: &mut Vec<Effect>) {
        if self.phase != phase {
            self.phase = phase.clone();
            out.push(Effect::Emit(Event::PhaseChanged(phase)));
        }
    }

    /// The turn that is open, as long as it is not being saved.
    pub fn open_turn(&self) -> Option<TurnId> {
        match &self.state {
            State::Asking(turn) | State::Working(turn) | State::Stopping(turn, _) => Some(turn.id),
            State::Idle | State::Saving => None,
        }
    }
}

/// The turn is over but for its snapshot; only a disk that fails now is still worth a word.
fn when_saving(input: Input, out: &mut Vec<Effect>) -> State {
    match input {
        Input::Closed => return State::Idle,
        Input::DiskFailed { message } => {
            out.push(Effect::Emit(Event::Error { message, hint: Some(DISK_HINT.to_owned()) }));
        }
        _ => {}
    }
    State::Saving
}

const DISK_HINT: &str =
    "Free space on the disk that holds the session, or check its permissions; nothing older is lost.";

/// Text that came in before the reply was cut off stays in the conversation.
fn keep_partial(turn: &Turn, out: &mut Vec<Effect>) {
    if !turn.text.trim().is_empty() {
        let reasoning = (!turn.reasoning.is_empty()).then(|| turn.reasoning.clone());
        out.push(Effect::Persist(Fact::Assistant { text: turn.text.clone(), reasoning, tool_calls: Vec::new() }));
    }
}

fn start_ready(turn: &mut Turn, out: &mut Vec<Effect>) {
    for call in turn.calls.start_ready() {
        out.push(Effect::Persist(Fact::ToolStarted { call: call.clone() }));
        out.push(Effect::Emit(started(&call)));
        out.push(Effect::RunTool(call));
    }
}

#[cfg(test)]
mod tests;
