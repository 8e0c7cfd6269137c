//! The state of one turn: what the model has said so far, which calls wait, run or are done, and the guard against
//! a model that goes round in circles. Pure data for [`machine`](super::machine).

use std::collections::VecDeque;

use serde_json::Value;

use crate::protocol::{CallId, ToolCall, ToolReply, ToolStatus, TurnId};

use super::effect::PlannedCall;

/// How many readers run at the same time at most.
const READERS: usize = 8;
/// So many equal calls with equal results in a row, and the model is told.
const TELL_AFTER: u32 = 5;
/// So many, and the turn ends.
const END_AFTER: u32 = 8;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
}

#[derive(Debug)]
struct Slot {
    call: ToolCall,
    writes: bool,
    stage: Stage,
}

/// The calls of one reply that have no result yet.
///
/// They start in the model's order and none overtakes another. A call that may write runs alone; readers that follow
/// each other run together:
///
/// ```text
/// read a  read b  write c  read d      a and b together, then c, then d
/// ```
#[derive(Debug, Default)]
pub(super) struct CallQueue {
    slots: VecDeque<Slot>,
}

impl CallQueue {
    pub(super) fn new(calls: Vec<PlannedCall>) -> Self {
        let slots = calls.into_iter().map(|PlannedCall { call, writes }| Slot { call, writes, stage: Stage::Waiting });
        Self { slots: slots.collect() }
    }

    /// Marks as running, and returns, every call that may start now.
    pub(super) fn start_ready(&mut self) -> Vec<ToolCall> {
        let mut started = Vec::new();
        let already = self.slots.iter().filter(|slot| slot.stage == Stage::Running).count();
        let mut writer_runs = self.slots.iter().any(|slot| slot.stage == Stage::Running && slot.writes);
        for slot in self.slots.iter_mut().filter(|slot| slot.stage == Stage::Waiting) {
            let running = already + started.len();
            let free = if slot.writes { running == 0 } else { !writer_runs && running < READERS };
            if !free {
                break;
            }
            slot.stage = Stage::Running;
            writer_runs = slot.writes;
            started.push(slot.call.clone());
        }
        started
    }

    /// Takes a call out that has its result now; `None` when it is not one of the open ones.
    pub(super) fn finish(&mut self, id: &CallId) -> Option<ToolCall> {
        let at = self.slots.iter().position(|slot| slot.call.id == *id)?;
        self.slots.remove(at).map(|slot| slot.call)
    }

    /// Takes every call out that was not started.
    pub(super) fn take_waiting(&mut self) -> Vec<ToolCall> {
        let (waiting, rest) = self.slots.drain(..).partition(|slot| slot.stage == Stage::Waiting);
        self.slots = rest;
        waiting.into_iter().map(|slot: Slot| slot.call).collect()
    }

    /// Takes every call out.
    pub(super) fn take_all(&mut self) -> Vec<ToolCall> {
        self.slots.drain(..).map(|slot| slot.call).collect()
    }

    /// Whether the call was started and has no result yet; `None` when it is not open.
    pub(super) fn is_running(&self, id: &CallId) -> Option<bool> {
        self.slots.iter().find(|slot| slot.call.id == *id).map(|slot| slot.stage == Stage::Running)
    }

    /// Ids of the running calls.
    pub(super) fn running(&self) -> Vec<CallId> {
        self.slots.iter().filter(|slot| slot.stage == Stage::Running).map(|slot| slot.call.id.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// What the guard says after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Fine,
    /// Tell the model that it repeats itself, this often.
    Tell(u32),
    /// End the turn: it was told and went on.
    End(u32),
}

/// Counts equal calls with equal results in a row.
#[derive(Debug, Default)]
pub(super) struct LoopGuard {
    last: Option<(String, Arguments, ToolStatus, String)>,
    count: u32,
}

/// Arguments compared as values where they are JSON: spaces and line breaks make no other call.
#[derive(Debug, PartialEq)]
enum Arguments {
    Json(Value),
    Text(String),
}

impl LoopGuard {
    pub(super) fn saw(&mut self, call: &ToolCall, reply: &ToolReply) -> Verdict {
        let arguments = serde_json::from_str(&call.arguments)
            .map_or_else(|_| Arguments::Text(call.arguments.clone()), Arguments::Json);
        let seen = (call.name.clone(), arguments, reply.status, reply.output.clone());
        if self.last.as_ref() == Some(&seen) {
            self.count += 1;
        } else {
            self.last = Some(seen);
            self.count = 1;
        }
        match self.count {
            TELL_AFTER => Verdict::Tell(self.count),
            END_AFTER.. => Verdict::End(self.count),
            _ => Verdict::Fine,
        }
    }
}

/// A turn that is open.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) id: TurnId,
    /// Requests sent to the model.
    pub(super) rounds: u32,
    /// Text of the reply that is coming in.
    pub(super) text: String,
    /// Reasoning of the reply that is coming in.
    pub(super) reasoning: String,
    /// Text of the latest whole reply.
    pub(super) last_text: String,
    /// Whether an empty reply was asked for again already.
    pub(super) asked_again: bool,
    pub(super) calls: CallQueue,
    pub(super) guard: LoopGuard,
}

impl Turn {
    pub(super) fn new(id: TurnId) -> Self {
        Self {
            id,
            rounds: 0,
            text: String::new(),
            reasoning: String::new(),
            last_text: String::new(),
            asked_again: false,
            calls: CallQueue::default(),
            guard: LoopGuard::default(),
        }
    }

