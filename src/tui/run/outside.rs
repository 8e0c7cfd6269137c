//! The terminal in other hands for a while: an editor, a pager, the shell.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal as Number;
use tokio::signal::unix::{SignalKind, signal};

use super::Loop;
use crate::support::host_command::{self, HostCommand};
use crate::tui::app::Msg;
use crate::tui::effect::Outside;
use crate::tui::frame::Urgency;
use crate::tui::input::EventSource;
use crate::tui::output::Sink;
use crate::tui::{TuiError, history};

/// How long the signal to stop may take.
const NO_SHELL: Duration = Duration::from_millis(300);

impl<S: Sink, E: EventSource> Loop<S, E> {
    /// Gives the terminal to a program. The keys are let go first: a reader that only sleeps would still take the
    /// program's first keys.
    /// Whether the program was content.
    pub(super) async fn outside(&mut self, command: &HostCommand, file: &Path) -> Result<bool, TuiError> {
        self.end_recording();
        self.source.release();
        self.screen.suspend();
        let status = command.open(file).await;
        // An interrupt from the keyboard was meant for the program.
        while let std::task::Poll::Ready(signal) = futures::poll!(std::pin::pin!(self.signals.next())) {
            if signal != 2 {
                let _ = self.jobs.0.send(Msg::Signal(signal));
            }
        }
        self.screen.resume()?;
        self.source.reclaim();
        self.frames.request(Urgency::AtOnce);
        let words = match status {
            Ok(status) if status.success() => return Ok(true),
            Ok(status) => format!("{} ended with {status}", command.name()),
            Err(error) => format!("cannot run {}: {error}", command.name()),
        };
        let _ = self.jobs.0.send(Msg::Notice(words));
        Ok(false)
    }

    /// Opens something with the user's program for it, which goes on by itself; says where it is where there is none.
    pub(super) fn open_outside(&self, target: Outside) {
        let jobs = self.jobs.0.clone();
        let (argument, shown) = match target {
            Outside::Address(url) => (url.clone().into(), url),
            Outside::File(path) => (path.clone().into_os_string(), path.display().to_string()),
        };
        let Some(opener) = host_command::opener() else {
            // Over SSH, or without a desktop, only the user's own machine can show it.
            let forward = self.options.ssh.as_ref().and_then(|place| place.forward(&shown));
            let words = match forward {
                Some(line) => format!("open {shown} on your own machine, after: {line}"),
                None => format!("no program opens it here: {shown}"),
            };
            let _ = jobs.send(Msg::Notice(words));
            return;
        };
        tokio::spawn(async move {
            let words = match opener.launch(&argument).await {
                Ok(()) => format!("opened {shown}"),
                Err(error) => format!("{} did not open it ({error}): {shown}", opener.name()),
            };
            let _ = jobs.send(Msg::Notice(words));
        });
    }

    /// Stops the program as Ctrl+Z does, with the terminal as it was, until the shell goes on with it.
    pub(super) async fn stop_here(&mut self) -> Result<(), TuiError> {
        let mut goes_on = signal(SignalKind::from_raw(Number::CONT.as_raw())).map_err(TuiError::Terminal)?;
        self.end_recording();
        self.source.release();
        self.screen.suspend();
        let stopped = rustix::process::kill_current_process_group(Number::TSTP);
        // Stopped are all threads; this one goes on with the signal. Where no shell watches over the group, nothing is
        // stopped and no signal comes.
        let waited = tokio::time::timeout(NO_SHELL, goes_on.recv()).await;
        self.screen.resume()?;
        self.source.reclaim();
        self.frames.request(Urgency::AtOnce);
        if stopped.is_err() || waited.is_err() {
            let _ = self.jobs.0.send(Msg::Notice("there is no shell to go back to".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn edit(&mut self, text: &str) -> Result<(), TuiError> {
        let Some(editor) = host_command::editor() else { return Ok(()) };
        let written = history::private_file(text.as_bytes());
        let file = match written {
            Ok(file) => file,
            Err(error) => {
                let _ = self.jobs.0.send(Msg::Notice(format!("cannot write a file for the editor: {error}")));
                return Ok(());
            }
        };
        let done = self.outside(&editor, &file).await?;
        match std::fs::read(&file) {
            // Left without saving: what is written, with its pastes, stays.
            Ok(bytes) if !done || bytes == text.as_bytes() => {}
            Ok(bytes) => {
                let _ = self.jobs.0.send(Msg::Edited(String::from_utf8_lossy(&bytes).into_owned()));
            }
            Err(error) => {
                let _ = self.jobs.0.send(Msg::Notice(format!("cannot read the message back: {error}")));
            }
        }
        let _ = std::fs::remove_file(&file);
        Ok(())
    }
}
