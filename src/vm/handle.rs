//! The only way from a front end to the engine and back.
//!
//! Ops go in over a bounded channel; interrupts take a lane of their own, so that they never stand behind other ops.
//! Events come out over an unbounded channel: the engine never waits for a screen, and a screen that lags only costs
//! memory for text that it will show.

use tokio::sync::mpsc;

use crate::protocol::{Event, Op};

/// How many ops may wait before a front end is told to slow down.
const OP_QUEUE: usize = 64;

/// Why an op was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too many ops wait.
    #[error("the engine is busy: {OP_QUEUE} requests wait")]
    Full,
    /// The engine has ended.
    #[error("the engine has ended")]
    Closed,
}

/// A cheap, cloneable way to send ops; works from any thread and never waits.
#[derive(Debug, Clone)]
pub struct OpSender {
    ops: mpsc::Sender<Op>,
    urgent: mpsc::UnboundedSender<Op>,
}

impl OpSender {
    /// Sends an op without waiting. What concerns a running call, a job or the network overtakes all others.
    pub fn send(&self, op: Op) -> Result<(), SendError> {
        match op {
            Op::Interrupt
            | Op::EndCall { .. }
            | Op::Input { .. }
            | Op::EndJob { .. }
            | Op::Network(_)
            | Op::Python { .. } => self.urgent.send(op).map_err(|_| SendError::Closed),
            op => self.ops.try_send(op).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::Full,
                mpsc::error::TrySendError::Closed(_) => SendError::Closed,
            }),
        }
    }
}

/// A front end's end of the two channels.
#[derive(Debug)]
pub struct VmHandle {
    sender: OpSender,
    events: mpsc::UnboundedReceiver<Event>,
}

/// The engine's end of the two channels.
#[derive(Debug)]
pub struct EnginePort {
    /// Ordinary ops, in order.
    pub ops: mpsc::Receiver<Op>,
    /// Interrupts.
    pub urgent: mpsc::UnboundedReceiver<Op>,
    /// Where events go. A send error means that the front end is gone.
    pub events: mpsc::UnboundedSender<Event>,
}

impl VmHandle {
    /// A connected pair. Tests of front ends play the engine with the second half.
    pub fn pair() -> (Self, EnginePort) {
        let (ops_in, ops) = mpsc::channel(OP_QUEUE);
        let (urgent_in, urgent) = mpsc::unbounded_channel();
        let (events, events_out) = mpsc::unbounded_channel();
        (
            Self { sender: OpSender { ops: ops_in, urgent: urgent_in }, events: events_out },
            EnginePort { ops, urgent, events },
        )
    }

    /// Sends an op without waiting.
    pub fn send(&self, op: Op) -> Result<(), SendError> {
        self.sender.send(op)
    }

    /// A sender that can be given away.
    pub fn sender(&self) -> OpSender {
        self.sender.clone()
    }

    /// The next event; `None` once the engine has ended and everything was read. Safe to drop while waiting.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// An event that is already there.
    pub fn try_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
