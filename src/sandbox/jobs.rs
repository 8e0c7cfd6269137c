//! Background jobs: what commands left running. Listed, watched for what they use, ended by number or with the session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::child::{Child, Step};
use super::notices::Notices;
use super::usage::Disk;
use crate::protocol::{CallId, Event, Job};
use crate::support::secret::{RedactedStream, Redactor};
use crate::support::truncate;
use crate::support::utf8_stream::Utf8Stream;

/// Bytes of a job's latest output that are kept.
const TAIL: usize = 4 << 10;
/// How often a change of output is told at most, and the disk looked at.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a job may take to stand still, or to end.
const LIMIT: Duration = Duration::from_secs(2);

/// All jobs of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    last: u32,
    each: BTreeMap<u32, Entry>,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    since: Instant,
    orders: mpsc::UnboundedSender<Order>,
    still: watch::Receiver<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    End,
    Freeze,
    Thaw,
}

/// What a job is made of.
pub(super) struct NewJob {
    pub(super) child: Child,
    pub(super) call: CallId,
    pub(super) command: String,
    pub(super) since: Instant,
    pub(super) disk: Disk,
    /// Bytes of memory that it may have, together with all other commands.
    pub(super) most_memory: u64,
}

impl Jobs {
    /// Takes over a command that has ended and left processes running.
    pub(super) fn add(&self, new: NewJob, notices: &Notices, redactor: Redactor) -> u32 {
        let NewJob { child, call, command, since, disk, most_memory } = new;
        let (orders, taken) = mpsc::unbounded_channel();
        let (stands, still) = watch::channel(false);
        let job = Job { id: 0, call, command, processes: 1, ports: Vec::new(), seconds: 0, tail: String::new() };
        let id = self.with(|inner| {
            inner.last += 1;
            let id = inner.last;
            inner.each.insert(id, Entry { job: Job { id, ..job }, since, orders, still });
            id
        });
        self.tell(notices);
        let follower = Follower {
            jobs: self.clone(),
            id,
            notices: notices.clone(),
            decoder: Utf8Stream::default(),
            stream: RedactedStream::new(redactor),
            stands,
            disk,
            most_memory,
        };
        tokio::spawn(follower.follow(child, taken));
        id
    }

    /// Ends a job; false when there is none of that number.
    pub(super) fn end(&self, id: u32) -> bool {
        self.with(|inner| inner.each.get(&id).is_some_and(|entry| entry.orders.send(Order::End).is_ok()))
    }

    /// Ends all jobs.
    pub(super) fn order_end(&self) {
        self.with(|inner| {
            for entry in inner.each.values() {
                // A job that has ended needs no word.
                let _ = entry.orders.send(Order::End);
            }
        });
    }

    /// Ends all jobs and waits until they are gone, or for so long.
    pub(super) async fn end_all(&self, limit: Duration) {
        self.order_end();
        let gone: Vec<watch::Receiver<bool>> =
            self.with(|inner| inner.each.values().map(|entry| entry.still.clone()).collect());
        let all = gone.into_iter().map(|mut still| async move { while still.changed().await.is_ok() {} });
        // Those that take longer end with the sandbox.
        let _ = tokio::time::timeout(limit, futures::future::join_all(all)).await;
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.with(|inner| inner.each.len())
    }

    /// Makes all jobs stand still until the guard goes. Blocks until they do, or for two seconds.
    pub(super) fn freeze(&self, runtime: &tokio::runtime::Handle) -> Frozen {
        let waits: Vec<watch::Receiver<bool>> = self.with(|inner| {
            let each = inner.each.values().filter(|entry| entry.orders.send(Order::Freeze).is_ok());
            each.map(|entry| entry.still.clone()).collect()
        });
        runtime.block_on(async {
            let all = waits.into_iter().map(|mut still| async move { still.wait_for(|still| *still).await.is_ok() });
            if tokio::time::timeout(LIMIT, futures::future::join_all(all)).await.is_err() {
                tracing::warn!("a background job does not stand still");
            }
        });
        Frozen(self.clone())
    }

    fn tell(&self, notices: &Notices) {
        let jobs = self.with(|inner| {
            let told = |entry: &Entry| Job { seconds: entry.since.elapsed().as_secs(), ..entry.job.clone() };
            inner.each.values().map(told).collect()
        });
        notices.tell(Event::JobsChanged { jobs });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Jobs stand still as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct Frozen(Jobs);

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.with(|inner| {
            for entry in inner.each.values() {
                // A job that has ended needs no word.
                let _ = entry.orders.send(Order::Thaw);
            }
        });
    }
}

/// Follows one job to its end.
struct Follower {
    jobs: Jobs,
    id: u32,
    notices: Notices,
    decoder: Utf8Stream,
    stream: RedactedStream,
    stands: watch::Sender<bool>,
    disk: Disk,
    most_memory: u64,
}

impl Follower {
    async fn follow(mut self, mut child: Child, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut look = tokio::time::interval(PAUSE);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changed = false;
        let (mut asked, mut answered) = (0_u64, 0_u64);
        let mut give_up = None;
        loop {
            let too_late = async {
                match give_up {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Freeze) => {
                        asked += 1;
                        child.freeze();
                    }
                    Some(Order::Thaw) => {
                        self.stands.send_replace(false);
                        child.thaw();
                    }
                    Some(Order::End) | None => {
                        child.kill();
                        give_up.get_or_insert(tokio::time::Instant::now() + LIMIT);
                    }
                },
                // Its reaper does not answer; with the sandbox it ends for certain.
                () = too_late => {
                    child.destroy();
                    break;
                }
                step = child.next() => match step {
                    Step::Output(_, bytes) => {
                        let text = self.stream.push(&self.decoder.push(&bytes));
                        self.update(|job| {
                            job.tail.push_str(&text);
                            truncate::keep_end(&mut job.tail, TAIL);
                        });
                        changed = true;
                    }
                    Step::Left { processes, ports } => {
                        self.update(|job| (job.processes, job.ports) = (processes, ports));
                        self.jobs.tell(&self.notices);
                    }
                    Step::Memory { .. } if child.account().is_too_much(self.most_memory) => {
                        self.stop("background jobs and commands together have too much memory \
                                   (sandbox.limits.total_memory_mb)");
                        child.kill();
                    }
                    Step::Frozen(all) => {
                        answered += 1;
                        // An answer that comes late is not one to the latest question.
                        if all && answered == asked {
                            self.stands.send_replace(true);
                        }
                    }
                    Step::Gone => break,
                    Step::Memory { .. } | Step::Reading { .. } | Step::Ended { .. } => {}
                },
                _ = look.tick() => {
                    if self.disk.trouble().is_some() {
                        self.stop("the disk is nearly full, or the session's folders are too large");
                        child.kill();
                    }
                    if std::mem::take(&mut changed) {
                        self.jobs.tell(&self.notices);
                    }
                }
            }
        }
        self.jobs.with(|inner| inner.each.remove(&self.id));
        self.jobs.tell(&self.notices);
    }

    fn stop(&self, why: &str) {
        let command = self.jobs.with(|inner| inner.each.get(&self.id).map(|entry| entry.job.command.clone()));
        let message = format!("the background job {} was ended: {why}", shown(&command.unwrap_or_default()));
        self.notices.tell(Event::Warning { message });
    }

    fn update(&self, change: impl FnOnce(&mut Job)) {
        self.jobs.with(|inner| inner.each.get_mut(&self.id).map(|entry| change(&mut entry.job)));
    }
}

fn shown(command: &str) -> String {
    format!("{:?}", truncate::prefix(command.lines().next().unwrap_or_default(), 60))
}
