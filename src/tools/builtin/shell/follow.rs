//! Follows a running command: its output, the clock, what it uses, whether it waits for somebody to type.

use std::time::{Duration, Instant};

use crate::config::schema::LimitSection;
use crate::protocol::{CallId, Event};
use crate::sandbox::{Child, Disk, DiskTrouble, Exit, Notices, Step, Stream};
use crate::support::utf8_stream::Utf8Stream;
use crate::tools::capture::Capture;

/// Between the request to end and the end.
const GRACE: Duration = Duration::from_secs(2);
/// Between the end of everything inside and that of the sandbox itself, should the first not come about.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How often disk and prompts are looked at while a command runs.
const LOOK: Duration = Duration::from_millis(250);
/// A command that reads from its terminal and has been silent for so long waits for somebody to type.
const SILENCE: Duration = Duration::from_secs(2);

/// Why a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Itself,
    Timeout,
    Cancelled,
    TooMuchOutput,
    Disk(DiskTrouble),
    TooMuchMemory,
    /// Together with what runs in the background.
    TooMuchTogether,
}

/// How far the end of a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Asked,
    Killed,
    Destroyed,
}

/// What is looked at while a command runs.
pub(super) struct Watch<'a> {
    pub(super) disk: Disk,
    pub(super) limits: Option<&'a LimitSection>,
    pub(super) notices: &'a Notices,
    pub(super) call: &'a CallId,
}

impl Watch<'_> {
    /// Whether the command has to end for the memory that is used.
    fn memory(&self, child: &Child, largest: u64) -> Ending {
        match self.limits {
            Some(limits) if largest >> 20 > limits.memory_mb => Ending::TooMuchMemory,
            Some(limits) if child.account().is_too_much(limits.total_memory_mb() << 20) => Ending::TooMuchTogether,
            _ => Ending::Itself,
        }
    }

    /// Whether it has to end for the disk.
    fn disk(&self) -> Ending {
        self.disk.trouble().map_or(Ending::Itself, Ending::Disk)
    }

    fn tell_waiting(&self, waiting: bool, hidden: bool) {
        self.notices.tell(Event::ToolWaiting { call: self.call.clone(), waiting, hidden });
    }
}

/// How a command ended.
pub(super) struct Followed {
    pub(super) ending: Ending,
    pub(super) exit: Exit,
    /// What it left running, where that may go on.
    pub(super) left: Option<Child>,
}

/// Reads the command's output until it ends or is ended.
pub(super) async fn follow(
    mut child: Child,
    capture: &mut Capture,
    deadline: Instant,
    cancelled: impl Future<Output = ()>,
    watch: &Watch<'_>,
    may_leave: bool,
) -> Followed {
    let mut ending = Ending::Itself;
    let mut decoders = Decoders::default();
    let mut timer = std::pin::pin!(tokio::time::sleep_until(deadline.into()));
    let mut cancelled = std::pin::pin!(cancelled);
    let mut look = tokio::time::interval_at((Instant::now() + LOOK).into(), LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stage = Stage::Running;
    let mut over = None;
    let (mut reading, mut hidden, mut waiting, mut last_word) = (false, false, false, Instant::now());
    let (exit, leaves) = loop {
        let running = ending == Ending::Itself && over.is_none();
        tokio::select! {
            biased;
            () = &mut cancelled, if running => ending = Ending::Cancelled,
            () = &mut timer => match stage {
                Stage::Running => ending = Ending::Timeout,
                Stage::Asked => {
                    stage = Stage::Killed;
                    child.kill();
                    timer.as_mut().reset((Instant::now() + LAST_GRACE).into());
                }
                Stage::Killed => {
                    stage = Stage::Destroyed;
                    child.destroy();
                    timer.as_mut().reset((Instant::now() + LAST_GRACE).into());
                }
                // Nothing more can be done; what was started is not worth the session.
                Stage::Destroyed => break (over.unwrap_or(Exit::UNKNOWN), false),
            },
            _ = look.tick(), if running => {
                ending = watch.disk();
                let waits = reading && last_word.elapsed() >= SILENCE;
                if waits != std::mem::replace(&mut waiting, waits) {
                    watch.tell_waiting(waits, hidden);
                }
            }
            step = child.next() => match step {
                Step::Output(stream, bytes) => {
                    last_word = Instant::now();
                    let text = decoders.decode(stream, &bytes);
                    if ending != Ending::TooMuchOutput && !capture.push_live(&text) && running {
                        ending = Ending::TooMuchOutput;
                    }
                }
                Step::Reading { reading: now, hidden: hides } => {
                    reading = now;
                    let before = (waiting, hidden);
                    (waiting, hidden) = (waiting && reading, hides);
                    if before != (waiting, hidden) {
                        // At once: somebody may be typing already.
                        watch.tell_waiting(waiting, hidden);
                    }
                }
                Step::Memory { largest, .. } if running => ending = watch.memory(&child, largest),
                Step::Ended { exit, others } => {
                    if !others {
                        break (exit, false);
                    }
                    if running && may_leave {
                        break (exit, true);
                    }
                    // What it left behind has no leave to stay.
                    over = Some(exit);
                    stage = Stage::Killed;
                    child.kill();
                    timer.as_mut().reset((Instant::now() + LAST_GRACE).into());
                }
                Step::Gone => break (over.unwrap_or(Exit::UNKNOWN), false),
                Step::Memory { .. } | Step::Left { .. } | Step::Frozen(_) => {}
            },
        }
        if running && ending != Ending::Itself {
            // Asked first; what does not listen is ended after a while.
            stage = Stage::Asked;
            child.terminate();
            timer.as_mut().reset((Instant::now() + GRACE).into());
        }
    };
    decoders.finish(capture);
    if waiting || hidden {
        watch.tell_waiting(false, false);
    }
    Followed { ending, exit, left: leaves.then_some(child) }
}

/// Text of each stream: a character that is cut in two waits for its rest.
#[derive(Default)]
struct Decoders([Utf8Stream; 3]);

impl Decoders {
    fn decode(&mut self, stream: Stream, bytes: &[u8]) -> String {
        match stream {
            Stream::Out => self.0[0].push(bytes),
            Stream::Err => self.0[1].push(bytes),
            // A terminal ends its lines with both characters.
            Stream::Terminal => self.0[2].push(bytes).replace("\r\n", "\n"),
        }
    }

    fn finish(&mut self, capture: &mut Capture) {
        for decoder in &mut self.0 {
            capture.push_live(decoder.finish());
        }
    }
}
