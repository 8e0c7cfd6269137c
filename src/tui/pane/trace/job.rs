//! A background job as the trace shows it: clean.

use ratatui::text::Span;

use crate::protocol::Job;
use crate::support::sanitize;
use crate::tui::text::output::Output;
use crate::tui::theme::Theme;

/// Processes of a command that go on after it ended.
#[derive(Debug)]
pub(super) struct BackgroundJob {
    pub(super) id: u32,
    /// The command line, which may have several lines.
    pub(super) command: String,
    processes: u32,
    ports: Vec<u16>,
    seconds: u64,
    /// When all this was told.
    told_ms: u64,
    pub(super) tail: Output,
}

impl BackgroundJob {
    pub(super) fn new(job: &Job, now_ms: u64) -> Self {
        Self {
            id: job.id,
            command: sanitize::text(job.command.trim()),
            processes: job.processes,
            ports: job.ports.clone(),
            seconds: job.seconds,
            told_ms: now_ms,
            tail: Output::whole(&job.tail),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("job {}", self.id)
    }

    /// The command in one row.
    pub(super) fn summary(&self) -> String {
        self.command.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn glyph(theme: Theme) -> Span<'static> {
        Span::styled(theme.glyphs().head, theme.agent())
    }

    /// Ports, and processes where they are wanted.
    pub(super) fn facts(&self, processes: bool, separator: &str) -> String {
        let ports = self.ports.iter().map(|port| format!(":{port}"));
        let count = match self.processes {
            1 => "1 process".to_owned(),
            count => format!("{count} processes"),
        };
        let facts: Vec<String> = ports.chain(processes.then_some(count)).collect();
        facts.join(separator)
    }

    /// How long it has been running, in whole minutes: nothing is drawn for the sake of its seconds.
    pub(super) fn age(&self, now_ms: u64) -> String {
        let minutes = (self.seconds + now_ms.saturating_sub(self.told_ms) / 1_000) / 60;
        match minutes {
            0 => "under 1 m".to_owned(),
            1..60 => format!("{minutes} m"),
            _ => format!("{} h {:02} m", minutes / 60, minutes % 60),
        }
    }
}