    /// Forgets the reply that is coming in.
    pub(super) fn forget_partial(&mut self) {
        self.text.clear();
        self.reasoning.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, writes: bool) -> PlannedCall {
        PlannedCall {
            call: ToolCall { id: CallId(id.to_owned()), name: "t".to_owned(), arguments: "{}".to_owned() },
            writes,
        }
    }

    fn ids(calls: Vec<ToolCall>) -> Vec<String> {
        calls.into_iter().map(|call| call.id.0).collect()
    }

    #[test]
    fn readers_start_together_and_a_writer_alone() {
        let mut queue = CallQueue::new(vec![
            call("a", false),
            call("b", false),
            call("c", true),
            call("d", true),
            call("e", false),
        ]);
        assert_eq!(ids(queue.start_ready()), ["a", "b"]);
        queue.finish(&CallId("b".to_owned()));
        assert_eq!(ids(queue.start_ready()), Vec::<String>::new(), "the writer waits for all readers");
        queue.finish(&CallId("a".to_owned()));
        assert_eq!(ids(queue.start_ready()), ["c"]);
        queue.finish(&CallId("c".to_owned()));
        assert_eq!(ids(queue.start_ready()), ["d"], "writers run one after the other");
        queue.finish(&CallId("d".to_owned()));
        assert_eq!(ids(queue.start_ready()), ["e"]);
        queue.finish(&CallId("e".to_owned()));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_reader_never_overtakes_a_waiting_writer() {
        let mut queue = CallQueue::new(vec![call("a", false), call("b", true), call("c", false)]);
        assert_eq!(ids(queue.start_ready()), ["a"]);
        assert_eq!(ids(queue.start_ready()), Vec::<String>::new());
        assert_eq!(ids(queue.take_waiting()), ["b", "c"]);
        assert_eq!(queue.running(), [CallId("a".to_owned())]);
    }

    #[test]
    fn at_most_so_many_readers_run_at_once() {
        let mut queue = CallQueue::new((0..20).map(|n| call(&n.to_string(), false)).collect());
        assert_eq!(queue.start_ready().len(), READERS);
        queue.finish(&CallId("3".to_owned()));
        assert_eq!(ids(queue.start_ready()), ["8"]);
    }

    #[test]
    fn the_guard_counts_only_equal_calls_with_equal_results_in_a_row() {
        let mut guard = LoopGuard::default();
        let mut see = |arguments: &str, output: &str| {
            let call = ToolCall { id: CallId("x".to_owned()), name: "t".to_owned(), arguments: arguments.to_owned() };
            let reply = ToolReply {
                call: call.id.clone(),
                tool: "t".to_owned(),
                status: ToolStatus::Ok,
                output: output.to_owned(),
                unfinished: false,
                images: Vec::new(),
            };
            guard.saw(&call, &reply)
        };
        for _ in 0..4 {
            assert_eq!(see("{\"a\":1}", "same"), Verdict::Fine);
        }
        assert_eq!(see("{\"a\":1}", "other"), Verdict::Fine, "another result starts anew");
        for _ in 0..3 {
            assert_eq!(see("{\"a\": 1}", "other"), Verdict::Fine);
        }
        assert_eq!(see("{\"a\":1}", "other"), Verdict::Tell(5));
        assert_eq!(see("{\"a\":1}", "other"), Verdict::Fine);
        assert_eq!(see("{\"a\":1}", "other"), Verdict::Fine);
        assert_eq!(see("{\"a\":1}", "other"), Verdict::End(8));
    }
}
