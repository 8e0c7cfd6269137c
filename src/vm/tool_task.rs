//! One running tool call: its task, its live output, and the promise that a result always comes.
//!
//! A tool that is told to stop has [`GRACE`] for it (the tools themselves kill after 2 s); after that its task is
//! dropped and the call is answered for it, so that Esc never waits for something that hangs. A tool that panics is
//! answered for as well.
//!
//! Live output is passed on at most every [`PAUSE`] and in pieces of at most [`MOST_LIVE`] bytes: a command that
//! floods its output costs neither memory nor a screen's time. The whole of it is in the spill file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::protocol::{Artifact, CallId, ToolCall, ToolReply, ToolStatus};
use crate::support::secret::{RedactedStream, Redactor};
use crate::support::truncate;
use crate::tools::{CallContext, Finished, Toolbox};

use super::effect::{SpilledOutput, ToolResult};
use super::machine::cancelled;

/// How long a tool may take to stop.
const GRACE: Duration = Duration::from_secs(4);
/// Pause between two pieces of live output.
const PAUSE: Duration = Duration::from_millis(30);
/// Bytes of one piece of live output at most.
const MOST_LIVE: usize = 64 * 1024;

/// What a running call tells the actor.
#[derive(Debug)]
pub(super) enum ToolEvent {
    /// More output.
    Output(CallId, String),
    /// It ended. Nothing follows.
    Finished(Box<ToolResult>),
}

/// Starts a call; the task ends when the handle is dropped.
pub(super) fn start(
    toolbox: Arc<Toolbox>,
    call: ToolCall,
    cancel: CancellationToken,
    redactor: Redactor,
    events: mpsc::UnboundedSender<ToolEvent>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let result = run(toolbox, call, cancel, redactor, &events).await;
        // The engine may be gone already.
        let _ = events.send(ToolEvent::Finished(Box::new(result)));
    }))
}

async fn run(
    toolbox: Arc<Toolbox>,
    call: ToolCall,
    cancel: CancellationToken,
    redactor: Redactor,
    events: &mpsc::UnboundedSender<ToolEvent>,
) -> ToolResult {
    let started = Instant::now();
    let (output, mut chunks) = mpsc::unbounded_channel();
    let mut live = Live::new(redactor.clone());
    let (id, tool) = (call.id.clone(), call.name.clone());
    let context = CallContext { cancel: cancel.clone(), output };
    let mut work = AbortOnDropHandle::new(tokio::spawn(async move { toolbox.call(&call, context).await }));
    let too_late = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::pin!(too_late);
    // The engine may be gone already.
    let send = |text: String| drop(events.send(ToolEvent::Output(id.clone(), text)));
    let tell = |text: String| {
        if !text.is_empty() {
            send(text);
        }
    };
    let mut open = true;
    let outcome = loop {
        tokio::select! {
            biased;
            chunk = chunks.recv(), if open => match chunk {
                // Only a sign of life, and a rare one.
                Some(chunk) if chunk.is_empty() => send(chunk),
                Some(chunk) => live.add(&chunk),
                None => open = false,
            },
            outcome = &mut work => break Some(outcome),
            () = tokio::time::sleep_until(live.due), if live.has_some() => {}
            () = &mut too_late => break None,
        }
        tell(live.take(Instant::now()));
    };
    while let Ok(chunk) = chunks.try_recv() {
        live.add(&chunk);
    }
    tell(live.take_all());
    match outcome {
        Some(Ok(finished)) => result(id, tool, finished, &redactor),
        Some(Err(error)) => {
            tracing::error!(%tool, %error, "a tool call crashed");
            let output = "This tool crashed: an error inside okcvm. What it did until then is unknown.".to_owned();
            let reply =
                ToolReply { call: id, tool, status: ToolStatus::Error, output, unfinished: true, images: Vec::new() };
            ToolResult::plain(reply, millis(started.elapsed()))
        }
        None => {
            tracing::warn!(%tool, "a tool call did not stop in time");
            let reply = cancelled(id, tool, "Cancelled by the user. The call did not stop in time and was given up.");
            ToolResult::plain(reply, millis(started.elapsed()))
        }
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// The one place where results are redacted, before they become record, event or message.
pub(super) fn result(call: CallId, tool: String, finished: Finished, redactor: &Redactor) -> ToolResult {
    let clean = |text: String| redactor.redact(&text).into_owned();
    let reply = ToolReply {
        call,
        tool,
        status: finished.status,
        output: clean(finished.output),
        unfinished: finished.unfinished,
        images: finished.images,
    };
    ToolResult {
        reply,
        duration_ms: millis(finished.duration),
        artifacts: finished.artifacts.into_iter().map(|artifact| artifact_without_keys(artifact, redactor)).collect(),
        todos: finished.todos,
        spill: finished.spill.map(|spill| SpilledOutput { path: spill.path, sha256: spill.sha256, bytes: spill.bytes }),
        diff: finished.diff.map(clean),
        fatal: finished.fatal.map(clean),
    }
}

fn artifact_without_keys(artifact: Artifact, redactor: &Redactor) -> Artifact {
    let clean = |text: String| redactor.redact(&text).into_owned();
    Artifact { title: artifact.title.map(clean), url: artifact.url.map(clean), ..artifact }
}

/// Output on its way to the screen.
struct Live {
    stream: RedactedStream,
    text: String,
    skipped: u64,
    due: Instant,
}

impl Live {
    fn new(redactor: Redactor) -> Self {
        Self { stream: RedactedStream::new(redactor), text: String::new(), skipped: 0, due: Instant::now() }
    }

    fn add(&mut self, chunk: &str) {
        let clean = self.stream.push(chunk);
        self.text.push_str(&clean);
        if self.text.len() > 2 * MOST_LIVE {
            self.skipped += truncate::keep_end(&mut self.text, MOST_LIVE) as u64;
        }
    }

    fn has_some(&self) -> bool {
        !self.text.is_empty()
    }

    /// What may go out now; empty before the pause is over.
    fn take(&mut self, now: Instant) -> String {
        if now < self.due || self.text.is_empty() {
            return String::new();
        }
        self.due = now + PAUSE;
        let text = std::mem::take(&mut self.text);
        match std::mem::take(&mut self.skipped) {
            0 => text,
            skipped => format!("\n[... {} not shown live ...]\n{text}", truncate::bytes(skipped)),
        }
    }

    fn take_all(&mut self) -> String {
        let rest = self.stream.finish();
        self.text.push_str(&rest);
        self.due = Instant::now();
        self.take(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_output_is_cut_in_the_middle() {
        let mut live = Live::new(Redactor::default());
        for _ in 0..1000 {
            live.add(&"é".repeat(1000));
        }
        let text = live.take_all();
        assert!(text.starts_with("\n[... 1.8 MiB not shown live ...]\né"), "{}", &text[..60]);
        assert!(text.len() < 3 * MOST_LIVE);
    }

    #[test]
    fn pieces_keep_their_distance() {
        let mut live = Live::new(Redactor::default());
        let now = Instant::now();
        live.add("a");
        assert_eq!(live.take(now), "a", "the first one goes at once");
        live.add("b");
        assert_eq!(live.take(now), "");
        live.add("c");
        assert_eq!(live.take(now + PAUSE), "bc");
    }
}
